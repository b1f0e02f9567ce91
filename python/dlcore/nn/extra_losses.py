"""Losses that PyTorch does not have, as layers; their functions say what they compute and where it comes from.

All take ``reduction``: ``"mean"``, ``"sum"`` or ``"none"`` for one value per element or sample.
"""

from __future__ import annotations

from dlcore._core import Tensor
from dlcore.nn.functions.contrastive import circle_loss, info_nce_loss, nt_xent_loss, supervised_contrastive_loss
from dlcore.nn.functions.deviations import log_cosh_loss, mape_loss, msle_loss
from dlcore.nn.functions.focal import focal_loss, generalized_cross_entropy_loss, sigmoid_focal_loss
from dlcore.nn.functions.hinges import categorical_hinge_loss, squared_hinge_loss
from dlcore.nn.functions.overlap import dice_loss, tversky_loss
from dlcore.nn.loss import _Loss, _WeightedLoss

__all__ = [
    "BinaryFocalLoss",
    "CategoricalHingeLoss",
    "CircleLoss",
    "DiceLoss",
    "FocalLoss",
    "GeneralizedCrossEntropyLoss",
    "InfoNCELoss",
    "LogCoshLoss",
    "MAPELoss",
    "MSLELoss",
    "NTXentLoss",
    "SquaredHingeLoss",
    "SupConLoss",
    "TverskyLoss",
]


class FocalLoss(_WeightedLoss):
    """Cross-entropy in which what is easy counts little; `nn.functional.focal_loss`.

    Args:
        gamma: 0 is the cross-entropy.
        weight: (C,), a factor for each class.
        ignore_index: targets with this value count nothing.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> round(nn.FocalLoss()(dlcore.zeros(1, 2), dlcore.tensor([1])).item(), 4)
        0.1733
    """

    def __init__(
        self, gamma: float = 2.0, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction)
        self.gamma, self.ignore_index = gamma, ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits (N, C, ...) and int64 labels (N, ...)."""
        return focal_loss(
            input,
            target,
            gamma=self.gamma,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class BinaryFocalLoss(_Loss):
    """The focal loss of yes-or-no questions; `nn.functional.sigmoid_focal_loss`, but for the reduction.

    Args:
        alpha: the weight of yes, 1 − alpha being that of no; negative for none.
        gamma: 0 is the cross-entropy.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> round(nn.BinaryFocalLoss()(dlcore.zeros(2), dlcore.tensor([1.0, 0.0])).item(), 4)
        0.0866
    """

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.alpha, self.gamma = alpha, gamma

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits and floats in 0..1 of one shape."""
        return sigmoid_focal_loss(input, target, self.alpha, self.gamma, reduction=self.reduction)


