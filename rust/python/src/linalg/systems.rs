//! Linear systems, least squares, determinants and LU factors.

use super::{Out, named, work};
use crate::convert::Arg;
use crate::enter::enter;
use crate::function::Returned;
use crate::out::Outs;
use dlcore_core::ops::{self, least_squares, lu as elimination, systems};
use dlcore_core::{DType, Error, Result, Tensor};
use pyo3::prelude::*;

/// Whether `b` holds one right-hand side for each matrix of `a`, and not one in each column.
fn is_vectors(a: &Tensor, b: &Tensor) -> bool {
    b.rank() == 1 || (a.rank() == b.rank() + 1 && a.shape()[..b.rank()] == *b.shape())
}

/// The solution x of ``A @ x = B``, or of ``x @ A = B`` with ``left=False``. Batches broadcast; ``B`` holds one
/// right-hand side for each matrix, or several in its columns. Raises LinAlgError for a singular matrix.
///
/// >>> A = dlcore.tensor([[2.0, 0.0], [0.0, 4.0]])
/// >>> dlcore.linalg.solve(A, dlcore.tensor([2.0, 2.0]))
/// tensor([1.0000, 0.5000])
#[pyfunction]
#[pyo3(signature = (A, B, *, left = true, out = None))]
fn linalg_solve<'py>(py: Python<'py>, A: Arg, B: Arg, left: bool, out: Outs<'py>) -> Out<'py> {
    let (a, b) = (A.0, B.0);
    enter(py, work(&[&a, &b]), || {
        if is_vectors(&a, &b) {
            let column = ops::reshape(&b, &[b.shape(), &[1]].concat())?;
            let a = if left { a } else { ops::transpose(&a, -2, -1)? };
            let x = systems::solve(&a, &column)?;
            return ops::reshape(&x, &x.shape()[..x.rank() - 1]);
        }
        from_either_side(left, &a, &b, systems::solve)
    })?
    .returned_in(py, "linalg.solve", out)
}

/// What `solve` finds for `a @ x = b`, or for `x @ a = b` by the transposes.
fn from_either_side(
    left: bool,
    a: &Tensor,
    b: &Tensor,
    solve: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    if left {
        return solve(a, b);
    }
    ops::transpose(&solve(&ops::transpose(a, -2, -1)?, &ops::transpose(b, -2, -1)?)?, -2, -1)
}

/// The solution x of ``A @ x = B`` (``x @ A = B`` with ``left=False``) for the upper or lower triangle of ``A``, with
/// ones on the diagonal if ``unitriangular``. The other triangle is not read; a zero on the diagonal gives infinities.
///
/// >>> A = dlcore.tensor([[2.0, 0.0], [1.0, 1.0]])
/// >>> dlcore.linalg.solve_triangular(A, dlcore.tensor([[2.0], [3.0]]), upper=False)
/// tensor([[1.],
///         [2.]])
#[pyfunction]
#[pyo3(signature = (A, B, *, upper, left = true, unitriangular = false, out = None))]
fn linalg_solve_triangular<'py>(
    py: Python<'py>,
    A: Arg,
    B: Arg,
    upper: bool,
    left: bool,
    unitriangular: bool,
    out: Outs<'py>,
) -> Out<'py> {
    enter(py, work(&[&A.0, &B.0]), || {
        from_either_side(left, &A.0, &B.0, |a, b| systems::solve_triangular(a, b, upper == left, unitriangular))
    })?
    .returned_in(py, "linalg.solve_triangular", out)
}

