//! Where C goes: rows of a matrix, or the pixels of images.
//!
//! A tile whose columns are neighbours in memory is stored by the microkernel itself; any other is computed on the
//! stack and scattered.

use super::GemmFloat;
use super::microkernel::{Tile, TileFn};

/// Element `(row, col)` is at `row * row_stride` plus the place of `col`. Columns count through `images` pictures of
/// `height` by `width` pixels; a matrix is one picture of one endless row.
#[derive(Clone, Copy)]
pub(crate) struct Target<T> {
    pub start: *mut T,
    pub row_stride: usize,
    pub height: usize,
    pub width: usize,
    pub image_stride: usize,
    pub y_stride: usize,
    pub x_stride: usize,
}

// SAFETY: tasks write disjoint elements (the contract of `Product::run`).
unsafe impl<T: Send> Send for Target<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Target<T> {}

/// Elements of the largest tile: 14 rows of 32.
const TILE: usize = 14 * 32;

impl<T: GemmFloat> Target<T> {
    /// A row-major matrix that starts `offset` elements after `start`.
    pub fn rows(start: *mut T, offset: usize, row_stride: usize) -> Self {
        let start = start.wrapping_add(offset);
        Self { start, row_stride, height: 1, width: usize::MAX, image_stride: 0, y_stride: 0, x_stride: 1 }
    }

    /// Images of `size` (height, width): `row_stride` from channel to channel, `strides` from image to image, pixel row
    /// to pixel row, pixel to pixel.
    pub fn images(start: *mut T, row_stride: usize, size: [usize; 2], strides: [usize; 3]) -> Self {
        let ([height, width], [image_stride, y_stride, x_stride]) = (size, strides);
        Self { start, row_stride, height, width, image_stride, y_stride, x_stride }
    }

    /// The target `offset` elements further on.
    pub fn moved(self, offset: usize) -> Self {
        Self { start: self.start.wrapping_add(offset), ..self }
    }

    /// Whether C is a plain matrix.
    pub fn is_rows(&self) -> bool {
        self.width == usize::MAX
    }

    /// Address of an element.
    #[inline(always)]
    pub fn at(&self, row: usize, col: usize) -> *mut T {
        self.start.wrapping_add(row * self.row_stride + self.place(col).0)
    }

    /// The place of a column, and how many columns from it on are neighbours in memory.
    #[inline(always)]
    fn place(&self, col: usize) -> (usize, usize) {
        if self.is_rows() {
            return (col, usize::MAX);
        }
        let (y, x) = (col / self.width, col % self.width);
        let (image, y) = (y / self.height, y % self.height);
        let run = match (self.x_stride == 1, self.y_stride == self.width) {
            (true, true) => (self.height - y) * self.width - x,
            (true, false) => self.width - x,
            _ => 1,
        };
        (image * self.image_stride + y * self.y_stride + x * self.x_stride, run)
    }

    /// Runs `kernel` on `tile` (whose `c` is not set yet) for the columns from `col` on.
    ///
    /// # Safety
    /// That of the microkernel; the elements belong to the calling task.
    #[inline(always)]
    pub unsafe fn store(&self, mut tile: Tile<T>, kernel: TileFn<T>, row: usize, col: usize, height: usize) {
        let (place, run) = self.place(col);
        // SAFETY: by contract.
        unsafe {
            if run >= tile.cols {
                tile.c = self.start.add(row * self.row_stride + place);
                tile.c_row = self.row_stride;
                kernel(&tile);
            } else {
                self.scatter(tile, kernel, row, col, height);
            }
        }
    }

    #[inline(never)]
    unsafe fn scatter(&self, mut tile: Tile<T>, kernel: TileFn<T>, row: usize, col: usize, height: usize) {
        let mut stack = [T::ZERO; TILE];
        tile.c = stack.as_mut_ptr();
        tile.c_row = tile.cols;
        let places: [usize; 32] = std::array::from_fn(|j| if j < tile.cols { self.place(col + j).0 } else { 0 });
        // SAFETY: by contract; the tile fits the stack.
        unsafe {
            let first = self.start.add(row * self.row_stride);
            if tile.accumulate {
                for r in 0..height {
                    for (j, &place) in places[..tile.cols].iter().enumerate() {
                        stack[r * tile.cols + j] = *first.add(r * self.row_stride + place);
                    }
                }
            }
            tile.c = stack.as_mut_ptr();
            kernel(&tile);
            for r in 0..height {
                for (j, &place) in places[..tile.cols].iter().enumerate() {
                    *first.add(r * self.row_stride + place) = stack[r * tile.cols + j];
                }
            }
        }
    }
}
