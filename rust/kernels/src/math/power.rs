//! Powers, by a logarithm and an exponential in float64, and the root of a sum of squares.

use super::logarithm::{split, split_normal};
use super::{ROUND64, halved_poly64};
use crate::isa::Simd;

/// Base-2 logarithm of a positive finite number of these parts, to 1.7e-11 of it.
#[inline(always)]
fn log2_wide<S: Simd>((exponent, excess): (f32, f32)) -> f64 {
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
    S::fma64(halved_poly64::<S, 13>(excess, series), excess, exponent)
}

/// 2 to the power `t`, to 1.9e-9 of it, for |t| up to 1000.
#[inline(always)]
fn exp2_wide<S: Simd>(t: f64) -> f64 {
    /// The sum's low bits are an integer with the bias of an exponent.
    const ROUND: f64 = ROUND64 + 1023.0;
    let shifted = t + ROUND;
    let r = t - (shifted - ROUND);
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
    halved_poly64::<S, 7>(r, series) * f64::from_bits(shifted.to_bits() << 52)
}

/// `x` to the power `y`, with C's special cases.
#[inline(always)]
#[must_use]
pub fn pow<S: Simd>(x: f32, y: f32) -> f32 {
    let size = x.abs();
    let half = y * 0.5;
    let is_integer = y.trunc() == y;
    let is_odd = is_integer && half.trunc() != half;
    let wide = f64::from(y) * log2_wide::<S>(split(size));
    // From here on powers are zero or infinite.
    let wide = if wide < -200.0 { -200.0 } else { wide };
    let wide = if wide > 200.0 { 200.0 } else { wide };
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

/// Whether [`usual_pow`] holds: `x` is a positive normal number, and no such to the power `y` is beyond 2^1000.
#[inline(always)]
#[must_use]
pub fn is_usual_pow(x: f32, y: f32) -> bool {
    (f32::MIN_POSITIVE..f32::INFINITY).contains(&x) && y.abs() < 7.8
}

/// [`pow`] of what needs no special case.
#[inline(always)]
#[must_use]
pub fn usual_pow<S: Simd>(x: f32, y: f32) -> f32 {
    exp2_wide::<S>(f64::from(y) * log2_wide::<S>(split_normal(x))) as f32
}

/// `sqrt(x * x + y * y)`, without overflow; infinite where one of them is.
#[inline(always)]
#[must_use]
pub fn hypot<S: Simd>(x: f32, y: f32) -> f32 {
    // 2 to the power of 80, and its inverse: scaled by them, the larger square is neither infinite nor subnormal.
    const UP: f32 = f32::from_bits((127 + 80) << 23);
    const DOWN: f32 = f32::from_bits((127 - 80) << 23);
    let (x, y) = (x.abs(), y.abs());
    let (large, small) = if x > y { (x, y) } else { (y, x) };
    let scale = if large < 1e-12 { UP } else { 1.0 };
    let (scale, unscale) = if large > 1e18 { (DOWN, UP) } else { (scale, if large < 1e-12 { DOWN } else { 1.0 }) };
    let (large, small) = (large * scale, small * scale);
    let root = S::fma32(large, large, small * small).sqrt() * unscale;
    if x == f32::INFINITY || y == f32::INFINITY { f32::INFINITY } else { root }
}
