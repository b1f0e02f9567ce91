//! Matrix times vector: bound by reading the matrix, so nothing is packed.
//!
//! `y[j] = sum_k x[k] M[j, k]`, where M is A or the transpose of B. If k is contiguous, each `y[j]` is a dot product in
//! 64 lanes that are folded in a fixed order, piece by piece where k is long; if j is, columns of lanes accumulate side by
//! side, in the same order over k as the packed core.

use super::{Epilogue, Gemm, GemmFloat, Matrix};
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_each};

/// Sums that run side by side: of one dot product, and of columns (their sums stay in the first-level cache, and long
/// runs of a row are what the hardware foresees).
const LANES: usize = 64;
const WIDE: usize = 512;
/// Dot products shorter than this cost less than bringing their lanes together: the packed core transposes the matrix.
const SHORT: usize = 128;
/// Elements of a dot product that are summed in one go: long ones are more exact so, and can be shared among threads.
const PIECE: usize = 1 << 15;
/// Fewer dot products than this are shared by their pieces.
const FEW: usize = 64;
/// Rows that add to the sums of some columns while those are in registers.
const STEPS: usize = 16;
/// Blocks of k are as in the packed core, so that both give the same bits.
const K_BLOCK: usize = super::driver::K_BLOCK;

/// Runs the product if it has one of the two layouts; says whether it did.
///
/// # Safety
/// Every element of A, B and C is inside its allocation, and C is the caller's alone.
pub(super) unsafe fn run<T: GemmFloat>(
    problem: &Gemm<'_, T>,
    epilogue: &Epilogue<'_, T>,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: *mut T,
    serial: bool,
) -> bool {
    let vector_is_a = problem.m == 1;
    let (x, x_stride, matrix, j_stride, k_stride, len, y_stride) = if vector_is_a {
        (a, a.col_stride, b, b.col_stride, b.row_stride, problem.n, 1)
    } else {
        (b, b.row_stride, a, a.row_stride, a.col_stride, problem.m, problem.c_row_stride)
    };
    let dot = k_stride == 1 && x_stride == 1;
    if if dot { problem.k < SHORT } else { problem.k < 16 || len < 4 || j_stride != 1 } {
        return false;
    }
    let job = Gemv {
        problem,
        epilogue,
        vector_is_a,
        x: x.data.as_ptr().wrapping_add(x.offset),
        x_stride,
        matrix: matrix.data.as_ptr().wrapping_add(matrix.offset),
        j_stride,
        k_stride,
        y: c,
        y_stride,
    };
    let grain = if dot { (1 << 16) / problem.k.clamp(1 << 6, 1 << 13) } else { WIDE };
    let cost = if serial { 0 } else { len * problem.k / 10 };
    if dot && problem.k > PIECE && len < FEW {
        let pieces = problem.k.div_ceil(PIECE);
        let mut sums = vec![T::ZERO; len * pieces];
        let all = Disjoint::new(&mut sums);
        for_each(len * pieces, cost, |task| {
            let (j, from) = (task / pieces, task % pieces * PIECE);
            let sum = dispatch(Piece { job: &job, j, range: from..(from + PIECE).min(problem.k) });
            // SAFETY: each piece has a place of its own.
            unsafe { all.slice(task..task + 1) }.fill(sum);
        });
        for (j, sums) in sums.chunks_exact(pieces).enumerate() {
            // SAFETY: `j` is inside C.
            unsafe { job.finish(j, sums.iter().fold(T::ZERO, |total, &sum| total + sum)) }
        }
        return true;
    }
    for_each(len.div_ceil(grain), cost, |task| {
        let range = task * grain..((task + 1) * grain).min(len);
        if dot { dispatch(Dots { job: &job, range }) } else { dispatch(Columns { job: &job, range }) }
    });
    true
}

struct Gemv<'a, T> {
    problem: &'a Gemm<'a, T>,
    epilogue: &'a Epilogue<'a, T>,
    vector_is_a: bool,
    x: *const T,
    x_stride: isize,
    matrix: *const T,
    j_stride: isize,
    k_stride: isize,
    y: *mut T,
    y_stride: usize,
}

// SAFETY: tasks read shared elements and write each their own part of y.
unsafe impl<T: Sync> Sync for Gemv<'_, T> {}

impl<T: GemmFloat> Gemv<'_, T> {
    /// Stores `y[j]`.
    #[inline(always)]
    unsafe fn finish(&self, j: usize, sum: T) {
        let (row, col) = if self.vector_is_a { (0, j) } else { (j, 0) };
        // SAFETY: `j` is in the range of this task, by the contract of `run` inside C.
        unsafe {
            let y = self.y.add(j * self.y_stride);
            let sum = if self.problem.accumulate { *y + sum } else { sum };
            *y = self.epilogue.apply(sum, row, col);
        }
    }
}

