//! What the loops of cells over the units of a row share.

use crate::element::Float;
use crate::isa::{Simd, prefetch};
use crate::lanes::{NARROW, put, take};

/// `out = f(x + products)`: the hyperbolic tangent if `TANH`, else the logistic function.
#[inline(always)]
pub(super) fn activate<T: Float, S: Simd, const TANH: bool>(x: &[T], products: &[T], out: &mut [T]) {
    let whole = out.len() / NARROW * NARROW;
    let inputs = x.as_chunks().0.iter().zip(products.as_chunks().0);
    for (out, (x, products)) in out.as_chunks_mut().0.iter_mut().zip(inputs) {
        *out = activated::<T, S, TANH>(x, products);
    }
    if whole < out.len() {
        put(&mut out[whole..], &activated::<T, S, TANH>(&take(&x[whole..]), &take(&products[whole..])));
    }
}

#[inline(always)]
fn activated<T: Float, S: Simd, const TANH: bool>(x: &[T; NARROW], products: &[T; NARROW]) -> [T; NARROW] {
    let mut out = *x;
    for lane in 0..NARROW {
        let sum = x[lane] + products[lane];
        out[lane] = if TANH { sum.tanh::<S>() } else { sum.sigmoid::<S>() };
    }
    out
}

/// Brings near what lies `ahead` elements further on than `row`: rows of the next step come from far, in pieces.
#[inline(always)]
pub(super) fn fetch<T>(row: &[T], ahead: isize) {
    /// Bytes of a cache line.
    const LINE: usize = 64;
    let start = row.as_ptr().wrapping_offset(ahead);
    for byte in (0..size_of_val(row)).step_by(LINE) {
        prefetch(start.wrapping_byte_add(byte));
    }
}
