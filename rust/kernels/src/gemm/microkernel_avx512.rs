//! Microkernels for AVX-512: tiles of 14 rows by two registers keep 28 sums, two elements of B and one of A in the 32
//! registers.

#[allow(clippy::wildcard_imports, reason = "a macro body names dozens of intrinsics")]
use std::arch::x86_64::*;

use super::microkernel::{Microkernels, Tile, TileFn, Vector, first_lanes, tile};
use super::panel::{Segment, Tap, View, copy, gather};
use super::plane::{Correlation, Dots, correlate, dots};
use super::sliding::{SlidingFn, SlidingTile, slide};

macro_rules! avx512 {
    ($vector:ident, $elem:ty, $register:ty, $lanes:literal, $mask:ty, $transpose:ident, $table:ident,
     $zero:ident, $splat:ident, $load:ident, $store:ident, $load_masked:ident, $store_masked:ident,
     $add:ident, $fma:ident, $less:ident, $less_op:ident, $blend:ident, $cast:ident, $back:ident, $apart:ident) => {
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
            #[allow(clippy::cast_possible_truncation, reason = "a bit a lane")]
            unsafe fn load_apart(from: *const $elem, step: isize, bits: u32) -> Self {
                unsafe { Self($apart(from, step, bits as $mask)) }
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
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
            unsafe fn correlate(c: &Correlation<'_, $elem>) {
                // SAFETY: as in `tile`.
                unsafe { correlate::<Self>(c) }
            }
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
            unsafe fn dots(d: &Dots<'_, $elem>) {
                // SAFETY: as in `tile`.
                unsafe { dots::<Self>(d) }
            }
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
            unsafe fn slide<const ROWS: usize, const VECS: usize>(t: &SlidingTile<'_, $elem>) {
                // SAFETY: as in `tile`.
                unsafe { slide::<Self, ROWS, VECS>(t) }
            }
            const fn sliding() -> [[SlidingFn<$elem>; 2]; 14] {
                super::sliding::sliding_table!(1 2 3 4 5 6 7 8 9 10 11 12 13 14)
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
            correlate: $vector::correlate,
            dots: $vector::dots,
            sliding: Some(&const { $vector::sliding() }),
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
    _mm512_castsi512_ps,
    apart_f32
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
    _mm512_castsi512_pd,
    apart_f64
);

/// Elements that are `step` apart, where the mask has a bit. Every second one is shuffled out of two registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
#[allow(clippy::cast_possible_truncation, reason = "bits of lanes; places below 2^63")]
unsafe fn apart_f32(from: *const f32, step: isize, mask: __mmask16) -> __m512 {
    // SAFETY: the caller's: the lanes of the mask are valid.
    unsafe {
        if step == 2 {
            let pairs = _pdep_u32(u32::from(mask), 0x5555_5555);
            let low = _mm512_maskz_loadu_ps(pairs as u16, from);
            let high = _mm512_maskz_loadu_ps((pairs >> 16) as u16, from.wrapping_add(16));
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            return _mm512_permutex2var_ps(low, even, high);
        }
        let steps = _mm512_set1_epi64(step as i64);
        let places = |first: i64| {
            let lanes = _mm512_add_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), _mm512_set1_epi64(first));
            _mm512_mullo_epi64(lanes, steps)
        };
        let zero = _mm256_setzero_ps();
        let low = _mm512_mask_i64gather_ps::<4>(zero, mask as u8, places(0), from);
        let high = _mm512_mask_i64gather_ps::<4>(zero, (mask >> 8) as u8, places(8), from);
        _mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high)
    }
}

/// As [`apart_f32`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
unsafe fn apart_f64(from: *const f64, step: isize, mask: __mmask8) -> __m512d {
    let places = _mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), _mm512_set1_epi64(step as i64));
    // SAFETY: as above.
    unsafe { _mm512_mask_i64gather_pd::<8>(_mm512_setzero_pd(), mask, places, from) }
}

