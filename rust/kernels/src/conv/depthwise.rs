//! Groups of one input channel: too thin for a product, so each plane is convolved directly.
//!
//! A plane is copied with its padding, a strip that stays in cache at a time, and every window then reads adjacent
//! elements ([`correlate`], [`dots`]). Strides cut a plane into phases: the columns (and, for the gradient of the
//! input, the rows) that are equal modulo the stride meet their taps at unit steps, so nothing is multiplied in vain.
//! A task owns a plane of the result; each element sums in a fixed order. What is stored narrower than it is computed is
//! widened into the strip and rounded from a plane's room, while both are near.
//!
//! [`correlate`]: crate::gemm::plane::correlate
//! [`dots`]: crate::gemm::plane::dots

use std::ops::Range;

use super::{Conv2d, Images};
use crate::element::Element;
use crate::gemm::plane::{Correlation, Dots, PlaneTap, WIDTH};
use crate::gemm::private::Tables;
use crate::gemm::{GemmFloat, Scratch};
use crate::isa::{Kernel, Simd, dispatch, isa, prefetch};
use crate::parallel::{Disjoint, for_each_init};
use crate::stored::Stored;

/// Multiply-adds of a nanosecond, roughly.
const WORK_PER_NS: usize = 20;
/// Elements of a strip, about.
const STRIP: usize = 1 << 15;

pub(super) fn forward<X: Stored<Value: GemmFloat>>(
    conv: &Conv2d,
    x: Images<'_, X>,
    w: &[X::Value],
    bias: Option<&[X::Value]>,
    y: &mut [X],
) {
    let (oh, ow) = conv.out_size();
    if y.is_empty() {
        return;
    }
    let y = Disjoint::new(y);
    let strips = Strips::of_input(conv);
    let offsets = strips.offsets(conv);
    let desk = || Desk::<X>::new(&strips, oh * ow);
    for_each_init(conv.n * conv.c_out, conv.work() / WORK_PER_NS, desk, |Desk { taps, strip, room }, plane| {
        let (image, channel) = (plane / conv.c_out, plane % conv.c_out);
        let weights = &w[channel * offsets.len()..][..offsets.len()];
        taps.clear();
        taps.extend(offsets.iter().zip(weights).map(|(&offset, &weight)| PlaneTap { offset, weight }));
        // SAFETY: each task has a plane of its own.
        let y = unsafe { y.slice(plane * oh * ow..(plane + 1) * oh * ow) };
        rounding(y, room.as_ref(), |y| {
            strips.each(strip, |rows, padded: *mut X::Value| {
                let correlation = Correlation {
                    plane: padded.cast_const(),
                    pitch: strips.row(),
                    taps,
                    out: y[rows.start * ow..].as_mut_ptr(),
                    out_pitch: ow,
                    rows: rows.len(),
                    cols: ow,
                    start: bias.map_or(Element::ZERO, |bias| bias[channel]),
                    accumulate: false,
                };
                // SAFETY: a strip holds what the windows of its rows see, and `y` its rows; the table is this machine's.
                unsafe {
                    strips.pad(&x, [image, channel / conv.multiplier()], &rows, padded, x.strides[1]);
                    (X::Value::microkernels(isa()).correlate)(&correlation);
                }
            });
        });
    });
}

/// What a thread keeps from plane to plane.
struct Desk<X: Stored> {
    taps: Vec<PlaneTap<X::Value>>,
    strip: Scratch,
    /// For a plane before it is rounded.
    room: Option<Scratch>,
}

impl<X: Stored<Value: GemmFloat>> Desk<X> {
    fn new(strips: &Strips, plane: usize) -> Self {
        let room = X::NARROW.then(|| Scratch::new::<X::Value>(plane));
        Self { taps: Vec::new(), strip: Scratch::new::<X::Value>(strips.len()), room }
    }
}

