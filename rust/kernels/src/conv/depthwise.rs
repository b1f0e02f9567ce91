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

mod strips;

use std::ops::Range;

use super::{Conv2d, Images};
use crate::element::Element;
use crate::gemm::plane::{Correlation, Dots, PlaneTap, WIDTH};
use crate::gemm::private::Tables;
use crate::gemm::{GemmFloat, Scratch};
use crate::isa::{Kernel, Simd, dispatch, isa};
use crate::parallel::{Disjoint, for_each_init};
use crate::stored::Stored;
use strips::{Strip, Strips};

/// Multiply-adds of a nanosecond, roughly.
const WORK_PER_NS: usize = 20;

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
            strips.each(strip, |rows, padded: *mut X::Value, clear| {
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
                    strips.pad(&x, [image, channel / conv.multiplier()], &rows, padded, clear, x.strides[1]);
                    (X::Value::microkernels(isa()).correlate)(&correlation);
                }
            });
        });
    });
}

/// What a thread keeps from plane to plane.
struct Desk<X: Stored> {
    taps: Vec<PlaneTap<X::Value>>,
    strip: Strip,
    /// For a plane before it is rounded.
    room: Option<Scratch>,
}

impl<X: Stored<Value: GemmFloat>> Desk<X> {
    fn new(strips: &Strips, plane: usize) -> Self {
        let room = X::NARROW.then(|| Scratch::new::<X::Value>(plane));
        Self { taps: Vec::new(), strip: Strip::new::<X::Value>(strips), room }
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
            strips.each(strip, |rows, padded: *mut X::Value, clear| {
                for nth in 0..conv.multiplier() {
                    let output = channel * conv.multiplier() + nth;
                    let weights = &w[output * conv.kh * conv.kw..(output + 1) * conv.kh * conv.kw];
                    // SAFETY: the strip has room for these rows.
                    unsafe { strips.pad(&gy, [image, output], &rows, padded, clear, gy.strides[1]) };
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
    let strip = || Strip::new::<X::Value>(&strips);
    for_each_init(conv.c_out, conv.work() / WORK_PER_NS, strip, |strip, channel| {
        // SAFETY: each task has a channel of its own.
        let gw = unsafe { gw.slice(channel * taps..(channel + 1) * taps) };
        let outputs = Strips { pitch: ow.next_multiple_of(WIDTH), ..Strips::plain(conv, strips.rows) };
        let offsets = strips.offsets(conv);
        let mut sums = vec![<X::Value as Element>::ZERO; taps * WIDTH];
        for image in 0..conv.n {
            strips.each(strip, |rows, padded: *mut X::Value, clear| {
                // SAFETY: the strips have room for these rows, and hold what the windows see.
                unsafe {
                    let gradient = padded.add(strips.len() / 2);
                    strips.pad(&x, [image, channel / conv.multiplier()], &rows, padded, clear, x.strides[0]);
                    outputs.pad(&gy, [image, channel], &rows, gradient, clear, gy.strides[0]);
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

impl Conv2d {
    /// Rows and columns from the first to the last tap of a window.
    pub(super) fn reach(&self) -> [usize; 2] {
        [self.dilation[0] * self.kh.saturating_sub(1), self.dilation[1] * self.kw.saturating_sub(1)]
    }
}
