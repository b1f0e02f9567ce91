//! Batch normalisation (Ioffe and Szegedy 2015) of (N, C) or (N, C, ..): each channel over the batch and its positions.
//!
//! In training the statistics are the batch's own and the running ones move towards them; in evaluation the running
//! ones are constants and the operation is affine.

use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply_all};
use crate::autograd::tensor::Tensor;
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arithmetic::scalar;
use crate::ops::norm::{as_inputs, beside, brought, check_parameter, composed, taken, with_parameters};
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::{self, add, mul, reshape, sub, sum_to};
use crate::{with_float, with_stored_float};
use dlcore_kernels::norm::batch::{self, Affine, Saved, Shape, Statistics};
use dlcore_kernels::stored::Stored;
use smallvec::smallvec;

/// Batch, channels and plane of (N, C) or (N, C, ..).
fn extents(op: &str, shape: &[usize]) -> Result<Shape> {
    let &[batch, channels, ref rest @ ..] = shape else {
        return Err(Error::shape(op, format_args!("expected (batch, channels, ..), got shape {}", Show(shape))));
    };
    Ok(Shape { batch, channels, plane: rest.iter().product() })
}

/// The shape in which one number a channel broadcasts against `rank` dimensions.
fn per_channel(channels: usize, rank: usize) -> Dims {
    let mut shape: Dims = smallvec![channels];
    shape.resize(rank - 1, 1);
    shape
}

/// Normalises by the statistics of the batch, times weight and plus bias if there are a second and third input.
/// Auxiliary output: (3, C), the mean, variance and reciprocal deviation of each channel.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// Added to the variance.
    pub eps: f64,
}

impl Operation for BatchNorm {
    const NAME: &'static str = "batch_norm";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let shape = extents(Self::NAME, inputs[0].shape())?;
        for (parameter, name) in inputs[1..].iter().zip(["weight", "bias"]) {
            check_parameter(Self::NAME, name, parameter.shape(), &[shape.channels])?;
        }
        let (x, parameters) = taken(Self::NAME, inputs)?;
        let (y, saved) = with_stored_float!(Self::NAME, x.dtype(), K => {
            type T = <K as Stored>::Value;
            Array::build_pair(Self::NAME, x.shape(), &[3, shape.channels], |y: &mut [K], saved: &mut [T]| {
                let (mean, rest) = saved.split_at_mut(shape.channels);
                let (variance, rstd) = rest.split_at_mut(shape.channels);
                let parameter = |i: usize| parameters.get(i).map(Array::elements);
                let affine = Affine { weight: parameter(0), bias: parameter(1) };
                let mut saved = Statistics { mean, variance, rstd };
                batch::forward(shape, x.elements::<K>(), affine, self.eps, y, &mut saved);
                Ok(())
            })
        })?;
        Ok(smallvec![y, saved])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        let shape = extents(Self::NAME, x.shape())?;
        let weight = if context.len() > 1 { Some(context.input(1)?) } else { None };
        if mode::is_recording() {
            let dims: Dims = (0..x.rank()).filter(|&d| d != 1).collect();
            let parameter = per_channel(shape.channels, x.rank());
            return composed(context, &x, weight.as_ref(), grad, &dims, &parameter, self.eps);
        }
        let saved = context.auxiliary(1)?;
        let contiguous = |t: &Tensor| t.array().contiguous(Self::NAME);
        let (g, x) = (contiguous(grad)?, contiguous(&x)?);
        let weight = weight.map(|weight| beside(Self::NAME, &x, weight.array())).transpose()?;
        let (gx, parameters) = with_stored_float!(Self::NAME, x.dtype(), K => {
            type T = <K as Stored>::Value;
            Array::build_pair(Self::NAME, x.shape(), &[2, shape.channels], |gx: &mut [K], parameters: &mut [T]| {
                let saved = saved.array().elements();
                let (mean, rstd) = (&saved[..shape.channels], &saved[2 * shape.channels..]);
                let (gweight, gbias) = parameters.split_at_mut(shape.channels);
                let weight = weight.as_ref().map(Array::elements);
                let saved = Saved { g: g.elements::<K>(), x: x.elements(), mean, rstd, weight, training: true };
                batch::backward(shape, saved, gx, gweight, gbias);
                Ok(())
            })
        })?;
        let row =
            |which| parameters.view(parameters.layout().slice(0, which, 1, 1)).reshape(Self::NAME, &[shape.channels]);
        let mut gradients: Gradients = smallvec![Some(gx.into())];
        for i in 1..context.len() {
            gradients.push(if context.needs(i) { Some(row(i - 1)?.into()) } else { None });
        }
        as_inputs(context, gradients)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(0).input(1).outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |x: &[usize], parameters: usize| {
            let mut inputs = vec![real(x)];
            inputs.extend((0..parameters).map(|_| real(&x[1..2])));
            Sample::new(Self { eps: 1e-5 }, inputs)
        };
        vec![of(&[4, 3], 2), of(&[2, 2, 3, 2], 2), of(&[3, 2, 4], 0), of(&[5, 2], 1)]
    }

    fn params(&self) -> Params {
        vec![("eps", self.eps.into())]
    }
}

