//! Accuracy of the elementary functions, through the maps, in units in the last place against float64.

use dlcore_kernels::isa::{Isa, Portable, isa};
use dlcore_kernels::layout::Strided;
use dlcore_kernels::map::{self, Binary, FloatBinary, FloatUnary};
use dlcore_kernels::math::{self, TRIGONOMETRIC_LIMIT, digamma, erfinv64, lgamma, ndtri64, polygamma_factor, zeta};
use dlcore_kernels::parallel::for_each;

fn flat(len: &usize) -> Strided<'_> {
    Strided { shape: std::slice::from_ref(len), strides: &[1], offset: 0 }
}

/// Error of `got` in units in the last place of float32 at `want`.
fn ulps(got: f32, want: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to float32 is the point")]
    let rounded = want as f32;
    if got.to_bits() == rounded.to_bits() || (got.is_nan() && want.is_nan()) {
        return 0.0;
    }
    if !got.is_finite() || !rounded.is_finite() {
        return f64::INFINITY;
    }
    let exponent = (want.abs().to_bits() >> 52).max(1023 - 126);
    (f64::from(got) - want).abs() * f64::from_bits((2 * 1023 + 23 - exponent) << 52)
}

/// Float32 values of every exponent, densely, of both signs, and the special ones.
fn everywhere() -> Vec<f32> {
    let mut all: Vec<f32> = (0..u32::MAX / 7919).map(|i| f32::from_bits(i * 7919)).collect();
    all.extend([
        0.0,
        -0.0,
        1.0,
        -1.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::MIN,
    ]);
    all.extend([1e-45, -1e-45, 88.722_84, 88.722_85, -87.336_55, -103.97, -104.0, 1.0 + f32::EPSILON]);
    all
}

#[test]
fn exponentials_of_what_is_not_positive_are_the_same() {
    for x in everywhere().into_iter().filter(|x| x.is_nan() || *x <= 0.0) {
        let (of_all, of_these) = (math::exp::<Portable>(x), math::exp_nonpositive::<Portable>(x));
        assert!(of_all.to_bits() == of_these.to_bits() || of_all.is_nan() && of_these.is_nan(), "{x:e}");
    }
}

/// `count` evenly spaced values.
fn span(low: f32, high: f32, count: u16) -> impl Iterator<Item = f32> {
    (0..=count).map(move |i| low + (high - low) * (f32::from(i) / f32::from(count)))
}

/// The largest error of `map` over `x`, which must stay below `bound`; without FMA, below four times that.
fn check(name: &str, bound: f64, x: &[f32], map: impl Fn(&[f32], &mut [f32]), want: impl Fn(f64) -> f64) {
    let bound = if isa() == Isa::Portable { 4.0 * bound } else { bound };
    let mut y = vec![0.0; x.len()];
    map(x, &mut y);
    let worst = x.iter().zip(&y).map(|(&x, &y)| (ulps(y, want(f64::from(x))), x, y));
    let (error, x, y) = worst.max_by(|a, b| a.0.total_cmp(&b.0)).expect("some values");
    assert!(error <= bound, "{name}({x:e}) = {y:e}, not {:e}: {error} ulp", want(f64::from(x)));
}

/// A function, the error allowed to it, and what it should be.
type Claim = (FloatUnary, f64, fn(f64) -> f64);

