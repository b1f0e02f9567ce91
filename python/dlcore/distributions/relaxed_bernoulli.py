"""The Bernoulli distribution with numbers between 0 and 1, whose samples have a gradient."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, finfo, softplus
from dlcore.distributions import constraints
from dlcore.distributions.chances import Chances
from dlcore.distributions.distribution import forwarded
from dlcore.distributions.transformed_distribution import TransformedDistribution
from dlcore.distributions.transforms import SigmoidTransform

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]


class LogitRelaxedBernoulli(Chances):
    """The logits of `RelaxedBernoulli`, where losses are computed with fewer errors of rounding.

    Args:
        temperature: a tensor; the smaller, the nearer to 0 or 1.
        probs: of 1, in 0..1.
        logits: log(p / (1 − p)).
        validate_args: False leaves out the checks.

    Raises:
        ValueError: both or neither of `probs` and `logits`, or parameters that cannot be; from `log_prob`, NaN.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import LogitRelaxedBernoulli
        >>> LogitRelaxedBernoulli(dlcore.tensor(0.5), dlcore.tensor([0.2, 0.7])).rsample((3,)).shape
        (3, 2)
    """

    has_rsample = True
    support = constraints.real

    def __init__(
        self,
        temperature: Tensor,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.temperature = temperature
        super().__init__(probs, logits, validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw, with a gradient by the parameters."""
        drawn = _core.rand(self._extended_shape(sample_shape), dtype=self.logits.dtype)
        tiny = finfo(drawn.dtype).eps
        drawn = drawn.clamp(tiny, 1 - tiny)
        return (drawn.log() - (-drawn).log1p() + self.logits) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        away = self.logits - value * self.temperature
        return self.temperature.log() + away - 2 * softplus(away)


class RelaxedBernoulli(TransformedDistribution):
    """Numbers from 0 to 1, near one of them, with a gradient (Maddison, Mnih and Teh, 2017).

    Args:
        temperature: a tensor; the smaller, the nearer to 0 or 1.
        probs: of 1, in 0..1.
        logits: log(p / (1 − p)).
        validate_args: False leaves out the checks.

    Raises:
        ValueError: both or neither of `probs` and `logits`, or parameters that cannot be; from `log_prob`, a number
            outside.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import RelaxedBernoulli
        >>> drawn = RelaxedBernoulli(dlcore.tensor(0.5), dlcore.tensor([0.2, 0.7])).rsample()
        >>> bool(((drawn > 0) & (drawn < 1)).all())
        True
    """

    support = constraints.unit_interval

    def __init__(
        self,
        temperature: Tensor,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        base = LogitRelaxedBernoulli(temperature, probs, logits, validate_args)
        super().__init__(base, SigmoidTransform(), validate_args)

    temperature: Tensor = forwarded("base_dist.temperature", "The smaller, the nearer to 0 or 1.")
    probs: Tensor = forwarded("base_dist.probs", "The probability of 1.")
    logits: Tensor = forwarded("base_dist.logits", "The logarithm of p / (1 - p).")
