//! Functions of pairs of numbers beyond arithmetic: angles, signs, remainders, and the bits of integers.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{
    Context, Discrete, Halves, Needs, Operation, Outputs, Promotion, Saves, apply, apply_discrete,
};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::ops::arithmetic::{add, binary, div, mul, neg, no_zero_divisor, scalar, scale, shift, sub};
use crate::ops::over::each_two;
use crate::ops::sample::{Domain, Sample, broadcast_pairs, input, single};
use crate::ops::{
    eq, exp, isfinite, lgamma, log, logical_and, logical_not, sigmoid, sign, square, sum_to, trunc, where_,
};
use crate::with_stored_float;
use dlcore_kernels::map::{self, Binary, Bitwise, FloatBinary};
use smallvec::smallvec;
use std::f64::consts::LN_2;

/// Runs the map `op` over two floats, broadcast.
pub(super) fn float_binary(name: &str, op: FloatBinary, a: &Array, b: &Array) -> Result<Outputs> {
    Ok(single(with_stored_float!(name, a.dtype(), T => each_two::<T>(name, [a, b], &|(a, at_a), (b, at_b), out| {
        map::float_binary(op, a, at_a, b, at_b, out);
    }))?))
}

macro_rules! pairs {
    ($(
        $(#[$doc:meta])*
        $Op:ident = $function:ident as $name:literal: $promotion:ident, $first:ident, $second:ident
            { |$a:ident, $b:ident| $forward:expr }
            { |$x:ident, $y:ident, $grad:ident| $for_x:expr, $for_y:expr }
    )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Op;

        impl Operation for $Op {
            const NAME: &'static str = $name;
            const PROMOTION: Promotion = Promotion::$promotion;

            fn halves(&self) -> Halves {
                Halves::Stored
            }

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                let ($a, $b) = (inputs[0], inputs[1]);
                $forward
            }

            fn backward(&self, context: &Context<'_>, $grad: &Tensor) -> Result<Gradients> {
                let ($x, $y) = (&context.input(0)?, &context.input(1)?);
                Ok(smallvec![
                    context.needs(0).then(|| sum_to(&$for_x?, context.shape(0))).transpose()?,
                    context.needs(1).then(|| sum_to(&$for_y?, context.shape(1))).transpose()?,
                ])
            }

            fn saves(&self, _: Needs) -> Saves {
                Saves::INPUTS
            }

            fn samples() -> Vec<Sample<Self>> {
                let of = |[a, b]: [Vec<usize>; 2]| {
                    Sample::new(Self, [input(Domain::$first, &a), input(Domain::$second, &b)])
                };
                broadcast_pairs().into_iter().map(of).collect()
            }
        }

        $(#[$doc])*
        ///
        /// # Errors
        /// Shapes that do not broadcast, a dtype that the operation does not take.
        pub fn $function(a: &Tensor, b: &Tensor) -> Result<Tensor> {
            apply($Op, &[a, b])
        }
    )* };
}

