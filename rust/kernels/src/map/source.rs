//! Operands of a map, reduced to what loops are fast on: a slice, or one value for all.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::copy::{gather, row_offset};
use crate::layout::{Coalesced, Order, Strided, coalesce};
use crate::memory::Pod;

/// Elements that a map takes at a time: their scratch stays in the first-level cache.
pub(super) const CHUNK: usize = 1024;
/// Rows at least this long are used where they lie; shorter ones are gathered, several at a time.
const LONG_ROW: usize = 128;

/// An operand as a whole, in the row-major order of its window.
#[expect(clippy::large_enum_variant, reason = "made once a call, on the stack; a box would cost more")]
pub(super) enum Source<'a, T> {
    /// Lies in this order already.
    Flat(&'a [T]),
    /// One value, broadcast.
    Splat(T),
    /// Anything else.
    Window { data: &'a [T], offset: usize, loops: Coalesced<1> },
}

/// A piece of an operand.
#[derive(Clone, Copy)]
pub(super) enum Piece<'a, T> {
    Slice(&'a [T]),
    Splat(T),
}

/// Room for one gathered piece.
pub(super) struct Scratch<T>([MaybeUninit<T>; CHUNK]);

impl<T: Pod> Scratch<T> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([MaybeUninit::uninit(); CHUNK])
    }

    #[inline(always)]
    fn filled(&mut self, len: usize, value: T) -> &[T] {
        let room = &mut self.0[..len];
        room.fill(MaybeUninit::new(value));
        // SAFETY: all of `room` was just written.
        unsafe { room.assume_init_ref() }
    }
}

impl<'a, T: Pod> Source<'a, T> {
    /// The operand that `layout` shows of `data`.
    #[inline]
    pub(super) fn new(data: &'a [T], layout: Strided) -> Self {
        layout.check(data.len());
        let len = layout.numel();
        if len == 0 {
            return Self::Flat(&[]);
        }
        if layout.is_contiguous() {
            return Self::Flat(&data[layout.offset..layout.offset + len]);
        }
        if layout.strides.iter().all(|&stride| stride == 0) {
            return Self::Splat(data[layout.offset]);
        }
        Self::window(data, layout)
    }

    #[inline(never)]
    fn window(data: &'a [T], layout: Strided) -> Self {
        let loops = coalesce(layout.shape, [layout.strides], Order::Index);
        match (loops.rows(), loops.inner_strides()) {
            (1, [0]) => Self::Splat(data[layout.offset]),
            (1, [1]) => Self::Flat(&data[layout.offset..layout.offset + loops.inner()]),
            _ => Self::Window { data, offset: layout.offset, loops },
        }
    }

    /// Where a piece that starts at `start` should end at the latest, so as not to need gathering.
    #[inline(always)]
    pub(super) fn stop(&self, start: usize) -> usize {
        match self {
            Self::Window { loops, .. } if in_place(loops) => (start / loops.inner() + 1) * loops.inner(),
            _ => usize::MAX,
        }
    }

    /// The elements in `range`: at most [`CHUNK`], and not beyond [`Self::stop`].
    #[inline(always)]
    pub(super) fn piece<'b>(&'b self, range: Range<usize>, scratch: &'b mut Scratch<T>) -> Piece<'b, T> {
        match self.splat(range.start) {
            Some(value) => Piece::Splat(value),
            None => Piece::Slice(self.lay_out(range, scratch)),
        }
    }

    /// The same as a slice, be it of equal values.
    #[inline(always)]
    pub(super) fn slice<'b>(&'b self, range: Range<usize>, scratch: &'b mut Scratch<T>) -> &'b [T] {
        match self.splat(range.start) {
            Some(value) => scratch.filled(range.len(), value),
            None => self.lay_out(range, scratch),
        }
    }

    /// The value of all elements from `start` to the next stop, if they are broadcast from one.
    #[inline(always)]
    fn splat(&self, start: usize) -> Option<T> {
        match self {
            Self::Flat(_) => None,
            Self::Splat(value) => Some(*value),
            Self::Window { data, offset, loops } => (in_place(loops) && loops.inner_strides() == [0])
                .then(|| data[offset.wrapping_add_signed(row_offset(loops, start / loops.inner()))]),
        }
    }

    /// The elements in `range` as a slice, gathered if they are not one.
    #[inline(always)]
    fn lay_out<'b>(&'b self, range: Range<usize>, scratch: &'b mut Scratch<T>) -> &'b [T] {
        match self {
            Self::Flat(data) => &data[range],
            Self::Splat(value) => scratch.filled(range.len(), *value),
            Self::Window { data, offset, loops } if in_place(loops) => {
                let (row, column) = (range.start / loops.inner(), range.start % loops.inner());
                let start = offset.wrapping_add_signed(row_offset(loops, row)) + column;
                &data[start..start + range.len()]
            }
            Self::Window { data, offset, loops } => {
                gather(data, *offset, loops, range.start, &mut scratch.0[..range.len()])
            }
        }
    }
}

/// Whether pieces that end with the inner loop are used where they lie.
#[inline(always)]
fn in_place(loops: &Coalesced<1>) -> bool {
    loops.inner() >= LONG_ROW && matches!(loops.inner_strides(), [0 | 1])
}
