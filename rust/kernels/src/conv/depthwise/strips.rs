//! Planes as depthwise convolutions read them: a strip of rows at a time, copied with their padding into scratch.

use std::ops::Range;

use super::super::{Conv2d, Images};
use crate::element::Element;
use crate::gemm::plane::WIDTH;
use crate::gemm::{GemmFloat, Scratch};
use crate::isa::{Kernel, Simd, dispatch, prefetch};
use crate::stored::Stored;

/// Elements of a strip, about.
const STRIP: usize = 1 << 15;

/// Memory for strips, and whether it has the zeros of one that is a whole plane: so have all planes, in the same places.
pub(super) struct Strip {
    scratch: Scratch,
    has_zeros: bool,
}

impl Strip {
    pub(super) fn new<T: GemmFloat>(strips: &Strips) -> Self {
        Self { scratch: Scratch::new::<T>(strips.len()), has_zeros: false }
    }
}

/// How planes are cut into strips of rows, and copied with what windows see past their edges.
pub(super) struct Strips {
    /// Size of the planes.
    pub(super) size: [usize; 2],
    /// All rows and the first column that strips count, and rows of one strip.
    pub(super) all: Range<usize>,
    pub(super) first: [usize; 2],
    pub(super) rows: usize,
    /// Rows and columns that windows reach beyond their corner, in steps of a strip.
    pub(super) reach: [usize; 2],
    /// Rows of the plane from one row of a strip to the next, and the phases of its columns.
    pub(super) stride: [usize; 2],
    /// Rows and columns of the plane before those of a strip's first row and column.
    pub(super) before: [isize; 2],
    /// Elements from one line to the next.
    pub(super) pitch: usize,
}

impl Strips {
    /// Planes of the input under the windows of rows of the output.
    pub(super) fn of_input(conv: &Conv2d) -> Self {
        let reach = conv.reach();
        let columns = conv.out_size().1.next_multiple_of(WIDTH) + reach[1] / conv.stride[1];
        let plain = Self {
            size: [conv.h, conv.w],
            reach,
            stride: conv.stride,
            before: conv.padding.map(usize::cast_signed),
            pitch: columns.next_multiple_of(WIDTH),
            ..Self::plain(conv, 1)
        };
        Self { rows: (STRIP / plain.row()).clamp(1, plain.all.len().max(1)), ..plain }
    }

    /// Planes of the output as rows of the padded input divided by the stride see them.
    pub(super) fn of_output(conv: &Conv2d) -> Self {
        let part =
            |d: usize, len: usize| conv.padding[d] / conv.stride[d]..(len + conv.padding[d]).div_ceil(conv.stride[d]);
        let (lines, columns) = (part(0, conv.h), part(1, conv.w));
        let reach = conv.reach();
        let reach = [reach[0] / conv.stride[0], reach[1] / conv.stride[1]];
        let pitch = (columns.len().next_multiple_of(WIDTH) + reach[1]).next_multiple_of(WIDTH);
        Self {
            first: [lines.start, columns.start],
            rows: (STRIP / pitch).clamp(1, lines.len().max(1)),
            all: lines,
            reach,
            before: [reach[0].cast_signed(), reach[1].cast_signed() - columns.start.cast_signed()],
            pitch,
            ..Self::plain(conv, 1)
        }
    }

    /// Planes of the output as they are.
    pub(super) fn plain(conv: &Conv2d, rows: usize) -> Self {
        let (oh, ow) = conv.out_size();
        Self {
            size: [oh, ow],
            all: 0..oh,
            first: [0, 0],
            rows,
            reach: [0, 0],
            stride: [1, 1],
            before: [0, 0],
            pitch: ow,
        }
    }

    /// Where each tap of a window is, behind its corner.
    pub(super) fn offsets(&self, conv: &Conv2d) -> Vec<usize> {
        let [down, across] = conv.dilation;
        let phases = self.stride[1];
        let at = |i: usize, j: usize| (i * down * phases + j * across % phases) * self.pitch + j * across / phases;
        (0..conv.kh).flat_map(|i| (0..conv.kw).map(move |j| at(i, j))).collect()
    }

    /// Elements from the windows of one row of a strip to those of the next.
    pub(super) fn row(&self) -> usize {
        self.stride[0] * self.stride[1] * self.pitch
    }

    /// Lines of the plane under `rows` rows of a strip.
    fn lines(&self, rows: usize) -> usize {
        (rows - 1) * self.stride[0] + self.reach[0] + 1
    }

    /// Elements of scratch: a strip, and as many more.
    pub(super) fn len(&self) -> usize {
        2 * self.lines(self.rows) * self.stride[1] * self.pitch
    }

    /// Calls `body` with the rows of each strip, memory for it, and whether that lacks the zeros around the plane. The strip
    /// is one for these strips.
    pub(super) fn each<T: GemmFloat>(&self, strip: &mut Strip, mut body: impl FnMut(Range<usize>, *mut T, bool)) {
        let whole = self.rows >= self.all.len();
        for start in self.all.clone().step_by(self.rows) {
            body(start..(start + self.rows).min(self.all.end), strip.scratch.start(), !(whole && strip.has_zeros));
        }
        strip.has_zeros = true;
    }

