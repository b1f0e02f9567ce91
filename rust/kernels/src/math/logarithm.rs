//! Logarithms.

use super::poly32;
use crate::isa::Simd;

/// ln 2 in two parts; the first has few bits, so that its product with an exponent is exact.
const LN2_HIGH: f32 = 0.693_359_375;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// A positive finite number: `2^exponent * (1 + excess)`, `1 + excess` from sqrt(1/2) to sqrt(2).
struct Parts {
    exponent: f32,
    excess: f32,
    square: f32,
    /// `log(1 + excess)` is `excess + square * series`.
    series: f32,
}

/// `(log(1 + x) - x) / x^2` from sqrt(1/2) - 1 to sqrt(2) - 1, minimax, from Cephes.
const SERIES: [f32; 10] = [
    7.037_683_6e-2,
    -1.151_461e-1,
    1.167_699_9e-1,
    -1.242_014_1e-1,
    1.424_932_3e-1,
    -1.666_805_8e-1,
    2.000_071_5e-1,
    -2.499_999_4e-1,
    3.333_333_1e-1,
    -0.5,
];

/// The bits of sqrt(1/2), where mantissas begin.
const SQRT_HALF: i32 = 0x3f35_04f3;

/// The exponent and the excess of [`Parts`].
#[inline(always)]
fn split(x: f32) -> (f32, f32) {
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 8_388_608.0 } else { x };
    let (exponent, excess) = split_normal(scaled);
    (if subnormal { exponent - 23.0 } else { exponent }, excess)
}

/// [`split`] of a normal number.
#[inline(always)]
fn split_normal(x: f32) -> (f32, f32) {
    let bits = x.to_bits().cast_signed().wrapping_sub(SQRT_HALF);
    let excess = f32::from_bits((bits & 0x007f_ffff).wrapping_add(SQRT_HALF).cast_unsigned()) - 1.0;
    ((bits >> 23) as f32, excess)
}

#[inline(always)]
fn parts<S: Simd>((exponent, excess): (f32, f32)) -> Parts {
    Parts { exponent, excess, square: excess * excess, series: poly32::<S, 10>(excess, SERIES) }
}

/// A base other than e.
#[derive(Clone, Copy)]
struct Base {
    /// The logarithm of 2 to it in two parts, the first of few bits.
    two: [f32; 2],
    /// That of e in two parts.
    e: [f32; 2],
    /// [`SERIES`] to the base.
    series: [f32; 10],
}

impl Base {
    const fn of(two: f64, e: f64) -> Self {
        const fn split(x: f64, kept: u32) -> [f32; 2] {
            let high = f32::from_bits((x as f32).to_bits() & kept);
            [high, (x - high as f64) as f32]
        }
        let (mut series, mut i) = (SERIES, 0);
        while i < series.len() {
            series[i] = (SERIES[i] as f64 * e) as f32;
            i += 1;
        }
        Self { two: split(two, 0xffff_f000), e: split(e, !0), series }
    }

    /// Logarithm of a positive finite number.
    #[inline(always)]
    fn log<S: Simd>(self, (exponent, excess): (f32, f32)) -> f32 {
        let small = S::fma32(poly32::<S, 10>(excess, self.series), excess, self.e[1]) * excess;
        // For the base 2 that is all.
        let small = if self.two[1] == 0.0 { small } else { S::fma32(exponent, self.two[1], small) };
        S::fma32(exponent, self.two[0], S::fma32(excess, self.e[0], small))
    }
}

const BINARY: Base = Base::of(1.0, std::f64::consts::LOG2_E);
const DECIMAL: Base = Base::of(std::f64::consts::LOG10_2, std::f64::consts::LOG10_E);

/// Whether a number is no special case: positive and normal.
#[inline(always)]
fn is_usual(x: f32) -> bool {
    const FIRST: u32 = f32::MIN_POSITIVE.to_bits();
    // As an integer, lest the compiler sorts numbers into classes.
    x.to_bits().wrapping_sub(FIRST) < f32::INFINITY.to_bits() - FIRST
}

/// `log`, which is the logarithm of positive finite numbers, with the rest of them.
#[inline(always)]
fn completed(x: f32, log: f32) -> f32 {
    let y = if x == f32::INFINITY { x } else { log };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x >= 0.0 { y } else { f32::NAN }
}

/// Natural logarithm of a positive finite `x`.
#[inline(always)]
pub(super) fn natural<S: Simd>(x: f32) -> f32 {
    natural_of::<S>(split(x))
}

/// Natural logarithm of a positive finite number of these parts.
#[inline(always)]
fn natural_of<S: Simd>(number: (f32, f32)) -> f32 {
    let Parts { exponent, excess, square, series } = parts::<S>(number);
    let small = S::fma32(square, series, exponent * LN2_LOW);
    S::fma32(exponent, LN2_HIGH, excess + small)
}

/// Natural logarithm.
#[inline(always)]
#[must_use]
pub fn log<S: Simd>(x: f32) -> f32 {
    completed(x, natural::<S>(x))
}

/// [`log`] but for special cases, and whether this is none.
#[inline(always)]
#[must_use]
pub fn usual_log<S: Simd>(x: f32) -> (f32, bool) {
    (natural_of::<S>(split_normal(x)), is_usual(x))
}

/// Logarithm to base 2; exact for powers of 2.
#[inline(always)]
#[must_use]
pub fn log2<S: Simd>(x: f32) -> f32 {
    completed(x, BINARY.log::<S>(split(x)))
}

/// [`log2`] but for special cases, and whether this is none.
#[inline(always)]
#[must_use]
pub fn usual_log2<S: Simd>(x: f32) -> (f32, bool) {
    (BINARY.log::<S>(split_normal(x)), is_usual(x))
}

/// Logarithm to base 10.
#[inline(always)]
#[must_use]
pub fn log10<S: Simd>(x: f32) -> f32 {
    completed(x, DECIMAL.log::<S>(split(x)))
}

/// [`log10`] but for special cases, and whether this is none.
#[inline(always)]
#[must_use]
pub fn usual_log10<S: Simd>(x: f32) -> (f32, bool) {
    (DECIMAL.log::<S>(split_normal(x)), is_usual(x))
}

/// `log(1 + x)`, accurate near zero.
#[inline(always)]
#[must_use]
pub fn log1p<S: Simd>(x: f32) -> f32 {
    let sum = 1.0 + x;
    // What rounding the sum lost; zero where the sum is infinite.
    let lost = if x < 1e30 { (x - (sum - 1.0)) / sum } else { 0.0 };
    let y = natural::<S>(sum) + lost;
    let y = if x == f32::INFINITY || x.abs() < 1e-8 { x } else { y };
    let y = if x == -1.0 { f32::NEG_INFINITY } else { y };
    if x >= -1.0 { y } else { f32::NAN }
}

/// `log(1 + z) + more * log(2)` for a `z` from 0 to 2^126.
#[inline(always)]
pub(super) fn log1p_above<S: Simd>(z: f32, more: f32) -> f32 {
    let steps = (1.0 + z).to_bits().cast_signed().wrapping_sub(SQRT_HALF) >> 23;
    // The sum and its excess times 2^-steps, rounded once.
    let scale = f32::from_bits((127 - steps).cast_unsigned() << 23);
    let excess = S::fma32(z, scale, scale - 1.0);
    let exponent = steps as f32 + more;
    let small = S::fma32(excess * excess, poly32::<S, 10>(excess, SERIES), exponent * LN2_LOW);
    S::fma32(exponent, LN2_HIGH, excess + small)
}
