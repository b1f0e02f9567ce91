//! Shape and strides as kernels see them: a window over somebody's slice, and the fewest loops that walk several
//! windows together. No ownership, no dtype, no heap.

use std::ops::Range;

/// The most dimensions a window may have. A fixed bound lets [`coalesce`] live on the stack; nobody has met 33.
pub const MAX_RANK: usize = 32;

/// A strided window over a slice, in elements: index `(i0, i1, ..)` lives at `offset + sum(i_d * strides[d])`.
/// Strides may be zero (broadcast) or negative.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    /// Extent of each dimension.
    pub shape: &'a [usize],
    /// Step of each dimension, in elements.
    pub strides: &'a [isize],
    /// Position of the element at index zero.
    pub offset: usize,
}

impl Strided<'_> {
    /// Number of elements.
    #[must_use]
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    /// Row-major without gaps (dimensions of extent 1 may have any stride); what has no elements always is.
    #[must_use]
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1isize;
        for (&extent, &stride) in self.shape.iter().zip(self.strides).rev() {
            if extent != 1 {
                if stride != expected {
                    return self.shape.contains(&0);
                }
                expected *= extent.cast_signed();
            }
        }
        true
    }

    /// Asserts that every index of this window lies inside a slice of `len` elements. Each kernel calls it once at its
    /// door, so that its inner loops may use unchecked access.
    ///
    /// # Panics
    /// If some index does not.
    #[inline]
    pub fn check(&self, len: usize) {
        assert_eq!(self.shape.len(), self.strides.len(), "shape and strides differ in rank");
        let (mut low, mut high) = (self.offset.cast_signed(), self.offset.cast_signed());
        for (&extent, &stride) in self.shape.iter().zip(self.strides) {
            if extent == 0 {
                return;
            }
            let reach = (extent.cast_signed() - 1).checked_mul(stride).expect("window beyond the address space");
            let bound = if reach < 0 { &mut low } else { &mut high };
            *bound = bound.checked_add(reach).expect("window beyond the address space");
        }
        assert!(low >= 0 && high < len.cast_signed(), "window {low}..={high} outside a slice of {len}");
    }
}

/// Whether [`coalesce`] may change the order in which elements are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Row-major order of the index, as given: for kernels whose result depends on the order.
    Index,
    /// Largest stride outermost, by operand 0, then 1, and so on: for elementwise kernels, where any order will do and
    /// the inner loop should run along memory (a transposed operand becomes a contiguous one).
    Memory,
}

/// The loops that walk `N` operands of one shape together, as few as their strides allow; made by [`coalesce`].
///
/// There is always at least one loop, the inner one; where there is nothing to step over (one element or none) every
/// operand's inner stride is 1, so that the contiguous path takes it.
#[derive(Clone, Copy, Debug)]
pub struct Coalesced<const N: usize> {
    rank: usize,
    shape: [usize; MAX_RANK],
    strides: [[isize; MAX_RANK]; N],
}

/// Drops dimensions of extent 1 and merges neighbours that every operand steps through as if they were one.
///
/// # Panics
/// If a rank is above [`MAX_RANK`] or the operands' ranks differ.
#[must_use]
pub fn coalesce<const N: usize>(shape: &[usize], strides: [&[isize]; N], order: Order) -> Coalesced<N> {
    assert!(shape.len() <= MAX_RANK, "{} dimensions, at most {MAX_RANK} are supported", shape.len());
    assert!(strides.iter().all(|s| s.len() == shape.len()), "shape and strides differ in rank");
    let mut loops = Coalesced { rank: 0, shape: [1; MAX_RANK], strides: [[1; MAX_RANK]; N] };
    if shape.contains(&0) {
        loops.rank = 1;
        loops.shape[0] = 0;
        return loops;
    }
    let mut dims = [0; MAX_RANK];
    let mut rank = 0;
    for (dim, &extent) in shape.iter().enumerate() {
        if extent != 1 {
            dims[rank] = dim;
            rank += 1;
        }
    }
    if order == Order::Memory {
        let reach = |dim: usize| strides.map(|s| std::cmp::Reverse(s[dim].unsigned_abs()));
        dims[..rank].sort_by_key(|&dim| reach(dim));
    }
    for &dim in &dims[..rank] {
        loops.push(shape[dim], strides.map(|s| s[dim]));
    }
    loops.rank = loops.rank.max(1);
    loops
}

