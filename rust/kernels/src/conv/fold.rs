//! The gradient of the input: products fold back into the image.
//!
//! Weights (transposed) times the gradient of some output lines give what every tap of their windows receives; adding
//! that up where windows overlap gives the image. No multiplication is spent on padding or between strides. A task owns
//! the planes of some images and channels and adds in a fixed order; its products stay in cache between the two steps.

use super::patches::{Grid, Patches, TapList};
use super::{Conv2d, Images};
use crate::gemm::{Epilogue, GemmFloat, InPlace, Product, Strided2, Target, with_scratch};
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_each};

/// Tasks to cut the work into, if there are enough planes.
const TASKS: usize = 16;
/// Output columns of one product, and elements of its result, about.
const COLUMNS: usize = 256;
const PRODUCT: usize = 1 << 18;
/// Multiply-adds of a nanosecond, roughly.
const WORK_PER_NS: usize = 50;

pub(super) fn grad_input<T: GemmFloat>(conv: &Conv2d, gy: Images<'_, T>, w: &[T], gx: &mut [T]) {
    let (oh, ow) = conv.out_size();
    let (inputs, outputs) = (conv.c_in / conv.groups, conv.c_out / conv.groups);
    if gx.is_empty() {
        return;
    }
    if oh * ow * outputs * conv.kh * conv.kw == 0 {
        gx.fill(T::ZERO);
        return;
    }
    let images = (COLUMNS / (oh * ow)).clamp(1, conv.n);
    let image_tasks = conv.n.div_ceil(images);
    let channels = inputs.div_ceil(TASKS.div_ceil(image_tasks * conv.groups));
    let blocks = inputs.div_ceil(channels);
    let taps = TapList::channels(outputs, &gy);
    let work = conv.n * conv.c_out * oh * ow * conv.taps();
    let gx = Disjoint::new(gx);
    for_each(image_tasks * conv.groups * blocks, work / WORK_PER_NS, |task| {
        let (block, rest) = (task % blocks, task / blocks);
        let (group, image) = (rest % conv.groups, rest / conv.groups * images);
        let first = block * channels;
        let part = Part {
            conv,
            gx: &gx,
            images: image..(image + images).min(conv.n),
            channels: group * inputs + first..group * inputs + (first + channels).min(inputs),
        };
        let weights = &w[group * outputs * conv.taps() + first * conv.kh * conv.kw..];
        let patches =
            Patches { src: gy.channel(group * outputs), grid: Grid::pixels(&gy, [oh, ow]), taps: &taps, first: 0 };
        part.run(weights, &patches);
    });
}

/// The planes of one task.
struct Part<'a, T> {
    conv: &'a Conv2d,
    gx: &'a Disjoint<'a, T>,
    images: std::ops::Range<usize>,
    channels: std::ops::Range<usize>,
}

impl<T: GemmFloat> Part<'_, T> {
    /// A plane of the result.
    ///
    /// # Safety
    /// It belongs to this task, and no other borrow of it is alive.
    #[allow(clippy::mut_from_ref, reason = "see the contract")]
    unsafe fn plane(&self, image: usize, channel: usize) -> &mut [T] {
        let pixels = self.conv.h * self.conv.w;
        let start = (image * self.conv.c_in + channel) * pixels;
        // SAFETY: tasks own different planes; the rest is the caller's contract.
        unsafe { self.gx.slice(start..start + pixels) }
    }

    fn run(&self, weights: &[T], gradient: &Patches<'_, T>) {
        for image in self.images.clone() {
            for channel in self.channels.clone() {
                // SAFETY: a plane of this task, for this line only.
                unsafe { self.plane(image, channel) }.fill(T::ZERO);
            }
        }
        let (oh, ow) = self.conv.out_size();
        let (m, k) = (self.channels.len() * self.conv.kh * self.conv.kw, gradient.taps.all.len());
        let at_once = (COLUMNS.min(PRODUCT / m) / ow).max(1);
        let end = self.images.end * oh;
        with_scratch(m * at_once * ow, |product: *mut T| {
            for line in (self.images.start * oh..end).step_by(at_once) {
                let lines = line..(line + at_once).min(end);
                let n = lines.len() * ow;
                let start = weights.as_ptr();
                let a = Strided2(InPlace { start, outer_stride: 1, k_stride: self.conv.taps().cast_signed() });
                let b = Patches { first: line * ow, ..*gradient };
                let (c, epilogue) = (Target::rows(product, 0, n), Epilogue::default());
                // SAFETY: the caller checked weights and gradient; the product is this task's own.
                let product = unsafe {
                    Product { m, n, k, a: &a, b: &b, c, accumulate: false, epilogue, stream_b: false }.run(true);
                    std::slice::from_raw_parts(product, m * n)
                };
                dispatch(Fold { part: self, product, lines });
            }
        });
    }
}

/// Adds a product, one row for each tap and one column for each pixel of `lines`, to the planes.
struct Fold<'a, T> {
    part: &'a Part<'a, T>,
    product: &'a [T],
    lines: std::ops::Range<usize>,
}

impl<T: GemmFloat> Kernel for Fold<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { part, product, lines } = self;
        let conv = part.conv;
        let (oh, ow) = conv.out_size();
        let mut rows = product.chunks_exact(lines.len() * ow);
        for channel in part.channels.clone() {
            for i in 0..conv.kh {
                for j in 0..conv.kw {
                    let columns = conv.columns(j, ow);
                    let Some(row) = rows.next() else { return };
                    if columns.is_empty() {
                        continue;
                    }
                    let ix = conv.under(1, columns.start, j).unsigned_abs();
                    for (line, row) in lines.clone().zip(row.chunks_exact(ow)) {
                        let iy = conv.under(0, line % oh, i);
                        if iy < 0 || iy >= conv.h.cast_signed() {
                            continue;
                        }
                        // SAFETY: a plane of this task, for this line of the output only.
                        let plane = unsafe { part.plane(line / oh, channel) };
                        let to = &mut plane[iy.unsigned_abs() * conv.w + ix..];
                        let from = &row[columns.clone()];
                        if conv.stride[1] == 1 {
                            add_row(to, from);
                        } else {
                            for (to, &x) in to.iter_mut().step_by(conv.stride[1]).zip(from) {
                                *to += x;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `to[i] += from[i]`, in vectors as long as the rest of the row allows: rows of images are often short.
#[inline(always)]
fn add_row<T: GemmFloat>(to: &mut [T], from: &[T]) {
    let to = &mut to[..from.len()];
    let (to, from) = add_chunks::<T, 16>(to, from);
    let (to, from) = add_chunks::<T, 8>(to, from);
    let (to, from) = add_chunks::<T, 4>(to, from);
    add_chunks::<T, 1>(to, from);
}

/// Adds chunks of `LEN` elements; returns what is left.
#[inline(always)]
fn add_chunks<'a, T: GemmFloat, const LEN: usize>(to: &'a mut [T], from: &'a [T]) -> (&'a mut [T], &'a [T]) {
    let (to, to_rest) = to.as_chunks_mut::<LEN>();
    let (from, from_rest) = from.as_chunks::<LEN>();
    for (to, from) in to.iter_mut().zip(from) {
        for lane in 0..LEN {
            to[lane] += from[lane];
        }
    }
    (to_rest, from_rest)
}
