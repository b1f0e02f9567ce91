//! Filling panels of bfloat16 terms: what AMX multiplies instead of float32.
//!
//! A float32 `x` is the sum of up to three bfloat16 terms, each the rounded rest of those before (Henry, Tang, Heinecke
//! 2019, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations"). Three hold it
//! exactly, as long as no term is subnormal and none overflows; [`Span`] tells.
//!
//! A panel holds, step after step of [`STEP`] k, term after term, two tiles of 16 rows of 64 bytes. A row of a tile of
//! A is one of its rows, 16 pairs of k long; a row of a tile of B is a pair of k, and holds the pairs of 16 columns. So
//! one is the other with its 4-byte elements transposed. Which k make a pair is free, as long as both operands agree:
//! here those that are [`TILE`] apart (in `windows` neighbours), for which the halves of two registers are put together without a shuffle.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use std::arch::x86_64::*;
use std::ops::Range;

use super::{Operand, PANEL, STEP, TERM_LEN, TILE, TILE_LEN};
use crate::gemm::microkernel::first_lanes;
use crate::gemm::pack::{InPlace, PanelSource};
use crate::gemm::private::Tables;
use crate::gemm::scratch::with_scratch;
use crate::isa::isa;

/// Which operand a panel belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    A,
    B,
}

/// The exponents, biased, of the smallest and the largest number of a panel that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub lowest: u32,
    pub highest: u32,
}

impl Span {
    /// Of nothing but zeros.
    pub const ZEROS: Self = Self { lowest: 127, highest: 127 };

    /// Of some numbers.
    pub fn of(numbers: &[f32]) -> Self {
        let exponents = numbers.iter().filter(|&&x| x != 0.0).map(|x| x.to_bits() >> 23 & 0xFF);
        let own = exponents.map(|exponent| Self { lowest: exponent, highest: exponent });
        own.reduce(Self::and).unwrap_or(Self::ZEROS)
    }

    /// Of the numbers of both.
    pub fn and(self, other: Self) -> Self {
        Self { lowest: self.lowest.min(other.lowest), highest: self.highest.max(other.highest) }
    }

    /// Whether a product of terms of two panels loses nothing that float32 would keep: no infinity and no NaN, whose
    /// rests are NaN; nothing whose terms overflow or are subnormal; and no product of terms below the normal numbers,
    /// which AMX takes for zero (the smallest is 2^-24 of the product of the numbers).
    pub fn is_safe(self, other: Self) -> bool {
        const BIAS: u32 = 127;
        let own = |span: Self| span.lowest >= BIAS - 100 && span.highest < BIAS + 126;
        own(self)
            && own(other)
            && self.lowest + other.lowest >= 2 * BIAS - 100
            && self.highest + other.highest <= 2 * BIAS + 100
    }
}

impl Span {
    /// Whether products of terms lose nothing that counts beside the largest numbers of two operands: what is 2^-30 of
    /// them keeps fewer digits if they are small. Unlike [`Self::is_safe`], which speaks of each number.
    pub fn is_safe_in_sums(self, other: Self) -> bool {
        const BIAS: u32 = 127;
        let own = |span: Self| (BIAS - 80..BIAS + 126).contains(&span.highest);
        let product = self.highest + other.highest;
        own(self) && own(other) && (2 * BIAS - 70..=2 * BIAS + 100).contains(&product)
    }
}

/// The extremes of a panel while it is packed, lane by lane: bits of the largest magnitude, and of the smallest less
/// one, for which zero is the largest of all.
#[derive(Clone, Copy)]
pub(crate) struct Extremes {
    largest: __m512i,
    smallest: __m512i,
}

impl Extremes {
    #[inline(always)]
    pub unsafe fn new() -> Self {
        // SAFETY: the features are on.
        unsafe { Self { largest: _mm512_setzero_si512(), smallest: _mm512_set1_epi32(-1) } }
    }

    #[inline(always)]
    pub unsafe fn see(&mut self, x: __m512) {
        // SAFETY: the features are on.
        unsafe {
            let magnitude = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(i32::MAX));
            self.largest = _mm512_max_epu32(self.largest, magnitude);
            self.smallest = _mm512_min_epu32(self.smallest, _mm512_sub_epi32(magnitude, _mm512_set1_epi32(1)));
        }
    }

    #[inline(always)]
    pub unsafe fn span(self) -> Span {
        // SAFETY: the features are on.
        let (largest, smallest) =
            unsafe { (_mm512_reduce_max_epu32(self.largest), _mm512_reduce_min_epu32(self.smallest)) };
        if largest == 0 {
            return Span::ZEROS;
        }
        Span { lowest: (smallest + 1) >> 23, highest: largest >> 23 }
    }
}

