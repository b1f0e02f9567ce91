//! The innermost loop of a convolution whose windows are read where they lie: a tile of neighbouring pixels by output
//! channels, whose sums are the chains of [`tile`](super::microkernel::tile) on the same numbers.

#![allow(clippy::needless_range_loop, reason = "registers of a row of sums, and their places in memory")]

use super::microkernel::{Vector, for_rows};

/// An element of a window, and the row of weights that it is multiplied by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// How far it is behind the corner of its window.
    pub behind: u32,
    /// Which row of the panel, from where the tile's begins.
    pub row: u32,
}

impl Step {
    /// The element so far behind, times that row.
    #[allow(clippy::cast_possible_truncation, reason = "copies and panels have far fewer elements")]
    pub fn new(behind: usize, row: usize) -> Self {
        Self { behind: behind as u32, row: row as u32 }
    }
}

/// `C = [C +] windows times weights [+ bias]` for the windows at some pixels and the output channels of a panel.
#[derive(Clone, Copy)]
pub(crate) struct SlidingTile<'a, T> {
    /// The elements of a window.
    pub steps: &'a [Step],
    /// Corners of the first window, and of the first of the second half (the smaller one); others are one element on.
    pub corners: [*const T; 2],
    /// Rows of the weight of each output channel of the panel.
    pub weights: *const T,
    /// One row for each pixel, `c_row` apart, as wide as the panel.
    pub c: *mut T,
    pub c_row: usize,
    /// Add what C holds.
    pub accumulate: bool,
    /// One element for each output channel of the panel, or null.
    pub bias: *const T,
}

/// A [`slide`] of a fixed number of pixels and vectors of output channels.
pub(crate) type SlidingFn<T> = unsafe fn(&SlidingTile<'_, T>);

/// The body of every such kernel.
///
/// # Safety
/// The features of `V` are on, and every element the tile names is inside its allocation and not written by another
/// thread.
#[inline(always)]
pub(crate) unsafe fn slide<V: Vector, const ROWS: usize, const VECS: usize>(t: &SlidingTile<'_, V::Elem>) {
    let half = const { ROWS.div_ceil(2) };
    // SAFETY: by contract.
    unsafe {
        let mut acc = [[V::zero(); VECS]; ROWS];
        for &Step { behind, row } in t.steps {
            let (tap, weights) = (behind as usize, t.weights.wrapping_add(row as usize * (VECS * V::LANES)));
            let mut row = [V::zero(); VECS];
            for (v, x) in row.iter_mut().enumerate() {
                *x = V::load(weights.add(v * V::LANES));
            }
            let (first, second) = (t.corners[0].add(tap), t.corners[1].add(tap));
            for_rows!(r in ROWS {
                let x = V::splat(if r < half { *first.add(r) } else { *second.add(r - half) });
                for v in 0..VECS {
                    acc[r][v] = x.fma(row[v], acc[r][v]);
                }
            });
        }
        for_rows!(r in ROWS {
            for v in 0..VECS {
                let to = t.c.add(r * t.c_row + v * V::LANES);
                let mut x = acc[r][v];
                if t.accumulate {
                    x = V::load(to).add(x);
                }
                if !t.bias.is_null() {
                    x = x.add(V::load(t.bias.add(v * V::LANES)));
                }
                x.store(to);
            }
        });
    }
}

/// `[[1 vector, 2 vectors]; pixels]` of `Self::slide`, for the pixel counts listed.
macro_rules! sliding_table {
    ($($rows:literal)*) => {
        [$([Self::slide::<$rows, 1> as SlidingFn<_>, Self::slide::<$rows, 2>]),*]
    };
}
pub(crate) use sliding_table;
