//! Functions of one tensor, element by element: one table, a line for the value above a line for the gradient.
//!
//! Where a gradient has a kernel of its own, that kernel runs when nothing is recorded; its composition from other
//! operations runs when gradients of gradients are wanted.

use crate::array::Array;
use crate::autograd::inplace::is_replaced;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Promotion, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::ops::arithmetic::{add, div, mul, neg, scalar, scale, shift, sub, unary};
use crate::ops::order::kept;
use crate::ops::over::each;
use crate::ops::sample::{Domain, Sample, input, single};
use crate::ops::select::{clamp_over, in_steps};
use crate::ops::{eq, le, lt, where_};
use crate::with_stored_float;
use dlcore_kernels::map::{self, FloatBinary, FloatUnary, Unary};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, LN_2, LN_10, PI, SQRT_2, TAU};

/// Runs a map of floats over `x`.
pub(crate) fn float_unary(name: &str, op: FloatUnary, x: &Array) -> Result<Outputs> {
    Ok(single(with_stored_float!(name, x.dtype(), T => each(name, x, &|x: &[T], layout, out| {
        map::float_unary(op, x, layout, out);
    }))?))
}

/// Runs a rounding over `x`; integers are whole already.
fn rounding(name: &str, op: FloatUnary, x: &Array) -> Result<Outputs> {
    if x.dtype().is_float() {
        return float_unary(name, op, x);
    }
    Ok(single(if is_replaced(x) { x.clone() } else { x.copy(name)? }))
}

macro_rules! trigonometric {
    ($($function:ident),*) => { $(
        pub fn $function(name: &str, x: &Array) -> Result<Outputs> {
            Ok(single(with_stored_float!(name, x.dtype(), T => each(name, x, &map::$function::<T>))?))
        }
    )* };
}
/// The kernels of sine, cosine, tangent and what is made of the sine: maps of their own, as large angles need care.
mod angle {
    use super::{Array, Outputs, Result, each, map, single, with_stored_float};
    trigonometric!(sin, cos, tan, sinc);
}

/// A gradient by its kernel `op` on the incoming gradient and what was saved; composed while recording.
fn fused(op: FloatBinary, grad: &Tensor, saved: &Tensor, composed: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
    if mode::is_recording() {
        return composed();
    }
    let slope = kept([saved.array(), grad.array()], |[s, g]| {
        with_stored_float!("backward", s.dtype(), T => Array::build("backward", s.shape(), |out: &mut [T]| {
            map::float_binary(op, g.data::<T>(), g.strided(), s.data::<T>(), s.strided(), out);
            Ok(())
        }))
    })?;
    Ok(slope.into())
}

/// The gradient of a step function.
fn flat(grad: &Tensor) -> Result<Tensor> {
    Ok(Array::zeros("backward", grad.shape(), grad.dtype())?.into())
}

macro_rules! elementwise {
    ($(
        $(#[$doc:meta])*
        $Op:ident = $function:ident as $name:literal: $promotion:ident, $domain:ident, saves $saves:ident
            { |$x:ident| $forward:expr }
            { |$context:ident, $grad:ident| $backward:expr }
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
                let $x = inputs[0];
                $forward
            }

            fn backward(&self, $context: &Context<'_>, $grad: &Tensor) -> Result<Gradients> {
                Ok(one($backward?))
            }

            fn saves(&self, _: Needs) -> Saves {
                Saves::$saves
            }

            fn samples() -> Vec<Sample<Self>> {
                let of = |shape: &[usize]| Sample::new(Self, [input(Domain::$domain, shape)]);
                vec![of(&[3, 7]), of(&[]), of(&[0, 2])]
            }
        }

        $(#[$doc])*
        ///
        /// # Errors
        /// A dtype that the operation does not take.
        pub fn $function(x: &Tensor) -> Result<Tensor> {
            apply($Op, &[x])
        }
    )* };
}

