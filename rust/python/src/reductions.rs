//! Functions that reduce dimensions, and the methods of the same name.

use crate::convert::{Arg, DTypeArg, Ints, Operand};
use crate::enter::{enter, to_py};
use crate::function::Returned;
use crate::ordering::values_indices;
use crate::out::{self, Out, Outs};
use crate::tensor::PyTensor;
use dlcore_core::layout::Dims;
use dlcore_core::{Error, Result, Tensor, ops};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;

/// The dimensions that `dim=` names; all where it is missing or an empty tuple.
pub fn dims(op: &str, dim: Option<&Ints>, rank: usize) -> Result<Dims> {
    ops::reduce::dims_or_all(op, dim.map(|dim| dim.0.as_slice()).filter(|dim| !dim.is_empty()), rank)
}

/// As [`dims`], but none for an empty tuple: what is true of all elements is asked of each.
fn dims_of_truths(op: &str, dim: Option<&Ints>, rank: usize) -> Result<Dims> {
    if dim.is_some_and(|dim| dim.0.is_empty()) { Ok(Dims::new()) } else { dims(op, dim, rank) }
}

macro_rules! over_dims {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $method_doc:literal => $op:expr, $dims:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (input, dim = None, keepdim = false, *, dtype = None, out = None))]
            fn $name<'py>(
                py: Python<'py>, input: Arg, dim: Option<Ints>, keepdim: bool, dtype: Option<DTypeArg>,
                out: Out<'py>,
            ) -> PyResult<Bound<'py, PyTensor>> {
                out::into(py, $text, input.0.numel(), out, || {
                    let x = match dtype {
                        Some(dtype) => ops::cast(&input.0, dtype.0)?,
                        None => input.0,
                    };
                    let reduced = $op(&x, &$dims($text, dim.as_ref(), x.rank())?, keepdim)?;
                    match dtype {
                        Some(dtype) => ops::cast(&reduced, dtype.0),
                        None => Ok(reduced),
                    }
                })
            }
        )*

        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = $method_doc]
                #[pyo3(signature = (dim = None, keepdim = false, *, dtype = None))]
                fn $name<'py>(
                    &self, py: Python<'py>, dim: Option<Ints>, keepdim: bool, dtype: Option<DTypeArg>,
                ) -> PyResult<Bound<'py, Self>> {
                    $name(py, Arg(self.get()), dim, keepdim, dtype, None)
                }
            )*
        }

        fn register_over_dims(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

over_dims! {
    /// Sum over all elements, or over the dimensions ``dim``; bool and integers sum as int64.
    ///
    /// >>> dlcore.sum(dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    /// tensor([4., 6.])
    sum, "sum", "See ``dlcore.sum``." => ops::sum, dims;
    /// Mean over all elements, or over the dimensions ``dim``; floats only.
    ///
    /// >>> dlcore.mean(dlcore.tensor([1.0, 2.0, 6.0]))
    /// tensor(3.)
    mean, "mean", "See ``dlcore.mean``." => ops::mean, dims;
    /// Product over all elements, or over the dimensions ``dim``.
    ///
    /// >>> dlcore.prod(dlcore.tensor([2.0, 3.0]))
    /// tensor(6.)
    prod, "prod", "See ``dlcore.prod``." => ops::prod, dims;
    /// Maximum over the dimensions ``dim``; equal maxima share the gradient. NaN wins.
    ///
    /// >>> dlcore.amax(dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    /// tensor([2., 4.])
    amax, "amax", "See ``dlcore.amax``." => ops::amax, dims;
    /// Minimum over the dimensions ``dim``; equal minima share the gradient. NaN wins.
    ///
    /// >>> dlcore.amin(dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    /// tensor([1., 3.])
    amin, "amin", "See ``dlcore.amin``." => ops::amin, dims;
    /// ``log(sum(exp(x)))`` over the dimensions ``dim``, without overflow.
    ///
    /// >>> dlcore.logsumexp(dlcore.tensor([0.0, 0.0]), dim=0)
    /// tensor(0.6931)
    logsumexp, "logsumexp", "See ``dlcore.logsumexp``." => ops::logsumexp, dims;
    /// Whether all elements are true (not zero), in all or along ``dim``.
    ///
    /// >>> dlcore.all(dlcore.tensor([True, False]))
    /// tensor(False)
    all, "all", "See ``dlcore.all``." => ops::all_of, dims_of_truths;
    /// Whether any element is true (not zero), in all or along ``dim``.
    ///
    /// >>> dlcore.any(dlcore.tensor([True, False]))
    /// tensor(True)
    any, "any", "See ``dlcore.any``." => ops::any_of, dims_of_truths;
}

macro_rules! extreme {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $method_doc:literal => $pair:expr, $reduce:expr, $by_dim:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (input, dim = None, keepdim = false, *, other = None, out = None))]
            fn $name<'py>(
                py: Python<'py>, input: Arg, dim: Option<&Bound<'py, PyAny>>, keepdim: bool,
                other: Option<&Bound<'py, PyAny>>, out: Outs<'py>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let x = input.0;
                if let Some(other) = other && (dim.is_some() || !other.is_instance_of::<PyTensor>()) {
                    let what = concat!($text, ": other is a tensor, in the place of a dimension");
                    return Err(PyTypeError::new_err(what));
                }
                let Some(dim) = other.or(dim) else {
                    let value = enter(py, x.numel(), || $reduce(&x, &dims($text, None, x.rank())?, keepdim))?;
                    return value.returned_in(py, $text, out);
                };
                if let Ok(other) = dim.cast::<PyTensor>() {
                    let (x, other) = Operand::pair(Operand::Tensor(x), Operand::Tensor(other.get().get()))?;
                    return enter(py, x.numel(), || $pair(&x, &other))?.returned_in(py, $text, out);
                }
                let dim: isize = dim.extract()?;
                let (values, indices) = enter(py, x.numel(), || $by_dim(&x, dim, keepdim))?;
                values_indices(py, $text, values, indices, out)
            }
        )*

        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = $method_doc]
                #[pyo3(signature = (dim = None, keepdim = false, *, other = None))]
                fn $name<'py>(
                    &self, py: Python<'py>, dim: Option<&Bound<'py, PyAny>>, keepdim: bool,
                    other: Option<&Bound<'py, PyAny>>,
                ) -> PyResult<Bound<'py, PyAny>> {
                    $name(py, Arg(self.get()), dim, keepdim, other, None)
                }
            )*
        }

        fn register_extreme(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

extreme! {
    /// The largest element; along ``dim`` the values and their indices; with a tensor in its place the larger of each
    /// pair. NaN wins.
    ///
    /// >>> dlcore.max(dlcore.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1).indices
    /// tensor([1, 0])
    max, "max", "See ``dlcore.max``." => ops::maximum, ops::amax, ops::max_dim;
    /// The smallest element; along ``dim`` the values and their indices; with a tensor in its place the smaller of each
    /// pair. NaN wins.
    ///
    /// >>> dlcore.min(dlcore.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1).values
    /// tensor([1., 2.])
    min, "min", "See ``dlcore.min``." => ops::minimum, ops::amin, ops::min_dim;
}

macro_rules! index_of {
    ($($(#[$doc:meta])* $name:ident, $method_doc:literal => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (input, dim = None, keepdim = false, *, out = None))]
            fn $name<'py>(
                py: Python<'py>, input: Arg, dim: Option<isize>, keepdim: bool, out: Out<'py>,
            ) -> PyResult<Bound<'py, PyTensor>> {
                out::into(py, stringify!($name), input.0.numel(), out, || $op(&input.0, dim, keepdim))
            }
        )*

        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = $method_doc]
                #[pyo3(signature = (dim = None, keepdim = false))]
                fn $name<'py>(&self, py: Python<'py>, dim: Option<isize>, keepdim: bool) -> PyResult<Bound<'py, Self>> {
                    $name(py, Arg(self.get()), dim, keepdim, None)
                }
            )*
        }

        fn register_index_of(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

index_of! {
    /// Index of the largest element, of all (row-major) or along ``dim``; the first of equals. NaN wins.
    ///
    /// >>> dlcore.argmax(dlcore.tensor([1.0, 5.0, 2.0]))
    /// tensor(1)
    argmax, "See ``dlcore.argmax``." => ops::argmax;
    /// Index of the smallest element, of all (row-major) or along ``dim``; the first of equals. NaN wins.
    ///
    /// >>> dlcore.argmin(dlcore.tensor([1.0, 5.0, 0.5]))
    /// tensor(2)
    argmin, "See ``dlcore.argmin``." => ops::argmin;
}

/// The dimensions and the correction of a variance: `var(x, unbiased)` is a form of its own, as in PyTorch.
pub fn spread_arguments(
    dim: Option<&Bound<'_, PyAny>>,
    unbiased: Option<bool>,
    correction: Option<f64>,
) -> PyResult<(Option<Ints>, f64)> {
    let (dim, unbiased) = match dim {
        Some(value) if value.is_instance_of::<PyBool>() => (None, Some(value.extract()?)),
        dim => (dim.map(PyAnyMethods::extract).transpose()?, unbiased),
    };
    if unbiased.is_some() && correction.is_some() {
        return Err(PyTypeError::new_err("unbiased and correction are two names of one thing; give one of them"));
    }
    Ok((dim, unbiased.map_or(correction.unwrap_or(1.0), |unbiased| f64::from(u8::from(unbiased)))))
}

macro_rules! spread {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $method_doc:literal => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(name = $text, signature = (
                input, dim = None, unbiased = None, keepdim = false, *, correction = None, out = None
            ))]
            fn $name<'py>(
                py: Python<'py>, input: Arg, dim: Option<&Bound<'py, PyAny>>, unbiased: Option<bool>, keepdim: bool,
                correction: Option<f64>, out: Out<'py>,
            ) -> PyResult<Bound<'py, PyTensor>> {
                let (dim, correction) = spread_arguments(dim, unbiased, correction)?;
                out::into(py, $text, input.0.numel(), out, || {
                    $op(&input.0, &dims($text, dim.as_ref(), input.0.rank())?, correction, keepdim)
                })
            }
        )*

        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = $method_doc]
                #[pyo3(name = $text, signature = (
                    dim = None, unbiased = None, keepdim = false, *, correction = None
                ))]
                fn $name<'py>(
                    &self, py: Python<'py>, dim: Option<&Bound<'py, PyAny>>, unbiased: Option<bool>, keepdim: bool,
                    correction: Option<f64>,
                ) -> PyResult<Bound<'py, Self>> {
                    $name(py, Arg(self.get()), dim, unbiased, keepdim, correction, None)
                }
            )*
        }

        fn register_spread(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

spread! {
    /// Variance, of all elements or over the dimensions ``dim``, with ``correction`` (1 where it is missing)
    /// taken from the count; ``unbiased=False`` takes 0.
    ///
    /// >>> dlcore.var(dlcore.tensor([1.0, 2.0, 3.0]))
    /// tensor(1.)
    variance, "var", "See ``dlcore.var``." => ops::var;
    /// Standard deviation, of all elements or over the dimensions ``dim``, with ``correction`` (1 where it is missing)
    /// taken from the count; ``unbiased=False`` takes 0.
    ///
    /// >>> dlcore.std(dlcore.tensor([1.0, 2.0, 3.0]))
    /// tensor(1.)
    deviation, "std", "See ``dlcore.std``." => ops::std;
}

/// Whether two tensors are equal within tolerances: ``|a - b| <= atol + rtol * |b|`` everywhere.
///
/// >>> dlcore.allclose(dlcore.tensor([1.0]), dlcore.tensor([1.0 + 1e-9]))
/// True
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, other, rtol = 1e-5, atol = 1e-8, equal_nan = false))]
fn allclose(py: Python<'_>, input: Arg, other: Arg, rtol: f64, atol: f64, equal_nan: bool) -> PyResult<bool> {
    let (a, b) = (input.0.detach(), other.0.detach());
    if a.dtype() != b.dtype() {
        return Err(to_py(Error::dtype("allclose", format_args!("{} against {}", a.dtype(), b.dtype()))));
    }
    if rtol < 0.0 || atol < 0.0 {
        return Err(to_py(Error::value("allclose", "tolerances must not be negative")));
    }
    enter(py, a.numel(), || {
        let (a, b) = (ops::cast(&a, dlcore_core::DType::F64)?, ops::cast(&b, dlcore_core::DType::F64)?);
        let close = ops::isclose(&a, &b, rtol, atol, equal_nan)?;
        let all = ops::all_of(&close, &(0..close.rank()).collect::<Dims>(), false)?;
        Ok(all.array().item()?.to_f64() != 0.0)
    })
}

