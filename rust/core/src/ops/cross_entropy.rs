//! Cross entropy between logits and class labels or class probabilities.
//!
//! With labels it is one pass over the logits forward and one backward, or, where a gradient is wanted of one loss, a
//! single pass that makes both (as in Hsu et al. 2024): the gradient is scaled by that of the loss, which is mostly 1. With
//! probabilities it is composed.

use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Autocast, Context, Needs, Operation, Outputs, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arithmetic::scalar;
use crate::ops::loss::{Reduction, rows_of_classes};
use crate::ops::sample::{Domain, Params, Sample, input, real};
use crate::ops::shape::shaped;
use crate::ops::{self, add, cast, div, mul, neg, reshape, sub};
use crate::with_float;
use dlcore_kernels::cross_entropy::{CrossEntropy as Kernel, RowScale, first_bad_target, total_loss};
use smallvec::smallvec;

const NAME: &str = "cross_entropy";

/// Cross entropy of rows of logits (N, C) with labels (N,), and class weights (C,) as an optional third input, which
/// takes no gradient. Auxiliary outputs: what backward needs of each row, what the mean divided by, and the gradient of the
/// logits if it is made early.
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    /// Rows with this label do not count.
    pub ignore_index: i64,
    /// How the losses of rows become the result.
    pub reduction: Reduction,
    /// Share of a label that is spread over all classes.
    pub label_smoothing: f64,
    /// Make the gradient with the loss, which is a single one.
    pub early: bool,
}

impl CrossEntropy {
    fn kernel<'a, T>(&self, labels: &'a Array, classes: usize, weight: Option<&'a Array>) -> Kernel<'a, T>
    where
        T: crate::array::Native,
    {
        Kernel {
            targets: labels.elements(),
            classes,
            weight: weight.map(Array::elements),
            ignore_index: self.ignore_index,
            label_smoothing: self.label_smoothing,
        }
    }

    /// The gradient of the logits as a composition that can be differentiated again:
    /// `scale (softmax(x) sum(a) - a)` with the target shares `a`, which are constants.
    fn composed(&self, context: &Context<'_>, grad: &Tensor) -> Result<Tensor> {
        let x = context.input(0)?;
        let (labels, weight) = inputs(context, self.ignore_index)?;
        let shares = self.shares(x.array(), &labels, weight.as_ref())?;
        let totals = ops::sum(&shares, &[1], true)?;
        let scale = match self.reduction {
            Reduction::None => reshape(grad, &[x.shape()[0], 1])?,
            Reduction::Sum => grad.clone(),
            Reduction::Mean => {
                // Where no label counts the loss is no number, and the logits have no part in it.
                let (total, one) = (context.auxiliary(2)?, scalar(Scalar::Int(1), grad.dtype())?);
                div(grad, &ops::where_(&ops::eq(&total, &scalar(Scalar::Int(0), grad.dtype())?)?, &one, &total)?)?
            }
        };
        mul(&scale, &sub(&mul(&ops::softmax(&x, 1)?, &totals)?, &shares)?)
    }

    /// What part of its loss each class has in each row.
    fn shares(&self, x: &Array, labels: &Array, weight: Option<&Array>) -> Result<Tensor> {
        let classes = x.shape()[1];
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 classes")]
        let spread = self.label_smoothing / classes.max(1) as f64;
        let weight: Option<Vec<f64>> =
            weight.map(|w| w.cast(NAME, DType::F64)).transpose()?.map(|w| w.elements().to_vec());
        let weight = |class: usize| weight.as_ref().map_or(1.0, |weight| weight[class]);
        let shares = Array::build(NAME, x.shape(), |out: &mut [f64]| {
            for (row, &label) in out.chunks_exact_mut(classes.max(1)).zip(labels.elements::<i64>()) {
                let counts = label != self.ignore_index;
                row.iter_mut().enumerate().for_each(|(c, out)| *out = if counts { spread * weight(c) } else { 0.0 });
                if let (true, Ok(class)) = (counts, usize::try_from(label)) {
                    row[class] += (1.0 - self.label_smoothing) * weight(class);
                }
            }
            Ok(())
        })?;
        Ok(shares.cast(NAME, x.dtype())?.into())
    }
}

