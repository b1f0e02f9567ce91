"""PyTorch's former names for mixed precision on its devices: they may stay in a program, and change nothing.

`dlcore.autocast` is the one that computes in bfloat16 here.
"""

from __future__ import annotations

from dlcore import _core, amp

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

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class GradScaler(amp.GradScaler):
    """`dlcore.amp.GradScaler` without the device before its settings.

    Args:
        init_scale: accepted for PyTorch's programs.
        growth_factor: kept in the state.
        backoff_factor: likewise.
        growth_interval: likewise.
        enabled: False takes every step, and leaves the state empty.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.amp.GradScaler(1024.0, growth_interval=100).state_dict()["growth_interval"]
        100
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
