"""PyTorch's hints about determinism, which programs give: they change nothing here."""

from __future__ import annotations

__all__ = [
    "are_deterministic_algorithms_enabled",
    "use_deterministic_algorithms",
]


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