    /// Fills a strip: phase after phase of each line, zeros outside of the plane if it lacks them. Meanwhile brings near what lies `ahead`
    /// elements further on, of the plane that comes next: a plane is too short for the hardware to foresee.
    ///
    /// # Safety
    /// `to` has room for the strip, and `images` has such a plane.
    pub(super) unsafe fn pad<X: Stored<Value: GemmFloat>>(
        &self,
        images: &Images<'_, X>,
        [n, c]: [usize; 2],
        rows: &Range<usize>,
        to: *mut X::Value,
        clear: bool,
        ahead: isize,
    ) {
        let plane = images.channel(c).wrapping_offset(n.cast_signed() * images.strides[0]);
        let top = (rows.start * self.stride[0]).cast_signed() - self.before[0];
        let [_, _, row, column] = images.strides;
        dispatch(Pad {
            strips: self,
            plane,
            steps: [row, column],
            top,
            lines: self.lines(rows.len()),
            to,
            clear,
            ahead,
        });
    }
}

/// The lines of a strip. To call the C library's copy for each takes longer than the convolution.
struct Pad<'a, X: Stored> {
    strips: &'a Strips,
    plane: *const X,
    /// From row to row, and column to column.
    steps: [isize; 2],
    /// The row of the plane under the first line.
    top: isize,
    lines: usize,
    to: *mut X::Value,
    clear: bool,
    ahead: isize,
}

impl<X: Stored<Value: GemmFloat>> Kernel for Pad<'_, X> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { strips, plane, steps: [row, column], top, lines, to, ahead, .. } = self;
        let ([height, width], phases) = (strips.size.map(usize::cast_signed), strips.stride[1]);
        for phase in 0..phases {
            // Column `u` of this phase is `left + u * phases` of the plane.
            let left = phase.cast_signed() - strips.before[1];
            let inside = |x: isize| (x.max(0).unsigned_abs()).div_ceil(phases).min(strips.pitch);
            let (first, end) = (inside(-left), inside(width - left));
            let step = phases.cast_signed() * column;
            let from = plane.wrapping_offset(left * column + first.cast_signed() * step);
            let zeros = [0..first.next_multiple_of(WIDTH), end / WIDTH * WIDTH..strips.pitch];
            for line in 0..lines {
                let y = top + line.cast_signed();
                // SAFETY: the contract of `pad`: there is room, and only elements of the plane are read.
                unsafe {
                    let to = to.add((line * phases + phase) * strips.pitch);
                    let outside = y < 0 || y >= height || first >= end;
                    if self.clear && outside {
                        clear(to, 0..strips.pitch);
                    }
                    if outside {
                        continue;
                    }
                    if self.clear {
                        clear(to, zeros[0].clone());
                        clear(to, zeros[1].clone());
                    }
                    copy(from.wrapping_offset(y * row), step, to.add(first), end - first, ahead);
                }
            }
        }
    }
}

/// Zeros in whole vectors.
///
/// # Safety
/// `to` has room for them.
#[inline(always)]
unsafe fn clear<T: GemmFloat>(to: *mut T, columns: Range<usize>) {
    for at in columns.step_by(WIDTH) {
        // SAFETY: by contract.
        unsafe { to.add(at).cast::<[T; WIDTH]>().write_unaligned([T::ZERO; WIDTH]) };
    }
}

/// Copies the values of elements that are `step` apart; adjacent ones and every second in whole vectors, or half and
/// quarter ones of short rows.
///
/// # Safety
/// `from` has `len` such elements, and `to` room for them.
#[inline(always)]
unsafe fn copy<X: Stored>(from: *const X, step: isize, to: *mut X::Value, len: usize, ahead: isize) {
    // SAFETY: by contract.
    unsafe {
        match (step, len) {
            (1, WIDTH..) => adjacent::<X, WIDTH>(from, to, len, ahead),
            (1, 8..) => adjacent::<X, 8>(from, to, len, ahead),
            (1, 4..) => adjacent::<X, 4>(from, to, len, ahead),
            (2, WIDTH..) => every_second(from, to, len, ahead),
            _ => {
                for u in 0..len {
                    *to.add(u) = (*from.wrapping_offset(u.cast_signed() * step)).load();
                }
            }
        }
    }
}

/// Copies `len` values, at least `N`, in pieces of `N`: the last of them once more.
///
/// # Safety
/// As [`copy`].
#[inline(always)]
unsafe fn adjacent<X: Stored, const N: usize>(from: *const X, to: *mut X::Value, len: usize, ahead: isize) {
    for at in (0..len).step_by(N) {
        let at = at.min(len - N);
        prefetch(from.wrapping_add(at).wrapping_offset(ahead));
        // SAFETY: by contract.
        unsafe {
            let numbers = from.add(at).cast::<[X; N]>().read_unaligned();
            let mut values = [X::Value::ZERO; N];
            for lane in 0..N {
                values[lane] = numbers[lane].load();
            }
            to.add(at).cast::<[X::Value; N]>().write_unaligned(values);
        }
    }
}

/// Copies every second element, `len` of them, at least [`WIDTH`].
///
/// # Safety
/// As [`copy`].
#[inline(always)]
unsafe fn every_second<X: Stored>(from: *const X, to: *mut X::Value, len: usize, ahead: isize) {
    let whole = (len - 1) / WIDTH * WIDTH;
    for at in (0..whole).step_by(WIDTH) {
        // SAFETY: another element follows, so the one beside the last is there too.
        unsafe {
            let at_from = from.add(2 * at);
            prefetch(at_from.wrapping_offset(ahead));
            prefetch(at_from.wrapping_add(WIDTH).wrapping_offset(ahead));
            let numbers = at_from.cast::<[X; 2 * WIDTH]>().read_unaligned();
            let mut values = [X::Value::ZERO; WIDTH];
            for lane in 0..WIDTH {
                values[lane] = numbers[2 * lane].load();
            }
            to.add(at).cast::<[X::Value; WIDTH]>().write_unaligned(values);
        }
    }
    for at in whole..len {
        // SAFETY: by contract.
        unsafe { *to.add(at) = (*from.add(2 * at)).load() };
    }
}
