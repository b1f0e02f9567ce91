//! Microkernels for AVX2 with FMA: tiles of 6 rows by two registers keep 12 sums, two elements of B and one of A in
//! the 16 registers. Also the register transposes that every x86 table uses.

#[allow(clippy::wildcard_imports, reason = "a macro body names dozens of intrinsics")]
use std::arch::x86_64::*;

use super::microkernel::{Microkernels, Tile, TileFn, Vector, first_lanes, tile};
use super::panel::{Segment, Tap, View, copy, gather, transpose};
use super::plane::{Correlation, Dots, correlate, dots};
use super::sliding::{SlidingFn, SlidingTile, slide};

macro_rules! avx2 {
    ($vector:ident, $elem:ty, $register:ty, $lanes:literal, $mask:ident, $transpose:ident, $table:ident,
     $zero:ident, $splat:ident, $load:ident, $store:ident, $load_masked:ident, $store_masked:ident,
     $add:ident, $fma:ident, $less:ident, $and_not:ident, $or:ident) => {
        #[derive(Clone, Copy)]
        struct $vector($register);

        // SAFETY of every block: the features are on by the contract of `Vector`, and so is the memory valid.
        #[allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
        impl Vector for $vector {
            type Elem = $elem;
            type Mask = __m256i;
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
            unsafe fn mask(bits: u32) -> __m256i {
                unsafe { $mask(bits) }
            }
            #[inline(always)]
            unsafe fn load_masked(from: *const $elem, mask: __m256i) -> Self {
                unsafe { Self($load_masked(from, mask)) }
            }
            #[inline(always)]
            unsafe fn store_masked(self, to: *mut $elem, mask: __m256i) {
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
                unsafe { Self($and_not($less::<_CMP_LT_OQ>(self.0, $zero()), self.0)) }
            }
            #[inline(always)]
            fn prefetch(at: *const $elem) {
                unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
            }
            #[inline(always)]
            unsafe fn or(self, other: Self) -> Self {
                unsafe { Self($or(self.0, other.0)) }
            }
        }

        impl $vector {
            #[target_feature(enable = "avx2,fma,bmi2")]
            unsafe fn tile<const ROWS: usize, const VECS: usize, const DIRECT: bool>(t: &Tile<$elem>) {
                // SAFETY: the features are those of this function; the rest is the caller's contract.
                unsafe { tile::<Self, ROWS, VECS, DIRECT>(t) }
            }
            #[target_feature(enable = "avx2,fma,bmi2")]
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
            #[target_feature(enable = "avx2,fma,bmi2")]
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
            #[target_feature(enable = "avx2,fma,bmi2")]
            unsafe fn correlate(c: &Correlation<'_, $elem>) {
                // SAFETY: as in `tile`.
                unsafe { correlate::<Self>(c) }
            }
            #[target_feature(enable = "avx2,fma,bmi2")]
            unsafe fn dots(d: &Dots<'_, $elem>) {
                // SAFETY: as in `tile`.
                unsafe { dots::<Self>(d) }
            }
            #[target_feature(enable = "avx2,fma,bmi2")]
            unsafe fn slide<const ROWS: usize, const VECS: usize>(t: &SlidingTile<'_, $elem>) {
                // SAFETY: as in `tile`.
                unsafe { slide::<Self, ROWS, VECS>(t) }
            }
            const fn sliding() -> [[SlidingFn<$elem>; 2]; 6] {
                super::sliding::sliding_table!(1 2 3 4 5 6)
            }
            const fn rows<const DIRECT: bool>() -> [[TileFn<$elem>; 2]; 6] {
                super::microkernel::tile_table!(DIRECT; 1 2 3 4 5 6)
            }
        }

        pub(crate) static $table: Microkernels<$elem> = Microkernels {
            rows: 6,
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
avx2!(
    F32x8,
    f32,
    __m256,
    8,
    mask_f32,
    transpose_f32,
    F32,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_maskload_ps,
    _mm256_maskstore_ps,
    _mm256_add_ps,
    _mm256_fmadd_ps,
    _mm256_cmp_ps,
    _mm256_andnot_ps,
    _mm256_or_ps
);
avx2!(
    F64x4,
    f64,
    __m256d,
    4,
    mask_f64,
    transpose_f64,
    F64,
    _mm256_setzero_pd,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_maskload_pd,
    _mm256_maskstore_pd,
    _mm256_add_pd,
    _mm256_fmadd_pd,
    _mm256_cmp_pd,
    _mm256_andnot_pd,
    _mm256_or_pd
);

/// All ones in the lanes whose bit is set.
#[inline(always)]
unsafe fn mask_f32(bits: u32) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe {
        let lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(bits.cast_signed()), lane), lane)
    }
}

/// All ones in the lanes whose bit is set.
#[inline(always)]
unsafe fn mask_f64(bits: u32) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe {
        let lane = _mm256_setr_epi64x(1, 2, 4, 8);
        _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x(i64::from(bits)), lane), lane)
    }
}

