//! Zero-copy exchange with numpy, torch, JAX and others: the buffer protocol and DLPack, both ways. The one place in
//! the bindings with `unsafe`: foreign memory and C structures meet Rust here.
//!
//! Lifetimes: whoever holds memory of a tensor holds its storage (a reference in the exported structure), and a tensor
//! over foreign memory holds the foreign owner until its own storage is dropped.

#![allow(unsafe_code, reason = "the exchange with C; every block gives its reason")]

pub mod buffer;
mod dlpack;

use pyo3::prelude::*;

/// The elements that a layout reaches, relative to index zero: from `low` (at most 0), `len` of them.
struct Window {
    low: isize,
    len: usize,
}

impl Window {
    fn of(shape: &[usize], strides: &[isize]) -> Self {
        if shape.contains(&0) {
            return Self { low: 0, len: 0 };
        }
        let (mut low, mut high) = (0isize, 0isize);
        for (&extent, &stride) in shape.iter().zip(strides) {
            let reach = (extent.cast_signed() - 1) * stride;
            if reach < 0 { low += reach } else { high += reach }
        }
        Self { low, len: (high - low + 1).unsigned_abs() }
    }
}

/// Registers the functions of both files.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    buffer::register(module)?;
    dlpack::register(module)
}
