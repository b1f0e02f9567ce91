"""The uniform distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions.distribution import Distribution, refuse, tensors

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
    _shown = ("low", "high")

    def __init__(self, low: Tensor | float, high: Tensor | float, validate_args: bool | None = None) -> None:
        self.low, self.high = tensors(low, high)
        super().__init__(self.low.shape, (), validate_args)
        if validate_args is not False:
            refuse("Uniform", "high", self.high, self.low < self.high, "above low")

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
        self._refuse_outside(value, (self.low <= value) & (value <= self.high), "between low and high")
        inside = (self.low <= value) & (value < self.high)
        width = (self.high - self.low).log()
        return _core.where(inside, -width, -float("inf"))

    def entropy(self) -> Tensor:
        """The logarithm of the width."""
        return (self.high - self.low).log()
