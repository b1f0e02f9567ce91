//! Losses. What is a few maps and a reduction is composed of them; cross entropy with class labels has a file of its
//! own ([`mod@super::cross_entropy`]).

use crate::array::Array;
use crate::autograd::autocast::Autocast;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Promotion, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::broadcast_shapes;
use crate::ops::arithmetic::scalar;
use crate::ops::over::{each_three, each_two};
use crate::ops::sample::{Params, Sample, broadcast_pairs, real, single};
use crate::ops::{self, add, broadcast_to, div, mul, neg, reshape, sub, sum_to};
use crate::with_float;
use dlcore_kernels::element::Element;
use dlcore_kernels::map;
use smallvec::smallvec;

/// How the losses of single elements become the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// They are the result.
    None,
    /// Their mean, weighted where the loss has weights.
    Mean,
    /// Their sum.
    Sum,
}

impl Reduction {
    /// The name that Python uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mean => "mean",
            Self::Sum => "sum",
        }
    }

    /// The reduction that Python names.
    ///
    /// # Errors
    /// [`Error::Value`] for any other name.
    pub fn parse(op: &str, name: &str) -> Result<Self> {
        [Self::None, Self::Mean, Self::Sum]
            .into_iter()
            .find(|reduction| reduction.name() == name)
            .ok_or_else(|| Error::value(op, format_args!("reduction must be 'none', 'mean' or 'sum', got '{name}'")))
    }

    /// Reduces the `losses` of single elements.
    pub(super) fn of(self, losses: &Tensor) -> Result<Tensor> {
        let all: crate::Dims = (0..losses.rank()).collect();
        match self {
            Self::None => Ok(losses.clone()),
            Self::Mean => ops::mean(losses, &all, false),
            Self::Sum => ops::sum(losses, &all, false),
        }
    }
}

/// `value` in the dtype of `like`.
fn constant(value: f64, like: &Tensor) -> Result<Tensor> {
    scalar(Scalar::Float(value), like.dtype().to_float())
}

/// Prediction and target in one float dtype.
fn floats(name: &str, x: &Tensor, target: &Tensor) -> Result<(Tensor, Tensor)> {
    broadcast_shapes(name, x.shape(), target.shape())?;
    let (x, target) = (&Autocast::Widen.of(x)?, &Autocast::Widen.of(target)?);
    let float = x.dtype().promote(name, target.dtype())?.to_float();
    Ok((ops::cast(x, float)?, ops::cast(target, float)?))
}

/// Their difference.
fn residual(name: &str, x: &Tensor, target: &Tensor) -> Result<Tensor> {
    let (x, target) = floats(name, x, target)?;
    sub(&x, &target)
}

/// `(x - target)^2`.
///
/// # Errors
/// [`Error::Shape`] for shapes that do not broadcast.
pub fn mse_loss(x: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    let difference = residual("mse_loss", x, target)?;
    reduction.of(&mul(&difference, &difference)?)
}

/// `|x - target|`.
///
/// # Errors
/// As [`mse_loss`].
pub fn l1_loss(x: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    reduction.of(&ops::abs(&residual("l1_loss", x, target)?)?)
}

/// Huber's loss (1964) of `x` beside `y`, element by element.
#[derive(Clone, Debug)]
pub struct Huber {
    /// From which distance on it grows by no more than its length.
    pub delta: f64,
}

