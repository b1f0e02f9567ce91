"""Categories as vectors of zeros and a one."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions.categorical import Categorical
from dlcore.distributions.distribution import Distribution

__all__ = ["OneHotCategorical", "OneHotCategoricalStraightThrough"]


class OneHotCategorical(Distribution):
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

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, self.probs.shape[-1:], validate_args)

    def expand(self, batch_shape: Sequence[int]) -> OneHotCategorical:
        """Expand the probabilities."""
        return type(self)(logits=self.logits.expand((*batch_shape, *self.event_shape)), validate_args=self._checked)

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits

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
        one_hot = (((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)).unsqueeze(-1)
        self._refuse_outside(value, one_hot.expand(value.shape), "zeros and a one")
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        """−Σ p log p."""
        return self._categorical.entropy()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(probs: {tuple(self.probs.shape)})"


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
