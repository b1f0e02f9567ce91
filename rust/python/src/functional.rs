//! Functions of one or two tensors that are also methods: two names of one thing, written once.

#![allow(unsafe_op_in_unsafe_fn, reason = "PyO3's expansion of paired operators, seen through the macros here")]

use crate::convert::{Arg, Number, Operand, scalar_tensor};
use crate::enter::{enter, guarded, to_py};
use crate::exchange::temporary::{has_one_reference, is_temporary};
use crate::out::{self, Out};
use crate::tensor::PyTensor;
use dlcore_core::ops::over::{Arithmetic, Replaced, over, write_over};
use dlcore_core::ops::{arithmetic, blend};
use dlcore_core::{DType, Error, Result, Scalar, Tensor, ops};
use pyo3::basic::CompareOp;
use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;
use pyo3::types::PyNotImplemented;

/// Applies `op` to one tensor.
#[inline]
fn one(py: Python<'_>, x: &Tensor, op: impl FnOnce(&Tensor) -> Result<Tensor> + Send) -> PyResult<PyTensor> {
    enter(py, x.numel(), || op(x)).map(PyTensor::from)
}

/// Applies `op` to two operands.
#[inline]
pub fn two(
    py: Python<'_>,
    a: Operand,
    b: Operand,
    op: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor> + Send,
) -> PyResult<PyTensor> {
    let (a, b) = Operand::pair(a, b)?;
    enter(py, a.numel().max(b.numel()), || op(&a, &b)).map(PyTensor::from)
}

