//! The exponential and the logarithm of float64, within a unit in the last place, and sine, cosine, hyperbolic tangent
//! and the error function, within two and a half, as straight-line code.

use super::{ROUND64, poly64};
use crate::isa::{Isa, Simd};

/// ln 2 in two parts; the first has few bits, so that its product with an exponent is exact.
pub(super) const LN2: [f64; 2] = [0.693_147_180_559_663, 2.823_529_056_303_157_7e-13];

/// e to the power `r`, less 1, for |r| up to half of ln 2.
#[inline(always)]
pub(super) fn reduced<S: Simd>(r: f64) -> f64 {
    // (exp(r) - 1 - r) / r^2, minimax on |r| <= ln(2)/2, error 1.7e-19 of the result.
    let series = [
        2.092_196_841_821_767e-9,
        2.510_531_906_503_086_3e-8,
        2.755_725_187_048_311_5e-7,
        2.755_725_515_455_029_5e-6,
        2.480_158_734_833_335_2e-5,
        1.984_126_987_501_460_4e-4,
        1.388_888_888_887_401_4e-3,
        8.333_333_333_326_08e-3,
        4.166_666_666_666_668_5e-2,
        1.666_666_666_666_667e-1,
        5.0e-1,
    ];
    S::fma64(poly64::<S, 11>(r, series), r * r, r)
}

/// e to the power `x`, less 1, after whole powers of two were taken from it, and of which power: for |x| up to 2^20.
#[inline(always)]
pub(super) fn reduced_expm1<S: Simd>(x: f64) -> (f64, u64) {
    let shifted = S::fma64(x, std::f64::consts::LOG2_E, ROUND64);
    let n = shifted - ROUND64;
    let r = S::fma64(n, -LN2[1], S::fma64(n, -LN2[0], x));
    (reduced::<S>(r), shifted.to_bits().wrapping_sub(ROUND64.to_bits()))
}

/// e to the power `x`.
#[inline(always)]
#[must_use]
pub fn exp64<S: Simd>(x: f64) -> f64 {
    // Beyond, the result is zero or infinite.
    let x = if x < -746.0 { -746.0 } else { x };
    let x = if x > 710.0 { 710.0 } else { x };
    let (rest, power) = reduced_expm1::<S>(x);
    let value = 1.0 + rest;
    // 2^n by halves, each a normal number. The integer is biased to stay positive where it is halved.
    let biased = power.wrapping_add(2 * 1023);
    let half = biased >> 1;
    value * f64::from_bits(half << 52) * f64::from_bits(biased.wrapping_sub(half) << 52)
}

/// Hyperbolic tangent.
#[inline(always)]
#[must_use]
pub fn tanh64<S: Simd>(x: f64) -> f64 {
    // By exp(2 |x|) - 1, which has lost nothing where the tangent is small. From here on it is 1.
    let size = if x.abs() > 22.0 { 22.0 } else { x.abs() };
    let (rest, power) = reduced_expm1::<S>(2.0 * size);
    let scale = f64::from_bits(power.wrapping_add(1023) << 52);
    let grown = S::fma64(scale, rest, scale - 1.0);
    (grown / (grown + 2.0)).copysign(x)
}

/// What `square`, the rounded `x * x`, lacks.
#[inline(always)]
pub(super) fn square_loss64<S: Simd>(x: f64, square: f64) -> f64 {
    if S::ISA == Isa::Portable {
        // Without FMA: by halves, whose products are exact.
        let high = f64::from_bits(x.to_bits() & !0x7ff_ffff);
        let low = x - high;
        (high * high - square) + 2.0 * high * low + low * low
    } else {
        S::fma64(x, x, -square)
    }
}

/// erf(x) / x by x^2, up to 1: error 7.4e-18.
pub(super) const NEAR: [f64; 12] = [
    -7.795_898_827_002_142e-10,
    1.372_006_454_677_768_6e-8,
    -1.620_848_380_187_170_5e-7,
    1.644_742_470_331_736_2e-6,
    -1.492_473_690_741_966e-5,
    1.205_529_490_483_970_7e-4,
    -8.548_325_975_389_692e-4,
    5.223_977_607_116_422_5e-3,
    -2.686_617_064_323_777e-2,
    1.128_379_167_094_500_6e-1,
    -3.761_263_890_318_354_3e-1,
    std::f64::consts::FRAC_2_SQRT_PI,
];