/// `(x - mean) * rstd * weight + bias` with one constant of each a channel: batch norm in evaluation. Inputs in the
/// order x, mean, rstd, weight, bias.
#[derive(Clone, Debug)]
pub struct BatchNormInference;

impl Operation for BatchNormInference {
    const NAME: &'static str = "batch_norm_inference";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let shape = extents(Self::NAME, inputs[0].shape())?;
        for (parameter, name) in inputs[1..].iter().zip(["running_mean", "running_var", "weight", "bias"]) {
            check_parameter(Self::NAME, name, parameter.shape(), &[shape.channels])?;
        }
        let (x, parameters) = taken(Self::NAME, inputs)?;
        let y = with_stored_float!(Self::NAME, x.dtype(), K => Array::build(Self::NAME, x.shape(), |y: &mut [K]| {
            let affine = Affine { weight: Some(parameters[2].elements()), bias: Some(parameters[3].elements()) };
            batch::inference(shape, x.elements(), affine, parameters[0].elements(), parameters[1].elements(), y);
            Ok(())
        }))?;
        Ok(single(y))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        let wide = |t: &Tensor| ops::cast(t, x.dtype().widened());
        let (grad, along) = (&wide(grad)?, per_channel(x.shape()[1], x.rank()));
        let at = |i: usize| reshape(&wide(&context.input(i)?)?, &along);
        let (mean, rstd, weight) = (at(1)?, at(2)?, at(3)?);
        let summed = |t: &Tensor| reshape(&sum_to(t, &along)?, context.shape(1));
        let gx = mul(grad, &mul(&rstd, &weight)?)?;
        let centered = sub(&wide(&x)?, &mean)?;
        let mut gradients: Gradients = smallvec![None; 5];
        if context.needs(1) {
            gradients[1] = Some(ops::neg(&summed(&gx)?)?);
        }
        if context.needs(2) {
            gradients[2] = Some(summed(&mul(&mul(grad, &weight)?, &centered)?)?);
        }
        if context.needs(3) {
            gradients[3] = Some(summed(&mul(&mul(grad, &rstd)?, &centered)?)?);
        }
        if context.needs(4) {
            gradients[4] = Some(summed(grad)?);
        }
        gradients[0] = Some(gx);
        as_inputs(context, gradients)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(0).input(1).input(2).input(3)
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |x: &[usize]| {
            let channel = &x[1..2];
            let inputs = [real(x), real(channel), input(Domain::Positive, channel), real(channel), real(channel)];
            Sample::new(Self, inputs)
        };
        vec![of(&[3, 2]), of(&[2, 3, 2, 2]), of(&[0, 2])]
    }
}

