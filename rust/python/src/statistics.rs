//! Norms, order statistics and differences, and their methods.

use crate::convert::{Arg, DTypeArg, Ints, Operand};
use crate::enter::{enter, to_py};
use crate::function::{Returned, functions};
use crate::ordering::values_indices;
use crate::out::Outs;
use crate::reductions::{dims, spread_arguments};
use crate::tensor::PyTensor;
use dlcore_core::ops::{self, distances, statistics};
use dlcore_core::{Array, Error, Tensor};
use pyo3::prelude::*;
use smallvec::smallvec;

functions! {
    /// How many elements are not zero, in all or along ``dim``.
    ///
    /// >>> dlcore.count_nonzero(dlcore.tensor([0, 3, 4]))
    /// tensor(2)
    count_nonzero(dim: Option<Ints> = None)
        => |x: &Tensor| statistics::count_nonzero(x, &dims("count_nonzero", dim.as_ref(), x.rank())?);
    /// The sum of what is not NaN.
    ///
    /// >>> dlcore.nansum(dlcore.tensor([1.0, float("nan"), 2.0]))
    /// tensor(3.)
    nansum(dim: Option<Ints> = None, keepdim: bool = false; dtype: Option<DTypeArg> = None) => |x: &Tensor| {
        let x = dtype.map_or(Ok(x.clone()), |dtype| ops::cast(x, dtype.0))?;
        let sum = statistics::nansum(&x, &dims("nansum", dim.as_ref(), x.rank())?, keepdim)?;
        dtype.map_or(Ok(sum.clone()), |dtype| ops::cast(&sum, dtype.0))
    };
    /// The mean of what is not NaN.
    ///
    /// >>> dlcore.nanmean(dlcore.tensor([1.0, float("nan"), 2.0]))
    /// tensor(1.5000)
    nanmean(dim: Option<Ints> = None, keepdim: bool = false; dtype: Option<DTypeArg> = None) => |x: &Tensor| {
        let x = dtype.map_or(Ok(x.clone()), |dtype| ops::cast(x, dtype.0))?;
        statistics::nanmean(&x, &dims("nanmean", dim.as_ref(), x.rank())?, keepdim)
    };
    /// Differences of neighbours along ``dim``, ``n`` times, with ``prepend`` and ``append`` joined on.
    ///
    /// >>> dlcore.diff(dlcore.tensor([1, 4, 9]))
    /// tensor([3, 5])
    diff(n: usize = 1, dim: isize = LAST, prepend: Option<Arg> = None, append: Option<Arg> = None)
        ["(input, n=1, dim=-1, prepend=None, append=None, *, out=None)", "($self, n=1, dim=-1, prepend=None, append=None)"]
        => |x| statistics::diff(x, n, dim, prepend.as_ref().map(|x| &x.0), append.as_ref().map(|x| &x.0));
    /// The norm of the difference of two tensors.
    ///
    /// >>> dlcore.dist(dlcore.tensor([0.0, 0.0]), dlcore.tensor([3.0, 4.0]))
    /// tensor(5.)
    dist(other: Arg, p: f64 = 2.0) => |x| statistics::dist(x, &other.0, p);
}

/// The last dimension, as a default: a macro takes a name for one token, and no sign and number.
const LAST: isize = -1;

/// The distance of each row of ``x1`` from each row of ``x2`` in the ``p``-norm.
///
/// >>> dlcore.cdist(dlcore.tensor([[0.0, 0.0]]), dlcore.tensor([[3.0, 4.0], [0.0, 1.0]]))
/// tensor([[5., 1.]])
#[pyfunction]
#[pyo3(signature = (x1, x2, p = 2.0, compute_mode = None))]
fn cdist<'py>(py: Python<'py>, x1: Arg, x2: Arg, p: f64, compute_mode: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
    let _ = compute_mode; // one way only here: the exact one
    enter(py, usize::MAX, || distances::cdist(&x1.0, &x2.0, p))?.returned(py)
}

