//! Functions of two numbers, through the maps: against float64, the C library, and at the ends of their domains.
#![allow(
    clippy::cast_precision_loss,
    clippy::many_single_char_names,
    reason = "integers below 2^24; mathematical names"
)]

use dlcore_kernels::element::Element;
use dlcore_kernels::isa::{Isa, isa};
use dlcore_kernels::layout::Strided;
use dlcore_kernels::map::{self, Binary, FloatBinary};

fn flat(len: &usize) -> Strided<'_> {
    Strided { shape: std::slice::from_ref(len), strides: &[1], offset: 0 }
}

fn binary<T: dlcore_kernels::element::Float>(op: Binary, x: &[T], y: &[T]) -> Vec<T> {
    let mut z = vec![T::ZERO; x.len()];
    map::binary(op, x, flat(&x.len()), y, flat(&x.len()), &mut z);
    z
}

fn float_binary<T: dlcore_kernels::element::Float>(op: FloatBinary, x: &[T], y: &[T]) -> Vec<T> {
    let mut z = vec![T::ZERO; x.len()];
    map::float_binary(op, x, flat(&x.len()), y, flat(&x.len()), &mut z);
    z
}

/// All pairs of numbers that are special, and of both signs.
fn special_pairs() -> (Vec<f64>, Vec<f64>) {
    let sizes = [0.0, f64::from_bits(1), 1e-310, 0.5, 1.0, 2.5, 3.0, 1e30, f64::MAX, f64::INFINITY, f64::NAN];
    let all: Vec<f64> = sizes.iter().flat_map(|&size| [size, -size]).collect();
    all.iter().flat_map(|&x| all.iter().map(move |&y| (x, y))).unzip()
}

/// Float32 of every exponent and both signs, each with another.
fn pairs_everywhere() -> (Vec<f32>, Vec<f32>) {
    const STEP: u32 = 7919;
    let at = |i: u32| f32::from_bits(i.wrapping_mul(STEP));
    let far = (0..u32::MAX / STEP).map(|i| (at(i), at(i.wrapping_mul(40_503).wrapping_add(77))));
    let near = |x: f32| if x.is_finite() { x * (1.0 + f32::EPSILON * 40_000.0) } else { 2.0 };
    let close = (0..u32::MAX / STEP).map(|i| (at(i), near(at(i)) * (1 + i % 1000) as f32));
    far.chain(close).unzip()
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to float32 is the point")]
fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

/// The same number, zeros of different signs being different.
fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

#[test]
fn remainders_are_exact() {
    let (x, y) = pairs_everywhere();
    let (a, b) = special_pairs();
    let (x, y) = ([x, narrow(&a)].concat(), [y, narrow(&b)].concat());
    for ((&x, &y), z) in x.iter().zip(&y).zip(binary(Binary::Fmod, &x, &y)) {
        assert!(same(z.into(), (x % y).into()), "fmod({x:e}, {y:e}) = {z:e}, not {:e}", x % y);
    }
    for ((&x, &y), z) in x.iter().zip(&y).zip(binary(Binary::Remainder, &x, &y)) {
        let rest = x % y;
        let opposite = (rest < 0.0) != (y < 0.0);
        let want = if rest == 0.0 {
            rest.copysign(y)
        } else if opposite {
            rest + y
        } else {
            rest
        };
        assert!(same(z.into(), want.into()), "remainder({x:e}, {y:e}) = {z:e}, not {want:e}");
    }
    // Float64 with quotients of up to 53 bits and of more, and with none to round.
    let (mut x, mut y) = (a, b);
    for i in 1..200_000u32 {
        let (i, scale) = (f64::from(i), f64::from(i % 61).exp2());
        x.extend([i * scale * 1.1, -i / 3.0, i * 3.0, i * 0.1]);
        y.extend([i.sqrt(), 1e-3, 3.0, 0.1]);
    }
    for ((&x, &y), z) in x.iter().zip(&y).zip(binary(Binary::Fmod, &x, &y)) {
        assert!(same(z, x % y), "fmod({x:e}, {y:e}) = {z:e}, not {:e}", x % y);
    }
}

#[test]
fn quotients_rounded_down() {
    let (mut x, mut y) = special_pairs();
    for i in 1..=2000u16 {
        let i = f64::from(i);
        x.extend([i * 7.0, -i * 7.0, i * 7.0 - 1.0, -i * 7.0 + 1.0, i / 4.0, -i / 4.0]);
        y.extend([7.0, 7.0, 7.0, 7.0, -0.75, 0.75]);
    }
    for (op, by_rest) in [(Binary::FloorDivide, false), (Binary::FloorDivideByRest, true)] {
        for ((&x, &y), z) in x.iter().zip(&y).zip(binary(op, &x, &y)) {
            // Where the quotient is exact, or so far from an integer that rounding it does not matter.
            let want = match (x / y).floor() {
                _ if by_rest && x.is_infinite() && y != 0.0 => f64::NAN,
                _ if by_rest && y.is_infinite() && x * y < 0.0 => -1.0,
                _ if y == 0.0 || x.is_infinite() || y.is_infinite() => x / y,
                _ if x != 0.0 && (x / y).abs() < 1.0 && (x < 0.0) != (y < 0.0) => -1.0,
                floor if floor.abs() < 1e15 => floor,
                _ => continue,
            };
            assert!(same(z, want), "{op:?} of {x:e} by {y:e} is {z:e}, not {want:e}");
        }
    }
    // A product that no other divisor reaches: the quotient itself, up to the last digit.
    let (x, y): (Vec<f32>, Vec<f32>) = (1..8_388_608u32).step_by(997).map(|i| (i as f32 * 1.5, 1.5)).unzip();
    let wholes: Vec<f32> = (1..8_388_608u32).step_by(997).map(|i| (i as f32 * 1.5 / 1.5).floor()).collect();
    assert_eq!(binary(Binary::FloorDivide, &x, &y), wholes);
}

/// Quotients and remainders of `numbers`, by each of them, are those of int128. So are those of few digits, which come
/// another way if all of a block have few.
fn check_integers<T: Element + Into<i128>>(numbers: &[T]) {
    let few = |x: T| (-(1i128 << 49)..1 << 49).contains(&x.into());
    let some: Vec<T> = numbers.iter().copied().filter(|&x| few(x)).collect();
    for x in [numbers, &some] {
        for &y in x.iter().filter(|&&y| y != T::ZERO) {
            let quotients = |op| {
                let mut z = vec![T::ZERO; x.len()];
                let one = Strided { shape: &[x.len()], strides: &[0], offset: 0 };
                map::binary(op, x, flat(&x.len()), &[y], one, &mut z);
                z
            };
            let ops = [Binary::TruncDivide, Binary::FloorDivide, Binary::Fmod, Binary::Remainder].map(quotients);
            for (i, &x) in x.iter().enumerate() {
                let (a, b): (i128, i128) = (x.into(), y.into());
                let down = a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0);
                let want = [a / b, down, a % b, a - down * b];
                for (z, want) in ops.iter().zip(want) {
                    // Of the lowest integer by -1 the quotient wraps.
                    let got: i128 = z[i].into();
                    assert!(got == want || want > T::HIGHEST.into(), "{a} by {b}: {got}, not {want}");
                }
            }
        }
    }
}

