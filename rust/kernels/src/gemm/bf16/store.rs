//! Multiplying a tile, and bringing its sums to C: added to what it holds, then the epilogue.

#[allow(clippy::wildcard_imports, reason = "a dozen intrinsics")]
use std::arch::x86_64::*;
use std::ops::Range;

use super::pack::lanes;
use super::{MicroTile, Operand, PANEL, Rounded, TILE, TermProduct};
use crate::gemm::driver::Product;
use crate::gemm::epilogue::{Activation, Bias, Epilogue};
use crate::gemm::microkernel::first_lanes;
use crate::gemm::pack::Window;
use crate::gemm::target::{Part, Target};
use crate::isa::prefetch_to_write;

/// Where the sums of one block of k go.
#[derive(Clone, Copy)]
pub(super) struct Store {
    pub c: Target<f32>,
    /// Add to what C holds.
    pub accumulate: bool,
    /// It is the last block: apply the epilogue.
    pub finish: bool,
    /// Where the last block brings C instead.
    pub rounded: Option<Rounded>,
}

impl Store {
    /// Runs the microkernel on the last steps of a block, which `tile` brings to a stack: to C itself if the tile is
    /// whole, the first and its rows lie together, else on that stack, to be finished later. So blocks are summed apart,
    /// and no small product meets the large sums of the blocks before.
    pub unsafe fn multiply(
        &self,
        p: &TermProduct<'_>,
        tile: &MicroTile,
        rows: Range<usize>,
        cols: Range<usize>,
    ) -> Option<Sums> {
        let part = self.c.part(rows.start, cols.start);
        let whole = rows.len().is_multiple_of(TILE) && cols.len().is_multiple_of(TILE);
        let plain = !self.finish || p.epilogue.is_none();
        let direct = whole && part.run >= cols.len() && plain && !self.accumulate && self.rounded.is_none();
        let (c, c_row) = if direct { (part.start, part.row_stride) } else { (tile.c, tile.c_row) };
        // SAFETY: the elements of C are this task's; the stack holds a tile.
        unsafe { p.microkernel(&rows, &cols)(&MicroTile { c, c_row, ..*tile }) };
        (!direct).then_some(Sums { stack: tile.c, rows, cols })
    }

    /// Brings the lines of a tile near, as [`Target::prefetch`].
    pub fn prefetch(&self, rows: Range<usize>, cols: &Range<usize>) {
        match self.rounded {
            // A tile's row is one line, or two.
            Some(rounded) => rows.for_each(|row| prefetch_to_write(rounded.at(row, cols.start))),
            None => self.c.prefetch(rows, cols),
        }
    }

    /// Brings sums from the stack to C.
    #[inline]
    pub unsafe fn finish(&self, p: &TermProduct<'_>, sums: &Sums) {
        let part = self.c.part(sums.rows.start, sums.cols.start);
        let mut accumulate = self.accumulate;
        let epilogue = if self.finish { p.epilogue.in_registers() } else { Epilogue::default() };
        if let Some(epilogue) = p.epilogue.afterwards().filter(|_| self.finish) {
            // SAFETY: as below.
            unsafe {
                for (r, row) in sums.rows.clone().enumerate().filter(|_| accumulate) {
                    for (j, col) in sums.cols.clone().enumerate() {
                        let sum = sums.stack.add(r * PANEL + j);
                        *sum += *self.c.at(row, col);
                    }
                }
                epilogue.finish(sums.stack, PANEL, sums.rows.clone(), sums.cols.clone());
            }
            accumulate = false;
        }
        if part.run >= sums.cols.len() {
            // SAFETY: the elements of C are this task's; either unit implies the features.
            return unsafe { together(sums, part, self.rounded, accumulate, &epilogue) };
        }
        for (r, row) in sums.rows.clone().enumerate() {
            for (j, col) in sums.cols.clone().enumerate() {
                // SAFETY: an element of C, which is this task's, and of the stack.
                unsafe {
                    let (c, sum) = (self.c.at(row, col), *sums.stack.add(r * PANEL + j));
                    *c = epilogue.apply(if accumulate { *c + sum } else { sum }, row, col);
                }
            }
        }
    }

