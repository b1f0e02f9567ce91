//! Functions of matrices made of products, decompositions and reductions, from which their gradients follow.

#![allow(clippy::many_single_char_names, reason = "matrices and their extents are called by their letters")]

use crate::array::Array;
use crate::autograd::autocast::Autocast;
use crate::autograd::mode;
use crate::autograd::tensor::Tensor;
use crate::creation::eye;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, distinct_dims, normalize_dim};
use crate::ops::arithmetic::{add, div, mul, scalar, scale, sub};
use crate::ops::arrange::{movedim, select};
use crate::ops::copy::apart;
use crate::ops::factors::{above_bound, bounds, cholesky, eigh, svdvals};
use crate::ops::join::stack;
use crate::ops::matrix_stack::{Stack, adjoint, changed_by_columns, check_float, first};
use crate::ops::statistics::vector_norm;
use crate::ops::systems::{inverse, slogdet, solve, solve_triangular};
use crate::ops::{
    abs, amax, amin, broadcast_to, cast, cat, eq, exp, log, matmul, reshape, slice, sort, sum, tril, where_,
};
use crate::with_float;
use dlcore_kernels::decompose;

/// The symmetric matrices whose lower triangles `x` holds.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions.
pub fn symmetric(x: &Tensor) -> Result<Tensor> {
    add(&tril(x, 0)?, &adjoint(&tril(x, -1)?)?)
}

/// Which norm of a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// The root of the sum of squares.
    Frobenius,
    /// The sum of the singular values.
    Nuclear,
    /// Infinity: the largest sum of absolute values in a row; 1: in a column; 2: the largest singular value. Negated: the
    /// smallest.
    Number(f64),
}

/// Norms of the matrices in dimensions `dims`, rows first.
///
/// # Errors
/// [`Error::DType`] for integers, [`Error::Value`] for an order that is no matrix norm.
#[allow(clippy::float_cmp, reason = "orders that are exactly these")]
pub fn matrix_norm(x: &Tensor, order: Order, dims: [isize; 2], keepdim: bool) -> Result<Tensor> {
    const NAME: &str = "linalg.matrix_norm";
    check_float(NAME, x.dtype())?;
    if x.rank() < 2 {
        return Err(Error::shape(NAME, format_args!("expected at least two dimensions, got {}", x.rank())));
    }
    let (rows, columns) = (normalize_dim(NAME, dims[0], x.rank())?, normalize_dim(NAME, dims[1], x.rank())?);
    let dims = distinct_dims(NAME, &dims, x.rank())?;
    if order == Order::Frobenius {
        return vector_norm(x, 2.0, &dims, keepdim);
    }
    let extreme = |x: &Tensor, sign: f64, dim: usize, keepdim| {
        match x.shape()[dim] {
            // No norm is below zero, which so is the largest of none.
            0 if sign > 0.0 => sum(x, &[dim], keepdim),
            _ if sign > 0.0 => amax(x, &[dim], keepdim),
            _ => amin(x, &[dim], keepdim),
        }
    };
    // Of sums over `over`, the extreme along `along`.
    let of_sums = |sign: f64, over: usize, along: usize| {
        let found = extreme(&sum(&abs(x)?, &[over], true)?, sign, along, true)?;
        if keepdim { Ok(found) } else { without(&found, &dims) }
    };
    let of_singular = |reduce: &dyn Fn(&Tensor, usize) -> Result<Tensor>| {
        let values = svdvals(&movedim(x, &[rows.cast_signed(), columns.cast_signed()], &[-2, -1])?)?;
        let found = reduce(&values, values.rank() - 1)?;
        if !keepdim {
            return Ok(found);
        }
        let mut shape = Dims::from_slice(x.shape());
        shape[rows] = 1;
        shape[columns] = 1;
        reshape(&found, &shape)
    };
    match order {
        Order::Number(p) if p.abs() == 1.0 => of_sums(p, rows, columns),
        Order::Number(p) if p.is_infinite() => of_sums(p, columns, rows),
        Order::Number(p) if p.abs() == 2.0 => of_singular(&|values, dim| extreme(values, p, dim, false)),
        Order::Nuclear => of_singular(&|values, dim| sum(values, &[dim], false)),
        _ => Err(Error::value(NAME, "expected ord 'fro', 'nuc', 1, 2 or inf, or one of these numbers negated")),
    }
}

