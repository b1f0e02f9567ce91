"""The multinomial distribution: of how often each category is drawn."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, lgamma
from dlcore.distributions.binomial import Binomial
from dlcore.distributions.category_vectors import CategoryVectors
from dlcore.distributions.constraints import Constraint, nonnegative_integer

__all__ = ["Multinomial"]


class Multinomial(CategoryVectors):
    """How often each category is drawn in some draws.

    Args:
        total_count: how many draws.
        probs: (..., K), not negative; divided by their sum.
        logits: (..., K), logarithms of probabilities, up to a constant.
        validate_args: False leaves out the checks.

    Raises:
        TypeError: `total_count` that is no int.
        ValueError: as of `Categorical`; from `log_prob`, vectors whose elements are no counts that sum to
            `total_count`.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Multinomial
        >>> Multinomial(3, dlcore.ones(2)).log_prob(dlcore.tensor([1.0, 2.0])).exp()
        tensor(0.3750)
    """

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise TypeError(f"Multinomial: total_count must be an int, got {type(total_count).__name__}")
        self.total_count = total_count
        super().__init__(probs, logits, validate_args)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        """Counts whose sum is `total_count`."""
        return Constraint(
            f"counts whose sum is {self.total_count}",
            lambda value: nonnegative_integer.check(value).all(-1) & (value.sum(-1) == self.total_count),
            event_dim=1,
            is_discrete=True,
        )

    @property
    def mean(self) -> Tensor:
        """N p."""
        return self.total_count * self.probs

    @property
    def variance(self) -> Tensor:
        """N p (1 − p), of each element."""
        return self.mean * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw counts, in the dtype of the parameter."""
        drawn = self._categorical.sample((self.total_count, *sample_shape))
        return _core.one_hot(drawn, self.event_shape[0]).sum(0).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of counts."""
        self._validate_sample(value)
        each = _core.where(value == 0, 0.0, value * self.logits)
        return lgamma(value.sum(-1) + 1) + (each - lgamma(value + 1)).sum(-1)

    def entropy(self) -> Tensor:
        """The expected −log_prob."""
        counts = Binomial(self.total_count, self.probs, validate_args=False)
        values = counts.enumerate_support(expand=False)
        ways = (counts.log_prob(values).exp() * lgamma(values + 1)).sum((0, -1))
        return self.total_count * self._categorical.entropy() - lgamma(_core.tensor(self.total_count + 1.0)) + ways
