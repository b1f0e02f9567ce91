"""Losses of regression that PyTorch does not have, with the definitions of Keras."""

from __future__ import annotations

import math

from dlcore._core import Tensor, broadcast_tensors, softplus
from dlcore.nn.functions.reduction import reduced

__all__ = ["log_cosh_loss", "mape_loss", "msle_loss"]


def log_cosh_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Log cosh(x − t): half the square of a small difference, and nearly the absolute value of a large one.

    Args:
        input: any shape.
        target: likewise.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: another reduction, or shapes that do not broadcast.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.log_cosh_loss(dlcore.tensor([0.0, 1000.0]), dlcore.zeros(2), reduction="none")
        tensor([  0.0000, 999.3068])
    """
    difference = input - target
    return reduced("log_cosh_loss", difference + softplus(-2 * difference) - math.log(2), reduction)


def mape_loss(input: Tensor, target: Tensor, eps: float = 1e-7, reduction: str = "mean") -> Tensor:
    """``100·|t − x| / max(|t|, eps)``: the error in per cent of the target.

    Args:
        input: any shape.
        target: likewise.
        eps: the least denominator.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: another reduction, or shapes that do not broadcast.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.mape_loss(dlcore.tensor([1.5, 6.0]), dlcore.tensor([2.0, 8.0])).item()
        25.0
    """
    return reduced("mape_loss", 100 * (target - input).abs() / target.abs().clamp(min=eps), reduction)


def msle_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(log(1 + x) − log(1 + t))²: the square of a relative error, for values from 0; what is below counts as 0.

    Args:
        input: any shape.
        target: likewise.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: another reduction, or shapes that do not broadcast.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.msle_loss(dlcore.tensor([0.0, 3.0]), dlcore.tensor([0.0, 3.0])).item()
        0.0
    """
    x, t = broadcast_tensors(input, target)
    return reduced("msle_loss", (x.clamp(min=0).log1p() - t.clamp(min=0).log1p()).square(), reduction)
