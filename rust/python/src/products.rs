//! Products of vectors, matrices and more dimensions, and their methods.

use crate::convert::{Arg, Ints, tensors};
use crate::enter::{enter, to_py};
use crate::function::{Returned, functions};
use crate::out::Outs;
use crate::tensor::PyTensor;
use dlcore_core::ops::products;
use dlcore_core::{Error, Tensor, ops};
use pyo3::prelude::*;
use pyo3::types::{PyEllipsis, PyTuple};

functions! {
    /// The product of two matrices.
    ///
    /// >>> dlcore.mm(dlcore.tensor([[1.0, 2.0]]), dlcore.tensor([[3.0], [4.0]]))
    /// tensor([[11.]])
    mm(mat2: Arg) => |x| products::mm(x, &mat2.0);
    /// The products of two batches of matrices.
    ///
    /// >>> dlcore.bmm(dlcore.ones(5, 2, 3), dlcore.ones(5, 3, 4)).shape
    /// (5, 2, 4)
    bmm(mat2: Arg) => |x| products::bmm(x, &mat2.0);
    /// The product of a matrix and a vector.
    ///
    /// >>> dlcore.mv(dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]), dlcore.tensor([1.0, 1.0]))
    /// tensor([3., 7.])
    mv(vec: Arg) => |x| products::mv(x, &vec.0);
    /// The sum of the products of two vectors.
    ///
    /// >>> dlcore.dot(dlcore.tensor([1.0, 2.0]), dlcore.tensor([3.0, 4.0]))
    /// tensor(11.)
    dot(tensor: Arg) => |x| products::dot(x, &tensor.0);
    /// As ``dlcore.dot``; real numbers are their own conjugates.
    ///
    /// >>> dlcore.vdot(dlcore.tensor([1.0, 2.0]), dlcore.tensor([3.0, 4.0]))
    /// tensor(11.)
    vdot(other: Arg) => |x| products::dot(x, &other.0);
    /// Sums of products over the last dimensions.
    ///
    /// >>> dlcore.inner(dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]), dlcore.tensor([1.0, 1.0]))
    /// tensor([3., 7.])
    inner(other: Arg) => |x| products::inner(x, &other.0);
    /// Every element of one vector times every element of another.
    ///
    /// >>> dlcore.outer(dlcore.tensor([1, 2]), dlcore.tensor([3, 4]))
    /// tensor([[3, 4],
    ///         [6, 8]])
    outer(vec2: Arg) => |x| products::outer(x, &vec2.0);
    /// Another name of ``dlcore.outer``.
    ///
    /// >>> dlcore.ger(dlcore.tensor([1, 2]), dlcore.tensor([3])).shape
    /// (2, 1)
    ger(vec2: Arg) => |x| products::outer(x, &vec2.0);
    /// Kronecker's product: each element of the first times all of the second.
    ///
    /// >>> dlcore.kron(dlcore.tensor([1, 10]), dlcore.tensor([1, 2]))
    /// tensor([ 1,  2, 10, 20])
    kron(other: Arg) => |x| products::kron(x, &other.0);
    /// The vector product of three elements along ``dim``; along the first dimension of 3 where none is named.
    ///
    /// >>> dlcore.cross(dlcore.tensor([1.0, 0.0, 0.0]), dlcore.tensor([0.0, 1.0, 0.0]))
    /// tensor([0., 0., 1.])
    cross(other: Arg, dim: Option<isize> = None) => |x| products::cross(x, &other.0, dim);
    /// ``beta * input + alpha * (mat1 @ mat2)``.
    ///
    /// >>> dlcore.addmm(dlcore.tensor([1.0]), dlcore.tensor([[2.0]]), dlcore.tensor([[3.0]]))
    /// tensor([[7.]])
    addmm(mat1: Arg, mat2: Arg; beta: f64 = 1.0, alpha: f64 = 1.0) => |x| products::addmm(x, &mat1.0, &mat2.0, beta, alpha);
    /// ``beta * input + alpha * (mat @ vec)``.
    ///
    /// >>> dlcore.addmv(dlcore.tensor([1.0]), dlcore.tensor([[2.0]]), dlcore.tensor([3.0]))
    /// tensor([7.])
    addmv(mat: Arg, vec: Arg; beta: f64 = 1.0, alpha: f64 = 1.0) => |x| products::addmv(x, &mat.0, &vec.0, beta, alpha);
    /// ``beta * input + alpha * (batch1 @ batch2)`` of batches of matrices.
    ///
    /// >>> dlcore.baddbmm(dlcore.ones(1), dlcore.ones(2, 1, 3), dlcore.ones(2, 3, 1)).tolist()
    /// [[[4.0]], [[4.0]]]
    baddbmm(batch1: Arg, batch2: Arg; beta: f64 = 1.0, alpha: f64 = 1.0)
        => |x| products::baddbmm(x, &batch1.0, &batch2.0, beta, alpha);
    /// ``beta * input + alpha * sum(batch1 @ batch2)`` over the batch.
    ///
    /// >>> dlcore.addbmm(dlcore.ones(1), dlcore.ones(2, 1, 3), dlcore.ones(2, 3, 1))
    /// tensor([[7.]])
    addbmm(batch1: Arg, batch2: Arg; beta: f64 = 1.0, alpha: f64 = 1.0)
        => |x| products::addbmm(x, &batch1.0, &batch2.0, beta, alpha);
    /// ``beta * input + alpha * outer(vec1, vec2)``.
    ///
    /// >>> dlcore.addr(dlcore.ones(1), dlcore.tensor([1.0, 2.0]), dlcore.tensor([3.0]))
    /// tensor([[4.],
    ///         [7.]])
    addr(vec1: Arg, vec2: Arg; beta: f64 = 1.0, alpha: f64 = 1.0) => |x| products::addr(x, &vec1.0, &vec2.0, beta, alpha);
}

