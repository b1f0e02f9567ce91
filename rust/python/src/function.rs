//! How a function of a tensor is bound that is a method too: two names of one thing, written once.

use crate::enter::to_py;
use crate::out::{self, Outs};
use crate::tensor::PyTensor;
use dlcore_core::{DType, Error, Tensor};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// What functions of the core return, as Python sees it.
pub trait Returned: Sized {
    /// As a Python value.
    fn returned(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>>;

    /// The tensors that it is.
    fn tensors(self) -> Vec<Tensor>;

    /// As a Python value, in the tensor or the tuple of tensors `out` where there is one.
    #[inline]
    fn returned_in<'py>(self, py: Python<'py>, op: &'static str, out: Outs<'py>) -> PyResult<Bound<'py, PyAny>> {
        match out {
            None => self.returned(py),
            Some(out) => put_all(py, op, &self.tensors(), &out).map(|_| out),
        }
    }
}

/// What moves elements, or finds positions, does not convert them, as in PyTorch; nor are positions beside values.
const MOVES: [&str; 6] = ["aminmax", "gather", "index_select", "masked_select", "multinomial", "nonzero"];

/// The results of `op` as Python sees them: new tensors, or those in `out`, a tensor or a tuple of one for each.
pub fn placed<'py>(
    py: Python<'py>,
    op: &'static str,
    values: Vec<Tensor>,
    out: Outs<'py>,
) -> PyResult<Vec<Bound<'py, PyTensor>>> {
    match out {
        None => values.into_iter().map(|value| Bound::new(py, PyTensor::from(value))).collect(),
        Some(out) => put_all(py, op, &values, &out),
    }
}

#[cold]
fn put_all<'py>(
    py: Python<'py>,
    op: &'static str,
    values: &[Tensor],
    out: &Bound<'py, PyAny>,
) -> PyResult<Vec<Bound<'py, PyTensor>>> {
    let places = match out.cast::<PyTensor>() {
        Ok(one) => vec![one.clone()],
        Err(_) => out
            .extract::<Vec<Bound<'py, PyTensor>>>()
            .map_err(|_| PyTypeError::new_err(format!("{op}: out is a tensor, or a tuple of one for each result")))?,
    };
    if places.len() != values.len() {
        let what = format!("{op}: {} tensors in out for {} results", places.len(), values.len());
        return Err(PyValueError::new_err(what));
    }
    // Nothing is written unless all can be.
    for (index, (value, place)) in values.iter().zip(&places).enumerate() {
        if places[..index].iter().any(|earlier| earlier.is(place)) {
            return Err(PyValueError::new_err(format!("{op}: one tensor in out for two results")));
        }
        let dtype = place.get().get().dtype();
        let exact = MOVES.contains(&op) || (index > 0 && value.dtype() == DType::I64);
        if exact && dtype != value.dtype() {
            let what = format_args!("expected an out of {}, got {dtype}", value.dtype());
            return Err(to_py(Error::dtype(op, what)));
        }
        out::check(op, value, place).map_err(to_py)?;
    }
    values.iter().zip(places).map(|(value, place)| out::put(py, op, value, place)).collect()
}

impl Returned for Tensor {
    #[inline]
    fn returned(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(Bound::new(py, PyTensor::from(self))?.into_any())
    }

    fn tensors(self) -> Vec<Tensor> {
        vec![self]
    }
}

impl Returned for (Tensor, Tensor) {
    fn returned(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok((PyTensor::from(self.0), PyTensor::from(self.1)).into_pyobject(py)?.into_any())
    }

    fn tensors(self) -> Vec<Tensor> {
        vec![self.0, self.1]
    }
}

impl Returned for Vec<Tensor> {
    fn returned(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(PyTuple::new(py, self.into_iter().map(PyTensor::from).collect::<Vec<_>>())?.into_any())
    }

    fn tensors(self) -> Vec<Tensor> {
        self
    }
}

/// Binds functions of `input` and more arguments (keywords after `;`) as functions, with `out=`, and as methods:
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
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(
                signature = (input, $($arg $(= $default)?,)* *, $($($key = $value,)+)? out = None)
                $(, text_signature = $signature)?
            )]
            fn $name<'py>(
                py: Python<'py>, input: $crate::convert::Arg, $($arg: $t,)* $($($key: $k,)+)? out: $crate::out::Outs<'py>
            ) -> PyResult<Bound<'py, PyAny>> {
                let (x, apply) = (input.0, $op);
                let result = $crate::enter::enter(py, x.numel(), || apply(&x))?;
                $crate::function::Returned::returned_in(result, py, stringify!($name), out)
            }
        )*

        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl $crate::tensor::PyTensor {
            $(
                #[doc = concat!("See ``dlcore.", stringify!($name), "``.")]
                #[pyo3(
                    signature = ($($arg $(= $default)?,)* $(*, $($key = $value),+)?)
                    $(, text_signature = $method_signature)?
                )]
                pub fn $name<'py>(&self, py: Python<'py>, $($arg: $t,)* $($($key: $k),+)?) -> PyResult<Bound<'py, PyAny>> {
                    $name(py, $crate::convert::Arg(self.get()), $($arg,)* $($($key,)+)? None)
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
