"""Telling a transformer where in a sequence something stands: added, rotated in, or as a bias of the attention."""

from __future__ import annotations

import math

from dlcore import _core
from dlcore._core import Tensor, arange, cat, cos, float64, sin, stack
from dlcore.nn.dropout import Dropout
from dlcore.nn.module import Module

__all__ = ["ALiBi", "RotaryEmbedding", "SinusoidalPositionalEncoding"]


def _angles(dim: int, base: float, first: int, length: int) -> Tensor:
    """Position over base^(2i/dim), (length, dim / 2), in float64: far positions need the digits."""
    rates = base ** (arange(0, dim, 2, dtype=float64) / -dim)
    return arange(first, first + length, dtype=float64).unsqueeze(1) * rates


class SinusoidalPositionalEncoding(Module):
    """Add sin(t/10000^(2i/dim)) to feature 2i of position t, and the cosine to feature 2i + 1.

    Source: Vaswani et al., "Attention is all you need", 2017, section 3.5. It has no parameters and takes any length.

    Args:
        dim: features, an even number.
        dropout: probability for the sums.
        base: 10000 of the formula.

    Raises:
        ValueError: an odd number of features.
        ShapeError: when called with other features.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.SinusoidalPositionalEncoding(2)(dlcore.zeros(1, 3, 2))
        tensor([[[ 0.0000,  1.0000],
                 [ 0.8415,  0.5403],
                 [ 0.9093, -0.4161]]])
    """

    def __init__(self, dim: int, dropout: float = 0.0, base: float = 10000.0) -> None:
        super().__init__()
        _even("SinusoidalPositionalEncoding", dim)
        self.dim, self.base = dim, base
        self.dropout = Dropout(dropout)

    def forward(self, input: Tensor, offset: int = 0) -> Tensor:
        """(..., T, dim), kept; the first position is `offset`."""
        if input.dim() < 2 or input.shape[-1] != self.dim:
            raise _core.ShapeError(f"expected (..., length, {self.dim}), got shape {tuple(input.shape)}")
        angles = _angles(self.dim, self.base, offset, input.shape[-2])
        added: Tensor = self.dropout(input + stack([sin(angles), cos(angles)], -1).flatten(1).to(input.dtype))
        return added

    def extra_repr(self) -> str:
        """The size."""
        return f"{self.dim}, base={self.base}"


class RotaryEmbedding(Module):
    """Rotate pairs of features of queries and keys by the position, so that their products depend on the distance.

    Source: Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021. Pair i of position t turns
    by t/base^(2i/dim).

    Args:
        dim: features that are rotated, an even number; those after them stay.
        base: see above; larger for longer contexts.
        interleaved: the paper's pairs of neighbours (2i, 2i + 1), as GPT-J has them; by default, as in LLaMA and
            GPT-NeoX, pairs are (i, i + dim/2).

    Raises:
        ValueError: an odd number of features.
        ShapeError: when called with fewer features.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> rotary = nn.RotaryEmbedding(2)
        >>> query = rotary(dlcore.tensor([[1.0, 0.0]] * 3))
        >>> query
        tensor([[ 1.0000,  0.0000],
                [ 0.5403,  0.8415],
                [-0.4161,  0.9093]])
        >>> key = rotary(dlcore.tensor([[1.0, 0.0]]), offset=2)  # position 2, after two kept in a cache
        >>> round((query[2] * key[0]).sum().item(), 4)
        1.0
    """

    def __init__(self, dim: int, base: float = 10000.0, interleaved: bool = False) -> None:
        super().__init__()
        _even("RotaryEmbedding", dim)
        self.dim, self.base, self.interleaved = dim, base, interleaved

    def forward(self, input: Tensor, offset: int = 0) -> Tensor:
        """(..., T, D) with D from dim on, kept; the first position is `offset`."""
        if input.dim() < 2 or input.shape[-1] < self.dim:
            raise _core.ShapeError(f"expected (..., length, {self.dim} or more), got shape {tuple(input.shape)}")
        angles = _angles(self.dim, self.base, offset, input.shape[-2])
        cosine, sine = cos(angles).to(input.dtype), sin(angles).to(input.dtype)
        turned = input[..., : self.dim]
        if self.interleaved:
            x, y = turned.unflatten(-1, (-1, 2)).unbind(-1)
            turned = stack([x * cosine - y * sine, x * sine + y * cosine], -1).flatten(-2)
        else:
            x, y = turned.chunk(2, -1)
            turned = cat([x * cosine - y * sine, x * sine + y * cosine], -1)
        return turned if self.dim == input.shape[-1] else cat([turned, input[..., self.dim :]], -1)

    def extra_repr(self) -> str:
        """The size."""
        return f"{self.dim}, base={self.base}, interleaved={self.interleaved}"


class ALiBi(Module):
    """A bias of the attention: every head's scores fall with the distance, each along a line of its own slope.

    Source: Press, Smith and Lewis, "Train short, test long", 2022. With H heads, a power of two, head h has the slope
    2^(−8·h/H); with others the slopes between those of the next power of two fill up.

    Args:
        num_heads: heads.
        causal: what comes later has −∞, so that nothing else need be masked; else its distance counts likewise.

    Raises:
        ValueError: no heads.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> import dlcore.nn.functional as F
        >>> bias = nn.ALiBi(8)(3)
        >>> bias[0]
        tensor([[ 0.0000,    -inf,    -inf],
                [-0.5000,  0.0000,    -inf],
                [-1.0000, -0.5000,  0.0000]])
        >>> x = dlcore.randn(2, 8, 3, 4)
        >>> F.scaled_dot_product_attention(x, x, x, attn_mask=bias).shape
        (2, 8, 3, 4)
    """

    def __init__(self, num_heads: int, causal: bool = True) -> None:
        super().__init__()
        if num_heads < 1:
            raise ValueError(f"ALiBi: num_heads must be at least 1, got {num_heads}")
        self.num_heads, self.causal = num_heads, causal

    def forward(self, query_length: int, key_length: int | None = None) -> Tensor:
        """(num_heads, query_length, key_length); the last query stands at the last key."""
        length = query_length if key_length is None else key_length
        places = arange(length - query_length, length).unsqueeze(1)
        distance = arange(length) - places
        lines = self._slopes().reshape(-1, 1, 1) * -distance.abs()
        return lines.masked_fill(distance > 0, -math.inf) if self.causal else lines

    def _slopes(self) -> Tensor:
        power = 2 ** int(math.log2(self.num_heads))
        slopes = [2.0 ** (-8 * (head + 1) / power) for head in range(power)]
        between = [2.0 ** (-4 * (head + 1) / power) for head in range(0, 2 * power, 2)]
        return _core.tensor((slopes + between)[: self.num_heads])

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.num_heads}, causal={self.causal}"


def _even(name: str, dim: int) -> None:
    if dim < 2 or dim % 2:
        raise ValueError(f"{name}: dim must be even, got {dim}")
