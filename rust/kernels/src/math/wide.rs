//! The exponential and the logarithm of float64, within a unit in the last place, and sine, cosine, hyperbolic tangent
//! and the error function, within two and a half, as straight-line code.

use super::{ROUND64, poly64};
use crate::isa::Simd;

/// ln 2 in two parts; the first has few bits, so that its product with an exponent is exact.
const LN2: [f64; 2] = [0.693_147_180_559_663, 2.823_529_056_303_157_7e-13];

/// e to the power `x`, less 1, after whole powers of two were taken from it, and of which power: for |x| up to 2^20.
#[inline(always)]
fn reduced_expm1<S: Simd>(x: f64) -> (f64, u64) {
    let shifted = S::fma64(x, std::f64::consts::LOG2_E, ROUND64);
    let n = shifted - ROUND64;
    let r = S::fma64(n, -LN2[1], S::fma64(n, -LN2[0], x));
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
    (S::fma64(poly64::<S, 11>(r, series), r * r, r), shifted.to_bits().wrapping_sub(ROUND64.to_bits()))
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

/// Error function.
#[inline(always)]
#[must_use]
pub fn erf64<S: Simd>(x: f64) -> f64 {
    // From here on it is 1.
    let size = if x.abs() > 6.0 { 6.0 } else { x.abs() };
    let square = size * size;
    // erf(x) / x by x^2, up to 1: error 7.4e-18.
    let near = [
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
    let small = x * poly64::<S, 12>(square, near);
    let beside = exp64::<S>(-square) * poly64::<S, 16>((size - 4.0) / (size + 4.0), far);
    if size < 1.0 { small } else { (1.0 - beside).copysign(x) }
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

/// Natural logarithm.
#[inline(always)]
#[must_use]
pub fn log64<S: Simd>(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    let subnormal = x < f64::MIN_POSITIVE;
    let scaled = if subnormal { x * 18_014_398_509_481_984.0 } else { x };
    let bits = scaled.to_bits().wrapping_sub(SQRT_HALF);
    let excess = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF)) - 1.0;
    // A signed integer of few bits as a float, without a conversion that AVX2 lacks: biased, it is a positive one.
    let biased = bits.wrapping_add(1024 << 52) >> 52;
    let exponent = f64::from_bits(biased + ROUND64.to_bits()) - (ROUND64 + if subnormal { 1078.0 } else { 1024.0 });
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
    let small = S::fma64(s, S::fma64(poly64::<S, 8>(square, series), square, half), exponent * LN2[1]);
    let y = S::fma64(exponent, LN2[0], excess - (half - small));
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x >= 0.0 { y } else { f64::NAN }
}
