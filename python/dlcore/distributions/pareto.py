"""The distribution of Pareto: of wealth."""

from __future__ import annotations

import math

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.constraints import Constraint
from dlcore.distributions.distribution import tensors
from dlcore.distributions.exponential import Exponential
from dlcore.distributions.transformed_distribution import TransformedDistribution
from dlcore.distributions.transforms import AffineTransform, ExpTransform

__all__ = ["Pareto"]


class Pareto(TransformedDistribution):
    """Numbers from `scale` on, whose logarithms are exponential.

    Args:
        scale: the smallest.
        alpha: how fast the density falls, broadcast with `scale`.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a parameter that is not positive; from `log_prob`, a number below `scale`.

    Example:
        >>> from dlcore.distributions import Pareto
        >>> Pareto(1.0, 3.0).mean
        tensor(1.5000)
    """

    arg_constraints = {"scale": constraints.positive, "alpha": constraints.positive}  # noqa: RUF012 - as in PyTorch

    def __init__(self, scale: Tensor | float, alpha: Tensor | float, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = tensors(scale, alpha)
        transforms = [ExpTransform(), AffineTransform(0.0, self.scale)]
        super().__init__(Exponential(self.alpha, validate_args=False), transforms, validate_args)

    @property
    def support(self) -> Constraint:  # type: ignore[override]
        """From `scale` on."""
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        """alpha·scale / (alpha − 1); infinite where alpha is at most 1."""
        return _core.where(self.alpha > 1, self.alpha * self.scale / (self.alpha - 1).clamp(min=0), math.inf)

    @property
    def mode(self) -> Tensor:
        """`scale`."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """scale²·alpha / ((alpha − 1)²·(alpha − 2)); infinite where alpha is at most 2."""
        above = (self.alpha - 2).clamp(min=0)
        finite = self.scale.square() * self.alpha / ((self.alpha - 1).square() * above)
        return _core.where(self.alpha > 2, finite, math.inf)

    def entropy(self) -> Tensor:
        """log(scale/alpha) + 1 + 1/alpha."""
        return (self.scale / self.alpha).log() + 1 + self.alpha.reciprocal()
