//! The innermost loop of a convolution whose windows are read where they lie: a tile of neighbouring pixels by output
//! channels, whose sums are the chains of [`tile`](super::microkernel::tile) on the same numbers.

#![allow(clippy::needless_range_loop, reason = "registers of a row of sums, and their places in memory")]

use super::microkernel::{Vector, for_rows};

/// `C = [C +] windows times weights [+ bias]` for the windows at some pixels and the output channels of a panel.
#[derive(Clone, Copy)]
pub(crate) struct SlidingTile<'a, T> {
    /// How far behind its corner a window has each of its elements.
    pub taps: &'a [usize],
    /// Corners of the first window, and of the first of the second half (the smaller one); others are one element on.
    pub corners: [*const T; 2],
    /// The panel: for each tap, the weight of each output channel.
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
        let mut weights = t.weights;
        for &tap in t.taps {
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
            weights = weights.add(VECS * V::LANES);
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
