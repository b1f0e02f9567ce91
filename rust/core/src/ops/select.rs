//! Choosing between values, element by element.

use crate::array::Array;
use crate::autograd::inplace::is_replaced;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Promotion, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::broadcast_shapes;
use crate::ops::arithmetic::scalar;
use crate::ops::order::kept;
use crate::ops::over::{each, each_three};
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::{cast, ge, gt, isfinite, isnan, le, logical_and, logical_or, lt, sum_to};
use crate::{with_bits, with_dtype, with_element, with_stored_float};
use dlcore_kernels::element::Element;
use dlcore_kernels::map;
use smallvec::smallvec;

/// `a` where the condition holds, else `b`.
#[derive(Clone, Debug)]
pub struct Where;

impl Operation for Where {
    const NAME: &'static str = "where";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        // As a mask was before there was bool.
        if !matches!(inputs[0].dtype(), DType::Bool | DType::U8) {
            let got = inputs[0].dtype();
            let what = format_args!("expected a bool condition, got {got}; compare it (x != 0)");
            return Err(Error::dtype(Self::NAME, what));
        }
        Ok(single(kept([inputs[0], inputs[1], inputs[2]], |[condition, a, b]| {
            let shape = broadcast_shapes(Self::NAME, a.shape(), b.shape())?;
            let shape = broadcast_shapes(Self::NAME, condition.shape(), &shape)?;
            let condition = condition.broadcast(Self::NAME, &shape)?;
            let (a, b) = (a.broadcast(Self::NAME, &shape)?, b.broadcast(Self::NAME, &shape)?);
            with_bits!(a.dtype(), T => Array::build_as(Self::NAME, a.dtype(), &shape, |out: &mut [T]| {
                map::select(
                    (condition.data(), condition.strided()),
                    (a.data::<T>(), a.strided()),
                    (b.data::<T>(), b.strided()),
                    out,
                );
                Ok(())
            }))
        })?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let condition = context.input(0)?;
        let zero = scalar(Scalar::Float(0.0), grad.dtype())?;
        let mut gradients: Gradients = smallvec![None, None, None];
        if context.needs(1) {
            gradients[1] = Some(sum_to(&where_(&condition, grad, &zero)?, context.shape(1))?);
        }
        if context.needs(2) {
            gradients[2] = Some(sum_to(&where_(&condition, &zero, grad)?, context.shape(2))?);
        }
        Ok(gradients)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(0)
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |condition: &[usize], a: &[usize], b: &[usize]| {
            Sample::new(Self, [input(Domain::Bool, condition), real(a), real(b)])
        };
        vec![of(&[3, 4], &[3, 4], &[3, 4]), of(&[4], &[3, 1], &[]), of(&[], &[], &[]), of(&[0, 2], &[2], &[1])]
    }
}

/// The first input, as a function of the second that is constant: where a slope jumps between constants, it has a slope
/// too, of zeros.
#[derive(Clone, Debug)]
pub struct Constant;

impl Operation for Constant {
    const NAME: &'static str = "constant";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        Ok(single(inputs[0].copy(Self::NAME)?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let zeros = || Array::zeros(Self::NAME, context.shape(1), context.dtype(1)).map(Tensor::from);
        Ok(smallvec![Some(grad.clone()), context.needs(1).then(zeros).transpose()?])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |value: &[usize], x: &[usize]| Sample::new(Self, [real(value), real(x)]);
        vec![of(&[3, 7], &[3, 7]), of(&[], &[2]), of(&[0, 2], &[])]
    }
}

/// `value` with a gradient of zeros to `x`, on which it depends in steps; itself where that is nothing to remember.
///
/// # Errors
/// Only for lack of memory.
pub fn in_steps(value: Tensor, x: &Tensor) -> Result<Tensor> {
    if mode::is_recording() && x.requires_grad() { apply(Constant, &[&value, x]) } else { Ok(value) }
}

/// As [`in_steps`], of the first input of an operation, of which nothing need be saved: a gradient that does not change with
/// it, but is one by it.
///
/// # Errors
/// Only for lack of memory.
pub fn by_first(value: Tensor, context: &Context<'_>) -> Result<Tensor> {
    if mode::is_recording() && context.needs(0) { in_steps(value, &context.placeholder(0)?) } else { Ok(value) }
}

/// `min(max(x, lo), hi)`; either bound may be missing.
#[derive(Clone, Debug)]
pub struct Clamp {
    /// The lower bound.
    pub lo: Option<Scalar>,
    /// The upper bound.
    pub hi: Option<Scalar>,
}

impl Clamp {
    fn bounds(&self) -> impl Iterator<Item = f64> {
        self.lo.into_iter().chain(self.hi).map(Scalar::to_f64)
    }
}

