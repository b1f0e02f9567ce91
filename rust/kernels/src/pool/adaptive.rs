//! Max pooling by windows that adapt to the size of the result.

use std::ops::Range;

use crate::element::Element;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_ranges};
use crate::stored::{Stored, by_pieces};

use super::{GRAIN, NS_PER_1024, flat};

/// The window of result `index` among `outputs` of `inputs` elements.
fn window(index: usize, inputs: usize, outputs: usize) -> Range<usize> {
    index * inputs / outputs..((index + 1) * inputs).div_ceil(outputs)
}

/// The largest element of each window of planes of `input` rows and columns, as many windows as `output` has, and where it
/// stands in its plane. A NaN wins.
///
/// # Panics
/// If lengths do not match the shapes, or there is nothing to pool.
pub fn adaptive_max_pool2d<T: Element, K: Stored<Value = T>>(
    x: &[K],
    planes: usize,
    input: (usize, usize),
    output: (usize, usize),
    y: &mut [K],
    positions: &mut [i64],
) {
    let (in_len, out_len) = (input.0 * input.1, output.0 * output.1);
    assert!(x.len() == planes * in_len && y.len() == planes * out_len && positions.len() == y.len(), "lengths");
    assert!(in_len > 0 || y.is_empty(), "nothing to pool");
    let (y, positions) = (Disjoint::new(y), Disjoint::new(positions));
    let visits = in_len + output.0 * input.1;
    for_ranges(planes, (GRAIN / visits.max(1)).max(1), visits.saturating_mul(NS_PER_1024), |range| {
        by_pieces::<K, 2>(range, [in_len, out_len], |range, [x_room, y_room]| {
            let results = flat(&range, out_len);
            // SAFETY: ranges of planes are disjoint.
            let (y, positions) = unsafe { (y.slice(results.clone()), positions.slice(results)) };
            let x = K::load_slice(&x[flat(&range, in_len)], x_room);
            K::store_slice(y, y_room, |y| dispatch(AdaptiveMax { input, output, x, y, positions }));
        });
    });
}

struct AdaptiveMax<'a, T> {
    input: (usize, usize),
    output: (usize, usize),
    x: &'a [T],
    y: &'a mut [T],
    positions: &'a mut [i64],
}

impl<T: Element> Kernel for AdaptiveMax<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { input: (height, width), output, x, y, positions } = self;
        if y.is_empty() {
            return;
        }
        // The largest element of each column of a row of windows, and in which row it stands.
        let (mut best, mut rows) = (vec![T::LOWEST; width], vec![0i32; width]);
        let windows: Vec<Range<usize>> = (0..output.1).map(|index| window(index, width, output.1)).collect();
        let lines = y.chunks_exact_mut(output.1).zip(positions.chunks_exact_mut(output.1));
        for (line, (y, positions)) in lines.enumerate() {
            let x = &x[line / output.0 * height * width..][..height * width];
            let window = window(line % output.0, height, output.0);
            best.copy_from_slice(&x[window.start * width..][..width]);
            rows.fill(row_number(window.start));
            for row in window.start + 1..window.end {
                let number = row_number(row);
                for ((best, at), &value) in best.iter_mut().zip(&mut rows).zip(&x[row * width..][..width]) {
                    let wins = (value > *best) | value.is_nan();
                    *best = if wins { value } else { *best };
                    *at = if wins { number } else { *at };
                }
            }
            for ((y, position), window) in y.iter_mut().zip(positions).zip(&windows) {
                let (mut largest, mut row, mut column) = (best[window.start], rows[window.start], window.start);
                for next in window.start + 1..window.end {
                    let (value, at) = (best[next], rows[next]);
                    // Along rows, the first of equals stays and the last of what are no numbers wins.
                    let wins = value > largest
                        || value == largest && at < row
                        || value.is_nan() && (!largest.is_nan() || at >= row);
                    (largest, row, column) = if wins { (value, at, next) } else { (largest, row, column) };
                }
                *y = largest;
                *position = i64::from(row) * width.cast_signed() as i64 + column.cast_signed() as i64;
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "a plane of 2^31 rows fits no memory")]
#[inline(always)]
fn row_number(row: usize) -> i32 {
    row as i32
}
