//! Random numbers of further distributions, made of uniform and normal ones or by kernels of their own.

use super::{Generator, normal, randn, uniform};
use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::{Backward, Gradients, Node};
use crate::autograd::op::one;
use crate::autograd::tensor::{Tensor, Tracking};
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, broadcast_shapes};
use crate::ops::arithmetic::{add, mul, scale, shift};
use crate::ops::{cast, ceil, clamp, cos, div, exp, log1p, neg, sin, where_};
use crate::with_float;
use dlcore_kernels::math::gamma_slope;
use dlcore_kernels::random as kernel;
use smallvec::smallvec;
use std::sync::Arc;

/// Refuses a tensor of anything but floats, or of which an element is not as it should be.
pub(super) fn check_each(op: &str, x: &Tensor, expected: &str, valid: impl Fn(f64) -> bool) -> Result<Vec<f64>> {
    if !x.dtype().is_float() {
        return Err(Error::dtype(op, format_args!("expected {expected} in a float dtype, got {}", x.dtype())));
    }
    let values = x.array().cast(op, DType::F64)?.contiguous(op)?.elements::<f64>().to_vec();
    match values.iter().find(|&&value| !valid(value)) {
        None => Ok(values),
        Some(value) => Err(Error::value(op, format_args!("expected {expected}, got {value}"))),
    }
}

/// Refuses a parameter that is not as it should be.
fn check(op: &str, valid: bool, expected: &str, got: f64) -> Result<()> {
    if valid { Ok(()) } else { Err(Error::value(op, format_args!("expected {expected}, got {got}"))) }
}

/// Random numbers, which do not vary smoothly with the `parameters`: their gradient is zero.
pub(super) fn without_slope(drawn: &Tensor, parameters: &[&Tensor]) -> Result<Tensor> {
    let mut drawn = drawn.clone();
    for parameter in parameters.iter().filter(|parameter| parameter.requires_grad()) {
        let never = crate::creation::zeros(drawn.shape(), DType::Bool)?;
        drawn = where_(&never, parameter, &drawn)?;
    }
    Ok(drawn)
}

/// `-ln(1 - u)` for uniform numbers: exponential with rate 1, in a dtype that is computed in.
fn standard_exponential(generator: &Generator, shape: &[usize], dtype: DType) -> Result<Tensor> {
    neg(&log1p(&neg(&uniform(generator, shape, 0.0, 1.0, dtype.widened())?)?)?)
}

/// Exponential with the given rate.
///
/// # Errors
/// [`Error::Value`] for a rate that is not above zero, [`Error::DType`] for a dtype that is not a float's.
pub fn exponential(generator: &Generator, shape: &[usize], rate: f64, dtype: DType) -> Result<Tensor> {
    check("exponential", rate > 0.0, "a rate above zero", rate)?;
    cast(&scale(&standard_exponential(generator, shape, dtype)?, 1.0 / rate)?, dtype)
}

/// Of the Cauchy distribution with the given median and half width at half height.
///
/// # Errors
/// [`Error::Value`] for a width that is not above zero, [`Error::DType`] for a dtype that is not a float's.
pub fn cauchy(generator: &Generator, shape: &[usize], median: f64, width: f64, dtype: DType) -> Result<Tensor> {
    check("cauchy", width > 0.0, "a sigma above zero", width)?;
    let half = std::f64::consts::FRAC_PI_2;
    let angle = uniform(generator, shape, -half, half, dtype.widened())?;
    cast(&shift(&scale(&div(&sin(&angle)?, &cos(&angle)?)?, width)?, median)?, dtype)
}

/// What has normal logarithms of the given mean and standard deviation.
///
/// # Errors
/// [`Error::Value`] for a deviation that is not above zero, [`Error::DType`] for a dtype that is not a float's.
pub fn log_normal(generator: &Generator, shape: &[usize], mean: f64, deviation: f64, dtype: DType) -> Result<Tensor> {
    check("log_normal", deviation > 0.0, "a std above zero", deviation)?;
    cast(&exp(&normal(generator, shape, mean, deviation, dtype.widened())?)?, dtype)
}

/// How many trials of probability `p` it takes to succeed.
///
/// # Errors
/// [`Error::Value`] for a probability outside 0 to 1, both excluded.
pub fn geometric(generator: &Generator, shape: &[usize], p: f64, dtype: DType) -> Result<Tensor> {
    check("geometric", p > 0.0 && p < 1.0, "a probability between 0 and 1", p)?;
    let drawn = standard_exponential(generator, shape, DType::F64)?;
    let trials = ceil(&scale(&drawn, -1.0 / (-p).ln_1p())?)?;
    cast(&clamp(&trials, Some(Scalar::Float(1.0)), None)?, dtype)
}

