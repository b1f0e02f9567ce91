//! Normalisation over trailing dimensions (layer norm, Ba et al. 2016), over groups of channels (group norm, Wu and He
//! 2018), and its parameters. Batch norm has a file of its own ([`mod@super::batch_norm`]).
//!
//! Forward saves mean and reciprocal deviation of each row. The gradient is one fused pass, or, where it is itself
//! differentiated, the composition in [`composed`].

use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arithmetic::scalar;
use crate::ops::cast::{cast, widened};
use crate::ops::sample::{Params, Sample, real};
use crate::ops::{self, add, mul, reshape, sub, sum_to};
use crate::with_stored_float;
use dlcore_kernels::norm::layer;
use dlcore_kernels::stored::Stored;
use smallvec::{SmallVec, smallvec};

/// `(x - mean) / sqrt(var + eps)` over the last `dims` dimensions, times a weight and plus a bias if there are a second
/// and third input. Auxiliary output: (2, rows), the mean and reciprocal deviation of each row.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// How many trailing dimensions make a row.
    pub dims: usize,
    /// Added to the variance.
    pub eps: f64,
}

impl LayerNorm {
    /// Extents of a row.
    fn row<'a>(&self, shape: &'a [usize]) -> Result<&'a [usize]> {
        let misfit =
            || Error::shape(Self::NAME, format_args!("{} has no {} trailing dimensions", Show(shape), self.dims));
        Ok(&shape[shape.len().checked_sub(self.dims).ok_or_else(misfit)?..])
    }
}

impl Operation for LayerNorm {
    const NAME: &'static str = "layer_norm";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let row = self.row(inputs[0].shape())?;
        for (parameter, name) in inputs[1..].iter().zip(["weight", "bias"]) {
            check_parameter(Self::NAME, name, parameter.shape(), row)?;
        }
        let (x, parameters) = taken(Self::NAME, inputs)?;
        let (cols, rows) = (row.iter().product(), x.shape()[..x.rank() - self.dims].iter().product());
        let (y, saved) = with_stored_float!(Self::NAME, x.dtype(), K => {
            type T = <K as Stored>::Value;
            Array::build_pair(Self::NAME, x.shape(), &[2, rows], |y: &mut [K], saved: &mut [T]| {
                let (mean, rstd) = saved.split_at_mut(rows);
                let parameter = |i: usize| parameters.get(i).map(Array::elements);
                layer::forward(x.elements::<K>(), cols, parameter(0), parameter(1), self.eps, y, mean, rstd);
                Ok(())
            })
        })?;
        Ok(smallvec![y, saved])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        let weight = if context.len() > 1 { Some(context.input(1)?) } else { None };
        if mode::is_recording() {
            let dims: Dims = (x.rank() - self.dims..x.rank()).collect();
            let row: Dims = self.row(x.shape())?.into();
            return composed(context, &x, weight.as_ref(), grad, &dims, &row, self.eps);
        }
        let row = self.row(x.shape())?;
        let cols = row.iter().product::<usize>();
        let saved = context.auxiliary(1)?;
        let contiguous = |t: &Tensor| t.array().contiguous(Self::NAME);
        let (g, x) = (contiguous(grad)?, contiguous(&x)?);
        let weight = weight.map(|weight| beside(Self::NAME, &x, weight.array())).transpose()?;
        let sums = context.needs(1) || context.needs(2);
        let (gx, parameters) = with_stored_float!(Self::NAME, x.dtype(), K => {
            type T = <K as Stored>::Value;
            let shape = [2, if sums { cols } else { 0 }];
            Array::build_pair(Self::NAME, x.shape(), &shape, |gx: &mut [K], parameters: &mut [T]| {
                let (mean, rstd) = saved.array().elements::<T>().split_at(saved.shape()[1]);
                let (gw, gb) = parameters.split_at_mut(shape[1]);
                let weight = weight.as_ref().map(Array::elements);
                let (gw, gb) = (sums.then_some(gw), sums.then_some(gb));
                layer::backward(g.elements::<K>(), x.elements(), cols, mean, rstd, weight, gx, gw, gb);
                Ok(())
            })
        })?;
        let row_of = |which| parameters.view(parameters.layout().slice(0, which, 1, 1)).reshape(Self::NAME, row);
        let mut gradients: Gradients = smallvec![Some(gx.into())];
        for i in 1..context.len() {
            gradients.push(if context.needs(i) { Some(row_of(i - 1)?.into()) } else { None });
        }
        as_inputs(context, gradients)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(0).input(1).outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dims, x: &[usize], parameters: usize| {
            let row = &x[x.len() - dims..];
            let mut inputs = vec![real(x)];
            inputs.extend((0..parameters).map(|_| real(row)));
            Sample::new(Self { dims, eps: 1e-5 }, inputs)
        };
        vec![of(1, &[3, 5], 2), of(2, &[2, 2, 4], 2), of(1, &[2, 4], 0), of(1, &[2, 3], 1), of(1, &[0, 3], 2)]
    }

    fn params(&self) -> Params {
        vec![("dims", self.dims.into()), ("eps", self.eps.into())]
    }
}

