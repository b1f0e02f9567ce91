"""Layers that only change the shape."""

from __future__ import annotations

from dlcore._core import Tensor
from dlcore.nn.module import Module

__all__ = ["Flatten"]


class Flatten(Module):
    """Join the dimensions from `start_dim` to `end_dim`, by default all but the batch.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Flatten()(dlcore.zeros(32, 3, 5, 5)).shape
        (32, 75)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """(N, ...) to (N, product of the rest)."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
