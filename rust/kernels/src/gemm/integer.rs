//! Integer products, wrapping like numpy's: rare, so plain loops that the compiler vectorises.

use super::Gemm;
use crate::element::Element;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_each};

/// One matrix product of integers; the epilogue is not used.
///
/// # Panics
/// If a matrix does not fit its slice.
pub fn integer<T: Element>(mut problem: Gemm<'_, T>) {
    problem.check();
    let (m, n, stride) = (problem.m, problem.n, problem.c_row_stride);
    if m == 0 || n == 0 {
        return;
    }
    let c = Disjoint::new(std::mem::take(&mut problem.c));
    for_each(m, m.saturating_mul(n).saturating_mul(problem.k), |row| {
        // SAFETY: each task has its own row; rows do not overlap.
        let c = unsafe { c.slice(row * stride..row * stride + n) };
        dispatch(Row { problem: &problem, index: row, c });
    });
}

struct Row<'a, T> {
    problem: &'a Gemm<'a, T>,
    index: usize,
    c: &'a mut [T],
}

impl<T: Element> Kernel for Row<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Gemm { k, a, b, accumulate, .. } = self.problem;
        if !accumulate {
            self.c.fill(T::ZERO);
        }
        let at = |offset: usize, moved: isize| offset.wrapping_add_signed(moved);
        if *k > 0
            && let ([c], 1, 1) = (&mut *self.c, a.col_stride, b.row_stride)
        {
            // A column: one sum, which vectors can take as well as a row.
            let (x, y) = (&a.data[at(a.offset, self.index.cast_signed() * a.row_stride)..], &b.data[b.offset..]);
            let mut sum = *c;
            for (&x, &y) in x.iter().zip(y).take(*k) {
                sum = sum.wrapping_add(x.wrapping_mul(y));
            }
            *c = sum;
            return;
        }
        for step in 0..k.cast_signed() {
            let x = a.data[at(a.offset, self.index.cast_signed() * a.row_stride + step * a.col_stride)];
            let start = at(b.offset, step * b.row_stride);
            if b.col_stride == 1 {
                for (c, &y) in self.c.iter_mut().zip(&b.data[start..]) {
                    *c = c.wrapping_add(x.wrapping_mul(y));
                }
            } else {
                for (j, c) in self.c.iter_mut().enumerate() {
                    *c = c.wrapping_add(x.wrapping_mul(b.data[at(start, j.cast_signed() * b.col_stride)]));
                }
            }
        }
    }
}
