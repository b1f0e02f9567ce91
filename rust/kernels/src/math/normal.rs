//! What the error function lacks to the whole, and the error function's inverse.

use super::logarithm::natural;
use super::{EXACT, FALLING, LIFT, UNLIFT, log64, normal_shape, poly32, poly64, size_up_to};
use crate::isa::Simd;
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
pub fn erfinv64<S: Simd>(x: f64) -> f64 {
    let y = inverse::<S>(x, log64::<S>(0.5 * (1.0 - x.abs())));
    if x.abs() <= 1.0 { y } else { f64::NAN }
}

/// The number that a standard normal variable stays below with probability `p`; NaN outside 0 to 1.
#[inline(always)]
#[must_use]
pub fn ndtri64<S: Simd>(p: f64) -> f64 {
    let complement = 1.0 - p;
    let tail = if p < complement { p } else { complement };
    // Where doubling rounds to the end only the sign counts.
    let x = 2.0 * p - 1.0;
    let x = if x.abs() == 1.0 { (1.0 - f64::EPSILON).copysign(x) } else { x };
    let y = std::f64::consts::SQRT_2 * inverse::<S>(x, log64::<S>(tail));
    let y = if tail == 0.0 { f64::INFINITY.copysign(x) } else { y };
    if tail >= 0.0 { y } else { f64::NAN }
}

/// A polynomial around `center` whose last coefficient is not rounded.
#[derive(Clone, Copy)]
struct Around {
    center: f32,
    series: [f32; 9],
    last: [f32; 2],
}

impl Around {
    const fn of(center: f32, factor: f64, series: [f64; 10]) -> Self {
        let mut narrow = [0.0; 9];
        let mut i = 0;
        while i < 9 {
            narrow[i] = (factor * series[i]) as f32;
            i += 1;
        }
        let last = factor * series[9];
        Self { center, series: narrow, last: [last as f32, (last - last as f32 as f64) as f32] }
    }

    /// The value, and what rounding it lost.
    #[inline(always)]
    fn at<S: Simd>(&self, x: f32) -> [f32; 2] {
        let x = x - self.center;
        let moving = S::fma32(poly32::<S, 9>(x, self.series), x, self.last[1]);
        let value = self.last[0] + moving;
        [value, moving - (value - self.last[0])]
    }
}

/// The inverse of the error function at `x`, over `x`, times a factor, by `w = -log(1 - x^2)`: minimax in the relative error.
struct Inverse {
    /// Up to w = 5, error 5.6e-9.
    near: Around,
    /// By the root of w up to 4.1, which is as far as `x` of 24 bits go, error 1.1e-8.
    middle: Around,
    /// By the root of w up to 10.2, error 8.6e-9.
    far: Around,
}

impl Inverse {
    const fn times(factor: f64) -> Self {
        let near = [
            -8.791_104_280_8e-9,
            1.814_723_662_2e-7,
            -1.171_467_634_1e-6,
            -1.479_439_079_8e-6,
            4.761_644_673_2e-5,
            -8.846_068_966e-6,
            -2.471_836_570_3e-3,
            7.914_225_119_8e-3,
            2.417_624_797_9e-1,
            1.004_822_678_669_351,
        ];
        let middle = [
            1.136_386_582_2e-4,
            -3.077_439_62e-4,
            -5.376_379_678_2e-5,
            1.482_850_055_4e-3,
            -3.598_986_398_6e-3,
            5.687_810_377_6e-3,
            -7.636_955_710_8e-3,
            9.445_192_119_3e-3,
            1.001_674_946_9,
            2.832_976_802_713_52,
        ];
        let far = [
            -2.419_527_802_1e-9,
            3.715_357_581_2e-8,
            -2.516_622_430_8e-7,
            1.176_786_445e-6,
            -5.233_749_702e-6,
            2.130_412_590_5e-5,
            -4.306_077_003_9e-5,
            -4.725_453_608_4e-4,
            1.009_605_180_3,
            5.859_913_097_385_299,
        ];
        Self {
            near: Around::of(0.5, factor, near),
            middle: Around::of(3.0, factor, middle),
            far: Around::of(6.0, factor, far),
        }
    }

    /// The inverse at `x`, `lost` where it was rounded, for which `rest` is `1 - x^2`, from the least float on; without `FAR`
    /// as far as `x` of 24 bits go.
    #[inline(always)]
    fn at<S: Simd, const FAR: bool>(&self, x: f32, lost: f32, rest: f32) -> f32 {
        let w = -natural::<S>(rest);
        let root = w.sqrt();
        let tail = if FAR && root > 4.1 { self.far.at::<S>(root) } else { self.middle.at::<S>(root) };
        let [high, low] = if w > 5.0 { tail } else { self.near.at::<S>(w) };
        S::fma32(x, high, S::fma32(x, low, lost * high))
    }
}

/// [`erfinv64`] for float32.
#[inline(always)]
#[must_use]
pub fn erfinv<S: Simd>(x: f32) -> f32 {
    const INVERSE: Inverse = Inverse::times(1.0);
    let size = x.abs();
    let below = 1.0 - size;
    let y = INVERSE.at::<S, false>(x, EXACT, S::fma32(below, size, below)).copysign(x);
    let y = if size == 1.0 { f32::INFINITY.copysign(x) } else { y };
    if size <= 1.0 { y } else { f32::NAN }
}

/// [`ndtri64`] for float32.
#[inline(always)]
#[must_use]
pub fn ndtri<S: Simd>(p: f32) -> f32 {
    const INVERSE: Inverse = Inverse::times(std::f64::consts::SQRT_2);
    let complement = 1.0 - p;
    let tail = if p < complement { p } else { complement };
    let x = 1.0 - 2.0 * tail;
    let lost = (1.0 - x) - 2.0 * tail;
    let y = INVERSE.at::<S, true>(x, lost, 4.0 * S::fma32(-tail, tail, tail)).copysign(p - 0.5);
    let y = if tail == 0.0 { f32::INFINITY.copysign(p - 0.5) } else { y };
    if tail >= 0.0 { y } else { f32::NAN }
}