impl<const N: usize> Coalesced<N> {
    /// Adds a loop inside the others, or widens the innermost where no operand can tell the difference.
    fn push(&mut self, extent: usize, strides: [isize; N]) {
        if let Some(last) = self.rank.checked_sub(1) {
            let whole = |stride: isize| stride.checked_mul(extent.cast_signed());
            if (0..N).all(|k| whole(strides[k]) == Some(self.strides[k][last])) {
                self.shape[last] *= extent;
                for (k, stride) in strides.into_iter().enumerate() {
                    self.strides[k][last] = stride;
                }
                return;
            }
        }
        self.shape[self.rank] = extent;
        for (k, stride) in strides.into_iter().enumerate() {
            self.strides[k][self.rank] = stride;
        }
        self.rank += 1;
    }

    /// Extent of each loop, outermost first; never empty.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape[..self.rank]
    }

    /// Step of each loop in the elements of `operand`.
    #[must_use]
    pub fn strides(&self, operand: usize) -> &[isize] {
        &self.strides[operand][..self.rank]
    }

    /// Extent of the inner loop.
    #[must_use]
    pub fn inner(&self) -> usize {
        self.shape[self.rank - 1]
    }

    /// Each operand's step in the inner loop.
    #[must_use]
    pub fn inner_strides(&self) -> [isize; N] {
        self.strides.map(|s| s[self.rank - 1])
    }

    /// How many times the inner loop runs.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shape[..self.rank - 1].iter().product()
    }

    /// Whether one loop with step 1 walks every operand.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.rank == 1 && self.inner_strides() == [1; N]
    }

    /// Where each operand stands, relative to its own offset, at the start of each inner loop in `rows`: one task's
    /// share of `0..self.rows()`.
    #[must_use]
    pub fn walk(&self, rows: Range<usize>) -> Walk<'_, N> {
        let mut walk = Walk { loops: self, left: rows.len(), index: [0; MAX_RANK], at: [0; N] };
        let mut row = rows.start;
        for dim in (0..self.rank - 1).rev() {
            walk.index[dim] = row % self.shape[dim];
            row /= self.shape[dim];
            for k in 0..N {
                walk.at[k] += walk.index[dim].cast_signed() * self.strides[k][dim];
            }
        }
        walk
    }
}

/// Iterator over the starts of inner loops; see [`Coalesced::walk`].
#[derive(Clone, Debug)]
pub struct Walk<'a, const N: usize> {
    loops: &'a Coalesced<N>,
    left: usize,
    index: [usize; MAX_RANK],
    at: [isize; N],
}

impl<const N: usize> Iterator for Walk<'_, N> {
    type Item = [isize; N];

    #[inline]
    fn next(&mut self) -> Option<[isize; N]> {
        self.left = self.left.checked_sub(1)?;
        let here = self.at;
        if let Some(dim) = self.loops.rank.checked_sub(2) {
            self.index[dim] += 1;
            if self.index[dim] < self.loops.shape[dim] {
                for k in 0..N {
                    self.at[k] += self.loops.strides[k][dim];
                }
            } else {
                self.carry(dim);
            }
        }
        Some(here)
    }
}

