"""Batch normalisation layers."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor, batch_norm
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]


class _Tracking(Module):
    """What batch and instance normalisation share: scale, shift and running statistics."""

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
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(_core.ones(num_features, dtype=dtype, device=device)) if affine else None
        self.bias = Parameter(_core.zeros(num_features, dtype=dtype, device=device)) if affine and bias else None
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

    def _channels(self, input: Tensor) -> int:
        return input.shape[1]

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in self._ranks:
            expected, shape = " or ".join(map(str, self._ranks)), tuple(input.shape)
            raise _core.ShapeError(f"{type(self).__name__}: expected {expected} dimensions, got {len(shape)}: {shape}")

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Tracking):
    """Batch normalisation of any number of dimensions."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        if not eps > 0:
            raise ValueError(f"{type(self).__name__}: eps must be positive, got {eps}")
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise every channel, dimension 1, over all other dimensions."""
        self._check_input_dim(input)
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
        bias: whether there is a shift.

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


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of volumes, (N, C, D, H, W); everything else as `BatchNorm2d`.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.BatchNorm3d(3)(dlcore.randn(2, 3, 4, 4, 4)).shape
        (2, 3, 4, 4, 4)
    """

    _ranks = (5,)