/// An element type that is packed: widened to float32 as it is loaded.
pub(crate) trait Load: Copy {
    /// Whether one term holds any number of this type.
    const ONE_TERM: bool;
    unsafe fn load(from: *const Self, mask: __mmask16) -> __m512;
    fn widen(self) -> f32;
}

impl Load for f32 {
    const ONE_TERM: bool = false;
    #[inline(always)]
    unsafe fn load(from: *const Self, mask: __mmask16) -> __m512 {
        // SAFETY: by contract.
        unsafe { _mm512_maskz_loadu_ps(mask, from) }
    }
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
}

/// The bits of a bfloat16: the upper half of a float32.
impl Load for u16 {
    const ONE_TERM: bool = true;
    #[inline(always)]
    unsafe fn load(from: *const Self, mask: __mmask16) -> __m512 {
        // SAFETY: by contract.
        unsafe {
            let bits = _mm256_maskz_loadu_epi16(mask, from.cast());
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
        }
    }
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self) << 16)
    }
}

/// The terms of `x`, each in the upper half of its lanes. Rounds half up in magnitude: where that differs from ties to
/// even, the next term makes up for it.
#[inline(always)]
pub(super) unsafe fn split<const TERMS: usize>(x: __m512) -> [__m512i; TERMS] {
    // SAFETY: the features are on.
    unsafe {
        let (half, upper) = (_mm512_set1_epi32(0x8000), _mm512_set1_epi32(0xFFFF_0000_u32.cast_signed()));
        let mut terms = [_mm512_setzero_si512(); TERMS];
        let mut rest = x;
        for (i, term) in terms.iter_mut().enumerate() {
            let bits = _mm512_castps_si512(rest);
            // Nothing is left to round in the third: 24 bits are three times 8.
            *term = if i == 2 { bits } else { _mm512_and_si512(_mm512_add_epi32(bits, half), upper) };
            rest = _mm512_sub_ps(rest, _mm512_castsi512_ps(*term));
        }
        terms
    }
}

/// The terms of 16 pairs, the first of a pair in the lower half of its lane.
#[inline(always)]
pub(super) unsafe fn pairs<T: Load, const TERMS: usize>(first: __m512, second: __m512) -> [__m512i; TERMS] {
    // SAFETY: the features are on.
    unsafe {
        if TERMS == 1 && !T::ONE_TERM {
            // Rounds to nearest even and keeps NaN.
            let (first, second) = (nearest(first), nearest(second));
            return [_mm512_or_si512(first, _mm512_slli_epi32::<16>(second)); TERMS];
        }
        let (first, second) = if TERMS == 1 {
            ([_mm512_castps_si512(first); TERMS], [_mm512_castps_si512(second); TERMS])
        } else {
            (split::<TERMS>(first), split::<TERMS>(second))
        };
        // Lower halves are empty, but for a third term that is subnormal: first or (second and upper).
        let upper = _mm512_set1_epi32(0xFFFF_0000_u32.cast_signed());
        std::array::from_fn(|t| _mm512_ternarylogic_epi32::<0xF8>(_mm512_srli_epi32::<16>(first[t]), second[t], upper))
    }
}

/// `x` as bfloat16, in the lower half of its lanes.
#[inline(always)]
unsafe fn nearest(x: __m512) -> __m512i {
    // SAFETY: the features are on; both types are 32 bytes of bits.
    unsafe { _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(x))) }
}

/// Transposes 16 by 16 elements of 4 bytes.
#[inline(always)]
pub(super) unsafe fn transpose(rows: [__m512i; TILE]) -> [__m512i; TILE] {
    // SAFETY: the features are on.
    unsafe {
        let mut x = rows;
        for i in (0..TILE).step_by(2) {
            let (a, b) = (x[i], x[i + 1]);
            (x[i], x[i + 1]) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        }
        for i in (0..TILE).step_by(4) {
            let [a, b, c, d] = [x[i], x[i + 1], x[i + 2], x[i + 3]];
            x[i] = _mm512_unpacklo_epi64(a, c);
            x[i + 1] = _mm512_unpackhi_epi64(a, c);
            x[i + 2] = _mm512_unpacklo_epi64(b, d);
            x[i + 3] = _mm512_unpackhi_epi64(b, d);
        }
        // Now x[4 i + j] holds, in its quarter q, rows 4 i.. of column 4 q + j.
        let mut y = x;
        for j in 0..4 {
            let [a, b, c, d] = [x[j], x[4 + j], x[8 + j], x[12 + j]];
            let (ab_even, ab_odd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xDD>(a, b));
            let (cd_even, cd_odd) = (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xDD>(c, d));
            y[j] = _mm512_shuffle_i32x4::<0x88>(ab_even, cd_even);
            y[8 + j] = _mm512_shuffle_i32x4::<0xDD>(ab_even, cd_even);
            y[4 + j] = _mm512_shuffle_i32x4::<0x88>(ab_odd, cd_odd);
            y[12 + j] = _mm512_shuffle_i32x4::<0xDD>(ab_odd, cd_odd);
        }
        y
    }
}

