//! Functions that search, rank and accumulate by order, and `scatter_reduce`.

use crate::convert::{Arg, Operand};
use crate::enter::{enter, to_py};
use crate::function::functions;
use crate::linalg::named;
use crate::ordering::values_indices;
use crate::out::{self, Outs};
use crate::tensor::PyTensor;
use dlcore_core::ops::placing::take_along_dim;
use dlcore_core::ops::scatter_reduce as reducing;
use dlcore_core::ops::{self, search};
use dlcore_core::{DType, Error, Result, Tensor};
use pyo3::prelude::*;

functions! {
    /// The logarithm of the running sum of exponentials along ``dim``, without overflow.
    ///
    /// >>> dlcore.logcumsumexp(dlcore.zeros(3), 0)
    /// tensor([0.0000, 0.6931, 1.0986])
    logcumsumexp(dim: isize) => |x| ops::scan::logcumsumexp(x, dim);
    /// The input with the elements of ``src`` that ``index`` brings to each of its places along ``dim`` reduced: their
    /// "sum", "mean", "prod", "amax" or "amin", together with what was there unless ``include_self`` is false.
    ///
    /// Raises ValueError for another reduction, IndexError for indices out of range, ShapeError for what does not fit.
    ///
    /// >>> index, src = dlcore.tensor([0, 0, 1]), dlcore.tensor([1.0, 5.0, 2.0])
    /// >>> dlcore.scatter_reduce(dlcore.zeros(2), 0, index, src, "amax")
    /// tensor([5., 2.])
    scatter_reduce(dim: isize, index: Arg, src: Arg, reduce: &str; include_self: bool = true)
        => |x| reducing::scatter_reduce(x, dim, &index.0, &src.0, reduce, include_self);
    /// As ``scatter_reduce``, of whole slices: ``index`` is a vector, one place for each slice of ``source`` along ``dim``.
    ///
    /// >>> dlcore.index_reduce(dlcore.ones(2), 0, dlcore.tensor([0, 0]), dlcore.tensor([2.0, 3.0]), "prod")
    /// tensor([6., 1.])
    index_reduce(dim: isize, index: Arg, source: Arg, reduce: &str; include_self: bool = true)
        => |x| reducing::index_reduce(x, dim, &index.0, &source.0, reduce, include_self);
    /// The elements in order along the first dimension.
    ///
    /// >>> dlcore.msort(dlcore.tensor([3, 1, 2]))
    /// tensor([1, 2, 3])
    msort() => |x| Ok::<_, Error>(ops::sort(x, 0, false)?.0);
}

/// Positions in the dtype that was asked for.
fn positions(found: &Tensor, out_int32: bool) -> Result<Tensor> {
    if out_int32 { ops::cast(found, DType::I32) } else { Ok(found.clone()) }
}

/// Whether to go after equals: `right=`, or `side=`, which must not contradict it.
fn after(op: &str, right: bool, side: Option<&str>) -> PyResult<bool> {
    match side {
        None => Ok(right),
        Some("right") => Ok(true),
        Some("left") if !right => Ok(false),
        Some("left") => Err(to_py(Error::value(op, "side=\"left\" contradicts right=True"))),
        Some(other) => Err(to_py(Error::value(op, format_args!("side is \"left\" or \"right\", got {other:?}")))),
    }
}

/// Where each element of ``input`` goes into ``sorted_sequence`` so that this stays sorted: before its equals, or with
/// ``right`` (or ``side="right"``) after them. The sequence is a vector, or as the input but for the last dimension;
/// ``sorter`` says its order where it is not sorted itself.
///
/// >>> dlcore.searchsorted(dlcore.tensor([1, 3, 5]), dlcore.tensor([3, 4]))
/// tensor([1, 2])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(
    signature = (sorted_sequence, input, *, out_int32 = false, right = false, side = None, sorter = None, out = None)
)]
fn searchsorted<'py>(
    py: Python<'py>,
    sorted_sequence: Arg,
    input: Operand,
    out_int32: bool,
    right: bool,
    side: Option<&str>,
    sorter: Option<Arg>,
    out: out::Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    let name = "searchsorted";
    let sequence = sorted_sequence.0;
    let values = input.against(&sequence)?;
    let after = after(name, right, side)?;
    out::into(py, name, values.numel(), out, || {
        let sequence = match sorter {
            Some(order) => take_along_dim(&sequence, &order.0, Some(-1))?,
            None => sequence,
        };
        positions(&search::searchsorted(name, &sequence.detach(), &values.detach(), after)?, out_int32)
    })
}