/// Labels and weight as the kernels take them. The labels are checked again: whoever lent their memory may have written
/// it since.
fn inputs(context: &Context<'_>, ignore_index: i64) -> Result<(Array, Option<Array>)> {
    let (x, target) = (context.input(0)?, context.input(1)?);
    let labels = labels(NAME, &target, &x, &x.shape()[..1], x.shape()[1], ignore_index)
        .map_err(|error| error.extended(" (the labels have changed since the forward)"))?;
    if context.len() == 2 {
        return Ok((labels, None));
    }
    let weight = context.input(2)?.array().cast(NAME, context.dtype(0))?.contiguous(NAME)?;
    Ok((labels, Some(weight)))
}

impl Operation for CrossEntropy {
    const NAME: &'static str = NAME;
    const AUTOCAST: Autocast = Autocast::Widen;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let &[rows, classes] = inputs[0].shape() else {
            return Err(Error::shape(NAME, format_args!("expected rows of logits, got {}", Show(inputs[0].shape()))));
        };
        let labels =
            labels(NAME, &inputs[1].clone().into(), &inputs[0].clone().into(), &[rows], classes, self.ignore_index)?;
        let weight =
            class_weight(NAME, inputs.get(2).map(|&w| Tensor::from(w.clone())).as_ref(), &inputs[0].clone().into())?;
        let weight = weight.map(|w| w.array().contiguous(NAME)).transpose()?;
        let x = inputs[0].contiguous(NAME)?;
        with_float!(NAME, x.dtype(), T => {
            let kernel: Kernel<'_, T> = self.kernel(&labels, classes, weight.as_ref());
            let divisor = kernel.total_weight();
            let statistics = |grad: Option<&mut [T]>| {
                Array::build_pair(NAME, &[rows], &[rows, 2], |losses: &mut [T], saved: &mut [T]| {
                    let scale = if self.reduction == Reduction::Mean { 1.0 / divisor } else { 1.0 };
                    match grad {
                        Some(grad) => kernel.forward_and_gradient(x.elements(), scale, losses, saved, grad),
                        None => kernel.forward(x.elements(), losses, saved),
                    }
                    Ok(())
                })
            };
            let (mut made, mut early) = (None, None);
            if self.early {
                early = Some(Array::build(NAME, x.shape(), |grad: &mut [T]| {
                    made = Some(statistics(Some(grad))?);
                    Ok(())
                })?);
            }
            let (losses, saved) = made.map_or_else(|| statistics(None), Ok)?;
            let total = |by: T| Array::from_slice(NAME, &[total_loss::<T>(losses.elements()) / by], &[]);
            let result = match self.reduction {
                Reduction::Sum => total(1.0)?,
                Reduction::Mean => total(divisor)?,
                Reduction::None => losses,
            };
            let mut outputs: Outputs = smallvec![result, saved, Array::from_slice(NAME, &[divisor], &[])?];
            outputs.extend(early);
            Ok(outputs)
        })
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let mut gradients: Gradients = smallvec![None; context.len()];
        if mode::is_recording() {
            gradients[0] = Some(self.composed(context, grad)?);
            return Ok(gradients);
        }
        if self.early {
            // Nothing reads them again, but labels that were overwritten are refused all the same.
            inputs(context, self.ignore_index)?;
            let gradient = context.auxiliary(3)?;
            let is_one = grad.array().item()?.to_f64().to_bits() == 1f64.to_bits();
            let as_it_is = is_one && !mode::is_retaining();
            gradients[0] = Some(if as_it_is { gradient } else { mul(&gradient, grad)? });
            return Ok(gradients);
        }
        let x = context.input(0)?.array().contiguous(NAME)?;
        let (labels, weight) = inputs(context, self.ignore_index)?;
        let (saved, divisor) = (context.auxiliary(1)?, context.auxiliary(2)?);
        let g = grad.array().contiguous(NAME)?;
        let gx = with_float!(NAME, x.dtype(), T => Array::build(NAME, x.shape(), |out: &mut [T]| {
            let scale = match self.reduction {
                Reduction::None => RowScale::PerRow(g.elements()),
                Reduction::Sum => RowScale::Uniform(g.elements::<T>()[0]),
                Reduction::Mean => RowScale::Uniform(g.elements::<T>()[0] / divisor.array().elements::<T>()[0]),
            };
            let kernel: Kernel<'_, T> = self.kernel(&labels, x.shape()[1], weight.as_ref());
            kernel.backward(x.elements(), saved.array().elements(), scale, out);
            Ok(())
        }))?;
        gradients[0] = Some(gx.into());
        Ok(gradients)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |ignore_index, reduction, label_smoothing, rows: usize, weighted: bool| {
            let mut inputs = vec![real(&[rows, 4]), input(Domain::Index(4), &[rows])];
            if weighted {
                inputs.push(input(Domain::Positive, &[4]));
            }
            let early = rows == 4 && reduction != Reduction::None;
            Sample::new(Self { ignore_index, reduction, label_smoothing, early }, inputs)
        };
        vec![
            of(-100, Reduction::Mean, 0.1, 4, false),
            of(-100, Reduction::Mean, 0.0, 3, false),
            of(1, Reduction::Sum, 0.1, 5, false),
            of(-100, Reduction::None, 0.2, 3, false),
            of(-100, Reduction::None, 0.0, 0, false),
        ]
    }

    fn params(&self) -> Params {
        vec![
            ("ignore_index", self.ignore_index.into()),
            ("reduction", self.reduction.name().into()),
            ("label_smoothing", self.label_smoothing.into()),
        ]
    }
}

