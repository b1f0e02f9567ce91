"""The memory of tensors: what is in use, what is kept for reuse, and how much of either there may be.

A program that computes asks for the same sizes over and over, and a fresh block costs more than most operations on it
(the system clears every page that is touched for the first time). So freed memory is kept by size: up to 4 KiB by each
thread, above that in one cache for all, which lets go of the oldest block first when it reaches its limit. Blocks from
2 MiB on lie in huge pages where the system grants them.

What is not touched need not be kept: from 512 KiB on, ``+ - * /`` compute in the memory of an operand that dies with
the expression, so that ``a * b + c`` takes one block, not two. That holds for contiguous float32 and float64
temporaries of the result's shape and dtype, outside of graphs that are being recorded. Whether an operand dies is
certain on CPython 3.11 to 3.13 under Linux with glibc; elsewhere every operator takes a block of its own. (CPython 3.14
lets its stack borrow references, so one reference no longer tells a temporary from a variable.)

``DLCORE_MEMORY_CACHE`` (such as ``512MiB``) sets the cache's limit from the start; ``0`` keeps nothing.
``DLCORE_HUGE_PAGES=0`` asks for no huge pages. Memory lent by numpy and others is theirs and is not counted.
"""

from __future__ import annotations

from dlcore import _core

__all__ = ["empty_cache", "get_limit", "reset_peak", "set_cache_limit", "set_limit", "stats"]


def stats() -> dict[str, int]:
    """Return the counters of the memory of all tensors of this process.

    Returns:
        ``live_bytes`` in use, ``cached_bytes`` kept for reuse, the ``peak_bytes`` that were in use at once, the number
        of ``allocations``, how many of them were ``cache_hits``, and the ``cache_limit`` in bytes. Sizes are those of
        blocks: up to an eighth above what was asked for. Up to 64 KiB and 255 allocations of each other thread that
        is running may not be counted yet.

    >>> import dlcore
    >>> before = dlcore.memory.stats()["live_bytes"]
    >>> x = dlcore.zeros(1000)
    >>> dlcore.memory.stats()["live_bytes"] - before >= 4000
    True
    """
    return _core.memory_stats()


def reset_peak() -> None:
    """Count ``peak_bytes`` from what is in use now.

    >>> import dlcore
    >>> dlcore.memory.reset_peak()
    >>> dlcore.zeros(1_000_000).sum().item()
    0.0
    >>> now = dlcore.memory.stats()
    >>> now["peak_bytes"] - now["live_bytes"] >= 4_000_000
    True
    """
    _core.memory_reset_peak()


def empty_cache() -> None:
    """Give what is kept for reuse back to the system; other threads that are running keep up to 1 MiB each.

    >>> import dlcore
    >>> x = dlcore.zeros(1 << 24)  # 64 MiB
    >>> del x
    >>> dlcore.memory.empty_cache()
    >>> dlcore.memory.stats()["cached_bytes"] < 1 << 25
    True
    """
    _core.memory_empty_cache()


def set_limit(bytes: int | None) -> None:
    """Let tensors take at most this many bytes, what is kept for reuse included; ``None`` lifts the limit.

    What would need more raises ``MemoryError``, after the cache has been given up for it. Tensors that exist stay, even
    if they take more. Threads that allocate at the same moment may together pass the limit by a block each. Without a
    limit, an allocation is refused when the machine (or the control group of the process) has not that much memory.

    Raises:
        TypeError: for anything but a whole number.
        ValueError: for a negative number.

    >>> import dlcore
    >>> dlcore.memory.set_limit(dlcore.memory.stats()["live_bytes"] + 1_000_000)
    >>> try:
    ...     x = dlcore.zeros(1000, 1000)
    ... except MemoryError as error:
    ...     print(str(error).split(":")[1])
    ... finally:
    ...     dlcore.memory.set_limit(None)
     no memory for a float32 tensor of shape (1000, 1000), 4000000 bytes
    """
    _core.memory_set_limit(bytes)


def get_limit() -> int | None:
    """Return the limit that ``set_limit`` has set, or None.

    >>> import dlcore
    >>> dlcore.memory.get_limit() is None
    True
    """
    return _core.memory_limit()


def set_cache_limit(bytes: int | None) -> None:
    """Keep at most this many bytes for reuse; ``0`` switches the cache off.

    ``None`` is the limit of the start: what ``DLCORE_MEMORY_CACHE`` says, else an eighth of the machine's memory.

    Raises:
        ValueError: for a negative number.

    >>> import dlcore
    >>> dlcore.memory.set_cache_limit(0)
    >>> x = dlcore.zeros(1 << 24)  # 64 MiB
    >>> del x
    >>> dlcore.memory.stats()["cached_bytes"] < 1 << 25  # what other threads keep remains
    True
    >>> dlcore.memory.set_cache_limit(None)
    """
    _core.memory_set_cache_limit(bytes)
