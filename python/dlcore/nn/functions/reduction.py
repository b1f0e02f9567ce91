"""The last step of every loss: the mean, the sum, or the losses themselves."""

from __future__ import annotations

from dlcore._core import Tensor

__all__ = ["reduced"]


def reduced(name: str, losses: Tensor, reduction: str, count: Tensor | None = None) -> Tensor:
    """`losses` as `reduction` says; their sum over `count`, at least 1, is the mean where not all of them count.

    Raises:
        ValueError: another reduction than ``"mean"``, ``"sum"`` or ``"none"``; the message names the loss.
    """
    if reduction == "mean":
        return losses.mean() if count is None else losses.sum() / count.clamp(min=1)
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
