//! Losses that are minus the logarithm of a probability, or a distance of two distributions.

use crate::array::Array;
use crate::autograd::autocast::Autocast;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Promotion, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Show, broadcast_shapes};
use crate::ops::arithmetic::{add, div, mul, neg, scalar, scale, shift, sub};
use crate::ops::compare::{ge, gt, isnan, le, logical_and, logical_not, lt, ne};
use crate::ops::loss::Reduction;
use crate::ops::pairs::float_binary;
use crate::ops::sample::{Domain, Sample, input};
use crate::ops::select::{clamp, where_};
use crate::ops::{cast, exp, log, log1p, reshape, square, sum_to};
use dlcore_kernels::map::FloatBinary;
use smallvec::smallvec;
use std::f64::consts::TAU;

fn number(like: &Tensor, value: f64) -> Result<Tensor> {
    scalar(Scalar::Float(value), like.dtype())
}

fn at_least(x: &Tensor, low: f64) -> Result<Tensor> {
    clamp(x, Some(Scalar::Float(low)), None)
}

/// Both in one float dtype.
fn floats(op: &str, x: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor)> {
    broadcast_shapes(op, x.shape(), y.shape())?;
    let dtype = x.dtype().promote(op, y.dtype())?.to_float();
    Ok((cast(x, dtype)?, cast(y, dtype)?))
}

fn same_shape(op: &str, x: &Tensor, target: &Tensor) -> Result<()> {
    if x.shape() == target.shape() {
        return Ok(());
    }
    let (x, target) = (Show(x.shape()), Show(target.shape()));
    Err(Error::shape(op, format_args!("target {target} must have the shape of the input {x}")))
}

/// Whether something holds nowhere.
fn nowhere(condition: &Tensor) -> Result<bool> {
    Ok(!crate::ops::reduce::any(condition.array())?)
}

/// `-(t * log(x) + (1 - t) * log(1 - x))`, the logarithms at least -100.
#[derive(Clone, Debug)]
pub struct BinaryCrossEntropy;

impl Operation for BinaryCrossEntropy {
    const NAME: &'static str = "binary_cross_entropy";
    const PROMOTION: Promotion = Promotion::Float;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        float_binary(Self::NAME, FloatBinary::BinaryCrossEntropy, inputs[0], inputs[1])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        let rest = shift(&neg(&x)?, 1.0)?;
        let input = if context.needs(0) {
            // Finite where the logarithm is not.
            let spread = at_least(&mul(&x, &rest)?, 1e-12)?;
            let slope = div(&sub(&x, &context.input(1)?)?, &spread)?;
            Some(sum_to(&mul(grad, &slope)?, context.shape(0))?)
        } else {
            None
        };
        let target = if context.needs(1) {
            let slope = sub(&at_least(&log1p(&neg(&x)?)?, -100.0)?, &at_least(&log(&x)?, -100.0)?)?;
            Some(sum_to(&mul(grad, &slope)?, context.shape(1))?)
        } else {
            None
        };
        Ok(smallvec![input, target])
    }

    fn saves(&self, needs: Needs) -> Saves {
        Saves::NOTHING.input(0).input_if(1, needs.input(0))
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize]| Sample::new(Self, [input(Domain::Unit, shape), input(Domain::Unit, shape)]);
        vec![of(&[3, 4]), of(&[]), of(&[0, 2])]
    }
}

/// Cross entropy between probabilities of a yes: `x`, predicted, and `target`. `weight` multiplies each loss.
///
/// # Errors
/// [`Error::Shape`] where the shapes differ or the weight does not broadcast, [`Error::Value`] for what is no
/// probability.
pub fn binary_cross_entropy(
    x: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    const NAME: &str = BinaryCrossEntropy::NAME;
    let (x, target) = (&Autocast::Widen.of(x)?, &Autocast::Widen.of(target)?);
    same_shape(NAME, x, target)?;
    let losses = apply(BinaryCrossEntropy, &[x, target])?;
    // The loss of what is no probability is no number: only then it pays to look for one.
    if !nowhere(&isnan(&losses.detach())?)? {
        let inside = logical_and(&ge(&x.detach(), &number(x, 0.0)?)?, &le(&x.detach(), &number(x, 1.0)?)?)?;
        if !nowhere(&logical_not(&inside)?)? {
            let what = "input must lie between 0 and 1; use sigmoid, or binary_cross_entropy_with_logits";
            return Err(Error::value(NAME, what));
        }
    }
    match weight {
        Some(weight) => {
            if broadcast_shapes(NAME, losses.shape(), weight.shape())?.as_slice() != losses.shape() {
                let (weight, x) = (Show(weight.shape()), Show(x.shape()));
                return Err(Error::shape(NAME, format_args!("weight {weight} does not broadcast to the input {x}")));
            }
            reduction.of(&mul(&losses, weight)?)
        }
        None => reduction.of(&losses),
    }
}

