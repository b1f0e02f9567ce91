//! Two-dimensional convolution and its two gradients, as products on the packed core.
//!
//! Nothing is unfolded in memory: the patches of an image are a panel source ([`patches`]) that the core reads a panel
//! at a time, straight from the image. The gradient of the input is a convolution too: with stride 1 of the output's
//! gradient with flipped weights, with stride s one such convolution for each of the s * s phases of the pixels, so
//! that no inserted zero is ever multiplied. Groups of one input channel have direct loops ([`depthwise`]).
//! One-dimensional convolution is the case of height 1.

mod depthwise;
mod patches;
#[cfg(test)]
mod tests;

use crate::gemm::{Bias, Epilogue, GemmFloat, InPlace, Product, Strided2, Target, share_out};
use crate::layout::Strided;
use patches::{Grid, Patches, Pixels, Taps, Unfolded};

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
        self.check(x, w.len(), y.len());
        if let Some(bias) = bias {
            assert_eq!(bias.len(), self.c_out, "bias per output channel");
        }
        if self.is_depthwise() {
            return depthwise::forward(self, x, w, bias, y);
        }
        let (oh, ow) = self.out_size();
        let (m, n, k) = (self.c_out / self.groups, self.n * oh * ow, self.taps());
        let y = Target::images(y.as_mut_ptr(), oh * ow, [oh, ow], [self.c_out * oh * ow, ow, 1]);
        let (grid, taps) = self.windows(&x);
        share_out(self.groups, m * n * k, |group, serial| {
            let a =
                Strided2(InPlace { start: w[group * m * k..].as_ptr(), outer_stride: k.cast_signed(), k_stride: 1 });
            let b = Patches { src: x.channel(group * (self.c_in / self.groups)), grid, taps: &taps };
            let bias = bias.map_or(Bias::None, |bias| Bias::PerRow(&bias[group * m..(group + 1) * m]));
            let epilogue = Epilogue { bias, ..Epilogue::default() };
            let c = y.moved(group * m * oh * ow);
            // SAFETY: `check` saw every element of x, w and y inside its slice; groups write apart.
            unsafe { Product { m, n, k, a: &a, b: &b, c, accumulate: false, epilogue, stream_b: true }.run(serial) }
        });
    }

    /// Gradient `gx` of the input (contiguous) from `gy`, that of the output, and the weight.
    ///
    /// # Panics
    /// If a slice does not fit the shape.
    pub fn grad_input<T: GemmFloat>(&self, gy: Images<'_, T>, w: &[T], gx: &mut [T]) {
        self.check_output(gy, w.len());
        assert_eq!(gx.len(), self.n * self.c_in * self.h * self.w, "gradient of the input");
        if self.is_depthwise() {
            return depthwise::grad_input(self, gy, w, gx);
        }
        let (m, outputs) = (self.c_in / self.groups, self.c_out / self.groups);
        let pixels = self.h * self.w;
        let gx = gx.as_mut_ptr();
        let (phases_y, phases_x) = (self.stride[0].min(self.h), self.stride[1].min(self.w));
        for phase in 0..phases_y * phases_x {
            let (ry, rx) = (phase / phases_x, phase % phases_x);
            let size = [(self.h - ry).div_ceil(self.stride[0]), (self.w - rx).div_ceil(self.stride[1])];
            let (grid, taps, places) = self.phase(&gy, [ry, rx], size);
            let (n, k) = (self.n * size[0] * size[1], taps.0.len());
            let strides = [self.c_in * pixels, self.stride[0] * self.w, self.stride[1]];
            let target = Target::images(gx, pixels, size, strides).moved(ry * self.w + rx);
            share_out(self.groups, m * n * k, |group, serial| {
                let start = w[group * outputs * self.taps()..].as_ptr();
                let a = Taps { start, outer_stride: self.kh * self.kw, places: &places };
                let b = Patches { src: gy.channel(group * outputs), grid, taps: &taps };
                let (c, epilogue) = (target.moved(group * m * pixels), Epilogue::default());
                // SAFETY: `check_output` saw every element inside its slice; groups and phases write apart.
                unsafe { Product { m, n, k, a: &a, b: &b, c, accumulate: false, epilogue, stream_b: true }.run(serial) }
            });
        }
    }

    /// Gradient `gw` of the weight (contiguous) from `gy`, that of the output, and the input.
    ///
    /// # Panics
    /// If a slice does not fit the shape.
    pub fn grad_weight<T: GemmFloat>(&self, gy: Images<'_, T>, x: Images<'_, T>, gw: &mut [T]) {
        self.check_output(gy, gw.len());
        x.check([self.n, self.c_in, self.h, self.w]);
        if self.is_depthwise() {
            return depthwise::grad_weight(self, gy, x, gw);
        }
        let (oh, ow) = self.out_size();
        let (m, n, k) = (self.c_out / self.groups, self.taps(), self.n * oh * ow);
        let target = Target::rows(gw.as_mut_ptr(), 0, n);
        let (grid, taps) = self.windows(&x);
        share_out(self.groups, m * n * k, |group, serial| {
            let a = Pixels { start: gy.channel(group * m), strides: gy.strides, size: [oh, ow] };
            let b = Unfolded(Patches { src: x.channel(group * (self.c_in / self.groups)), grid, taps: &taps });
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

    fn check<T>(&self, x: Images<'_, T>, w: usize, y: usize) {
        let (oh, ow) = self.out_size();
        self.check_weight(w);
        x.check([self.n, self.c_in, self.h, self.w]);
        assert_eq!(y, self.n * self.c_out * oh * ow, "output");
    }

    fn check_output<T>(&self, gy: Images<'_, T>, w: usize) {
        let (oh, ow) = self.out_size();
        self.check_weight(w);
        gy.check([self.n, self.c_out, oh, ow]);
    }

    fn check_weight(&self, w: usize) {
        assert!(self.stride.iter().chain(&self.dilation).all(|&step| step > 0), "steps of a window are positive");
        assert!(self.groups > 0 && self.c_in % self.groups == 0 && self.c_out % self.groups == 0, "groups of channels");
        assert_eq!(w, self.c_out * self.taps(), "weight");
    }

    /// The windows over the input: one column for each output pixel, one tap for each weight of an output channel.
    fn windows<T>(&self, x: &Images<'_, T>) -> (Grid, patches::TapList) {
        let [image, channel, row, column] = x.strides;
        let (oh, ow) = self.out_size();
        let mut grid = Grid {
            size: [oh, ow],
            image,
            extent: [self.h, self.w].map(usize::cast_signed),
            corner: self.padding.map(|p| -p.cast_signed()),
            step: self.stride.map(usize::cast_signed),
            strides: [row, column],
        };
        let pointwise = self.kh == 1 && self.kw == 1 && self.stride == [1, 1] && self.padding == [0, 0];
        if pointwise && row == self.w.cast_signed() * column {
            // Rows follow each other: one long row makes longer runs.
            grid.size = [1, oh * ow];
            grid.extent = [1, (self.h * self.w).cast_signed()];
        }
        let [dy, dx] = self.dilation.map(usize::cast_signed);
        let mut taps = patches::TapList::default();
        for c in 0..(self.c_in / self.groups).cast_signed() {
            for i in 0..self.kh.cast_signed() {
                for j in 0..self.kw.cast_signed() {
                    taps.push([i * dy, j * dx], c * channel, [row, column]);
                }
            }
        }
        (grid, taps)
    }

    /// The windows over the gradient of the output that the input pixels of one phase see, and which weight each tap
    /// multiplies (relative to that of the first output channel).
    fn phase<T>(
        &self,
        gy: &Images<'_, T>,
        phase: [usize; 2],
        size: [usize; 2],
    ) -> (Grid, patches::TapList, Vec<usize>) {
        let [image, channel, row, column] = gy.strides;
        let (oh, ow) = self.out_size();
        let extent = [oh, ow].map(usize::cast_signed);
        let grid = Grid { size, image, extent, corner: [0, 0], step: [1, 1], strides: [row, column] };
        // Output row oh saw input row ih through weight row i if oh * stride + i * dilation - padding = ih.
        let seen = |d: usize, kernel: usize| -> Vec<(usize, isize)> {
            let from = (phase[d] + self.padding[d]).cast_signed();
            let stride = self.stride[d].cast_signed();
            let all = (0..kernel).map(|i| (i, from - (i * self.dilation[d]).cast_signed()));
            all.filter(|(_, at)| at.rem_euclid(stride) == 0).map(|(i, at)| (i, at.div_euclid(stride))).collect()
        };
        let (rows, columns) = (seen(0, self.kh), seen(1, self.kw));
        let (mut taps, mut places) = (patches::TapList::default(), Vec::new());
        for c in 0..self.c_out / self.groups {
            for &(i, dy) in &rows {
                for &(j, dx) in &columns {
                    taps.push([dy, dx], c.cast_signed() * channel, [row, column]);
                    places.push(c * self.taps() + i * self.kw + j);
                }
            }
        }
        (grid, taps, places)
    }
}
