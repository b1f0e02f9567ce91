//! Powers, by a logarithm and an exponential in float64, and the root of a sum of squares.

use super::derived::exp2_of_sum;
use super::{ROUND64, halved_poly64};
use crate::isa::Simd;

/// Powers of two from below the least float32 on: where exponents are counted from, so that none is negative.
const STEPS: u64 = 150;

/// The bits of a float64, counted from those of sqrt(1/2) times two to the power -[`STEPS`].
#[inline(always)]
fn above_least(x: f64) -> u64 {
    x.to_bits().wrapping_sub(SQRT_HALF).wrapping_add(STEPS << 52)
}

/// The bits of sqrt(1/2), where mantissas begin.
const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;

/// Base-2 logarithm of a positive finite float32, which is normal in float64, to 1.0e-10 of it.
#[inline(always)]
fn log2_wide<S: Simd>(x: f64) -> f64 {
    /// 2^52, in whose low bits an integer stands.
    const INTEGER: f64 = 4_503_599_627_370_496.0;
    let bits = above_least(x);
    let exponent = f64::from_bits((bits >> 52) | INTEGER.to_bits()) - (INTEGER + STEPS as f64);
    let excess = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF)) - 1.0;
    // log2(1 + excess) / excess, minimax: a longer polynomial is quicker than a shorter one of a quotient.
    let series = [
        -8.634_547_871_727_67e-2,
        1.548_573_171_353_227e-1,
        -1.569_824_567_331_267e-1,
        1.590_015_833_897_848_2e-1,
        -1.790_469_300_189_635_4e-1,
        2.060_962_452_811_222_4e-1,
        -2.405_041_750_592_682_3e-1,
        2.885_406_440_880_852_3e-1,
        -3.606_728_005_369_045_9e-1,
        4.808_983_207_191_059_6e-1,
        -7.213_475_252_131_104e-1,
        1.442_695_040_939_378_7,
    ];
    S::fma64(halved_poly64::<S, 12>(excess, series), excess, exponent)
}

/// The sum's low bits are an integer with the bias of an exponent.
const ROUND: f64 = ROUND64 + 1023.0;

/// 2 to the power `y * log`, to 1.9e-9 of it, and the bits of [`ROUND`] with the nearest integer to the product added.
/// It holds for products up to 1000 in size.
#[inline(always)]
fn exp2_wide<S: Simd>(y: f64, log: f64) -> (f64, u64) {
    let shifted = S::fma64(y, log, ROUND);
    let r = S::fma64(y, log, -(shifted - ROUND));
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
    let bits = shifted.to_bits();
    (halved_poly64::<S, 7>(r, series) * f64::from_bits(bits << 52), bits)
}

/// A power of two from which on all are infinite, and below whose negative all are zero.
const FAR: f64 = 200.0;

/// `x` to the power `y`, with C's special cases.
#[inline(always)]
#[must_use]
pub fn pow<S: Simd>(x: f32, y: f32) -> f32 {
    let size = x.abs();
    let half = y * 0.5;
    let is_integer = y.trunc() == y;
    let is_odd = is_integer && half.trunc() != half;
    let log = log2_wide::<S>(f64::from(size));
    // log2 of 0 and infinity; a size of 1 to any power is 1.
    let grows = (size > 1.0) == (y > 0.0);
    let extreme = if grows { f32::INFINITY } else { 0.0 };
    let power = exp2_wide::<S>(f64::from(y), log).0 as f32;
    let result = if (f64::from(y) * log).abs() < FAR { power } else { extreme };
    let result = if size == 0.0 || size == f32::INFINITY || y.abs() == f32::INFINITY { extreme } else { result };
    let result = if size == 1.0 { 1.0 } else { result };
    let signed = if x.is_sign_negative() && is_odd { -result } else { result };
    let defined = x >= 0.0 || is_integer || x == f32::NEG_INFINITY;
    let signed = if defined { signed } else { f32::NAN };
    let signed = if y.is_nan() || x.is_nan() { x + y } else { signed };
    if y == 0.0 || x == 1.0 { 1.0 } else { signed }
}

/// `x^y` to 2e-9 of it, for normal `x` in the range of float32 and `y` times the logarithm of it up to 1000 in size.
#[inline(always)]
pub(super) fn wide_power<S: Simd>(x: f64, y: f64) -> f64 {
    exp2_wide::<S>(y, log2_wide::<S>(x)).0
}