pairs! {
    /// The angle of the point `(b, a)`.
    Atan2 = atan2 as "atan2": Float, AwayFromZero, AwayFromZero
        { |a, b| float_binary(Self::NAME, FloatBinary::Atan2, a, b) }
        { |x, y, grad| per_square(grad, y, x, y), neg(&per_square(grad, x, x, y)?) }
    /// `sqrt(a^2 + b^2)`, without overflow.
    Hypot = hypot as "hypot": Float, AwayFromZero, AwayFromZero
        { |a, b| float_binary(Self::NAME, FloatBinary::Hypot, a, b) }
        { |x, y, grad| mul(grad, &div(x, &hypot(x, y)?)?), mul(grad, &div(y, &hypot(x, y)?)?) }
    /// The size of `a` with the sign of `b`.
    Copysign = copysign as "copysign": Float, AwayFromZero, AwayFromZero
        { |a, b| float_binary(Self::NAME, FloatBinary::Copysign, a, b) }
        { |x, y, grad| mul(grad, &sign(&mul(x, &copysign(&sign(x)?, y)?)?)?),
          Ok::<_, Error>(Array::zeros("backward", grad.shape(), grad.dtype())?.into()) }
    /// `log(exp(a) + exp(b))`, without overflow.
    LogAddExp = logaddexp as "logaddexp": Float, Real, Real
        { |a, b| float_binary(Self::NAME, FloatBinary::LogAddExp, a, b) }
        { |x, y, grad| mul(grad, &share(x, y, 1.0)?), mul(grad, &share(y, x, 1.0)?) }
    /// `log2(2^a + 2^b)`, without overflow.
    LogAddExp2 = logaddexp2 as "logaddexp2": Float, Real, Real
        { |a, b| float_binary(Self::NAME, FloatBinary::LogAddExp2, a, b) }
        { |x, y, grad| mul(grad, &share(x, y, LN_2)?), mul(grad, &share(y, x, LN_2)?) }
    /// The part below `b` of the integral that is the gamma function of `a`. It has no derivative by `a` here.
    Igamma = igamma as "igamma": Float, Bool, Positive
        { |a, b| float_binary(Self::NAME, FloatBinary::Igamma, a, b) }
        { |x, y, grad| no_order(Self::NAME), mul(grad, &gamma_density(x, y)?) }
    /// The part above `b` of the integral that is the gamma function of `a`. It has no derivative by `a` here.
    Igammac = igammac as "igammac": Float, Bool, Positive
        { |a, b| float_binary(Self::NAME, FloatBinary::Igammac, a, b) }
        { |x, y, grad| no_order(Self::NAME), neg(&mul(grad, &gamma_density(x, y)?)?) }
    /// The remainder of `a` by `b` that has the sign of `a`.
    Fmod = fmod as "fmod": Common, Real, AwayFromZero
        { |a, b| { no_zero_divisor(Self::NAME, a, b)?; binary(Self::NAME, Binary::Fmod, a, b) } }
        { |x, y, grad| Ok::<_, Error>(grad.clone()), neg(&mul(grad, &trunc(&div(&x.detach(), &y.detach())?)?)?) }
}

/// The share of `base^x` in its sum with `base^y`, half of equals; `rate` is the base's logarithm.
fn share(x: &Tensor, y: &Tensor, rate: f64) -> Result<Tensor> {
    // Equal infinities have no difference.
    let endless = logical_and(&eq(x, y)?, &logical_not(&isfinite(x)?)?)?;
    let zero = scalar(Scalar::Float(0.0), x.dtype())?;
    let apart = sub(&where_(&endless, &zero, x)?, &where_(&endless, &zero, y)?)?;
    sigmoid(&scale(&apart, rate)?)
}

/// `y^(x - 1) exp(-y) / gamma(x)`.
fn gamma_density(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let x = &x.detach();
    exp(&sub(&sub(&mul(&shift(x, -1.0)?, &log(y)?)?, y)?, &lgamma(x)?)?)
}

/// What the incomplete gamma functions lack, as in PyTorch.
fn no_order(op: &str) -> Result<Tensor> {
    Err(Error::gradient(op, "there is no derivative by the first argument; detach() it"))
}

/// `grad * above / (x^2 + y^2)`, zero at the origin.
fn per_square(grad: &Tensor, above: &Tensor, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let squares = add(&square(x)?, &square(y)?)?;
    let [zero, one] = [0.0, 1.0].map(|value| scalar(Scalar::Float(value), squares.dtype()));
    mul(grad, &div(above, &where_(&eq(&squares, &zero?)?, &one?, &squares)?)?)
}

/// Runs `op` over two tensors of integers or truth values, broadcast.
fn bitwise(name: &str, op: Bitwise, a: &Array, b: &Array) -> Result<Outputs> {
    macro_rules! run {
        ($t:ty) => {
            each_two::<$t>(name, [a, b], &|(a, at_a), (b, at_b), out| map::bitwise(op, a, at_a, b, at_b, out))
        };
    }
    Ok(single(match a.dtype() {
        DType::Bool | DType::U8 => run!(u8),
        DType::U16 => run!(u16),
        DType::U32 => run!(u32),
        DType::U64 => run!(u64),
        DType::I8 => run!(i8),
        DType::I16 => run!(i16),
        DType::I32 => run!(i32),
        DType::I64 => run!(i64),
        other => Err(Error::dtype(name, format_args!("expected integers or bool, got {other}"))),
    }?))
}

