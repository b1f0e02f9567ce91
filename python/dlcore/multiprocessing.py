"""Python's `multiprocessing` under PyTorch's name: a tensor that is sent to another process is copied.

Example:
    >>> import dlcore.multiprocessing as mp
    >>> "spawn" in mp.get_all_start_methods()
    True
"""

from multiprocessing import *  # noqa: F403 - all of it
