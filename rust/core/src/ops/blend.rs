//! Elementwise functions of several tensors, or of one and some numbers, made of other operations.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Promotion, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::broadcast_shapes;
use crate::ops::arithmetic::{add, div, floor_divide, mul, neg, scalar, scale, shift, sub};
use crate::ops::compare::{eq, ge, isnan, logical_not, logical_or};
use crate::ops::sample::{Sample, real, single};
use crate::ops::select::{ClampBetween, NanToNum, where_};
use crate::ops::{cast, sum_to, trunc};
use crate::with_float;
use dlcore_kernels::map;
use smallvec::smallvec;

/// `start + weight * (end - start)`, from the nearer end, so that both ends are exact.
#[derive(Clone, Debug)]
pub struct Lerp;

impl Operation for Lerp {
    const NAME: &'static str = "lerp";
    const PROMOTION: Promotion = Promotion::Common;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let shape = broadcast_shapes(Self::NAME, inputs[0].shape(), inputs[1].shape())?;
        let shape = broadcast_shapes(Self::NAME, &shape, inputs[2].shape())?;
        let start = inputs[0].broadcast(Self::NAME, &shape)?;
        let (end, weight) = (inputs[1].broadcast(Self::NAME, &shape)?, inputs[2].broadcast(Self::NAME, &shape)?);
        Ok(single(with_float!(Self::NAME, start.dtype(), T => Array::build(Self::NAME, &shape, |out: &mut [T]| {
            map::lerp(
                (start.data::<T>(), start.strided()),
                (end.data::<T>(), end.strided()),
                (weight.data::<T>(), weight.strided()),
                out,
            );
            Ok(())
        })?)))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let weight = context.input(2)?;
        let mut gradients: Gradients = smallvec![None, None, None];
        if context.needs(0) {
            let rest = shift(&neg(&weight)?, 1.0)?;
            gradients[0] = Some(sum_to(&mul(grad, &rest)?, context.shape(0))?);
        }
        if context.needs(1) {
            gradients[1] = Some(sum_to(&mul(grad, &weight)?, context.shape(1))?);
        }
        if context.needs(2) {
            let distance = sub(&context.input(1)?, &context.input(0)?)?;
            gradients[2] = Some(sum_to(&mul(grad, &distance)?, context.shape(2))?);
        }
        Ok(gradients)
    }

    fn saves(&self, needs: Needs) -> Saves {
        let ends = needs.input(2);
        Saves::NOTHING.input_if(0, ends).input_if(1, ends).input(2)
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |start: &[usize], end: &[usize], weight: &[usize]| {
            Sample::new(Self, [real(start), real(end), real(weight)])
        };
        vec![of(&[3, 4], &[3, 4], &[]), of(&[3, 1], &[4], &[3, 4]), of(&[], &[], &[]), of(&[0, 2], &[2], &[1])]
    }
}

/// `start + weight * (end - start)`, from the nearer end, so that both ends are exact.
///
/// # Errors
/// [`Error::DType`] for two dtypes, [`Error::Shape`] where the shapes do not broadcast.
pub fn lerp(start: &Tensor, end: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if start.dtype() != end.dtype() || !start.dtype().is_float() {
        let what = format_args!("from {} to {}; expected one float dtype", start.dtype(), end.dtype());
        return Err(Error::dtype("lerp", what));
    }
    if weight.rank() > 0 {
        return apply(Lerp, &[start, end, weight]);
    }
    // One number has no say in the dtype, and is not rounded to 16 bits itself.
    let dtype = if start.dtype().is_half() { DType::F32 } else { start.dtype() };
    cast(&apply(Lerp, &[&cast(start, dtype)?, &cast(end, dtype)?, &cast(weight, dtype)?])?, start.dtype())
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
