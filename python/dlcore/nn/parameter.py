"""A tensor that a `Module` owns and an optimizer trains."""

from __future__ import annotations

from typing import Any, Self

from dlcore._core import Tensor, empty

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that becomes a parameter of the module it is assigned to. It may have attributes of its own.

    Args:
        data: the values; their memory is shared, not copied. None gives an empty tensor.
        requires_grad: whether `backward` fills its ``grad``.

    Example:
        >>> from dlcore import nn, ones
        >>> class Scale(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = nn.Parameter(ones(3))
        >>> [name for name, _ in Scale().named_parameters()]
        ['factor']
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Self:
        """Share the memory of `data`."""
        return Tensor.__new__(cls, empty(0) if data is None else data, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"

    def __deepcopy__(self, _memo: dict[int, Any]) -> Parameter:
        return type(self)(self.data.clone(), self.requires_grad)


class Buffer(Tensor):
    """A tensor that a module holds without training it: assigned to an attribute, it is registered as a buffer.

    Args:
        data: the values; their memory is shared, not copied. None gives an empty tensor.
        persistent: whether the state dict holds it.

    Example:
        >>> from dlcore import nn, ones
        >>> class Scale(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = nn.Buffer(ones(3))
        >>> list(Scale().state_dict())
        ['factor']
    """

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Self:
        """Share the memory of `data`."""
        buffer = Tensor.__new__(cls, empty(0) if data is None else data, False)
        buffer.persistent = persistent
        return buffer

    def __deepcopy__(self, _memo: dict[int, Any]) -> Buffer:
        return type(self)(self.data.clone(), persistent=self.persistent)

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        return _buffer, (self.data, self.persistent)


def _buffer(data: Tensor, persistent: bool) -> Buffer:
    return Buffer(data, persistent=persistent)