impl Operation for Huber {
    const NAME: &'static str = "huber";
    const PROMOTION: Promotion = Promotion::Common;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        Ok(single(with_float!(Self::NAME, inputs[0].dtype(), T => {
            each_two::<T>(Self::NAME, [inputs[0], inputs[1]], &|x, y, out| map::huber(T::from_f64(self.delta), x, y, out))
        })?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (x, y) = (context.input(0)?, context.input(1)?);
        let slope = if mode::is_recording() {
            let bound = Scalar::Float(self.delta);
            mul(grad, &ops::clamp(&sub(&x, &y)?, Some(Scalar::Float(-self.delta)), Some(bound))?)?
        } else {
            let all = [x.array(), y.array(), grad.array()];
            with_float!(Self::NAME, x.dtype(), T => each_three::<T>(Self::NAME, all, &|x, y, g, out| {
                map::huber_grad(T::from_f64(self.delta), g, x, y, out);
            }))?
            .into()
        };
        Ok(smallvec![
            context.needs(0).then(|| sum_to(&slope, context.shape(0))).transpose()?,
            context.needs(1).then(|| neg(&sum_to(&slope, context.shape(1))?)).transpose()?,
        ])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        broadcast_pairs().into_iter().map(|[x, y]| Sample::new(Self { delta: 0.7 }, [real(&x), real(&y)])).collect()
    }

    fn params(&self) -> Params {
        vec![("delta", self.delta.into())]
    }
}

/// `(x - target)^2 / 2` where that is below `delta` away, beyond it `delta (|x - target| - delta / 2)`.
///
/// # Errors
/// As [`mse_loss`]; [`Error::Value`] for a `delta` that is not positive.
pub fn huber_loss(x: &Tensor, target: &Tensor, delta: f64, reduction: Reduction) -> Result<Tensor> {
    if delta.is_nan() || delta <= 0.0 {
        return Err(Error::value("huber_loss", format_args!("delta must be positive, got {delta}")));
    }
    let (x, target) = floats("huber_loss", x, target)?;
    reduction.of(&apply(Huber { delta }, &[&x, &target])?)
}

/// [`huber_loss`] over `beta`; [`l1_loss`] for `beta` zero.
///
/// # Errors
/// As [`mse_loss`]; [`Error::Value`] for a negative `beta`.
pub fn smooth_l1_loss(x: &Tensor, target: &Tensor, beta: f64, reduction: Reduction) -> Result<Tensor> {
    if beta.is_nan() || beta < 0.0 {
        return Err(Error::value("smooth_l1_loss", format_args!("beta must not be negative, got {beta}")));
    }
    if beta == 0.0 {
        return l1_loss(x, target, reduction);
    }
    let loss = huber_loss(x, target, beta, reduction)?;
    mul(&loss, &constant(1.0 / beta, &loss)?)
}

/// Cross entropy between probabilities of a yes (`target`, 0 to 1) and the logits `x`, safe for logits of any size.
/// `weight` multiplies each loss; `pos_weight` the yes part.
///
/// # Errors
/// [`Error::Shape`] where the shapes of `x` and `target` differ or a weight does not broadcast.
pub fn binary_cross_entropy_with_logits(
    x: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    pos_weight: Option<&Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    const NAME: &str = "binary_cross_entropy_with_logits";
    if x.shape() != target.shape() {
        use crate::layout::Show;
        return Err(Error::shape(
            NAME,
            format_args!("target {} must have the shape of the logits {}", Show(target.shape()), Show(x.shape())),
        ));
    }
    let x = Autocast::Widen.of(&ops::cast(x, x.dtype().promote(NAME, target.dtype())?.to_float())?)?;
    let target = ops::cast(target, x.dtype())?;
    let one = constant(1.0, &x)?;
    // -t p ln s(x) - (1 - t) ln s(-x), where ln s(-x) = ln s(x) - x.
    let rest = sub(&one, &target)?;
    let log = ops::logsigmoid(&x)?;
    let scale = match pos_weight {
        Some(pos_weight) => add(&rest, &mul(&target, pos_weight)?)?,
        None => one,
    };
    let mut loss = sub(&mul(&rest, &x)?, &mul(&scale, &log)?)?;
    if let Some(weight) = weight {
        loss = mul(&loss, weight)?;
    }
    reduction.of(&loss)
}

/// Logits or log-probabilities as rows of classes: (C,), (N, C) or (N, C, d1, ..) to (rows, C), with the shape of what
/// stands for each row.
pub(super) fn rows_of_classes(op: &str, x: &Tensor) -> Result<(Tensor, crate::Dims)> {
    let shape = x.shape();
    match shape.len() {
        0 => Err(Error::shape(op, "the input needs a dimension of classes, got shape ()")),
        1 => Ok((reshape(x, &[1, shape[0]])?, crate::Dims::new())),
        2 => Ok((x.clone(), crate::Dims::from_slice(&shape[..1]))),
        rank => {
            let classes = shape[1];
            let each: crate::Dims = shape[..1].iter().chain(&shape[2..]).copied().collect();
            let order: Vec<isize> = [0].into_iter().chain(2..rank.cast_signed()).chain([1]).collect();
            let rows = reshape(&ops::shape::permute(x, &order)?, &[each.iter().product(), classes])?;
            Ok((rows, each))
        }
    }
}

/// Minus the log-probability of each class label, weighted by `weight` of its class; labels equal to `ignore_index`
/// do not count. `x` is (C,), (N, C) or (N, C, d1, ..).
///
/// # Errors
/// [`Error::Shape`], [`Error::DType`] and [`Error::Index`] as [`super::cross_entropy::cross_entropy`].
pub fn nll_loss(
    x: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    ignore_index: i64,
    reduction: Reduction,
) -> Result<Tensor> {
    const NAME: &str = "nll_loss";
    let x = &Autocast::Widen.of(x)?;
    let (rows, each) = rows_of_classes(NAME, x)?;
    let classes = rows.shape()[1];
    let labels = super::cross_entropy::labels(NAME, target, x, &each, classes, ignore_index)?;
    let weight = super::cross_entropy::class_weight(NAME, weight, &rows)?;
    let all_count = weight.is_none() && classes > 0 && !labels.elements().contains(&ignore_index);
    let labels = reshape(&labels.into(), &[rows.shape()[0], 1])?;
    if all_count {
        return reduction.of(&reshape(&neg(&ops::gather(&rows, 1, &labels)?)?, &each)?);
    }
    let counts = ops::ne(&labels, &scalar(Scalar::Int(ignore_index.into()), DType::I64)?)?;
    let inside = ops::where_(&counts, &labels, &scalar(Scalar::Int(0), DType::I64)?)?;
    let share = match &weight {
        Some(weight) => {
            let of_label = ops::index_select(weight, 0, &inside)?;
            ops::where_(&counts, &of_label, &constant(0.0, &rows)?)?
        }
        None => ops::cast(&counts, rows.dtype())?,
    };
    let picked = if classes == 0 {
        broadcast_to(&constant(0.0, &rows)?, share.shape())?
    } else {
        ops::gather(&rows, 1, &inside)?
    };
    // An ignored row may hold minus infinity, which times zero is NaN.
    let picked = ops::where_(&counts, &picked, &constant(0.0, &rows)?)?;
    let losses = reshape(&neg(&mul(&picked, &share)?)?, &each)?;
    match reduction {
        Reduction::Mean => div(&Reduction::Sum.of(&losses)?, &Reduction::Sum.of(&share)?),
        other => other.of(&losses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;

    fn tensor(values: &[f64]) -> Tensor {
        Array::from_slice("test", values, &[values.len()]).unwrap().into()
    }

    fn close(x: &Tensor, expected: &[f64]) {
        for (found, expected) in x.array().elements::<f64>().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn distances() {
        let (x, t) = (tensor(&[1., 2., 5.]), tensor(&[1., 4., 1.]));
        close(&mse_loss(&x, &t, Reduction::None).unwrap(), &[0., 4., 16.]);
        close(&mse_loss(&x, &t, Reduction::Mean).unwrap(), &[20. / 3.]);
        close(&l1_loss(&x, &t, Reduction::Sum).unwrap(), &[6.]);
        close(&huber_loss(&x, &t, 3.0, Reduction::None).unwrap(), &[0., 2., 7.5]);
        close(&smooth_l1_loss(&x, &t, 3.0, Reduction::None).unwrap(), &[0., 2. / 3., 2.5]);
        close(&smooth_l1_loss(&x, &t, 0.0, Reduction::None).unwrap(), &[0., 2., 4.]);
        assert!(mse_loss(&x, &tensor(&[1., 2.]), Reduction::Mean).is_err());
        assert!(huber_loss(&x, &t, 0.0, Reduction::Mean).is_err());
    }

    #[test]
    fn binary_cross_entropy_of_any_logit() {
        let (x, t) = (tensor(&[3f64.ln(), -1000., 1000.]), tensor(&[1., 0., 0.]));
        let first = -(0.75f64.ln());
        let (weight, three) = (tensor(&[2., 1., 0.5]), tensor(&[3.]));
        let loss =
            |weight, pos_weight| binary_cross_entropy_with_logits(&x, &t, weight, pos_weight, Reduction::None).unwrap();
        close(&loss(None, None), &[first, 0., 1000.]);
        close(&loss(Some(&weight), None), &[2. * first, 0., 500.]);
        close(&loss(None, Some(&three)), &[3. * first, 0., 1000.]);
        assert!(binary_cross_entropy_with_logits(&x, &tensor(&[1.]), None, None, Reduction::Mean).is_err());
    }
}