/// What batch norm does besides normalising.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormOptions {
    /// Use the statistics of the batch, not the running ones.
    pub training: bool,
    /// How far the running statistics move towards those of a batch.
    pub momentum: f64,
    /// Added to the variance.
    pub eps: f64,
}

/// Normalises each channel of `x` (N, C) or (N, C, ..), then times `weight` and plus `bias` of each channel. `running`
/// holds mean and variance of each channel: in training they move in place, unrecorded, in evaluation they are used.
///
/// # Errors
/// [`Error::Shape`] where shapes do not fit; [`Error::Value`] for a training batch of one value a channel, and in
/// evaluation without running statistics.
pub fn batch_norm(
    x: &Tensor,
    running: Option<(&Tensor, &Tensor)>,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    options: BatchNormOptions,
) -> Result<Tensor> {
    const NAME: &str = BatchNorm::NAME;
    if x.shape() == [0] {
        return ops::copy(x); // nothing of no channels
    }
    let shape = extents(NAME, x.shape())?;
    let x = &brought(NAME, x, weight, bias)?;
    let given = running.map_or([None, None], |(mean, var)| [Some(mean), Some(var)]);
    let names = ["weight", "bias", "running_mean", "running_var"];
    for (parameter, name) in [weight, bias, given[0], given[1]].into_iter().zip(names) {
        if let Some(parameter) = parameter.filter(|parameter| parameter.shape() != [shape.channels]) {
            let (x, of, channels) = (Show(x.shape()), Show(parameter.shape()), shape.channels);
            return Err(Error::shape(
                NAME,
                format_args!("input {x} has {channels} channels, but {name} has shape {of}"),
            ));
        }
    }
    if !options.training {
        let (mean, variance) = running.ok_or_else(|| {
            Error::value(NAME, "evaluation needs running_mean and running_var; pass them or training=True")
        })?;
        return evaluate(x, mean, variance, weight, bias, options.eps);
    }
    if x.numel() == 0 {
        // Nothing to learn from: the running statistics stay as they are.
        return ops::copy(x);
    }
    if shape.per_channel() == 1 {
        return Err(Error::value(
            NAME,
            format_args!(
                "expected more than 1 value per channel when training, got input size {}; take a larger batch \
                 (drop_last=True leaves out a last one that is smaller), or call eval()",
                Show(x.shape())
            ),
        ));
    }
    let op = BatchNorm { eps: options.eps };
    let Some((mean, variance)) = running else {
        return with_parameters(op, x, weight, bias);
    };
    let one = scalar(Scalar::Float(1.0), x.dtype().to_float())?;
    let weight = weight.cloned().map_or_else(|| ops::broadcast_to(&one, &[shape.channels]), Ok)?;
    let inputs = [Some(x), Some(&weight), bias];
    let inputs: Vec<&Tensor> = inputs.into_iter().flatten().collect();
    let outputs = apply_all(op, &inputs)?;
    move_running(outputs[1].array(), shape, options, mean.array(), variance.array())?;
    Ok(outputs[0].clone())
}

/// Moves running statistics towards `saved`, the batch's.
fn move_running(saved: &Array, shape: Shape, options: BatchNormOptions, mean: &Array, variance: &Array) -> Result<()> {
    const NAME: &str = BatchNorm::NAME;
    let dtype = saved.dtype();
    let old = |array: &Array| array.cast(NAME, dtype)?.copy(NAME);
    let (old_mean, old_variance) = (old(mean)?, old(variance)?);
    let (new_mean, new_variance) = with_float!(NAME, dtype, T => {
        let each = [shape.channels];
        Array::build_pair(NAME, &each, &each, |new_mean: &mut [T], new_variance: &mut [T]| {
            new_mean.copy_from_slice(old_mean.elements());
            new_variance.copy_from_slice(old_variance.elements());
            let (mean, rest) = saved.elements::<T>().split_at(shape.channels);
            let variance = &rest[..shape.channels];
            batch::update_running(options.momentum, shape.per_channel(), mean, variance, new_mean, new_variance);
            Ok(())
        })
    })?;
    mean.write(NAME, &new_mean)?;
    variance.write(NAME, &new_variance)
}

