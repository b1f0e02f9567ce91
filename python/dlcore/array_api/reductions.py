"""Many elements in one, or in running ones."""

from __future__ import annotations

import dlcore
from dlcore._core import Tensor, dtype
from dlcore.array_api.dtypes import UNSIGNED, isdtype

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than this
if TYPE_CHECKING:
    from typing import TypeAlias

    Axis: TypeAlias = int | tuple[int, ...] | None


def _summed_as(x: Tensor, wanted: dtype | None) -> dtype:
    """The dtype of sums and products: of narrow integers the widest of their kind."""
    if wanted is not None:
        return wanted
    if x.dtype in UNSIGNED:
        return dlcore.uint64
    return dlcore.int64 if isdtype(x.dtype, ("integral", "bool")) else x.dtype


def _over(x: Tensor, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return (axis,) if isinstance(axis, int) else tuple(axis)


def sum(x: Tensor, /, *, axis: Axis = None, dtype: dtype | None = None, keepdims: bool = False) -> Tensor:
    """The sum over axes; of narrow integers as int64 or uint64.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.sum(xp.asarray([[1, 2], [3, 4]]), axis=1)
        tensor([3, 7])
    """
    wanted, axes = _summed_as(x, dtype), _over(x, axis)
    x = x.to(wanted)
    return dlcore.sum(x, axes, keepdims).to(wanted) if axes else x.clone()


def prod(x: Tensor, /, *, axis: Axis = None, dtype: dtype | None = None, keepdims: bool = False) -> Tensor:
    """The product over axes; of narrow integers as int64 or uint64.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.prod(xp.asarray([[1, 2], [3, 4]]), axis=0)
        tensor([3, 8])
    """
    wanted = _summed_as(x, dtype)
    x = x.to(wanted, copy=True)
    for one in sorted((a % x.ndim for a in _over(x, axis)), reverse=True):
        x = dlcore.prod(x, one, keepdims).to(wanted)
    return x


def mean(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over axes.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.mean(xp.asarray([[1.0, 2.0], [3.0, 4.0]]), axis=1, keepdims=True)
        tensor([[1.5000],
                [3.5000]])
    """
    axes = _over(x, axis)
    return dlcore.mean(x, axes, keepdims) if axes else x.clone()


def var(x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The variance over axes: the sum of squared deviations over the number of elements less ``correction``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.var(xp.asarray([1.0, 3.0])), xp.var(xp.asarray([1.0, 3.0]), correction=1)
        (tensor(1.), tensor(2.))
    """
    axes = _over(x, axis)
    if not axes:
        return (x - x) / (1 - correction)
    return dlcore.var(x, axes, correction=correction, keepdim=keepdims)


def std(x: Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The standard deviation over axes: the root of ``var``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.std(xp.asarray([1.0, 5.0]))
        tensor(2.)
    """
    return dlcore.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def max(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element over axes; NaN where there is one.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.max(xp.asarray([[1, 5], [7, 3]]), axis=1)
        tensor([5, 7])
    """
    axes = _over(x, axis)
    return dlcore.amax(x, axes, keepdims) if axes else x.clone()


def min(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element over axes; NaN where there is one.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.min(xp.asarray([[1, 5], [7, 3]]), axis=1)
        tensor([1, 3])
    """
    axes = _over(x, axis)
    return dlcore.amin(x, axes, keepdims) if axes else x.clone()


def all(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element over axes is true, or not zero.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.all(xp.asarray([[1, 0], [2, 3]]), axis=1)
        tensor([False,  True])
    """
    axes = _over(x, axis)
    return dlcore.all(x, axes, keepdims) if axes else x.to(dlcore.bool, copy=True)


def any(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether an element over axes is true, or not zero.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.any(xp.asarray([[0, 0], [2, 0]]), axis=1)
        tensor([False,  True])
    """
    axes = _over(x, axis)
    return dlcore.any(x, axes, keepdims) if axes else x.to(dlcore.bool, copy=True)


def count_nonzero(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements over axes are not zero.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.count_nonzero(xp.asarray([3, 0, 5]))
        tensor(2)
    """
    return sum(x != 0, axis=axis, keepdims=keepdims)


def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the largest element along an axis, or in all.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.argmax(xp.asarray([[1, 5], [7, 3]])), xp.argmax(xp.asarray([[1, 5], [7, 3]]), axis=0)
        (tensor(2), tensor([1, 0]))
    """
    return _position(dlcore.argmax(x, axis, keepdims if axis is not None else False), x, axis, keepdims)


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the smallest element along an axis, or in all.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.argmin(xp.asarray([[1, 5], [7, 3]]), axis=1)
        tensor([0, 1])
    """
    return _position(dlcore.argmin(x, axis, keepdims if axis is not None else False), x, axis, keepdims)


def _position(found: Tensor, x: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    return found.reshape((1,) * x.ndim) if axis is None and keepdims else found


def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: dtype | None = None, include_initial: bool = False
) -> Tensor:
    """Running sums along an axis, with a zero before them if ``include_initial``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.cumulative_sum(xp.asarray([1, 2, 3]), include_initial=True)
        tensor([0, 1, 3, 6])
    """
    axis = _only_axis(x, axis)
    x = x.to(_summed_as(x, dtype))
    start = dlcore.zeros(_with_extent(x, axis, 1), dtype=x.dtype)
    found = dlcore.cumsum(x, axis).to(x.dtype)
    return dlcore.cat([start, found], axis) if include_initial else found


def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: dtype | None = None, include_initial: bool = False
) -> Tensor:
    """Running products along an axis, with a one before them if ``include_initial``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.cumulative_prod(xp.asarray([1, 2, 3]))
        tensor([1, 2, 6])
    """
    axis = _only_axis(x, axis)
    x = x.to(_summed_as(x, dtype))
    start = dlcore.ones(_with_extent(x, axis, 1), dtype=x.dtype)
    found = dlcore.cumprod(x, axis).to(x.dtype)
    return dlcore.cat([start, found], axis) if include_initial else found


def _only_axis(x: Tensor, axis: int | None) -> int:
    if axis is None and x.ndim != 1:
        raise ValueError(f"axis is needed for an array of {x.ndim} dimensions")
    return axis or 0


def _with_extent(x: Tensor, axis: int, extent: int) -> tuple[int, ...]:
    shape = list(x.shape)
    shape[axis] = extent
    return tuple(shape)


def diff(
    x: Tensor, /, n: int = 1, axis: int = -1, *, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along an axis, ``n`` times; these two also by position, as in numpy.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.diff(xp.asarray([1, 4, 9])), xp.diff(xp.asarray([1, 4, 9]), n=2)
        (tensor([3, 5]), tensor([2]))
    """
    return dlcore.diff(x, n, axis, prepend, append)
