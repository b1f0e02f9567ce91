"""The distribution of Gumbel: of the largest of many."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions.location_scale import LocationScale

__all__ = ["EULER", "Gumbel"]

EULER = 0.57721566490153286  # the mean where loc is 0 and scale 1


class Gumbel(LocationScale):
    """Numbers around `loc` as the largest of many are; added to logits, the largest is a draw of their categories.

    Args:
        loc: the most probable value.
        scale: how far apart, broadcast with `loc`.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a scale that is not positive; from `log_prob`, NaN.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Gumbel
        >>> Gumbel(0.0, 1.0).log_prob(dlcore.tensor(0.0))
        tensor(-1.)
    """

    @property
    def mean(self) -> Tensor:
        """Loc + scale·γ, the number of Euler and Mascheroni."""
        return self.loc + self.scale * EULER

    @property
    def variance(self) -> Tensor:
        """π²·scale² / 6."""
        return self.scale.square() * (math.pi**2 / 6)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw, with a gradient by the parameters."""
        times = _core.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).exponential_()
        return self.loc - self.scale * times.log()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        away = self._standardized(value)
        return -away - (-away).exp() - self.scale.log()

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to this one."""
        return (-(-self._standardized(value)).exp()).exp()

    def icdf(self, value: Tensor) -> Tensor:
        """The value up to which values have this probability."""
        return self.loc - self.scale * (-value.log()).log()

    def entropy(self) -> Tensor:
        """Log scale + 1 + γ."""
        return self.scale.log() + (1 + EULER)
