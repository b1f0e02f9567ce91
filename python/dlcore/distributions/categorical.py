"""The categorical distribution: one of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

from dlcore import _core
from dlcore._core import Tensor, finfo
from dlcore.autograd import no_grad
from dlcore.distributions.distribution import Distribution, refuse

__all__ = ["Categorical"]


class Categorical(Distribution):
    """Numbers from 0, each with its probability; give either probabilities or logits.

    Args:
        probs: (..., K), not negative; divided by their sum.
        logits: (..., K), logarithms of probabilities, up to a constant.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: both or neither, no dimension, negative probabilities, or numbers that do not become probabilities
            (not finite, or all of them zero); from `log_prob`, a number that is no category.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Categorical
        >>> dice = Categorical(probs=dlcore.ones(6))
        >>> dice.sample((2, 3)).shape
        (2, 3)
        >>> dice.log_prob(dlcore.tensor(5)).exp()
        tensor(0.1667)
    """

    _shown = ("probs", "logits")

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        given = probs if probs is not None else logits
        if given is None or (probs is not None and logits is not None):
            raise ValueError("Categorical: give either probs or logits")
        if given.dim() < 1:
            raise ValueError("Categorical: probs or logits must have a dimension, that of the categories")
        if probs is not None:
            if validate_args is not False:
                refuse("Categorical", "probs", probs, probs >= 0, "at least 0")
            self.probs = made = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = made = given - given.logsumexp(-1, keepdim=True)
        if validate_args is not False:
            name, expected = (
                ("probs", "not all zero") if probs is not None else ("logits", "-inf at most beside others")
            )
            refuse("Categorical", name, given, made == made, f"finite and {expected}")
        super().__init__(given.shape[:-1], (), validate_args)
        self._num_events = given.shape[-1]

    @cached_property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        tiny = finfo(self.probs.dtype).eps
        return self.probs.clamp(tiny, 1 - tiny).log()

    @cached_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self.logits.softmax(-1)

    @property
    def mean(self) -> Tensor:
        """Not a number: categories have no mean."""
        return _core.full(self.batch_shape, math.nan)

    variance = mean

    @property
    def mode(self) -> Tensor:
        """The most probable category."""
        return self.probs.argmax(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw int64 numbers."""
        with no_grad():
            rows = self.probs.detach().reshape(-1, self._num_events)
            drawn = rows.multinomial(math.prod(sample_shape), replacement=True)
            return drawn.t().reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of numbers from 0 to K − 1."""
        known = (value >= 0) & (value < self._num_events) & (value == value.long())
        self._refuse_outside(value, known, f"a whole number from 0 to {self._num_events - 1}")
        value = value.long().unsqueeze(-1)
        shape = _core.broadcast_tensors(value, self.logits[..., :1])[0].shape
        logits = self.logits.expand((*shape[:-1], self._num_events))
        try:
            return logits.gather(-1, value.expand(shape)).squeeze(-1)
        except IndexError as error:
            raise ValueError(f"Categorical: values must be from 0 to {self._num_events - 1}: {error}") from None

    def entropy(self) -> Tensor:
        """−Σ p log p."""
        return -(self.probs * self.logits.clamp(min=finfo(self.logits.dtype).min)).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All numbers, (K, *batch_shape), or with as many dimensions of 1."""
        numbers = _core.arange(self._num_events).reshape(-1, *(1 for _ in self.batch_shape))
        return numbers.expand((-1, *self.batch_shape)) if expand else numbers
