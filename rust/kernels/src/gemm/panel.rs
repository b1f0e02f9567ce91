//! Filling one panel: the vectorised bodies behind the panel sources.
//!
//! A panel holds, for each step of k, `width` adjacent elements of one operand: `panel[k * width + o]`. The three ways
//! to fill one differ in where neighbours lie in memory: along the panel ([`copy`]), along k ([`transpose`]), or along
//! the columns of an image seen through the taps of a convolution ([`gather`]).

use super::GemmFloat;
use super::microkernel::{Vector, first_lanes};

/// `(src, outer, stride, k, panel, width)`: fills a panel of `width` from `outer <= width` rows or columns that are
/// `stride` apart, and zeros the rest.
pub(crate) type CopyFn<T> =
    unsafe fn(src: *const T, outer: usize, stride: isize, k: usize, panel: *mut T, width: usize);

/// `(src, view, segments, taps, panel, width)`: see [`gather`].
pub(crate) type GatherFn<T> =
    unsafe fn(src: *const T, view: &View, segments: &[Segment], taps: &[Tap], panel: *mut T, width: usize);

/// How columns of a panel walk over an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// Rows and columns of the image; what lies outside reads as zero.
    pub height: isize,
    pub width: isize,
    /// Image columns from one output column to the next.
    pub x_step: isize,
    /// The same in elements of memory.
    pub step: isize,
    /// Taps of one channel; those of the next are at the same places of the window.
    pub period: usize,
    /// Rows and columns from the first to the last tap of the window.
    pub reach: [isize; 2],
}

/// Neighbouring panel columns that belong to one output row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Segment {
    /// First column and number of columns in the panel.
    pub start: usize,
    pub len: usize,
    /// Image row and column under the window's corner, at the first column; they may lie outside.
    pub y: isize,
    pub x: isize,
    /// Where that element is (or would be) in memory.
    pub offset: isize,
}

impl Segment {
    /// The panel column after the last.
    #[inline(always)]
    fn end(&self) -> usize {
        self.start + self.len
    }
}

/// One element of the window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    /// Rows and columns below and right of the corner.
    pub dy: isize,
    pub dx: isize,
    /// The same in memory, channel included.
    pub offset: isize,
}

/// Fills a panel from rows that follow the panel in memory: `panel[k][o] = src[k * stride + o]`.
///
/// # Safety
/// The features of `V` are on; `src` holds `k` such rows of `outer` elements, `panel` `k * width`.
#[inline(always)]
pub(crate) unsafe fn copy<V: Vector>(
    src: *const V::Elem,
    outer: usize,
    stride: isize,
    k: usize,
    panel: *mut V::Elem,
    width: usize,
) {
    if outer == 2 * V::LANES && width == outer {
        let (mut from, mut to) = (src, panel);
        for _ in 0..k {
            // SAFETY: by contract.
            unsafe {
                V::load(from).store(to);
                V::load(from.add(V::LANES)).store(to.add(V::LANES));
            }
            from = from.wrapping_offset(stride);
            to = to.wrapping_add(width);
        }
        return;
    }
    let mut column = 0;
    while column < width {
        let read = outer.saturating_sub(column).min(V::LANES);
        let written = (width - column).min(V::LANES);
        let (mut from, mut to) = (src.wrapping_add(column), panel.wrapping_add(column));
        // SAFETY: by contract; the masks keep to the elements that exist.
        unsafe {
            let (read_mask, write_mask) = (V::mask(first_lanes(read)), V::mask(first_lanes(written)));
            for _ in 0..k {
                if read == V::LANES {
                    V::load(from).store(to);
                } else {
                    V::load_masked(from, read_mask).store_masked(to, write_mask);
                }
                from = from.wrapping_offset(stride);
                to = to.wrapping_add(width);
            }
        }
        column += V::LANES;
    }
}

/// Fills a panel from rows that follow k in memory: `panel[k][o] = src[o * stride + k]`. One element at a time.
///
/// # Safety
/// `src` holds `outer` such rows of `k` elements, `panel` `k * width`.
#[inline(always)]
pub(crate) unsafe fn transpose<T: GemmFloat>(
    src: *const T,
    outer: usize,
    stride: isize,
    k: usize,
    panel: *mut T,
    width: usize,
) {
    // SAFETY: by contract.
    unsafe {
        for step in 0..k {
            let to = panel.add(step * width);
            for o in 0..outer {
                *to.add(o) = *src.offset(o.cast_signed() * stride + step.cast_signed());
            }
            for o in outer..width {
                *to.add(o) = T::ZERO;
            }
        }
    }
}

/// Fills a panel with windows: row `t` of the panel is `taps[t]` of the windows of all columns, zero outside the image
/// and in columns of no segment.
///
/// # Safety
/// The features of `V` are on; every element inside the image is inside the allocation of `src`; `panel` holds
/// `taps.len() * width` elements; `width <= 32` is a multiple of the lanes.
#[inline(always)]
pub(crate) unsafe fn gather<V: Vector>(
    src: *const V::Elem,
    view: &View,
    segments: &[Segment],
    taps: &[Tap],
    panel: *mut V::Elem,
    width: usize,
) {
    if view.step == 1 && view.x_step == 1 {
        // SAFETY: passed on.
        unsafe { gather_steps::<V, false>(src, view, segments, taps, panel, width) }
    } else {
        // SAFETY: passed on.
        unsafe { gather_steps::<V, true>(src, view, segments, taps, panel, width) }
    }
}