macro_rules! bitwise {
    ($($(#[$doc:meta])* $Op:ident = $function:ident as $name:literal: $kernel:ident, bool: $bool:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Op;

        impl Discrete for $Op {
            const NAME: &'static str = $name;
            const PROMOTION: Promotion = Promotion::Common;

            fn halves(&self) -> Halves {
                Halves::Stored
            }

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                if !$bool && inputs[0].dtype() == DType::Bool {
                    return Err(Error::dtype(Self::NAME, "expected integers, got bool; convert with .int()"));
                }
                bitwise(Self::NAME, Bitwise::$kernel, inputs[0], inputs[1])
            }

            fn samples() -> Vec<Sample<Self>> {
                let of = |[a, b]: [Vec<usize>; 2]| {
                    Sample::new(Self, [input(Domain::Index(9), &a), input(Domain::Index(5), &b)])
                };
                broadcast_pairs().into_iter().map(of).collect()
            }
        }

        $(#[$doc])*
        ///
        /// # Errors
        /// Shapes that do not broadcast; [`Error::DType`] for floats.
        pub fn $function(a: &Tensor, b: &Tensor) -> Result<Tensor> {
            Ok(apply_discrete($Op, &[a, b])?.swap_remove(0))
        }
    )* };
}
bitwise! {
    /// Bits that are 1 in both.
    BitwiseAnd = bitwise_and as "bitwise_and": And, bool: true;
    /// Bits that are 1 in either.
    BitwiseOr = bitwise_or as "bitwise_or": Or, bool: true;
    /// Bits that are 1 in one of both.
    BitwiseXor = bitwise_xor as "bitwise_xor": Xor, bool: true;
    /// `a` moved up by `b` bits.
    ShiftLeft = bitwise_left_shift as "bitwise_left_shift": ShiftLeft, bool: false;
    /// `a` moved down by `b` bits, its sign staying.
    ShiftRight = bitwise_right_shift as "bitwise_right_shift": ShiftRight, bool: false;
    /// The greatest common divisor.
    Gcd = gcd as "gcd": Gcd, bool: false;
    /// The least common multiple.
    Lcm = lcm as "lcm": Lcm, bool: false;
}

/// Every bit changed; of truth values the other one.
///
/// # Errors
/// [`Error::DType`] for floats.
pub fn bitwise_not(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::Bool => bitwise_xor(x, &scalar(Scalar::Bool(true), DType::Bool)?),
        dtype if dtype.is_float() => {
            Err(Error::dtype("bitwise_not", format_args!("expected integers or bool, got {dtype}")))
        }
        dtype => {
            let value = if dtype.is_unsigned() { dtype.integers().map_or(0, |(_, greatest)| greatest) } else { -1 };
            bitwise_xor(x, &scalar(Scalar::Int(value), dtype)?)
        }
    }
}

/// Hurwitz's zeta function of `a` at `b`: the sum of `1 / (k + b)^a` over `k` from 0 on.
#[derive(Clone, Debug)]
pub struct Zeta;

impl Discrete for Zeta {
    const NAME: &'static str = "zeta";
    const PROMOTION: Promotion = Promotion::Float;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        float_binary(Self::NAME, FloatBinary::Zeta, inputs[0], inputs[1])
    }

    fn samples() -> Vec<Sample<Self>> {
        let of =
            |[a, b]: [Vec<usize>; 2]| Sample::new(Self, [input(Domain::AboveOne, &a), input(Domain::Positive, &b)]);
        broadcast_pairs().into_iter().map(of).collect()
    }
}

/// Hurwitz's zeta function of `a` at `b`.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn zeta(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Ok(apply_discrete(Zeta, &[a, b])?.swap_remove(0))
}
