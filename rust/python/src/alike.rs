//! Tensors like others: `new_*` of their dtype, `atleast_*` of their elements.

use crate::convert::{DTypeArg, Ints, Number};
use crate::creation::{finish, from_data, shape};
use crate::device::{DeviceArg, on_cpu};
use crate::enter::{enter, guarded};
use crate::function::Returned;
use crate::tensor::PyTensor;
use dlcore_core::{Array, Scalar, creation, ops};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

macro_rules! filled {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                $(#[$doc])*
                #[pyo3(
                    signature = (*args, size = None, dtype = None, device = None, requires_grad = false),
                    text_signature = "($self, *size, dtype=None, device=None, requires_grad=False)"
                )]
                fn $name(
                    &self, py: Python<'_>, args: &Bound<'_, PyTuple>, size: Option<Ints>, dtype: Option<DTypeArg>,
                    device: Option<DeviceArg>, requires_grad: bool,
                ) -> PyResult<Self> {
                    on_cpu(device)?;
                    let shape = shape(stringify!($name), args, size)?;
                    let dtype = dtype.map_or_else(|| self.get().dtype(), |dtype| dtype.0);
                    let made = enter(py, usize::MAX, || {
                        Ok(Array::full(stringify!($name), &shape, $value, dtype)?.into())
                    })?;
                    finish(made, requires_grad)
                }
            )*
        }
    };
}

filled! {
    /// Zeros of ``size``, in this dtype unless another is given.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([1], dtype=dlcore.int8).new_zeros(2)
    /// tensor([0, 0], dtype=dlcore.int8)
    new_zeros = Scalar::Int(0);
    /// Ones of ``size``, in this dtype unless another is given.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([1], dtype=dlcore.int8).new_ones((1, 2))
    /// tensor([[1, 1]], dtype=dlcore.int8)
    new_ones = Scalar::Int(1);
    /// A tensor of ``size`` to be filled, in this dtype unless another is given.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([1], dtype=dlcore.int8).new_empty(2, 3).shape
    /// (2, 3)
    new_empty = Scalar::Int(0);
}

/// One tensor of at least `rank` dimensions, or a tuple of them.
fn at_least<'py>(py: Python<'py>, tensors: &Bound<'py, PyTuple>, rank: usize) -> PyResult<Bound<'py, PyAny>> {
    let see = |item: &Bound<'py, PyAny>| -> PyResult<dlcore_core::Tensor> {
        let x = item.extract::<crate::convert::Arg>()?.0;
        guarded(|| ops::arrange::at_least(&x, rank))
    };
    let one = (tensors.len() == 1).then(|| tensors.get_item(0)).transpose()?;
    match one {
        Some(one) if one.is_instance_of::<PyTensor>() => see(&one)?.returned(py),
        Some(many) => many.try_iter()?.map(|item| see(&item?)).collect::<PyResult<Vec<_>>>()?.returned(py),
        None => tensors.iter().map(|item| see(&item)).collect::<PyResult<Vec<_>>>()?.returned(py),
    }
}

/// Tensors seen with at least one dimension: one, or a tuple of several.
///
/// >>> dlcore.atleast_1d(dlcore.tensor(3))
/// tensor([3])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (*tensors))]
fn atleast_1d<'py>(py: Python<'py>, tensors: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    at_least(py, tensors, 1)
}

/// Tensors seen with at least two dimensions, a vector as a row: one, or a tuple of several.
///
/// >>> dlcore.atleast_2d(dlcore.tensor([3, 4]))
/// tensor([[3, 4]])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (*tensors))]
fn atleast_2d<'py>(py: Python<'py>, tensors: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    at_least(py, tensors, 2)
}

/// Tensors seen with at least three dimensions, a matrix with a last one of extent 1: one, or a tuple of several.
///
/// >>> dlcore.atleast_3d(dlcore.zeros(2, 3)).shape
/// (2, 3, 1)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (*tensors))]
fn atleast_3d<'py>(py: Python<'py>, tensors: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    at_least(py, tensors, 3)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(atleast_1d, module)?)?;
    module.add_function(wrap_pyfunction!(atleast_2d, module)?)?;
    module.add_function(wrap_pyfunction!(atleast_3d, module)?)
}

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// ``fill_value`` in every element of ``size``, in this dtype unless another is given.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([1.0]).new_full((2,), 7)
    /// tensor([7., 7.])
    #[pyo3(signature = (size, fill_value, *, dtype = None, device = None, requires_grad = false))]
    fn new_full(
        &self,
        py: Python<'_>,
        size: Ints,
        fill_value: Number,
        dtype: Option<DTypeArg>,
        device: Option<DeviceArg>,
        requires_grad: bool,
    ) -> PyResult<Self> {
        on_cpu(device)?;
        let shape = size.sizes("new_full")?;
        let dtype = dtype.map_or_else(|| self.get().dtype(), |dtype| dtype.0);
        finish(enter(py, usize::MAX, || creation::full(&shape, fill_value.0, Some(dtype)))?, requires_grad)
    }

    /// A copy of ``data``, as by ``dlcore.tensor``, in this dtype unless another is given.
    #[pyo3(signature = (data, *, dtype = None, device = None, requires_grad = false))]
    fn new_tensor(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        dtype: Option<DTypeArg>,
        device: Option<DeviceArg>,
        requires_grad: bool,
    ) -> PyResult<Self> {
        on_cpu(device)?;
        let dtype = dtype.map_or_else(|| self.get().dtype(), |dtype| dtype.0);
        let found = from_data(data, Some(dtype))?;
        let own = enter(py, found.numel(), || {
            if dtype == found.dtype() { ops::copy(&found) } else { ops::cast(&found, dtype) }
        })?;
        finish(own.detach(), requires_grad)
    }
}
