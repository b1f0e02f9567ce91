//! The dtype that products are made in, whatever their inputs have: a switch of the thread.

use crate::convert::{DTypeArg, PyDType};
use dlcore_core::autograd::autocast;
use dlcore_kernels::gemm;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Sets the dtype that products are made in on this thread, None for that of their inputs; returns what it was.
#[pyfunction]
fn _set_autocast(dtype: Option<DTypeArg>) -> Option<PyDType> {
    autocast::set_dtype(dtype.map(|dtype| dtype.0)).map(PyDType)
}

/// Whether this CPU has instructions for products of bfloat16.
#[pyfunction]
fn _multiplies_bfloat16() -> bool {
    gemm::multiplies_bfloat16()
}

fn check(op: &str, device_type: &str) -> PyResult<()> {
    if device_type == "cpu" {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("{op}: device_type is \"cpu\", not {device_type:?}")))
}

/// Whether ``autocast`` is in force on this thread.
///
/// >>> dlcore.is_autocast_enabled()
/// False
#[pyfunction]
#[pyo3(signature = (device_type = "cpu"))]
fn is_autocast_enabled(device_type: &str) -> PyResult<bool> {
    check("is_autocast_enabled", device_type)?;
    Ok(autocast::dtype().is_some())
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_set_autocast, module)?)?;
    module.add_function(wrap_pyfunction!(_multiplies_bfloat16, module)?)?;
    module.add_function(wrap_pyfunction!(is_autocast_enabled, module)?)
}
