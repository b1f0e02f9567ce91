//! Cholesky factors, QR, singular values, eigenvalues of symmetric matrices, and what is read off them.

use super::{Out, named, work};
use crate::convert::{Arg, Operand};
use crate::enter::enter;
use crate::function::Returned;
use crate::out::Outs;
use dlcore_core::ops::factors::{self, Vectors};
use dlcore_core::ops::{self, matrices};
use dlcore_core::{DType, Error, Result, Scalar, Tensor};
use pyo3::prelude::*;

/// The pseudoinverse of Moore and Penrose. Singular values up to ``atol`` or up to ``rtol`` (by default the larger extent
/// times the spacing of numbers at 1) times the largest count as zero; each is a number, or a tensor with one for each
/// matrix. ``hermitian``: only the lower triangle is read.
///
/// >>> dlcore.linalg.pinv(dlcore.tensor([[2.0, 0.0], [0.0, 0.0]]))
/// tensor([[0.5000, 0.0000],
///         [0.0000, 0.0000]])
#[pyfunction]
#[pyo3(signature = (A, rcond = None, hermitian = false, *, atol = None, rtol = None, out = None))]
fn linalg_pinv<'py>(
    py: Python<'py>,
    A: Arg,
    rcond: Option<Operand>,
    hermitian: bool,
    atol: Option<Operand>,
    rtol: Option<Operand>,
    out: Outs<'py>,
) -> Out<'py> {
    enter(py, work(&[&A.0]), || {
        let x = if hermitian { matrices::symmetric(&A.0)? } else { A.0 };
        let tensor = |tolerance: Option<Operand>| tolerance.map(|tolerance| tolerance.beside(&x)).transpose();
        factors::pinv(&x, tensor(atol)?.as_ref(), tensor(rtol.or(rcond))?.as_ref())
    })?
    .returned_in(py, "linalg.pinv", out)
}

/// How many singular values are above ``atol`` and above ``rtol`` times the largest; with ``hermitian``, absolute
/// eigenvalues. ``tol`` alone is an absolute bound.
///
/// >>> dlcore.linalg.matrix_rank(dlcore.tensor([[1.0, 2.0], [2.0, 4.0]]))
/// tensor(1)
#[pyfunction]
#[pyo3(signature = (A, tol = None, hermitian = false, *, atol = None, rtol = None, out = None))]
fn linalg_matrix_rank<'py>(
    py: Python<'py>,
    A: Arg,
    tol: Option<Operand>,
    hermitian: bool,
    atol: Option<Operand>,
    rtol: Option<Operand>,
    out: Outs<'py>,
) -> Out<'py> {
    let x = A.0;
    enter(py, work(&[&x]), || {
        let tensor = |tolerance: Option<Operand>| tolerance.map(|tolerance| tolerance.beside(&x)).transpose();
        let (atol, rtol) = match tol {
            Some(tol) => (tensor(Some(tol))?, tensor(Some(Operand::Scalar(Scalar::Int(0))))?),
            None => (tensor(atol)?, tensor(rtol)?),
        };
        matrices::matrix_rank(&x, atol.as_ref(), rtol.as_ref(), hermitian)
    })?
    .returned_in(py, "linalg.matrix_rank", out)
}

/// The lower (or upper) triangular factor of symmetric positive definite matrices, of which only that triangle is read.
/// Raises LinAlgError for a matrix that is not positive definite.
///
/// >>> dlcore.linalg.cholesky(dlcore.tensor([[4.0, 2.0], [2.0, 2.0]]))
/// tensor([[2., 0.],
///         [1., 1.]])
#[pyfunction]
#[pyo3(signature = (A, *, upper = false, out = None))]
fn linalg_cholesky<'py>(py: Python<'py>, A: Arg, upper: bool, out: Outs<'py>) -> Out<'py> {
    enter(py, work(&[&A.0]), || cholesky_factor(&A.0, upper))?.returned_in(py, "linalg.cholesky", out)
}

/// ``linalg.cholesky`` of a batch in which some matrices may not be positive definite: ``L``, with NaN for those, and
/// ``info``, int32: 0, or the order of the first leading minor that is not positive definite. With ``check_errors`` raises
/// LinAlgError for such a matrix after all.
///
/// >>> A = dlcore.tensor([[[4.0, 0.0], [0.0, 1.0]], [[4.0, 0.0], [0.0, -1.0]]])
/// >>> dlcore.linalg.cholesky_ex(A).info
/// tensor([0, 2], dtype=dlcore.int32)
#[pyfunction]
#[pyo3(signature = (A, *, upper = false, check_errors = false, out = None))]
fn linalg_cholesky_ex<'py>(py: Python<'py>, A: Arg, upper: bool, check_errors: bool, out: Outs<'py>) -> Out<'py> {
    let (factors, orders) = enter(py, work(&[&A.0]), || {
        if check_errors {
            let factors = cholesky_factor(&A.0, upper)?;
            let batch = &A.0.shape()[..A.0.rank() - 2];
            return Ok((factors, dlcore_core::creation::zeros(batch, DType::I32)?));
        }
        if !upper {
            return matrices::cholesky_of_each(&A.0);
        }
        let (factors, orders) = matrices::cholesky_of_each(&ops::transpose(&A.0, -2, -1)?)?;
        Ok((ops::transpose(&factors, -2, -1)?, orders))
    })?;
    named!(py, "linalg_cholesky_ex", ["L", "info"], [factors, orders], out)
}