/// Applies `op` to two operands; the result goes into `out` where there is one.
#[inline]
pub fn both<'py>(
    py: Python<'py>,
    name: &'static str,
    a: Operand,
    b: Operand,
    out: Out<'py>,
    op: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor> + Send,
) -> PyResult<Bound<'py, PyTensor>> {
    let (a, b) = Operand::pair(a, b)?;
    out::into(py, name, a.numel().max(b.numel()), out, || op(&a, &b))
}

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident, $method_doc:literal => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (input, *, out = None))]
            fn $name<'py>(py: Python<'py>, input: Arg, out: Out<'py>) -> PyResult<Bound<'py, PyTensor>> {
                let x = input.0;
                out::into(py, stringify!($name), x.numel(), out, || $op(&x))
            }
        )*

        #[pymethods]
        impl PyTensor {
            $(
                #[doc = $method_doc]
                pub fn $name(&self, py: Python<'_>) -> PyResult<Self> {
                    one(py, &self.get(), $op)
                }
            )*
        }

        fn register_unary(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

unary! {
    /// ``e`` to the power of each element.
    ///
    /// >>> dlcore.exp(dlcore.tensor([0.0, 1.0]))
    /// tensor([1.0000, 2.7183])
    exp, "See ``dlcore.exp``." => ops::exp;
    /// Natural logarithm of each element; NaN below zero.
    ///
    /// >>> dlcore.log(dlcore.tensor([1.0, 10.0]))
    /// tensor([0.0000, 2.3026])
    log, "See ``dlcore.log``." => ops::log;
    /// Square root of each element; NaN below zero.
    ///
    /// >>> dlcore.sqrt(dlcore.tensor([4.0, 9.0]))
    /// tensor([2., 3.])
    sqrt, "See ``dlcore.sqrt``." => ops::sqrt;
    /// One over the square root of each element.
    ///
    /// >>> dlcore.rsqrt(dlcore.tensor([4.0]))
    /// tensor([0.5000])
    rsqrt, "See ``dlcore.rsqrt``." => ops::rsqrt;
    /// Sine of each element, in radians.
    ///
    /// >>> dlcore.sin(dlcore.tensor([0.0]))
    /// tensor([0.])
    sin, "See ``dlcore.sin``." => ops::sin;
    /// Cosine of each element, in radians.
    ///
    /// >>> dlcore.cos(dlcore.tensor([0.0]))
    /// tensor([1.])
    cos, "See ``dlcore.cos``." => ops::cos;
    /// Hyperbolic tangent of each element.
    ///
    /// >>> dlcore.tanh(dlcore.tensor([0.0, 1.0]))
    /// tensor([0.0000, 0.7616])
    tanh, "See ``dlcore.tanh``." => ops::tanh;
    /// ``1 / (1 + exp(-x))`` of each element.
    ///
    /// >>> dlcore.sigmoid(dlcore.tensor([0.0]))
    /// tensor([0.5000])
    sigmoid, "See ``dlcore.sigmoid``." => ops::sigmoid;
    /// Absolute value of each element.
    ///
    /// >>> dlcore.abs(dlcore.tensor([-1.5, 2.0]))
    /// tensor([1.5000, 2.0000])
    abs, "See ``dlcore.abs``." => ops::abs;
    /// -1, 0 or 1 by the sign of each element.
    ///
    /// >>> dlcore.sign(dlcore.tensor([-3.0, 0.0, 2.0]))
    /// tensor([-1.,  0.,  1.])
    sign, "See ``dlcore.sign``." => ops::sign;
    /// Each element times itself.
    ///
    /// >>> dlcore.square(dlcore.tensor([3.0]))
    /// tensor([9.])
    square, "See ``dlcore.square``." => ops::square;
    /// One over each element.
    ///
    /// >>> dlcore.reciprocal(dlcore.tensor([4.0]))
    /// tensor([0.2500])
    reciprocal, "See ``dlcore.reciprocal``." => ops::reciprocal;
    /// The largest integer that is not above each element.
    ///
    /// >>> dlcore.floor(dlcore.tensor([1.5, -1.5]))
    /// tensor([ 1., -2.])
    floor, "See ``dlcore.floor``." => ops::floor;
    /// The smallest integer that is not below each element.
    ///
    /// >>> dlcore.ceil(dlcore.tensor([1.5, -1.5]))
    /// tensor([ 2., -1.])
    ceil, "See ``dlcore.ceil``." => ops::ceil;
    /// Each element without its fraction.
    ///
    /// >>> dlcore.trunc(dlcore.tensor([1.5, -1.5]))
    /// tensor([ 1., -1.])
    trunc, "See ``dlcore.trunc``." => ops::trunc;
    /// The error function of each element.
    ///
    /// >>> dlcore.erf(dlcore.tensor([0.0, 1.0]))
    /// tensor([0.0000, 0.8427])
    erf, "See ``dlcore.erf``." => ops::erf;
    /// 2 to the power of each element.
    ///
    /// >>> dlcore.exp2(dlcore.tensor([3.0, 0.5]))
    /// tensor([8.0000, 1.4142])
    exp2, "See ``dlcore.exp2``." => ops::exp2;
    /// ``exp(x) - 1`` of each element, exact near zero.
    ///
    /// >>> dlcore.expm1(dlcore.tensor([0.0]))
    /// tensor([0.])
    expm1, "See ``dlcore.expm1``." => ops::expm1;
    /// Logarithm to base 2 of each element; NaN below zero.
    ///
    /// >>> dlcore.log2(dlcore.tensor([8.0, 0.5]))
    /// tensor([ 3., -1.])
    log2, "See ``dlcore.log2``." => ops::log2;
    /// Logarithm to base 10 of each element; NaN below zero.
    ///
    /// >>> dlcore.log10(dlcore.tensor([100.0, 2.0]))
    /// tensor([2.0000, 0.3010])
    log10, "See ``dlcore.log10``." => ops::log10;
    /// ``log(1 + x)`` of each element, exact near zero.
    ///
    /// >>> dlcore.log1p(dlcore.tensor([0.0]))
    /// tensor([0.])
    log1p, "See ``dlcore.log1p``." => ops::log1p;
    /// The negative of each element.
    ///
    /// >>> dlcore.neg(dlcore.tensor([1.0, -2.0]))
    /// tensor([-1.,  2.])
    neg, "See ``dlcore.neg``." => ops::neg;
    /// Whether each element is NaN.
    ///
    /// >>> dlcore.isnan(dlcore.tensor([1.0, float("nan")]))
    /// tensor([False,  True])
    isnan, "See ``dlcore.isnan``." => ops::isnan;
    /// Whether each element is infinite.
    ///
    /// >>> dlcore.isinf(dlcore.tensor([1.0, float("inf")]))
    /// tensor([False,  True])
    isinf, "See ``dlcore.isinf``." => ops::isinf;
    /// Whether each element is neither infinite nor NaN.
    ///
    /// >>> dlcore.isfinite(dlcore.tensor([1.0, float("inf")]))
    /// tensor([ True, False])
    isfinite, "See ``dlcore.isfinite``." => ops::isfinite;
    /// The negation of each truth value; numbers are true where they are not zero.
    ///
    /// >>> dlcore.logical_not(dlcore.tensor([True, False]))
    /// tensor([False,  True])
    logical_not, "See ``dlcore.logical_not``." => ops::logical_not;
}

// Each as `name(type of the first, type of the second)`: an `Operand` may be a number, an `Arg` must be a tensor.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident($first:ty, $second:ty $(; $check:path)?), $method_doc:literal => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (input, other, *, out = None))]
            fn $name<'py>(
                py: Python<'py>, input: $first, other: $second, out: $crate::out::Out<'py>,
            ) -> PyResult<Bound<'py, $crate::tensor::PyTensor>> {
                $($check(stringify!($name), &input, &other)?;)?
                $crate::functional::both(py, stringify!($name), input.into(), other.into(), out, $op)
            }
        )*

        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl $crate::tensor::PyTensor {
            $(
                #[doc = $method_doc]
                pub fn $name(&self, py: Python<'_>, other: $second) -> PyResult<Self> {
                    $crate::functional::two(py, $crate::convert::Operand::Tensor(self.get()), other.into(), $op)
                }
            )*
        }

        fn register_binary(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}
