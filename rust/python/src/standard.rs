//! What the Python array API standard asks of the class beyond PyTorch's names: <https://data-apis.org/array-api/2024.12>.

use crate::convert::Arg;
use crate::device::{DeviceArg, on_cpu};
use crate::enter::to_py;
use crate::function::functions;
use crate::tensor::PyTensor;
use dlcore_core::ops;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyComplex, PyModule};

functions! {
    /// The float next to each element in the direction of ``other``. It has no gradient.
    ///
    /// >>> dlcore.nextafter(dlcore.tensor([1.0, 0.0]), dlcore.tensor([2.0, 0.0])) > dlcore.tensor([1.0, 0.0])
    /// tensor([ True, False])
    nextafter(other: Arg) => |x| ops::nextafter(x, &other.0);
}

/// The version of the standard that `dlcore.array_api` follows, and those that it contains.
const VERSIONS: [&str; 4] = ["2021.12", "2022.12", "2023.12", "2024.12"];

#[pymethods]
impl PyTensor {
    /// The functions of the Python array API standard for this tensor: ``dlcore.array_api``.
    #[pyo3(signature = (*, api_version = None))]
    #[allow(clippy::unused_self, reason = "the protocol's signature")]
    fn __array_namespace__<'py>(&self, py: Python<'py>, api_version: Option<&str>) -> PyResult<Bound<'py, PyModule>> {
        if let Some(version) = api_version.filter(|version| !VERSIONS.contains(version)) {
            let what = format!("__array_namespace__: there is no version {version:?}; the latest is {:?}", VERSIONS[3]);
            return Err(PyValueError::new_err(what));
        }
        py.import("dlcore.array_api")
    }

    /// This tensor, where ``device`` is the CPU: there is no other.
    ///
    /// >>> import dlcore
    /// >>> dlcore.ones(2).to_device("cpu")
    /// tensor([1., 1.])
    #[pyo3(signature = (device, /, *, stream = None))]
    fn to_device<'py>(
        slf: Bound<'py, Self>,
        device: DeviceArg,
        stream: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        on_cpu(Some(device))?;
        match stream {
            None => Ok(slf),
            Some(_) => Err(PyValueError::new_err("to_device: a CPU has no streams")),
        }
    }

    fn __complex__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyComplex>> {
        let value = self.get().array().item().map_err(to_py)?.to_f64();
        Ok(PyComplex::from_doubles(py, value, 0.0))
    }
}

/// Registers the function of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)
}
