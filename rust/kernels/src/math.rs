//! Elementary functions of float32 as straight-line code: polynomials, explicit fused multiply-adds, selects instead of
//! branches, so that a loop around them vectorises. AVX2, AVX-512 and NEON give the same bits.
//!
//! Errors are bounded by the tests below, in units in the last place over the whole range, special values included.
//! Of the float64 counterparts some are such code too, the others the platform's (see [`crate::element::Float`]).

#![allow(
    clippy::excessive_precision,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "published coefficients; exact special values; conversions that round on purpose; mathematical names"
)]

mod angle;
mod arc;
mod bessel;
mod derived;
mod gamma;
mod hyperbolic;
mod incomplete;
mod logarithm;
mod normal;
mod power;
mod wide;

pub use angle::{TRIGONOMETRIC_LIMIT, cos, sin, tan, usual_tan};
pub use arc::{acos, asin, atan, atan2, atan2_64, atan64};
pub use bessel::{i0, i0_64, i0e, i0e_64, i1, i1_64, i1e, i1e_64};
pub use derived::{
    acos64, asin64, atanh64, cosh64, exp2_64, expm1_64, hypot64, log1p_64, log2_64, log10_64, sinh64, tan64,
};
pub use gamma::{
    digamma, is_moderate_zeta, is_near_zeta, lgamma, moderate_lgamma, moderate_zeta, near_zeta, polygamma_factor,
    positive_digamma, zeta,
};
pub use hyperbolic::{acosh, asinh, atanh, cosh, sinh};
pub use incomplete::{erfcx, gamma_slope, incomplete_gamma};
pub use logarithm::{log, log1p, log2, log10, usual_log, usual_log2, usual_log10};
pub use normal::{erfc, erfinv, erfinv64, ndtri, ndtri64};
pub use power::{hypot, pow, pow64, usual_pow};
pub use wide::{cos64, erf64, erfc64, exp64, log64, sin64, tanh64};

use crate::isa::{Isa, Simd};

/// The platform's functions that Rust's library does not have yet.
pub(crate) mod platform {
    // SAFETY: C's functions of these names take and return a double and have no other contract.
    unsafe extern "C" {
        /// Complementary error function.
        pub safe fn erfc(x: f64) -> f64;
        /// Inverse hyperbolic sine.
        pub safe fn asinh(x: f64) -> f64;
        /// Inverse hyperbolic cosine.
        pub safe fn acosh(x: f64) -> f64;
        /// Inverse hyperbolic tangent.
        pub safe fn atanh(x: f64) -> f64;
    }
}

/// Adding it to a float32 below 2^22 rounds to an integer, which then stands in the low bits: so large that the bits
/// above are zero from the ninth on, and an exponent's bias is part of the sum.
const ROUND32: f32 = 12_582_912.0 + 127.0;
/// The same for a float64 below 2^51.
const ROUND64: f64 = 6_755_399_441_055_744.0;

/// `c[0] * x^(N-1) + ... + c[N-1]`.
#[inline(always)]
fn poly32<S: Simd, const N: usize>(x: f32, c: [f32; N]) -> f32 {
    let mut sum = c[0];
    for &next in &c[1..] {
        sum = S::fma32(sum, x, next);
    }
    sum
}

