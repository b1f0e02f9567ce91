"""Pooling layers that take one number of every window."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn.module import Module

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]

_Size = int | tuple[int, ...]


class _MaxPool(Module):
    """The maximum of every window."""

    _pool: ClassVar[Callable[..., Tensor | tuple[Tensor, Tensor]]]

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
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, C, ...) to (N, C, ...)."""
        return type(self)._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class _AvgPool(Module):
    """The mean of every window."""

    _pool: ClassVar[Callable[..., Tensor]]

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
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) to (N, C, ...)."""
        return type(self)._pool(
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


class _LPPool(Module):
    """The root of the sum of powers of every window."""

    _pool: ClassVar[Callable[..., Tensor]]

    def __init__(
        self, norm_type: float, kernel_size: _Size, stride: _Size | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) to (N, C, ...)."""
        return type(self)._pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The maximum of every window of a sequence, (N, C, L) or (C, L).

    Args:
        kernel_size: length of a window.
        stride: step of the window; by default its size, so that windows do not overlap.
        padding: −∞ around the sequence, at most half a window.
        dilation: distance of the elements in a window.
        return_indices: return also where in the flattened sequence each maximum was, int64.
        ceil_mode: keep the windows that reach beyond the sequence.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.MaxPool1d(2)(dlcore.arange(4.0).view(1, 1, 4)).flatten()[0].item()
        1.0
    """

    _pool = staticmethod(_core.max_pool1d)


class AvgPool1d(_AvgPool):
    """The mean of every window of a sequence, (N, C, L) or (C, L).

    Args:
        kernel_size: length of a window.
        stride: step of the window; by default its size, so that windows do not overlap.
        padding: zeros around the sequence, at most half a window.
        ceil_mode: keep the windows that reach beyond the sequence.
        count_include_pad: whether the padding counts in the mean.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.AvgPool1d(2)(dlcore.arange(4.0).view(1, 1, 4)).flatten()[0].item()
        0.5
    """

    _pool = staticmethod(_core.avg_pool1d)

    def __init__(
        self,
        kernel_size: _Size,
        stride: _Size | None = None,
        padding: _Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, C, L')."""
        return _core.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class LPPool1d(_LPPool):
    """The root of the sum of powers of every window of a sequence, (N, C, L) or (C, L).

    Args:
        norm_type: the power.
        kernel_size: length of a window.
        stride: step of the window; by default its size, so that windows do not overlap.
        ceil_mode: keep the windows that reach beyond the sequence.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.LPPool1d(2, 2)(dlcore.ones(1, 1, 2))
        tensor([[[1.4142]]])
    """

    _pool = staticmethod(_core.lp_pool1d)


class MaxPool2d(_MaxPool):
    """The maximum of every window of an image, (N, C, H, W) or (C, H, W).

    Args:
        kernel_size: height and width of a window, or one number for both.
        stride: step of the window; by default its size, so that windows do not overlap.
        padding: −∞ around the image, at most half a window.
        dilation: distance of the elements in a window.
        return_indices: return also where in the flattened image each maximum was, int64.
        ceil_mode: keep the windows that reach beyond the image.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.MaxPool2d(2)(dlcore.arange(16.0).view(1, 1, 4, 4)).flatten()[0].item()
        5.0
    """

    _pool = staticmethod(_core.max_pool2d)


class AvgPool2d(_AvgPool):
    """The mean of every window of an image, (N, C, H, W) or (C, H, W).

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
        >>> nn.AvgPool2d(2)(dlcore.arange(16.0).view(1, 1, 4, 4)).flatten()[0].item()
        2.5
    """

    _pool = staticmethod(_core.avg_pool2d)


class LPPool2d(_LPPool):
    """The root of the sum of powers of every window of an image, (N, C, H, W) or (C, H, W).

    Args:
        norm_type: the power.
        kernel_size: height and width of a window, or one number for both.
        stride: step of the window; by default its size, so that windows do not overlap.
        ceil_mode: keep the windows that reach beyond the image.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.LPPool2d(2, 2)(dlcore.ones(1, 1, 2, 2)).item()
        2.0
    """

    _pool = staticmethod(_core.lp_pool2d)


class MaxPool3d(_MaxPool):
    """The maximum of every window of a volume, (N, C, D, H, W) or (C, D, H, W).

    Args:
        kernel_size: depth, height and width of a window, or one number for all.
        stride: step of the window; by default its size, so that windows do not overlap.
        padding: −∞ around the volume, at most half a window.
        dilation: distance of the elements in a window.
        return_indices: return also where in the flattened volume each maximum was, int64.
        ceil_mode: keep the windows that reach beyond the volume.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.MaxPool3d(2)(dlcore.arange(64.0).view(1, 1, 4, 4, 4)).flatten()[0].item()
        21.0
    """

    _pool = staticmethod(_core.max_pool3d)


class AvgPool3d(_AvgPool):
    """The mean of every window of a volume, (N, C, D, H, W) or (C, D, H, W).

    Args:
        kernel_size: depth, height and width of a window, or one number for all.
        stride: step of the window; by default its size, so that windows do not overlap.
        padding: zeros around the volume, at most half a window.
        ceil_mode: keep the windows that reach beyond the volume.
        count_include_pad: whether the padding counts in the mean.
        divisor_override: divide by this instead of the size of the window.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.AvgPool3d(2)(dlcore.arange(64.0).view(1, 1, 4, 4, 4)).flatten()[0].item()
        10.5
    """

    _pool = staticmethod(_core.avg_pool3d)


class LPPool3d(_LPPool):
    """The root of the sum of powers of every window of a volume, (N, C, D, H, W) or (C, D, H, W).

    Args:
        norm_type: the power.
        kernel_size: depth, height and width of a window, or one number for all.
        stride: step of the window; by default its size, so that windows do not overlap.
        ceil_mode: keep the windows that reach beyond the volume.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.LPPool3d(2, 2)(dlcore.ones(1, 1, 2, 2, 2)).flatten()
        tensor([2.8284])
    """

    _pool = staticmethod(_core.lp_pool3d)
