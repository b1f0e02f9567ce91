"""Further activation functions as layers: bounded, shrinking, exponential, gated, and with slopes that are learned."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import (
    Tensor,
    celu,
    elu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    mish,
    prelu,
    relu6,
    rrelu,
    selu,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU6",
    "Softshrink",
    "Softsign",
    "Tanhshrink",
    "Threshold",
]


class CELU(Module):
    """max(x, 0) + min(α(e^(x/α) − 1), 0) (Barron, 2017).

    Args:
        alpha: α, what it falls to.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.CELU(0.5)(dlcore.tensor([-100.0, 2.0])).tolist()
        [-0.5, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return celu(input, self.alpha)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"alpha={self.alpha}{', inplace=True' if self.inplace else ''}"


class ELU(Module):
    """x above zero and α(eˣ − 1) below (Clevert et al., 2016).

    Args:
        alpha: α, what it falls to.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ELU(0.5)(dlcore.tensor([-100.0, 2.0])).tolist()
        [-0.5, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return elu(input, self.alpha)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"alpha={self.alpha}{', inplace=True' if self.inplace else ''}"


class Hardshrink(Module):
    """x, or 0 where ``|x|`` ≤ λ.

    Args:
        lambd: λ.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Hardshrink()(dlcore.tensor([-0.25, 2.0])).tolist()
        [0.0, 2.0]
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"lambd={self.lambd}"


class Hardsigmoid(Module):
    """x/6 + 1/2, clamped to 0..1.

    Args:
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Hardsigmoid()(dlcore.tensor([-4.0, 0.0, 4.0])).tolist()
        [0.0, 0.5, 1.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return hardsigmoid(input)

    def extra_repr(self) -> str:
        """What differs from the default."""
        return "inplace=True" if self.inplace else ""


class Hardswish(Module):
    """x·max(0, min(6, x + 3))/6 (Howard et al., 2019).

    Args:
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Hardswish()(dlcore.tensor([0.0, 4.0])).tolist()
        [0.0, 4.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return hardswish(input)

    def extra_repr(self) -> str:
        """What differs from the default."""
        return "inplace=True" if self.inplace else ""


class Mish(Module):
    """x·tanh(log(1 + eˣ)) (Misra, 2019).

    Args:
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Mish()(dlcore.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return mish(input)

    def extra_repr(self) -> str:
        """What differs from the default."""
        return "inplace=True" if self.inplace else ""


class ReLU6(Module):
    """max(x, 0), and 6 at most.

    Args:
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ReLU6()(dlcore.tensor([-2.0, 8.0])).tolist()
        [0.0, 6.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return relu6(input)

    def extra_repr(self) -> str:
        """What differs from the default."""
        return "inplace=True" if self.inplace else ""


class SELU(Module):
    """`ELU` scaled so that mean 0 and variance 1 stay from layer to layer (Klambauer et al., 2017).

    Args:
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.SELU()(dlcore.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return selu(input)

    def extra_repr(self) -> str:
        """What differs from the default."""
        return "inplace=True" if self.inplace else ""


class Softshrink(Module):
    """x − λ above λ, x + λ below −λ, else 0.

    Args:
        lambd: λ, not below 0.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Softshrink()(dlcore.tensor([0.25, 2.0])).tolist()
        [0.0, 1.5]
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"lambd={self.lambd}"


class Softsign(Module):
    """``x / (1 + |x|)``.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Softsign()(dlcore.tensor([-1.0, 3.0])).tolist()
        [-0.5, 0.75]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return softsign(input)


class Tanhshrink(Module):
    """x − tanh x.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Tanhshrink()(dlcore.zeros(2)).tolist()
        [0.0, 0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return tanhshrink(input)


class Threshold(Module):
    """x where it is above a threshold, else another value.

    Args:
        threshold: the threshold.
        value: what stands for values not above it.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Threshold(1.0, 20.0)(dlcore.tensor([0.5, 2.0])).tolist()
        [20.0, 2.0]
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return threshold(input, self.threshold, self.value)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"threshold={self.threshold}, value={self.value}{', inplace=True' if self.inplace else ''}"


class Hardtanh(Module):
    """x, clamped.

    Args:
        min_val: the least value.
        max_val: the largest, above it.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Raises:
        ValueError: bounds in the wrong order.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Hardtanh()(dlcore.tensor([-2.0, 0.5])).tolist()
        [-1.0, 0.5]
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if not max_val > min_val:
            raise ValueError(f"Hardtanh: max_val must be above min_val, got {max_val} and {min_val}")
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """The bounds."""
        return f"min_val={self.min_val}, max_val={self.max_val}{', inplace=True' if self.inplace else ''}"


class RReLU(Module):
    """`LeakyReLU` whose slope is drawn for every element while training, and is the mean otherwise (Xu et al., 2015).

    Args:
        lower: the least slope.
        upper: the largest slope.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.RReLU(0.25, 0.75).eval()(dlcore.tensor([-2.0, 2.0])).tolist()
        [-1.0, 2.0]
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return rrelu(input, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        """The slopes."""
        return f"lower={self.lower}, upper={self.upper}{', inplace=True' if self.inplace else ''}"


class PReLU(Module):
    """`LeakyReLU` whose slope is learned, one for all channels or one for each (He et al., 2015).

    Args:
        num_parameters: 1, or the number of channels, dimension 1.
        init: the slope at first.
        device: ``"cpu"`` or None.
        dtype: of the parameter; float32 by default.

    Attributes:
        weight: (num_parameters,), the slopes.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.PReLU()(dlcore.tensor([-2.0, 2.0])).tolist()
        [-0.5, 2.0]
    """

    weight: Parameter

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(_core.empty(num_parameters, dtype=dtype, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The first slope again."""
        self.weight.data.fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The number of slopes."""
        return f"num_parameters={self.num_parameters}"


class GLU(Module):
    """a·σ(b) for the two halves a and b of the input (Dauphin et al., 2017).

    Args:
        dim: the dimension that is halved.

    Raises:
        ShapeError: when called with an odd size.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.GLU()(dlcore.tensor([3.0, 0.0])).tolist()
        [1.5]
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """(..., 2d, ...) to (..., d, ...)."""
        return glu(input, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"
