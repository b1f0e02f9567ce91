"""The distribution of Dirichlet: of parts of a whole."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, digamma, lgamma, standard_gamma, xlogy
from dlcore.distributions import constraints
from dlcore.distributions.distribution import Distribution

__all__ = ["Dirichlet"]


class Dirichlet(Distribution):
    """Positive numbers whose sum is 1, as the probabilities of categories.

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

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}  # noqa: RUF012 - as in PyTorch
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("Dirichlet: concentration must have a dimension, that of the parts")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

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

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw parts, with a gradient by the concentration."""
        drawn = standard_gamma(self.concentration.expand(self._extended_shape(sample_shape)))
        return drawn / drawn.sum(-1, keepdim=True)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        logs = xlogy(self.concentration - 1, value).sum(-1)
        return logs + lgamma(self.concentration.sum(-1)) - lgamma(self.concentration).sum(-1)

    def entropy(self) -> Tensor:
        """The expected −log_prob."""
        weights, whole = self.concentration, self.concentration.sum(-1)
        terms = lgamma(weights).sum(-1) - ((weights - 1) * digamma(weights)).sum(-1)
        return terms - lgamma(whole) - (self.event_shape[0] - whole) * digamma(whole)
