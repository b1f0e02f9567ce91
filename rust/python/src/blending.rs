//! Elementwise functions of several tensors, or of one and some numbers, and their methods.

use crate::convert::{Arg, Operand};
use crate::function::functions;
use dlcore_core::ops::{self, blend};
use dlcore_core::{Scalar, Tensor};
use pyo3::prelude::*;

/// `x` kept between bounds; numbers where there is no tensor among them.
pub fn clamped(x: &Tensor, min: Option<Operand>, max: Option<Operand>) -> dlcore_core::Result<Tensor> {
    let number = |bound: &Option<Operand>| match bound {
        Some(Operand::Scalar(value)) => Some(*value),
        _ => None,
    };
    if let (None | Some(Operand::Scalar(_)), None | Some(Operand::Scalar(_))) = (&min, &max) {
        return ops::clamp(x, number(&min), number(&max));
    }
    let bound = |bound: Option<Operand>| bound.map(|bound| bound.beside(x)).transpose();
    blend::clamp_between(x, bound(min)?.as_ref(), bound(max)?.as_ref())
}

functions! {
    /// ``input + weight * (end - input)``: between the two, ``input`` at 0 and ``end`` at 1.
    ///
    /// >>> dlcore.lerp(dlcore.tensor([0.0, 10.0]), dlcore.tensor([1.0, 20.0]), 0.5)
    /// tensor([ 0.5000, 15.0000])
    lerp(end: Arg, weight: Operand) => |x| blend::lerp(x, &end.0, &weight.unrounded()?);
    /// ``input + value * tensor1 * tensor2``.
    ///
    /// >>> dlcore.addcmul(dlcore.tensor([1.0]), dlcore.tensor([2.0]), dlcore.tensor([3.0]), value=0.5)
    /// tensor([4.])
    addcmul(tensor1: Arg, tensor2: Arg; value: f64 = 1.0) => |x| blend::addcmul(x, &tensor1.0, &tensor2.0, value);
    /// ``input + value * tensor1 / tensor2``.
    ///
    /// >>> dlcore.addcdiv(dlcore.tensor([1.0]), dlcore.tensor([3.0]), dlcore.tensor([2.0]))
    /// tensor([2.5000])
    addcdiv(tensor1: Arg, tensor2: Arg; value: f64 = 1.0) => |x| blend::addcdiv(x, &tensor1.0, &tensor2.0, value);
    /// Each element without the part before the point.
    ///
    /// >>> dlcore.frac(dlcore.tensor([1.5, -1.5]))
    /// tensor([ 0.5000, -0.5000])
    frac() => |x| ops::frac(x);
    /// NaN and the infinities replaced by numbers: the infinities by the outermost finite ones where none are given.
    ///
    /// >>> dlcore.nan_to_num(dlcore.tensor([float("nan"), float("inf")]), posinf=1.0)
    /// tensor([0., 1.])
    nan_to_num(nan: Option<f64> = None, posinf: Option<f64> = None, neginf: Option<f64> = None)
        => |x| blend::nan_to_num(x, nan.unwrap_or(0.0), posinf, neginf);
    /// Each element, or ``min`` where it is below.
    ///
    /// >>> dlcore.clamp_min(dlcore.tensor([-1.0, 2.0]), 0)
    /// tensor([0., 2.])
    clamp_min(min: Operand) => |x| clamped(x, Some(min), None);
    /// Each element, or ``max`` where it is above.
    ///
    /// >>> dlcore.clamp_max(dlcore.tensor([-1.0, 2.0]), 0)
    /// tensor([-1.,  0.])
    clamp_max(max: Operand) => |x| clamped(x, None, Some(max));
    /// Another name of ``dlcore.clamp``.
    ///
    /// >>> dlcore.clip(dlcore.tensor([-1.0, 2.0]), 0, 1)
    /// tensor([0., 1.])
    clip(min: Option<Operand> = None, max: Option<Operand> = None) => |x| clamped(x, min, max);
    /// ``other - alpha * input``.
    ///
    /// >>> dlcore.rsub(dlcore.tensor([1.0, 2.0]), 5)
    /// tensor([4., 3.])
    rsub(other: Operand; alpha: f64 = 1.0) => |x: &Tensor| {
        let other = other.beside(x)?;
        if alpha.to_bits() == 1f64.to_bits() {
            return ops::sub(&other, x);
        }
        let factor = Tensor::from(dlcore_core::Array::full("rsub", &[], Scalar::Float(alpha), x.dtype())?);
        ops::sub(&other, &ops::mul(x, &factor)?)
    };
    /// 0 below zero, 1 above, and ``values`` at zero.
    ///
    /// >>> dlcore.heaviside(dlcore.tensor([-1.5, 0.0, 2.0]), dlcore.tensor(0.5))
    /// tensor([0.0000, 0.5000, 1.0000])
    heaviside(values: Arg) => |x| blend::heaviside(x, &values.0);
    /// Whether ``|input - other| <= atol + rtol * |other|``, element by element.
    ///
    /// >>> dlcore.isclose(dlcore.tensor([1.0, 2.0]), dlcore.tensor([1.0, 2.5]))
    /// tensor([ True, False])
    isclose(other: Arg, rtol: f64 = 1e-5, atol: f64 = 1e-8, equal_nan: bool = false) => |x: &Tensor| {
        let (a, b) = (x.detach(), other.0.detach());
        if a.dtype() != b.dtype() {
            return Err(dlcore_core::Error::dtype("isclose", format_args!("{} against {}", a.dtype(), b.dtype())));
        }
        if rtol < 0.0 || atol < 0.0 {
            return Err(dlcore_core::Error::value("isclose", "tolerances must not be negative"));
        }
        let wide = dlcore_core::DType::F64;
        ops::isclose(&ops::cast(&a, wide)?, &ops::cast(&b, wide)?, rtol, atol, equal_nan)
    };
    /// The elements as they are; numbers only.
    ///
    /// >>> dlcore.positive(dlcore.tensor([1, -2]))
    /// tensor([ 1, -2])
    positive() => |x: &Tensor| if x.dtype() == dlcore_core::DType::Bool {
        Err(dlcore_core::Error::dtype("positive", "bool tensors have no sign"))
    } else {
        Ok(x.alias())
    };
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)
}