pub(crate) use binary;

binary! {
    /// ``input * other``, broadcast.
    ///
    /// >>> dlcore.mul(dlcore.tensor([1.0, 2.0]), 3)
    /// tensor([3., 6.])
    mul(Operand, Operand), "See ``dlcore.mul``." => ops::mul;
    /// ``input // other``, rounded down, broadcast.
    ///
    /// >>> dlcore.floor_divide(dlcore.tensor([7, -7]), 2)
    /// tensor([ 3, -4])
    floor_divide(Operand, Operand), "See ``dlcore.floor_divide``." => ops::floor_divide;
    /// The larger of each pair, NaN if either is.
    ///
    /// >>> dlcore.maximum(dlcore.tensor([1.0, 4.0]), dlcore.tensor([3.0, 2.0]))
    /// tensor([3., 4.])
    maximum(Arg, Arg), "See ``dlcore.maximum``." => ops::maximum;
    /// The smaller of each pair, NaN if either is.
    ///
    /// >>> dlcore.minimum(dlcore.tensor([1.0, 4.0]), dlcore.tensor([3.0, 2.0]))
    /// tensor([1., 2.])
    minimum(Arg, Arg), "See ``dlcore.minimum``." => ops::minimum;
    /// Whether the elements of each pair are equal.
    ///
    /// >>> dlcore.eq(dlcore.tensor([1, 2]), 2)
    /// tensor([False,  True])
    eq(Arg, Operand), "See ``dlcore.eq``." => ops::eq;
    /// Whether the elements of each pair differ.
    ///
    /// >>> dlcore.ne(dlcore.tensor([1, 2]), 2)
    /// tensor([ True, False])
    ne(Arg, Operand), "See ``dlcore.ne``." => ops::ne;
    /// Whether the first of each pair is less.
    ///
    /// >>> dlcore.lt(dlcore.tensor([1, 2]), 2)
    /// tensor([ True, False])
    lt(Arg, Operand), "See ``dlcore.lt``." => ops::lt;
    /// Whether the first of each pair is less or equal.
    ///
    /// >>> dlcore.le(dlcore.tensor([1, 3]), 2)
    /// tensor([ True, False])
    le(Arg, Operand), "See ``dlcore.le``." => ops::le;
    /// Whether the first of each pair is greater.
    ///
    /// >>> dlcore.gt(dlcore.tensor([1, 3]), 2)
    /// tensor([False,  True])
    gt(Arg, Operand), "See ``dlcore.gt``." => ops::gt;
    /// Whether the first of each pair is greater or equal.
    ///
    /// >>> dlcore.ge(dlcore.tensor([1, 2]), 2)
    /// tensor([False,  True])
    ge(Arg, Operand), "See ``dlcore.ge``." => ops::ge;
    /// Whether both of each pair are true.
    ///
    /// >>> dlcore.logical_and(dlcore.tensor([True, False]), dlcore.tensor(True))
    /// tensor([ True, False])
    logical_and(Arg, Arg), "See ``dlcore.logical_and``." => ops::logical_and;
    /// Whether either of each pair is true.
    ///
    /// >>> dlcore.logical_or(dlcore.tensor([True, False]), dlcore.tensor(False))
    /// tensor([ True, False])
    logical_or(Arg, Arg), "See ``dlcore.logical_or``." => ops::logical_or;
    /// Whether exactly one of each pair is true.
    ///
    /// >>> dlcore.logical_xor(dlcore.tensor([True, False]), dlcore.tensor(True))
    /// tensor([False,  True])
    logical_xor(Arg, Arg), "See ``dlcore.logical_xor``." => ops::logical_xor;
    /// Matrix product: of matrices, vectors, and batches of matrices, which broadcast.
    ///
    /// >>> dlcore.matmul(dlcore.tensor([[1.0, 2.0]]), dlcore.tensor([[3.0], [4.0]]))
    /// tensor([[11.]])
    matmul(Arg, Arg), "See ``dlcore.matmul``." => ops::matmul;
}

