//! Inverse trigonometric functions, in float64 inside. The polynomials interpolate at Chebyshev's nodes.

use super::poly64;
use crate::isa::Simd;
use std::f64::consts::{FRAC_PI_2, PI};

/// Arc tangent.
#[inline(always)]
#[must_use]
pub fn atan<S: Simd>(x: f32) -> f32 {
    let size = f64::from(x).abs();
    let inverted = size > 1.0;
    let t = if inverted { 1.0 / size } else { size };
    // atan(t) / t by t^2 up to 1, relative error 4.5e-10.
    let series = [
        1.057_607_438_057_242e-3,
        -7.030_669_470_424_213e-3,
        2.191_294_586_544_839_3e-2,
        -4.392_841_073_326_746e-2,
        6.685_281_517_877_424e-2,
        -8.785_043_282_362_845e-2,
        0.110_507_712_758_496_6,
        -0.142_785_760_248_079_85,
        0.199_995_581_003_639_82,
        -0.333_333_224_889_115_93,
        0.999_999_999_553_537_6,
    ];
    let y = t * poly64::<S, 11>(t * t, series);
    let y = if inverted { FRAC_PI_2 - y } else { y };
    (y as f32).copysign(x)
}

/// Arc sine of a number from 0 to 1/2.
#[inline(always)]
fn half_asin<S: Simd>(x: f64) -> f64 {
    // asin(x) / x by x^2 up to 1/4, relative error 1.7e-11.
    let series = [
        3.474_842_480_808_39e-2,
        7.401_007_239_075_379_5e-3,
        2.465_086_266_060_408_8e-2,
        3.010_250_689_966_149e-2,
        4.466_113_930_866_896e-2,
        7.499_941_908_754_719e-2,
        0.166_666_673_641_864_47,
        0.999_999_999_986_355_3,
    ];
    x * poly64::<S, 8>(x * x, series)
}

/// Arc sine of `size`, and its complement, each accurate where it is small; NaN above 1.
#[inline(always)]
fn asin_parts<S: Simd>(size: f64) -> (f64, f64) {
    let small = size <= 0.5;
    let root = ((1.0 - size) * 0.5).sqrt();
    let y = half_asin::<S>(if small { size } else { root });
    if small { (y, FRAC_PI_2 - y) } else { (FRAC_PI_2 - 2.0 * y, 2.0 * y) }
}

/// Arc sine.
#[inline(always)]
#[must_use]
pub fn asin<S: Simd>(x: f32) -> f32 {
    (asin_parts::<S>(f64::from(x).abs()).0 as f32).copysign(x)
}

/// Arc cosine.
#[inline(always)]
#[must_use]
pub fn acos<S: Simd>(x: f32) -> f32 {
    let (_, complement) = asin_parts::<S>(f64::from(x).abs());
    (if x < 0.0 { PI - complement } else { complement }) as f32
}
