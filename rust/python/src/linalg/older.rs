//! The names that functions of matrices had before there was `linalg`, and their methods.

use super::{Out, named};
use crate::convert::Arg;
use crate::enter::enter;
use crate::function::functions;
use crate::out::Outs;
use crate::tensor::PyTensor;
use dlcore_core::ops::factors::{self, Vectors};
use dlcore_core::ops::{self, lu as elimination, matrices, systems};
use dlcore_core::{Result, Tensor};
use pyo3::prelude::*;

functions! {
    /// Another name of ``dlcore.linalg.inv``.
    ///
    /// >>> dlcore.inverse(dlcore.tensor([[2.0]]))
    /// tensor([[0.5000]])
    inverse() => systems::inverse;
    /// Another name of ``dlcore.linalg.det``.
    ///
    /// >>> dlcore.det(dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]))
    /// tensor(-2.)
    det() => systems::det_of;
    /// The logarithm of the determinant: NaN where that is negative, minus infinity where it is zero.
    ///
    /// >>> dlcore.logdet(dlcore.eye(3))
    /// tensor(0.)
    logdet() => matrices::logdet;
    /// Another name of ``dlcore.linalg.pinv``.
    ///
    /// >>> dlcore.pinverse(dlcore.tensor([[2.0], [0.0]]))
    /// tensor([[0.5000, 0.0000]])
    pinverse(rcond: f64 = 1e-15) => |x| factors::pinv(x, None, Some(&factors::bound(rcond)?));
    /// The Cholesky factor: see ``dlcore.linalg.cholesky``.
    ///
    /// >>> dlcore.cholesky(dlcore.tensor([[4.0]]))
    /// tensor([[2.]])
    cholesky(upper: bool = false) => |x| super::factors::cholesky_factor(x, upper);
    /// The solutions of systems whose matrices have the Cholesky factor ``input2``, for the
    /// right-hand sides in ``input``.
    ///
    /// >>> dlcore.cholesky_solve(dlcore.tensor([[8.0]]), dlcore.tensor([[2.0]]))
    /// tensor([[2.]])
    cholesky_solve(input2: Arg, upper: bool = false) => |b| matrices::cholesky_solve(b, &input2.0, upper);
    /// The solutions of systems whose matrices ``dlcore.lu`` factorised, for the right-hand sides in ``input``.
    ///
    /// >>> dlcore.lu_solve(dlcore.tensor([[1.0], [2.0]]), *dlcore.lu(dlcore.tensor([[0.0, 1.0], [2.0, 0.0]])))
    /// tensor([[1.],
    ///         [1.]])
    lu_solve(LU_data: Arg, LU_pivots: Arg) => |b| elimination::lu_solve(&LU_data.0, &LU_pivots.0, b, false);
    /// The inverses of matrices that have this Cholesky factor.
    ///
    /// >>> dlcore.cholesky_inverse(dlcore.tensor([[2.0]]))
    /// tensor([[0.2500]])
    cholesky_inverse(upper: bool = false) => |x| matrices::cholesky_inverse(x, upper);
    /// Another name of ``dlcore.linalg.matrix_power``.
    ///
    /// >>> dlcore.matrix_power(dlcore.tensor([[2.0]]), 3)
    /// tensor([[8.]])
    matrix_power(n: i64) => |x| matrices::matrix_power(x, n);
    /// Another name of ``dlcore.linalg.matrix_exp``.
    ///
    /// >>> dlcore.matrix_exp(dlcore.tensor([[0.0]]))
    /// tensor([[1.]])
    matrix_exp() => matrices::matrix_exp;
}

/// Singular values and vectors, the right ones in columns, unlike those of ``dlcore.linalg.svd``.
///
/// >>> U, S, V = dlcore.svd(dlcore.tensor([[0.0, 3.0], [2.0, 0.0]]))
/// >>> dlcore.allclose(U @ dlcore.diag(S) @ V.T, dlcore.tensor([[0.0, 3.0], [2.0, 0.0]]))
/// True
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, some = true, compute_uv = true, *, out = None))]
fn svd<'py>(py: Python<'py>, input: Arg, some: bool, compute_uv: bool, out: Outs<'py>) -> Out<'py> {
    let x = input.0;
    let found = enter(py, super::work(&[&x]), || {
        if compute_uv {
            let (u, s, vh) = factors::svd(&x, if some { Vectors::Thin } else { Vectors::Full })?;
            return Ok([u, s, ops::transpose(&vh, -2, -1)?]);
        }
        let zeros = |extent: usize| -> Result<Tensor> {
            let batch = &x.shape()[..x.rank().saturating_sub(2)];
            dlcore_core::creation::zeros(&[batch, &[extent, extent]].concat(), x.dtype())
        };
        let s = factors::svdvals(&x)?;
        let [m, n] = [x.rank() - 2, x.rank() - 1].map(|d| x.shape()[d]);
        Ok([zeros(m)?, s, zeros(n)?])
    })?;
    named!(py, "svd", ["U", "S", "V"], found, out)
}