const CLAIMS: [Claim; 32] = [
    (FloatUnary::Exp, 1.0, f64::exp),
    (FloatUnary::Exp2, 1.0, f64::exp2),
    (FloatUnary::Expm1, 2.0, f64::exp_m1),
    (FloatUnary::Log, 1.0, f64::ln),
    (FloatUnary::Log2, 1.5, f64::log2),
    (FloatUnary::Log10, 1.5, f64::log10),
    (FloatUnary::Log1p, 2.0, f64::ln_1p),
    (FloatUnary::Tanh, 3.0, f64::tanh),
    (FloatUnary::Sigmoid, 2.0, sigmoid),
    (FloatUnary::LogSigmoid, 2.0, |x| -softplus(-x)),
    (FloatUnary::Softplus, 2.0, softplus),
    (FloatUnary::Gelu, 4.0, |x| weighted(x, normal(x))),
    (FloatUnary::GeluTanh, 2.5, |x| weighted(x, sigmoid(1.595_769_121_605_730_7 * (x + 0.044_715 * x.powi(3))))),
    // The product itself: minus infinity times zero is NaN, as in PyTorch.
    (FloatUnary::Silu, 2.0, |x| x * sigmoid(x)),
    (FloatUnary::Erf, 2.0, erf),
    (FloatUnary::Erfc, 4.0, erfc),
    (FloatUnary::Asin, 1.5, f64::asin),
    (FloatUnary::Acos, 1.5, f64::acos),
    (FloatUnary::Atan, 1.5, f64::atan),
    (FloatUnary::Sinh, 2.0, f64::sinh),
    (FloatUnary::Cosh, 2.0, f64::cosh),
    (FloatUnary::Asinh, 2.0, asinh),
    (FloatUnary::Acosh, 2.0, acosh),
    (FloatUnary::Atanh, 2.0, |x| 0.5 * (2.0 * x / (1.0 - x)).ln_1p()),
    (FloatUnary::Lgamma, 0.51, lgamma),
    (FloatUnary::Digamma, 0.51, digamma),
    (FloatUnary::Erfinv, 2.0, erfinv64::<Portable>),
    (FloatUnary::Ndtri, 2.0, ndtri64::<Portable>),
    (FloatUnary::Sqrt, 0.5, f64::sqrt),
    (FloatUnary::Rsqrt, 1.5, |x| if x == 0.0 { f64::INFINITY.copysign(x) } else { 1.0 / x.sqrt() }),
    (FloatUnary::Reciprocal, 0.5, |x| 1.0 / x),
    (FloatUnary::Trunc, 0.0, f64::trunc),
];

fn check_claim((op, bound, want): Claim, x: &[f32]) {
    check(&format!("{op:?}"), bound, x, |x, y| map::float_unary(op, x, flat(&x.len()), y), want);
}

#[test]
fn functions_of_one_number() {
    let mut x = everywhere();
    x.extend(span(-20.0, 20.0, 60_000).chain(span(-1.0, 1.0, 60_000)).chain(span(0.9, 1.1, 30_000)));
    for claim in CLAIMS {
        check_claim(claim, &x);
    }
}

#[test]
#[ignore = "minutes: all 2^32 values"]
fn functions_of_every_number() {
    const PIECE: u32 = 1 << 16;
    for claim in CLAIMS {
        for_each(1 << 16, usize::MAX, |piece| {
            let first = u32::try_from(piece).expect("16 bits") * PIECE;
            let x: Vec<f32> = (first..=first + (PIECE - 1)).map(f32::from_bits).collect();
            check_claim(claim, &x);
        });
    }
}

fn weighted(x: f64, weight: f64) -> f64 {
    if x == f64::NEG_INFINITY { -0.0 } else { x * weight }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Mass of the standard normal distribution below `x`, by the error function's own series and continued fraction.
fn normal(x: f64) -> f64 {
    0.5 * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        2.0 - erfc(-x)
    } else if x < 2.0 {
        1.0 - erf(x)
    } else {
        erfc_tail(x)
    }
}

fn erfc_tail(x: f64) -> f64 {
    let fraction = (1..200).rev().fold(x, |f, k| x + f64::from(k) / 2.0 / f);
    (-x * x).exp() / (fraction * std::f64::consts::PI.sqrt())
}

