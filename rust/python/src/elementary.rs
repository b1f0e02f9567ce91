//! Elementary and special functions, one or two tensors each, and their methods.

use crate::convert::{Arg, Operand};
use crate::enter::enter;
use crate::function::functions;
use crate::functional::{binary, both, one_tensor, two};
use crate::linalg::named;
use crate::out::{self, Out, Outs};
use crate::tensor::PyTensor;
use dlcore_core::ops::{self, pairs, special, unary};
use dlcore_core::{Array, DType, Error, Result, Scalar, Tensor};
use pyo3::prelude::*;

/// How often a function is derived, or its dimensions.
fn order(op: &str, n: i64) -> Result<u32> {
    u32::try_from(n).map_err(|_| Error::value(op, format_args!("expected a number that is not negative, got {n}")))
}

/// `x` in degrees or radians.
fn scaled(x: &Tensor, factor: f64) -> Result<Tensor> {
    let dtype = x.dtype().to_float();
    ops::mul(&ops::cast(x, dtype)?, &Array::full("scale", &[], Scalar::Float(factor), dtype)?.into())
}

/// Where `x` is `infinity`.
fn is_infinity(x: &Tensor, infinity: f64) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Ok(Array::zeros("isinf", x.shape(), DType::Bool)?.into());
    }
    ops::eq(x, &Array::full("isinf", &[], Scalar::Float(infinity), x.dtype())?.into())
}

