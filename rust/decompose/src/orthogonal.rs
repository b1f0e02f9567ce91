//! Orthogonal factors: QR, singular values, eigenvalues of symmetric matrices.

#![allow(clippy::many_single_char_names, reason = "matrices and their extents are called by their letters")]

use crate::Failure;
use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::svd::{self, ComputeSvdVectors, svd_scratch};
use faer::traits::RealField;
use faer::traits::math_utils::{abs, from_f64, is_finite, max_positive, mul, neg, one, recip, sqrt, zero};
use faer::{Mat, MatMut, MatRef, Par, Spec};
use std::borrow::Cow;

pub(crate) fn qr<T: RealField + Copy>([m, n]: [usize; 2], a: &[T], q: &mut [T], r: &mut [T]) {
    let factor = unit(a.iter());
    let factors = MatRef::from_row_major_slice(&scaled(a, &factor), m, n).qr();
    let columns = q.len().checked_div(m).unwrap_or(0);
    let basis = if columns == m { factors.compute_Q() } else { factors.compute_thin_Q() };
    MatMut::from_row_major_slice_mut(q, m, columns).copy_from(basis);
    for (row, line) in r.chunks_exact_mut(n.max(1)).enumerate() {
        for (column, x) in line.iter_mut().enumerate() {
            *x = if column < row { zero() } else { factors.R()[(row, column)] };
        }
    }
    rescale(r, &factor);
}

pub(crate) fn svd<T: RealField + Copy>(
    [m, n]: [usize; 2],
    a: &[T],
    values: &mut [T],
    vectors: Option<(&mut [T], &mut [T])>,
) -> Result<(), Failure> {
    if !a.iter().all(is_finite) {
        return Err(Failure::NoConvergence);
    }
    let factor = unit(a.iter());
    svd_in_range([m, n], &scaled(a, &factor), values, vectors)?;
    rescale(values, &factor);
    Ok(())
}

fn svd_in_range<T: RealField + Copy>(
    [m, n]: [usize; 2],
    a: &[T],
    values: &mut [T],
    vectors: Option<(&mut [T], &mut [T])>,
) -> Result<(), Failure> {
    let a = MatRef::from_row_major_slice(a, m, n);
    let count = values.len();
    let wanted = match &vectors {
        None => ComputeSvdVectors::No,
        Some((u, v)) if u.len() == m * count && v.len() == n * count => ComputeSvdVectors::Thin,
        Some(_) => ComputeSvdVectors::Full,
    };
    let mut memory = MemBuffer::new(svd_scratch::<T>(m, n, wanted, wanted, Par::Seq, Spec::default()));
    let (stack, diagonal) = (MemStack::new(&mut memory), DiagMut::from_slice_mut(values));
    let Some((left, right)) = vectors else {
        let found = svd::svd(a, diagonal, None, None, Par::Seq, stack, Spec::default());
        return found.map_err(|_| Failure::NoConvergence);
    };
    let thin = wanted == ComputeSvdVectors::Thin;
    let mut u = Mat::zeros(m, if thin { count } else { m });
    let mut v = Mat::zeros(n, if thin { count } else { n });
    svd::svd(a, diagonal, Some(u.as_mut()), Some(v.as_mut()), Par::Seq, stack, Spec::default())
        .map_err(|_| Failure::NoConvergence)?;
    for column in 0..u.ncols() {
        if points_down(&u, column) {
            flip(&mut u, column);
            if column < v.ncols() {
                flip(&mut v, column);
            }
        }
    }
    for column in u.ncols().min(count)..v.ncols() {
        if points_down(&v, column) {
            flip(&mut v, column);
        }
    }
    MatMut::from_row_major_slice_mut(left, m, u.ncols()).copy_from(&u);
    MatMut::from_row_major_slice_mut(right, v.ncols(), n).copy_from(v.transpose());
    Ok(())
}

pub(crate) fn eigh<T: RealField + Copy>(
    n: usize,
    a: &[T],
    values: &mut [T],
    vectors: Option<&mut [T]>,
) -> Result<(), Failure> {
    if n == 0 {
        return Ok(());
    }
    let lower = || a.chunks_exact(n).enumerate().flat_map(|(row, line)| &line[..=row]);
    if !lower().all(is_finite) {
        return Err(Failure::NoConvergence);
    }
    let factor = unit(lower());
    eigh_in_range(n, &scaled(a, &factor), values, vectors)?;
    rescale(values, &factor);
    Ok(())
}

fn eigh_in_range<T: RealField + Copy>(
    n: usize,
    a: &[T],
    values: &mut [T],
    vectors: Option<&mut [T]>,
) -> Result<(), Failure> {
    let a = MatRef::from_row_major_slice(a, n, n);
    let wanted = if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<T>(n, wanted, Par::Seq, Spec::default()));
    let (stack, diagonal) = (MemStack::new(&mut memory), DiagMut::from_slice_mut(values));
    let Some(vectors) = vectors else {
        let found = self_adjoint_evd(a, diagonal, None, Par::Seq, stack, Spec::default());
        return found.map_err(|_| Failure::NoConvergence);
    };
    let mut u = Mat::zeros(n, n);
    self_adjoint_evd(a, diagonal, Some(u.as_mut()), Par::Seq, stack, Spec::default())
        .map_err(|_| Failure::NoConvergence)?;
    for column in 0..n {
        if points_down(&u, column) {
            flip(&mut u, column);
        }
    }
    MatMut::from_row_major_slice_mut(vectors, n, n).copy_from(&u);
    Ok(())
}

/// A power of two that brings the elements near one, where squares of theirs would leave the range of `T`.
fn unit<'a, T: RealField + Copy + 'a>(a: impl Iterator<Item = &'a T>) -> T {
    let largest = a.map(abs).reduce(|best, x| if x > best { x } else { best }).unwrap_or_else(zero);
    if !is_finite(&largest) {
        return one();
    }
    // The fourth root of the range on either side: sums of squares of many elements stay inside.
    let root = sqrt(&sqrt(&max_positive::<T>()));
    let (step, mut factor) = (from_f64::<T>(f64::from(1 << 16)), one::<T>());
    while mul(&largest, &factor) > root {
        factor = mul(&factor, &recip(&step));
    }
    while largest > zero() && mul(&largest, &factor) < recip(&root) {
        factor = mul(&factor, &step);
    }
    factor
}

/// The elements times `factor`, and nothing copied where that is one.
fn scaled<'a, T: RealField + Copy>(a: &'a [T], factor: &T) -> Cow<'a, [T]> {
    if *factor == one() { Cow::Borrowed(a) } else { Cow::Owned(a.iter().map(|x| mul(x, factor)).collect()) }
}

fn rescale<T: RealField + Copy>(a: &mut [T], factor: &T) {
    if *factor != one() {
        let back = recip(factor);
        for x in a {
            *x = mul(x, &back);
        }
    }
}

/// Whether the largest element of a column, the first of equals, is negative. Of a vector and its negative, which are as
/// good, results have the one that points up, so that they do not hang on how it was found.
fn points_down<T: RealField + Copy>(matrix: &Mat<T>, column: usize) -> bool {
    let largest = matrix.col(column).iter().copied().reduce(|best, x| if abs(&x) > abs(&best) { x } else { best });
    largest.is_some_and(|x| x < zero())
}

fn flip<T: RealField>(matrix: &mut Mat<T>, column: usize) {
    for x in matrix.col_mut(column).iter_mut() {
        *x = neg(x);
    }
}
