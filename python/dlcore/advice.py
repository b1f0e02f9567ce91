"""What is said about programs that run, but will not learn what they should."""

from __future__ import annotations

import sys
from warnings import warn

__all__ = ["TrainingWarning", "advise"]

_PACKAGE = __file__.removesuffix("advice.py")


class TrainingWarning(UserWarning):
    """A training that is probably not what was meant; ``warnings.simplefilter("ignore", TrainingWarning)`` ends them.

    Example:
        >>> import warnings
        >>> import dlcore
        >>> warnings.simplefilter("ignore", dlcore.TrainingWarning)
    """


def advise(text: str) -> None:
    """Warn, at the line of the program that called into the package."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        depth, frame = depth + 1, frame.f_back
    warn(text, TrainingWarning, stacklevel=depth)
