//! Activation functions with parameters: one table, a line for the function above a line for its slope. Kernels compute
//! both; while a gradient is itself recorded, the slope is composed from other operations.

use crate::array::Array;
use crate::autograd::autocast::Autocast;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Promotion, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Show, normalize_dim};
use crate::ops::arithmetic::{add, div, mul, neg, scalar, scale, shift, sub};
use crate::ops::compare::{ge, gt, le, logical_and, lt};
use crate::ops::order::kept;
use crate::ops::over::each;
use crate::ops::sample::{Domain, Params, Sample, input, single};
use crate::ops::select::{in_steps, where_};
use crate::ops::{abs, clamp, exp, reshape, sigmoid, slice, softmax, softplus, square, tanh};
use crate::with_stored_float;
use dlcore_kernels::map::{self, Activation, Parameters};

/// Runs the map `op` over `x`.
fn forward(name: &str, op: Activation, parameters: Parameters, x: &Array) -> Result<Outputs> {
    Ok(single(with_stored_float!(name, x.dtype(), T => each(name, x, &|x: &[T], layout, out| {
        map::activation(op, parameters, x, layout, out);
    }))?))
}

/// `grad` times the slope of `op` at `x`; `composed` while recording.
fn backward(
    op: Activation,
    parameters: Parameters,
    grad: &Tensor,
    x: &Tensor,
    composed: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<Gradients> {
    if mode::is_recording() {
        return Ok(one(mul(grad, &composed(x)?)?));
    }
    let slope = kept([x.array(), grad.array()], |[x, g]| {
        with_stored_float!("backward", x.dtype(), T => Array::build("backward", x.shape(), |out: &mut [T]| {
            map::activation_grad(op, parameters, (g.data::<T>(), g.strided()), (x.data::<T>(), x.strided()), out);
            Ok(())
        }))
    })?;
    Ok(one(slope.into()))
}

fn number(like: &Tensor, value: f64) -> Result<Tensor> {
    scalar(Scalar::Float(value), like.dtype())
}

/// `inside` where a condition holds, `outside` elsewhere.
fn step(x: &Tensor, condition: &Tensor, inside: f64, outside: f64) -> Result<Tensor> {
    in_steps(where_(condition, &number(x, inside)?, &number(x, outside)?)?, x)
}

/// Whether `low < x < high`.
fn between(x: &Tensor, low: f64, high: f64) -> Result<Tensor> {
    logical_and(&gt(x, &number(x, low)?)?, &lt(x, &number(x, high)?)?)
}

/// Whether `-size <= x <= size`.
fn within(x: &Tensor, size: f64) -> Result<Tensor> {
    logical_and(&ge(x, &number(x, -size)?)?, &le(x, &number(x, size)?)?)
}

macro_rules! activations {
    ($(
        $(#[$doc:meta])*
        $Op:ident as $name:literal { $($(#[$field_doc:meta])* $field:ident = $sample:literal),* }
            slope |$this:ident, $x:ident| $slope:expr;
    )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Op {
            $($(#[$field_doc])* pub $field: f64,)*
        }

        impl $Op {
            #[allow(clippy::unused_self, reason = "not all have parameters")]
            fn parameters(&self) -> Parameters {
                let $this = self;
                let mut all = [0.0; 3];
                let given: &[f64] = &[$($this.$field),*];
                all[..given.len()].copy_from_slice(given);
                all
            }
        }

        impl Operation for $Op {
            const NAME: &'static str = $name;
            const PROMOTION: Promotion = Promotion::Float;

            fn halves(&self) -> Halves {
                Halves::Stored
            }

            fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
                forward(Self::NAME, Activation::$Op, self.parameters(), inputs[0])
            }

            fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
                #[allow(unused_variables, reason = "not all have parameters")]
                let $this = self;
                backward(Activation::$Op, self.parameters(), grad, &context.input(0)?, |$x| $slope)
            }

            fn saves(&self, _: Needs) -> Saves {
                Saves::INPUTS
            }

            fn samples() -> Vec<Sample<Self>> {
                let of = |shape: &[usize]| {
                    Sample::new(Self { $($field: $sample),* }, [input(Domain::AwayFromZero, shape)])
                };
                vec![of(&[3, 7]), of(&[]), of(&[0, 2])]
            }

            fn params(&self) -> Params {
                vec![$((stringify!($field), self.$field.into())),*]
            }
        }
    )* };
}

activations! {
    /// `scale * x` above zero, `alpha * scale * (exp(input_scale * x) - 1)` elsewhere: elu, selu and celu.
    Elu as "elu" {
        /// What it tends to.
        alpha = 1.3,
        /// Factor of all.
        scale = 1.1,
        /// Factor of what is below zero.
        input_scale = 0.7
    } slope |it, x| {
        let low = clamp(x, None, Some(Scalar::Float(0.0)))?;
        let falling = scale(&exp(&scale(&low, it.input_scale)?)?, it.alpha * it.scale * it.input_scale)?;
        where_(&gt(x, &number(x, 0.0)?)?, &number(x, it.scale)?, &falling)
    };
    /// `x` above zero, `negative_slope * x` elsewhere.
    LeakyRelu as "leaky_relu" {
        /// The slope below zero.
        negative_slope = 0.1
    } slope |it, x| step(x, &gt(x, &number(x, 0.0)?)?, 1.0, it.negative_slope);
    /// `x` kept between two numbers, where the gradient is zero.
    Hardtanh as "hardtanh" {
        /// The lower one.
        min_val = -1.2,
        /// The upper one.
        max_val = 0.8
    } slope |it, x| step(x, &between(x, it.min_val, it.max_val)?, 1.0, 0.0);
    /// `x` above `threshold`, `value` elsewhere.
    Threshold as "threshold" {
        /// Up to where.
        threshold = 0.55,
        /// What stands there.
        value = -2.0
    } slope |it, x| step(x, &le(x, &number(x, it.threshold)?)?, 0.0, 1.0);
    /// `x` where it is further than `lambd` from zero, zero elsewhere.
    Hardshrink as "hardshrink" {
        /// How far.
        lambd = 0.6
    } slope |it, x| step(x, &within(x, it.lambd)?, 0.0, 1.0);
    /// `x` moved towards zero by `lambd`, at most up to there.
    Softshrink as "softshrink" {
        /// How far.
        lambd = 0.6
    } slope |it, x| step(x, &within(x, it.lambd)?, 0.0, 1.0);
    /// `min(max(x + 3, 0), 6) / 6`.
    Hardsigmoid as "hardsigmoid" {} slope |_it, x| step(x, &between(x, -3.0, 3.0)?, 1.0 / 6.0, 0.0);
    /// `x * hardsigmoid(x)` (Howard et al., 2019).
    Hardswish as "hardswish" {} slope |_it, x| {
        let inside = shift(&scale(x, 1.0 / 3.0)?, 0.5)?;
        let (zero, one) = (number(x, 0.0)?, number(x, 1.0)?);
        let above = where_(&ge(x, &number(x, 3.0)?)?, &one, &inside)?;
        where_(&le(x, &number(x, -3.0)?)?, &zero, &above)
    };
    /// `x / (1 + |x|)`.
    Softsign as "softsign" {} slope |_it, x| crate::ops::reciprocal(&square(&shift(&abs(x)?, 1.0)?)?);
    /// `x * tanh(softplus(x))` (Misra, 2019).
    Mish as "mish" {} slope |_it, x| {
        let tangent = tanh(&softplus(x)?)?;
        let bend = mul(&sigmoid(x)?, &shift(&neg(&square(&tangent)?)?, 1.0)?)?;
        add(&tangent, &mul(x, &bend)?)
    };
}

/// `x` above zero, `alpha * (exp(x) - 1)` elsewhere (Clevert et al., 2015).
///
/// # Errors
/// Only for lack of memory.
pub fn elu(x: &Tensor, alpha: f64) -> Result<Tensor> {
    apply(Elu { alpha, scale: 1.0, input_scale: 1.0 }, &[x])
}

/// [`elu`] with the two numbers that keep mean 0 and variance 1 from layer to layer (Klambauer et al., 2017).
///
/// # Errors
/// Only for lack of memory.
pub fn selu(x: &Tensor) -> Result<Tensor> {
    const ALPHA: f64 = 1.673_263_242_354_377_2;
    const SCALE: f64 = 1.050_700_987_355_480_5;
    apply(Elu { alpha: ALPHA, scale: SCALE, input_scale: 1.0 }, &[x])
}

/// `x` above zero, `alpha * (exp(x / alpha) - 1)` elsewhere (Barron, 2017).
///
/// # Errors
/// [`Error::Value`] for `alpha` zero.
pub fn celu(x: &Tensor, alpha: f64) -> Result<Tensor> {
    if alpha == 0.0 {
        return Err(Error::value("celu", "alpha must not be zero"));
    }
    apply(Elu { alpha, scale: 1.0, input_scale: 1.0 / alpha }, &[x])
}

/// `x` above zero, `slope * x` elsewhere.
///
/// # Errors
/// Only for lack of memory.
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    apply(LeakyRelu { negative_slope: slope }, &[x])
}

/// `x` kept between `low` and `high`; integers stay integers.
///
/// # Errors
/// [`Error::Value`] where `low` is above `high`, [`Error::DType`] for bool.
pub fn hardtanh(x: &Tensor, low: f64, high: f64) -> Result<Tensor> {
    if low > high {
        return Err(Error::value("hardtanh", format_args!("min_val {low} is above max_val {high}")));
    }
    match x.dtype() {
        DType::Bool => Err(Error::dtype("hardtanh", "bool tensors have no order; convert with .float()")),
        dtype if dtype.is_float() => apply(Hardtanh { min_val: low, max_val: high }, &[x]),
        dtype => {
            // Of integers the bounds lose their fractions.
            let (least, greatest) = dtype.integers().unwrap_or((i128::MIN, i128::MAX));
            #[expect(clippy::cast_possible_truncation, reason = "saturates, and is clamped")]
            let bound = |limit: f64| Some(Scalar::Int((limit as i128).clamp(least, greatest)));
            clamp(x, bound(low), bound(high))
        }
    }
}

/// `x` above `limit`, `value` elsewhere; integers stay integers.
///
/// # Errors
/// Only for lack of memory.
pub fn threshold(x: &Tensor, limit: f64, value: f64) -> Result<Tensor> {
    if x.dtype().is_float() {
        return apply(Threshold { threshold: limit, value }, &[x]);
    }
    where_(&le(x, &scalar(Scalar::Float(limit), DType::F64)?)?, &number(x, value)?, x)
}

/// `x` where it is further than `lambd` from zero, zero elsewhere.
///
/// # Errors
/// Only for lack of memory.
pub fn hardshrink(x: &Tensor, lambd: f64) -> Result<Tensor> {
    apply(Hardshrink { lambd }, &[x])
}

/// `x` moved towards zero by `lambd`, at most up to there.
///
/// # Errors
/// [`Error::Value`] for `lambd` below zero.
pub fn softshrink(x: &Tensor, lambd: f64) -> Result<Tensor> {
    if lambd.is_nan() || lambd < 0.0 {
        return Err(Error::value("softshrink", format_args!("lambd must not be negative, got {lambd}")));
    }
    apply(Softshrink { lambd }, &[x])
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident = |$x:ident| $body:expr;)*) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// Only for lack of memory.
        pub fn $name($x: &Tensor) -> Result<Tensor> {
            $body
        }
    )* };
}
functions! {
    /// `min(max(x + 3, 0), 6) / 6`.
    hardsigmoid = |x| apply(Hardsigmoid {}, &[x]);
    /// `x * hardsigmoid(x)`.
    hardswish = |x| apply(Hardswish {}, &[x]);
    /// `x / (1 + |x|)`.
    softsign = |x| apply(Softsign {}, &[x]);
    /// `x * tanh(softplus(x))`.
    mish = |x| apply(Mish {}, &[x]);
    /// `x - tanh(x)`.
    tanhshrink = |x| sub(x, &tanh(x)?);
}