impl<const N: usize> Walk<'_, N> {
    /// Loop `last` has come to its end: it begins anew, and the one outside it takes a step. Apart, as the code of every
    /// kernel that walks would hold it.
    #[inline(never)]
    fn carry(&mut self, last: usize) {
        for dim in (0..=last).rev() {
            // The innermost has taken its step.
            self.index[dim] += usize::from(dim < last);
            let wraps = self.index[dim] == self.loops.shape[dim];
            let step = if wraps { -(self.index[dim].cast_signed() - 1) } else { 1 };
            for k in 0..N {
                self.at[k] += step * self.loops.strides[k][dim];
            }
            if !wraps {
                break;
            }
            self.index[dim] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operand's position at every element, in the order of the loops.
    fn visits<const N: usize>(loops: &Coalesced<N>, rows: Range<usize>) -> Vec<[isize; N]> {
        let step = loops.inner_strides();
        let row = |at: [isize; N]| {
            (0..loops.inner().cast_signed()).map(move |i| std::array::from_fn(|k| at[k] + i * step[k]))
        };
        loops.walk(rows).flat_map(row).collect()
    }

    fn all_visits<const N: usize>(loops: &Coalesced<N>) -> Vec<[isize; N]> {
        visits(loops, 0..loops.rows())
    }

    fn plain_visits<const N: usize>(shape: &[usize], strides: [&[isize]; N]) -> Vec<[isize; N]> {
        let mut found = vec![[0; N]];
        for (dim, &extent) in shape.iter().enumerate() {
            let step = |at: &[isize; N], i: isize| std::array::from_fn(|k| at[k] + i * strides[k][dim]);
            found = found.iter().flat_map(|at| (0..extent.cast_signed()).map(move |i| step(at, i))).collect();
        }
        found
    }

    #[test]
    fn contiguous_operands_become_one_loop() {
        let loops = coalesce(&[2, 1, 3, 4], [&[12, 12, 4, 1], &[12, 99, 4, 1]], Order::Index);
        assert_eq!(loops.shape(), [24]);
        assert!(loops.is_contiguous());
    }

    #[test]
    fn a_broadcast_row_keeps_two_loops() {
        let loops = coalesce(&[5, 2, 3], [&[6, 3, 1], &[0, 3, 1]], Order::Index);
        assert_eq!((loops.shape(), loops.strides(0), loops.strides(1)), (&[5, 6][..], &[6, 1][..], &[0, 1][..]));
        assert!(!loops.is_contiguous());
        assert_eq!(loops.rows(), 5);
    }

    #[test]
    fn a_broadcast_scalar_is_one_loop_of_stride_zero() {
        let loops = coalesce(&[5, 2, 3], [&[6, 3, 1], &[0, 0, 0]], Order::Index);
        assert_eq!((loops.shape(), loops.inner_strides()), (&[30][..], [1, 0]));
    }

    #[test]
    fn memory_order_straightens_transposed_operands() {
        let transposed: &[isize] = &[1, 7];
        assert!(coalesce(&[7, 3], [transposed, transposed], Order::Memory).is_contiguous());
        assert_eq!(coalesce(&[7, 3], [transposed], Order::Index).shape(), [7, 3]);
    }

    #[test]
    fn nothing_to_walk() {
        let scalar = coalesce(&[], [&[], &[]], Order::Index);
        assert!(scalar.is_contiguous());
        assert_eq!(all_visits(&scalar), [[0, 0]]);
        let empty = coalesce(&[3, 0, 2], [&[0, 2, 1]], Order::Memory);
        assert!(empty.is_contiguous());
        assert!(all_visits(&empty).is_empty());
    }

    #[test]
    fn the_visits_are_those_of_the_plain_loops() {
        let shapes: [&[usize]; 6] = [&[3], &[2, 3], &[4, 1, 5], &[2, 3, 1, 4], &[7, 2, 2], &[1, 1]];
        let pool: [isize; 7] = [1, -1, 0, 3, 12, -4, 6];
        for shape in shapes {
            for seed in 0..300 {
                let pick = |k: usize, dim: usize| pool[(seed / [1, 7, 49, 343][dim] + k * (seed % 5)) % 7];
                let strides: [Vec<isize>; 3] =
                    std::array::from_fn(|k| (0..shape.len()).map(|dim| pick(k, dim)).collect());
                let strides = [&strides[0][..], &strides[1][..], &strides[2][..]];
                let mut expected = plain_visits(shape, strides);
                let kept = coalesce(shape, strides, Order::Index);
                assert_eq!(all_visits(&kept), expected);
                let split = kept.rows() / 2;
                assert_eq!([visits(&kept, 0..split), visits(&kept, split..kept.rows())].concat(), expected);
                let mut sorted = all_visits(&coalesce(shape, strides, Order::Memory));
                sorted.sort_unstable();
                expected.sort_unstable();
                assert_eq!(sorted, expected);
            }
        }
    }

    #[test]
    fn contiguous_merges_match_numel() {
        let shape = [2; MAX_RANK];
        let strides: Vec<isize> = (0..MAX_RANK).rev().map(|d| 1 << d).collect();
        let loops = coalesce(&shape, [&strides], Order::Index);
        assert_eq!((loops.shape(), loops.rows()), (&[1 << MAX_RANK][..], 1));
    }
}
