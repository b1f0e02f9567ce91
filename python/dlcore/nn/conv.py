"""Convolution layers."""

from __future__ import annotations

import math

from dlcore import _core
from dlcore._core import Tensor, conv2d
from dlcore.nn import init
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["Conv2d"]


class Conv2d(Module):
    """Cross-correlation of images with a bank of filters.

    Args:
        in_channels: channels of the input, (N, in_channels, H, W) or (in_channels, H, W).
        out_channels: channels of the output.
        kernel_size: height and width of a filter, or one number for both.
        stride: step of the filter.
        padding: zeros around the image, ``"valid"`` for none or ``"same"`` to keep the size.
        dilation: distance of the filter's taps.
        groups: input channels are split into so many groups, each with its own filters.
        bias: whether a bias is added to every output channel.
        padding_mode: only ``"zeros"``.
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

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"Conv2d: {groups=} must divide {in_channels=} and {out_channels=}")
        if padding_mode != "zeros":
            raise ValueError(f"Conv2d: padding_mode must be 'zeros', got {padding_mode!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = _pair(kernel_size), _pair(stride), _pair(dilation)
        self.padding = padding if isinstance(padding, str) else _pair(padding)
        self._padding = self._both_sides(padding)
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(_core.empty(shape, dtype=dtype, device=device))
        self.bias = Parameter(_core.empty(out_channels, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def _both_sides(self, padding: int | tuple[int, int] | str) -> tuple[int, int]:
        """Padding in numbers, the same before and after the image."""
        if not isinstance(padding, str):
            return _pair(padding)
        if padding == "valid":
            return 0, 0
        if padding != "same":
            raise ValueError(f"Conv2d: padding must be numbers, 'valid' or 'same', got {padding!r}")
        if self.stride != (1, 1):
            raise ValueError(f"Conv2d: padding='same' needs stride 1, got {self.stride}")
        reach = [step * (size - 1) for step, size in zip(self.dilation, self.kernel_size, strict=True)]
        if any(r % 2 for r in reach):
            raise ValueError(
                f"Conv2d: padding='same' needs a filter that reaches equally far on both sides, got {reach}"
            )
        return reach[0] // 2, reach[1] // 2

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(max(math.prod(self.weight.shape[1:]), 1))
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H', W')."""
        return conv2d(input, self.weight, self.bias, self.stride, self._padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding not in ((0, 0), "valid"):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    first, second = value
    return first, second
