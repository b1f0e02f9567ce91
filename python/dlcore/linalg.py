"""Linear algebra under the names of ``torch.linalg``: for matrices and batches of them, in float32 and float64.

Decompositions are those of the Rust library faer; batches of matrices are decomposed in parallel. Of eigenvectors and
singular vectors, which may point either way, results have the one whose largest element is positive.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dlcore import _core
from dlcore._core import (
    LinAlgError,
    Tensor,
    linalg_cholesky as cholesky,
    linalg_cholesky_ex as cholesky_ex,
    linalg_cond as cond,
    linalg_cross as cross,
    linalg_det as det,
    linalg_diagonal as diagonal,
    linalg_eigh as eigh,
    linalg_eigvalsh as eigvalsh,
    linalg_householder_product as householder_product,
    linalg_inv as inv,
    linalg_lstsq as lstsq,
    linalg_lu as lu,
    linalg_lu_factor as lu_factor,
    linalg_lu_factor_ex as lu_factor_ex,
    linalg_lu_solve as lu_solve,
    linalg_matrix_exp as matrix_exp,
    linalg_matrix_norm as matrix_norm,
    linalg_matrix_power as matrix_power,
    linalg_matrix_rank as matrix_rank,
    linalg_multi_dot as multi_dot,
    linalg_norm as norm,
    linalg_pinv as pinv,
    linalg_qr as qr,
    linalg_slogdet as slogdet,
    linalg_solve as solve,
    linalg_solve_triangular as solve_triangular,
    linalg_svd as svd,
    linalg_svdvals as svdvals,
    linalg_tensorinv as tensorinv,
    linalg_tensorsolve as tensorsolve,
    linalg_vander as vander,
    linalg_vecdot as vecdot,
    linalg_vector_norm as vector_norm,
    matmul,
)

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "householder_product",
    "inv",
    "inv_ex",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_factor_ex",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]


class _InvEx(NamedTuple):
    inverse: Tensor
    info: Tensor


class _SolveEx(NamedTuple):
    result: Tensor
    info: Tensor


def inv_ex(A: Tensor, *, check_errors: bool = False) -> _InvEx:
    """`inv` of a batch in which some matrices may be singular.

    Args:
        A: square matrices, (..., n, n).
        check_errors: whether to raise for a singular one after all.

    Returns:
        ``inverse``, with NaN for those matrices, and ``info``, int32, (...): 0, or which pivot is the first zero.

    Raises:
        LinAlgError: with `check_errors`, a singular matrix.

    Example:
        >>> import dlcore
        >>> inverse, info = dlcore.linalg.inv_ex(dlcore.tensor([[[2.0]], [[0.0]]]))
        >>> inverse.flatten(), info
        (tensor([0.5000,    nan]), tensor([0, 1], dtype=dlcore.int32))
    """
    try:
        return _InvEx(inv(A), _core.zeros(A.shape[:-2], dtype=_core.int32))
    except LinAlgError:
        if check_errors:
            raise
    info = lu_factor_ex(A.detach()).info
    return _InvEx(_or_nan(info, inv(_or_identity(info, A))), info)


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> _SolveEx:
    """`solve` with a batch in which some matrices may be singular.

    Args:
        A: square matrices, (..., n, n).
        B: right sides, as of `solve`.
        left: whether to solve A X = B; otherwise X A = B.
        check_errors: whether to raise for a singular matrix after all.

    Returns:
        ``result``, with NaN for those matrices, and ``info``, int32, (...): 0, or which pivot is the first zero.

    Raises:
        LinAlgError: with `check_errors`, a singular matrix.

    Example:
        >>> import dlcore
        >>> dlcore.linalg.solve_ex(dlcore.tensor([[[2.0]], [[0.0]]]), dlcore.ones(2, 1, 1)).result.flatten()
        tensor([0.5000,    nan])
    """
    try:
        return _SolveEx(solve(A, B, left=left), _core.zeros(A.shape[:-2], dtype=_core.int32))
    except LinAlgError:
        if check_errors:
            raise
    info = lu_factor_ex(A.detach()).info
    vectors = B.dim() == 1 or B.shape == A.shape[:-1]
    return _SolveEx(_or_nan(info, solve(_or_identity(info, A), B, left=left), dims=1 if vectors else 2), info)


def _or_identity(info: Tensor, matrices: Tensor) -> Tensor:
    return _core.where((info == 0)[..., None, None], matrices, _core.eye(matrices.shape[-1], dtype=matrices.dtype))


def _or_nan(info: Tensor, results: Tensor, dims: int = 2) -> Tensor:
    return _core.where((info == 0).reshape(*info.shape, *[1] * dims), results, math.nan)
