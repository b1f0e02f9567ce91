"""One number for each channel: what stands between convolutions and a linear layer."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn.module import Module

__all__ = ["GlobalAvgPool", "GlobalMaxPool"]


class _GlobalPool(Module):
    def __init__(self, keepdim: bool = False) -> None:
        super().__init__()
        self.keepdim = keepdim

    def _places(self, input: Tensor) -> list[int]:
        if input.dim() < 3:
            raise _core.ShapeError(f"expected (N, C, ...) of 3 dimensions at least, got shape {tuple(input.shape)}")
        return list(range(2, input.dim()))

    def extra_repr(self) -> str:
        """What becomes of the places."""
        return f"keepdim={self.keepdim}"


class GlobalAvgPool(_GlobalPool):
    """The mean of every channel over all places, of sequences, images or volumes.

    Args:
        keepdim: give (N, C, 1, ...) instead of (N, C).

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.GlobalAvgPool()(dlcore.ones(2, 3, 4, 4)).shape
        (2, 3)
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) to (N, C)."""
        return input.mean(self._places(input), keepdim=self.keepdim)


class GlobalMaxPool(_GlobalPool):
    """The largest value of every channel over all places, of sequences, images or volumes.

    Args:
        keepdim: give (N, C, 1, ...) instead of (N, C).

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.GlobalMaxPool()(dlcore.ones(2, 3, 4)).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) to (N, C)."""
        return input.amax(self._places(input), keepdim=self.keepdim)
