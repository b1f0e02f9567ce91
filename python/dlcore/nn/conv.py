"""Convolution layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn import init
from dlcore.nn.integer_input import refuse_integers
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

_Size = int | tuple[int, ...]
_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


class _Conv(Module):
    """What the layers share: their parameters, and how they are named and shown."""

    weight: Parameter
    bias: Parameter | None
    transposed: ClassVar[bool] = False
    padding_mode: str
    _dims: ClassVar[int]

    def _set_up(
        self,
        channels: tuple[int, int],
        kernel_size: _Size,
        stride: _Size,
        dilation: _Size,
        groups: int,
        bias: bool,
        shape: Callable[[int], tuple[int, int]],
        device: str | None,
        dtype: _core.dtype | None,
    ) -> None:
        self.in_channels, self.out_channels = channels
        if groups < 1 or self.in_channels % groups or self.out_channels % groups:
            raise ValueError(f"{type(self).__name__}: {groups=} must divide in_channels and out_channels, {channels}")
        self.groups = groups
        self.kernel_size, self.stride, self.dilation = map(self._each, (kernel_size, stride, dilation))
        self.weight = Parameter(_core.empty((*shape(groups), *self.kernel_size), dtype=dtype, device=device))
        self.bias = Parameter(_core.empty(self.out_channels, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def _each(self, value: _Size) -> tuple[int, ...]:
        """One number for each dimension."""
        if isinstance(value, int):
            return (value,) * self._dims
        if len(value) == 1:
            return tuple(value) * self._dims
        if len(value) != self._dims:
            raise ValueError(f"{type(self).__name__}: expected one number or {self._dims}, got {tuple(value)}")
        return tuple(value)

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(max(math.prod(self.weight.shape[1:]), 1))
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        none, ones = (0,) * self._dims, (1,) * self._dims
        for name, usual in (("padding", none), ("dilation", ones), ("output_padding", none), ("groups", 1)):
            if (value := getattr(self, name)) != usual:
                parts.append(f"{name}={value}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Convolution(_Conv):
    """Convolution of any number of dimensions."""

    _convolve: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size,
        stride: _Size = 1,
        padding: _Size | str = 0,
        dilation: _Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if padding_mode not in _MODES:
            raise ValueError(f"{name}: padding_mode must be one of {', '.join(_MODES)}, got {padding_mode!r}")
        if isinstance(padding, str) and padding not in ("valid", "same"):
            raise ValueError(f"{name}: padding must be numbers, 'valid' or 'same', got {padding!r}")
        if padding == "same" and self._each(stride) != (1,) * self._dims:
            raise ValueError(f"{name}: padding='same' needs stride 1, got {stride}")

        def shape(groups: int) -> tuple[int, int]:
            return out_channels, in_channels // groups

        channels = (in_channels, out_channels)
        self._set_up(channels, kernel_size, stride, dilation, groups, bias, shape, device, dtype)
        self.padding = padding if isinstance(padding, str) else self._each(padding)
        self.output_padding, self.padding_mode = (0,) * self._dims, padding_mode
        self._borders = None if padding_mode == "zeros" else self._both_sides()

    def _both_sides(self) -> list[int]:
        """What `pad` adds before and after each dimension, the last one first."""
        borders = []
        for d in reversed(range(self._dims)):
            if isinstance(self.padding, str):
                reach = self.dilation[d] * (self.kernel_size[d] - 1) if self.padding == "same" else 0
                borders += [reach // 2, reach - reach // 2]
            else:
                borders += [self.padding[d]] * 2
        return borders

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, ...) to (N, out_channels, ...)."""
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # Layers of others, which bring a weight of their own, override or call it by this name, which is PyTorch's.
        padding: tuple[int, ...] | str = self.padding
        if self._borders is not None:
            input, padding = _core.pad(input, self._borders, _MODES[self.padding_mode]), 0  # type: ignore[assignment]
        try:
            return type(self)._convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)
        except _core.DTypeError:
            refuse_integers(type(self).__name__, input, weight)
            raise