class GeneralizedCrossEntropyLoss(_Loss):
    """A cross-entropy that wrong labels hurt less; `nn.functional.generalized_cross_entropy_loss`.

    Args:
        q: from cross-entropy, q → 0, to absolute error, 1.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.GeneralizedCrossEntropyLoss(q=0.5)(dlcore.zeros(1, 4), dlcore.tensor([1])).item()
        1.0
    """

    def __init__(self, q: float = 0.7, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.q = q

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits (N, C, ...) and int64 labels (N, ...)."""
        return generalized_cross_entropy_loss(input, target, self.q, reduction=self.reduction)


class DiceLoss(_Loss):
    """How little two regions overlap; `nn.functional.dice_loss`.

    Args:
        smooth: keeps an empty region from dividing zero by zero.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.DiceLoss()(dlcore.full((1, 1, 4), 100.0), dlcore.ones(1, 1, 4)).item()
        0.0
    """

    def __init__(self, smooth: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.smooth = smooth

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits (N, C, ...) and int64 labels (N, ...), or floats in 0..1 of the input's shape."""
        return dice_loss(input, target, self.smooth, reduction=self.reduction)


class TverskyLoss(_Loss):
    """`DiceLoss` with a price for each kind of mistake; `nn.functional.tversky_loss`.

    Args:
        alpha: what a false alarm costs.
        beta: what a miss costs.
        smooth: keeps an empty region from dividing zero by zero.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.TverskyLoss()(dlcore.full((1, 1, 4), 100.0), dlcore.ones(1, 1, 4)).item()
        0.0
    """

    def __init__(self, alpha: float = 0.5, beta: float = 0.5, smooth: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.alpha, self.beta, self.smooth = alpha, beta, smooth

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits (N, C, ...) and int64 labels (N, ...), or floats in 0..1 of the input's shape."""
        return tversky_loss(input, target, self.alpha, self.beta, self.smooth, reduction=self.reduction)


class LogCoshLoss(_Loss):
    """log cosh(x − t): quadratic near zero, then linear; `nn.functional.log_cosh_loss`.

    Args:
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> round(nn.LogCoshLoss()(dlcore.ones(2), dlcore.zeros(2)).item(), 4)
        0.4338
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return log_cosh_loss(input, target, reduction=self.reduction)


class MAPELoss(_Loss):
    """The absolute error in per cent of the target; `nn.functional.mape_loss`.

    Args:
        eps: the least denominator.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.MAPELoss()(dlcore.tensor([1.5]), dlcore.tensor([2.0])).item()
        25.0
    """

    def __init__(self, eps: float = 1e-7, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return mape_loss(input, target, self.eps, reduction=self.reduction)


class MSLELoss(_Loss):
    """The mean square of differences of logarithms, log(1 + x); `nn.functional.msle_loss`.

    Args:
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> round(nn.MSLELoss()(dlcore.zeros(1), dlcore.ones(1)).item(), 4)  # the square of log 2
        0.4805
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return msle_loss(input, target, reduction=self.reduction)


class SquaredHingeLoss(_Loss):
    """max(0, 1 − t·x)²; `nn.functional.squared_hinge_loss`.

    Args:
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.SquaredHingeLoss()(dlcore.tensor([0.5]), dlcore.tensor([-1.0])).item()
        2.25
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Scores and targets of −1 and 1 of one shape."""
        return squared_hinge_loss(input, target, reduction=self.reduction)


class CategoricalHingeLoss(_Loss):
    """By how much the right class fails to lead by 1; `nn.functional.categorical_hinge_loss`.

    Args:
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.CategoricalHingeLoss()(dlcore.tensor([[0.5, 2.0, 1.0]]), dlcore.tensor([2])).item()
        2.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Scores (N, C) and int64 labels (N,) or one-hot rows (N, C)."""
        return categorical_hinge_loss(input, target, reduction=self.reduction)


class InfoNCELoss(_Loss):
    """Finding each query's positive among negatives; `nn.functional.info_nce_loss`.

    Args:
        temperature: divides the cosines.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> round(nn.InfoNCELoss()(dlcore.eye(3), dlcore.eye(3)).item(), 6)
        9.1e-05
    """

    def __init__(self, temperature: float = 0.1, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.temperature = temperature

    def forward(self, query: Tensor, positive: Tensor, negatives: Tensor | None = None) -> Tensor:
        """Queries and positives (N, D), and negatives (M, D) unless they are the other positives."""
        return info_nce_loss(query, positive, negatives, temperature=self.temperature, reduction=self.reduction)


class NTXentLoss(_Loss):
    """SimCLR's loss of two views of each sample; `nn.functional.nt_xent_loss`.

    Args:
        temperature: divides the cosines.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> round(nn.NTXentLoss()(dlcore.ones(2, 3), dlcore.ones(2, 3)).item(), 4)  # log 3
        1.0986
    """

    def __init__(self, temperature: float = 0.5, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.temperature = temperature

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two batches (N, D) of embeddings."""
        return nt_xent_loss(first, second, self.temperature, reduction=self.reduction)


class SupConLoss(_Loss):
    """Pulling together what has one label; `nn.functional.supervised_contrastive_loss`.

    Args:
        temperature: divides the cosines.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> round(nn.SupConLoss()(dlcore.ones(3, 2), dlcore.tensor([0, 0, 0])).item(), 4)  # log 2
        0.6931
    """

    def __init__(self, temperature: float = 0.1, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.temperature = temperature

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Embeddings (N, D) and labels (N,)."""
        return supervised_contrastive_loss(input, target, self.temperature, reduction=self.reduction)


class CircleLoss(_Loss):
    """Pairs of one label near, others far, each by its own distance; `nn.functional.circle_loss`.

    Args:
        margin: how far from the optimum counts.
        gamma: a factor of all.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.CircleLoss()(dlcore.eye(4), dlcore.tensor([0, 0, 1, 1])).item() > 1
        True
    """

    def __init__(self, margin: float = 0.25, gamma: float = 80.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin, self.gamma = margin, gamma

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Embeddings (N, D) and labels (N,)."""
        return circle_loss(input, target, self.margin, self.gamma, reduction=self.reduction)
