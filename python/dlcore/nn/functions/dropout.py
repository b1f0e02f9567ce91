"""Dropout of whole channels, and dropout that keeps mean and variance."""

from __future__ import annotations

from math import sqrt

from dlcore import _core
from dlcore._core import Tensor, fill, ones, where

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]

# What SELU tends to for large negative inputs.
_SATURATED = -1.7580993408473766


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """While training, zero each element with probability `p` and scale the others by 1/(1-p) (Srivastava et al. 2014).

    Args:
        input: any shape.
        p: probability of a zero, in 0..1.
        training: whether to do anything.
        inplace: write the result into the input.

    Raises:
        ValueError: `p` outside 0..1.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.dropout(dlcore.ones(2), training=False)
        tensor([1., 1.])
    """
    dropped = _core.dropout(input, p, training)
    if not inplace:
        return dropped
    return input.copy_(dropped) if training and p > 0 else input


def _per_channel(input: Tensor, leading: int) -> Tensor:
    """Ones over the first `leading` dimensions, to be broadcast."""
    return ones(*input.shape[:leading], *[1] * (input.dim() - leading), dtype=input.dtype)


def _channels(name: str, input: Tensor, p: float, training: bool, batched: int) -> Tensor:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must be in 0..1, got {p}")
    if input.dim() not in (batched - 1, batched):
        raise ValueError(f"{name}: expected {batched - 1} or {batched} dimensions, got shape {tuple(input.shape)}")
    if not training or p == 0:
        return input
    if p == 1:
        return input * 0.0
    return input * dropout(_per_channel(input, input.dim() - batched + 2), p, True)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: ARG001 - new in any case
    """While training, set whole channels to zero with probability `p` and scale the others by 1/(1-p).

    Args:
        input: (N, C, L) or (C, L).
        p: probability of a zero, in 0..1.
        training: whether to do anything.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Raises:
        ValueError: `p` outside 0..1, or another number of dimensions.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.dropout1d(dlcore.ones(2, 3), p=0.5, training=False).sum().item()
        6.0
    """
    return _channels("dropout1d", input, p, training, 3)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: ARG001 - new in any case
    """As `dropout1d`, of images (N, C, H, W) or (C, H, W) (Tompson et al., 2015).

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.dropout2d(dlcore.ones(1, 2, 2, 2), p=1.0).sum().item()
        0.0
    """
    return _channels("dropout2d", input, p, training, 4)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: ARG001 - new in any case
    """As `dropout1d`, of volumes (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.dropout3d(dlcore.ones(2, 1, 1, 1), p=1.0).sum().item()
        0.0
    """
    return _channels("dropout3d", input, p, training, 5)


def _alpha(name: str, input: Tensor, p: float, training: bool, leading: int) -> Tensor:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must be in 0..1, got {p}")
    if not training or p == 0:
        return input
    if p == 1:
        return fill(input, 0.0)  # with the gradient of a constant, zero
    kept = dropout(_per_channel(input, leading), p, True) != 0
    scale = sqrt(1 / ((1 - p) * (1 + p * _SATURATED**2)))
    return where(kept, input * scale, _SATURATED * scale) - scale * p * _SATURATED


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:  # noqa: ARG001 - new in any case
    """Dropout for networks of SELU: mean 0 and variance 1 stay.

    While training, elements become what SELU saturates at with probability `p`, and all are scaled and shifted
    (Klambauer et al., 2017).

    Args:
        input: any shape.
        p: probability, in 0..1.
        training: whether to do anything.
        inplace: accepted for PyTorch's programs.

    Raises:
        ValueError: `p` outside 0..1.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> _ = dlcore.manual_seed(0)
        >>> y = F.alpha_dropout(dlcore.randn(10000), p=0.2, training=True)
        >>> bool(y.mean().abs() < 0.05), bool((y.std() - 1).abs() < 0.05)
        (True, True)
    """
    return _alpha("alpha_dropout", input, p, training, input.dim())


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:  # noqa: ARG001 - new in any case
    """As `alpha_dropout`, of whole channels, dimension 1.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.feature_alpha_dropout(dlcore.ones(2, 3, 4)).shape
        (2, 3, 4)
    """
    return _alpha("feature_alpha_dropout", input, p, training, 2)
