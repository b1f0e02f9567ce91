//! The innermost loop: one register tile of C, written once over [`Vector`] and compiled for each ISA and tile size.
//!
//! Every element of C is one chain of fused multiply-adds over the k of a block, in order. So neither the size of the
//! tile nor the width of the registers shows in the result: AVX2, AVX-512 and NEON give the same bits.

use super::GemmFloat;
use super::panel::{CopyFn, GatherFn};
use super::plane::{CorrelateFn, DotsFn};
#[cfg(target_arch = "x86_64")]
use super::sliding::SlidingFn;
use crate::element::Element;

/// Repeats the body for each row of a tile, with `r` a constant: sums that are indexed by a variable would not stay in
/// registers.
macro_rules! for_rows {
    ($r:ident in $rows:ident $body:block) => {
        for_rows!(@ $r $rows $body; 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    (@ $r:ident $rows:ident $body:block; $($n:literal)*) => {
        const { assert!($rows <= 14) };
        $(if $n < $rows {
            let $r: usize = $n;
            $body
        })*
    };
}

/// One SIMD register of floats. Methods are `#[inline(always)]` without target features: they take those of the
/// function they end up in, which must have the features of the ISA.
pub(crate) trait Vector: Copy {
    /// Element type.
    type Elem: GemmFloat;
    /// Which lanes a partial load or store touches.
    type Mask: Copy;
    /// Elements in a register.
    const LANES: usize;

    unsafe fn zero() -> Self;
    unsafe fn splat(x: Self::Elem) -> Self;
    unsafe fn load(from: *const Self::Elem) -> Self;
    unsafe fn store(self, to: *mut Self::Elem);
    /// Lane `l` is touched when bit `l` is set.
    unsafe fn mask(bits: u32) -> Self::Mask;
    /// The lanes of the mask, zero elsewhere; memory of other lanes is not touched.
    unsafe fn load_masked(from: *const Self::Elem, mask: Self::Mask) -> Self;
    unsafe fn store_masked(self, to: *mut Self::Elem, mask: Self::Mask);
    /// The lanes of the mask (lane `l` where bit `l` is set) from elements that are `step` apart, zero elsewhere.
    #[inline(always)]
    unsafe fn load_apart(from: *const Self::Elem, step: isize, bits: u32) -> Self {
        let mut lanes = [<Self::Elem as Element>::ZERO; 16];
        for (lane, x) in lanes.iter_mut().enumerate().take(Self::LANES) {
            if bits >> lane & 1 == 1 {
                // SAFETY: by contract, the lanes of the mask are valid.
                *x = unsafe { *from.wrapping_offset(lane.cast_signed() * step) };
            }
        }
        // SAFETY: no register has more lanes.
        unsafe { Self::load(lanes.as_ptr()) }
    }
    unsafe fn add(self, other: Self) -> Self;
    /// `self * b + c`, in one rounding where the ISA can.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    /// Zero where below zero; NaN and negative zero stay.
    unsafe fn relu(self) -> Self;
    /// Asks for a cache line that is needed later; any address will do.
    #[inline(always)]
    fn prefetch(_: *const Self::Elem) {}
    /// Combines registers whose set lanes are disjoint.
    unsafe fn or(self, other: Self) -> Self;

    /// `acc[r] += a[r] * b` for every row; `a` holds one element a row, `step` apart.
    #[inline(always)]
    unsafe fn rank_one<const ROWS: usize, const VECS: usize>(
        acc: &mut [[Self; VECS]; ROWS],
        a: *const Self::Elem,
        step: isize,
        b: [Self; VECS],
    ) {
        // SAFETY: the caller of the tile vouches for every row of `a`.
        unsafe {
            for_rows!(r in ROWS {
                let x = Self::splat(*a.offset(r.cast_signed() * step));
                for v in 0..VECS {
                    acc[r][v] = x.fma(b[v], acc[r][v]);
                }
            });
        }
    }
}

/// What a microkernel computes: `C = [C +] A B`, then the epilogue, on one tile. Null pointers mean "none".
#[derive(Clone, Copy)]
pub(crate) struct Tile<T> {
    /// Length of the sums.
    pub k: usize,
    /// Row `r`, step `k` of A is at `a + r * a_row + k * a_step`.
    pub a: *const T,
    pub a_row: isize,
    pub a_step: isize,
    /// Step `k`, column `j` of B is at `b + k * b_step + j`.
    pub b: *const T,
    pub b_step: isize,
    /// Where the chains of the sums go on, instead of at zero: rows of tiles of full width, `sums_row` apart.
    pub sums: *const T,
    pub sums_row: usize,
    pub c: *mut T,
    pub c_row: usize,
    /// Columns to store.
    pub cols: usize,
    /// Add what C holds.
    pub accumulate: bool,
    /// One element for each row of the tile.
    pub bias_row: *const T,
    /// One element for each column of the tile.
    pub bias_col: *const T,
    pub relu: bool,
}

/// A microkernel of a fixed number of rows and vectors.
pub(crate) type TileFn<T> = unsafe fn(&Tile<T>);

/// The compiled microkernels of one ISA and element type.
pub(crate) struct Microkernels<T: 'static> {
    /// Rows of the largest tile.
    pub rows: usize,
    /// Columns of the largest tile: two vectors.
    pub cols: usize,
    /// `[rows - 1][vectors - 1]`: A packed (`a_row` 1, `a_step` the rows), B readable to the full vector.
    pub packed: &'static [[TileFn<T>; 2]],
    /// `[rows - 1][vectors - 1]`: any strides of A, B readable only where stored.
    pub direct: &'static [[TileFn<T>; 2]],
    /// Fills a panel from rows that follow k in memory.
    pub transpose: CopyFn<T>,
    /// Fills a panel from rows that follow the panel in memory.
    pub copy: CopyFn<T>,
    /// Fills a panel with the windows of an image.
    pub gather: GatherFn<T>,
    /// Convolves a padded plane.
    pub correlate: CorrelateFn<T>,
    /// Sums products of two padded planes.
    pub dots: DotsFn<T>,
    /// `[pixels - 1][vectors - 1]`: windows that are read where they lie, where that beats packing them.
    #[cfg(target_arch = "x86_64")]
    pub sliding: Option<&'static [[SlidingFn<T>; 2]]>,
}

/// Sums of this length hide the wait for the lines of C.
const PREFETCH_FROM: usize = 32;

/// The body of every microkernel.
///
/// # Safety
/// The target features of `V` are on, and every element the tile names is inside its allocation and not written by
/// another thread.
#[inline(always)]
pub(crate) unsafe fn tile<V: Vector, const ROWS: usize, const VECS: usize, const DIRECT: bool>(t: &Tile<V::Elem>) {
    // SAFETY: in bounds by the contract above; `last` keeps partial vectors to the columns that exist.
    unsafe {
        let last = V::mask(first_lanes(t.cols - (VECS - 1) * V::LANES));
        let full = t.cols == VECS * V::LANES;
        if t.k >= PREFETCH_FROM {
            for_rows!(r in ROWS {
                for v in 0..VECS {
                    V::prefetch(t.c.wrapping_add(r * t.c_row + v * V::LANES));
                }
            });
        }
        let mut acc = [[V::zero(); VECS]; ROWS];
        if !t.sums.is_null() {
            for_rows!(r in ROWS {
                let from = t.sums.add(r * t.sums_row);
                for (v, x) in acc[r].iter_mut().enumerate() {
                    let from = from.add(v * V::LANES);
                    *x = if v == VECS - 1 { V::load_masked(from, last) } else { V::load(from) };
                }
            });
        }
        let (mut a, mut b) = (t.a, t.b);
        let (a_row, a_step) = if DIRECT { (t.a_row, t.a_step) } else { (1, ROWS.cast_signed()) };
        for _ in 0..t.k {
            let mut row = [V::zero(); VECS];
            for (v, x) in row.iter_mut().enumerate() {
                let from = b.add(v * V::LANES);
                *x = if DIRECT && v == VECS - 1 { V::load_masked(from, last) } else { V::load(from) };
            }
            V::rank_one(&mut acc, a, a_row, row);
            a = a.wrapping_offset(a_step);
            b = b.wrapping_offset(t.b_step);
        }
        if full && t.bias_row.is_null() && t.bias_col.is_null() && !t.relu {
            for_rows!(r in ROWS {
                let c = t.c.add(r * t.c_row);
                for (v, &sum) in acc[r].iter().enumerate() {
                    let c = c.add(v * V::LANES);
                    if t.accumulate { V::load(c).add(sum).store(c) } else { sum.store(c) }
                }
            });
            return;
        }
        // Rare or small next to the loop above: a copy on the stack keeps this part of the code small.
        let mut sums = [[V::zero(); VECS]; ROWS];
        for_rows!(r in ROWS { std::ptr::from_mut(&mut sums[r]).write_volatile(acc[r]); });
        for (r, sums) in sums.iter().enumerate() {
            let c = t.c.add(r * t.c_row);
            for (v, &sum) in sums.iter().enumerate() {
                let mask = if v == VECS - 1 { last } else { V::mask(first_lanes(V::LANES)) };
                let c = c.add(v * V::LANES);
                let mut x = sum;
                if t.accumulate {
                    x = V::load_masked(c, mask).add(x);
                }
                if !t.bias_row.is_null() {
                    x = x.add(V::splat(*t.bias_row.add(r)));
                }
                if !t.bias_col.is_null() {
                    x = x.add(V::load_masked(t.bias_col.add(v * V::LANES), mask));
                }
                if t.relu {
                    x = x.relu();
                }
                x.store_masked(c, mask);
            }
        }
    }
}

/// A mask of the first `count` lanes.
#[inline(always)]
pub(crate) fn first_lanes(count: usize) -> u32 {
    if count >= 32 { u32::MAX } else { (1 << count) - 1 }
}

/// `[[1 vector, 2 vectors]; rows]` of `Self::tile`, for the row counts listed.
macro_rules! tile_table {
    ($direct:ident; $($rows:literal)*) => {
        [$([Self::tile::<$rows, 1, $direct> as TileFn<_>, Self::tile::<$rows, 2, $direct>]),*]
    };
}
pub(crate) use for_rows;
pub(crate) use tile_table;
