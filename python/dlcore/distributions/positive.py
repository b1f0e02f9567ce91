"""Distributions of positive numbers: of times and rates, of parts of a whole."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, digamma, finfo, lgamma, xlogy
from dlcore.autograd import no_grad
from dlcore.distributions.distribution import Distribution, refuse, tensors

__all__ = ["Beta", "Dirichlet", "Exponential", "Gamma"]


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
    _shown = ("rate",)

    def __init__(self, rate: Tensor | float, validate_args: bool | None = None) -> None:
        (self.rate,) = tensors(rate)
        super().__init__(self.rate.shape, (), validate_args)
        if validate_args is not False:
            refuse("Exponential", "rate", self.rate, self.rate > 0, "positive")

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
        self._refuse_outside(value, value >= 0, "at least 0")
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most `value`."""
        return -_core.expm1(-self.rate * value)

    def icdf(self, value: Tensor) -> Tensor:
        """The time that is not exceeded with a probability."""
        return -_core.log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        """1 − log rate."""
        return 1 - self.rate.log()


class Gamma(Distribution):
    """Positive numbers, the times of `concentration` events; samples have no gradient.

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

    _shown = ("concentration", "rate")

    def __init__(self, concentration: Tensor | float, rate: Tensor | float, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = tensors(concentration, rate)
        super().__init__(self.rate.shape, (), validate_args)
        if validate_args is not False:
            refuse("Gamma", "concentration", self.concentration, self.concentration > 0, "positive")
            refuse("Gamma", "rate", self.rate, self.rate > 0, "positive")

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

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw positive numbers."""
        with no_grad():
            drawn = _standard_gamma(self.concentration, self._extended_shape(sample_shape)) / self.rate
            return drawn.clamp(min=finfo(drawn.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._refuse_outside(value, value >= 0, "at least 0")
        powers = xlogy(self.concentration, self.rate) + xlogy(self.concentration - 1, value)
        return powers - self.rate * value - lgamma(self.concentration)

    def entropy(self) -> Tensor:
        """The expected −log_prob."""
        shape = self.concentration
        return shape - self.rate.log() + lgamma(shape) + (1 - shape) * digamma(shape)


class Dirichlet(Distribution):
    """Positive numbers whose sum is 1, as the probabilities of categories; samples have no gradient.

    Args:
        concentration: (..., K), the weight of each.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: no dimension, or a concentration that is not positive; from `log_prob`, numbers whose sum is not 1.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Dirichlet
        >>> parts = Dirichlet(dlcore.tensor([1.0, 1.0, 2.0]))
        >>> parts.mean, round(parts.sample().sum().item(), 4)
        (tensor([0.2500, 0.2500, 0.5000]), 1.0)
    """

    _shown = ("concentration",)

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("Dirichlet: concentration must have a dimension, that of the parts")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)
        if validate_args is not False:
            refuse("Dirichlet", "concentration", concentration, concentration > 0, "positive")

    @property
    def mean(self) -> Tensor:
        """The parts of the weights."""
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def mode(self) -> Tensor:
        """The parts of what the weights have above 1; where all are below, the first is the whole."""
        above = (self.concentration - 1).clamp(min=0)
        first = _core.zeros_like(above)
        first[..., 0] = 1
        below = (self.concentration < 1).all(-1, keepdim=True)
        return _core.where(below, first, above / above.sum(-1, keepdim=True))

    @property
    def variance(self) -> Tensor:
        """Of each part."""
        whole, mean = self.concentration.sum(-1, keepdim=True), self.mean
        return mean * (1 - mean) / (whole + 1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw parts."""
        with no_grad():
            drawn = _standard_gamma(self.concentration, self._extended_shape(sample_shape))
            return drawn / drawn.sum(-1, keepdim=True)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        whole = (value.sum(-1, keepdim=True) - 1).abs() < 1e-6
        self._refuse_outside(value, (value >= 0) & whole, "one of parts whose sum is 1")
        logs = xlogy(self.concentration - 1, value).sum(-1)
        return logs + lgamma(self.concentration.sum(-1)) - lgamma(self.concentration).sum(-1)

    def entropy(self) -> Tensor:
        """The expected −log_prob."""
        weights, whole = self.concentration, self.concentration.sum(-1)
        terms = lgamma(weights).sum(-1) - ((weights - 1) * digamma(weights)).sum(-1)
        return terms - lgamma(whole) - (self.event_shape[0] - whole) * digamma(whole)


class Beta(Distribution):
    """Numbers from 0 to 1, the first of the two parts of a `Dirichlet`; samples have no gradient.

    Args:
        concentration1: the weight of the first part.
        concentration0: that of the other, broadcast with it.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a concentration that is not positive; from `log_prob`, a number outside 0 to 1.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Beta
        >>> Beta(3.0, 1.0).mean, Beta(1.0, 1.0).log_prob(dlcore.tensor(0.3))
        (tensor(0.7500), tensor(0.))
    """

    _shown = ("concentration1", "concentration0")

    def __init__(
        self, concentration1: Tensor | float, concentration0: Tensor | float, validate_args: bool | None = None
    ) -> None:
        self.concentration1, self.concentration0 = tensors(concentration1, concentration0)
        super().__init__(self.concentration1.shape, (), validate_args)
        if validate_args is not False:
            for name in self._shown:
                refuse("Beta", name, self.__dict__[name], self.__dict__[name] > 0, "positive")

    def _parts(self) -> Dirichlet:
        return Dirichlet(_core.stack([self.concentration1, self.concentration0], -1), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The part of the first weight."""
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Tensor:
        """The most probable value; 1 where both ends are."""
        return self._parts().mode[..., 0]

    @property
    def variance(self) -> Tensor:
        """The expected square of the distance to the mean."""
        return self._parts().variance[..., 0]

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw numbers from 0 to 1."""
        return self._parts().sample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._refuse_outside(value, (value >= 0) & (value <= 1), "between 0 and 1")
        return self._parts().log_prob(_core.stack([value, 1 - value], -1))

    def entropy(self) -> Tensor:
        """The expected −log_prob."""
        return self._parts().entropy()


def _standard_gamma(concentration: Tensor, shape: Sequence[int]) -> Tensor:
    return _core.standard_gamma(concentration.detach().expand(shape))
