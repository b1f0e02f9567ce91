//! Elements in order, the largest or smallest few, or of those so far: values and the positions that they had. A
//! gradient goes back to those. NaN counts as larger than any number.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Saves, apply, apply_all, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, normalize_dim};
use crate::ops::gather::ScatterAdd;
use crate::ops::sample::{Domain, Params, Sample, input};
use crate::ops::shape::reshape;
use crate::with_element;
use dlcore_kernels::search;
use dlcore_kernels::sort::{self as kernel, Rank};
use smallvec::smallvec;
use std::fmt::Display;

/// Refuses to choose more than there are.
fn too_few(k: impl Display, dim: usize, n: usize) -> Error {
    Error::value(TopK::NAME, format_args!("k is {k}, expected 0 to {n}, the size of dimension {dim}"))
}

/// The length of the lines of `x` along `dim`.
fn line(name: &str, x: &Array, dim: usize) -> Result<usize> {
    let n = x.shape()[dim];
    if n > kernel::MAX_LINE {
        return Err(Error::value(
            name,
            format_args!("{n} elements along dimension {dim}, at most 2^32 - 1 are supported"),
        ));
    }
    Ok(n)
}

/// `x` with `dim` and its last dimension in each other's place.
fn turned(name: &str, x: &Array, dim: usize) -> Result<Array> {
    let mut order: Dims = (0..x.rank()).collect();
    order.swap(dim, x.rank() - 1);
    x.view(x.layout().permute(&order)).contiguous(name)
}

/// Positions of the elements of that rank along `dim`, which keeps one entry.
pub(super) fn ranked(name: &str, x: &Array, dim: usize, rank: Rank) -> Result<Array> {
    let n = line(name, x, dim)?;
    let lines = turned(name, &x.cast(name, x.dtype().widened())?, dim)?;
    let mut shape = lines.dims();
    shape[x.rank() - 1] = 1;
    let positions = with_element!(lines.dtype(), T => Array::build(name, &shape, |out: &mut [i64]| {
        if !out.is_empty() {
            kernel::nth(lines.elements::<T>(), n, rank, out);
        }
        Ok(())
    }))?;
    turned(name, &positions, dim)
}

/// The elements of `x` in order along `dim`, all of them or the first `count`, and their positions.
fn ordered(name: &str, x: &Array, dim: usize, count: Option<usize>, descending: bool) -> Result<Outputs> {
    let n = line(name, x, dim)?;
    if let Some(k) = count.filter(|&k| k > n) {
        return Err(too_few(k, dim, n));
    }
    let turn = |x: &Array| turned(name, x, dim);
    let lines = turn(x)?;
    let mut shape = lines.dims();
    shape[x.rank() - 1] = count.unwrap_or(n);
    let (values, positions) = with_element!(x.dtype(), T => {
        Array::build_pair(name, &shape, &shape, |values: &mut [T], positions: &mut [i64]| {
            match count {
                None => kernel::sort(lines.elements::<T>(), n, descending, values, positions),
                Some(k) => kernel::topk(lines.elements::<T>(), n, k, descending, values, positions),
            }
            Ok(())
        })?
    });
    // Truth values are stored as uint8.
    Ok(smallvec![turn(&values.cast(name, x.dtype())?)?, turn(&positions)?])
}

/// The gradient of elements that came from the saved positions.
fn back_to_positions(context: &Context<'_>, grad: &Tensor, dim: usize) -> Result<Gradients> {
    let scatter = ScatterAdd { dim, shape: Dims::from_slice(context.shape(0)) };
    Ok(one(apply(scatter, &[grad, &context.auxiliary(1)?])?))
}

/// The elements in order along a dimension, and the positions that they had; equals stay in theirs.
#[derive(Clone, Debug)]
pub struct Sort {
    /// Along which dimension.
    pub dim: usize,
    /// Whether the largest come first.
    pub descending: bool,
}

impl Operation for Sort {
    const NAME: &'static str = "sort";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        ordered(Self::NAME, inputs[0], self.dim, None, self.descending)
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        back_to_positions(context, grad, self.dim)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::OUTPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of =
            |dim, descending, shape: &[usize]| Sample::new(Self { dim, descending }, [input(Domain::Distinct, shape)]);
        vec![of(0, false, &[7]), of(1, true, &[2, 5, 3]), of(1, false, &[3, 4]), of(0, true, &[0, 3])]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into()), ("descending", self.descending.into())]
    }
}

