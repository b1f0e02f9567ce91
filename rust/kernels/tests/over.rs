//! Maps over their own operand give the bits of maps into memory of their own.

use dlcore_kernels::layout::Strided;
use dlcore_kernels::map::{Arithmetic, Binary, Replaced, binary, over};

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
