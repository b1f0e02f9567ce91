"""Losses that pull together the embeddings of what belongs together, and push apart all others of a batch."""

from __future__ import annotations

import math

from dlcore._core import Tensor, arange, cat, cross_entropy, eye, log_softmax, logsumexp, normalize, softplus
from dlcore.nn.functions.reduction import reduced

__all__ = ["circle_loss", "info_nce_loss", "nt_xent_loss", "supervised_contrastive_loss"]


def info_nce_loss(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor | None = None,
    temperature: float = 0.1,
    reduction: str = "mean",
) -> Tensor:
    """The cross-entropy of finding each query's positive by the cosine of the angle, over the temperature.

    Source: van den Oord, Li and Vinyals, "Representation learning with contrastive predictive coding", 2018.

    Args:
        query: (N, D).
        positive: (N, D), what belongs to each query.
        negatives: (M, D), what belongs to none; by default the positives of the other queries.
        temperature: divides the cosines.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: shapes that do not fit, a temperature that is not positive, or another reduction.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> round(F.info_nce_loss(dlcore.eye(3), dlcore.eye(3)).item(), 6)
        9.1e-05
    """
    _check("info_nce_loss", query, positive, temperature)
    query, positive = normalize(query, dim=1), normalize(positive, dim=1)
    if negatives is None:
        cosines, target = query @ positive.t(), arange(query.shape[0])
    else:
        if negatives.dim() != 2 or negatives.shape[1] != query.shape[1]:
            raise ValueError(
                f"info_nce_loss: expected negatives (M, {query.shape[1]}), got shape {tuple(negatives.shape)}"
            )
        own = (query * positive).sum(1, keepdim=True)
        cosines, target = cat([own, query @ normalize(negatives, dim=1).t()], 1), arange(query.shape[0]) * 0
    return cross_entropy(cosines / temperature, target, reduction=reduction)


def nt_xent_loss(first: Tensor, second: Tensor, temperature: float = 0.5, reduction: str = "mean") -> Tensor:
    """InfoNCE both ways between two views of each sample, all other views of the batch being negatives.

    Source: Chen et al., "A simple framework for contrastive learning of visual representations" (SimCLR), 2020.

    Args:
        first: (N, D), one view of each sample.
        second: (N, D), another.
        temperature: divides the cosines.
        reduction: ``"mean"``, ``"sum"``, or ``"none"`` for the 2·N views.

    Raises:
        ValueError: shapes that do not fit, a temperature that is not positive, or another reduction.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> same = dlcore.ones(2, 3)
        >>> round(F.nt_xent_loss(same, same).item(), 4)  # one of three, without a clue: log 3
        1.0986
    """
    _check("nt_xent_loss", first, second, temperature)
    count = first.shape[0]
    views = normalize(cat([first, second]), dim=1)
    logits = _without_itself(views @ views.t() / temperature)
    return cross_entropy(logits, (arange(2 * count) + count) % (2 * count), reduction=reduction)


def supervised_contrastive_loss(
    input: Tensor, target: Tensor, temperature: float = 0.1, reduction: str = "mean"
) -> Tensor:
    """The mean of −log softmax of the cosine over all others with the sample's own label, the paper's L_out.

    Source: Khosla et al., "Supervised contrastive learning", 2020. Several views of a sample are several rows.

    Args:
        input: embeddings, (N, D).
        target: labels, (N,).
        temperature: divides the cosines.
        reduction: ``"mean"`` over the samples whose label another one has, ``"sum"``, or ``"none"``, in which a
            sample that is alone has 0.

    Raises:
        ValueError: shapes that do not fit, a temperature that is not positive, or another reduction.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x = dlcore.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> round(F.supervised_contrastive_loss(x, dlcore.tensor([0, 0, 1])).item(), 6)
        4.5e-05
    """
    same = _same("supervised_contrastive_loss", input, target, temperature)
    others = same & ~eye(input.shape[0]).bool()
    x = normalize(input, dim=1)
    surprise = -log_softmax(_without_itself(x @ x.t() / temperature), 1).masked_fill(~others, 0)
    found = others.sum(1)
    losses = surprise.sum(1) / found.clamp(min=1)
    return reduced("supervised_contrastive_loss", losses, reduction, (found > 0).sum())


def circle_loss(
    input: Tensor, target: Tensor, margin: float = 0.25, gamma: float = 80.0, reduction: str = "mean"
) -> Tensor:
    """log(1 + Σ exp(γ·αₙ·(sₙ − m)) · Σ exp(−γ·αₚ·(sₚ − 1 + m))) over the cosines sₙ to other labels and sₚ to the own.

    What is far from its optimum pulls harder: αₙ = max(0, sₙ + m) and αₚ = max(0, 1 + m − sₚ), which receive no
    gradient. Source: Sun et al., "Circle loss: a unified perspective of pair similarity optimization", 2020.

    Args:
        input: embeddings, (N, D).
        target: labels, (N,).
        margin: m.
        gamma: γ, a factor of all.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``; a sample without another of its label, or of another label, has
            0 and does not count in the mean.

    Raises:
        ValueError: shapes that do not fit, a gamma that is not positive, or another reduction.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x = dlcore.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> round(F.circle_loss(x, dlcore.tensor([0, 0, 1, 1])).item(), 6)  # softplus(−5 − 5 + log 2)
        9.1e-05
    """
    same = _same("circle_loss", input, target, gamma)
    own, other = same & ~eye(input.shape[0]).bool(), ~same
    x = normalize(input, dim=1)
    cosines = x @ x.t()
    fixed = cosines.detach()
    near = -gamma * (1 + margin - fixed).relu() * (cosines - 1 + margin)
    far = gamma * (fixed + margin).relu() * (cosines - margin)
    counts = own.any(1) & other.any(1)
    # A sample that does not count has no pairs to sum over; it sums over all, and the result is left out.
    nobody = ~counts.unsqueeze(1)
    total = logsumexp(near.masked_fill(~(own | nobody), -math.inf), 1)
    total = total + logsumexp(far.masked_fill(~(other | nobody), -math.inf), 1)
    return reduced("circle_loss", softplus(total).masked_fill(~counts, 0), reduction, counts.sum())


def _without_itself(logits: Tensor) -> Tensor:
    return logits.masked_fill(eye(logits.shape[0]).bool(), -math.inf)


def _same(name: str, input: Tensor, target: Tensor, scale: float) -> Tensor:
    """Which pairs have one label, (N, N)."""
    if input.dim() != 2 or tuple(target.shape) != (input.shape[0],):
        shapes = f"{tuple(input.shape)} and {tuple(target.shape)}"
        raise ValueError(f"{name}: expected embeddings (N, D) and labels (N,), got {shapes}")
    if not scale > 0:
        raise ValueError(f"{name}: {'gamma' if name == 'circle_loss' else 'temperature'} must be positive, got {scale}")
    return target.unsqueeze(0) == target.unsqueeze(1)


def _check(name: str, first: Tensor, second: Tensor, temperature: float) -> None:
    if first.dim() != 2 or first.shape != second.shape:
        raise ValueError(f"{name}: expected two batches (N, D), got {tuple(first.shape)} and {tuple(second.shape)}")
    if not temperature > 0:
        raise ValueError(f"{name}: temperature must be positive, got {temperature}")
