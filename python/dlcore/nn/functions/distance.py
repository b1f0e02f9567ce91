"""Distances between the rows of one matrix, and losses of distances that the caller defines."""

from __future__ import annotations

from collections.abc import Callable

from dlcore._core import ShapeError, Tensor, minimum, norm, pairwise_distance, triu_indices
from dlcore.nn.functions.reduction import reduced

__all__ = ["pdist", "triplet_margin_with_distance_loss"]


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences between any two rows: the part of ``cdist(x, x)`` above the diagonal.

    Args:
        input: (N, D).
        p: of the p-norm, from 0 to infinity.

    Returns:
        (N·(N - 1)/2), the pairs in the order (0, 1), (0, 2), ..., (1, 2), ...

    Raises:
        ShapeError: not a matrix.
        ValueError: `p` below 0.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.pdist(dlcore.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
        tensor([5.0000, 1.0000, 4.2426])
    """
    if input.dim() != 2:
        raise ShapeError(f"pdist: expected a matrix, got shape {tuple(input.shape)}")
    if not p >= 0:
        raise ValueError(f"pdist: p must be at least 0, got {p}")
    first, second = triu_indices(len(input), len(input), 1)
    return norm(input[first] - input[second], p, dim=1)


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
