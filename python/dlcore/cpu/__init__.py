"""What programs ask of the CPU as of a device: it is there, and one.

Example:
    >>> import dlcore
    >>> dlcore.cpu.is_available(), dlcore.cpu.device_count()
    (True, 1)
"""

from __future__ import annotations

from dlcore.cpu import amp
from dlcore.cuda import synchronize

__all__ = ["amp", "device_count", "is_available", "synchronize"]


def is_available() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1
