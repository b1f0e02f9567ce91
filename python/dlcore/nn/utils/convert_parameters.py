"""All parameters of a model as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from dlcore._core import Tensor, cat
from dlcore.autograd import no_grad

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements, one tensor after the other.

    Example:
        >>> from dlcore import nn
        >>> nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape
        (8,)
    """
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write the elements of a vector into the tensors, in their order.

    Raises:
        ValueError: a vector of another length.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.Linear(1, 2)
        >>> nn.utils.vector_to_parameters(dlcore.arange(4.0), layer.parameters())
        >>> layer.bias.tolist()
        [2.0, 3.0]
    """
    parameters, start = list(parameters), 0
    needed = sum(parameter.numel() for parameter in parameters)
    if tuple(vec.shape) != (needed,):
        raise ValueError(f"vector_to_parameters: {needed} elements needed, got shape {tuple(vec.shape)}")
    with no_grad():
        for parameter in parameters:
            parameter.copy_(vec[start : start + parameter.numel()].reshape(parameter.shape))
            start += parameter.numel()
