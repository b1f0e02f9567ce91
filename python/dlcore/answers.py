"""What programs ask of a tensor that has one answer here, as there is one device; and two older names."""

from __future__ import annotations

from enum import Enum

from dlcore._core import Tensor

__all__ = ["give", "layout", "strided"]


class layout(Enum):  # noqa: N801 - PyTorch's name
    """How elements lie in memory: ``dlcore.strided``, the only way. What makes tensors takes it as ``layout=``.

    Example:
        >>> import dlcore
        >>> dlcore.ones(2, layout=dlcore.strided).layout
        dlcore.strided
    """

    strided = "strided"

    def __repr__(self) -> str:
        return f"dlcore.{self.name}"


strided = layout.strided


def _get_device(self: Tensor) -> int:  # noqa: ARG001
    """-1, the number of the CPU.

    Example:
        >>> import dlcore
        >>> dlcore.ones(1).get_device()
        -1
    """
    return -1


def _is_complex(self: Tensor) -> bool:  # noqa: ARG001
    """False: there are no complex numbers.

    Example:
        >>> import dlcore
        >>> dlcore.ones(1).is_complex()
        False
    """
    return False


def _is_pinned(self: Tensor, device: object = None) -> bool:  # noqa: ARG001
    """False: there is no other device to copy to.

    Example:
        >>> import dlcore
        >>> dlcore.ones(1).is_pinned()
        False
    """
    return False


def _pin_memory(self: Tensor, device: object = None) -> Tensor:  # noqa: ARG001
    """The tensor itself: there is no other device to copy to.

    Example:
        >>> import dlcore
        >>> x = dlcore.ones(1)
        >>> x.pin_memory() is x
        True
    """
    return self


def _is_shared(self: Tensor) -> bool:  # noqa: ARG001
    """False: no other process writes to its memory.

    Example:
        >>> import dlcore
        >>> dlcore.ones(1).is_shared()
        False
    """
    return False


def _share_memory_(self: Tensor) -> Tensor:
    """The tensor itself: processes made by fork share its memory until they write.

    Example:
        >>> import dlcore
        >>> x = dlcore.ones(1)
        >>> x.share_memory_() is x
        True
    """
    return self


def _always(name: str, value: bool, reason: str) -> property:
    example = f">>> import dlcore\n>>> dlcore.ones(1).{name}\n{value}"
    return property(lambda _: value, doc=f"{value}: {reason}.\n\n{example}")


_ANSWERS = {
    "get_device": _get_device,
    "is_complex": _is_complex,
    "is_cpu": _always("is_cpu", True, "there is no other device"),
    "is_cuda": _always("is_cuda", False, "it is on the CPU"),
    "is_meta": _always("is_meta", False, "it has values"),
    "is_mps": _always("is_mps", False, "it is on the CPU"),
    "is_pinned": _is_pinned,
    "is_quantized": _always("is_quantized", False, "there are no quantised tensors"),
    "is_shared": _is_shared,
    "is_sparse": _always("is_sparse", False, "there are no sparse tensors"),
    "itemsize": property(
        Tensor.element_size, doc="Bytes of an element.\n\n>>> import dlcore\n>>> dlcore.ones(1).itemsize\n4"
    ),
    "layout": property(
        lambda _: strided,
        doc="dlcore.strided: no tensor lies otherwise.\n\n>>> import dlcore\n>>> dlcore.ones(1).layout\ndlcore.strided",
    ),
    "ndimension": Tensor.dim,
    "nelement": Tensor.numel,
    "pin_memory": _pin_memory,
    "share_memory_": _share_memory_,
}


def give() -> None:
    """Make the answers attributes of tensors."""
    for name, answer in _ANSWERS.items():
        setattr(Tensor, name, answer)