/// `x` above zero, the weight of its channel (dimension 1) times `x` elsewhere (He et al., 2015); one weight serves all.
///
/// # Errors
/// [`Error::Shape`] for a weight of another size than 1 or the number of channels, [`Error::DType`] for two dtypes.
pub fn prelu(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    const NAME: &str = "prelu";
    let (x, weight) = (&Autocast::Lower.of(x)?, &Autocast::Lower.of(weight)?);
    if x.dtype() != weight.dtype() {
        return Err(Error::dtype(NAME, format_args!("an input of {} with a weight of {}", x.dtype(), weight.dtype())));
    }
    let channels = x.shape().get(1).copied().unwrap_or(1);
    if weight.rank() > 1 || weight.numel() != 1 && weight.numel() != channels {
        return Err(Error::shape(
            NAME,
            format_args!(
                "weight {} for an input {}; expected one number, or one for each of its {channels} channels",
                Show(weight.shape()),
                Show(x.shape())
            ),
        ));
    }
    let mut shape = crate::Dims::from_elem(1, x.rank());
    if weight.numel() != 1 {
        shape[1] = channels;
    }
    let weight = reshape(weight, &shape)?;
    // What is above zero meets the weight as a zero, so that infinity there is no NaN in the weight's gradient.
    let below = clamp(x, None, Some(Scalar::Float(0.0)))?;
    let plain = x.detach();
    where_(&gt(&plain, &number(&plain, 0.0)?)?, x, &mul(&weight, &below)?)
}

