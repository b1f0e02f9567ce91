"""PyTorch's names of activations that write into their input."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor

__all__ = ["celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_"]


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu` with ``inplace=True``.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x = dlcore.tensor([-1.0, 0.5])
        >>> F.celu_(x) is x
        True
    """
    return _core.celu(input, alpha, inplace=True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu` with ``inplace=True``.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x = dlcore.tensor([-1.0, 0.5])
        >>> F.elu_(x) is x
        True
    """
    return _core.elu(input, alpha, inplace=True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh` with ``inplace=True``.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x = dlcore.tensor([-1.0, 0.5])
        >>> F.hardtanh_(x) is x
        True
    """
    return _core.hardtanh(input, min_val, max_val, inplace=True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu` with ``inplace=True``.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x = dlcore.tensor([-1.0, 0.5])
        >>> F.leaky_relu_(x) is x
        True
    """
    return _core.leaky_relu(input, negative_slope, inplace=True)


def relu_(input: Tensor) -> Tensor:
    """`relu` with ``inplace=True``.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x = dlcore.tensor([-1.0, 0.5])
        >>> F.relu_(x) is x
        True
    """
    return _core.relu(input, inplace=True)


def rrelu_(input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Tensor:
    """`rrelu` with ``inplace=True``.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x = dlcore.tensor([-1.0, 0.5])
        >>> F.rrelu_(x) is x
        True
    """
    return _core.rrelu(input, lower, upper, training, inplace=True)


def selu_(input: Tensor) -> Tensor:
    """`selu` with ``inplace=True``.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x = dlcore.tensor([-1.0, 0.5])
        >>> F.selu_(x) is x
        True
    """
    return _core.selu(input, inplace=True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold` with ``inplace=True``.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> x = dlcore.tensor([-1.0, 0.5])
        >>> F.threshold_(x, 0.0, 0.0) is x
        True
    """
    return _core.threshold(input, threshold, value, inplace=True)
