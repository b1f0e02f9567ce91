//! The logarithm of the gamma function and its derivatives, in float64.

use super::power::wide_power;
use super::{halved_poly64, log64, poly64};
use crate::isa::Simd;
use std::f64::consts::PI;

/// The platform's `log(|gamma(x)|)`, by the form that keeps the sign to itself.
mod platform {
    #[cfg(unix)]
    // SAFETY: C's function of this name returns a double and writes the sign of gamma(x), 1 or -1, to `sign`.
    unsafe extern "C" {
        pub fn lgamma_r(x: f64, sign: *mut std::ffi::c_int) -> f64;
    }
    #[cfg(not(unix))]
    // SAFETY: C's function of this name takes and returns a double and has no other contract there.
    unsafe extern "C" {
        pub safe fn lgamma(x: f64) -> f64;
    }
}

/// `log(|gamma(x)|)`.
#[must_use]
pub fn lgamma(x: f64) -> f64 {
    #[cfg(unix)]
    {
        let mut sign = 0;
        // SAFETY: `sign` is an integer that outlives the call.
        unsafe { platform::lgamma_r(x, &raw mut sign) }
    }
    #[cfg(not(unix))]
    platform::lgamma(x)
}

/// [`lgamma`] of `x` from -1e6 on, to the digits of float32, as straight-line code; of negative ones only where it is not
/// near zero.
#[inline(always)]
#[must_use]
pub fn moderate_lgamma<S: Simd>(x: f32) -> f32 {
    let x = f64::from(x);
    let value = positive_lgamma::<S>(if x < 0.0 { 1.0 - x } else { x });
    // Euler's reflection: gamma(x) gamma(1 - x) is pi / sin(pi x).
    let beside = x - x.round_ties_even();
    let mirrored = log64::<S>((PI / sin_pi::<S>(beside)).abs()) - value;
    (if x < 0.0 { mirrored } else { value }) as f32
}

/// The sine of `pi x` for |x| up to a half.
#[inline(always)]
fn sin_pi<S: Simd>(x: f64) -> f64 {
    // sin(pi x) / x by x^2: Taylor's, error 4e-14.
    let series = [
        7.952_054_001_475_513e-7,
        -2.191_535_344_783_021_7e-5,
        4.663_028_057_676_125_5e-4,
        -7.370_430_945_714_350_4e-3,
        8.214_588_661_112_823e-2,
        -5.992_645_293_207_921e-1,
        2.550_164_039_877_345_5e0,
        -5.167_712_780_049_97e0,
        PI,
    ];
    x * poly64::<S, 9>(x * x, series)
}

/// [`lgamma`] of a positive `x`, likewise.
#[inline(always)]
pub(super) fn positive_lgamma<S: Simd>(x: f64) -> f64 {
    /// From here on the asymptotic series holds to 5e-11.
    const FAR: f64 = 4.5;
    let inverse = 1.0 / x;
    // Two steps at most lead from what is near to 3/2 to 5/2, where 2 is `beyond` away; their factors are `steps`.
    let (beyond, steps) = if x < 1.5 { (x - 1.0, x) } else { (x - 2.0, 1.0) };
    let (beyond, steps) = if x < 0.5 { (x, x * (x + 1.0)) } else { (beyond, steps) };
    let (beyond, steps) = if x >= 2.5 { (x - 3.0, x - 1.0) } else { (beyond, steps) };
    let (beyond, steps) = if x >= 3.5 { (x - 4.0, (x - 1.0) * (x - 2.0)) } else { (beyond, steps) };
    let log = log64::<S>(if x < FAR { steps } else { x });
    // lgamma(2 + beyond) / beyond, minimax, relative error 7.2e-12.
    let series = [
        2.415_459_538_127_868_8e-5,
        -5.278_721_858_454_867e-5,
        9.839_697_643_190_869e-5,
        -2.208_698_260_242_563_2e-4,
        5.098_091_580_313_527e-4,
        -1.193_054_705_040_670_6e-3,
        2.890_502_082_143_989_6e-3,
        -7.385_533_261_288_008e-3,
        2.058_080_860_523_774_4e-2,
        -6.735_230_143_541_507e-2,
        3.224_670_334_234_966e-1,
        4.227_843_350_997_953e-1,
    ];
    let near = S::fma64(beyond, halved_poly64::<S, 12>(beyond, series), if x < 1.5 { -log } else { log });
    // Stirling's: Bernoulli's numbers over 9 * 10, 7 * 8, .. 1 * 2.
    let series = [1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0];
    let tail = S::fma64(poly64::<S, 5>(inverse * inverse, series), inverse, HALF_LOG_TAU);
    let far = S::fma64(x - 0.5, log, tail - x);
    if x < FAR { near } else { far }
}

