//! A matrix B that is packed in terms once and multiplied by a few rows many times: recurrent weights.

use std::ops::Range;
use std::ptr::null;

use super::pack::{Place, Side, Span, pack};
use super::store::bring;
use super::{BLOCK_STEPS, MicroTile, Operand, PANEL, STEP, Stack, TERM_LEN, TILE, Unit, amx, dot};
use crate::gemm::Matrix;
use crate::gemm::driver::SendPtr;
use crate::gemm::pack::Strided2;
use crate::gemm::scratch::with_scratch;
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each};

/// Most rows of a product.
pub(crate) const MOST_ROWS: usize = PANEL;

/// Panels of the columns of B, each over all of k.
pub(crate) struct Stationary {
    buffer: Buffer,
    columns: Vec<Range<usize>>,
    unit: Unit,
    terms: usize,
    k: usize,
    panel_len: usize,
    span: Span,
}

impl Stationary {
    /// Packs blocks of columns with `k` rows, each with the columns that it has in B.
    ///
    /// # Safety
    /// The unit is available; dot products are of one term.
    pub unsafe fn new((unit, terms): (Unit, usize), k: usize, blocks: &[(Range<usize>, Matrix<'_, f32>)]) -> Self {
        let panels = |(block, (columns, _)): (usize, &(Range<usize>, _))| {
            let columns = columns.clone();
            columns.clone().step_by(PANEL).map(move |first| (block, first..(first + PANEL).min(columns.end)))
        };
        let panels: Vec<_> = blocks.iter().enumerate().flat_map(panels).collect();
        let panel_len = k.div_ceil(STEP) * terms * TERM_LEN;
        let buffer = Buffer::uninit(panels.len() * panel_len * size_of::<u16>());
        let mut spans = vec![Span::ZEROS; panels.len()];
        let (all, start) = (Disjoint::new(&mut spans), SendPtr(buffer.as_ptr().cast::<u16>()));
        for_each(panels.len(), panels.len() * PANEL * k, |index| {
            let (block, columns) = &panels[index];
            let (of_block, matrix) = &blocks[*block];
            matrix.check(k, of_block.len());
            let source = Strided2(matrix.in_place(matrix.col_stride, matrix.row_stride));
            let outer = columns.start - of_block.start..columns.end - of_block.start;
            let place = Place { start: start.get().wrapping_add(index * panel_len), panel_len };
            // SAFETY: the columns are the matrix's, checked above; each panel has its own place.
            unsafe {
                let span = all.slice(index..index + 1);
                pack(Operand::Float32(&source), Side::B, terms, &outer, &(0..k), place, span);
            }
        });
        let span = spans.into_iter().fold(Span::ZEROS, Span::and);
        Self {
            buffer,
            columns: panels.into_iter().map(|(_, columns)| columns).collect(),
            unit,
            terms,
            k,
            panel_len,
            span,
        }
    }

    /// Multiplies `rows` rows of `a`, `k` adjacent elements each, and brings the products, or adds them, to where `place`
    /// says columns of C begin, and how far apart its rows are. A bit of the result tells for each row whether it was
    /// left out: terms of its numbers would lose something. What becomes of a row does not depend on the others.
    ///
    /// # Safety
    /// The places are valid, and the caller's alone.
    ///
    /// # Panics
    /// For more rows than [`MOST_ROWS`], or than `a` has.
    pub unsafe fn multiply(
        &self,
        a: &[f32],
        rows: usize,
        place: impl Fn(&Range<usize>) -> (*mut f32, usize),
        accumulate: bool,
    ) -> u32 {
        let &Self { terms, k, panel_len, .. } = self;
        assert!(rows <= MOST_ROWS && a.len() >= rows * k, "rows of A");
        let block = BLOCK_STEPS[terms - 1];
        let steps = k.div_ceil(STEP);
        with_scratch(panel_len, |start: *mut u16| {
            let mut span = [Span::ZEROS];
            let source = Matrix::contiguous(a, k);
            let source = Strided2(source.in_place(source.row_stride, source.col_stride));
            // SAFETY: the rows are there, and so is the room; AMX by the contract of `new`.
            let _configuration = unsafe {
                pack(
                    Operand::Float32(&source),
                    Side::A,
                    terms,
                    &(0..rows),
                    &(0..k),
                    Place { start, panel_len },
                    &mut span,
                );
                (self.unit == Unit::Tiles).then(|| amx::Configuration::new())
            };
            let mut left_out = 0_u32;
            if terms > 1 && !span[0].is_safe(self.span) {
                for (row, numbers) in a.chunks_exact(k).take(rows).enumerate() {
                    left_out |= u32::from(!Span::of(numbers).is_safe(self.span)) << row;
                }
            }
            for (index, columns) in self.columns.iter().enumerate() {
                let b = self.buffer.as_ptr().cast::<u16>().wrapping_add(index * panel_len);
                let (c, c_row) = place(columns);
                for first in (0..steps).step_by(block) {
                    let mut sums = std::mem::MaybeUninit::<Stack>::uninit();
                    let at = first * terms * TERM_LEN;
                    let sums = sums.as_mut_ptr().cast::<f32>();
                    let tile = MicroTile {
                        a: start.wrapping_add(at),
                        b: b.wrapping_add(at),
                        steps: (steps - first).min(block),
                        start: null(),
                        c: sums,
                        c_row: PANEL,
                        next: null(),
                    };
                    let (whole, add) = (columns.len().is_multiple_of(TILE), accumulate || first > 0);
                    // SAFETY: the panels hold so many steps, the stack the sums, C is the caller's.
                    unsafe {
                        if self.unit == Unit::Dots && whole {
                            dots(&MicroTile { c, c_row, ..tile }, rows, columns.len(), add);
                            continue;
                        }
                        match self.unit {
                            Unit::Dots => dots(&tile, rows, columns.len(), false),
                            Unit::Tiles => {
                                let kernels = &amx::MICROKERNELS[terms - 1][rows.div_ceil(TILE) - 1];
                                kernels[columns.len().div_ceil(TILE) - 1](&tile);
                            }
                        }
                        bring(sums, rows, columns.len(), left_out, c, c_row, add);
                    }
                }
            }
            left_out
        })
    }
}

/// The first `rows` rows of `tile`, as whole tiles of columns.
///
/// # Safety
/// As [`dot::first_rows`].
unsafe fn dots(tile: &MicroTile, rows: usize, columns: usize, add: bool) {
    // SAFETY: passed on.
    unsafe {
        match columns.div_ceil(TILE) {
            1 => dot::first_rows::<1>(tile, rows, add),
            _ => dot::first_rows::<2>(tile, rows, add),
        }
    }
}
