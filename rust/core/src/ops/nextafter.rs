//! The float next to another, by its bits: floats of one sign are ordered as their bits are as integers.

use crate::array::Array;
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::broadcast_shapes;
use crate::ops::arithmetic::{add, neg, scalar};
use crate::ops::{broadcast_to, cast, eq, gt, isnan, logical_or, logical_xor, where_};

/// The float next to each element of `x` in the direction of `y`; `y` where both are equal. It has no gradient.
///
/// # Errors
/// [`Error::DType`] for integers, [`Error::Shape`] for shapes that do not broadcast.
pub fn nextafter(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    const NAME: &str = "nextafter";
    let dtype = x.dtype().promote(NAME, y.dtype())?;
    let integers = match dtype {
        DType::F16 | DType::BF16 => DType::I16,
        DType::F32 => DType::I32,
        DType::F64 => DType::I64,
        other => return Err(Error::dtype(NAME, format_args!("expected a float dtype, got {other}"))),
    };
    let shape = broadcast_shapes(NAME, x.shape(), y.shape())?;
    let operand = |x: &Tensor| broadcast_to(&cast(&x.detach(), dtype)?, &shape);
    let (x, y) = (operand(x)?, operand(y)?);
    let read_as = |x: &Array, dtype| Ok::<_, Error>(Tensor::from(x.contiguous(NAME)?.reinterpret(NAME, dtype)?));
    let zero = scalar(Scalar::Int(0), dtype)?;
    let (up, positive) = (gt(&y, &x)?, gt(&x, &zero)?);
    // Away from zero the bits count up, towards it down.
    let (one, minus) = (scalar(Scalar::Int(1), integers)?, scalar(Scalar::Int(-1), integers)?);
    let step = where_(&logical_xor(&up, &positive)?, &minus, &one)?;
    let next = read_as(add(&read_as(x.array(), integers)?, &step)?.array(), dtype)?;
    // Next to zero is the smallest float.
    let least = read_as(one.array(), dtype)?;
    let next = where_(&eq(&x, &zero)?, &where_(&up, &least, &neg(&least)?)?, &next)?;
    let stays = logical_or(&eq(&x, &y)?, &isnan(&y)?)?;
    where_(&isnan(&x)?, &x, &where_(&stays, &y, &next)?)
}
