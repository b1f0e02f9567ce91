//! Losses that ask for a margin between scores or distances.

use crate::autograd::autocast::Autocast;
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, broadcast_shapes};
use crate::ops::arithmetic::{add, div, mul, neg, scalar, scale, shift, sub};
use crate::ops::compare::{eq, ge, logical_and, logical_not, ne};
use crate::ops::likelihood::integer_labels;
use crate::ops::loss::Reduction;
use crate::ops::select::{clamp, where_};
use crate::ops::statistics::vector_norm;
use crate::ops::{cast, cumprod, gather, index_select, minimum, reshape, softplus, sqrt, sum};

fn number(like: &Tensor, value: f64) -> Result<Tensor> {
    scalar(Scalar::Float(value), like.dtype())
}

/// `max(x, 0)`, whose gradient at zero is that above it.
fn positive(x: &Tensor) -> Result<Tensor> {
    clamp(x, Some(Scalar::Float(0.0)), None)
}

fn last(x: &Tensor) -> Dims {
    (x.rank().saturating_sub(1)..x.rank()).collect()
}

fn same_rank(op: &str, tensors: &[&Tensor]) -> Result<()> {
    if tensors.iter().all(|x| x.rank() == tensors[0].rank()) {
        return Ok(());
    }
    let shapes: Vec<String> = tensors.iter().map(|x| Show(x.shape()).to_string()).collect();
    Err(Error::shape(op, format_args!("expected inputs of one number of dimensions, got {}", shapes.join(", "))))
}

/// `max(0, margin - target * (a - b))`: `a` shall be larger where the target is 1, `b` where it is -1.
///
/// # Errors
/// [`Error::Shape`] for two numbers of dimensions and where the shapes do not broadcast.
pub fn margin_ranking_loss(
    a: &Tensor,
    b: &Tensor,
    target: &Tensor,
    margin: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    same_rank("margin_ranking_loss", &[a, b, target])?;
    let (a, b, target) = (&Autocast::Widen.of(a)?, &Autocast::Widen.of(b)?, &Autocast::Widen.of(target)?);
    reduction.of(&positive(&shift(&neg(&mul(target, &sub(a, b)?)?)?, margin)?)?)
}

/// `x` where the target is 1, `max(0, margin - x)` where it is -1.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn hinge_embedding_loss(x: &Tensor, target: &Tensor, margin: f64, reduction: Reduction) -> Result<Tensor> {
    broadcast_shapes("hinge_embedding_loss", x.shape(), target.shape())?;
    let x = &Autocast::Widen.of(x)?;
    let far = positive(&shift(&neg(x)?, margin)?)?;
    let zero = number(x, 0.0)?;
    let not = |sign: i128| ne(target, &scalar(Scalar::Int(sign), target.dtype())?);
    let losses = add(&where_(&not(1)?, &far, &zero)?, &where_(&not(-1)?, x, &zero)?)?;
    reduction.of(&losses)
}

/// `log(1 + exp(-target * x))`.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn soft_margin_loss(x: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    broadcast_shapes("soft_margin_loss", x.shape(), target.shape())?;
    let (x, target) = (&Autocast::Widen.of(x)?, &Autocast::Widen.of(target)?);
    reduction.of(&softplus(&mul(&neg(target)?, x)?)?)
}

