//! Convolution on AMX: what it takes to multiply weights by windows that lie in place.
//!
//! A step of k is 32 channels under one tap. Planes of terms hold pairs of channels ([`split_rows`]), so that the windows
//! of neighbouring pixels are neighbours in memory whatever the tap, and a tile of B is loaded from where its first
//! window is; for the weight's gradient, where k is the pixels, they hold pairs of pixels ([`split_turned`]). A pixel is
//! split into its terms once, not once for each tap that sees it.

#[allow(clippy::wildcard_imports, reason = "a dozen intrinsics")]
use std::arch::x86_64::*;

pub(crate) use super::amx::windows::WindowTile;
use super::amx::{self, windows};
use super::pack::{Extremes, Span, lanes, pairs, split, transpose};
use super::{BLOCK_STEPS, PANEL, STEP, TERM_LEN, TILE, TILE_LEN};
use crate::gemm::driver::SendPtr;
use crate::gemm::pack::InPlace;
use crate::memory::Buffer;
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

/// Packs rows of A, whose k are neighbours: panels of [`EDGE`] rows, `panel_len` apart. Pairs are of neighbouring k, as in
/// planes and turned rows, where a tap begins at any pair; those of [`super::pack`] are others, and the two do not mix.
///
/// # Panics
/// If k are not neighbours, or not in whole steps.
///
/// # Safety
/// This machine has AMX; the matrix has the rows and whole steps of k, and `to` room for the panels.
pub(crate) unsafe fn pack_rows(
    terms: usize,
    matrix: InPlace<f32>,
    rows: usize,
    k: usize,
    to: *mut u16,
    panel_len: usize,
) -> Seen {
    assert!(matrix.k_stride == 1 && k.is_multiple_of(STEP), "neighbours, in whole steps");
    // SAFETY: passed on.
    unsafe {
        match terms {
            1 => rows_of_a::<1>(matrix, rows, k / STEP, to, panel_len),
            2 => rows_of_a::<2>(matrix, rows, k / STEP, to, panel_len),
            _ => rows_of_a::<3>(matrix, rows, k / STEP, to, panel_len),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi2")]
unsafe fn rows_of_a<const TERMS: usize>(
    matrix: InPlace<f32>,
    rows: usize,
    steps: usize,
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
                    let mut halves = [_mm512_setzero_ps(); 2];
                    if first + row < rows {
                        let from = from.wrapping_offset(row.cast_signed() * matrix.outer_stride).add(step * STEP);
                        halves = [_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(TILE))];
                    }
                    if TERMS > 1 {
                        seen.see(halves[0]);
                        seen.see(halves[1]);
                    }
                    for (t, x) in neighbours::<TERMS>(halves).into_iter().enumerate() {
                        _mm512_storeu_si512(to.add((step * TERMS + t) * TERM_LEN + row * STEP).cast(), x);
                    }
                }
            }
        }
        Seen(seen.span())
    }
}

