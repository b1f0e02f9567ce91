//! How a function of a tensor is bound that is a method too: two names of one thing, written once.

use crate::tensor::PyTensor;
use dlcore_core::Tensor;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// What functions of the core return, as Python sees it.
pub trait Returned {
    /// As a Python value.
    fn returned(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>>;
}

impl Returned for Tensor {
    #[inline]
    fn returned(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(Bound::new(py, PyTensor::from(self))?.into_any())
    }
}

impl Returned for (Tensor, Tensor) {
    fn returned(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok((PyTensor::from(self.0), PyTensor::from(self.1)).into_pyobject(py)?.into_any())
    }
}

impl Returned for Vec<Tensor> {
    fn returned(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(PyTuple::new(py, self.into_iter().map(PyTensor::from).collect::<Vec<_>>())?.into_any())
    }
}

/// Binds functions of `input` and more arguments (keywords after `;`) as functions and methods:
///
/// `name(argument: Type = default; keyword: Type = default)["signature", "method's signature"] => |x| result;`
///
/// The signatures are for defaults that PyO3 cannot show.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident(
        $($arg:ident: $t:ty $(= $default:tt)?),* $(; $($key:ident: $k:ty = $value:tt),+)?
    ) $([$signature:literal, $method_signature:literal])? => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(
                signature = (input, $($arg $(= $default)?,)* $(*, $($key = $value),+)?)
                $(, text_signature = $signature)?
            )]
            fn $name<'py>(
                py: Python<'py>, input: $crate::convert::Arg, $($arg: $t,)* $($($key: $k),+)?
            ) -> PyResult<Bound<'py, PyAny>> {
                let (x, apply) = (input.0, $op);
                $crate::function::Returned::returned($crate::enter::enter(py, x.numel(), || apply(&x))?, py)
            }
        )*

        #[pymethods]
        impl $crate::tensor::PyTensor {
            $(
                #[doc = concat!("See ``dlcore.", stringify!($name), "``.")]
                #[pyo3(
                    signature = ($($arg $(= $default)?,)* $(*, $($key = $value),+)?)
                    $(, text_signature = $method_signature)?
                )]
                pub fn $name<'py>(&self, py: Python<'py>, $($arg: $t,)* $($($key: $k),+)?) -> PyResult<Bound<'py, PyAny>> {
                    $name(py, $crate::convert::Arg(self.get()), $($arg,)* $($($key),+)?)
                }
            )*
        }

        fn register_functions(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}
pub(crate) use functions;