/// Error function.
#[inline(always)]
#[must_use]
pub fn erf64<S: Simd>(x: f64) -> f64 {
    // From here on it is 1.
    let size = if x.abs() > 6.0 { 6.0 } else { x.abs() };
    let square = size * size;
    // What is beside 1 is exp(-x^2) times this, by (x - 4) / (x + 4), from 1 to 6: error 4.6e-18.
    let far = [
        7.423_164_251_116_965e-7,
        4.460_009_108_363_892e-6,
        -9.380_004_337_296_444e-7,
        -2.229_471_220_828_090_7e-5,
        7.895_694_927_713_207e-5,
        -2.179_568_166_418_796e-5,
        -7.991_322_076_390_439e-4,
        4.060_264_660_151_152e-3,
        -1.284_394_568_707_145_3e-2,
        3.129_905_651_583_277e-2,
        -6.310_781_564_738_28e-2,
        1.089_631_773_986_574_5e-1,
        -1.642_578_166_972_407_7e-1,
        2.187_196_789_182_671_3e-1,
        -2.590_680_487_601_718e-1,
        1.369_994_576_250_613_8e-1,
    ];
    let small = x * poly64::<S, 12>(square, NEAR);
    let beside = exp64::<S>(-square) * poly64::<S, 16>((size - 4.0) / (size + 4.0), far);
    if size < 1.0 { small } else { (1.0 - beside).copysign(x) }
}

/// Complementary error function, within four units in the last place; see [`erf64`].
#[inline(always)]
#[must_use]
pub fn erfc64<S: Simd>(x: f64) -> f64 {
    // From here on it is 0.
    let size = if x.abs() > 27.5 { 27.5 } else { x.abs() };
    let square = size * size;
    // What rounding the square took from it counts where that is large.
    let rest = square_loss64::<S>(size, square);
    // erfc(x) is exp(-x^2) / (1 + 2 x) times this, by (x - 3.75) / (x + 3.75), from 1/2 to 27.5: error 8.8e-18.
    let far = [
        2.435_527_618_848_465_7e-8,
        1.364_562_376_575_022_9e-8,
        -2.396_605_198_791_086_5e-7,
        -4.558_164_137_383_586_6e-8,
        1.736_940_892_330_944_6e-6,
        -9.816_290_410_972_386e-7,
        -1.143_699_830_787_691_9e-5,
        2.238_769_345_879_868e-5,
        5.164_685_108_244_771_5e-5,
        -2.901_550_141_988_769e-4,
        2.937_141_210_606_288e-4,
        1.755_626_010_370_358_6e-3,
        -9.746_579_615_643_989e-3,
        2.836_227_740_312_208_6e-2,
        -5.869_339_858_538_533e-2,
        9.230_432_116_124_167e-2,
        -1.088_039_301_419_095_6e-1,
        8.227_673_849_012_397e-2,
        3.585_415_485_466_794e-3,
        -1.402_405_985_855_468e-1,
        1.237_512_630_837_827_5e0,
    ];
    let mass = poly64::<S, 21>((size - 3.75) / (size + 3.75), far);
    let tail = exp64::<S>(-square) * (S::fma64(-rest, mass, mass) / S::fma64(2.0, size, 1.0));
    let small = 1.0 - x * poly64::<S, 12>(square, NEAR);
    let other = if x < 0.0 { 2.0 - tail } else { tail };
    if size < 0.5 { small } else { other }
}

/// pi in three parts, the first of 33 bits and the second of 31: products with half integers up to 2^19 are exact.
const PI: [f64; 3] = [3.141_592_653_468_251_2, 1.215_420_101_260_793_2e-10, 4.044_532_497_591_901e-21];

