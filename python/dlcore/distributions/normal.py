"""The normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, erf, erfinv
from dlcore.distributions.location_scale import LocationScale

__all__ = ["Normal"]


class Normal(LocationScale):
    """The normal distribution, of independent numbers.

    Args:
        loc: mean.
        scale: standard deviation, broadcast with `loc`.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a scale that is not positive, or a mean that is not a number; from `log_prob`, a value that is none.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Normal
        >>> latent = Normal(dlcore.zeros(2), dlcore.ones(2))
        >>> latent.rsample((3,)).shape
        (3, 2)
        >>> latent.log_prob(dlcore.tensor([0.0, 1.0]))
        tensor([-0.9189, -1.4189])
    """

    @property
    def stddev(self) -> Tensor:
        """`scale`."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """The square of `scale`."""
        return self.scale.square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw, with a gradient by the parameters."""
        return self.loc + self.scale * _core.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        return -0.5 * self._standardized(value).square() - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to this one."""
        return 0.5 * (1 + erf(self._standardized(value) / math.sqrt(2)))

    def icdf(self, value: Tensor) -> Tensor:
        """The value up to which values have this probability."""
        return self.loc + self.scale * erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        """½ log(2πe·scale²)."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()
