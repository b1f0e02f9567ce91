//! Cholesky factors, QR, singular values and eigenvalues of symmetric matrices.
//!
//! Where a decomposition has several parts with a gradient each, the operation puts them one after another into one
//! vector, and its functions return views of that: one node in the graph, whose backward sees all gradients together.

#![allow(clippy::many_single_char_names, reason = "matrices and their extents are called by their letters")]

use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Layout, contiguous_strides};
use crate::ops::arithmetic::{add, div, mul, scalar, scale, sub};
use crate::ops::arrange::diag_embed;
use crate::ops::matrix_stack::{
    Stack, adjoint, changed_by_columns, check_float, first, rest, times_columns, times_rows,
};
use crate::ops::sample::{Domain, Params, Sample, input, single};
use crate::ops::shape::look;
use crate::ops::strided::AsStrided;
use crate::ops::systems::solve_triangular;
use crate::ops::{broadcast_to, cast, cat, eq, gt, logical_and, matmul, maximum, reshape, tril, where_};
use crate::{creation, with_float};
use dlcore_kernels::decompose;
use std::fmt;

/// Views of parts of a vector, of the given shapes, one after another; of some the matrices lie by columns.
fn parts<const N: usize>(packed: &Tensor, shapes: &[Dims; N], by_columns: [bool; N]) -> Result<[Tensor; N]> {
    let mut start = 0;
    let mut found = Vec::with_capacity(N);
    for (shape, by_columns) in shapes.iter().zip(by_columns) {
        let mut strides = contiguous_strides(shape);
        if let ([.., rows, _], [.., down, right], true) = (&shape[..], &mut strides[..], by_columns) {
            (*down, *right) = (1, rows.cast_signed());
        }
        found.push(look(AsStrided { layout: Layout { shape: shape.clone(), strides, offset: start } }, packed)?);
        start += shape.iter().product::<usize>();
    }
    Ok(found.try_into().unwrap_or_else(|_| unreachable!("as many parts as shapes")))
}

fn total<const N: usize>(shapes: &[Dims; N]) -> usize {
    shapes.iter().map(|shape| shape.iter().product::<usize>()).sum()
}

/// `x / y`, and zero where both are: what has no part in the result has no part in its gradient, though the
/// denominator vanishes as it does for equal singular values.
fn quotient(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let (zero, one) = (scalar(Scalar::Int(0), x.dtype())?, scalar(Scalar::Int(1), x.dtype())?);
    let neither = logical_and(&eq(&x.detach(), &zero)?, &eq(&y.detach(), &zero)?)?;
    div(x, &where_(&neither, &one, y)?)
}

/// `values[j] - values[i]` at row i and column j.
fn gaps(values: &Tensor) -> Result<Tensor> {
    let [row, column] = crossed(values)?;
    sub(&row, &column)
}

/// `values[j] ** 2 - values[i] ** 2` likewise, without squares that leave the range of the type.
fn gaps_of_squares(values: &Tensor) -> Result<Tensor> {
    let [row, column] = crossed(values)?;
    mul(&sub(&row, &column)?, &add(&row, &column)?)
}

/// The values in a row and in a column.
fn crossed(values: &Tensor) -> Result<[Tensor; 2]> {
    let (batch, n) = (&values.shape()[..values.rank() - 1], values.shape()[values.rank() - 1]);
    Ok([reshape(values, &[batch, &[1, n]].concat())?, reshape(values, &[batch, &[n, 1]].concat())?])
}

fn without_diagonal(x: &Tensor) -> Result<Tensor> {
    let n = x.shape()[x.rank() - 1];
    where_(&creation::eye(n, n, DType::Bool)?, &scalar(Scalar::Int(0), x.dtype())?, x)
}

/// `x - x^T`.
fn skew(x: &Tensor) -> Result<Tensor> {
    sub(x, &adjoint(x)?)
}

/// The lower Cholesky factors of symmetric positive definite matrices, of which the lower triangle is read.
#[derive(Clone, Debug)]
pub struct Cholesky;