/// Lets `fill` write all of a plane: itself, or the room that is rounded to it.
fn rounding<X: Stored<Value: GemmFloat>>(plane: &mut [X], room: Option<&Scratch>, fill: impl FnOnce(&mut [X::Value])) {
    let Some(room) = room else { return X::store_slice(plane, &mut [], fill) };
    // SAFETY: the room is this thread's, and has as many elements, of any value.
    let room = unsafe { std::slice::from_raw_parts_mut(room.start(), plane.len()) };
    fill(room);
    dispatch(Round { from: room, to: plane });
}

struct Round<'a, X: Stored> {
    from: &'a [X::Value],
    to: &'a mut [X],
}

impl<X: Stored> Kernel for Round<'_, X> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        for (to, &x) in self.to.iter_mut().zip(self.from) {
            *to = X::store(x);
        }
    }
}

pub(super) fn grad_input<X: Stored<Value: GemmFloat>>(conv: &Conv2d, gy: Images<'_, X>, w: &[X::Value], gx: &mut [X]) {
    let (oh, ow) = conv.out_size();
    let pixels = conv.h * conv.w;
    if oh * ow * conv.kh * conv.kw * conv.c_out == 0 {
        return gx.fill(X::store(Element::ZERO));
    }
    let gx = Disjoint::new(gx);
    let strips = Strips::of_output(conv);
    let desk = || Desk::<X>::new(&strips, pixels);
    for_each_init(conv.n * conv.c_in, conv.work() / WORK_PER_NS, desk, |Desk { taps, strip, room }, plane| {
        let (image, channel) = (plane / conv.c_in, plane % conv.c_in);
        // SAFETY: each task has a plane of its own.
        let gx = unsafe { gx.slice(plane * pixels..(plane + 1) * pixels) };
        rounding(gx, room.as_ref(), |gx| {
            strips.each(strip, |rows, padded: *mut X::Value| {
                for nth in 0..conv.multiplier() {
                    let output = channel * conv.multiplier() + nth;
                    let weights = &w[output * conv.kh * conv.kw..(output + 1) * conv.kh * conv.kw];
                    // SAFETY: the strip has room for these rows.
                    unsafe { strips.pad(&gy, [image, output], &rows, padded, gy.strides[1]) };
                    for down in 0..conv.stride[0] {
                        for across in 0..conv.stride[1] {
                            // SAFETY: the strip was filled above.
                            unsafe { phase(conv, &strips, &rows, padded, [down, across], weights, taps, gx, nth > 0) };
                        }
                    }
                }
            });
        });
    });
}

