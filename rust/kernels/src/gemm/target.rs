//! Where C goes: rows of a matrix, or the pixels of images.
//!
//! A tile whose columns are neighbours in memory is stored by the microkernel itself; any other is computed on the
//! stack and scattered.

use std::ops::Range;

use super::GemmFloat;
use super::epilogue::Epilogue;
use super::microkernel::{Tile, TileFn};

/// Element `(row, col)` is at `row * row_stride` plus the place of `col`. Columns count through images of `pixels`
/// neighbours each; a matrix is one endless image.
#[derive(Clone, Copy)]
pub(crate) struct Target<T> {
    start: *mut T,
    row_stride: usize,
    pixels: usize,
    image_stride: usize,
    /// Column of the whole that counts as the first.
    first: usize,
}

/// Elements that lie together.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Part<T> {
    pub start: *mut T,
    pub row_stride: usize,
    /// Columns from the first on that are neighbours in memory.
    pub run: usize,
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
        Self { start: start.wrapping_add(offset), row_stride, pixels: usize::MAX, image_stride: 0, first: 0 }
    }

    /// Images of channels of `pixels` adjacent elements; rows are the channels.
    pub fn images(start: *mut T, pixels: usize, image_stride: usize) -> Self {
        Self { start, row_stride: pixels, pixels, image_stride, first: 0 }
    }

    /// Brings the lines of a tile near, to be written: from memory they take as long as many a product.
    #[inline(always)]
    pub fn prefetch(self, rows: Range<usize>, cols: &Range<usize>) {
        if self.pixels < usize::MAX {
            return;
        }
        for row in rows {
            for col in cols.clone().step_by(64 / size_of::<T>()) {
                crate::isa::prefetch_to_write(self.start.wrapping_add(row * self.row_stride + col));
            }
        }
    }

    /// The target `offset` elements further on.
    pub fn moved(self, offset: usize) -> Self {
        Self { start: self.start.wrapping_add(offset), ..self }
    }

    /// The target that begins at `(row, col)` of this one.
    #[cfg(target_arch = "x86_64")]
    pub fn window(self, row: usize, col: usize) -> Self {
        Self { start: self.start.wrapping_add(row * self.row_stride), first: self.first + col, ..self }
    }

    /// The elements from `(row, col)` on.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn part(&self, row: usize, col: usize) -> Part<T> {
        let (place, run) = self.place(col);
        Part { start: self.start.wrapping_add(row * self.row_stride + place), row_stride: self.row_stride, run }
    }

    /// Whether C is a plain matrix.
    pub fn is_rows(&self) -> bool {
        self.pixels == usize::MAX
    }

    /// Address of an element.
    #[inline(always)]
    pub fn at(&self, row: usize, col: usize) -> *mut T {
        self.start.wrapping_add(row * self.row_stride + self.place(col).0)
    }

    /// The place of a column, and how many columns from it on are neighbours in memory.
    #[inline(always)]
    fn place(&self, col: usize) -> (usize, usize) {
        let col = self.first + col;
        if self.is_rows() {
            return (col, usize::MAX);
        }
        let (image, pixel) = (col / self.pixels, col % self.pixels);
        (image * self.image_stride + pixel, self.pixels - pixel)
    }

    /// Runs `kernel` on `tile` (whose `c` is not set yet) for the columns from `col` on, then `rest` on what it stored.
    ///
    /// # Safety
    /// That of the microkernel; the elements belong to the calling task.
    #[inline(always)]
    pub unsafe fn store(
        &self,
        mut tile: Tile<T>,
        kernel: TileFn<T>,
        row: usize,
        col: usize,
        height: usize,
        rest: Option<&Epilogue<'_, T>>,
    ) {
        let (place, run) = self.place(col);
        // SAFETY: by contract.
        unsafe {
            if run >= tile.cols {
                tile.c = self.start.add(row * self.row_stride + place);
                tile.c_row = self.row_stride;
                kernel(&tile);
                if let Some(rest) = rest {
                    rest.finish(tile.c, tile.c_row, row..row + height, col..col + tile.cols);
                }
            } else {
                self.scatter(tile, kernel, row, col, height, rest);
            }
        }
    }

    #[inline(never)]
    unsafe fn scatter(
        &self,
        mut tile: Tile<T>,
        kernel: TileFn<T>,
        row: usize,
        col: usize,
        height: usize,
        rest: Option<&Epilogue<'_, T>>,
    ) {
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
            if let Some(rest) = rest {
                rest.finish(tile.c, tile.c_row, row..row + height, col..col + tile.cols);
            }
            for r in 0..height {
                for (j, &place) in places[..tile.cols].iter().enumerate() {
                    *first.add(r * self.row_stride + place) = stack[r * tile.cols + j];
                }
            }
        }
    }
}