impl Operation for Cholesky {
    const NAME: &'static str = "linalg.cholesky";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0];
        check_float(Self::NAME, x.dtype())?;
        let stack = Stack::square(Self::NAME, x.shape())?;
        Ok(single(with_float!(Self::NAME, x.dtype(), T => changed_by_columns(Self::NAME, x, |out: &mut [T]| {
            decompose::cholesky(stack.count(), stack.matrix[0], out).map_err(|found| stack.failed(Self::NAME, found))
        }))?))
    }

    /// Murray, "Differentiation of the Cholesky decomposition", 2016.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let lower = context.output()?;
        let product = tril(&matmul(&adjoint(&lower)?, grad)?, 0)?;
        let halved = sub(&product, &scale(&sub(&product, &without_diagonal(&product)?)?, 0.5)?)?;
        let upper = adjoint(&lower)?;
        // l^-T halved l^-1, the right factor by the transposed system.
        let left = solve_triangular(&upper, &halved, true, false)?;
        let both = solve_triangular(&upper, &adjoint(&left)?, true, false)?;
        Ok(one(scale(&add(&both, &adjoint(&both)?)?, 0.5)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::OUTPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize]| Sample::new(Self, [input(Domain::PositiveDefinite, shape)]);
        vec![of(&[2, 3, 3]), of(&[1, 1]), of(&[0, 2, 2])]
    }
}

/// Orthogonal and upper triangular factors, in one vector.
#[derive(Clone, Debug)]
pub struct Qr {
    /// Square orthogonal factors, otherwise of as many columns as the matrix has rows or columns.
    pub complete: bool,
}

impl Qr {
    const BY_COLUMNS: [bool; 2] = [true, true];

    fn shapes(&self, shape: &[usize]) -> Result<[Dims; 2]> {
        let stack = Stack::of(Self::NAME, shape)?;
        let [m, n] = stack.matrix;
        let k = if self.complete { m } else { stack.rank() };
        Ok([stack.with(&[m, k]), stack.with(&[k, n])])
    }
}

impl Operation for Qr {
    const NAME: &'static str = "linalg.qr";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0];
        check_float(Self::NAME, x.dtype())?;
        let (stack, shapes) = (Stack::of(Self::NAME, x.shape())?, self.shapes(x.shape())?);
        let (k, room) = (shapes[1][shapes[1].len() - 2], shapes[0].iter().product());
        Ok(single(with_float!(Self::NAME, x.dtype(), T => {
            Array::build(Self::NAME, &[total(&shapes)], |out: &mut [T]| {
                let (q, r) = out.split_at_mut(room);
                changed_by_columns(Self::NAME, x, |x: &mut [T]| {
                    decompose::qr(stack.count(), stack.matrix, k, x, q, r);
                    Ok(())
                })?;
                Ok(())
            })
        })?))
    }

    /// Walter and Lehmann, "Algorithmic differentiation of linear algebra functions", 2018; Roberts and Roberts, "QR
    /// and LQ decomposition matrix backpropagation algorithms", 2020, for matrices wider than tall.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let shape = context.shape(0);
        let stack = Stack::of(Self::NAME, shape)?;
        let ([m, n], k) = (stack.matrix, stack.rank());
        if self.complete && m > n && n > 0 {
            let what = "with mode='complete' there is none for more rows than columns; use mode='reduced'";
            return Err(Error::gradient(Self::NAME, what));
        }
        if n == 0 {
            return Ok(one(creation::zeros(shape, grad.dtype())?));
        }
        let shapes = self.shapes(shape)?;
        let ([q, r], [mut gq, gr]) =
            (parts(&context.output()?, &shapes, Self::BY_COLUMNS)?, parts(grad, &shapes, Self::BY_COLUMNS)?);
        let (square, gsquare) = (first(&r, 1, k)?, first(&gr, 1, k)?);
        if n > m {
            let beside = first(&rest(&context.input(0)?, 1, k)?, 2, m)?;
            gq = add(&gq, &matmul(&beside, &adjoint(&rest(&gr, 1, k)?)?)?)?;
        }
        let inner = sub(&matmul(&square, &adjoint(&gsquare)?)?, &matmul(&adjoint(&gq)?, &q)?)?;
        let mirrored = add(&tril(&inner, 0)?, &adjoint(&tril(&inner, -1)?)?)?;
        // (gq + q mirrored) r^-T, by the transposed system.
        let sides = add(&gq, &matmul(&q, &mirrored)?)?;
        let leading = adjoint(&solve_triangular(&square, &adjoint(&sides)?, true, false)?)?;
        if n == k {
            return Ok(one(leading));
        }
        Ok(one(cat(&[&leading, &matmul(&q, &rest(&gr, 1, k)?)?], -1)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |complete, shape: &[usize]| Sample::new(Self { complete }, [input(Domain::Invertible, shape)]);
        vec![
            of(false, &[2, 3, 3]),
            of(false, &[2, 4, 2]),
            of(true, &[2, 2, 4]),
            of(false, &[1, 1]),
            of(false, &[0, 2, 3]),
        ]
    }

    fn params(&self) -> Params {
        vec![("complete", self.complete.into())]
    }
}

