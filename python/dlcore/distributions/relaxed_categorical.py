"""The categorical distribution with vectors between those of the categories, whose samples have a gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.category_vectors import CategoryVectors
from dlcore.distributions.distribution import forwarded
from dlcore.distributions.transformed_distribution import TransformedDistribution
from dlcore.distributions.transforms import ExpTransform

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


class ExpRelaxedCategorical(CategoryVectors):
    """The logarithms of `RelaxedOneHotCategorical`, where losses are computed with fewer errors of rounding.

    Args:
        temperature: a tensor; the smaller, the nearer to one category.
        probs: (..., K), not negative; divided by their sum.
        logits: (..., K), logarithms of probabilities, up to a constant.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: as of `Categorical`; from `log_prob`, NaN.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import ExpRelaxedCategorical
        >>> ExpRelaxedCategorical(dlcore.tensor(0.5), dlcore.ones(4)).rsample().exp().sum().round()
        tensor(1.)
    """

    has_rsample = True
    support = constraints.real_vector

    def __init__(
        self,
        temperature: Tensor,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.temperature = temperature
        super().__init__(probs, logits, validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw, with a gradient by the parameters."""
        times = _core.empty(self._extended_shape(sample_shape), dtype=self.logits.dtype).exponential_()
        return ((self.logits - times.log()) / self.temperature).log_softmax(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        k = self.event_shape[0]
        scale = math.lgamma(k) + (k - 1) * self.temperature.log()
        return (self.logits - value * self.temperature).log_softmax(-1).sum(-1) + scale


class RelaxedOneHotCategorical(TransformedDistribution):
    """Parts of 1, most of it at one category, with a gradient (Jang, Gu and Poole, 2017).

    Args:
        temperature: a tensor; the smaller, the nearer to one category.
        probs: (..., K), not negative; divided by their sum.
        logits: (..., K), logarithms of probabilities, up to a constant.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: as of `Categorical`; from `log_prob`, numbers whose sum is not 1.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import RelaxedOneHotCategorical
        >>> logits = dlcore.zeros(4, requires_grad=True)
        >>> (RelaxedOneHotCategorical(dlcore.tensor(0.5), logits=logits).rsample() ** 2).sum().backward()
        >>> bool(logits.grad.abs().sum() > 0)
        True
    """

    support = constraints.simplex

    def __init__(
        self,
        temperature: Tensor,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args)
        super().__init__(base, ExpTransform(), validate_args)

    temperature: Tensor = forwarded("base_dist.temperature", "The smaller, the nearer to one category.")
    probs: Tensor = forwarded("base_dist.probs", "The probabilities.")
    logits: Tensor = forwarded("base_dist.logits", "The logarithms of the probabilities.")
