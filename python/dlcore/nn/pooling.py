"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn.module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]

_Size = int | tuple[int, ...]
_Target = int | None | tuple[int | None, ...]


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


class _AdaptiveAvgPool(Module):
    """Means over as many windows as are asked for."""

    _pool: ClassVar[Callable[..., Tensor]]

    def __init__(self, output_size: _Target) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) to (N, C, *output_size)."""
        return type(self)._pool(input, self.output_size)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"output_size={self.output_size}"


class _AdaptiveMaxPool(Module):
    """Maxima of as many windows as are asked for."""

    _pool: ClassVar[Callable[..., Tensor | tuple[Tensor, Tensor]]]

    def __init__(self, output_size: _Target, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, C, ...) to (N, C, *output_size)."""
        return type(self)._pool(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"output_size={self.output_size}"


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


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over windows of a sequence, (N, C, L) or (C, L), as equal as can be.

    Args:
        output_size: how many; None keeps the extent.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.AdaptiveAvgPool1d(2)(dlcore.randn(8, 16, 5)).shape
        (8, 16, 2)
    """

    _pool = staticmethod(_core.adaptive_avg_pool1d)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima of windows of a sequence, (N, C, L) or (C, L), as equal as can be.

    Args:
        output_size: how many; None keeps the extent.
        return_indices: return also where in the flattened sequence each maximum was, int64.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.AdaptiveMaxPool1d(2)(dlcore.randn(8, 16, 5)).shape
        (8, 16, 2)
    """

    _pool = staticmethod(_core.adaptive_max_pool1d)


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


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over windows of an image, (N, C, H, W) or (C, H, W), as equal as can be.

    Args:
        output_size: how many, one number for all dimensions or one for each; None keeps the extent.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.AdaptiveAvgPool2d(2)(dlcore.randn(8, 16, 5, 5)).shape
        (8, 16, 2, 2)
    """

    _pool = staticmethod(_core.adaptive_avg_pool2d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima of windows of an image, (N, C, H, W) or (C, H, W), as equal as can be.

    Args:
        output_size: how many, one number for all dimensions or one for each; None keeps the extent.
        return_indices: return also where in the flattened image each maximum was, int64.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.AdaptiveMaxPool2d(2)(dlcore.randn(8, 16, 5, 5)).shape
        (8, 16, 2, 2)
    """

    _pool = staticmethod(_core.adaptive_max_pool2d)


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


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over windows of a volume, (N, C, D, H, W) or (C, D, H, W), as equal as can be.

    Args:
        output_size: how many, one number for all dimensions or one for each; None keeps the extent.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.AdaptiveAvgPool3d(2)(dlcore.randn(8, 16, 5, 5, 5)).shape
        (8, 16, 2, 2, 2)
    """

    _pool = staticmethod(_core.adaptive_avg_pool3d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima of windows of a volume, (N, C, D, H, W) or (C, D, H, W), as equal as can be.

    Args:
        output_size: how many, one number for all dimensions or one for each; None keeps the extent.
        return_indices: return also where in the flattened volume each maximum was, int64.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.AdaptiveMaxPool3d(2)(dlcore.randn(8, 16, 5, 5, 5)).shape
        (8, 16, 2, 2, 2)
    """

    _pool = staticmethod(_core.adaptive_max_pool3d)


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
