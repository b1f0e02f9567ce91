//! The incomplete gamma functions and the scaled complementary error function, in float64.

use super::gamma::{digamma, lgamma};
use super::platform;
use std::f64::consts::{PI, TAU};

/// What is enough for the slowest series here: it takes a few times the root of the largest order.
const STEPS: usize = 20_000;

/// Where Stirling's series holds to 1e-16.
const STIRLING: f64 = 20.0;

/// `x^a exp(-x) / gamma(a + 1)`: near `x = a` by the distance of the two, as the powers would cancel.
fn density(a: f64, x: f64) -> f64 {
    if a < STIRLING {
        return (a * x.ln() - x - lgamma(a + 1.0)).exp();
    }
    let distance = (x - a) / a;
    let inverse = 1.0 / (a * a);
    let series = [1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0];
    let correction = series.iter().fold(0.0, |sum, term| sum * inverse + term) / a;
    (a * (distance.ln_1p() - distance) - correction).exp() / (TAU * a).sqrt()
}

/// The lower function over `density(a, x)`, for `x` below `a + 1`: `1 + x / (a + 1) + x^2 / (a + 1)(a + 2) + ..`.
fn series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, a);
    for _ in 0..STEPS {
        n += 1.0;
        term *= x / n;
        sum += term;
        if term < 1e-17 * sum {
            break;
        }
    }
    sum
}

/// The upper function over `a density(a, x)`, for `x` from `a + 1` on, as a continued fraction by Lentz's method (1976).
fn fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut below = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / TINY, 1.0 / below);
    let mut product = d;
    let mut i = 0.0;
    for _ in 0..STEPS {
        i += 1.0;
        let above = -i * (i - a);
        below += 2.0;
        let lifted = |y: f64| if y.abs() < TINY { TINY } else { y };
        d = 1.0 / lifted(above * d + below);
        c = lifted(below + above / c);
        product *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    product
}

/// From this order on the expansion below holds to 1e-12.
const LARGE: f64 = 1e6;

/// Both functions of large orders: a normal distribution and the first term of its correction (Temme, 1979).
fn normal(a: f64, x: f64) -> (f64, f64) {
    let distance = (x - a) / a;
    let eta = (2.0 * (distance - distance.ln_1p())).sqrt().copysign(distance);
    let first = if eta.abs() < 0.01 {
        ((eta / 864.0 - 2.0 / 135.0) * eta + 1.0 / 12.0) * eta - 1.0 / 3.0
    } else {
        1.0 / distance - 1.0 / eta
    };
    let correction = (-0.5 * a * eta * eta).exp() / (TAU * a).sqrt() * first;
    let tail = |eta: f64| 0.5 * platform::erfc(eta * (0.5 * a).sqrt());
    (tail(-eta) - correction, tail(eta) + correction)
}

/// The lower and the upper function, regularised: they sum to 1.
fn both(a: f64, x: f64) -> (f64, f64) {
    if a.is_nan() || x.is_nan() || a < 0.0 || x < 0.0 || (a == 0.0 && x == 0.0) || (a.is_infinite() && x.is_infinite())
    {
        return (f64::NAN, f64::NAN);
    }
    if a == 0.0 || x.is_infinite() {
        return (1.0, 0.0);
    }
    if x == 0.0 || a.is_infinite() {
        return (0.0, 1.0);
    }
    if a >= LARGE {
        return normal(a, x);
    }
    if x < a + 1.0 {
        let lower = density(a, x) * series(a, x);
        (lower, 1.0 - lower)
    } else {
        let upper = a * density(a, x) * fraction(a, x);
        (1.0 - upper, upper)
    }
}

/// The part of the gamma function's integral below `x`: `integral(t^(a - 1) exp(-t), 0..x) / gamma(a)`.
#[must_use]
pub fn igamma(a: f64, x: f64) -> f64 {
    both(a, x).0
}

/// The part above `x`.
#[must_use]
pub fn igammac(a: f64, x: f64) -> f64 {
    both(a, x).1
}

/// The derivative by `a` of a number `x` of the gamma distribution of shape `a` and scale 1, below which lies the same part
/// of it all the while: that of [`igamma`] by `a`, over minus that by `x`. Each term of the series of powers is
/// differentiated.
#[must_use]
pub fn gamma_slope(a: f64, x: f64) -> f64 {
    /// From this shape on the cube root is normal (Wilson and Hilferty, 1931) so nearly that the slope holds to 1e-7.
    const NORMAL: f64 = 1e5;
    if x == 0.0 {
        return 0.0;
    }
    if a >= NORMAL {
        let root = (x / a).cbrt();
        return root * root * (root + 1.0 / (6.0 * a) - 1.5 * (root - 1.0));
    }
    // A term is `x^(a + n) / gamma(a + n + 1)`, here over the density.
    let (mut term, mut sum, mut n) = (x / a, 0.0, a + 1.0);
    let mut slope = digamma(n) - x.ln();
    for _ in 0..STEPS {
        sum += term * slope;
        if n > x + 1.0 && term * slope <= 1e-17 * sum {
            break;
        }
        term *= x / n;
        slope += 1.0 / n;
        n += 1.0;
    }
    sum
}

/// `exp(x^2) erfc(x)`.
#[must_use]
pub fn erfcx(x: f64) -> f64 {
    if x < 3.0 {
        return (x * x).exp() * platform::erfc(x);
    }
    // Laplace's continued fraction, from its end.
    let tail = (1..=60).rev().fold(x, |tail, k| x + 0.5 * f64::from(k) / tail);
    1.0 / (PI.sqrt() * tail)
}
