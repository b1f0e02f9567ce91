//! Norms of vectors and matrices, and condition numbers.

use super::Out;
use crate::convert::{Arg, DTypeArg, Ints};
use crate::enter::{enter, to_py};
use crate::function::Returned;
use crate::out::Outs;
use crate::reductions::dims;
use dlcore_core::ops::matrices::{self, Order};
use dlcore_core::ops::{self, statistics};
use dlcore_core::{Error, Result, Tensor};
use pyo3::prelude::*;
use pyo3::types::PyString;

/// `x` in the dtype asked for.
fn in_dtype(x: &Tensor, dtype: Option<DTypeArg>) -> Result<Tensor> {
    dtype.map_or_else(|| Ok(x.clone()), |dtype| ops::cast(x, dtype.0))
}

/// The order of a norm, as Python writes it.
fn order(op: &str, ord: &Bound<'_, PyAny>) -> PyResult<Order> {
    let Ok(text) = ord.cast::<PyString>() else { return Ok(Order::Number(ord.extract()?)) };
    match &*text.to_string_lossy() {
        "fro" => Ok(Order::Frobenius),
        "nuc" => Ok(Order::Nuclear),
        other => Err(to_py(Error::value(op, format_args!("there is no norm {other:?}; expected 'fro' or 'nuc'")))),
    }
}

/// The dimensions of rows and columns; the last two where none are named.
fn pair(op: &str, dim: Option<&Ints>) -> Result<[isize; 2]> {
    match dim.map(|dim| &dim.0[..]) {
        None => Ok([-2, -1]),
        Some(&[rows, columns]) => Ok([rows, columns]),
        Some(other) => Err(Error::value(op, format_args!("expected two dimensions for a matrix norm, got {other:?}"))),
    }
}

/// The norm of all elements of `x`, of vectors along one dimension or of matrices along two. As a vector's where ``ord``
/// is missing: the root of the sum of squares.
///
/// >>> dlcore.linalg.norm(dlcore.tensor([[3.0, 0.0], [0.0, 4.0]]))
/// tensor(5.)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (A, ord = None, dim = None, keepdim = false, *, dtype = None, out = None))]
fn linalg_norm<'py>(
    py: Python<'py>,
    A: Arg,
    ord: Option<&Bound<'py, PyAny>>,
    dim: Option<Ints>,
    keepdim: bool,
    dtype: Option<DTypeArg>,
    out: Outs<'py>,
) -> Out<'py> {
    const NAME: &str = "linalg.norm";
    let x = A.0;
    let order = ord.map(|ord| order(NAME, ord)).transpose()?;
    enter(py, x.numel(), || {
        let x = in_dtype(&x, dtype)?;
        let over = dim.as_ref().map(|dim| dim.0.len());
        match (order, over) {
            (None, _) => statistics::vector_norm(&x, 2.0, &dims(NAME, dim.as_ref(), x.rank())?, keepdim),
            (Some(Order::Number(p)), Some(1)) => {
                statistics::vector_norm(&x, p, &dims(NAME, dim.as_ref(), x.rank())?, keepdim)
            }
            (Some(Order::Number(p)), None) if x.rank() == 1 => statistics::vector_norm(&x, p, &[0], keepdim),
            (Some(order), None) if x.rank() == 2 => matrices::matrix_norm(&x, order, [0, 1], keepdim),
            (Some(order), Some(2)) => matrices::matrix_norm(&x, order, pair(NAME, dim.as_ref())?, keepdim),
            _ => Err(Error::value(
                NAME,
                format_args!(
                    "with ord, expected dim to name one or two dimensions, or a tensor of as many; got {}",
                    x.rank()
                ),
            )),
        }
    })?
    .returned_in(py, "linalg.norm", out)
}

/// ``sum(|x| ** ord) ** (1 / ord)`` of all elements or over ``dim``. Infinity takes the largest, minus infinity the
/// smallest, and 0 counts what is not zero.
///
/// >>> dlcore.linalg.vector_norm(dlcore.tensor([3.0, 4.0]))
/// tensor(5.)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (x, ord = 2.0, dim = None, keepdim = false, *, dtype = None, out = None))]
fn linalg_vector_norm<'py>(
    py: Python<'py>,
    x: Arg,
    ord: f64,
    dim: Option<Ints>,
    keepdim: bool,
    dtype: Option<DTypeArg>,
    out: Outs<'py>,
) -> Out<'py> {
    enter(py, x.0.numel(), || {
        let x = in_dtype(&x.0, dtype)?;
        statistics::vector_norm(&x, ord, &dims("linalg.vector_norm", dim.as_ref(), x.rank())?, keepdim)
    })?
    .returned_in(py, "linalg.vector_norm", out)
}

/// The norm of the matrices in two dimensions: ``'fro'`` the root of the sum of squares, ``'nuc'`` the sum of the
/// singular values, ``inf`` the largest sum of absolute values in a row, 1 in a column, 2 the largest singular value;
/// the smallest where negated.
///
/// >>> dlcore.linalg.matrix_norm(dlcore.tensor([[1.0, -2.0], [3.0, 4.0]]), ord=1)
/// tensor(6.)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(
    signature = (A, ord = None, dim = None, keepdim = false, *, dtype = None, out = None),
    text_signature = "(A, ord='fro', dim=(-2, -1), keepdim=False, *, dtype=None, out=None)",
)]
fn linalg_matrix_norm<'py>(
    py: Python<'py>,
    A: Arg,
    ord: Option<&Bound<'py, PyAny>>,
    dim: Option<Ints>,
    keepdim: bool,
    dtype: Option<DTypeArg>,
    out: Outs<'py>,
) -> Out<'py> {
    const NAME: &str = "linalg.matrix_norm";
    let order = ord.map_or(Ok(Order::Frobenius), |ord| order(NAME, ord))?;
    enter(py, super::work(&[&A.0]), || {
        let dims = pair(NAME, dim.as_ref())?;
        matrices::matrix_norm(&in_dtype(&A.0, dtype)?, order, dims, keepdim)
    })?
    .returned_in(py, "linalg.matrix_norm", out)
}

/// How much relative errors may grow when a system is solved: the norm of the matrix times that of its inverse, for the
/// orders of ``matrix_norm``; by default the largest singular value over the smallest.
///
/// >>> dlcore.linalg.cond(dlcore.tensor([[4.0, 0.0], [0.0, 2.0]]))
/// tensor(2.)
#[pyfunction]
#[pyo3(signature = (A, p = None, *, out = None))]
fn linalg_cond<'py>(py: Python<'py>, A: Arg, p: Option<&Bound<'py, PyAny>>, out: Outs<'py>) -> Out<'py> {
    let order = p.map(|p| order("linalg.cond", p)).transpose()?;
    enter(py, super::work(&[&A.0]), || matrices::cond(&A.0, order))?.returned_in(py, "linalg.cond", out)
}

/// The sum of singular values of a matrix, or of the matrices in two dimensions: what `norm` does for `p="nuc"`.
pub fn nuclear_norm<'py>(
    py: Python<'py>,
    x: Arg,
    dim: Option<Ints>,
    keepdim: bool,
    dtype: Option<DTypeArg>,
    out: Outs<'py>,
) -> Out<'py> {
    enter(py, super::work(&[&x.0]), || {
        let dims = pair("norm", dim.as_ref())?;
        matrices::matrix_norm(&in_dtype(&x.0, dtype)?, Order::Nuclear, dims, keepdim)
    })?
    .returned_in(py, "norm", out)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    super::add!(module, linalg_norm linalg_vector_norm linalg_matrix_norm linalg_cond);
    Ok(())
}
