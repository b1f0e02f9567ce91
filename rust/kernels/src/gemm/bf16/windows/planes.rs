//! Planes of terms that windows lie in: pairs of channels, or pairs of pixels.

#[allow(clippy::wildcard_imports, reason = "dozens of intrinsics")]
use std::arch::x86_64::*;

use super::Seen;
use super::pixel::{Pixel, both_lanes};
use crate::gemm::bf16::pack::{Extremes, lanes, pairs, transpose};
use crate::gemm::bf16::{PANEL, STEP, TILE};
use crate::gemm::pack::InPlace;

/// Rows of an image, and where they lie in a plane that has zeros between them.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    /// How many, and elements of each.
    pub count: usize,
    pub len: usize,
    /// From row to row and from element to element of the image.
    pub strides: [isize; 2],
    /// Where the first begins in the plane, and from row to row.
    pub first: usize,
    pub pitch: usize,
}

impl Rows {
    /// Makes one long row of rows that follow each other, of a plane of `len` elements.
    pub fn join(&mut self, len: usize) {
        if self.len == self.pitch && self.strides[0] == self.pitch.cast_signed() * self.strides[1] {
            (self.len, self.count) = ((self.len * self.count).min(len.saturating_sub(self.first)), 1);
        }
    }

    /// Elements, if they are neighbours from the beginning of the plane on.
    pub fn whole(&self) -> Option<usize> {
        (self.count == 1 && self.first == 0 && self.strides[1] == 1).then_some(self.len)
    }

    /// A whole plane.
    pub fn plane(len: usize) -> Self {
        Self { count: 1, len, strides: [0, 1], first: 0, pitch: len }
    }

    /// Elements of a plane that is filled to the end of the last row, which is written in whole registers.
    pub fn end(&self) -> usize {
        let last = if self.count == 0 { 0 } else { (self.count - 1) * self.pitch + self.len.next_multiple_of(TILE) };
        self.first + last
    }
}

/// Splits the rows of two channels into terms, pairs of an element of each: a plane of `len` elements. The terms are
/// `term` pairs apart; the `second` channel may be missing.
///
/// # Safety
/// This machine has AMX; the rows exist, and the plane has room for all of `len` and for the rows' `end`.
#[allow(clippy::too_many_arguments, reason = "from, to, and how")]
pub(crate) unsafe fn split_rows<T: Pixel>(
    terms: usize,
    first: *const T,
    second: Option<*const T>,
    rows: &Rows,
    to: *mut u32,
    len: usize,
    term: usize,
    watch: &mut Watch,
) {
    // SAFETY: passed on.
    unsafe {
        match terms {
            1 => rows_of_terms::<T, 1>(first, second, rows, to, len, term, watch),
            2 => rows_of_terms::<T, 2>(first, second, rows, to, len, term, watch),
            _ => rows_of_terms::<T, 3>(first, second, rows, to, len, term, watch),
        }
    }
}

/// Copies the rows of a channel to a plane of `len` elements.
///
/// # Safety
/// As [`split_rows`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
pub(crate) unsafe fn copy_rows<T: Pixel>(from: *const T, rows: &Rows, to: *mut T, len: usize) {
    // SAFETY: by contract.
    unsafe {
        to.write_bytes(0, rows.first.min(len));
        each_piece(rows, |row, at, mask| {
            T::copy(from.wrapping_offset(row), rows.strides[1], mask, to.add(at));
        });
        let end = rows.end();
        to.add(end.min(len)).write_bytes(0, len.saturating_sub(end));
    }
}

/// Calls `body` with the place of every 16 elements of the rows in the image and in the plane. What is written past the
/// end of a row is zero, or overwritten by the next.
#[inline(always)]
unsafe fn each_piece(rows: &Rows, mut body: impl FnMut(isize, usize, __mmask16)) {
    for row in 0..rows.count {
        let (from, to) = (row.cast_signed() * rows.strides[0], rows.first + row * rows.pitch);
        let mut column = 0;
        // All of the gap up to the next row, but for the last.
        let width = if row + 1 < rows.count { rows.pitch } else { rows.len };
        while column < width {
            let mask = lanes(rows.len.saturating_sub(column));
            body(from + column.cast_signed() * rows.strides[1], to + column, mask);
            column += TILE;
        }
    }
}

