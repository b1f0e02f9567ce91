"""What programs ask of any accelerator, answered: there is none. dlcore computes on the CPU.

Example:
    >>> import dlcore
    >>> dlcore.accelerator.current_accelerator() if dlcore.accelerator.is_available() else "cpu"
    'cpu'
"""

from __future__ import annotations

from dlcore._core import device as _device
from dlcore.cuda import device_count, is_available, synchronize

__all__ = ["current_accelerator", "device_count", "is_available", "synchronize"]


def current_accelerator(check_available: bool = False) -> _device | None:  # noqa: ARG001 - for PyTorch's programs
    """None: there is none.

    Example:
        >>> import dlcore
        >>> dlcore.accelerator.current_accelerator() or "cpu"
        'cpu'
    """
    return None
