//! Hyperbolic functions and their inverses.

use super::logarithm::log1p_above;
use super::{EXACT, NATURAL, poly32, size_up_to};
use crate::isa::Simd;

/// Half of `exp(size)`, infinite with its double or before.
#[inline(always)]
fn half_exp<S: Simd>(size: f32) -> f32 {
    NATURAL.at::<S>(size_up_to(size, 90.0), EXACT, -2.0).value::<S>() * 2.0
}

/// Hyperbolic sine.
#[inline(always)]
#[must_use]
pub fn sinh<S: Simd>(x: f32) -> f32 {
    let size = x.abs();
    let half = half_exp::<S>(size);
    let large = (half - 0.25 / half).copysign(x);
    // (sinh(x) / x - 1) / x^2 by x^2 up to 1, minimax, error 3.0e-10 of the result.
    let series = [2.782_211_8e-6, 1.984_289_6e-4, 8.333_310_5e-3, 1.666_666_7e-1];
    let square = x * x;
    let small = S::fma32(poly32::<S, 4>(square, series) * square, x, x);
    if size < 1.0 { small } else { large }
}

/// Hyperbolic cosine.
#[inline(always)]
#[must_use]
pub fn cosh<S: Simd>(x: f32) -> f32 {
    let half = half_exp::<S>(x.abs());
    half + 0.25 / half
}

/// Where squares still have room, and no logarithm notices an addend of 1.
const LARGE: f32 = 1_073_741_824.0;

/// Inverse hyperbolic sine.
#[inline(always)]
#[must_use]
pub fn asinh<S: Simd>(x: f32) -> f32 {
    let size = x.abs();
    let square = size * size;
    let above = size + square / (1.0 + S::fma32(size, size, 1.0).sqrt());
    let y = if size < LARGE { log1p_above::<S>(above, 0.0) } else { log1p_above::<S>(0.25 * size, 3.0) };
    (if size == f32::INFINITY { size } else { y }).copysign(x)
}

/// Inverse hyperbolic cosine.
#[inline(always)]
#[must_use]
pub fn acosh<S: Simd>(x: f32) -> f32 {
    let more = x - 1.0;
    let above = more + S::fma32(more, more, 2.0 * more).sqrt();
    let y = if x < LARGE { log1p_above::<S>(above, 0.0) } else { log1p_above::<S>(0.25 * x, 3.0) };
    let y = if x == f32::INFINITY { x } else { y };
    if x >= 1.0 { y } else { f32::NAN }
}

/// Inverse hyperbolic tangent.
#[inline(always)]
#[must_use]
pub fn atanh<S: Simd>(x: f32) -> f32 {
    let size = x.abs();
    let y = 0.5 * log1p_above::<S>(2.0 * size / (1.0 - size), 0.0);
    let y = if size == 1.0 { f32::INFINITY } else { y };
    (if size <= 1.0 { y } else { f32::NAN }).copysign(x)
}
