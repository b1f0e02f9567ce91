"""Losses of deviations in which elements may have weights."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn.functions.reduction import reduced

__all__ = ["huber_loss", "l1_loss", "mse_loss"]


def _fits(name: str, input: Tensor, weight: Tensor) -> None:
    if weight.shape != input.shape:
        shapes = f"{tuple(input.shape)} and {tuple(weight.shape)}"
        raise ValueError(f"{name}: weights must have the shape of the input, got {shapes}")


def _averaged(name: str, losses: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """Weighted losses, the mean over the weights."""
    return (losses * weight).sum() / weight.sum() if reduction == "mean" else reduced(name, losses * weight, reduction)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Mean squared error.

    Args:
        input: any shape.
        target: of the same shape.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: of the same shape, a factor for each element; the mean is over their sum.

    Raises:
        ValueError: another reduction, or weights of another shape.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.mse_loss(dlcore.tensor([1.0, 3.0]), dlcore.tensor([1.0, 1.0]), weight=dlcore.tensor([3.0, 1.0]))
        tensor(1.)
    """
    if weight is None:
        return _core.mse_loss(input, target, reduction=reduction)
    _fits("mse_loss", input, weight)
    return _averaged("mse_loss", _core.mse_loss(input, target, reduction="none"), weight, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Mean absolute error; arguments are those of `mse_loss`.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.l1_loss(dlcore.tensor([1.0, 3.0]), dlcore.tensor([1.0, 1.0]))
        tensor(1.)
    """
    if weight is None:
        return _core.l1_loss(input, target, reduction=reduction)
    _fits("l1_loss", input, weight)
    return _averaged("l1_loss", _core.l1_loss(input, target, reduction="none"), weight, reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Half the squared error below ``delta``, linear above (Huber 1964).

    Args:
        input: any shape.
        target: of the same shape.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        delta: where the line begins.
        weight: of the same shape, a factor for each element; the mean is over their number, as in PyTorch.

    Raises:
        ValueError: another reduction, weights of another shape, or `delta` not above 0.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.huber_loss(dlcore.tensor([0.0]), dlcore.tensor([3.0]))
        tensor(2.5000)
    """
    if weight is None:
        return _core.huber_loss(input, target, reduction=reduction, delta=delta)
    _fits("huber_loss", input, weight)
    losses = _core.huber_loss(input, target, reduction="none", delta=delta)
    return reduced("huber_loss", losses * weight, reduction)