/// The nearest integer of each element, or the nearest number with so many ``decimals``; halves to the even one.
///
/// >>> dlcore.round(dlcore.tensor([0.5, 1.5]))
/// tensor([0., 2.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, *, decimals = 0, out = None))]
fn round<'py>(py: Python<'py>, input: Arg, decimals: i32, out: Out<'py>) -> PyResult<Bound<'py, PyTensor>> {
    let x = input.0;
    out::into(py, "round", x.numel(), out, || ops::special::round_to(&x, decimals))
}

/// `plain`, or `by` some `alpha` where one is given.
fn multiple(
    alpha: Option<Number>,
    plain: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send,
    by: impl Fn(&Tensor, &Tensor, Scalar) -> Result<Tensor> + Send,
) -> impl FnOnce(&Tensor, &Tensor) -> Result<Tensor> + Send {
    move |a, b| match alpha {
        None => plain(a, b),
        Some(Number(alpha)) => by(a, b, alpha),
    }
}

/// ``input + alpha * other``, broadcast.
///
/// >>> dlcore.add(dlcore.tensor([1.0, 2.0]), 1, alpha=2)
/// tensor([3., 4.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, other, *, alpha = None, out = None))]
fn add<'py>(
    py: Python<'py>,
    input: Operand,
    other: Operand,
    alpha: Option<Number>,
    out: Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    both(py, "add", input, other, out, multiple(alpha, ops::add, blend::add_multiple))
}

/// ``input - alpha * other``, broadcast.
///
/// >>> dlcore.sub(dlcore.tensor([1.0, 2.0]), 1)
/// tensor([0., 1.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, other, *, alpha = None, out = None))]
pub fn sub<'py>(
    py: Python<'py>,
    input: Operand,
    other: Operand,
    alpha: Option<Number>,
    out: Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    both(py, "sub", input, other, out, multiple(alpha, ops::sub, blend::sub_multiple))
}

/// ``input % other`` with the sign of ``other``, broadcast. One of the two is a tensor.
///
/// >>> dlcore.remainder(dlcore.tensor([7, -7]), 3)
/// tensor([1, 2])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, other, *, out = None))]
fn remainder<'py>(py: Python<'py>, input: Operand, other: Operand, out: Out<'py>) -> PyResult<Bound<'py, PyTensor>> {
    one_tensor("remainder", &input, &other)?;
    both(py, "remainder", input, other, out, ops::remainder)
}

/// ``input ** other``, broadcast. One of the two is a tensor. Of integers to a tensor of negative powers, the rounded
/// values; raises ValueError for integers to a negative number.
///
/// >>> dlcore.pow(dlcore.tensor([2.0, 3.0]), 2)
/// tensor([4., 9.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, exponent, *, out = None))]
fn pow<'py>(py: Python<'py>, input: Operand, exponent: Operand, out: Out<'py>) -> PyResult<Bound<'py, PyTensor>> {
    one_tensor("pow", &input, &exponent)?;
    if let Operand::Tensor(x) = &input {
        whole_power(x, &exponent)?;
    }
    match (input, out) {
        (Operand::Tensor(x), None) => Bound::new(py, power(py, x, exponent)?),
        (input, out) => both(py, "pow", input, exponent, out, ops::pow),
    }
}

/// Refuses two numbers, which Python computes better.
pub fn one_tensor(op: &str, a: &Operand, b: &Operand) -> PyResult<()> {
    if let (Operand::Scalar(_), Operand::Scalar(_)) = (a, b) {
        return Err(to_py(Error::dtype(op, "expected a tensor among the two, got two numbers")));
    }
    Ok(())
}

/// `x ** exponent`, by an easier operation where a number as exponent allows one.
fn power(py: Python<'_>, x: Tensor, exponent: Operand) -> PyResult<PyTensor> {
    if let Operand::Scalar(exponent) = exponent
        && let Some(easy) = enter(py, x.numel(), || arithmetic::easy_power(&x, exponent))?
    {
        return Ok(easy.into());
    }
    two(py, Operand::Tensor(x), exponent, ops::pow)
}

/// Refuses integers to a negative number: their powers are no integers.
fn whole_power(base: &Tensor, exponent: &Operand) -> PyResult<()> {
    if let Operand::Scalar(Scalar::Int(..0)) = exponent
        && !base.dtype().is_float()
    {
        let what = "integers to negative powers are no integers; convert with .float() first";
        return Err(to_py(Error::value("pow", what)));
    }
    Ok(())
}

/// ``input / other``, broadcast; integers divide as float32. With ``rounding_mode`` ``"trunc"`` without the fraction, with
/// ``"floor"`` rounded down, in the dtype of the two.
///
/// >>> dlcore.div(dlcore.tensor([1, 2]), 2)
/// tensor([0.5000, 1.0000])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, other, *, rounding_mode = None, out = None))]
pub fn div<'py>(
    py: Python<'py>,
    input: Operand,
    other: Operand,
    rounding_mode: Option<&str>,
    out: Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    both(py, "div", input, other, out, quotient(rounding_mode).map_err(to_py)?)
}

