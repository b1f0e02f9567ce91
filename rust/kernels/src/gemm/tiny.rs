//! Batches of products so small that to choose a route for each takes longer than to compute it.
//!
//! Each element is one chain of multiply-adds over k, as in the packed core.

use std::ops::Range;

use super::{Batch, Gemm, GemmFloat, Matrix};
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::for_each;

/// Most multiply-adds of a product, and longest k.
const MOST: usize = 1024;
const DEEPEST: usize = 16;
/// Multiply-adds of a task, and how many take a nanosecond.
const TASK: usize = 1 << 15;
const PER_NS: usize = 2;

/// Runs the products if they are tiny and nothing follows them; says whether it did.
///
/// # Safety
/// Every element of all A, B and C is inside its allocation, and C is the caller's alone.
pub(super) unsafe fn run<T: GemmFloat>(problem: &Gemm<'_, T>, batch: &Batch<'_>, c: *mut T) -> bool {
    let &Gemm { m, n, k, a, b, c_row_stride, accumulate, epilogue, .. } = problem;
    let work = m.saturating_mul(n).saturating_mul(k);
    if work > MOST || k == 0 || k > DEEPEST || accumulate || !epilogue.is_none() {
        return false;
    }
    let all = Tiny { batch, m, n, k, a, b, c, c_row_stride };
    let group = TASK / work;
    for_each(batch.count.div_ceil(group), batch.count * (work / PER_NS + 4), |task| {
        dispatch(Group { all: &all, range: task * group..((task + 1) * group).min(batch.count) });
    });
    true
}

struct Tiny<'a, T> {
    batch: &'a Batch<'a>,
    m: usize,
    n: usize,
    k: usize,
    a: Matrix<'a, T>,
    b: Matrix<'a, T>,
    c: *mut T,
    c_row_stride: usize,
}

// SAFETY: tasks read shared elements and write each the products of their own indices.
unsafe impl<T: Sync> Sync for Tiny<'_, T> {}

struct Group<'a, T> {
    all: &'a Tiny<'a, T>,
    range: Range<usize>,
}

impl<T: GemmFloat> Kernel for Group<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        // A length that is known leaves a chain without a loop.
        match self.all.k {
            2 => self.multiply::<S, 2>(),
            3 => self.multiply::<S, 3>(),
            4 => self.multiply::<S, 4>(),
            _ => self.multiply::<S, 0>(),
        }
    }
}

impl<T: GemmFloat> Group<'_, T> {
    #[inline(always)]
    fn multiply<S: Simd, const K: usize>(self) {
        let &Tiny { batch, m, n, k, a, b, c, c_row_stride } = self.all;
        let k = if K == 0 { k } else { K };
        let at = |matrix: &Matrix<'_, T>, moved: isize| {
            matrix.data.as_ptr().wrapping_add(matrix.offset).wrapping_offset(moved)
        };
        for index in self.range {
            let [a_move, b_move, c_move] = match (batch.shape, batch.strides) {
                (&[_], [&[a], &[b]]) => {
                    let index = index.cast_signed();
                    [index * a, index * b, index * batch.c_stride.cast_signed()]
                }
                _ => batch.moves(index),
            };
            let (rows, columns, out) = (at(&a, a_move), at(&b, b_move), c.wrapping_offset(c_move));
            for i in 0..m {
                let row = rows.wrapping_offset(i.cast_signed() * a.row_stride);
                for j in 0..n {
                    let column = columns.wrapping_offset(j.cast_signed() * b.col_stride);
                    let mut sum = T::ZERO;
                    for p in 0..k.cast_signed() {
                        // SAFETY: steps below k are inside the row and the column, by contract.
                        let (x, y) = unsafe {
                            (*row.wrapping_offset(p * a.col_stride), *column.wrapping_offset(p * b.row_stride))
                        };
                        sum = x.fma::<S>(y, sum);
                    }
                    // SAFETY: an element of C, of this task's index.
                    unsafe { *out.wrapping_add(i * c_row_stride + j) = sum };
                }
            }
        }
    }
}
