"""The cross-entropy of classifiers, with a word on what is most often given to it by mistake."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import ShapeError, Tensor
from dlcore.advice import advise

__all__ = ["cross_entropy", "explained"]


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

    Warns, where the input comes from a softmax: the loss does its own.

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
    node = getattr(input, "grad_fn", None)
    if node is not None and node.name() == "softmax":
        advise(
            "cross_entropy was given the result of softmax: it takes logits, as the last linear layer gives them, and "
            "does the softmax itself",
            1,
        )
    try:
        return _core.cross_entropy(
            input, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
    except (IndexError, ShapeError) as error:
        raise explained(error, input, target) from None


def explained(error: Exception, input: Tensor, target: Tensor) -> Exception:
    """The error, with what may have been meant by labels that do not fit."""
    advice = _advice(error, input, target)
    return type(error)(f"{error}; {advice}") if advice else error


def _advice(error: Exception, input: Tensor, target: Tensor) -> str:
    if isinstance(error, ShapeError):
        sizes, labels = tuple(input.shape), tuple(target.shape)
        if len(sizes) == 3 and labels in (sizes[:2], (sizes[0] * sizes[1],)):
            flat = "target.flatten()" if len(labels) == 2 else "target"
            other = "input.transpose(1, 2), or " if len(labels) == 2 else ""
            return f"if the classes are last, give {other}input.flatten(0, 1) with {flat}"
    elif " target -" in str(error):
        return "ignore_index= names a label that counts nothing"
    return ""
