//! Weights as panels of A, packed once for all windows.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use std::arch::x86_64::*;
use std::ops::Range;

use super::pixel::Pixel;
use super::{Seen, panel_len};
use crate::gemm::bf16::pack::Extremes;
use crate::gemm::bf16::{BLOCK_STEPS, PANEL, STEP, TERM_LEN, TILE, TILE_LEN};
use crate::gemm::pack::InPlace;
use crate::gemm::scratch::with_scratch;
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each};

/// Packs rows of A, whose `k` are neighbours: panels of [`EDGE`] rows, `panel_len` apart, of `steps` that are zeros from `k` on. Pairs are of neighbouring k, as in
/// planes and turned rows, where a tap begins at any pair; those of [`super::pack`] are others, and the two do not mix.
///
/// # Panics
/// If k are not neighbours.
///
/// # Safety
/// This machine has AMX; the matrix has the rows and k, and `to` room for the panels.
pub(crate) unsafe fn pack_rows<T: Pixel>(
    terms: usize,
    matrix: InPlace<T>,
    rows: usize,
    [k, steps]: [usize; 2],
    to: *mut u16,
    panel_len: usize,
) -> Seen {
    assert!(matrix.k_stride == 1, "neighbours");
    // SAFETY: passed on.
    unsafe {
        match terms {
            1 => rows_of_a::<T, 1>(matrix, rows, [k, steps], to, panel_len),
            2 => rows_of_a::<T, 2>(matrix, rows, [k, steps], to, panel_len),
            _ => rows_of_a::<T, 3>(matrix, rows, [k, steps], to, panel_len),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi2")]
unsafe fn rows_of_a<T: Pixel, const TERMS: usize>(
    matrix: InPlace<T>,
    rows: usize,
    [k, steps]: [usize; 2],
    to: *mut u16,
    panel_len: usize,
) -> Seen {
    // SAFETY: by contract; tiles that have a row have room for 16.
    unsafe {
        let mut seen = Extremes::new();
        for first in (0..rows).step_by(TILE) {
            let from = matrix.start.wrapping_offset(first.cast_signed() * matrix.outer_stride);
            let to = to.wrapping_add(first / PANEL * panel_len + first % PANEL / TILE * TILE_LEN);
            for step in 0..steps {
                for row in 0..TILE {
                    let mut terms = [_mm512_setzero_si512(); TERMS];
                    if first + row < rows {
                        let from = from.wrapping_offset(row.cast_signed() * matrix.outer_stride);
                        let count = k.saturating_sub(step * STEP);
                        terms = T::neighbours(from.wrapping_add(step * STEP), count, &mut seen);
                    }
                    for (t, x) in terms.into_iter().enumerate() {
                        _mm512_storeu_si512(to.add((step * TERMS + t) * TERM_LEN + row * STEP).cast(), x);
                    }
                }
            }
        }
        Seen(seen.span())
    }
}

/// Weights, packed for all tasks: block after block of k, panel after panel.
pub(crate) struct Weights {
    buffer: Buffer,
    panels: usize,
    terms: usize,
    pub steps: usize,
    /// Steps of a block; the last may be shorter.
    pub block: usize,
    pub seen: Seen,
}

impl Weights {
    /// Packs `rows` rows of `groups` times `taps` steps. `fill` writes some rows of the steps of one group, row after row.
    /// Those of bfloat16 are one block: C, rounded, cannot be added to.
    ///
    /// # Safety
    /// This machine has AMX.
    pub unsafe fn new<T: Pixel>(
        terms: usize,
        rows: usize,
        [groups, taps]: [usize; 2],
        fill: impl Fn(Range<usize>, usize, &mut [T]) + Sync,
    ) -> Self {
        let (steps, panels, row) = (groups * taps, rows.div_ceil(PANEL), taps * STEP);
        let block = if T::ONE_TERM { steps } else { steps.div_ceil(steps.div_ceil(BLOCK_STEPS[terms - 1])) };
        let buffer = Buffer::uninit(panels * panel_len(terms, steps) * size_of::<u16>());
        let mut weights = Self { buffer, panels, terms, steps, block, seen: Seen::NOTHING };
        let mut seen = vec![Seen::NOTHING; panels * groups];
        let each = Disjoint::new(&mut seen);
        for_each(panels * groups, rows * steps * STEP, |task| {
            let (panel, group) = (task / groups, task % groups);
            let rows = panel * PANEL..((panel + 1) * PANEL).min(rows);
            // SAFETY: the scratch has the rows; each task has steps of its own.
            with_scratch(PANEL * row, |copy: *mut T| unsafe {
                fill(rows.clone(), group, std::slice::from_raw_parts_mut(copy, rows.len() * row));
                for tap in 0..taps {
                    let start = copy.add(tap * STEP).cast_const();
                    let matrix = InPlace { start, outer_stride: row.cast_signed(), k_stride: 1 };
                    let to = weights.step(panel, group * taps + tap).cast_mut();
                    let seen = &mut each.slice(task..task + 1)[0];
                    *seen = seen.and(pack_rows(terms, matrix, rows.len(), [STEP, 1], to, 0));
                }
            });
        });
        weights.seen = seen.into_iter().fold(Seen::NOTHING, Seen::and);
        weights
    }

    /// Where a step of a panel is.
    pub fn step(&self, panel: usize, step: usize) -> *const u16 {
        let block = step / self.block;
        self.panel(panel, block).wrapping_add(panel_len(self.terms, step - block * self.block))
    }

    pub fn blocks(&self) -> usize {
        self.steps.div_ceil(self.block)
    }

    pub fn steps_of(&self, block: usize) -> usize {
        (self.steps - block * self.block).min(self.block)
    }

    /// Where a panel is, over one block of k.
    pub fn panel(&self, panel: usize, block: usize) -> *const u16 {
        let before = block * self.block * self.panels + panel * self.steps_of(block);
        self.buffer.as_ptr().cast::<u16>().wrapping_add(panel_len(self.terms, before))
    }
}