/// The elements of the input's gradient whose padded row and column leave the remainders `[down, across]` by the
/// strides, from a strip of the output's gradient.
///
/// # Safety
/// `padded` holds the strip of `rows`, and has room for as many more elements.
#[allow(clippy::too_many_arguments, reason = "one private step of the above")]
unsafe fn phase<T: GemmFloat>(
    conv: &Conv2d,
    strips: &Strips,
    rows: &Range<usize>,
    padded: *mut T,
    [down, across]: [usize; 2],
    weights: &[T],
    taps: &mut Vec<PlaneTap<T>>,
    gx: &mut [T],
    accumulate: bool,
) {
    let part = |d: usize, remainder: usize, len: usize| {
        let (stride, padding) = (conv.stride[d], conv.padding[d]);
        padding.saturating_sub(remainder).div_ceil(stride)..(len + padding).saturating_sub(remainder).div_ceil(stride)
    };
    let (lines, columns) = (part(0, down, conv.h), part(1, across, conv.w));
    let lines = lines.start.max(rows.start)..lines.end.min(rows.end);
    if lines.is_empty() || columns.is_empty() {
        return;
    }
    let steps = |d: usize, tap: usize| tap * conv.dilation[d] / conv.stride[d];
    let meets = |d: usize, tap: usize, remainder: usize| tap * conv.dilation[d] % conv.stride[d] == remainder;
    taps.clear();
    for i in (0..conv.kh).filter(|&i| meets(0, i, down)) {
        for j in (0..conv.kw).filter(|&j| meets(1, j, across)) {
            let offset = (strips.reach[0] - steps(0, i)) * strips.pitch + strips.reach[1] - steps(1, j);
            taps.push(PlaneTap { offset, weight: weights[i * conv.kw + j] });
        }
    }
    let line = |t: usize| (t * conv.stride[0] + down - conv.padding[0]) * conv.w;
    let column = |u: usize| u * conv.stride[1] + across - conv.padding[1];
    let direct = conv.stride[1] == 1;
    let apart = columns.len().next_multiple_of(WIDTH);
    // SAFETY: by contract, and because lines and columns are those of the image.
    unsafe {
        let beside = padded.add(strips.len() / 2);
        let correlation = Correlation {
            plane: padded.add((lines.start - rows.start) * strips.pitch + columns.start - strips.first[1]).cast_const(),
            pitch: strips.pitch,
            taps,
            out: if direct { gx[line(lines.start) + column(columns.start)..].as_mut_ptr() } else { beside },
            out_pitch: if direct { conv.stride[0] * conv.w } else { apart },
            rows: lines.len(),
            cols: columns.len(),
            start: T::ZERO,
            accumulate: accumulate && direct,
        };
        (T::microkernels(isa()).correlate)(&correlation);
        if direct {
            return;
        }
        for (nth, t) in lines.enumerate() {
            let from = std::slice::from_raw_parts(beside.add(nth * apart).cast_const(), columns.len());
            let to = gx[line(t) + column(columns.start)..line(t) + conv.w].iter_mut().step_by(conv.stride[1]);
            for (to, &x) in to.zip(from) {
                *to = if accumulate { *to + x } else { x };
            }
        }
    }
}

pub(super) fn grad_weight<X: Stored<Value: GemmFloat>>(
    conv: &Conv2d,
    gy: Images<'_, X>,
    x: Images<'_, X>,
    gw: &mut [X],
) {
    let ((oh, ow), taps) = (conv.out_size(), conv.kh * conv.kw);
    if conv.n * oh * ow * taps == 0 {
        return gw.fill(X::store(Element::ZERO));
    }
    let gw = Disjoint::new(gw);
    let strips = Strips::of_input(conv);
    let strip = || Scratch::new::<X::Value>(strips.len());
    for_each_init(conv.c_out, conv.work() / WORK_PER_NS, strip, |strip, channel| {
        // SAFETY: each task has a channel of its own.
        let gw = unsafe { gw.slice(channel * taps..(channel + 1) * taps) };
        let outputs = Strips { pitch: ow.next_multiple_of(WIDTH), ..Strips::plain(conv, strips.rows) };
        let offsets = strips.offsets(conv);
        let mut sums = vec![<X::Value as Element>::ZERO; taps * WIDTH];
        for image in 0..conv.n {
            strips.each(strip, |rows, padded: *mut X::Value| {
                // SAFETY: the strips have room for these rows, and hold what the windows see.
                unsafe {
                    let gradient = padded.add(strips.len() / 2);
                    strips.pad(&x, [image, channel / conv.multiplier()], &rows, padded, x.strides[0]);
                    outputs.pad(&gy, [image, channel], &rows, gradient, gy.strides[0]);
                    let dots = Dots {
                        plane: padded.cast_const(),
                        pitch: strips.row(),
                        offsets: &offsets,
                        other: gradient.cast_const(),
                        other_pitch: outputs.pitch,
                        rows: rows.len(),
                        cols: outputs.pitch,
                        sums: sums.as_mut_ptr(),
                    };
                    (X::Value::microkernels(isa()).dots)(&dots);
                }
            });
        }
        for (gw, lanes) in gw.iter_mut().zip(sums.chunks_exact_mut(WIDTH)) {
            let mut width = WIDTH / 2;
            while width > 0 {
                for lane in 0..width {
                    lanes[lane] += lanes[lane + width];
                }
                width /= 2;
            }
            *gw = X::store(lanes[0]);
        }
    });
}

impl Conv2d {
    fn work(&self) -> usize {
        let (oh, ow) = self.out_size();
        self.n * self.c_out * oh * ow * self.kh * self.kw
    }

