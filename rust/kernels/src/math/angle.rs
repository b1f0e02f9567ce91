//! Sine, cosine and tangent of what is left of a number after half or quarter turns.

use super::{ROUND64, poly32, poly64};
use crate::isa::{Isa, Simd};

/// Largest |x| for which [`sin`], [`cos`] and [`tan`] hold.
pub const TRIGONOMETRIC_LIMIT: f32 = 1e6;

/// pi in two parts, the first of 33 bits, so that its product with the number of half turns is exact.
const PI: [f64; 2] = [3.141_592_653_468_251_2, 1.215_420_101_301_238_4e-10];

/// The nearest integer, as the low bits of the first and as a number, for a size below 2^51.
#[inline(always)]
fn nearest<S: Simd>(x: f64, factor: f64) -> (u64, f64) {
    let shifted = S::fma64(x, factor, ROUND64);
    (shifted.to_bits(), shifted - ROUND64)
}

/// Sine of `x`, `more` being added after whole half turns were taken from it.
#[inline(always)]
fn sin_of_sum<S: Simd>(x: f64, more: f64) -> f32 {
    let (turns, n) = nearest::<S>(x, std::f64::consts::FRAC_1_PI);
    let r = S::fma64(n, -PI[1], S::fma64(n, -PI[0], x) + more);
    // (sin(r) / r - 1) / r^2 up to a quarter turn, minimax, error 6.1e-9 of the sine.
    let series =
        [2.605_765_180_879_088e-6, -1.980_959_623_368_332_4e-4, 8.333_066_159_811_964e-3, -0.166_666_595_472_937_64];
    let square = r * r;
    let sin = S::fma64(poly64::<S, 4>(square, series), square, 1.0) * r;
    f64::from_bits(sin.to_bits() ^ (turns << 63)) as f32
}

/// Sine, for |x| up to [`TRIGONOMETRIC_LIMIT`].
#[inline(always)]
#[must_use]
pub fn sin<S: Simd>(x: f32) -> f32 {
    sin_of_sum::<S>(f64::from(x), -0.0)
}

/// Cosine, for |x| up to [`TRIGONOMETRIC_LIMIT`].
#[inline(always)]
#[must_use]
pub fn cos<S: Simd>(x: f32) -> f32 {
    sin_of_sum::<S>(f64::from(x) + 0.5 * PI[0], 0.5 * PI[1])
}

/// Largest |x| whose tangent float32 has room for, with FMA: so many quarter turns are taken exactly.
const USUAL_TANGENT: f32 = 8192.0;

/// Tangent, for |x| up to [`TRIGONOMETRIC_LIMIT`].
#[inline(always)]
#[must_use]
pub fn tan<S: Simd>(x: f32) -> f32 {
    let (usual, is_usual) = usual_tan::<S>(x);
    if is_usual { usual } else { wide_tan::<S>(x) }
}

/// [`tan`] but for large arguments, and whether this is none.
#[inline(always)]
#[must_use]
pub fn usual_tan<S: Simd>(x: f32) -> (f32, bool) {
    /// Adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    /// A quarter turn.
    const QUARTER: [f32; 3] = [1.570_796_25, 7.549_79e-8, -1.715_124_5e-15];
    if S::ISA == Isa::Portable {
        return (wide_tan::<S>(x), x.abs() <= TRIGONOMETRIC_LIMIT);
    }
    let shifted = S::fma32(x, std::f32::consts::FRAC_2_PI, ROUND);
    let n = shifted - ROUND;
    // Less so many quarter turns: the first product and its difference are exact, what the second makes too much is
    // kept. Where little is left, the step has more digits than it shows.
    let above = S::fma32(n, -QUARTER[0], x);
    let r = S::fma32(n, -QUARTER[1], above);
    let step = r - above;
    let excess = S::fma32(n, QUARTER[2], S::fma32(n, QUARTER[1], step) + (r - (step + above)));
    // (tan(r) / r - 1) / r^2 up to an eighth of a turn, minimax, error 1.3e-9 of the tangent.
    let series =
        [4.372_721_5e-3, 9.821_327e-5, 1.082_745_75e-2, 2.128_620_6e-2, 5.405_891_3e-2, 1.333_267_5e-1, 3.333_335e-1];
    let square = r * r;
    let slope = r * poly32::<S, 7>(square, series);
    let tan = S::fma32(square, slope, r);
    // What the sum, the square and, times their slope, the turns make too much.
    let square_lost = S::fma32(r, r, -square);
    let sum_excess = S::fma32(-square_lost, slope, S::fma32(-square, slope, tan - r));
    let excess = S::fma32(S::fma32(tan, tan, 1.0), excess, sum_excess);
    let inverse = 1.0 / tan;
    let rest = S::fma32(excess, inverse, S::fma32(-tan, inverse, 1.0));
    let cotangent = S::fma32(rest, inverse, inverse);
    let value = if shifted.to_bits() & 1 == 1 { -cotangent } else { tan - excess };
    (value, x.abs() <= USUAL_TANGENT)
}

/// [`tan`], in float64 inside.
#[inline(always)]
fn wide_tan<S: Simd>(x: f32) -> f32 {
    let x = f64::from(x);
    let (quarters, n) = nearest::<S>(x, std::f64::consts::FRAC_2_PI);
    let r = S::fma64(n, -0.5 * PI[1], S::fma64(n, -0.5 * PI[0], x));
    // tan(r) / r up to an eighth of a turn, minimax, error 2.5e-11.
    let square = r * r;
    let above = poly64::<S, 3>(square, [1.074_721_946_972_548e-3, -0.111_355_201_151_692_84, 1.0]) * r;
    let below = poly64::<S, 3>(square, [1.597_088_232_751_341_2e-2, -0.444_688_533_294_181_04, 1.0]);
    (if quarters & 1 == 0 { above / below } else { -below / above }) as f32
}
