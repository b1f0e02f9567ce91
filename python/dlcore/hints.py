"""PyTorch's hints about layouts and about determinism, which programs give: they change nothing here."""

from __future__ import annotations

from enum import Enum

__all__ = [
    "are_deterministic_algorithms_enabled",
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "memory_format",
    "preserve_format",
    "use_deterministic_algorithms",
]


class memory_format(Enum):  # noqa: N801 - PyTorch's name
    """An order of dimensions in memory: a hint that changes nothing, for layouts are the core's own business.

    Example:
        >>> import dlcore
        >>> dlcore.nn.Conv2d(1, 2, 3).to(memory_format=dlcore.channels_last)
        Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))
    """

    contiguous_format = 0
    preserve_format = 1
    channels_last = 2
    channels_last_3d = 3

    def __repr__(self) -> str:
        return f"dlcore.{self.name}"


contiguous_format = memory_format.contiguous_format
preserve_format = memory_format.preserve_format
channels_last = memory_format.channels_last
channels_last_3d = memory_format.channels_last_3d


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Do nothing: results are the same bits in every run, whatever `mode` says.

    Example:
        >>> import dlcore
        >>> dlcore.use_deterministic_algorithms(True)
    """


def are_deterministic_algorithms_enabled() -> bool:
    """True: there are no others.

    Example:
        >>> import dlcore
        >>> dlcore.are_deterministic_algorithms_enabled()
        True
    """
    return True
