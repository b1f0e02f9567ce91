"""Layers that compare two inputs."""

from __future__ import annotations

import math

from dlcore import _core
from dlcore._core import Tensor, cosine_similarity
from dlcore.nn import init
from dlcore.nn.functions.products import bilinear
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["Bilinear", "CosineSimilarity"]


class CosineSimilarity(Module):
    """The cosine of the angle between two inputs along a dimension.

    Args:
        dim: the dimension.
        eps: the smallest product of lengths that is divided by.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.CosineSimilarity(dim=0)(dlcore.tensor([3.0, 4.0]), dlcore.tensor([6.0, 8.0])).item()
        1.0
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Two shapes that broadcast; `dim` goes."""
        return cosine_similarity(x1, x2, self.dim, self.eps)


class Bilinear(Module):
    """y = x₁ᵀ A x₂ + b over the last dimensions.

    Args:
        in1_features: size of the first input's last dimension.
        in2_features: of the second's.
        out_features: of the output's.
        bias: whether b is there.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (out_features, in1_features, in2_features), uniform over ±1/√in1_features.
        bias: (out_features,), likewise, or None.

    Raises:
        ValueError: no features.
        ShapeError: when called with other last dimensions.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Bilinear(20, 30, 40)(dlcore.randn(128, 20), dlcore.randn(128, 30)).shape
        (128, 40)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        if in1_features < 1:
            raise ValueError(f"Bilinear: in1_features must be at least 1, got {in1_features}")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(_core.empty(out_features, in1_features, in2_features, dtype=dtype, device=device))
        self.bias = Parameter(_core.empty(out_features, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """(..., in1_features) and (..., in2_features) to (..., out_features)."""
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes."""
        sizes = f"in1_features={self.in1_features}, in2_features={self.in2_features}"
        return f"{sizes}, out_features={self.out_features}, bias={self.bias is not None}"