/// Which singular vectors to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors {
    /// None.
    None,
    /// As many as there are singular values.
    Thin,
    /// A basis of the whole space.
    Full,
}

/// Left singular vectors in columns, singular values in descending order and right vectors in rows, in one vector.
#[derive(Clone, Debug)]
pub struct Svd {
    /// Which vectors to compute.
    pub vectors: Vectors,
}

impl Svd {
    const BY_COLUMNS: [bool; 3] = [true, false, false];

    fn shapes(&self, shape: &[usize]) -> Result<[Dims; 3]> {
        let stack = Stack::of(Self::NAME, shape)?;
        let ([m, n], k) = (stack.matrix, stack.rank());
        let [columns, rows] = match self.vectors {
            Vectors::None => [0, 0],
            Vectors::Thin => [k, k],
            Vectors::Full => [m, n],
        };
        Ok([stack.with(&[m, columns]), stack.with(&[k]), stack.with(&[rows, n])])
    }
}

impl Operation for Svd {
    const NAME: &'static str = "linalg.svd";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0].contiguous(Self::NAME)?;
        check_float(Self::NAME, x.dtype())?;
        let (stack, shapes) = (Stack::of(Self::NAME, x.shape())?, self.shapes(x.shape())?);
        let sizes = [shapes[0][shapes[0].len() - 1], shapes[2][shapes[2].len() - 2]];
        let rooms = [&shapes[0], &shapes[1]].map(|shape| shape.iter().product::<usize>());
        Ok(single(with_float!(Self::NAME, x.dtype(), T => {
            Array::build(Self::NAME, &[total(&shapes)], |out: &mut [T]| {
                let (u, rest) = out.split_at_mut(rooms[0]);
                let (s, vt) = rest.split_at_mut(rooms[1]);
                let vectors = (self.vectors != Vectors::None).then_some((u, vt, sizes));
                decompose::svd(stack.count(), stack.matrix, x.elements::<T>(), s, vectors)
                    .map_err(|found| stack.failed(Self::NAME, found))
            })
        })?))
    }

    /// Townsend, "Differentiating the singular value decomposition", 2016.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let stack = Stack::of(Self::NAME, context.shape(0))?;
        let ([m, n], k) = (stack.matrix, stack.rank());
        let shapes = self.shapes(context.shape(0))?;
        let ([u, s, vt], [gu, gs, gvt]) =
            (parts(&context.output()?, &shapes, Self::BY_COLUMNS)?, parts(grad, &shapes, Self::BY_COLUMNS)?);
        let (u, vt, gu, gvt) = (first(&u, 1, k)?, first(&vt, 2, k)?, first(&gu, 1, k)?, first(&gvt, 2, k)?);
        let squares = gaps_of_squares(&s)?;
        let (utgu, vtgv) = (matmul(&adjoint(&u)?, &gu)?, matmul(&vt, &adjoint(&gvt)?)?);
        let left = times_columns(&quotient(&skew(&utgu)?, &squares)?, &s)?;
        let right = times_rows(&quotient(&skew(&vtgv)?, &squares)?, &s)?;
        let inner = add(&add(&left, &right)?, &diag_embed(&gs, 0, -2, -1)?)?;
        let mut result = matmul(&matmul(&u, &inner)?, &vt)?;
        let line = |extents: [usize; 2]| reshape(&s, &stack.with(&extents));
        if m > k {
            // What moves u out of its own space.
            let outside = sub(&gu, &matmul(&u, &utgu)?)?;
            result = add(&result, &matmul(&quotient(&outside, &line([1, k])?)?, &vt)?)?;
        }
        if n > k {
            let outside = sub(&gvt, &matmul(&adjoint(&vtgv)?, &vt)?)?;
            result = add(&result, &matmul(&u, &quotient(&outside, &line([k, 1])?)?)?)?;
        }
        Ok(one(result))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::OUTPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize]| Sample::new(Self { vectors: Vectors::Thin }, [input(Domain::Invertible, shape)]);
        vec![of(&[2, 3, 3]), of(&[2, 4, 2]), of(&[1, 2, 4]), of(&[1, 1]), of(&[0, 2, 3])]
    }
}

