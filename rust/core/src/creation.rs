//! Tensors from nothing: filled, counted, copied from a slice.

use crate::array::{Array, Native};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Show, numel};
use crate::with_element;
use dlcore_kernels::copy;

/// Every element `value`; of the value's own dtype unless another is asked for.
///
/// # Errors
/// [`Error::Value`] for an impossible shape, [`Error::Memory`] where there is none.
pub fn full(shape: &[usize], value: Scalar, dtype: Option<DType>) -> Result<Tensor> {
    Ok(Array::full("full", shape, value, dtype.unwrap_or_else(|| value.default_dtype()))?.into())
}

/// Zeros.
///
/// # Errors
/// As [`full`].
pub fn zeros(shape: &[usize], dtype: DType) -> Result<Tensor> {
    Ok(Array::zeros("zeros", shape, dtype)?.into())
}

/// Ones.
///
/// # Errors
/// As [`full`].
pub fn ones(shape: &[usize], dtype: DType) -> Result<Tensor> {
    Ok(Array::full("ones", shape, Scalar::Int(1), dtype)?.into())
}

/// The `values` in row-major order.
///
/// # Errors
/// [`Error::Shape`] where their number is not that of `shape`.
pub fn from_values<T: Native>(values: &[T], shape: &[usize]) -> Result<Tensor> {
    if numel("tensor", shape)? != values.len() {
        return Err(Error::shape("tensor", format_args!("{} values for shape {}", values.len(), Show(shape))));
    }
    Ok(Array::from_slice("tensor", values, shape)?.into())
}

/// `start`, `start + step`, ... as long as below `end` (above it for a negative step). int64 if all three are
/// integers, otherwise the default float dtype, unless a dtype is given.
///
/// # Errors
/// [`Error::Value`] for a step of zero or away from `end`, for bounds that are not finite and for too many elements;
/// [`Error::DType`] for bool.
pub fn arange(start: Scalar, end: Scalar, step: Scalar, dtype: Option<DType>) -> Result<Tensor> {
    const NAME: &str = "arange";
    // Counted in the integers that int64 makes of the three, as in PyTorch.
    let whole = |value: Scalar| if dtype == Some(DType::I64) { truncated(value) } else { value };
    let [start, end, step] = [start, end, step].map(whole);
    let (from, to, by) = (start.to_f64(), end.to_f64(), step.to_f64());
    if !(from.is_finite() && to.is_finite() && by.is_finite()) {
        return Err(Error::value(NAME, format_args!("expected finite bounds, got {from} to {to} by {by}")));
    }
    if by == 0.0 || (to - from) * by.signum() < 0.0 {
        return Err(Error::value(NAME, format_args!("a step of {by} does not lead from {from} to {to}")));
    }
    let integers = match [start, end, step].map(integer) {
        [Some(start), Some(end), Some(step)] => Some((start, end, step)),
        _ => None,
    };
    let count = match integers {
        Some((start, end, step)) => {
            (i128::from(end) - i128::from(start)).unsigned_abs().div_ceil(step.unsigned_abs().into())
        }
        None => count_from((to - from) / by),
    };
    let too_many = |_| Error::value(NAME, format_args!("{count} elements are too many"));
    let count = usize::try_from(count).map_err(too_many)?;
    let dtype = dtype.unwrap_or_else(|| if integers.is_some() { DType::I64 } else { DType::default_float() });
    let array = match (dtype, integers) {
        (DType::Bool, _) => return Err(Error::dtype(NAME, "expected a dtype of numbers, got bool")),
        // Counted in int64, which holds every element exactly, and then converted.
        (_, Some((start, _, step))) => Array::build(NAME, &[count], |out: &mut [i64]| {
            copy::arange(start, step, out);
            Ok(())
        })?,
        _ => Array::build(NAME, &[count], |out: &mut [f64]| {
            copy::arange(from, by, out);
            Ok(())
        })?,
    };
    Ok(array.cast(NAME, dtype)?.into())
}

/// A finite float of int64's range without its fraction; anything else as it is.
fn truncated(value: Scalar) -> Scalar {
    match value {
        #[allow(clippy::cast_possible_truncation, reason = "in range")]
        Scalar::Float(value) if value.abs() < 9e18 => Scalar::Int(value as i128),
        other => other,
    }
}

fn integer(value: Scalar) -> Option<i64> {
    match value {
        Scalar::Bool(value) => Some(value.into()),
        Scalar::Int(value) => i64::try_from(value).ok(),
        Scalar::Float(_) => None,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; too many are refused later")]
fn count_from(steps: f64) -> u128 {
    steps.ceil() as u128
}

/// `steps` evenly spaced values from `start` to `end`, both included.
///
/// # Errors
/// [`Error::DType`] for bool, [`Error::Value`] for an impossible size.
pub fn linspace(start: f64, end: f64, steps: usize, dtype: DType) -> Result<Tensor> {
    if dtype == DType::Bool {
        return Err(Error::dtype("linspace", "expected a dtype of numbers, got bool"));
    }
    // Integers between integers, as in PyTorch.
    let [start, end] = [start, end].map(|bound| if dtype.is_float() { bound } else { bound.trunc() });
    if dtype.integers().is_some() {
        for bound in [start, end] {
            dtype.check("linspace", Scalar::Float(bound))?;
        }
    }
    // 16-bit floats from float64, so that they are rounded once.
    let wide = if dtype.is_half() { DType::F64 } else { dtype.widened() };
    let array = with_element!(wide, T => Array::build("linspace", &[steps], |out: &mut [T]| {
        copy::linspace(start, end, out);
        Ok(())
    }))?;
    Ok(array.cast("linspace", dtype)?.into())
}

/// `base` to the powers of [`linspace`] from `start` to `end`, computed in float64; of integers without the fraction.
///
/// # Errors
/// As [`linspace`].
pub fn logspace(start: f64, end: f64, steps: usize, base: f64, dtype: DType) -> Result<Tensor> {
    if dtype == DType::Bool {
        return Err(Error::dtype("logspace", "expected a dtype of numbers, got bool"));
    }
    let [start, end] = [start, end].map(|bound| if dtype.is_float() { bound } else { bound.trunc() });
    let array = Array::build("logspace", &[steps], |out: &mut [f64]| {
        copy::linspace(start, end, out);
        for power in &mut *out {
            *power = base.powf(*power);
        }
        Ok(())
    })?;
    Ok(array.cast("logspace", dtype)?.into())
}

/// The matrix of `rows` by `columns` with ones on its main diagonal.
///
/// # Errors
/// As [`full`].
pub fn eye(rows: usize, columns: usize, dtype: DType) -> Result<Tensor> {
    let wide = dtype.widened();
    let array = with_element!(wide, T => Array::build_as("eye", wide, &[rows, columns], |out: &mut [T]| {
        copy::eye(columns, out);
        Ok(())
    }))?;
    Ok(array.cast("eye", dtype)?.into())
}
