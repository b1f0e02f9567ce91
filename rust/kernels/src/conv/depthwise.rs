//! Groups of one input channel: too thin for a product, so each plane is convolved directly, row by row and tap by tap.
//!
//! A task owns a plane of the result. Each element sums over its taps in a fixed order.

use super::{Conv2d, Images};
use crate::gemm::GemmFloat;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_each};

/// Multiply-adds of a nanosecond, roughly.
const WORK_PER_NS: usize = 8;
/// Sums that run side by side.
const LANES: usize = 16;

pub(super) fn forward<T: GemmFloat>(conv: &Conv2d, x: Images<'_, T>, w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let (oh, ow) = conv.out_size();
    let y = Disjoint::new(y);
    for_each(conv.n * conv.c_out, conv.work() / WORK_PER_NS, |plane| {
        // SAFETY: each task has a plane of its own.
        let y = unsafe { y.slice(plane * oh * ow..(plane + 1) * oh * ow) };
        dispatch(Forward { conv, x, w, bias, y, plane });
    });
}

pub(super) fn grad_input<T: GemmFloat>(conv: &Conv2d, gy: Images<'_, T>, w: &[T], gx: &mut [T]) {
    let pixels = conv.h * conv.w;
    let gx = Disjoint::new(gx);
    for_each(conv.n * conv.c_in, conv.work() / WORK_PER_NS, |plane| {
        // SAFETY: each task has a plane of its own.
        let gx = unsafe { gx.slice(plane * pixels..(plane + 1) * pixels) };
        dispatch(GradInput { conv, gy, w, gx, plane });
    });
}

pub(super) fn grad_weight<T: GemmFloat>(conv: &Conv2d, gy: Images<'_, T>, x: Images<'_, T>, gw: &mut [T]) {
    let taps = conv.kh * conv.kw;
    let gw = Disjoint::new(gw);
    for_each(conv.c_out, conv.work() / WORK_PER_NS, |channel| {
        // SAFETY: each task has a channel of its own.
        let gw = unsafe { gw.slice(channel * taps..(channel + 1) * taps) };
        dispatch(GradWeight { conv, gy, x, gw, channel });
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

    /// The rows `(oy, i, iy)` of output, kernel and input that meet.
    #[inline(always)]
    fn rows(&self, oy: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..self.kh)
            .map(move |i| (i, self.under(0, oy, i)))
            .filter(|&(_, iy)| iy >= 0 && iy < self.h.cast_signed())
            .map(|(i, iy)| (i, iy.unsigned_abs()))
    }
}

impl<T> Images<'_, T> {
    /// Position of a pixel.
    #[inline(always)]
    fn at(&self, [n, c, y, x]: [usize; 4]) -> usize {
        let moved: isize = [n, c, y, x].iter().zip(self.strides).map(|(&i, stride)| i.cast_signed() * stride).sum();
        self.offset.wrapping_add_signed(moved)
    }
}

/// `len` elements, `step` apart, of a slice from `start` on.
#[derive(Clone, Copy)]
struct Line<'a, T> {
    data: &'a [T],
    start: usize,
    step: isize,
}

impl<T: GemmFloat> Line<'_, T> {
    /// Calls `body(index, element)` for `len` elements, in a loop of its own for adjacent ones.
    #[inline(always)]
    fn each(self, len: usize, mut body: impl FnMut(usize, T)) {
        if self.step == 1 {
            for (index, &x) in self.data[self.start..self.start + len].iter().enumerate() {
                body(index, x);
            }
        } else {
            for index in 0..len {
                body(index, self.data[self.start.wrapping_add_signed(index.cast_signed() * self.step)]);
            }
        }
    }
}

struct Forward<'a, T> {
    conv: &'a Conv2d,
    x: Images<'a, T>,
    w: &'a [T],
    bias: Option<&'a [T]>,
    y: &'a mut [T],
    plane: usize,
}

