//! Arithmetic on two tensors that broadcast, and negation.

use crate::array::Array;
use crate::autograd::inplace::is_replaced;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Promotion, Saves, apply, one};
use crate::autograd::tensor::{Tensor, Tracking};
use crate::creation::zeros;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::ops::over::{Arithmetic, Replaced, each, each_two, replace, unchanged};
use crate::ops::sample::{Domain, Params, Sample, broadcast_pairs, input, real, single};
use crate::ops::{self, sum_to};
use crate::with_dtype;
use dlcore_kernels::map::{self, Binary, Unary};
use smallvec::smallvec;

/// Runs the map `op` over `a` and `b`, broadcast. Both have one dtype.
pub(crate) fn binary(name: &str, op: Binary, a: &Array, b: &Array) -> Result<Outputs> {
    if is_replaced(a) {
        let in_one_pass = match op {
            Binary::Add => Some(Arithmetic::Add),
            Binary::Sub => Some(Arithmetic::Sub),
            Binary::Mul => Some(Arithmetic::Mul),
            Binary::Div => Some(Arithmetic::Div),
            _ => None,
        };
        if in_one_pass.is_some_and(|op| replace(op, a, b, Replaced::First)) {
            return Ok(single(a.clone()));
        }
    } else if a.shape() == b.shape() && a.layout().is_contiguous() && b.layout().is_contiguous() {
        // By far the most frequent case, which notices every step.
        let made = with_dtype!(a.dtype(), T => Array::build_as(name, a.dtype(), a.shape(), |out: &mut [T]| {
            map::binary(op, a.data::<T>(), a.strided(), b.data::<T>(), b.strided(), out);
            Ok(())
        }))?;
        return Ok(single(made));
    }
    Ok(single(with_dtype!(a.dtype(), T => each_two::<T>(name, [a, b], &|(a, at_a), (b, at_b), out| {
        map::binary(op, a, at_a, b, at_b, out);
    }))?))
}

/// Refuses bool, for which subtraction has no agreed meaning.
fn no_bool(name: &str, dtype: DType) -> Result<()> {
    if dtype == DType::Bool {
        let instead = if name == Neg::NAME { "logical_not" } else { "logical_xor" };
        return Err(Error::dtype(
            name,
            format_args!("bool tensors have no subtraction; use {instead}, or convert with .int()"),
        ));
    }
    Ok(())
}

/// Samples of a binary operation: every pair of shapes that broadcasts, with the second input from `domain`.
fn pairs<O: Clone>(op: &O, first: Domain, second: Domain) -> Vec<Sample<O>> {
    broadcast_pairs().into_iter().map(|[a, b]| Sample::new(op.clone(), [input(first, &a), input(second, &b)])).collect()
}

/// `a + b`.
#[derive(Clone, Debug)]
pub struct Add;

impl Operation for Add {
    const NAME: &'static str = "add";
    const PROMOTION: Promotion = Promotion::Common;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        // On truth values the sum is the union, as in numpy.
        let op = if inputs[0].dtype() == DType::Bool { Binary::Maximum } else { Binary::Add };
        binary(Self::NAME, op, inputs[0], inputs[1])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(smallvec![
            context.needs(0).then(|| sum_to(grad, context.shape(0))).transpose()?,
            context.needs(1).then(|| sum_to(grad, context.shape(1))).transpose()?,
        ])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        pairs(&Self, Domain::Real, Domain::Real)
    }
}

/// `a - b`.
#[derive(Clone, Debug)]
pub struct Sub;

impl Operation for Sub {
    const NAME: &'static str = "sub";
    const PROMOTION: Promotion = Promotion::Common;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        no_bool(Self::NAME, inputs[0].dtype())?;
        binary(Self::NAME, Binary::Sub, inputs[0], inputs[1])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(smallvec![
            context.needs(0).then(|| sum_to(grad, context.shape(0))).transpose()?,
            context.needs(1).then(|| neg(&sum_to(grad, context.shape(1))?)).transpose()?,
        ])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        pairs(&Self, Domain::Real, Domain::Real)
    }
}

/// `a * b`.
#[derive(Clone, Debug)]
pub struct Mul;

