"""Limiting gradients between ``backward`` and the optimizer's step."""

from __future__ import annotations

import math
from collections.abc import Iterable

from dlcore._core import GradientError, Tensor, clip_grad_norm

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients by one factor so that their common norm is at most `max_norm`.

    Args:
        parameters: a tensor or tensors; those without a gradient are skipped.
        max_norm: the limit.
        norm_type: p of the p-norm; ``math.inf`` for the largest magnitude.
        error_if_nonfinite: raise where the norm is NaN or infinite; the gradients are of no use then.

    Returns:
        The norm before scaling, 0-d.

    Raises:
        GradientError: a norm that is not finite, when asked for.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> w = dlcore.tensor([3.0, 4.0], requires_grad=True)
        >>> (w * w / 2).sum().backward()
        >>> nn.utils.clip_grad_norm_(w, max_norm=1.0).item()
        5.0
        >>> [round(g, 4) for g in w.grad.tolist()]
        [0.6, 0.8]
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    norm = clip_grad_norm(parameters, max_norm, norm_type)
    if error_if_nonfinite and not math.isfinite(norm.item()):
        raise GradientError(f"clip_grad_norm_: the norm of the gradients is {norm.item()}")
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of the gradients to ±`clip_value`.

    Args:
        parameters: a tensor or tensors; those without a gradient are skipped.
        clip_value: the limit.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> w = dlcore.tensor([3.0, -4.0], requires_grad=True)
        >>> (w * w).sum().backward()
        >>> nn.utils.clip_grad_value_(w, 1.0)
        >>> w.grad.tolist()
        [1.0, -1.0]
    """
    for parameter in [parameters] if isinstance(parameters, Tensor) else parameters:
        if parameter.grad is not None:
            gradient = parameter.grad.detach()
            gradient.copy_(gradient.clamp(-clip_value, clip_value))
