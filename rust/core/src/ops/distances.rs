//! Distances of rows from rows.

use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Promotion, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, broadcast_shapes};
use crate::ops::arithmetic::{add, div, mul, neg, scalar, sub};
use crate::ops::length::{is_divisible, lengthened};
use crate::ops::matrix_stack::adjoint;
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::select_rows::IndexPut;
use crate::ops::statistics::vector_norm;
use crate::ops::{abs, eq, index_select, reshape, sign, sum, sum_to, where_};
use crate::with_float;
use dlcore_kernels::distances::{self, Metric};
use smallvec::smallvec;

/// The distances of the rows of two stacks of matrices. The gradient of a distance of zero is zero.
#[derive(Clone, Debug)]
pub struct Distances {
    /// Of which norm.
    pub metric: Metric,
}

/// The order of a metric's norm.
fn order(metric: Metric) -> f64 {
    match metric {
        Metric::Manhattan => 1.0,
        Metric::Euclidean => 2.0,
        Metric::Chebyshev => f64::INFINITY,
        Metric::Hamming => 0.0,
    }
}

/// The metric of the norm of this order, where it has a kernel.
#[allow(clippy::float_cmp, reason = "orders that are exactly these")]
fn metric(of: f64) -> Option<Metric> {
    const ALL: [Metric; 4] = [Metric::Manhattan, Metric::Euclidean, Metric::Chebyshev, Metric::Hamming];
    ALL.into_iter().find(|&metric| order(metric) == of)
}

fn matrix(x: &Array) -> [usize; 2] {
    [x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]]
}

/// The matrices of `x` for a whole batch, one after another.
fn spread(x: &Array, batch: &[usize]) -> Result<Array> {
    x.broadcast(Distances::NAME, &[batch, &matrix(x)].concat())?.contiguous(Distances::NAME)
}

/// Makes the gradient of the rows of its second matrix of that of their distances from the rows of the first.
type Gradient = fn(Metric, &Tensor, &Tensor, &Tensor, &Tensor) -> Result<Tensor>;

/// The gradient of the rows of `y` by that of their distances from the rows of `x`, such that it has one itself.
fn by_composition(metric: Metric, grad: &Tensor, x: &Tensor, y: &Tensor, distances: &Tensor) -> Result<Tensor> {
    let lines = |distances: &Tensor| reshape(distances, &[distances.shape(), &[1]].concat());
    let (grad, differences) = (lines(grad)?, pairwise_differences(x, y)?);
    let slopes = match metric {
        Metric::Manhattan => mul(&grad, &sign(&differences)?)?,
        Metric::Euclidean => lengthened(&grad, &differences, &lines(distances)?)?,
        Metric::Chebyshev => {
            let largest = eq(&abs(&differences)?, &lines(distances)?)?;
            where_(&largest, &mul(&grad, &sign(&differences)?)?, &scalar(Scalar::Int(0), grad.dtype())?)?
        }
        // It changes in steps.
        Metric::Hamming => Array::zeros(Distances::NAME, differences.shape(), grad.dtype())?.into(),
    };
    neg(&sum(&slopes, &[slopes.rank() - 3], false)?)
}

/// What the kernel takes for the gradient `grad` of distances; nothing where the composition must do, or is asked for.
fn weights(metric: Metric, grad: &Tensor, distances: &Tensor) -> Result<Option<Tensor>> {
    let divides = metric == Metric::Euclidean;
    if mode::is_recording() || (divides && !is_divisible(distances)?) {
        return Ok(None);
    }
    if !divides {
        return Ok(Some(grad.clone()));
    }
    let zero = scalar(Scalar::Int(0), grad.dtype())?;
    Ok(Some(where_(&eq(distances, &zero)?, &zero, &div(grad, distances)?)?))
}

/// The gradient of the rows of `y` by what [`weights`] made of that of their distances from the rows of `x`.
fn by_kernel(metric: Metric, weights: &Tensor, x: &Tensor, y: &Tensor, distances: &Tensor) -> Result<Tensor> {
    const NAME: &str = Distances::NAME;
    let batch = &weights.shape()[..weights.rank() - 2];
    let (x, y) = (spread(x.array(), batch)?, spread(y.array(), batch)?);
    let ([rows, columns], [others, _]) = (matrix(&x), matrix(&y));
    let weights = weights.array().contiguous(NAME)?;
    let distances = if metric == Metric::Chebyshev { distances.array().contiguous(NAME)? } else { weights.clone() };
    let out = with_float!(NAME, x.dtype(), T => Array::build(NAME, y.shape(), |out: &mut [T]| {
        for (at, out) in out.chunks_exact_mut((others * columns).max(1)).enumerate() {
            let (x, y) = (&x.elements()[at * rows * columns..], &y.elements()[at * others * columns..]);
            let pairs = at * rows * others..(at + 1) * rows * others;
            let (weights, distances) = (&weights.elements()[pairs.clone()], &distances.elements()[pairs]);
            let rows = [&x[..rows * columns], &y[..others * columns]];
            distances::gradient(metric, rows, columns, weights, distances, out);
        }
        Ok(())
    })?);
    Ok(out.into())
}