/// [`pow`] but for special cases, and whether this is none.
#[inline(always)]
#[must_use]
pub fn usual_pow<S: Simd>(x: f32, y: f32) -> (f32, bool) {
    const FIRST: u64 = (ROUND - FAR).to_bits();
    let (x, y) = (f64::from(x), f64::from(y));
    let (power, bits) = exp2_wide::<S>(y, log2_wide::<S>(x));
    let is_positive = above_least(x) < above_least(f64::from(f32::INFINITY));
    (power as f32, is_positive & (bits.wrapping_sub(FIRST) < (ROUND + FAR).to_bits() - FIRST))
}

/// Base-2 logarithm of a positive finite number, as a sum of two numbers: to 2^-64 of it.
///
/// `log(m) = 2 s (1 + s^2/3 + s^4/5 + ..)` with `s = (m - 1) / (m + 1)`, of which all up to the square's term is computed
/// in sums of two.
#[inline(always)]
fn log2_of_two<S: Simd>(x: f64) -> [f64; 2] {
    /// 2^52, in whose low bits an integer stands.
    const INTEGER: f64 = 4_503_599_627_370_496.0;
    /// Where exponents are counted from, so that none is negative.
    const STEPS: u64 = 1100;
    const THIRD: [f64; 2] = [0.333_333_333_333_333_3, 1.850_371_707_708_594e-17];
    /// 2 / ln 2.
    const SCALE: [f64; 2] = [2.885_390_081_777_926_8, 4.071_054_748_186_206_6e-17];
    let is_subnormal = x < f64::MIN_POSITIVE;
    let (x, lift) = (if is_subnormal { x * (4.0 * INTEGER) } else { x }, if is_subnormal { 54.0 } else { 0.0 });
    let bits = x.to_bits().wrapping_sub(SQRT_HALF).wrapping_add(STEPS << 52);
    let exponent = f64::from_bits((bits >> 52) | INTEGER.to_bits()) - (INTEGER + STEPS as f64) - lift;
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF));
    let (excess, sum) = (m - 1.0, m + 1.0);
    let sum_rest = m - (sum - 1.0);
    let s = excess / sum;
    // (1 - s) / 2 is the inverse of the sum.
    let s_rest = (S::fma64(-s, sum, excess) - s * sum_rest) * S::fma64(-0.5, s, 0.5);
    let z = s * s;
    let z_rest = S::fma64(s, s, -z) + 2.0 * s * s_rest;
    let third = z * THIRD[0];
    let third_rest = S::fma64(z, THIRD[0], -third) + S::fma64(z, THIRD[1], z_rest * THIRD[0]);
    let series = [
        1.0 / 25.0,
        1.0 / 23.0,
        1.0 / 21.0,
        1.0 / 19.0,
        1.0 / 17.0,
        1.0 / 15.0,
        1.0 / 13.0,
        1.0 / 11.0,
        1.0 / 9.0,
        1.0 / 7.0,
        1.0 / 5.0,
    ];
    let higher = z * z * halved_poly64::<S, 11>(z, series);
    let terms = third + higher;
    let terms_rest = (third - terms) + higher + third_rest;
    let factor = 1.0 + terms;
    let factor_rest = (terms - (factor - 1.0)) + terms_rest;
    let half = s * factor;
    let half_rest = S::fma64(s, factor, -half) + S::fma64(s, factor_rest, s_rest * factor);
    let log = half * SCALE[0];
    let log_rest = S::fma64(half, SCALE[0], -log) + S::fma64(half, SCALE[1], half_rest * SCALE[0]);
    let total = exponent + log;
    [total, (log - (total - exponent)) + log_rest]
}

/// `x` to the power `y`, with C's special cases.
#[inline(always)]
#[must_use]
pub fn pow64<S: Simd>(x: f64, y: f64) -> f64 {
    /// A power of two from which on all are infinite, and below whose negative all are zero.
    const FAR: f64 = 1100.0;
    let size = x.abs();
    let half = y * 0.5;
    let is_integer = y.trunc() == y;
    let is_odd = is_integer && half.trunc() != half;
    let [log, log_rest] = log2_of_two::<S>(size);
    let product = y * log;
    let power = exp2_of_sum::<S>(product, S::fma64(y, log, -product) + y * log_rest);
    let grows = (size > 1.0) == (y > 0.0);
    let extreme = if grows { f64::INFINITY } else { 0.0 };
    let result = if product.abs() < FAR { power } else { extreme };
    let result = if size == 0.0 || size == f64::INFINITY || y.abs() == f64::INFINITY { extreme } else { result };
    let result = if size == 1.0 { 1.0 } else { result };
    let signed = if x.is_sign_negative() && is_odd { -result } else { result };
    let defined = x >= 0.0 || is_integer || x == f64::NEG_INFINITY;
    let signed = if defined { signed } else { f64::NAN };
    let signed = if y.is_nan() || x.is_nan() { x + y } else { signed };
    if y == 0.0 || x == 1.0 { 1.0 } else { signed }
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