/// Which lanes of a register a segment fills, and from where.
#[derive(Clone, Copy)]
struct Piece<V: Vector> {
    at: isize,
    bits: u32,
    mask: V::Mask,
}

impl<V: Vector> Piece<V> {
    /// # Safety
    /// The features of `V` are on.
    #[inline(always)]
    unsafe fn new(at: isize, bits: u32) -> Self {
        // SAFETY: passed on.
        Self { at, bits, mask: unsafe { V::mask(bits) } }
    }

    /// # Safety
    /// As [`gather`].
    #[inline(always)]
    unsafe fn load<const APART: bool>(&self, src: *const V::Elem, offset: isize, step: isize) -> V {
        let from = src.wrapping_offset(self.at + offset);
        // SAFETY: passed on.
        unsafe { if APART { V::load_apart(from, step, self.bits) } else { V::load_masked(from, self.mask) } }
    }
}

/// [`gather`] where neighbouring windows are neighbours in memory, or are `APART`.
///
/// # Safety
/// As [`gather`].
#[inline(always)]
unsafe fn gather_steps<V: Vector, const APART: bool>(
    src: *const V::Elem,
    view: &View,
    segments: &[Segment],
    taps: &[Tap],
    panel: *mut V::Elem,
    width: usize,
) {
    // As many as a register has lanes, at most.
    // SAFETY: the features are on.
    let mut pieces = [unsafe { Piece::<V>::new(0, 0) }; 16];
    for column in (0..width).step_by(V::LANES) {
        let meets = |s: &&Segment| s.start < column + V::LANES && s.end() > column;
        let first = segments.iter().position(|s| meets(&s)).unwrap_or(segments.len());
        let count = segments[first..].iter().take_while(meets).count();
        let segments = &segments[first..first + count];
        // Where lane zero would be, were it of this segment.
        let origin = |s: &Segment| s.offset + (column.cast_signed() - s.start.cast_signed()) * view.step;
        if segments.iter().all(|segment| lies_inside(view, segment)) {
            for (piece, segment) in pieces.iter_mut().zip(segments) {
                let lanes = (first_lanes(segment.len) << segment.start >> column) & first_lanes(V::LANES);
                // SAFETY: the features are on.
                *piece = unsafe { Piece::new(origin(segment), lanes) };
            }
            // SAFETY: by contract; all taps of these windows are inside the image.
            unsafe {
                match &pieces[..count] {
                    [whole] if !APART && segments[0].start <= column && segments[0].end() >= column + V::LANES => {
                        for (row, tap) in taps.iter().enumerate() {
                            V::load(src.wrapping_offset(whole.at + tap.offset)).store(panel.add(row * width + column));
                        }
                    }
                    [left, right] => {
                        for (row, tap) in taps.iter().enumerate() {
                            let x = left.load::<APART>(src, tap.offset, view.step);
                            let x = x.or(right.load::<APART>(src, tap.offset, view.step));
                            x.store(panel.add(row * width + column));
                        }
                    }
                    pieces => {
                        for (row, tap) in taps.iter().enumerate() {
                            let mut x = V::zero();
                            for piece in pieces {
                                x = x.or(piece.load::<APART>(src, tap.offset, view.step));
                            }
                            x.store(panel.add(row * width + column));
                        }
                    }
                }
            }
            continue;
        }
        for (first, tap) in taps.iter().enumerate().take(view.period) {
            // SAFETY: by contract; a lane's bit is set only where the window is inside the image.
            unsafe {
                let mut x = V::zero();
                for (piece, segment) in pieces.iter_mut().zip(segments) {
                    let lanes = (inside(view, segment, tap) >> column) & first_lanes(V::LANES);
                    *piece = Piece::new(origin(segment), lanes);
                    x = x.or(piece.load::<APART>(src, tap.offset, view.step));
                }
                x.store(panel.add(first * width + column));
                // What lies inside is the same in every channel.
                for (row, tap) in taps.iter().enumerate().skip(first + view.period).step_by(view.period) {
                    let mut x = V::zero();
                    for piece in &pieces[..segments.len()] {
                        x = x.or(piece.load::<APART>(src, tap.offset, view.step));
                    }
                    x.store(panel.add(row * width + column));
                }
            }
        }
    }
}

/// Whether all taps of all windows of `segment` lie inside the image.
#[inline(always)]
fn lies_inside(view: &View, segment: &Segment) -> bool {
    let [down, right] = view.reach;
    segment.y >= 0
        && segment.x >= 0
        && segment.y + down < view.height
        && segment.x + (segment.len.cast_signed() - 1) * view.x_step + right < view.width
}

/// The panel columns of `segment` whose `tap` lies inside the image, as bits.
#[inline(always)]
fn inside(view: &View, segment: &Segment, tap: &Tap) -> u32 {
    let (y, x) = (segment.y + tap.dy, segment.x + tap.dx);
    let windows = |pixels: isize| pixels.max(0).unsigned_abs().div_ceil(view.x_step.unsigned_abs()).min(segment.len);
    let (first, end) = (windows(-x), windows(view.width - x));
    if y < 0 || y >= view.height || first >= end {
        return 0;
    }
    (first_lanes(end) & !first_lanes(first)) << segment.start
}
