"""Adapting a trained linear layer with few numbers."""

from __future__ import annotations

import math
from typing import Self

from dlcore import _core
from dlcore._core import Tensor, linear
from dlcore.autograd import no_grad
from dlcore.nn import init
from dlcore.nn.dropout import Dropout
from dlcore.nn.linear import Linear
from dlcore.nn.parameter import Parameter

__all__ = ["LoRALinear"]


class LoRALinear(Linear):
    """A linear layer that stays as it is, plus alpha/rank · B·A, of which A and B are trained.

    Source: Hu et al., "LoRA: low-rank adaptation of large language models", 2022. B begins at zero, so that nothing
    changes at first. Names of the parameters are those of the authors' ``loralib``.

    Args:
        in_features: features of the input.
        out_features: features of the output.
        rank: rows of A and columns of B.
        alpha: scales the addition; twice the rank is usual.
        dropout: probability for what goes into A.
        bias: whether the layer has a bias, which stays as well.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Raises:
        ValueError: a rank below 1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> trained = nn.Linear(100, 100)
        >>> layer = nn.LoRALinear.of(trained, rank=4)
        >>> x = dlcore.randn(2, 100)
        >>> dlcore.equal(layer(x), trained(x))
        True
        >>> [name for name, parameter in layer.named_parameters() if parameter.requires_grad]
        ['lora_A', 'lora_B']
        >>> layer.merged()
        Linear(in_features=100, out_features=100, bias=True)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rank: int = 8,
        alpha: float = 16.0,
        dropout: float = 0.0,
        bias: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        if rank < 1:
            raise ValueError(f"LoRALinear: rank must be at least 1, got {rank}")
        self.rank, self.alpha = rank, alpha
        self.requires_grad_(False)
        self.lora_A = Parameter(_core.empty(rank, in_features, dtype=dtype, device=device))
        self.lora_B = Parameter(_core.zeros(out_features, rank, dtype=dtype, device=device))
        init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.lora_dropout = Dropout(dropout)

    @classmethod
    def of(cls, layer: Linear, rank: int = 8, alpha: float = 16.0, dropout: float = 0.0) -> Self:
        """A layer that adapts `layer`, whose weight and bias it shares."""
        weight, bias = layer.weight, layer.bias
        new = cls(layer.in_features, layer.out_features, rank, alpha, dropout, bias is not None, dtype=weight.dtype)
        new.weight.data = weight.data
        if new.bias is not None and bias is not None:
            new.bias.data = bias.data
        return new

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        added = linear(linear(self.lora_dropout(input), self.lora_A), self.lora_B)
        return linear(input, self.weight, self.bias) + (self.alpha / self.rank) * added

    def merged(self) -> Linear:
        """A plain layer with the addition in its weight, for use without further training."""
        new = Linear(self.in_features, self.out_features, self.bias is not None, dtype=self.weight.dtype)
        with no_grad():
            new.weight.copy_(self.weight + (self.alpha / self.rank) * (self.lora_B @ self.lora_A))
            if new.bias is not None and self.bias is not None:
                new.bias.copy_(self.bias)
        return new

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{super().extra_repr()}, rank={self.rank}, alpha={self.alpha}"
