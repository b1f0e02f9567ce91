"""A classifier's last layer and its loss in one."""

from __future__ import annotations

import math

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn.functions.linear_cross_entropy import linear_cross_entropy
from dlcore.nn.linear import Linear
from dlcore.nn.loss import _Loss

__all__ = ["LinearCrossEntropyLoss"]


class LinearCrossEntropyLoss(_Loss):
    """`CrossEntropyLoss` of what a `Linear` layer, its own, makes of the input.

    Args:
        in_features: features of the input.
        num_classes: number of classes C.
        out_features: further dimensions of the output, each position of which has a class.
        bias: whether the layer has a bias.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: (C,), a factor for each class.
        ignore_index: targets with this value count nothing.
        label_smoothing: how much of the target is spread evenly over all classes, in 0..1.
        options: accepted for PyTorch's programs.

    Raises:
        ValueError: weights of another shape, or a smoothing outside 0..1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> head = nn.LinearCrossEntropyLoss(16, 1000)
        >>> head(dlcore.randn(4, 16), dlcore.tensor([1, 20, 300, 999])).shape
        ()
    """

    weight: Tensor | None

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: str | None = None,
        dtype: _core.dtype | None = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: object = None,
    ) -> None:
        super().__init__(reduction)
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise ValueError(f"LinearCrossEntropyLoss: expected {num_classes} weights, got shape {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"LinearCrossEntropyLoss: label_smoothing must be in 0..1, got {label_smoothing}")
        self.num_classes, self.out_features = num_classes, tuple(out_features)
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
        self.register_buffer("weight", weight)
        self.linear = Linear(in_features, math.prod(out_features, start=num_classes), bias, device, dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Features (N, in_features) and labels (N, *out_features), or probabilities (N, C, *out_features)."""
        table, bias, outputs = self.linear.weight, self.linear.bias, (self.num_classes, *self.out_features)
        return linear_cross_entropy(
            input,
            table.reshape(*outputs, self.linear.in_features) if self.out_features else table,
            target,
            linear_bias=None if bias is None else bias.reshape(outputs),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self) -> str:
        """The sizes."""
        return f"num_classes={self.num_classes}, out_features={self.out_features}"