/// [`transpose`] in blocks of 8 by 8 held in registers.
#[target_feature(enable = "avx2,fma,bmi2")]
pub(super) unsafe fn transpose_f32(
    src: *const f32,
    outer: usize,
    stride: isize,
    k: usize,
    panel: *mut f32,
    width: usize,
) {
    let whole = k - k % 8;
    // SAFETY: rows past `outer` are not read (they repeat row 0 and are then masked off), steps past `whole` are left
    // to the plain loop, columns past `width` are not stored.
    unsafe {
        for step in (0..whole).step_by(8) {
            for column in (0..width).step_by(8) {
                let rows = outer.saturating_sub(column).min(8);
                let row =
                    |o: usize| _mm256_loadu_ps(src.offset((column + o).cast_signed() * stride + step.cast_signed()));
                let mut r = [_mm256_setzero_ps(); 8];
                // Every load spelled out: a loop of variable length would keep the rows out of registers.
                if rows == 8 {
                    r = [row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)];
                } else {
                    macro_rules! load {
                        ($($o:literal)*) => {
                            $(if $o < rows {
                                r[$o] = row($o);
                            })*
                        };
                    }
                    load!(0 1 2 3 4 5 6);
                }
                transpose_8x8(&mut r);
                let to = panel.add(step * width + column);
                if width - column >= 8 {
                    for (s, row) in r.iter().enumerate() {
                        _mm256_storeu_ps(to.add(s * width), *row);
                    }
                } else {
                    let mask = mask_f32(first_lanes(width - column));
                    for (s, row) in r.iter().enumerate() {
                        _mm256_maskstore_ps(to.add(s * width), mask, *row);
                    }
                }
            }
        }
        transpose(src.add(whole), outer, stride, k - whole, panel.add(whole * width), width);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,bmi2")]
fn transpose_8x8(r: &mut [__m256; 8]) {
    let mut t = [_mm256_setzero_ps(); 8];
    for i in 0..4 {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    let mut s = [_mm256_setzero_ps(); 8];
    for i in 0..2 {
        s[4 * i] = _mm256_shuffle_ps::<0x44>(t[4 * i], t[4 * i + 2]);
        s[4 * i + 1] = _mm256_shuffle_ps::<0xEE>(t[4 * i], t[4 * i + 2]);
        s[4 * i + 2] = _mm256_shuffle_ps::<0x44>(t[4 * i + 1], t[4 * i + 3]);
        s[4 * i + 3] = _mm256_shuffle_ps::<0xEE>(t[4 * i + 1], t[4 * i + 3]);
    }
    for i in 0..4 {
        r[i] = _mm256_permute2f128_ps::<0x20>(s[i], s[i + 4]);
        r[i + 4] = _mm256_permute2f128_ps::<0x31>(s[i], s[i + 4]);
    }
}

/// [`transpose`] in blocks of 4 by 4 held in registers.
#[target_feature(enable = "avx2,fma,bmi2")]
pub(super) unsafe fn transpose_f64(
    src: *const f64,
    outer: usize,
    stride: isize,
    k: usize,
    panel: *mut f64,
    width: usize,
) {
    let whole = k - k % 4;
    // SAFETY: as in `transpose_f32`.
    unsafe {
        for step in (0..whole).step_by(4) {
            for column in (0..width).step_by(4) {
                let rows = outer.saturating_sub(column).min(4);
                let row =
                    |o: usize| _mm256_loadu_pd(src.offset((column + o).cast_signed() * stride + step.cast_signed()));
                let zero = _mm256_setzero_pd();
                let r: [__m256d; 4] = [
                    if rows > 0 { row(0) } else { zero },
                    if rows > 1 { row(1) } else { zero },
                    if rows > 2 { row(2) } else { zero },
                    if rows > 3 { row(3) } else { zero },
                ];
                let (a, b) = (_mm256_unpacklo_pd(r[0], r[1]), _mm256_unpackhi_pd(r[0], r[1]));
                let (c, d) = (_mm256_unpacklo_pd(r[2], r[3]), _mm256_unpackhi_pd(r[2], r[3]));
                let out = [
                    _mm256_permute2f128_pd::<0x20>(a, c),
                    _mm256_permute2f128_pd::<0x20>(b, d),
                    _mm256_permute2f128_pd::<0x31>(a, c),
                    _mm256_permute2f128_pd::<0x31>(b, d),
                ];
                let to = panel.add(step * width + column);
                let mask = mask_f64(first_lanes(width - column));
                for (s, row) in out.iter().enumerate() {
                    _mm256_maskstore_pd(to.add(s * width), mask, *row);
                }
            }
        }
        transpose(src.add(whole), outer, stride, k - whole, panel.add(whole * width), width);
    }
}