/// `log(2 pi) / 2`.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

/// [`digamma`] of a positive finite `x`, to the digits of float32, as straight-line code.
#[inline(always)]
#[must_use]
pub fn positive_digamma<S: Simd>(x: f32) -> f32 {
    /// From here on the asymptotic series holds to 5e-11.
    const FAR: f64 = 5.0;
    /// Where the function is zero, in two parts.
    const ROOT: [f64; 2] = [1.461_632_144_968_362_2, 9.549_995_429_965_697e-17];
    let x = f64::from(x);
    // One step up, or three down at most, lead from what is near to 1 to 2. The reciprocals that they add are
    // `above / below`.
    let (mut at, mut above, mut below) = if x < 1.0 { (x + 1.0, -1.0, x) } else { (x, 0.0, 1.0) };
    for _ in 0..3 {
        let lower = at - 1.0;
        let down = at >= 2.0;
        above = if down { S::fma64(above, lower, below) } else { above };
        below = if down { below * lower } else { below };
        at = if down { lower } else { at };
    }
    let is_near = x < FAR;
    let quotient = (if is_near { above } else { 1.0 }) / if is_near { below } else { x };
    // digamma(at) / (at - root), minimax, relative error 2.1e-11.
    let series = [
        -3.519_157_539_407_170_6e-3,
        5.280_008_892_140_368e-3,
        -4.843_948_067_187_809e-3,
        7.272_860_198_091_768e-3,
        -1.198_532_583_411_454_3e-2,
        1.802_292_442_021_219_8e-2,
        -2.696_891_090_160_945e-2,
        4.075_050_412_876_391_6e-2,
        -6.192_242_353_326_911_4e-2,
        9.498_915_988_298_229e-2,
        -1.484_049_184_920_813_2e-1,
        2.405_424_773_974_420_6e-1,
        -4.236_274_212_931_110_4e-1,
        9.510_558_760_493_102e-1,
    ];
    let near = S::fma64((at - ROOT[0]) - ROOT[1], halved_poly64::<S, 14>(at - 1.5, series), quotient);
    // Bernoulli's numbers over 10, 8, .. 2.
    let series = [1.0 / 132.0, -1.0 / 240.0, 1.0 / 252.0, -1.0 / 120.0, 1.0 / 12.0];
    let square = quotient * quotient;
    let far = log64::<S>(x) - S::fma64(poly64::<S, 5>(square, series), square, 0.5 * quotient);
    (if is_near { near } else { far }) as f32
}

/// From here on the asymptotic series hold to 1e-17, that of zeta where it is raised by the exponent.
const ASYMPTOTIC: f64 = 10.0;

/// The derivative of [`lgamma`]; NaN at negative integers, minus infinity at zero.
#[must_use]
pub fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return (-f64::INFINITY).copysign(-x);
    }
    if x == f64::NEG_INFINITY || x < 0.0 && x.trunc() == x {
        return f64::NAN;
    }
    if x < 0.0 {
        return digamma(1.0 - x) - PI / (PI * x.fract()).tan();
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < ASYMPTOTIC {
        sum -= 1.0 / x;
        x += 1.0;
    }
    // Bernoulli's numbers over 2, 4, .. 14.
    let series = [1.0 / 12.0, -691.0 / 32_760.0, 1.0 / 132.0, -1.0 / 240.0, 1.0 / 252.0, -1.0 / 120.0, 1.0 / 12.0];
    let inverse = 1.0 / (x * x);
    let tail = series.iter().fold(0.0, |tail, term| (tail + term) * inverse);
    sum + x.ln() - 0.5 / x - if inverse.is_finite() { tail } else { 0.0 }
}

/// Below, what is summed one by one would never end; there the function is NaN.
const LEAST: f64 = -1e6;

/// What the `n`th derivative of [`digamma`], `n` at least 1, is times `zeta(n + 1, x)`: `(-1)^(n+1) n!`.
#[must_use]
pub fn polygamma_factor(n: u32) -> f64 {
    let factorial = lgamma(f64::from(n) + 1.0).exp().round();
    if n % 2 == 1 { factorial } else { -factorial }
}

/// Hurwitz's zeta function, the sum of `1 / (k + x)^s` over `k` from 0 on: infinite at `s = 1` and where `x` is an integer
/// that is not positive, NaN for `s` below 1, and for `x` below zero unless `s` is an integer.
#[inline]
#[must_use]
pub fn zeta(s: f64, x: f64) -> f64 {
    if s.is_nan() || s < 1.0 {
        return f64::NAN;
    }
    if s == 1.0 {
        return f64::INFINITY;
    }
    if x < 0.0 && x.trunc() != x && s.trunc() != s { f64::NAN } else { hurwitz(s, x) }
}

