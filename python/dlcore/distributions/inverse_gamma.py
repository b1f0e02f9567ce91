"""The distribution of reciprocals of gamma numbers."""

from __future__ import annotations

import math

from dlcore import _core
from dlcore._core import Tensor, digamma, lgamma
from dlcore.distributions import constraints
from dlcore.distributions.distribution import forwarded
from dlcore.distributions.gamma import Gamma
from dlcore.distributions.transformed_distribution import TransformedDistribution
from dlcore.distributions.transforms import PowerTransform

__all__ = ["InverseGamma"]


class InverseGamma(TransformedDistribution):
    """Positive numbers whose reciprocals are of `Gamma`: variances of which little is known.

    Args:
        concentration: the shape.
        rate: of the reciprocals, broadcast with `concentration`.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a parameter that is not positive; from `log_prob`, a number that is not.

    Example:
        >>> from dlcore.distributions import InverseGamma
        >>> InverseGamma(3.0, 1.0).mean
        tensor(0.5000)
    """

    support = constraints.positive

    def __init__(self, concentration: Tensor | float, rate: Tensor | float, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args)
        super().__init__(base, PowerTransform(-1.0), validate_args)

    concentration: Tensor = forwarded("base_dist.concentration", "The shape.")
    rate: Tensor = forwarded("base_dist.rate", "Of the reciprocals.")

    @property
    def mean(self) -> Tensor:
        """Rate / (concentration − 1); infinite where the concentration is at most 1."""
        above = self.concentration - 1
        return _core.where(above > 0, self.rate / above, math.inf)

    @property
    def mode(self) -> Tensor:
        """Rate / (concentration + 1)."""
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        """rate² / ((concentration − 1)²·(concentration − 2)); infinite where the concentration is at most 2."""
        finite = (self.rate / (self.concentration - 1)).square() / (self.concentration - 2)
        return _core.where(self.concentration > 2, finite, math.inf)

    def entropy(self) -> Tensor:
        """The expected −log_prob."""
        shape = self.concentration
        return shape + self.rate.log() + lgamma(shape) - (1 + shape) * digamma(shape)