/// `x` without dimensions `dims`, of extent 1.
pub(super) fn without(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    let kept: Dims = (0..x.rank()).filter(|d| !dims.contains(d)).map(|d| x.shape()[d]).collect();
    reshape(x, &kept)
}

/// How many singular values, or absolute eigenvalues of symmetric matrices, are above `atol` and above `rtol` times the
/// largest. Tolerances are one number, or one for each matrix.
///
/// # Errors
/// As [`svdvals`].
pub fn matrix_rank(x: &Tensor, atol: Option<&Tensor>, rtol: Option<&Tensor>, hermitian: bool) -> Result<Tensor> {
    let x = x.detach();
    let values = if hermitian { sort(&abs(&eigh(&x, false)?.0)?, -1, true)?.0 } else { svdvals(&x)? };
    let [atol, rtol] = bounds(&x, atol, rtol)?;
    let kept = above_bound(&values, &atol, &rtol)?;
    sum(&kept, &[kept.rank() - 1], false)
}

/// How much the solution of a system may change with its right-hand side: the norm of the matrix times that of its
/// inverse, by default from singular values.
///
/// # Errors
/// As [`matrix_norm`]; [`Error::Shape`] for matrices that are not square where their inverse is needed.
pub fn cond(x: &Tensor, order: Option<Order>) -> Result<Tensor> {
    const NAME: &str = "linalg.cond";
    let by_inverse = order.filter(|&order| order != Order::Number(2.0) && order != Order::Number(-2.0));
    let shape = x.shape();
    let extents = if by_inverse.is_some() { Stack::square(NAME, shape)? } else { Stack::of(NAME, shape)? }.matrix;
    check_float(NAME, x.dtype())?;
    if extents.contains(&0) {
        return sum(x, &[x.rank() - 2, x.rank() - 1], false);
    }
    if let Some(order) = by_inverse {
        return cond_by_inverse(x, order);
    }
    let values = svdvals(x)?;
    let last = values.rank() - 1;
    let (largest, smallest) = (amax(&values, &[last], false)?, amin(&values, &[last], false)?);
    if order == Some(Order::Number(-2.0)) { div(&smallest, &largest) } else { div(&largest, &smallest) }
}

/// The norm of square matrices times that of their inverses.
fn cond_by_inverse(x: &Tensor, order: Order) -> Result<Tensor> {
    let norm = |x: &Tensor| matrix_norm(x, order, [-2, -1], false);
    match inverse(x) {
        Ok(inverse) => mul(&norm(x)?, &norm(&inverse)?),
        // A singular matrix is as badly conditioned as can be.
        Err(Error::LinAlg(_)) if x.rank() == 2 => scalar(Scalar::Float(f64::INFINITY), x.dtype()),
        Err(Error::LinAlg(_)) => {
            let each = (0..x.shape()[0].cast_signed()).map(|i| cond_by_inverse(&select(x, 0, i)?, order));
            stack(&each.collect::<Result<Vec<_>>>()?.iter().collect::<Vec<_>>(), 0)
        }
        Err(error) => Err(error),
    }
}

/// `x @ x @ ...`, `n` times; of the inverse where `n` is negative.
///
/// # Errors
/// [`Error::Shape`] for matrices that are not square, [`Error::LinAlg`] for the inverse of a singular one.
pub fn matrix_power(x: &Tensor, n: i64) -> Result<Tensor> {
    let size = Stack::square("linalg.matrix_power", x.shape())?.matrix[0];
    if n == 0 {
        // The identity, with a gradient of zero.
        let never = crate::creation::zeros(x.shape(), DType::Bool)?;
        return where_(&never, x, &eye(size, size, x.dtype())?);
    }
    let mut base = if n < 0 { inverse(x)? } else { x.clone() };
    let mut left = n.unsigned_abs();
    let mut power: Option<Tensor> = None;
    loop {
        if left % 2 == 1 {
            power = Some(match power {
                Some(power) => matmul(&power, &base)?,
                None => base.clone(),
            });
        }
        left /= 2;
        if left == 0 {
            return apart(power.unwrap_or(base), x);
        }
        base = matmul(&base, &base)?;
    }
}