/// Collects the extremes of several rows.
pub(crate) struct Watch(Extremes);

impl Watch {
    /// # Safety
    /// This machine has AMX.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn new() -> Self {
        // SAFETY: the features are on.
        Self(unsafe { Extremes::new() })
    }

    /// # Safety
    /// This machine has AMX.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn seen(self) -> Seen {
        // SAFETY: the features are on.
        Seen(unsafe { self.0.span() })
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi2")]
unsafe fn rows_of_terms<T: Pixel, const TERMS: usize>(
    first: *const T,
    second: Option<*const T>,
    rows: &Rows,
    to: *mut u32,
    len: usize,
    term: usize,
    watch: &mut Watch,
) {
    let mut seen = watch.0;
    // SAFETY: by contract; masks keep to the rows.
    unsafe {
        let bits = second.filter(|_| T::ONE_TERM && rows.strides[1] == 1);
        if let Some(second) = bits {
            pairs_of_bits(first.cast(), second.cast(), rows, to);
        } else {
            each_piece(rows, |row, at, mask| {
                let left = T::load_apart(first.wrapping_offset(row), rows.strides[1], mask);
                let right = match second {
                    Some(second) => T::load_apart(second.wrapping_offset(row), rows.strides[1], mask),
                    None => _mm512_setzero_ps(),
                };
                if TERMS > 1 {
                    seen.see(left);
                    seen.see(right);
                }
                for (t, x) in pairs::<T, TERMS>(left, right).into_iter().enumerate() {
                    _mm512_storeu_si512(to.add(t * term + at).cast(), x);
                }
            });
        }
        let end = rows.end();
        for t in 0..TERMS {
            let to = to.add(t * term);
            to.write_bytes(0, rows.first.min(len));
            to.add(end.min(len)).write_bytes(0, len.saturating_sub(end));
        }
    }
    watch.0 = seen;
}

/// Pairs of neighbours in rows of bfloat16, 32 at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
unsafe fn pairs_of_bits(first: *const u16, second: *const u16, rows: &Rows, to: *mut u32) {
    /// The first or the second sixteen of two registers, in turns.
    const TURNS: [[u16; STEP]; 2] = {
        let mut index = [[0; STEP]; 2];
        let mut i: u16 = 0;
        while i < 32 {
            let from = i / 2 + i % 2 * 32;
            (index[0][i as usize], index[1][i as usize]) = (from, from + 16);
            i += 1;
        }
        index
    };
    // SAFETY: by contract; masks keep to the rows. As in `each_piece`, what is written past a row is zero.
    unsafe {
        let low = _mm512_loadu_si512(TURNS[0].as_ptr().cast());
        let high = _mm512_loadu_si512(TURNS[1].as_ptr().cast());
        for row in 0..rows.count {
            let from = row.cast_signed() * rows.strides[0];
            let (first, second) = (first.wrapping_offset(from), second.wrapping_offset(from));
            let to = to.add(rows.first + row * rows.pitch);
            let width = if row + 1 < rows.count { rows.pitch } else { rows.len };
            let mut column = 0;
            while column < width {
                let mask = both_lanes(rows.len.saturating_sub(column));
                let left = _mm512_maskz_loadu_epi16(mask, first.wrapping_add(column).cast());
                let right = _mm512_maskz_loadu_epi16(mask, second.wrapping_add(column).cast());
                _mm512_storeu_si512(to.add(column).cast(), _mm512_permutex2var_epi16(left, low, right));
                if column + TILE < width {
                    let both = _mm512_permutex2var_epi16(left, high, right);
                    _mm512_storeu_si512(to.add(column + TILE).cast(), both);
                }
                column += STEP;
            }
        }
    }
}

