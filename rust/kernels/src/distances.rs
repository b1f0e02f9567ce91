//! Distances of every row of one matrix from every row of another.

use crate::element::Float;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_each};

/// Rows of the second matrix whose distances are computed side by side.
const LANES: usize = 64;
/// Columns that are brought into the order of a panel at a time: a cache line of a row.
const LINE: usize = 16;
/// Squares that are added up in `T` before they go to a sum in float64.
const LEAF: usize = 64;
/// Rows of the first matrix in a task.
const ROWS: usize = 16;
/// Squared differences that a thread adds up in a nanosecond.
const PER_NS: usize = 16;

/// `out[i, j]` is the root of the sum of the squared differences of `x[i]` and `y[j]`, rows of `columns`.
///
/// # Panics
/// If `out` has not a row for each of `x` and a column for each of `y`.
pub fn euclidean<T: Float>(x: &[T], y: &[T], columns: usize, out: &mut [T]) {
    if columns == 0 || out.is_empty() {
        return out.fill(T::ZERO);
    }
    let (rows, others) = (x.len() / columns, y.len() / columns);
    assert!(rows * others == out.len(), "one distance a pair of rows");
    let mut panels = vec![T::ZERO; others.div_ceil(LANES) * LANES * columns];
    for (panel, y) in panels.chunks_exact_mut(LANES * columns).zip(y.chunks(LANES * columns)) {
        for (first, panel) in (0..columns).step_by(LINE).zip(panel.chunks_mut(LINE * LANES)) {
            for (lane, row) in y.chunks_exact(columns).enumerate() {
                panel[lane..].iter_mut().step_by(LANES).zip(&row[first..]).for_each(|(out, &y)| *out = y);
            }
        }
    }
    let out = Disjoint::new(out);
    for_each(rows.div_ceil(ROWS), rows * others * columns / PER_NS, |task| {
        let own = task * ROWS..rows.min((task + 1) * ROWS);
        // SAFETY: each task has rows of its own.
        let out = unsafe { out.slice(own.start * others..own.end * others) };
        dispatch(Distances { x: &x[own.start * columns..own.end * columns], y, panels: &panels, columns, out });
    });
}

struct Distances<'a, T> {
    x: &'a [T],
    y: &'a [T],
    /// The rows of `y`, [`LANES`] at a time, by columns.
    panels: &'a [T],
    columns: usize,
    out: &'a mut [T],
}

impl<T: Float> Kernel for Distances<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { x, y, panels, columns, out } = self;
        let others = y.len() / columns;
        for (panel, first) in panels.chunks_exact(LANES * columns).zip((0..others).step_by(LANES)) {
            let y = &y[first * columns..others.min(first + LANES) * columns];
            let lanes = y.len() / columns;
            let mut sums = [[0.0; LANES]; ROWS];
            // A piece of the panel stays in the first-level cache for all rows (29 and 20 sums a nanosecond).
            for (leaf, panel) in panel.chunks(LEAF * LANES).enumerate() {
                for (x, sums) in x.chunks_exact(columns).zip(&mut sums) {
                    add_squares::<T, S>(&x[leaf * LEAF..], panel, sums);
                }
            }
            for ((x, sums), out) in x.chunks_exact(columns).zip(&sums).zip(out.chunks_exact_mut(others)) {
                roots(sums, x, y, &mut out[first..first + lanes]);
            }
        }
    }
}

/// Adds the squared differences of the elements of `x` and of each lane's in the panel.
#[inline(always)]
fn add_squares<T: Float, S: Simd>(x: &[T], panel: &[T], sums: &mut [f64; LANES]) {
    let mut squares = [T::ZERO; LANES];
    for (&x, y) in x.iter().zip(panel.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let apart = x - y[lane];
            squares[lane] = apart.fma::<S>(apart, squares[lane]);
        }
    }
    for lane in 0..LANES {
        sums[lane] += squares[lane].to_f64();
    }
}

/// The roots of sums of squared differences of `x` and rows `y`; those that may have left the range are found anew.
#[inline(always)]
fn roots<T: Float>(sums: &[f64; LANES], x: &[T], y: &[T], out: &mut [T]) {
    let mut outside = false;
    for (out, &sum) in out.iter_mut().zip(sums) {
        *out = T::from_f64(sum).sqrt();
        outside |= is_outside::<T>(sum);
    }
    if outside {
        for ((out, &sum), y) in out.iter_mut().zip(sums).zip(y.chunks_exact(x.len())) {
            if is_outside::<T>(sum) && differ(x, y) {
                *out = T::from_f64(wide(x, y).sqrt());
            }
        }
    }
}

/// Whether squares of this sum may have been too large or too small for `T`.
#[inline(always)]
fn is_outside<T: Float>(sum: f64) -> bool {
    size_of::<T>() == 4 && !(1e-30..f64::INFINITY).contains(&sum)
}

/// Whether any elements do: counted, without a way out of the loop, so that it can be one over vectors.
#[inline(always)]
fn differ<T: Float>(x: &[T], y: &[T]) -> bool {
    x.iter().zip(y).filter(|(x, y)| x != y).count() > 0
}

/// The sum in float64, which has room for the squares of any float32.
#[inline(always)]
fn wide<T: Float>(x: &[T], y: &[T]) -> f64 {
    let ((blocks, rest), (others, others_rest)) = (x.as_chunks::<LINE>(), y.as_chunks::<LINE>());
    let mut sums = [0.0; LINE];
    for (x, y) in blocks.iter().zip(others) {
        for lane in 0..LINE {
            let apart = x[lane].to_f64() - y[lane].to_f64();
            sums[lane] += apart * apart;
        }
    }
    for ((sum, x), y) in sums.iter_mut().zip(rest).zip(others_rest) {
        let apart = x.to_f64() - y.to_f64();
        *sum += apart * apart;
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers")]
    fn every_pair_of_rows() {
        for (rows, others, columns) in [(1, 1, 1), (3, 2, 5), (33, 65, 130), (2, 3, 0)] {
            let number = |i: usize| (i * 37 % 101) as f32 / 10.0;
            let x: Vec<f32> = (0..rows * columns).map(number).collect();
            let y: Vec<f32> = (0..others * columns).map(|i| number(i + 50)).collect();
            let mut found = vec![f32::NAN; rows * others];
            euclidean(&x, &y, columns, &mut found);
            for (at, &found) in found.iter().enumerate() {
                let (i, j) = (at / others, at % others);
                let expected = wide(&x[i * columns..][..columns], &y[j * columns..][..columns]).sqrt() as f32;
                assert!((found - expected).abs() <= 8.0 * f32::EPSILON * expected, "{i}, {j}: {found}, {expected}");
            }
        }
    }

    #[test]
    fn squares_beyond_the_range_of_float32() {
        let mut found = [0.0; 2];
        euclidean(&[3e30_f32, 4e30], &[0.0, 0.0, 3e30, 4e30], 2, &mut found);
        assert_eq!(found.map(f32::to_bits), [5e30_f32, 0.0].map(f32::to_bits));
        let mut tiny = [0.0];
        euclidean(&[3e-30_f32, 4e-30], &[0.0, 0.0], 2, &mut tiny);
        assert_eq!(tiny[0].to_bits(), 5e-30_f32.to_bits());
    }
}
