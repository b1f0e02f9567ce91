"""`Variable`, which tensors were once wrapped in to be differentiated."""

from __future__ import annotations

from typing import Any

from dlcore._core import Tensor

__all__ = ["Variable"]


class _EveryTensor(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_EveryTensor):
    """A tensor under its name of old; every tensor is an instance.

    Args:
        data: its memory is shared.
        requires_grad: whether `backward` fills ``grad``.

    Returns:
        A tensor, not an object of this class.

    Example:
        >>> import dlcore
        >>> from dlcore.autograd import Variable
        >>> Variable(dlcore.ones(2), requires_grad=True)
        tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Tensor, requires_grad: bool = False) -> Tensor:  # type: ignore[misc]
        """Share the memory of `data`."""
        return data.detach().requires_grad_(requires_grad)
