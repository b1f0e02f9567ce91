"""The two-layer networks of newer transformers, whose hidden features are gated."""

from __future__ import annotations

from collections.abc import Callable

from dlcore import _core
from dlcore._core import Tensor, gelu, silu
from dlcore.nn.dropout import Dropout
from dlcore.nn.linear import Linear
from dlcore.nn.module import Module

__all__ = ["GEGLU", "GatedFeedForward", "SwiGLU"]


class GatedFeedForward(Module):
    """down(activation(gate(x)) · up(x)), with LLaMA's names of the parts.

    Source: Shazeer, "GLU variants improve transformer", 2020.

    Args:
        dim: features of input and output.
        hidden: features between; by default 8/3 of `dim`, rounded up to a multiple of 8, which has as many parameters
            as an ungated network four times as wide.
        activation: of the gate.
        bias: whether the linear layers have biases.
        dropout: probability for the hidden features.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.GatedFeedForward(12, activation=dlcore.sigmoid)
        >>> layer(dlcore.randn(2, 5, 12)).shape, layer.up_proj.weight.shape
        ((2, 5, 12), (32, 12))
    """

    def __init__(
        self,
        dim: int,
        hidden: int | None = None,
        activation: Callable[[Tensor], Tensor] = silu,
        bias: bool = False,
        dropout: float = 0.0,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        hidden = -(-8 * dim // 24) * 8 if hidden is None else hidden
        self.gate_proj = Linear(dim, hidden, bias, device, dtype)
        self.up_proj = Linear(dim, hidden, bias, device, dtype)
        self.down_proj = Linear(hidden, dim, bias, device, dtype)
        self.dropout = Dropout(dropout)
        self.activation = activation

    def forward(self, input: Tensor) -> Tensor:
        """(..., dim), kept."""
        hidden = self.dropout(self.activation(self.gate_proj(input)) * self.up_proj(input))
        output: Tensor = self.down_proj(hidden)
        return output


class SwiGLU(GatedFeedForward):
    """`GatedFeedForward` with SiLU: LLaMA's network.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.SwiGLU(512, 1376).up_proj
        Linear(in_features=512, out_features=1376, bias=False)
    """

    def __init__(
        self,
        dim: int,
        hidden: int | None = None,
        bias: bool = False,
        dropout: float = 0.0,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__(dim, hidden, silu, bias, dropout, device, dtype)


class GEGLU(GatedFeedForward):
    """`GatedFeedForward` with GELU: the network of T5 1.1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.GEGLU(8)(dlcore.randn(3, 8)).shape
        (3, 8)
    """

    def __init__(
        self,
        dim: int,
        hidden: int | None = None,
        bias: bool = False,
        dropout: float = 0.0,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__(dim, hidden, gelu, bias, dropout, device, dtype)