/// Least squares: ``solution`` minimises the norm of ``A @ solution - B`` and, among such, its own. ``rank`` is that of
/// ``A``, where singular values up to ``rcond`` times the largest count as zero.
///
/// Without ``rcond``, that is the larger extent of ``A`` times the spacing of its dtype at one.
///
/// As PyTorch does, ``driver='gelsd'`` or ``'gelss'`` also fills in ``singular_values``, and ``residuals``: the squared
/// norms, where there are more rows than columns and ``A`` has full rank; ``'gels'`` the residuals alone.
///
/// >>> A = dlcore.tensor([[1.0], [1.0]])
/// >>> dlcore.linalg.lstsq(A, dlcore.tensor([[1.0], [3.0]])).solution.round(decimals=3)
/// tensor([[2.]])
#[pyfunction]
#[pyo3(signature = (A, B, rcond = None, *, driver = None))]
fn linalg_lstsq<'py>(py: Python<'py>, A: Arg, B: Arg, rcond: Option<f64>, driver: Option<&str>) -> Out<'py> {
    let found = enter(py, work(&[&A.0, &B.0]), || {
        let [residuals, rank, values] = match driver {
            None | Some("gelsy") => [false, true, false],
            Some("gels") => [true, false, false],
            Some("gelsd" | "gelss") => [true; 3],
            Some(other) => {
                let what = format_args!("expected driver 'gels', 'gelsy', 'gelsd' or 'gelss', got {other:?}");
                return Err(Error::value("linalg.lstsq", what));
            }
        };
        let beside = least_squares::Beside { residuals, values };
        let found = least_squares::lstsq(&A.0, &B.0, rcond, beside)?;
        let dtype = found.solution.dtype();
        let or_none =
            |wanted: Option<Tensor>, dtype| wanted.map_or_else(|| dlcore_core::creation::zeros(&[0], dtype), Ok);
        Ok([
            found.solution,
            or_none(found.residuals, dtype)?,
            or_none(rank.then_some(found.ranks), DType::I64)?,
            or_none(found.values.filter(|_| values), dtype)?,
        ])
    })?;
    named!(py, "linalg_lstsq", ["solution", "residuals", "rank", "singular_values"], found, None)
}

/// PyTorch's matrices are factorised without exchanges on other devices only, and so are these.
pub fn check_pivot(op: &str, pivot: bool) -> Result<()> {
    if pivot { Ok(()) } else { Err(Error::value(op, "rows are always exchanged on a CPU; leave pivot=True")) }
}

/// The matrices ``P``, ``L`` and ``U`` whose product is ``A``: a permutation, lower triangular with ones on the diagonal,
/// and upper triangular.
///
/// >>> dlcore.linalg.lu(dlcore.tensor([[0.0, 1.0], [2.0, 4.0]])).U
/// tensor([[2., 4.],
///         [0., 1.]])
#[pyfunction]
#[pyo3(signature = (A, *, pivot = true, out = None))]
fn linalg_lu<'py>(py: Python<'py>, A: Arg, pivot: bool, out: Outs<'py>) -> Out<'py> {
    let (p, l, u) = enter(py, work(&[&A.0]), || {
        check_pivot("linalg.lu", pivot)?;
        elimination::lu(&A.0)
    })?;
    named!(py, "linalg_lu", ["P", "L", "U"], [p, l, u], out)
}

/// L, without its ones, and U in one matrix, and with which row each was exchanged in turn, counting from 1.
///
/// >>> dlcore.linalg.lu_factor(dlcore.tensor([[0.0, 1.0], [2.0, 4.0]])).pivots
/// tensor([2, 2], dtype=dlcore.int32)
#[pyfunction]
#[pyo3(signature = (A, *, pivot = true, out = None))]
fn linalg_lu_factor<'py>(py: Python<'py>, A: Arg, pivot: bool, out: Outs<'py>) -> Out<'py> {
    let (lu, pivots) = enter(py, work(&[&A.0]), || {
        check_pivot("linalg.lu_factor", pivot)?;
        elimination::lu_factor(&A.0)
    })?;
    named!(py, "linalg_lu_factor", ["LU", "pivots"], [lu, pivots], out)
}

/// ``lu_factor``, and ``info``, int32, (...): which pivot of a matrix is the first zero, or 0. With ``check_errors`` raises
/// LinAlgError for a matrix with such a pivot.
///
/// >>> dlcore.linalg.lu_factor_ex(dlcore.ones(2, 2)).info
/// tensor(2, dtype=dlcore.int32)
#[pyfunction]
#[pyo3(signature = (A, *, pivot = true, check_errors = false, out = None))]
fn linalg_lu_factor_ex<'py>(py: Python<'py>, A: Arg, pivot: bool, check_errors: bool, out: Outs<'py>) -> Out<'py> {
    const NAME: &str = "linalg.lu_factor_ex";
    let (lu, pivots, info) = enter(py, work(&[&A.0]), || {
        check_pivot(NAME, pivot)?;
        let (lu, pivots) = elimination::lu_factor(&A.0)?;
        let info = elimination::zero_pivots(&lu)?;
        let list = info.array();
        match list.elements::<i32>().iter().position(|&pivot| pivot > 0).filter(|_| check_errors) {
            None => Ok((lu, pivots, info)),
            Some(matrix) => {
                let of = if info.rank() == 0 { String::new() } else { format!(" of matrix {matrix}") };
                let pivot = list.elements::<i32>()[matrix];
                Err(Error::LinAlg(format!("{NAME}: pivot {pivot}{of} is zero: it is singular")))
            }
        }
    })?;
    named!(py, "linalg_lu_factor_ex", ["LU", "pivots", "info"], [lu, pivots, info], out)
}