/// The exponential of square matrices: Padé's approximation of degree 13 with scaling and squaring (Higham, "The scaling
/// and squaring method for the matrix exponential revisited", 2005).
///
/// # Errors
/// [`Error::Shape`] for matrices that are not square, [`Error::DType`] for integers.
pub fn matrix_exp(x: &Tensor) -> Result<Tensor> {
    const NAME: &str = "linalg.matrix_exp";
    /// Coefficients of the numerator, for powers in ascending order; the denominator's alternate in sign.
    const PADE: [f64; 14] = [
        64_764_752_532_480_000.0,
        32_382_376_266_240_000.0,
        7_771_770_303_897_600.0,
        1_187_353_796_428_800.0,
        129_060_195_264_000.0,
        10_559_470_521_600.0,
        670_442_572_800.0,
        33_522_128_640.0,
        1_323_241_920.0,
        40_840_800.0,
        960_960.0,
        16_380.0,
        182.0,
        1.0,
    ];
    /// The norm up to which the approximation is exact to float64.
    const REACH: f64 = 5.371_920_351_148_152;
    check_float(NAME, x.dtype())?;
    let n = Stack::square(NAME, x.shape())?.matrix[0];
    if x.numel() == 0 {
        return crate::ops::copy(x);
    }
    if n == 1 {
        return exp(x);
    }
    let norms = matrix_norm(&x.detach(), Order::Number(1.0), [-2, -1], false)?;
    let all: Dims = (0..norms.rank()).collect();
    let norm = amax(&norms, &all, false)?.array().item()?.to_f64();
    #[allow(clippy::cast_possible_truncation, reason = "a logarithm of a float, or zero where it is not finite")]
    let halvings = if norm.is_finite() && norm > REACH { (norm / REACH).log2().ceil() as i32 } else { 0 };
    let x = scale(x, 0.5f64.powi(halvings))?;
    let x2 = matmul(&x, &x)?;
    let x4 = matmul(&x2, &x2)?;
    let x6 = matmul(&x4, &x2)?;
    let identity = eye(n, n, x.dtype())?;
    // The powers of one parity: six higher ones times x6, and six lower ones.
    let half = |parity: usize| -> Result<Tensor> {
        let term = |power: &Tensor, degree: usize| scale(power, PADE[degree + parity]);
        let high = add(&add(&term(&x6, 12)?, &term(&x4, 10)?)?, &term(&x2, 8)?)?;
        let low = add(&add(&term(&x6, 6)?, &term(&x4, 4)?)?, &add(&term(&x2, 2)?, &term(&identity, 0)?)?)?;
        add(&matmul(&x6, &high)?, &low)
    };
    let (odd, even) = (matmul(&x, &half(1)?)?, half(0)?);
    let mut result = solve(&sub(&even, &odd)?, &add(&even, &odd)?)?;
    for _ in 0..halvings {
        result = matmul(&result, &result)?;
    }
    Ok(result)
}

/// The product of matrices in the order that takes fewest multiplications; the first and the last may be vectors.
///
/// # Errors
/// [`Error::Value`] for fewer than two, [`Error::Shape`] where neighbours do not fit.
pub fn multi_dot(tensors: &[Tensor]) -> Result<Tensor> {
    const NAME: &str = "linalg.multi_dot";
    let [first, .., last] = tensors else {
        return Err(Error::value(NAME, format_args!("expected at least two tensors, got {}", tensors.len())));
    };
    let mut factors = tensors.to_vec();
    let mut shape = Vec::new();
    if first.rank() == 1 {
        factors[0] = reshape(first, &[1, first.numel()])?;
    } else {
        shape.push(first.shape().first().copied().unwrap_or(0));
    }
    if last.rank() == 1 {
        let end = factors.len() - 1;
        factors[end] = reshape(last, &[last.numel(), 1])?;
    } else {
        shape.push(last.shape().last().copied().unwrap_or(0));
    }
    for pair in factors.windows(2) {
        let (a, b) = (pair[0].shape(), pair[1].shape());
        if a.len() != 2 || b.len() != 2 || a[1] != b[0] {
            return Err(Error::shape(NAME, format_args!("{} and {} do not fit for a product", Show(a), Show(b))));
        }
    }
    let extents: Vec<f64> =
        factors.iter().map(|x| x.shape()[0]).chain(factors.last().map(|x| x.shape()[1])).map(float).collect();
    let splits = cheapest_splits(&extents);
    reshape(&chain(&factors, &splits, 0, factors.len() - 1)?, &shape)
}