/// The losses `target * (log(target) - x)` of the Kullback-Leibler divergence from log-probabilities `x`; of
/// log-probabilities as targets `exp(target) * (target - x)`. `by_batch` divides their sum by the first extent.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn kl_div(x: &Tensor, target: &Tensor, log_target: bool, by_batch: bool, reduction: Reduction) -> Result<Tensor> {
    let (x, target) = (&Autocast::Widen.of(x)?, &Autocast::Widen.of(target)?);
    let (x, target) = floats("kl_div", x, target)?;
    let losses = if log_target {
        mul(&exp(&target)?, &sub(&target, &x)?)?
    } else {
        // What is no probability stays, and its logarithm tells: NaN.
        let some = ne(&target, &number(&target, 0.0)?)?;
        let safe = where_(&some, &target, &number(&target, 1.0)?)?;
        sub(&mul(&safe, &log(&safe)?)?, &mul(&target, &x)?)?
    };
    if !by_batch {
        return reduction.of(&losses);
    }
    let batch = x.shape().first().copied().unwrap_or(1);
    #[allow(clippy::cast_precision_loss, reason = "extents are far below 2^53")]
    let batch = number(&losses, batch as f64)?;
    div(&Reduction::Sum.of(&losses)?, &batch)
}

/// `exp(x) - target * x` for counts as targets of a Poisson distribution whose rate has the logarithm `x`; `x - target *
/// log(x + eps)` where `x` is the rate. `full` adds Stirling's approximation of what does not depend on `x`.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn poisson_nll_loss(
    x: &Tensor,
    target: &Tensor,
    log_input: bool,
    full: bool,
    eps: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    let (x, target) = (&Autocast::Widen.of(x)?, &Autocast::Widen.of(target)?);
    let (x, target) = floats("poisson_nll_loss", x, target)?;
    let losses =
        if log_input { sub(&exp(&x)?, &mul(&target, &x)?)? } else { sub(&x, &mul(&target, &log(&shift(&x, eps)?)?)?)? };
    if !full {
        return reduction.of(&losses);
    }
    let one = number(&target, 1.0)?;
    let many = gt(&target, &one)?;
    let count = where_(&many, &target, &one)?;
    let stirling = add(&sub(&mul(&count, &log(&count)?)?, &count)?, &scale(&log(&scale(&count, TAU)?)?, 0.5)?)?;
    reduction.of(&add(&losses, &where_(&many, &stirling, &number(&target, 0.0)?)?)?)
}

/// `(log(var) + (x - target)^2 / var) / 2` for a normal distribution with mean `x`; `var`, at least `eps`, has the shape
/// of `x`, or its last extent is 1 or missing. `full` adds `log(2 pi) / 2`.
///
/// # Errors
/// [`Error::Shape`] for a variance of another shape, [`Error::Value`] for a negative one.
pub fn gaussian_nll_loss(
    x: &Tensor,
    target: &Tensor,
    var: &Tensor,
    full: bool,
    eps: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    const NAME: &str = "gaussian_nll_loss";
    let (x, target) = floats(NAME, x, target)?;
    let (shape, rows) = (x.shape(), &x.shape()[..x.rank().saturating_sub(1)]);
    let mut var = cast(var, x.dtype())?;
    if var.rank() > 0 && var.shape() != shape {
        let column: crate::Dims = rows.iter().copied().chain([1]).collect();
        if var.shape() != rows && var.shape() != column.as_slice() {
            let (var, x) = (Show(var.shape()), Show(shape));
            return Err(Error::shape(
                NAME,
                format_args!("var {var} has neither the shape of the input {x} nor its rows"),
            ));
        }
        var = reshape(&var, &column)?;
    }
    if !nowhere(&lt(&var.detach(), &number(&var, 0.0)?)?)? {
        return Err(Error::value(NAME, "var must not be negative"));
    }
    // Raised to eps without a part in the gradient.
    let least = at_least(&var.detach(), eps)?;
    let var = add(&var, &sub(&least, &var.detach())?)?;
    let losses = scale(&add(&log(&var)?, &div(&square(&sub(&x, &target)?)?, &var)?)?, 0.5)?;
    reduction.of(&if full { shift(&losses, TAU.ln() / 2.0)? } else { losses })
}

/// The mean over classes of the binary cross entropies between logits `x` (N, C) or (C) and truth values `target`.
///
/// # Errors
/// [`Error::Shape`] where the shapes differ or a weight does not broadcast.
pub fn multilabel_soft_margin_loss(
    x: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    same_shape("multilabel_soft_margin_loss", x, target)?;
    let losses = Autocast::Keep.around([x, target], |[x, target]| {
        crate::ops::binary_cross_entropy_with_logits(x, target, weight, None, Reduction::None)
    })?;
    let last: crate::Dims = (losses.rank().saturating_sub(1)..losses.rank()).collect();
    reduction.of(&crate::ops::mean(&losses, &last, false)?)
}

/// Whether labels are integers.
pub(super) fn integer_labels(op: &str, target: &Tensor) -> Result<Tensor> {
    if target.dtype().is_float() || target.dtype() == DType::Bool {
        let got = target.dtype();
        return Err(Error::dtype(op, format_args!("labels are int64, got {got}; convert with .long()")));
    }
    cast(target, DType::I64)
}