/// Eigenvalues of symmetric matrices in ascending order and, where wanted, eigenvectors in columns, in one vector. The
/// lower triangles are read.
#[derive(Clone, Debug)]
pub struct Eigh {
    /// Whether to compute the vectors.
    pub vectors: bool,
}

impl Eigh {
    const BY_COLUMNS: [bool; 2] = [false, true];

    fn shapes(&self, shape: &[usize]) -> Result<[Dims; 2]> {
        let stack = Stack::square(Self::NAME, shape)?;
        let n = stack.matrix[0];
        Ok([stack.with(&[n]), stack.with(&[n, if self.vectors { n } else { 0 }])])
    }
}

impl Operation for Eigh {
    const NAME: &'static str = "linalg.eigh";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0].contiguous(Self::NAME)?;
        check_float(Self::NAME, x.dtype())?;
        let (shapes, stack) = (self.shapes(x.shape())?, Stack::square(Self::NAME, x.shape())?);
        let room = shapes[0].iter().product();
        Ok(single(with_float!(Self::NAME, x.dtype(), T => {
            Array::build(Self::NAME, &[total(&shapes)], |out: &mut [T]| {
                let (values, vectors) = out.split_at_mut(room);
                let vectors = self.vectors.then_some(vectors);
                decompose::eigh(stack.count(), stack.matrix[0], x.elements::<T>(), values, vectors)
                    .map_err(|found| stack.failed(Self::NAME, found))
            })
        })?))
    }

    /// Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation", 2008.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let shapes = self.shapes(context.shape(0))?;
        let ([values, vectors], [gvalues, gvectors]) =
            (parts(&context.output()?, &shapes, Self::BY_COLUMNS)?, parts(grad, &shapes, Self::BY_COLUMNS)?);
        let transposed = adjoint(&vectors)?;
        // Only turns keep the vectors orthogonal: what is symmetric in their gradient says nothing of the matrix.
        let product = matmul(&transposed, &gvectors)?;
        let turns = scale(&sub(&product, &adjoint(&product)?)?, 0.5)?;
        let turned = quotient(&without_diagonal(&turns)?, &gaps(&values)?)?;
        let inner = add(&turned, &diag_embed(&gvalues, 0, -2, -1)?)?;
        Ok(one(matmul(&matmul(&vectors, &inner)?, &transposed)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::OUTPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize]| Sample::new(Self { vectors: true }, [input(Domain::PositiveDefinite, shape)]);
        vec![of(&[2, 3, 3]), of(&[1, 1]), of(&[0, 2, 2])]
    }
}

