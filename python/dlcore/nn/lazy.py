"""Layers that learn the size of their input from the first one they see.

Until then their parameters are empty; an optimizer may hold them already, for they stay the same objects. After the
first call, or after a state dict was loaded, the layer is one of the ordinary class.
"""

from __future__ import annotations

from typing import Any, cast

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, _Tracking
from dlcore.nn.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _Conv,
    _Convolution,
    _ConvTranspose,
    _Size,
)
from dlcore.nn.instance_norm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from dlcore.nn.linear import Linear
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
]


class _Lazy(Module):
    """The part that waits: a subclass says how many features an input has and which shapes follow."""

    _becomes: type[Module]

    def _wait(self) -> None:
        """Load sizes from a state dict, should one come before an input."""
        self.register_load_state_dict_pre_hook(_sized_by_state)

    def _features(self, input: Tensor) -> int:
        return input.shape[1]

    def _features_of(self, weight: tuple[int, ...]) -> int:
        """The features of which a weight of this shape is."""
        return weight[-1]

    def _size(self, features: int) -> None:
        """Give all parameters and buffers the shapes for so many features."""
        raise NotImplementedError(f"{type(self).__name__} has no _size()")

    def _arrive(self, features: int) -> None:
        self._size(features)
        waiting = [number for number, hook in self._hooks["load_pre"].items() if hook is _sized_by_state]
        for number in waiting:
            del self._hooks["load_pre"][number]
        self.__class__ = self._becomes  # type: ignore[assignment]

    def forward(self, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Take the size, and be the ordinary layer from now on."""
        self._arrive(self._features(input))
        cast("Any", self).reset_parameters()
        return self.forward(input, *args, **kwargs)


def _sized_by_state(module: _Lazy, state: dict[str, Any], prefix: str, *_: object) -> None:
    weight = state.get(f"{prefix}weight", state.get(f"{prefix}running_mean"))
    if weight is not None:
        module._arrive(module._features_of(tuple(weight.shape)))


def _resize(tensor: Tensor, *shape: int) -> None:
    """Give an empty tensor, which others may hold, memory and a shape."""
    tensor.data = _core.zeros(*shape, dtype=tensor.dtype)


class LazyLinear(_Lazy, Linear):
    """`Linear` whose `in_features` come from the first input; also ``nn.Linear(None, out_features)``.

    Args:
        out_features: size of the last dimension of the output.
        bias: whether there is a bias.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyLinear(3)
        >>> _ = layer(dlcore.zeros(1, 5))
        >>> layer
        Linear(in_features=5, out_features=3, bias=True)
    """

    _becomes = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: str | None = None, dtype: _core.dtype | None = None
    ) -> None:
        Module.__init__(self)
        self.in_features, self.out_features = 0, out_features
        self.weight = Parameter(_core.empty(0, dtype=dtype, device=device))
        self.bias = Parameter(_core.empty(0, dtype=dtype, device=device)) if bias else None
        self._wait()

    def _features(self, input: Tensor) -> int:
        return input.shape[-1]

    def _size(self, features: int) -> None:
        self.in_features = features
        _resize(self.weight, self.out_features, features)
        if self.bias is not None:
            _resize(self.bias, self.out_features)


class _LazyNorm(_Lazy, _Tracking):
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        _Tracking.__init__(self, 0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self._wait()

    def _features(self, input: Tensor) -> int:
        self._check_input_dim(input)
        return self._channels(input)

    def _size(self, features: int) -> None:
        self.num_features = features
        for tensor in (self.weight, self.bias, self.running_mean, self.running_var):
            if tensor is not None:
                _resize(tensor, features)


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """`BatchNorm1d` whose `num_features` come from the first input.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyBatchNorm1d()
        >>> _ = layer(dlcore.randn(2, 3))
        >>> type(layer).__name__, layer.num_features
        ('BatchNorm1d', 3)
    """

    _becomes = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """`BatchNorm2d` whose `num_features` come from the first input.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyBatchNorm2d()
        >>> _ = layer(dlcore.randn(2, 3, 4, 4))
        >>> type(layer).__name__, layer.num_features
        ('BatchNorm2d', 3)
    """

    _becomes = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """`BatchNorm3d` whose `num_features` come from the first input.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyBatchNorm3d()
        >>> _ = layer(dlcore.randn(2, 3, 4, 4, 4))
        >>> type(layer).__name__, layer.num_features
        ('BatchNorm3d', 3)
    """

    _becomes = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """`InstanceNorm1d` whose `num_features` come from the first input; it has scale and shift, and tracks, by default.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyInstanceNorm1d()
        >>> _ = layer(dlcore.randn(2, 3, 4))
        >>> type(layer).__name__, layer.num_features
        ('InstanceNorm1d', 3)
    """

    _becomes = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """`InstanceNorm2d` whose `num_features` come from the first input; it has scale and shift, and tracks, by default.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyInstanceNorm2d()
        >>> _ = layer(dlcore.randn(2, 3, 4, 4))
        >>> type(layer).__name__, layer.num_features
        ('InstanceNorm2d', 3)
    """

    _becomes = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """`InstanceNorm3d` whose `num_features` come from the first input; it has scale and shift, and tracks, by default.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyInstanceNorm3d()
        >>> _ = layer(dlcore.randn(2, 3, 4, 4, 4))
        >>> type(layer).__name__, layer.num_features
        ('InstanceNorm3d', 3)
    """

    _becomes = InstanceNorm3d


class _LazyConv(_Lazy, _Conv):
    """What waits of both kinds of convolution, whose constructors take what those of the ordinary classes do."""

    def _wait(self) -> None:
        self.in_channels = 0
        for tensor in (self.weight, self.bias):
            if tensor is not None:
                _resize(tensor, 0)
        super()._wait()

    def _features(self, input: Tensor) -> int:
        if input.dim() not in (self._dims + 1, self._dims + 2):
            expected, shape = f"{self._dims + 1} or {self._dims + 2}", tuple(input.shape)
            raise _core.ShapeError(f"{type(self).__name__}: expected {expected} dimensions, got shape {shape}")
        return input.shape[-self._dims - 1]

    def _size(self, features: int) -> None:
        if features % self.groups:
            raise ValueError(f"{type(self).__name__}: {self.groups} groups do not divide {features} channels")
        self.in_channels = features
        _resize(self.weight, *self._ends(features), *self.kernel_size)
        if self.bias is not None:
            _resize(self.bias, self.out_channels)

    def _ends(self, features: int) -> tuple[int, int]:
        """The first two extents of the weight."""
        raise NotImplementedError(f"{type(self).__name__} has no _ends()")


class _LazyConvolution(_LazyConv, _Convolution):
    def __init__(
        self,
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
        sizes = (groups, out_channels, kernel_size, stride, padding, dilation, groups)
        _Convolution.__init__(self, *sizes, bias, padding_mode, device, dtype)
        self._wait()

    def _features_of(self, weight: tuple[int, ...]) -> int:
        return weight[1] * self.groups

    def _ends(self, features: int) -> tuple[int, int]:
        return self.out_channels, features // self.groups


class _LazyConvTranspose(_LazyConv, _ConvTranspose):
    def __init__(
        self,
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
        sizes = (groups, out_channels, kernel_size, stride, padding, output_padding, groups)
        _ConvTranspose.__init__(self, *sizes, bias, dilation, padding_mode, device, dtype)
        self._wait()

    def _features_of(self, weight: tuple[int, ...]) -> int:
        return weight[0]

    def _ends(self, features: int) -> tuple[int, int]:
        return features, self.out_channels // self.groups


class LazyConv1d(_LazyConvolution, Conv1d):
    """`Conv1d` whose `in_channels` come from the first input; it takes the other arguments.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyConv1d(8, kernel_size=2)
        >>> _ = layer(dlcore.zeros(2, 3, 4))
        >>> type(layer).__name__, layer.in_channels
        ('Conv1d', 3)
    """

    _becomes = Conv1d


class LazyConv2d(_LazyConvolution, Conv2d):
    """`Conv2d` whose `in_channels` come from the first input; it takes the other arguments.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyConv2d(8, kernel_size=2)
        >>> _ = layer(dlcore.zeros(2, 3, 4, 4))
        >>> type(layer).__name__, layer.in_channels
        ('Conv2d', 3)
    """

    _becomes = Conv2d


class LazyConv3d(_LazyConvolution, Conv3d):
    """`Conv3d` whose `in_channels` come from the first input; it takes the other arguments.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyConv3d(8, kernel_size=2)
        >>> _ = layer(dlcore.zeros(2, 3, 4, 4, 4))
        >>> type(layer).__name__, layer.in_channels
        ('Conv3d', 3)
    """

    _becomes = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """`ConvTranspose1d` whose `in_channels` come from the first input; it takes the other arguments.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyConvTranspose1d(8, kernel_size=2)
        >>> _ = layer(dlcore.zeros(2, 3, 4))
        >>> type(layer).__name__, layer.in_channels
        ('ConvTranspose1d', 3)
    """

    _becomes = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """`ConvTranspose2d` whose `in_channels` come from the first input; it takes the other arguments.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyConvTranspose2d(8, kernel_size=2)
        >>> _ = layer(dlcore.zeros(2, 3, 4, 4))
        >>> type(layer).__name__, layer.in_channels
        ('ConvTranspose2d', 3)
    """

    _becomes = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """`ConvTranspose3d` whose `in_channels` come from the first input; it takes the other arguments.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.LazyConvTranspose3d(8, kernel_size=2)
        >>> _ = layer(dlcore.zeros(2, 3, 4, 4, 4))
        >>> type(layer).__name__, layer.in_channels
        ('ConvTranspose3d', 3)
    """

    _becomes = ConvTranspose3d