/// Rows of M are contiguous.
struct Dots<'a, T> {
    job: &'a Gemv<'a, T>,
    range: std::ops::Range<usize>,
}

impl<T: GemmFloat> Kernel for Dots<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let (job, k) = (self.job, self.job.problem.k);
        for j in self.range {
            // SAFETY: row `j` and the vector have `k` adjacent elements each.
            unsafe {
                let row = std::slice::from_raw_parts(job.matrix.offset(j.cast_signed() * job.j_stride), k);
                let x = std::slice::from_raw_parts(job.x, k);
                job.finish(j, dot::<T, S>(x, row));
            }
        }
    }
}

/// A piece of a dot product.
struct Piece<'a, T> {
    job: &'a Gemv<'a, T>,
    j: usize,
    range: std::ops::Range<usize>,
}

impl<T: GemmFloat> Kernel for Piece<'_, T> {
    type Output = T;
    #[inline(always)]
    fn run<S: Simd>(self) -> T {
        let row = self.job.matrix.wrapping_offset(self.j.cast_signed() * self.job.j_stride);
        // SAFETY: row `j` and the vector have these elements.
        let [row, x] = [row, self.job.x]
            .map(|from| unsafe { std::slice::from_raw_parts(from.wrapping_add(self.range.start), self.range.len()) });
        piece::<T, S>(x, row)
    }
}

/// The dot product, piece by piece.
#[inline(always)]
fn dot<T: GemmFloat, S: Simd>(x: &[T], y: &[T]) -> T {
    if x.len() <= PIECE {
        return piece::<T, S>(x, y);
    }
    let mut sum = T::ZERO;
    for (x, y) in x.chunks(PIECE).zip(y.chunks(PIECE)) {
        sum += piece::<T, S>(x, y);
    }
    sum
}

/// The dot product in 64 lanes, folded in halves.
#[inline(always)]
fn piece<T: GemmFloat, S: Simd>(x: &[T], y: &[T]) -> T {
    // Two arrays: one that is also indexed by a variable would not stay in registers.
    let mut chains = [T::ZERO; LANES];
    let (x_blocks, x_rest) = x.as_chunks::<LANES>();
    let (y_blocks, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        for l in 0..LANES {
            chains[l] = x[l].fma::<S>(y[l], chains[l]);
        }
    }
    let mut sums = chains;
    for (l, (&x, &y)) in x_rest.iter().zip(y_rest).enumerate() {
        sums[l] = x.fma::<S>(y, sums[l]);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            sums[l] += sums[l + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Columns of M are contiguous.
struct Columns<'a, T> {
    job: &'a Gemv<'a, T>,
    range: std::ops::Range<usize>,
}

impl<T: GemmFloat> Kernel for Columns<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let (job, k) = (self.job, self.job.problem.k);
        let block = k.div_ceil(k.div_ceil(K_BLOCK));
        for left in self.range.clone().step_by(WIDE) {
            let count = (self.range.end - left).min(WIDE);
            let row = |step: usize| {
                let from = left.cast_signed() + step.cast_signed() * job.k_stride;
                // SAFETY: `count` adjacent elements of row `step` exist from column `left` on.
                unsafe { std::slice::from_raw_parts(job.matrix.wrapping_offset(from), count) }
            };
            // SAFETY: element `step` of the vector exists.
            let x = |step: usize| unsafe { *job.x.wrapping_offset(step.cast_signed() * job.x_stride) };
            let mut total = [T::ZERO; WIDE];
            for first in (0..k).step_by(block) {
                let end = (first + block).min(k);
                let mut sums = [T::ZERO; WIDE];
                for from in (first..end).step_by(STEPS) {
                    let steps = from..(from + STEPS).min(end);
                    for (lane, sums) in (0..).step_by(LANES).zip(sums[..count].chunks_mut(LANES)) {
                        if let Ok(sums) = <&mut [T; LANES]>::try_from(&mut *sums) {
                            let mut chains = *sums;
                            for step in steps.clone() {
                                let (x, row) = (x(step), &row(step)[lane..][..LANES]);
                                for l in 0..LANES {
                                    chains[l] = x.fma::<S>(row[l], chains[l]);
                                }
                            }
                            *sums = chains;
                        } else {
                            for step in steps.clone() {
                                for (sum, &m) in sums.iter_mut().zip(&row(step)[lane..]) {
                                    *sum = x(step).fma::<S>(m, *sum);
                                }
                            }
                        }
                    }
                }
                for (total, &sum) in total.iter_mut().zip(sums.iter()) {
                    *total = if first == 0 { sum } else { *total + sum };
                }
            }
            for (l, &sum) in total.iter().enumerate().take(count) {
                // SAFETY: `left + l` is in the range of this task.
                unsafe { job.finish(left + l, sum) }
            }
        }
    }
}
