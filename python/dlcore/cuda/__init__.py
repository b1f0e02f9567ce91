"""What programs ask of another device, answered: there is none. dlcore computes on the CPU."""

from __future__ import annotations

from dlcore.cuda import amp

__all__ = [
    "amp",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "is_bf16_supported",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "synchronize",
]


def is_available() -> bool:
    """False, so that programs choose ``"cpu"``.

    Example:
        >>> import dlcore
        >>> "cuda" if dlcore.cuda.is_available() else "cpu"
        'cpu'
    """
    return False


def device_count() -> int:
    """0.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.device_count()
        0
    """
    return 0


def is_bf16_supported() -> bool:
    """False.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.is_bf16_supported()
        False
    """
    return False


def manual_seed(seed: int) -> None:
    """Do nothing: `dlcore.manual_seed` seeds all there is.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.manual_seed(0)
    """


def manual_seed_all(seed: int) -> None:
    """Do nothing: `dlcore.manual_seed` seeds all there is.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.manual_seed_all(0)
    """


def synchronize(device: object = None) -> None:
    """Do nothing: every call here has ended when it returns.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.synchronize()
    """


def empty_cache() -> None:
    """Do nothing; `dlcore.memory` has the counters and the cache of the CPU's memory.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.empty_cache()
    """


def max_memory_allocated(device: object = None) -> int:  # noqa: ARG001 - there is none
    """0; `dlcore.memory.stats` has the counters of the CPU's memory.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.max_memory_allocated()
        0
    """
    return 0


def max_memory_reserved(device: object = None) -> int:  # noqa: ARG001 - there is none
    """0, as `max_memory_allocated`.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.max_memory_reserved()
        0
    """
    return 0


def memory_allocated(device: object = None) -> int:  # noqa: ARG001 - there is none
    """0, as `max_memory_allocated`.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.memory_allocated()
        0
    """
    return 0


def memory_reserved(device: object = None) -> int:  # noqa: ARG001 - there is none
    """0, as `max_memory_allocated`.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.memory_reserved()
        0
    """
    return 0


def reset_peak_memory_stats(device: object = None) -> None:
    """Do nothing; `dlcore.memory.reset_peak` is for the CPU's memory.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.reset_peak_memory_stats()
    """


def current_device() -> int:
    """Raise an error: there is no such device.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.current_device()
        Traceback (most recent call last):
        RuntimeError: dlcore computes on the CPU: ask cuda.is_available() first
    """
    raise RuntimeError("dlcore computes on the CPU: ask cuda.is_available() first")


def get_device_name(device: object = None) -> str:  # noqa: ARG001 - there is none
    """Raise an error: there is no such device.

    Example:
        >>> import dlcore
        >>> dlcore.cuda.get_device_name()
        Traceback (most recent call last):
        RuntimeError: dlcore computes on the CPU: ask cuda.is_available() first
    """
    raise RuntimeError("dlcore computes on the CPU: ask cuda.is_available() first")