functions! {
    /// Tangent of each element, in radians.
    ///
    /// >>> dlcore.tan(dlcore.tensor([0.0, 1.0]))
    /// tensor([0.0000, 1.5574])
    tan() => |x| ops::tan(x);
    /// The angle with this sine, in radians; NaN outside -1 to 1.
    ///
    /// >>> dlcore.asin(dlcore.tensor([0.0, 1.0]))
    /// tensor([0.0000, 1.5708])
    asin() => |x| ops::asin(x);
    /// The angle with this cosine, in radians; NaN outside -1 to 1.
    ///
    /// >>> dlcore.acos(dlcore.tensor([0.0, 1.0]))
    /// tensor([1.5708, 0.0000])
    acos() => |x| ops::acos(x);
    /// The angle with this tangent, in radians.
    ///
    /// >>> dlcore.atan(dlcore.tensor([0.0, 1.0]))
    /// tensor([0.0000, 0.7854])
    atan() => |x| ops::atan(x);
    /// Hyperbolic sine of each element.
    ///
    /// >>> dlcore.sinh(dlcore.tensor([0.0, 1.0]))
    /// tensor([0.0000, 1.1752])
    sinh() => |x| ops::sinh(x);
    /// Hyperbolic cosine of each element.
    ///
    /// >>> dlcore.cosh(dlcore.tensor([0.0, 1.0]))
    /// tensor([1.0000, 1.5431])
    cosh() => |x| ops::cosh(x);
    /// Inverse hyperbolic sine of each element.
    ///
    /// >>> dlcore.asinh(dlcore.tensor([0.0, 1.0]))
    /// tensor([0.0000, 0.8814])
    asinh() => |x| ops::asinh(x);
    /// Inverse hyperbolic cosine of each element; NaN below 1.
    ///
    /// >>> dlcore.acosh(dlcore.tensor([1.0, 2.0]))
    /// tensor([0.0000, 1.3170])
    acosh() => |x| ops::acosh(x);
    /// Inverse hyperbolic tangent of each element; NaN outside -1 to 1.
    ///
    /// >>> dlcore.atanh(dlcore.tensor([0.0, 0.5]))
    /// tensor([0.0000, 0.5493])
    atanh() => |x| ops::atanh(x);
    /// Another name of ``dlcore.asin``.
    ///
    /// >>> dlcore.arcsin(dlcore.tensor([1.0]))
    /// tensor([1.5708])
    arcsin() => |x| ops::asin(x);
    /// Another name of ``dlcore.acos``.
    ///
    /// >>> dlcore.arccos(dlcore.tensor([0.0]))
    /// tensor([1.5708])
    arccos() => |x| ops::acos(x);
    /// Another name of ``dlcore.atan``.
    ///
    /// >>> dlcore.arctan(dlcore.tensor([1.0]))
    /// tensor([0.7854])
    arctan() => |x| ops::atan(x);
    /// Another name of ``dlcore.asinh``.
    ///
    /// >>> dlcore.arcsinh(dlcore.tensor([1.0]))
    /// tensor([0.8814])
    arcsinh() => |x| ops::asinh(x);
    /// Another name of ``dlcore.acosh``.
    ///
    /// >>> dlcore.arccosh(dlcore.tensor([2.0]))
    /// tensor([1.3170])
    arccosh() => |x| ops::acosh(x);
    /// Another name of ``dlcore.atanh``.
    ///
    /// >>> dlcore.arctanh(dlcore.tensor([0.5]))
    /// tensor([0.5493])
    arctanh() => |x| ops::atanh(x);
    /// One minus the error function of each element, accurate where that is small.
    ///
    /// >>> dlcore.erfc(dlcore.tensor([0.0, 1.0]))
    /// tensor([1.0000, 0.1573])
    erfc() => |x| ops::erfc(x);
    /// The number with this error function; NaN outside -1 to 1 (Wichura 1988).
    ///
    /// >>> dlcore.erfinv(dlcore.tensor([0.0, 0.5]))
    /// tensor([0.0000, 0.4769])
    erfinv() => |x| ops::erfinv(x);
    /// The logarithm of the size of the gamma function of each element.
    ///
    /// >>> dlcore.lgamma(dlcore.tensor([1.0, 5.0]))
    /// tensor([0.0000, 3.1781])
    lgamma() => |x| ops::lgamma(x);
    /// The derivative of ``lgamma`` of each element.
    ///
    /// >>> dlcore.digamma(dlcore.tensor([1.0, 2.0]))
    /// tensor([-0.5772,  0.4228])
    digamma() => |x| ops::digamma(x);
    /// The modified Bessel function of the first kind of order 0.
    ///
    /// >>> dlcore.i0(dlcore.tensor([0.0, 1.0]))
    /// tensor([1.0000, 1.2661])
    i0() => |x| ops::unary::i0(x);
    /// The logarithm of the gamma function of ``p`` dimensions, of each element above ``(p - 1) / 2``.
    ///
    /// >>> dlcore.mvlgamma(dlcore.tensor([3.0]), 2)
    /// tensor([1.5502])
    mvlgamma(p: i64) => |x| special::multigammaln(x, order("mvlgamma", p)?);
    /// ``log(x / (1 - x))`` of each element, kept between ``eps`` and ``1 - eps`` before where there is one.
    ///
    /// >>> dlcore.logit(dlcore.tensor([0.5, 0.8]))
    /// tensor([0.0000, 1.3863])
    logit(eps: Option<f64> = None) => |x| special::logit(x, eps);
    /// ``sin(pi x) / (pi x)`` of each element, 1 at zero.
    ///
    /// >>> dlcore.sinc(dlcore.tensor([0.0, 0.5]))
    /// tensor([1.0000, 0.6366])
    sinc() => |x| unary::sinc(x);
    /// Degrees as radians.
    ///
    /// >>> dlcore.deg2rad(dlcore.tensor([180.0]))
    /// tensor([3.1416])
    deg2rad() => |x| scaled(x, std::f64::consts::PI / 180.0);
    /// Radians as degrees.
    ///
    /// >>> dlcore.rad2deg(dlcore.tensor([1.0]))
    /// tensor([57.2958])
    rad2deg() => |x| scaled(x, 180.0 / std::f64::consts::PI);
    /// Whether the sign of each element is minus; that of -0.0 is.
    ///
    /// >>> dlcore.signbit(dlcore.tensor([-1.0, 0.0, -0.0]))
    /// tensor([ True, False,  True])
    signbit() => |x: &Tensor| {
        let x = x.detach();
        let zero = Tensor::from(Array::zeros("signbit", &[], x.dtype())?);
        if !x.dtype().is_float() {
            return ops::lt(&x, &zero);
        }
        let one = Array::full("signbit", &[], dlcore_core::Scalar::Int(1), x.dtype())?.into();
        ops::lt(&ops::copysign(&one, &x)?, &zero)
    };
    /// -1, 0 or 1 by the sign of each element.
    ///
    /// >>> dlcore.sgn(dlcore.tensor([-3.0, 0.0, 2.0]))
    /// tensor([-1.,  0.,  1.])
    sgn() => |x| ops::sign(x);
    /// The angle of each number in the complex plane: pi below zero, else zero; NaN for NaN.
    ///
    /// >>> dlcore.angle(dlcore.tensor([-1.0, 2.0]))
    /// tensor([3.1416, 0.0000])
    angle() => |x| ops::unary::angle(x);
    /// The complex conjugates: real numbers are their own.
    ///
    /// >>> dlcore.conj(dlcore.tensor([1.0]))
    /// tensor([1.])
    conj() => |x: &Tensor| Ok(x.alias());
    /// The complex conjugates: real numbers are their own, and no copy is made, as in PyTorch.
    ///
    /// >>> dlcore.conj_physical(dlcore.tensor([1.0]))
    /// tensor([1.])
    conj_physical() => |x: &Tensor| Ok(x.alias());
    /// Whether each element is plus infinity.
    ///
    /// >>> dlcore.isposinf(dlcore.tensor([float("inf"), -float("inf")]))
    /// tensor([ True, False])
    isposinf() => |x: &Tensor| is_infinity(x, f64::INFINITY);
    /// Whether each element is minus infinity.
    ///
    /// >>> dlcore.isneginf(dlcore.tensor([float("inf"), -float("inf")]))
    /// tensor([False,  True])
    isneginf() => |x: &Tensor| is_infinity(x, f64::NEG_INFINITY);
    /// Every bit of each integer changed; of truth values the other one. Raises DTypeError for floats.
    ///
    /// >>> dlcore.bitwise_not(dlcore.tensor([0, 5]))
    /// tensor([-1, -6])
    bitwise_not() => |x| ops::bitwise_not(x);
    /// The angle of the point ``(other, input)``, in radians.
    ///
    /// >>> dlcore.atan2(dlcore.tensor([1.0]), dlcore.tensor([-1.0]))
    /// tensor([2.3562])
    atan2(other: Arg) => |x: &Tensor| ops::atan2(x, &other.0);
    /// Another name of ``dlcore.atan2``.
    ///
    /// >>> dlcore.arctan2(dlcore.tensor([1.0]), dlcore.tensor([-1.0]))
    /// tensor([2.3562])
    arctan2(other: Arg) => |x: &Tensor| ops::atan2(x, &other.0);
    /// ``sqrt(input ** 2 + other ** 2)``, without overflow.
    ///
    /// >>> dlcore.hypot(dlcore.tensor([3.0]), dlcore.tensor([4.0]))
    /// tensor([5.])
    hypot(other: Arg) => |x: &Tensor| ops::hypot(x, &other.0);
    /// The size of ``input`` with the sign of ``other``.
    ///
    /// >>> dlcore.copysign(dlcore.tensor([1.0, -2.0]), -0.0)
    /// tensor([-1., -2.])
    copysign(other: Operand) => |x: &Tensor| ops::copysign(x, &other.beside(x)?);
    /// The remainder of ``input`` by ``other`` that has the sign of ``input``, as C's ``fmod``. Raises ValueError for a zero
    /// integer divisor.
    ///
    /// >>> dlcore.fmod(dlcore.tensor([7, -7]), 3)
    /// tensor([ 1, -1])
    fmod(other: Operand) => |x: &Tensor| ops::fmod(x, &other.beside(x)?);
    /// The part below ``other`` of the integral that is the gamma function of ``input``. There is a gradient for ``other``
    /// only.
    ///
    /// >>> dlcore.igamma(dlcore.tensor([1.0]), dlcore.tensor([2.0]))
    /// tensor([0.8647])
    igamma(other: Arg) => |x: &Tensor| pairs::igamma(x, &other.0);
    /// The part above ``other`` of the integral that is the gamma function of ``input``. There is a gradient for ``other``
    /// only.
    ///
    /// >>> dlcore.igammac(dlcore.tensor([1.0]), dlcore.tensor([2.0]))
    /// tensor([0.1353])
    igammac(other: Arg) => |x: &Tensor| pairs::igammac(x, &other.0);
    /// The greatest common divisor of each pair of integers.
    ///
    /// >>> dlcore.gcd(dlcore.tensor([12, 7]), dlcore.tensor([18, 14]))
    /// tensor([6, 7])
    gcd(other: Arg) => |x: &Tensor| pairs::gcd(x, &other.0);
    /// The least common multiple of each pair of integers.
    ///
    /// >>> dlcore.lcm(dlcore.tensor([4, 7]), dlcore.tensor([6, 14]))
    /// tensor([12, 14])
    lcm(other: Arg) => |x: &Tensor| pairs::lcm(x, &other.0);
    /// ``log(exp(input) + exp(other))``, without overflow.
    ///
    /// >>> dlcore.logaddexp(dlcore.tensor([100.0]), dlcore.tensor([100.0]))
    /// tensor([100.6931])
    logaddexp(other: Arg) => |x: &Tensor| pairs::logaddexp(x, &other.0);
    /// ``log2(2 ** input + 2 ** other)``, without overflow.
    ///
    /// >>> dlcore.logaddexp2(dlcore.tensor([3.0]), dlcore.tensor([3.0]))
    /// tensor([4.])
    logaddexp2(other: Arg) => |x: &Tensor| pairs::logaddexp2(x, &other.0);
    /// ``input * 2 ** other``.
    ///
    /// >>> dlcore.ldexp(dlcore.tensor([1.5]), dlcore.tensor([3]))
    /// tensor([12.])
    ldexp(other: Arg) => |x: &Tensor| special::ldexp(x, &other.0);
}

