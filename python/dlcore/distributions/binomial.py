"""The binomial distribution: of successes among trials."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, lgamma, softplus, xlogy
from dlcore.autograd import no_grad
from dlcore.distributions import constraints
from dlcore.distributions.chances import Chances
from dlcore.distributions.constraints import Constraint

__all__ = ["Binomial"]


class Binomial(Chances):
    """How many of some trials succeed; give either probabilities or logits.

    Args:
        total_count: how many trials, broadcast with the probabilities.
        probs: of success, in 0..1.
        logits: log(p / (1 − p)).
        validate_args: False leaves out the checks.

    Raises:
        ValueError: both or neither of `probs` and `logits`, or parameters that cannot be; from `log_prob`, a value that
            is no count of at most `total_count`.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Binomial
        >>> Binomial(4, 0.5).log_prob(dlcore.arange(5.0)).exp().mul(16).round()
        tensor([1., 4., 6., 4., 1.])
    """

    has_enumerate_support = True
    arg_constraints = {  # noqa: RUF012 - as in PyTorch
        "total_count": constraints.nonnegative_integer,
        **Chances.arg_constraints,
    }
    total_count: Tensor

    def __init__(
        self,
        total_count: Tensor | int = 1,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(probs, logits, validate_args, total_count=total_count)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        """Counts of at most `total_count`."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        """N p."""
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        """(n + 1) p, rounded down, and at most n."""
        return ((self.total_count + 1) * self.probs).floor().minimum(self.total_count)

    @property
    def variance(self) -> Tensor:
        """N p (1 − p)."""
        return self.mean * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw counts, in the dtype of the parameters: each trial is drawn, and the memory of all is needed."""
        with no_grad():
            shape = self._extended_shape(sample_shape)
            trials = _core.arange(self._largest()).reshape(-1, *(1 for _ in shape))
            chances = _core.where(trials < self.total_count, self.probs, 0.0)
            return _core.bernoulli(chances.expand((trials.shape[0], *shape))).sum(0)

    def _largest(self) -> int:
        return int(self.total_count.max().item())

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of counts."""
        self._validate_sample(value)
        n = self.total_count
        ways = lgamma(n + 1) - lgamma(value + 1) - lgamma(n - value + 1)
        if "probs" in self.__dict__:
            return ways + xlogy(value, self.probs) + xlogy(n - value, 1 - self.probs)
        return ways + value * self.logits - n * softplus(self.logits)

    def entropy(self) -> Tensor:
        """The sum over all counts; of batches with one number of trials."""
        log_prob = self.log_prob(self.enumerate_support(expand=False))
        return -(log_prob.exp() * log_prob.clamp(min=_core.finfo(log_prob.dtype).min)).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All counts, (1 + total_count, *batch_shape); of batches with one number of trials."""
        largest = self._largest()
        if not (self.total_count == largest).all():
            raise NotImplementedError("Binomial: the counts of several numbers of trials are not of one length")
        return self._enumerated(_core.arange(1 + largest, dtype=self.total_count.dtype), expand)