/// The division that `rounding_mode=` names.
pub fn quotient(rounding_mode: Option<&str>) -> Result<fn(&Tensor, &Tensor) -> Result<Tensor>> {
    match rounding_mode {
        None => Ok(ops::div),
        Some("trunc") => Ok(ops::arithmetic::div_trunc),
        Some("floor") => Ok(ops::arithmetic::div_floor),
        Some(other) => {
            Err(Error::value("div", format_args!("rounding_mode is None, \"trunc\" or \"floor\", got {other:?}")))
        }
    }
}

/// An operator's operand: `None` where the type is foreign, so that Python tries the other side.
fn operand(object: &Bound<'_, PyAny>) -> PyResult<Option<Operand>> {
    if let Ok(tensor) = object.cast::<PyTensor>() {
        return Ok(Some(Operand::Tensor(tensor.get().get())));
    }
    if let Some(scalar) = crate::convert::scalar(object)? {
        return Ok(Some(Operand::Scalar(scalar)));
    }
    Ok(crate::convert::ndarray(object)?.map(Operand::Tensor))
}

/// From this size on, the result of an operator replaces an operand that dies: what that saves is more than what it
/// costs to make sure (3 us).
const REPLACE_FROM: usize = 1 << 19;

/// Which operand of an operator, called by the interpreter, dies with it and so may give its memory to the result.
#[inline]
fn dying(tensor: &Bound<'_, PyTensor>, other: &Bound<'_, PyAny>, reversed: bool) -> Option<Replaced> {
    let dies = |object: &Bound<'_, PyAny>| {
        has_one_reference(object)
            && object.cast_exact::<PyTensor>().is_ok_and(|tensor| tensor.get().owns_alone(REPLACE_FROM))
            && is_temporary(object)
    };
    let (first, second) = if reversed { (other, tensor.as_any()) } else { (tensor.as_any(), other) };
    if dies(first) { Some(Replaced::First) } else { dies(second).then_some(Replaced::Second) }
}

macro_rules! operators {
    ($($forward:ident, $reverse:ident => $op:expr $(, over $over:expr)?;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                fn $forward<'py>(
                    slf: &Bound<'py, Self>,
                    py: Python<'py>,
                    other: &Bound<'py, PyAny>,
                ) -> PyResult<Bound<'py, PyAny>> {
                    operators!(@call slf, py, other, false, $op $(, $over)?)
                }

                fn $reverse<'py>(
                    slf: &Bound<'py, Self>,
                    py: Python<'py>,
                    other: &Bound<'py, PyAny>,
                ) -> PyResult<Bound<'py, PyAny>> {
                    operators!(@call slf, py, other, true, $op $(, $over)?)
                }
            )*
        }
    };
    (@call $slf:ident, $py:ident, $other:ident, $reversed:literal, $op:expr) => {
        operate($slf, $py, $other, $reversed, $op)
    };
    (@call $slf:ident, $py:ident, $other:ident, $reversed:literal, $op:expr, $over:expr) => {{
        let replaced = dying($slf, $other, $reversed);
        operate($slf, $py, $other, $reversed, |a: &Tensor, b: &Tensor| match replaced {
            None => $op(a, b),
            Some(replaced) => over($over, a, b, replaced).map_or_else(|| $op(a, b), Ok),
        })
    }};
}

operators! {
    __add__, __radd__ => ops::add, over Arithmetic::Add;
    __sub__, __rsub__ => ops::sub, over Arithmetic::Sub;
    __mul__, __rmul__ => ops::mul, over Arithmetic::Mul;
    __truediv__, __rtruediv__ => ops::div, over Arithmetic::Div;
    __floordiv__, __rfloordiv__ => ops::floor_divide;
    __mod__, __rmod__ => ops::remainder;
    __matmul__, __rmatmul__ => ops::matmul;
    __and__, __rand__ => |a: &Tensor, b: &Tensor| bits("&", a, b, ops::bitwise_and);
    __or__, __ror__ => |a: &Tensor, b: &Tensor| bits("|", a, b, ops::bitwise_or);
    __xor__, __rxor__ => |a: &Tensor, b: &Tensor| bits("^", a, b, ops::bitwise_xor);
    __lshift__, __rlshift__ => ops::pairs::bitwise_left_shift;
    __rshift__, __rrshift__ => ops::pairs::bitwise_right_shift;
}

