"""Cross-entropies that weigh samples by how sure the model is of them."""

from __future__ import annotations

from dlcore._core import Tensor, binary_cross_entropy_with_logits, cross_entropy
from dlcore.nn.functions.reduction import reduced

__all__ = ["focal_loss", "generalized_cross_entropy_loss", "sigmoid_focal_loss"]


def focal_loss(
    input: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """−(1 − p)^gamma · log p for the probability p of the target: what is easy counts little.

    Source: Lin et al., "Focal loss for dense object detection", 2017.

    Args:
        input: logits, (N, C, ...).
        target: int64 labels, (N, ...).
        gamma: 0 is the cross-entropy.
        weight: (C,), the paper's alpha: a factor for each class.
        ignore_index: targets with this value count nothing.
        reduction: ``"mean"`` over the targets that count, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: a negative gamma, or another reduction.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> round(F.focal_loss(dlcore.zeros(1, 2), dlcore.tensor([1])).item(), 4)  # a quarter of log 2
        0.1733
    """
    if not gamma >= 0:
        raise ValueError(f"focal_loss: gamma must be at least 0, got {gamma}")
    surprise = cross_entropy(input, target, ignore_index=ignore_index, reduction="none")
    losses = (1 - (-surprise).exp()).clamp(min=0) ** gamma * surprise
    counts = target != ignore_index
    if weight is not None:
        losses = losses * weight[target.masked_fill(~counts, 0)]
    return reduced("focal_loss", losses, reduction, counts.sum())


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none"
) -> Tensor:
    """The focal loss of yes-or-no questions, with torchvision's name, arguments and defaults.

    Args:
        inputs: logits, any shape.
        targets: floats, 1 for yes and 0 for no, of the same shape.
        alpha: the weight of yes, 1 − alpha being that of no; negative for none.
        gamma: 0 is the cross-entropy.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: an alpha above 1, or another reduction.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.sigmoid_focal_loss(dlcore.zeros(2), dlcore.tensor([1.0, 0.0]))
        tensor([0.0433, 0.1300])
    """
    if alpha > 1:
        raise ValueError(f"sigmoid_focal_loss: alpha must be in 0..1, or negative for none, got {alpha}")
    p = inputs.sigmoid()
    wrong = p * (1 - targets) + (1 - p) * targets
    losses = binary_cross_entropy_with_logits(inputs, targets, reduction="none") * wrong**gamma
    if alpha >= 0:
        losses = losses * (alpha * targets + (1 - alpha) * (1 - targets))
    return reduced("sigmoid_focal_loss", losses, reduction)


def generalized_cross_entropy_loss(input: Tensor, target: Tensor, q: float = 0.7, reduction: str = "mean") -> Tensor:
    """(1 − p^q)/q for the probability p of the target: between cross-entropy (q → 0) and absolute error (q = 1).

    Labels that are wrong pull less than in cross-entropy. Source: Zhang and Sabuncu, "Generalized cross entropy loss
    for training deep neural networks with noisy labels", 2018.

    Args:
        input: logits, (N, C, ...).
        target: int64 labels, (N, ...).
        q: in (0, 1].
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: q outside its range, or another reduction.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.generalized_cross_entropy_loss(dlcore.zeros(1, 4), dlcore.tensor([1]), q=0.5).item()
        1.0
    """
    if not 0 < q <= 1:
        raise ValueError(f"generalized_cross_entropy_loss: q must be in (0, 1], got {q}")
    surprise = cross_entropy(input, target, reduction="none")
    return reduced("generalized_cross_entropy_loss", (1 - (-q * surprise).exp()) / q, reduction)