impl Operation for Distances {
    const NAME: &'static str = "cdist";
    const PROMOTION: Promotion = Promotion::Common;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        check_rows(inputs[0].shape(), inputs[1].shape())?;
        let ([rows, columns], [others, _]) = (matrix(inputs[0]), matrix(inputs[1]));
        let batch = |x: &Array| Dims::from_slice(&x.shape()[..x.rank() - 2]);
        let batch = broadcast_shapes(Self::NAME, &batch(inputs[0]), &batch(inputs[1]))?;
        let (x, y) = (spread(inputs[0], &batch)?, spread(inputs[1], &batch)?);
        let shape = [&batch[..], &[rows, others]].concat();
        Ok(single(with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, &shape, |out: &mut [T]| {
            let (x, y) = (x.elements::<T>(), y.elements::<T>());
            for (at, out) in out.chunks_exact_mut((rows * others).max(1)).enumerate() {
                let (x, y) = (&x[at * rows * columns..], &y[at * others * columns..]);
                distances::between(self.metric, &x[..rows * columns], &y[..others * columns], columns, out);
            }
            Ok(())
        })?)))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (x, y) = (context.input(0)?, context.input(1)?);
        let distances = match self.metric {
            Metric::Manhattan | Metric::Hamming => grad.clone(),
            Metric::Euclidean => context.output()?,
            // Not rounded to a narrow dtype, and a constant: which difference is the largest changes in steps.
            Metric::Chebyshev => apply(self.clone(), &[&x.detach(), &y.detach()])?,
        };
        let weights = weights(self.metric, grad, &distances)?;
        let (weights, gradient): (&Tensor, Gradient) = match &weights {
            Some(weights) => (weights, by_kernel),
            None => (grad, by_composition),
        };
        let turned = || gradient(self.metric, &adjoint(weights)?, &y, &x, &adjoint(&distances)?);
        let own = || gradient(self.metric, weights, &x, &y, &distances);
        Ok(smallvec![
            context.needs(0).then(|| sum_to(&turned()?, x.shape())).transpose()?,
            context.needs(1).then(|| sum_to(&own()?, y.shape())).transpose()?,
        ])
    }

    fn saves(&self, _: Needs) -> Saves {
        if self.metric == Metric::Euclidean { Saves::INPUTS.outputs() } else { Saves::INPUTS }
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |metric, x: &[usize], y: &[usize]| Sample::new(Self { metric }, [real(x), real(y)]);
        vec![
            of(Metric::Euclidean, &[3, 4], &[5, 4]),
            of(Metric::Euclidean, &[2, 1, 3, 2], &[3, 1, 2]),
            of(Metric::Euclidean, &[0, 2], &[3, 2]),
            of(Metric::Euclidean, &[2, 3], &[0, 3]),
            of(Metric::Manhattan, &[3, 4], &[5, 4]),
            of(Metric::Manhattan, &[2, 1, 3, 2], &[3, 1, 2]),
            of(Metric::Chebyshev, &[3, 4], &[5, 4]),
            of(Metric::Chebyshev, &[2, 1, 3, 2], &[3, 1, 2]),
            of(Metric::Hamming, &[3, 4], &[5, 4]),
        ]
    }

    fn params(&self) -> Params {
        vec![("p", order(self.metric).into())]
    }
}

/// The distances of each row of a matrix from each below it. The gradient of a distance of zero is zero.
#[derive(Clone, Debug)]
pub struct PairDistances {
    /// Of which norm.
    pub metric: Metric,
}

impl PairDistances {
    /// The symmetric matrix of what is given for each pair of `rows` rows.
    fn symmetric(pairs: &Tensor, rows: usize) -> Result<Tensor> {
        if !mode::is_recording() {
            let pairs = pairs.array().contiguous(Self::NAME)?;
            let shape = [rows, rows];
            return Ok(with_float!(Self::NAME, pairs.dtype(), T => Array::build(Self::NAME, &shape, |out: &mut [T]| {
                distances::symmetric(pairs.elements(), rows, out);
                Ok(())
            })?)
            .into());
        }
        let row = rows.cast_signed() as i64;
        let places: Vec<i64> = pairs_of(rows).map(|[first, second]| first * row + second).collect();
        let places = Array::from_slice(Self::NAME, &places, &[places.len()])?.into();
        let zeros = Array::zeros(Self::NAME, &[rows * rows], pairs.dtype())?.into();
        let above = IndexPut { dim: 0, accumulate: false }.put(&zeros, &places, pairs)?;
        let above = reshape(&above, &[rows, rows])?;
        add(&above, &adjoint(&above)?)
    }
}

