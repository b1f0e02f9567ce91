"""PyTorch's former names for mixed precision on its devices: they may stay in a program, and change nothing.

`dlcore.autocast` is the one that computes in bfloat16 here.
"""

from __future__ import annotations

from dlcore import _core, amp
from dlcore.amp import GradScaler

__all__ = ["GradScaler", "autocast"]


class autocast(amp.autocast):  # noqa: N801 - PyTorch's name, used as a function
    """Change nothing, as in PyTorch where there is no such device.

    Args:
        enabled: accepted for PyTorch's programs.
        dtype: likewise.
        cache_enabled: likewise.

    Example:
        >>> import dlcore
        >>> with dlcore.cuda.amp.autocast(enabled=True):
        ...     y = dlcore.ones(2, 2) @ dlcore.ones(2, 2)
        >>> y.dtype
        dlcore.float32
    """

    __slots__ = ()

    def __init__(
        self,
        enabled: bool = True,  # noqa: ARG002
        dtype: _core.dtype | None = None,
        cache_enabled: bool | None = None,
    ) -> None:
        super().__init__("cpu", dtype, False, cache_enabled)
