"""Instance normalisation layers."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn.batch_norm import _Tracking
from dlcore.nn.functions.normalization import instance_norm

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(_Tracking):
    """Instance normalisation of any number of dimensions; the first of `_ranks` is that without a batch."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: str | None = None,
        dtype: _core.dtype | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _channels(self, input: Tensor) -> int:
        return input.shape[0 if input.dim() == self._ranks[0] else 1]

    def forward(self, input: Tensor) -> Tensor:
        """Normalise every channel of every sample."""
        self._check_input_dim(input)
        alone = input.dim() == self._ranks[0]
        if self._channels(input) != self.num_features:
            shape = tuple(input.shape)
            raise _core.ShapeError(f"{type(self).__name__}: expected {self.num_features} channels, got shape {shape}")
        result = instance_norm(
            input.unsqueeze(0) if alone else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return result.squeeze(0) if alone else result


class InstanceNorm1d(_InstanceNorm):
    """Mean 0 and variance 1 for every channel of every sample of sequences, (N, C, L) or (C, L).

    Everything else as `InstanceNorm2d`.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.InstanceNorm1d(3)(dlcore.randn(2, 3, 8)).shape
        (2, 3, 8)
    """

    _ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Mean 0 and variance 1 for every channel of every sample of images, (N, C, H, W) or (C, H, W).

    Source: Ulyanov, Vedaldi and Lempitsky, 2016.

    Args:
        num_features: channels C.
        eps: added to the variance.
        momentum: weight of the batch in the running averages.
        affine: whether scale (``weight``) and shift (``bias``), both (C,), are learned.
        track_running_stats: whether running averages are kept, which `eval` then uses.
        device: ``"cpu"`` or None.
        dtype: of parameters and buffers; float32 by default.
        bias: whether there is a shift.

    Raises:
        ShapeError: when called with another number of dimensions or channels.
        ValueError: when called with one element per channel.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.InstanceNorm2d(3)(dlcore.randn(2, 3, 8, 8)).shape
        (2, 3, 8, 8)
    """

    _ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Mean 0 and variance 1 for every channel of every sample of volumes, (N, C, D, H, W) or (C, D, H, W).

    Everything else as `InstanceNorm2d`.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.InstanceNorm3d(3)(dlcore.randn(2, 3, 4, 4, 4)).shape
        (2, 3, 4, 4, 4)
    """

    _ranks = (4, 5)