#[allow(clippy::cast_precision_loss, reason = "an extent, to compare costs")]
fn float(extent: usize) -> f64 {
    extent as f64
}

/// Where to split each run of factors last, given their extents (Cormen et al., "Introduction to algorithms", 15.2).
fn cheapest_splits(extents: &[f64]) -> Vec<Vec<usize>> {
    let n = extents.len() - 1;
    let (mut cost, mut splits) = (vec![vec![0.0; n]; n], vec![vec![0; n]; n]);
    for length in 1..n {
        for i in 0..n - length {
            let j = i + length;
            let at = |k: usize| cost[i][k] + cost[k + 1][j] + extents[i] * extents[k + 1] * extents[j + 1];
            let best = (i..j).min_by(|&a, &b| at(a).total_cmp(&at(b))).unwrap_or(i);
            (cost[i][j], splits[i][j]) = (at(best), best);
        }
    }
    splits
}

fn chain(list: &[Tensor], splits: &[Vec<usize>], i: usize, j: usize) -> Result<Tensor> {
    if i == j {
        return Ok(list[i].clone());
    }
    let k = splits[i][j];
    matmul(&chain(list, splits, i, k)?, &chain(list, splits, k + 1, j)?)
}

/// The sum of the products of vectors along `dim` of what the two broadcast to.
///
/// # Errors
/// [`Error::Shape`] where they do not broadcast, [`Error::Index`] for a dimension out of range.
pub fn vecdot(a: &Tensor, b: &Tensor, dim: isize) -> Result<Tensor> {
    const NAME: &str = "linalg.vecdot";
    let (a, b) = (Autocast::Lower.of(a)?, Autocast::Lower.of(b)?);
    if a.rank() == 1 && a.shape() == b.shape() && a.dtype() == b.dtype() && a.dtype().is_float() {
        normalize_dim(NAME, dim, 1)?;
        return matmul(&a, &b);
    }
    let products = mul(&a, &b)?;
    let found = sum(&products, &[normalize_dim(NAME, dim, products.rank())?], false)?;
    cast(&found, products.dtype())
}

/// The solutions of systems whose matrices have the Cholesky factors `factor`.
///
/// # Errors
/// As [`solve_triangular`].
pub fn cholesky_solve(b: &Tensor, factor: &Tensor, upper: bool) -> Result<Tensor> {
    let lower = if upper { adjoint(factor)? } else { factor.clone() };
    solve_triangular(&adjoint(&lower)?, &solve_triangular(&lower, b, false, false)?, true, false)
}

/// The inverses of matrices that have the Cholesky factors `factor`.
///
/// # Errors
/// As [`solve_triangular`].
pub fn cholesky_inverse(factor: &Tensor, upper: bool) -> Result<Tensor> {
    let n = Stack::square("cholesky_inverse", factor.shape())?.matrix[0];
    cholesky_solve(&eye(n, n, factor.dtype())?, factor, upper)
}

/// The logarithms of determinants; NaN for negative ones.
///
/// # Errors
/// [`Error::Shape`] for matrices that are not square.
pub fn logdet(x: &Tensor) -> Result<Tensor> {
    let (sign, logarithm) = slogdet(x)?;
    // log(1) is 0 and of the other signs what the result shall be.
    let minus = eq(&sign, &scalar(Scalar::Int(-1), sign.dtype())?)?;
    where_(&minus, &log(&sign)?, &logarithm)
}

