"""Dropout layers."""

from __future__ import annotations

from dlcore._core import Tensor, dropout
from dlcore.nn.module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """While training, set elements to zero with probability `p` and scale the others by 1/(1-p).

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Args:
        p: probability of a zero, in 0..1.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Raises:
        ValueError: `p` outside 0..1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Dropout(0.5).eval()(dlcore.ones(3)).tolist()
        [1.0, 1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must be in 0..1, got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}, inplace={self.inplace}"