/// The terms of 32 numbers in their order.
#[inline(always)]
unsafe fn neighbours<const TERMS: usize>([low, high]: [__m512; 2]) -> [__m512i; TERMS] {
    // SAFETY: the features are on; both types are 64 bytes of bits.
    unsafe {
        if TERMS == 1 {
            let both = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
            return [both; TERMS];
        }
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
    /// Packs `rows` rows of whole steps.
    ///
    /// # Safety
    /// This machine has AMX.
    pub unsafe fn new(terms: usize, matrix: &[f32], rows: usize) -> Self {
        let k = matrix.len() / rows;
        let (steps, panels) = (k.div_ceil(STEP), rows.div_ceil(PANEL));
        let block = steps.div_ceil(steps.div_ceil(BLOCK_STEPS[terms - 1]));
        let blocks = steps.div_ceil(block);
        let buffer = Buffer::uninit(panels * panel_len(terms, steps) * size_of::<u16>());
        let mut weights = Self { buffer, panels, terms, steps, block, seen: Seen::NOTHING };
        let mut seen = vec![Seen::NOTHING; panels * blocks];
        let each = Disjoint::new(&mut seen);
        for_each(panels * blocks, matrix.len(), |task| {
            let (panel, block) = (task / blocks, task % blocks);
            let rows = (rows - panel * PANEL).min(PANEL);
            let start = matrix[panel * PANEL * k + block * weights.block * STEP..].as_ptr();
            let matrix = InPlace { start, outer_stride: k.cast_signed(), k_stride: 1 };
            let len = weights.steps_of(block) * STEP;
            let to = SendPtr(weights.panel(panel, block).cast_mut());
            // SAFETY: each task has a panel of its own.
            unsafe { each.slice(task..task + 1)[0] = pack_rows(terms, matrix, rows, len, to.get(), 0) };
        });
        weights.seen = seen.into_iter().fold(Seen::NOTHING, Seen::and);
        weights
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
pub(crate) unsafe fn split_rows(
    terms: usize,
    first: *const f32,
    second: Option<*const f32>,
    rows: &Rows,
    to: *mut u32,
    len: usize,
    term: usize,
    watch: &mut Watch,
) {
    // SAFETY: passed on.
    unsafe {
        match terms {
            1 => rows_of_terms::<1>(first, second, rows, to, len, term, watch),
            2 => rows_of_terms::<2>(first, second, rows, to, len, term, watch),
            _ => rows_of_terms::<3>(first, second, rows, to, len, term, watch),
        }
    }
}

/// Copies the rows of a channel to a plane of `len` elements.
///
/// # Safety
/// As [`split_rows`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
pub(crate) unsafe fn copy_rows(from: *const f32, rows: &Rows, to: *mut f32, len: usize) {
    // SAFETY: by contract.
    unsafe {
        to.write_bytes(0, rows.first.min(len));
        each_piece(rows, |row, at, mask| {
            let x = load(from.wrapping_offset(row), rows.strides[1], mask);
            _mm512_storeu_ps(to.add(at), x);
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

/// Elements that are `step` apart.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
unsafe fn load(from: *const f32, step: isize, mask: __mmask16) -> __m512 {
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
unsafe fn rows_of_terms<const TERMS: usize>(
    first: *const f32,
    second: Option<*const f32>,
    rows: &Rows,
    to: *mut u32,
    len: usize,
    term: usize,
    watch: &mut Watch,
) {
    let mut seen = watch.0;
    // SAFETY: by contract; masks keep to the rows.
    unsafe {
        each_piece(rows, |row, at, mask| {
            let left = load(first.wrapping_offset(row), rows.strides[1], mask);
            let right = match second {
                Some(second) => load(second.wrapping_offset(row), rows.strides[1], mask),
                None => _mm512_setzero_ps(),
            };
            if TERMS > 1 {
                seen.see(left);
                seen.see(right);
            }
            for (t, x) in pairs::<f32, TERMS>(left, right).into_iter().enumerate() {
                _mm512_storeu_si512(to.add(t * term + at).cast(), x);
            }
        });
        let end = rows.end();
        for t in 0..TERMS {
            let to = to.add(t * term);
            to.write_bytes(0, rows.first.min(len));
            to.add(end.min(len)).write_bytes(0, len.saturating_sub(end));
        }
    }
    watch.0 = seen;
}

/// Splits the 32 rows of `matrix`, whose k are neighbours, into terms: pairs of k, each of all rows. `blocks` blocks of 32
/// k, the terms `term` elements apart. The `odd` copy, if there is one, pairs every second k with the one after it, and
/// lacks the last pair.
///
/// # Safety
/// This machine has AMX; the matrix has the rows and `32 * blocks` k, and `even` and `odd` the room.
pub(crate) unsafe fn split_turned(
    terms: usize,
    matrix: InPlace<f32>,
    blocks: usize,
    even: *mut u16,
    odd: Option<*mut u16>,
    term: usize,
    watch: &mut Watch,
) {
    // SAFETY: passed on.
    unsafe {
        match terms {
            1 => turned::<1>(matrix, blocks, even, term, watch),
            2 => turned::<2>(matrix, blocks, even, term, watch),
            _ => turned::<3>(matrix, blocks, even, term, watch),
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

/// Where the 32 columns of a tile go: of each half, the lanes that are kept, and the place of the first.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kept {
    pub lanes: [u16; 2],
    pub places: [usize; 2],
}

/// Brings `rows` rows of sums, 32 each, to C: the lanes that are kept lie together there. Adds what C holds, if told so,
/// and one element a row.
///
/// # Safety
/// This machine has AMX; everything named is valid, and C the caller's alone.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2")]
pub(crate) unsafe fn store_kept(
    sums: *const f32,
    rows: usize,
    kept: &Kept,
    c: *mut f32,
    c_row: usize,
    accumulate: bool,
    bias: Option<&[f32]>,
) {
    let keep = kept.lanes.map(|lanes_kept| lanes(lanes_kept.count_ones() as usize));
    for row in 0..rows {
        for (half, &keep) in keep.iter().enumerate() {
            // SAFETY: by contract; the mask keeps to what is kept.
            unsafe {
                let to = c.wrapping_add(row * c_row + kept.places[half]);
                let sum = _mm512_loadu_ps(sums.add(row * PANEL + half * TILE));
                let mut x = _mm512_maskz_compress_ps(kept.lanes[half], sum);
                if accumulate {
                    x = _mm512_add_ps(_mm512_maskz_loadu_ps(keep, to), x);
                }
                if let Some(bias) = bias {
                    x = _mm512_add_ps(x, _mm512_set1_ps(bias[row]));
                }
                _mm512_mask_storeu_ps(to, keep, x);
            }
        }
    }
}

/// Adds 32 rows of 32 sums to rows of C.
///
/// # Safety
/// As [`store_kept`].
#[target_feature(enable = "avx512f")]
pub(crate) unsafe fn add_tile(sums: *const f32, c: *mut f32, c_row: usize) {
    for row in 0..PANEL {
        for half in [0, TILE] {
            // SAFETY: by contract.
            unsafe {
                let to = c.wrapping_add(row * c_row + half);
                let sum = _mm512_loadu_ps(sums.add(row * PANEL + half));
                _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), sum));
            }
        }
    }
}
