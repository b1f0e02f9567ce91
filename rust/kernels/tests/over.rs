//! Maps over their own operand give the bits of maps into memory of their own.

use dlcore_kernels::half::Bf16;
use dlcore_kernels::layout::Strided;
use dlcore_kernels::map::{
    self, Arithmetic, Binary, Bitwise, Compare, FloatBinary, FloatUnary, Replaced, Unary, binary, bitwise,
    float_binary, over,
};
use dlcore_kernels::stored::Stored;

const OPS: [(Arithmetic, Binary); 4] = [
    (Arithmetic::Add, Binary::Add),
    (Arithmetic::Sub, Binary::Sub),
    (Arithmetic::Mul, Binary::Mul),
    (Arithmetic::Div, Binary::Div),
];

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let next = |x: &u32| Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    // All bit patterns: NaN, infinities and denormals among them.
    std::iter::successors(Some(seed), next).skip(1).take(len).map(f32::from_bits).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    // Which NaN comes out of two is the CPU's choice.
    values.iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
}

fn check(len: usize, other: &[f32], layout: Strided) {
    let (own, strides) = (numbers(len, 1), strides(layout.shape));
    let line = || Strided { shape: layout.shape, strides: &strides, offset: 0 };
    for (op, known) in OPS {
        for replaced in [Replaced::First, Replaced::Second] {
            let mut expected = vec![0.0; len];
            match replaced {
                Replaced::First => binary(known, &own, line(), other, layout, &mut expected),
                Replaced::Second => binary(known, other, layout, &own, line(), &mut expected),
            }
            let mut dst = own.clone();
            over(op, replaced, &mut dst, other, layout);
            assert_eq!(bits(&dst), bits(&expected), "{op:?} {replaced:?} of {:?}", layout.shape);
        }
    }
}

fn strides(shape: &[usize]) -> Vec<isize> {
    (0..shape.len()).map(|i| shape[i + 1..].iter().product::<usize>().cast_signed()).collect()
}

#[test]
fn lengths_around_the_pieces_and_the_tasks() {
    for len in [0, 1, 31, 1023, 1024, 1025, 16 * 1024 - 1, 16 * 1024 + 1, 100_003] {
        let other = numbers(len, 2);
        check(len, &other, Strided { shape: &[len], strides: &[1], offset: 0 });
        check(len, &[0.3], Strided { shape: &[len], strides: &[0], offset: 0 });
    }
}

#[test]
fn rows_columns_and_windows() {
    let other = numbers(20_000, 3);
    check(300 * 7, &other, Strided { shape: &[300, 7], strides: &[0, 1], offset: 5 });
    check(300 * 700, &other, Strided { shape: &[300, 700], strides: &[0, 1], offset: 5 });
    check(300 * 700, &other, Strided { shape: &[300, 700], strides: &[1, 0], offset: 0 });
    check(100 * 90, &other, Strided { shape: &[100, 90], strides: &[1, 100], offset: 3 });
    check(5 * 1500, &other, Strided { shape: &[5, 1500], strides: &[3000, 2], offset: 1 });
    check(9000, &other, Strided { shape: &[9000], strides: &[-2], offset: 19_999 });
}

/// What a map of one operand makes of the elements of its output.
fn of_own<K: Copy>(values: &[K], map: impl Fn(&[K], Strided, &mut [K])) -> Vec<K> {
    let mut own = values.to_vec();
    map(&[], Strided { shape: &[0], strides: &[1], offset: 0 }, &mut own);
    own
}

