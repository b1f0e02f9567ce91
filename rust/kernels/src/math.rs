//! Elementary functions of float32 as straight-line code: polynomials, explicit fused multiply-adds, selects instead of
//! branches, so that a loop around them vectorises. AVX2, AVX-512 and NEON give the same bits.
//!
//! Errors are bounded by the tests below, in units in the last place over the whole range, special values included.
//! The float64 counterparts, where speed matters less, are the platform's (see [`crate::element::Float`]).

#![allow(
    clippy::excessive_precision,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "published coefficients; exact special values; conversions that round on purpose; mathematical names"
)]

use crate::isa::{Isa, Simd};

/// The platform's functions that Rust's library does not have yet.
pub(crate) mod platform {
    // SAFETY: C's functions of these names take and return a double and have no other contract.
    unsafe extern "C" {
        /// Error function.
        pub safe fn erf(x: f64) -> f64;
        /// Complementary error function.
        pub safe fn erfc(x: f64) -> f64;
    }
}

/// Adding it to a float32 below 2^22 rounds to an integer, which then stands in the low bits.
const ROUND32: f32 = 12_582_912.0;
/// The same for a float64 below 2^51.
const ROUND64: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the first has few bits, so that its product with an exponent is exact.
const LN2_HIGH: f32 = 0.693_359_375;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// `c[0] * x^(N-1) + ... + c[N-1]`.
#[inline(always)]
fn poly32<S: Simd, const N: usize>(x: f32, c: [f32; N]) -> f32 {
    let mut sum = c[0];
    for &next in &c[1..] {
        sum = S::fma32(sum, x, next);
    }
    sum
}

/// The same in float64.
#[inline(always)]
fn poly64<S: Simd, const N: usize>(x: f64, c: [f64; N]) -> f64 {
    let mut sum = c[0];
    for &next in &c[1..] {
        sum = S::fma64(sum, x, next);
    }
    sum
}

/// `2^n` for an exponent that float32's normal numbers have.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23).cast_unsigned())
}

/// `x` limited to `low..=high`; NaN stays.
#[inline(always)]
fn limit(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// `(n, e)` such that `exp(x) = 2^n * (1 + e)`, for `x` of moderate size.
#[inline(always)]
fn reduced_exp<S: Simd>(x: f32) -> (i32, f32) {
    let shifted = S::fma32(x, std::f32::consts::LOG2_E, ROUND32);
    let n = shifted - ROUND32;
    let r = S::fma32(n, -LN2_HIGH, x);
    let r = S::fma32(n, -LN2_LOW, r);
    // Minimax on |r| <= ln(2)/2, from Cephes.
    let p = poly32::<S, 6>(
        r,
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5.000_000_1e-1],
    );
    (shifted.to_bits().wrapping_sub(ROUND32.to_bits()).cast_signed(), S::fma32(r * r, p, r))
}