impl Operation for Mul {
    const NAME: &'static str = "mul";
    const PROMOTION: Promotion = Promotion::Common;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        binary(Self::NAME, Binary::Mul, inputs[0], inputs[1])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let with = |i: usize, other: usize| -> Result<Option<Tensor>> {
            if !context.needs(i) {
                return Ok(None);
            }
            Ok(Some(sum_to(&mul(grad, &context.input(other)?)?, context.shape(i))?))
        };
        Ok(smallvec![with(0, 1)?, with(1, 0)?])
    }

    fn saves(&self, needs: Needs) -> Saves {
        Saves::NOTHING.input_if(0, needs.input(1)).input_if(1, needs.input(0))
    }

    fn samples() -> Vec<Sample<Self>> {
        pairs(&Self, Domain::Real, Domain::Real)
    }
}

/// `a / b`, true division.
#[derive(Clone, Debug)]
pub struct Div;

impl Operation for Div {
    const NAME: &'static str = "div";
    const PROMOTION: Promotion = Promotion::Float;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        binary(Self::NAME, Binary::Div, inputs[0], inputs[1])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let b = context.input(1)?;
        let over_b = div(grad, &b)?;
        let a = if context.needs(0) { Some(sum_to(&over_b, context.shape(0))?) } else { None };
        let b = if context.needs(1) {
            // d(a/b)/db = -(a/b)/b
            let ratio = div(&context.input(0)?, &b)?;
            Some(sum_to(&neg(&mul(&over_b, &ratio)?)?, context.shape(1))?)
        } else {
            None
        };
        Ok(smallvec![a, b])
    }

    fn saves(&self, needs: Needs) -> Saves {
        Saves::NOTHING.input(1).input_if(0, needs.input(1))
    }

    fn samples() -> Vec<Sample<Self>> {
        pairs(&Self, Domain::Real, Domain::AwayFromZero)
    }
}

/// `-x`.
#[derive(Clone, Debug)]
pub struct Neg;

impl Operation for Neg {
    const NAME: &'static str = "neg";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        no_bool(Self::NAME, inputs[0].dtype())?;
        unary(Self::NAME, Unary::Neg, inputs[0])
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(neg(grad)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        vec![Sample::new(Self, [real(&[2, 3])]), Sample::new(Self, [real(&[])]), Sample::new(Self, [real(&[0])])]
    }
}

/// Runs the map `op` over `a`; any dtype.
pub(crate) fn unary(name: &str, op: Unary, a: &Array) -> Result<Outputs> {
    Ok(single(with_dtype!(a.dtype(), T => each(name, a, &|x: &[T], layout, out| map::unary(op, x, layout, out)))?))
}

/// `a ** b`.
#[derive(Clone, Debug)]
pub struct Pow;

impl Operation for Pow {
    const NAME: &'static str = "pow";
    const PROMOTION: Promotion = Promotion::Common;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        binary(Self::NAME, Binary::Pow, inputs[0], inputs[1])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (a, b) = (context.input(0)?, context.input(1)?);
        let zero = scalar(Scalar::Float(0.0), b.dtype())?;
        let base = if context.needs(0) {
            // b * a^(b-1); zero where b is zero, also at a = 0.
            let lowered = pow(&a, &sub(&b, &scalar(Scalar::Float(1.0), b.dtype())?)?)?;
            let slope = ops::where_(&ops::eq(&b, &zero)?, &zero, &mul(&b, &lowered)?)?;
            Some(sum_to(&mul(grad, &slope)?, context.shape(0))?)
        } else {
            None
        };
        let exponent = if context.needs(1) {
            // a^b ln a; zero at a = 0 with b >= 0, where the limit is zero though the logarithm is not finite.
            let flat = ops::logical_and(&ops::eq(&a, &zero)?, &ops::ge(&b, &zero)?)?;
            let slope = ops::where_(&flat, &zero, &mul(&context.output()?, &ops::log(&a)?)?)?;
            Some(sum_to(&mul(grad, &slope)?, context.shape(1))?)
        } else {
            None
        };
        Ok(smallvec![base, exponent])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        pairs(&Self, Domain::Positive, Domain::Real)
    }
}