impl<T: GemmFloat> Kernel for Forward<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { conv, x, w, bias, y, plane } = self;
        let (oh, ow) = conv.out_size();
        let (n, channel) = (plane / conv.c_out, plane % conv.c_out);
        let w = &w[channel * conv.kh * conv.kw..];
        let start = bias.map_or(T::ZERO, |bias| bias[channel]);
        for oy in 0..oh {
            let y = &mut y[oy * ow..(oy + 1) * ow];
            y.fill(start);
            for (i, iy) in conv.rows(oy) {
                for j in 0..conv.kw {
                    let columns = conv.columns(j, ow);
                    if columns.is_empty() {
                        continue;
                    }
                    let ix = conv.under(1, columns.start, j).unsigned_abs();
                    let start = x.at([n, channel / conv.multiplier(), iy, ix]);
                    let step = x.strides[3] * conv.stride[1].cast_signed();
                    let (weight, y) = (w[i * conv.kw + j], &mut y[columns]);
                    let line = Line { data: x.data, start, step };
                    line.each(y.len(), |at, x| y[at] = weight.fma::<S>(x, y[at]));
                }
            }
        }
    }
}

struct GradInput<'a, T> {
    conv: &'a Conv2d,
    gy: Images<'a, T>,
    w: &'a [T],
    gx: &'a mut [T],
    plane: usize,
}

impl<T: GemmFloat> Kernel for GradInput<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { conv, gy, w, gx, plane } = self;
        let (oh, ow) = conv.out_size();
        let (n, channel) = (plane / conv.c_in, plane % conv.c_in);
        gx.fill(T::ZERO);
        for output in channel * conv.multiplier()..(channel + 1) * conv.multiplier() {
            let w = &w[output * conv.kh * conv.kw..];
            for oy in 0..oh {
                for (i, iy) in conv.rows(oy) {
                    for j in 0..conv.kw {
                        let columns = conv.columns(j, ow);
                        if columns.is_empty() {
                            continue;
                        }
                        let ix = conv.under(1, columns.start, j).unsigned_abs();
                        let start = gy.at([n, output, oy, columns.start]);
                        let line = Line { data: gy.data, start, step: gy.strides[3] };
                        let (weight, stride) = (w[i * conv.kw + j], conv.stride[1]);
                        let gx = &mut gx[iy * conv.w + ix..(iy + 1) * conv.w];
                        if stride == 1 {
                            let gx = &mut gx[..columns.len()];
                            line.each(columns.len(), |at, g| gx[at] = weight.fma::<S>(g, gx[at]));
                        } else {
                            line.each(columns.len(), |at, g| gx[at * stride] = weight.fma::<S>(g, gx[at * stride]));
                        }
                    }
                }
            }
        }
    }
}

struct GradWeight<'a, T> {
    conv: &'a Conv2d,
    gy: Images<'a, T>,
    x: Images<'a, T>,
    gw: &'a mut [T],
    channel: usize,
}

impl<T: GemmFloat> Kernel for GradWeight<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { conv, gy, x, gw, channel } = self;
        let (oh, ow) = conv.out_size();
        let input = channel / conv.multiplier();
        for i in 0..conv.kh {
            for j in 0..conv.kw {
                let columns = conv.columns(j, ow);
                let mut sums = [T::ZERO; LANES];
                for n in 0..conv.n {
                    for oy in 0..oh {
                        let iy = conv.under(0, oy, i);
                        if columns.is_empty() || iy < 0 || iy >= conv.h.cast_signed() {
                            continue;
                        }
                        let ix = conv.under(1, columns.start, j).unsigned_abs();
                        let g = gy.at([n, channel, oy, columns.start]);
                        let start = x.at([n, input, iy.unsigned_abs(), ix]);
                        let step = x.strides[3] * conv.stride[1].cast_signed();
                        if step == 1 && gy.strides[3] == 1 {
                            let (g, x) = (&gy.data[g..g + columns.len()], &x.data[start..start + columns.len()]);
                            for (g, x) in g.chunks(LANES).zip(x.chunks(LANES)) {
                                for (sum, (&g, &x)) in sums.iter_mut().zip(g.iter().zip(x)) {
                                    *sum = g.fma::<S>(x, *sum);
                                }
                            }
                        } else {
                            for at in 0..columns.len() {
                                let g = gy.data[g.wrapping_add_signed(at.cast_signed() * gy.strides[3])];
                                let x = x.data[start.wrapping_add_signed(at.cast_signed() * step)];
                                sums[at % LANES] = g.fma::<S>(x, sums[at % LANES]);
                            }
                        }
                    }
                }
                let mut width = LANES / 2;
                while width > 0 {
                    for l in 0..width {
                        sums[l] += sums[l + width];
                    }
                    width /= 2;
                }
                gw[i * conv.kw + j] = sums[0];
            }
        }
    }
}