binary! {
    /// Bits that are 1 in both. Raises DTypeError for floats.
    ///
    /// >>> dlcore.bitwise_and(dlcore.tensor([12, 10]), 6)
    /// tensor([4, 2])
    bitwise_and(Operand, Operand; one_tensor), "See ``dlcore.bitwise_and``." => ops::bitwise_and;
    /// Bits that are 1 in either. Raises DTypeError for floats.
    ///
    /// >>> dlcore.bitwise_or(dlcore.tensor([12, 10]), 6)
    /// tensor([14, 14])
    bitwise_or(Operand, Operand; one_tensor), "See ``dlcore.bitwise_or``." => ops::bitwise_or;
    /// Bits that are 1 in one of both. Raises DTypeError for floats.
    ///
    /// >>> dlcore.bitwise_xor(dlcore.tensor([12, 10]), 6)
    /// tensor([10, 12])
    bitwise_xor(Operand, Operand; one_tensor), "See ``dlcore.bitwise_xor``." => ops::bitwise_xor;
    /// Bits moved up by ``other``. Raises DTypeError for floats and bool.
    ///
    /// >>> dlcore.bitwise_left_shift(dlcore.tensor([1, 3]), 2)
    /// tensor([ 4, 12])
    bitwise_left_shift(Operand, Operand; one_tensor), "See ``dlcore.bitwise_left_shift``." => pairs::bitwise_left_shift;
    /// Bits moved down by ``other``, the sign staying. Raises DTypeError for floats and bool.
    ///
    /// >>> dlcore.bitwise_right_shift(dlcore.tensor([8, -8]), 2)
    /// tensor([ 2, -2])
    bitwise_right_shift(Operand, Operand; one_tensor), "See ``dlcore.bitwise_right_shift``." => pairs::bitwise_right_shift;
    /// ``input * log(other)``: zero where ``input`` is, whatever ``other`` is, but for NaN.
    ///
    /// >>> dlcore.xlogy(dlcore.tensor([0.0, 2.0]), dlcore.tensor([0.0, 1.0]))
    /// tensor([0., 0.])
    xlogy(Operand, Operand; one_tensor), "See ``dlcore.xlogy``." => special::xlogy;
}

