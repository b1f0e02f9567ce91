//! Euclidean norms over any set of dimensions.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::Result;
use crate::layout::Dims;
use crate::ops::arithmetic::{div, mul, scalar};
use crate::ops::matrix_stack::check_float;
use crate::ops::reduce::{kept_shape, over_dims, rows_of, sum};
use crate::ops::sample::{Domain, Params, Sample, input, single};
use crate::ops::{cast, eq, reshape, sqrt, square, where_};
use crate::with_float;
use dlcore_kernels::element::Element;
use dlcore_kernels::reduce;
use std::ops::Range;

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
        let Some((x, shape, cols)) = rows_of(x, &self.dims, self.keepdim) else {
            let x = Tensor::from(x.clone());
            let squares = |x: &Tensor| sum(&square(x)?, &self.dims, self.keepdim);
            let mut sums = squares(&x)?;
            if leaves_range(&sums)? {
                sums = squares(&cast(&x, DType::F64)?)?;
            }
            return Ok(single(cast(&sqrt(&sums)?, x.dtype())?.array().clone()));
        };
        Ok(single(with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, &shape, |out: &mut [T]| {
            reduce::length(x.elements::<T>(), cols, out);
            Ok(())
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        let kept = |y: &Tensor| reshape(y, &kept_shape(x.shape(), &self.dims));
        Ok(one(lengthened(&kept(grad)?, &x, &kept(&context.output()?)?)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    over_dims!(Domain::AwayFromZero);
}

/// Whether sums of squares may have been too large or too small for float32.
pub(super) fn leaves_range(sums: &Tensor) -> Result<bool> {
    Ok(sums.dtype() == DType::F32 && !all_within(sums, 1e-30..f64::INFINITY)?)
}

fn all_within(x: &Tensor, range: Range<f64>) -> Result<bool> {
    all(x, |x| range.contains(&x))
}

fn all(x: &Tensor, is_so: impl Fn(f64) -> bool) -> Result<bool> {
    /// Elements that are looked at without a way out, so that they can be side by side.
    const TOGETHER: usize = 1024;
    let x = x.array().contiguous(Length::NAME)?;
    with_float!(Length::NAME, x.dtype(), T => {
        let all = |x: &[T]| x.iter().fold(true, |all, x| all & is_so(x.to_f64()));
        Ok(x.elements::<T>().chunks(TOGETHER).all(all))
    })
}

/// Whether no usual number divided by any of these lengths, zeros left out, can leave the range.
pub(super) fn is_divisible(lengths: &Tensor) -> Result<bool> {
    let least = lengths.dtype().floats().map_or(0.0, |facts| facts.smallest_normal.sqrt());
    all(lengths, |length| length == 0.0 || (least..least.recip()).contains(&length))
}

/// What a gradient by lengths gives to `vectors`: `grad * vectors / lengths`, zero where a length is zero. What broadcasts
/// is the lengths.
pub(super) fn lengthened(grad: &Tensor, vectors: &Tensor, lengths: &Tensor) -> Result<Tensor> {
    let number = |value| scalar(Scalar::Int(value), lengths.dtype());
    let is_zero = eq(lengths, &number(0)?)?;
    let grad = where_(&is_zero, &number(0)?, grad)?;
    let divisors = where_(&is_zero, &number(1)?, lengths)?;
    // A division of fewer elements, where no quotient can leave the range.
    if is_divisible(&divisors)? { mul(&div(&grad, &divisors)?, vectors) } else { mul(&grad, &div(vectors, &divisors)?) }
}

/// The root of the sum of squares over `dims`.
///
/// # Errors
/// [`crate::Error::Index`] for a dimension out of range, [`crate::Error::DType`] for integers.
pub fn length(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
    apply(Length { dims: Dims::from_slice(dims), keepdim }, &[x])
}
