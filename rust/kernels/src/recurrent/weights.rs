//! Recurrent weights in blocks of columns whose rows are so short that the core reads them in place, packed once for
//! all steps.

use crate::gemm::{Gemm, GemmFloat, Matrix, gemm};
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each};

/// Columns of a block: whole tiles of the core, in rows whose stride spreads over the sets of a cache.
const COLUMNS: usize = 224;

/// Units of a block where each has so many gates.
pub(super) fn units(gates: usize) -> usize {
    COLUMNS / gates / 8 * 8
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
        let units = units(gates);
        Self::pack(output, gates * hidden, gates * units, |first, block| {
            let (first, count) = (first / gates, block.len() / output.max(1) / gates);
            for (step, row) in block.chunks_exact_mut(gates * count).enumerate() {
                for (gate, row) in row.chunks_exact_mut(count).enumerate() {
                    let from = (gate * hidden + first) * output + step;
                    for (x, &weight) in row.iter_mut().zip(w[from..].iter().step_by(output)) {
                        *x = weight;
                    }
                }
            }
        })
    }

    /// The matrix `w`, (rows, columns).
    pub(super) fn of_columns<T: GemmFloat>(w: &[T], rows: usize, columns: usize) -> Self {
        Self::pack(rows, columns, COLUMNS, |first, block| {
            let count = block.len() / rows.max(1);
            for (to, from) in block.chunks_exact_mut(count).zip(w.chunks_exact(columns)) {
                to.copy_from_slice(&from[first..first + count]);
            }
        })
    }

    fn pack<T: GemmFloat>(rows: usize, columns: usize, width: usize, fill: impl Fn(usize, &mut [T]) + Sync) -> Self {
        let mut buffer = Buffer::uninit(rows * columns * size_of::<T>());
        let all = Disjoint::new(buffer.as_mut_slice::<T>());
        if rows > 0 {
            for_each(columns.div_ceil(width), rows * columns, |block| {
                let (first, end) = (block * width, ((block + 1) * width).min(columns));
                // SAFETY: each block has a place of its own.
                fill(first, unsafe { all.slice(first * rows..end * rows) });
            });
        }
        Self { buffer, rows, columns, width }
    }

    fn blocks<T: GemmFloat>(&self) -> impl Iterator<Item = (usize, usize, Matrix<'_, T>)> {
        (0..self.columns).step_by(self.width).map(|first| {
            let count = self.width.min(self.columns - first);
            let matrix = Matrix { offset: first * self.rows, ..Matrix::contiguous(self.buffer.as_slice(), count) };
            (first, count, matrix)
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
