//! Images as operands of a product: panel sources that read patches and pixels where they lie.

use std::ops::Range;

use super::Images;
use crate::gemm::{GemmFloat, Microkernels, PanelSource, Segment, Tap, View};

/// Where windows stand: one for each pixel of `size` in each image, counted row by row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Windows along each axis.
    pub size: [usize; 2],
    /// Elements from image to image.
    pub image: isize,
    /// Size of the image under the windows; outside of it everything is zero.
    pub extent: [isize; 2],
    /// Where the corner of the first window is.
    pub corner: [isize; 2],
    /// Pixels from one window to the next.
    pub step: [isize; 2],
    /// Elements from one row, one column of the image to the next.
    pub strides: [isize; 2],
}

impl Grid {
    /// Windows of one pixel over images of `size`.
    pub fn pixels<T>(images: &Images<'_, T>, [height, width]: [usize; 2]) -> Self {
        let [image, _, row, column] = images.strides;
        // Rows that follow each other are one long row: longer runs.
        let joined = row == width.cast_signed() * column;
        let size = if joined { [1, height * width] } else { [height, width] };
        let extent = size.map(usize::cast_signed);
        Self { size, image, extent, corner: [0, 0], step: [1, 1], strides: [row, column] }
    }
}

/// Taps of several panels that are packed at a time, about.
const STEPS: usize = 32;
/// Bytes in which the hardware foresees what is read next.
const PAGE: usize = 4096;

/// The elements of a window, channel after channel.
pub(super) struct TapList {
    pub all: Vec<Tap>,
    /// Taps of one channel.
    pub period: usize,
    /// Rows and columns from the first to the last tap of the window.
    pub reach: [isize; 2],
}

impl TapList {
    /// One tap for each of `count` channels.
    pub fn channels<T>(count: usize, images: &Images<'_, T>) -> Self {
        let tap = |c: usize| Tap { dy: 0, dx: 0, offset: c.cast_signed() * images.strides[1] };
        Self { all: (0..count).map(tap).collect(), period: 1, reach: [0, 0] }
    }

    pub fn push(&mut self, [dy, dx]: [isize; 2], channel: isize, [row, column]: [isize; 2]) {
        self.all.push(Tap { dy, dx, offset: channel + dy * row + dx * column });
    }
}

/// The matrix whose columns are windows and whose k are taps; zero outside the image.
pub(super) struct Patches<'a, T> {
    /// The first element of the first image.
    pub src: *const T,
    pub grid: Grid,
    pub taps: &'a TapList,
    /// The window that is column zero.
    pub first: usize,
}

// SAFETY: a shared view of a slice that outlives the product.
unsafe impl<T: Sync> Sync for Patches<'_, T> {}

impl<T: GemmFloat> Patches<'_, T> {
    fn view(&self) -> View {
        let Grid { extent: [height, width], step: [_, x_step], strides: [_, column], .. } = self.grid;
        let TapList { period, reach, .. } = *self.taps;
        View { height, width, x_step, step: x_step * column, period, reach }
    }

    /// Cuts up to 32 windows from number `first` on into pieces of rows.
    fn segments(&self, first: usize, count: usize, into: &mut [Segment; 32]) -> usize {
        let Grid { size: [height, width], image, corner, step, strides, .. } = self.grid;
        let (mut row, mut column) = (first / width, first % width);
        let (mut start, mut pieces) = (0, 0);
        while start < count {
            let len = (width - column).min(count - start);
            let y = corner[0] + (row % height).cast_signed() * step[0];
            let x = corner[1] + column.cast_signed() * step[1];
            let offset = (row / height).cast_signed() * image + y * strides[0] + x * strides[1];
            into[pieces] = Segment { start, len, y, x, offset };
            (row, column) = (row + 1, 0);
            start += len;
            pieces += 1;
        }
        pieces
    }
}

