"""The geometric distribution: of failures before the first success."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, binary_cross_entropy_with_logits, finfo
from dlcore.autograd import no_grad
from dlcore.distributions import constraints
from dlcore.distributions.chances import Chances

__all__ = ["Geometric"]


class Geometric(Chances):
    """How often something fails before it succeeds; give either probabilities or logits.

    Args:
        probs: of success, above 0.
        logits: log(p / (1 − p)).
        validate_args: False leaves out the checks.

    Raises:
        ValueError: both or neither, or probabilities outside; from `log_prob`, a value that is no count.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Geometric
        >>> Geometric(0.25).mean, Geometric(0.25).log_prob(dlcore.tensor(1.0)).exp()
        (tensor(3.), tensor(0.1875))
    """

    arg_constraints = {  # noqa: RUF012 - as in PyTorch
        "probs": constraints.Constraint("above 0 and at most 1", lambda value: (value > 0) & (value <= 1)),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(probs, logits, validate_args)

    @property
    def mean(self) -> Tensor:
        """1 / p − 1."""
        return self.probs.reciprocal() - 1

    @property
    def mode(self) -> Tensor:
        """Zero."""
        return _core.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        """(1 / p − 1) / p."""
        return self.mean / self.probs

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw counts, in the dtype of the parameter."""
        with no_grad():
            drawn = _core.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype)
            return (drawn.clamp(min=finfo(drawn.dtype).tiny).log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of counts."""
        self._validate_sample(value)
        return _core.xlogy(value, 1 - self.probs) + self.probs.log()

    def entropy(self) -> Tensor:
        """That of one trial, times the expected number of trials."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs
