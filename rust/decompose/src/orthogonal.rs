//! Orthogonal factors: QR, singular values, eigenvalues of symmetric matrices.

#![allow(clippy::many_single_char_names, reason = "matrices and their extents are called by their letters")]

use crate::Failure;
use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::evd::{ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::householder::apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch;
use faer::linalg::householder::apply_block_householder_sequence_on_the_left_in_place_with_conj as apply;
use faer::linalg::qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size};
use faer::linalg::svd::{self, ComputeSvdVectors, SvdParams, svd_scratch};
use faer::traits::RealField;
use faer::traits::math_utils::{abs, from_f64, is_finite, max_positive, mul, neg, one, recip, sqrt, zero};
use faer::{Auto, Conj, Mat, MatMut, MatRef, Par, Spec};
use std::borrow::Cow;

/// Problems of at most as many columns are solved by QR iterations, larger ones divided. Measured, in float32 and float64:
/// faer's own bound of 128 takes up to 1.4 times as long.
const EIGENVECTORS_BY_QR: usize = 96;
const SINGULAR_VECTORS_BY_QR: usize = 48;

/// Reflections applied at once, at least: faer's own number for matrices of up to 128 rows, 8 and fewer, is slower.
const REFLECTIONS: usize = 16;

pub(crate) fn qr<T: RealField + Copy>([m, n]: [usize; 2], a: &mut [T], q: &mut [T], r: &mut [T]) {
    let (k, columns, rows) = (m.min(n), q.len().checked_div(m).unwrap_or(0), r.len().checked_div(n).unwrap_or(0));
    let mut basis = MatMut::from_column_major_slice_mut(q, m, columns);
    basis.fill(zero());
    basis.as_mut().diagonal_mut().fill(one());
    if k == 0 {
        return;
    }
    let factor = unit(largest(a));
    rescale(a, factor);
    let block = recommended_block_size::<T>(m, n).max(REFLECTIONS).min(k);
    let mut reflections = Mat::zeros(block, k);
    let scratch = StackReq::any_of(&[
        qr_in_place_scratch::<T>(m, n, block, Par::Seq, Spec::default()),
        apply_scratch::<T>(m, block, columns),
    ]);
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    let mut matrix = MatMut::from_column_major_slice_mut(&mut *a, m, n);
    qr_in_place(matrix.as_mut(), reflections.as_mut(), Par::Seq, stack, Spec::default());
    apply(matrix.as_ref().subcols(0, k), reflections.as_ref(), Conj::No, basis, Par::Seq, stack);
    for (index, (out, column)) in r.chunks_exact_mut(rows).zip(a.chunks_exact(m)).enumerate() {
        let filled = rows.min(index + 1);
        out[..filled].copy_from_slice(&column[..filled]);
        out[filled..].fill(zero());
    }
    rescale(r, recip(&factor));
}

