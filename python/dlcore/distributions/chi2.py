"""The distribution of sums of squares."""

from __future__ import annotations

from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.distribution import tensors
from dlcore.distributions.gamma import Gamma

__all__ = ["Chi2"]


class Chi2(Gamma):
    """Sums of squares of normal numbers.

    Args:
        df: how many squares, which need not be whole.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: `df` that is not positive; from `log_prob`, a number below zero.

    Example:
        >>> from dlcore.distributions import Chi2
        >>> Chi2(3.0).mean, Chi2(3.0).variance
        (tensor(3.), tensor(6.))
    """

    arg_constraints = {"df": constraints.positive, **Gamma.arg_constraints}  # noqa: RUF012 - as in PyTorch

    def __init__(self, df: Tensor | float, validate_args: bool | None = None) -> None:
        (self.df,) = tensors(df)
        super().__init__(self.df / 2, 0.5, validate_args)
