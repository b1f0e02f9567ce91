//! Powers, by a logarithm and an exponential in float64.

use super::{ROUND64, poly64};
use crate::isa::Simd;

/// Base-2 logarithm of a positive finite `x`, good to float32's accuracy after multiplication by any exponent.
#[inline(always)]
fn log2_wide<S: Simd>(x: f32) -> f64 {
    const SQRT_HALF: i64 = 0x3fe6_a09e_0000_0000;
    const SCALE: f64 = 2.0 * std::f64::consts::LOG2_E;
    let bits = f64::from(x).to_bits().cast_signed().wrapping_sub(SQRT_HALF);
    let exponent = f64::from((bits >> 52) as i32);
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF).cast_unsigned());
    let s = (m - 1.0) / (m + 1.0);
    // 2 / ln(2) * atanh(s): the series, whose terms shrink by 34 each.
    let series = [SCALE / 15.0, SCALE / 13.0, SCALE / 11.0, SCALE / 9.0, SCALE / 7.0, SCALE / 5.0, SCALE / 3.0, SCALE];
    S::fma64(poly64::<S, 8>(s * s, series), s, exponent)
}

/// 2 to the power `t`, to 1e-11 of it, for |t| up to 200, at which other `t` are taken.
#[inline(always)]
fn exp2_wide<S: Simd>(t: f64) -> f64 {
    let t = if t < -200.0 { -200.0 } else { t };
    let t = if t > 200.0 { 200.0 } else { t };
    let shifted = t + ROUND64;
    let r = (t - (shifted - ROUND64)) * std::f64::consts::LN_2;
    // The exponential series: r^10 / 10! is below 1e-11.
    let series = [
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let n = shifted.to_bits().wrapping_sub(ROUND64.to_bits()).wrapping_add(1023);
    poly64::<S, 10>(r, series) * f64::from_bits(n << 52)
}

/// e to the power `x`, as wide.
#[inline(always)]
pub(super) fn exp_wide<S: Simd>(x: f64) -> f64 {
    exp2_wide::<S>(x * std::f64::consts::LOG2_E)
}

/// `x` to the power `y`, with C's special cases.
#[inline(always)]
#[must_use]
pub fn pow<S: Simd>(x: f32, y: f32) -> f32 {
    let size = x.abs();
    let half = y * 0.5;
    let is_integer = y.trunc() == y;
    let is_odd = is_integer && half.trunc() != half;
    let wide = f64::from(y) * log2_wide::<S>(size);
    // log2 of 0 and infinity; a size of 1 to any power is 1.
    let grows = (size > 1.0) == (y > 0.0);
    let extreme = if grows { f32::INFINITY } else { 0.0 };
    let result = exp2_wide::<S>(wide) as f32;
    let result = if size == 0.0 || size == f32::INFINITY || y.abs() == f32::INFINITY { extreme } else { result };
    let result = if size == 1.0 { 1.0 } else { result };
    let signed = if x.is_sign_negative() && is_odd { -result } else { result };
    let defined = x >= 0.0 || is_integer || x == f32::NEG_INFINITY;
    let signed = if defined { signed } else { f32::NAN };
    let signed = if y.is_nan() || x.is_nan() { x + y } else { signed };
    if y == 0.0 || x == 1.0 { 1.0 } else { signed }
}
