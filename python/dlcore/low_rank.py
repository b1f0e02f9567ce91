"""The largest singular values of a matrix with few, from its products with random vectors."""

from __future__ import annotations

from dlcore import _core, linalg
from dlcore._core import Tensor

__all__ = ["pca_lowrank", "svd_lowrank"]


def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None) -> tuple[Tensor, ...]:
    """The `q` largest singular values of A − M and their vectors, nearly (Halko et al., 2009, algorithms 4.4 and 5.1).

    `dlcore.linalg.svd` is exact, and quicker unless `q` is small beside the matrix. The vectors that it begins with
    are random: ``dlcore.manual_seed`` repeats them.

    Args:
        A: matrices, (..., m, n).
        q: how many; more than the rank by a few is exact. None is 6.
        niter: steps that bring the result closer; None is 2.
        M: is subtracted from A.

    Returns:
        U of shape (..., m, q), S of (..., q) and V of (..., n, q), where A − M is nearly U diag(S) Vᵀ; with m or n in
        place of q where that is less.

    Example:
        >>> import dlcore
        >>> A = dlcore.arange(6.0).reshape(3, 2)
        >>> U, S, V = dlcore.svd_lowrank(A, q=2)
        >>> dlcore.allclose(U * S @ V.mT, A, atol=1e-5)
        True
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    A = A if M is None else A - M
    wide = A.shape[-2] < A.shape[-1]
    A = A.mT if wide else A
    basis = linalg.qr(A @ _core.randn(A.shape[-1], q, dtype=A.dtype if A.is_floating_point() else None)).Q
    for _ in range(niter):
        basis = linalg.qr(A @ linalg.qr(A.mT @ basis).Q).Q
    U, S, Vh = linalg.svd(basis.mT @ A, full_matrices=False)
    U, V = basis @ U, Vh.mT
    return (V, S, U) if wide else (U, S, V)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Tensor, ...]:
    """The `q` principal components of rows, nearly: `svd_lowrank` of A without the mean of its rows.

    Args:
        A: rows, (..., m, n).
        q: how many; None is 6, or m or n where that is less.
        center: whether to subtract the mean.
        niter: steps that bring the result closer.

    Returns:
        U, S and V as of `svd_lowrank`. The columns of V are the directions, and A @ V are coordinates by them; S ** 2 /
        (m − 1) are the variances along them.

    Raises:
        ValueError: `q` that is not in 0..min(m, n), or a negative `niter`.

    Example:
        >>> import dlcore
        >>> line = dlcore.arange(5.0)
        >>> U, S, V = dlcore.pca_lowrank(dlcore.stack([line, 2 * line], dim=1), q=1)
        >>> (S**2 / 4, line.var() * 5)
        (tensor([12.5000]), tensor(12.5000))
    """
    most = min(A.shape[-2:])
    q = min(6, most) if q is None else q
    if not 0 <= q <= most:
        raise ValueError(f"pca_lowrank: q must be in 0..{most}, got {q}")
    if niter < 0:
        raise ValueError(f"pca_lowrank: niter must be at least 0, got {niter}")
    return svd_lowrank(A, q, niter, A.mean(dim=-2, keepdim=True) if center else None)
