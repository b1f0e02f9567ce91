//! LU factors for those who want them: packed, with pivots, unpacked.

#![allow(clippy::many_single_char_names, reason = "matrices and their extents are called by their letters")]

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Saves, apply, apply_all, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, broadcast_shapes};
use crate::ops::arithmetic::{add, sub};
use crate::ops::arrange::diagonal;
use crate::ops::matrix_stack::{Stack, adjoint, first, rest};
use crate::ops::placing::take_along_dim;
use crate::ops::sample::{Domain, Sample, input};
use crate::ops::systems::{SolveTriangular, check_sides, factorised};
use crate::ops::{cat, matmul, reshape, sort, tril, triu};
use crate::with_float;
use smallvec::smallvec;

/// LU factors: L below the diagonal, U from it upwards, and the order of the rows.
#[derive(Clone, Debug)]
pub struct Lu;

impl Operation for Lu {
    const NAME: &'static str = "linalg.lu_factor";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (lu, order) = factorised(Self::NAME, inputs[0])?;
        Ok(smallvec![lu, order])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let stack = Stack::of(Self::NAME, context.shape(0))?;
        let ([m, n], k) = (stack.matrix, stack.rank());
        let (lower, upper) = lower_upper(&context.output()?)?;
        let (below, above) = (tril(grad, -1)?, triu(grad, 0)?);
        // Within the leading square: what changes L, and what changes U.
        let (l, u) = (first(&lower, 2, k)?, first(&upper, 1, k)?);
        let (gl, gu) = (first(&first(&below, 2, k)?, 1, k)?, first(&first(&above, 2, k)?, 1, k)?);
        let mut left = matmul(&adjoint(&l)?, &gl)?;
        let mut right = matmul(&gu, &adjoint(&u)?)?;
        if n > k {
            left = sub(&left, &matmul(&rest(&above, 1, k)?, &adjoint(&rest(&upper, 1, k)?)?)?)?;
        }
        if m > k {
            right = sub(&right, &matmul(&adjoint(&rest(&lower, 2, k)?)?, &rest(&below, 2, k)?)?)?;
        }
        let inner = add(&tril(&left, -1)?, &triu(&right, 0)?)?;
        let by_l = |x: &Tensor| apply(SolveTriangular { upper: true, unit: true }, &[&adjoint(&l)?, x]);
        // x @ u^-T, by the transposed system.
        let by_u = |x: &Tensor| adjoint(&apply(SolveTriangular { upper: true, unit: false }, &[&u, &adjoint(x)?])?);
        let mut rows = if n > k {
            let beside = by_l(&rest(&above, 1, k)?)?;
            cat(&[&by_u(&by_l(&inner)?)?, &beside], -1)?
        } else {
            by_u(&by_l(&inner)?)?
        };
        if m > k {
            rows = cat(&[&rows, &by_u(&rest(&below, 2, k)?)?], -2)?;
        }
        Ok(one(unordered(&rows, &context.auxiliary(1)?)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::OUTPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize]| Sample::new(Self, [input(Domain::Invertible, shape)]);
        vec![of(&[2, 3, 3]), of(&[1, 1]), of(&[2, 4, 2]), of(&[1, 2, 4]), of(&[0, 2, 2])]
    }
}

/// Rows back where they were before LU factors put them in `order`.
fn unordered(rows: &Tensor, order: &Tensor) -> Result<Tensor> {
    let (_, places) = sort(order, -1, false)?;
    take_along_dim(rows, &reshape(&places, &[places.shape(), &[1]].concat())?, Some(-2))
}

/// The two triangles of LU factors: L with its ones, and U.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions.
pub fn lower_upper(lu: &Tensor) -> Result<(Tensor, Tensor)> {
    let stack = Stack::of(Lu::NAME, lu.shape())?;
    let ([m, _], k) = (stack.matrix, stack.rank());
    let ones = crate::creation::eye(m, k, lu.dtype())?;
    Ok((add(&tril(&first(lu, 1, k)?, -1)?, &ones)?, triu(&first(lu, 2, k)?, 0)?))
}

/// LU factors in one tensor and, for each row, with which one it was exchanged, counting from 1 as LAPACK does.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions, [`Error::DType`] for integers.
pub fn lu_factor(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut outputs = apply_all(Lu, &[x])?;
    let (order, lu) = (outputs.swap_remove(1), outputs.swap_remove(0));
    let stack = Stack::of(Lu::NAME, x.shape())?;
    let ([m, _], k) = (stack.matrix, stack.rank());
    let mut pivots = Vec::with_capacity(stack.count() * k);
    for order in order.array().elements::<i64>().chunks_exact(m.max(1)) {
        // Which row is at each place after the exchanges so far, and where each row is.
        let (mut rows, mut places): (Vec<usize>, Vec<usize>) = (0..m).map(|row| (row, row)).unzip();
        for (place, &wanted) in order.iter().enumerate().take(k) {
            let found = places[usize::try_from(wanted).unwrap_or(place)];
            let moved = rows[place];
            (rows[found], places[moved]) = (moved, found);
            pivots.push(i32::try_from(found + 1).unwrap_or(i32::MAX));
        }
    }
    Ok((lu, Array::from_slice(Lu::NAME, &pivots, &stack.with(&[k]))?.into()))
}