    /// Output channels of a group.
    fn multiplier(&self) -> usize {
        self.c_out / self.c_in
    }
}

/// How planes are cut into strips of rows, and copied with what windows see past their edges.
struct Strips {
    /// Size of the planes.
    size: [usize; 2],
    /// All rows and the first column that strips count, and rows of one strip.
    all: Range<usize>,
    first: [usize; 2],
    rows: usize,
    /// Rows and columns that windows reach beyond their corner, in steps of a strip.
    reach: [usize; 2],
    /// Rows of the plane from one row of a strip to the next, and the phases of its columns.
    stride: [usize; 2],
    /// Rows and columns of the plane before those of a strip's first row and column.
    before: [isize; 2],
    /// Elements from one line to the next.
    pitch: usize,
}

impl Strips {
    /// Planes of the input under the windows of rows of the output.
    fn of_input(conv: &Conv2d) -> Self {
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
    fn of_output(conv: &Conv2d) -> Self {
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
    fn plain(conv: &Conv2d, rows: usize) -> Self {
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
    fn offsets(&self, conv: &Conv2d) -> Vec<usize> {
        let [down, across] = conv.dilation;
        let phases = self.stride[1];
        let at = |i: usize, j: usize| (i * down * phases + j * across % phases) * self.pitch + j * across / phases;
        (0..conv.kh).flat_map(|i| (0..conv.kw).map(move |j| at(i, j))).collect()
    }

    /// Elements from the windows of one row of a strip to those of the next.
    fn row(&self) -> usize {
        self.stride[0] * self.stride[1] * self.pitch
    }

    /// Lines of the plane under `rows` rows of a strip.
    fn lines(&self, rows: usize) -> usize {
        (rows - 1) * self.stride[0] + self.reach[0] + 1
    }

    /// Elements of scratch: a strip, and as many more.
    fn len(&self) -> usize {
        2 * self.lines(self.rows) * self.stride[1] * self.pitch
    }

    /// Calls `body` with the rows of each strip, and memory for it: `scratch` of [`Self::len`].
    fn each<T: GemmFloat>(&self, scratch: &Scratch, mut body: impl FnMut(Range<usize>, *mut T)) {
        for start in self.all.clone().step_by(self.rows) {
            body(start..(start + self.rows).min(self.all.end), scratch.start());
        }
    }

    /// Fills a strip: phase after phase of each line, zeros outside of the plane. Meanwhile brings near what lies `ahead`
    /// elements further on, of the plane that comes next: a plane is too short for the hardware to foresee.
    ///
    /// # Safety
    /// `to` has room for the strip, and `images` has such a plane.
    unsafe fn pad<X: Stored<Value: GemmFloat>>(
        &self,
        images: &Images<'_, X>,
        [n, c]: [usize; 2],
        rows: &Range<usize>,
        to: *mut X::Value,
        ahead: isize,
    ) {
        let plane = images.channel(c).wrapping_offset(n.cast_signed() * images.strides[0]);
        let top = (rows.start * self.stride[0]).cast_signed() - self.before[0];
        let [_, _, row, column] = images.strides;
        dispatch(Pad { strips: self, plane, steps: [row, column], top, lines: self.lines(rows.len()), to, ahead });
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
    ahead: isize,
}

impl<X: Stored<Value: GemmFloat>> Kernel for Pad<'_, X> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { strips, plane, steps: [row, column], top, lines, to, ahead } = self;
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
                    if y < 0 || y >= height || first >= end {
                        clear(to, 0..strips.pitch);
                        continue;
                    }
                    clear(to, zeros[0].clone());
                    clear(to, zeros[1].clone());
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

impl Conv2d {
    /// Rows and columns from the first to the last tap of a window.
    pub(super) fn reach(&self) -> [usize; 2] {
        [self.dilation[0] * self.kh.saturating_sub(1), self.dilation[1] * self.kw.saturating_sub(1)]
    }
}
