"""Layers that only move elements."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore._core import Tensor, channel_shuffle
from dlcore.nn.module import Module

__all__ = ["ChannelShuffle", "Flatten", "Unflatten"]


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


class Unflatten(Module):
    """Split a dimension into several.

    Args:
        dim: the dimension.
        unflattened_size: its parts; one of them may be -1.

    Raises:
        ShapeError: when called with a size that the parts do not give.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Unflatten(1, (2, 5, 5))(dlcore.zeros(32, 50)).shape
        (32, 2, 5, 5)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """(..., product of the parts, ...) to (..., *parts, ...)."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """The dimension and its parts."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class ChannelShuffle(Module):
    """Take one channel of each of `groups` groups in turn, so that grouped convolutions mix (Zhang et al., 2018).

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ChannelShuffle(2)(dlcore.arange(4).reshape(1, 4, 1, 1)).reshape(-1).tolist()
        [0, 2, 1, 3]
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...), kept."""
        return channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """The number of groups."""
        return f"groups={self.groups}"