/// Splits the 32 rows of `matrix`, whose k are neighbours, into terms: pairs of k, each of all rows. `blocks` blocks of 32
/// k, the terms `term` elements apart; those of bfloat16 are zero from `k` on. The `odd` copy, if there is one, pairs every second k with the one after it, and
/// lacks the last pair.
///
/// # Safety
/// This machine has AMX; the matrix has the rows and k, `32 * blocks` of float32, and `even` and `odd` the room.
pub(crate) unsafe fn split_turned<T: Pixel>(
    terms: usize,
    matrix: InPlace<T>,
    [k, blocks]: [usize; 2],
    even: *mut u16,
    odd: Option<*mut u16>,
    term: usize,
    watch: &mut Watch,
) {
    // SAFETY: passed on.
    unsafe {
        let InPlace { start, outer_stride, k_stride } = matrix;
        let numbers = InPlace { start: start.cast::<f32>(), outer_stride, k_stride };
        match terms {
            _ if T::ONE_TERM => turned_bits(start.cast(), outer_stride, [k, blocks], even),
            1 => turned::<1>(numbers, blocks, even, term, watch),
            2 => turned::<2>(numbers, blocks, even, term, watch),
            _ => turned::<3>(numbers, blocks, even, term, watch),
        }
        let Some(odd) = odd else { return };
        for term in (0..terms).map(|t| t * term) {
            shift(even.add(term), blocks * TILE, odd.add(term));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi2")]
unsafe fn turned<const TERMS: usize>(
    matrix: InPlace<f32>,
    blocks: usize,
    to: *mut u16,
    term: usize,
    watch: &mut Watch,
) {
    let stride = matrix.outer_stride;
    for (block, half) in (0..blocks).flat_map(|block| [(block, 0), (block, 1)]) {
        for step in [0, TILE] {
            let at = (half * TILE).cast_signed() * stride + (block * STEP + step).cast_signed();
            let from = matrix.start.wrapping_offset(at);
            // A pair of k takes 64 elements: two from each of 32 rows.
            let to = to.wrapping_add((block * TILE + step / 2) * PAIRS + half * STEP);
            // SAFETY: by contract.
            unsafe {
                let mut rows = [_mm512_setzero_si512(); TILE];
                for (i, row) in rows.iter_mut().enumerate() {
                    let x = _mm512_loadu_ps(from.wrapping_offset(i.cast_signed() * stride));
                    if TERMS > 1 {
                        watch.0.see(x);
                    }
                    *row = _mm512_castps_si512(x);
                }
                let columns = transpose(rows);
                for pair in 0..TILE / 2 {
                    let first = _mm512_castsi512_ps(columns[2 * pair]);
                    let second = _mm512_castsi512_ps(columns[2 * pair + 1]);
                    for (t, x) in pairs::<f32, TERMS>(first, second).into_iter().enumerate() {
                        _mm512_storeu_si512(to.add(t * term + pair * PAIRS).cast(), x);
                    }
                }
            }
        }
    }
}

/// The same of bfloat16, whose pairs lie in memory as they are wanted.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
unsafe fn turned_bits(from: *const u16, stride: isize, [k, blocks]: [usize; 2], to: *mut u16) {
    for (block, half) in (0..blocks).flat_map(|block| [(block, 0), (block, 1)]) {
        let from = from.wrapping_offset((half * TILE).cast_signed() * stride).wrapping_add(block * STEP);
        let to = to.wrapping_add(block * TILE * PAIRS + half * STEP);
        // SAFETY: by contract.
        unsafe {
            let mask = both_lanes(k.saturating_sub(block * STEP));
            let mut rows = [_mm512_setzero_si512(); TILE];
            for (i, row) in rows.iter_mut().enumerate() {
                *row = _mm512_maskz_loadu_epi16(mask, from.wrapping_offset(i.cast_signed() * stride).cast());
            }
            for (pair, x) in transpose(rows).into_iter().enumerate() {
                _mm512_storeu_si512(to.add(pair * PAIRS).cast(), x);
            }
        }
    }
}

/// Elements of a pair of k of 32 rows.
const PAIRS: usize = 2 * PANEL;

/// The second of each of `count` pairs with the first of the next, but for the last.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn shift(from: *const u16, count: usize, to: *mut u16) {
    for half in [0, STEP] {
        // SAFETY: by contract.
        unsafe {
            let load = |pair: usize| _mm512_loadu_si512(from.add(pair * PAIRS + half).cast());
            let mut this = load(0);
            for pair in 0..count - 1 {
                let next = load(pair + 1);
                let both = _mm512_or_si512(_mm512_srli_epi32::<16>(this), _mm512_slli_epi32::<16>(next));
                _mm512_storeu_si512(to.add(pair * PAIRS + half).cast(), both);
                this = next;
            }
        }
    }
}