/// Fills one tile of each term from `outer <= 16` rows or columns and `k <= 32` steps, zeros elsewhere. Neighbours in
/// memory follow k if `ALONG_K`, else the rows or columns.
#[inline(always)]
unsafe fn tile<T: Load, const TERMS: usize, const ALONG_K: bool, const TRANSPOSE: bool>(
    from: *const T,
    extents: [usize; 2],
    stride: isize,
    to: *mut u16,
    extremes: &mut Extremes,
) {
    // SAFETY: passed on.
    unsafe {
        if extents == [TILE, STEP] {
            part_of_tile::<T, TERMS, ALONG_K, TRANSPOSE>(from, [TILE, STEP], stride, to, extremes);
        } else {
            part_of_tile::<T, TERMS, ALONG_K, TRANSPOSE>(from, extents, stride, to, extremes);
        }
    }
}

/// [`tile`], compiled for whole tiles and for others.
#[inline(always)]
unsafe fn part_of_tile<T: Load, const TERMS: usize, const ALONG_K: bool, const TRANSPOSE: bool>(
    from: *const T,
    extents: [usize; 2],
    stride: isize,
    to: *mut u16,
    extremes: &mut Extremes,
) {
    let mut seen = *extremes;
    // SAFETY: by the contract of `pack`.
    unsafe {
        let zeros = [_mm512_setzero_si512(); TILE];
        if !TRANSPOSE {
            for i in 0..TILE {
                let first = half::<T, TERMS, ALONG_K>(from, extents, stride, [i, 0], &mut seen);
                let second = half::<T, TERMS, ALONG_K>(from, extents, stride, [i, TILE], &mut seen);
                store(to, i, pairs::<T, TERMS>(first, second));
            }
        } else if TERMS > 2 {
            // Two halves of the numbers to transpose, not three terms.
            let mut halves = [zeros; 2];
            for (nth, rows) in halves.iter_mut().enumerate() {
                for (i, row) in rows.iter_mut().enumerate() {
                    let x = half::<T, TERMS, ALONG_K>(from, extents, stride, [i, nth * TILE], &mut seen);
                    *row = _mm512_castps_si512(x);
                }
                *rows = transpose(*rows);
            }
            let [first, second] = halves;
            for (i, (first, second)) in first.into_iter().zip(second).enumerate() {
                store(to, i, pairs::<T, TERMS>(_mm512_castsi512_ps(first), _mm512_castsi512_ps(second)));
            }
        } else {
            let mut tiles = [zeros; TERMS];
            #[allow(clippy::needless_range_loop, reason = "the tiles of several terms")]
            for i in 0..TILE {
                let first = half::<T, TERMS, ALONG_K>(from, extents, stride, [i, 0], &mut seen);
                let second = half::<T, TERMS, ALONG_K>(from, extents, stride, [i, TILE], &mut seen);
                let terms = pairs::<T, TERMS>(first, second);
                for t in 0..TERMS {
                    tiles[t][i] = terms[t];
                }
            }
            for (t, tile) in tiles.into_iter().enumerate() {
                for (i, row) in transpose(tile).into_iter().enumerate() {
                    store(to.add(t * TERM_LEN), i, [row]);
                }
            }
        }
    }
    *extremes = seen;
}

/// Element `k` and those that follow along k, of row or column `i`, or else those of step `i + k`; zeros where there are none.
#[inline(always)]
unsafe fn half<T: Load, const TERMS: usize, const ALONG_K: bool>(
    from: *const T,
    [outer, steps]: [usize; 2],
    stride: isize,
    [i, k]: [usize; 2],
    extremes: &mut Extremes,
) -> __m512 {
    let (at, there, count) = if ALONG_K {
        (i.cast_signed() * stride + k.cast_signed(), i < outer, steps.saturating_sub(k))
    } else {
        ((i + k).cast_signed() * stride, i + k < steps, outer)
    };
    // SAFETY: the mask keeps to what exists.
    unsafe {
        let x = T::load(from.wrapping_offset(at), if there { lanes(count) } else { 0 });
        if TERMS > 1 {
            extremes.see(x);
        }
        x
    }
}

