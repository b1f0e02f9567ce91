"""Losses as layers: a function of ``dlcore.nn.functional`` with its options.

All take ``reduction``: ``"mean"``, ``"sum"`` or ``"none"`` for one value per element or sample.
"""

from __future__ import annotations

from dlcore._core import (
    DTypeError,
    ShapeError,
    Tensor,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from dlcore.nn.functions.misgiven import explained, warn_of_misgiven
from dlcore.nn.module import Module

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "L1Loss", "MSELoss", "NLLLoss", "SmoothL1Loss"]


class _Loss(Module):
    """What all losses share."""

    _reductions: tuple[str, ...] = ("mean", "sum", "none")
    _looked: bool = False

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in self._reductions:
            expected = ", ".join(map(repr, self._reductions))
            raise ValueError(f"{type(self).__name__}: reduction must be one of {expected}, got {reduction!r}")
        self.reduction = reduction

    def _look_at(self, loss: str, input: Tensor) -> None:
        """Warn, once, of probabilities where logits are wanted, or the reverse."""
        self._looked = True
        warn_of_misgiven(loss, input, type(self).__name__)


class _WeightedLoss(_Loss):
    """A loss with a factor for each class or element, which is part of the model's state."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """−log softmax(input)[target]: the usual loss of a classifier that gives logits.

    Args:
        weight: (C,), a factor for each class.
        ignore_index: targets with this value count nothing.
        reduction: ``"mean"`` is weighted by `weight`.
        label_smoothing: how much of the target is spread evenly over all classes, in 0..1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> loss = nn.CrossEntropyLoss()(dlcore.zeros(3, 8), dlcore.tensor([0, 1, 7]))
        >>> round(loss.item(), 4)  # log 8
        2.0794
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,  # PyTorch's second place is that of size_average
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits (N, C, ...) and int64 labels (N, ...), or probabilities of the input's shape."""
        if not self._looked:
            self._look_at("cross_entropy", input)
        if self.ignore_index >= 0 and target.is_floating_point():
            raise ValueError("CrossEntropyLoss: ignore_index is a label; targets that are probabilities have none")
        try:
            return cross_entropy(
                input,
                target,
                weight=self.weight,
                ignore_index=self.ignore_index,
                reduction=self.reduction,
                label_smoothing=self.label_smoothing,
            )
        except (IndexError, ShapeError) as error:
            raise explained(error, input, target) from None


class NLLLoss(_WeightedLoss):
    """−input[target], for log-probabilities; `CrossEntropyLoss` without the softmax.

    Args:
        weight: (C,), a factor for each class.
        ignore_index: targets with this value count nothing.
        reduction: ``"mean"`` is weighted by `weight`.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.NLLLoss()(dlcore.tensor([[-1.0, -2.0]]), dlcore.tensor([1])).item()
        2.0
    """

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Log-probabilities (N, C) or (N, C, ...) and int64 labels (N) or (N, ...)."""
        if not self._looked:
            self._look_at("nll_loss", input)
        if self.weight is not None and self.weight.dtype != input.dtype:
            raise DTypeError(
                f"NLLLoss: weight is {self.weight.dtype}, the input {input.dtype}; convert with .to(dtype)"
            )
        try:
            return nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)
        except IndexError as error:
            raise explained(error, input, target) from None


class MSELoss(_Loss):
    """(input − target)².

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.MSELoss()(dlcore.tensor([1.0, 2.0]), dlcore.tensor([1.0, 4.0])).item()
        2.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """``|input − target|``.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.L1Loss()(dlcore.tensor([1.0, 2.0]), dlcore.tensor([1.0, 4.0])).item()
        1.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return l1_loss(input, target, reduction=self.reduction)


class HuberLoss(_Loss):
    """Half the square of the difference up to `delta`, and linear beyond (Huber, 1964).

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.HuberLoss(reduction="none")(dlcore.tensor([1.0, 4.0]), dlcore.zeros(2)).tolist()
        [0.5, 3.5]
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        if not delta > 0:
            raise ValueError(f"HuberLoss: delta must be positive, got {delta}")
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SmoothL1Loss(_Loss):
    """`HuberLoss` divided by its threshold, here `beta`; `L1Loss` where that is 0 (Girshick, 2015).

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.SmoothL1Loss(reduction="none", beta=2.0)(dlcore.tensor([1.0, 4.0]), dlcore.zeros(2)).tolist()
        [0.25, 3.0]
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        if not beta >= 0:
            raise ValueError(f"SmoothL1Loss: beta must be at least 0, got {beta}")
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class BCEWithLogitsLoss(_Loss):
    """−(p·t·log σ(x) + (1−t)·log(1−σ(x))), for yes-or-no logits x, computed without overflow.

    Args:
        weight: a factor for each element, broadcast.
        reduction: as everywhere.
        pos_weight: p, the weight of positives, broadcast.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> loss = nn.BCEWithLogitsLoss()(dlcore.zeros(4), dlcore.ones(4))
        >>> round(loss.item(), 4)  # log 2
        0.6931
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits and targets in 0..1 of one shape."""
        if not self._looked:
            self._look_at("binary_cross_entropy_with_logits", input)
        return binary_cross_entropy_with_logits(
            input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
