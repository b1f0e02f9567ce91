"""Layers that undo max pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn.module import Module

__all__ = ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]

_Size = int | tuple[int, ...]


class _MaxUnpool(Module):
    """Zeros with maxima put back where they were."""

    _pool: ClassVar[Callable[..., Tensor]]

    def __init__(self, kernel_size: _Size, stride: _Size | None = None, padding: _Size = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding = padding

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Maxima and where they were to what was pooled, as far as it is known."""
        return type(self)._pool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Zeros with the maxima of a sequence put back where `MaxPool1d` found them.

    Args:
        kernel_size: length of a window.
        stride: step of the window; by default its size.
        padding: what was added around the sequence.

    Called with maxima, their places and perhaps the extents of the result.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> y, places = nn.MaxPool1d(2, return_indices=True)(dlcore.randn(1, 1, 4))
        >>> nn.MaxUnpool1d(2)(y, places).shape
        (1, 1, 4)
    """

    _pool = staticmethod(_core.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Zeros with the maxima of an image put back where `MaxPool2d` found them.

    Args:
        kernel_size: height and width of a window, or one number for both.
        stride: step of the window; by default its size.
        padding: what was added around the image.

    Called with maxima, their places and perhaps the extents of the result.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> y, places = nn.MaxPool2d(2, return_indices=True)(dlcore.randn(1, 1, 4, 4))
        >>> nn.MaxUnpool2d(2)(y, places).shape
        (1, 1, 4, 4)
    """

    _pool = staticmethod(_core.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Zeros with the maxima of a volume put back where `MaxPool3d` found them.

    Args:
        kernel_size: depth, height and width of a window, or one number for all.
        stride: step of the window; by default its size.
        padding: what was added around the volume.

    Called with maxima, their places and perhaps the extents of the result.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> y, places = nn.MaxPool3d(2, return_indices=True)(dlcore.randn(1, 1, 4, 4, 4))
        >>> nn.MaxUnpool3d(2)(y, places).shape
        (1, 1, 4, 4, 4)
    """

    _pool = staticmethod(_core.max_unpool3d)