class Conv1d(_Convolution):
    """Cross-correlation of sequences with a bank of filters.

    Args:
        in_channels: channels of the input, (N, in_channels, L) or (in_channels, L).
        out_channels: channels of the output.
        kernel_size: length of a filter.
        stride: step of the filter.
        padding: elements before and after a sequence, ``"valid"`` for none or ``"same"`` to keep the length.
        dilation: distance of the filter's taps.
        groups: input channels are split into so many groups, each with its own filters.
        bias: whether a bias is added to every output channel.
        padding_mode: what is added, ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (out_channels, in_channels / groups, kernel_size), uniform over ±1/√fan_in, as PyTorch's.
        bias: (out_channels,), likewise, or None.

    Raises:
        ValueError: channels that the groups do not divide, or an unknown padding.
        ShapeError: when called with other channels, or a sequence shorter than the filter.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Conv1d(3, 16, kernel_size=5, padding="same")(dlcore.randn(8, 3, 100)).shape
        (8, 16, 100)
    """

    _dims = 1
    _convolve = staticmethod(_core.conv1d)


class Conv2d(_Convolution):
    """Cross-correlation of images with a bank of filters.

    Args:
        in_channels: channels of the input, (N, in_channels, H, W) or (in_channels, H, W).
        out_channels: channels of the output.
        kernel_size: height and width of a filter, or one number for both.
        stride: step of the filter.
        padding: elements around the image, ``"valid"`` for none or ``"same"`` to keep the size.
        dilation: distance of the filter's taps.
        groups: input channels are split into so many groups, each with its own filters.
        bias: whether a bias is added to every output channel.
        padding_mode: what is added, ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (out_channels, in_channels / groups, *kernel_size), uniform over ±1/√fan_in, as PyTorch's.
        bias: (out_channels,), likewise, or None.

    Raises:
        ValueError: channels that the groups do not divide, or an unknown padding.
        ShapeError: when called with other channels, or an image smaller than the filter.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Conv2d(3, 16, kernel_size=3, stride=2, padding=1)(dlcore.randn(8, 3, 32, 32)).shape
        (8, 16, 16, 16)
    """

    _dims = 2
    _convolve = staticmethod(_core.conv2d)


class Conv3d(_Convolution):
    """Cross-correlation of volumes with a bank of filters.

    Args:
        in_channels: channels of the input, (N, in_channels, D, H, W) or (in_channels, D, H, W).
        out_channels: channels of the output.
        kernel_size: depth, height and width of a filter, or one number for all.
        stride: step of the filter.
        padding: elements around the volume, ``"valid"`` for none or ``"same"`` to keep the size.
        dilation: distance of the filter's taps.
        groups: input channels are split into so many groups, each with its own filters.
        bias: whether a bias is added to every output channel.
        padding_mode: what is added, ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (out_channels, in_channels / groups, *kernel_size), uniform over ±1/√fan_in, as PyTorch's.
        bias: (out_channels,), likewise, or None.

    Raises:
        ValueError: channels that the groups do not divide, or an unknown padding.
        ShapeError: when called with other channels, or a volume smaller than the filter.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Conv3d(3, 4, kernel_size=3, padding=1)(dlcore.randn(2, 3, 4, 8, 8)).shape
        (2, 4, 4, 8, 8)
    """

    _dims = 3
    _convolve = staticmethod(_core.conv3d)