macro_rules! extremum {
    ($(#[$doc:meta])* $name:ident, $text:literal, $kernel:expr, $loses:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name;

        impl Operation for $name {
            const NAME: &'static str = $text;
            const PROMOTION: Promotion = Promotion::Common;

            fn halves(&self) -> Halves {
                Halves::Stored
            }

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                binary(Self::NAME, $kernel, inputs[0], inputs[1])
            }

            fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
                let (a, b) = (context.input(0)?, context.input(1)?);
                let half = mul(grad, &scalar(Scalar::Float(0.5), grad.dtype())?)?;
                let zero = scalar(Scalar::Float(0.0), grad.dtype())?;
                // As in PyTorch: where both are equal each takes half, and NaN, which loses to nothing, takes all.
                let shared = ops::where_(&ops::eq(&a, &b)?, &half, grad)?;
                let mut gradients = Gradients::new();
                for (i, (this, other)) in [(&a, &b), (&b, &a)].into_iter().enumerate() {
                    gradients.push(if context.needs(i) {
                        let taken = ops::where_(&$loses(this, other)?, &zero, &shared)?;
                        Some(sum_to(&taken, context.shape(i))?)
                    } else {
                        None
                    });
                }
                Ok(gradients)
            }

            fn saves(&self, _: Needs) -> Saves {
                Saves::INPUTS
            }

            fn samples() -> Vec<Sample<Self>> {
                pairs(&Self, Domain::Real, Domain::Distinct)
            }
        }
    };
}
extremum!(
    /// The larger of `a` and `b`, NaN if either is.
    Maximum, "maximum", Binary::Maximum, ops::lt
);
extremum!(
    /// The smaller of `a` and `b`, NaN if either is.
    Minimum, "minimum", Binary::Minimum, ops::gt
);

/// How quotients become integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Down, of and by infinities as in the array API standard: infinities and zeros.
    Floor,
    /// Down, of and by infinities as in Python: NaN and -1.
    FloorByRest,
    /// Towards zero.
    Trunc,
}

/// `a // b`, rounded: constant almost everywhere.
#[derive(Clone, Debug)]
pub struct FloorDivide {
    /// Which of its neighbours the quotient becomes.
    pub rounding: Rounding,
}

impl Operation for FloorDivide {
    const NAME: &'static str = "floor_divide";
    const PROMOTION: Promotion = Promotion::Common;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        no_zero_divisor(Self::NAME, inputs[0], inputs[1])?;
        let map = match self.rounding {
            Rounding::Floor => Binary::FloorDivide,
            Rounding::FloorByRest => Binary::FloorDivideByRest,
            Rounding::Trunc => Binary::TruncDivide,
        };
        binary(Self::NAME, map, inputs[0], inputs[1])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let flat = |i: usize| context.needs(i).then(|| zeros(context.shape(i), grad.dtype())).transpose();
        Ok(smallvec![flat(0)?, flat(1)?])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |rounding| pairs(&Self { rounding }, Domain::Real, Domain::AwayFromZero);
        [Rounding::Floor, Rounding::Trunc].into_iter().flat_map(of).collect()
    }

    fn params(&self) -> Params {
        vec![("trunc", (self.rounding == Rounding::Trunc).into())]
    }
}

/// `a % b`, with the sign of `b`.
#[derive(Clone, Debug)]
pub struct Remainder;

impl Operation for Remainder {
    const NAME: &'static str = "remainder";
    const PROMOTION: Promotion = Promotion::Common;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        no_zero_divisor(Self::NAME, inputs[0], inputs[1])?;
        binary(Self::NAME, Binary::Remainder, inputs[0], inputs[1])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        // a - b * floor(a / b), the quotient being constant almost everywhere.
        let a = if context.needs(0) { Some(sum_to(grad, context.shape(0))?) } else { None };
        let b = if context.needs(1) {
            let quotient = floor_divide(&context.input(0)?.detach(), &context.input(1)?.detach())?;
            Some(sum_to(&neg(&mul(grad, &quotient)?)?, context.shape(1))?)
        } else {
            None
        };
        Ok(smallvec![a, b])
    }

    fn saves(&self, needs: Needs) -> Saves {
        Saves::NOTHING.input_if(0, needs.input(1)).input_if(1, needs.input(1))
    }

    fn samples() -> Vec<Sample<Self>> {
        pairs(&Self, Domain::Real, Domain::AwayFromZero)
    }
}

/// Integers have no value for a division by zero, which a `dividend` of no elements does not meet.
pub(super) fn no_zero_divisor(name: &str, dividend: &Array, divisor: &Array) -> Result<()> {
    if !divisor.dtype().is_float() && dividend.numel() > 0 && divisor.numel() > 0 {
        let zero = Array::full(name, &[], Scalar::Int(0), divisor.dtype())?;
        let found = ops::compare::compare(name, dlcore_kernels::map::Compare::Eq, divisor, &zero)?;
        if ops::reduce::any(&found)? {
            return Err(Error::value(name, "integer division by zero"));
        }
    }
    Ok(())
}

