//! Convolution on AMX: what it takes to multiply weights by windows that lie in place.
//!
//! A step of k is 32 channels under one tap. Planes of terms hold pairs of channels ([`split_rows`]), so that the windows
//! of neighbouring pixels are neighbours in memory whatever the tap, and a tile of B is loaded from where its first
//! window is; for the weight's gradient, where k is the pixels, they hold pairs of pixels ([`split_turned`]). A pixel is
//! split into its terms once, not once for each tap that sees it.

#[allow(clippy::wildcard_imports, reason = "a dozen intrinsics")]
use std::arch::x86_64::*;
use std::ops::Range;

pub(crate) use super::amx::windows::WindowTile;
use super::amx::{self, windows};
use super::pack::{Extremes, Load, Span, lanes, pairs, split, transpose};
use super::{BLOCK_STEPS, PANEL, STEP, TERM_LEN, TILE, TILE_LEN, Unit};
use crate::gemm::microkernel::first_lanes;
use crate::gemm::pack::InPlace;
use crate::gemm::precision;
use crate::gemm::scratch::with_scratch;
use crate::memory::{Buffer, Pod};
use crate::parallel::{Disjoint, for_each};

/// Rows and columns of a tile of C, and k of a step.
pub(crate) const EDGE: usize = PANEL;
/// Estimated products of terms that one thread does in a nanosecond.
pub(crate) const PRODUCTS_PER_NS: usize = super::PRODUCTS_PER_NS;

/// The extremes of what was split.
#[derive(Clone, Copy)]
pub(crate) struct Seen(Span);

impl Seen {
    /// Nothing but zeros.
    pub const NOTHING: Self = Self(Span::ZEROS);

    pub fn and(self, other: Self) -> Self {
        Self(self.0.and(other.0))
    }

    /// Whether products of the terms of two operands lose nothing that float32 would keep.
    pub fn is_safe(self, other: Self, terms: usize) -> bool {
        terms == 1 || self.0.is_safe(other.0)
    }
}

/// Longest block of k, in steps: sums of longer ones are added up in float32.
pub(crate) fn block_steps(terms: usize) -> usize {
    BLOCK_STEPS[terms - 1]
}