/// With the cosine of the angle between `a` and `b`: 1 minus it where the target is 1, `max(0, cosine - margin)` where
/// it is -1. Inputs (N, D) with targets (N), or (D) with a 0-d one.
///
/// # Errors
/// [`Error::Shape`] for other shapes.
pub fn cosine_embedding_loss(
    a: &Tensor,
    b: &Tensor,
    target: &Tensor,
    margin: f64,
    reduction: Reduction,
) -> Result<Tensor> {
    const NAME: &str = "cosine_embedding_loss";
    const EPS: f64 = 1e-12;
    if target.rank() > 1 || a.rank() != target.rank() + 1 || b.rank() != target.rank() + 1 {
        let (a, b, target) = (Show(a.shape()), Show(b.shape()), Show(target.shape()));
        let what = format_args!("inputs {a} and {b} with target {target}; expected (N, D) with (N), or (D) with ()");
        return Err(Error::shape(NAME, what));
    }
    let float = |x: &Tensor| Autocast::Widen.of(&cast(x, x.dtype().to_float())?);
    let (a, b) = (&float(a)?, &float(b)?);
    let product = mul(a, b)?;
    let along = last(&product);
    let size = |x: &Tensor| shift(&sum(&mul(x, x)?, &along, false)?, EPS);
    let cosine = div(&sum(&product, &along, false)?, &sqrt(&mul(&size(a)?, &size(b)?)?)?)?;
    broadcast_shapes(NAME, cosine.shape(), target.shape())?;
    let is = |sign: i128| eq(target, &scalar(Scalar::Int(sign), target.dtype())?);
    let zero = number(&cosine, 0.0)?;
    let near = where_(&is(1)?, &shift(&neg(&cosine)?, 1.0)?, &zero)?;
    let far = where_(&is(-1)?, &positive(&shift(&cosine, -margin)?)?, &zero)?;
    reduction.of(&add(&near, &far)?)
}

/// The norm of `a - b + eps` along the last dimension.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn pairwise_distance(a: &Tensor, b: &Tensor, order: f64, eps: f64, keepdim: bool) -> Result<Tensor> {
    broadcast_shapes("pairwise_distance", a.shape(), b.shape())?;
    let difference = sub(a, b)?;
    let difference = shift(&cast(&difference, difference.dtype().to_float())?, eps)?;
    vector_norm(&difference, order, &last(&difference), keepdim)
}

/// `max(0, margin + distance(anchor, near) - distance(anchor, far))`, with `swap` by the smaller one of the distances
/// from `far` (Balntas et al., 2016).
///
/// # Errors
/// [`Error::Shape`] for two numbers of dimensions, [`Error::Value`] for a margin that is not positive.
#[allow(clippy::too_many_arguments, reason = "three tensors and the options of the loss and of the distance")]
pub fn triplet_margin_loss(
    anchor: &Tensor,
    near: &Tensor,
    far: &Tensor,
    margin: f64,
    order: f64,
    eps: f64,
    swap: bool,
    reduction: Reduction,
) -> Result<Tensor> {
    const NAME: &str = "triplet_margin_loss";
    same_rank(NAME, &[anchor, near, far])?;
    if margin.is_nan() || margin <= 0.0 {
        return Err(Error::value(NAME, format_args!("margin must be positive, got {margin}")));
    }
    let widened = |x: &Tensor| Autocast::Widen.of(x);
    let (anchor, near, far) = (&widened(anchor)?, &widened(near)?, &widened(far)?);
    let distance = |a: &Tensor, b: &Tensor| pairwise_distance(a, b, order, eps, false);
    let mut apart = distance(anchor, far)?;
    if swap {
        apart = minimum(&apart, &distance(near, far)?)?;
    }
    reduction.of(&positive(&shift(&sub(&distance(anchor, near)?, &apart)?, margin)?)?)
}

