//! Functions that write or add elements where indices, masks or views say, or pick them there, and their methods.

use crate::convert::{Arg, Ints, Operand};
use crate::enter::enter;
use crate::function::{Returned, functions};
use crate::tensor::PyTensor;
use dlcore_core::ops::{self, placing, strided};
use dlcore_core::{Error, Tensor};
use pyo3::prelude::*;

functions! {
    /// The input with the elements of ``src``, or one number, written where ``index`` (int64) names along ``dim``.
    ///
    /// >>> dlcore.scatter(dlcore.zeros(3), 0, dlcore.tensor([2, 0]), dlcore.tensor([1.0, 2.0]))
    /// tensor([2., 0., 1.])
    scatter(dim: isize, index: Arg, src: Option<Operand> = None; reduce: Option<String> = None, value: Option<Operand> = None)
        => |x| {
            let Some(source) = src.or(value) else {
                return Err(Error::value("scatter", "expected src or value"));
            };
            let source = match source {
                Operand::Tensor(source) => source,
                number @ Operand::Scalar(_) => ops::cast(&number.beside(x)?, x.dtype())?,
            };
            match reduce.as_deref() {
                None => placing::scatter(x, dim, &index.0, &source),
                Some(reduce @ ("add" | "multiply")) => {
                    let source = if source.rank() == 0 { ops::broadcast_to(&source, index.0.shape())? } else { source };
                    match reduce {
                        "add" => ops::scatter_add(x, dim, &index.0, &source),
                        _ => ops::scatter_reduce::scatter_reduce(x, dim, &index.0, &source, "prod", true),
                    }
                }
                Some(other) => {
                    let what = format_args!("reduce is None, \"add\" or \"multiply\", got {other:?}");
                    Err(Error::value("scatter", what))
                }
            }
        };
    /// The input with ``alpha`` times the slices of ``source`` added at ``index`` along ``dim``.
    ///
    /// >>> dlcore.index_add(dlcore.zeros(3), 0, dlcore.tensor([0, 0]), dlcore.tensor([1.0, 2.0]))
    /// tensor([3., 0., 0.])
    index_add(dim: isize, index: Arg, source: Arg; alpha: f64 = 1.0)
        => |x| placing::index_add(x, dim, &index.0, &source.0, alpha);
    /// The input with the slices of ``source`` written at ``index`` along ``dim``.
    ///
    /// >>> dlcore.index_copy(dlcore.zeros(3), 0, dlcore.tensor([2, 0]), dlcore.tensor([1.0, 2.0]))
    /// tensor([2., 0., 1.])
    index_copy(dim: isize, index: Arg, source: Arg) => |x| placing::index_copy(x, dim, &index.0, &source.0);
    /// The input with ``value`` in the slices ``index`` along ``dim``; negative ones count from the end.
    ///
    /// >>> dlcore.index_fill(dlcore.zeros(3), 0, dlcore.tensor([0, 2]), 5)
    /// tensor([5., 0., 5.])
    index_fill(dim: isize, index: Arg, value: Operand)
        => |x| placing::index_fill(x, dim, &index.0, &value.beside(x)?);
    /// The elements at the places ``index`` of all in one row.
    ///
    /// >>> dlcore.take(dlcore.tensor([[1, 2], [3, 4]]), dlcore.tensor([0, 3]))
    /// tensor([1, 4])
    take(index: Arg) => |x| placing::take(x, &index.0);
    /// The input with the elements of ``source`` written, or added, at the places ``index`` of all in one row.
    ///
    /// >>> dlcore.put(dlcore.zeros(3), dlcore.tensor([1]), dlcore.tensor([9.0]))
    /// tensor([0., 9., 0.])
    put(index: Arg, source: Arg, accumulate: bool = false) => |x| placing::put(x, &index.0, &source.0, accumulate);
    /// The elements that ``indices`` name along ``dim``; both broadcast in the other dimensions.
    ///
    /// >>> x = dlcore.tensor([[3, 1], [2, 4]])
    /// >>> dlcore.take_along_dim(x, dlcore.argsort(x, dim=1), dim=1)
    /// tensor([[1, 3],
    ///         [2, 4]])
    take_along_dim(indices: Arg, dim: Option<isize> = None) => |x| placing::take_along_dim(x, &indices.0, dim);
    /// The input with the first elements of ``source``, in order, where ``mask`` is true.
    ///
    /// >>> dlcore.masked_scatter(dlcore.zeros(3), dlcore.tensor([True, False, True]), dlcore.tensor([1.0, 2.0]))
    /// tensor([1., 0., 2.])
    masked_scatter(mask: Arg, source: Arg) => |x| placing::masked_scatter(x, &mask.0, &source.0);
    /// The input with ``src`` as the entry ``index`` along ``dim``.
    ///
    /// >>> dlcore.select_scatter(dlcore.zeros(2, 2), dlcore.ones(2), 0, 1)
    /// tensor([[0., 0.],
    ///         [1., 1.]])
    select_scatter(src: Arg, dim: isize, index: isize) => |x| ops::arrange::select_scatter(x, &src.0, dim, index);
    /// The input with ``src`` in every ``step``-th entry from ``start`` to ``end`` along ``dim``.
    ///
    /// >>> dlcore.slice_scatter(dlcore.zeros(4), dlcore.ones(2), start=1, end=3)
    /// tensor([0., 1., 1., 0.])
    slice_scatter(src: Arg, dim: isize = 0, start: Option<isize> = None, end: Option<isize> = None, step: usize = 1)
        => |x| placing::slice_scatter(x, &src.0, dim, [start, end], step);
    /// The input with ``src`` on a diagonal.
    ///
    /// >>> dlcore.diagonal_scatter(dlcore.zeros(2, 2), dlcore.ones(2))
    /// tensor([[1., 0.],
    ///         [0., 1.]])
    diagonal_scatter(src: Arg, offset: isize = 0, dim1: isize = 0, dim2: isize = 1)
        => |x| ops::arrange::diagonal_scatter(x, &src.0, offset, dim1, dim2);
    /// Positions of the elements that are not zero, one row each.
    ///
    /// >>> dlcore.argwhere(dlcore.tensor([0, 3, 4]))
    /// tensor([[1],
    ///         [2]])
    argwhere() => |x| ops::nonzero(x);
}

