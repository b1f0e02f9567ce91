"""The generator that is used where none is given, by the names of PyTorch's module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dlcore._core import default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


@contextmanager
def fork_rng(
    devices: object = None,  # noqa: ARG001 - there is one device
    enabled: bool = True,
) -> Iterator[None]:
    """Draw numbers inside without a trace: afterwards the generator goes on from where it was.

    Args:
        devices: accepted for PyTorch's programs.
        enabled: False changes nothing.

    Example:
        >>> import dlcore
        >>> before = dlcore.get_rng_state()
        >>> with dlcore.random.fork_rng():
        ...     noise = dlcore.randn(1000)
        >>> dlcore.equal(dlcore.get_rng_state(), before)
        True
    """
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)
