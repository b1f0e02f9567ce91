"""Losses of log-probabilities and of yes-or-no logits, with a word on what is most often given to them by mistake."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn.functions.misgiven import explained, warn_of_misgiven

__all__ = ["binary_cross_entropy_with_logits", "nll_loss"]


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """−input[target], for log-probabilities; `cross_entropy` without the softmax.

    Warns where the input comes from a softmax: the loss takes logarithms.

    Args:
        input: log-probabilities, (N, C, ...), or (C,) for one sample.
        target: int64 labels, (N, ...).
        weight: (C,), a factor for each class.
        ignore_index: labels with this value count nothing.
        reduction: ``"mean"``, weighted by `weight`, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: labels that do not fit the input.
        IndexError: a label that is no class.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.nll_loss(dlcore.tensor([[-1.0, -2.0]]), dlcore.tensor([1])).item()
        2.0
    """
    warn_of_misgiven("nll_loss", input)
    try:
        return _core.nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)
    except IndexError as error:
        raise explained(error, input, target) from None


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """−(p·t·log σ(x) + (1−t)·log(1−σ(x))), for yes-or-no logits x, computed without overflow.

    Warns where the input comes from a sigmoid: the loss does its own.

    Args:
        input: logits x of any shape.
        target: t in 0..1, of the same shape.
        weight: a factor for each element, broadcast.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        pos_weight: p, the weight of positives, broadcast.

    Raises:
        ShapeError: targets of another shape.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> round(F.binary_cross_entropy_with_logits(dlcore.zeros(4), dlcore.ones(4)).item(), 4)  # log 2
        0.6931
    """
    warn_of_misgiven("binary_cross_entropy_with_logits", input)
    return _core.binary_cross_entropy_with_logits(input, target, weight, reduction=reduction, pos_weight=pos_weight)
