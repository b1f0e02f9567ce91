"""Normalisation layers that look at one sample at a time; `batch_norm` holds the others."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, group_norm, layer_norm, rms_norm
from dlcore.nn.functions.normalization import local_response_norm
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class LayerNorm(Module):
    """Mean 0 and variance 1 over the last dimensions of every sample, then a learned scale and shift.

    Source: Ba, Kiros and Hinton, 2016.

    Args:
        normalized_shape: the last dimensions, or the size of the last one.
        eps: added to the variance.
        elementwise_affine: whether scale and shift, both of `normalized_shape`, are learned.
        bias: whether there is a shift.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Raises:
        ShapeError: when called with other last dimensions.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.LayerNorm(10)(dlcore.randn(20, 5, 10)).shape
        (20, 5, 10)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        size, affine = self.normalized_shape, elementwise_affine
        self.weight = Parameter(_core.ones(size, dtype=dtype, device=device)) if affine else None
        self.bias = Parameter(_core.zeros(size, dtype=dtype, device=device)) if affine and bias else None

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        for parameter, value in ((self.weight, 1.0), (self.bias, 0.0)):
            if parameter is not None:
                parameter.data.fill_(value)

    def forward(self, input: Tensor) -> Tensor:
        """(..., *normalized_shape), kept."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The sizes."""
        shape, affine, bias = self.normalized_shape, self.elementwise_affine, self.bias is not None
        return f"{shape}, eps={self.eps}, elementwise_affine={affine}, {bias=}"


class GroupNorm(Module):
    """Mean 0 and variance 1 over groups of channels of every sample, then a learned scale and shift for each channel.

    Source: Wu and He, 2018.

    Args:
        num_groups: number of groups.
        num_channels: channels C of the input, (N, C, ...).
        eps: added to the variance.
        affine: whether scale and shift, both (C,), are learned.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.
        bias: whether there is a shift.

    Raises:
        ValueError: groups that do not divide the channels.
        ShapeError: when called with other channels.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.GroupNorm(3, 6)(dlcore.randn(20, 6, 10, 10)).shape
        (20, 6, 10, 10)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_groups} groups do not divide {num_channels} channels")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter(_core.ones(num_channels, dtype=dtype, device=device)) if affine else None
        self.bias = Parameter(_core.zeros(num_channels, dtype=dtype, device=device)) if affine and bias else None

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        for parameter, value in ((self.weight, 1.0), (self.bias, 0.0)):
            if parameter is not None:
                parameter.data.fill_(value)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...), kept."""
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The sizes."""
        bias = self.bias is not None
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, {bias=}"


class RMSNorm(Module):
    """Root mean square 1 over the last dimensions of every sample, then a learned scale.

    Source: Zhang and Sennrich, 2019.

    Args:
        normalized_shape: the last dimensions, or the size of the last one.
        eps: added to the mean square; the dtype's precision by default.
        elementwise_affine: whether the scale, of `normalized_shape`, is learned.
        device: ``"cpu"`` or None.
        dtype: of the parameter; float32 by default.

    Raises:
        ShapeError: when called with other last dimensions.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.RMSNorm(10)(dlcore.randn(20, 5, 10)).shape
        (20, 5, 10)
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        scale = _core.ones(self.normalized_shape, dtype=dtype, device=device) if elementwise_affine else None
        self.weight = None if scale is None else Parameter(scale)

    def reset_parameters(self) -> None:
        """Scale 1."""
        if self.weight is not None:
            self.weight.data.fill_(1)

    def forward(self, x: Tensor) -> Tensor:
        """(..., *normalized_shape), kept."""
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """The input over (k + alpha · mean square of `size` neighbouring channels)^beta (Krizhevsky et al., 2012).

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.LocalResponseNorm(2)(dlcore.randn(32, 5, 24, 24)).shape
        (32, 5, 24, 24)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...), kept."""
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """All numbers."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """`LocalResponseNorm` of images, with the longer half of an even `size` after the channel.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.CrossMapLRN2d(3)(dlcore.randn(2, 5, 4, 4)).shape
        (2, 5, 4, 4)
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W), kept."""
        return local_response_norm(input.flip(1), self.size, self.alpha, self.beta, self.k).flip(1)
