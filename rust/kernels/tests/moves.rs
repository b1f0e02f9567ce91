//! Copies and reductions that are large enough for the ways of large ones: streamed, in parts, by index lanes.

use dlcore_kernels::copy;
use dlcore_kernels::layout::Strided;
use dlcore_kernels::memory::Pod;
use dlcore_kernels::reduce::{self, Extreme, Split};

/// Numbers below 1000 that look random.
fn numbers(len: usize) -> impl Iterator<Item = u16> {
    let mut state = 7u32;
    (0..len).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u16::try_from((state >> 8) % 1000).unwrap_or(0)
    })
}

fn assert_transposed<T: Pod + PartialEq>(rows: usize, columns: usize, element: impl Fn(u16) -> T) {
    let data: Vec<T> = numbers(rows * columns).map(element).collect();
    let mut copied = vec![data[0]; data.len()];
    let strides = [1, columns.cast_signed()];
    copy::copy(&data, Strided { shape: &[columns, rows], strides: &strides, offset: 0 }, &mut copied);
    let right =
        (0..rows).all(|row| (0..columns).all(|column| copied[column * rows + row] == data[row * columns + column]));
    assert!(right, "{rows} x {columns} of {} bytes", size_of::<T>());
}

#[test]
fn transposed_copies_small_and_streamed() {
    for (rows, columns) in [(64, 128), (65, 130), (1000, 37), (3, 5000), (5000, 3), (1024, 2048), (1531, 1499)] {
        assert_transposed(rows, columns, f32::from);
        assert_transposed(rows, columns, f64::from);
        assert_transposed(rows, columns, |x| x.to_le_bytes()[0]);
    }
    assert_transposed(2900, 3001, |x| x.to_le_bytes()[0]);
}

/// The reduction of each column of a matrix, and of each row.
fn both_ways(rows: usize, columns: usize, mut check: impl FnMut(Split<'_>, &dyn Fn(usize, usize) -> usize)) {
    let step = [columns.cast_signed()];
    let kept = Split { kept: &[columns], kept_strides: &[1], reduced: &[rows], reduced_strides: &step, offset: 0 };
    check(kept, &|column, row| row * columns + column);
    let kept = Split { kept: &[rows], kept_strides: &step, reduced: &[columns], reduced_strides: &[1], offset: 0 };
    check(kept, &|row, column| row * columns + column);
}

#[test]
fn positions_and_values_of_extremes_over_rows_and_columns() {
    for (rows, columns) in [(1, 70), (300, 9), (700, 85), (513, 4100), (70, 20_000), (3, 40_000), (4097, 3), (30, 8)] {
        let mut data: Vec<f32> = numbers(rows * columns).map(f32::from).collect();
        for lowest in [f32::NAN, f32::NEG_INFINITY] {
            // A few NaN, so that some outputs have none and some have several; then a matrix of equals.
            for i in (0..data.len()).step_by(1013) {
                data[i] = f32::NAN;
            }
            if lowest.is_infinite() {
                data.fill(lowest);
            }
            both_ways(rows, columns, |split, at| {
                let (mut positions, mut values) = (vec![-1; split.outputs()], vec![0f32; split.outputs()]);
                for largest in [true, false] {
                    let beats = |y: f32, x: f32| !x.is_nan() && (y.is_nan() || if largest { y > x } else { y < x });
                    if largest {
                        reduce::argmax(&data, split, &mut positions);
                        reduce::extreme(Extreme::Max, &data, split, &mut values);
                    } else {
                        reduce::argmin(&data, split, &mut positions);
                        reduce::extreme(Extreme::Min, &data, split, &mut values);
                    }
                    for (output, (&position, &value)) in positions.iter().zip(&values).enumerate() {
                        let element = |i| data[at(output, i)];
                        let better = |best, i| if beats(element(i), element(best)) { i } else { best };
                        let want = (1..split.count()).fold(0, better);
                        assert_eq!(position, i64::try_from(want).unwrap_or(-1), "{split:?}, output {output}");
                        assert_eq!(value.to_bits(), element(want).to_bits(), "{split:?}, output {output}");
                    }
                }
            });
        }
    }
}

#[test]
fn sums_of_integers_over_rows_and_columns_are_exact() {
    for (rows, columns) in [(64, 3), (6401, 7), (1000, 31), (130, 4500), (8, 64), (9, 1000), (20_000, 33)] {
        let data: Vec<i64> = numbers(rows * columns).map(i64::from).collect();
        both_ways(rows, columns, |split, at| {
            let mut sums = vec![0; split.outputs()];
            reduce::sum_i64(&data, split, &mut sums);
            for (output, &sum) in sums.iter().enumerate() {
                let want = (0..split.count()).map(|i| data[at(output, i)]).sum::<i64>();
                assert_eq!(sum, want, "{split:?}, output {output}");
            }
        });
    }
}