/// [`transpose`](super::panel::transpose) in blocks of one cache line from each of as many rows as a register has
/// lanes. Four rows meet in one register as its 128-bit parts, which takes no shuffle when they come from memory; what
/// is left is a transpose inside each part.
macro_rules! transpose {
    ($name:ident, $block:ident, $elem:ty, $part:literal, $mask:ty, $load_part:ident, $load_part_masked:ident,
     $wide:ident, $insert:ident, $zero:ident, $inside:ident, $only:ident, $store_masked:ident) => {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
        unsafe fn $name(src: *const $elem, outer: usize, stride: isize, k: usize, panel: *mut $elem, width: usize) {
            const LANES: usize = 4 * $part;
            let whole = k - k % LANES;
            for column in (0..width).step_by(LANES) {
                // SAFETY: by contract there are `outer` rows; a block keeps to them, to the steps it is told, and to the
                // columns of the panel.
                unsafe {
                    for step in (0..whole).step_by(LANES) {
                        $block::<true>(src, outer, stride, step, LANES, column, panel, width);
                    }
                    if whole < k {
                        $block::<false>(src, outer, stride, whole, k - whole, column, panel, width);
                    }
                }
            }
        }

        #[allow(clippy::too_many_arguments, reason = "one private step of the above")]
        #[allow(clippy::cast_possible_truncation, reason = "a bit a lane")]
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
        unsafe fn $block<const WHOLE: bool>(
            src: *const $elem,
            outer: usize,
            stride: isize,
            step: usize,
            steps: usize,
            column: usize,
            panel: *mut $elem,
            width: usize,
        ) {
            const LANES: usize = 4 * $part;
            let stored = first_lanes((width - column).min(LANES)) as $mask;
            let filled = first_lanes(outer.saturating_sub(column).min(LANES)) as $mask;
            // SAFETY: rows that the panel lacks are read from the last and become zeros.
            unsafe {
                let part = |lane: usize, i: usize, q: usize| {
                    let row = (column + lane * $part + i).min(outer - 1);
                    let from = src.offset(row.cast_signed() * stride).add(step);
                    if WHOLE {
                        $load_part(from.add(q * $part))
                    } else {
                        let left = steps.saturating_sub(q * $part).min($part);
                        $load_part_masked(first_lanes(left) as u8, from.wrapping_add(q * $part))
                    }
                };
                let mut rows = [[$zero(); $part]; 4];
                for i in 0..$part {
                    for q in 0..4 {
                        let x = $wide(part(0, i, q));
                        let x = $insert::<1>(x, part(1, i, q));
                        let x = $insert::<2>(x, part(2, i, q));
                        rows[q][i] = $insert::<3>(x, part(3, i, q));
                    }
                }
                for q in 0..4 {
                    for (s, x) in $inside(rows[q]).into_iter().enumerate() {
                        let s = q * $part + s;
                        if WHOLE || s < steps {
                            $store_masked(panel.add((step + s) * width + column), stored, $only(filled, x));
                        }
                    }
                }
            }
        }
    };
}
transpose!(
    transpose_f32,
    block_f32,
    f32,
    4,
    __mmask16,
    _mm_loadu_ps,
    _mm_maskz_loadu_ps,
    _mm512_castps128_ps512,
    _mm512_insertf32x4,
    _mm512_setzero_ps,
    inside_f32,
    _mm512_maskz_mov_ps,
    _mm512_mask_storeu_ps
);
transpose!(
    transpose_f64,
    block_f64,
    f64,
    2,
    __mmask8,
    _mm_loadu_pd,
    _mm_maskz_loadu_pd,
    _mm512_castpd128_pd512,
    _mm512_insertf64x2,
    _mm512_setzero_pd,
    inside_f64,
    _mm512_maskz_mov_pd,
    _mm512_mask_storeu_pd
);

#[inline]
#[target_feature(enable = "avx512f")]
fn inside_f32([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
    let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
    let (ab_high, cd_high) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
    let (ab_high, cd_high) = (_mm512_castps_pd(ab_high), _mm512_castps_pd(cd_high));
    [
        _mm512_unpacklo_pd(ab, cd),
        _mm512_unpackhi_pd(ab, cd),
        _mm512_unpacklo_pd(ab_high, cd_high),
        _mm512_unpackhi_pd(ab_high, cd_high),
    ]
    .map(|x| _mm512_castpd_ps(x))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn inside_f64([a, b]: [__m512d; 2]) -> [__m512d; 2] {
    [_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)]
}