/// The input with ``values`` written, or added, where ``input[indices]`` would read.
///
/// >>> dlcore.index_put(dlcore.zeros(3), (dlcore.tensor([0, 2]),), dlcore.tensor(1.0))
/// tensor([1., 0., 1.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, indices, values, accumulate = false))]
fn index_put<'py>(
    py: Python<'py>,
    input: Arg,
    indices: Vec<Option<Arg>>,
    values: Arg,
    accumulate: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (x, values) = (input.0, values.0);
    let indices: Vec<Option<Tensor>> = indices.into_iter().map(|index| index.map(|index| index.0)).collect();
    enter(py, x.numel(), || ops::index_put(&x, &indices, &values, accumulate))?.returned(py)
}

/// The input with ``src`` written where ``dlcore.as_strided(input, size, stride, storage_offset)`` would read.
///
/// Raises ValueError for an input with gaps or in another order, and for a place that would be written twice.
///
/// >>> dlcore.as_strided_scatter(dlcore.zeros(4), dlcore.ones(2), (2,), (3,))
/// tensor([1., 0., 0., 1.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, src, size, stride, storage_offset = None))]
fn as_strided_scatter<'py>(
    py: Python<'py>,
    input: Arg,
    src: Arg,
    size: Ints,
    stride: Ints,
    storage_offset: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let (shape, strides) = (size.sizes("as_strided_scatter")?, stride.sizes("as_strided_scatter")?);
    let x = input.0;
    enter(py, x.numel(), || strided::as_strided_scatter(&x, &src.0, &shape, &strides, storage_offset))?.returned(py)
}

#[pymethods]
impl PyTensor {
    /// See ``dlcore.as_strided_scatter``.
    #[pyo3(signature = (src, size, stride, storage_offset = None))]
    fn as_strided_scatter<'py>(
        &self,
        py: Python<'py>,
        src: Arg,
        size: Ints,
        stride: Ints,
        storage_offset: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        as_strided_scatter(py, Arg(self.get()), src, size, stride, storage_offset)
    }

    /// See ``dlcore.index_put``.
    #[pyo3(signature = (indices, values, accumulate = false))]
    pub fn index_put<'py>(
        &self,
        py: Python<'py>,
        indices: Vec<Option<Arg>>,
        values: Arg,
        accumulate: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        index_put(py, Arg(self.get()), indices, values, accumulate)
    }
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)?;
    module.add_function(wrap_pyfunction!(as_strided_scatter, module)?)?;
    module.add_function(wrap_pyfunction!(index_put, module)?)
}
