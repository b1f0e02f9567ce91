//! Maps, copies and reductions give the same bits whatever the number of threads.

use dlcore_kernels::copy;
use dlcore_kernels::layout::Strided;
use dlcore_kernels::map::{self, Binary, FloatUnary};
use dlcore_kernels::parallel::set_num_threads;
use dlcore_kernels::reduce::{self, Split};

/// Every kind of kernel, on sizes that are cut into many tasks.
fn results() -> Vec<u32> {
    let (rows, columns) = (1031, 517);
    let len = rows * columns;
    let mut x = vec![0f32; len];
    copy::linspace(-3.0, 5.0, &mut x);
    let (shape, strides) = ([columns, rows], [1, columns.cast_signed()]);
    let transposed = Strided { shape: &shape, strides: &strides, offset: 0 };
    let flat = Strided { shape: &[len], strides: &[1], offset: 0 };
    let (mut y, mut z) = (vec![0f32; len], vec![0f32; len]);
    map::float_unary(FloatUnary::Gelu, &x, flat, &mut y);
    map::binary(Binary::Mul, &y, Strided { strides: &[rows.cast_signed(), 1], ..transposed }, &x, transposed, &mut z);
    let mut all = z.clone();
    copy::copy(&z, transposed, &mut y);
    all.extend(&y);
    let whole = Split { kept: &[], kept_strides: &[], reduced: &[len], reduced_strides: &[1], offset: 0 };
    let by_row = Split {
        kept: &[rows],
        kept_strides: &[columns.cast_signed()],
        reduced: &[columns],
        reduced_strides: &[1],
        offset: 0,
    };
    let by_column = Split {
        kept: by_row.reduced,
        kept_strides: by_row.reduced_strides,
        reduced: by_row.kept,
        reduced_strides: by_row.kept_strides,
        offset: 0,
    };
    let tall = Split { kept: &[7], kept_strides: &[1], reduced: &[len / 7], reduced_strides: &[7], offset: 0 };
    for split in [whole, by_row, by_column, tall] {
        let mut sums = vec![0f32; split.outputs()];
        reduce::sum(&z, split, &mut sums);
        all.extend(&sums);
        let mut positions = vec![0; split.outputs()];
        reduce::argmax(&z, split, &mut positions);
        copy::cast(&positions, Strided { shape: &[positions.len()], strides: &[1], offset: 0 }, &mut sums);
        all.extend(&sums);
        reduce::logsumexp(&z, split, &mut sums);
        all.extend(&sums);
    }
    all.into_iter().map(f32::to_bits).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    set_num_threads(1);
    let one = results();
    for threads in [2, 3, 7] {
        set_num_threads(threads);
        assert!(results() == one, "{threads} threads differ from one");
    }
}

#[test]
fn results_too_large_for_the_caches_are_like_small_ones() {
    // Enough bytes to be streamed, in tasks and steps that do not divide them.
    let len = (33 << 20) / size_of::<f32>() + 7;
    let mut x = vec![0f32; len];
    copy::arange(0.0, 1.0, &mut x);
    let flat = Strided { shape: &[len - 1], strides: &[1], offset: 0 };
    let mut sums = vec![0f32; len];
    // Neither result nor operand starts at a cache line.
    map::binary(Binary::Add, &x[..len - 1], flat, &x[1..], flat, &mut sums[1..]);
    assert!(sums[1..].iter().zip(x.windows(2)).all(|(sum, x)| sum.to_bits() == (x[0] + x[1]).to_bits()));
    let mut widened = vec![0f64; len - 1];
    copy::cast(&x[1..], flat, &mut widened);
    assert!(widened.iter().zip(&x[1..]).all(|(wide, x)| wide.to_bits() == f64::from(*x).to_bits()));
}