/// Stores row `row` of the tile of each term.
#[inline(always)]
unsafe fn store<const TERMS: usize>(to: *mut u16, row: usize, terms: [__m512i; TERMS]) {
    for (t, term) in terms.into_iter().enumerate() {
        // SAFETY: the features are on, and the panel has the tile.
        unsafe { _mm512_storeu_si512(to.add(t * TERM_LEN + row * STEP).cast(), term) };
    }
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "16 lanes, 16 bits")]
pub(super) fn lanes(count: usize) -> __mmask16 {
    first_lanes(count.min(TILE)) as __mmask16
}

/// A copy of `outer <= 16` rows or columns of `k <= 32` steps, step after step.
#[inline(always)]
unsafe fn gather<T: Load>(from: *const T, [outer, k]: [usize; 2], strides: [isize; 2]) -> [f32; TILE * STEP] {
    let mut copy = [0.0; TILE * STEP];
    for step in 0..k {
        for o in 0..outer {
            let at = o.cast_signed() * strides[0] + step.cast_signed() * strides[1];
            // SAFETY: an element of the operand.
            copy[step * TILE + o] = unsafe { *from.wrapping_offset(at) }.widen();
        }
    }
    copy
}

/// Where panels go: panel `p`, from its first step on, is at `start + p * panel_len`.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub start: *mut u16,
    pub panel_len: usize,
}

/// Packs the panels that hold `outer`, over `k`, whose first is the first of a step; `spans` gets one span a panel.
///
/// # Safety
/// The CPU has AVX-512 with BW and BF16; the ranges are inside the operand; the place has room.
pub(super) unsafe fn pack(
    operand: Operand<'_>,
    side: Side,
    terms: usize,
    outer: &Range<usize>,
    k: &Range<usize>,
    place: Place,
    spans: &mut [Span],
) {
    // SAFETY: passed on.
    unsafe {
        match (operand, terms) {
            (Operand::Bfloat16(matrix), 1) => pack_matrix::<u16, 1>(side, matrix, outer, k, place, spans),
            (Operand::Bfloat16(_), _) => unreachable!("one term holds a bfloat16"),
            (Operand::Float32(source), 1) => pack_source::<1>(side, source, outer, k, place, spans),
            (Operand::Float32(source), 2) => pack_source::<2>(side, source, outer, k, place, spans),
            (Operand::Float32(source), _) => pack_source::<3>(side, source, outer, k, place, spans),
        }
    }
}

