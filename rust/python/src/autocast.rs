//! The dtype that products are made in, whatever their inputs have: a switch of the thread.

use crate::convert::{Arg, DTypeArg, PyDType};
use crate::enter::enter;
use crate::tensor::PyTensor;
use dlcore_core::autograd::autocast::{self, Autocast};
use dlcore_kernels::gemm;
use pyo3::prelude::*;

/// Sets the dtype that products are made in on this thread, None for that of their inputs; returns what it was.
#[pyfunction]
fn _set_autocast(py: Python<'_>, dtype: Option<DTypeArg>) -> PyResult<Option<Py<PyDType>>> {
    autocast::set_dtype(dtype.map(|dtype| dtype.0)).map(|dtype| PyDType::of(py, dtype)).transpose()
}

/// Whether this CPU has instructions for products of bfloat16.
#[pyfunction]
fn _multiplies_bfloat16() -> bool {
    gemm::multiplies_bfloat16()
}

/// ``input`` as functions take it that need the digits: in float32, where it has fewer and ``autocast`` is in force.
#[pyfunction]
fn _widened(py: Python<'_>, input: Arg) -> PyResult<PyTensor> {
    enter(py, input.0.numel(), || Autocast::Widen.of(&input.0)).map(PyTensor::from)
}

/// Whether ``autocast`` is in force on this thread; never for another device than the CPU.
///
/// >>> dlcore.is_autocast_enabled()
/// False
#[pyfunction]
#[pyo3(signature = (device_type = "cpu"))]
fn is_autocast_enabled(device_type: &str) -> bool {
    device_type == "cpu" && autocast::dtype().is_some()
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_set_autocast, module)?)?;
    module.add_function(wrap_pyfunction!(_multiplies_bfloat16, module)?)?;
    module.add_function(wrap_pyfunction!(_widened, module)?)?;
    module.add_function(wrap_pyfunction!(is_autocast_enabled, module)?)
}