/// Class labels as contiguous int64, one for each row, checked.
pub(super) fn labels(
    op: &str,
    target: &Tensor,
    x: &Tensor,
    each: &[usize],
    classes: usize,
    ignore_index: i64,
) -> Result<Array> {
    let array = target.array();
    if array.dtype().is_float() || array.dtype() == DType::Bool {
        return Err(label_dtype(op, array, x));
    }
    if array.shape() != each {
        return Err(Error::shape(
            op,
            format_args!(
                "labels of shape {} for an input of shape {} (classes in dimension {}), expected {}",
                Show(array.shape()),
                Show(x.shape()),
                usize::from(x.rank() > 1),
                Show(each)
            ),
        ));
    }
    let labels = array.cast(op, DType::I64)?.contiguous(op)?;
    let Some(position) = first_bad_target(labels.elements(), classes, ignore_index) else { return Ok(labels) };
    let label = labels.elements::<i64>()[position];
    let range = if classes == 0 { String::new() } else { format!(" (0 to {})", classes - 1) };
    Err(Error::index(
        op,
        format_args!(
            "target {label} at position {position} is out of range for {classes} classes{range}; labels may be off by one"
        ),
    ))
}

/// Why labels of this dtype are refused.
fn label_dtype(op: &str, target: &Array, x: &Tensor) -> Error {
    let nan = || -> Result<Option<usize>> {
        let values = target.cast(op, DType::F64)?.contiguous(op)?;
        Ok(values.elements::<f64>().iter().position(|value| value.is_nan()))
    };
    if let Ok(Some(position)) = nan() {
        // No advice to convert: NaN has no integer, and the conversion would hide it.
        return Error::dtype(
            op,
            format_args!(
                "class labels must be int64, got {}, and the value at position {position} is NaN",
                target.dtype()
            ),
        );
    }
    let otherwise = if op == NAME {
        format!("; class probabilities need the shape of the logits, {}", Show(x.shape()))
    } else {
        String::new()
    };
    Error::dtype(
        op,
        format_args!(
            "class labels must be int64, got {} of shape {}; convert them with .long(){otherwise}",
            target.dtype(),
            Show(target.shape())
        ),
    )
}

/// The weight of each class in the dtype of the rows it weighs, a constant.
pub(super) fn class_weight(op: &str, weight: Option<&Tensor>, rows: &Tensor) -> Result<Option<Tensor>> {
    let Some(weight) = weight else { return Ok(None) };
    let classes = rows.shape()[1];
    if weight.shape() != [classes] {
        return Err(Error::shape(
            op,
            format_args!("weight of shape {} for {classes} classes, expected ({classes},)", Show(weight.shape())),
        ));
    }
    Ok(Some(cast(&weight.detach(), rows.dtype())?))
}