/// The first half of `x` along `dim` times the sigmoid of the second (Dauphin et al., 2017).
///
/// # Errors
/// [`Error::Shape`] for an odd extent, [`Error::Index`] for a dimension out of range.
pub fn glu(x: &Tensor, dim: isize) -> Result<Tensor> {
    if x.rank() == 0 {
        return Err(Error::shape("glu", "a 0-d tensor has no halves"));
    }
    let at = normalize_dim("glu", dim, x.rank())?;
    let extent = x.shape()[at];
    if extent % 2 == 1 {
        let what = format_args!("dimension {at} of {} must be even to be halved", Show(x.shape()));
        return Err(Error::shape("glu", what));
    }
    let half = extent / 2;
    mul(&slice(x, at, 0, 1, half)?, &sigmoid(&slice(x, at, half, 1, half)?)?)
}

/// `softmax` of `-x`.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range.
pub fn softmin(x: &Tensor, dim: isize) -> Result<Tensor> {
    softmax(&neg(x)?, dim)
}

/// `x` above zero; elsewhere `x` times a slope, drawn for each element from `low` to `high` in training, the middle of
/// the two otherwise (Xu et al., 2015).
///
/// # Errors
/// [`Error::Value`] where `low` is above `high`, [`Error::DType`] for integers.
pub fn rrelu(x: &Tensor, low: f64, high: f64, training: bool) -> Result<Tensor> {
    const NAME: &str = "rrelu";
    if low.is_nan() || high.is_nan() || low > high {
        return Err(Error::value(NAME, format_args!("lower {low} is above upper {high}")));
    }
    if !x.dtype().is_float() {
        return Err(Error::dtype(NAME, format_args!("expected a float dtype, got {}", x.dtype())));
    }
    if !training {
        return leaky_relu(x, f64::midpoint(low, high));
    }
    let drawn = crate::random::rand(crate::random::default_generator(), x.shape(), x.dtype())?;
    let slopes = shift(&scale(&drawn, high - low)?, low)?;
    where_(&gt(x, &number(x, 0.0)?)?, x, &mul(x, &slopes)?)
}

