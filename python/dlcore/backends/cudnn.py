"""PyTorch's switches of a library for GPUs, which is not used here: they may be set, and change nothing.

Example:
    >>> import dlcore.backends.cudnn as cudnn
    >>> cudnn.benchmark = True
    >>> cudnn.is_available()
    False
"""

from __future__ import annotations

__all__ = ["allow_tf32", "benchmark", "deterministic", "enabled", "is_available", "version"]

enabled = False
benchmark = False
allow_tf32 = False
deterministic = True
"""As everything here."""


def is_available() -> bool:
    """False: there is no such library here."""
    return False


def version() -> int | None:
    """None: there is no such library here."""
    return None
