"""Hinge losses with the definitions of Keras: nothing is lost once the margin is kept."""

from __future__ import annotations

from dlcore._core import Tensor, one_hot
from dlcore.nn.functions.reduction import reduced

__all__ = ["categorical_hinge_loss", "squared_hinge_loss"]


def squared_hinge_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """max(0, 1 − t·x)² for scores x and targets t of −1 and 1.

    Args:
        input: any shape.
        target: likewise.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: another reduction, or shapes that do not broadcast.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.squared_hinge_loss(dlcore.tensor([2.0, 0.5]), dlcore.tensor([1.0, -1.0]), reduction="none")
        tensor([0.0000, 2.2500])
    """
    return reduced("squared_hinge_loss", (1 - target * input).relu().square(), reduction)


def categorical_hinge_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """max(0, 1 + the largest score of a wrong class − the score of the right one).

    Args:
        input: scores, (N, C).
        target: int64 labels (N,), or one-hot rows (N, C).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: another reduction, or targets of another shape.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.categorical_hinge_loss(dlcore.tensor([[0.5, 2.0, 1.0]]), dlcore.tensor([2])).item()
        2.0
    """
    if input.dim() != 2 or target.shape not in {input.shape, input.shape[:1]}:
        shapes = f"{tuple(input.shape)} and {tuple(target.shape)}"
        raise ValueError(f"categorical_hinge_loss: expected scores (N, C) and labels (N,) or (N, C), got {shapes}")
    right = (one_hot(target, input.shape[1]) if target.dim() == 1 else target).bool()
    best = input.masked_fill(right, -float("inf")).amax(1)
    return reduced("categorical_hinge_loss", (1 + best - input.masked_fill(~right, 0).sum(1)).relu(), reduction)