/// The p-norms of the differences between any two rows: the part of ``cdist(x, x)`` above the diagonal.
///
/// Args:
///     input: (N, D).
///     p: of the p-norm, from 0 to infinity.
///
/// Returns:
///     (N·(N - 1)/2), the pairs in the order (0, 1), (0, 2), ..., (1, 2), ...
///
/// Raises:
///     ShapeError: not a matrix.
///     DTypeError: not floats.
///     ValueError: `p` below 0.
///
/// Example:
///     >>> import dlcore
///     >>> import dlcore.nn.functional as F
///     >>> F.pdist(dlcore.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
///     tensor([5.0000, 1.0000, 4.2426])
#[pyfunction]
#[pyo3(signature = (input, p = 2.0))]
fn pdist<'py>(py: Python<'py>, input: Arg, p: f64) -> PyResult<Bound<'py, PyAny>> {
    enter(py, usize::MAX, || distances::pdist(&input.0, p))?.returned(py)
}

/// ``sum(|x| ** p) ** (1 / p)`` of all elements or over ``dim``; ``p="fro"`` is 2. Infinity takes the largest, minus
/// infinity the smallest, and 0 counts what is not zero.
///
/// >>> dlcore.norm(dlcore.tensor([3.0, 4.0]))
/// tensor(5.)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(
    signature = (input, p = None, dim = None, keepdim = false, *, dtype = None, out = None),
    text_signature = "(input, p='fro', dim=None, keepdim=False, *, dtype=None, out=None)",
)]
fn norm<'py>(
    py: Python<'py>,
    input: Arg,
    p: Option<&Bound<'py, PyAny>>,
    dim: Option<Ints>,
    keepdim: bool,
    dtype: Option<DTypeArg>,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let order = match p.filter(|p| !p.is_none()) {
        None => 2.0,
        Some(p) => match p.extract::<&str>() {
            Ok("fro") => 2.0,
            Ok("nuc") => return crate::linalg::nuclear_norm(py, input, dim, keepdim, dtype, out),
            Ok(other) => return Err(to_py(Error::value("norm", format_args!("there is no norm {other:?} here")))),
            Err(_) => p.extract::<f64>()?,
        },
    };
    enter(py, input.0.numel(), || {
        let x = dtype.map_or(Ok(input.0.clone()), |dtype| ops::cast(&input.0, dtype.0))?;
        statistics::vector_norm(&x, order, &dims("norm", dim.as_ref(), x.rank())?, keepdim)
    })?
    .returned_in(py, "norm", out)
}

/// The ``k``-th smallest element along ``dim``, 1 being the smallest, and its position.
///
/// >>> dlcore.kthvalue(dlcore.tensor([3.0, 1.0, 2.0]), 2).values
/// tensor(2.)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, k, dim = -1, keepdim = false, *, out = None), text_signature = "(input, k, dim=-1, keepdim=False, *, out=None)")]
fn kthvalue<'py>(
    py: Python<'py>,
    input: Arg,
    k: isize,
    dim: isize,
    keepdim: bool,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let (values, indices) = enter(py, input.0.numel(), || statistics::kthvalue(&input.0, k, dim, keepdim))?;
    values_indices(py, "kthvalue", values, indices, out)
}

/// The lower of the elements in the middle: of all, or along ``dim`` with its position. NaN where there is one.
///
/// >>> dlcore.median(dlcore.tensor([3.0, 1.0, 2.0, 4.0]))
/// tensor(2.)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, dim = None, keepdim = false, *, out = None))]
fn median<'py>(
    py: Python<'py>,
    input: Arg,
    dim: Option<isize>,
    keepdim: bool,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let x = input.0;
    let Some(dim) = dim else {
        return enter(py, x.numel(), || statistics::median_of_all(&x))?.returned_in(py, "median", out);
    };
    let (values, indices) = enter(py, x.numel(), || statistics::median(&x, dim, keepdim))?;
    values_indices(py, "median", values, indices, out)
}

