"""The Bernoulli distribution: yes or no."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, binary_cross_entropy_with_logits
from dlcore.autograd import no_grad
from dlcore.distributions import constraints
from dlcore.distributions.chances import Chances

__all__ = ["Bernoulli"]


class Bernoulli(Chances):
    """1 with a probability, and 0 else; give either probabilities or logits.

    Args:
        probs: of 1, in 0..1.
        logits: log(p / (1 − p)).
        validate_args: False leaves out the checks.

    Raises:
        ValueError: both or neither, probabilities outside 0..1, or logits that are not numbers; from `log_prob`, a
            value that is neither 0 nor 1.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Bernoulli
        >>> Bernoulli(0.25).log_prob(dlcore.tensor([0.0, 1.0])).exp()
        tensor([0.7500, 0.2500])
    """

    has_enumerate_support = True
    support = constraints.boolean

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(probs, logits, validate_args)

    @property
    def mean(self) -> Tensor:
        """The probability of 1."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The more probable one, and not a number where both are alike."""
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return _core.where(self.probs == 0.5, math.nan, mode)

    @property
    def variance(self) -> Tensor:
        """P (1 − p)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw zeros and ones, in the dtype of the parameter."""
        with no_grad():
            return _core.bernoulli(self.probs.detach().expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of zeros and ones."""
        self._validate_sample(value)
        logits, value = _core.broadcast_tensors(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """−p log p − (1 − p) log(1 − p)."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Zero and one, (2, *batch_shape)."""
        return self._enumerated(_core.arange(2, dtype=self.probs.dtype), expand)
