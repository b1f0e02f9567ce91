//! Elementwise functions of several tensors, or of one and some numbers, made of other operations.

use crate::array::Array;
use crate::autograd::inplace::beforehand;
use crate::autograd::node::Gradients;
use crate::autograd::op::{
    Context, Discrete, Halves, Needs, Operation, Outputs, Promotion, Saves, apply, apply_discrete,
};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::ops::arithmetic::{add, binary, div, mul, neg, scalar, scale, shift, sub};
use crate::ops::over::{each_three, unchanged};
use crate::ops::sample::{Domain, Params, Sample, broadcast_pairs, input, real, single};
use crate::ops::select::{ClampBetween, NanToNum};
use crate::ops::{cast, sum_to};
use crate::with_float;
use dlcore_kernels::element::Element;
use dlcore_kernels::map::{self, Binary};
use smallvec::smallvec;

/// `start + weight * (end - start)`, from the nearer end, so that both ends are exact.
#[derive(Clone, Debug)]
pub struct Lerp;

impl Operation for Lerp {
    const NAME: &'static str = "lerp";
    const PROMOTION: Promotion = Promotion::Common;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let all = [inputs[0], inputs[1], inputs[2]];
        Ok(single(with_float!(Self::NAME, all[0].dtype(), T => each_three::<T>(Self::NAME, all, &map::lerp))?))
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

macro_rules! add_scaled {
    ($(
        $(#[$doc:meta])*
        $Op:ident = $function:ident as $name:literal: $map:ident, $second:ident, $term:ident
            { |$context:ident, $scaled:ident| $gradients:expr }
    )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Op {
            /// The factor.
            pub value: f64,
        }

        impl Operation for $Op {
            const NAME: &'static str = $name;
            const PROMOTION: Promotion = Promotion::Common;

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                let (value, all) = (self.value, [inputs[0], inputs[1], inputs[2]]);
                Ok(single(with_float!(Self::NAME, all[0].dtype(), T => {
                    each_three::<T>(Self::NAME, all, &|x, a, b, out| map::$map(T::from_f64(value), x, a, b, out))
                })?))
            }

            fn backward(&self, $context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
                let $scaled = scale(grad, self.value)?;
                let [a, b]: [Option<Tensor>; 2] = $gradients;
                let summed = |grad: Option<Tensor>, i| grad.map(|grad| sum_to(&grad, $context.shape(i))).transpose();
                Ok(smallvec![summed($context.needs(0).then(|| grad.clone()), 0)?, summed(a, 1)?, summed(b, 2)?])
            }

            fn saves(&self, needs: Needs) -> Saves {
                Saves::NOTHING.input_if(1, needs.input(2)).input_if(2, needs.input(1) || needs.input(2))
            }

            fn samples() -> Vec<Sample<Self>> {
                let of = |value, x: &[usize], a: &[usize], b: &[usize]| {
                    Sample::new(Self { value }, [real(x), real(a), input(Domain::$second, b)])
                };
                vec![
                    of(0.5, &[3, 4], &[3, 4], &[3, 4]),
                    of(-2.0, &[4], &[3, 1], &[]),
                    of(1.0, &[], &[], &[]),
                    of(1.0, &[0, 2], &[2], &[1]),
                ]
            }

            fn params(&self) -> Params {
                vec![("value", self.value.into())]
            }
        }

        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::Shape`] where the shapes do not broadcast; [`Error::DType`] for integers, whose ratio would be
        /// rounded.
        pub fn $function(x: &Tensor, a: &Tensor, b: &Tensor, value: f64) -> Result<Tensor> {
            if x.dtype().is_float() && x.dtype() == a.dtype() && a.dtype() == b.dtype() {
                return apply($Op { value }, &[x, a, b]);
            }
            let term = beforehand(|| {
                let term = $term(a, b)?;
                if value.to_bits() == 1f64.to_bits() { Ok(term) } else { scale(&term, value) }
            })?;
            add(x, &term)
        }
    )* };
}

add_scaled! {
    /// `x + value * a * b`.
    AddProduct = addcmul as "addcmul": add_product, Real, mul
        { |c, g| [
            c.needs(1).then(|| mul(&g, &c.input(2)?)).transpose()?,
            c.needs(2).then(|| mul(&g, &c.input(1)?)).transpose()?,
        ] }
    /// `x + value * a / b`.
    AddRatio = addcdiv as "addcdiv": add_ratio, AwayFromZero, ratio
        { |c, g| {
            let over = |x: &Tensor| div(x, &c.input(2)?);
            [
                c.needs(1).then(|| over(&g)).transpose()?,
                c.needs(2).then(|| neg(&mul(&over(&g)?, &over(&c.input(1)?)?)?)).transpose()?,
            ]
        } }
}

/// `a + alpha * b`, in one pass where that is of floats.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast, [`Error::DType`] for an `alpha` that the dtype of the two cannot hold:
/// it does not change that.
pub fn add_multiple(a: &Tensor, b: &Tensor, alpha: Scalar) -> Result<Tensor> {
    multiple(a, b, alpha, 1.0, add)
}

/// `a - alpha * b`; see [`add_multiple`].
///
/// # Errors
/// As [`add_multiple`]; [`Error::DType`] where either is bool.
pub fn sub_multiple(a: &Tensor, b: &Tensor, alpha: Scalar) -> Result<Tensor> {
    multiple(a, b, alpha, -1.0, sub)
}

fn multiple(
    a: &Tensor,
    b: &Tensor,
    alpha: Scalar,
    sign: f64,
    combine: fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let dtype = a.dtype().promote("add", b.dtype())?;
    let alpha = match alpha {
        alpha if dtype.is_float() => {
            let factor = scalar(Scalar::Float(sign * alpha.to_f64()), dtype)?;
            return apply(AddProduct { value: 1.0 }, &[a, b, &factor]);
        }
        Scalar::Float(alpha) => {
            let what = format_args!("alpha={alpha} is no whole number, as the operands are ({dtype})");
            return Err(Error::dtype("add", what));
        }
        alpha if dtype == DType::Bool => Scalar::Bool(alpha.to_f64() != 0.0),
        // The number itself would make a signed dtype of an unsigned one.
        alpha => alpha.wrapped(dtype),
    };
    let multiple = beforehand(|| mul(&cast(b, dtype)?, &scalar(alpha, dtype)?))?;
    combine(a, &multiple)
}

/// `a / b`, of which one is a float.
fn ratio(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if !a.dtype().is_float() && !b.dtype().is_float() {
        return Err(Error::dtype("addcdiv", "integers have no exact ratio; convert one of them with .float()"));
    }
    div(a, b)
}

/// NaN and the infinities replaced by numbers; the infinities by the outermost finite ones where none are given.
///
/// # Errors
/// Only for lack of memory.
pub fn nan_to_num(x: &Tensor, nan: f64, above: Option<f64>, below: Option<f64>) -> Result<Tensor> {
    let Some(facts) = x.dtype().floats() else { return unchanged(x) };
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
#[derive(Clone, Debug)]
pub struct Heaviside;

impl Discrete for Heaviside {
    const NAME: &'static str = "heaviside";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        binary(Self::NAME, Binary::Heaviside, inputs[0], inputs[1])
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |[x, values]: [Vec<usize>; 2]| Sample::new(Self, [real(&x), real(&values)]);
        broadcast_pairs().into_iter().map(of).collect()
    }
}

/// `values` where `x` is zero, else 0 below and 1 above; NaN for NaN.
///
/// # Errors
/// [`Error::DType`] for two dtypes, [`Error::Shape`] where the shapes do not broadcast.
pub fn heaviside(x: &Tensor, values: &Tensor) -> Result<Tensor> {
    if x.dtype() != values.dtype() {
        let what = format_args!("{} with values of {}", x.dtype(), values.dtype());
        return Err(Error::dtype("heaviside", what));
    }
    Ok(apply_discrete(Heaviside, &[x, values])?.swap_remove(0))
}