/// An operator of `tensor` and `other`, in this order unless `reversed`.
#[inline]
fn operate<'py>(
    tensor: &Bound<'py, PyTensor>,
    py: Python<'py>,
    other: &Bound<'py, PyAny>,
    reversed: bool,
    op: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor> + Send,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(other) = operand(other)? else { return Ok(PyNotImplemented::get(py).to_owned().into_any()) };
    let tensor = Operand::Tensor(tensor.get().get());
    let (a, b) = if reversed { (other, tensor) } else { (tensor, other) };
    new(py, two(py, a, b, op)?)
}

/// `&`, `|`, `^` and `~` are logic on bool tensors, and on integers of their bits.
fn bits(op: &str, a: &Tensor, b: &Tensor, apply: fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
    match [a, b].into_iter().find(|t| t.dtype().is_float()) {
        None => apply(a, b),
        Some(t) => Err(Error::dtype(
            op,
            format_args!("expected bool or integer tensors, got {}; compare first, as in (x > 0) & (x < 1)", t.dtype()),
        )),
    }
}

fn new(py: Python<'_>, tensor: PyTensor) -> PyResult<Bound<'_, PyAny>> {
    Ok(Bound::new(py, tensor)?.into_any())
}

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// See ``dlcore.add``.
    #[pyo3(signature = (other, *, alpha = None))]
    fn add(&self, py: Python<'_>, other: Operand, alpha: Option<Number>) -> PyResult<Self> {
        two(py, Operand::Tensor(self.get()), other, multiple(alpha, ops::add, blend::add_multiple))
    }

    /// See ``dlcore.sub``.
    #[pyo3(signature = (other, *, alpha = None))]
    pub fn sub(&self, py: Python<'_>, other: Operand, alpha: Option<Number>) -> PyResult<Self> {
        two(py, Operand::Tensor(self.get()), other, multiple(alpha, ops::sub, blend::sub_multiple))
    }

    /// See ``dlcore.div``.
    #[pyo3(signature = (other, *, rounding_mode = None))]
    pub fn div(&self, py: Python<'_>, other: Operand, rounding_mode: Option<&str>) -> PyResult<Self> {
        two(py, Operand::Tensor(self.get()), other, quotient(rounding_mode).map_err(to_py)?)
    }

    /// See ``dlcore.remainder``.
    pub fn remainder(&self, py: Python<'_>, other: Operand) -> PyResult<Self> {
        two(py, Operand::Tensor(self.get()), other, ops::remainder)
    }

    /// See ``dlcore.pow``.
    pub fn pow(&self, py: Python<'_>, exponent: Operand) -> PyResult<Self> {
        let x = self.get();
        whole_power(&x, &exponent)?;
        power(py, x, exponent)
    }

    /// See ``dlcore.round``.
    #[pyo3(signature = (*, decimals = 0))]
    pub fn round(&self, py: Python<'_>, decimals: i32) -> PyResult<Self> {
        one(py, &self.get(), |x| ops::special::round_to(x, decimals))
    }

    fn __neg__(&self, py: Python<'_>) -> PyResult<Self> {
        one(py, &self.get(), ops::neg)
    }

    fn __pos__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        if slf.get().get().dtype() == DType::Bool {
            return Err(to_py(Error::dtype("+", "bool tensors have no sign; convert with .int()")));
        }
        Ok(slf)
    }

    fn __abs__(&self, py: Python<'_>) -> PyResult<Self> {
        one(py, &self.get(), ops::abs)
    }

    fn __invert__(&self, py: Python<'_>) -> PyResult<Self> {
        one(py, &self.get(), |x: &Tensor| bits("~", x, x, |x, _| ops::bitwise_not(x)))
    }

    fn __pow__<'py>(
        &self,
        py: Python<'py>,
        other: &Bound<'py, PyAny>,
        modulo: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if modulo.is_some() {
            return Err(PyNotImplementedError::new_err("pow() of tensors takes no modulus"));
        }
        let Some(exponent) = operand(other)? else { return Ok(PyNotImplemented::get(py).to_owned().into_any()) };
        new(py, self.pow(py, exponent)?)
    }

    fn __rpow__<'py>(
        &self,
        py: Python<'py>,
        other: &Bound<'py, PyAny>,
        _modulo: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match operand(other)? {
            Some(other) => new(py, two(py, other, Operand::Tensor(self.get()), ops::pow)?),
            None => Ok(PyNotImplemented::get(py).to_owned().into_any()),
        }
    }

    fn __richcmp__<'py>(
        &self,
        py: Python<'py>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some(other) = operand(other)? else {
            return Ok(PyNotImplemented::get(py).to_owned().into_any());
        };
        let compare = match op {
            CompareOp::Lt => ops::lt,
            CompareOp::Le => ops::le,
            CompareOp::Eq => ops::eq,
            CompareOp::Ne => ops::ne,
            CompareOp::Gt => ops::gt,
            CompareOp::Ge => ops::ge,
        };
        new(py, two(py, Operand::Tensor(self.get()), other, compare)?)
    }
}