/// ``input ** exponent`` in float64.
///
/// >>> dlcore.float_power(dlcore.tensor([2]), -1)
/// tensor([0.5000], dtype=dlcore.float64)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, exponent, *, out = None))]
fn float_power<'py>(
    py: Python<'py>,
    input: Operand,
    exponent: Operand,
    out: Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    one_tensor("float_power", &input, &exponent)?;
    both(py, "float_power", input, exponent, out, special::float_power)
}

/// The ``n``-th derivative of digamma of each element; NaN below -1 000 000 for ``n`` above 0.
///
/// >>> dlcore.polygamma(1, dlcore.tensor([1.0]))
/// tensor([1.6449])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (n, input, *, out = None))]
fn polygamma<'py>(py: Python<'py>, n: i64, input: Arg, out: Out<'py>) -> PyResult<Bound<'py, PyTensor>> {
    out::into(py, "polygamma", input.0.numel(), out, || special::polygamma(order("polygamma", n)?, &input.0))
}

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// See ``dlcore.float_power``.
    pub fn float_power(&self, py: Python<'_>, exponent: Operand) -> PyResult<Self> {
        two(py, Operand::Tensor(self.get()), exponent, special::float_power)
    }

    /// See ``dlcore.polygamma``.
    pub fn polygamma<'py>(&self, py: Python<'py>, n: i64) -> PyResult<Bound<'py, Self>> {
        polygamma(py, n, Arg(self.get()), None)
    }
}

