//! Powers, by a logarithm and an exponential in float64.

use super::logarithm::split;
use super::{ROUND64, poly64};
use crate::isa::Simd;

/// Base-2 logarithm of a positive finite `x`, to 1.7e-11 of it.
#[inline(always)]
fn log2_wide<S: Simd>(x: f32) -> f64 {
    let (exponent, excess) = split(x);
    let (exponent, excess) = (f64::from(exponent), f64::from(excess));
    // log2(1 + excess) / excess, minimax: a longer polynomial is quicker than a shorter one of a quotient.
    let series = [
        7.735_240_057_439_995e-2,
        -1.428_289_387_704_696_5e-1,
        1.447_520_839_245_525e-1,
        -1.431_590_359_291_979e-1,
        1.587_695_510_021_638_3e-1,
        -1.803_003_675_453_767e-1,
        2.061_753_665_879_18e-1,
        -2.404_531_748_746_992_5e-1,
        2.885_372_933_687_329e-1,
        -3.606_736_746_794_282e-1,
        4.808_983_613_969_552_4e-1,
        -7.213_475_208_694_409e-1,
        1.442_695_040_868_689_2,
    ];
    S::fma64(poly64::<S, 13>(excess, series), excess, exponent)
}

/// 2 to the power `t`, to 1.9e-9 of it, for |t| up to 200, at which other `t` are taken.
#[inline(always)]
fn exp2_wide<S: Simd>(t: f64) -> f64 {
    let t = if t < -200.0 { -200.0 } else { t };
    let t = if t > 200.0 { 200.0 } else { t };
    let shifted = t + ROUND64;
    let r = t - (shifted - ROUND64);
    // Minimax on |r| up to 1/2.
    let series = [
        1.534_583_379_512_707_6e-4,
        1.339_993_221_971_085_9e-3,
        9.618_488_909_276_019e-3,
        5.550_328_773_706_879e-2,
        2.402_264_689_054_013e-1,
        6.931_472_057_396_059e-1,
        1.000_000_000_554_489_6,
    ];
    let n = shifted.to_bits().wrapping_sub(ROUND64.to_bits()).wrapping_add(1023);
    poly64::<S, 7>(r, series) * f64::from_bits(n << 52)
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