/// The same by halves, one of even and one of odd powers: fewer roundings on the way of each coefficient, which tells
/// where no term outweighs the others. `square` is `x * x`; how that was rounded cancels in a quotient of two such.
#[inline(always)]
fn halved_poly32<S: Simd, const N: usize>(x: f32, square: f32, c: [f32; N]) -> f32 {
    let mut halves = [c[0], c[1]];
    for (i, &next) in c.iter().enumerate().skip(2) {
        halves[i % 2] = S::fma32(halves[i % 2], square, next);
    }
    S::fma32(halves[N % 2], x, halves[(N - 1) % 2])
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

/// The same by halves, whose sums do not wait for each other: see [`halved_poly32`].
#[inline(always)]
fn halved_poly64<S: Simd, const N: usize>(x: f64, c: [f64; N]) -> f64 {
    let (square, mut halves) = (x * x, [c[0], c[1]]);
    for (i, &next) in c.iter().enumerate().skip(2) {
        halves[i % 2] = S::fma64(halves[i % 2], square, next);
    }
    S::fma64(halves[N % 2], x, halves[(N - 1) % 2])
}

/// `x` limited to `low..=high`; NaN stays.
#[inline(always)]
fn limit(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// `|x|`, at most `high`; NaN stays.
#[inline(always)]
fn size_up_to(x: f32, high: f32) -> f32 {
    let size = x.abs();
    if size > high { high } else { size }
}

/// What `product`, the rounded `a * b`, lacks.
#[inline(always)]
fn product_loss<S: Simd>(a: f32, b: f32, product: f32) -> f32 {
    if S::ISA == Isa::Portable {
        // Without FMA: by halves, whose products are exact.
        let halves = |x: f32| {
            let high = f32::from_bits(x.to_bits() & 0xffff_f000);
            (high, x - high)
        };
        let ((a, a_low), (b, b_low)) = (halves(a), halves(b));
        (a * b - product) + a * b_low + a_low * b + a_low * b_low
    } else {
        S::fma32(a, b, -product)
    }
}

/// The exponential function of a multiple of its argument, so that no product with the factor is rounded first.
#[derive(Clone, Copy)]
struct Exponential {
    factor: f32,
    /// Powers of two per unit of the argument.
    rate: f32,
    /// Argument per power of two, in two parts; the first has few bits, so that its product with an exponent is exact.
    step: [f32; 2],
    /// Coefficients of the powers 6 to 2.
    series: [f32; 5],
}

/// The loss of an argument that was not rounded: no number changes when it is added.
const EXACT: f32 = -0.0;

/// `exp(x)`.
const NATURAL: Exponential = Exponential::of(1.0);
/// `2^x`.
const BINARY: Exponential = Exponential::of(std::f64::consts::LN_2);

/// Results of an exponential of what is negative are multiplied by 2^64, so that none is subnormal before it has met its
/// factors. [`UNLIFT`] takes that back.
const LIFT: f32 = 64.0;
const UNLIFT: f32 = 1.0 / 18_446_744_073_709_551_616.0;

/// A value of an exponential: `2^n`, and what multiplies it, not yet summed up.
#[derive(Clone, Copy)]
struct Power {
    scale: f32,
    /// What is left of the argument: the other factor is `1 + factor * rest + series * rest^2`.
    rest: f32,
    factor: f32,
    series: f32,
}

impl Exponential {
    const fn of(factor: f64) -> Self {
        // Minimax on |r| <= ln(2)/2, relative error 3.3e-9.
        let mut series = [1.395_07e-3, 8.369_034e-3, 4.166_630_7e-2, 1.666_651_8e-1, 0.5];
        let (mut power, mut i) = (factor, series.len());
        while i > 0 {
            i -= 1;
            power *= factor;
            series[i] = (series[i] as f64 * power) as f32;
        }
        let step = std::f64::consts::LN_2 / factor;
        let high = f32::from_bits((step as f32).to_bits() & 0xffff_f000);
        let step = [high, (step - high as f64) as f32];
        Self { factor: factor as f32, rate: (factor * std::f64::consts::LOG2_E) as f32, step, series }
    }

    /// The value at `x + lost`, times two to the power `lift`, which keeps `2^n` among float32's normal numbers.
    #[inline(always)]
    fn at<S: Simd>(self, x: f32, lost: f32, lift: f32) -> Power {
        let (n, scale) = self.steps::<S>(x, lift);
        self.power::<S>(n, scale, S::fma32(n, -self.step[0], x) + lost)
    }

    /// The same at `x * x`, which is not rounded to `square` but to decide on `2^n`.
    #[inline(always)]
    fn at_square<S: Simd>(self, x: f32, square: f32, lift: f32) -> Power {
        if S::ISA == Isa::Portable {
            return self.at::<S>(square, product_loss::<S>(x, x, square), lift);
        }
        let (n, scale) = self.steps::<S>(square, lift);
        self.power::<S>(n, scale, S::fma32(x, x, n * -self.step[0]))
    }

    /// The number of steps in `x`, and `2^(n + lift)`.
    #[inline(always)]
    fn steps<S: Simd>(self, x: f32, lift: f32) -> (f32, f32) {
        let shifted = S::fma32(x, self.rate, ROUND32 + lift);
        (shifted - (ROUND32 + lift), f32::from_bits(shifted.to_bits() << 23))
    }

    /// The power of what `n` times the first part of a step leaves `above`.
    #[inline(always)]
    fn power<S: Simd>(self, n: f32, scale: f32, above: f32) -> Power {
        let rest = S::fma32(n, -self.step[1], above);
        Power { scale, rest, factor: self.factor, series: poly32::<S, 5>(rest, self.series) }
    }

    /// The value at `x`, zero, subnormal or infinite where it is. Limits: to the first and below it is zero, from the
    /// second on infinite.
    #[inline(always)]
    fn whole<S: Simd>(self, x: f32, [zero, infinite]: [f32; 2]) -> f32 {
        let x = limit(x, zero, infinite);
        // The last step is a product of two normal numbers that finds out whether theirs is one.
        let (lift, unlift) = if x < 0.0 { (LIFT, UNLIFT) } else { (-1.0, 2.0) };
        // A product that vanishes takes a hundred cycles, and what is masked out is minus infinity.
        let unlift = if x <= zero { 0.0 } else { unlift };
        self.at::<S>(x, EXACT, lift).value::<S>() * unlift
    }
}

impl Power {
    /// The value less `one`, which is 1 lifted.
    #[inline(always)]
    fn less<S: Simd>(self, one: f32) -> f32 {
        let growth = S::fma32(self.rest * self.rest, self.series, self.factor * self.rest);
        S::fma32(growth, self.scale, self.scale - one)
    }

    /// The value times `weight`, with one rounding for the product and the sum in it.
    #[inline(always)]
    fn times<S: Simd>(self, weight: f32) -> f32 {
        let growth = S::fma32(self.series, self.rest, self.factor) * self.rest;
        S::fma32(weight, growth, weight) * self.scale
    }

    #[inline(always)]
    fn value<S: Simd>(self) -> f32 {
        S::fma32(S::fma32(self.series, self.rest, self.factor), self.rest, 1.0) * self.scale
    }
}

/// e to the power `x`.
#[inline(always)]
#[must_use]
pub fn exp<S: Simd>(x: f32) -> f32 {
    NATURAL.whole::<S>(x, [-104.0, 89.0])
}

/// [`exp`] of what is not positive, or hardly: the same, in three quarters of the operations.
#[inline(always)]
#[must_use]
pub fn exp_nonpositive<S: Simd>(x: f32) -> f32 {
    let zero = -104.0;
    let unlift = if x <= zero { 0.0 } else { UNLIFT };
    NATURAL.at::<S>(if x < zero { zero } else { x }, EXACT, LIFT).value::<S>() * unlift
}

/// 2 to the power `x`; exact for integers.
#[inline(always)]
#[must_use]
pub fn exp2<S: Simd>(x: f32) -> f32 {
    BINARY.whole::<S>(x, [-151.0, 129.0])
}

/// `exp(x) - 1`, accurate near zero.
#[inline(always)]
#[must_use]
pub fn expm1<S: Simd>(x: f32) -> f32 {
    let y = NATURAL.at::<S>(limit(x, -20.0, 89.0), EXACT, -1.0).less::<S>(0.5) * 2.0;
    if x.abs() < 1e-8 { x } else { y }
}

/// Hyperbolic tangent.
#[inline(always)]
#[must_use]
pub fn tanh<S: Simd>(x: f32) -> f32 {
    // By exp(-2 |x|) - 1, which has lost nothing where the tangent is small. From here on it is 1.
    let power = DOUBLY_FALLING.at::<S>(size_up_to(x, 9.02), EXACT, 0.0);
    let fallen = power.less::<S>(1.0);
    (fallen / (2.0 + fallen)).copysign(x)
}

/// `exp(-2 * x)`.
const DOUBLY_FALLING: Exponential = Exponential::of(-2.0);

/// `weighted / (1 + e)` for an `e` of at most 1, which is lifted.
#[inline(always)]
fn lifted_quotient<S: Simd>(e: f32, weighted: f32) -> f32 {
    let e = e * UNLIFT;
    // Less sensitive than the quotient to how 1 + e was rounded.
    S::fma32(-weighted, e / (1.0 + e), weighted)
}

/// `exp(-x)`, and where it is zero, even times its argument.
const FALLING: Exponential = Exponential::of(-1.0);
const FALLEN: f32 = 110.0;

/// `1 / (1 + exp(-x))` and `1 / (1 + exp(x))`, the complement, each accurate where it is small.
#[inline(always)]
#[must_use]
pub fn logistic<S: Simd>(x: f32) -> (f32, f32) {
    let e = FALLING.at::<S>(size_up_to(x, FALLEN), EXACT, LIFT).value::<S>();
    let small = lifted_quotient::<S>(e, e) * UNLIFT;
    let large = 1.0 - small;
    if x < 0.0 { (small, large) } else { (large, small) }
}

/// `max(x, 0) - loss * UNLIFT`, rounded once: how activations that tend to 0 and to `x` are accurate on both sides.
#[inline(always)]
fn rectified<S: Simd>(x: f32, loss: f32) -> f32 {
    // As integers, negative numbers are those above -0; a NaN is one of `loss` too.
    let positive = f32::from_bits(x.to_bits().min((-0f32).to_bits()));
    S::fma32(loss, -UNLIFT, positive)
}

/// `x / (1 + exp(-x))`; NaN at minus infinity, as in PyTorch.
#[inline(always)]
#[must_use]
pub fn silu<S: Simd>(x: f32) -> f32 {
    let size = size_up_to(x, FALLEN);
    let power = FALLING.at::<S>(size, EXACT, LIFT);
    let value = rectified::<S>(x, lifted_quotient::<S>(power.value::<S>(), power.times::<S>(size)));
    // Minus zero, but NaN for minus infinity.
    S::fma32(if x < 0.0 { x } else { -0.0 }, 0.0, value)
}

/// `log(1 + exp(x))`.
#[inline(always)]
#[must_use]
pub fn softplus<S: Simd>(x: f32) -> f32 {
    let e = FALLING.at::<S>(size_up_to(x, FALLEN), EXACT, LIFT).value::<S>();
    let unlifted = e * UNLIFT;
    // (log(1 + e) - e) / e^2 for e from 0 to 1: minimax, error 6e-9 of the logarithm.
    let p = poly32::<S, 3>(unlifted, [-7.225_33e-2, -4.507_345_6e-1, -0.5]);
    let q = halved_poly32::<S, 4>(unlifted, unlifted * unlifted, [7.570_185_5e-2, 6.899_727e-1, 1.568_131_7, 1.0]);
    rectified::<S>(x, -S::fma32(e * unlifted, p / q, e))
}

/// Error function. The polynomials are by Norbert Juffa.
#[inline(always)]
#[must_use]
pub fn erf<S: Simd>(x: f32) -> f32 {
    // From here on it is 1; the polynomial, made for less, would turn around.
    let size = size_up_to(x, 4.0);
    let square = size * size;
    let p = S::fma32(-1.728_534_7e-5, size, 3.831_971_3e-4);
    let q = S::fma32(-3.883_964_4e-3, size, 2.425_462_2e-2);
    let p = S::fma32(p, square, q);
    let p = poly32::<S, 4>(size, [p, -1.067_778_8e-1, -6.348_466_9e-1, -1.287_175_1e-1]);
    let large = (1.0 - NATURAL.at::<S>(S::fma32(p, size, -size), EXACT, 0.0).value::<S>()).copysign(x);
    let p = poly32::<S, 6>(
        square,
        [-5.967_617e-4, 4.991_194_2e-3, -2.676_813_5e-2, 1.128_199_3e-1, -3.761_253_4e-1, 1.283_791_7e-1],
    );
    let small = S::fma32(p, x, x);
    if size > 0.921_875 { large } else { small }
}

/// `exp(-x / 2)`, for squares.
const BELL: Exponential = Exponential::of(-0.5);

/// What the standard normal distribution at `size`, which is not negative, is made of.
struct Normal {
    square: f32,
    /// The density, lifted and not normalised.
    density: Power,
    /// The mass beyond is the density times `1 + size * slope`, divided by `divisor`.
    slope: f32,
    divisor: f32,
}

#[inline(always)]
fn normal_parts<S: Simd>(size: f32) -> Normal {
    let square = size * size;
    let density = BELL.at_square::<S>(size, square, LIFT);
    let (slope, divisor) = normal_shape::<S>(size, square);
    Normal { square, density, slope, divisor }
}

/// The slope and the divisor of [`Normal`].
#[inline(always)]
fn normal_shape<S: Simd>(size: f32, square: f32) -> (f32, f32) {
    // Minimax, relative error 1.1e-8.
    let slope = [8.090_784_8e-3, 8.030_971_2e-2, 3.636_295e-1, 8.727_503_4e-1];
    let divisor = [2.028_031_6e-2, 2.013_208_4e-1, 9.314_421_4e-1, 2.393_198_8, 3.341_270_4, 2.0];
    (halved_poly32::<S, 4>(size, square, slope), halved_poly32::<S, 6>(size, square, divisor))
}

/// Where the mass beyond, times |x|, is zero.
const NORMAL_END: f32 = 14.5;

/// The standard normal distribution at `x`: its mass below `x`, and its density.
#[inline(always)]
#[must_use]
pub fn normal<S: Simd>(x: f32) -> (f32, f32) {
    let size = size_up_to(x, NORMAL_END);
    let parts = normal_parts::<S>(size);
    let density = parts.density.value::<S>();
    let tail = density * S::fma32(size, parts.slope, 1.0) / parts.divisor * UNLIFT;
    (if x < 0.0 { tail } else { 1.0 - tail }, density * 0.398_942_3 * UNLIFT)
}

/// `x` times the standard normal distribution's mass below `x`; -0 at minus infinity.
#[inline(always)]
#[must_use]
pub fn gelu<S: Simd>(x: f32) -> f32 {
    let size = size_up_to(x, NORMAL_END);
    let parts = normal_parts::<S>(size);
    let weight = S::fma32(parts.square, parts.slope, size);
    rectified::<S>(x, parts.density.times::<S>(weight) / parts.divisor)
}

/// `2 * sqrt(2 / pi)`.
pub const GELU_SCALE: f64 = std::f64::consts::SQRT_2 * std::f64::consts::FRAC_2_SQRT_PI;
/// The weight of the cube in gelu's approximation by tanh.
pub const GELU_CUBIC: f64 = 0.044_715;
/// What falls with `x^3 + x / GELU_CUBIC`.
const GELU_FALLING: Exponential = Exponential::of(-GELU_SCALE * GELU_CUBIC);

/// Gelu's approximation by tanh, `x / (1 + exp(-GELU_SCALE * (x + GELU_CUBIC * x^3)))`; -0 at minus infinity.
#[inline(always)]
#[must_use]
pub fn gelu_tanh<S: Simd>(x: f32) -> f32 {
    /// `1 / GELU_CUBIC`; the first part has a last bit that sums with squares up to 2^8 have too.
    const SHIFT: [f32; 2] = {
        let whole = 1.0 / GELU_CUBIC;
        let high = (whole * 65_536.0) as i32 as f32 / 65_536.0;
        [high, (whole - high as f64) as f32]
    };
    // Beyond, the result is zero.
    let size = size_up_to(x, 11.0);
    // The exponential's argument, and what rounding it lost, which the exponential would magnify.
    let square = size * size;
    let sum = square + SHIFT[0];
    let sum_lost = (square - (sum - SHIFT[0])) + (product_loss::<S>(size, size, square) + SHIFT[1]);
    let cubic = size * sum;
    let lost = S::fma32(size, sum_lost, product_loss::<S>(size, sum, cubic));
    let power = GELU_FALLING.at::<S>(cubic, lost, LIFT);
    rectified::<S>(x, lifted_quotient::<S>(power.value::<S>(), power.times::<S>(size)))
}

/// [`logistic`] in float64.
#[must_use]
pub fn logistic64<S: Simd>(x: f64) -> (f64, f64) {
    let e = exp64::<S>(-x.abs());
    let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
    if x < 0.0 { (small, large) } else { (large, small) }
}

/// [`normal`] in float64.
#[must_use]
pub fn normal64(x: f64) -> (f64, f64) {
    let tail = 0.5 * platform::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
    (tail, (-0.5 * x * x).exp() * 0.398_942_280_401_432_7)
}