macro_rules! in_place {
    ($(
        $name:ident $(($alpha:ident: $multiple:expr))?, $augmented:ident, $text:literal, $doc:literal
            => $op:expr, over $over:expr;
    )*) => {
        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = $doc]
                #[pyo3(signature = (other $(, *, $alpha = None)?))]
                fn $name<'py>(
                    slf: Bound<'py, Self>, py: Python<'py>, other: Operand $(, $alpha: Option<Number>)?
                ) -> PyResult<Bound<'py, Self>> {
                    let x = slf.get();
                    $(
                        if let Some(Number(alpha)) = $alpha {
                            let value = || Ok(two(py, Operand::Tensor(x.get()), other, |a, b| $multiple(a, b, alpha))?.get());
                            x.transform($text, value)?;
                            return Ok(slf);
                        }
                    )?
                    x.replace(py, $text, other, $op, $over)?;
                    Ok(slf)
                }

                fn $augmented(slf: &Bound<'_, Self>, py: Python<'_>, other: Operand) -> PyResult<()> {
                    slf.get().replace(py, $text, other, $op, $over)
                }
            )*
        }
    };
}

impl PyTensor {
    /// Writes the result of an operation with `other` in place, in one pass where that can be.
    fn replace(
        &self,
        py: Python<'_>,
        name: &'static str,
        other: Operand,
        op: fn(&Tensor, &Tensor) -> Result<Tensor>,
        over: Arithmetic,
    ) -> PyResult<()> {
        let tensor = self.get();
        let other = other.against(&tensor)?;
        if !enter(py, tensor.numel(), || Ok(write_over(name, over, &tensor, &other)))? {
            self.overwrite(name, || enter(py, tensor.numel().max(other.numel()), || op(&tensor, &other)))?;
        }
        Ok(())
    }
}

in_place! {
    add_(alpha: blend::add_multiple), __iadd__, "add_", "``self += alpha * other``, in place; see ``dlcore.add``."
        => ops::add, over Arithmetic::Add;
    sub_(alpha: blend::sub_multiple), __isub__, "sub_", "``self -= alpha * other``, in place; see ``dlcore.sub``."
        => ops::sub, over Arithmetic::Sub;
    mul_, __imul__, "mul_", "``self *= other``, in place; see ``dlcore.mul``."
        => ops::mul, over Arithmetic::Mul;
}

macro_rules! augmented {
    ($($name:ident, $text:literal => $op:expr;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                fn $name(slf: &Bound<'_, Self>, py: Python<'_>, other: Operand) -> PyResult<()> {
                    let x = slf.get();
                    x.overwrite($text, || Ok(two(py, Operand::Tensor(x.get()), other, $op)?.get()))
                }
            )*
        }
    };
}

augmented! {
    __ifloordiv__, "floor_divide_" => ops::floor_divide;
    __imod__, "remainder_" => ops::remainder;
    __iand__, "bitwise_and_" => |a: &Tensor, b: &Tensor| bits("&", a, b, ops::bitwise_and);
    __ior__, "bitwise_or_" => |a: &Tensor, b: &Tensor| bits("|", a, b, ops::bitwise_or);
    __ixor__, "bitwise_xor_" => |a: &Tensor, b: &Tensor| bits("^", a, b, ops::bitwise_xor);
    __ilshift__, "bitwise_left_shift_" => ops::pairs::bitwise_left_shift;
    __irshift__, "bitwise_right_shift_" => ops::pairs::bitwise_right_shift;
}