/// Inverses in the sense of Moore and Penrose; singular values up to a bound of `atol` or `rtol` times the largest, the
/// higher of the two, count as zero. Each is one number, or one for each matrix.
#[derive(Clone)]
pub struct Pinv {
    /// The absolute bound.
    pub atol: Tensor,
    /// The relative bound.
    pub rtol: Tensor,
}

impl fmt::Debug for Pinv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinv").finish_non_exhaustive()
    }
}

impl Pinv {
    /// One divided by the singular values that count, and zero for the others.
    fn inverses(&self, values: &Tensor) -> Result<Tensor> {
        let (batch, k) = (&values.shape()[..values.rank() - 1], values.shape()[values.rank() - 1]);
        let bounds = |x: &Tensor| broadcast_to(&cast(x, values.dtype())?, batch)?.array().contiguous(Self::NAME);
        let (atol, rtol, values) = (bounds(&self.atol)?, bounds(&self.rtol)?, values.array().contiguous(Self::NAME)?);
        let found = with_float!(Self::NAME, values.dtype(), T => Array::build(Self::NAME, values.shape(), |out: &mut [T]| {
            let bounds = atol.elements::<T>().iter().zip(rtol.elements::<T>());
            let matrices = out.chunks_exact_mut(k.max(1)).zip(values.elements::<T>().chunks_exact(k.max(1)));
            for ((out, values), (&atol, &rtol)) in matrices.zip(bounds) {
                let relative = values[0] * rtol;
                for (out, &value) in out.iter_mut().zip(values) {
                    *out = if value > relative && value > atol { value.recip() } else { 0.0 };
                }
            }
            Ok(())
        })?);
        Ok(found.into())
    }
}

impl Operation for Pinv {
    const NAME: &'static str = "linalg.pinv";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        check_float(Self::NAME, inputs[0].dtype())?;
        let (u, s, vt) = svd(&Tensor::from(inputs[0].clone()), Vectors::Thin)?;
        let inverses = self.inverses(&s)?;
        Ok(single(matmul(&times_columns(&adjoint(&vt)?, &inverses)?, &adjoint(&u)?)?.array().clone()))
    }

    /// Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems", 1973.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (a, p) = (context.input(0)?, context.output()?);
        let (pt, gt) = (adjoint(&p)?, adjoint(grad)?);
        let inside = matmul(&matmul(&pt, grad)?, &pt)?;
        // gt minus its projection onto the columns, then onto the rows, of a.
        let below = sub(&gt, &matmul(&a, &matmul(&p, &gt)?)?)?;
        let beside = sub(&gt, &matmul(&matmul(&gt, &p)?, &a)?)?;
        let outside = add(&matmul(&matmul(&below, &p)?, &pt)?, &matmul(&pt, &matmul(&p, &beside)?)?)?;
        Ok(one(sub(&outside, &inside)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let number =
            |value| Tensor::from(Array::full(Self::NAME, &[], Scalar::Float(value), DType::F64).expect("small"));
        let op = Self { atol: number(0.0), rtol: number(1e-6) };
        let of = |shape: &[usize]| Sample::new(op.clone(), [input(Domain::Invertible, shape)]);
        vec![of(&[2, 3, 3]), of(&[2, 4, 2]), of(&[1, 2, 4]), of(&[0, 2, 3])]
    }

    fn params(&self) -> Params {
        self.rtol.array().item().map(|rtol| ("rcond", rtol.to_f64().into())).into_iter().collect()
    }
}

/// The bounds up to which singular values of `x` count as zero, absolute and relative to the largest: those given, or
/// none and the larger extent times the spacing of floats at 1. An absolute one alone, above zero, is the only one.
///
/// # Errors
/// [`Error::Memory`].
pub fn bounds(x: &Tensor, atol: Option<&Tensor>, rtol: Option<&Tensor>) -> Result<[Tensor; 2]> {
    let extent = x.shape().iter().rev().take(2).max().copied().unwrap_or(0);
    #[allow(clippy::cast_precision_loss, reason = "an extent")]
    let spacings = extent as f64 * if x.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
    let (none, relative) = (bound(0.0)?, bound(spacings)?);
    Ok(match (atol, rtol) {
        (None, None) => [none, relative],
        (atol, Some(rtol)) => [atol.unwrap_or(&none).detach(), rtol.detach()],
        (Some(atol), None) => [atol.detach(), where_(&gt(atol, &none)?, &none, &relative)?],
    })
}

