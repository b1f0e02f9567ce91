//! Functions of elements as a set (which ones there are, and how many of each) and of their places, and their methods.

use crate::convert::{Arg, DTypeArg};
use crate::device::{DeviceArg, on_cpu};
use crate::enter::enter;
use crate::function::{Returned, functions};
use crate::out::Outs;
use crate::tensor::PyTensor;
use dlcore_core::ops::sets::{self, Unique};
use dlcore_core::{DType, Tensor};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

functions! {
    /// How often each integer from 0 on occurs, or the sum of its ``weights``; at least ``minlength`` results.
    ///
    /// >>> dlcore.bincount(dlcore.tensor([0, 2, 2]))
    /// tensor([1, 0, 2])
    bincount(weights: Option<Arg> = None, minlength: usize = 0)
        => |x| sets::bincount(x, weights.as_ref().map(|x| &x.0), minlength);
    /// How many elements fall into each of ``bins`` intervals of one width from ``min`` to ``max``, both included; from the
    /// smallest to the largest element where the two are equal.
    ///
    /// >>> dlcore.histc(dlcore.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    /// tensor([0., 2., 1., 0.])
    histc(bins: usize = 100, min: f64 = 0.0, max: f64 = 0.0) => |x| sets::histc(x, bins, min, max);
}

/// Bins of a histogram: so many, or between these edges.
#[derive(FromPyObject)]
enum Bins {
    Count(usize),
    Edges(Arg),
}

/// How many elements fall into each of ``bins`` intervals, or between neighbours in the ascending vector ``bins``, and the
/// edges: a named tuple ``(hist, bin_edges)``. An element on an edge counts above it, on the last one below. ``range``: the
/// outermost edges, by default the extremes. ``weight``: the sums of these in place of the counts. ``density``: scaled to
/// the integral 1. Raises DTypeError for integers. There is no gradient.
///
/// >>> dlcore.histogram(dlcore.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
/// tensor([0., 2., 1., 0.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, bins, *, range = None, weight = None, density = false, out = None))]
fn histogram<'py>(
    py: Python<'py>,
    input: Arg,
    bins: Bins,
    range: Option<[f64; 2]>,
    weight: Option<Arg>,
    density: bool,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let found = enter(py, input.0.numel(), || {
        let edges = match bins {
            Bins::Count(bins) => sets::edges(&input.0, bins, range)?,
            Bins::Edges(edges) => edges.0,
        };
        Ok([sets::histogram(&input.0, &edges, weight.as_ref().map(|weight| &weight.0), density)?, edges])
    })?;
    crate::linalg::named!(py, "histogram", ["hist", "bin_edges"], found, out)
}

/// What was asked for: the values alone, or a tuple.
fn asked<'py>(py: Python<'py>, found: Unique, inverse: bool, counts: bool) -> PyResult<Bound<'py, PyAny>> {
    if !inverse && !counts {
        return found.values.returned(py);
    }
    let parts = [Some(found.values), found.inverse.filter(|_| inverse), found.counts.filter(|_| counts)];
    parts.into_iter().flatten().collect::<Vec<Tensor>>().returned(py)
}

/// The different elements in order, or the different slices along ``dim``; with ``return_inverse`` also where each element
/// of the input is among them, with ``return_counts`` how often each occurs. They are in order also where ``sorted`` does
/// not ask for it.
///
/// >>> dlcore.unique(dlcore.tensor([3, 1, 3]), return_counts=True)
/// (tensor([1, 3]), tensor([1, 2]))
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, sorted = true, return_inverse = false, return_counts = false, dim = None))]
fn unique<'py>(
    py: Python<'py>,
    input: Arg,
    sorted: bool,
    return_inverse: bool,
    return_counts: bool,
    dim: Option<isize>,
) -> PyResult<Bound<'py, PyAny>> {
    let _ = sorted;
    let found = enter(py, input.0.numel(), || sets::unique(&input.0, dim, return_inverse, return_counts))?;
    asked(py, found, return_inverse, return_counts)
}

/// As ``dlcore.unique``, of runs: each element that differs from the one before.
///
/// >>> dlcore.unique_consecutive(dlcore.tensor([1, 1, 2, 1]))
/// tensor([1, 2, 1])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, return_inverse = false, return_counts = false, dim = None))]
fn unique_consecutive<'py>(
    py: Python<'py>,
    input: Arg,
    return_inverse: bool,
    return_counts: bool,
    dim: Option<isize>,
) -> PyResult<Bound<'py, PyAny>> {
    let found = enter(py, input.0.numel(), || sets::unique_consecutive(&input.0, dim, return_inverse, return_counts))?;
    asked(py, found, return_inverse, return_counts)
}

