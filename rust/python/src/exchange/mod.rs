//! Zero-copy exchange with numpy, torch, JAX and others: the buffer protocol and DLPack, both ways; and memory taken over
//! from operands that die; and second names of keywords. The one place in the bindings with `unsafe`: foreign memory and C
//! structures meet Rust here.
//!
//! Lifetimes: whoever holds memory of a tensor holds its storage (a reference in the exported structure), and a tensor
//! over foreign memory holds the foreign owner until its own storage is dropped.

#![allow(unsafe_code, reason = "the exchange with C; every block gives its reason")]

pub mod buffer;
mod dlpack;
pub mod keywords;
pub mod temporary;

use crate::enter::to_py;
use dlcore_core::Error;
use dlcore_core::layout::{Show, numel};
use pyo3::prelude::*;

/// The elements that a layout reaches, relative to index zero: from `low` (at most 0), `len` of them.
struct Window {
    low: isize,
    len: usize,
}

impl Window {
    /// The window of a foreign layout, whose elements take `size` bytes each.
    ///
    /// # Errors
    /// A shape or strides that no memory holds: the owner's description is wrong.
    fn of(op: &str, shape: &[usize], strides: &[isize], size: usize) -> PyResult<Self> {
        if numel(op, shape).map_err(to_py)? == 0 {
            return Ok(Self { low: 0, len: 0 });
        }
        let reach = shape.iter().zip(strides).try_fold((0isize, 0isize), |(low, high), (&extent, &stride)| {
            let reach = (extent.cast_signed() - 1).checked_mul(stride)?;
            Some(if reach < 0 { (low.checked_add(reach)?, high) } else { (low, high.checked_add(reach)?) })
        });
        reach
            .and_then(|(low, high)| Some((low, high.checked_sub(low)?.checked_add(1)?)))
            .filter(|(_, len)| len.checked_mul(size.cast_signed()).is_some())
            .map(|(low, len)| Self { low, len: len.unsigned_abs() })
            .ok_or_else(|| {
                to_py(Error::value(
                    op,
                    format_args!("strides {strides:?} of shape {} reach beyond all memory", Show(shape)),
                ))
            })
    }
}

/// Registers the functions of both files.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    buffer::register(module)?;
    dlpack::register(module)
}