/// Normal with the given mean and standard deviation, cut to `low` up to `high`.
///
/// # Errors
/// [`Error::Value`] for bounds in the wrong order, [`Error::DType`] for a dtype that is not a float's.
pub fn truncated_normal(
    generator: &Generator,
    shape: &[usize],
    [mean, deviation]: [f64; 2],
    [low, high]: [f64; 2],
    dtype: DType,
) -> Result<Tensor> {
    const NAME: &str = "trunc_normal";
    /// So many deviations off, nothing but the nearer bound is left to draw.
    const FAR: f64 = 1e100;
    check(NAME, deviation > 0.0 && deviation.is_finite(), "a finite std above zero", deviation)?;
    check(NAME, mean.is_finite(), "a finite mean", mean)?;
    check(NAME, low < high, "a below b", low)?;
    let bounds = [low, high].map(|bound| (bound - mean) / deviation);
    if bounds[0] > FAR || bounds[1] < -FAR {
        let nearer = if bounds[0] > FAR { low } else { high };
        return crate::creation::full(shape, Scalar::Float(nearer), Some(dtype));
    }
    let drawn = with_float!(NAME, dtype.widened(), T => Array::build(NAME, shape, |out: &mut [T]| {
        generator.draw(|stream| kernel::truncated_normal(stream, bounds[0], bounds[1], out));
        Ok(())
    })?);
    let scaled = shift(&scale(&drawn.into(), deviation)?, mean)?;
    cast(&clamp(&scaled, Some(Scalar::Float(low)), Some(Scalar::Float(high)))?, dtype)
}

/// Normal with means and standard deviations that broadcast.
///
/// # Errors
/// [`Error::Value`] for a deviation below zero, [`Error::Shape`] for shapes that do not fit.
pub fn normal_around(generator: &Generator, mean: &Tensor, deviation: &Tensor) -> Result<Tensor> {
    check_each("normal", deviation, "deviations of at least zero", |x| x >= 0.0)?;
    let shape = broadcast_shapes("normal", mean.shape(), deviation.shape())?;
    let dtype = mean.dtype().promote("normal", deviation.dtype())?;
    let spread = mul(&randn(generator, &shape, dtype)?, &deviation.detach())?;
    without_slope(&add(&spread, &mean.detach())?, &[mean, deviation])
}

/// Counts of the Poisson distribution with the given rates.
///
/// # Errors
/// [`Error::Value`] for a negative or infinite rate, [`Error::DType`] for one that is not a float.
pub fn poisson(generator: &Generator, rates: &Tensor) -> Result<Tensor> {
    const NAME: &str = "poisson";
    let values = check_each(NAME, rates, "rates of at least zero", |rate| rate >= 0.0 && rate.is_finite())?;
    let drawn = Array::build(NAME, rates.shape(), |out: &mut [f64]| {
        generator.draw(|stream| kernel::poisson(stream, &values, out));
        Ok(())
    })?;
    without_slope(&drawn.cast(NAME, rates.dtype())?.into(), &[rates])
}

const STANDARD_GAMMA: &str = "standard_gamma";

/// Of the gamma distribution with the given shapes and scale 1. They vary with the shapes as the numbers do below which
/// the same part of the distribution lies (Figurnov, Mohamed and Mnih, "Implicit reparameterization gradients", 2018).
///
/// # Errors
/// [`Error::Value`] for a shape that is not above zero, or infinite, [`Error::DType`] for one that is not a float.
pub fn standard_gamma(generator: &Generator, shapes: &Tensor) -> Result<Tensor> {
    const NAME: &str = STANDARD_GAMMA;
    let values = check_each(NAME, shapes, "shapes above zero", |shape| shape > 0.0 && shape.is_finite())?;
    let drawn = Array::build(NAME, shapes.shape(), |out: &mut [f64]| {
        generator.draw(|stream| kernel::standard_gamma(stream, &values, out));
        Ok(())
    })?;
    let numbers = drawn.cast(NAME, shapes.dtype())?;
    if !(mode::is_recording() && shapes.requires_grad()) {
        return Ok(numbers.into());
    }
    let slopes = Array::build(NAME, shapes.shape(), |out: &mut [f64]| {
        for (out, (&shape, &x)) in out.iter_mut().zip(values.iter().zip(drawn.elements::<f64>())) {
            *out = gamma_slope(shape, x);
        }
        Ok(())
    })?;
    let slopes = slopes.cast(NAME, shapes.dtype())?;
    let unknown = Node::new(NAME, smallvec![shapes.edge()], Arc::new(Curvature(shapes.array().dims(), shapes.dtype())));
    let body = Slopes(Tensor::new(slopes, Tracking::Node(unknown, 0)));
    Ok(Tensor::new(numbers, Tracking::Node(Node::new(NAME, smallvec![shapes.edge()], Arc::new(body)), 0)))
}

/// The derivative of each number drawn, by its shape.
struct Slopes(Tensor);

impl Backward for Slopes {
    fn backward(&self, _: &Arc<Node>, arrived: &[Option<Tensor>]) -> Result<Gradients> {
        let Some(Some(grad)) = arrived.first() else { return Ok(Gradients::new()) };
        Ok(one(mul(grad, &self.0)?))
    }