macro_rules! triangles {
    ($($(#[$doc:meta])* $name:ident => $lower:literal;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction(crate = "crate::exchange::keywords")]
            #[pyo3(signature = (row, col, offset = 0, *, dtype = None, device = None))]
            fn $name<'py>(
                py: Python<'py>, row: usize, col: usize, offset: i64, dtype: Option<DTypeArg>,
                device: Option<DeviceArg>,
            ) -> PyResult<Bound<'py, PyAny>> {
                on_cpu(device)?;
                let dtype = dtype.map_or(DType::I64, |dtype| dtype.0);
                let indices = || dlcore_core::ops::cast(&sets::triangle_indices(row, col, offset, $lower)?, dtype);
                enter(py, usize::MAX, indices)?.returned(py)
            }
        )*

        fn register_triangles(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

triangles! {
    /// Rows and columns of the elements on and below diagonal ``offset`` of a ``row`` by ``col`` matrix.
    ///
    /// >>> dlcore.tril_indices(2, 2)
    /// tensor([[0, 1, 1],
    ///         [0, 0, 1]])
    tril_indices => true;
    /// Rows and columns of the elements on and above diagonal ``offset`` of a ``row`` by ``col`` matrix.
    ///
    /// >>> dlcore.triu_indices(2, 2)
    /// tensor([[0, 0, 1],
    ///         [0, 1, 1]])
    triu_indices => false;
}

/// Positions of the elements that are not zero, one row each; with ``as_tuple`` a vector for each dimension.
///
/// >>> dlcore.nonzero(dlcore.tensor([0, 3, 4]))
/// tensor([[1],
///         [2]])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, *, as_tuple = false, out = None))]
fn nonzero<'py>(py: Python<'py>, input: Arg, as_tuple: bool, out: Outs<'py>) -> PyResult<Bound<'py, PyAny>> {
    let x = input.0;
    if as_tuple {
        if out.is_some() {
            return Err(PyTypeError::new_err("nonzero: a tuple takes no out; leave as_tuple out"));
        }
        return enter(py, x.numel(), || sets::nonzero_by_dimension(&x))?.returned(py);
    }
    enter(py, x.numel(), || dlcore_core::ops::nonzero(&x))?.returned_in(py, "nonzero", out)
}

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// See ``dlcore.unique``.
    #[pyo3(signature = (sorted = true, return_inverse = false, return_counts = false, dim = None))]
    fn unique<'py>(
        &self,
        py: Python<'py>,
        sorted: bool,
        return_inverse: bool,
        return_counts: bool,
        dim: Option<isize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        unique(py, Arg(self.get()), sorted, return_inverse, return_counts, dim)
    }

    /// See ``dlcore.unique_consecutive``.
    #[pyo3(signature = (return_inverse = false, return_counts = false, dim = None))]
    fn unique_consecutive<'py>(
        &self,
        py: Python<'py>,
        return_inverse: bool,
        return_counts: bool,
        dim: Option<isize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        unique_consecutive(py, Arg(self.get()), return_inverse, return_counts, dim)
    }

    /// See ``dlcore.histogram``.
    #[pyo3(signature = (bins, *, range = None, weight = None, density = false))]
    fn histogram<'py>(
        &self,
        py: Python<'py>,
        bins: Bins,
        range: Option<[f64; 2]>,
        weight: Option<Arg>,
        density: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        histogram(py, Arg(self.get()), bins, range, weight, density, None)
    }

    /// See ``dlcore.nonzero``.
    #[pyo3(signature = (*, as_tuple = false))]
    fn nonzero<'py>(&self, py: Python<'py>, as_tuple: bool) -> PyResult<Bound<'py, PyAny>> {
        nonzero(py, Arg(self.get()), as_tuple, None)
    }
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)?;
    register_triangles(module)?;
    module.add_function(wrap_pyfunction!(histogram, module)?)?;
    module.add_function(wrap_pyfunction!(unique, module)?)?;
    module.add_function(wrap_pyfunction!(unique_consecutive, module)?)?;
    module.add_function(wrap_pyfunction!(nonzero, module)?)
}
