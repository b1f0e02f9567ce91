"""The Bernoulli distribution: yes or no."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

from dlcore import _core
from dlcore._core import Tensor, binary_cross_entropy_with_logits, finfo
from dlcore.autograd import no_grad
from dlcore.distributions.distribution import Distribution, refuse, tensors

__all__ = ["Bernoulli"]


class Bernoulli(Distribution):
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

    _shown = ("probs", "logits")

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = probs if probs is not None else logits
        if given is None or (probs is not None and logits is not None):
            raise ValueError("Bernoulli: give either probs or logits")
        (value,) = tensors(given)
        if probs is not None:
            self.probs, right, expected = value, (value >= 0) & (value <= 1), "in 0..1"
        else:
            self.logits, right, expected = value, value == value, "numbers"
        if validate_args is not False:
            refuse("Bernoulli", "probs" if probs is not None else "logits", value, right, expected)
        super().__init__(value.shape, (), validate_args)

    @cached_property
    def logits(self) -> Tensor:
        """log(p / (1 − p))."""
        tiny = finfo(self.probs.dtype).eps
        probs = self.probs.clamp(tiny, 1 - tiny)
        return probs.log() - (-probs).log1p()

    @cached_property
    def probs(self) -> Tensor:
        """The probability of 1."""
        return self.logits.sigmoid()

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
        self._refuse_outside(value, (value == 0) | (value == 1), "0 or 1")
        logits, value = _core.broadcast_tensors(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """−p log p − (1 − p) log(1 − p)."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
