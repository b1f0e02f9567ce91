//! `device=` and `dlcore.device`: accepted wherever PyTorch has them, and always the CPU.

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};

/// Where tensors are: ``dlcore.device("cpu")``, the only one. Raises RuntimeError for any other.
///
/// It equals its name, so that programs may compare ``x.device`` with either.
///
/// >>> import dlcore
/// >>> dlcore.zeros(2).device == dlcore.device("cpu")
/// True
#[pyclass(frozen, name = "device", module = "dlcore")]
pub struct PyDevice;

#[allow(clippy::unused_self, reason = "the only device there is has nothing to look at")]
#[pymethods]
impl PyDevice {
    #[new]
    #[pyo3(signature = (r#type, index = None))]
    fn new(r#type: DeviceArg, index: Option<usize>) -> PyResult<Self> {
        if let Some(index) = index.filter(|&index| index > 0) {
            return Err(none(&format!("cpu:{index}")));
        }
        on_cpu(Some(r#type))?;
        Ok(Self)
    }

    /// ``"cpu"``.
    #[getter]
    fn r#type(&self) -> &'static str {
        "cpu"
    }

    /// None: there is one CPU.
    #[getter]
    fn index(&self) -> Option<usize> {
        None
    }

    /// Everything inside is made on this device, as everywhere.
    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) {}

    fn __repr__(&self) -> &'static str {
        "device(type='cpu')"
    }

    fn __str__(&self) -> &'static str {
        "cpu"
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        matches!(other.extract(), Ok(DeviceArg::Cpu))
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        PyString::new(py, "cpu").hash()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (&'static str,)) {
        (py.get_type::<Self>(), ("cpu",))
    }
}

/// A device argument: a name, or a `dlcore.device`.
pub enum DeviceArg {
    /// This one.
    Cpu,
    /// The name of another.
    Other(String),
}

impl<'py> FromPyObject<'_, 'py> for DeviceArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyDevice>() {
            return Ok(Self::Cpu);
        }
        match object.extract::<&str>() {
            Ok("cpu" | "cpu:0") => Ok(Self::Cpu),
            Ok(other) => Ok(Self::Other(other.to_owned())),
            Err(_) => Err(PyTypeError::new_err("a device is a name, \"cpu\", or a dlcore.device")),
        }
    }
}

#[cold]
fn none(name: &str) -> PyErr {
    PyRuntimeError::new_err(format!("dlcore computes on the CPU: there is no device {name:?}"))
}

/// Refuses any device but this one.
pub fn on_cpu(device: Option<DeviceArg>) -> PyResult<()> {
    match device {
        None | Some(DeviceArg::Cpu) => Ok(()),
        Some(DeviceArg::Other(name)) => Err(none(&name)),
    }
}

/// Registers the class.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyDevice>()
}