/// Whether two tensors have the same shape and equal elements.
///
/// >>> dlcore.equal(dlcore.tensor([1, 2]), dlcore.tensor([1, 2]))
/// True
#[pyfunction(crate = "crate::exchange::keywords")]
fn equal(py: Python<'_>, input: Arg, other: Arg) -> PyResult<bool> {
    let (a, b) = (input.0.detach(), other.0.detach());
    if a.shape() != b.shape() {
        return Ok(false);
    }
    enter(py, a.numel(), || {
        let same = |a: &Tensor, b: &Tensor| {
            let same = ops::eq(a, b)?;
            let all = ops::all_of(&same, &(0..same.rank()).collect::<Dims>(), false)?;
            Ok(all.array().item()?.to_f64() != 0.0)
        };
        // What differs does so among the first as a rule.
        let rows = a.shape().first().map_or(0, |&rows| (FIRST.saturating_mul(rows) / a.numel().max(1)).min(rows));
        if rows > 0 && a.numel() > 2 * FIRST {
            let [first, others] = [&a, &b].map(|x| ops::slice(x, 0, 0, 1, rows));
            if !same(&first?, &others?)? {
                return Ok(false);
            }
        }
        same(&a, &b)
    })
}

/// Elements, about, that ``equal`` looks at before all.
const FIRST: usize = 1 << 14;

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// See ``dlcore.allclose``.
    #[pyo3(signature = (other, rtol = 1e-5, atol = 1e-8, equal_nan = false))]
    fn allclose(&self, py: Python<'_>, other: Arg, rtol: f64, atol: f64, equal_nan: bool) -> PyResult<bool> {
        allclose(py, Arg(self.get()), other, rtol, atol, equal_nan)
    }

    /// See ``dlcore.equal``.
    fn equal(&self, py: Python<'_>, other: Arg) -> PyResult<bool> {
        equal(py, Arg(self.get()), other)
    }

    /// Bytes that the elements take.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(2, 3).nbytes
    /// 24
    #[getter]
    fn nbytes(&self) -> usize {
        let tensor = self.get();
        tensor.numel() * tensor.dtype().size()
    }
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_over_dims(module)?;
    register_extreme(module)?;
    register_index_of(module)?;
    register_spread(module)?;
    module.add_function(wrap_pyfunction!(allclose, module)?)?;
    module.add_function(wrap_pyfunction!(equal, module)?)
}