#[test]
fn quotients_of_integers() {
    let mut signed: Vec<i64> = (-40..40).collect();
    for bits in 7..63u32 {
        for beside in -2..3 {
            signed.extend([(1i64 << bits) + beside, -(1i64 << bits) + beside, (5i64 << bits >> 2) * 3 + beside]);
        }
    }
    signed.extend([i64::MIN, i64::MAX]);
    check_integers(&signed);
    check_integers(&signed.iter().map(|&x| x.cast_unsigned()).collect::<Vec<u64>>());
    check_integers(&signed.iter().filter_map(|&x| i32::try_from(x).ok()).collect::<Vec<i32>>());
    check_integers(&(0..=u8::MAX).collect::<Vec<u8>>());
    assert_eq!(quotient_of_lowest(), i64::MIN);
}

/// The lowest integer by -1, one pair.
fn quotient_of_lowest() -> i64 {
    let mut z = [0];
    map::binary(Binary::TruncDivide, &[i64::MIN], flat(&1), &[-1], flat(&1), &mut z);
    z[0]
}

#[test]
fn angles() {
    let bound = if isa() == Isa::Portable { 4.0 } else { 1.6 };
    let (y, x) = pairs_everywhere();
    let (b, a) = special_pairs();
    let (y, x) = ([y, narrow(&b)].concat(), [x, narrow(&a)].concat());
    for ((&y, &x), z) in y.iter().zip(&x).zip(float_binary(FloatBinary::Atan2, &y, &x)) {
        let want = f64::from(y).atan2(x.into());
        let rounded = narrow(&[want])[0];
        let unit = f64::from(f32::from_bits(rounded.abs().to_bits() + 1) - rounded.abs());
        let good = same(z.into(), rounded.into()) || (f64::from(z) - want).abs() <= bound * unit;
        assert!(good, "atan2({y:e}, {x:e}) = {z:e}, not {want:e}");
    }
    let (mut y, mut x) = (b, a);
    for i in 0..200_000u32 {
        let angle = f64::from(i) * 1e-4;
        y.push(angle.sin());
        x.push(angle.cos() * f64::from(1 + i % 7));
    }
    for ((&y, &x), z) in y.iter().zip(&x).zip(float_binary(FloatBinary::Atan2, &y, &x)) {
        let want = y.atan2(x);
        let good = same(z, want) || (z - want).abs() <= 2.0 * f64::EPSILON * want.abs();
        assert!(good, "atan2({y:e}, {x:e}) = {z:e}, not {want:e}");
    }
}

#[test]
fn hypotenuses_of_float64() {
    let (mut x, mut y) = special_pairs();
    for i in 0..200_000u32 {
        let (angle, size) = (f64::from(i) * 1e-3, f64::from(i % 1200 + 1).mul_add(1.7, -1050.0).exp2());
        x.push(angle.sin() * size);
        y.push(angle.cos() * size);
    }
    for ((&x, &y), z) in x.iter().zip(&y).zip(float_binary(FloatBinary::Hypot, &x, &y)) {
        let want = x.hypot(y);
        let apart = want.to_bits().abs_diff(z.to_bits());
        assert!(apart <= 1 || want.is_nan() && z.is_nan(), "hypot({x:e}, {y:e}) = {z:e}, not {want:e}");
    }
}
