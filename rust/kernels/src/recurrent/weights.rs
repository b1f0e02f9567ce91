//! Recurrent weights in blocks of columns whose rows are so short that the core reads them in place, packed once for
//! all steps.

use crate::gemm::{Gemm, GemmFloat, Matrix, gemm};
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each};

/// Columns of a block: whole tiles of the core.
const COLUMNS: usize = 224;

/// Units of a block where each has so many gates: whole vectors.
pub(super) fn units(gates: usize) -> usize {
    COLUMNS / gates / 16 * 16
}

/// Elements from a row of a block to the next: an odd number of cache lines, which spreads over the sets of a cache.
fn stride(columns: usize) -> usize {
    columns.next_multiple_of(16) | 16
}

/// A matrix of `rows` rows, cut into blocks of columns.
pub(super) struct Blocks {
    buffer: Buffer,
    rows: usize,
    columns: usize,
    width: usize,
}

impl Blocks {
    /// The transpose of `w`, (gates, hidden, output); the columns of a block are the gates of its units.
    pub(super) fn of_units<T: GemmFloat>(w: &[T], gates: usize, hidden: usize, output: usize) -> Self {
        Self::pack(output, gates * hidden, gates * units(gates), |first, columns, step, row| {
            let (first, count) = (first / gates, columns / gates);
            for (gate, row) in row[..columns].chunks_exact_mut(count).enumerate() {
                let from = (gate * hidden + first) * output + step;
                for (x, &weight) in row.iter_mut().zip(w[from..].iter().step_by(output)) {
                    *x = weight;
                }
            }
        })
    }

    /// The matrix `w`, (rows, columns).
    pub(super) fn of_columns<T: GemmFloat>(w: &[T], rows: usize, columns: usize) -> Self {
        Self::pack(rows, columns, COLUMNS, |first, count, step, row| {
            row[..count].copy_from_slice(&w[step * columns + first..][..count]);
        })
    }

    /// `fill` gets the first column of a block, their number, a row, and where it goes.
    fn pack<T: GemmFloat>(
        rows: usize,
        columns: usize,
        width: usize,
        fill: impl Fn(usize, usize, usize, &mut [T]) + Sync,
    ) -> Self {
        let blocks = columns.div_ceil(width);
        let mut buffer = Buffer::uninit(blocks * rows * stride(width) * size_of::<T>());
        let all = Disjoint::new(buffer.as_mut_slice::<T>());
        for_each(blocks, rows * columns, |block| {
            let first = block * width;
            let count = width.min(columns - first);
            for row in 0..rows {
                let start = (block * rows + row) * stride(width);
                // SAFETY: each row of each block has a place of its own.
                fill(first, count, row, unsafe { all.slice(start..start + stride(width)) });
            }
        });
        Self { buffer, rows, columns, width }
    }

    fn blocks<T: GemmFloat>(&self) -> impl Iterator<Item = (usize, usize, Matrix<'_, T>)> {
        let stride = stride(self.width);
        (0..self.columns.div_ceil(self.width)).map(move |block| {
            let first = block * self.width;
            let matrix =
                Matrix { offset: block * self.rows * stride, ..Matrix::contiguous(self.buffer.as_slice(), stride) };
            (first, self.width.min(self.columns - first), matrix)
        })
    }

    /// The products of `count` rows of `a` with each block, one block after the other.
    pub(super) fn multiply<T: GemmFloat>(&self, a: &[T], count: usize, products: &mut [T]) {
        for (first, width, block) in self.blocks() {
            let c = &mut products[first * count..(first + width) * count];
            gemm(Gemm::new([count, self.rows, width], Matrix::contiguous(a, self.rows), block, c));
        }
    }

    /// Adds the product of `count` rows of `a` with the matrix to `c`.
    pub(super) fn multiply_add<T: GemmFloat>(&self, a: &[T], count: usize, c: &mut [T]) {
        for (first, width, block) in self.blocks() {
            let a = Matrix::contiguous(a, self.rows);
            let product = Gemm::new([count, self.rows, width], a, block, &mut c[first..]);
            gemm(Gemm { c_row_stride: self.columns, accumulate: true, ..product });
        }
    }
}
