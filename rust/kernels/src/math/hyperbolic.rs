//! Hyperbolic functions and their inverses, in float64 inside.

use super::power::exp_wide;
use super::{ROUND64, poly64};
use crate::isa::Simd;
use std::f64::consts::LN_2;

/// Hyperbolic sine.
#[inline(always)]
#[must_use]
pub fn sinh<S: Simd>(x: f32) -> f32 {
    let x = f64::from(x);
    let power = exp_wide::<S>(x.abs());
    let large = (0.5 * (power - 1.0 / power)).copysign(x);
    // Chebyshev interpolation of sinh(x) / x by x^2 up to 1, relative error 5.0e-11.
    let series = [
        2.819_018_792_792_959e-6,
        1.983_571_387_555_346_8e-4,
        8.333_353_205_516_371e-3,
        0.166_666_664_180_977_6,
        1.000_000_000_049_720_2,
    ];
    let small = x * poly64::<S, 5>(x * x, series);
    (if x.abs() < 1.0 { small } else { large }) as f32
}

/// Hyperbolic cosine.
#[inline(always)]
#[must_use]
pub fn cosh<S: Simd>(x: f32) -> f32 {
    let power = exp_wide::<S>(f64::from(x).abs());
    (0.5 * (power + 1.0 / power)) as f32
}

/// `log(1 + z)` of a finite `z` above -1, to 1e-12 of it.
#[inline(always)]
pub(super) fn log1p_wide<S: Simd>(z: f64) -> f64 {
    const SQRT_HALF: i64 = 0x3fe6_a09e_0000_0000;
    let bits = (1.0 + z).to_bits().cast_signed().wrapping_sub(SQRT_HALF);
    let exponent = bits >> 52;
    let mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF).cast_unsigned());
    // What rounding 1 + z lost counts where that is near 1 only.
    let excess = if exponent == 0 { z } else { mantissa - 1.0 };
    let s = excess / (excess + 2.0);
    // 2 * atanh(s): the series, whose terms shrink by 34 each.
    let series = [2.0 / 17.0, 2.0 / 15.0, 2.0 / 13.0, 2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0];
    // An integer of few bits as a float, without a conversion that AVX2 lacks.
    let exponent = f64::from_bits((exponent + ROUND64.to_bits().cast_signed()).cast_unsigned()) - ROUND64;
    S::fma64(poly64::<S, 9>(s * s, series), s, exponent * LN_2)
}

/// Inverse hyperbolic sine.
#[inline(always)]
#[must_use]
pub fn asinh<S: Simd>(x: f32) -> f32 {
    let size = f64::from(x).abs();
    let square = size * size;
    let y = log1p_wide::<S>(size + square / (1.0 + (1.0 + square).sqrt()));
    let y = (y as f32).copysign(x);
    if x.is_finite() { y } else { x }
}

/// Inverse hyperbolic cosine.
#[inline(always)]
#[must_use]
pub fn acosh<S: Simd>(x: f32) -> f32 {
    let above = f64::from(x) - 1.0;
    let y = log1p_wide::<S>(above + (above * (above + 2.0)).sqrt()) as f32;
    let y = if x >= 1.0 { y } else { f32::NAN };
    if x == f32::INFINITY { x } else { y }
}

/// Inverse hyperbolic tangent.
#[inline(always)]
#[must_use]
pub fn atanh<S: Simd>(x: f32) -> f32 {
    let size = f64::from(x).abs();
    let y = (0.5 * log1p_wide::<S>(2.0 * size / (1.0 - size))) as f32;
    let y = if size == 1.0 { f32::INFINITY } else { y };
    (if size <= 1.0 { y } else { f32::NAN }).copysign(x)
}