/// The lower of the elements in the middle of those that are not NaN: of all, or along ``dim`` with its position.
///
/// >>> dlcore.nanmedian(dlcore.tensor([3.0, 1.0, float("nan")]))
/// tensor(1.)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, dim = None, keepdim = false, *, out = None))]
fn nanmedian<'py>(
    py: Python<'py>,
    input: Arg,
    dim: Option<isize>,
    keepdim: bool,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let x = input.0;
    let Some(dim) = dim else {
        return enter(py, x.numel(), || statistics::nanmedian_of_all(&x))?.returned_in(py, "nanmedian", out);
    };
    let (values, indices) = enter(py, x.numel(), || statistics::nanmedian(&x, dim, keepdim))?;
    values_indices(py, "nanmedian", values, indices, out)
}

/// What lies ``q`` (from 0 to 1) of the way through the elements in order, of all or along ``dim``; between two of them
/// by ``interpolation``: linear, lower, higher, nearest or midpoint.
///
/// >>> dlcore.quantile(dlcore.tensor([1.0, 2.0, 4.0]), 0.75)
/// tensor(3.)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, q, dim = None, keepdim = false, *, interpolation = "linear", out = None))]
fn quantile<'py>(
    py: Python<'py>,
    input: Arg,
    q: Operand,
    dim: Option<isize>,
    keepdim: bool,
    interpolation: &str,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    quantiles(py, input.0, q, dim, keepdim, interpolation, false, out)
}

/// As ``quantile``, of the elements that are not NaN.
///
/// >>> dlcore.nanquantile(dlcore.tensor([1.0, float("nan"), 3.0]), 0.5)
/// tensor(2.)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, q, dim = None, keepdim = false, *, interpolation = "linear", out = None))]
fn nanquantile<'py>(
    py: Python<'py>,
    input: Arg,
    q: Operand,
    dim: Option<isize>,
    keepdim: bool,
    interpolation: &str,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    quantiles(py, input.0, q, dim, keepdim, interpolation, true, out)
}

fn quantiles<'py>(
    py: Python<'py>,
    x: Tensor,
    q: Operand,
    dim: Option<isize>,
    keepdim: bool,
    interpolation: &str,
    without_nan: bool,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let fractions = match q {
        Operand::Tensor(q) => q,
        Operand::Scalar(q) => Array::full("quantile", &[], q, x.dtype()).map_err(to_py)?.into(),
    };
    enter(py, x.numel(), || statistics::quantile(&x, &fractions, dim, keepdim, interpolation, without_nan))?
        .returned_in(py, "quantile", out)
}

macro_rules! with_mean {
    ($($(#[$doc:meta])* $name:ident => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (input, dim = None, unbiased = None, keepdim = false, *, correction = None))]
            fn $name<'py>(
                py: Python<'py>, input: Arg, dim: Option<&Bound<'py, PyAny>>, unbiased: Option<bool>, keepdim: bool,
                correction: Option<f64>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let (dim, correction) = spread_arguments(dim, unbiased, correction)?;
                enter(py, input.0.numel(), || {
                    let dims = dims(stringify!($name), dim.as_ref(), input.0.rank())?;
                    Ok(($op(&input.0, &dims, correction, keepdim)?, ops::mean(&input.0, &dims, keepdim)?))
                })?
                .returned(py)
            }
        )*

        fn register_with_mean(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

with_mean! {
    /// The variance and the mean, of all elements or over ``dim``.
    ///
    /// >>> dlcore.var_mean(dlcore.tensor([1.0, 2.0, 3.0]))
    /// (tensor(1.), tensor(2.))
    var_mean => ops::var;
    /// The standard deviation and the mean, of all elements or over ``dim``.
    ///
    /// >>> dlcore.std_mean(dlcore.tensor([1.0, 2.0, 3.0]))
    /// (tensor(1.), tensor(2.))
    std_mean => ops::std;
}

/// The input divided by its ``p``-norm along ``dim``, of all elements for None, or by ``eps`` where that is larger.
///
/// >>> dlcore.nn.functional.normalize(dlcore.tensor([[3.0, 4.0]]))
/// tensor([[0.6000, 0.8000]])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(
    signature = (input, p = 2.0, dim = Some(Ints(smallvec![1])), eps = 1e-12),
    text_signature = "(input, p=2.0, dim=1, eps=1e-12)",
)]
fn normalize<'py>(py: Python<'py>, input: Arg, p: f64, dim: Option<Ints>, eps: f64) -> PyResult<Bound<'py, PyAny>> {
    let dims = dim.as_ref().map_or([].as_slice(), |dim| &dim.0);
    enter(py, input.0.numel(), || statistics::normalize(&input.0, p, dims, eps))?.returned(py)
}

