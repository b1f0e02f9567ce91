//! Distances of rows from rows.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Promotion, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, broadcast_shapes};
use crate::ops::arithmetic::{neg, sub};
use crate::ops::length::lengthened;
use crate::ops::sample::{Sample, real, single};
use crate::ops::statistics::vector_norm;
use crate::ops::{reshape, sum, sum_to};
use crate::with_float;
use dlcore_kernels::distances;
use smallvec::smallvec;

/// The Euclidean distances of the rows of two stacks of matrices. The gradient of a distance of zero is zero.
#[derive(Clone, Debug)]
pub struct Distances;

impl Operation for Distances {
    const NAME: &'static str = "cdist";
    const PROMOTION: Promotion = Promotion::Common;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        check_rows(inputs[0].shape(), inputs[1].shape())?;
        let matrix = |x: &Array| [x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]];
        let ([rows, columns], [others, _]) = (matrix(inputs[0]), matrix(inputs[1]));
        let batch = |x: &Array| Dims::from_slice(&x.shape()[..x.rank() - 2]);
        let batch = broadcast_shapes(Self::NAME, &batch(inputs[0]), &batch(inputs[1]))?;
        let spread = |x: &Array| x.broadcast(Self::NAME, &[&batch[..], &matrix(x)].concat())?.contiguous(Self::NAME);
        let (x, y) = (spread(inputs[0])?, spread(inputs[1])?);
        let shape = [&batch[..], &[rows, others]].concat();
        Ok(single(with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, &shape, |out: &mut [T]| {
            let (x, y) = (x.elements::<T>(), y.elements::<T>());
            for (at, out) in out.chunks_exact_mut((rows * others).max(1)).enumerate() {
                let (x, y) = (&x[at * rows * columns..], &y[at * others * columns..]);
                distances::euclidean(&x[..rows * columns], &y[..others * columns], columns, out);
            }
            Ok(())
        })?)))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (x, y) = (context.input(0)?, context.input(1)?);
        let lines = |distances: &Tensor| reshape(distances, &[distances.shape(), &[1]].concat());
        let slopes = lengthened(&lines(grad)?, &pairwise_differences(&x, &y)?, &lines(&context.output()?)?)?;
        let rank = slopes.rank();
        Ok(smallvec![
            context.needs(0).then(|| sum_to(&sum(&slopes, &[rank - 2], false)?, x.shape())).transpose()?,
            context.needs(1).then(|| sum_to(&neg(&sum(&slopes, &[rank - 3], false)?)?, y.shape())).transpose()?,
        ])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |x: &[usize], y: &[usize]| Sample::new(Self, [real(x), real(y)]);
        vec![of(&[3, 4], &[5, 4]), of(&[2, 1, 3, 2], &[3, 1, 2]), of(&[0, 2], &[3, 2]), of(&[2, 3], &[0, 3])]
    }
}

/// The distance of each row of `x` from each row of `y`.
///
/// # Errors
/// [`Error::Shape`] for vectors or rows of two lengths, [`Error::Value`] for an order below zero.
#[allow(clippy::float_cmp, reason = "the order that has a kernel")]
pub fn cdist(x: &Tensor, y: &Tensor, order: f64) -> Result<Tensor> {
    check_rows(x.shape(), y.shape())?;
    if order.is_nan() || order < 0.0 {
        return Err(Error::value(Distances::NAME, format_args!("expected p of at least zero, got {order}")));
    }
    if order == 2.0 && x.dtype().is_float() && y.dtype().is_float() {
        return apply(Distances, &[x, y]);
    }
    let difference = pairwise_differences(x, y)?;
    if x.shape().last() == Some(&0) {
        return sum(&difference, &[difference.rank() - 1], false);
    }
    vector_norm(&difference, order, &[difference.rank() - 1], false)
}

fn check_rows(x: &[usize], y: &[usize]) -> Result<()> {
    if x.len() < 2 || y.len() < 2 || x.last() != y.last() {
        let what = format_args!("expected rows of one length in both, got {} and {}", Show(x), Show(y));
        return Err(Error::shape(Distances::NAME, what));
    }
    Ok(())
}

/// Each row of `x` less each row of `y`.
fn pairwise_differences(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let line = |x: &Tensor, at: usize| {
        let mut shape = Dims::from_slice(x.shape());
        shape.insert(at, 1);
        reshape(x, &shape)
    };
    sub(&line(x, x.rank() - 1)?, &line(y, y.rank() - 2)?)
}
