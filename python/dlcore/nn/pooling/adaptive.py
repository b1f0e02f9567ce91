"""Pooling layers that give a size, whatever the size of the input."""

from __future__ import annotations

from collections.abc import Callable
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
]

_Target = int | None | tuple[int | None, ...]


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
