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
use faer::traits::math_utils::{abs, add, eps, from_f64, is_finite, mul, neg, one, recip, sqrt, sub, zero};
use faer::{Auto, Col, Conj, Mat, MatMut, MatRef, Par, Spec};
use std::borrow::Cow;

/// From as many columns on, vectors are found by halves. Measured: faer's own bound, 128, takes up to 1.4 times as long.
const HALVED: usize = 96;

/// Reflections applied at once, at least: faer's own number for matrices of up to 128 rows, 8 and fewer, is slower.
const REFLECTIONS: usize = 16;

/// Rows and columns up to which reflections are applied one by one: preparing blocks of them takes longer.
const SMALL: usize = 12;

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
    if m.max(n) <= SMALL {
        qr_one_by_one([m, n], a, q);
        upper_triangle(m, rows, a, r);
        return rescale(r, recip(&factor));
    }
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
    upper_triangle(m, rows, a, r);
    rescale(r, recip(&factor));
}

/// The first `rows` rows of the upper triangle of `a`, of columns of `m`; zeros below.
fn upper_triangle<T: RealField + Copy>(m: usize, rows: usize, a: &[T], r: &mut [T]) {
    for (index, (out, column)) in r.chunks_exact_mut(rows).zip(a.chunks_exact(m)).enumerate() {
        let filled = rows.min(index + 1);
        out[..filled].copy_from_slice(&column[..filled]);
        out[filled..].fill(zero());
    }
}

/// Reflections up to which they are applied one by one where no basis is made of them: for that, blocks are prepared.
const FEW: usize = 64;

pub(crate) fn reflections<T: RealField + Copy>([m, n]: [usize; 2], a: &mut [T], factors: &mut [T]) {
    let k = m.min(n);
    if k == 0 {
        return;
    }
    if k <= FEW {
        return reflect_one_by_one([m, n], a, factors);
    }
    let factor = unit(largest(a));
    rescale(a, factor);
    let block = recommended_block_size::<T>(m, n).max(REFLECTIONS).min(k);
    let mut blocks = Mat::zeros(block, k);
    let mut memory = MemBuffer::new(qr_in_place_scratch::<T>(m, n, block, Par::Seq, Spec::default()));
    let (matrix, stack) = (MatMut::from_column_major_slice_mut(&mut *a, m, n), MemStack::new(&mut memory));
    qr_in_place(matrix, blocks.as_mut(), Par::Seq, stack, Spec::default());
    // The factors are the reciprocals of what faer has on the diagonals of its blocks.
    for (j, factor) in factors.iter_mut().enumerate() {
        *factor = recip(&blocks[(j % block, j)]);
    }
    for (j, column) in a.chunks_exact_mut(m).enumerate() {
        rescale(&mut column[..m.min(j + 1)], recip(&factor));
    }
}

/// Reflections, one by one, that make a triangle of `a`, below which their vectors come to lie; and, applied to the
/// columns of `q`, which are those of the identity, the basis.
fn qr_one_by_one<T: RealField + Copy>([m, n]: [usize; 2], a: &mut [T], q: &mut [T]) {
    let mut factors = [zero::<T>(); SMALL];
    let factors = &mut factors[..m.min(n)];
    reflect_one_by_one([m, n], a, factors);
    for (j, &factor) in factors.iter().enumerate().rev() {
        let tail = &a[j * m + j + 1..(j + 1) * m];
        for column in q.chunks_exact_mut(m).skip(j) {
            reflect(factor, tail, &mut column[j..]);
        }
    }
}

/// Reflections that make a triangle of `a`, below which their vectors come to lie, and their factors.
fn reflect_one_by_one<T: RealField + Copy>([m, _]: [usize; 2], a: &mut [T], factors: &mut [T]) {
    for (j, factor) in factors.iter_mut().enumerate() {
        *factor = zero();
        let (left, right) = a.split_at_mut((j + 1) * m);
        let column = &mut left[j * m + j..];
        // However small the column is beside others, its squares are numbers.
        let scale = unit(largest(column));
        rescale(column, scale);
        let (head, tail) = (column[0], &mut column[1..]);
        let below = product(tail, tail);
        if below == zero() {
            column[0] = mul(&head, &recip(&scale));
            continue; // nothing to reflect: the factor stays zero
        }
        let size = sqrt(&add(&mul(&head, &head), &below));
        let image = if head < zero() { size } else { neg(&size) };
        *factor = mul(&sub(&image, &head), &recip(&image));
        rescale(tail, recip(&sub(&head, &image)));
        for other in right.chunks_exact_mut(m) {
            reflect(*factor, tail, &mut other[j..]);
        }
        column[0] = mul(&image, &recip(&scale));
    }
}

/// The sum of products, in lanes that do not wait for one another.
fn product<T: RealField + Copy>(x: &[T], y: &[T]) -> T {
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<16>(), y.as_chunks::<16>());
    let mut sums = [zero::<T>(); 16];
    for (x, y) in x.iter().zip(y) {
        for lane in 0..16 {
            sums[lane] = add(&sums[lane], &mul(&x[lane], &y[lane]));
        }
    }
    let rest = x_rest.iter().zip(y_rest).fold(zero(), |sum, (x, y)| add(&sum, &mul(x, y)));
    if x.is_empty() { rest } else { sums.iter().fold(rest, |sum, x| add(&sum, x)) }
}

