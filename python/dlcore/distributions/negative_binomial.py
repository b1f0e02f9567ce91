"""The negative binomial distribution: of successes before a number of failures."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, lgamma, logsigmoid
from dlcore.autograd import no_grad
from dlcore.distributions import constraints
from dlcore.distributions.chances import Chances

__all__ = ["NegativeBinomial"]


class NegativeBinomial(Chances):
    """How often something succeeds before it has failed some times: counts that vary more than those of `Poisson`.

    Args:
        total_count: failures, which need not be whole, broadcast with the probabilities.
        probs: of success, from 0 to below 1.
        logits: log(p / (1 − p)).
        validate_args: False leaves out the checks.

    Raises:
        ValueError: both or neither of `probs` and `logits`, or parameters that cannot be; from `log_prob`, a value that
            is no count.

    Example:
        >>> from dlcore.distributions import NegativeBinomial
        >>> NegativeBinomial(3.0, 0.5).mean, NegativeBinomial(3.0, 0.5).variance
        (tensor(3.), tensor(6.))
    """

    arg_constraints = {  # noqa: RUF012 - as in PyTorch
        "total_count": constraints.nonnegative,
        "probs": constraints.half_open_interval(0, 1),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    total_count: Tensor

    def __init__(
        self,
        total_count: Tensor | float,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(probs, logits, validate_args, total_count=total_count)

    @property
    def mean(self) -> Tensor:
        """N p / (1 − p)."""
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        """(n − 1) p / (1 − p), rounded down, where that is positive."""
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0)

    @property
    def variance(self) -> Tensor:
        """The mean, divided by 1 − p."""
        return self.mean / (-self.logits).sigmoid()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw counts, each of a rate of its own."""
        with no_grad():
            rates = _core.standard_gamma(self.total_count.expand(self._extended_shape(sample_shape)))
            return _core.poisson(rates * self.logits.exp())

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of counts."""
        self._validate_sample(value)
        n = self.total_count
        ways = _core.where(n + value == 0, 0.0, lgamma(n + value) - lgamma(value + 1) - lgamma(n))
        return ways + n * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