/// Cross entropy of logits (C,), (N, C) or (N, C, d1, ..) with class labels (the shape without C), or with class
/// probabilities (float, the shape of the logits).
///
/// `weight` weighs classes, labels equal to `ignore_index` do not count, `label_smoothing` spreads that share of each
/// target evenly over all classes. The mean is over the weights of the labels; with probabilities, over the rows.
///
/// # Errors
/// [`Error::Index`] for a label out of range, [`Error::DType`] for float labels, [`Error::Shape`] for shapes that do
/// not fit, [`Error::Value`] for a smoothing outside 0 to 1.
pub fn cross_entropy(
    x: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    ignore_index: i64,
    reduction: Reduction,
    label_smoothing: f64,
) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&label_smoothing) {
        return Err(Error::value(NAME, format_args!("label_smoothing must be between 0 and 1, got {label_smoothing}")));
    }
    let (rows, each) = rows_of_classes(NAME, x)?;
    let weight = class_weight(NAME, weight, &rows)?;
    if target.dtype().is_float() && target.shape() == x.shape() {
        return with_probabilities(&rows, target, weight.as_ref(), &each, reduction, label_smoothing);
    }
    let labels = labels(NAME, target, x, &each, rows.shape()[1], ignore_index)?;
    let labels = shaped(&labels.into(), &[rows.shape()[0]])?;
    let early = reduction != Reduction::None && mode::is_recording() && rows.requires_grad();
    let op = CrossEntropy { ignore_index, reduction, label_smoothing, early };
    let loss = match &weight {
        Some(weight) => apply(op, &[&rows, &labels, weight])?,
        None => apply(op, &[&rows, &labels])?,
    };
    if reduction == Reduction::None { reshape(&loss, &each) } else { Ok(loss) }
}

