//! Sine, cosine and tangent, in float64 inside.

use super::{ROUND64, poly64};
use crate::isa::Simd;

/// Largest |x| for which [`sin`], [`cos`] and [`tan`] hold.
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

/// Sine and cosine of what is left of `x` after the quarter turns that are counted. The float64 polynomials are FreeBSD's
/// for float32.
#[inline(always)]
fn parts<S: Simd>(x: f32) -> (i64, f64, f64) {
    let (n, r) = quadrant::<S>(x);
    let square = r * r;
    let s =
        [2.718_311_493_989_822e-6, -1.983_933_483_609_663_3e-4, 8.333_329_385_889_463e-3, -0.166_666_666_416_265_24];
    let c =
        [2.439_044_879_627_741e-5, -1.388_676_377_460_993e-3, 4.166_662_332_373_906e-2, -0.499_999_997_251_031, 1.0];
    (n, S::fma64(poly64::<S, 4>(square, s) * square, r, r), poly64::<S, 5>(square, c))
}

/// Sine of `x` turned by `quarters` quarter turns.
#[inline(always)]
fn turned_sin<S: Simd>(x: f32, quarters: i64) -> f32 {
    let (n, sin, cos) = parts::<S>(x);
    let n = n.wrapping_add(quarters);
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

/// Tangent, for |x| up to [`TRIGONOMETRIC_LIMIT`].
#[inline(always)]
#[must_use]
pub fn tan<S: Simd>(x: f32) -> f32 {
    let (n, sin, cos) = parts::<S>(x);
    let (above, below) = if n & 1 == 0 { (sin, cos) } else { (-cos, sin) };
    (above / below) as f32
}
