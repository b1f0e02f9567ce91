//! Normalisation by the root of the mean square (Zhang and Sennrich 2019) over trailing dimensions: one pass forward and
//! one backward, or, where the gradient is itself differentiated, a composition.

use crate::array::Array;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arithmetic::shift;
use crate::ops::norm::{as_inputs, beside, check_parameter, taken, with_parameters};
use crate::ops::sample::{Params, Sample, real};
use crate::ops::{self, cast, mul, sub, sum_to};
use crate::with_stored_float;
use dlcore_kernels::norm::rms;
use dlcore_kernels::stored::Stored;
use smallvec::smallvec;

/// `x / sqrt(mean(x²) + eps)` over the last `dims` dimensions, times a weight if there is a second input. Auxiliary output:
/// (rows), the factor of each row.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    /// How many trailing dimensions make a row.
    pub dims: usize,
    /// Added to the mean square.
    pub eps: f64,
}

const NAME: &str = RmsNorm::NAME;

impl RmsNorm {
    /// Extents of a row.
    fn row<'a>(&self, shape: &'a [usize]) -> Result<&'a [usize]> {
        let misfit = || Error::shape(NAME, format_args!("{} has no {} trailing dimensions", Show(shape), self.dims));
        Ok(&shape[shape.len().checked_sub(self.dims).ok_or_else(misfit)?..])
    }

    /// The gradients in operations that can be differentiated again.
    fn composed(&self, context: &Context<'_>, x: &Tensor, weight: Option<&Tensor>, g: &Tensor) -> Result<Gradients> {
        let wide = |t: &Tensor| cast(t, x.dtype().widened());
        let (x, g, weight) = (&wide(x)?, &wide(g)?, weight.map(wide).transpose()?);
        let dims: Dims = (x.rank() - self.dims..x.rank()).collect();
        let average = |t: &Tensor| ops::mean(t, &dims, true);
        let factor = ops::rsqrt(&shift(&average(&ops::square(x)?)?, self.eps)?)?;
        let y = mul(x, &factor)?;
        let h = weight.map_or_else(|| Ok(g.clone()), |weight| mul(g, &weight))?;
        let gx = mul(&factor, &sub(&h, &mul(&y, &average(&mul(&h, &y)?)?)?)?)?;
        let mut gradients: Gradients = smallvec![Some(gx)];
        if context.len() > 1 {
            gradients.push(Some(sum_to(&mul(g, &y)?, context.shape(1))?));
        }
        as_inputs(context, gradients)
    }
}

impl Operation for RmsNorm {
    const NAME: &'static str = "rms_norm";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let row = self.row(inputs[0].shape())?;
        if let Some(weight) = inputs.get(1) {
            check_parameter(NAME, "weight", weight.shape(), row)?;
        }
        let (x, parameters) = taken(NAME, inputs)?;
        let (cols, rows) = (row.iter().product(), x.shape()[..x.rank() - self.dims].iter().product());
        let (y, factors) = with_stored_float!(NAME, x.dtype(), K => {
            type T = <K as Stored>::Value;
            Array::build_pair(NAME, x.shape(), &[rows], |y: &mut [K], factors: &mut [T]| {
                let weight = parameters.first().map(Array::elements);
                rms::forward(x.elements::<K>(), cols, weight, self.eps, y, factors);
                Ok(())
            })
        })?;
        Ok(smallvec![y, factors])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        let weight = if context.len() > 1 { Some(context.input(1)?) } else { None };
        if mode::is_recording() {
            return self.composed(context, &x, weight.as_ref(), grad);
        }
        let row = self.row(x.shape())?;
        let cols = row.iter().product::<usize>();
        let factors = context.auxiliary(1)?;
        let contiguous = |t: &Tensor| t.array().contiguous(NAME);
        let (g, x) = (contiguous(grad)?, contiguous(&x)?);
        let weight = weight.map(|weight| beside(NAME, &x, weight.array())).transpose()?;
        let of_weight = if context.needs(1) { row } else { &[0] };
        let (gx, gweight) = with_stored_float!(NAME, x.dtype(), K => {
            type T = <K as Stored>::Value;
            Array::build_pair(NAME, x.shape(), of_weight, |gx: &mut [K], gweight: &mut [T]| {
                let (weight, gweight) = (weight.as_ref().map(Array::elements), context.needs(1).then_some(gweight));
                rms::backward(g.elements::<K>(), x.elements(), cols, factors.array().elements(), weight, gx, gweight);
                Ok(())
            })
        })?;
        let mut gradients: Gradients = smallvec![Some(gx.into())];
        if context.len() > 1 {
            gradients.push(context.needs(1).then(|| gweight.into()));
        }
        as_inputs(context, gradients)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(0).input(1).outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dims, x: &[usize], weighted: bool| {
            let mut inputs = vec![real(x)];
            if weighted {
                inputs.push(real(&x[x.len() - dims..]));
            }
            Sample::new(Self { dims, eps: 1e-5 }, inputs)
        };
        vec![of(1, &[3, 5], true), of(2, &[2, 2, 4], true), of(1, &[2, 4], false), of(1, &[0, 3], true)]
    }

    fn params(&self) -> Params {
        vec![("dims", self.dims.into()), ("eps", self.eps.into())]
    }
}

/// `x` over the root of its mean square over its trailing dimensions `normalized_shape`, then times `weight`, which has
/// that shape. `eps`, added to the mean square, is the spacing of numbers at 1
/// where missing, of float32 for 16-bit floats.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not fit.
pub fn rms_norm(x: &Tensor, normalized_shape: &[usize], weight: Option<&Tensor>, eps: Option<f64>) -> Result<Tensor> {
    if normalized_shape.is_empty() || !x.shape().ends_with(normalized_shape) {
        let (x, row) = (Show(x.shape()), Show(normalized_shape));
        return Err(Error::shape(NAME, format_args!("input {x} does not end with normalized_shape {row}")));
    }
    // Of the type it is computed in, as PyTorch does it: that of a 16-bit one would swallow small inputs.
    let default = if x.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
    let op = RmsNorm { dims: normalized_shape.len(), eps: eps.unwrap_or(default) };
    with_parameters(op, x, weight, None)
}