#[pymethods]
impl PyTensor {
    /// ``self /= other``, in place, rounded as ``dlcore.div`` does where ``rounding_mode`` is given.
    #[pyo3(signature = (other, *, rounding_mode = None))]
    fn div_<'py>(
        slf: Bound<'py, Self>,
        py: Python<'py>,
        other: Operand,
        rounding_mode: Option<&str>,
    ) -> PyResult<Bound<'py, Self>> {
        if rounding_mode.is_none() {
            slf.get().replace(py, "div_", other, ops::div, Arithmetic::Div)?;
        } else {
            let value = slf.get().div(py, other, rounding_mode)?.get();
            slf.get().write("div_", &value)?;
        }
        Ok(slf)
    }

    fn __itruediv__(slf: &Bound<'_, Self>, py: Python<'_>, other: Operand) -> PyResult<()> {
        slf.get().replace(py, "div_", other, ops::div, Arithmetic::Div)
    }

    fn __ipow__(
        slf: &Bound<'_, Self>,
        py: Python<'_>,
        other: Operand,
        _modulo: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        slf.get().transform("pow_", || Ok(slf.get().pow(py, other)?.get()))
    }

    /// Writes the elements of ``src``, a tensor or a number, broadcast and converted, into this tensor. ``non_blocking`` is
    /// accepted: it has happened when the call returns.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(2, 2).copy_(dlcore.tensor([1, 2]))
    /// tensor([[1., 2.],
    ///         [1., 2.]])
    #[pyo3(signature = (src, non_blocking = false))]
    fn copy_<'py>(slf: Bound<'py, Self>, src: Operand, non_blocking: bool) -> PyResult<Bound<'py, Self>> {
        let _ = non_blocking;
        let src = match src {
            Operand::Tensor(src) => src,
            Operand::Scalar(src) => scalar_tensor(src, src.default_dtype())?,
        };
        let tensor = slf.get().get();
        let value = guarded(|| {
            let value = copied_from(&src, tensor.dtype())?;
            let keeps_graph = tensor.requires_grad() && !value.requires_grad();
            if keeps_graph { ops::select::replaced(&tensor, &value) } else { Ok(value) }
        })?;
        slf.get().write("copy_", &value)?;
        Ok(slf)
    }

    /// Writes ``value``, a number or a 0-d tensor, into every element. Gradients reach ``value``.
    ///
    /// >>> import dlcore
    /// >>> dlcore.empty(3).fill_(2.5)
    /// tensor([2.5000, 2.5000, 2.5000])
    fn fill_<'py>(slf: Bound<'py, Self>, value: Operand) -> PyResult<Bound<'py, Self>> {
        let tensor = slf.get().get();
        let value = match value {
            Operand::Tensor(value) => guarded(|| {
                ops::select::one_value("fill_", &value)?;
                copied_from(&value, tensor.dtype())
            })?,
            Operand::Scalar(value) => scalar_tensor(value, tensor.dtype())?,
        };
        let value = constant(&tensor, value)?;
        slf.get().write("fill_", &value)?;
        Ok(slf)
    }

    /// Writes zero into every element.
    ///
    /// >>> import dlcore
    /// >>> dlcore.ones(3).zero_()
    /// tensor([0., 0., 0.])
    fn zero_<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        let tensor = slf.get().get();
        let zero = constant(&tensor, scalar_tensor(Scalar::Int(0), tensor.dtype())?)?;
        slf.get().write("zero_", &zero)?;
        Ok(slf)
    }
}

/// `src` in `dtype`, to be written elsewhere: an operation of its own, so that what is written has its own place in the
/// graph.
fn copied_from(src: &Tensor, dtype: DType) -> Result<Tensor> {
    if src.dtype() == dtype { ops::reshape(src, src.shape()) } else { ops::cast(src, dtype) }
}

/// `value` for `tensor` to be filled with: where that has a gradient, so has the result, and it is zero.
fn constant(tensor: &Tensor, value: Tensor) -> PyResult<Tensor> {
    if tensor.requires_grad() { guarded(|| ops::select::filled(tensor, &value)) } else { Ok(value) }
}

/// A tensor like ``input`` with ``value``, a number or a 0-d tensor, in every element. Gradients reach ``value``.
///
/// >>> dlcore.fill(dlcore.zeros(2), 3.0)
/// tensor([3., 3.])
#[pyfunction(crate = "crate::exchange::keywords")]
fn fill(py: Python<'_>, input: Arg, value: Operand) -> PyResult<PyTensor> {
    let value = value.in_dtype(&input.0)?;
    enter(py, input.0.numel(), || ops::select::filled(&input.0, &value)).map(PyTensor::from)
}

/// ``input`` with zero written into every element.
///
/// >>> dlcore.zero_(dlcore.ones(2))
/// tensor([0., 0.])
#[pyfunction(crate = "crate::exchange::keywords")]
fn zero_<'py>(input: Bound<'py, PyTensor>) -> PyResult<Bound<'py, PyTensor>> {
    PyTensor::zero_(input)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_unary(module)?;
    register_binary(module)?;
    module.add_function(wrap_pyfunction!(round, module)?)?;
    module.add_function(wrap_pyfunction!(add, module)?)?;
    module.add_function(wrap_pyfunction!(sub, module)?)?;
    module.add_function(wrap_pyfunction!(div, module)?)?;
    module.add_function(wrap_pyfunction!(remainder, module)?)?;
    module.add_function(wrap_pyfunction!(pow, module)?)?;
    module.add_function(wrap_pyfunction!(fill, module)?)?;
    module.add_function(wrap_pyfunction!(zero_, module)?)
}
