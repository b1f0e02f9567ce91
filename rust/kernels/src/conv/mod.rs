//! Two-dimensional convolution and its two gradients, as products on the packed core.
//!
//! Nothing is unfolded in memory: the patches of an image are a panel source ([`patches`]) that the core reads a panel
//! at a time, straight from the image. Windows that overlap are multiplied where they lie, in a copy of the image with its
//! border: in multiply-adds with the bits of the core ([`sliding`], [`sliding_weight`]), on AMX in terms ([`terms`]), those
//! of [`bfloat16`] as well. The gradient of the input is a product whose rows are added back into the image while they are
//! in cache ([`fold`]), or at unit steps a convolution with the weights turned round ([`turned`]). Groups of one input
//! channel have direct loops ([`depthwise`]).
//! One-dimensional convolution is the case of height 1.

#![allow(clippy::many_single_char_names, reason = "n, h, w, x, y and the m, n, k of products are the field's names")]

mod bfloat16;
mod depthwise;
mod fold;
mod patches;
#[cfg(target_arch = "x86_64")]
mod sliding;
#[cfg(target_arch = "x86_64")]
mod sliding_weight;
#[cfg(target_arch = "x86_64")]
mod terms;
#[cfg(test)]
mod tests;
mod turned;

use std::ops::Range;

use crate::gemm::{Bias, Epilogue, GemmFloat, InPlace, Product, Strided2, Target, share_out};
use crate::layout::Strided;
use patches::{Grid, Patches, Pixels, TapList, Unfolded};

/// Output channels from which on, and elements up to which, the patches are packed once for all tasks.
const HELD: (usize, usize) = (256, 1 << 21);

/// The shape of a convolution. All pairs are (vertical, horizontal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Images.
    pub n: usize,
    /// Channels of the input; a multiple of `groups`.
    pub c_in: usize,
    /// Height of the input.
    pub h: usize,
    /// Width of the input.
    pub w: usize,
    /// Channels of the output; a multiple of `groups`.
    pub c_out: usize,
    /// Height of the kernel.
    pub kh: usize,
    /// Width of the kernel.
    pub kw: usize,
    /// Steps of the window; at least 1.
    pub stride: [usize; 2],
    /// Zeros around the image.
    pub padding: [usize; 2],
    /// Steps inside the window; at least 1.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other; at least 1.
    pub groups: usize,
}

/// Images inside a slice, with any strides.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a, T> {
    /// The slice.
    pub data: &'a [T],
    /// Position of the first element.
    pub offset: usize,
    /// Steps from image to image, channel to channel, row to row, column to column.
    pub strides: [isize; 4],
}

impl<'a, T> Images<'a, T> {
    /// Images of `shape` (channels, height, width), one after the other without gaps.
    #[must_use]
    pub fn contiguous(data: &'a [T], [c, h, w]: [usize; 3]) -> Self {
        let strides = [c * h * w, h * w, w, 1].map(usize::cast_signed);
        Self { data, offset: 0, strides }
    }

    fn check(&self, shape: [usize; 4]) {
        Strided { shape: &shape, strides: &self.strides, offset: self.offset }.check(self.data.len());
    }

    /// Address of channel `c` of the first image.
    fn channel(&self, c: usize) -> *const T {
        self.data.as_ptr().wrapping_add(self.offset).wrapping_offset(c.cast_signed() * self.strides[1])
    }
}

#[cfg(target_arch = "x86_64")]
impl<'a, T: GemmFloat> Images<'a, T> {
    /// The same images, if they are of float32.
    fn float32(&self) -> Option<Images<'a, f32>> {
        T::float32(self.data).map(|data| Images { data, offset: self.offset, strides: self.strides })
    }
}

impl Conv2d {
    /// Height and width of the output. Zero where the kernel is larger than the padded input.
    #[must_use]
    pub fn out_size(&self) -> (usize, usize) {
        let size = |len: usize, k: usize, d: usize| {
            let reach = self.dilation[d] * k.saturating_sub(1) + 1;
            (len + 2 * self.padding[d] + self.stride[d]).saturating_sub(reach) / self.stride[d]
        };
        (size(self.h, self.kh, 0), size(self.w, self.kw, 1))
    }

