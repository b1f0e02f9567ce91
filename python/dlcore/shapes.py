"""Shapes, without tensors that have them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from dlcore._core import ShapeError

__all__ = ["Size", "broadcast_shapes"]


def broadcast_shapes(*shapes: int | Sequence[int]) -> tuple[int, ...]:
    """The shape that tensors of these shapes have together, as in ``a + b``.

    Args:
        shapes: tuples of extents; an int is a shape of one dimension.

    Raises:
        ShapeError: shapes that do not broadcast.

    Example:
        >>> import dlcore
        >>> dlcore.broadcast_shapes((2, 1), 3, (4, 1, 1))
        (4, 2, 3)
    """
    every = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes]
    result = [1] * max(map(len, every), default=0)
    for shape in every:
        for place, extent in enumerate(reversed(shape), 1):
            if extent < 0:
                raise ShapeError(f"broadcast_shapes: expected extents of at least zero, got {shape}")
            if extent != 1 and result[-place] not in (1, extent):
                raise ShapeError(f"broadcast_shapes: {', '.join(map(str, every))} do not broadcast")
            if extent != 1:
                result[-place] = extent
    return tuple(result)


class _EveryTuple(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, tuple)


class Size(tuple[int, ...], metaclass=_EveryTuple):
    """A shape that counts its elements. Shapes of tensors are plain tuples, which are equal to it and instances too.

    Example:
        >>> import dlcore
        >>> dlcore.Size([2, 3]).numel(), dlcore.zeros(2, 3).shape == dlcore.Size([2, 3])
        (6, True)
        >>> isinstance(dlcore.zeros(2, 3).shape, dlcore.Size)
        True
    """

    __slots__ = ()

    def numel(self) -> int:
        """How many elements a tensor of this shape has."""
        return prod(self)

    def __repr__(self) -> str:
        return f"dlcore.Size({list(self)})"
