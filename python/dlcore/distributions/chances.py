"""Distributions of what happens or does not: what they share, a probability or its logit."""

from __future__ import annotations

from functools import cached_property

from dlcore._core import Tensor, finfo
from dlcore.distributions import constraints
from dlcore.distributions.distribution import Distribution, tensors

__all__ = ["Chances"]


class Chances(Distribution):
    """A probability, given as it is or as its logit; further parameters are broadcast with it.

    Args:
        probs: in 0..1.
        logits: log(p / (1 − p)).
        validate_args: False leaves out the checks.
        further: parameters, by their names.

    Raises:
        ValueError: both or neither of `probs` and `logits`, or values that they cannot have.

    Example:
        >>> from dlcore.distributions import Bernoulli, Geometric
        >>> Bernoulli(0.5).logits, Geometric(logits=0.0).probs
        (tensor(0.), tensor(0.5000))
    """

    arg_constraints = {  # noqa: RUF012 - as in PyTorch
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }

    def __init__(
        self,
        probs: Tensor | float | None,
        logits: Tensor | float | None,
        validate_args: bool | None,
        **further: Tensor | float,
    ) -> None:
        given = probs if probs is not None else logits
        if given is None or (probs is not None and logits is not None):
            raise ValueError(f"{type(self).__name__}: give either probs or logits")
        made = tensors(given, *further.values())
        self.__dict__.update(zip(("logits" if probs is None else "probs", *further), made, strict=True))
        super().__init__(made[0].shape, (), validate_args)

    @cached_property
    def logits(self) -> Tensor:
        """log(p / (1 − p))."""
        tiny = finfo(self.probs.dtype).eps
        probs = self.probs.clamp(tiny, 1 - tiny)
        return probs.log() - (-probs).log1p()

    @cached_property
    def probs(self) -> Tensor:
        """The probability."""
        return self.logits.sigmoid()
