//! What images are made of, element by element: loads, terms and stores.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use std::arch::x86_64::*;

use crate::gemm::bf16::pack::{Extremes, Load, lanes, split};
use crate::gemm::bf16::{PANEL, TILE, Unit};
use crate::gemm::microkernel::first_lanes;
use crate::gemm::precision;
use crate::memory::Pod;

/// What images are made of: float32, or the bits of bfloat16.
pub(crate) trait Pixel: Load + Pod {
    const ZERO: Self;
    /// Terms that a number is split into, if this machine multiplies them and the setting speaks for them.
    fn terms() -> Option<usize>;
    /// The 16 elements that are `step` apart.
    unsafe fn load_apart(from: *const Self, step: isize, mask: __mmask16) -> __m512;
    /// Copies them to neighbours, with zeros where the mask has none.
    unsafe fn copy(from: *const Self, step: isize, mask: __mmask16, to: *mut Self);
    /// The 32 neighbours' terms in their order, of the first `count`; zeros behind.
    unsafe fn neighbours<const TERMS: usize>(from: *const Self, count: usize, seen: &mut Extremes) -> [__m512i; TERMS];
    /// Stores 16 neighbours, rounded once.
    unsafe fn store(to: *mut Self, mask: __mmask16, x: __m512);
    /// Stores 32 neighbours.
    unsafe fn store_both(to: *mut Self, mask: __mmask32, x: [__m512; 2]);
}

impl Pixel for f32 {
    const ZERO: f32 = 0.0;

    fn terms() -> Option<usize> {
        precision::terms()
    }

    #[inline(always)]
    unsafe fn load_apart(from: *const f32, step: isize, mask: __mmask16) -> __m512 {
        // SAFETY: by contract, the lanes of the mask are valid.
        unsafe {
            if step == 1 {
                return _mm512_maskz_loadu_ps(mask, from);
            }
            #[allow(clippy::cast_possible_truncation, reason = "who lays planes out refuses longer steps")]
            let places = _mm512_mullo_epi32(
                _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                _mm512_set1_epi32(step as i32),
            );
            _mm512_mask_i32gather_ps::<4>(_mm512_setzero_ps(), mask, places, from)
        }
    }

    #[inline(always)]
    unsafe fn copy(from: *const f32, step: isize, mask: __mmask16, to: *mut f32) {
        // SAFETY: by contract.
        unsafe { _mm512_storeu_ps(to, Self::load_apart(from, step, mask)) }
    }

    #[inline(always)]
    unsafe fn neighbours<const TERMS: usize>(from: *const f32, count: usize, seen: &mut Extremes) -> [__m512i; TERMS] {
        // SAFETY: by contract; both types are 64 bytes of bits.
        unsafe {
            let low = _mm512_maskz_loadu_ps(lanes(count), from);
            let high = _mm512_maskz_loadu_ps(lanes(count.saturating_sub(TILE)), from.wrapping_add(TILE));
            if TERMS == 1 {
                let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
                return [both; TERMS];
            }
            seen.see(low);
            seen.see(high);
            // The odd words of both.
            let index: [u16; 32] = const {
                let mut index = [0; 32];
                let mut i = 0;
                while i < 32 {
                    index[i as usize] = 2 * i + 1;
                    i += 1;
                }
                index
            };
            let index = _mm512_loadu_si512(index.as_ptr().cast());
            let (low, high) = (split::<TERMS>(low), split::<TERMS>(high));
            std::array::from_fn(|t| _mm512_permutex2var_epi16(low[t], index, high[t]))
        }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, mask: __mmask16, x: __m512) {
        // SAFETY: by contract.
        unsafe { _mm512_mask_storeu_ps(to, mask, x) }
    }

    #[inline(always)]
    unsafe fn store_both(to: *mut f32, mask: __mmask32, [low, high]: [__m512; 2]) {
        // SAFETY: by contract.
        unsafe {
            _mm512_mask_storeu_ps(to, lower(mask), low);
            _mm512_mask_storeu_ps(to.wrapping_add(TILE), lower(mask >> TILE), high);
        }
    }
}

impl Pixel for u16 {
    const ZERO: u16 = 0;

    fn terms() -> Option<usize> {
        Unit::available().map(|_| 1)
    }

    #[inline(always)]
    unsafe fn load_apart(from: *const u16, step: isize, mask: __mmask16) -> __m512 {
        // SAFETY: by contract, the lanes of the mask are valid.
        unsafe {
            if step == 2 {
                let even = _pdep_u32(u32::from(mask), 0x5555_5555);
                let bits = _mm512_maskz_loadu_epi16(even, from.cast());
                return _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits));
            }
            if step == 1 {
                return <Self as Load>::load(from, mask);
            }
            let mut all = [0; TILE];
            for (lane, x) in all.iter_mut().enumerate().take(mask.count_ones() as usize) {
                *x = *from.wrapping_offset(lane.cast_signed() * step);
            }
            <Self as Load>::load(all.as_ptr(), !0)
        }
    }

    #[inline(always)]
    unsafe fn copy(from: *const u16, step: isize, mask: __mmask16, to: *mut u16) {
        // SAFETY: by contract.
        unsafe {
            let bits = _mm512_castps_si512(Self::load_apart(from, step, mask));
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(bits)));
        }
    }

    #[inline(always)]
    unsafe fn neighbours<const TERMS: usize>(from: *const u16, count: usize, _: &mut Extremes) -> [__m512i; TERMS] {
        // SAFETY: by contract.
        unsafe { [_mm512_maskz_loadu_epi16(both_lanes(count), from.cast()); TERMS] }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u16, mask: __mmask16, x: __m512) {
        // SAFETY: by contract; both types are 32 bytes of bits.
        unsafe {
            let bits = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(x));
            _mm256_mask_storeu_epi16(to.cast(), mask, bits);
        }
    }

    #[inline(always)]
    unsafe fn store_both(to: *mut u16, mask: __mmask32, [low, high]: [__m512; 2]) {
        // SAFETY: by contract; both types are 64 bytes of bits.
        unsafe {
            let bits = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
            _mm512_mask_storeu_epi16(to.cast(), mask, bits);
        }
    }
}

/// The first of 32 lanes.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "32 lanes, 32 bits")]
pub(super) fn both_lanes(count: usize) -> __mmask32 {
    first_lanes(count.min(PANEL)) as __mmask32
}

/// The first sixteen lanes.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the others are left out")]
pub(super) fn lower(mask: __mmask32) -> __mmask16 {
    mask as __mmask16
}