    /// The same in float32 multiply-adds.
    #[cold]
    pub unsafe fn fall_back(&self, p: &TermProduct<'_>, rows: Range<usize>, cols: &Range<usize>, k: &Range<usize>) {
        let (Operand::Float32(a), Operand::Float32(b)) = (p.a, p.b) else {
            unreachable!("single terms never fall back")
        };
        let window = |source, outer| Window { source, outer, k: k.start };
        let (a, b) = (window(a, rows.start), window(b, cols.start));
        let product = Product {
            m: rows.len(),
            n: cols.len(),
            k: k.len(),
            a: &a,
            b: &b,
            c: self.c.window(rows.start, cols.start),
            accumulate: self.accumulate,
            epilogue: if self.finish { p.epilogue.window(&rows, cols) } else { Epilogue::default() },
            stream_b: false,
        };
        // SAFETY: passed on.
        unsafe { product.run_fma(true) }
    }
}

/// Where a tile waits on its way to C.
#[repr(align(64))]
#[expect(dead_code, reason = "room, read through pointers")]
pub(super) struct Stack([f32; PANEL * PANEL]);

/// The sums of a tile, in rows of [`PANEL`].
pub(super) struct Sums {
    pub stack: *mut f32,
    pub rows: Range<usize>,
    pub cols: Range<usize>,
}

/// Stores sums where the rows of C lie together; in `rounded` instead, if given.
///
/// # Safety
/// The CPU has AVX-512 with BW, VL and BF16; the part, or where it is rounded, holds the tile and is the caller's alone.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn together(
    sums: &Sums,
    part: Part<f32>,
    rounded: Option<Rounded>,
    accumulate: bool,
    epilogue: &Epilogue<'_, f32>,
) {
    let Sums { stack, rows, cols } = sums;
    let masks: [__mmask16; 2] = std::array::from_fn(|half| {
        #[allow(clippy::cast_possible_truncation, reason = "16 lanes, 16 bits")]
        let lanes = first_lanes(cols.len().saturating_sub(half * TILE).min(TILE)) as __mmask16;
        lanes
    });
    // SAFETY: masks and rows keep to the part, to the stack, and to the bias, which `Epilogue::check` measured.
    unsafe {
        let zero = _mm512_setzero_ps();
        let bias = masks.map(|_| zero);
        let mut bias = match epilogue.bias {
            Bias::PerColumn(bias) => std::array::from_fn(|half| {
                _mm512_maskz_loadu_ps(masks[half], bias.as_ptr().wrapping_add(cols.start + half * TILE))
            }),
            _ => bias,
        };
        for (r, row) in rows.clone().enumerate() {
            if let Bias::PerRow(rows) = epilogue.bias {
                bias = [_mm512_set1_ps(rows[row]); 2];
            }
            for half in 0..2 {
                let c = part.start.wrapping_add(r * part.row_stride + half * TILE);
                let mut x = _mm512_load_ps(stack.add(r * PANEL + half * TILE));
                if accumulate {
                    x = _mm512_add_ps(_mm512_maskz_loadu_ps(masks[half], c), x);
                }
                if !matches!(epilogue.bias, Bias::None) {
                    x = _mm512_add_ps(x, bias[half]);
                }
                if epilogue.activation == Activation::Relu {
                    x = _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, zero), zero);
                }
                if let Some(rounded) = rounded {
                    let halves = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(x));
                    _mm256_mask_storeu_epi16(rounded.at(row, cols.start + half * TILE).cast(), masks[half], halves);
                } else {
                    _mm512_mask_storeu_ps(c, masks[half], x);
                }
            }
        }
    }
}

/// Stores `cols` sums of each row that is not left out, or adds them to C.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn bring(
    sums: *const f32,
    rows: usize,
    cols: usize,
    left_out: u32,
    c: *mut f32,
    c_row: usize,
    accumulate: bool,
) {
    for row in (0..rows).filter(|row| left_out >> row & 1 == 0) {
        for first in (0..cols).step_by(TILE) {
            let mask = lanes(cols - first);
            // SAFETY: by contract; the mask keeps to the columns.
            unsafe {
                let to = c.wrapping_add(row * c_row + first);
                let mut x = _mm512_loadu_ps(sums.add(row * PANEL + first));
                if accumulate {
                    x = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, to), x);
                }
                _mm512_mask_storeu_ps(to, mask, x);
            }
        }
    }
}
