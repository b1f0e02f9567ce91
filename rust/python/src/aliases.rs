//! Second names of functions, and functions of what is an attribute or a method first.

use crate::convert::{Arg, Number, Operand};
use crate::function::functions;
use crate::functional::{self, binary};
use crate::memory_format::MemoryFormat;
use crate::out::Out;
use crate::tensor::PyTensor;
use dlcore_core::{DType, Scalar, Tensor, ops};
use pyo3::prelude::*;

binary! {
    /// Another name of ``dlcore.mul``.
    ///
    /// >>> dlcore.multiply(dlcore.tensor([1.0, 4.0]), 2)
    /// tensor([2., 8.])
    multiply(Operand, Operand), "See ``dlcore.multiply``." => ops::mul;
    /// Another name of ``dlcore.div``.
    ///
    /// >>> dlcore.true_divide(dlcore.tensor([1.0, 4.0]), 2)
    /// tensor([0.5000, 2.0000])
    true_divide(Operand, Operand), "See ``dlcore.true_divide``." => ops::div;
}

/// Another name of ``dlcore.div``.
///
/// >>> dlcore.divide(dlcore.tensor([1.0, 4.0]), 2)
/// tensor([0.5000, 2.0000])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, other, *, rounding_mode = None, out = None))]
fn divide<'py>(
    py: Python<'py>,
    input: Operand,
    other: Operand,
    rounding_mode: Option<&str>,
    out: Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    functional::div(py, input, other, rounding_mode, out)
}

/// Another name of ``dlcore.sub``.
///
/// >>> dlcore.subtract(dlcore.tensor([1.0, 4.0]), 2)
/// tensor([-1.,  2.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, other, *, alpha = None, out = None))]
fn subtract<'py>(
    py: Python<'py>,
    input: Operand,
    other: Operand,
    alpha: Option<Number>,
    out: Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    functional::sub(py, input, other, alpha, out)
}

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// See ``dlcore.divide``.
    #[pyo3(signature = (other, *, rounding_mode = None))]
    pub fn divide(&self, py: Python<'_>, other: Operand, rounding_mode: Option<&str>) -> PyResult<Self> {
        self.div(py, other, rounding_mode)
    }

    /// See ``dlcore.subtract``.
    #[pyo3(signature = (other, *, alpha = None))]
    pub fn subtract(&self, py: Python<'_>, other: Operand, alpha: Option<Number>) -> PyResult<Self> {
        self.sub(py, other, alpha)
    }
}

