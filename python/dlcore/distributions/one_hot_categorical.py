"""Categories as vectors of zeros and a one."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.category_vectors import CategoryVectors

__all__ = ["OneHotCategorical", "OneHotCategoricalStraightThrough"]


class OneHotCategorical(CategoryVectors):
    """`Categorical` whose draws are vectors, 1 at the category and else 0.

    Args:
        probs: (..., K), not negative; divided by their sum.
        logits: (..., K), logarithms of probabilities, up to a constant.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: as of `Categorical`; from `log_prob`, a vector that is none of these.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import OneHotCategorical
        >>> dice = OneHotCategorical(probs=dlcore.ones(6))
        >>> dice.sample((2,)).sum(-1), dice.log_prob(dlcore.eye(6)[0]).exp()
        (tensor([1., 1.]), tensor(0.1667))
    """

    has_enumerate_support = True
    support = constraints.one_hot

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(probs, logits, validate_args)

    @property
    def mean(self) -> Tensor:
        """The probabilities."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The most probable category."""
        return self._vectors(self._categorical.mode)

    @property
    def variance(self) -> Tensor:
        """Of each element."""
        return self.probs * (1 - self.probs)

    def _vectors(self, categories: Tensor) -> Tensor:
        return _core.one_hot(categories, self.event_shape[0]).to(self.probs.dtype)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw vectors."""
        return self._vectors(self._categorical.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of vectors."""
        self._validate_sample(value)
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        """−Σ p log p."""
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All vectors, (K, *batch_shape, K), or with as many dimensions of 1."""
        return self._enumerated(_core.eye(self.event_shape[0], dtype=self.probs.dtype), expand)


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """`OneHotCategorical` whose samples pass their gradient straight to the probabilities (Bengio et al., 2013).

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import OneHotCategoricalStraightThrough
        >>> probs = dlcore.tensor([0.5, 0.5], requires_grad=True)
        >>> (OneHotCategoricalStraightThrough(probs).rsample() * dlcore.tensor([1.0, 3.0])).sum().backward()
        >>> probs.grad
        tensor([-1.,  1.])
    """

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw vectors, with the gradient of the probabilities."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())