/// Clamps the elements of `x` in their place, which nobody else reads, where they are replaced. False if nothing was done.
pub(super) fn clamp_over(x: &Array, lo: Option<Scalar>, hi: Option<Scalar>) -> bool {
    macro_rules! over {
        ($t:ty) => {
            x.edit::<$t>(|own| map::clamp_over(lo.map(element), hi.map(element), own))
        };
    }
    is_replaced(x)
        && match x.dtype() {
            DType::F32 => over!(f32),
            DType::F64 => over!(f64),
            DType::I32 => over!(i32),
            DType::I64 => over!(i64),
            _ => false,
        }
}

/// A bound as an element.
fn element<T: Element>(bound: Scalar) -> T {
    match bound {
        // Floats convert by saturating, which is what a bound outside the dtype means; large int64 must stay exact.
        Scalar::Int(value) => match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) if T::cast_from(value).to_i64() == value => T::cast_from(value),
            (_, Ok(value)) if T::cast_from(value).to_u64() == value => T::cast_from(value),
            _ => T::from_f64(bound.to_f64()),
        },
        other => T::from_f64(other.to_f64()),
    }
}

impl Operation for Clamp {
    const NAME: &'static str = "clamp";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0];
        if self.bounds().any(f64::is_nan) {
            return Ok(single(Array::full(Self::NAME, x.shape(), Scalar::Float(f64::NAN), x.dtype())?));
        }
        if clamp_over(x, self.lo, self.hi) {
            return Ok(single(x.clone()));
        }
        Ok(single(with_dtype!(x.dtype(), T => each(Self::NAME, x, &|x: &[T], layout, out| {
            map::clamp(self.lo.map(element), self.hi.map(element), x, layout, out);
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let x = context.input(0)?;
        let bound = |value: Scalar| scalar(value, x.dtype());
        let above = self.lo.map(|lo| ge(&x, &bound(lo)?)).transpose()?;
        let below = self.hi.map(|hi| le(&x, &bound(hi)?)).transpose()?;
        let inside = match (above, below) {
            (Some(above), Some(below)) => logical_and(&above, &below)?,
            (Some(side), None) | (None, Some(side)) => side,
            (None, None) => return Ok(one(grad.clone())),
        };
        Ok(one(in_steps(where_(&inside, grad, &scalar(Scalar::Float(0.0), grad.dtype())?)?, &x)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |lo: Option<f64>, hi: Option<f64>, shape: &[usize]| {
            Sample::new(Self { lo: lo.map(Scalar::Float), hi: hi.map(Scalar::Float) }, [real(shape)])
        };
        vec![
            of(Some(-0.5), Some(0.7), &[3, 7]),
            of(None, Some(0.1), &[5]),
            of(Some(0.1), None, &[]),
            of(Some(0.3), Some(-0.3), &[4]),
            of(Some(0.0), Some(1.0), &[0, 2]),
        ]
    }

    fn params(&self) -> Params {
        vec![("min", self.lo.map(Scalar::to_f64).into()), ("max", self.hi.map(Scalar::to_f64).into())]
    }
}

/// `min(max(x, lo), hi)` with tensors of bounds; NaN anywhere is NaN. Of equals `x` takes the gradient; where one is NaN
/// none does.
#[derive(Clone, Debug)]
pub struct ClampBetween;

impl Operation for ClampBetween {
    const NAME: &'static str = "clamp_between";
    const PROMOTION: Promotion = Promotion::Common;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let all = [inputs[0], inputs[1], inputs[2]];
        Ok(single(with_element!(all[0].dtype(), T => each_three::<T>(Clamp::NAME, all, &map::clamp_between))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (x, lo, hi) = (context.input(0)?, context.input(1)?, context.input(2)?);
        let zero = scalar(Scalar::Float(0.0), grad.dtype())?;
        let share = |input: usize, takes: &dyn Fn() -> Result<Tensor>| -> Result<Option<Tensor>> {
            let masked = || sum_to(&where_(&takes()?, grad, &zero)?, context.shape(input));
            context.needs(input).then(masked).transpose()
        };
        Ok(smallvec![
            share(0, &|| logical_and(&ge(&x, &lo)?, &le(&x, &hi)?))?,
            share(1, &|| logical_and(&lt(&x, &lo)?, &lt(&lo, &hi)?))?,
            share(2, &|| logical_or(&gt(&x, &hi)?, &gt(&lo, &hi)?))?,
        ])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |x: &[usize], lo: &[usize], hi: &[usize]| Sample::new(Self, [real(x), real(lo), real(hi)]);
        vec![of(&[3, 4], &[3, 4], &[3, 4]), of(&[4], &[3, 1], &[]), of(&[], &[], &[]), of(&[0, 2], &[2], &[1])]
    }
}

/// NaN and the infinities replaced by numbers; they take no gradient.
#[derive(Clone, Debug)]
pub struct NanToNum {
    /// For NaN.
    pub nan: f64,
    /// For infinity, and for its negative.
    pub infinities: [f64; 2],
}

impl Operation for NanToNum {
    const NAME: &'static str = "nan_to_num";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (x, [above, below]) = (inputs[0], self.infinities);
        Ok(single(with_stored_float!(Self::NAME, x.dtype(), T => each(Self::NAME, x, &|x: &[T], layout, out| {
            map::finite([self.nan, above, below], x, layout, out);
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let zero = scalar(Scalar::Float(0.0), grad.dtype())?;
        Ok(one(where_(&isfinite(&context.input(0)?)?, grad, &zero)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize]| Sample::new(Self { nan: 0.5, infinities: [7.0, -9.0] }, [real(shape)]);
        vec![of(&[3, 7]), of(&[]), of(&[0, 2])]
    }

    fn params(&self) -> Params {
        let [above, below] = self.infinities;
        vec![("nan", Some(self.nan).into()), ("posinf", Some(above).into()), ("neginf", Some(below).into())]
    }
}

/// `a` where `condition` holds, else `b`; all three broadcast, and `a` and `b` promote to a common dtype.
///
/// # Errors
/// [`Error::DType`] for a condition that is not bool, [`Error::Shape`] where the shapes do not broadcast.
pub fn where_(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let dtype = a.dtype().promote(Where::NAME, b.dtype())?;
    apply(Where, &[condition, &cast(a, dtype)?, &cast(b, dtype)?])
}

/// An operation of two tensors.
type Pairing = fn(&Tensor, &Tensor) -> Result<Tensor>;

/// Of each pair the one that `first` prefers, as `of_numbers` finds it where none is NaN; where one of the two is, the other.
///
/// # Errors
/// Shapes that do not broadcast.
pub fn number_first(a: &Tensor, b: &Tensor, first: Pairing, of_numbers: Pairing) -> Result<Tensor> {
    if !a.dtype().is_float() && !b.dtype().is_float() {
        return of_numbers(a, b);
    }
    where_(&logical_or(&first(a, b)?, &isnan(b)?)?, a, b)
}

/// `x` kept between `lo` and `hi`; where `lo > hi` the result is `hi`. A float bound makes an integer tensor float.
///
/// # Errors
/// [`Error::Value`] when both bounds are missing.
pub fn clamp(x: &Tensor, lo: Option<Scalar>, hi: Option<Scalar>) -> Result<Tensor> {
    if lo.is_none() && hi.is_none() {
        return Err(Error::value(Clamp::NAME, "at least one of min and max must be given"));
    }
    let dtype = lo
        .into_iter()
        .chain(hi)
        .try_fold(x.dtype(), |dtype, bound| dtype.promote(Clamp::NAME, bound.dtype_with(dtype)))?;
    apply(Clamp { lo, hi }, &[&cast(x, dtype)?])
}

/// `x` with `value` (0-d, or broadcast) where `mask` holds; the result has the dtype of `x`.
///
/// # Errors
/// [`Error::DType`] for a mask that is not bool, [`Error::Shape`] where the shapes do not broadcast.
pub fn masked_fill(x: &Tensor, mask: &Tensor, value: &Tensor) -> Result<Tensor> {
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype(
            "masked_fill",
            format_args!("expected a bool mask, got {}; compare it (mask != 0)", mask.dtype()),
        ));
    }
    where_(mask, &cast(value, x.dtype())?, x)
}

/// `values`, which broadcast, in place of the elements of `x`, whose gradient is zero.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast.
pub fn replaced(x: &Tensor, values: &Tensor) -> Result<Tensor> {
    masked_fill(x, &scalar(Scalar::Bool(true), DType::Bool)?, values)
}

/// A tensor like `x` with `value` (0-d) in every element; the gradient of `x` is zero.
///
/// # Errors
/// [`Error::Shape`] for a value that has dimensions.
pub fn filled(x: &Tensor, value: &Tensor) -> Result<Tensor> {
    one_value("fill", value)?;
    replaced(x, value)
}

/// Refuses a value that is not one number.
///
/// # Errors
/// [`Error::Shape`] for a value that has dimensions.
pub fn one_value(op: &str, value: &Tensor) -> Result<()> {
    match value.rank() {
        0 => Ok(()),
        rank => {
            Err(Error::shape(op, format_args!("expected one value, a number or a 0-d tensor, got {rank} dimensions")))
        }
    }
}
