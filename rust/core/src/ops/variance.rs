//! Variance and standard deviation over any set of dimensions.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::Result;
use crate::layout::Dims;
use crate::ops::arithmetic::{mul, scale, sub};
use crate::ops::length::{leaves_range, lengthened};
use crate::ops::reduce::{Axes, any, count, kept_shape, mean, only_floats, rows_of, sum};
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::{cast, le, reshape, slice, sqrt, square};
use crate::with_float;
use dlcore_kernels::reduce;

/// Squared deviations from the mean over dimensions, summed and divided by their number less a correction; with `ROOT`
/// the root of that, which is a number also where the squares leave the range of the dtype. Its gradient is zero where it
/// is zero itself.
#[derive(Clone, Debug)]
pub struct Spread<const ROOT: bool> {
    /// Over which dimensions.
    pub dims: Dims,
    /// What is taken from the number of elements; 1 makes up for the mean's being that of the same elements.
    pub correction: f64,
    /// Whether the dimensions stay, with extent 1.
    pub keepdim: bool,
}

impl<const ROOT: bool> Spread<ROOT> {
    /// What is left of the number of elements.
    #[allow(clippy::cast_precision_loss, reason = "a count of elements in memory")]
    fn degrees(&self, shape: &[usize]) -> f64 {
        count(shape, &self.dims) as f64 - self.correction
    }

    /// The variance where the elements of one result do not lie side by side, and the mean.
    fn scattered(&self, x: &Tensor, degrees: f64) -> Result<[Tensor; 2]> {
        let mean = mean(x, &self.dims, true)?;
        let squares = square(&sub(x, &mean)?)?;
        Ok([scale(&sum(&squares, &self.dims, true)?, degrees.recip())?, mean])
    }
}

impl<const ROOT: bool> Operation for Spread<ROOT> {
    const NAME: &'static str = if ROOT { "std" } else { "var" };

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (x, dims) = (inputs[0], &self.dims);
        only_floats(Self::NAME, x.dtype())?;
        let degrees = self.degrees(x.shape()).max(0.0);
        if let Some((x, shape, cols)) = rows_of(x, dims, self.keepdim) {
            return Ok(single(with_float!(Self::NAME, x.dtype(), T => {
                Array::build(Self::NAME, &shape, |out: &mut [T]| {
                    let of_rows = if ROOT { reduce::deviation::<T> } else { reduce::variance::<T> };
                    of_rows(x.elements::<T>(), cols, degrees, out);
                    Ok(())
                })?
            })));
        }
        let x = Tensor::from(x.clone());
        let [mut variance, mean] = self.scattered(&x, degrees)?;
        if x.dtype() == DType::F32 && (ROOT && leaves_range(&variance)? || is_rounding(&variance, &mean)?) {
            [variance, _] = self.scattered(&cast(&x, DType::F64)?, degrees)?;
        } else if x.dtype() == DType::F64 && is_rounding(&variance, &mean)? {
            // Beside the first elements, the deviations of equal ones are zero.
            let mut first = x.clone();
            for &dim in dims {
                first = slice(&first, dim, 0, 1, 1)?;
            }
            [variance, _] = self.scattered(&sub(&x, &first)?, degrees)?;
        }
        let result = cast(&if ROOT { sqrt(&variance)? } else { variance }, x.dtype())?;
        let shape = Axes::new(Self::NAME, x.array(), dims, self.keepdim)?.shape;
        Ok(single(reshape(&result, &shape)?.array().clone()))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        let deviations = sub(&x, &mean(&x, &self.dims, true)?)?;
        let kept = |y: &Tensor| reshape(y, &kept_shape(x.shape(), &self.dims));
        let share = scale(&kept(grad)?, if ROOT { 1.0 } else { 2.0 } / self.degrees(x.shape()))?;
        Ok(one(if ROOT {
            lengthened(&share, &deviations, &kept(&context.output()?)?)
        } else {
            mul(&share, &deviations)
        }?))
    }

    fn saves(&self, _: Needs) -> Saves {
        if ROOT { Saves::INPUTS.outputs() } else { Saves::INPUTS }
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

/// Whether a variance may be no more than the rounding of the mean.
fn is_rounding(variance: &Tensor, mean: &Tensor) -> Result<bool> {
    let least = scale(&square(mean)?, (2.0 * f64::from(f32::EPSILON)).powi(2))?;
    any(le(variance, &least)?.array())
}

/// The variance over `dims`: squared deviations from the mean, summed and divided by their number less `correction`.
///
/// # Errors
/// [`crate::Error::Index`] for a dimension out of range, [`crate::Error::DType`] for integers.
pub fn var(x: &Tensor, dims: &[usize], correction: f64, keepdim: bool) -> Result<Tensor> {
    apply(Spread::<false> { dims: Dims::from_slice(dims), correction, keepdim }, &[x])
}

/// The standard deviation over `dims`: the root of [`var`]. Its gradient is zero where it is zero itself.
///
/// # Errors
/// As [`var`].
pub fn std(x: &Tensor, dims: &[usize], correction: f64, keepdim: bool) -> Result<Tensor> {
    apply(Spread::<true> { dims: Dims::from_slice(dims), correction, keepdim }, &[x])
}