/// The number of the bucket of each element, between ``boundaries`` in order: those up to a boundary belong to the bucket
/// before it, with ``right`` those below it.
///
/// >>> dlcore.bucketize(dlcore.tensor([0.5, 1.0, 7.0]), dlcore.tensor([1.0, 5.0]))
/// tensor([0, 0, 2])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, boundaries, *, out_int32 = false, right = false, out = None))]
fn bucketize<'py>(
    py: Python<'py>,
    input: Operand,
    boundaries: Arg,
    out_int32: bool,
    right: bool,
    out: out::Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    let name = "bucketize";
    let boundaries = boundaries.0;
    if boundaries.rank() != 1 {
        let shape = dlcore_core::layout::Show(boundaries.shape()).to_string();
        return Err(to_py(Error::shape(name, format_args!("boundaries must be a vector, got {shape}"))));
    }
    let values = input.against(&boundaries)?;
    out::into(py, name, values.numel(), out, || {
        positions(&search::searchsorted(name, &boundaries.detach(), &values.detach(), right)?, out_int32)
    })
}

/// Whether each element is among ``test_elements``; with ``invert`` whether it is not.
///
/// >>> dlcore.isin(dlcore.tensor([1, 2, 3]), dlcore.tensor([3, 1]))
/// tensor([ True, False,  True])
#[pyfunction]
#[pyo3(signature = (elements, test_elements, *, assume_unique = false, invert = false, out = None))]
fn isin<'py>(
    py: Python<'py>,
    elements: Operand,
    test_elements: Operand,
    assume_unique: bool,
    invert: bool,
    out: out::Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    let _ = assume_unique; // changes nothing but the way, and here not that either
    let (x, set) = Operand::pair(elements, test_elements)?;
    out::into(py, "isin", x.numel(), out, || search::isin(&x, &set, invert))
}

macro_rules! pairs {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $t:ty $(= $default:tt)?),*) $([$signature:literal, $method:literal])? => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (input, $($arg $(= $default)?,)* *, out = None) $(, text_signature = $signature)?)]
            fn $name<'py>(
                py: Python<'py>, input: Arg, $($arg: $t,)* out: Outs<'py>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let op = $op;
                let (values, indices) = enter(py, input.0.numel(), || op(&input.0, $($arg),*))?;
                values_indices(py, stringify!($name), values, indices, out)
            }
        )*

        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = concat!("See ``dlcore.", stringify!($name), "``.")]
                #[pyo3(signature = ($($arg $(= $default)?),*) $(, text_signature = $method)?)]
                fn $name<'py>(&self, py: Python<'py>, $($arg: $t),*) -> PyResult<Bound<'py, PyAny>> {
                    $name(py, Arg(self.get()), $($arg,)* None)
                }
            )*
        }

        fn register_pairs(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

/// The default of `mode`, as macros take it.
const LAST: isize = -1;

pairs! {
    /// The largest element up to each one along ``dim``, and its position, of equals the last. NaN wins.
    ///
    /// >>> dlcore.cummax(dlcore.tensor([1.0, 3.0, 2.0]), 0).values
    /// tensor([1., 3., 3.])
    cummax(dim: isize) => |x, dim| ops::sort::running_extreme::<true>(x, dim);
    /// The smallest element up to each one along ``dim``, and its position, of equals the last. NaN wins.
    ///
    /// >>> dlcore.cummin(dlcore.tensor([3.0, 1.0, 2.0]), 0).values
    /// tensor([3., 1., 1.])
    cummin(dim: isize) => |x, dim| ops::sort::running_extreme::<false>(x, dim);
    /// The element that occurs most along ``dim``, the smallest of several, and its last position.
    ///
    /// >>> dlcore.mode(dlcore.tensor([2, 1, 2])).values
    /// tensor(2)
    mode(dim: isize = LAST, keepdim: bool = false)["(input, dim=-1, keepdim=False, *, out=None)", "($self, dim=-1, keepdim=False)"]
        => search::mode;
}

/// The smallest and the largest element, of all or along ``dim``.
///
/// >>> dlcore.aminmax(dlcore.tensor([3.0, 1.0, 2.0]))
/// aminmax(min=tensor(1.), max=tensor(3.))
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, *, dim = None, keepdim = false, out = None))]
fn aminmax<'py>(
    py: Python<'py>,
    input: Arg,
    dim: Option<isize>,
    keepdim: bool,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let dim = dim.map(|dim| crate::convert::Ints(smallvec::smallvec![dim]));
    let found = enter(py, input.0.numel(), || {
        let dims = crate::reductions::dims("aminmax", dim.as_ref(), input.0.rank())?;
        Ok([ops::amin(&input.0, &dims, keepdim)?, ops::amax(&input.0, &dims, keepdim)?])
    })?;
    named!(py, "aminmax", ["min", "max"], found, out)
}

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// See ``dlcore.aminmax``.
    #[pyo3(signature = (*, dim = None, keepdim = false))]
    fn aminmax<'py>(&self, py: Python<'py>, dim: Option<isize>, keepdim: bool) -> PyResult<Bound<'py, PyAny>> {
        aminmax(py, Arg(self.get()), dim, keepdim, None)
    }
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)?;
    register_pairs(module)?;
    module.add_function(wrap_pyfunction!(searchsorted, module)?)?;
    module.add_function(wrap_pyfunction!(bucketize, module)?)?;
    module.add_function(wrap_pyfunction!(isin, module)?)?;
    module.add_function(wrap_pyfunction!(aminmax, module)?)
}