/// What images are made of: float32, or the bits of bfloat16.
pub(crate) trait Pixel: Load + Pod {
    const ZERO: Self;
    /// Terms that a number is split into, if this machine has tiles and the setting speaks for them.
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
        (Unit::available() == Some(Unit::Tiles)).then_some(1)
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
fn both_lanes(count: usize) -> __mmask32 {
    first_lanes(count.min(PANEL)) as __mmask32
}

/// The first sixteen lanes.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the others are left out")]
fn lower(mask: __mmask32) -> __mmask16 {
    mask as __mmask16
}

/// Elements of a panel of A of `steps`.
pub(crate) fn panel_len(terms: usize, steps: usize) -> usize {
    steps * terms * TERM_LEN
}

/// Tiles of this thread, for as long as the value lives.
///
/// # Safety
/// This machine has AMX.
pub(crate) unsafe fn configure() -> impl Drop {
    // SAFETY: passed on.
    unsafe { amx::Configuration::new() }
}

/// Runs the microkernel.
///
/// # Safety
/// Tiles are configured, and every element that `tile` names is valid.
#[inline(always)]
pub(crate) unsafe fn multiply(terms: usize, tile: &WindowTile) {
    // SAFETY: passed on.
    unsafe { windows::WINDOWS[terms - 1](tile) }
}

/// Packs rows of A, whose `k` are neighbours: panels of [`EDGE`] rows, `panel_len` apart, of `steps` that are zeros from `k` on. Pairs are of neighbouring k, as in
/// planes and turned rows, where a tap begins at any pair; those of [`super::pack`] are others, and the two do not mix.
///
/// # Panics
/// If k are not neighbours.
///
/// # Safety
/// This machine has AMX; the matrix has the rows and k, and `to` room for the panels.
pub(crate) unsafe fn pack_rows<T: Pixel>(
    terms: usize,
    matrix: InPlace<T>,
    rows: usize,
    [k, steps]: [usize; 2],
    to: *mut u16,
    panel_len: usize,
) -> Seen {
    assert!(matrix.k_stride == 1, "neighbours");
    // SAFETY: passed on.
    unsafe {
        match terms {
            1 => rows_of_a::<T, 1>(matrix, rows, [k, steps], to, panel_len),
            2 => rows_of_a::<T, 2>(matrix, rows, [k, steps], to, panel_len),
            _ => rows_of_a::<T, 3>(matrix, rows, [k, steps], to, panel_len),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi2")]
unsafe fn rows_of_a<T: Pixel, const TERMS: usize>(
    matrix: InPlace<T>,
    rows: usize,
    [k, steps]: [usize; 2],
    to: *mut u16,
    panel_len: usize,
) -> Seen {
    // SAFETY: by contract; tiles that have a row have room for 16.
    unsafe {
        let mut seen = Extremes::new();
        for first in (0..rows).step_by(TILE) {
            let from = matrix.start.wrapping_offset(first.cast_signed() * matrix.outer_stride);
            let to = to.wrapping_add(first / PANEL * panel_len + first % PANEL / TILE * TILE_LEN);
            for step in 0..steps {
                for row in 0..TILE {
                    let mut terms = [_mm512_setzero_si512(); TERMS];
                    if first + row < rows {
                        let from = from.wrapping_offset(row.cast_signed() * matrix.outer_stride);
                        let count = k.saturating_sub(step * STEP);
                        terms = T::neighbours(from.wrapping_add(step * STEP), count, &mut seen);
                    }
                    for (t, x) in terms.into_iter().enumerate() {
                        _mm512_storeu_si512(to.add((step * TERMS + t) * TERM_LEN + row * STEP).cast(), x);
                    }
                }
            }
        }
        Seen(seen.span())
    }
}

/// Weights, packed for all tasks: block after block of k, panel after panel.
pub(crate) struct Weights {
    buffer: Buffer,
    panels: usize,
    terms: usize,
    pub steps: usize,
    /// Steps of a block; the last may be shorter.
    pub block: usize,
    pub seen: Seen,
}

impl Weights {
    /// Packs `rows` rows of `groups` times `taps` steps. `fill` writes some rows of the steps of one group, row after row.
    /// Those of bfloat16 are one block: C, rounded, cannot be added to.
    ///
    /// # Safety
    /// This machine has AMX.
    pub unsafe fn new<T: Pixel>(
        terms: usize,
        rows: usize,
        [groups, taps]: [usize; 2],
        fill: impl Fn(Range<usize>, usize, &mut [T]) + Sync,
    ) -> Self {
        let (steps, panels, row) = (groups * taps, rows.div_ceil(PANEL), taps * STEP);
        let block = if T::ONE_TERM { steps } else { steps.div_ceil(steps.div_ceil(BLOCK_STEPS[terms - 1])) };
        let buffer = Buffer::uninit(panels * panel_len(terms, steps) * size_of::<u16>());
        let mut weights = Self { buffer, panels, terms, steps, block, seen: Seen::NOTHING };
        let mut seen = vec![Seen::NOTHING; panels * groups];
        let each = Disjoint::new(&mut seen);
        for_each(panels * groups, rows * steps * STEP, |task| {
            let (panel, group) = (task / groups, task % groups);
            let rows = panel * PANEL..((panel + 1) * PANEL).min(rows);
            // SAFETY: the scratch has the rows; each task has steps of its own.
            with_scratch(PANEL * row, |copy: *mut T| unsafe {
                fill(rows.clone(), group, std::slice::from_raw_parts_mut(copy, rows.len() * row));
                for tap in 0..taps {
                    let start = copy.add(tap * STEP).cast_const();
                    let matrix = InPlace { start, outer_stride: row.cast_signed(), k_stride: 1 };
                    let to = weights.step(panel, group * taps + tap).cast_mut();
                    let seen = &mut each.slice(task..task + 1)[0];
                    *seen = seen.and(pack_rows(terms, matrix, rows.len(), [STEP, 1], to, 0));
                }
            });
        });
        weights.seen = seen.into_iter().fold(Seen::NOTHING, Seen::and);
        weights
    }

    /// Where a step of a panel is.
    pub fn step(&self, panel: usize, step: usize) -> *const u16 {
        let block = step / self.block;
        self.panel(panel, block).wrapping_add(panel_len(self.terms, step - block * self.block))
    }

    pub fn blocks(&self) -> usize {
        self.steps.div_ceil(self.block)
    }

    pub fn steps_of(&self, block: usize) -> usize {
        (self.steps - block * self.block).min(self.block)
    }

    /// Where a panel is, over one block of k.
    pub fn panel(&self, panel: usize, block: usize) -> *const u16 {
        let before = block * self.block * self.panels + panel * self.steps_of(block);
        self.buffer.as_ptr().cast::<u16>().wrapping_add(panel_len(self.terms, before))
    }
}

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
