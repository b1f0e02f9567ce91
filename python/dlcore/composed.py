"""Functions and methods of tensors that are a few others; programs know them by these names."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than this
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = [
    "adjoint",
    "asarray",
    "detach",
    "empty_strided",
    "get_device",
    "give",
    "is_complex",
    "is_nonzero",
    "is_same_size",
    "is_signed",
    "narrow_copy",
    "nonzero_static",
    "scalar_tensor",
    "segment_max",
    "segment_mean",
    "segment_sum",
    "to_dlpack",
    "unsafe_chunk",
    "unsafe_split",
]


def adjoint(input: Tensor) -> Tensor:
    """A view of matrices with rows and columns exchanged: there are no complex numbers to conjugate.

    Args:
        input: (..., m, n), or no dimensions.

    Returns:
        (..., n, m), in the same memory.

    Raises:
        ShapeError: one dimension.

    Example:
        >>> import dlcore
        >>> dlcore.adjoint(dlcore.zeros(4, 2, 3)).shape
        (4, 3, 2)
    """
    return input.mT if input.dim() else input


def asarray(
    obj: Any,
    *,
    dtype: _core.dtype | None = None,
    device: str | _core.device | None = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """A tensor of an array, of numbers or nested sequences of them, which shares their memory where it can.

    Args:
        obj: what `dlcore.as_tensor` takes.
        dtype: of the tensor, or None for that of the values.
        device: ``"cpu"`` or None.
        copy: True copies always, False never.
        requires_grad: whether gradients flow into it; None does as `obj` does, False leaves the graph of `obj` behind.

    Raises:
        ValueError: ``copy=False`` where a copy is needed.

    Example:
        >>> import dlcore, numpy as np
        >>> array = np.zeros(2)
        >>> dlcore.asarray(array)[0] = 1.0
        >>> array.tolist()
        [1.0, 0.0]
    """
    made = (_core.tensor if copy else _core.as_tensor)(obj, dtype=dtype, device=device)
    if copy is False and not shares_memory(made, obj):
        raise ValueError("asarray: copy=False, but this has no memory to share in that dtype")
    if requires_grad is None or made.requires_grad == requires_grad:
        return made
    return made.detach().requires_grad_(requires_grad)


def detach(input: Tensor) -> Tensor:
    """The tensor without its past: it shares the memory, and no gradient flows through it.

    Example:
        >>> import dlcore
        >>> dlcore.detach(dlcore.ones(1, requires_grad=True)).requires_grad
        False
    """
    return input.detach()


def empty_strided(size: Sequence[int], stride: Sequence[int], **made: Any) -> Tensor:
    """A tensor without values whose elements lie as many apart in each dimension as `stride` says.

    Args:
        size: the shape.
        stride: in elements.
        **made: as of `dlcore.empty`: ``dtype``, ``device``, ``requires_grad``.

    Raises:
        ValueError: a stride that is negative, or not one for each dimension.

    Example:
        >>> import dlcore
        >>> dlcore.empty_strided((2, 3), (1, 2)).stride()
        (1, 2)
    """
    if len(size) != len(stride) or any(step < 0 for step in stride):
        raise ValueError(f"empty_strided: expected a stride of at least 0 for each of {size}, got {stride}")
    requires_grad = made.pop("requires_grad", False)
    reach = sum((extent - 1) * step for extent, step in zip(size, stride, strict=True))
    memory = _core.empty(0 if 0 in size else reach + 1, **made)
    return memory.as_strided(size, stride).requires_grad_(requires_grad)


def get_device(input: Tensor) -> int:
    """-1, the number of the CPU.

    Example:
        >>> import dlcore
        >>> dlcore.get_device(dlcore.ones(1))
        -1
    """
    return input.get_device()


def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of what `narrow` gives a view of.

    Example:
        >>> import dlcore
        >>> dlcore.narrow_copy(dlcore.arange(4), 0, 1, 2)
        tensor([1, 2])
    """
    return input.narrow(dim, start, length).clone()


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first `size` rows of `nonzero`, with rows of `fill_value` where it has fewer.

    Raises:
        ValueError: a negative `size`.

    Example:
        >>> import dlcore
        >>> dlcore.nonzero_static(dlcore.tensor([0, 3, 4]), size=3)
        tensor([[ 1],
                [ 2],
                [-1]])
    """
    if size < 0:
        raise ValueError(f"nonzero_static: size must be at least 0, got {size}")
    places = input.nonzero()[:size]
    rest = _core.full((size - len(places), places.shape[1]), fill_value, dtype=places.dtype)
    return _core.cat([places, rest])


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the tensor, which shares its memory: for one library that takes it.

    Example:
        >>> import dlcore
        >>> dlcore.from_dlpack(dlcore.to_dlpack(dlcore.ones(2)))
        tensor([1., 1.])
    """
    return tensor.__dlpack__()


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk`: its parts may be written in any case.

    Example:
        >>> import dlcore
        >>> dlcore.unsafe_chunk(dlcore.ones(2), 2)
        (tensor([1.]), tensor([1.]))
    """
    return input.chunk(chunks, dim)


def unsafe_split(tensor: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`split`: its parts may be written in any case.

    Example:
        >>> import dlcore
        >>> dlcore.unsafe_split(dlcore.ones(2), 1)
        (tensor([1.]), tensor([1.]))
    """
    return tensor.split(split_size, dim)


def shares_memory(made: Tensor, obj: Any) -> bool:
    """Whether a tensor lies in the memory of what it was made of."""
    if isinstance(obj, Tensor):
        return made.data_ptr() == obj.data_ptr() and made.dtype == obj.dtype
    try:
        address = memoryview(obj)
    except TypeError:
        return False
    return made.dtype == _core.as_tensor(address).dtype


def scalar_tensor(
    s: float,
    *,
    dtype: _core.dtype | None = None,
    device: str | _core.device | None = None,
    requires_grad: bool = False,
    **settled: Any,
) -> Tensor:
    """A number as a tensor of no dimensions, of the default dtype; ``layout`` and ``pin_memory`` may be said.

    Example:
        >>> import dlcore
        >>> dlcore.scalar_tensor(2)
        tensor(2.)
    """
    return _core.full(
        (), s, dtype=dtype or _core.get_default_dtype(), device=device, requires_grad=requires_grad, **settled
    )


def segment_sum(data: Tensor, segment_ids: Tensor, num_segments: int | None = None) -> Tensor:
    """The sums of the rows of each segment, as of the edges that end in each node of a graph.

    Args:
        data: rows, of shape (n, ...).
        segment_ids: to which segment each belongs, n ints from 0 in any order.
        num_segments: how many there are; by default the largest of `segment_ids` and one.

    Returns:
        Shape (num_segments, ...), zeros where a segment has no rows.

    Raises:
        IndexError: a segment that is not one of `num_segments`.
        ShapeError: not one segment for each row.

    Example:
        >>> import dlcore
        >>> dlcore.segment_sum(dlcore.tensor([1.0, 2.0, 4.0]), dlcore.tensor([0, 2, 0]))
        tensor([5., 0., 2.])
    """
    return _segments("segment_sum", data, segment_ids, num_segments).index_add(0, segment_ids, data)


def segment_mean(data: Tensor, segment_ids: Tensor, num_segments: int | None = None) -> Tensor:
    """The means of the rows of each segment; see `segment_sum`.

    Example:
        >>> import dlcore
        >>> dlcore.segment_mean(dlcore.tensor([1.0, 2.0, 4.0]), dlcore.tensor([0, 2, 0]))
        tensor([2.5000, 0.0000, 2.0000])
    """
    empty = _segments("segment_mean", data, segment_ids, num_segments)
    return empty.index_reduce(0, segment_ids, data, "mean", include_self=False)


def segment_max(data: Tensor, segment_ids: Tensor, num_segments: int | None = None) -> Tensor:
    """The largest elements of the rows of each segment, zeros where it has none; see `segment_sum`.

    Example:
        >>> import dlcore
        >>> dlcore.segment_max(dlcore.tensor([-1.0, 2.0, -4.0]), dlcore.tensor([0, 2, 0]))
        tensor([-1.,  0.,  2.])
    """
    empty = _segments("segment_max", data, segment_ids, num_segments)
    return empty.index_reduce(0, segment_ids, data, "amax", include_self=False)


def _segments(op: str, data: Tensor, segment_ids: Tensor, num_segments: int | None) -> Tensor:
    """A row of zeros for each segment."""
    if data.dim() == 0 or segment_ids.shape != data.shape[:1]:
        raise _core.ShapeError(
            f"{op}: expected one segment for each row, got {segment_ids.shape} for data of {data.shape}"
        )
    if num_segments is None:
        num_segments = int(segment_ids.max()) + 1 if len(segment_ids) else 0
    return _core.zeros(num_segments, *data.shape[1:], dtype=data.dtype)


def _fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Write one value to all places whose indices are equal; with `wrap` a tall matrix goes on below its last column.

    Raises:
        ShapeError: fewer than two dimensions, or more whose extents are not all equal.

    Example:
        >>> import dlcore
        >>> dlcore.zeros(2, 3).fill_diagonal_(5)
        tensor([[5., 0., 0.],
                [0., 5., 0.]])
    """
    shape = tuple(self.shape)
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise _core.ShapeError(f"fill_diagonal_: expected a matrix, or extents that are all equal, got shape {shape}")
    if len(shape) == 2 and not (wrap and shape[0] > shape[1] > 0):
        self.diagonal().fill_(fill_value)
        return self
    if len(shape) == 2:
        places = _core.arange(0, self.numel(), shape[1] + 1)
        rows, columns = places // shape[1], places % shape[1]
    else:
        rows = columns = _core.arange(min(shape))
    value = _core.full((), fill_value, dtype=self.dtype)
    return self.index_put_((rows, *[columns] * (len(shape) - 1)), value)


def _new(self: Tensor, *args: Any) -> Tensor:
    """A tensor of the same dtype: of the values of a list, or of sizes, without values.

    `new_tensor` and `new_empty` say which of the two is meant.

    Raises:
        TypeError: a tuple of ints, which may be either.

    Example:
        >>> import dlcore
        >>> dlcore.ones(1).double().new([1, 2])
        tensor([1., 2.], dtype=dlcore.float64)
    """
    from dlcore.typed import constructed

    return constructed("new", self.dtype, args)


def _apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Write what a function of Python gives for each element in its place.

    Raises:
        GradientError: a tensor that requires a gradient, which could not go through the function.

    Example:
        >>> import dlcore
        >>> dlcore.tensor([1.0, 2.0]).apply_(lambda value: value + 0.5)
        tensor([1.5000, 2.5000])
    """
    _no_gradient("apply_", self)
    values = [callable(value) for value in self.reshape(-1).tolist()]
    return self.copy_(_core.tensor(values, dtype=self.dtype).reshape(self.shape))


def _map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Write what a function of Python gives for each element and that of another tensor in its place.

    Raises:
        GradientError: a tensor that requires a gradient, which could not go through the function.

    Example:
        >>> import dlcore
        >>> dlcore.tensor([1.0, 2.0]).map_(dlcore.tensor([3.0, 5.0]), max)
        tensor([3., 5.])
    """
    _no_gradient("map_", self, tensor)
    others = tensor.expand(self.shape).reshape(-1).tolist()
    values = [callable(*pair) for pair in zip(self.reshape(-1).tolist(), others, strict=True)]
    return self.copy_(_core.tensor(values, dtype=self.dtype).reshape(self.shape))


def _no_gradient(op: str, *tensors: Tensor) -> None:
    if any(tensor.requires_grad for tensor in tensors):
        raise _core.GradientError(f"{op}: no gradient goes through a function of numbers; detach() the tensor first")


def _is_nonzero(self: Tensor) -> bool:
    """See ``dlcore.is_nonzero``."""
    return bool(self)


def is_complex(input: Tensor) -> bool:
    """False: there are no complex numbers.

    Example:
        >>> import dlcore
        >>> dlcore.is_complex(dlcore.ones(1))
        False
    """
    return input.dtype.is_complex


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not zero.

    Raises:
        ValueError: another number of elements.

    Example:
        >>> import dlcore
        >>> dlcore.is_nonzero(dlcore.tensor([0.5]))
        True
    """
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal.

    Example:
        >>> import dlcore
        >>> dlcore.is_same_size(dlcore.ones(2), dlcore.ones(1, 2))
        False
    """
    return input.shape == other.shape


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers.

    Example:
        >>> import dlcore
        >>> dlcore.is_signed(dlcore.ones(1)), dlcore.is_signed(dlcore.ones(1, dtype=dlcore.uint8))
        (True, False)
    """
    return input.dtype.is_signed


class _Storage:
    """The memory in which a tensor and its views lie, to tell whether two share it.

    Example:
        >>> import dlcore
        >>> x = dlcore.zeros(2, 3)
        >>> x[1].untyped_storage() == x.t().untyped_storage(), x.clone().untyped_storage() == x.untyped_storage()
        (True, False)
    """

    def __init__(self, of: Tensor) -> None:
        self._of = of  # while this is here, its address is no other's

    def data_ptr(self) -> int:
        """Where it begins."""
        return self._of.data_ptr() - self._of.storage_offset() * self._of.element_size()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Storage) and self.data_ptr() == other.data_ptr()

    def __hash__(self) -> int:
        return hash(self.data_ptr())


def _untyped_storage(self: Tensor) -> _Storage:
    """The memory in which this and its views lie: it has ``data_ptr()``, and equals that of tensors that share it.

    Example:
        >>> import dlcore
        >>> x = dlcore.zeros(2, 3)
        >>> x[1].untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
        True
    """
    return _Storage(self)


def _resize_as_(self: Tensor, the_template: Tensor) -> Tensor:
    """`resize_` to the shape of another tensor.

    Example:
        >>> import dlcore
        >>> dlcore.arange(6).resize_as_(dlcore.ones(2, 2))
        tensor([[0, 1],
                [2, 3]])
    """
    return self.resize_(the_template.shape)


def _is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same elements of the same memory.

    Example:
        >>> import dlcore
        >>> x = dlcore.ones(2)
        >>> x.is_set_to(x.detach()), x.is_set_to(x[:1])
        (True, False)
    """
    return (self.data_ptr(), self.dtype, self.shape, self.stride()) == (
        tensor.data_ptr(),
        tensor.dtype,
        tensor.shape,
        tensor.stride(),
    )


def _reversed(self: Tensor) -> Tensor:
    """The rows from the last to the first."""
    return self.flip(0) if self.dim() else self


def _adjoint(self: Tensor) -> Tensor:
    """See ``dlcore.adjoint``."""
    return adjoint(self)


def _is_same_size(self: Tensor, other: Tensor) -> bool:
    """See ``dlcore.is_same_size``."""
    return is_same_size(self, other)


def _is_signed(self: Tensor) -> bool:
    """See ``dlcore.is_signed``."""
    return is_signed(self)


def _narrow_copy(self: Tensor, dim: int, start: int, length: int) -> Tensor:
    """See ``dlcore.narrow_copy``."""
    return narrow_copy(self, dim, start, length)


def _nonzero_static(self: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """See ``dlcore.nonzero_static``."""
    return nonzero_static(self, size=size, fill_value=fill_value)


_METHODS = {
    "__reversed__": _reversed,
    "adjoint": _adjoint,
    "apply_": _apply_,
    "fill_diagonal_": _fill_diagonal_,
    "is_nonzero": _is_nonzero,
    "is_same_size": _is_same_size,
    "is_set_to": _is_set_to,
    "is_signed": _is_signed,
    "map_": _map_,
    "narrow_copy": _narrow_copy,
    "new": _new,
    "nonzero_static": _nonzero_static,
    "resize_as_": _resize_as_,
    "untyped_storage": _untyped_storage,
}


def give() -> None:
    """Make the methods attributes of tensors."""
    for name, method in _METHODS.items():
        setattr(Tensor, name, method)
