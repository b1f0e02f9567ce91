//! Microkernels for AVX-512: tiles of 14 rows by two registers keep 28 sums, two elements of B and one of A in the 32
//! registers.

#[allow(clippy::wildcard_imports, reason = "a macro body names dozens of intrinsics")]
use std::arch::x86_64::*;

use super::microkernel::{Microkernels, Tile, TileFn, Vector, tile};
use super::microkernel_avx2::{transpose_f32, transpose_f64};
use super::panel::{Segment, Tap, View, copy, gather};

macro_rules! avx512 {
    ($vector:ident, $elem:ty, $register:ty, $lanes:literal, $mask:ty, $transpose:ident, $table:ident,
     $zero:ident, $splat:ident, $load:ident, $store:ident, $load_masked:ident, $store_masked:ident,
     $add:ident, $fma:ident, $less:ident, $less_op:ident, $blend:ident, $cast:ident, $back:ident) => {
        #[derive(Clone, Copy)]
        struct $vector($register);

        // SAFETY of every block: the features are on by the contract of `Vector`, and so is the memory valid.
        #[allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
        impl Vector for $vector {
            type Elem = $elem;
            type Mask = $mask;
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn zero() -> Self {
                unsafe { Self($zero()) }
            }
            #[inline(always)]
            unsafe fn splat(x: $elem) -> Self {
                unsafe { Self($splat(x)) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $elem) -> Self {
                unsafe { Self($load(from)) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $elem) {
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "a bit a lane")]
            unsafe fn mask(bits: u32) -> $mask {
                bits as $mask
            }
            #[inline(always)]
            unsafe fn load_masked(from: *const $elem, mask: $mask) -> Self {
                unsafe { Self($load_masked(mask, from)) }
            }
            #[inline(always)]
            unsafe fn store_masked(self, to: *mut $elem, mask: $mask) {
                unsafe { $store_masked(to, mask, self.0) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                unsafe { Self($add(self.0, other.0)) }
            }
            #[inline(always)]
            unsafe fn fma(self, b: Self, c: Self) -> Self {
                unsafe { Self($fma(self.0, b.0, c.0)) }
            }
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                unsafe { Self($blend($less::<_CMP_LT_OQ>(self.0, $zero()), self.0, $zero())) }
            }
            #[inline(always)]
            fn prefetch(at: *const $elem) {
                unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
            }
            #[inline(always)]
            unsafe fn or(self, other: Self) -> Self {
                unsafe { Self($back(_mm512_or_si512($cast(self.0), $cast(other.0)))) }
            }
        }

        impl $vector {
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
            unsafe fn tile<const ROWS: usize, const VECS: usize, const DIRECT: bool>(t: &Tile<$elem>) {
                // SAFETY: the features are those of this function; the rest is the caller's contract.
                unsafe { tile::<Self, ROWS, VECS, DIRECT>(t) }
            }
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
            unsafe fn copy(
                src: *const $elem,
                outer: usize,
                stride: isize,
                k: usize,
                panel: *mut $elem,
                width: usize,
            ) {
                // SAFETY: as in `tile`.
                unsafe { copy::<Self>(src, outer, stride, k, panel, width) }
            }
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
            unsafe fn gather(
                src: *const $elem,
                view: &View,
                segments: &[Segment],
                taps: &[Tap],
                panel: *mut $elem,
                width: usize,
            ) {
                // SAFETY: as in `tile`.
                unsafe { gather::<Self>(src, view, segments, taps, panel, width) }
            }
            const fn rows<const DIRECT: bool>() -> [[TileFn<$elem>; 2]; 14] {
                super::microkernel::tile_table!(DIRECT; 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
            }
        }

        pub(crate) static $table: Microkernels<$elem> = Microkernels {
            rows: 14,
            cols: 2 * $lanes,
            packed: &const { $vector::rows::<false>() },
            direct: &const { $vector::rows::<true>() },
            transpose: $transpose,
            copy: $vector::copy,
            gather: $vector::gather,
        };
    };
}
avx512!(
    F32x16,
    f32,
    __m512,
    16,
    __mmask16,
    transpose_f32,
    F32,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps,
    _mm512_add_ps,
    _mm512_fmadd_ps,
    _mm512_cmp_ps_mask,
    _CMP_LT_OQ,
    _mm512_mask_blend_ps,
    _mm512_castps_si512,
    _mm512_castsi512_ps
);
avx512!(
    F64x8,
    f64,
    __m512d,
    8,
    __mmask8,
    transpose_f64,
    F64,
    _mm512_setzero_pd,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_maskz_loadu_pd,
    _mm512_mask_storeu_pd,
    _mm512_add_pd,
    _mm512_fmadd_pd,
    _mm512_cmp_pd_mask,
    _CMP_LT_OQ,
    _mm512_mask_blend_pd,
    _mm512_castpd_si512,
    _mm512_castsi512_pd
);
