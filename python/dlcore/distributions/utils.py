"""What distributions of a program's own are made with, where PyTorch has it."""

from __future__ import annotations

from dlcore._core import Tensor
from dlcore.distributions.distribution import tensors

__all__ = ["broadcast_all"]


def broadcast_all(*values: Tensor | float) -> list[Tensor]:
    """The values as tensors of one shape; numbers are of the dtype of the first tensor.

    Example:
        >>> from dlcore.distributions.utils import broadcast_all
        >>> import dlcore
        >>> broadcast_all(dlcore.zeros(2), 1.0)
        [tensor([0., 0.]), tensor([1., 1.])]
    """
    return tensors(*values)
