//! Modified Bessel functions of the first kind, of orders 0 and 1, in float64 (Abramowitz and Stegun, 1964, 9.6.10 and
//! 9.7.1).

use std::f64::consts::TAU;

/// From here on the asymptotic series holds to 1e-16.
const ASYMPTOTIC: f64 = 20.0;

/// Terms of either series that are enough on its side.
const TERMS: i32 = 80;

/// The function of `order` 0 or 1 at `x` from 0 to [`ASYMPTOTIC`]: `(x / 2)^order sum((x^2 / 4)^k / k! / (k + order)!)`.
fn near(order: f64, x: f64) -> f64 {
    let square = 0.25 * x * x;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..TERMS {
        let k = f64::from(k);
        term *= square / (k * (k + order));
        sum += term;
    }
    if order == 0.0 { sum } else { 0.5 * x * sum }
}

/// The function over `exp(x)` at `x` from [`ASYMPTOTIC`] on.
fn far(order: f64, x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..TERMS {
        let odd = 2.0 * f64::from(k) - 1.0;
        let next = -term * (4.0 * order * order - odd * odd) / (8.0 * x * f64::from(k));
        // The series does not converge: it is used as far as its terms fall.
        if next.abs() >= term.abs() || next.abs() < 1e-18 {
            break;
        }
        term = next;
        sum += term;
    }
    sum / (TAU * x).sqrt()
}

/// The function of order 0.
#[must_use]
pub fn i0(x: f64) -> f64 {
    let x = x.abs();
    if x < ASYMPTOTIC { near(0.0, x) } else { grown(far(0.0, x), x) }
}

/// The function of order 0 over `exp(|x|)`.
#[must_use]
pub fn i0e(x: f64) -> f64 {
    let x = x.abs();
    if x < ASYMPTOTIC { near(0.0, x) * (-x).exp() } else { far(0.0, x) }
}

/// The function of order 1.
#[must_use]
pub fn i1(x: f64) -> f64 {
    let size = x.abs();
    (if size < ASYMPTOTIC { near(1.0, size) } else { grown(far(1.0, size), size) }).copysign(x)
}

/// The function of order 1 over `exp(|x|)`.
#[must_use]
pub fn i1e(x: f64) -> f64 {
    let size = x.abs();
    (if size < ASYMPTOTIC { near(1.0, size) * (-size).exp() } else { far(1.0, size) }).copysign(x)
}

/// `y * exp(x)`, also where the exponential alone overflows.
fn grown(y: f64, x: f64) -> f64 {
    let half = (0.5 * x).exp();
    if half.is_infinite() { half } else { y * half * half }
}