pub(super) fn check_parameter(op: &str, name: &str, shape: &[usize], expected: &[usize]) -> Result<()> {
    if shape == expected {
        return Ok(());
    }
    Err(Error::shape(op, format_args!("{name} of shape {}, expected {}", Show(shape), Show(expected))))
}

/// `x` as normalisations take it: a float, and as wide as weight and bias are unless it is one of 16 bits, whose result is
/// one as well.
pub(super) fn brought(op: &str, x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
    if x.dtype().is_half() {
        return Ok(x.clone());
    }
    let each = [weight, bias].into_iter().flatten();
    let dtype = each.map(Tensor::dtype).try_fold(x.dtype(), |dtype, other| dtype.promote(op, other))?;
    cast(x, dtype.to_float())
}

/// Inputs as the kernels take them: the first, and what belongs to it as wide as it is computed.
pub(super) fn taken(op: &str, inputs: &[&Array]) -> Result<(Array, SmallVec<[Array; 4]>)> {
    let x = inputs[0].cast(op, inputs[0].dtype().to_float())?.contiguous(op)?;
    let parameters = inputs[1..].iter().map(|parameter| beside(op, &x, parameter)).collect::<Result<_>>()?;
    Ok((x, parameters))
}

/// `parameter` as the kernels take it with `x`.
pub(super) fn beside(op: &str, x: &Array, parameter: &Array) -> Result<Array> {
    parameter.cast(op, x.dtype().widened())?.contiguous(op)
}

/// `gradients`, each in the dtype of its input.
pub(super) fn as_inputs(context: &Context<'_>, mut gradients: Gradients) -> Result<Gradients> {
    for (i, gradient) in gradients.iter_mut().enumerate() {
        if let Some(gradient) = gradient {
            *gradient = cast(gradient, context.dtype(i))?;
        }
    }
    Ok(gradients)
}

/// The gradients of a normalisation over `dims`, composed of operations that can be differentiated again; `parameter`
/// is the shape in which weight and bias broadcast against `x`.
pub(super) fn composed(
    context: &Context<'_>,
    x: &Tensor,
    weight: Option<&Tensor>,
    grad: &Tensor,
    dims: &[usize],
    parameter: &[usize],
    eps: f64,
) -> Result<Gradients> {
    let wide = |t: &Tensor| cast(t, x.dtype().widened());
    let (x, grad, weight) = (&wide(x)?, &wide(grad)?, &weight.map(wide).transpose()?);
    let average = |t: &Tensor| ops::mean(t, dims, true);
    let centered = sub(x, &average(x)?)?;
    let variance = average(&mul(&centered, &centered)?)?;
    let rstd = ops::rsqrt(&add(&variance, &scalar(Scalar::Float(eps), x.dtype())?)?)?;
    let z = mul(&centered, &rstd)?;
    let h = match weight {
        Some(weight) => mul(grad, &reshape(weight, parameter)?)?,
        None => grad.clone(),
    };
    let inner = sub(&sub(&h, &average(&h)?)?, &mul(&z, &average(&mul(&h, &z)?)?)?)?;
    let mut gradients: Gradients = smallvec![Some(mul(&rstd, &inner)?)];
    for i in 1..context.len() {
        let each = if i == 1 { mul(grad, &z)? } else { grad.clone() };
        gradients.push(Some(reshape(&sum_to(&each, parameter)?, context.shape(i))?));
    }
    as_inputs(context, gradients)
}

/// Applies a normalisation to `x` with weight and bias; a bias without a weight has ones beside it. Parameters of more
/// digits than a 16-bit float `x` count in full, and the result is of the dtype of `x`, as in PyTorch.
pub(super) fn with_parameters<O: Operation>(
    op: O,
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let x = &brought(O::NAME, x, weight, bias)?;
    match (weight, bias) {
        (Some(weight), Some(bias)) => apply(op, &[x, weight, bias]),
        (Some(weight), None) => apply(op, &[x, weight]),
        (None, None) => apply(op, &[x]),
        (None, Some(bias)) => {
            let one = scalar(Scalar::Float(1.0), x.dtype().widened())?;
            apply(op, &[x, &ops::broadcast_to(&one, bias.shape())?, bias])
        }
    }
}

