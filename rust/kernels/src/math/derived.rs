//! Functions of float64 that are made of its exponential and its logarithm, and the inverses of sine and cosine: as
//! straight-line code, within two and a half units in the last place, the tangent within three and a half. All need fused
//! multiply-adds.

use super::wide::{LN2, cos64, logarithm, reduced, reduced_expm1, sin64};
use super::{ROUND64, poly64};
use crate::isa::Simd;
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, LN_2, LOG2_E, LOG10_E, PI};

/// A constant, and what rounding it lost.
type Parts = [f64; 2];

/// The logarithm of `x` to another base than e, given the logarithm of 2 to that base in two parts, of which the first has
/// few bits, and that of e.
#[inline(always)]
fn to_base<S: Simd>(x: f64, of_two: Parts, of_e: Parts) -> f64 {
    let (exponent, [high, low]) = logarithm::<S>(x, 0.0);
    let product = high * of_e[0];
    let tail = S::fma64(high, of_e[1], S::fma64(low, of_e[0], S::fma64(high, of_e[0], -product)));
    let whole = exponent * of_two[0];
    let sum = whole + product;
    let lost = (whole - sum) + product;
    let y = sum + (S::fma64(exponent, of_two[1], lost) + tail);
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x >= 0.0 { y } else { f64::NAN }
}

/// Logarithm to base 2.
#[inline(always)]
#[must_use]
pub fn log2_64<S: Simd>(x: f64) -> f64 {
    to_base::<S>(x, [1.0, 0.0], [LOG2_E, 2.035_527_374_093_103_3e-17])
}

/// Logarithm to base 10.
#[inline(always)]
#[must_use]
pub fn log10_64<S: Simd>(x: f64) -> f64 {
    to_base::<S>(x, [0.301_029_995_663_839_14, 1.420_502_322_726_61e-13], [LOG10_E, 1.098_319_650_216_765e-17])
}

/// `log(1 + x)`, accurate near zero.
#[inline(always)]
#[must_use]
pub fn log1p_64<S: Simd>(x: f64) -> f64 {
    let sum = 1.0 + x;
    let lost = if x > 1.0 { 1.0 - (sum - x) } else { x - (sum - 1.0) };
    let (exponent, [high, low]) = logarithm::<S>(sum, lost / sum);
    let y = S::fma64(exponent, LN2[0], high + S::fma64(exponent, LN2[1], low));
    let y = if x == -1.0 { f64::NEG_INFINITY } else { y };
    let y = if x == f64::INFINITY || x == 0.0 { x } else { y };
    if x >= -1.0 { y } else { f64::NAN }
}

/// A quarter of 2^power, for a power from -1000 on; infinite where that is.
#[inline(always)]
fn quarter_power(power: u64) -> f64 {
    f64::from_bits(power.wrapping_add(1021) << 52)
}

/// Below, a number is its own `exp(x) - 1` and hyperbolic sine, and halves of it lose digits.
const TINY: f64 = 1e-300;

/// `(exp(x) - 1) / 2` from -50 to where `exp(x) / 2` is infinite.
#[inline(always)]
fn half_expm1<S: Simd>(x: f64) -> f64 {
    let x = if x > 710.5 { 710.5 } else { x };
    let (rest, power) = reduced_expm1::<S>(x);
    let quarter = quarter_power(power);
    2.0 * S::fma64(quarter, rest, quarter - 0.25)
}

/// `exp(x) - 1`, accurate near zero.
#[inline(always)]
#[must_use]
pub fn expm1_64<S: Simd>(x: f64) -> f64 {
    // From here on down it is -1.
    let y = 2.0 * half_expm1::<S>(if x < -50.0 { -50.0 } else { x });
    if x.abs() < TINY { x } else { y }
}

/// 2 to the power `x`.
#[inline(always)]
#[must_use]
pub fn exp2_64<S: Simd>(x: f64) -> f64 {
    exp2_of_sum::<S>(x, 0.0)
}

/// 2 to the power `x + more`, which is little beside `x`.
#[inline(always)]
pub(super) fn exp2_of_sum<S: Simd>(x: f64, more: f64) -> f64 {
    let x = if x < -1076.0 { -1076.0 } else { x };
    let x = if x > 1025.0 { 1025.0 } else { x };
    let whole = x.round_ties_even();
    let part = x - whole;
    let r = part * LN_2;
    let lost = S::fma64(part, LN_2, -r) + S::fma64(part, 2.319_046_813_846_299_6e-17, more * LN_2);
    let near = reduced::<S>(r);
    let value = 1.0 + (near + S::fma64(near, lost, lost));
    let biased = (whole + ROUND64).to_bits().wrapping_sub(ROUND64.to_bits()).wrapping_add(2 * 1023);
    let half = biased >> 1;
    value * f64::from_bits(half << 52) * f64::from_bits(biased.wrapping_sub(half) << 52)
}

