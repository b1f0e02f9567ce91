"""The distribution of numbers whose logarithm is normal."""

from __future__ import annotations

from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.distribution import forwarded
from dlcore.distributions.normal import Normal
from dlcore.distributions.transformed_distribution import TransformedDistribution
from dlcore.distributions.transforms import ExpTransform

__all__ = ["LogNormal"]


class LogNormal(TransformedDistribution):
    """Positive numbers whose logarithm is normal.

    Args:
        loc: the mean of the logarithm.
        scale: its deviation, broadcast with `loc`.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a scale that is not positive; from `log_prob`, a number that is not.

    Example:
        >>> from dlcore.distributions import LogNormal
        >>> LogNormal(0.0, 1.0).mean
        tensor(1.6487)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012 - as in PyTorch
    support = constraints.positive
    base_dist: Normal

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    loc: Tensor = forwarded("base_dist.loc", "The mean of the logarithm.")
    scale: Tensor = forwarded("base_dist.scale", "The deviation of the logarithm.")

    @property
    def mean(self) -> Tensor:
        """exp(loc + scale² / 2)."""
        return (self.loc + self.scale.square() / 2).exp()

    @property
    def mode(self) -> Tensor:
        """exp(loc − scale²)."""
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        """(exp scale² − 1)·mean²."""
        return self.scale.square().expm1() * self.mean.square()

    def entropy(self) -> Tensor:
        """That of the logarithm, plus its mean."""
        return self.base_dist.entropy() + self.loc
