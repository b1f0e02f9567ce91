"""The positive half of the normal distribution."""

from __future__ import annotations

import math

from dlcore._core import Tensor
from dlcore.distributions.folded import Folded
from dlcore.distributions.normal import Normal

__all__ = ["HalfNormal"]


class HalfNormal(Folded):
    """Distances of normal numbers from zero, their mean.

    Args:
        scale: the standard deviation of the normal numbers.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a scale that is not positive; from `log_prob`, a negative number.

    Example:
        >>> from dlcore.distributions import HalfNormal
        >>> HalfNormal(1.0).mean
        tensor(0.7979)
    """

    _sides = Normal

    @property
    def mean(self) -> Tensor:
        """Scale·√(2/π)."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        """scale²·(1 − 2/π)."""
        return self.scale.square() * (1 - 2 / math.pi)
