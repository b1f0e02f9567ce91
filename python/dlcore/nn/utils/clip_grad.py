"""Limiting gradients between ``backward`` and the optimizer's step."""

from __future__ import annotations

import math
from collections.abc import Iterable

from dlcore._core import GradientError, Tensor, clip_grad_norm, norm, stack, zeros

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,  # noqa: ARG001 - it is one call in any case
) -> Tensor:
    """Scale all gradients by one factor so that their common norm is at most `max_norm`.

    Args:
        parameters: a tensor or tensors; those without a gradient are skipped.
        max_norm: the limit.
        norm_type: p of the p-norm; ``math.inf`` for the largest magnitude.
        error_if_nonfinite: raise where the norm is NaN or infinite; the gradients are of no use then.
        foreach: accepted for PyTorch's programs.

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


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor],
    clip_value: float,
    foreach: bool | None = None,  # noqa: ARG001 - as above
) -> None:
    """Limit every element of the gradients to ±`clip_value`.

    Args:
        parameters: a tensor or tensors; those without a gradient are skipped.
        clip_value: the limit.
        foreach: accepted for PyTorch's programs.

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


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,  # noqa: ARG001 - as above
) -> Tensor:
    """The common norm of tensors, as of gradients that are to be clipped later.

    Args:
        tensors: a tensor or tensors.
        norm_type: p of the p-norm; ``math.inf`` for the largest magnitude.
        error_if_nonfinite: raise where the norm is NaN or infinite.
        foreach: accepted for PyTorch's programs.

    Returns:
        The norm, 0-d.

    Raises:
        GradientError: a norm that is not finite, when asked for.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.utils.get_total_norm([dlcore.tensor([3.0]), dlcore.tensor([4.0])]).item()
        5.0
    """
    each = [norm(tensor.detach(), norm_type) for tensor in ([tensors] if isinstance(tensors, Tensor) else tensors)]
    total = norm(stack(each), norm_type) if each else zeros(())
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise GradientError(f"get_total_norm: the norm is {total.item()}")
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,  # noqa: ARG001 - as above
) -> None:
    """Scale all gradients by ``max_norm / total_norm`` where that is below 1.

    Args:
        parameters: a tensor or tensors; those without a gradient are skipped.
        max_norm: the limit.
        total_norm: what `get_total_norm` gave.
        foreach: accepted for PyTorch's programs.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> w = dlcore.tensor([3.0, 4.0], requires_grad=True)
        >>> (w * w / 2).sum().backward()
        >>> nn.utils.clip_grads_with_norm_(w, 1.0, nn.utils.get_total_norm([w.grad]))
        >>> [round(g, 4) for g in w.grad.tolist()]
        [0.6, 0.8]
    """
    factor = (max_norm / (total_norm + 1e-6)).clamp(max=1.0)
    for parameter in [parameters] if isinstance(parameters, Tensor) else parameters:
        if parameter.grad is not None:
            gradient = parameter.grad.detach()
            gradient.copy_(gradient * factor.to(gradient.dtype))