/// The real parts: real numbers as they are.
///
/// >>> dlcore.real(dlcore.tensor([1.0]))
/// tensor([1.])
#[pyfunction(crate = "crate::exchange::keywords")]
fn real(input: Arg) -> PyTensor {
    input.0.alias().into()
}

/// Each element as ``mantissa * 2 ** exponent``, with a mantissa of size 0.5 to 1 and an int32 exponent. Zero, infinities
/// and NaN are their own mantissa.
///
/// >>> dlcore.frexp(dlcore.tensor([8.0, 0.75]))
/// frexp(mantissa=tensor([0.5000, 0.7500]), exponent=tensor([4, 0], dtype=dlcore.int32))
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, *, out = None))]
fn frexp<'py>(py: Python<'py>, input: Arg, out: Outs<'py>) -> PyResult<Bound<'py, PyAny>> {
    let (mantissa, exponent) = enter(py, input.0.numel(), || ops::nextafter::frexp(&input.0))?;
    named!(py, "frexp", ["mantissa", "exponent"], [mantissa, exponent], out)
}

#[pymethods]
impl PyTensor {
    /// See ``dlcore.frexp``.
    fn frexp<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frexp(py, Arg(self.get()), None)
    }

    /// See ``dlcore.real``.
    #[getter]
    fn real(&self) -> Self {
        self.get().alias().into()
    }
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)?;
    register_binary(module)?;
    module.add_function(wrap_pyfunction!(float_power, module)?)?;
    module.add_function(wrap_pyfunction!(polygamma, module)?)?;
    module.add_function(wrap_pyfunction!(real, module)?)?;
    module.add_function(wrap_pyfunction!(frexp, module)?)
}
