"""The standard's extension for linear algebra: functions of ``dlcore.linalg`` with the standard's arguments."""

from __future__ import annotations

import dlcore
from dlcore import linalg
from dlcore._core import Tensor, dtype
from dlcore.array_api.reductions import sum

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than this
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The product of matrices, whose batches broadcast.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.matmul(xp.asarray([[1, 2], [3, 4]]), xp.asarray([1, 1]))
        tensor([3, 7])
    """
    return dlcore.matmul(x1, x2)


def matrix_transpose(x: Tensor, /) -> Tensor:
    """The matrices with rows for columns.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.matrix_transpose(xp.asarray([[1, 2], [3, 4]]))
        tensor([[1, 3],
                [2, 4]])
    """
    return dlcore.transpose(x, -2, -1)


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Tensor:
    """Sums of products over axes: the last so many of ``x1`` with the first of ``x2``, or lists for each.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.tensordot(xp.asarray([[1, 2], [3, 4]]), xp.asarray([10, 1]), axes=1)
        tensor([12, 34])
    """
    return dlcore.tensordot(x1, x2, axes)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Sums of products of vectors along an axis, the same from the right in both; the other axes broadcast.

    Raises:
        ShapeError: vectors of two lengths, also where one is of a single element.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.vecdot(xp.asarray([[1, 2], [3, 4]]), xp.asarray([10, 1]))
        tensor([12, 34])
    """
    rank = max(x1.ndim, x2.ndim)
    x1, x2 = (x[(None,) * (rank - x.ndim)] for x in (x1, x2))
    if -rank <= axis < rank and x1.shape[axis] != x2.shape[axis]:
        raise dlcore.ShapeError(f"vecdot: vectors of {x1.shape[axis]} and {x2.shape[axis]} elements along axis {axis}")
    return linalg.vecdot(x1, x2, dim=axis)


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Every element of one vector times every element of another.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.outer(xp.asarray([1, 2]), xp.asarray([3, 4]))
        tensor([[3, 4],
                [6, 8]])
    """
    return dlcore.outer(x1, x2)


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The vector product of three elements along an axis.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.cross(xp.asarray([1, 0, 0]), xp.asarray([0, 1, 0]))
        tensor([0, 0, 1])
    """
    rank = max(x1.ndim, x2.ndim)
    x1, x2 = (x[(None,) * (rank - x.ndim)] for x in (x1, x2))
    return linalg.cross(x1, x2, dim=axis)


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """The diagonals of matrices.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.diagonal(xp.asarray([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    return linalg.diagonal(x, offset=offset)


def trace(x: Tensor, /, *, offset: int = 0, dtype: dtype | None = None) -> Tensor:
    """The sums of diagonals of matrices.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.trace(xp.asarray([[1, 2], [3, 4]]))
        tensor(5)
    """
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """The triangular factors of symmetric positive definite matrices.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.cholesky(xp.asarray([[4.0, 2.0], [2.0, 2.0]]))
        tensor([[2., 0.],
                [1., 1.]])
    """
    return linalg.cholesky(x, upper=upper)


def det(x: Tensor, /) -> Tensor:
    """Determinants.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.det(xp.asarray([[1.0, 2.0], [3.0, 4.0]]))
        tensor(-2.)
    """
    return linalg.det(x)


def slogdet(x: Tensor, /) -> Any:
    """Signs of determinants, and the logarithms of their absolute values: a tuple of ``sign`` and ``logabsdet``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.slogdet(xp.asarray([[0.0, 1.0], [1.0, 0.0]])).sign
        tensor(-1.)
    """
    return linalg.slogdet(x)


def inv(x: Tensor, /) -> Tensor:
    """Inverses.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.inv(xp.asarray([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    return linalg.inv(x)


def pinv(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """Pseudoinverses; singular values up to ``rtol`` times the largest count as zero.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.pinv(xp.asarray([[2.0, 0.0], [0.0, 0.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.0000]])
    """
    return linalg.pinv(x, rtol=rtol)


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The solutions of ``x1 @ x = x2``; ``x2`` is a vector only if it has one axis.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.solve(xp.asarray([[2.0, 0.0], [0.0, 4.0]]), xp.asarray([2.0, 2.0]))
        tensor([1.0000, 0.5000])
    """
    columns = x2.unsqueeze(1) if x2.ndim == 1 else x2
    rank = max(x1.ndim, columns.ndim)  # of one rank, they are never taken for matrices and vectors
    first, second = (x.reshape((1,) * (rank - x.ndim) + tuple(x.shape)) for x in (x1, columns))
    found = linalg.solve(first, second)
    return found.squeeze(-1) if x2.ndim == 1 else found


def qr(x: Tensor, /, *, mode: str = "reduced") -> Any:
    """Orthogonal and upper triangular factors: a tuple of ``Q`` and ``R``.

    Example:
        >>> import dlcore.array_api as xp
        >>> x = xp.asarray([[0.0, 2.0], [1.0, 0.0]])
        >>> Q, R = xp.linalg.qr(x)
        >>> bool(xp.all(xp.abs(Q @ R - x) < 1e-6))
        True
    """
    return linalg.qr(x, mode)


def svd(x: Tensor, /, *, full_matrices: bool = True) -> Any:
    """Singular values and vectors: a tuple of ``U``, ``S`` and ``Vh``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.svd(xp.asarray([[3.0, 0.0], [0.0, 4.0]])).S
        tensor([4., 3.])
    """
    return linalg.svd(x, full_matrices)


def svdvals(x: Tensor, /) -> Tensor:
    """Singular values in descending order.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.svdvals(xp.asarray([[3.0, 0.0], [0.0, 4.0]]))
        tensor([4., 3.])
    """
    return linalg.svdvals(x)


def eigh(x: Tensor, /) -> Any:
    """Eigenvalues and vectors of symmetric matrices: a tuple of ``eigenvalues`` and ``eigenvectors``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.eigh(xp.asarray([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
        tensor([1., 3.])
    """
    return linalg.eigh(x)


def eigvalsh(x: Tensor, /) -> Tensor:
    """Eigenvalues of symmetric matrices in ascending order.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.eigvalsh(xp.asarray([[2.0, 1.0], [1.0, 2.0]]))
        tensor([1., 3.])
    """
    return linalg.eigvalsh(x)


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: float | str | None = "fro") -> Tensor:
    """Norms of matrices: 'fro', 'nuc', 1, 2, infinity and the last three negated.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.matrix_norm(xp.asarray([[3.0, 0.0], [0.0, 4.0]]))
        tensor(5.)
    """
    return linalg.matrix_norm(x, ord, keepdim=keepdims)


def vector_norm(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, ord: float = 2
) -> Tensor:
    """Norms of vectors over axes, or of all elements.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.vector_norm(xp.asarray([[3.0, 4.0]]), axis=1, ord=xp.inf)
        tensor([4.])
    """
    if axis == ():
        return dlcore.abs(x) if ord != 0 else (x != 0).to(x.dtype)
    return linalg.vector_norm(x, ord, axis, keepdims)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """Powers of square matrices; of their inverses for negative ``n``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.matrix_power(xp.asarray([[1, 1], [0, 1]]), 3)
        tensor([[1, 3],
                [0, 1]])
    """
    return linalg.matrix_power(x, n)


def matrix_rank(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """How many singular values are above ``rtol`` times the largest.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linalg.matrix_rank(xp.asarray([[1.0, 2.0], [2.0, 4.0]]))
        tensor(1)
    """
    return linalg.matrix_rank(x, rtol=rtol)