/// `sum(max(0, margin - x[label] + x[other])^power) / classes` over the other classes, times the weight of the label.
/// Scores (N, C) with labels (N), or (C) with ().
///
/// # Errors
/// [`Error::Value`] for a power that is not 1 or 2; [`Error::Shape`], [`Error::DType`] and [`Error::Index`] for labels and
/// weights that do not fit.
pub fn multi_margin_loss(
    x: &Tensor,
    target: &Tensor,
    power: i64,
    margin: f64,
    weight: Option<&Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    const NAME: &str = "multi_margin_loss";
    if power != 1 && power != 2 {
        return Err(Error::value(NAME, format_args!("p must be 1 or 2, got {power}")));
    }
    let x = &Autocast::Widen.of(x)?;
    if x.rank() == 0 {
        return multi_margin_loss(&reshape(x, &[1])?, target, power, margin, weight, reduction);
    }
    if x.rank() > 2 || x.shape()[x.rank() - 1] == 0 {
        let x = Show(x.shape());
        return Err(Error::shape(NAME, format_args!("scores {x}; expected (N, C) or (C) with at least one class")));
    }
    let (each, classes) = (&x.shape()[..x.rank() - 1], x.shape()[x.rank() - 1]);
    let target = if x.rank() == 1 && target.numel() == 1 { reshape(target, &[])? } else { target.clone() };
    let labels = super::cross_entropy::labels(NAME, &target, x, each, classes, i64::MIN)?;
    let count: usize = each.iter().product();
    let (scores, labels) = (reshape(x, &[count, classes])?, reshape(&labels.into(), &[count, 1])?);
    let mut gaps = positive(&shift(&sub(&scores, &gather(&scores, 1, &labels)?)?, margin)?)?;
    if power == 2 {
        gaps = mul(&gaps, &gaps)?;
    }
    if let Some(weight) = super::cross_entropy::class_weight(NAME, weight, &scores)? {
        gaps = mul(&gaps, &index_select(&weight, 0, &labels)?)?;
    }
    let own = eq(&labels, &crate::ops::arrange::counted(classes)?)?;
    let others = where_(&own, &number(&gaps, 0.0)?, &gaps)?;
    reduction.of(&reshape(&crate::ops::mean(&others, &[1], false)?, each)?)
}

/// `sum(max(0, 1 - (x[label] - x[other]))) / classes` over all labels of a row, which end at the first -1, and all
/// classes that are none. Scores and labels (N, C) or (C).
///
/// # Errors
/// [`Error::Shape`] where the shapes differ, [`Error::DType`] for labels that are no integers, [`Error::Index`] for labels
/// out of range.
pub fn multilabel_margin_loss(x: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    const NAME: &str = "multilabel_margin_loss";
    if x.rank() > 2 || x.shape() != target.shape() {
        let (x, target) = (Show(x.shape()), Show(target.shape()));
        return Err(Error::shape(
            NAME,
            format_args!("scores {x} with labels {target}; expected (N, C) or (C) for both"),
        ));
    }
    let x = &Autocast::Widen.of(x)?;
    let classes = x.shape().last().copied().unwrap_or(1);
    let each = &x.shape()[..x.rank().saturating_sub(1)];
    let count: usize = each.iter().product();
    let labels = reshape(&integer_labels(NAME, target)?.detach(), &[count, classes])?;
    let range = [-1, classes.cast_signed() as i64 - 1];
    let bad =
        labels.array().contiguous(NAME)?.elements::<i64>().iter().find(|&&y| y < range[0] || y > range[1]).copied();
    if let Some(label) = bad {
        return Err(Error::index(NAME, format_args!("label {label} is out of range for {classes} classes")));
    }
    let number_of = |value| scalar(Scalar::Int(value), DType::I64);
    let valid = cumprod(&cast(&ge(&labels, &number_of(0)?)?, DType::I64)?, 1)?;
    let valid = ne(&valid, &number_of(0)?)?;
    let labels = where_(&valid, &labels, &number_of(0)?)?;
    let scores = reshape(x, &[count, classes])?;
    let wanted = reshape(&gather(&scores, 1, &labels)?, &[count, classes, 1])?;
    let gaps = positive(&shift(&sub(&reshape(&scores, &[count, 1, classes])?, &wanted)?, 1.0)?)?;
    // Which classes are labels: the ones that are meet in what was marked by each.
    let marks = logical_and(
        &reshape(&valid, &[count, classes, 1])?,
        &eq(&reshape(&labels, &[count, classes, 1])?, &crate::ops::arrange::counted(classes)?)?,
    )?;
    let other = logical_not(&crate::ops::any_of(&marks, &[1], true)?)?;
    let counted = logical_and(&reshape(&valid, &[count, classes, 1])?, &other)?;
    let losses = sum(&where_(&counted, &gaps, &number(&gaps, 0.0)?)?, &[1, 2], false)?;
    #[allow(clippy::cast_precision_loss, reason = "extents are far below 2^53")]
    let losses = scale(&losses, 1.0 / classes as f64)?;
    reduction.of(&reshape(&losses, each)?)
}
