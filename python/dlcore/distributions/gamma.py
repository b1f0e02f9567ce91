"""The gamma distribution."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore._core import Tensor, digamma, finfo, igamma, lgamma, standard_gamma, xlogy
from dlcore.distributions import constraints
from dlcore.distributions.distribution import Distribution, tensors

__all__ = ["Gamma"]


class Gamma(Distribution):
    """Positive numbers, the times of `concentration` events.

    Args:
        concentration: the shape.
        rate: events in a time of one, broadcast with `concentration`.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a parameter that is not positive; from `log_prob`, a number below zero.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Gamma
        >>> Gamma(1.0, 2.0).log_prob(dlcore.tensor(0.5))  # of one event: Exponential
        tensor(-0.3069)
    """

    arg_constraints = {  # noqa: RUF012 - as in PyTorch
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration: Tensor | float, rate: Tensor | float, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = tensors(concentration, rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """The concentration, divided by the rate."""
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        """(concentration − 1) / rate, where that is positive."""
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        """The concentration, divided by the square of the rate."""
        return self.concentration / self.rate.square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw positive numbers, with a gradient by the parameters."""
        drawn = standard_gamma(self.concentration.expand(self._extended_shape(sample_shape))) / self.rate
        return drawn.clamp(min=finfo(drawn.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        powers = xlogy(self.concentration, self.rate) + xlogy(self.concentration - 1, value)
        return powers - self.rate * value - lgamma(self.concentration)

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to this one."""
        return igamma(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        """The expected −log_prob."""
        shape = self.concentration
        return shape - self.rate.log() + lgamma(shape) + (1 - shape) * digamma(shape)
