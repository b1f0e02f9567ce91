"""What is most often given to a loss by mistake: probabilities for logits, and labels that do not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dlcore._core import ShapeError, Tensor
from dlcore.advice import advise

__all__ = ["MISGIVEN", "explained", "warn_of_misgiven"]

MISGIVEN: Mapping[str, Mapping[str, str]] = {
    "cross_entropy": {
        "softmax": "it takes logits, as the last linear layer gives them, and does the softmax itself",
    },
    "nll_loss": {
        "softmax": "it takes log-probabilities: use log_softmax, or logits and cross_entropy",
    },
    "binary_cross_entropy_with_logits": {
        "sigmoid": "it takes logits, as the last linear layer gives them, and does the sigmoid itself",
    },
}
"""For each loss the operations whose results are no input of it, and what to do."""

_MOVES = frozenset({"clone", "permute", "reshape", "slice", "to"})


def warn_of_misgiven(loss: str, input: Tensor, name: str = "") -> None:
    """Warn where the recorded operation that made `input` is none for this loss."""
    node = getattr(input, "grad_fn", None)
    while node is not None:
        operation = node.name()
        if operation in MISGIVEN[loss]:
            advise(f"{name or loss} was given the result of {operation}: {MISGIVEN[loss][operation]}")
        node = node.next_functions[0][0] if operation in _MOVES else None


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
    elif label := re.search(r" target (-?\d+) ", str(error)):
        return f"ignore_index={label[1]} leaves labels of this value out"
    return ""
