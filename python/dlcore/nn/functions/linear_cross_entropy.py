"""The cross entropy of a linear layer's outputs, with the arguments of PyTorch, over the core's fused operation."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import ShapeError, Tensor, cross_entropy, linear

__all__ = ["linear_cross_entropy"]


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: object = None,  # noqa: ARG001 - for PyTorch's programs, to choose the size of chunks
) -> Tensor:
    """Cross entropy of ``linear(input, linear_weight, linear_bias)``.

    Of labels, without weights and with one number as the result, never all logits are held: rows are taken some at a
    time, and backward computes their logits again.

    Args:
        input: (N, D), or (D) for one sample.
        linear_weight: (C, D), or (C, *K, D), whose outputs have a class at each position of K.
        target: int64 labels (N) or (N, *K) from 0 to C - 1, or probabilities (N, C) or (N, C, *K).
        linear_bias: (C) or (C, *K).
        weight: (C,), a factor for each class.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        ignore_index: labels with this value do not count; -100 by default.
        label_smoothing: share of each label that is spread evenly over all classes.
        options: accepted for PyTorch's programs.

    Raises:
        ShapeError: sizes that do not match.
        ValueError: `ignore_index` with probabilities, another reduction, or a smoothing outside 0..1.
        DTypeError: labels that are not integers.
        IndexError: a label out of range.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x, table = dlcore.zeros(3, 4), dlcore.zeros(2, 4)
        >>> F.linear_cross_entropy(x, table, dlcore.tensor([0, 1, 1]))
        tensor(0.6931)
    """
    name = "linear_cross_entropy"
    if input.dim() not in (1, 2) or linear_weight.dim() < 2 or (input.dim() == 1 and linear_weight.dim() > 2):
        shapes = f"{tuple(input.shape)} and {tuple(linear_weight.shape)}"
        raise ShapeError(f"{name}: expected an input (N, D) or (D) and a weight (C, D) or (C, *K, D), got {shapes}")
    classes, *positions = linear_weight.shape[:-1]
    if linear_bias is not None and tuple(linear_bias.shape) != (classes, *positions):
        shapes = f"{(classes, *positions)}, got {tuple(linear_bias.shape)}"
        raise ShapeError(f"{name}: expected a linear_bias of shape {shapes}")
    labels = not target.is_floating_point() or target.dim() < input.dim()
    if ignore_index is not None and not labels:
        raise ValueError(f"{name}: ignore_index is a label; targets that are probabilities have none")
    ignored = -100 if ignore_index is None else ignore_index
    if labels and weight is None and not positions and input.dim() == 2 and reduction != "none":
        return _core.linear_cross_entropy(
            input,
            linear_weight,
            target,
            linear_bias,
            ignore_index=ignored,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )
    rows = linear_weight.reshape(-1, linear_weight.shape[-1])
    logits = linear(input, rows, None if linear_bias is None else linear_bias.flatten())
    return cross_entropy(
        logits.reshape(*input.shape[:-1], classes, *positions),
        target,
        weight,
        ignore_index=ignored,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
