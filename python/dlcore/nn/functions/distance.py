"""Losses of distances that the caller defines."""

from __future__ import annotations

from collections.abc import Callable

from dlcore._core import Tensor, minimum, pairwise_distance
from dlcore.nn.functions.reduction import reduced

__all__ = ["triplet_margin_with_distance_loss"]


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) − d(a, n) + margin) for any distance d.

    Args:
        anchor: a batch.
        positive: what belongs to it.
        negative: what does not.
        distance_function: d, from two batches to one number for each sample; `pairwise_distance` by default.
        margin: by how much `positive` should be nearer.
        swap: take d(p, n) where it is smaller than d(a, n) (Balntas et al., 2016).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: another reduction, or a margin that is not positive.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> a, p, n = dlcore.zeros(1, 2), dlcore.tensor([[3.0, 4.0]]), dlcore.tensor([[0.0, 2.0]])
        >>> round(F.triplet_margin_with_distance_loss(a, p, n, swap=True).item(), 4)
        4.0
    """
    name = "triplet_margin_with_distance_loss"
    if not margin > 0:
        raise ValueError(f"{name}: margin must be positive, got {margin}")
    distance = distance_function or pairwise_distance
    far = distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    loss = (distance(anchor, positive) - far + margin).relu()
    return reduced(name, loss, reduction)