/// The largest or smallest elements along a dimension, in order, and their positions; of equals the first.
#[derive(Clone, Debug)]
pub struct TopK {
    /// How many.
    pub k: usize,
    /// Along which dimension.
    pub dim: usize,
    /// Whether the largest are wanted.
    pub largest: bool,
}

impl Operation for TopK {
    const NAME: &'static str = "topk";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        ordered(Self::NAME, inputs[0], self.dim, Some(self.k), self.largest)
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        back_to_positions(context, grad, self.dim)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::OUTPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of =
            |k, dim, largest, shape: &[usize]| Sample::new(Self { k, dim, largest }, [input(Domain::Distinct, shape)]);
        vec![of(3, 0, true, &[7]), of(2, 1, false, &[2, 5, 3]), of(4, 1, true, &[3, 4]), of(0, 0, true, &[2])]
    }

    fn params(&self) -> Params {
        vec![("k", self.k.into()), ("dim", self.dim.into()), ("largest", self.largest.into())]
    }
}

/// The largest or smallest element up to each one along a dimension, and its position: of equals the last; NaN wins.
#[derive(Clone, Debug)]
pub struct RunningExtreme<const LARGEST: bool> {
    /// Along which dimension.
    pub dim: usize,
}

impl<const LARGEST: bool> Operation for RunningExtreme<LARGEST> {
    const NAME: &'static str = if LARGEST { "cummax" } else { "cummin" };

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0].contiguous(Self::NAME)?;
        let (rows, columns) = (x.shape()[self.dim], x.shape()[self.dim + 1..].iter().product());
        let (values, positions) = with_element!(x.dtype(), T => {
            Array::build_pair(Self::NAME, x.shape(), x.shape(), |values: &mut [T], positions: &mut [i64]| {
                search::running_extremes(LARGEST, x.elements::<T>(), rows, columns, (values, positions));
                Ok(())
            })?
        });
        // Truth values are stored as uint8.
        Ok(smallvec![values.cast(Self::NAME, x.dtype())?, positions])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        back_to_positions(context, grad, self.dim)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::OUTPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dim, shape: &[usize]| Sample::new(Self { dim }, [input(Domain::Distinct, shape)]);
        vec![of(0, &[7]), of(1, &[2, 5, 3]), of(1, &[3, 40]), of(0, &[0, 3])]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into())]
    }
}

/// Applies `op` to `x`, a scalar as one dimension of one element, and gives both outputs their rank back.
fn apply_pair<O: Operation>(op: O, x: &Tensor, shape_of_scalar: &[usize]) -> Result<(Tensor, Tensor)> {
    let wide = if x.rank() == 0 { reshape(x, &[1])? } else { x.clone() };
    let mut outputs = apply_all(op, &[&wide])?;
    let positions = outputs.remove(1);
    let values = outputs.remove(0);
    if x.rank() > 0 {
        return Ok((values, positions));
    }
    Ok((reshape(&values, shape_of_scalar)?, reshape(&positions, shape_of_scalar)?))
}

/// The elements of `x` in order along `dim`, and the positions that they had. Stable.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range.
pub fn sort(x: &Tensor, dim: isize, descending: bool) -> Result<(Tensor, Tensor)> {
    let dim = normalize_dim(Sort::NAME, dim, x.rank())?;
    apply_pair(Sort { dim, descending }, x, &[])
}

/// The `k` largest (or smallest) elements of `x` along `dim`, in order, and their positions.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range, [`Error::Value`] for a negative `k` and where there are fewer.
pub fn topk(x: &Tensor, k: isize, dim: isize, largest: bool) -> Result<(Tensor, Tensor)> {
    let dim = normalize_dim(TopK::NAME, dim, x.rank())?;
    let n = x.shape().get(dim).copied().unwrap_or(1);
    let k = usize::try_from(k).map_err(|_| too_few(k, dim, n))?;
    if k == 1 && largest && n > 0 && x.rank() > 0 && x.dtype() != DType::Bool {
        return crate::ops::max_dim(x, dim.cast_signed(), true);
    }
    let shape_of_scalar: &[usize] = if k == 0 { &[0] } else { &[] };
    apply_pair(TopK { k, dim, largest }, x, shape_of_scalar)
}

/// The largest (or smallest) element of `x` up to each one along `dim`, and its position: of equals the last; NaN wins.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range.
pub fn running_extreme<const LARGEST: bool>(x: &Tensor, dim: isize) -> Result<(Tensor, Tensor)> {
    let dim = normalize_dim(RunningExtreme::<LARGEST>::NAME, dim, x.rank())?;
    apply_pair(RunningExtreme::<LARGEST> { dim }, x, &[])
}