/// The lower or the upper factor.
pub fn cholesky_factor(x: &Tensor, upper: bool) -> Result<Tensor> {
    if upper { ops::transpose(&factors::cholesky(&ops::transpose(x, -2, -1)?)?, -2, -1) } else { factors::cholesky(x) }
}

/// Orthogonal ``Q`` and upper triangular ``R`` with ``Q @ R = A``. ``mode``: 'reduced', 'complete' for a square Q, or 'r'
/// for R alone (Q is then empty).
///
/// >>> Q, R = dlcore.linalg.qr(dlcore.tensor([[3.0, 1.0], [4.0, 2.0]]))
/// >>> dlcore.allclose(Q @ R, dlcore.tensor([[3.0, 1.0], [4.0, 2.0]]))
/// True
#[pyfunction]
#[pyo3(signature = (A, mode = "reduced", *, out = None))]
fn linalg_qr<'py>(py: Python<'py>, A: Arg, mode: &str, out: Outs<'py>) -> Out<'py> {
    let x = A.0;
    let (q, r) = enter(py, work(&[&x]), || match mode {
        "reduced" => factors::qr(&x, false),
        "complete" => factors::qr(&x, true),
        "r" => Ok((dlcore_core::creation::zeros(&[0], x.dtype())?, factors::qr(&x, false)?.1)),
        other => {
            Err(Error::value("linalg.qr", format_args!("expected mode 'reduced', 'complete' or 'r', got {other:?}")))
        }
    })?;
    named!(py, "linalg_qr", ["Q", "R"], [q, r], out)
}

/// Singular value decomposition: ``U @ diag(S) @ Vh = A`` with orthogonal U and Vh, singular values in descending order;
/// ``full_matrices=False`` leaves out the vectors without a value. The largest element of each left vector is positive.
/// Gradients through U and Vh are infinite where singular values are equal. Raises LinAlgError for NaN and infinity.
///
/// >>> dlcore.linalg.svd(dlcore.tensor([[0.0, 3.0], [2.0, 0.0]])).S
/// tensor([3., 2.])
#[pyfunction]
#[pyo3(signature = (A, full_matrices = true, *, driver = None, out = None))]
fn linalg_svd<'py>(py: Python<'py>, A: Arg, full_matrices: bool, driver: Option<&str>, out: Outs<'py>) -> Out<'py> {
    let _ = driver; // of cuSOLVER
    let vectors = if full_matrices { Vectors::Full } else { Vectors::Thin };
    let (u, s, vh) = enter(py, work(&[&A.0]), || factors::svd(&A.0, vectors))?;
    named!(py, "linalg_svd", ["U", "S", "Vh"], [u, s, vh], out)
}

/// Singular values in descending order.
///
/// >>> dlcore.linalg.svdvals(dlcore.tensor([[0.0, 3.0], [2.0, 0.0]]))
/// tensor([3., 2.])
#[pyfunction]
#[pyo3(signature = (A, *, driver = None, out = None))]
fn linalg_svdvals<'py>(py: Python<'py>, A: Arg, driver: Option<&str>, out: Outs<'py>) -> Out<'py> {
    let _ = driver; // of cuSOLVER
    enter(py, work(&[&A.0]), || factors::svdvals(&A.0))?.returned_in(py, "linalg.svdvals", out)
}

/// The matrix of which the lower triangle is what `UPLO` names of `x`.
fn lower_of(op: &str, x: &Tensor, uplo: &str) -> Result<Tensor> {
    match uplo {
        "L" | "l" => Ok(x.clone()),
        "U" | "u" => ops::transpose(x, -2, -1),
        other => Err(Error::value(op, format_args!("expected UPLO 'L' or 'U', got {other:?}"))),
    }
}

/// Eigenvalues, in ascending order, and eigenvectors in columns, of symmetric matrices of which only one triangle is
/// read, ``UPLO`` 'L' or 'U'. The largest element of each vector is positive. Gradients through vectors are infinite
/// where eigenvalues are equal. Raises LinAlgError for NaN and infinity.
///
/// >>> dlcore.linalg.eigh(dlcore.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
/// tensor([1., 2.])
#[pyfunction]
#[pyo3(signature = (A, UPLO = "L", *, out = None))]
fn linalg_eigh<'py>(py: Python<'py>, A: Arg, UPLO: &str, out: Outs<'py>) -> Out<'py> {
    let (values, vectors) = enter(py, work(&[&A.0]), || factors::eigh(&lower_of("linalg.eigh", &A.0, UPLO)?, true))?;
    named!(py, "linalg_eigh", ["eigenvalues", "eigenvectors"], [values, vectors], out)
}

/// Eigenvalues of symmetric matrices in ascending order; only one triangle is read, ``UPLO`` 'L' or 'U'.
///
/// >>> dlcore.linalg.eigvalsh(dlcore.tensor([[2.0, 0.0], [0.0, 1.0]]))
/// tensor([1., 2.])
#[pyfunction]
#[pyo3(signature = (A, UPLO = "L", *, out = None))]
fn linalg_eigvalsh<'py>(py: Python<'py>, A: Arg, UPLO: &str, out: Outs<'py>) -> Out<'py> {
    enter(py, work(&[&A.0]), || Ok(factors::eigh(&lower_of("linalg.eigvalsh", &A.0, UPLO)?, false)?.0))?.returned_in(
        py,
        "linalg.eigvalsh",
        out,
    )
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    super::add!(module, linalg_pinv linalg_matrix_rank linalg_cholesky linalg_cholesky_ex linalg_qr linalg_svd linalg_svdvals linalg_eigh linalg_eigvalsh);
    Ok(())
}
