"""What programs ask of a tensor that has one answer here, as there is one device; and two older names."""

from __future__ import annotations

from dlcore._core import Tensor

__all__ = ["give"]


def _get_device(self: Tensor) -> int:  # noqa: ARG001
    """-1, the number of the CPU."""
    return -1


def _is_complex(self: Tensor) -> bool:  # noqa: ARG001
    """False: there are no complex numbers."""
    return False


def _is_pinned(self: Tensor, device: object = None) -> bool:  # noqa: ARG001
    """False: there is no other device to copy to."""
    return False


def _pin_memory(self: Tensor, device: object = None) -> Tensor:  # noqa: ARG001
    """The tensor itself: there is no other device to copy to."""
    return self


def _share_memory_(self: Tensor) -> Tensor:
    """The tensor itself: processes made by fork share its memory until they write."""
    return self


_ANSWERS = {
    "get_device": _get_device,
    "is_complex": _is_complex,
    "is_cpu": property(lambda _: True, doc="True: there is no other device."),
    "is_cuda": property(lambda _: False, doc="False: it is on the CPU."),
    "is_meta": property(lambda _: False, doc="False: it has values."),
    "is_mps": property(lambda _: False, doc="False: it is on the CPU."),
    "is_pinned": _is_pinned,
    "is_quantized": property(lambda _: False, doc="False: there are no quantised tensors."),
    "is_sparse": property(lambda _: False, doc="False: there are no sparse tensors."),
    "itemsize": property(Tensor.element_size, doc="Bytes of an element."),
    "ndimension": Tensor.dim,
    "nelement": Tensor.numel,
    "pin_memory": _pin_memory,
    "share_memory_": _share_memory_,
}


def give() -> None:
    """Make the answers attributes of tensors."""
    for name, answer in _ANSWERS.items():
        setattr(Tensor, name, answer)