#[test]
fn maps_of_one_operand() {
    // In one loop, in blocks, with results that are mended, with loops for what is usual.
    let ops = [
        FloatUnary::Sqrt,
        FloatUnary::Exp,
        FloatUnary::Erf,
        FloatUnary::Lgamma,
        FloatUnary::Log,
        FloatUnary::Floor,
        FloatUnary::Sigmoid,
    ];
    for len in [1, 255, 256, 257, 5000, 70_000] {
        let x = numbers(len, 4);
        let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
        let half: Vec<Bf16> = x.iter().map(|&x| Bf16::store(x)).collect();
        let layout = Strided { shape: &[len], strides: &[1], offset: 0 };
        for op in ops {
            let (mut y, mut of_wide, mut of_half) = (x.clone(), wide.clone(), half.clone());
            map::float_unary(op, &x, layout, &mut y);
            map::float_unary(op, &wide, layout, &mut of_wide);
            map::float_unary(op, &half, layout, &mut of_half);
            assert_eq!(bits(&of_own(&x, |a, layout, y| map::float_unary(op, a, layout, y))), bits(&y), "{op:?}");
            let own = of_own(&wide, |a, layout, y| map::float_unary(op, a, layout, y));
            let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            assert!(own.iter().zip(&of_wide).all(same), "{op:?} of float64");
            let floats = |half: Vec<Bf16>| half.into_iter().map(Bf16::load).collect::<Vec<f32>>();
            let own = of_own(&half, |a, layout, y| map::float_unary(op, a, layout, y));
            assert_eq!(bits(&floats(own)), bits(&floats(of_half)), "{op:?} of bfloat16");
        }
        let mut y = x.clone();
        map::sin(&x, layout, &mut y);
        assert_eq!(bits(&of_own(&x, map::sin)), bits(&y));
        let whole: Vec<i32> = x.iter().map(|&x| x.to_bits().cast_signed()).collect();
        let mut z = whole.clone();
        map::unary(Unary::Neg, &whole, layout, &mut z);
        assert_eq!(of_own(&whole, |a, layout, y| map::unary(Unary::Neg, a, layout, y)), z);
    }
}

#[test]
fn maps_of_two_operands() {
    const NONE: Strided = Strided { shape: &[0], strides: &[1], offset: 0 };
    let other = numbers(140_000, 6);
    for (rows, columns) in [(1, 1), (3, 257), (40, 1025), (7, 10_000)] {
        let (shape, len) = ([rows, columns], rows * columns);
        let x = numbers(len, 5);
        let half = |x: &[f32]| x.iter().map(|&x| Bf16::store(x)).collect::<Vec<_>>();
        let floats = |half: Vec<Bf16>| half.into_iter().map(Bf16::load).collect::<Vec<f32>>();
        let whole = |x: &[f32]| x.iter().map(|x| x.to_bits().cast_signed().into()).collect::<Vec<i64>>();
        // Rows, one value, a column, every other element.
        for strides in [[columns.cast_signed(), 1], [0, 0], [1, 0], [2 * columns.cast_signed(), 2]] {
            let line = Strided { shape: &shape, strides: &[columns.cast_signed(), 1], offset: 0 };
            let lb = Strided { shape: &shape, strides: &strides, offset: 0 };
            for op in [Binary::Maximum, Binary::Sub] {
                let (mut y, mut own) = (x.clone(), x.clone());
                binary(op, &x, line, &other, lb, &mut y);
                binary(op, &[], NONE, &other, lb, &mut own);
                assert_eq!(bits(&own), bits(&y), "{op:?} {shape:?} {strides:?}");
            }
            for op in [FloatBinary::Atan2, FloatBinary::Copysign, FloatBinary::Hypot, FloatBinary::Zeta] {
                let (mut y, mut own) = (x.clone(), x.clone());
                float_binary(op, &x, line, &other, lb, &mut y);
                float_binary(op, &[], NONE, &other, lb, &mut own);
                assert_eq!(bits(&own), bits(&y), "{op:?} {shape:?} {strides:?}");
            }
            let (x, other) = (half(&x), half(&other));
            let (mut y, mut own) = (x.clone(), x.clone());
            float_binary(FloatBinary::Copysign, &x, line, &other, lb, &mut y);
            float_binary(FloatBinary::Copysign, &[], NONE, &other, lb, &mut own);
            assert_eq!(bits(&floats(own)), bits(&floats(y)), "{shape:?} {strides:?} of bfloat16");
            let (x, other) = (whole(&numbers(len, 5)), whole(&numbers(140_000, 6)));
            let (mut y, mut own) = (x.clone(), x.clone());
            bitwise(Bitwise::Xor, &x, line, &other, lb, &mut y);
            bitwise(Bitwise::Xor, &[], NONE, &other, lb, &mut own);
            assert_eq!(own, y, "{shape:?} {strides:?} of bits");
        }
    }
}

