"""The distribution of Laplace."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions.location_scale import LocationScale

__all__ = ["Laplace"]


class Laplace(LocationScale):
    """Numbers around `loc`, whose density falls exponentially to both sides.

    Args:
        loc: the mean.
        scale: the mean distance from it, broadcast with `loc`.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a scale that is not positive; from `log_prob`, NaN.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Laplace
        >>> Laplace(0.0, 1.0).log_prob(dlcore.tensor([0.0, 1.0]))
        tensor([-0.6931, -1.6931])
    """

    @property
    def variance(self) -> Tensor:
        """Twice the square of the scale."""
        return 2 * self.scale.square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw, with a gradient by the parameters: the difference of two exponential numbers."""
        up, down = _core.empty((2, *self._extended_shape(sample_shape)), dtype=self.loc.dtype).exponential_()
        return self.loc + self.scale * (up - down)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        return -self._standardized(value).abs() - (2 * self.scale).log()

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most `value`."""
        side = value - self.loc
        return 0.5 - 0.5 * side.sign() * _core.expm1(-side.abs() / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        """The number that is not exceeded with a probability."""
        side = value - 0.5
        return self.loc - self.scale * side.sign() * _core.log1p(-2 * side.abs())

    def entropy(self) -> Tensor:
        """1 + log 2·scale."""
        return 1 + math.log(2) + self.scale.log()