/// Hyperbolic sine.
#[inline(always)]
#[must_use]
pub fn sinh64<S: Simd>(x: f64) -> f64 {
    let half = half_expm1::<S>(x.abs());
    let size = half + half / (2.0 * half + 1.0);
    let size = if x.abs() < TINY { x.abs() } else { size };
    (if half == f64::INFINITY { half } else { size }).copysign(x)
}

/// Hyperbolic cosine.
#[inline(always)]
#[must_use]
pub fn cosh64<S: Simd>(x: f64) -> f64 {
    let size = if x.abs() > 710.5 { 710.5 } else { x.abs() };
    let (rest, power) = reduced_expm1::<S>(size);
    let quarter = quarter_power(power);
    let half = 2.0 * S::fma64(quarter, rest, quarter);
    half + 0.25 / half
}

/// Inverse hyperbolic tangent.
#[inline(always)]
#[must_use]
pub fn atanh64<S: Simd>(x: f64) -> f64 {
    let size = x.abs();
    let y = 0.5 * log1p_64::<S>(2.0 * size / (1.0 - size));
    let y = if size == 1.0 { f64::INFINITY } else { y };
    let y = if size <= 1.0 { y } else { f64::NAN };
    if x == 0.0 { x } else { y.copysign(x) }
}

/// Tangent, for |x| up to [`TRIGONOMETRIC_LIMIT`](super::TRIGONOMETRIC_LIMIT).
#[inline(always)]
#[must_use]
pub fn tan64<S: Simd>(x: f64) -> f64 {
    sin64::<S>(x) / cos64::<S>(x)
}

/// Powers of two that bring squares into the range, and their roots back.
const LARGE: f64 = f64::from_bits(1623 << 52);
const SMALL: f64 = f64::from_bits(423 << 52);

/// `sqrt(x * x + y * y)`, without overflow.
#[inline(always)]
#[must_use]
pub fn hypot64<S: Simd>(x: f64, y: f64) -> f64 {
    let (a, b) = (x.abs(), y.abs());
    let (large, small) = if a < b { (b, a) } else { (a, b) };
    let (factor, back) = if large > 1e150 { (SMALL, LARGE) } else { (1.0, 1.0) };
    let (factor, back) = if large < 1e-150 { (LARGE, SMALL) } else { (factor, back) };
    let (large, small) = (large * factor, small * factor);
    let root = S::fma64(large, large, small * small).sqrt() * back;
    if a == f64::INFINITY || b == f64::INFINITY { f64::INFINITY } else { root }
}

/// `(asin(x) - x) / x` by `square`, the square of `x`, up to a half: from fdlibm.
#[inline(always)]
fn arc<S: Simd>(square: f64) -> f64 {
    let above = [
        3.479_331_075_960_211_7e-5,
        7.915_349_942_898_145e-4,
        -4.005_553_450_067_941e-2,
        2.012_125_321_348_629_3e-1,
        -3.255_658_186_224_009_4e-1,
        1.666_666_666_666_666_6e-1,
    ];
    let below =
        [7.703_815_055_590_193_5e-2, -6.882_839_716_054_533e-1, 2.020_945_760_233_505_7, -2.403_394_911_734_414_2, 1.0];
    square * poly64::<S, 6>(square, above) / poly64::<S, 5>(square, below)
}

/// Half the angle whose cosine is `x`, from a half to 1, in two parts of which the first is a root of few digits.
#[inline(always)]
fn half_acos<S: Simd>(x: f64) -> Parts {
    let square = 0.5 * (1.0 - x);
    let root = square.sqrt();
    let high = f64::from_bits(root.to_bits() & !0xffff_ffff);
    let low = S::fma64(-high, high, square) / (root + high);
    [high, S::fma64(root, arc::<S>(square), if square > 0.0 { low } else { 0.0 })]
}

/// What `FRAC_PI_2` lacks.
const PI_2_LOST: f64 = 6.123_233_995_736_766e-17;

/// Inverse of the sine; NaN outside -1 to 1.
#[inline(always)]
#[must_use]
pub fn asin64<S: Simd>(x: f64) -> f64 {
    let size = x.abs();
    let small = S::fma64(x, arc::<S>(x * x), x);
    let [high, low] = half_acos::<S>(size);
    // A quarter of a turn less twice the root is exact in this order.
    let large = FRAC_PI_4 - ((2.0 * low - PI_2_LOST) - (FRAC_PI_4 - 2.0 * high));
    if size < 0.5 { small } else { large.copysign(x) }
}

/// Inverse of the cosine; NaN outside -1 to 1.
#[inline(always)]
#[must_use]
pub fn acos64<S: Simd>(x: f64) -> f64 {
    let size = x.abs();
    let small = FRAC_PI_2 - (x - S::fma64(-x, arc::<S>(x * x), PI_2_LOST));
    let [high, low] = half_acos::<S>(size);
    let large = 2.0 * (high + low);
    let large = if x < 0.0 { PI - 2.0 * (high + (low - PI_2_LOST)) } else { large };
    if size < 0.5 { small } else { large }
}
