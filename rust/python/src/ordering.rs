//! Functions that put elements in order or accumulate them along a dimension, and the methods of the same name.

use crate::convert::{Arg, DTypeArg};
use crate::enter::enter;
use crate::function::placed;
use crate::out::{self, Out, Outs};
use crate::tensor::PyTensor;
use dlcore_core::{Tensor, ops};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

/// A named pair of tensors, as `max(x, dim)` returns it; those of `out`, where it is given.
pub fn values_indices<'py>(
    py: Python<'py>,
    op: &'static str,
    values: Tensor,
    indices: Tensor,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    static TYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = || -> PyResult<Py<PyAny>> {
        let named = py.import("dlcore.named")?.getattr("_type")?;
        Ok(named.call1(("values_indices", ("values", "indices")))?.unbind())
    };
    let pair = PyTuple::new(py, placed(py, op, vec![values, indices], out)?)?;
    TYPE.get_or_try_init(py, make)?.bind(py).call1(pair)
}

macro_rules! running {
    ($($(#[$doc:meta])* $name:ident, $method_doc:literal => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (input, dim, *, dtype = None, out = None))]
            fn $name<'py>(
                py: Python<'py>, input: Arg, dim: isize, dtype: Option<DTypeArg>, out: Out<'py>,
            ) -> PyResult<Bound<'py, PyTensor>> {
                out::into(py, stringify!($name), input.0.numel(), out, || {
                    let x = match dtype {
                        Some(dtype) => ops::cast(&input.0, dtype.0)?,
                        None => input.0,
                    };
                    let accumulated = $op(&x, dim)?;
                    dtype.map_or(Ok(accumulated.clone()), |dtype| ops::cast(&accumulated, dtype.0))
                })
            }
        )*

        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = $method_doc]
                #[pyo3(signature = (dim, *, dtype = None))]
                pub fn $name<'py>(
                    &self, py: Python<'py>, dim: isize, dtype: Option<DTypeArg>,
                ) -> PyResult<Bound<'py, Self>> {
                    $name(py, Arg(self.get()), dim, dtype, None)
                }
            )*
        }

        fn register_running(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

running! {
    /// Running sum along ``dim``; bool and integers sum as int64.
    ///
    /// >>> dlcore.cumsum(dlcore.tensor([1.0, 2.0, 3.0]), dim=0)
    /// tensor([1., 3., 6.])
    cumsum, "See ``dlcore.cumsum``." => ops::cumsum;
    /// Running product along ``dim``; bool and integers multiply as int64.
    ///
    /// >>> dlcore.cumprod(dlcore.tensor([1.0, 2.0, 3.0]), dim=0)
    /// tensor([1., 2., 6.])
    cumprod, "See ``dlcore.cumprod``." => ops::cumprod;
}

/// The elements in order along ``dim``, and the positions that they had. NaN counts as the largest. Equals always stay
/// in their order, as ``stable=True`` asks for.
///
/// >>> dlcore.sort(dlcore.tensor([3.0, 1.0, 2.0])).indices
/// tensor([1, 2, 0])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(
    signature = (input, dim = -1, descending = false, stable = false, *, out = None),
    text_signature = "(input, dim=-1, descending=False, stable=False, *, out=None)",
)]
fn sort<'py>(
    py: Python<'py>,
    input: Arg,
    dim: isize,
    descending: bool,
    stable: bool,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let _ = stable;
    let (values, indices) = enter(py, input.0.numel(), || ops::sort(&input.0, dim, descending))?;
    values_indices(py, "sort", values, indices, out)
}

/// The positions that the elements in order along ``dim`` have: the ``indices`` of ``dlcore.sort``.
///
/// >>> dlcore.argsort(dlcore.tensor([3.0, 1.0, 2.0]), descending=True)
/// tensor([0, 2, 1])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(
    signature = (input, dim = -1, descending = false, stable = false, *, out = None),
    text_signature = "(input, dim=-1, descending=False, stable=False, *, out=None)",
)]
fn argsort<'py>(
    py: Python<'py>,
    input: Arg,
    dim: isize,
    descending: bool,
    stable: bool,
    out: Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    let _ = stable;
    out::into(py, "argsort", input.0.numel(), out, || Ok(ops::sort(&input.0.detach(), dim, descending)?.1))
}

/// The ``k`` largest elements along ``dim``, or the smallest, and their positions; of equals the first. NaN counts as the
/// largest. They are always in order, also where ``sorted`` does not ask for it.
///
/// >>> dlcore.topk(dlcore.tensor([3.0, 1.0, 2.0]), 2).values
/// tensor([3., 2.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(
    signature = (input, k, dim = -1, largest = true, sorted = true, *, out = None),
    text_signature = "(input, k, dim=-1, largest=True, sorted=True, *, out=None)",
)]
fn topk<'py>(
    py: Python<'py>,
    input: Arg,
    k: isize,
    dim: isize,
    largest: bool,
    sorted: bool,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let _ = sorted;
    let (values, indices) = enter(py, input.0.numel(), || ops::topk(&input.0, k, dim, largest))?;
    values_indices(py, "topk", values, indices, out)
}

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// See ``dlcore.sort``.
    #[pyo3(
        signature = (dim = -1, descending = false, stable = false),
        text_signature = "($self, dim=-1, descending=False, stable=False)",
    )]
    fn sort<'py>(&self, py: Python<'py>, dim: isize, descending: bool, stable: bool) -> PyResult<Bound<'py, PyAny>> {
        sort(py, Arg(self.get()), dim, descending, stable, None)
    }

    /// See ``dlcore.argsort``.
    #[pyo3(
        signature = (dim = -1, descending = false, stable = false),
        text_signature = "($self, dim=-1, descending=False, stable=False)",
    )]
    fn argsort<'py>(&self, py: Python<'py>, dim: isize, descending: bool, stable: bool) -> PyResult<Bound<'py, Self>> {
        argsort(py, Arg(self.get()), dim, descending, stable, None)
    }

    /// See ``dlcore.topk``.
    #[pyo3(
        signature = (k, dim = -1, largest = true, sorted = true),
        text_signature = "($self, k, dim=-1, largest=True, sorted=True)",
    )]
    fn topk<'py>(
        &self,
        py: Python<'py>,
        k: isize,
        dim: isize,
        largest: bool,
        sorted: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        topk(py, Arg(self.get()), k, dim, largest, sorted, None)
    }
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_running(module)?;
    module.add_function(wrap_pyfunction!(sort, module)?)?;
    module.add_function(wrap_pyfunction!(argsort, module)?)?;
    module.add_function(wrap_pyfunction!(topk, module)?)
}