elementwise! {
    /// `e ** x`.
    Exp = exp as "exp": Float, Real, saves OUTPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Exp, x) }
        { |c, g| mul(g, &c.output()?) }
    /// `2 ** x`.
    Exp2 = exp2 as "exp2": Float, Real, saves OUTPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Exp2, x) }
        { |c, g| mul(g, &scale(&c.output()?, LN_2)?) }
    /// `e ** x - 1`, accurate near zero.
    Expm1 = expm1 as "expm1": Float, Real, saves OUTPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Expm1, x) }
        { |c, g| mul(g, &shift(&c.output()?, 1.0)?) }
    /// `sin(pi x) / (pi x)`, 1 at zero.
    Sinc = sinc as "sinc": Float, AwayFromZero, saves INPUTS
        { |x| angle::sinc(Self::NAME, x) }
        { |c, g| {
            let x = &c.input(0)?;
            let number = |value| scalar(Scalar::Float(value), x.dtype());
            let near = lt(&abs(x)?, &number(0.16)?)?;
            let other = where_(&near, &number(1.0)?, x)?;
            let slope = div(&sub(&cos(&scale(&other, PI)?)?, &sinc(&other)?)?, &other)?;
            // There the difference cancels. Of the series `-2n (-t^2)^(n - 1) / (2n + 1)!`, seven terms reach float64.
            let angle = scale(&where_(&near, x, &number(0.0)?)?, PI)?;
            let square = mul(&angle, &angle)?;
            let terms = [14.0, -12.0, 10.0, -8.0, 6.0, -4.0, 2.0].into_iter().zip((3..=15).rev().step_by(2));
            let mut series = number(0.0)?;
            for (factor, n) in terms {
                let factorial: f64 = (1..=n).map(f64::from).product();
                series = shift(&mul(&series, &square)?, -factor / factorial)?;
            }
            mul(g, &where_(&near, &scale(&mul(&angle, &series)?, PI)?, &slope)?)
        } }
    /// The natural logarithm.
    Log = log as "log": Float, Positive, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Log, x) }
        { |c, g| div(g, &c.input(0)?) }
    /// `-x * log(x)`: 0 at zero, minus infinity below.
    Entr = entr as "entr": Float, Positive, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Entr, x) }
        { |c, g| neg(&mul(g, &shift(&log(&c.input(0)?)?, 1.0)?)?) }
    /// The logarithm to base 2.
    Log2 = log2 as "log2": Float, Positive, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Log2, x) }
        { |c, g| div(g, &scale(&c.input(0)?, LN_2)?) }
    /// The logarithm to base 10.
    Log10 = log10 as "log10": Float, Positive, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Log10, x) }
        { |c, g| div(g, &scale(&c.input(0)?, LN_10)?) }
    /// `log(1 + x)`, accurate near zero.
    Log1p = log1p as "log1p": Float, Positive, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Log1p, x) }
        { |c, g| div(g, &shift(&c.input(0)?, 1.0)?) }
    /// The square root.
    Sqrt = sqrt as "sqrt": Float, Positive, saves OUTPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Sqrt, x) }
        { |c, g| div(g, &scale(&c.output()?, 2.0)?) }
    /// `1 / sqrt(x)`.
    Rsqrt = rsqrt as "rsqrt": Float, Positive, saves OUTPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Rsqrt, x) }
        { |c, g| { let y = c.output()?; mul(g, &mul(&scale(&y, -0.5)?, &square(&y)?)?) } }
    /// `1 / x`.
    Reciprocal = reciprocal as "reciprocal": Float, AwayFromZero, saves OUTPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Reciprocal, x) }
        { |c, g| neg(&mul(g, &square(&c.output()?)?)?) }
    /// The sine of an angle in radians.
    Sin = sin as "sin": Float, Real, saves INPUTS
        { |x| angle::sin(Self::NAME, x) }
        { |c, g| mul(g, &cos(&c.input(0)?)?) }
    /// The cosine of an angle in radians.
    Cos = cos as "cos": Float, Real, saves INPUTS
        { |x| angle::cos(Self::NAME, x) }
        { |c, g| neg(&mul(g, &sin(&c.input(0)?)?)?) }
    /// The tangent of an angle in radians.
    Tan = tan as "tan": Float, Unit, saves OUTPUTS
        { |x| angle::tan(Self::NAME, x) }
        { |c, g| mul(g, &shift(&square(&c.output()?)?, 1.0)?) }
    /// The angle with this sine.
    Asin = asin as "asin": Float, Unit, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Asin, x) }
        { |c, g| mul(g, &rsqrt(&shift(&neg(&square(&c.input(0)?)?)?, 1.0)?)?) }
    /// The angle with this cosine.
    Acos = acos as "acos": Float, Unit, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Acos, x) }
        { |c, g| neg(&mul(g, &rsqrt(&shift(&neg(&square(&c.input(0)?)?)?, 1.0)?)?)?) }
    /// The angle with this tangent.
    Atan = atan as "atan": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Atan, x) }
        { |c, g| div(g, &shift(&square(&c.input(0)?)?, 1.0)?) }
    /// The hyperbolic sine.
    Sinh = sinh as "sinh": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Sinh, x) }
        { |c, g| mul(g, &cosh(&c.input(0)?)?) }
    /// The hyperbolic cosine.
    Cosh = cosh as "cosh": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Cosh, x) }
        { |c, g| mul(g, &sinh(&c.input(0)?)?) }
    /// The number with this hyperbolic sine.
    Asinh = asinh as "asinh": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Asinh, x) }
        { |c, g| mul(g, &rsqrt(&shift(&square(&c.input(0)?)?, 1.0)?)?) }
    /// The number with this hyperbolic cosine.
    Acosh = acosh as "acosh": Float, AboveOne, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Acosh, x) }
        { |c, g| mul(g, &rsqrt(&shift(&square(&c.input(0)?)?, -1.0)?)?) }
    /// The number with this hyperbolic tangent.
    Atanh = atanh as "atanh": Float, Unit, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Atanh, x) }
        { |c, g| div(g, &shift(&neg(&square(&c.input(0)?)?)?, 1.0)?) }
    /// The hyperbolic tangent.
    Tanh = tanh as "tanh": Float, Real, saves OUTPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Tanh, x) }
        { |c, g| {
            let y = c.output()?;
            fused(FloatBinary::TanhGrad, g, &y, || mul(g, &shift(&neg(&square(&y)?)?, 1.0)?))
        } }
    /// `1 / (1 + exp(-x))`.
    Sigmoid = sigmoid as "sigmoid": Float, Real, saves OUTPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Sigmoid, x) }
        { |c, g| {
            let y = c.output()?;
            fused(FloatBinary::SigmoidGrad, g, &y, || mul(g, &sub(&y, &square(&y)?)?))
        } }
    /// `log(sigmoid(x))`.
    LogSigmoid = logsigmoid as "logsigmoid": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::LogSigmoid, x) }
        { |c, g| mul(g, &sigmoid(&neg(&c.input(0)?)?)?) }
    /// `log(1 + exp(x))`.
    Softplus = softplus as "softplus": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Softplus, x) }
        { |c, g| {
            let x = c.input(0)?;
            fused(FloatBinary::SoftplusGrad, g, &x, || mul(g, &sigmoid(&x)?))
        } }
    /// `max(x, 0)`; NaN stays NaN.
    Relu = relu as "relu": Keep, AwayFromZero, saves OUTPUTS
        { |x| {
            let zero = Some(Scalar::Int(0));
            if clamp_over(x, zero, None) { Ok(single(x.clone())) } else { unary(Self::NAME, Unary::Relu, x) }
        } }
        { |c, g| {
            let y = c.output()?;
            fused(FloatBinary::ReluGrad, g, &y, || {
                let zero = scalar(Scalar::Float(0.0), g.dtype())?;
                in_steps(where_(&le(&y, &zero)?, &zero, g)?, &y)
            })
        } }
    /// `x * sigmoid(x)`.
    Silu = silu as "silu": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Silu, x) }
        { |c, g| {
            let x = c.input(0)?;
            fused(FloatBinary::SiluGrad, g, &x, || {
                let s = sigmoid(&x)?;
                let rest = shift(&neg(&s)?, 1.0)?;
                mul(g, &mul(&s, &shift(&mul(&x, &rest)?, 1.0)?)?)
            })
        } }
    /// The error function.
    Erf = erf as "erf": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Erf, x) }
        { |c, g| mul(g, &scale(&exp(&neg(&square(&c.input(0)?)?)?)?, FRAC_2_SQRT_PI)?) }
    /// One minus the error function.
    Erfc = erfc as "erfc": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Erfc, x) }
        { |c, g| mul(g, &scale(&exp(&neg(&square(&c.input(0)?)?)?)?, -FRAC_2_SQRT_PI)?) }
    /// The number with this error function.
    Erfinv = erfinv as "erfinv": Float, Unit, saves OUTPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Erfinv, x) }
        { |c, g| mul(g, &scale(&exp(&square(&c.output()?)?)?, 1.0 / FRAC_2_SQRT_PI)?) }
    /// The logarithm of the size of the gamma function.
    Lgamma = lgamma as "lgamma": Float, Positive, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Lgamma, x) }
        { |c, g| mul(g, &digamma(&c.input(0)?)?) }
    /// The derivative of [`lgamma`].
    Digamma = digamma as "digamma": Float, Positive, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Digamma, x) }
        { |c, g| mul(g, &crate::ops::special::polygamma(1, &c.input(0)?)?) }
    /// The absolute value.
    Abs = abs as "abs": Keep, AwayFromZero, saves INPUTS
        { |x| unary(Self::NAME, Unary::Abs, x) }
        { |c, g| mul(g, &sign(&c.input(0)?)?) }
    /// `x * x`.
    Square = square as "square": Keep, Real, saves INPUTS
        { |x| {
            // Truth values are counted, as in every power.
            let x = if x.dtype() == DType::Bool { &x.cast(Self::NAME, DType::I64)? } else { x };
            unary(Self::NAME, Unary::Square, x)
        } }
        { |c, g| mul(g, &scale(&c.input(0)?, 2.0)?) }
    /// `x * x * x`.
    Cube = cube as "cube": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Cube, x) }
        { |c, g| mul(g, &scale(&square(&c.input(0)?)?, 3.0)?) }
    /// `1 / (x * x)`.
    InverseSquare = inverse_square as "inverse_square": Float, AwayFromZero, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::InverseSquare, x) }
        { |c, g| { let x = c.input(0)?; mul(g, &scale(&div(&inverse_square(&x)?, &x)?, -2.0)?) } }
    /// `log(x / (1 - x))`; NaN outside 0 to 1, as is the gradient.
    Logit = logit as "logit": Float, Unit, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Logit, x) }
        { |c, g| {
            let x = c.input(0)?;
            let both = mul(&x, &shift(&neg(&x)?, 1.0)?)?;
            let [zero, nan] = [0.0, f64::NAN].map(|value| scalar(Scalar::Float(value), x.dtype()));
            where_(&lt(&both, &zero?)?, &nan?, &div(g, &both)?)
        } }
    /// -1, 0 or 1; 0 for NaN, as in PyTorch.
    Sign = sign as "sign": Keep, AwayFromZero, saves NOTHING
        { |x| unary(Self::NAME, Unary::Sign, x) }
        { |_c, g| flat(g) }
    /// Modified Bessel function of the first kind, of order 0.
    I0 = i0 as "i0": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::I0, x) }
        { |c, g| mul(g, &i1(&c.input(0)?)?) }
    /// The same over `exp(|x|)`.
    I0e = i0e as "i0e": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::I0e, x) }
        { |c, g| { let x = c.input(0)?; mul(g, &sub(&i1e(&x)?, &mul(&sign(&x)?, &i0e(&x)?)?)?) } }
    /// Modified Bessel function of the first kind, of order 1.
    I1 = i1 as "i1": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::I1, x) }
        { |c, g| { let x = c.input(0)?; mul(g, &sub(&i0(&x)?, &per_argument(&i1(&x)?, &x)?)?) } }
    /// The same over `exp(|x|)`.
    I1e = i1e as "i1e": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::I1e, x) }
        { |c, g| {
            let x = c.input(0)?;
            let y = i1e(&x)?;
            mul(g, &sub(&sub(&i0e(&x)?, &per_argument(&y, &x)?)?, &mul(&sign(&x)?, &y)?)?)
        } }
    /// `exp(x ** 2) * erfc(x)`.
    Erfcx = erfcx as "erfcx": Float, Real, saves INPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Erfcx, x) }
        { |c, g| {
            let x = c.input(0)?;
            mul(g, &shift(&scale(&mul(&x, &erfcx(&x)?)?, 2.0)?, -FRAC_2_SQRT_PI)?)
        } }
    /// What a standard normal variable stays below with probability `x`.
    Ndtri = ndtri as "ndtri": Float, Unit, saves OUTPUTS
        { |x| float_unary(Self::NAME, FloatUnary::Ndtri, x) }
        { |c, g| mul(g, &scale(&exp(&scale(&square(&c.output()?)?, 0.5)?)?, TAU.sqrt())?) }
    /// The largest integer that is not above.
    Floor = floor as "floor": Keep, Unit, saves NOTHING
        { |x| rounding(Self::NAME, FloatUnary::Floor, x) }
        { |_c, g| flat(g) }
    /// The smallest integer that is not below.
    Ceil = ceil as "ceil": Keep, Unit, saves NOTHING
        { |x| rounding(Self::NAME, FloatUnary::Ceil, x) }
        { |_c, g| flat(g) }
    /// The nearest integer, ties to even.
    Round = round as "round": Keep, Unit, saves NOTHING
        { |x| rounding(Self::NAME, FloatUnary::Round, x) }
        { |_c, g| flat(g) }
    /// The integer part.
    Trunc = trunc as "trunc": Keep, Unit, saves NOTHING
        { |x| rounding(Self::NAME, FloatUnary::Trunc, x) }
        { |_c, g| flat(g) }
    /// The angle in the complex plane: pi below zero, NaN for NaN, else zero.
    Angle = angle as "angle": Float, AwayFromZero, saves NOTHING
        { |x| float_unary(Self::NAME, FloatUnary::Angle, x) }
        { |_c, g| flat(g) }
    /// What lies beside the integer part; floats only.
    Frac = frac as "frac": Keep, Unit, saves NOTHING
        { |x| float_unary(Self::NAME, FloatUnary::Frac, x) }
        { |_c, g| Ok::<_, Error>(g.clone()) }
}

