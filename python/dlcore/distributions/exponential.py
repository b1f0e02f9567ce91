"""The exponential distribution."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.distribution import Distribution, tensors

__all__ = ["Exponential"]


class Exponential(Distribution):
    """Times between events that happen independently of each other.

    Args:
        rate: events in a time of one.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a rate that is not positive; from `log_prob`, a negative number.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Exponential
        >>> Exponential(2.0).log_prob(dlcore.tensor(0.0)).exp()
        tensor(2.)
    """

    has_rsample = True
    arg_constraints = {"rate": constraints.positive}  # noqa: RUF012 - as in PyTorch
    support = constraints.nonnegative

    def __init__(self, rate: Tensor | float, validate_args: bool | None = None) -> None:
        (self.rate,) = tensors(rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """1 / rate."""
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        """Zero."""
        return _core.zeros_like(self.rate)

    @property
    def variance(self) -> Tensor:
        """1 / rate²."""
        return self.rate.square().reciprocal()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw, with a gradient by the rate."""
        return _core.empty(self._extended_shape(sample_shape), dtype=self.rate.dtype).exponential_() / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to this one."""
        return -_core.expm1(-self.rate * value)

    def icdf(self, value: Tensor) -> Tensor:
        """The time up to which times have this probability."""
        return -_core.log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        """1 − log rate."""
        return 1 - self.rate.log()