/// `x` less `factor` times its part along the vector of 1 and `tail`, times that.
fn reflect<T: RealField + Copy>(factor: T, tail: &[T], x: &mut [T]) {
    let along = add(&x[0], &product(tail, &x[1..]));
    let share = mul(&factor, &along);
    x[0] = sub(&x[0], &share);
    x[1..].iter_mut().zip(tail).for_each(|(x, v)| *x = sub(x, &mul(&share, v)));
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
    if let [x] = a {
        // As LAPACK, without an iteration.
        values[0] = abs(x);
        if let Some((left, right)) = vectors {
            left[0] = one();
            right[0] = if *x < zero() { neg(&one::<T>()) } else { one() };
        }
        return Ok(());
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
    let prepared = |halved: usize| {
        let params = Spec::new(SvdParams { recursion_threshold: halved, ..Auto::<T>::auto() });
        (params, MemBuffer::new(svd_scratch::<T>(m, n, wanted, wanted, Par::Seq, params)))
    };
    let Some((left, right)) = vectors else {
        let (params, mut memory) = prepared(usize::MAX);
        let (stack, diagonal) = (MemStack::new(&mut memory), DiagMut::from_slice_mut(values));
        return svd::svd(a, diagonal, None, None, Par::Seq, stack, params).map_err(|_| Failure::NoConvergence);
    };
    let columns = [(left.len(), m), (right.len(), n)].map(|(len, rows)| len.checked_div(rows).unwrap_or(0));
    let mut find = |halved: usize| {
        // faer leaves parts of whole bases as they were and takes them for zeros.
        left.fill(zero());
        right.fill(zero());
        let mut u = MatMut::from_column_major_slice_mut(&mut *left, m, columns[0]);
        let mut v = MatMut::from_column_major_slice_mut(&mut *right, n, columns[1]);
        let (params, mut memory) = prepared(halved);
        let (stack, diagonal) = (MemStack::new(&mut memory), DiagMut::from_slice_mut(values));
        let found = svd::svd(a, diagonal, Some(u.as_mut()), Some(v.as_mut()), Par::Seq, stack, params);
        found.is_ok() && (count < halved || multiply_back(a, u.as_ref(), values, v.as_ref()))
    };
    // By halves, vectors or their order are lost where many values are equal; by iterations alone they are not.
    if !(find(HALVED) || find(usize::MAX)) {
        return Err(Failure::NoConvergence);
    }
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
    if let [x] = a {
        values[0] = *x;
        if let Some(vectors) = vectors {
            vectors[0] = one();
        }
        return Ok(());
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
    let params = SelfAdjointEvdParams { recursion_threshold: HALVED, ..Auto::<T>::auto() }.into();
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

/// Whether singular values are in order and make up the matrix with the vectors, which are orthonormal: tried on one
/// vector, of which no element is small.
#[allow(clippy::cast_precision_loss, reason = "extents")]
fn multiply_back<T: RealField + Copy>(a: MatRef<T>, u: MatRef<T>, values: &[T], v: MatRef<T>) -> bool {
    let k = values.len();
    let x = Col::<T>::from_fn(k, |i| {
        let size = 1.0 + (i as f64 * 0.618_033_988_749_895).fract();
        from_f64(if i % 2 == 0 { size } else { -size })
    });
    let stretched = Col::<T>::from_fn(k, |i| mul(&values[i], &x[i]));
    let (u, v) = (u.subcols(0, k), v.subcols(0, k));
    let (left, right) = (u * &x, v * &x);
    let errors = [
        (a * &right - u * stretched, values[0]),
        (u.transpose() * left - &x, one()),
        (v.transpose() * right - &x, one()),
    ];
    let bound = mul(&from_f64::<T>(16.0 * k as f64), &eps::<T>());
    values.is_sorted_by(|x, y| x >= y) && errors.iter().all(|(error, size)| error.norm_l2() <= mul(&bound, size))
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

/// A power of two that brings elements, the largest in size of which is given, near one: squares of theirs then stay in
/// the range of `T`. faer also takes differences of about its precision for none, however small the matrix is.
fn unit<T: RealField + Copy>(largest: T) -> T {
    let mut factor = one::<T>();
    if !is_finite(&largest) || largest == zero() {
        return factor;
    }
    for step in [65536.0, 2.0].map(from_f64::<T>) {
        while mul(&largest, &factor) >= step {
            factor = mul(&factor, &recip(&step));
        }
        while mul(&mul(&largest, &factor), &step) <= one() && is_finite(&mul(&factor, &step)) {
            factor = mul(&factor, &step);
        }
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

/// Whether the largest element of a vector, the first of equals, is negative. Of a vector and its negative, which are
/// as good, results have the one that points up, so that they do not hang on how it was found.
fn points_down<T: RealField + Copy>(vector: &[T]) -> bool {
    let largest = largest(vector);
    vector.iter().find(|x| abs(*x) == largest).is_some_and(|x| *x < zero())
}

fn flip<T: RealField>(vector: &mut [T]) {
    for x in vector {
        *x = neg(x);
    }
}
