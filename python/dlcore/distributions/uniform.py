"""The uniform distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.constraints import Constraint
from dlcore.distributions.distribution import Distribution, tensors

__all__ = ["Uniform"]


class Uniform(Distribution):
    """Numbers from `low` to below `high`, all alike.

    Args:
        low: the lowest.
        high: where they end, broadcast with `low`.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: an end that is not above the lowest; from `log_prob`, a value outside.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Uniform
        >>> Uniform(0.0, 4.0).log_prob(dlcore.tensor([1.0, 3.0])).exp()
        tensor([0.2500, 0.2500])
    """

    has_rsample = True

    def __init__(self, low: Tensor | float, high: Tensor | float, validate_args: bool | None = None) -> None:
        self.low, self.high = tensors(low, high)
        super().__init__(self.low.shape, (), validate_args)

    @property
    def arg_constraints(self) -> dict[str, Constraint]:  # type: ignore[override]
        """An end above the lowest."""
        return {"low": constraints.real, "high": constraints.greater_than(self.low)}

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        """From the lowest to the end, for which there is no density."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        """The middle."""
        return (self.low + self.high) / 2

    @property
    def mode(self) -> Tensor:
        """Not a number: no value is more probable than all others."""
        return self.high * math.nan

    @property
    def variance(self) -> Tensor:
        """The square of the width, divided by 12."""
        return (self.high - self.low).square() / 12

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw, with a gradient by the parameters."""
        part = _core.rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + part * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, which is that of zero at `high`."""
        self._validate_sample(value)
        inside = (self.low <= value) & (value < self.high)
        width = (self.high - self.low).log()
        return _core.where(inside, -width, -float("inf"))

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to this one."""
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        """The value up to which values have this probability."""
        return self.low + value * (self.high - self.low)

    def entropy(self) -> Tensor:
        """The logarithm of the width."""
        return (self.high - self.low).log()
