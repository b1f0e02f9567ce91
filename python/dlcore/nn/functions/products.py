"""Functions of two inputs."""

from __future__ import annotations

from math import prod

from dlcore._core import ShapeError, Tensor, _set_autocast

__all__ = ["bilinear"]


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x₁ᵀ A x₂ + b for every output, over the last dimensions.

    Args:
        input1: (..., I).
        input2: (..., J).
        weight: (O, I, J).
        bias: (O,).

    Returns:
        (..., O).

    Raises:
        ShapeError: sizes that do not match.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.bilinear(dlcore.tensor([[1.0, 2.0]]), dlcore.tensor([[3.0]]), dlcore.ones(4, 2, 1)).tolist()
        [[9.0, 9.0, 9.0, 9.0]]
    """
    if input1.shape[:-1] != input2.shape[:-1] or (input1.shape[-1], input2.shape[-1]) != tuple(weight.shape[1:]):
        given = ", ".join(str(tuple(tensor.shape)) for tensor in (input1, input2, weight))
        raise ShapeError(f"bilinear: expected inputs (..., I) and (..., J) and a weight (O, I, J), got {given}")
    lead, (_, rows, columns) = input1.shape[:-1], weight.shape
    left, right = input1.reshape(prod(lead), rows), input2.reshape(prod(lead), columns)
    # As in PyTorch, whose product of three tensors `autocast` leaves alone.
    asked = _set_autocast(None)
    try:
        by_output = (left.matmul(weight) * right).sum(-1)
    finally:
        _set_autocast(asked)
    result = by_output.transpose(0, 1).contiguous().reshape(*lead, weight.shape[0])
    return result if bias is None else result + bias