/// Sums of products over ``dims``: the last so many dimensions of ``a`` with the first of ``b``, or two lists of
/// dimensions, one for each.
///
/// >>> dlcore.tensordot(dlcore.ones(2, 3, 4), dlcore.ones(3, 4, 5), dims=2).shape
/// (2, 5)
#[pyfunction]
#[pyo3(signature = (a, b, dims = None, out = None))]
fn tensordot<'py>(
    py: Python<'py>,
    a: Arg,
    b: Arg,
    dims: Option<&Bound<'py, PyAny>>,
    out: Outs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let (a, b) = (a.0, b.0);
    let count = match dims {
        None => Some(2),
        Some(dims) => dims.extract::<isize>().ok(),
    };
    let (a_dims, b_dims) = match (count, dims) {
        (None, Some(dims)) => {
            let [a, b] = <[Ints; 2]>::try_from(dims.extract::<Vec<Ints>>()?).map_err(|lists| {
                let what = format_args!("dims is a count, or two lists of dimensions, got {}", lists.len());
                to_py(Error::value("tensordot", what))
            })?;
            (a, b)
        }
        (count, _) => {
            let count = count.unwrap_or(2);
            let rank = a.rank().min(b.rank());
            if count < 0 {
                let what = format_args!("dims must not be negative, got {count}");
                return Err(to_py(Error::value("tensordot", what)));
            }
            if count.unsigned_abs() > rank {
                let what = format_args!("dims is {count}, but one operand has {rank} dimensions");
                return Err(to_py(Error::index("tensordot", what)));
            }
            (Ints((-count..0).collect()), Ints((0..count).collect()))
        }
    };
    enter(py, usize::MAX, || products::tensordot(&a, &b, &a_dims.0, &b_dims.0))?.returned_in(py, "tensordot", out)
}

/// Sums of products of the operands, whose dimensions ``equation`` names (Einstein's convention): ``"ij,jk->ik"`` is a
/// matrix product. Of more than two operands the pair that costs least is multiplied first. Numbers from 0 to 51 in lists
/// name them as well, after each operand and, where there is one, for the result: ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.
///
/// >>> dlcore.einsum("ij->ji", dlcore.tensor([[1, 2], [3, 4]]))
/// tensor([[1, 3],
///         [2, 4]])
#[pyfunction]
#[pyo3(signature = (equation, *operands))]
fn einsum<'py>(
    py: Python<'py>,
    equation: &Bound<'py, PyAny>,
    operands: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    let (equation, list) = if equation.is_instance_of::<PyTensor>() {
        sublists(equation, operands)?
    } else {
        let list = match operands.get_item(0) {
            Ok(first) if operands.len() == 1 && !first.is_instance_of::<PyTensor>() => tensors(&first)?,
            _ => tensors(operands.as_any())?,
        };
        (equation.extract()?, list)
    };
    enter(py, usize::MAX, || products::einsum(&equation, &list))?.returned(py)
}

/// The equation and the operands of `einsum` where lists of numbers stand for the names of dimensions.
fn sublists(first: &Bound<'_, PyAny>, rest: &Bound<'_, PyTuple>) -> PyResult<(String, Vec<Tensor>)> {
    let mut arguments = std::iter::once(first.clone()).chain(rest.iter());
    let (mut terms, mut list, mut result) = (Vec::new(), Vec::new(), String::new());
    while let Some(argument) = arguments.next() {
        match arguments.next() {
            Some(names) => {
                list.push(argument.extract::<Arg>()?.0);
                terms.push(named(&names)?);
            }
            None => result = format!("->{}", named(&argument)?),
        }
    }
    Ok((terms.join(",") + &result, list))
}

/// The letters that stand for a list of numbers, `...` for an Ellipsis; in PyTorch's order, by which results are laid out.
fn named(numbers: &Bound<'_, PyAny>) -> PyResult<String> {
    let letter = |number: Bound<'_, PyAny>| {
        if number.is_instance_of::<PyEllipsis>() {
            return Ok("...".to_owned());
        }
        let found = ('A'..='Z').chain('a'..='z').nth(number.extract()?);
        let what = || Error::value("einsum", format_args!("expected numbers from 0 to 51, got {number}"));
        found.map(String::from).ok_or_else(|| to_py(what()))
    };
    numbers.try_iter()?.map(|number| letter(number?)).collect()
}

/// The product of matrices, from left to right.
///
/// >>> dlcore.chain_matmul(dlcore.ones(2, 3), dlcore.ones(3, 4), dlcore.ones(4, 5)).shape
/// (2, 5)
#[pyfunction]
#[pyo3(signature = (*matrices, out = None))]
fn chain_matmul<'py>(py: Python<'py>, matrices: &Bound<'py, PyTuple>, out: Outs<'py>) -> PyResult<Bound<'py, PyAny>> {
    let list = tensors(matrices.as_any())?;
    enter(py, usize::MAX, || {
        let (first, rest) = list.split_first().ok_or_else(|| Error::value("chain_matmul", "expected a matrix"))?;
        if rest.is_empty() {
            return ops::copy(first);
        }
        rest.iter().try_fold(first.clone(), |product: Tensor, next| ops::matmul(&product, next))
    })?
    .returned_in(py, "chain_matmul", out)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)?;
    module.add_function(wrap_pyfunction!(tensordot, module)?)?;
    module.add_function(wrap_pyfunction!(einsum, module)?)?;
    module.add_function(wrap_pyfunction!(chain_matmul, module)?)
}