    fn keeps_values(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<Option<(Dims, DType)>> {
        vec![Some((self.0.array().dims(), self.0.dtype()))]
    }
}

/// What the derivatives of the numbers lack: derivatives of their own.
struct Curvature(Dims, DType);

impl Backward for Curvature {
    fn backward(&self, _: &Arc<Node>, _: &[Option<Tensor>]) -> Result<Gradients> {
        Err(Error::gradient(STANDARD_GAMMA, "there is no second derivative by the shapes"))
    }

    fn keeps_values(&self) -> bool {
        false
    }

    fn inputs(&self) -> Vec<Option<(Dims, DType)>> {
        vec![Some((self.0.clone(), self.1))]
    }
}

/// Positions drawn with the weights in each row, `count` of them: again and again, or each position once at most.
///
/// # Errors
/// [`Error::Value`] for weights below zero, not finite or without a sum, and for more than there are;
/// [`Error::Shape`] for other than one or two dimensions.
pub fn multinomial(generator: &Generator, weights: &Tensor, count: usize, replacement: bool) -> Result<Tensor> {
    const NAME: &str = "multinomial";
    let shape = weights.shape();
    let ([.., extent], 1..=2) = (shape, shape.len()) else {
        return Err(Error::shape(NAME, format_args!("expected weights in one or two dimensions, got {}", Show(shape))));
    };
    let values = check_each(NAME, weights, "weights of at least zero", |x| x >= 0.0 && x.is_finite())?;
    if count == 0 || (!replacement && count > *extent) {
        let what = format_args!("cannot draw {count} of {extent} positions, each once; use replacement=True");
        return Err(Error::value(NAME, what));
    }
    let none = || Error::value(NAME, format_args!("none of {extent} weights is above zero"));
    if *extent == 0 && shape != [0, 0] {
        return Err(none());
    }
    let rows = values.chunks_exact((*extent).max(1));
    let per_row = if replacement { count } else { *extent };
    let drawn = standard_exponential(generator, &[rows.len(), per_row], DType::F64)?;
    let shape = [&shape[..shape.len() - 1], &[count]].concat();
    let positions = Array::build(NAME, &shape, |positions: &mut [i64]| {
        let drawn = drawn.array().elements::<f64>().chunks_exact(per_row.max(1));
        for ((row, drawn), positions) in rows.zip(drawn).zip(positions.chunks_exact_mut(count)) {
            if row.iter().all(|&weight| weight == 0.0) {
                return Err(none());
            }
            if replacement {
                with_replacement(row, drawn, positions);
            } else {
                once_each(row, drawn, positions);
            }
        }
        Ok(())
    })?;
    Ok(positions.into())
}

/// For each exponential number the position at which running sums of the weights pass its share of the whole.
fn with_replacement(weights: &[f64], drawn: &[f64], positions: &mut [i64]) {
    let sums: Vec<f64> = weights
        .iter()
        .scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect();
    let whole = sums.last().copied().unwrap_or(0.0);
    let last = weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
    for (position, &x) in positions.iter_mut().zip(drawn) {
        let share = whole * -(-x).exp_m1();
        *position = sums.partition_point(|&sum| sum <= share).min(last).cast_signed() as i64;
    }
}

/// The positions that come first in a race in which each waits an exponential time with its weight as the rate (Efraimidis
/// and Spirakis, "Weighted random sampling with a reservoir", 2006); those of weight zero come last.
fn once_each(weights: &[f64], drawn: &[f64], positions: &mut [i64]) {
    let times = weights.iter().zip(drawn).map(|(weight, x)| if *weight > 0.0 { x / weight } else { f64::INFINITY });
    let mut race: Vec<(f64, i64)> = times.zip(0..).collect();
    let before = |a: &(f64, i64), b: &(f64, i64)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if positions.len() < race.len() {
        race.select_nth_unstable_by(positions.len(), before);
        race.truncate(positions.len());
    }
    race.sort_unstable_by(before);
    positions.iter_mut().zip(race).for_each(|(to, (_, position))| *to = position);
}

/// Refuses an interval whose ends are in the wrong order.
///
/// # Errors
/// [`Error::Value`].
pub fn check_interval(op: &str, low: f64, high: f64) -> Result<()> {
    if low <= high { Ok(()) } else { Err(Error::value(op, format_args!("nothing lies from {low} to {high}"))) }
}

/// Refuses a standard deviation below zero.
///
/// # Errors
/// [`Error::Value`].
pub fn check_deviation(op: &str, deviation: f64) -> Result<()> {
    check(op, deviation >= 0.0, "a std of at least zero", deviation)
}

/// Integers from 0 to the largest that every element of `dtype` up to it is exact for.
///
/// # Errors
/// As [`super::randint`].
pub fn any_integers(generator: &Generator, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let high = match dtype {
        DType::Bool => 2,
        DType::BF16 => (1 << 8) + 1,
        DType::F16 => (1 << 11) + 1,
        DType::F32 => (1 << 24) + 1,
        DType::F64 => (1 << 53) + 1,
        DType::I64 | DType::U64 => i64::MAX,
        integer => 1 << (8 * integer.size() - usize::from(!integer.is_unsigned())),
    };
    super::randint(generator, 0, high, shape, dtype)
}