    /// Output `y` (contiguous: n, `c_out`, height, width) of input `x` and weight `w` (contiguous: `c_out`,
    /// `c_in / groups`, kh, kw), plus `bias` for each output channel.
    ///
    /// # Panics
    /// If a slice does not fit the shape.
    pub fn forward<T: GemmFloat>(&self, x: Images<'_, T>, w: &[T], bias: Option<&[T]>, y: &mut [T]) {
        self.check(&x, w.len(), y.len());
        if let Some(bias) = bias {
            assert_eq!(bias.len(), self.c_out, "bias per output channel");
        }
        if self.is_depthwise() {
            return depthwise::forward(self, x, w, bias, y);
        }
        #[cfg(target_arch = "x86_64")]
        if let (Some(x), Some(w), Some(y)) = (x.float32(), T::float32(w), T::float32_mut(y))
            && terms::forward(self, x, w, bias.and_then(T::float32), y)
        {
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if sliding::forward(self, x, w, bias, y) {
            return;
        }
        self.forward_of_patches(x, w, bias, y);
    }

    /// [`Conv2d::forward`] by the packed core.
    fn forward_of_patches<T: GemmFloat>(&self, x: Images<'_, T>, w: &[T], bias: Option<&[T]>, y: &mut [T]) {
        let (oh, ow) = self.out_size();
        let (m, n, k) = (self.c_out / self.groups, self.n * oh * ow, self.taps());
        let y = Target::images(y.as_mut_ptr(), oh * ow, self.c_out * oh * ow);
        let stream_b = m < HELD.0 || n * k > HELD.1;
        let (grid, taps) = self.windows(&x);
        share_out(self.groups, m * n * k, |group, serial| {
            let a =
                Strided2(InPlace { start: w[group * m * k..].as_ptr(), outer_stride: k.cast_signed(), k_stride: 1 });
            let b = Patches { src: x.channel(group * (self.c_in / self.groups)), grid, taps: &taps, first: 0 };
            let bias = bias.map_or(Bias::None, |bias| Bias::PerRow(&bias[group * m..(group + 1) * m]));
            let epilogue = Epilogue { bias, ..Epilogue::default() };
            let c = y.moved(group * m * oh * ow);
            // SAFETY: `check` saw every element of x, w and y inside its slice; groups write apart.
            unsafe { Product { m, n, k, a: &a, b: &b, c, accumulate: false, epilogue, stream_b }.run(serial) }
        });
    }

    /// Gradient `gx` of the input (contiguous) from `gy`, that of the output, and the weight.
    ///
    /// # Panics
    /// If a slice does not fit the shape.
    pub fn grad_input<T: GemmFloat>(&self, gy: Images<'_, T>, w: &[T], gx: &mut [T]) {
        self.check_output(&gy, w.len());
        assert_eq!(gx.len(), self.n * self.c_in * self.h * self.w, "gradient of the input");
        if self.is_depthwise() {
            return depthwise::grad_input(self, gy, w, gx);
        }
        if turned::suits(self) {
            return turned::grad_input(self, gy, w, gx);
        }
        #[cfg(target_arch = "x86_64")]
        if !self.is_pointwise()
            && let (Some(gy), Some(w), Some(gx)) = (gy.float32(), T::float32(w), T::float32_mut(gx))
            && terms::grad_input(self, gy, w, gx)
        {
            return;
        }
        if !self.is_pointwise() {
            return fold::grad_input(self, gy, w, gx);
        }
        let pixels = self.h * self.w;
        let (m, n, k) = (self.taps(), self.n * pixels, self.c_out / self.groups);
        let (grid, taps) = (Grid::pixels(&gy, [self.h, self.w]), TapList::channels(k, &gy));
        let target = Target::images(gx.as_mut_ptr(), pixels, self.c_in * pixels);
        share_out(self.groups, m * n * k, |group, serial| {
            let start = w[group * k * m..].as_ptr();
            let a = Strided2(InPlace { start, outer_stride: 1, k_stride: m.cast_signed() });
            let b = Patches { src: gy.channel(group * k), grid, taps: &taps, first: 0 };
            let (c, epilogue) = (target.moved(group * m * pixels), Epilogue::default());
            // SAFETY: `check_output` saw every element inside its slice; groups write apart.
            unsafe { Product { m, n, k, a: &a, b: &b, c, accumulate: false, epilogue, stream_b: true }.run(serial) }
        });
    }

    /// Gradient `gw` of the weight (contiguous) from `gy`, that of the output, and the input.
    ///
    /// # Panics
    /// If a slice does not fit the shape.
    pub fn grad_weight<T: GemmFloat>(&self, gy: Images<'_, T>, x: Images<'_, T>, gw: &mut [T]) {
        self.check_output(&gy, gw.len());
        x.check([self.n, self.c_in, self.h, self.w]);
        if self.is_depthwise() {
            return depthwise::grad_weight(self, gy, x, gw);
        }
        #[cfg(target_arch = "x86_64")]
        if let (Some(gy), Some(x), Some(gw)) = (gy.float32(), x.float32(), T::float32_mut(gw))
            && terms::grad_weight(self, gy, x, gw)
        {
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if sliding_weight::grad_weight(self, gy, x, gw) {
            return;
        }
        self.grad_weight_of_patches(gy, x, gw);
    }

    /// [`Conv2d::grad_weight`] by the packed core.
    fn grad_weight_of_patches<T: GemmFloat>(&self, gy: Images<'_, T>, x: Images<'_, T>, gw: &mut [T]) {
        let (oh, ow) = self.out_size();
        let (m, n, k) = (self.c_out / self.groups, self.taps(), self.n * oh * ow);
        let target = Target::rows(gw.as_mut_ptr(), 0, n);
        let (grid, taps) = self.windows(&x);
        share_out(self.groups, m * n * k, |group, serial| {
            let a = Pixels { start: gy.channel(group * m), strides: gy.strides, size: [oh, ow] };
            let b =
                Unfolded(Patches { src: x.channel(group * (self.c_in / self.groups)), grid, taps: &taps, first: 0 });
            let (c, epilogue) = (target.moved(group * m * n), Epilogue::default());
            // SAFETY: the checks above saw every element inside its slice; groups write apart.
            unsafe { Product { m, n, k, a: &a, b: &b, c, accumulate: false, epilogue, stream_b: true }.run(serial) }
        });
    }

    /// Weights of one output channel.
    fn taps(&self) -> usize {
        self.c_in / self.groups * self.kh * self.kw
    }

    fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.c_in == self.groups
    }

    /// Output pixels see one input pixel each, in place.
    fn is_pointwise(&self) -> bool {
        self.kh == 1 && self.kw == 1 && self.stride == [1, 1] && self.padding == [0, 0]
    }

    /// Windows see a pixel more than once: patches hold more than the image.
    #[cfg(target_arch = "x86_64")]
    fn windows_overlap(&self) -> bool {
        self.kh * self.kw > self.stride[0].saturating_mul(self.stride[1])
    }

    fn check<T>(&self, x: &Images<'_, T>, w: usize, y: usize) {
        let (oh, ow) = self.out_size();
        self.check_weight(w);
        x.check([self.n, self.c_in, self.h, self.w]);
        assert_eq!(y, self.n * self.c_out * oh * ow, "output");
    }

    fn check_output<T>(&self, gy: &Images<'_, T>, w: usize) {
        let (oh, ow) = self.out_size();
        self.check_weight(w);
        gy.check([self.n, self.c_out, oh, ow]);
    }

    fn check_weight(&self, w: usize) {
        assert!(self.stride.iter().chain(&self.dilation).all(|&step| step > 0), "steps of a window are positive");
        let divides = |channels: usize| self.groups > 0 && channels.is_multiple_of(self.groups);
        assert!(divides(self.c_in) && divides(self.c_out), "groups of channels");
        assert_eq!(w, self.c_out * self.taps(), "weight");
    }

    /// The windows over the input: one column for each output pixel, one tap for each weight of an output channel.
    fn windows<T>(&self, x: &Images<'_, T>) -> (Grid, TapList) {
        let [image, channel, row, column] = x.strides;
        let (oh, ow) = self.out_size();
        let grid = if self.is_pointwise() {
            Grid::pixels(x, [oh, ow])
        } else {
            Grid {
                size: [oh, ow],
                image,
                extent: [self.h, self.w].map(usize::cast_signed),
                corner: self.padding.map(|p| -p.cast_signed()),
                step: self.stride.map(usize::cast_signed),
                strides: [row, column],
            }
        };
        let [dy, dx] = self.dilation.map(usize::cast_signed);
        let reach = [self.kh, self.kw].map(|k| k.saturating_sub(1).cast_signed());
        let mut taps = TapList {
            all: Vec::with_capacity(self.taps()),
            period: (self.kh * self.kw).max(1),
            reach: [reach[0] * dy, reach[1] * dx],
        };
        for c in 0..(self.c_in / self.groups).cast_signed() {
            for i in 0..self.kh.cast_signed() {
                for j in 0..self.kw.cast_signed() {
                    taps.push([i * dy, j * dx], c * channel, [row, column]);
                }
            }
        }
        (grid, taps)
    }

    /// Input row or column under tap `tap` of window `at`; may lie outside.
    #[inline(always)]
    fn under(&self, d: usize, at: usize, tap: usize) -> isize {
        (at * self.stride[d] + tap * self.dilation[d]).cast_signed() - self.padding[d].cast_signed()
    }

    /// The output columns that see the image through kernel column `j`.
    #[inline(always)]
    fn columns(&self, j: usize, ow: usize) -> Range<usize> {
        let (shift, stride) = (j * self.dilation[1], self.stride[1]);
        let first = self.padding[1].saturating_sub(shift).div_ceil(stride);
        let end = (self.w + self.padding[1]).saturating_sub(shift).div_ceil(stride);
        first.min(ow)..end.min(ow).max(first.min(ow))
    }
}