/// The sine of what `x` is beside so many half turns and `quarter` of two, with the sign that they give it, changed where
/// `flip` is 1.
#[inline(always)]
fn sin_beside<S: Simd>(x: f64, quarter: f64, flip: u64) -> f64 {
    let shifted = S::fma64(x, std::f64::consts::FRAC_1_PI, -quarter) + ROUND64;
    let n = (shifted - ROUND64) + quarter;
    // Two exact products; what the second difference loses is kept.
    let above = S::fma64(n, -PI[0], x);
    let less = n * PI[1];
    let step = above - less;
    let moved = step - above;
    let lost = (above - (step - moved)) + (-less - moved);
    let more = S::fma64(n, -PI[2], lost);
    let r = step + more;
    let rest = more - (r - step);
    // (sin(r) / r - 1) / r^2 up to a quarter turn, error 1.2e-21 of the sine.
    let series = [
        -8.006_069_843_985_067e-18,
        2.810_468_777_315_289_3e-15,
        -7.647_139_121_968_752e-13,
        1.605_904_347_941_872_6e-10,
        -2.505_210_838_239_140_2e-8,
        2.755_731_922_397_126_4e-6,
        -1.984_126_984_126_980_6e-4,
        8.333_333_333_333_333e-3,
        -1.666_666_666_666_666_6e-1,
    ];
    let square = r * r;
    let bent = S::fma64(-0.5 * square, rest, rest);
    let sin = r + S::fma64(r * square, poly64::<S, 9>(square, series), bent);
    f64::from_bits(sin.to_bits() ^ (shifted.to_bits().wrapping_add(flip) << 63))
}

/// Sine, for |x| up to [`TRIGONOMETRIC_LIMIT`](super::TRIGONOMETRIC_LIMIT).
#[inline(always)]
#[must_use]
pub fn sin64<S: Simd>(x: f64) -> f64 {
    let sin = sin_beside::<S>(x, 0.0, 0);
    // Also the sign of zero.
    if x.abs() < 1e-8 { x } else { sin }
}

/// Cosine, for |x| up to [`TRIGONOMETRIC_LIMIT`](super::TRIGONOMETRIC_LIMIT).
#[inline(always)]
#[must_use]
pub fn cos64<S: Simd>(x: f64) -> f64 {
    sin_beside::<S>(x, 0.5, 1)
}

/// The exponent and what lies beside 1 of a positive number: `2^exponent * (1 + excess)`, `1 + excess` from sqrt(1/2) to
/// sqrt(2).
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let subnormal = x < f64::MIN_POSITIVE;
    let scaled = if subnormal { x * 18_014_398_509_481_984.0 } else { x };
    let bits = scaled.to_bits().wrapping_sub(SQRT_HALF);
    let excess = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF)) - 1.0;
    // A signed integer of few bits as a float, without a conversion that AVX2 lacks: biased, it is a positive one.
    let biased = bits.wrapping_add(1024 << 52) >> 52;
    (f64::from_bits(biased + ROUND64.to_bits()) - (ROUND64 + if subnormal { 1078.0 } else { 1024.0 }), excess)
}

/// What [`split`] leaves beside its logarithm: that is `excess - (half - (s * slope))`.
#[inline(always)]
fn bend<S: Simd>(excess: f64) -> [f64; 3] {
    // log(1 + excess) is 2 atanh(s): (2 atanh(s) / s - 2) / s^2 by s^2, minimax, error 1.7e-20 of the result.
    let s = excess / (2.0 + excess);
    let square = s * s;
    let series = [
        1.325_275_671_324_862_6e-1,
        1.324_996_181_442_891_2e-1,
        1.538_709_766_022_257e-1,
        1.818_177_550_832_270_6e-1,
        2.222_222_264_875_259_6e-1,
        2.857_142_856_907_295_4e-1,
        4.000_000_000_000_628_6e-1,
        6.666_666_666_666_666e-1,
    ];
    // 2 s is excess - s * excess, and that excess - half + s * half: so no rounding of s counts.
    let half = 0.5 * excess * excess;
    [half, s, S::fma64(poly64::<S, 8>(square, series), square, half)]
}

/// The exponent of a positive `x`, and the logarithm of the rest in two parts, with `more` added.
#[inline(always)]
pub(super) fn logarithm<S: Simd>(x: f64, more: f64) -> (f64, [f64; 2]) {
    let (exponent, excess) = split(x);
    let [half, s, slope] = bend::<S>(excess);
    let rest = S::fma64(s, slope, more) - half;
    let high = excess + rest;
    (exponent, [high, (excess - high) + rest])
}

/// Natural logarithm.
#[inline(always)]
#[must_use]
pub fn log64<S: Simd>(x: f64) -> f64 {
    let (exponent, excess) = split(x);
    let [half, s, slope] = bend::<S>(excess);
    let small = S::fma64(s, slope, exponent * LN2[1]);
    let y = S::fma64(exponent, LN2[0], excess - (half - small));
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x >= 0.0 { y } else { f64::NAN }
}