impl<T: GemmFloat> PanelSource<T> for Patches<'_, T> {
    unsafe fn pack(
        &self,
        kernels: &Microkernels<T>,
        outer: Range<usize>,
        k: Range<usize>,
        width: usize,
        panel: *mut T,
    ) {
        let mut segments = [Segment::default(); 32];
        let pieces = self.segments(self.first + outer.start, outer.len(), &mut segments);
        // SAFETY: by the contract of `pack`; windows are read only inside the image.
        unsafe { (kernels.gather)(self.src, &self.view(), &segments[..pieces], &self.taps.all[k], panel, width) }
    }

    fn together(&self) -> Option<usize> {
        // Whole channels: what their taps see lies close together. Several small ones lie in one page.
        let [rows, columns] = self.grid.extent;
        let far = (rows * columns).unsigned_abs() * size_of::<T>() >= PAGE;
        far.then(|| (STEPS / self.taps.period).max(1) * self.taps.period)
    }
}

/// [`Patches`] the other way round: outer are the taps, k the windows.
pub(super) struct Unfolded<'a, T>(pub Patches<'a, T>);

impl<T: GemmFloat> PanelSource<T> for Unfolded<'_, T> {
    unsafe fn pack(
        &self,
        kernels: &Microkernels<T>,
        outer: Range<usize>,
        k: Range<usize>,
        width: usize,
        panel: *mut T,
    ) {
        let (view, mut segments) = (self.0.view(), [Segment::default(); 32]);
        let (taps, columns) = (&self.0.taps.all[outer], kernels.cols);
        let mut block = [T::ZERO; 32 * 32];
        for first in k.clone().step_by(columns) {
            let count = (k.end - first).min(columns);
            let pieces = self.0.segments(first, count, &mut segments);
            // SAFETY: by the contract of `pack`; a block has at most 32 taps (the columns of a tile) of 32 windows.
            unsafe {
                (kernels.gather)(self.0.src, &view, &segments[..pieces], taps, block.as_mut_ptr(), columns);
                let to = panel.add((first - k.start) * width);
                (kernels.transpose)(block.as_ptr(), taps.len(), columns.cast_signed(), count, to, width);
            }
        }
    }
}

/// The matrix whose rows are channels and whose k are the pixels of all images.
pub(super) struct Pixels<T> {
    /// The first element of the first channel.
    pub start: *const T,
    /// From image to image, channel to channel, row to row, column to column.
    pub strides: [isize; 4],
    pub size: [usize; 2],
}

// SAFETY: a shared view of a slice that outlives the product.
unsafe impl<T: Sync> Sync for Pixels<T> {}

impl<T: GemmFloat> PanelSource<T> for Pixels<T> {
    unsafe fn pack(
        &self,
        kernels: &Microkernels<T>,
        outer: Range<usize>,
        k: Range<usize>,
        width: usize,
        panel: *mut T,
    ) {
        let ([image, channel, row, column], [height, columns]) = (self.strides, self.size);
        // Pixels that follow each other in memory: a whole image, else a row.
        let run = if row == columns.cast_signed() * column { height * columns } else { columns };
        let mut at = k.start;
        while at < k.end {
            let count = (run - at % run).min(k.end - at);
            let (y, x) = (at / columns, (at % columns).cast_signed());
            let place = (y / height).cast_signed() * image + (y % height).cast_signed() * row + x * column;
            let from = self.start.wrapping_offset(place + outer.start.cast_signed() * channel);
            // SAFETY: by the contract of `pack`.
            unsafe {
                let to = panel.add((at - k.start) * width);
                if column == 1 {
                    (kernels.transpose)(from, outer.len(), channel, count, to, width);
                } else {
                    for pixel in 0..count {
                        for o in 0..width {
                            let place = o.cast_signed() * channel + pixel.cast_signed() * column;
                            *to.add(pixel * width + o) =
                                if o < outer.len() { *from.wrapping_offset(place) } else { T::ZERO };
                        }
                    }
                }
            }
            at += count;
        }
    }
}