/// A panel of float32 at a time if the source is more than a matrix.
unsafe fn pack_source<const TERMS: usize>(
    side: Side,
    source: &dyn PanelSource<f32>,
    outer: &Range<usize>,
    k: &Range<usize>,
    place: Place,
    spans: &mut [Span],
) {
    // SAFETY: passed on; the scratch holds a panel.
    unsafe {
        if let Some(matrix) = source.in_place() {
            return pack_matrix::<f32, TERMS>(side, matrix, outer, k, place, spans);
        }
        let kernels = f32::microkernels(isa());
        with_scratch(PANEL * k.len(), |panel: *mut f32| {
            for (p, first) in outer.clone().step_by(PANEL).enumerate() {
                let range = first..(first + PANEL).min(outer.end);
                source.pack(kernels, range.clone(), k.clone(), PANEL, panel);
                let matrix = InPlace { start: panel.cast_const(), outer_stride: 1, k_stride: PANEL.cast_signed() };
                let place = Place { start: place.start.add(p * place.panel_len), ..place };
                pack_matrix::<f32, TERMS>(side, matrix, &(0..range.len()), &(0..k.len()), place, &mut spans[p..=p]);
            }
        });
    }
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// Rows of memory that are packed next. A tile takes a line or two of each of its rows, too many places for the hardware to
/// foresee where each goes on; row after row they are fetched as one stream.
struct Ahead {
    row: *const u8,
    stride: isize,
    /// Lines of a row, which of them comes next, and how many are left in all.
    lines: usize,
    line: usize,
    left: usize,
}

impl Ahead {
    /// What holds these rows or columns over these k.
    fn of<T>(matrix: &InPlace<T>, outer: &Range<usize>, k: &Range<usize>) -> Self {
        let start = matrix
            .start
            .wrapping_offset(outer.start.cast_signed() * matrix.outer_stride)
            .wrapping_offset(k.start.cast_signed() * matrix.k_stride);
        let (rows, stride, len) = if matrix.k_stride == 1 {
            (outer.len(), matrix.outer_stride, k.len())
        } else {
            (k.len(), matrix.k_stride, outer.len())
        };
        let lines = (len * size_of::<T>()).div_ceil(LINE);
        Self { row: start.cast(), stride: stride * size_of::<T>().cast_signed(), lines, line: 0, left: lines * rows }
    }

    /// Lines that each of `calls` calls has to fetch.
    fn of_each(&self, calls: usize) -> usize {
        self.left.div_ceil(calls)
    }

    /// Fetches the next `count` lines, or what is left, into L2. What lies beyond the operand does no harm.
    #[inline(always)]
    fn fetch(&mut self, count: usize) {
        let count = count.min(self.left);
        self.left -= count;
        for _ in 0..count {
            let at = self.row.wrapping_add(self.line * LINE);
            // SAFETY: every CPU that packs terms has SSE, and nothing is read.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
            self.line += 1;
            if self.line == self.lines {
                (self.row, self.line) = (self.row.wrapping_offset(self.stride), 0);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi2")]
unsafe fn pack_matrix<T: Load, const TERMS: usize>(
    side: Side,
    matrix: InPlace<T>,
    outer: &Range<usize>,
    k: &Range<usize>,
    place: Place,
    spans: &mut [Span],
) {
    /// Panels at a time, as many as keep their extremes on the stack.
    const GROUP: usize = 16;
    let step_len = TERMS * TERM_LEN;
    let along_k = matrix.k_stride == 1;
    let panels = outer.len().div_ceil(PANEL);
    for group in (0..panels).step_by(GROUP) {
        let group = group..(group + GROUP).min(panels);
        // SAFETY: the features are on.
        let mut extremes = [unsafe { Extremes::new() }; GROUP];
        let mut fill = |p: usize, step: usize| {
            let k = (k.start + step * STEP)..(k.start + (step + 1) * STEP).min(k.end);
            for half in 0..2 {
                let first = outer.start + p * PANEL + half * TILE;
                if first >= outer.end {
                    break;
                }
                let extents = [(outer.end - first).min(TILE), k.len()];
                let from = matrix
                    .start
                    .wrapping_offset(first.cast_signed() * matrix.outer_stride)
                    .wrapping_offset(k.start.cast_signed() * matrix.k_stride);
                let to = place.start.wrapping_add(p * place.panel_len + step * step_len + half * TILE_LEN);
                let strides = [matrix.outer_stride, matrix.k_stride];
                let extremes = &mut extremes[p - group.start];
                let is_b = side == Side::B;
                // SAFETY: by contract.
                unsafe {
                    match (strides, is_b) {
                        ([stride, 1], false) => {
                            tile::<T, TERMS, true, false>(from, extents, stride, to, extremes);
                        }
                        ([stride, 1], true) => {
                            tile::<T, TERMS, true, true>(from, extents, stride, to, extremes);
                        }
                        ([1, stride], false) => {
                            tile::<T, TERMS, false, true>(from, extents, stride, to, extremes);
                        }
                        ([1, stride], true) => {
                            tile::<T, TERMS, false, false>(from, extents, stride, to, extremes);
                        }
                        (strides, is_b) => {
                            let copy = gather(from, extents, strides);
                            let (from, stride) = (copy.as_ptr(), TILE.cast_signed());
                            if is_b {
                                tile::<f32, TERMS, false, false>(from, extents, stride, to, extremes);
                            } else {
                                tile::<f32, TERMS, false, true>(from, extents, stride, to, extremes);
                            }
                        }
                    }
                }
            }
        };
        let steps = k.len().div_ceil(STEP);
        // Neighbours in memory first.
        if along_k {
            for p in group.clone() {
                let next = outer.start + (p + 1) * PANEL;
                let mut next = Ahead::of(&matrix, &(next..next + PANEL), k);
                let each = next.of_each(steps);
                for step in 0..steps {
                    next.fetch(each);
                    fill(p, step);
                }
            }
        } else {
            let columns = outer.start + group.start * PANEL..outer.end.min(outer.start + group.end * PANEL);
            for step in 0..steps {
                let next = k.start + (step + 1) * STEP;
                let mut next = Ahead::of(&matrix, &columns, &(next..next + STEP));
                let each = next.of_each(group.len());
                for p in group.clone() {
                    next.fetch(each);
                    fill(p, step);
                }
            }
        }
        if TERMS > 1 {
            for (span, extremes) in spans[group.clone()].iter_mut().zip(extremes) {
                // SAFETY: the features are on.
                *span = unsafe { extremes.span() };
            }
        }
    }
}
