//! Decompositions of stacks of matrices: one matrix after another in memory, each a task of its own. [`Decompose`] says
//! which lie by rows and which by columns.

#![allow(clippy::many_single_char_names, reason = "matrices and their extents are called by their letters")]

use crate::parallel::{Disjoint, for_each};
pub use dlcore_decompose::{Decompose, Failure, Side, Triangle};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The first matrix of a stack that has no such decomposition, and why.
pub type Failed = (usize, Failure);

/// Runs `body` on each of `count` matrices, each of `cost` multiplications.
fn each(count: usize, cost: usize, body: impl Fn(usize) -> Result<(), Failure> + Sync) -> Result<(), Failed> {
    let first: Mutex<Option<Failed>> = Mutex::new(None);
    // A microsecond for the calls, and about a multiplication a nanosecond.
    for_each(count, count.saturating_mul(cost.saturating_add(1000)), |index| {
        if let Err(failure) = body(index) {
            let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
            if first.is_none_or(|(earlier, _)| index < earlier) {
                *first = Some((index, failure));
            }
        }
    });
    first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Where matrix `index` of `size` elements lies.
fn place(index: usize, size: usize) -> Range<usize> {
    index * size..(index + 1) * size
}

/// The part of `out` that belongs to task `index`: `size` elements.
///
/// # Safety
/// No two tasks that run at once may have the same `index`.
#[allow(clippy::mut_from_ref, reason = "disjointness is the caller's contract")]
unsafe fn own<'a, T>(out: &'a Disjoint<'_, T>, index: usize, size: usize) -> &'a mut [T] {
    // SAFETY: pieces of one size with different indices are disjoint, and indices differ by contract.
    unsafe { out.slice(place(index, size)) }
}

fn cube(n: usize) -> usize {
    n.saturating_mul(n).saturating_mul(n)
}

/// Replaces `count` symmetric positive definite matrices, given by their lower triangles, by their Cholesky factors.
///
/// # Errors
/// The first matrix that is not positive definite.
pub fn cholesky<T: Decompose>(count: usize, n: usize, a: &mut [T]) -> Result<(), Failed> {
    let a = Disjoint::new(a);
    // SAFETY: each task has an index of its own.
    each(count, cube(n) / 3, |index| T::cholesky(n, unsafe { own(&a, index, n * n) }))
}

/// As [`cholesky`] of all of them, whether others fail or not: `orders` tells of each the order of the first leading minor
/// that is not positive, or 0. Of those nothing is left.
pub fn cholesky_of_each<T: Decompose>(n: usize, a: &mut [T], orders: &mut [i32]) {
    let (count, a, orders) = (orders.len(), Disjoint::new(a), Disjoint::new(orders));
    let done = each(count, cube(n) / 3, |index| {
        // SAFETY: each task has an index of its own.
        let (a, order) = unsafe { (own(&a, index, n * n), own(&orders, index, 1)) };
        order[0] = match T::cholesky(n, a) {
            Err(Failure::NotPositive(row)) => i32::try_from(row + 1).unwrap_or(i32::MAX),
            _ => 0,
        };
        Ok(())
    });
    debug_assert_eq!(done, Ok(()));
}

/// Replaces `count` matrices by their LU factors: see [`Decompose::lu`].
pub fn lu<T: Decompose>(count: usize, [m, n]: [usize; 2], a: &mut [T], order: &mut [i64]) {
    let (a, order) = (Disjoint::new(a), Disjoint::new(order));
    let done = each(count, cube(m.max(n)), |index| {
        // SAFETY: each task has an index of its own.
        let (a, order) = unsafe { (own(&a, index, m * n), own(&order, index, m)) };
        T::lu([m, n], a, order);
        Ok(())
    });
    debug_assert_eq!(done, Ok(()));
}

/// Replaces `columns` right-hand sides of each of `count` factorised systems by the solutions.
pub fn lu_solve<T: Decompose>(
    count: usize,
    [n, columns]: [usize; 2],
    lu: &[T],
    order: &[i64],
    side: Side,
    b: &mut [T],
) {
    let b = Disjoint::new(b);
    let done = each(count, 2 * n * n * columns, |index| {
        // SAFETY: each task has an index of its own.
        let b = unsafe { own(&b, index, n * columns) };
        T::lu_solve(n, columns, &lu[place(index, n * n)], &order[place(index, n)], side, b);
        Ok(())
    });
    debug_assert_eq!(done, Ok(()));
}

/// Replaces `columns` right-hand sides of each of `count` triangular systems by the solutions.
pub fn triangular_solve<T: Decompose>(
    count: usize,
    [n, columns]: [usize; 2],
    a: &[T],
    triangle: Triangle,
    b: &mut [T],
) {
    let b = Disjoint::new(b);
    let done = each(count, n * n * columns, |index| {
        // SAFETY: each task has an index of its own.
        let b = unsafe { own(&b, index, n * columns) };
        T::triangular_solve(n, columns, &a[place(index, n * n)], triangle, b);
        Ok(())
    });
    debug_assert_eq!(done, Ok(()));
}

/// Orthogonal factors of `k` columns and triangular ones of `k` rows for each of `count` matrices.
pub fn qr<T: Decompose>(count: usize, [m, n]: [usize; 2], k: usize, a: &mut [T], q: &mut [T], r: &mut [T]) {
    let (a, q, r) = (Disjoint::new(a), Disjoint::new(q), Disjoint::new(r));
    let done = each(count, 2 * cube(m.max(n)), |index| {
        // SAFETY: each task has an index of its own.
        let (a, q, r) = unsafe { (own(&a, index, m * n), own(&q, index, m * k), own(&r, index, k * n)) };
        T::qr([m, n], a, q, r);
        Ok(())
    });
    debug_assert_eq!(done, Ok(()));
}

/// Reflections of each of `count` matrices, and their factors: see [`Decompose::reflections`].
pub fn reflections<T: Decompose>(count: usize, [m, n]: [usize; 2], a: &mut [T], factors: &mut [T]) {
    let (a, factors) = (Disjoint::new(a), Disjoint::new(factors));
    let done = each(count, cube(m.max(n)), |index| {
        // SAFETY: each task has an index of its own.
        let (a, factors) = unsafe { (own(&a, index, m * n), own(&factors, index, m.min(n))) };
        T::reflections([m, n], a, factors);
        Ok(())
    });
    debug_assert_eq!(done, Ok(()));
}

/// Singular values of each of `count` matrices and, where there is room, `columns` left and `rows` right vectors.
///
/// # Errors
/// The first matrix for which the iteration does not converge.
pub fn svd<T: Decompose>(
    count: usize,
    [m, n]: [usize; 2],
    a: &[T],
    values: &mut [T],
    vectors: Option<(&mut [T], &mut [T], [usize; 2])>,
) -> Result<(), Failed> {
    let values = Disjoint::new(values);
    let vectors = vectors.map(|(u, v, sizes)| (Disjoint::new(u), Disjoint::new(v), sizes));
    each(count, 10 * cube(m.max(n)), |index| {
        // SAFETY: each task has an index of its own.
        let values = unsafe { own(&values, index, m.min(n)) };
        let vectors = vectors.as_ref().map(|(u, v, [columns, rows])| {
            // SAFETY: as above.
            unsafe { (own(u, index, m * columns), own(v, index, rows * n)) }
        });
        T::svd([m, n], &a[place(index, m * n)], values, vectors)
    })
}

/// Eigenvalues and, where there is room, eigenvectors of each of `count` symmetric matrices given by their lower
/// triangles.
///
/// # Errors
/// The first matrix for which the iteration does not converge.
pub fn eigh<T: Decompose>(
    count: usize,
    n: usize,
    a: &[T],
    values: &mut [T],
    vectors: Option<&mut [T]>,
) -> Result<(), Failed> {
    let (values, vectors) = (Disjoint::new(values), vectors.map(Disjoint::new));
    each(count, 8 * cube(n), |index| {
        // SAFETY: each task has an index of its own.
        let values = unsafe { own(&values, index, n) };
        // SAFETY: as above.
        let vectors = vectors.as_ref().map(|vectors| unsafe { own(vectors, index, n * n) });
        T::eigh(n, &a[place(index, n * n)], values, vectors)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matrix_that_fails_is_named() {
        let mut stack: Vec<f64> = [1.0, 1.0, -1.0, 1.0, -2.0].to_vec();
        assert_eq!(cholesky(5, 1, &mut stack), Err((2, Failure::NotPositive(0))));
    }

    #[test]
    fn each_matrix_of_a_stack_is_decomposed_as_if_alone() {
        let n = 7;
        let a: Vec<f64> = (0..50 * n * n).map(|i| f64::from(u32::try_from(i * i % 101).unwrap())).collect();
        let (mut w, mut v) = (vec![0.0; 50 * n], vec![0.0; 50 * n * n]);
        eigh(50, n, &a, &mut w, Some(&mut v)).unwrap();
        for index in 0..50 {
            let (mut one, mut vectors) = (vec![0.0; n], vec![0.0; n * n]);
            f64::eigh(n, &a[place(index, n * n)], &mut one, Some(&mut vectors)).unwrap();
            assert_eq!((&w[place(index, n)], &v[place(index, n * n)]), (&one[..], &vectors[..]));
        }
    }

    #[test]
    fn no_matrices_and_no_elements_are_nothing_to_do() {
        assert_eq!(cholesky::<f32>(0, 3, &mut []), Ok(()));
        assert_eq!(eigh::<f32>(4, 0, &[], &mut [], Some(&mut [])), Ok(()));
        let mut q = [9.0; 18];
        qr::<f32>(2, [3, 0], 3, &mut [], &mut q, &mut []);
        assert_eq!(q[..9], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(q[..9], q[9..]);
    }
}
