//! What floats are made of: the float next to another, by its bits, as floats of one sign are ordered as their bits are as
//! integers; mantissa and exponent.

use crate::array::Array;
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::broadcast_shapes;
use crate::ops::arithmetic::{mul, neg, scalar, scale, sub};
use crate::ops::pairs::bitwise_right_shift;
use crate::ops::{abs, cast, exp2, floor, gt, isfinite, logical_and, lt, where_};
use dlcore_kernels::map;

/// The float next to each element of `x` in the direction of `y`; `y` where both are equal. It has no gradient.
///
/// # Errors
/// [`Error::DType`] for integers, [`Error::Shape`] for shapes that do not broadcast.
pub fn nextafter(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    const NAME: &str = "nextafter";
    let dtype = x.dtype().promote(NAME, y.dtype())?;
    let shape = broadcast_shapes(NAME, x.shape(), y.shape())?;
    macro_rules! run {
        ($integer:ident as $t:ty, $infinity:expr) => {{
            let bits = |x: &Tensor| {
                let bits = cast(&x.detach(), dtype)?.array().contiguous(NAME)?.reinterpret(NAME, DType::$integer)?;
                bits.expand(NAME, &shape)
            };
            let (x, y) = (bits(x)?, bits(y)?);
            Array::build(NAME, &shape, |out: &mut [$t]| {
                map::next_after($infinity, x.data::<$t>(), x.strided(), y.data::<$t>(), y.strided(), out);
                Ok(())
            })?
        }};
    }
    let next = match dtype {
        DType::F16 => run!(I16 as i16, 0x7c00),
        DType::BF16 => run!(I16 as i16, 0x7f80),
        DType::F32 => run!(I32 as i32, 0x7f80_0000),
        DType::F64 => run!(I64 as i64, 0x7ff0_0000_0000_0000),
        other => return Err(Error::dtype(NAME, format_args!("expected a float dtype, got {other}"))),
    };
    Ok(next.reinterpret(NAME, dtype)?.into())
}

/// `x` as `mantissa * 2^exponent`, the size of the mantissa from 0.5 up to 1, the exponent int32. Zero and what is not
/// finite is its own mantissa, with the exponent 0.
///
/// # Errors
/// [`Error::DType`] for integers.
pub fn frexp(x: &Tensor) -> Result<(Tensor, Tensor)> {
    const NAME: &str = "frexp";
    if !x.dtype().is_float() {
        return Err(Error::dtype(NAME, format_args!("expected a float dtype, got {}", x.dtype())));
    }
    // In float64 no float32 is subnormal, and neither power below leaves its range.
    let wide = cast(x, DType::F64)?;
    let number = |value| scalar(Scalar::Float(value), DType::F64);
    let size = abs(&wide.detach())?;
    let plain = logical_and(&gt(&size, &number(0.0)?)?, &isfinite(&size)?)?;
    let size = where_(&plain, &size, &number(0.5)?)?;
    // Subnormal float64 first become others.
    let small = lt(&size, &number(f64::MIN_POSITIVE)?)?;
    let lifted = where_(&small, &scale(&size, 2f64.powi(54))?, &size)?;
    let bits = Tensor::from(lifted.array().contiguous(NAME)?.reinterpret(NAME, DType::I64)?);
    let exponent = bitwise_right_shift(&bits, &scalar(Scalar::Int(52), DType::I64)?)?;
    let offset = where_(&small, &scalar(Scalar::Int(1022 + 54), DType::I64)?, &scalar(Scalar::Int(1022), DType::I64)?)?;
    let exponent = sub(&exponent, &offset)?;
    let power = neg(&cast(&exponent, DType::F64)?)?;
    let half = floor(&scale(&power, 0.5)?)?;
    let mantissa = mul(&mul(&wide, &exp2(&half)?)?, &exp2(&sub(&power, &half)?)?)?;
    Ok((cast(&mantissa, x.dtype())?, cast(&exponent, DType::I32)?))
}
