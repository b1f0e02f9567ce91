"""Mixtures of distributions of one kind."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.autograd import no_grad
from dlcore.distributions.categorical import Categorical
from dlcore.distributions.constraints import Constraint
from dlcore.distributions.distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """One of several distributions, chosen anew for every draw, as the mixtures of Gaussians.

    Args:
        mixture_distribution: chooses, of batch (...) and with K categories.
        component_distribution: what it chooses from, of batch (..., K).
        validate_args: accepted for PyTorch's sake; the two have their own.

    Raises:
        TypeError: choices that are not a `Categorical`.
        ValueError: batches that do not fit.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Categorical, MixtureSameFamily, Normal
        >>> two = MixtureSameFamily(Categorical(dlcore.ones(2)), Normal(dlcore.tensor([-1.0, 3.0]), 1.0))
        >>> two.mean, two.variance
        (tensor(1.), tensor(5.))
    """

    _inner = ("mixture_distribution", "component_distribution")

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        name, found = type(self).__name__, component_distribution.batch_shape
        if not isinstance(mixture_distribution, Categorical):
            raise TypeError(f"{name}: expected a Categorical to choose, got {type(mixture_distribution).__name__}")
        if mixture_distribution.probs.shape[-1:] != found[-1:]:
            raise ValueError(
                f"{name}: probabilities {tuple(mixture_distribution.probs.shape)} for a batch {found} of components"
            )
        if mixture_distribution.batch_shape != found[:-1]:
            try:  # so that every entry of the batch has a choice of its own
                mixture_distribution = mixture_distribution.expand(found[:-1])
            except _core.ShapeError:
                batch = mixture_distribution.batch_shape
                raise ValueError(f"{name}: choices of batch {batch} for components of batch {found}") from None
        self.mixture_distribution, self.component_distribution = mixture_distribution, component_distribution
        super().__init__(found[:-1], component_distribution.event_shape, validate_args)
        self._choices = -1 - len(self.event_shape)

    @property
    def support(self) -> Constraint | None:  # type: ignore[override]
        """That of the components, where it is the same for all of them."""
        return self.component_distribution.support

    def _weighted(self, each: Tensor) -> Tensor:
        probs = self.mixture_distribution.probs
        return (probs.reshape(*probs.shape, *(1 for _ in self.event_shape)) * each).sum(self._choices)

    @property
    def mean(self) -> Tensor:
        """The weighted mean."""
        return self._weighted(self.component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        """The weighted variance, and that of the means."""
        spread = (self.component_distribution.mean - self.mean.unsqueeze(self._choices)).square()
        return self._weighted(self.component_distribution.variance + spread)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw of all components, and take that of the one that was chosen."""
        with no_grad():
            drawn = self.component_distribution.sample(sample_shape)
            chosen = self.mixture_distribution.sample(sample_shape)
            chosen = chosen.reshape(*chosen.shape, 1, *(1 for _ in self.event_shape))
            shape = list(drawn.shape)
            shape[self._choices] = 1
            return drawn.gather(self._choices, chosen.expand(shape)).squeeze(self._choices)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the weighted sum of the densities."""
        each = self.component_distribution.log_prob(value.unsqueeze(self._choices))
        return (each + self.mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def cdf(self, value: Tensor) -> Tensor:
        """The weighted probability of values up to this one; of distributions of numbers."""
        return self._weighted(self.component_distribution.cdf(value.unsqueeze(self._choices)))