/// The cosine of the angle between the vectors along ``dim`` of two tensors.
///
/// >>> dlcore.cosine_similarity(dlcore.tensor([[1.0, 0.0]]), dlcore.tensor([[1.0, 1.0]]))
/// tensor([0.7071])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (x1, x2, dim = 1, eps = 1e-8))]
fn cosine_similarity<'py>(py: Python<'py>, x1: Arg, x2: Arg, dim: isize, eps: f64) -> PyResult<Bound<'py, PyAny>> {
    enter(py, x1.0.numel(), || statistics::cosine_similarity(&x1.0, &x2.0, dim, eps))?.returned(py)
}

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// See ``dlcore.norm``.
    #[pyo3(
        signature = (p = None, dim = None, keepdim = false, dtype = None),
        text_signature = "($self, p='fro', dim=None, keepdim=False, dtype=None)",
    )]
    fn norm<'py>(
        &self,
        py: Python<'py>,
        p: Option<&Bound<'py, PyAny>>,
        dim: Option<Ints>,
        keepdim: bool,
        dtype: Option<DTypeArg>,
    ) -> PyResult<Bound<'py, PyAny>> {
        norm(py, Arg(self.get()), p, dim, keepdim, dtype, None)
    }

    /// See ``dlcore.kthvalue``.
    #[pyo3(signature = (k, dim = -1, keepdim = false), text_signature = "($self, k, dim=-1, keepdim=False)")]
    fn kthvalue<'py>(&self, py: Python<'py>, k: isize, dim: isize, keepdim: bool) -> PyResult<Bound<'py, PyAny>> {
        kthvalue(py, Arg(self.get()), k, dim, keepdim, None)
    }

    /// See ``dlcore.median``.
    #[pyo3(signature = (dim = None, keepdim = false))]
    fn median<'py>(&self, py: Python<'py>, dim: Option<isize>, keepdim: bool) -> PyResult<Bound<'py, PyAny>> {
        median(py, Arg(self.get()), dim, keepdim, None)
    }

    /// See ``dlcore.quantile``.
    #[pyo3(signature = (q, dim = None, keepdim = false, *, interpolation = "linear"))]
    fn quantile<'py>(
        &self,
        py: Python<'py>,
        q: Operand,
        dim: Option<isize>,
        keepdim: bool,
        interpolation: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        quantile(py, Arg(self.get()), q, dim, keepdim, interpolation, None)
    }

    /// See ``dlcore.nanquantile``.
    #[pyo3(signature = (q, dim = None, keepdim = false, *, interpolation = "linear"))]
    fn nanquantile<'py>(
        &self,
        py: Python<'py>,
        q: Operand,
        dim: Option<isize>,
        keepdim: bool,
        interpolation: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        nanquantile(py, Arg(self.get()), q, dim, keepdim, interpolation, None)
    }

    /// See ``dlcore.nanmedian``.
    #[pyo3(signature = (dim = None, keepdim = false))]
    fn nanmedian<'py>(&self, py: Python<'py>, dim: Option<isize>, keepdim: bool) -> PyResult<Bound<'py, PyAny>> {
        nanmedian(py, Arg(self.get()), dim, keepdim, None)
    }
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)?;
    register_with_mean(module)?;
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(cdist pdist norm kthvalue median nanmedian quantile nanquantile normalize cosine_similarity);
    Ok(())
}