/// The solution of `tensordot(a, x, x.ndim) = b`, with dimensions `dims` of `a` moved to its end before.
///
/// # Errors
/// [`Error::Shape`] where `a` is not square in that sense.
pub fn tensorsolve(a: &Tensor, b: &Tensor, dims: Option<&[isize]>) -> Result<Tensor> {
    const NAME: &str = "linalg.tensorsolve";
    let a = match dims {
        Some(dims) => {
            let ends: Vec<isize> = (1..=dims.len()).rev().map(|d| -d.cast_signed()).collect();
            movedim(a, dims, &ends)?
        }
        None => a.clone(),
    };
    let shape = a.shape().get(b.rank()..).unwrap_or_default();
    let unknowns: usize = shape.iter().product();
    if unknowns * b.numel() != a.numel() || unknowns != b.numel() {
        let (a, b) = (Show(a.shape()), Show(b.shape()));
        return Err(Error::shape(NAME, format_args!("{a} does not hold as many unknowns as equations for {b}")));
    }
    let x = solve(&reshape(&a, &[unknowns, unknowns])?, &reshape(b, &[unknowns, 1])?)?;
    reshape(&x, shape)
}

/// The inverse of `tensordot(a, ., n)`, where `n` dimensions are left of `a` for the result.
///
/// # Errors
/// [`Error::Shape`] where the first `n` dimensions do not hold as many elements as the others.
pub fn tensorinv(a: &Tensor, n: usize) -> Result<Tensor> {
    const NAME: &str = "linalg.tensorinv";
    let (left, right) = a.shape().split_at(n.min(a.rank()));
    let (rows, columns): (usize, usize) = (left.iter().product(), right.iter().product());
    if n == 0 || rows != columns {
        let what = format_args!("{} is not square with {n} dimensions on one side", Show(a.shape()));
        return Err(Error::shape(NAME, what));
    }
    reshape(&inverse(&reshape(a, &[rows, columns])?)?, &[right, left].concat())
}

/// The lower Cholesky factors of those matrices that are positive definite, NaN for others, and of each the order of the
/// first leading minor that is not, or 0, in int32.
///
/// # Errors
/// [`Error::Shape`] for matrices that are not square, [`Error::DType`] for integers.
pub fn cholesky_of_each(x: &Tensor) -> Result<(Tensor, Tensor)> {
    const NAME: &str = "linalg.cholesky_ex";
    check_float(NAME, x.dtype())?;
    let stack = Stack::square(NAME, x.shape())?;
    let (n, mut factors) = (stack.matrix[0], None);
    let wide = if x.dtype().is_narrow() { cast(&x.detach(), DType::F32)? } else { x.detach() };
    let orders = with_float!(NAME, wide.dtype(), T => Array::build(NAME, &stack.batch, |orders: &mut [i32]| {
        factors = Some(changed_by_columns(NAME, wide.array(), |out: &mut [T]| {
            decompose::cholesky_of_each(n, out, orders);
            for (matrix, _) in out.chunks_exact_mut((n * n).max(1)).zip(&*orders).filter(|(_, order)| **order != 0) {
                matrix.fill(T::NAN);
            }
            Ok(())
        })?);
        Ok(())
    }))?;
    let orders = Tensor::from(orders);
    if !(mode::is_recording() && x.requires_grad()) {
        let factors = factors.map_or_else(|| wide.clone(), Tensor::from);
        return Ok((cast(&factors, x.dtype())?, orders));
    }
    // The matrices that have no factor get no gradient.
    let is_definite = reshape(&eq(&orders, &scalar(Scalar::Int(0), DType::I32)?)?, &stack.with(&[1, 1]))?;
    let factors = cholesky(&where_(&is_definite, x, &eye(n, n, x.dtype())?)?)?;
    Ok((where_(&is_definite, &factors, &scalar(Scalar::Float(f64::NAN), x.dtype())?)?, orders))
}

