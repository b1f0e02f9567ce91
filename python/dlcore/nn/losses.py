"""Further losses as layers: of probabilities, of distances and of margins.

All take ``reduction``: ``"mean"``, ``"sum"`` or ``"none"`` for one value per element or sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dlcore._core import (
    Tensor,
    binary_cross_entropy,
    cosine_embedding_loss,
    ctc_loss,
    full_like,
    gaussian_nll_loss,
    hinge_embedding_loss,
    kl_div,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    pairwise_distance,
    poisson_nll_loss,
    soft_margin_loss,
    triplet_margin_loss,
)
from dlcore.nn.functions.distance import triplet_margin_with_distance_loss
from dlcore.nn.loss import _Loss, _WeightedLoss
from dlcore.nn.module import Module

__all__ = [
    "BCELoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "KLDivLoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "PairwiseDistance",
    "PoissonNLLLoss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class BCELoss(_WeightedLoss):
    """−(t·log x + (1 − t)·log(1 − x)) for probabilities x; `BCEWithLogitsLoss` is safer.

    Args:
        weight: a factor for each element, broadcast.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> loss = nn.BCELoss()(dlcore.tensor([0.5, 0.5]), dlcore.ones(2))
        >>> round(loss.item(), 4)  # log 2
        0.6931
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Probabilities and targets in 0..1 of one shape."""
        return binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class KLDivLoss(_Loss):
    """t·(log t − x): the divergence of Kullback and Leibler from log-probabilities x to probabilities t.

    Args:
        reduction: ``"batchmean"``, the sum over the samples' number, is the divergence itself.
        log_target: whether targets are log-probabilities too.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> p = dlcore.tensor([[0.25, 0.75]])
        >>> nn.KLDivLoss(reduction="batchmean")(p.log(), p).item()
        0.0
    """

    _reductions = ("mean", "sum", "none", "batchmean")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Log-probabilities and probabilities of one shape."""
        return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(_Loss):
    """eˣ − t·x: the negative log-likelihood of counts t under a Poisson distribution of the rate eˣ.

    Args:
        log_input: whether inputs are logarithms of rates; else the loss is x − t·log(x + eps).
        full: add Stirling's approximation of log t!.
        eps: see above.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.PoissonNLLLoss()(dlcore.zeros(2), dlcore.tensor([1.0, 2.0])).item()
        1.0
    """

    def __init__(
        self, log_input: bool = True, full: bool = False, *, eps: float = 1e-8, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return poisson_nll_loss(log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction)


class GaussianNLLLoss(_Loss):
    """(log v + (x − t)²/v)/2: the negative log-likelihood of t under a normal distribution of mean x and variance v.

    Args:
        full: add the constant log(2π)/2.
        eps: the least variance.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.GaussianNLLLoss()(dlcore.zeros(2), dlcore.full((2,), 2.0), dlcore.ones(2)).item()
        2.0
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        """Means and targets of one shape, and variances that broadcast."""
        variance = var if isinstance(var, Tensor) else full_like(input, var)
        if variance.dim() == input.dim():
            variance = variance.expand(input.shape)
        return gaussian_nll_loss(input, target, variance, self.full, self.eps, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """max(0, −t·(x₁ − x₂) + margin), for t = 1 where x₁ should be larger and −1 where x₂ should.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> one, two = dlcore.tensor([3.0]), dlcore.tensor([1.0])
        >>> nn.MarginRankingLoss()(one, two, dlcore.tensor([-1])).item()
        2.0
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """Three tensors of one shape."""
        return margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """x where t = 1, and max(0, margin − x) where t = −1: for distances of pairs that match or do not.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.HingeEmbeddingLoss()(dlcore.tensor([0.25, 0.25]), dlcore.tensor([1, -1])).item()
        0.5
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """log(1 + e^(−t·x)), for t = 1 or −1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> round(nn.SoftMarginLoss()(dlcore.zeros(2), dlcore.tensor([1.0, -1.0])).item(), 4)  # log 2
        0.6931
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return soft_margin_loss(input, target, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """1 − cos(x₁, x₂) where t = 1, and max(0, cos(x₁, x₂) − margin) where t = −1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> x = dlcore.tensor([[3.0, 4.0]])
        >>> nn.CosineEmbeddingLoss()(x, -x, dlcore.tensor([1])).item()
        2.0
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """(N, D), (N, D) and (N), or (D), (D) and ()."""
        return cosine_embedding_loss(input1, input2, target, self.margin, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """Σ max(0, margin − x[t] + x[c])^p / C over all classes c but the target t.

    Args:
        p: 1 or 2.
        margin: how far the target's score should be above.
        weight: (C,), a factor for each target class.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.MultiMarginLoss()(dlcore.tensor([[0.0, 1.0]]), dlcore.tensor([0])).item()
        1.0
    """

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p}")
        if weight is not None and weight.dim() != 1:
            raise ValueError(f"MultiMarginLoss: weight must have one dimension, got shape {tuple(weight.shape)}")
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Scores (N, C) and int64 labels (N), or (C) and ()."""
        return multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """Σ max(0, 1 − x[t] + x[c]) / C over all targets t and all classes c that are none.

    Targets of a sample stand at the front of its row; −1 ends them.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.MultiLabelMarginLoss()(dlcore.zeros(1, 4), dlcore.tensor([[3, -1, 0, 1]])).item()
        0.75
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Scores (N, C) and int64 labels (N, C), or (C) and (C)."""
        return multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean over the classes of `BCEWithLogitsLoss`, for samples of several labels.

    Args:
        weight: (C,), a factor for each class.
        reduction: as everywhere.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> loss = nn.MultiLabelSoftMarginLoss()(dlcore.zeros(2, 3), dlcore.ones(2, 3))
        >>> round(loss.item(), 4)  # log 2
        0.6931
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits and targets of 0 and 1, (N, C)."""
        return multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """max(0, d(a, p) − d(a, n) + margin): what belongs to the anchor a is nearer than what does not.

    Args:
        margin: by how much.
        p: of the p-norm that d is.
        eps: added to differences.
        swap: take d(p, n) where it is smaller than d(a, n) (Balntas et al., 2016).
        reduction: as everywhere.

    Raises:
        ValueError: a margin that is not positive.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> a, p, n = dlcore.zeros(1, 2), dlcore.tensor([[3.0, 4.0]]), dlcore.tensor([[0.0, 2.0]])
        >>> round(nn.TripletMarginLoss()(a, p, n).item(), 4)
        4.0
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginLoss: margin must be positive, got {margin}")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Three tensors (N, D) or (D)."""
        how = (self.margin, self.p, self.eps, self.swap)
        return triplet_margin_loss(anchor, positive, negative, *how, reduction=self.reduction)


class TripletMarginWithDistanceLoss(_Loss):
    """`TripletMarginLoss` with a distance of your own.

    Args:
        distance_function: from two batches to one number for each sample; `F.pairwise_distance` by default.
        margin: by how much.
        swap: take d(p, n) where it is smaller than d(a, n).
        reduction: as everywhere.

    Raises:
        ValueError: a margin that is not positive.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> loss = nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: (x - y).abs().sum(-1))
        >>> loss(dlcore.zeros(1, 2), dlcore.ones(1, 2), dlcore.full((1, 2), 0.5)).item()
        2.0
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: margin must be positive, got {margin}")
        self.distance_function, self.margin, self.swap = distance_function, margin, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Three batches that the distance takes."""
        return triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class CTCLoss(_Loss):
    """−log of the probability of a label sequence, over all ways to align it with a longer input.

    Source: Graves et al., "Connectionist temporal classification", 2006.

    Args:
        blank: the class that stands for no label.
        reduction: ``"mean"`` divides by the targets' lengths first.
        zero_infinity: no loss for targets that are too long to be aligned.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> log_probs = dlcore.zeros(2, 1, 2).log_softmax(-1)
        >>> loss = nn.CTCLoss()(log_probs, dlcore.tensor([[1]]), [2], [1])
        >>> round(loss.item(), 4)  # three of four paths
        0.2877
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
    ) -> Tensor:
        """Log-probabilities (T, N, C), labels (N, S) or all after another, and the lengths of both, (N)."""
        lengths = (input_lengths, target_lengths)
        return ctc_loss(log_probs, targets, *lengths, self.blank, self.reduction, self.zero_infinity)


class PairwiseDistance(Module):
    """The p-norm of x₁ − x₂ + eps over the last dimension.

    Args:
        p: of the p-norm.
        eps: added to differences.
        keepdim: keep the last dimension, of size 1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> round(nn.PairwiseDistance()(dlcore.zeros(1, 2), dlcore.tensor([[3.0, 4.0]])).item(), 4)
        5.0
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """(N, D) and (N, D) to (N), or (D) and (D) to ()."""
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
