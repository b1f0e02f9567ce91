//! Products over one or two k: little more than writing C, so its rows are written from end to end.
//!
//! Each element is one chain of multiply-adds over k, as in the packed core, which would write C in narrow columns.

use super::{Epilogue, Gemm, GemmFloat, Matrix};
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::for_each;

/// Longest k of this route.
const SHORT: usize = 2;
/// Least columns.
const LEAST: usize = 48;
/// Columns whose sums stay in the first-level cache from one step to the next.
const WIDE: usize = 1024;
/// Elements of C of a task.
const TASK: usize = 1 << 15;

/// Runs the product if k is short and the rows of B are contiguous; says whether it did.
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
    let &Gemm { m, n, k, .. } = problem;
    if k == 0 || k > SHORT || b.col_stride != 1 || n < LEAST || m < 2 {
        return false;
    }
    let job = Outer { problem, epilogue, a, b, c };
    let rows = TASK.div_ceil(n);
    let cost = if serial { 0 } else { m * n * (k + 1) / 20 };
    for_each(m.div_ceil(rows), cost, |task| {
        dispatch(Rows { job: &job, range: task * rows..((task + 1) * rows).min(m) });
    });
    true
}

struct Outer<'a, T> {
    problem: &'a Gemm<'a, T>,
    epilogue: &'a Epilogue<'a, T>,
    a: Matrix<'a, T>,
    b: Matrix<'a, T>,
    c: *mut T,
}

// SAFETY: tasks read shared elements and write each their own rows of C.
unsafe impl<T: Sync> Sync for Outer<'_, T> {}

struct Rows<'a, T> {
    job: &'a Outer<'a, T>,
    range: std::ops::Range<usize>,
}

impl<T: GemmFloat> Kernel for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Outer { problem, epilogue, a, b, c } = self.job;
        let (n, k) = (problem.n, problem.k);
        for row in self.range {
            // SAFETY: row `row` of C is this task's; steps below k and columns below n are inside A and B.
            let (c, factor, line) = unsafe {
                let c = std::slice::from_raw_parts_mut(c.add(row * problem.c_row_stride), n);
                let start = a.data.as_ptr().wrapping_add(a.offset).wrapping_offset(row.cast_signed() * a.row_stride);
                let factor = move |step: usize| *start.wrapping_offset(step.cast_signed() * a.col_stride);
                let start = b.data.as_ptr().wrapping_add(b.offset);
                let line = move |step: usize| {
                    std::slice::from_raw_parts(start.wrapping_offset(step.cast_signed() * b.row_stride), n)
                };
                (c, factor, line)
            };
            let plain = !problem.accumulate && epilogue.is_none();
            for (first, c) in (0..).step_by(WIDE).zip(c.chunks_mut(WIDE)) {
                let count = c.len();
                let line = |step: usize| &line(step)[first..][..count];
                let mut room = [T::ZERO; WIDE];
                let room = &mut room[..c.len()];
                let sums = if plain { &mut *c } else { &mut *room };
                let x = factor(0);
                for (sum, &b) in sums.iter_mut().zip(line(0)) {
                    *sum = x.fma::<S>(b, T::ZERO);
                }
                for step in 1..k {
                    let x = factor(step);
                    for (sum, &b) in sums.iter_mut().zip(line(step)) {
                        *sum = x.fma::<S>(b, *sum);
                    }
                }
                if !plain {
                    for (l, (c, &sum)) in c.iter_mut().zip(room.iter()).enumerate() {
                        let sum = if problem.accumulate { *c + sum } else { sum };
                        *c = epilogue.apply(sum, row, first + l);
                    }
                }
            }
        }
    }
}