class _ConvTranspose(_Conv):
    """Transposed convolution of any number of dimensions."""

    transposed = True
    _convolve: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: _Size,
        stride: _Size = 1,
        padding: _Size = 0,
        output_padding: _Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: _Size = 1,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(f"{type(self).__name__}: padding_mode must be 'zeros', got {padding_mode!r}")

        def shape(groups: int) -> tuple[int, int]:
            return in_channels, out_channels // groups

        channels = (in_channels, out_channels)
        self._set_up(channels, kernel_size, stride, dilation, groups, bias, shape, device, dtype)
        self.padding, self.output_padding = self._each(padding), self._each(output_padding)
        self.padding_mode = padding_mode

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, in_channels, ...) to (N, out_channels, ...); `output_size` says which of the possible sizes."""
        more = self.output_padding if output_size is None else self._missing(input, output_size)
        try:
            return type(self)._convolve(
                input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation
            )
        except _core.DTypeError:
            refuse_integers(type(self).__name__, input, self.weight)
            raise

    def _missing(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """What must be added to get a size."""
        wanted = list(output_size)[-self._dims :]
        least = [
            (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
            for n, stride, padding, dilation, kernel in zip(
                input.shape[-self._dims :], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        if any(not 0 <= w - n < s for w, n, s in zip(wanted, least, self.stride, strict=True)):
            most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
            raise ValueError(f"{type(self).__name__}: output_size {wanted} is not between {least} and {most}")
        return tuple(w - n for w, n in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of sequences: the gradient of a convolution by its input.

    Args:
        in_channels: channels of the input, (N, in_channels, L) or (in_channels, L).
        out_channels: channels of the output.
        kernel_size: length of a filter.
        stride: distance in the output of neighbours in the input.
        padding: elements cut off before and after the output.
        output_padding: elements added behind the output, fewer than stride or dilation.
        groups: channels are split into so many groups, each with its own filters.
        bias: whether a bias is added to every output channel.
        dilation: distance of the filter's taps.
        padding_mode: only ``"zeros"``.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (in_channels, out_channels / groups, kernel_size), as PyTorch's.
        bias: (out_channels,), or None.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ConvTranspose1d(16, 3, kernel_size=4, stride=2, padding=1)(dlcore.randn(8, 16, 50)).shape
        (8, 3, 100)
    """

    _dims = 1
    _convolve = staticmethod(_core.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of images: the gradient of a convolution by its input.

    Args:
        in_channels: channels of the input, (N, in_channels, H, W) or (in_channels, H, W).
        out_channels: channels of the output.
        kernel_size: height and width of a filter, or one number for both.
        stride: distance in the output of neighbours in the input.
        padding: rows and columns cut off around the output.
        output_padding: rows and columns added behind the output, fewer than stride or dilation.
        groups: channels are split into so many groups, each with its own filters.
        bias: whether a bias is added to every output channel.
        dilation: distance of the filter's taps.
        padding_mode: only ``"zeros"``.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (in_channels, out_channels / groups, *kernel_size), as PyTorch's.
        bias: (out_channels,), or None.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ConvTranspose2d(16, 3, kernel_size=2, stride=2)(dlcore.randn(8, 16, 7, 7)).shape
        (8, 3, 14, 14)
    """

    _dims = 2
    _convolve = staticmethod(_core.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of volumes: the gradient of a convolution by its input.

    Args:
        in_channels: channels of the input, (N, in_channels, D, H, W) or (in_channels, D, H, W).
        out_channels: channels of the output.
        kernel_size: depth, height and width of a filter, or one number for all.
        stride: distance in the output of neighbours in the input.
        padding: elements cut off around the output.
        output_padding: elements added behind the output, fewer than stride or dilation.
        groups: channels are split into so many groups, each with its own filters.
        bias: whether a bias is added to every output channel.
        dilation: distance of the filter's taps.
        padding_mode: only ``"zeros"``.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (in_channels, out_channels / groups, *kernel_size), as PyTorch's.
        bias: (out_channels,), or None.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ConvTranspose3d(4, 3, kernel_size=2, stride=2)(dlcore.randn(2, 4, 3, 4, 4)).shape
        (2, 3, 6, 8, 8)
    """

    _dims = 3
    _convolve = staticmethod(_core.conv_transpose3d)
