"""Distances from zero: distributions that are symmetrical around it, folded together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.distribution import Distribution, tensors
from dlcore.distributions.location_scale import LocationScale

__all__ = ["Folded"]


class Folded(Distribution):
    """What `HalfNormal` and `HalfCauchy` share.

    Args:
        scale: that of both sides.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a scale that is not positive; from `log_prob`, a negative number.

    Example:
        >>> from dlcore.distributions import HalfNormal
        >>> HalfNormal(2.0).sample((3,)).shape
        (3,)
    """

    has_rsample = True
    arg_constraints = {"scale": constraints.positive}  # noqa: RUF012 - as in PyTorch
    support = constraints.nonnegative
    _sides: ClassVar[type[LocationScale]]

    def __init__(self, scale: Tensor | float, validate_args: bool | None = None) -> None:
        (self.scale,) = tensors(scale)
        super().__init__(self.scale.shape, (), validate_args)

    def _both(self) -> LocationScale:
        return self._sides(_core.zeros_like(self.scale), self.scale, validate_args=False)

    @property
    def mode(self) -> Tensor:
        """Zero."""
        return _core.zeros_like(self.scale)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw, with a gradient by the scale."""
        return self._both().rsample(sample_shape).abs()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density: twice that of both sides, and none below zero."""
        self._validate_sample(value)
        return _core.where(value >= 0, self._both().log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to this one."""
        return 2 * self._both().cdf(value) - 1

    def icdf(self, value: Tensor) -> Tensor:
        """The value up to which values have this probability."""
        return self._both().icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        """That of both sides, less log 2."""
        return self._both().entropy() - math.log(2)
