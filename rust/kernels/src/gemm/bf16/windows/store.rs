//! Sums of windows on their way to C, without those that are no windows.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use std::arch::x86_64::*;

use super::pixel::{Pixel, both_lanes, lower};
use crate::gemm::bf16::pack::{Load, lanes};
use crate::gemm::bf16::{PANEL, TILE};

/// Where the 32 columns of a tile go: those that are kept lie together.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kept {
    /// The columns that are kept, and how many they are.
    pub columns: [u16; PANEL],
    pub count: usize,
    /// The place of the first.
    pub place: usize,
}

/// Brings `rows` rows of sums, 32 each, to C. Adds what C holds, if told so, and one element a row.
///
/// # Safety
/// This machine has AMX; everything named is valid, and C the caller's alone.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi2")]
pub(crate) unsafe fn store_kept<T: Pixel>(
    sums: *const f32,
    rows: usize,
    kept: &Kept,
    c: *mut T,
    c_row: usize,
    accumulate: bool,
    bias: Option<&[f32]>,
) {
    debug_assert!(bias.is_none_or(|bias| bias.len() == rows), "one for each row");
    // SAFETY: by contract; the mask keeps to what is kept.
    unsafe {
        let columns = _mm512_loadu_si512(kept.columns.as_ptr().cast());
        let first = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(columns));
        let second = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(columns));
        let mask = both_lanes(kept.count);
        for row in 0..rows {
            let to = c.wrapping_add(row * c_row + kept.place);
            let low = _mm512_loadu_ps(sums.add(row * PANEL));
            let high = _mm512_loadu_ps(sums.add(row * PANEL + TILE));
            let mut left = _mm512_permutex2var_ps(low, first, high);
            let mut right = _mm512_permutex2var_ps(low, second, high);
            if accumulate {
                left = _mm512_add_ps(<T as Load>::load(to, lower(mask)), left);
                right = _mm512_add_ps(<T as Load>::load(to.wrapping_add(TILE), lower(mask >> TILE)), right);
            }
            if let Some(bias) = bias {
                let bias = _mm512_set1_ps(*bias.get_unchecked(row));
                (left, right) = (_mm512_add_ps(left, bias), _mm512_add_ps(right, bias));
            }
            T::store_both(to, mask, [left, right]);
        }
    }
}

/// Adds the sums of a tile to those of another.
///
/// # Safety
/// As [`store_kept`].
#[target_feature(enable = "avx512f")]
pub(crate) unsafe fn add_tile(sums: *const f32, to: *mut f32) {
    for first in (0..PANEL * PANEL).step_by(TILE) {
        // SAFETY: by contract.
        unsafe {
            let sum = _mm512_add_ps(_mm512_loadu_ps(to.add(first)), _mm512_loadu_ps(sums.add(first)));
            _mm512_storeu_ps(to.add(first), sum);
        }
    }
}

/// Adds `slices` rows of sums, `apart` from each other, in their order. Says whether all are numbers.
///
/// # Safety
/// This machine has AMX; the rows are as long as `to`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi2")]
pub(crate) unsafe fn add_rows<T: Pixel>(sums: *const f32, slices: usize, apart: usize, to: &mut [T]) -> bool {
    let mut nan = 0;
    for first in (0..to.len()).step_by(TILE) {
        let mask = lanes(to.len() - first);
        // SAFETY: by contract; the mask keeps to the row.
        unsafe {
            let from = sums.add(first);
            let mut sum = _mm512_maskz_loadu_ps(mask, from);
            for slice in 1..slices {
                sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, from.add(slice * apart)));
            }
            nan |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(sum, sum);
            T::store(to.as_mut_ptr().add(first), mask, sum);
        }
    }
    nan == 0
}