/// One bound for all matrices.
///
/// # Errors
/// [`Error::Memory`].
pub fn bound(value: f64) -> Result<Tensor> {
    scalar(Scalar::Float(value), DType::F64)
}

/// Where singular values, the largest of each matrix first, are above `atol` and above `rtol` times the largest: one
/// number for all matrices, or one for each.
///
/// # Errors
/// [`Error::Shape`] for another number of tolerances than of matrices.
pub fn above_bound(values: &Tensor, atol: &Tensor, rtol: &Tensor) -> Result<Tensor> {
    let largest = first(values, 1, values.shape()[values.rank() - 1].min(1))?;
    let column = |x: &Tensor| reshape(&cast(x, values.dtype())?, &[x.shape(), &[1]].concat());
    let bound = maximum(&mul(&largest, &column(rtol)?)?, &column(atol)?)?;
    gt(values, &bound)
}

/// Lower Cholesky factors.
///
/// # Errors
/// [`Error::Shape`] for matrices that are not square, [`Error::LinAlg`] for one that is not positive definite.
pub fn cholesky(x: &Tensor) -> Result<Tensor> {
    apply(Cholesky, &[x])
}

/// Orthogonal and upper triangular factors.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions, [`Error::DType`] for integers.
pub fn qr(x: &Tensor, complete: bool) -> Result<(Tensor, Tensor)> {
    let op = Qr { complete };
    let shapes = op.shapes(x.shape())?;
    let [q, r] = parts(&apply(op, &[x])?, &shapes, Qr::BY_COLUMNS)?;
    Ok((q, r))
}

/// Left singular vectors in columns, singular values in descending order, right vectors in rows.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions, [`Error::DType`] for integers, [`Error::LinAlg`] for a matrix that is
/// not finite.
pub fn svd(x: &Tensor, vectors: Vectors) -> Result<(Tensor, Tensor, Tensor)> {
    let op = Svd { vectors };
    let shapes = op.shapes(x.shape())?;
    let [u, s, vt] = parts(&apply(op, &[x])?, &shapes, Svd::BY_COLUMNS)?;
    Ok((u, s, vt))
}

/// Singular values in descending order.
///
/// # Errors
/// As [`svd`].
pub fn svdvals(x: &Tensor) -> Result<Tensor> {
    // Their gradient is made of the vectors.
    let vectors = if mode::is_recording() && x.requires_grad() { Vectors::Thin } else { Vectors::None };
    Ok(svd(x, vectors)?.1)
}

/// Eigenvalues of symmetric matrices in ascending order and, if `vectors`, eigenvectors in columns.
///
/// # Errors
/// [`Error::Shape`] for matrices that are not square, [`Error::DType`] for integers, [`Error::LinAlg`] for a matrix that
/// is not finite.
pub fn eigh(x: &Tensor, vectors: bool) -> Result<(Tensor, Tensor)> {
    let op = Eigh { vectors: vectors || mode::is_recording() && x.requires_grad() };
    let shapes = op.shapes(x.shape())?;
    let [values, vectors] = parts(&apply(op, &[x])?, &shapes, Eigh::BY_COLUMNS)?;
    Ok((values, vectors))
}

/// The inverses in the sense of Moore and Penrose: see [`Pinv`] and, for the tolerances, [`bounds`].
///
/// # Errors
/// As [`svd`].
pub fn pinv(x: &Tensor, atol: Option<&Tensor>, rtol: Option<&Tensor>) -> Result<Tensor> {
    if x.numel() == 0 {
        return Ok(adjoint(x)?.alias());
    }
    let [atol, rtol] = bounds(x, atol, rtol)?;
    apply(Pinv { atol, rtol }, &[x])
}
