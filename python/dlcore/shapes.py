"""Shapes, without tensors that have them."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore._core import ShapeError

__all__ = ["broadcast_shapes"]


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
