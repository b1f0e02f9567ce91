//! The incomplete gamma functions and the scaled complementary error function, in float64.

use super::gamma::{digamma, lgamma, positive_lgamma};
use super::wide::{NEAR, exp64, log64, square_loss64};
use super::{platform, poly64};
use crate::element::Float;
use crate::isa::{Portable, Simd};
use std::f64::consts::TAU;

/// What is enough for the slowest series here: it takes a few times the root of the largest order.
const STEPS: usize = 20_000;

/// Where Stirling's series holds to 1e-16.
const STIRLING: f64 = 20.0;

/// `x^a exp(-x) / gamma(a + 1)`, to the digits of float32 where that is enough: near `x = a` by the distance of the two, as
/// the powers would cancel.
fn density(a: f64, x: f64, is_coarse: bool) -> f64 {
    if a < STIRLING {
        if is_coarse && x > f64::MIN_POSITIVE {
            return exp64::<Portable>(a * log64::<Portable>(x) - x - positive_lgamma::<Portable>(a + 1.0));
        }
        return (a * x.ln() - x - lgamma(a + 1.0)).exp();
    }
    let distance = (x - a) / a;
    // Far below the order, the distance has lost the digits of `x`.
    let log = if x < 0.5 * a { (x / a).ln() } else { distance.ln_1p() };
    let inverse = 1.0 / (a * a);
    let series = [1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0];
    let correction = series.iter().fold(0.0, |sum, term| sum * inverse + term) / a;
    (a * (log - distance) - correction).exp() / (TAU * a).sqrt()
}

/// The lower function over `density(a, x)`, for `x` below `a + 1`: `1 + x / (a + 1) + x^2 / (a + 1)(a + 2) + ..`, up to a term
/// that is `enough` of the sum.
fn series(a: f64, x: f64, enough: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, a);
    for _ in 0..STEPS {
        n += 1.0;
        term *= x / n;
        sum += term;
        if term < enough * sum {
            break;
        }
    }
    sum
}

/// The upper function over `a density(a, x)`, for `x` from `a + 1` on, where the density is not zero: as a continued fraction,
/// by the recurrence of its numerators and denominators (Wallis), which needs no division.
fn fraction(a: f64, x: f64, enough: f64) -> f64 {
    const BETWEEN: usize = 4;
    const LARGE: f64 = 1e100;
    let mut level = x + 1.0 - a;
    let ([mut p, mut q], [mut earlier_p, mut earlier_q]) = ([1.0, level], [0.0, 1.0]);
    let (mut i, mut value) = (0.0, 1.0 / level);
    for _ in 0..STEPS / BETWEEN {
        for _ in 0..BETWEEN {
            i += 1.0;
            level += 2.0;
            let above = i * (i - a);
            (p, earlier_p) = (level * p - above * earlier_p, p);
            (q, earlier_q) = (level * q - above * earlier_q, q);
        }
        if q.abs() > LARGE {
            for part in [&mut p, &mut q, &mut earlier_p, &mut earlier_q] {
                *part /= LARGE;
            }
        }
        let before = value;
        value = p / q;
        if (value - before).abs() < 10.0 * enough * value.abs() {
            break;
        }
    }
    value
}

/// Orders below which, and places up to which, the upper function is small beside the lower one.
const TINY_ORDER: (f64, f64) = (1e-3, 1.5);

