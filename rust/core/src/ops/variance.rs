//! Variance and standard deviation over any set of dimensions.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::Scalar;
use crate::error::Result;
use crate::layout::Dims;
use crate::ops::arithmetic::{mul, scalar, scale, sub};
use crate::ops::cast::widened;
use crate::ops::reduce::{count, mean, only_floats, restore, rows_of, sum};
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::{eq, sqrt, square, where_};
use crate::with_float;
use dlcore_kernels::reduce;

/// Squared deviations from the mean over dimensions, summed and divided by their number less a correction.
#[derive(Clone, Debug)]
pub struct Variance {
    /// Over which dimensions.
    pub dims: Dims,
    /// What is taken from the number of elements; 1 makes up for the mean's being that of the same elements.
    pub correction: f64,
    /// Whether the dimensions stay, with extent 1.
    pub keepdim: bool,
}

impl Variance {
    /// What is left of the number of elements.
    #[allow(clippy::cast_precision_loss, reason = "a count of elements in memory")]
    fn degrees(&self, shape: &[usize]) -> f64 {
        count(shape, &self.dims) as f64 - self.correction
    }
}

impl Operation for Variance {
    const NAME: &'static str = "var";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (x, dims) = (inputs[0], &self.dims);
        only_floats(Self::NAME, x.dtype())?;
        let degrees = self.degrees(x.shape()).max(0.0);
        let Some((shape, cols)) = rows_of(x, dims, self.keepdim) else {
            let x = Tensor::from(x.clone());
            let deviations = square(&sub(&x, &mean(&x, dims, true)?)?)?;
            return Ok(single(scale(&sum(&deviations, dims, self.keepdim)?, degrees.recip())?.array().clone()));
        };
        Ok(single(with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, &shape, |out: &mut [T]| {
            reduce::variance(x.elements::<T>(), cols, degrees, out);
            Ok(())
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        let deviations = sub(&x, &mean(&x, &self.dims, true)?)?;
        let share = scale(grad, 2.0 / self.degrees(x.shape()))?;
        Ok(one(mul(&restore(&share, x.shape(), &self.dims)?, &deviations)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize], dims: &[usize], correction, keepdim| {
            Sample::new(Self { dims: Dims::from_slice(dims), correction, keepdim }, [real(shape)])
        };
        vec![
            of(&[3, 7], &[0, 1], 1.0, false),
            of(&[3, 7], &[1], 0.0, true),
            of(&[3, 7], &[0], 1.0, false),
            of(&[2, 3, 4], &[1, 2], 1.5, false),
            of(&[2, 3, 4], &[0, 2], 1.0, true),
            of(&[4], &[], 0.0, false),
            of(&[], &[], 0.0, false),
            of(&[0, 3], &[1], 1.0, false),
        ]
    }

    fn params(&self) -> Params {
        vec![
            ("dim", self.dims.as_slice().into()),
            ("correction", self.correction.into()),
            ("keepdim", self.keepdim.into()),
        ]
    }
}

/// The variance over `dims`: squared deviations from the mean, summed and divided by their number less `correction`.
///
/// # Errors
/// [`crate::Error::Index`] for a dimension out of range, [`crate::Error::DType`] for integers.
pub fn var(x: &Tensor, dims: &[usize], correction: f64, keepdim: bool) -> Result<Tensor> {
    apply(Variance { dims: Dims::from_slice(dims), correction, keepdim }, &[x])
}

/// The standard deviation over `dims`: the root of [`var`]. Its gradient is zero where it is zero itself.
///
/// # Errors
/// As [`var`].
pub fn std(x: &Tensor, dims: &[usize], correction: f64, keepdim: bool) -> Result<Tensor> {
    only_floats("std", x.dtype())?;
    widened(x, |x| {
        let variance = var(x, dims, correction, keepdim)?;
        if !variance.requires_grad() {
            return sqrt(&variance);
        }
        let zero = scalar(Scalar::Float(0.0), x.dtype())?;
        let flat = eq(&variance, &zero)?;
        let positive = where_(&flat, &scalar(Scalar::Float(1.0), x.dtype())?, &variance)?;
        where_(&flat, &zero, &sqrt(&positive)?)
    })
}