/// Matrices reduced to triangles by Householder's reflections, as LAPACK packs them: the triangle above, below it the vectors
/// of the reflections without the one that each begins with, and their factors. It has no gradient.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions, [`Error::DType`] for integers.
pub fn geqrf(x: &Tensor) -> Result<(Tensor, Tensor)> {
    const NAME: &str = "geqrf";
    check_float(NAME, x.dtype())?;
    let stack = Stack::of(NAME, x.shape())?;
    let wide = if x.dtype().is_narrow() { cast(&x.detach(), DType::F32)? } else { x.detach() };
    let mut packed = None;
    let factors = with_float!(NAME, wide.dtype(), T => Array::build(NAME, &stack.with(&[stack.rank()]), |factors: &mut [T]| {
        packed = Some(changed_by_columns(NAME, wide.array(), |x: &mut [T]| {
            decompose::reflections(stack.count(), stack.matrix, x, factors);
            Ok(())
        })?);
        Ok(())
    }))?;
    let packed = packed.map_or_else(|| wide.clone(), Tensor::from);
    Ok((cast(&packed, x.dtype())?, cast(&factors.into(), x.dtype())?))
}

/// The first columns of the product of reflections `1 - tau * v @ v^T`, whose vectors are in the columns of `x` below
/// the diagonal, after a one on it.
///
/// # Errors
/// [`Error::Shape`] for matrices wider than tall or more reflections than columns.
pub fn householder_product(x: &Tensor, tau: &Tensor) -> Result<Tensor> {
    const NAME: &str = "linalg.householder_product";
    check_float(NAME, x.dtype())?;
    let stack = Stack::of(NAME, x.shape())?;
    let ([m, n], count) = (stack.matrix, tau.shape().last().copied().unwrap_or(0));
    if m < n || count > n || tau.shape()[..tau.rank().saturating_sub(1)] != stack.batch[..] {
        let (x, tau) = (Show(x.shape()), Show(tau.shape()));
        let what = format_args!("shapes {x} and {tau}: at least as many rows as columns, and columns as reflections");
        return Err(Error::shape(NAME, what));
    }
    let vectors = add(&tril(&first(x, 1, count)?, -1)?, &eye(m, count, x.dtype())?)?;
    // The identity, with a gradient of zero where there is no reflection.
    let never = crate::creation::zeros(x.shape(), DType::Bool)?;
    let mut product = where_(&never, x, &eye(m, n, x.dtype())?)?;
    for i in (0..count).rev() {
        let vector = slice(&vectors, x.rank() - 1, i, 1, 1)?;
        let factor = reshape(&slice(tau, tau.rank() - 1, i, 1, 1)?, &stack.with(&[1, 1]))?;
        let change = matmul(&mul(&vector, &factor)?, &matmul(&adjoint(&vector)?, &product)?)?;
        product = sub(&product, &change)?;
    }
    Ok(product)
}

/// The powers of each vector's elements in rows, the first of them 0.
///
/// # Errors
/// [`Error::Value`] for fewer than two columns, [`Error::DType`] for bool.
pub fn vander(x: &Tensor, columns: Option<isize>) -> Result<Tensor> {
    let x = if x.rank() == 0 { reshape(x, &[1])? } else { x.clone() };
    let n = columns.unwrap_or(x.shape()[x.rank() - 1].cast_signed());
    if n < 2 {
        return Err(Error::value("linalg.vander", format_args!("N must be at least 2, got {n}")));
    }
    let n = n.unsigned_abs();
    if x.dtype() == DType::Bool {
        return Err(Error::dtype("linalg.vander", "expected numbers, got bool"));
    }
    // Integers in int64, as products along a row are.
    let x = if x.dtype().is_float() { x } else { cast(&x, DType::I64)? };
    if !x.dtype().is_float() {
        return whole_powers(&x, n);
    }
    let exponents = cast(&crate::ops::arrange::counted(n)?, x.dtype())?;
    crate::ops::pow(&reshape(&x, &[x.shape(), &[1]].concat())?, &exponents)
}

/// The powers of integers in rows, the first of them 0, each the product of the one before and the base: exact, and wrapped
/// as any product is.
///
/// # Errors
/// Only for lack of memory.
pub fn whole_powers(x: &Tensor, columns: usize) -> Result<Tensor> {
    let shape = |count: usize| [x.shape(), &[count]].concat();
    let one = crate::creation::ones(&shape(columns.min(1)), x.dtype())?;
    let bases = broadcast_to(&reshape(x, &shape(1))?, &shape(columns.saturating_sub(1)))?;
    crate::ops::cumprod(&cat(&[&one, &bases], -1)?, -1)
}
