//! Elementwise functions of several tensors, or of one and some numbers, made of other operations.

use crate::array::Array;
use crate::autograd::op::apply;
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::ops::arithmetic::{add, div, floor_divide, mul, scalar, scale, sub};
use crate::ops::compare::{eq, ge, isnan, logical_not, logical_or};
use crate::ops::select::{ClampBetween, NanToNum, where_};
use crate::ops::{abs, cast, trunc};

/// `start + weight * (end - start)`, from the nearer end, so that both ends are exact.
///
/// # Errors
/// [`Error::DType`] for two dtypes, [`Error::Shape`] where the shapes do not broadcast.
pub fn lerp(start: &Tensor, end: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if start.dtype() != end.dtype() || !start.dtype().is_float() {
        let what = format_args!("from {} to {}; expected one float dtype", start.dtype(), end.dtype());
        return Err(Error::dtype("lerp", what));
    }
    if start.dtype().is_narrow() {
        // Rounded once.
        let wide = |x: &Tensor| cast(x, x.dtype().widened());
        return cast(&lerp(&wide(start)?, &wide(end)?, &wide(weight)?)?, start.dtype());
    }
    let distance = sub(end, start)?;
    let number = |value| scalar(Scalar::Float(value), weight.dtype());
    let rest = sub(weight, &number(1.0)?)?;
    let from_start = add(start, &mul(weight, &distance)?)?;
    // Of one weight for all only one side is computed.
    if weight.rank() == 0 && weight.array().item()?.to_f64().abs() < 0.5 {
        return Ok(from_start);
    }
    let from_end = add(end, &mul(&rest, &distance)?)?;
    if weight.rank() == 0 {
        return Ok(from_end);
    }
    let near_end = ge(&abs(weight)?, &number(0.5)?)?;
    where_(&near_end, &from_end, &from_start)
}

/// `x + value * a * b`.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn addcmul(x: &Tensor, a: &Tensor, b: &Tensor, value: f64) -> Result<Tensor> {
    let product = mul(a, b)?;
    add(x, &if value.to_bits() == 1f64.to_bits() { product } else { scale(&product, value)? })
}

/// `x + value * a / b`.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast; [`Error::DType`] for integers, whose ratio would be rounded.
pub fn addcdiv(x: &Tensor, a: &Tensor, b: &Tensor, value: f64) -> Result<Tensor> {
    if !a.dtype().is_float() && !b.dtype().is_float() {
        return Err(Error::dtype("addcdiv", "integers have no exact ratio; convert one of them with .float()"));
    }
    let ratio = div(a, b)?;
    add(x, &if value.to_bits() == 1f64.to_bits() { ratio } else { scale(&ratio, value)? })
}

/// `a / b` without its fraction.
///
/// # Errors
/// As [`div`]; [`Error::Value`] for a zero integer divisor.
pub fn div_trunc(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let dtype = a.dtype().promote("div", b.dtype())?;
    if dtype.is_float() {
        let quotient = trunc(&div(&a.detach(), &b.detach())?)?;
        if !(a.requires_grad() || b.requires_grad()) {
            return Ok(quotient);
        }
        // With the gradients of a function of steps, zero also where that of the quotient is not finite.
        return where_(&scalar(Scalar::Bool(true), DType::Bool)?, &quotient, &add(a, b)?);
    }
    // Down, and one up where that went away from zero: below it, with a rest.
    let (a, b) = (cast(a, dtype)?, cast(b, dtype)?);
    let down = floor_divide(&a, &b)?;
    let zero = scalar(Scalar::Int(0), dtype)?;
    let exact = eq(&mul(&down, &b)?, &a)?;
    let rounded_away = logical_not(&logical_or(&exact, &ge(&down, &zero)?)?)?;
    add(&down, &cast(&rounded_away, dtype)?)
}

/// `x` without the part before the point.
///
/// # Errors
/// [`Error::DType`] for integers.
pub fn frac(x: &Tensor) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Err(Error::dtype("frac", format_args!("expected a float dtype, got {}", x.dtype())));
    }
    sub(x, &trunc(x)?)
}

/// NaN and the infinities replaced by numbers; the infinities by the outermost finite ones where none are given.
///
/// # Errors
/// Only for lack of memory.
pub fn nan_to_num(x: &Tensor, nan: f64, above: Option<f64>, below: Option<f64>) -> Result<Tensor> {
    let Some(facts) = x.dtype().floats() else { return crate::ops::copy(x) };
    let infinities = [above.unwrap_or(facts.max), below.unwrap_or(-facts.max)];
    apply(NanToNum { nan, infinities }, &[x])
}

/// `x` kept between tensors of bounds, which broadcast; the upper one wins. NaN anywhere is NaN.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast, [`Error::Value`] when both bounds are missing.
pub fn clamp_between(x: &Tensor, lo: Option<&Tensor>, hi: Option<&Tensor>) -> Result<Tensor> {
    if lo.is_none() && hi.is_none() {
        return Err(Error::value("clamp", "at least one of min and max must be given"));
    }
    let dtype =
        [lo, hi].into_iter().flatten().try_fold(x.dtype(), |dtype, bound| dtype.promote("clamp", bound.dtype()))?;
    // In place of a bound that is missing, one that nothing passes.
    let (least, greatest) = match dtype.integers() {
        Some((least, greatest)) => (Scalar::Int(least), Scalar::Int(greatest)),
        None if dtype == DType::Bool => (Scalar::Bool(false), Scalar::Bool(true)),
        None => (Scalar::Float(f64::NEG_INFINITY), Scalar::Float(f64::INFINITY)),
    };
    let bound = |bound: Option<&Tensor>, open| bound.map_or_else(|| scalar(open, dtype), |bound| Ok(bound.clone()));
    apply(ClampBetween, &[x, &bound(lo, least)?, &bound(hi, greatest)?])
}

/// `values` where `x` is zero, else 0 below and 1 above.
///
/// # Errors
/// [`Error::DType`] for two dtypes, [`Error::Shape`] where the shapes do not broadcast.
pub fn heaviside(x: &Tensor, values: &Tensor) -> Result<Tensor> {
    if x.dtype() != values.dtype() {
        let what = format_args!("{} with values of {}", x.dtype(), values.dtype());
        return Err(Error::dtype("heaviside", what));
    }
    let (x, values) = (x.detach(), values.detach());
    let zero = Tensor::from(Array::zeros("heaviside", &[], x.dtype())?);
    let step = cast(&crate::ops::gt(&x, &zero)?, x.dtype())?;
    where_(&isnan(&x)?, &x, &where_(&eq(&x, &zero)?, &values, &step)?)
}
