"""What is said about programs that run, but will not learn what they should."""

from __future__ import annotations

from warnings import warn

__all__ = ["TrainingWarning", "advise"]


class TrainingWarning(UserWarning):
    """A training that is probably not what was meant; ``warnings.simplefilter("ignore", TrainingWarning)`` ends them.

    Example:
        >>> import warnings
        >>> import dlcore
        >>> warnings.simplefilter("ignore", dlcore.TrainingWarning)
    """


def advise(text: str, depth: int) -> None:
    """Warn, at the line of the program `depth` calls above the caller."""
    warn(text, TrainingWarning, stacklevel=depth + 2)
