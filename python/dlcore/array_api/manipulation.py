"""The same elements in another arrangement, and elements picked by position."""

from __future__ import annotations

import dlcore
from dlcore._core import Tensor
from dlcore.array_api.dtypes import result_type

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than this
if TYPE_CHECKING:
    from collections.abc import Sequence


def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """The arrays in the shape that they have together.

    Example:
        >>> import dlcore.array_api as xp
        >>> [x.shape for x in xp.broadcast_arrays(xp.ones((2, 1)), xp.ones(3))]
        [(2, 3), (2, 3)]
    """
    return list(dlcore.broadcast_tensors(*arrays))


def broadcast_to(x: Tensor, /, shape: tuple[int, ...]) -> Tensor:
    """The array in a shape that it broadcasts to, without a copy.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.broadcast_to(xp.asarray([1, 2]), (2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return dlcore.broadcast_to(x, shape)


def concat(arrays: Sequence[Tensor], /, *, axis: int | None = 0) -> Tensor:
    """Arrays joined along an axis, or all their elements in one line with ``axis=None``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.concat([xp.asarray([1]), xp.asarray([2.5])])
        tensor([1.0000, 2.5000])
    """
    dtype = result_type(*arrays)
    parts = [x.to(dtype) for x in arrays]
    if axis is None:
        parts, axis = [x.reshape(-1) for x in parts], 0
    return dlcore.cat(parts, axis)


def stack(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """Arrays joined along a new axis.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.stack([xp.asarray([1, 2]), xp.asarray([3, 4])], axis=1)
        tensor([[1, 3],
                [2, 4]])
    """
    dtype = result_type(*arrays)
    return dlcore.stack([x.to(dtype) for x in arrays], axis)


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The parts of an array along an axis, without it.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.unstack(xp.asarray([[1, 2], [3, 4]]))
        (tensor([1, 2]), tensor([3, 4]))
    """
    return dlcore.unbind(x, axis)


def expand_dims(x: Tensor, /, axis: int) -> Tensor:
    """A new axis of one element.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.expand_dims(xp.ones((2, 3)), -1).shape
        (2, 3, 1)
    """
    return dlcore.unsqueeze(x, axis)


def squeeze(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """The array without axes of one element; ValueError for others.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.squeeze(xp.ones((1, 2)), 0).shape
        (2,)
    """
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for one in axes:
        if x.shape[one] != 1:
            raise ValueError(f"squeeze: axis {one} of shape {tuple(x.shape)} has {x.shape[one]} elements, not one")
    return dlcore.squeeze(x, axes)


def flip(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """The elements in reverse order along some axes, or all.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.flip(xp.asarray([[1, 2], [3, 4]]), axis=1)
        tensor([[2, 1],
                [4, 3]])
    """
    if axis is None:
        axis = tuple(range(x.ndim))
    return dlcore.flip(x, (axis,) if isinstance(axis, int) else axis)


def roll(x: Tensor, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """The elements moved along axes, what leaves at one end coming in at the other.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.roll(xp.asarray([1, 2, 3, 4]), 1)
        tensor([4, 1, 2, 3])
    """
    if isinstance(axis, tuple) and isinstance(shift, int):
        shift = (shift,) * len(axis)
    return dlcore.roll(x, shift, axis)


def moveaxis(x: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...], /) -> Tensor:
    """Axes at other places, the rest in their order.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.moveaxis(xp.ones((2, 3, 4)), 0, -1).shape
        (3, 4, 2)
    """
    return dlcore.moveaxis(x, source, destination)


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """The axes in another order.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.permute_dims(xp.ones((2, 3, 4)), (1, 0, 2)).shape
        (3, 2, 4)
    """
    return dlcore.permute(x, axes)


def reshape(x: Tensor, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Tensor:
    """The elements in another shape; ``copy=False`` raises ValueError where they would have to be copied.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.reshape(xp.arange(4), (2, -1))
        tensor([[0, 1],
                [2, 3]])
    """
    made = dlcore.reshape(x, shape)
    if copy:
        return made.clone()
    if copy is False and made.data_ptr() != x.data_ptr():
        raise ValueError(f"reshape: copy=False, but shape {tuple(x.shape)} with these strides has to be copied")
    return made


def repeat(x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None) -> Tensor:
    """Each element several times.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.repeat(xp.asarray([1, 2]), 2)
        tensor([1, 1, 2, 2])
    """
    return dlcore.repeat_interleave(x, repeats, axis)


def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Tensor:
    """The whole array several times along each axis.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.tile(xp.asarray([1, 2]), (2, 2))
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    return dlcore.tile(x, repetitions)


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """The elements at positions along an axis.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.take(xp.asarray([10, 20, 30]), xp.asarray([2, -1, 0]))
        tensor([30, 30, 10])
    """
    if x.ndim == 0 or (axis is None and x.ndim != 1):
        raise ValueError(f"take: axis is needed for an array of {x.ndim} dimensions")
    axis = (axis or 0) % x.ndim
    return x[(slice(None),) * axis + (indices,)]


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """For each position in ``indices`` the element at it along an axis; shapes broadcast.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.take_along_axis(xp.asarray([[1, 2], [3, 4]]), xp.asarray([[1], [0]]), axis=1)
        tensor([[2],
                [3]])
    """
    positions = dlcore.where(indices < 0, indices + x.shape[axis], indices)
    return dlcore.take_along_dim(x, positions.to(dlcore.int64), axis)