/// e to the power `x`.
#[inline(always)]
#[must_use]
pub fn exp<S: Simd>(x: f32) -> f32 {
    let (n, e) = reduced_exp::<S>(limit(x, -105.0, 90.0));
    // In two steps, as 2^n alone may be beyond float32 where the result, subnormal or huge, is not.
    let half = n >> 1;
    (1.0 + e) * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// `exp(x) - 1`, accurate near zero.
#[inline(always)]
#[must_use]
pub fn expm1<S: Simd>(x: f32) -> f32 {
    let (n, e) = reduced_exp::<S>(limit(x, -20.0, 89.0));
    let half = power_of_two(n.wrapping_sub(1));
    let y = S::fma32(e, half, half - 0.5) * 2.0;
    if x.abs() < 1e-8 { x } else { y }
}

/// Natural logarithm of a positive finite `x`, plus `correction`.
#[inline(always)]
fn finite_log<S: Simd>(x: f32, correction: f32) -> f32 {
    const SQRT_HALF: i32 = 0x3f35_04f3;
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits().cast_signed().wrapping_sub(SQRT_HALF);
    let exponent = (bits >> 23).wrapping_sub(if subnormal { 23 } else { 0 }) as f32;
    let f = f32::from_bits((bits & 0x007f_ffff).wrapping_add(SQRT_HALF).cast_unsigned()) - 1.0;
    // Minimax on sqrt(1/2) - 1 <= f <= sqrt(2) - 1, from Cephes.
    let p = poly32::<S, 9>(
        f,
        [
            7.037_683_6e-2,
            -1.151_461e-1,
            1.167_699_9e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_8e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            3.333_333_1e-1,
        ],
    );
    let square = f * f;
    let tail = S::fma32(exponent, LN2_LOW, f * square * p) + correction;
    let tail = S::fma32(-0.5, square, tail);
    S::fma32(exponent, LN2_HIGH, f + tail)
}

/// Natural logarithm.
#[inline(always)]
#[must_use]
pub fn log<S: Simd>(x: f32) -> f32 {
    let y = finite_log::<S>(x, 0.0);
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x >= 0.0 { y } else { f32::NAN }
}

/// `log(1 + x)`, accurate near zero.
#[inline(always)]
#[must_use]
pub fn log1p<S: Simd>(x: f32) -> f32 {
    let sum = 1.0 + x;
    // What rounding the sum lost; zero where the sum is infinite.
    let lost = if x < 1e30 { (x - (sum - 1.0)) / sum } else { 0.0 };
    let y = finite_log::<S>(sum, 0.0) + lost;
    let y = if x == f32::INFINITY || x.abs() < 1e-8 { x } else { y };
    let y = if x == -1.0 { f32::NEG_INFINITY } else { y };
    if x >= -1.0 { y } else { f32::NAN }
}

/// Hyperbolic tangent.
#[inline(always)]
#[must_use]
pub fn tanh<S: Simd>(x: f32) -> f32 {
    let size = x.abs();
    let large = (1.0 - 2.0 / (exp::<S>(2.0 * size) + 1.0)).copysign(x);
    let square = x * x;
    // Minimax on |x| <= 0.625, from Cephes.
    let p = poly32::<S, 5>(square, [-5.704_988_7e-3, 2.063_908_9e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328_2e-1]);
    let small = S::fma32(p * square, x, x).copysign(x);
    if size < 0.625 { small } else { large }
}

/// `1 / (1 + exp(-x))` and `1 / (1 + exp(x))`, the complement, each accurate where it is small.
#[inline(always)]
#[must_use]
pub fn logistic<S: Simd>(x: f32) -> (f32, f32) {
    let e = exp::<S>(-x.abs());
    // e / (1 + e), less sensitive to how 1 + e was rounded.
    let small = S::fma32(-e, e / (1.0 + e), e);
    let large = 1.0 - small;
    if x < 0.0 { (small, large) } else { (large, small) }
}

/// Error function. The polynomials are by Norbert Juffa.
#[inline(always)]
#[must_use]
pub fn erf<S: Simd>(x: f32) -> f32 {
    let size = x.abs();
    let square = x * x;
    let p = S::fma32(-1.728_534_7e-5, size, 3.831_971_3e-4);
    let q = S::fma32(-3.883_964_4e-3, size, 2.425_462_2e-2);
    let p = S::fma32(p, square, q);
    let p = poly32::<S, 4>(size, [p, -1.067_778_8e-1, -6.348_466_9e-1, -1.287_175_1e-1]);
    let large = (1.0 - exp::<S>(S::fma32(p, size, -size))).copysign(x);
    // From 4 on, erf is 1 in float32; the polynomial, made for less, would turn around.
    let large = if size > 4.0 { 1f32.copysign(x) } else { large };
    let p = poly32::<S, 6>(
        square,
        [-5.967_617e-4, 4.991_194_2e-3, -2.676_813_5e-2, 1.128_199_3e-1, -3.761_253_4e-1, 1.283_791_7e-1],
    );
    let small = S::fma32(p, x, x);
    if size > 0.921_875 { large } else { small }
}

/// The standard normal distribution at `x`. Factors of moderate size stand apart from the powers of two that multiply
/// them, one after the other: their product may be subnormal, and that is for the last step to find out.
struct Normal {
    /// The mass beyond |x|, without the powers of two; for |x| from [`NORMAL_CENTRE`] on.
    tail: f32,
    /// The density, likewise.
    density: f32,
    powers: [f32; 2],
    /// The mass below `x`, for |x| up to [`NORMAL_CENTRE`].
    centre: f32,
}

/// Where the series for the centre hands over to the tail.
const NORMAL_CENTRE: f32 = 0.5;

#[inline(always)]
fn normal_parts<S: Simd>(x: f32) -> Normal {
    let size = limit(x.abs(), 0.0, 15.0);
    // exp(-x^2 / 2), with what rounding x^2 lost put back.
    let square = size * size;
    let lost = square_loss::<S>(size, square);
    let (n, e) = reduced_exp::<S>(-0.5 * square);
    let e = 1.0 + S::fma32(-0.5 * lost, 1.0 + e, e);
    // Mass of the tail times exp(x^2 / 2) * (|x| + 2.5): minimax, relative error 1.6e-8.
    let inverse = 1.0 / (size + 2.5);
    let p = poly32::<S, 10>(
        (size - 2.5) * inverse,
        [
            -1.577_02e-4,
            -3.116_228_6e-4,
            6.844_118_5e-4,
            2.523_932_6e-3,
            -1.600_829_3e-3,
            -1.638_618_5e-2,
            9.235_876e-3,
            1.319_869_8e-1,
            -4.336_92e-1,
            7.066_566_3e-1,
        ],
    );
    // The integral of the density's series.
    let series = poly32::<S, 5>(square, [1.154_348_7e-4, -1.187_330_1e-3, 9.973_557e-3, -6.649_038e-2, 3.989_423e-1]);
    let half = n >> 1;
    Normal {
        tail: e * (p * inverse),
        density: e * 0.398_942_3,
        powers: [power_of_two(half), power_of_two(n.wrapping_sub(half))],
        centre: S::fma32(series, x, 0.5),
    }
}

/// What `square`, the rounded `x * x`, lacks.
#[inline(always)]
fn square_loss<S: Simd>(x: f32, square: f32) -> f32 {
    if S::ISA == Isa::Portable {
        // Without FMA: by halves of x, whose products are exact.
        let high = f32::from_bits(x.to_bits() & 0xffff_f000);
        let low = x - high;
        (high * high - square) + 2.0 * high * low + low * low
    } else {
        S::fma32(x, x, -square)
    }
}

impl Normal {
    #[inline(always)]
    fn mass_below(&self, x: f32) -> f32 {
        let tail = self.tail * self.powers[0] * self.powers[1];
        let far = if x < 0.0 { tail } else { 1.0 - tail };
        if x.abs() < NORMAL_CENTRE { self.centre } else { far }
    }
}

/// The standard normal distribution at `x`: its mass below `x`, and its density.
#[inline(always)]
#[must_use]
pub fn normal<S: Simd>(x: f32) -> (f32, f32) {
    let parts = normal_parts::<S>(x);
    (parts.mass_below(x), parts.density * parts.powers[0] * parts.powers[1])
}

/// `x` times the standard normal distribution's mass below `x`; -0 at minus infinity.
#[inline(always)]
#[must_use]
pub fn gelu<S: Simd>(x: f32) -> f32 {
    let parts = normal_parts::<S>(x);
    let far_below = limit(x, -15.0, 0.0) * parts.tail * parts.powers[0] * parts.powers[1];
    if x < -NORMAL_CENTRE { far_below } else { x * parts.mass_below(x) }
}

/// [`logistic`] in float64.
#[must_use]
pub fn logistic64(x: f64) -> (f64, f64) {
    let e = (-x.abs()).exp();
    let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
    if x < 0.0 { (small, large) } else { (large, small) }
}

/// [`normal`] in float64.
#[must_use]
pub fn normal64(x: f64) -> (f64, f64) {
    let tail = 0.5 * platform::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
    (tail, (-0.5 * x * x).exp() * 0.398_942_280_401_432_7)
}

/// Largest |x| for which [`sin`] and [`cos`] hold.
pub const TRIGONOMETRIC_LIMIT: f32 = 1e6;

/// The quadrant of `x`, and `x` less that many quarter turns, for |x| up to [`TRIGONOMETRIC_LIMIT`].
#[inline(always)]
fn quadrant<S: Simd>(x: f32) -> (i64, f64) {
    let x = f64::from(x);
    let shifted = S::fma64(x, std::f64::consts::FRAC_2_PI, ROUND64);
    let n = shifted - ROUND64;
    let r = S::fma64(n, -1.570_796_326_734_125_6, x);
    let r = S::fma64(n, -6.077_100_506_506_192e-11, r);
    (shifted.to_bits().cast_signed(), r)
}

/// Sine of `x` turned by `quarters` quarter turns. The float64 polynomials are FreeBSD's for float32.
#[inline(always)]
fn turned_sin<S: Simd>(x: f32, quarters: i64) -> f32 {
    let (n, r) = quadrant::<S>(x);
    let n = n.wrapping_add(quarters);
    let square = r * r;
    let s =
        [2.718_311_493_989_822e-6, -1.983_933_483_609_663_3e-4, 8.333_329_385_889_463e-3, -0.166_666_666_416_265_24];
    let c =
        [2.439_044_879_627_741e-5, -1.388_676_377_460_993e-3, 4.166_662_332_373_906e-2, -0.499_999_997_251_031, 1.0];
    let sin = S::fma64(poly64::<S, 4>(square, s) * square, r, r);
    let cos = poly64::<S, 5>(square, c);
    let y = if n & 1 == 0 { sin } else { cos };
    (if n & 2 == 0 { y } else { -y }) as f32
}

/// Sine, for |x| up to [`TRIGONOMETRIC_LIMIT`].
#[inline(always)]
#[must_use]
pub fn sin<S: Simd>(x: f32) -> f32 {
    turned_sin::<S>(x, 0)
}

/// Cosine, for |x| up to [`TRIGONOMETRIC_LIMIT`].
#[inline(always)]
#[must_use]
pub fn cos<S: Simd>(x: f32) -> f32 {
    turned_sin::<S>(x, 1)
}

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

/// 2 to the power `t`, rounded to float32.
#[inline(always)]
fn exp2_narrow<S: Simd>(t: f64) -> f32 {
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
    (poly64::<S, 10>(r, series) * f64::from_bits(n << 52)) as f32
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
    let result = exp2_narrow::<S>(wide);
    let result = if size == 0.0 || size == f32::INFINITY || y.abs() == f32::INFINITY { extreme } else { result };
    let result = if size == 1.0 { 1.0 } else { result };
    let signed = if x.is_sign_negative() && is_odd { -result } else { result };
    let defined = x >= 0.0 || is_integer || x == f32::NEG_INFINITY;
    let signed = if defined { signed } else { f32::NAN };
    let signed = if y.is_nan() || x.is_nan() { x + y } else { signed };
    if y == 0.0 || x == 1.0 { 1.0 } else { signed }
}