/// `x * P(X <= x)` for X standard normal (Hendrycks and Gimpel, 2016), or its approximation by tanh.
#[derive(Clone, Debug)]
pub struct Gelu {
    /// Whether to approximate by tanh.
    pub tanh_form: bool,
}

impl Operation for Gelu {
    const NAME: &'static str = "gelu";
    const PROMOTION: Promotion = Promotion::Float;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        float_unary(Self::NAME, if self.tanh_form { FloatUnary::GeluTanh } else { FloatUnary::Gelu }, inputs[0])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        Ok(one(if self.tanh_form {
            fused(FloatBinary::GeluTanhGrad, grad, &x, || mul(grad, &gelu_tanh_slope(&x)?))
        } else {
            fused(FloatBinary::GeluGrad, grad, &x, || mul(grad, &gelu_slope(&x)?))
        }?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |tanh_form, shape: &[usize]| Sample::new(Self { tanh_form }, [input(Domain::Real, shape)]);
        vec![of(false, &[3, 7]), of(true, &[3, 7]), of(false, &[]), of(true, &[0, 2])]
    }

    fn params(&self) -> crate::ops::sample::Params {
        vec![("approximate", if self.tanh_form { "tanh" } else { "none" }.into())]
    }
}

/// `y / x`, which at zero is the slope there of the Bessel functions of order 1.
fn per_argument(y: &Tensor, x: &Tensor) -> Result<Tensor> {
    let zero = eq(x, &scalar(Scalar::Float(0.0), x.dtype())?)?;
    let [one, half] = [1.0, 0.5].map(|value| scalar(Scalar::Float(value), x.dtype()));
    where_(&zero, &half?, &div(y, &where_(&zero, &one?, x)?)?)
}

/// `P(X <= x) + x * p(x)`.
fn gelu_slope(x: &Tensor) -> Result<Tensor> {
    let mass = shift(&scale(&erf(&scale(x, FRAC_1_SQRT_2)?)?, 0.5)?, 0.5)?;
    let density = scale(&exp(&scale(&square(x)?, -0.5)?)?, 0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI)?;
    add(&mass, &mul(x, &density)?)
}

/// With `s = sigmoid(u)`, `u = k * (x + c * x**3)`: `s + x * u' * s * (1 - s)`.
fn gelu_tanh_slope(x: &Tensor) -> Result<Tensor> {
    const CUBIC: f64 = 0.044_715;
    let k = SQRT_2 * FRAC_2_SQRT_PI;
    let squared = square(x)?;
    let s = sigmoid(&mul(x, &shift(&scale(&squared, CUBIC * k)?, k)?)?)?;
    let slope = shift(&scale(&squared, 3.0 * CUBIC * k)?, k)?;
    add(&s, &mul(&mul(x, &slope)?, &sub(&s, &square(&s)?)?)?)
}

/// `log(1 + exp(beta * x)) / beta`, and `x` where `beta * x` is above `threshold`: from 20 on the two differ by less
/// than 3e-9, so that such a threshold is none.
///
/// # Errors
/// [`Error::DType`] for bool.
pub fn scaled_softplus(x: &Tensor, beta: f64, threshold: f64) -> Result<Tensor> {
    let scaled = scale(x, beta)?;
    let smooth = scale(&softplus(&scaled)?, 1.0 / beta)?;
    if threshold >= 20.0 {
        return Ok(smooth);
    }
    where_(&le(&scaled, &scalar(Scalar::Float(threshold), scaled.dtype())?)?, &smooth, x)
}

/// Gaussian error linear unit of `x`; approximated by tanh if `tanh_form`.
///
/// # Errors
/// Only for lack of memory.
pub fn gelu(x: &Tensor, tanh_form: bool) -> Result<Tensor> {
    apply(Gelu { tanh_form }, &[x])
}
