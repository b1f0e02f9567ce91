"""Losses of segmentation: how little the predicted region and the true one overlap."""

from __future__ import annotations

from dlcore._core import Tensor, one_hot, softmax
from dlcore.nn.functions.reduction import reduced

__all__ = ["dice_loss", "tversky_loss"]


def dice_loss(input: Tensor, target: Tensor, smooth: float = 1.0, reduction: str = "mean") -> Tensor:
    """1 − (2·Σpt + smooth) / (Σp + Σt + smooth), summed over the positions of each sample and class.

    Source: Milletari, Navab and Ahmadi, "V-Net", 2016, with sums instead of sums of squares.

    Args:
        input: logits, (N, C, ...).
        target: int64 labels (N, ...), of which p is a softmax over the classes, or floats in 0..1 of the input's
            shape, of which it is a sigmoid.
        smooth: keeps an empty region from dividing zero by zero.
        reduction: ``"mean"``, ``"sum"``, or ``"none"`` for (N, C).

    Raises:
        ValueError: shapes that do not fit, or another reduction.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> masks = dlcore.tensor([[[1.0, 1.0, 0.0, 0.0]]])
        >>> F.dice_loss(200 * masks - 100, masks).item(), F.dice_loss(100 - 200 * masks, masks, smooth=0.0).item()
        (0.0, 1.0)
    """
    return reduced("dice_loss", _distances("dice_loss", input, target, 0.5, 0.5, smooth / 2), reduction)


def tversky_loss(
    input: Tensor,
    target: Tensor,
    alpha: float = 0.5,
    beta: float = 0.5,
    smooth: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    """1 − (Σpt + smooth) / (Σpt + alpha·Σp(1−t) + beta·Σ(1−p)t + smooth): `dice_loss` with a price for each mistake.

    Source: Salehi, Erdogmus and Gholipour, "Tversky loss function for image segmentation using 3D fully convolutional
    deep networks", 2017.

    Args:
        input: logits, (N, C, ...).
        target: as of `dice_loss`.
        alpha: what a false alarm costs.
        beta: what a miss costs.
        smooth: keeps an empty region from dividing zero by zero.
        reduction: ``"mean"``, ``"sum"``, or ``"none"`` for (N, C).

    Raises:
        ValueError: shapes that do not fit, or another reduction.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> masks = dlcore.tensor([[[1.0, 1.0, 0.0, 0.0]]])
        >>> everywhere = dlcore.full((1, 1, 4), 100.0)
        >>> F.tversky_loss(everywhere, masks, alpha=1.0, beta=0.0, smooth=0.0).item()
        0.5
    """
    return reduced("tversky_loss", _distances("tversky_loss", input, target, alpha, beta, smooth), reduction)


def _distances(name: str, input: Tensor, target: Tensor, alpha: float, beta: float, smooth: float) -> Tensor:
    """One for each sample and class, (N, C)."""
    if input.dim() < 2:
        raise ValueError(f"{name}: expected logits (N, C, ...), got shape {tuple(input.shape)}")
    positions = list(range(2, input.dim()))
    if target.shape == input.shape and target.is_floating_point():
        p, t = input.sigmoid(), target
    elif target.shape == (input.shape[0], *input.shape[2:]) and not target.is_floating_point():
        p, t = softmax(input, 1), one_hot(target, input.shape[1]).movedim(-1, 1).to(input.dtype)
    else:
        labels = (input.shape[0], *input.shape[2:])
        raise ValueError(
            f"{name}: expected int64 labels {labels} or floats {tuple(input.shape)}, "
            f"got {target.dtype} {tuple(target.shape)}"
        )

    def total(values: Tensor) -> Tensor:
        return values.sum(positions) if positions else values

    hit, alarm, miss = total(p * t), total(p * (1 - t)), total((1 - p) * t)
    return 1 - (hit + smooth) / (hit + alpha * alarm + beta * miss + smooth)