/// The order of `m` rows after the exchanges that `pivots` lists.
///
/// # Errors
/// [`Error::DType`] for pivots that are not int32, [`Error::Value`] for one out of range.
pub fn order_of(pivots: &Tensor, m: usize) -> Result<Tensor> {
    const NAME: &str = "lu_unpack";
    let (&k, dtype) = (pivots.shape().last().unwrap_or(&0), pivots.dtype());
    if dtype != DType::I32 {
        return Err(Error::dtype(NAME, format_args!("expected pivots in int32, got {dtype}")));
    }
    let list = pivots.array().contiguous(NAME)?;
    let mut orders = Vec::new();
    let count: usize = pivots.shape()[..pivots.rank().saturating_sub(1)].iter().product();
    for matrix in 0..count {
        let mut rows: Vec<i64> = (0..).take(m).collect();
        for (place, &pivot) in list.elements::<i32>()[matrix * k..(matrix + 1) * k].iter().enumerate() {
            let found = usize::try_from(pivot).ok().and_then(|pivot| pivot.checked_sub(1)).filter(|&row| row < m);
            let found = found.ok_or_else(|| Error::value(NAME, format_args!("pivot {pivot} of {m} rows")))?;
            rows.swap(place.min(m.saturating_sub(1)), found);
        }
        orders.extend(rows);
    }
    let mut shape = Dims::from_slice(&pivots.shape()[..pivots.rank().saturating_sub(1)]);
    shape.push(m);
    Ok(Array::from_slice(NAME, &orders, &shape)?.into())
}

/// The permutation matrices p for which `p @ l @ u` is the matrix.
///
/// # Errors
/// Only for lack of memory.
pub fn permutation(order: &Tensor, dtype: DType) -> Result<Tensor> {
    let m = order.shape().last().copied().unwrap_or(0);
    let order = order.array().contiguous(Lu::NAME)?;
    let shape = [order.shape(), &[m]].concat();
    let matrices = with_float!(Lu::NAME, dtype, T => Array::build(Lu::NAME, &shape, |out: &mut [T]| {
        out.fill(0.0);
        for (matrix, order) in out.chunks_exact_mut((m * m).max(1)).zip(order.elements::<i64>().chunks_exact(m.max(1))) {
            for (column, &row) in order.iter().enumerate() {
                matrix[usize::try_from(row).unwrap_or(column) * m + column] = 1.0;
            }
        }
        Ok(())
    })?);
    Ok(matrices.into())
}

/// Which pivot of each matrix that [`lu_factor`] factorised is the first that is zero, counted from 1, in int32; 0 where
/// none is.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions, [`Error::DType`] for integers.
pub fn zero_pivots(lu: &Tensor) -> Result<Tensor> {
    let stack = Stack::of(Lu::NAME, lu.shape())?;
    let k = stack.rank();
    let pivots = diagonal(&lu.detach(), 0, -2, -1)?.array().contiguous(Lu::NAME)?;
    let mut found = vec![0i32; stack.count()];
    with_float!(Lu::NAME, pivots.dtype(), T => {
        for (found, pivots) in found.iter_mut().zip(pivots.elements::<T>().chunks_exact(k.max(1))) {
            let first = pivots.iter().position(|&pivot| pivot == 0.0);
            *found = first.map_or(0, |first| i32::try_from(first + 1).unwrap_or(i32::MAX));
        }
    });
    Ok(Array::from_slice(Lu::NAME, &found, &stack.with(&[]))?.into())
}

/// The matrices p, l and u whose product is `x`.
///
/// # Errors
/// As [`lu_factor`].
pub fn lu(x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let outputs = apply_all(Lu, &[x])?;
    let (lower, upper) = lower_upper(&outputs[0])?;
    Ok((permutation(&outputs[1], lower.dtype())?, lower, upper))
}

/// The solutions of systems whose matrices were factorised by [`lu_factor`]; of the transposed systems if `transposed`.
///
/// # Errors
/// [`Error::Shape`] for matrices that are not square or right-hand sides that do not fit; as [`order_of`].
pub fn lu_solve(lu: &Tensor, pivots: &Tensor, b: &Tensor, transposed: bool) -> Result<Tensor> {
    const NAME: &str = "linalg.lu_solve";
    check_sides(NAME, lu.shape(), b.shape())?;
    let order = order_of(pivots, lu.shape()[lu.rank() - 1])?;
    let triangle = |upper, unit, a: &Tensor, b: &Tensor| apply(SolveTriangular { upper, unit }, &[a, b]);
    let batch = broadcast_shapes(NAME, &lu.shape()[..lu.rank() - 2], &b.shape()[..b.rank() - 2])?;
    let b = crate::ops::broadcast_to(b, &[&batch, &b.shape()[b.rank() - 2..]].concat())?;
    if transposed {
        let lu = adjoint(lu)?;
        return unordered(&triangle(true, true, &lu, &triangle(false, false, &lu, &b)?)?, &order);
    }
    let rows = take_along_dim(&b, &reshape(&order, &[order.shape(), &[1]].concat())?, Some(-2))?;
    triangle(true, false, lu, &triangle(false, true, lu, &rows)?)
}
