"""The usual activation functions as layers. None has parameters; all keep the shape."""

from __future__ import annotations

from dlcore._core import (
    ShapeError,
    Tensor,
    gelu,
    leaky_relu,
    log_softmax,
    logsigmoid,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from dlcore.nn.module import Module

__all__ = [
    "GELU",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Tanh",
]


class ReLU(Module):
    """max(x, 0). `inplace` is accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ReLU()(dlcore.tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return relu(input)

    def extra_repr(self) -> str:
        """What differs from the default."""
        return "inplace=True" if self.inplace else ""


class GELU(Module):
    """The input times Φ(input), where Φ is the normal distribution's (Hendrycks and Gimpel, 2016).

    Args:
        approximate: ``"none"`` for the exact Φ, ``"tanh"`` for the usual approximation.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.GELU()(dlcore.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """The approximation."""
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """The input times its sigmoid, also called swish.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.SiLU()(dlcore.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return silu(input)


class Sigmoid(Module):
    """σ(x) = 1 / (1 + e⁻ˣ).

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Sigmoid()(dlcore.zeros(2)).tolist()
        [0.5, 0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return sigmoid(input)


class Softplus(Module):
    """log(1 + e^(βx)) / β, a smooth ReLU.

    Args:
        beta: how sharply it bends.
        threshold: where βx is above, the result is the input.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Softplus()(dlcore.tensor([-200.0, 200.0])).tolist()
        [0.0, 200.0]
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Both arguments."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Tanh(Module):
    """The hyperbolic tangent.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Tanh()(dlcore.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return tanh(input)


class LogSigmoid(Module):
    """log σ(x), computed without overflow.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.LogSigmoid()(dlcore.tensor([-200.0])).tolist()
        [-200.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return logsigmoid(input)


class LeakyReLU(Module):
    """max(x, 0) + negative_slope · min(x, 0).

    Args:
        negative_slope: the slope below zero.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.LeakyReLU(0.5)(dlcore.tensor([-2.0, 2.0])).tolist()
        [-1.0, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope, and what differs from the default."""
        return f"negative_slope={self.negative_slope}{', inplace=True' if self.inplace else ''}"


class Softmax(Module):
    """e^x / Σ e^x along `dim`: positive numbers that sum to 1.

    Without a `dim`, which warns, it is 0 or 1 by PyTorch's rule.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Softmax(dim=1)(dlcore.zeros(1, 4)).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return softmax(input, _dim(self, input))

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of `Softmax`, computed without overflow.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.LogSoftmax(dim=0)(dlcore.tensor([1000.0, 0.0])).tolist()
        [0.0, -1000.0]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return log_softmax(input, _dim(self, input))

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class Softmin(Softmax):
    """`Softmax` of the opposite of the input: the smallest gets most.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Softmin(dim=0)(dlcore.tensor([0.0, 1000.0])).tolist()
        [1.0, 0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return super().forward(-input)


class Softmax2d(Module):
    """`Softmax` over the channels of images, (N, C, H, W) or (C, H, W).

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Softmax2d()(dlcore.zeros(1, 4, 2, 2))[0, :, 0, 0].tolist()
        [0.25, 0.25, 0.25, 0.25]
    """

    def forward(self, input: Tensor) -> Tensor:
        """The shape is kept."""
        if input.dim() not in (3, 4):
            raise ShapeError(f"Softmax2d: expected 3 or 4 dimensions, got shape {tuple(input.shape)}")
        return softmax(input, -3)


def _dim(layer: Softmax | LogSoftmax, input: Tensor) -> int:
    if layer.dim is not None:
        return layer.dim
    import warnings

    warnings.warn(f"{type(layer).__name__}: say along which dim; a rule from before is used", stacklevel=4)
    return 0 if input.dim() in (0, 1, 3) else 1