fn with_probabilities(
    rows: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    each: &Dims,
    reduction: Reduction,
    label_smoothing: f64,
) -> Result<Tensor> {
    let (target, _) = rows_of_classes(NAME, target)?;
    let dtype = rows.dtype().promote(NAME, target.dtype())?;
    let (rows, mut shares) = (&cast(rows, dtype)?, cast(&target, dtype)?);
    if label_smoothing > 0.0 {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 classes")]
        let spread = label_smoothing / rows.shape()[1].max(1) as f64;
        let constant = |value| scalar(Scalar::Float(value), rows.dtype());
        shares = add(&mul(&shares, &constant(1.0 - label_smoothing)?)?, &constant(spread)?)?;
    }
    if let Some(weight) = weight {
        shares = mul(&shares, weight)?;
    }
    let losses = neg(&ops::sum(&mul(&shares, &ops::log_softmax(rows, 1)?)?, &[1], false)?)?;
    reduction.of(&reshape(&losses, each)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::engine::{Options, backward, grad};

    const MEAN: Reduction = Reduction::Mean;

    fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
        Array::from_slice("test", values, shape).unwrap().into()
    }

    fn labels(values: &[i64], shape: &[usize]) -> Tensor {
        Array::from_slice("test", values, shape).unwrap().into()
    }

    fn close(x: &Tensor, expected: &[f64]) {
        let found = x.array().contiguous("test").unwrap();
        assert_eq!(found.numel(), expected.len());
        for (found, expected) in found.elements::<f64>().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    /// Logits of the probabilities 1/4, 3/4 and 4/5, 1/5.
    fn logits() -> Tensor {
        tensor(&[1f64.ln(), 3f64.ln(), 4f64.ln(), 1f64.ln()], &[2, 2])
    }

    #[test]
    fn labels_of_every_shape() {
        let (a, b) = (-(0.75f64.ln()), -(0.8f64.ln()));
        let of = |x: &Tensor, t: &Tensor, reduction| cross_entropy(x, t, None, -100, reduction, 0.0).unwrap();
        let (x, t) = (logits(), labels(&[1, 0], &[2]));
        close(&of(&x, &t, Reduction::None), &[a, b]);
        close(&of(&x, &t, MEAN), &[f64::midpoint(a, b)]);
        close(&of(&x, &t, Reduction::Sum), &[a + b]);
        close(&of(&reshape(&ops::slice(&x, 0, 0, 1, 1).unwrap(), &[2]).unwrap(), &labels(&[1], &[]), MEAN), &[a]);
        // Classes in dimension 1 of (1, 2, 2): the rows are columns here.
        let image = reshape(&ops::transpose(&x, 0, 1).unwrap(), &[1, 2, 2]).unwrap();
        close(&of(&image, &labels(&[1, 0], &[1, 2]), Reduction::None), &[a, b]);
    }

    #[test]
    fn weights_ignored_labels_and_smoothing() {
        let (x, target) = (logits(), labels(&[1, 0], &[2]));
        let (a, b) = (-(0.75f64.ln()), -(0.8f64.ln()));
        let weight = tensor(&[3., 1.], &[2]);
        close(&cross_entropy(&x, &target, Some(&weight), -100, MEAN, 0.0).unwrap(), &[(a + 3.0 * b) / 4.0]);
        close(&cross_entropy(&x, &target, None, 0, MEAN, 0.0).unwrap(), &[a]);
        let smooth = 0.5 * a + 0.25 * (a - 0.25f64.ln());
        close(&cross_entropy(&x, &target, None, 0, Reduction::Sum, 0.5).unwrap(), &[smooth]);
        assert!(
            cross_entropy(&x, &labels(&[-1, -1], &[2]), None, -1, MEAN, 0.0)
                .unwrap()
                .array()
                .item()
                .unwrap()
                .to_f64()
                .is_nan()
        );
        close(
            &crate::ops::nll_loss(&ops::log_softmax(&x, 1).unwrap(), &target, Some(&weight), -100, MEAN).unwrap(),
            &[(a + 3.0 * b) / 4.0],
        );
        close(&crate::ops::nll_loss(&ops::log_softmax(&x, 1).unwrap(), &target, None, 0, MEAN).unwrap(), &[a]);
    }

    #[test]
    fn probabilities_that_are_certain_are_labels() {
        let certain = tensor(&[0., 1., 1., 0.], &[2, 2]);
        let w = tensor(&[3., 1.], &[2]);
        for smoothing in [0.0, 0.3] {
            let [by_label, by_probability] = [&labels(&[1, 0], &[2]), &certain]
                .map(|t| cross_entropy(&logits(), t, Some(&w), -100, Reduction::None, smoothing).unwrap());
            close(&by_label, by_probability.array().elements());
        }
    }

    #[test]
    fn the_gradient_is_probability_minus_target_and_can_be_differentiated() {
        let x = Tensor::leaf(logits().array().clone()).unwrap();
        let loss = cross_entropy(&x, &labels(&[1, 0], &[2]), None, -100, Reduction::Sum, 0.0).unwrap();
        backward(&[loss], &[None], Options::default()).unwrap();
        close(&x.grad().unwrap(), &[0.25, -0.25, -0.2, 0.2]);
        let w = tensor(&[3., 1.], &[2]);
        let loss = cross_entropy(&x, &labels(&[1, 0], &[2]), Some(&w), 1, MEAN, 0.2).unwrap();
        let with = |create_graph| {
            let options = Options { create_graph, retain_graph: true };
            grad(std::slice::from_ref(&loss), &[None], std::slice::from_ref(&x), options)
                .unwrap()
                .swap_remove(0)
                .unwrap()
        };
        let fused = with(false);
        close(&with(true), fused.array().elements());
        assert!(with(true).requires_grad());
    }

    #[test]
    fn a_gradient_made_early_is_scaled_and_given_away_once() {
        let x = Tensor::leaf(logits().array().clone()).unwrap();
        let loss = cross_entropy(&x, &labels(&[1, 0], &[2]), None, -100, Reduction::Sum, 0.0).unwrap();
        let of = |seed: f64, retain_graph| {
            let options = Options { retain_graph, create_graph: false };
            let found =
                grad(std::slice::from_ref(&loss), &[Some(tensor(&[seed], &[]))], std::slice::from_ref(&x), options);
            found.unwrap().swap_remove(0).unwrap()
        };
        close(&of(-3.0, true), &[-0.75, 0.75, 0.6, -0.6]);
        let first = of(1.0, true);
        first.array().write("test", &Array::from_slice("test", &[7.0], &[]).unwrap()).unwrap();
        close(&of(1.0, true), &[0.25, -0.25, -0.2, 0.2]);
        close(&of(1.0, false), &[0.25, -0.25, -0.2, 0.2]);
    }

    #[test]
    fn messages_say_what_is_wrong_with_labels() {
        let x: Tensor = Array::zeros("test", &[4, 10], DType::F32).unwrap().into();
        let text = |t: &Tensor| cross_entropy(&x, t, None, -100, MEAN, 0.0).err().unwrap();
        assert_eq!(
            text(&labels(&[0, 1, 9, 10], &[4])),
            Error::Index(
                "cross_entropy: target 10 at position 3 is out of range for 10 classes (0 to 9); labels may be off by one"
                    .into()
            )
        );
        assert!(matches!(text(&tensor(&[0.; 4], &[4])), Error::DType(text) if text.contains(".long()")));
        assert!(text(&tensor(&[0., f64::NAN, 0., 0.], &[4])).to_string().contains("position 1 is NaN"));
        assert!(matches!(text(&labels(&[0; 3], &[3])), Error::Shape(_)));
        assert!(matches!(cross_entropy(&x, &labels(&[0; 4], &[4]), None, -100, MEAN, 1.5), Err(Error::Value(_))));
    }
}
