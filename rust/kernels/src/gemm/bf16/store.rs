//! Bringing a tile's sums to C: added to what it holds, then the epilogue.

#[allow(clippy::wildcard_imports, reason = "a dozen intrinsics")]
use std::arch::x86_64::*;

use super::{PANEL, Rounded, Sums, TILE};
use crate::gemm::epilogue::{Activation, Bias, Epilogue};
use crate::gemm::microkernel::first_lanes;
use crate::gemm::target::Part;

/// Stores sums where the rows of C lie together; in `rounded` instead, if given.
///
/// # Safety
/// The CPU has AVX-512 with BW, VL and BF16; the part, or where it is rounded, holds the tile and is the caller's alone.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn together(
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
