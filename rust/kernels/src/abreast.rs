//! Short rows, sixteen at a time: each lane holds a row, so that a reduction over a row is plain vector code and its
//! order that of the columns.

use crate::element::Float;

/// Longest row that is taken this way.
pub(crate) const SHORT: usize = 32;
/// Rows side by side.
pub(crate) const ROWS: usize = 16;

/// One number for each row.
pub(crate) type Lane<T> = [T; ROWS];

/// Up to sixteen rows of up to [`SHORT`] columns, stored column by column.
pub(crate) struct Block<T>([Lane<T>; SHORT]);

impl<T: Float> Block<T> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self([[T::ZERO; ROWS]; SHORT])
    }

    /// Takes the rows of `x`; lanes without a row keep what they had. Returns the columns.
    #[inline(always)]
    pub(crate) fn load(&mut self, x: &[T], cols: usize) -> &mut [Lane<T>] {
        let columns = &mut self.0[..cols];
        for (lane, row) in x.chunks_exact(cols).enumerate() {
            for (column, &value) in columns.iter_mut().zip(row) {
                column[lane % ROWS] = value;
            }
        }
        columns
    }

    /// Writes the rows to `y`.
    #[inline(always)]
    pub(crate) fn store(&self, y: &mut [T], cols: usize) {
        for (lane, row) in y.chunks_exact_mut(cols).enumerate() {
            for (value, column) in row.iter_mut().zip(&self.0) {
                *value = column[lane % ROWS];
            }
        }
    }
}

/// Folds the columns into one number for each row.
#[inline(always)]
pub(crate) fn fold<T: Float>(columns: &[Lane<T>], start: T, join: impl Fn(T, T) -> T) -> Lane<T> {
    let mut folded = [start; ROWS];
    for column in columns {
        for lane in 0..ROWS {
            folded[lane] = join(folded[lane], column[lane]);
        }
    }
    folded
}

/// For each row the sum of `f` of its elements and the row's lane, in float64.
#[inline(always)]
pub(crate) fn sums<T: Float>(columns: &[Lane<T>], f: impl Fn(T, usize) -> T) -> Lane<f64> {
    let mut sums = [0.0; ROWS];
    for column in columns {
        for lane in 0..ROWS {
            sums[lane] += f(column[lane], lane).to_f64();
        }
    }
    sums
}

/// The largest element of each row, leaving NaN out.
#[inline(always)]
pub(crate) fn largest<T: Float>(columns: &[Lane<T>]) -> Lane<T> {
    fold(columns, T::LOWEST, |x, y| if y > x { y } else { x })
}
