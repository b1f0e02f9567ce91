"""Switches of other libraries that programs set: they may be set here, and change nothing.

What dlcore itself may be told is `dlcore.set_float32_matmul_precision` and `dlcore.set_num_threads`.

Example:
    >>> import dlcore
    >>> dlcore.backends.cudnn.benchmark = True
    >>> dlcore.backends.mps.is_available()
    False
"""

from __future__ import annotations

from types import SimpleNamespace

from dlcore.backends import cudnn

__all__ = ["cuda", "cudnn", "mkldnn", "mps"]

cuda = SimpleNamespace(matmul=SimpleNamespace(allow_tf32=False), is_built=lambda: False)
mps = SimpleNamespace(is_available=lambda: False, is_built=lambda: False)
mkldnn = SimpleNamespace(enabled=False, is_available=lambda: False)
