"""Student's distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, digamma, lgamma
from dlcore.distributions import constraints
from dlcore.distributions.distribution import Distribution, tensors

__all__ = ["StudentT"]


class StudentT(Distribution):
    """Numbers around `loc`, normal but for a deviation that is drawn as well, so that more of them are far away.

    Args:
        df: degrees of freedom, from 1, where it is `Cauchy`, to many, where it is `Normal`.
        loc: the middle.
        scale: how far apart, broadcast with the others.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: `df` or a scale that is not positive; from `log_prob`, NaN.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import StudentT
        >>> StudentT(1.0).log_prob(dlcore.tensor(0.0)).exp() * dlcore.pi
        tensor(1.0000)
    """

    arg_constraints = {  # noqa: RUF012 - as in PyTorch
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(
        self,
        df: Tensor | float,
        loc: Tensor | float = 0.0,
        scale: Tensor | float = 1.0,
        validate_args: bool | None = None,
    ) -> None:
        self.df, self.loc, self.scale = tensors(df, loc, scale)
        super().__init__(self.df.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """`loc`; not a number where `df` is at most 1."""
        return _core.where(self.df > 1, self.loc, math.nan)

    @property
    def mode(self) -> Tensor:
        """`loc`."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """scale²·df / (df − 2); infinite where `df` is at most 2, and not a number where it is at most 1."""
        wide = self.df > 2
        finite = self.scale.square() * self.df / _core.where(wide, self.df - 2, 1.0)
        return _core.where(wide, finite, _core.where(self.df > 1, math.inf, math.nan))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw normal numbers, each divided by a deviation, with a gradient by the parameters."""
        shape = self._extended_shape(sample_shape)
        squares = 2 * _core.standard_gamma((self.df / 2).expand(shape))
        return self.loc + self.scale * _core.randn(shape, dtype=self.loc.dtype) * (self.df / squares).sqrt()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        away = (value - self.loc) / self.scale
        falls = -0.5 * (self.df + 1) * (away.square() / self.df).log1p()
        return falls + lgamma((self.df + 1) / 2) - lgamma(self.df / 2) - self.scale.log() - 0.5 * self._log_width()

    def _log_width(self) -> Tensor:
        return self.df.log() + math.log(math.pi)

    def entropy(self) -> Tensor:
        """The expected −log_prob."""
        one = (self.df + 1) / 2
        falls = one * (digamma(one) - digamma(self.df / 2))
        return falls + self.scale.log() + 0.5 * self._log_width() + lgamma(self.df / 2) - lgamma(one)