#[test]
fn maps_of_three_operands() {
    const NONE: Strided = Strided { shape: &[0], strides: &[1], offset: 0 };
    let (others, more) = (numbers(140_000, 6), numbers(140_000, 7));
    for (rows, columns) in [(1, 1), (3, 257), (40, 1025), (7, 10_000)] {
        let shape = [rows, columns];
        let x = numbers(rows * columns, 5);
        let line = Strided { shape: &shape, strides: &[columns.cast_signed(), 1], offset: 0 };
        let windows = [[columns.cast_signed(), 1], [0, 0], [1, 0], [2 * columns.cast_signed(), 2]];
        for (b, c) in windows.iter().flat_map(|b| windows.iter().map(move |c| (b, c))) {
            let [b, c] = [b, c].map(|strides| Strided { shape: &shape, strides, offset: 0 });
            let (mut y, mut own) = (x.clone(), x.clone());
            map::lerp((&x, line), (&others, b), (&more, c), &mut y);
            map::lerp((&[], NONE), (&others, b), (&more, c), &mut own);
            assert_eq!(bits(&own), bits(&y), "{shape:?} {b:?} {c:?}");
        }
        // One that is written may be another operand as well.
        for aliases in [[true, false], [false, true], [true, true]] {
            let (mut y, mut own) = (x.clone(), x.clone());
            let [b, c] = aliases.map(|alias| if alias { (&x[..], line) } else { (&others[..], line) });
            map::add_product(0.5, (&x, line), b, c, &mut y);
            let [b, c] = aliases.map(|alias| if alias { (&[][..], NONE) } else { (&others[..], line) });
            map::add_product(0.5, (&[], NONE), b, c, &mut own);
            assert_eq!(bits(&own), bits(&y), "{shape:?} {aliases:?}");
        }
        // The first operand of one value.
        let splat = Strided { shape: &shape, strides: &[0, 0], offset: 3 };
        let (mut y, mut whole) = (x.clone(), x.clone());
        map::clamp_between((&others, splat), (&x, line), (&more, line), &mut y);
        map::clamp_between((&vec![others[3]; x.len()], line), (&x, line), (&more, line), &mut whole);
        assert_eq!(bits(&y), bits(&whole), "{shape:?} of one value");
    }
}

#[test]
fn truths_over_what_was_compared() {
    let ops = [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge].into_iter().chain([
        Compare::And,
        Compare::Or,
        Compare::Xor,
    ]);
    for op in ops {
        for (rows, columns) in [(1, 1), (3, 257), (40, 1025)] {
            let (shape, len) = ([rows, columns], rows * columns);
            let line = Strided { shape: &shape, strides: &[columns.cast_signed(), 1], offset: 0 };
            for strides in [[columns.cast_signed(), 1], [0, 0], [1, 0], [2 * columns.cast_signed(), 2]] {
                let lb = Strided { shape: &shape, strides: &strides, offset: 0 };
                let few = |seed: u32| numbers(2 * len, seed).iter().map(|x| x.trunc()).collect::<Vec<f32>>();
                let (mut x, mut other, mut truth) = (few(5), few(6), vec![0; len]);
                (x[0], other[0]) = (f32::NAN, f32::NAN);
                x.truncate(len);
                map::compare(op, &x, line, &other, lb, &mut truth);
                map::truth_over(op, &mut x, &other, lb);
                let truth: Vec<f32> = truth.into_iter().map(f32::from).collect();
                assert_eq!(bits(&x), bits(&truth), "{op:?} {shape:?} {strides:?}");
            }
        }
    }
}
