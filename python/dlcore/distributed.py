"""What programs ask of other processes, answered: there are none. dlcore trains in one process, on all its cores.

Programs that ask `is_available` or `is_initialized` first go their way for one process; what sends or gathers raises.

Example:
    >>> import dlcore.distributed as dist
    >>> dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
    0
"""

from __future__ import annotations

from typing import Any, Never

__all__ = ["is_available", "is_initialized", "is_torchelastic_launched"]


def is_available() -> bool:
    """False, so that programs train in one process.

    Example:
        >>> import dlcore
        >>> dlcore.distributed.is_available()
        False
    """
    return False


is_initialized = is_torchelastic_launched = is_available


def _refused(name: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> Never:  # noqa: ARG001 - whatever it is called with
        raise RuntimeError(f"{name}: dlcore trains in one process, on all its cores; leave the call out")

    refuse.__name__ = name
    return refuse


_CALLS = (
    *("all_gather", "all_gather_object", "all_reduce", "barrier", "broadcast", "broadcast_object_list"),
    *("destroy_process_group", "gather", "get_rank", "get_world_size", "init_process_group", "new_group", "reduce"),
)
globals().update({name: _refused(name) for name in _CALLS})
