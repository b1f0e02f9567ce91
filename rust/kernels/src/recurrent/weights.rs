//! Recurrent weights in blocks of columns whose rows are so short that the core reads them in place, packed once for
//! all steps; where something multiplies them and there are enough sequences, in bfloat16 terms besides.

use std::ops::Range;

use crate::gemm::{Gemm, GemmFloat, Matrix, gemm_by_rows};
#[cfg(target_arch = "x86_64")]
use crate::gemm::{MOST_ROWS, Stationary, Unit, unit_and_terms};
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
    #[cfg(target_arch = "x86_64")]
    in_terms: Option<Stationary>,
}

/// Fewest sequences of a task whose steps are multiplied in terms, where that is possible and pays: the rows of a tile, or
/// as many as hide how long a dot product takes.
pub(super) fn fewest_in_terms<T: GemmFloat>(batch: usize, rows: usize, columns: usize) -> Option<usize> {
    /// Rows and columns from which on it pays.
    const LEAST: usize = 64;
    #[cfg(target_arch = "x86_64")]
    let fewest = unit_and_terms().map(|(unit, _)| if unit == Unit::Tiles { 16 } else { 4 });
    #[cfg(not(target_arch = "x86_64"))]
    let fewest = None;
    fewest.filter(|&fewest| T::float32(&[]).is_some() && batch >= fewest && rows.min(columns) >= LEAST)
}

impl Blocks {
    /// The transpose of `w`, (gates, hidden, output); the columns of a block are the gates of its units.
    pub(super) fn of_units<T: GemmFloat>(w: &[T], batch: usize, gates: usize, hidden: usize, output: usize) -> Self {
        let in_terms = fewest_in_terms::<T>(batch, output, gates * hidden).is_some();
        Self::pack(output, gates * hidden, gates * units(gates), in_terms, |first, columns, step, row: &mut [T]| {
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
    pub(super) fn of_columns<T: GemmFloat>(w: &[T], batch: usize, rows: usize, columns: usize) -> Self {
        let in_terms = fewest_in_terms::<T>(batch, rows, columns).is_some();
        Self::pack(rows, columns, COLUMNS, in_terms, |first, count, step, row: &mut [T]| {
            row[..count].copy_from_slice(&w[step * columns + first..][..count]);
        })
    }

    /// `fill` gets the first column of a block, their number, a row, and where it goes.
    fn pack<T: GemmFloat>(
        rows: usize,
        columns: usize,
        width: usize,
        in_terms: bool,
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
        #[allow(unused_mut, reason = "other CPUs have no terms")]
        let mut packed = Self {
            buffer,
            rows,
            columns,
            width,
            #[cfg(target_arch = "x86_64")]
            in_terms: None,
        };
        #[cfg(target_arch = "x86_64")]
        if let Some(terms) = unit_and_terms().filter(|_| in_terms)
            && let Some(numbers) = T::float32(packed.buffer.as_slice())
        {
            let block = |(columns, Matrix { offset, row_stride, .. }): (_, Matrix<'_, T>)| {
                (columns, Matrix { data: numbers, offset, row_stride, col_stride: 1 })
            };
            let blocks: Vec<_> = packed.blocks::<T>().map(block).collect();
            // SAFETY: the unit is one of this machine's.
            packed.in_terms = Some(unsafe { Stationary::new(terms, rows, &blocks) });
        }
        packed
    }

    /// The columns of each block, and the block.
    fn blocks<T: GemmFloat>(&self) -> impl Iterator<Item = (Range<usize>, Matrix<'_, T>)> {
        let stride = stride(self.width);
        (0..self.columns.div_ceil(self.width)).map(move |block| {
            let first = block * self.width;
            let matrix =
                Matrix { offset: block * self.rows * stride, ..Matrix::contiguous(self.buffer.as_slice(), stride) };
            (first..(first + self.width).min(self.columns), matrix)
        })
    }

    /// The products of `count` rows of `a` with each block, one block after the other.
    pub(super) fn multiply<T: GemmFloat>(&self, a: &[T], count: usize, products: &mut [T]) {
        let place = |column: usize| {
            let first = column / self.width * self.width;
            (first * count + column - first, self.width.min(self.columns - first))
        };
        self.all(a, count, products, place, false);
    }

    /// Adds the product of `count` rows of `a` with the matrix to `c`.
    pub(super) fn multiply_add<T: GemmFloat>(&self, a: &[T], count: usize, c: &mut [T]) {
        self.all(a, count, c, |column| (column, self.columns), true);
    }

    /// Products of `count` rows; `place` says where a column of C begins, and how far apart rows are.
    fn all<T: GemmFloat>(
        &self,
        a: &[T],
        count: usize,
        c: &mut [T],
        place: impl Fn(usize) -> (usize, usize),
        accumulate: bool,
    ) {
        #[cfg(target_arch = "x86_64")]
        if let Some(in_terms) = &self.in_terms
            && let Some(numbers) = T::float32(a)
            && let Some(sums) = T::float32_mut(c)
        {
            assert!(sums.len() >= count * self.columns, "rows of C");
            for first in (0..count).step_by(MOST_ROWS) {
                let rows = MOST_ROWS.min(count - first);
                let Some(start) = T::float32_mut(c).map(<[f32]>::as_mut_ptr) else { unreachable!("as above") };
                let to = |columns: &Range<usize>| {
                    let (at, stride) = place(columns.start);
                    (start.wrapping_add(at + first * stride), stride)
                };
                // SAFETY: C has the rows and columns.
                let left_out = unsafe { in_terms.multiply(&numbers[first * self.rows..], rows, to, accumulate) };
                for row in (0..rows).filter(|row| left_out >> row & 1 == 1) {
                    self.exactly(a, first + row..first + row + 1, c, &place, accumulate);
                }
            }
            return;
        }
        self.exactly(a, 0..count, c, &place, accumulate);
    }

    /// The products of some rows in multiply-adds of `T`.
    fn exactly<T: GemmFloat>(
        &self,
        a: &[T],
        rows: Range<usize>,
        c: &mut [T],
        place: &impl Fn(usize) -> (usize, usize),
        accumulate: bool,
    ) {
        let a = Matrix::contiguous(&a[rows.start * self.rows..], self.rows);
        for (columns, block) in self.blocks() {
            let (at, stride) = place(columns.start);
            let c = &mut c[at + rows.start * stride..];
            let product = Gemm::new([rows.len(), self.rows, columns.len()], a, block, c);
            gemm_by_rows(Gemm { c_row_stride: stride, accumulate, ..product });
        }
    }
}
