//! Special functions, most of them made of other operations.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Promotion, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::ops::arithmetic::{add, div, easy_power, mul, scalar, scale, shift, sub};
use crate::ops::compare::{eq, le, logical_and, logical_or, lt};
use crate::ops::over::each;
use crate::ops::sample::{Domain, Params, Sample, input, single};
use crate::ops::select::{clamp, where_};
use crate::ops::unary::{self, digamma, erfcx, lgamma};
use crate::ops::{cast, erfc, log, log1p, square};
use crate::with_stored_float;
use dlcore_kernels::map;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

fn number(like: &Tensor, value: f64) -> Result<Tensor> {
    scalar(Scalar::Float(value), like.dtype())
}

fn float(x: &Tensor) -> Result<Tensor> {
    cast(x, x.dtype().to_float())
}

/// The `n`th derivative of digamma, `n` at least 1.
#[derive(Clone, Debug)]
pub struct Polygamma {
    /// How often it is derived.
    pub n: u32,
}

impl Operation for Polygamma {
    const NAME: &'static str = "polygamma";
    const PROMOTION: Promotion = Promotion::Float;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0];
        Ok(single(with_stored_float!(Self::NAME, x.dtype(), T => each(Self::NAME, x, &|x: &[T], layout, out| {
            map::polygamma(self.n, x, layout, out);
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(mul(grad, &polygamma(self.n.saturating_add(1), &context.input(0)?)?)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |n, shape: &[usize]| Sample::new(Self { n }, [input(Domain::AboveOne, shape)]);
        vec![of(1, &[3, 4]), of(2, &[3]), of(3, &[]), of(1, &[0, 2])]
    }

    fn params(&self) -> Params {
        vec![("n", i64::from(self.n).into())]
    }
}

/// The `n`th derivative of digamma, which is that for 0.
///
/// # Errors
/// Only for lack of memory.
pub fn polygamma(n: u32, x: &Tensor) -> Result<Tensor> {
    if n == 0 { digamma(x) } else { apply(Polygamma { n }, &[x]) }
}

/// The logarithm of the gamma function of `p` dimensions: the sum of those of `x - i / 2`, and `p (p - 1) log(pi) / 4`.
///
/// # Errors
/// [`Error::Value`] for `p` zero, or more terms than anybody waits for.
pub fn multigammaln(x: &Tensor, p: u32) -> Result<Tensor> {
    const MOST: u32 = 10_000;
    if !(1..=MOST).contains(&p) {
        return Err(Error::value("mvlgamma", format_args!("p must be 1 to {MOST}, got {p}")));
    }
    let x = float(x)?;
    let mut sum = lgamma(&x)?;
    for i in 1..p {
        sum = add(&sum, &lgamma(&shift(&x, -0.5 * f64::from(i))?)?)?;
    }
    shift(&sum, f64::from(p) * (f64::from(p) - 1.0) / 4.0 * PI.ln())
}

/// `log(x / (1 - x))`, of `x` kept between `eps` and `1 - eps` where there is one.
///
/// # Errors
/// Only for lack of memory.
pub fn logit(x: &Tensor, eps: Option<f64>) -> Result<Tensor> {
    match eps {
        Some(eps) => unary::logit(&clamp(&float(x)?, Some(Scalar::Float(eps)), Some(Scalar::Float(1.0 - eps)))?),
        None => unary::logit(x),
    }
}

/// `x * log(y)` or `x * log1p(y)`, whose logarithm starts above `edge`: zero where `x` is, whatever `y` is, but for NaN.
fn weighted(x: &Tensor, y: &Tensor, op: &str, edge: f64, log: fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let dtype = x.dtype().promote(op, y.dtype())?.to_float();
    let (x, y) = (cast(x, dtype)?, cast(y, dtype)?);
    // Only there zero has no product with the logarithm, which else is the gradient.
    let beyond = logical_or(&le(&y, &number(&y, edge)?)?, &eq(&y, &number(&y, f64::INFINITY)?)?)?;
    let none = logical_and(&eq(&x, &number(&x, 0.0)?)?, &beyond)?;
    mul(&x, &log(&where_(&none, &number(&y, edge + 1.0)?, &y)?)?)
}

/// `x * log(y)`, zero where `x` is, whatever `y` is, but for NaN.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn xlogy(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    weighted(x, y, "xlogy", 0.0, log)
}

/// `x * log(1 + y)`, zero where `x` is, whatever `y` is, but for NaN.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn xlog1py(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    weighted(x, y, "xlog1py", -1.0, log1p)
}

/// The probability that a standard normal variable stays below `x`.
///
/// # Errors
/// Only for lack of memory.
pub fn ndtr(x: &Tensor) -> Result<Tensor> {
    scale(&erfc(&scale(&float(x)?, -FRAC_1_SQRT_2)?)?, 0.5)
}

/// The logarithm of [`ndtr`], accurate also where that vanishes.
///
/// # Errors
/// Only for lack of memory.
pub fn log_ndtr(x: &Tensor) -> Result<Tensor> {
    let x = float(x)?;
    // Each side sees only what it is for, so that neither has a gradient that is not finite.
    let edge = number(&x, -1.0)?;
    let below = lt(&x, &edge)?;
    let (low, high) = (where_(&below, &x, &edge)?, where_(&below, &edge, &x)?);
    let tail = log(&scale(&erfcx(&scale(&low, -FRAC_1_SQRT_2)?)?, 0.5)?)?;
    let low = sub(&tail, &scale(&square(&low)?, 0.5)?)?;
    let high = log1p(&scale(&erfc(&scale(&high, FRAC_1_SQRT_2)?)?, -0.5)?)?;
    where_(&below, &low, &high)
}

/// `2^exponent * x`.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn ldexp(x: &Tensor, exponent: &Tensor) -> Result<Tensor> {
    let dtype = x.dtype().promote("ldexp", exponent.dtype())?.to_float();
    mul(&cast(x, dtype)?, &crate::ops::exp2(&cast(exponent, dtype)?)?)
}

/// `a ** b` in float64.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn float_power(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let a = cast(a, DType::F64)?;
    if b.rank() == 0
        && !b.requires_grad()
        && let Some(easy) = easy_power(&a, b.array().item()?)?
    {
        return Ok(easy);
    }
    crate::ops::pow(&a, &cast(b, DType::F64)?)
}

/// Rounded to the nearest multiple of `10^-decimals`, halves to the even one.
///
/// # Errors
/// Only for lack of memory.
pub fn round_to(x: &Tensor, decimals: i32) -> Result<Tensor> {
    if decimals == 0 || !x.dtype().is_float() {
        return crate::ops::round(x);
    }
    let unit = number(x, 10f64.powi(decimals.abs()))?;
    if decimals > 0 {
        div(&crate::ops::round(&mul(x, &unit)?)?, &unit)
    } else {
        mul(&crate::ops::round(&div(x, &unit)?)?, &unit)
    }
}
