"""Affine layers."""

from __future__ import annotations

import math

from dlcore import _core
from dlcore._core import Tensor, linear
from dlcore.nn import init
from dlcore.nn.integer_input import refuse_integers
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["Identity", "Linear"]


class Identity(Module):
    """Return the input; arguments are ignored, so it can stand in for any layer.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Identity()(dlcore.ones(2)).tolist()
        [1.0, 1.0]
    """

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Return `input`."""
        return input


class Linear(Module):
    """y = x Wᵀ + b over the last dimension.

    Args:
        in_features: size of the last dimension of the input, (..., in_features); None takes that of the first input.
        out_features: size of the last dimension of the output, (..., out_features).
        bias: whether b is there.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight: (out_features, in_features), uniform over ±1/√in_features, as PyTorch's.
        bias: (out_features,), likewise, or None.

    Raises:
        ShapeError: when called with another last dimension.
        DTypeError: when called with integers.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Linear(20, 30)(dlcore.randn(128, 20)).shape
        (128, 30)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int | None,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        if in_features is None:
            from dlcore.nn.lazy import LazyLinear

            self.__class__ = LazyLinear
            LazyLinear.__init__(self, out_features, bias, device, dtype)  # type: ignore[arg-type]
            return
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(_core.empty(out_features, in_features, dtype=dtype, device=device))
        self.bias = Parameter(_core.empty(out_features, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(max(self.in_features, 1))
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        result = linear(input, self.weight, self.bias)
        if not input.is_floating_point():
            refuse_integers("Linear", input, self.weight)
        return result

    def extra_repr(self) -> str:
        """The sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