/// Orthogonal and triangular factors: see ``dlcore.linalg.qr``; ``some=False`` for a square orthogonal one.
///
/// >>> dlcore.qr(dlcore.ones(3, 2)).Q.shape
/// (3, 2)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, some = true, *, out = None))]
fn qr<'py>(py: Python<'py>, input: Arg, some: bool, out: Outs<'py>) -> Out<'py> {
    let (q, r) = enter(py, super::work(&[&input.0]), || factors::qr(&input.0, !some))?;
    named!(py, "qr", ["Q", "R"], [q, r], out)
}

/// Reflections that make matrices triangular, as LAPACK's routine of this name packs them: a named tuple of ``a``, the
/// triangle and below it the vectors of the reflections without their first element, which is 1, and of their factors
/// ``tau``. ``dlcore.linalg.householder_product`` multiplies them. There is no gradient.
///
/// >>> a, tau = dlcore.geqrf(dlcore.tensor([[3.0], [4.0]]))
/// >>> a, tau, dlcore.linalg.householder_product(a, tau)
/// (tensor([[-5.0000],
///         [ 0.5000]]), tensor([1.6000]), tensor([[-0.6000],
///         [-0.8000]]))
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, *, out = None))]
fn geqrf<'py>(py: Python<'py>, input: Arg, out: Outs<'py>) -> Out<'py> {
    let (packed, factors) = enter(py, super::work(&[&input.0]), || matrices::geqrf(&input.0))?;
    named!(py, "geqrf", ["a", "tau"], [packed, factors], out)
}

/// Signs of determinants and the logarithms of their absolute values: see ``dlcore.linalg.slogdet``.
///
/// >>> dlcore.slogdet(dlcore.eye(3))
/// slogdet(sign=tensor(1.), logabsdet=tensor(0.))
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, *, out = None))]
fn slogdet<'py>(py: Python<'py>, input: Arg, out: Outs<'py>) -> Out<'py> {
    let (sign, logarithm) = enter(py, super::work(&[&input.0]), || systems::slogdet(&input.0))?;
    named!(py, "slogdet", ["sign", "logabsdet"], [sign, logarithm], out)
}

/// LU factors in one matrix, and pivots: see ``dlcore.linalg.lu_factor``; with ``get_infos`` zeros as well, as no
/// factorisation fails.
///
/// >>> dlcore.lu(dlcore.tensor([[0.0, 1.0], [2.0, 4.0]]))[1]
/// tensor([2, 2], dtype=dlcore.int32)
#[pyfunction]
#[pyo3(signature = (A, pivot = true, get_infos = false))]
fn lu<'py>(py: Python<'py>, A: Arg, pivot: bool, get_infos: bool) -> Out<'py> {
    let x = A.0;
    let (lu, pivots, info) = enter(py, super::work(&[&x]), || {
        super::systems::check_pivot("lu", pivot)?;
        let (lu, pivots) = elimination::lu_factor(&x)?;
        let batch = &x.shape()[..x.rank() - 2];
        Ok((lu, pivots, dlcore_core::creation::zeros(batch, dlcore_core::DType::I32)?))
    })?;
    if get_infos {
        named!(py, "lu", ["LU", "pivots", "info"], [lu, pivots, info], None)
    } else {
        named!(py, "lu", ["LU", "pivots"], [lu, pivots], None)
    }
}

#[pymethods]
impl PyTensor {
    /// See ``dlcore.svd``.
    #[pyo3(signature = (some = true, compute_uv = true))]
    fn svd<'py>(&self, py: Python<'py>, some: bool, compute_uv: bool) -> Out<'py> {
        svd(py, Arg(self.get()), some, compute_uv, None)
    }

    /// See ``dlcore.qr``.
    #[pyo3(signature = (some = true))]
    fn qr<'py>(&self, py: Python<'py>, some: bool) -> Out<'py> {
        qr(py, Arg(self.get()), some, None)
    }

    /// See ``dlcore.geqrf``.
    fn geqrf<'py>(&self, py: Python<'py>) -> Out<'py> {
        geqrf(py, Arg(self.get()), None)
    }

    /// See ``dlcore.lu``.
    #[pyo3(signature = (pivot = true, get_infos = false))]
    fn lu<'py>(&self, py: Python<'py>, pivot: bool, get_infos: bool) -> Out<'py> {
        lu(py, Arg(self.get()), pivot, get_infos)
    }

    /// See ``dlcore.slogdet``.
    fn slogdet<'py>(&self, py: Python<'py>) -> Out<'py> {
        slogdet(py, Arg(self.get()), None)
    }
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)?;
    super::add!(module, svd qr geqrf slogdet lu);
    Ok(())
}
