"""Normalisation layers."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor, batch_norm, layer_norm
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm"]


class _BatchNorm(Module):
    """What batch normalisation of any number of dimensions shares."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _ranks: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(_core.ones(num_features, dtype=dtype, device=device)) if affine else None
        self.bias = Parameter(_core.zeros(num_features, dtype=dtype, device=device)) if affine else None
        tracked = track_running_stats
        self.register_buffer("running_mean", _core.zeros(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", _core.ones(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", _core.zeros((), dtype=_core.int64) if tracked else None)

    def reset_running_stats(self) -> None:
        """Forget what was tracked."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0, nothing tracked."""
        self.reset_running_stats()
        for parameter, value in ((self.weight, 1.0), (self.bias, 0.0)):
            if parameter is not None:
                parameter.data.fill_(value)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise every channel, dimension 1, over all other dimensions."""
        if input.dim() not in self._ranks:
            expected = " or ".join(map(str, self._ranks))
            shape = tuple(input.shape)
            raise _core.ShapeError(f"{type(self).__name__}: expected {expected} dimensions, got {len(shape)}: {shape}")
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the mean over all batches so far
                momentum = 1.0 / float(self.num_batches_tracked.item())
        return batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L); everything else as `BatchNorm2d`.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.BatchNorm1d(4)(dlcore.randn(8, 4)).shape
        (8, 4)
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images: each channel gets mean 0 and variance 1, then a learned scale and shift.

    While training, mean and variance are those of the batch, and a running average of both is kept, which
    `eval` uses.
    Source: Ioffe and Szegedy, 2015.

    Args:
        num_features: channels C of the input, (N, C, H, W).
        eps: added to the variance.
        momentum: weight of the batch in the running average; None averages over all batches alike.
        affine: whether scale (``weight``) and shift (``bias``), both (C,), are learned.
        track_running_stats: whether ``running_mean``, ``running_var`` and ``num_batches_tracked`` are kept.
        device: ``"cpu"`` or None.
        dtype: of parameters and buffers; float32 by default.

    Raises:
        ShapeError: when called with another number of dimensions or channels.
        ValueError: when called while training with one value per channel.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.BatchNorm2d(3)(dlcore.randn(8, 3, 4, 4)).shape
        (8, 3, 4, 4)
    """

    _ranks = (4,)


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
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