/// Below, powers up to 2^[`POWER_BITS`] stay in the range of float64.
const LARGE: f64 = 1e8;

/// [`zeta`] of `s` above 1, by Euler and Maclaurin's formula.
#[inline(never)]
fn hurwitz(s: f64, x: f64) -> f64 {
    if x <= 0.0 && x.trunc() == x {
        return if x == f64::NEG_INFINITY { f64::NAN } else { f64::INFINITY };
    }
    if x.is_nan() || x < LEAST {
        return f64::NAN;
    }
    if x == f64::INFINITY {
        return 0.0;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 2 on, and small")]
    let whole = (s.trunc() == s && s < f64::from(1 << POWER_BITS)).then_some(s as u32);
    // By products where those stay in range.
    let whole = whole.filter(|_| x < LARGE);
    let power = |x: f64| whole.map_or_else(|| x.powf(-s), |s| inverse_power(s, x));
    let (mut x, mut sum) = (x, 0.0);
    while x < ASYMPTOTIC + s {
        let term = power(x);
        sum += term;
        x += 1.0;
        // What is left of large `s`: no more than as many terms again, times what they shrink by.
        if x > 1.0 && term * x <= 1e-17 * sum {
            return sum;
        }
    }
    sum + tail(s, x, power(x))
}

/// [`zeta`] of `s` above 1 at `x` from [`ASYMPTOTIC`] on, where `power` is `x^-s`.
#[inline(always)]
fn tail(s: f64, x: f64, power: f64) -> f64 {
    // Bernoulli's number 2k / (2k)!.
    let weights = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30_240.0,
        -1.0 / 1_209_600.0,
        1.0 / 47_900_160.0,
        -1.0 / 1_892_437_580.318_379_3,
        1.0 / 74_724_249_600.0,
        -1.0 / 2.950_130_727_918_164e12,
        1.0 / 1.164_678_281_435_006_7e14,
        -1.0 / 4.597_978_722_407_472_6e15,
    ];
    let mut value = x * power / (s - 1.0) + 0.5 * power;
    // s (s + 1) .. (s + 2k) / x^(s + 2k + 1).
    let inverse = 1.0 / x;
    let (mut rising, mut k) = (s * power * inverse, s);
    for weight in weights {
        value += rising * weight;
        rising *= (k + 1.0) * (k + 2.0) * (inverse * inverse);
        k += 2.0;
    }
    value
}

/// Whether [`near_zeta`] holds: what grows by the exponent is small against the terms that are summed, and powers stay in
/// the range of float64.
#[inline(always)]
#[must_use]
pub fn is_near_zeta(s: f64, x: f64) -> bool {
    let is_plain = x > 1e-6 && x < LARGE && s < 32.0 && s < 4.0 + 2.0 * x;
    // Up to 1 nothing is summed.
    is_plain || s <= 1.0 || s.is_nan()
}

/// [`zeta`] where [`is_near_zeta`], to the digits of float32, as straight-line code.
#[inline(always)]
#[must_use]
pub fn near_zeta<S: Simd>(s: f32, x: f32) -> f32 {
    let (wide, x) = (f64::from(s), f64::from(x));
    let term = |k: f64| wide_power::<S>(x + k, -wide);
    // Not a loop: of two, the compiler makes vectors of the inner one.
    let sum = ((term(0.0) + term(1.0)) + (term(2.0) + term(3.0))) + (term(4.0) + term(5.0));
    let value = (sum + tail(wide, x + 6.0, term(6.0))) as f32;
    let value = if s == 1.0 { f32::INFINITY } else { value };
    if s >= 1.0 { value } else { f32::NAN }
}

/// Bits of the exponents for which [`moderate_zeta`] holds.
const POWER_BITS: u32 = 5;

/// Whether [`moderate_zeta`] holds: powers are neither many products nor beyond float64.
#[inline(always)]
#[must_use]
pub fn is_moderate_zeta(s: u32, x: f64) -> bool {
    x > 0.0 && x < LARGE && s < 1 << POWER_BITS
}

/// [`zeta`] of a whole `s` from 2 on, where [`is_moderate_zeta`], as straight-line code: all are summed from as many terms.
#[inline(always)]
#[must_use]
pub fn moderate_zeta<S: Simd>(s: u32, x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    for _ in 0..10 {
        sum += inverse_power(s, x);
        x += 1.0;
    }
    sum + tail(f64::from(s), x, inverse_power(s, x))
}

/// `x^-s` by repeated squares.
#[inline(always)]
fn inverse_power(s: u32, x: f64) -> f64 {
    let (mut square, mut power) = (x, 1.0);
    for bit in 0..POWER_BITS {
        power *= if s >> bit & 1 == 1 { square } else { 1.0 };
        square *= square;
    }
    1.0 / power
}
