//! Operands of a map, reduced to what loops are fast on: a slice, or one value for all.

use std::mem::MaybeUninit;

use crate::copy::{copy, gather, is_scattered, row_offset};
use crate::lanes::fetch_row;
use crate::layout::{Coalesced, Order, Strided, Walk, coalesce};
use crate::memory::{Buffer, Pod};
use crate::stored::Stored;

/// Elements that a map takes at a time: their scratch stays in the first-level cache.
pub(super) const CHUNK: usize = 1024;
/// Rows at least this long are used where they lie; shorter ones are gathered, several at a time.
const LONG_ROW: usize = 128;
/// Rows at least this long are walked in one call, where that can be; gathering shorter ones costs less than their ends.
const SHORT_ROW: usize = 64;

/// A piece of an operand.
#[derive(Clone, Copy)]
pub(super) enum Piece<'a, T> {
    Slice(&'a [T]),
    Splat(T),
}

impl<'a, T: Pod> Piece<'a, T> {
    /// The operand of `len` elements that `layout` shows of `data`, where it is contiguous or one value: by far the
    /// most frequent case. Otherwise nothing is known yet, not even that the window fits.
    #[inline(always)]
    pub(super) fn whole(data: &'a [T], layout: Strided, len: usize) -> Option<Self> {
        let (mut count, mut slice, mut splat) = (1usize, true, true);
        for (&extent, &stride) in layout.shape.iter().zip(layout.strides).rev() {
            if extent != 1 {
                slice &= stride == count.cast_signed();
                splat &= stride == 0;
                count = count.checked_mul(extent)?;
            }
        }
        let same_rank = layout.shape.len() == layout.strides.len();
        if !same_rank || count != len || len == 0 || !(slice || splat) {
            return None;
        }
        if slice {
            return data.get(layout.offset..)?.get(..len).map(Self::Slice);
        }
        data.get(layout.offset).copied().map(Self::Splat)
    }

    /// `len` elements from `start` on.
    #[inline(always)]
    pub(super) fn part(self, start: usize, len: usize) -> Self {
        match self {
            Self::Slice(data) => Self::Slice(&data[start..start + len]),
            splat @ Self::Splat(_) => splat,
        }
    }

    /// Brings the elements of a range near, as far as there are such.
    #[inline(always)]
    pub(super) fn fetch(&self, start: usize, len: usize) {
        if let Self::Slice(data) = self {
            let start = start.min(data.len());
            fetch_row(&data[start..][..len.min(data.len() - start)], 0);
        }
    }

    /// Element number `i`.
    #[inline(always)]
    pub(super) fn at(&self, i: usize) -> T {
        match self {
            Self::Slice(data) => data[i],
            Self::Splat(value) => *value,
        }
    }
}

impl<'a, K: Stored> Piece<'a, K> {
    /// The values, in `room` where they are stored otherwise.
    #[inline(always)]
    pub(super) fn load<'b>(self, room: &'b mut Scratch<K::Value>) -> Piece<'b, K::Value>
    where
        'a: 'b,
    {
        match self {
            Self::Slice(data) => Piece::Slice(K::load_slice(data, room.of(data.len()))),
            Self::Splat(value) => Piece::Splat(value.load()),
        }
    }
}

/// An operand of any layout, in the row-major order of its window.
#[expect(clippy::large_enum_variant, reason = "made once a call, on the stack; a box would cost more")]
pub(super) enum Source<'a, T> {
    /// Contiguous or one value.
    Whole(Piece<'a, T>),
    /// Rows that are taken one by one.
    Window { data: &'a [T], offset: usize, loops: Coalesced<1> },
    /// A copy, where memory order is far from the order of the window.
    Copied(Buffer),
}

/// Rows of an operand, one after another.
pub(super) enum Rows<'a, T> {
    /// A piece of an operand, which is one row.
    One(Piece<'a, T>),
    /// All of one value.
    Same(T),
    /// Slices, without gaps.
    Slices(&'a [T]),
    /// Slices that start where the walk says, or values that stand there.
    Walked { data: &'a [T], offset: usize, walk: &'a mut Walk<'a, 1>, is_value: bool },
}

impl<'a, T: Pod> Rows<'a, T> {
    /// The next row, of `len` elements.
    #[inline(always)]
    pub(super) fn next(&mut self, len: usize) -> Piece<'a, T> {
        match self {
            Self::One(piece) => *piece,
            Self::Same(value) => Piece::Splat(*value),
            Self::Slices(data) => {
                let (row, rest) = data.split_at(len);
                *data = rest;
                Piece::Slice(row)
            }
            Self::Walked { data, offset, walk, is_value } => {
                let [by] = walk.next().unwrap_or_default();
                let start = offset.wrapping_add_signed(by);
                if *is_value { Piece::Splat(data[start]) } else { Piece::Slice(&data[start..start + len]) }
            }
        }
    }
}

/// How long the rows of an operand are.
pub(super) enum Row {
    /// As others'.
    Any,
    /// So long, and each is a slice or one value.
    Of(usize),
    /// They are to be gathered.
    Gathered,
}

/// Room for one gathered or converted piece.
pub(super) struct Scratch<T>([MaybeUninit<T>; CHUNK]);

impl<T: Pod> Scratch<T> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([MaybeUninit::uninit(); CHUNK])
    }

    /// Room for `len` elements, or all there is.
    #[inline(always)]
    pub(super) fn of(&mut self, len: usize) -> &mut [MaybeUninit<T>] {
        &mut self.0[..len.min(CHUNK)]
    }
}

