"""A softmax over very many classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from dlcore import _core
from dlcore._core import Tensor, cat, log_softmax, nonzero, where
from dlcore.nn.containers import ModuleList, Sequential
from dlcore.nn.linear import Linear
from dlcore.nn.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _Output(NamedTuple):
    """The log-probability of each target, and the opposite of their mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """A softmax in two steps: over frequent classes and groups of rare ones, then within a group, with fewer features.

    Source: Grave et al., "Efficient softmax approximation for GPUs", 2017. Classes are numbered from the most frequent.

    Args:
        in_features: features of the input.
        n_classes: number of classes.
        cutoffs: where the groups of rare classes begin, rising.
        div_value: group k has in_features / div_value^(k + 1) features.
        head_bias: whether the first step has a bias.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Raises:
        ValueError: cutoffs that do not rise within the classes.
        IndexError: when called with a target that is no class.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.AdaptiveLogSoftmaxWithLoss(16, 1000, [20, 200])
        >>> layer(dlcore.randn(4, 16), dlcore.tensor([0, 20, 500, 999])).output.shape
        (4,)
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        bounds = [0, *cutoffs, n_classes]
        if len(bounds) < 3 or any(before >= after for before, after in pairwise(bounds)):
            raise ValueError(
                f"AdaptiveLogSoftmaxWithLoss: cutoffs must rise between 0 and {n_classes - 1}, got {list(cutoffs)}"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = self.cutoffs[0], len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for number, (begin, end) in enumerate(pairwise(self.cutoffs)):
            hidden = int(in_features // div_value ** (number + 1))
            narrow = Linear(in_features, hidden, False, device, dtype)
            self.tail.append(Sequential(narrow, Linear(hidden, end - begin, False, device, dtype)))

    def reset_parameters(self) -> None:
        """Draw new values."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _Output:
        """Features (N, in_features) and int64 labels (N), or (in_features) and (), to ``output`` and ``loss``."""
        if tuple(target_.shape) != tuple(input_.shape[:-1]) or input_.dim() not in (1, 2):
            shapes = f"{tuple(input_.shape)} and {tuple(target_.shape)}"
            raise _core.ShapeError(f"AdaptiveLogSoftmaxWithLoss: expected (N, features) and (N), got {shapes}")
        alone = input_.dim() == 1
        rows, labels = (input_.unsqueeze(0), target_.unsqueeze(0)) if alone else (input_, target_)
        if labels.numel() and (labels.min().item() < 0 or labels.max().item() >= self.n_classes):
            worst = f"{labels.min().item()} to {labels.max().item()}"
            raise IndexError(f"AdaptiveLogSoftmaxWithLoss: targets of {self.n_classes} classes are {worst}")
        step, parts = labels, []
        for number, (begin, end) in enumerate(pairwise(self.cutoffs)):
            inside = (labels >= begin).logical_and(labels < end)
            step = where(inside, self.shortlist_size + number, step)
            places = nonzero(inside).reshape(-1)
            if places.numel():
                within = log_softmax(self.tail[number](rows[places]), 1)
                parts.append((places, within.gather(1, (labels[places] - begin).unsqueeze(1)).squeeze(1)))
        output: Tensor = log_softmax(self.head(rows), 1).gather(1, step.unsqueeze(1)).squeeze(1)
        for places, within in parts:
            output = output.index_add(0, places, within)
        loss = -output.mean()
        return _Output(output.squeeze(0) if alone else output, loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """Log-probabilities of all classes, (N, n_classes)."""
        head: Any = log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for number, module in enumerate(self.tail):
            place = self.shortlist_size + number
            parts.append(log_softmax(module(input), 1) + head[:, place : place + 1])
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The likeliest class of each row, (N)."""
        return self.log_prob(input).argmax(1)
