"""Distributions that are moved by one parameter and stretched by another: what they share."""

from __future__ import annotations

from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.distribution import Distribution, tensors

__all__ = ["LocationScale"]


class LocationScale(Distribution):
    """Numbers ``loc + scale * x``, where x has a distribution without parameters.

    Args:
        loc: where.
        scale: how far apart, broadcast with `loc`.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a scale that is not positive, or a `loc` that is not a number.

    Example:
        >>> from dlcore.distributions import Cauchy, Normal
        >>> [type(made).__mro__[1].__name__ for made in (Cauchy(0.0, 1.0), Normal(0.0, 1.0))]
        ['LocationScale', 'LocationScale']
    """

    has_rsample = True
    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012 - as in PyTorch
    support = constraints.real

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.scale = tensors(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """`loc`."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """`loc`."""
        return self.loc

    def _standardized(self, value: Tensor) -> Tensor:
        return (value - self.loc) / self.scale
