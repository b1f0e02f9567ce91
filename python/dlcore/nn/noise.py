"""Regularising by chance, beyond dropout: skipped branches and noisy features."""

from __future__ import annotations

from dlcore._core import Tensor, rand, randn_like
from dlcore.nn.module import Module

__all__ = ["DropPath", "GaussianNoise"]


class DropPath(Module):
    """While training, set whole samples to zero with probability `drop_prob`: the branch of a residual is skipped.

    Source: Huang et al., "Deep networks with stochastic depth", 2016; the name and the arguments are timm's.

    Args:
        drop_prob: probability of a zero, in 0..1.
        scale_by_keep: scale the others by 1/(1 − drop_prob).

    Raises:
        ValueError: a probability outside 0..1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> _ = dlcore.manual_seed(0)
        >>> sorted(set(nn.DropPath(0.5)(dlcore.ones(64, 2)).flatten().tolist()))
        [0.0, 2.0]
    """

    def __init__(self, drop_prob: float = 0.0, scale_by_keep: bool = True) -> None:
        super().__init__()
        if not 0 <= drop_prob <= 1:
            raise ValueError(f"DropPath: drop_prob must be in 0..1, got {drop_prob}")
        self.drop_prob, self.scale_by_keep = drop_prob, scale_by_keep

    def forward(self, input: Tensor) -> Tensor:
        """(N, ...), kept."""
        if not self.training or self.drop_prob == 0:
            return input
        keep = 1 - self.drop_prob
        kept = (rand(input.shape[0], *[1] * (input.dim() - 1)) < keep).to(input.dtype)
        return input * (kept / keep if self.scale_by_keep and keep else kept)

    def extra_repr(self) -> str:
        """The probability."""
        return f"drop_prob={self.drop_prob}"


class GaussianNoise(Module):
    """While training, add normally distributed noise to every element.

    Args:
        stddev: the noise's standard deviation.

    Raises:
        ValueError: a negative deviation.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> _ = dlcore.manual_seed(0)
        >>> layer = nn.GaussianNoise(0.5)
        >>> round(layer(dlcore.zeros(10000)).std().item(), 1), layer.eval()(dlcore.zeros(2)).tolist()
        (0.5, [0.0, 0.0])
    """

    def __init__(self, stddev: float = 0.1) -> None:
        super().__init__()
        if not stddev >= 0:
            raise ValueError(f"GaussianNoise: stddev must be at least 0, got {stddev}")
        self.stddev = stddev

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return input + self.stddev * randn_like(input) if self.training and self.stddev else input

    def extra_repr(self) -> str:
        """The deviation."""
        return f"stddev={self.stddev}"