fn evaluate(
    x: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    let dtype = x.dtype().widened();
    let constant = |value: f64| ops::broadcast_to(&scalar(Scalar::Float(value), dtype)?, mean.shape());
    let or = |given: Option<&Tensor>, otherwise: f64| given.cloned().map_or_else(|| constant(otherwise), Ok);
    let rstd = ops::rsqrt(&add(variance, &scalar(Scalar::Float(eps), variance.dtype().to_float())?)?)?;
    let inputs = [x, mean, &rstd, &or(weight, 1.0)?, &or(bias, 0.0)?];
    crate::autograd::op::apply(BatchNormInference, &inputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::engine::{Options, backward};

    const TRAIN: BatchNormOptions = BatchNormOptions { training: true, momentum: 0.5, eps: 0.0 };

    fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
        Array::from_slice("test", values, shape).unwrap().into()
    }

    fn close(x: &Tensor, expected: &[f64]) {
        let found = x.array().contiguous("test").unwrap();
        assert_eq!(found.numel(), expected.len());
        for (found, expected) in found.elements::<f64>().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn training_normalises_and_moves_the_running_statistics() {
        let x = tensor(&[1., 10., 3., 30.], &[2, 2]);
        let (mean, var) = (tensor(&[0., 0.], &[2]), tensor(&[1., 1.], &[2]));
        let (w, b) = (Tensor::leaf(tensor(&[2., 1.], &[2]).array().clone()).unwrap(), tensor(&[0., 5.], &[2]));
        let y = batch_norm(&x, Some((&mean, &var)), Some(&w), Some(&b), TRAIN).unwrap();
        close(&y, &[-2., 4., 2., 6.]);
        close(&mean, &[1., 10.]);
        // Unbiased variances 2 and 200.
        close(&var, &[1.5, 100.5]);
        backward(&[y], &[Some(tensor(&[1., 1., 0., 1.], &[2, 2]))], Options::default()).unwrap();
        close(&w.grad().unwrap(), &[-1., 0.]);
        close(&batch_norm(&x, None, None, Some(&b), TRAIN).unwrap(), &[-1., 4., 1., 6.]);
        close(&batch_norm(&x, Some((&mean, &var)), None, Some(&b), TRAIN).unwrap(), &[-1., 4., 1., 6.]);
    }

    #[test]
    fn evaluation_uses_the_running_statistics() {
        let x = tensor(&[1., 10., 3., 30.], &[1, 2, 2]);
        let (mean, var) = (tensor(&[1., 10.], &[2]), tensor(&[4., 100.], &[2]));
        let eval = BatchNormOptions { training: false, ..TRAIN };
        close(&batch_norm(&x, Some((&mean, &var)), None, None, eval).unwrap(), &[0., 4.5, -0.7, 2.]);
        close(&mean, &[1., 10.]);
        assert!(batch_norm(&x, None, None, None, eval).is_err());
    }

    #[test]
    fn one_value_per_channel_cannot_train() {
        let x = tensor(&[1., 2., 3.], &[1, 3]);
        let error = batch_norm(&x, None, None, None, TRAIN).err().unwrap();
        assert_eq!(
            error.to_string(),
            "batch_norm: expected more than 1 value per channel when training, got input size (1, 3); take a larger batch \
             (drop_last=True leaves out a last one that is smaller), or call eval()"
        );
        assert!(batch_norm(&tensor(&[1.], &[1]), None, None, None, TRAIN).is_err());
        assert!(batch_norm(&tensor(&[1., 2.], &[2, 1]), None, Some(&x), None, TRAIN).is_err());
    }
}
