"""What programs ask of Intel's GPUs, answered: there is none. dlcore computes on the CPU.

Example:
    >>> import dlcore
    >>> dlcore.xpu.is_available()
    False
"""

from dlcore.cuda import device_count, empty_cache, is_available, manual_seed, manual_seed_all, synchronize

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "manual_seed_all", "synchronize"]