fn erf(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 2.0 {
        return if x.is_nan() { x } else { x.signum() * (1.0 - erfc_tail(x.abs())) };
    }
    let (mut term, mut sum) = (x, x);
    for k in 1..60 {
        term *= 2.0 * x * x / (2.0 * f64::from(k) + 1.0);
        sum += term;
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp()
}

fn asinh(x: f64) -> f64 {
    let size = x.abs();
    if size.is_infinite() { x } else { (size + size * size / (1.0 + size.hypot(1.0))).ln_1p().copysign(x) }
}

fn acosh(x: f64) -> f64 {
    if x < 1.0 { f64::NAN } else { (x - 1.0 + ((x - 1.0) * (x + 1.0)).sqrt()).ln_1p() }
}

#[test]
fn the_inverse_of_the_error_function_undoes_it() {
    for x in span(-0.999, 0.999, 2000).map(f64::from) {
        let y = erfinv64::<Portable>(x);
        assert!((erf(y) - x).abs() <= 4e-16 * (1.0 + x.abs()), "{x}: {y}");
    }
    // 0.1 and 0.9999 by Mathematica's InverseErf.
    for (x, y) in
        [(0.1, 0.088_855_990_494_257_69), (0.999_9, 2.751_063_905_712_060_5), (1e-300, 8.862_269_254_527_58e-301)]
    {
        assert!((erfinv64::<Portable>(x) / y - 1.0).abs() < 1e-13, "{x}");
    }
}

#[test]
fn derivatives_of_the_gamma_function() {
    let polygamma = |n: u32, x: f64| {
        let mut y = [0.0];
        map::polygamma(n, &[x], flat(&1), &mut y);
        let one_by_one = polygamma_factor(n) * zeta(f64::from(n) + 1.0, x);
        assert!((y[0] / one_by_one - 1.0).abs() < 1e-13 || y[0].to_bits() == one_by_one.to_bits(), "{n} {x}");
        y[0]
    };
    for (n, x) in [(1, 1e-3), (5, 3.7), (30, 0.3), (31, 0.3), (30, 9e7), (2, 1e9), (4, -2.5), (1, 50.0), (12, 12.0)] {
        polygamma(n, x);
    }
    // Euler's constant, pi^2 / 6, Apery's constant.
    let (gamma, zeta3) = (0.577_215_664_901_532_9, 1.202_056_903_159_594_3);
    let squared = std::f64::consts::PI.powi(2);
    for (got, want) in [
        (digamma(1.0), -gamma),
        (digamma(0.5), -gamma - 2.0 * std::f64::consts::LN_2),
        (digamma(-0.5), 2.0 - gamma - 2.0 * std::f64::consts::LN_2),
        (digamma(1e10), 1e10f64.ln() - 5e-11),
        (polygamma(1, 1.0), squared / 6.0),
        (polygamma(1, 0.5), squared / 2.0),
        (polygamma(1, -0.5), squared / 2.0 + 4.0),
        (polygamma(2, 1.0), -2.0 * zeta3),
        (polygamma(3, 1.0), squared * squared / 15.0),
    ] {
        assert!((got / want - 1.0).abs() < 1e-13, "{got} for {want}");
    }
    assert!(digamma(-3.0).is_nan() && digamma(f64::NAN).is_nan());
    assert_eq!((digamma(0.0), digamma(f64::INFINITY)), (f64::NEG_INFINITY, f64::INFINITY));
    assert_eq!((polygamma(1, 0.0), polygamma(1, f64::INFINITY)), (f64::INFINITY, 0.0));
}

#[test]
fn zeta_of_float32_is_that_of_float64() {
    let exponents = [f32::NAN, -3.0, 0.5, 1.0, 1.000_1, 1.5, 2.0, 3.9, 7.3, 20.0, 31.9, 32.0, 77.0];
    let places = [-2.5, -2.0, 0.0, 1e-7, 1e-3, 0.2, 1.0, 1.5, 4.9, 13.9, 14.1, 500.0, 9e7, 2e8, f32::INFINITY];
    for s in exponents {
        let mut y = [0.0; 15];
        map::float_binary(FloatBinary::Zeta, &[s; 15], flat(&15), &places, flat(&15), &mut y);
        for (x, y) in places.into_iter().zip(y) {
            let want = zeta(f64::from(s), f64::from(x));
            assert!(ulps(y, want) <= 0.6, "zeta({s}, {x}) = {y:e}, not {want:e}");
        }
    }
    let apery = 1.202_056_903_159_594_3;
    let near = [(3.0, 1.0, apery), (3.0, 2.0, apery - 1.0), (50.0, 3.0, 1.392_956_357_970_7e-24)];
    // Of large exponents the terms shrink late, and powers leave float64.
    let far = [(90.0569, 43.0338, 8.380_337_489_019_148e-148), (2.0, 1e155, 1e-155)];
    let ends = [zeta(f64::INFINITY, 2.0), zeta(f64::INFINITY, 1.0), zeta(1e300, 1.5)];
    assert_eq!(ends.map(f64::to_bits), [0.0f64, 1.0, 0.0].map(f64::to_bits));
    for (s, x, want) in near.into_iter().chain(far) {
        assert!((zeta(s, x) / want - 1.0).abs() < 1e-12, "zeta({s}, {x})");
    }
}

#[test]
fn bessel_functions() {
    // By Bessel's integral, exp(x (cos t - 1)) cos(t n) over a period, which a sum of equal steps gives exactly.
    let integral = |n: f64, x: f64| {
        let angles = (0..400u16).map(|i| (f64::from(i) + 0.5) * (std::f64::consts::PI / 400.0));
        angles.map(|t| (-2.0 * x * (0.5 * t).sin().powi(2)).exp() * (n * t).cos()).sum::<f64>() / 400.0
    };
    let x: Vec<f32> = span(0.0, 600.0, 20_000).chain(span(1e-3, 10.0, 20_000)).collect();
    let wide: Vec<f64> = x.iter().copied().map(f64::from).collect();
    let ops = [
        (FloatUnary::I0, 0.0, false),
        (FloatUnary::I0e, 0.0, true),
        (FloatUnary::I1, 1.0, false),
        (FloatUnary::I1e, 1.0, true),
    ];
    for (op, n, scaled) in ops {
        let want = |x: f64| integral(n, x) * if scaled { 1.0 } else { x.exp() };
        // Where the integral has not lost digits to its terms of both signs.
        let near = |x: &f32| n == 0.0 || *x > 0.1;
        let x: Vec<f32> = x.iter().copied().filter(near).collect();
        check(&format!("{op:?}"), 0.53, &x, |x, y| map::float_unary(op, x, flat(&x.len()), y), want);
        let mut y = vec![0.0; wide.len()];
        map::float_unary(op, &wide, flat(&wide.len()), &mut y);
        for (&x, y) in wide.iter().zip(y) {
            let off = (y - want(x)).abs();
            assert!(off <= 1e-14 * want(x) + 1e-15 * n, "{op:?} {x}: {y} for {}", want(x));
        }
    }
    let x = [f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-30, 91.5, f32::NAN];
    let mut y = [0f32; 6];
    let mut all = Vec::new();
    for (op, ..) in ops {
        map::float_unary(op, &x, flat(&6), &mut y);
        assert!(y[5].is_nan());
        all.push(y[..4].to_vec());
    }
    let inf = f32::INFINITY;
    assert_eq!(all, [[inf, inf, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [inf, -inf, -0.0, 5e-31], [0.0, -0.0, -0.0, 5e-31]]);
}

// SAFETY: C's functions of these names take and return a double and have no other contract.
unsafe extern "C" {
    #[link_name = "erf"]
    safe fn platform_erf(x: f64) -> f64;
    #[link_name = "erfc"]
    safe fn platform_erfc(x: f64) -> f64;
    #[link_name = "atanh"]
    safe fn platform_atanh(x: f64) -> f64;
}

/// Checks results of float64, which may be off by units in the last place.
fn near(name: &str, bound: u64, x: &[f64], y: &[f64], want: impl Fn(f64) -> f64) {
    for (&x, &y) in x.iter().zip(y) {
        let want = want(x);
        let apart = want.to_bits().abs_diff(y.to_bits());
        assert!(apart <= bound || want.is_nan() && y.is_nan(), "{name} of {x:e} is {y:e}, not {want:e}");
    }
}

#[test]
fn functions_of_float64() {
    // The platform's are within a unit in the last place too, or two.
    let check = |op, bound: u64, x: &[f64], want: fn(f64) -> f64| {
        let mut y = vec![0.0; x.len()];
        map::float_unary(op, x, flat(&x.len()), &mut y);
        near(&format!("{op:?}"), bound, x, &y, want);
    };
    let mut x: Vec<f64> = (0..=400_000u32).map(|i| f64::from(i) * 0.003_75 - 760.0).collect();
    x.extend([
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        709.78,
        709.79,
        -745.13,
        -745.14,
        1e-20,
        f64::MIN,
    ]);
    check(FloatUnary::Exp, 2, &x, f64::exp);
    let mut x: Vec<f64> = (0..400_000u64).map(|i| f64::from_bits(i * 23_050_000_000_007)).collect();
    x.extend((0..100_000u32).map(|i| 0.5 + f64::from(i) * 1.5e-5));
    x.extend([0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -1.0, f64::MAX, f64::from_bits(1)]);
    check(FloatUnary::Log, 2, &x, f64::ln);
    x.extend((0..200_000u32).map(|i| f64::from(i) * 1e-4 - 10.0));
    check(FloatUnary::Atan, 2, &x, f64::atan);
    // Close to multiples of a quarter turn as well, where nearly nothing is left of an angle.
    x.extend((0..200_000u32).map(|i| f64::from(i) * std::f64::consts::FRAC_PI_2));
    x.extend((0..200_000u32).map(|i| f64::from(i).mul_add(-9.98, 999_000.0)));
    x.extend([1e6, -1e6, 1_000_000.1, 1e10, 1e300, 1e-8, 1e-300, -f64::from_bits(1)]);
    check(FloatUnary::Tanh, 5, &x, f64::tanh);
    check(FloatUnary::Erf, 3, &x, |x| platform_erf(x));
    x.extend((0..400_000u32).map(|i| f64::from(i) * 1e-4 - 10.0));
    // The platform's is off by more than three itself.
    check(FloatUnary::Erfc, 6, &x, |x| platform_erfc(x));
    x.extend((-1080..1080i32).flat_map(|i| [f64::from(i), 2f64.powi(i), -2f64.powi(i), 10f64.powi(i / 3)]));
    x.extend((0..300_000u32).map(|i| (f64::from(i) * 0.013).exp() * 1e-300));
    x.extend((0..200_000u32).map(|i| f64::from(i) * 1e-5 - 1.0));
    x.extend((0..300_000u32).map(|i| f64::from(i) * 0.005 - 750.0));
    check(FloatUnary::Log2, 1, &x, f64::log2);
    check(FloatUnary::Log10, 2, &x, f64::log10);
    check(FloatUnary::Log1p, 2, &x, f64::ln_1p);
    check(FloatUnary::Expm1, 2, &x, f64::exp_m1);
    check(FloatUnary::Exp2, 2, &x, f64::exp2);
    check(FloatUnary::Sinh, 3, &x, f64::sinh);
    check(FloatUnary::Cosh, 3, &x, f64::cosh);
    check(FloatUnary::Atanh, 3, &x, |x| platform_atanh(x));
    check(FloatUnary::Asin, 2, &x, f64::asin);
    check(FloatUnary::Acos, 2, &x, f64::acos);
    let mut y = vec![0.0; x.len()];
    map::tan(&x, flat(&x.len()), &mut y);
    near("tan", 4, &x, &y, f64::tan);
    map::sin(&x, flat(&x.len()), &mut y);
    near("sin", 3, &x, &y, f64::sin);
    map::cos(&x, flat(&x.len()), &mut y);
    near("cos", 3, &x, &y, f64::cos);
}

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// A function of an angle, and what it should be.
type Turn = (&'static str, fn(&[f32], Strided, &mut [f32]), fn(f64) -> f64);

const TURNS: [Turn; 3] = [("sin", map::sin, f64::sin), ("cos", map::cos, f64::cos), ("tan", map::tan, f64::tan)];

#[test]
fn sine_cosine_and_tangent_at_every_angle() {
    let mut x = everywhere();
    x.extend(span(-100.0, 100.0, 60_000).chain(span(-8200.0, 8200.0, 60_000)));
    x.extend([TRIGONOMETRIC_LIMIT, -TRIGONOMETRIC_LIMIT, 1e10]);
    for (name, map, want) in TURNS {
        check(name, 1.0, &x, |x, y| map(x, flat(&x.len()), y), want);
        let mut zeros = [-0.0, 0.0];
        map(&[-0.0, 0.0], flat(&2), &mut zeros);
        assert_eq!(zeros.map(f32::is_sign_negative), [name != "cos", false], "{name} of zeros");
    }
}

#[test]
#[ignore = "minutes: all numbers that need no other function"]
fn sine_cosine_and_tangent_at_all_moderate_angles() {
    for (name, map, want) in TURNS {
        for_each((TRIGONOMETRIC_LIMIT.to_bits() >> 16) as usize, usize::MAX, |piece| {
            let first = u32::try_from(piece).expect("16 bits") << 16;
            let x: Vec<f32> = (first..=first + 0xffff).map(f32::from_bits).collect();
            check(name, 1.0, &x, |x, y| map(x, flat(&x.len()), y), want);
        });
    }
}

#[test]
fn powers_of_float64() {
    let sizes = (-1074..1024).step_by(7).map(|i| f64::from(i).exp2() * (1.0 + f64::from(i & 63) / 64.0));
    let near_one = (1..400).flat_map(|i| [1.0 + f64::from(i) * 1e-3, 1.0 - f64::from(i) * 1e-3]);
    let nearer = (0..53).flat_map(|i| [1.0 + f64::from(-i).exp2(), 1.0 - f64::from(-i).exp2() / 2.0]);
    let numbers = (1..300).map(|i| f64::from(i) * 0.37);
    let mut bases: Vec<f64> = sizes.chain(near_one).chain(nearer).chain(numbers).collect();
    bases.extend([
        0.0,
        1.0,
        f64::INFINITY,
        f64::NAN,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        0.5f64.sqrt(),
        2f64.sqrt(),
    ]);
    bases.extend(bases.clone().iter().map(|x| -x));
    let mut exponents: Vec<f64> = (-40..40).map(|i| f64::from(i) * 0.5).collect();
    exponents.extend((0..60).flat_map(|i| [f64::from(i).exp2() * 1.37, -f64::from(i).exp2() * 0.91]));
    exponents.extend([
        1.0 / 3.0,
        1e-3,
        -1e-300,
        1e300,
        9e15,
        9_007_199_254_740_993.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ]);
    for exponent in exponents {
        let (mut y, splat) = (vec![0.0; bases.len()], Strided { shape: &[bases.len()], strides: &[0], offset: 0 });
        map::binary(Binary::Pow, &bases, flat(&bases.len()), &[exponent], splat, &mut y);
        near(&format!("x^{exponent}"), 1, &bases, &y, |x| x.powf(exponent));
    }
}

/// Whether a neighbour is large enough for float64 makes no difference.
#[test]
fn usual_tangents_are_those_among_unusual_ones() {
    let x: Vec<f32> = span(-8000.0, 8000.0, 30_000).collect();
    for x in x.chunks(999) {
        let (mut alone, mut among) = (vec![0.0; x.len()], vec![0.0; x.len() + 1]);
        map::tan(x, flat(&x.len()), &mut alone);
        map::tan(&[x, &[9000.0]].concat(), flat(&(x.len() + 1)), &mut among);
        assert!(alone.iter().zip(&among).all(|(x, y)| x.to_bits() == y.to_bits()));
    }
}

#[test]
fn powers() {
    for exponent in [
        -3.7f32,
        -2.0,
        -1.0,
        -0.5,
        0.0,
        0.5,
        1.0,
        2.0,
        3.0,
        7.0,
        10.3,
        1e-3,
        31.0,
        1e10,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ] {
        let power = |x: &[f32], y: &mut [f32]| {
            let splat = Strided { shape: &[x.len()], strides: &[0], offset: 0 };
            map::binary(Binary::Pow, x, flat(&x.len()), &[exponent], splat, y);
        };
        check(&format!("x^{exponent}"), 1.0, &everywhere(), power, |x| {
            // Float32's idea of an even exponent differs for none of these.
            x.powf(f64::from(exponent))
        });
    }
    for base in [-2.0f32, -0.5, -0.0, 0.0, 0.3, 1.0, 1.000_1, 2.0, 17.0, f32::INFINITY, f32::NEG_INFINITY, -1.0] {
        let power = |x: &[f32], y: &mut [f32]| {
            let splat = Strided { shape: &[x.len()], strides: &[0], offset: 0 };
            map::binary(Binary::Pow, &[base], splat, x, flat(&x.len()), y);
        };
        check(&format!("{base}^x"), 1.0, &everywhere(), power, |x| f64::from(base).powf(x));
    }
}

#[test]
fn usual_powers_are_those_among_unusual_ones() {
    let x: Vec<f32> = everywhere().into_iter().filter(|x| *x >= f32::MIN_POSITIVE && x.is_finite()).collect();
    for exponent in [-7.5f32, -1.3, -1e-3, 0.0, 1e-30, 0.5, 0.999, 2.2, 7.7] {
        let power = |x: &[f32], y: &mut [f32]| {
            let splat = Strided { shape: &[x.len()], strides: &[0], offset: 0 };
            map::binary(Binary::Pow, x, flat(&x.len()), &[exponent], splat, y);
        };
        check(&format!("x^{exponent}"), 1.0, &x, power, |x| x.powf(f64::from(exponent)));
        let (mut alone, mut among) = (vec![0.0; 999], vec![0.0; 1000]);
        power(&x[..999], &mut alone);
        power(&[&x[..999], &[f32::NAN]].concat(), &mut among);
        assert!(alone.iter().zip(&among).all(|(x, y)| x.to_bits() == y.to_bits()), "x^{exponent}");
    }
}

#[test]
fn usual_logarithms_are_those_among_unusual_ones() {
    let x: Vec<f32> = everywhere().into_iter().filter(|x| *x >= f32::MIN_POSITIVE && x.is_finite()).collect();
    for claim in
        CLAIMS.into_iter().filter(|(op, ..)| [FloatUnary::Log, FloatUnary::Log2, FloatUnary::Log10].contains(op))
    {
        check_claim(claim, &x);
        let logarithms = |x: &[f32]| {
            let mut y = vec![0.0; x.len()];
            map::float_unary(claim.0, x, flat(&x.len()), &mut y);
            y
        };
        let (alone, among) = (logarithms(&x[..999]), logarithms(&[&x[..999], &[0.0]].concat()));
        assert!(alone.iter().zip(&among).all(|(x, y)| x.to_bits() == y.to_bits()), "{:?}", claim.0);
    }
}

#[test]
fn hypotenuses() {
    let x: Vec<f32> = everywhere().into_iter().step_by(7).collect();
    let unlike: Vec<f32> = x.iter().rev().copied().collect();
    let like: Vec<f32> = x.iter().map(|&x| f32::from_bits(x.to_bits() ^ 0x0071_5a3c)).collect();
    for y in [unlike, like, vec![0.0; x.len()], vec![f32::INFINITY; x.len()], vec![1e-45; x.len()]] {
        let mut z = vec![0.0; x.len()];
        map::float_binary(FloatBinary::Hypot, &x, flat(&x.len()), &y, flat(&x.len()), &mut z);
        for ((&x, y), z) in x.iter().zip(y).zip(z) {
            let error = ulps(z, f64::from(x).hypot(f64::from(y)));
            assert!(error <= 1.25, "hypot({x:e}, {y:e}) = {z:e}: {error} ulp");
        }
    }
}

#[test]
fn gradients_of_activations_are_their_slopes() {
    let x: Vec<f64> = span(-9.0, 9.0, 4001).map(f64::from).collect();
    let layout = flat(&x.len()).shape[0];
    let slope = |f: FloatUnary| {
        let at = |h: f64| {
            let moved: Vec<f64> = x.iter().map(|x| x + h).collect();
            let mut y = vec![0.0; x.len()];
            map::float_unary(f, &moved, flat(&layout), &mut y);
            y
        };
        let (above, below) = (at(1e-5), at(-1e-5));
        above.iter().zip(below).map(|(a, b)| (a - b) / 2e-5).collect::<Vec<f64>>()
    };
    let value = |f: FloatUnary| {
        let mut y = vec![0.0; x.len()];
        map::float_unary(f, &x, flat(&layout), &mut y);
        y
    };
    let pairs = [
        (FloatUnary::Tanh, FloatBinary::TanhGrad, true),
        (FloatUnary::Sigmoid, FloatBinary::SigmoidGrad, true),
        (FloatUnary::Gelu, FloatBinary::GeluGrad, false),
        (FloatUnary::GeluTanh, FloatBinary::GeluTanhGrad, false),
        (FloatUnary::Silu, FloatBinary::SiluGrad, false),
        (FloatUnary::Softplus, FloatBinary::SoftplusGrad, false),
    ];
    for (f, gradient, from_result) in pairs {
        let saved = if from_result { value(f) } else { x.clone() };
        let incoming = vec![2.0; x.len()];
        let mut y = vec![0.0; x.len()];
        map::float_binary(gradient, &incoming, flat(&layout), &saved, flat(&layout), &mut y);
        for ((x, y), slope) in x.iter().zip(&y).zip(slope(f)) {
            assert!((y - 2.0 * slope).abs() < 1e-8, "{gradient:?} at {x}: {y} for {}", 2.0 * slope);
        }
        #[expect(clippy::cast_possible_truncation, reason = "the float32 version of the same numbers")]
        let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let mut y32 = vec![0f32; x.len()];
        let (incoming, saved) = (narrow(&incoming), narrow(&saved));
        map::float_binary(gradient, &incoming, flat(&layout), &saved, flat(&layout), &mut y32);
        for ((x, y), y32) in x.iter().zip(&y).zip(&y32) {
            assert!((f64::from(*y32) - y).abs() < 2e-6, "{gradient:?} at {x}: {y32} for {y}");
        }
    }
}

#[test]
fn powers_of_two_are_exact() {
    let exponents: Vec<f32> = (-149i16..=127).map(f32::from).collect();
    let (mut powers, mut logarithms) = (vec![0.0; exponents.len()], vec![0.0; exponents.len()]);
    map::float_unary(FloatUnary::Exp2, &exponents, flat(&exponents.len()), &mut powers);
    assert!(
        powers.iter().zip(&exponents).all(|(&power, &n)| f64::from(power).to_bits() == f64::from(n).exp2().to_bits())
    );
    map::float_unary(FloatUnary::Log2, &powers, flat(&powers.len()), &mut logarithms);
    assert_eq!(logarithms, exponents);
}

#[test]
fn special_values() {
    let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0];
    let apply = |op| {
        let mut y = [7f32; 4];
        map::float_unary(op, &x, flat(&4), &mut y);
        y.map(|y| if y.is_nan() { "nan".to_owned() } else { y.to_string() }).join(" ")
    };
    assert_eq!(apply(FloatUnary::Exp), "nan inf 0 1");
    assert_eq!(apply(FloatUnary::Exp2), "nan inf 0 1");
    assert_eq!(apply(FloatUnary::Log), "nan inf nan -inf");
    assert_eq!(apply(FloatUnary::Log2), "nan inf nan -inf");
    assert_eq!(apply(FloatUnary::Log10), "nan inf nan -inf");
    assert_eq!(apply(FloatUnary::Tanh), "nan 1 -1 -0");
    assert_eq!(apply(FloatUnary::Sigmoid), "nan 1 0 0.5");
    assert_eq!(apply(FloatUnary::Erf), "nan 1 -1 -0");
    assert_eq!(apply(FloatUnary::Gelu), "nan inf -0 -0");
    assert_eq!(apply(FloatUnary::GeluTanh), "nan inf -0 -0");
    assert_eq!(apply(FloatUnary::Silu), "nan inf nan -0");
    assert_eq!(apply(FloatUnary::Softplus), "nan inf 0 0.6931472");
    assert_eq!(apply(FloatUnary::Expm1), "nan inf -1 -0");
    assert_eq!(apply(FloatUnary::Log1p), "nan inf nan -0");
}