impl Operation for PairDistances {
    const NAME: &'static str = "pdist";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        check_matrix(inputs[0].shape())?;
        let x = inputs[0].contiguous(Self::NAME)?;
        let [rows, columns] = matrix(&x);
        let shape = [rows * rows.saturating_sub(1) / 2];
        Ok(single(with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, &shape, |out: &mut [T]| {
            distances::within(self.metric, x.elements(), columns, out);
            Ok(())
        })?)))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (x, metric) = (context.input(0)?, self.metric);
        let matrix = |pairs: &Tensor| Self::symmetric(pairs, x.shape()[0]);
        let pairs = match metric {
            Metric::Manhattan | Metric::Hamming => grad.clone(),
            Metric::Euclidean => context.output()?,
            Metric::Chebyshev => apply(self.clone(), &[&x.detach()])?,
        };
        Ok(one(match weights(metric, grad, &pairs)? {
            Some(weights) => {
                let weights = matrix(&weights)?;
                let distances = if metric == Metric::Chebyshev { matrix(&pairs)? } else { weights.clone() };
                by_kernel(metric, &weights, &x, &x, &distances)?
            }
            None => by_composition(metric, &matrix(grad)?, &x, &x, &matrix(&pairs)?)?,
        }))
    }

    fn saves(&self, _: Needs) -> Saves {
        if self.metric == Metric::Euclidean { Saves::INPUTS.outputs() } else { Saves::INPUTS }
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |metric, x: &[usize]| Sample::new(Self { metric }, [real(x)]);
        vec![
            of(Metric::Euclidean, &[4, 3]),
            of(Metric::Manhattan, &[4, 3]),
            of(Metric::Chebyshev, &[4, 3]),
            of(Metric::Hamming, &[4, 3]),
            of(Metric::Euclidean, &[1, 3]),
            of(Metric::Manhattan, &[0, 2]),
        ]
    }

    fn params(&self) -> Params {
        vec![("p", order(self.metric).into())]
    }
}

/// The numbers of each row of `rows` and each below it.
fn pairs_of(rows: usize) -> impl Iterator<Item = [i64; 2]> {
    let rows = rows.cast_signed() as i64;
    (0..rows).flat_map(move |first| (first + 1..rows).map(move |second| [first, second]))
}

/// The distance of each row of `x` from each row of `y`.
///
/// # Errors
/// [`Error::Shape`] for vectors or rows of two lengths, [`Error::Value`] for an order below zero.
pub fn cdist(x: &Tensor, y: &Tensor, order: f64) -> Result<Tensor> {
    check_rows(x.shape(), y.shape())?;
    check_order(Distances::NAME, order)?;
    if let Some(metric) = metric(order).filter(|_| x.dtype().is_float() && y.dtype().is_float()) {
        return apply(Distances { metric }, &[x, y]);
    }
    let difference = pairwise_differences(x, y)?;
    if x.shape().last() == Some(&0) {
        return sum(&difference, &[difference.rank() - 1], false);
    }
    vector_norm(&difference, order, &[difference.rank() - 1], false)
}

/// The distance of each row of a matrix from each below it, one row's after another's.
///
/// # Errors
/// [`Error::Shape`] for anything but a matrix, [`Error::DType`] for integers, [`Error::Value`] for an order below zero.
pub fn pdist(x: &Tensor, order: f64) -> Result<Tensor> {
    const NAME: &str = PairDistances::NAME;
    check_matrix(x.shape())?;
    check_order(NAME, order)?;
    if let Some(metric) = metric(order) {
        return apply(PairDistances { metric }, &[x]);
    }
    let rows = |k: usize| -> Result<Tensor> {
        let ids: Vec<i64> = pairs_of(x.shape()[0]).map(|pair| pair[k]).collect();
        index_select(x, 0, &Array::from_slice(NAME, &ids, &[ids.len()])?.into())
    };
    vector_norm(&sub(&rows(0)?, &rows(1)?)?, order, &[1], false)
}

fn check_matrix(x: &[usize]) -> Result<()> {
    if x.len() == 2 {
        return Ok(());
    }
    Err(Error::shape(PairDistances::NAME, format_args!("expected a matrix, got shape {}", Show(x))))
}

fn check_order(op: &str, order: f64) -> Result<()> {
    if order >= 0.0 {
        return Ok(());
    }
    Err(Error::value(op, format_args!("p must be at least 0, got {order}")))
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