/// A 0-d tensor.
pub(crate) fn scalar(value: Scalar, dtype: DType) -> Result<Tensor> {
    Ok(Array::full("scalar", &[], value, dtype)?.into())
}

/// `x * factor`, in the dtype of `x`.
pub(crate) fn scale(x: &Tensor, factor: f64) -> Result<Tensor> {
    mul(x, &scalar(Scalar::Float(factor), x.dtype())?)
}

/// `x + term`, in the dtype of `x`.
pub(crate) fn shift(x: &Tensor, term: f64) -> Result<Tensor> {
    add(x, &scalar(Scalar::Float(term), x.dtype())?)
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident = $op:expr;)*) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// Shapes that do not broadcast, a dtype that the operation does not take.
        pub fn $name(a: &Tensor, b: &Tensor) -> Result<Tensor> {
            apply($op, &[a, b])
        }
    )* };
}
functions! {
    /// `a + b`.
    add = Add;
    /// `a * b`.
    mul = Mul;
    /// `a / b`.
    div = Div;
    /// The larger of each pair.
    maximum = Maximum;
    /// The smaller of each pair.
    minimum = Minimum;
    /// `a % b`, with the sign of `b`.
    remainder = Remainder;
    /// `a ** b`; of integers to negative powers, the rounded values.
    pow = Pow;
}

/// `x ** exponent`, where that takes another operation: squares, cubes, roots, reciprocals and the like of floats, a small
/// part of the time that any power takes. Roots are those of `sqrt`: NaN of minus infinity, minus zero of minus zero.
///
/// # Errors
/// Only for lack of memory.
pub fn easy_power(x: &Tensor, exponent: Scalar) -> Result<Option<Tensor>> {
    if !x.dtype().is_float() {
        return Ok(None);
    }
    let easy: fn(&Tensor) -> Result<Tensor> = match exponent.to_f64() {
        2.0 => ops::square,
        3.0 => ops::unary::cube,
        0.5 => ops::sqrt,
        1.0 => unchanged,
        0.0 if !x.requires_grad() => |x| crate::creation::full(x.shape(), Scalar::Int(1), Some(x.dtype())),
        -1.0 => ops::reciprocal,
        -2.0 => ops::unary::inverse_square,
        _ => return Ok(None),
    };
    easy(x).map(Some)
}

/// `a - b`.
///
/// # Errors
/// Shapes that do not broadcast, [`Error::DType`] where either is bool.
pub fn sub(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    no_bool(Sub::NAME, a.dtype())?;
    no_bool(Sub::NAME, b.dtype())?;
    apply(Sub, &[a, b])
}

/// `a // b`, without a gradient: who asks for one asks for it of a constant, and is told so.
///
/// # Errors
/// As [`div`]; [`Error::Value`] for a zero integer divisor.
pub fn floor_divide(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let floor_divide = FloorDivide { rounding: Rounding::Floor };
    if !(a.requires_grad() || b.requires_grad()) {
        return apply(floor_divide, &[a, b]);
    }
    let quotient = apply(floor_divide, &[&a.detach(), &b.detach()])?;
    Ok(if mode::is_recording() { quotient.moved(Tracking::Cut(FloorDivide::NAME)) } else { quotient })
}

/// `a / b` rounded down, of and by infinities as in Python, with the gradients of a function of steps: zeros.
///
/// # Errors
/// As [`floor_divide`].
pub fn div_floor(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(FloorDivide { rounding: Rounding::FloorByRest }, &[a, b])
}

/// `a / b` without its fraction, with gradients as [`div_floor`].
///
/// # Errors
/// As [`floor_divide`].
pub fn div_trunc(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(FloorDivide { rounding: Rounding::Trunc }, &[a, b])
}

/// `-x`.
///
/// # Errors
/// [`Error::DType`] for bool.
pub fn neg(x: &Tensor) -> Result<Tensor> {
    apply(Neg, &[x])
}

/// Adds `gradient` into the memory of `sum`, without recording: how leaves accumulate.
///
/// # Errors
/// Shapes or dtypes that differ.
pub fn accumulate_into(sum: &Array, gradient: &Array) -> Result<()> {
    if ops::over::accumulate("backward", map::Arithmetic::Add, sum, gradient) {
        return Ok(());
    }
    let total = binary("add", Binary::Add, sum, &gradient.cast("add", sum.dtype())?)?;
    sum.write("backward", &total[0])
}