impl<'a, T: Pod> Source<'a, T> {
    /// The operand of `len` elements that `layout` shows of `data`.
    ///
    /// # Panics
    /// If the window has another size or leaves the slice.
    pub(super) fn new(data: &'a [T], layout: Strided, len: usize) -> Self {
        if let Some(piece) = Piece::whole(data, layout, len) {
            return Self::Whole(piece);
        }
        assert_eq!(layout.numel(), len, "operand and output differ in size");
        layout.check(data.len());
        if len == 0 {
            return Self::Whole(Piece::Slice(&[]));
        }
        let loops = coalesce(layout.shape, [layout.strides], Order::Index);
        if is_scattered(&loops) {
            let mut copied = Buffer::uninit(layout.numel() * size_of::<T>());
            copy(data, layout, copied.as_mut_slice());
            return Self::Copied(copied);
        }
        Self::Window { data, offset: layout.offset, loops }
    }

    /// How long the rows are.
    pub(super) fn row(&self) -> Row {
        match self {
            Self::Window { loops, .. } if matches!(loops.inner_strides(), [0 | 1]) => Row::Of(loops.inner()),
            Self::Window { .. } => Row::Gathered,
            _ => Row::Any,
        }
    }

    /// Rows of `len` elements from number `first` on: as many as [`Self::row`] says. `room` is for the way through them.
    #[inline]
    pub(super) fn rows<'b>(&'b self, first: usize, len: usize, room: &'b mut Option<Walk<'b, 1>>) -> Rows<'b, T> {
        match self {
            Self::Whole(Piece::Slice(data)) => Rows::Slices(&data[first * len..]),
            Self::Whole(Piece::Splat(value)) => Rows::Same(*value),
            Self::Copied(copied) => Rows::Slices(&copied.as_slice()[first * len..]),
            Self::Window { data, offset, loops } => {
                let walk = room.insert(loops.walk(first..loops.rows()));
                Rows::Walked { data, offset: *offset, walk, is_value: loops.inner_strides() == [0] }
            }
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

    /// `len` elements from `start` on: at most [`CHUNK`], and not beyond [`Self::stop`].
    #[inline]
    pub(super) fn piece<'b>(&'b self, start: usize, len: usize, scratch: &'b mut Scratch<T>) -> Piece<'b, T> {
        match self {
            Self::Whole(piece) => piece.part(start, len),
            Self::Copied(copied) => Piece::Slice(&copied.as_slice()[start..start + len]),
            Self::Window { data, offset, loops } if in_place(loops) => {
                let (row, column) = (start / loops.inner(), start % loops.inner());
                let row = offset.wrapping_add_signed(row_offset(loops, row));
                if loops.inner_strides() == [0] {
                    Piece::Splat(data[row])
                } else {
                    Piece::Slice(&data[row + column..row + column + len])
                }
            }
            Self::Window { data, offset, loops } => {
                Piece::Slice(gather(data, *offset, loops, start, &mut scratch.0[..len]))
            }
        }
    }
}

/// How long the rows of operands that lie so are, if all can be walked by rows and that pays.
pub(super) fn common_row(rows: &[Row; 2]) -> Option<usize> {
    let row = match rows {
        [Row::Of(a), Row::Of(b)] if a == b => a,
        [Row::Of(row), Row::Any] | [Row::Any, Row::Of(row)] => row,
        _ => return None,
    };
    (*row >= SHORT_ROW).then_some(*row)
}

/// Whether pieces that end with the inner loop are used where they lie.
#[inline(always)]
fn in_place(loops: &Coalesced<1>) -> bool {
    loops.inner() >= LONG_ROW && matches!(loops.inner_strides(), [0 | 1])
}
