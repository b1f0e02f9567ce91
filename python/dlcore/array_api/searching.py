"""Order, positions and sets of elements."""

from __future__ import annotations

from collections import namedtuple

import dlcore
from dlcore._core import Tensor
from dlcore.array_api.elementwise import operands

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than this
if TYPE_CHECKING:
    from dlcore.array_api.elementwise import Operand

UniqueAll = namedtuple("UniqueAll", ["values", "indices", "inverse_indices", "counts"])
UniqueCounts = namedtuple("UniqueCounts", ["values", "counts"])
UniqueInverse = namedtuple("UniqueInverse", ["values", "inverse_indices"])


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements in order along an axis.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.sort(xp.asarray([3, 1, 2]), descending=True)
        tensor([3, 2, 1])
    """
    return dlcore.sort(x, axis, descending, stable).values


def argsort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The positions of the elements in order along an axis; equals in the order in which they are.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.argsort(xp.asarray([3, 1, 2]))
        tensor([1, 2, 0])
    """
    return dlcore.argsort(x, axis, descending, stable)


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """The positions of elements that are not zero, one array for each axis.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.nonzero(xp.asarray([[0, 5], [6, 0]]))
        (tensor([0, 1]), tensor([1, 0]))
    """
    if x.ndim == 0:
        raise ValueError("nonzero: an array without axes has no positions")
    return tuple(dlcore.nonzero(x).unbind(1))


def searchsorted(x1: Tensor, x2: Tensor, /, *, side: str = "left", sorter: Tensor | None = None) -> Tensor:
    """Where elements of ``x2`` belong in the ordered ``x1``: before its equals, or with ``side="right"`` behind them.

    ``sorter``: the positions that put ``x1`` in order.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.searchsorted(xp.asarray([1, 3, 5]), xp.asarray([3, 4]))
        tensor([1, 2])
    """
    return dlcore.searchsorted(x1 if sorter is None else x1[sorter], x2, side=side)


def where(condition: Tensor, x1: Operand, x2: Operand, /) -> Tensor:
    """Elements of ``x1`` where the condition holds, otherwise of ``x2``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.where(xp.asarray([True, False]), xp.asarray([1, 2]), 0)
        tensor([1, 0])
    """
    return dlcore.where(condition, *operands(x1, x2))


def unique_values(x: Tensor, /) -> Tensor:
    """The elements that differ, in order; each NaN differs from every other.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.unique_values(xp.asarray([3, 1, 3]))
        tensor([1, 3])
    """
    values: Tensor = _unique(x).values
    return values


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """The elements that differ, and how often each occurs.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.unique_counts(xp.asarray([3, 1, 3])).counts
        tensor([1, 2])
    """
    found = _unique(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """The elements that differ, and which of them each element is.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.unique_inverse(xp.asarray([3, 1, 3])).inverse_indices
        tensor([1, 0, 1])
    """
    found = _unique(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_all(x: Tensor, /) -> UniqueAll:
    """The elements that differ, where each occurs first, which of them each element is and how often each occurs.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.unique_all(xp.asarray([3, 1, 3])).indices
        tensor([1, 0])
    """
    return _unique(x)


def _unique(x: Tensor) -> UniqueAll:
    flat = x.reshape(-1)
    order = dlcore.argsort(flat, 0, stable=True)
    ordered = flat[order]
    # The first of each run of equals: NaN equals nothing.
    first = dlcore.cat([dlcore.ones(min(1, len(flat)), dtype=dlcore.bool), ordered[1:] != ordered[:-1]])
    starts = dlcore.nonzero(first).squeeze(1)
    ends = dlcore.cat([starts[1:], dlcore.full((min(1, len(flat)),), len(flat))])
    inverse = dlcore.empty(len(flat), dtype=dlcore.int64)
    inverse[order] = dlcore.cumsum(first.to(dlcore.int64), 0) - 1
    return UniqueAll(ordered[starts], order[starts], inverse.reshape(x.shape), ends - starts)
