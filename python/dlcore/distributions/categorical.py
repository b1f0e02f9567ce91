"""The categorical distribution: one of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

from dlcore import _core
from dlcore._core import Tensor, finfo
from dlcore.autograd import no_grad
from dlcore.distributions import constraints
from dlcore.distributions.constraints import Constraint
from dlcore.distributions.distribution import Distribution

__all__ = ["Categorical"]

# of what is divided by its sum; a constraint of each element, which a message then shows
_WEIGHTS = Constraint(
    "at least 0, finite and not all zero",
    lambda probs: (probs >= 0) & (probs < math.inf) & (probs.sum(-1, keepdim=True) > 0),
)
_LOG_WEIGHTS = Constraint(
    "finite, and -inf at most beside others",
    lambda logits: (logits < math.inf) & (logits.amax(-1, keepdim=True) > -math.inf),
)


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

    has_enumerate_support = True
    arg_constraints = {"probs": _WEIGHTS, "logits": _LOG_WEIGHTS}  # noqa: RUF012 - as in PyTorch

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        given = probs if probs is not None else logits
        if given is None or (probs is not None and logits is not None):
            raise ValueError(f"{type(self).__name__}: give either probs or logits")
        if given.dim() < 1:
            raise ValueError(f"{type(self).__name__}: probs or logits must have a dimension, that of the categories")
        self._num_events = given.shape[-1]
        # Checked as they were given, then made to sum to 1.
        self.__dict__["probs" if probs is not None else "logits"] = given
        super().__init__(given.shape[:-1], (), validate_args)
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = given - given.logsumexp(-1, keepdim=True)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        """Whole numbers from 0 to K − 1."""
        return constraints.integer_interval(0, self._num_events - 1)

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
    def param_shape(self) -> tuple[int, ...]:
        """The shape of the probabilities."""
        return self.probs.shape

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
        self._validate_sample(value)
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
        return self._enumerated(_core.arange(self._num_events), expand)