functions! {
    /// Another name of ``dlcore.gt``.
    ///
    /// >>> dlcore.greater(dlcore.tensor([1.0, 4.0]), 2)
    /// tensor([False,  True])
    greater(other: Operand) => |x: &Tensor| ops::gt(x, &other.beside(x)?);
    /// Another name of ``dlcore.ge``.
    ///
    /// >>> dlcore.greater_equal(dlcore.tensor([1.0, 4.0]), 2)
    /// tensor([False,  True])
    greater_equal(other: Operand) => |x: &Tensor| ops::ge(x, &other.beside(x)?);
    /// Another name of ``dlcore.lt``.
    ///
    /// >>> dlcore.less(dlcore.tensor([1.0, 4.0]), 2)
    /// tensor([ True, False])
    less(other: Operand) => |x: &Tensor| ops::lt(x, &other.beside(x)?);
    /// Another name of ``dlcore.le``.
    ///
    /// >>> dlcore.less_equal(dlcore.tensor([1.0, 4.0]), 2)
    /// tensor([ True, False])
    less_equal(other: Operand) => |x: &Tensor| ops::le(x, &other.beside(x)?);
    /// Another name of ``dlcore.ne``.
    ///
    /// >>> dlcore.not_equal(dlcore.tensor([1.0, 4.0]), 2)
    /// tensor([True, True])
    not_equal(other: Operand) => |x: &Tensor| ops::ne(x, &other.beside(x)?);
    /// Another name of ``dlcore.abs``.
    ///
    /// >>> dlcore.absolute(dlcore.tensor([-1.0]))
    /// tensor([1.])
    absolute() => |x| ops::abs(x);
    /// Another name of ``dlcore.neg``.
    ///
    /// >>> dlcore.negative(dlcore.tensor([1.0]))
    /// tensor([-1.])
    negative() => |x| ops::neg(x);
    /// Another name of ``dlcore.trunc``.
    ///
    /// >>> dlcore.fix(dlcore.tensor([-1.5]))
    /// tensor([-1.])
    fix() => |x| ops::trunc(x);
    /// The larger of each pair; what is not NaN where one of the two is.
    ///
    /// >>> dlcore.fmax(dlcore.tensor([1.0, float("nan")]), dlcore.tensor([2.0, 3.0]))
    /// tensor([2., 3.])
    fmax(other: Arg) => |x: &Tensor| ops::select::number_first(x, &other.0, ops::ge, ops::maximum);
    /// The smaller of each pair; what is not NaN where one of the two is.
    ///
    /// >>> dlcore.fmin(dlcore.tensor([1.0, float("nan")]), dlcore.tensor([2.0, 3.0]))
    /// tensor([1., 3.])
    fmin(other: Arg) => |x: &Tensor| ops::select::number_first(x, &other.0, ops::le, ops::minimum);
    /// All elements on a diagonal of a matrix of zeros.
    ///
    /// >>> dlcore.diagflat(dlcore.tensor([1, 2]), 1)
    /// tensor([[0, 1, 0],
    ///         [0, 0, 2],
    ///         [0, 0, 0]])
    diagflat(offset: isize = 0) => |x: &Tensor| ops::arrange::diag(&ops::reshape(x, &[x.numel()])?, offset);
    /// Whether each element is a real number: all are.
    ///
    /// >>> dlcore.isreal(dlcore.tensor([1.0]))
    /// tensor([True])
    isreal() => |x: &Tensor| dlcore_core::creation::full(x.shape(), Scalar::Bool(true), Some(DType::Bool));
}

/// A copy with memory of its own, row-major or in another ``memory_format``; gradients pass through.
///
/// >>> dlcore.clone(dlcore.tensor([1, 2]))
/// tensor([1, 2])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, *, memory_format = None))]
fn clone(py: Python<'_>, input: &Bound<'_, PyTensor>, memory_format: Option<MemoryFormat>) -> PyResult<PyTensor> {
    input.get().clone(py, memory_format)
}

/// A matrix with rows and columns exchanged, as a view; fewer dimensions are returned as they are.
///
/// >>> dlcore.t(dlcore.zeros(2, 3)).shape
/// (3, 2)
#[pyfunction(crate = "crate::exchange::keywords")]
fn t(input: &Bound<'_, PyTensor>) -> PyResult<PyTensor> {
    PyTensor::t(input)
}

/// Number of elements.
///
/// >>> dlcore.numel(dlcore.zeros(2, 3))
/// 6
#[pyfunction(crate = "crate::exchange::keywords")]
fn numel(input: Arg) -> usize {
    input.0.numel()
}

/// Whether something is a tensor.
///
/// >>> dlcore.is_tensor([1.0])
/// False
#[pyfunction]
fn is_tensor(obj: &Bound<'_, PyAny>) -> bool {
    obj.is_instance_of::<PyTensor>()
}

/// Whether the dtype is a floating-point type.
///
/// >>> dlcore.is_floating_point(dlcore.tensor([1]))
/// False
#[pyfunction(crate = "crate::exchange::keywords")]
fn is_floating_point(input: Arg) -> bool {
    input.0.dtype().is_float()
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)?;
    register_binary(module)?;
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(divide subtract clone t numel is_tensor is_floating_point);
    Ok(())
}
