//! Euclidean norms over any set of dimensions.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::Scalar;
use crate::error::Result;
use crate::layout::Dims;
use crate::ops::arithmetic::{div, mul, scalar};
use crate::ops::matrix_stack::check_float;
use crate::ops::reduce::{over_dims, restore, rows_of, sum};
use crate::ops::sample::{Domain, Params, Sample, input, single};
use crate::ops::{eq, sqrt, square, where_};
use crate::with_float;
use dlcore_kernels::reduce;

/// The root of the sum of squares over dimensions. Its gradient is zero where it is zero itself.
#[derive(Clone, Debug)]
pub struct Length {
    /// Over which dimensions.
    pub dims: Dims,
    /// Whether they stay, with extent 1.
    pub keepdim: bool,
}

impl Operation for Length {
    const NAME: &'static str = "norm";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0];
        check_float(Self::NAME, x.dtype())?;
        let Some((shape, cols)) = rows_of(x, &self.dims, self.keepdim) else {
            let squares = sum(&square(&Tensor::from(x.clone()))?, &self.dims, self.keepdim)?;
            return Ok(single(sqrt(&squares)?.array().clone()));
        };
        Ok(single(with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, &shape, |out: &mut [T]| {
            reduce::length(x.elements::<T>(), cols, out);
            Ok(())
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (x, length) = (context.input(0)?, context.output()?);
        let number = |value| scalar(Scalar::Int(value), length.dtype());
        let divisor = where_(&eq(&length, &number(0)?)?, &number(1)?, &length)?;
        Ok(one(mul(&restore(&div(grad, &divisor)?, x.shape(), &self.dims)?, &x)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    over_dims!(Domain::AwayFromZero);
}

/// The root of the sum of squares over `dims`.
///
/// # Errors
/// [`crate::Error::Index`] for a dimension out of range, [`crate::Error::DType`] for integers.
pub fn length(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
    apply(Length { dims: Dims::from_slice(dims), keepdim }, &[x])
}