/// Samples of a categorical distribution with the logits `x` along `dim` that have a gradient: softmax of the logits
/// plus Gumbel noise, over `tau`; with `hard` ones where each is largest, with the gradient of the soft ones (Jang et
/// al., 2016).
///
/// # Errors
/// [`Error::DType`] for integers, [`Error::Index`] for a dimension out of range.
pub fn gumbel_softmax(x: &Tensor, tau: f64, hard: bool, dim: isize) -> Result<Tensor> {
    const NAME: &str = "gumbel_softmax";
    let Some(facts) = x.dtype().floats() else {
        return Err(Error::dtype(NAME, format_args!("expected float logits, got {}", x.dtype())));
    };
    let drawn = crate::random::rand(crate::random::default_generator(), x.shape(), x.dtype())?;
    // -log(-log(u)) for u in (0, 1]: kept off zero, and off one, whose logarithm is.
    let tiny = Some(Scalar::Float(facts.smallest_normal));
    let exponential = neg(&crate::ops::log(&clamp(&drawn, tiny, None)?)?)?;
    let gumbel = neg(&crate::ops::log(&clamp(&exponential, tiny, None)?)?)?;
    let soft = softmax(&div(&add(x, &gumbel)?, &number(x, tau)?)?, dim)?;
    if !hard {
        return Ok(soft);
    }
    let largest = crate::ops::argmax(&soft, Some(dim), true)?;
    let zeros = Tensor::from(Array::zeros(NAME, soft.shape(), soft.dtype())?);
    let ones = crate::ops::placing::scatter(&zeros, dim, &largest, &number(x, 1.0)?)?;
    add(&sub(&ones, &soft.detach())?, &soft)
}
