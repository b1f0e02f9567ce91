"""The distribution of Poisson: of how many events happen."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, lgamma, xlogy
from dlcore.autograd import no_grad
from dlcore.distributions import constraints
from dlcore.distributions.distribution import Distribution, tensors

__all__ = ["Poisson"]


class Poisson(Distribution):
    """Numbers of events that happen independently of each other.

    Args:
        rate: how many are expected.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a negative rate; from `log_prob`, a value that is no count.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Poisson
        >>> Poisson(2.0).log_prob(dlcore.tensor([0.0, 1.0, 2.0])).exp()
        tensor([0.1353, 0.2707, 0.2707])
    """

    arg_constraints = {"rate": constraints.nonnegative}  # noqa: RUF012 - as in PyTorch
    support = constraints.nonnegative_integer

    def __init__(self, rate: Tensor | float, validate_args: bool | None = None) -> None:
        (self.rate,) = tensors(rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """The rate."""
        return self.rate

    @property
    def mode(self) -> Tensor:
        """The rate, rounded down."""
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        """The rate."""
        return self.rate

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw counts, in the dtype of the rate."""
        with no_grad():
            return _core.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of counts."""
        self._validate_sample(value)
        return xlogy(value, self.rate) - self.rate - lgamma(value + 1)
