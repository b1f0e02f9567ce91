"""The distribution of Weibull: of how long things last."""

from __future__ import annotations

from dlcore._core import Tensor, lgamma
from dlcore.distributions import constraints
from dlcore.distributions.distribution import tensors
from dlcore.distributions.exponential import Exponential
from dlcore.distributions.gumbel import EULER
from dlcore.distributions.transformed_distribution import TransformedDistribution
from dlcore.distributions.transforms import AffineTransform, PowerTransform

__all__ = ["Weibull"]


class Weibull(TransformedDistribution):
    """Times until things fail that age, or that are the better the longer they have lasted.

    Args:
        scale: the time that 1 / e of them last.
        concentration: above 1 they age, below they do not; broadcast with `scale`.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a parameter that is not positive; from `log_prob`, a number that is not.

    Example:
        >>> from dlcore.distributions import Weibull
        >>> Weibull(2.0, 1.0).mean  # that of Exponential(0.5)
        tensor(2.)
    """

    arg_constraints = {  # noqa: RUF012 - as in PyTorch
        "scale": constraints.positive,
        "concentration": constraints.positive,
    }
    support = constraints.positive

    def __init__(self, scale: Tensor | float, concentration: Tensor | float, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = tensors(scale, concentration)
        transforms = [PowerTransform(self.concentration.reciprocal()), AffineTransform(0.0, self.scale)]
        super().__init__(Exponential(self.scale / self.scale, validate_args=False), transforms, validate_args)

    @property
    def mean(self) -> Tensor:
        """scale·Γ(1 + 1/concentration)."""
        return self.scale * lgamma(1 + self.concentration.reciprocal()).exp()

    @property
    def mode(self) -> Tensor:
        """scale·((k − 1)/k)^(1/k) with k, the concentration; 0 where that is at most 1."""
        part = (1 - self.concentration.reciprocal()).clamp(min=0)
        return self.scale * part ** self.concentration.reciprocal()

    @property
    def variance(self) -> Tensor:
        """scale²·(Γ(1 + 2/k) − Γ(1 + 1/k)²) with k, the concentration."""
        square = lgamma(1 + 2 * self.concentration.reciprocal()).exp() * self.scale.square()
        return square - self.mean.square()

    def entropy(self) -> Tensor:
        """γ (1 − 1/k) + log(scale/k) + 1 with k, the concentration."""
        return EULER * (1 - self.concentration.reciprocal()) + (self.scale / self.concentration).log() + 1
