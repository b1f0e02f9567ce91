"""PyTorch's former name of `dlcore.autocast`.

Example:
    >>> import dlcore
    >>> with dlcore.cpu.amp.autocast():
    ...     y = dlcore.ones(2, 2) @ dlcore.ones(2, 2)
    >>> y.dtype
    dlcore.bfloat16
"""

from __future__ import annotations

from dlcore import _core, amp
from dlcore.amp import GradScaler

__all__ = ["GradScaler", "autocast"]


class autocast(amp.autocast):  # noqa: N801 - PyTorch's name, used as a function
    """`dlcore.autocast` without the device before its settings."""

    __slots__ = ()

    def __init__(
        self, enabled: bool = True, dtype: _core.dtype | None = None, cache_enabled: bool | None = None
    ) -> None:
        super().__init__("cpu", dtype, enabled, cache_enabled)