/// The solution x of ``A @ x = B`` given what ``lu_factor`` made of ``A``; of ``x @ A = B`` with ``left=False``, and for
/// the transpose of ``A`` with ``adjoint=True``.
///
/// >>> LU, pivots = dlcore.linalg.lu_factor(dlcore.tensor([[0.0, 1.0], [2.0, 0.0]]))
/// >>> dlcore.linalg.lu_solve(LU, pivots, dlcore.tensor([[1.0], [2.0]]))
/// tensor([[1.],
///         [1.]])
#[pyfunction]
#[pyo3(signature = (LU, pivots, B, *, left = true, adjoint = false, out = None))]
fn linalg_lu_solve<'py>(
    py: Python<'py>,
    LU: Arg,
    pivots: Arg,
    B: Arg,
    left: bool,
    adjoint: bool,
    out: Outs<'py>,
) -> Out<'py> {
    enter(py, work(&[&LU.0, &B.0]), || {
        if left {
            return elimination::lu_solve(&LU.0, &pivots.0, &B.0, adjoint);
        }
        let transposed = ops::transpose(&B.0, -2, -1)?;
        ops::transpose(&elimination::lu_solve(&LU.0, &pivots.0, &transposed, !adjoint)?, -2, -1)
    })?
    .returned_in(py, "linalg.lu_solve", out)
}

/// The matrices P, L and U that ``linalg.lu_factor`` packed; empty ones for what is not asked for.
///
/// >>> P, L, U = dlcore.lu_unpack(*dlcore.linalg.lu_factor(dlcore.tensor([[0.0, 1.0], [2.0, 4.0]])))
/// >>> P @ L @ U
/// tensor([[0., 1.],
///         [2., 4.]])
#[pyfunction]
#[pyo3(signature = (LU_data, LU_pivots, unpack_data = true, unpack_pivots = true, *, out = None))]
fn lu_unpack<'py>(
    py: Python<'py>,
    LU_data: Arg,
    LU_pivots: Arg,
    unpack_data: bool,
    unpack_pivots: bool,
    out: Outs<'py>,
) -> Out<'py> {
    let (lu, pivots) = (LU_data.0, LU_pivots.0);
    let found = enter(py, work(&[&lu]), || {
        let nothing = dlcore_core::creation::zeros(&[0], lu.dtype())?;
        let (l, u) = if unpack_data { elimination::lower_upper(&lu)? } else { (nothing.clone(), nothing.clone()) };
        let rows = lu.shape()[lu.rank().saturating_sub(2)];
        let p = if unpack_pivots {
            elimination::permutation(&elimination::order_of(&pivots, rows)?, lu.dtype())?
        } else {
            nothing
        };
        Ok([p, l, u])
    })?;
    named!(py, "lu_unpack", ["P", "L", "U"], found, out)
}

/// Signs of determinants and the logarithms of their absolute values: for determinants beyond the range of a float.
///
/// >>> dlcore.linalg.slogdet(dlcore.tensor([[0.0, 1.0], [1.0, 0.0]]))
/// linalg_slogdet(sign=tensor(-1.), logabsdet=tensor(0.))
#[pyfunction]
#[pyo3(signature = (A, *, out = None))]
fn linalg_slogdet<'py>(py: Python<'py>, A: Arg, out: Outs<'py>) -> Out<'py> {
    let (sign, logarithm) = enter(py, work(&[&A.0]), || systems::slogdet(&A.0))?;
    named!(py, "linalg_slogdet", ["sign", "logabsdet"], [sign, logarithm], out)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    super::add!(module, linalg_solve linalg_solve_triangular linalg_lstsq linalg_slogdet linalg_lu linalg_lu_factor linalg_lu_factor_ex linalg_lu_solve lu_unpack);
    Ok(())
}
