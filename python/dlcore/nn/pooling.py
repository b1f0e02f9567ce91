"""Pooling layers."""

from __future__ import annotations

from dlcore._core import Tensor, avg_pool2d, max_pool2d
from dlcore.nn.module import Module

__all__ = ["AvgPool2d", "MaxPool2d"]

_Size = int | tuple[int, int]


class MaxPool2d(Module):
    """The maximum of every window of an image.

    Args:
        kernel_size: height and width of a window, or one number for both.
        stride: step of the window; by default its size, so that windows do not overlap.
        padding: −∞ around the image, at most half a window.
        dilation: distance of the elements in a window.
        return_indices: return also where in the image each maximum was, int64.
        ceil_mode: keep the windows that reach beyond the image.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.MaxPool2d(2)(dlcore.arange(16.0).view(1, 1, 4, 4)).tolist()
        [[[[5.0, 7.0], [13.0, 15.0]]]]
    """

    def __init__(
        self,
        kernel_size: _Size,
        stride: _Size | None = None,
        padding: _Size = 0,
        dilation: _Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = (
            kernel_size,
            kernel_size if stride is None else stride,
            padding,
        )
        self.dilation, self.return_indices, self.ceil_mode = dilation, return_indices, ceil_mode

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, C, H, W) to (N, C, H', W')."""
        return max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of every window of an image.

    Args:
        kernel_size: height and width of a window, or one number for both.
        stride: step of the window; by default its size, so that windows do not overlap.
        padding: zeros around the image, at most half a window.
        ceil_mode: keep the windows that reach beyond the image.
        count_include_pad: whether the padding counts in the mean.
        divisor_override: divide by this instead of the size of the window.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.AvgPool2d(2)(dlcore.arange(16.0).view(1, 1, 4, 4)).tolist()
        [[[[2.5, 4.5], [10.5, 12.5]]]]
    """

    def __init__(
        self,
        kernel_size: _Size,
        stride: _Size | None = None,
        padding: _Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = (
            kernel_size,
            kernel_size if stride is None else stride,
            padding,
        )
        self.ceil_mode, self.count_include_pad, self.divisor_override = (
            ceil_mode,
            count_include_pad,
            divisor_override,
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H', W')."""
        return avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """The sizes."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