/// `x` normalised over its trailing dimensions `normalized_shape`, then times `weight` and plus `bias`, which have
/// that shape.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not fit.
pub fn layer_norm(
    x: &Tensor,
    normalized_shape: &[usize],
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    let op = LayerNorm { dims: normalized_shape.len(), eps };
    if normalized_shape.is_empty() || !x.shape().ends_with(normalized_shape) {
        return Err(Error::shape(
            LayerNorm::NAME,
            format_args!("input {} does not end with normalized_shape {}", Show(x.shape()), Show(normalized_shape)),
        ));
    }
    for (parameter, name) in [(weight, "weight"), (bias, "bias")] {
        if let Some(parameter) = parameter {
            check_parameter(LayerNorm::NAME, name, parameter.shape(), normalized_shape)?;
        }
    }
    with_parameters(op, x, weight, bias)
}

/// `x` of shape (N, C, ..) normalised over groups of its channels, then times `weight` and plus `bias` of each channel.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not fit or the channels do not divide into `groups`.
pub fn group_norm(
    x: &Tensor,
    groups: usize,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    const NAME: &str = "group_norm";
    if x.dtype().is_half() {
        return widened(x, |x| group_norm(x, groups, weight, bias, eps));
    }
    let &[batch, channels, ref rest @ ..] = x.shape() else {
        return Err(Error::shape(NAME, format_args!("expected (batch, channels, ..), got {}", Show(x.shape()))));
    };
    if groups == 0 || channels % groups != 0 {
        return Err(Error::shape(NAME, format_args!("{channels} channels do not divide into {groups} groups")));
    }
    let size = channels / groups * rest.iter().product::<usize>();
    let rows = layer_norm(&reshape(x, &[batch * groups, size])?, &[size], None, None, eps)?;
    let mut y = reshape(&rows, x.shape())?;
    let mut along: Dims = smallvec![channels];
    along.resize(x.rank() - 1, 1);
    for (parameter, name) in [(weight, "weight"), (bias, "bias")] {
        let Some(parameter) = parameter else { continue };
        check_parameter(NAME, name, parameter.shape(), &[channels])?;
        let parameter = reshape(parameter, &along)?;
        y = if name == "weight" { mul(&y, &parameter)? } else { add(&y, &parameter)? };
    }
    Ok(y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::engine::{Options, backward};

    fn close(x: &Tensor, expected: &[f64]) {
        let found = x.array().contiguous("test").unwrap();
        assert_eq!(found.numel(), expected.len());
        for (found, expected) in found.elements::<f64>().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
        Tensor::leaf(Array::from_slice("test", values, shape).unwrap()).unwrap()
    }

    #[test]
    fn rows_get_mean_zero_and_variance_one() {
        let x = tensor(&[1., 3., -2., 2.], &[2, 2]);
        let (w, b) = (tensor(&[2., 3.], &[2]), tensor(&[10., 20.], &[2]));
        let y = layer_norm(&x, &[2], Some(&w), Some(&b), 0.0).unwrap();
        close(&y, &[8., 23., 8., 23.]);
        close(&layer_norm(&x, &[2], None, Some(&b), 0.0).unwrap(), &[9., 21., 9., 21.]);
        let seed = Array::from_slice("test", &[1f64, 0., 0., 1.], &[2, 2]).unwrap().into();
        backward(&[y], &[Some(seed)], Options::default()).unwrap();
        close(&w.grad().unwrap(), &[-1., 1.]);
        close(&b.grad().unwrap(), &[1., 1.]);
        // Two elements are always one and minus one: they do not depend on x.
        close(&x.grad().unwrap(), &[0.; 4]);
    }

    #[test]
    fn groups_are_rows() {
        let x = tensor(&[1., 3., 5., 9.], &[1, 2, 2]);
        close(&group_norm(&x, 2, None, None, 0.0).unwrap(), &[-1., 1., -1., 1.]);
        let w = tensor(&[1., 2.], &[2]);
        close(&group_norm(&x, 2, Some(&w), None, 0.0).unwrap(), &[-1., 1., -2., 2.]);
        assert!(group_norm(&x, 3, None, None, 0.0).is_err());
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let x = tensor(&[1., 3.], &[1, 2]);
        assert!(layer_norm(&x, &[3], None, None, 1e-5).is_err());
        assert!(layer_norm(&x, &[], None, None, 1e-5).is_err());
        assert!(layer_norm(&x, &[2], Some(&x), None, 1e-5).is_err());
    }
}
