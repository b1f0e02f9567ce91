//! What numpy's universal functions do with tensors: those that are operators are the tensor's own, recorded as any
//! other; all others compute on the memory that the tensor lends, which one that requires a gradient does not.

use crate::enter::GradientError;
use crate::exchange::buffer::from_buffer;
use crate::tensor::PyTensor;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Universal functions of two operands by name: the operator's method of the first, and that of the second.
const OPERATORS: [(&str, &str, &str); 20] = [
    ("add", "__add__", "__radd__"),
    ("subtract", "__sub__", "__rsub__"),
    ("multiply", "__mul__", "__rmul__"),
    ("divide", "__truediv__", "__rtruediv__"),
    ("true_divide", "__truediv__", "__rtruediv__"),
    ("floor_divide", "__floordiv__", "__rfloordiv__"),
    ("remainder", "__mod__", "__rmod__"),
    ("power", "__pow__", "__rpow__"),
    ("matmul", "__matmul__", "__rmatmul__"),
    ("bitwise_and", "__and__", "__rand__"),
    ("bitwise_or", "__or__", "__ror__"),
    ("bitwise_xor", "__xor__", "__rxor__"),
    ("left_shift", "__lshift__", "__rlshift__"),
    ("right_shift", "__rshift__", "__rrshift__"),
    ("less", "__lt__", "__gt__"),
    ("less_equal", "__le__", "__ge__"),
    ("greater", "__gt__", "__lt__"),
    ("greater_equal", "__ge__", "__le__"),
    ("equal", "__eq__", "__eq__"),
    ("not_equal", "__ne__", "__ne__"),
];

/// The operator that this function is, applied; `None` where it is not one, or not of these operands.
fn operate<'py>(name: &str, inputs: &Bound<'py, PyTuple>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some((_, forward, reflected)) = OPERATORS.iter().find(|(ufunc, ..)| *ufunc == name) else { return Ok(None) };
    let (a, b) = (inputs.get_item(0)?, inputs.get_item(1)?);
    let found =
        if a.is_instance_of::<PyTensor>() { a.call_method1(*forward, (b,)) } else { b.call_method1(*reflected, (a,)) };
    found.map(|found| Some(found).filter(|found| !found.is(found.py().NotImplemented())))
}

/// An array that numpy made, as a tensor; what no dtype fits stays what it is.
fn tensor<'py>(found: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let array = found.py().import("numpy")?.call_method1("asarray", (&found,))?;
    match from_buffer("__array_ufunc__", &array, true) {
        Ok(Some(made)) => Ok(Bound::new(found.py(), PyTensor::from(made))?.into_any()),
        _ => Ok(found),
    }
}

#[pymethods]
impl PyTensor {
    /// numpy's protocol for functions of elements: `np.sin(tensor)`, `array * tensor`, `array += tensor`.
    ///
    /// Raises GradientError where numpy would compute with a tensor that requires a gradient, which the result would not
    /// know; TypeError where it would write to a tensor.
    #[allow(clippy::unused_self, reason = "the protocol's signature")]
    #[pyo3(signature = (ufunc, method, *inputs, **kwargs))]
    fn __array_ufunc__<'py>(
        &self,
        ufunc: &Bound<'py, PyAny>,
        method: &str,
        inputs: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = ufunc.py();
        let Ok(name) = ufunc.getattr("__name__").and_then(|name| name.extract::<String>()) else {
            return Err(PyTypeError::new_err(format!("__array_ufunc__: {} is not a ufunc", ufunc.repr()?)));
        };
        let plain = method == "__call__" && kwargs.is_none_or(PyDictMethods::is_empty);
        if plain && let Some(found) = operate(&name, inputs)? {
            return Ok(found);
        }
        let out = kwargs.map(|kwargs| kwargs.get_item("out")).transpose()?.flatten();
        let mut written = out.iter().flat_map(PyAnyMethods::try_iter).flatten().flatten();
        if written.any(|x| x.is_instance_of::<PyTensor>())
            || (method == "at" && inputs.get_item(0)?.is_instance_of::<PyTensor>())
        {
            return Err(PyTypeError::new_err(format!(
                "numpy.{name} does not write to tensors; use dlcore's own function, or the array that tensor.numpy() lends"
            )));
        }
        let mut arrays = Vec::with_capacity(inputs.len());
        for input in inputs {
            arrays.push(match input.cast::<PyTensor>() {
                Ok(lent) if lent.get().get().requires_grad() => {
                    return Err(GradientError::new_err(format!(
                        "numpy.{name} would compute with a tensor that requires a gradient, and lose it; use dlcore's own \
                         function, or detach() first"
                    )));
                }
                Ok(lent) => PyTensor::numpy(lent, false)?,
                Err(_) => input,
            });
        }
        let found = ufunc.getattr(method)?.call(PyTuple::new(py, arrays)?, kwargs)?;
        if out.is_some() || found.is_none() {
            return Ok(found);
        }
        match found.cast::<PyTuple>() {
            Ok(several) => {
                let several = several.iter().map(tensor).collect::<PyResult<Vec<_>>>()?;
                Ok(PyTuple::new(py, several)?.into_any())
            }
            Err(_) => tensor(found),
        }
    }
}
