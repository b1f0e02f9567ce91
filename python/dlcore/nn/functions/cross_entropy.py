"""The cross-entropy of classifiers, with a word on what is most often given to it by mistake."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import ShapeError, Tensor
from dlcore.nn.functions.misgiven import explained, warn_of_misgiven

__all__ = ["cross_entropy"]


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−log softmax(input)[target]: the usual loss of a classifier that gives logits.

    Warns where the input comes from a softmax: the loss does its own.

    Args:
        input: logits, (N, C, ...), or (C,) for one sample.
        target: int64 labels, (N, ...), or probabilities of the input's shape.
        weight: (C,), a factor for each class.
        ignore_index: labels with this value count nothing.
        reduction: ``"mean"``, weighted by `weight`, ``"sum"`` or ``"none"``.
        label_smoothing: how much of the target is spread evenly over all classes, in 0..1.

    Raises:
        ShapeError: labels that do not fit the input.
        IndexError: a label that is no class.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> round(F.cross_entropy(dlcore.zeros(3, 8), dlcore.tensor([0, 1, 7])).item(), 4)  # log 8
        2.0794
    """
    warn_of_misgiven("cross_entropy", input)
    try:
        return _core.cross_entropy(
            input, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
    except (IndexError, ShapeError) as error:
        raise explained(error, input, target) from None
