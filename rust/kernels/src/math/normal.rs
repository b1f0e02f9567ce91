//! What the error function lacks to the whole, and the error function's inverse.

use super::hyperbolic::log1p_wide;
use super::{FALLING, LIFT, UNLIFT, normal_shape, poly64, size_up_to};
use crate::isa::{Portable, Simd};
use std::f64::consts::FRAC_1_SQRT_2;

/// Complementary error function.
#[inline(always)]
#[must_use]
pub fn erfc<S: Simd>(x: f32) -> f32 {
    // Beyond, the result is zero.
    let size = size_up_to(x, 10.3);
    let density = FALLING.at_square::<S>(size, size * size, LIFT);
    // The mass of the normal distribution beyond sqrt(2) |x|, twice.
    let scaled = size * std::f32::consts::SQRT_2;
    let (slope, divisor) = normal_shape::<S>(scaled, scaled * scaled);
    let tail = density.times::<S>(2.0 * S::fma32(scaled, slope, 1.0)) / divisor * UNLIFT;
    if x < 0.0 { 2.0 - tail } else { tail }
}

/// A quotient of two polynomials of degree 7.
#[inline(always)]
fn quotient<S: Simd>(x: f64, above: [f64; 8], below: [f64; 8]) -> f64 {
    poly64::<S, 8>(x, above) / poly64::<S, 8>(x, below)
}

/// The inverse of the error function for `x` with the logarithm of `(1 - |x|) / 2`: the normal distribution's quantile by
/// Wichura's algorithm AS 241 (Applied Statistics 37, 1988), relative error 1e-16.
#[inline(always)]
fn inverse<S: Simd>(x: f64, log_tail: f64) -> f64 {
    let half = 0.5 * x;
    let near = half
        * quotient::<S>(
            0.180_625 - half * half,
            [
                2.509_080_928_730_122_7e3,
                3.343_057_558_358_813e4,
                6.726_577_092_700_87e4,
                4.592_195_393_154_987e4,
                1.373_169_376_550_946e4,
                1.971_590_950_306_551_3e3,
                1.331_416_678_917_843_8e2,
                3.387_132_872_796_366_5,
            ],
            [
                5.226_495_278_852_545e3,
                2.872_908_573_572_194_3e4,
                3.930_789_580_009_271e4,
                2.121_379_430_158_659_7e4,
                5.394_196_021_424_751e3,
                6.871_870_074_920_579e2,
                4.231_333_070_160_091e1,
                1.0,
            ],
        );
    let r = (-log_tail).sqrt();
    let middle = quotient::<S>(
        r - 1.6,
        [
            7.745_450_142_783_414e-4,
            2.272_384_498_926_918_4e-2,
            2.417_807_251_774_506e-1,
            1.270_458_252_452_368_4,
            3.647_848_324_763_204_5,
            5.769_497_221_460_691,
            4.630_337_846_156_546,
            1.423_437_110_749_683_5,
        ],
        [
            1.050_750_071_644_416_9e-9,
            5.475_938_084_995_345e-4,
            1.519_866_656_361_645_7e-2,
            1.481_039_764_274_800_8e-1,
            6.897_673_349_851e-1,
            1.676_384_830_183_803_8,
            2.053_191_626_637_759,
            1.0,
        ],
    );
    let far = quotient::<S>(
        r - 5.0,
        [
            2.010_334_399_292_288_1e-7,
            2.711_555_568_743_487_6e-5,
            1.242_660_947_388_078_4e-3,
            2.653_218_952_657_612_4e-2,
            2.965_605_718_285_048_7e-1,
            1.784_826_539_917_291_3,
            5.463_784_911_164_114,
            6.657_904_643_501_103,
        ],
        [
            2.044_263_103_389_939_8e-15,
            1.421_511_758_316_446e-7,
            1.846_318_317_510_054_8e-5,
            7.868_691_311_456_133e-4,
            1.487_536_129_085_061_5e-2,
            1.369_298_809_227_358e-1,
            5.998_322_065_558_88e-1,
            1.0,
        ],
    );
    let tail = (if r <= 5.0 { middle } else { far }).copysign(x);
    let quantile = if half.abs() <= 0.425 { near } else { tail };
    let y = FRAC_1_SQRT_2 * quantile;
    if x.abs() == 1.0 { f64::INFINITY.copysign(x) } else { y }
}

/// Inverse of the error function; NaN outside -1 to 1.
#[inline(always)]
#[must_use]
pub fn erfinv<S: Simd>(x: f32) -> f32 {
    let wide = f64::from(x);
    let y = inverse::<S>(wide, log1p_wide::<S>(-0.5 * (1.0 + wide.abs()))) as f32;
    if x.abs() <= 1.0 { y } else { f32::NAN }
}

/// [`erfinv`] in float64.
#[must_use]
pub fn erfinv64(x: f64) -> f64 {
    if x.abs() <= 1.0 { inverse::<Portable>(x, (0.5 * (1.0 - x.abs())).ln()) } else { f64::NAN }
}

/// The number that a standard normal variable stays below with probability `p`; NaN outside 0 to 1.
#[must_use]
pub fn quantile(p: f64) -> f64 {
    if p == 0.0 || p == 1.0 {
        return f64::INFINITY.copysign(p - 0.5);
    }
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    // Where doubling rounds to the end only the sign counts.
    let most = 1.0 - f64::EPSILON;
    std::f64::consts::SQRT_2 * inverse::<Portable>((2.0 * p - 1.0).clamp(-most, most), p.min(1.0 - p).ln())
}
