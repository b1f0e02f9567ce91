"""Bringing data into a range that networks learn from well, as a part of the model; names are those of Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from dlcore import _core
from dlcore._core import Tensor
from dlcore.autograd import no_grad
from dlcore.nn.module import Module

__all__ = ["Normalization", "Rescaling"]


class Rescaling(Module):
    """scale·x + offset, as ``Rescaling(1 / 255)`` for the bytes of an image.

    Args:
        scale: a factor.
        offset: a summand.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Rescaling(1 / 127.5, offset=-1)(dlcore.tensor([0, 255], dtype=dlcore.uint8)).tolist()
        [-1.0, 1.0]
    """

    def __init__(self, scale: float, offset: float = 0.0) -> None:
        super().__init__()
        self.scale, self.offset = float(scale), float(offset)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept; integers become float32."""
        return (input if input.is_floating_point() else input.float()) * self.scale + self.offset

    def extra_repr(self) -> str:
        """The numbers."""
        return f"scale={self.scale}, offset={self.offset}"


class Normalization(Module):
    """(x − mean)/√variance along one dimension, with statistics that are given, or taken from data once by `adapt`.

    They are buffers: saved with the model, and not trained.

    Args:
        mean: a number, or one for each feature.
        variance: likewise; both or none of them.
        dim: the dimension of the features; the last by default, 1 for the channels of images.
        eps: the least variance.

    Raises:
        ValueError: only one of them given.
        RuntimeError: when called without statistics.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.Normalization().adapt(dlcore.tensor([[0.0, 10.0], [2.0, 30.0]]))
        >>> layer(dlcore.tensor([[1.0, 40.0]])).tolist()
        [[0.0, 2.0]]
    """

    mean: Tensor | None
    variance: Tensor | None

    def __init__(
        self,
        mean: float | Sequence[float] | Tensor | None = None,
        variance: float | Sequence[float] | Tensor | None = None,
        dim: int = -1,
        eps: float = 1e-12,
    ) -> None:
        super().__init__()
        if (mean is None) != (variance is None):
            raise ValueError("Normalization: give mean and variance, or none of them and call adapt(data)")
        self.dim, self.eps = dim, eps
        self.register_buffer("mean", None if mean is None else _core.as_tensor(mean).float())
        self.register_buffer("variance", None if variance is None else _core.as_tensor(variance).float())

    def adapt(self, data: Tensor) -> Self:
        """Take mean and variance of every feature from data, (N, ...), and return the layer itself."""
        others = [dim for dim in range(data.dim()) if dim != self.dim % data.dim()]
        with no_grad():
            self.mean = data.float().mean(others)
            self.variance = data.float().var(others, correction=0)
        return self

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept; integers become float32."""
        if self.mean is None or self.variance is None:
            raise RuntimeError("Normalization: there are no statistics yet: call adapt(data)")
        x = input if input.is_floating_point() else input.float()
        shape = [1] * x.dim()
        shape[self.dim] = -1
        mean, variance = self.mean.to(x.dtype), self.variance.to(x.dtype)
        if mean.dim():
            mean, variance = mean.reshape(shape), variance.reshape(shape)
        return (x - mean) * variance.clamp(min=self.eps).rsqrt()

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"