/// The upper function there: what `x^a / gamma(a + 1)` lacks to 1, less the rest of the series of powers.
fn upper_of_tiny(a: f64, x: f64) -> f64 {
    // `ln(gamma(1 + a))` by its series, as `1 + a` would lose the digits of `a`.
    let lgamma = a
        * (-0.577_215_664_901_532_9
            + a * (0.822_467_033_424_113_2
                - a * (0.400_685_634_386_531_4 - a * (0.270_580_808_427_784_5 - a * 0.207_385_551_028_674))));
    let log = a * x.ln() - lgamma;
    let (mut power, mut sum, mut n) = (1.0, 0.0, 0.0);
    for _ in 0..STEPS {
        n += 1.0;
        power *= -x / n;
        let term = power / (a + n);
        sum += term;
        if term.abs() <= 1e-17 * sum.abs() {
            break;
        }
    }
    -log.exp_m1() - a * log.exp() * sum
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
fn both(a: f64, x: f64, enough: f64) -> (f64, f64) {
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
    if a < TINY_ORDER.0 && x < TINY_ORDER.1 {
        let upper = upper_of_tiny(a, x);
        return (1.0 - upper, upper);
    }
    // Near zero the fraction takes long. What the complement of the series loses there float32 does not show.
    let is_coarse = enough > 1e-16;
    let is_near = is_coarse && x < 4.0 && a > 1e-3;
    if x < a + 1.0 || is_near {
        // Of small orders the upper function is as small.
        let lower = density(a, x, is_coarse) * series(a, x, enough.min(enough * a).max(1e-17));
        (lower, 1.0 - lower)
    } else {
        let density = density(a, x, is_coarse);
        let upper = if density == 0.0 { 0.0 } else { a * density * fraction(a, x, enough) };
        (1.0 - upper, upper)
    }
}

/// The part of the gamma function's integral below `x`, `integral(t^(a - 1) exp(-t), 0..x) / gamma(a)`, and the part above,
/// to the digits of `T`.
#[must_use]
pub fn incomplete_gamma<T: Float>(a: T, x: T) -> (T, T) {
    // Of what is left out there are up to the root of the order.
    let enough = if size_of::<T>() == 4 { 1e-11 } else { 1e-17 };
    let (lower, upper) = both(a.to_f64(), x.to_f64(), enough);
    (T::from_f64(lower), T::from_f64(upper))
}

/// The derivative by `a` of a number `x` of the gamma distribution of shape `a` and scale 1, below which lies the same part
/// of it all the while: that of [`incomplete_gamma`] by `a`, over minus that by `x`. Each term of the series of powers is
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

/// `exp(x^2) erfc(x)`, as straight-line code.
#[inline(always)]
#[must_use]
pub fn erfcx<S: Simd>(x: f64) -> f64 {
    let size = x.abs();
    // Times 1 + 2 x, by (x - 3.75) / (x + 3.75), which is 1 at infinity: error 1e-17 everywhere (Shepherd and Laframboise,
    // 1981).
    let series = [
        1.796_257_825_216_33e-12,
        -7.339_505_008_529_54e-11,
        -4.965_632_309_980_643_3e-11,
        9.022_149_700_340_59e-10,
        5.820_899_514_310_995e-10,
        -6.545_560_212_480_267e-9,
        -4.453_191_645_424_103e-9,
        4.097_122_315_270_300_5e-8,
        2.436_270_081_647_747_3e-8,
        -2.611_470_235_990_095_6e-7,
        -5.831_950_342_145_813e-8,
        1.753_443_425_110_633_4e-6,
        -9.728_189_861_867_202e-7,
        -1.144_504_912_583_130_9e-5,
        2.238_390_056_304_152_7e-5,
        5.164_940_777_546_399e-5,
        -2.901_539_763_460_068e-4,
        2.937_135_948_057_073_7e-4,
        1.755_625_831_922_023_3e-3,
        -9.746_579_547_619_623e-3,
        2.836_227_742_156_851e-2,
        -5.869_339_859_054_762e-2,
        9.230_432_116_019_517e-2,
        -1.088_039_301_417_074_6e-1,
        8.227_673_849_015_112e-2,
        3.585_415_485_463_69e-3,
        -1.402_405_985_855_470_2e-1,
        1.237_512_630_837_827_5e0,
    ];
    // Infinity over itself is none.
    let place = (size - 3.75) / (size + 3.75);
    let place = if size > 1e18 { 1.0 } else { place };
    // Half of it over half of 1 + 2 x, which has room for the largest x.
    let above = 0.5 * poly64::<S, 28>(place, series) / (size + 0.5);
    // What rounding the square took from it counts where that is large. From 27 on the result is infinite.
    let low = if size > 27.0 { 27.0 } else { size };
    let square = low * low;
    let grown = exp64::<S>(square) * (1.0 + square_loss64::<S>(low, square));
    // Around zero the series for what is above it cancels.
    let near = S::fma64(-x * poly64::<S, 12>(square, NEAR), grown, grown);
    let far = if x < 0.0 { 2.0 * grown - above } else { above };
    if size < 0.5 { near } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_gamma_functions_of_float32_are_those_of_float64() {
        let grid = [1e-5, 2e-3, 0.3, 0.99, 1.7, 3.9, 4.1, 18.0, 21.0, 300.0, 7e4, 9e5];
        for a in grid {
            for x in grid.into_iter().flat_map(|x| [x, a * (1.0 + 1.0 / (a + 2.0).sqrt()), a + 1.0]) {
                let ((lower, upper), (coarse_lower, coarse_upper)) = (both(a, x, 1e-17), both(a, x, 1e-11));
                assert!((lower + upper - 1.0).abs() < 1e-15);
                for (fine, coarse) in [(lower, coarse_lower), (upper, coarse_upper)] {
                    assert!((fine - coarse).abs() <= 3e-8 * fine.abs() + 1e-45, "{a}, {x}: {coarse:e}, not {fine:e}");
                }
            }
        }
        // Of order 1/2 they are the error function and its complement at the root; of order 1, exponentials.
        for x in [0.01, 0.7, 1.6, 5.0, 40.0] {
            let (lower, upper) = both(0.5, x, 1e-17);
            let (root, known) = (f64::sqrt(x), both(1.0, x, 1e-17).1);
            assert!(
                (lower - crate::math::erf64::<Portable>(root)).abs() < 1e-15
                    && (upper / platform::erfc(root) - 1.0).abs() < 1e-13
            );
            assert!((known / (-x).exp() - 1.0).abs() < 1e-14);
        }
    }

    #[test]
    fn incomplete_gamma_functions_where_one_is_small() {
        let uppers = [
            (1e-6, 0.5, 5.597_738_881_556_345e-7),
            (1e-10, 1.0, 2.193_839_344_179_678e-11),
            (1e-40, 1e-3, 6.331_539_364_136_149e-40),
            (9e-4, 1.4, 1.047_178_459_327_477_5e-4),
            (5e-4, 1e-200, 0.205_442_646_175_420_2),
        ];
        for (a, x, want) in uppers {
            assert!((both(a, x, 1e-17).1 / want - 1.0).abs() < 1e-14, "above {x} of order {a}");
        }
        let lowers = [
            (20.0, 1e-10, 4.110_317_622_920_709e-219),
            (44.13, 2.8e-6, 2.061_166_208_838_028e-300),
            (25.0, 3.0, 3.072_411_873_699_352e-15),
            (30.0, 14.0, 1.357_957_227_504_150_2e-4),
        ];
        for (a, x, want) in lowers {
            assert!((both(a, x, 1e-17).0 / want - 1.0).abs() < 1e-12, "below {x} of order {a}");
        }
    }

    #[test]
    fn scaled_complements_are_within_four_units_in_the_last_place() {
        let expected = [
            (-26.45, 1.363_123_708_298_268_5e304),
            (-26.5, 1.924_553_162_418_569e305),
            (-5.25, 1.867_547_484_791_334_5e12),
            (-1.0, 5.008_980_080_762_283e0),
            (-0.0625, 1.074_621_530_027_421_1e0),
            (0.0, 1.0e0),
            (0.0625, 9.332_062_486_492_742e-1),
            (0.5, 6.156_903_441_929_259e-1),
            (1.0, 4.275_835_761_558_07e-1),
            (2.75, 1.936_620_962_790_687e-1),
            (3.75, 1.455_897_212_750_385_5e-1),
            (10.0, 5.614_099_274_382_259e-2),
            (99.0, 5.698_593_997_027_871e-3),
            (100_000.0, 5.641_895_835_195_468_5e-6),
            (1e19, 5.641_895_835_477_563e-20),
            (1e300, 5.641_895_835_477_563e-301),
        ];
        for (x, want) in expected {
            let got = erfcx::<Portable>(x);
            assert!((got / want - 1.0).abs() < 4.0 * f64::EPSILON, "{x}: {got}, not {want}");
        }
        let special = [f64::INFINITY, f64::NEG_INFINITY, -27.0].map(erfcx::<Portable>);
        assert_eq!(special, [0.0, f64::INFINITY, f64::INFINITY]);
        assert!(erfcx::<Portable>(f64::NAN).is_nan());
    }
}