pub(crate) fn svd<T: RealField + Copy>(
    [m, n]: [usize; 2],
    a: &[T],
    values: &mut [T],
    vectors: Option<(&mut [T], &mut [T])>,
) -> Result<(), Failure> {
    if !all_finite(a) {
        return Err(Failure::NoConvergence);
    }
    let factor = unit(largest(a));
    svd_in_range([m, n], &scaled(a, factor), values, vectors)?;
    rescale(values, recip(&factor));
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
    let recursion_threshold = if vectors.is_some() { SINGULAR_VECTORS_BY_QR } else { usize::MAX };
    let params = SvdParams { recursion_threshold, ..Auto::<T>::auto() }.into();
    let mut memory = MemBuffer::new(svd_scratch::<T>(m, n, wanted, wanted, Par::Seq, params));
    let (stack, diagonal) = (MemStack::new(&mut memory), DiagMut::from_slice_mut(values));
    let Some((left, right)) = vectors else {
        return svd::svd(a, diagonal, None, None, Par::Seq, stack, params).map_err(|_| Failure::NoConvergence);
    };
    // faer leaves parts of whole bases as they were and takes them for zeros.
    left.fill(zero());
    right.fill(zero());
    let columns = [(left.len(), m), (right.len(), n)].map(|(len, rows)| len.checked_div(rows).unwrap_or(0));
    let u = MatMut::from_column_major_slice_mut(&mut *left, m, columns[0]);
    let v = MatMut::from_column_major_slice_mut(&mut *right, n, columns[1]);
    svd::svd(a, diagonal, Some(u), Some(v), Par::Seq, stack, params).map_err(|_| Failure::NoConvergence)?;
    for (index, vector) in left.chunks_exact_mut(m.max(1)).enumerate() {
        if points_down(vector) {
            flip(vector);
            right.chunks_exact_mut(n).nth(index).into_iter().for_each(flip);
        }
    }
    right.chunks_exact_mut(n.max(1)).skip(count).filter(|vector| points_down(vector)).for_each(flip);
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
    let lower = || a.chunks_exact(n).enumerate().map(|(row, line)| &line[..=row]);
    if !lower().all(all_finite) {
        return Err(Failure::NoConvergence);
    }
    let factor = unit(lower().map(largest).fold(zero(), larger));
    eigh_in_range(n, &scaled(a, factor), values, vectors)?;
    rescale(values, recip(&factor));
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
    let params = SelfAdjointEvdParams { recursion_threshold: EIGENVECTORS_BY_QR, ..Auto::<T>::auto() }.into();
    let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<T>(n, wanted, Par::Seq, params));
    let (stack, diagonal) = (MemStack::new(&mut memory), DiagMut::from_slice_mut(values));
    let Some(vectors) = vectors else {
        return self_adjoint_evd(a, diagonal, None, Par::Seq, stack, params).map_err(|_| Failure::NoConvergence);
    };
    let u = MatMut::from_column_major_slice_mut(&mut *vectors, n, n);
    self_adjoint_evd(a, diagonal, Some(u), Par::Seq, stack, params).map_err(|_| Failure::NoConvergence)?;
    vectors.chunks_exact_mut(n).filter(|vector| points_down(vector)).for_each(flip);
    Ok(())
}

fn all_finite<T: RealField>(a: &[T]) -> bool {
    // Without a way out of the inner loop, so that it can be one over vectors.
    a.chunks(256).all(|piece| piece.iter().fold(true, |finite, x| finite & is_finite(x)))
}

fn larger<T: RealField>(x: T, y: T) -> T {
    if y > x { y } else { x }
}

/// The largest absolute value.
fn largest<T: RealField + Copy>(a: &[T]) -> T {
    let (chunks, rest) = a.as_chunks::<16>();
    let mut best = [zero::<T>(); 16];
    for chunk in chunks {
        for (best, x) in best.iter_mut().zip(chunk) {
            *best = larger(*best, abs(x));
        }
    }
    rest.iter().map(abs).chain(best).fold(zero(), larger)
}

/// A power of two that brings elements, the largest in size of which is given, near one, where squares of theirs would
/// leave the range of `T`.
fn unit<T: RealField + Copy>(largest: T) -> T {
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
fn scaled<T: RealField + Copy>(a: &[T], factor: T) -> Cow<'_, [T]> {
    if factor == one() { Cow::Borrowed(a) } else { Cow::Owned(a.iter().map(|x| mul(x, &factor)).collect()) }
}

fn rescale<T: RealField + Copy>(a: &mut [T], factor: T) {
    if factor != one() {
        for x in a {
            *x = mul(x, &factor);
        }
    }
}

/// Whether the largest element of a vector, the first of equals, is negative. Of a vector and its negative, which are as
/// good, results have the one that points up, so that they do not hang on how it was found.
fn points_down<T: RealField + Copy>(vector: &[T]) -> bool {
    let largest = largest(vector);
    vector.iter().find(|x| abs(*x) == largest).is_some_and(|x| *x < zero())
}

fn flip<T: RealField>(vector: &mut [T]) {
    for x in vector {
        *x = neg(x);
    }
}
