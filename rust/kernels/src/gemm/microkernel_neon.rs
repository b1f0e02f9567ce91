//! Microkernels for NEON: tiles of 8 rows by two registers. Rows multiply by one lane of a register that holds four
//! rows of A, which NEON does without a broadcast.

#[allow(clippy::wildcard_imports, reason = "a macro body names dozens of intrinsics")]
use std::arch::aarch64::*;

use super::microkernel::{Microkernels, Tile, TileFn, Vector, for_rows, tile};
use super::panel::{Segment, Tap, View, copy, gather, transpose};
use super::plane::{Correlation, Dots, correlate, dots};

macro_rules! neon {
    ($vector:ident, $elem:ty, $register:ty, $lanes:literal, $table:ident,
     $splat:ident, $load:ident, $store:ident, $add:ident, $fma:ident, $less:ident, $select:ident,
     |$acc:ident, $a:ident, $b:ident| { $($lane:literal => $fma_lane:expr),* }) => {
        #[derive(Clone, Copy)]
        struct $vector($register);

        // SAFETY of every block: NEON is part of the target's baseline; the memory is valid by the contract of `Vector`.
        #[allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
        #[allow(unused_unsafe, reason = "intrinsics without pointers are safe where NEON is the baseline")]
        impl Vector for $vector {
            type Elem = $elem;
            type Mask = u32;
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn zero() -> Self {
                unsafe { Self($splat(0.0)) }
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
            unsafe fn mask(bits: u32) -> u32 {
                bits
            }
            #[inline(always)]
            unsafe fn load_masked(from: *const $elem, mask: u32) -> Self {
                let mut lanes = [0.0; $lanes];
                for (l, lane) in lanes.iter_mut().enumerate() {
                    if mask >> l & 1 == 1 {
                        *lane = unsafe { *from.wrapping_add(l) };
                    }
                }
                unsafe { Self($load(lanes.as_ptr())) }
            }
            #[inline(always)]
            unsafe fn store_masked(self, to: *mut $elem, mask: u32) {
                let mut lanes = [0.0; $lanes];
                unsafe { $store(lanes.as_mut_ptr(), self.0) }
                for (l, lane) in lanes.into_iter().enumerate() {
                    if mask >> l & 1 == 1 {
                        unsafe { *to.wrapping_add(l) = lane }
                    }
                }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                unsafe { Self($add(self.0, other.0)) }
            }
            #[inline(always)]
            unsafe fn fma(self, b: Self, c: Self) -> Self {
                unsafe { Self($fma(c.0, self.0, b.0)) }
            }
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                unsafe { Self($select($less(self.0, $splat(0.0)), $splat(0.0), self.0)) }
            }
            #[inline(always)]
            unsafe fn or(self, other: Self) -> Self {
                // Lanes that are not set are positive zeros.
                unsafe { Self($add(self.0, other.0)) }
            }
            #[inline(always)]
            unsafe fn rank_one<const ROWS: usize, const VECS: usize>(
                acc: &mut [[Self; VECS]; ROWS],
                a: *const $elem,
                step: isize,
                b: [Self; VECS],
            ) {
                let whole = if step == 1 { ROWS - ROWS % $lanes } else { 0 };
                unsafe {
                    let mut rows = Self::zero().0;
                    for_rows!(r in ROWS {
                        if r < whole {
                            if r % $lanes == 0 {
                                rows = $load(a.add(r));
                            }
                            let $a = rows;
                            for v in 0..VECS {
                                let ($acc, $b) = (acc[r][v].0, b[v].0);
                                acc[r][v] = Self(match r % $lanes { $($lane => $fma_lane,)* _ => $acc });
                            }
                        } else {
                            let x = Self::splat(*a.offset(r.cast_signed() * step));
                            for v in 0..VECS {
                                acc[r][v] = x.fma(b[v], acc[r][v]);
                            }
                        }
                    });
                }
            }
        }

        impl $vector {
            unsafe fn tile<const ROWS: usize, const VECS: usize, const DIRECT: bool>(t: &Tile<$elem>) {
                // SAFETY: NEON is always there; the rest is the caller's contract.
                unsafe { tile::<Self, ROWS, VECS, DIRECT>(t) }
            }
            unsafe fn copy(src: *const $elem, outer: usize, stride: isize, k: usize, panel: *mut $elem, width: usize) {
                // SAFETY: as in `tile`.
                unsafe { copy::<Self>(src, outer, stride, k, panel, width) }
            }
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
            unsafe fn correlate(c: &Correlation<'_, $elem>) {
                // SAFETY: as in `tile`.
                unsafe { correlate::<Self>(c) }
            }
            unsafe fn dots(d: &Dots<'_, $elem>) {
                // SAFETY: as in `tile`.
                unsafe { dots::<Self>(d) }
            }
            const fn rows<const DIRECT: bool>() -> [[TileFn<$elem>; 2]; 8] {
                super::microkernel::tile_table!(DIRECT; 1 2 3 4 5 6 7 8)
            }
        }

        pub(crate) static $table: Microkernels<$elem> = Microkernels {
            rows: 8,
            cols: 2 * $lanes,
            packed: &const { $vector::rows::<false>() },
            direct: &const { $vector::rows::<true>() },
            transpose: transpose::<$elem>,
            copy: $vector::copy,
            gather: $vector::gather,
            correlate: $vector::correlate,
            dots: $vector::dots,
        };
    };
}
neon!(
    F32x4, f32, float32x4_t, 4, F32,
    vdupq_n_f32, vld1q_f32, vst1q_f32, vaddq_f32, vfmaq_f32, vcltq_f32, vbslq_f32,
    |acc, a, b| {
        0 => vfmaq_laneq_f32::<0>(acc, b, a),
        1 => vfmaq_laneq_f32::<1>(acc, b, a),
        2 => vfmaq_laneq_f32::<2>(acc, b, a),
        3 => vfmaq_laneq_f32::<3>(acc, b, a)
    }
);
neon!(
    F64x2, f64, float64x2_t, 2, F64,
    vdupq_n_f64, vld1q_f64, vst1q_f64, vaddq_f64, vfmaq_f64, vcltq_f64, vbslq_f64,
    |acc, a, b| {
        0 => vfmaq_laneq_f64::<0>(acc, b, a),
        1 => vfmaq_laneq_f64::<1>(acc, b, a)
    }
);
