//! What floats are made of: the float next to another, by its bits, as floats of one sign are ordered as their bits are as
//! integers; mantissa and exponent.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Saves, apply_all, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::broadcast_shapes;
use crate::ops::arithmetic::{mul, neg, scale, sub};
use crate::ops::sample::{Sample, real};
use crate::ops::{cast, exp2, floor};
use crate::with_float;
use dlcore_kernels::map;
use smallvec::smallvec;

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
#[derive(Clone, Debug)]
pub struct Frexp;

impl Operation for Frexp {
    const NAME: &'static str = "frexp";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0].contiguous(Self::NAME)?;
        let (mantissas, exponents) = with_float!(Self::NAME, x.dtype(), T => {
            Array::build_pair(Self::NAME, x.shape(), x.shape(), |mantissas: &mut [T], exponents: &mut [i32]| {
                map::frexp(x.elements::<T>(), mantissas, exponents);
                Ok(())
            })?
        });
        Ok(smallvec![mantissas, exponents])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        // By two powers in float64, of which neither leaves its range.
        let power = neg(&cast(&context.auxiliary(1)?, DType::F64)?)?;
        let half = floor(&scale(&power, 0.5)?)?;
        let slope = mul(&mul(&cast(grad, DType::F64)?, &exp2(&half)?)?, &exp2(&sub(&power, &half)?)?)?;
        Ok(one(cast(&slope, grad.dtype())?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::OUTPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        vec![[3, 7].as_slice(), &[], &[0, 2]].into_iter().map(|shape| Sample::new(Self, [real(shape)])).collect()
    }
}

/// See [`Frexp`].
///
/// # Errors
/// [`Error::DType`] for integers.
pub fn frexp(x: &Tensor) -> Result<(Tensor, Tensor)> {
    if !x.dtype().is_float() {
        return Err(Error::dtype(Frexp::NAME, format_args!("expected a float dtype, got {}", x.dtype())));
    }
    let mut outputs = apply_all(Frexp, &[x])?;
    let exponents = outputs.remove(1);
    Ok((outputs.remove(0), exponents))
}
