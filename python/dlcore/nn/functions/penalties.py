"""What is added to a loss to keep a model small or smooth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from dlcore import _core
from dlcore._core import Generator, Tensor, norm, rand
from dlcore.autograd import grad

__all__ = ["gradient_penalty", "l1_penalty", "l2_penalty"]


def l1_penalty(parameters: Iterable[Tensor] | Tensor) -> Tensor:
    """Σ|w| over all elements: times a small factor, it brings weights to exactly zero (the lasso).

    Args:
        parameters: tensors, as ``model.parameters()``.

    Raises:
        ValueError: no tensors.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> w = dlcore.tensor([3.0, -4.0], requires_grad=True)
        >>> F.l1_penalty([w]).item()
        7.0
    """
    return _summed("l1_penalty", parameters, lambda parameter: parameter.abs().sum())


def l2_penalty(parameters: Iterable[Tensor] | Tensor) -> Tensor:
    """Σw² over all elements; half of it times a factor is the ``weight_decay`` of `optim.SGD`.

    Args:
        parameters: tensors, as ``model.parameters()``.

    Raises:
        ValueError: no tensors.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> w = dlcore.tensor([3.0, -4.0], requires_grad=True)
        >>> F.l2_penalty([w]).item()
        25.0
    """
    return _summed("l2_penalty", parameters, lambda parameter: parameter.square().sum())


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, generator: Generator | None = None
) -> Tensor:
    """The mean of (‖∇critic(x)‖ − 1)² at random points x between real and generated samples.

    Source: Gulrajani et al., "Improved training of Wasserstein GANs", 2017; the paper adds ten times this to
    ``critic(fake).mean() - critic(real).mean()``.

    Args:
        critic: from a batch to one number for each sample.
        real: (N, ...).
        fake: of the same shape; no gradient reaches what made it.
        generator: of the points.

    Returns:
        One number, through which the critic's parameters receive second derivatives.

    Raises:
        ValueError: shapes that differ.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.gradient_penalty(lambda x: 3 * x.sum(1), dlcore.ones(4, 1), dlcore.zeros(4, 1)).item()
        4.0
    """
    if real.shape != fake.shape:
        raise ValueError(f"gradient_penalty: shapes differ, {tuple(real.shape)} and {tuple(fake.shape)}")
    part = rand(real.shape[0], *[1] * (real.dim() - 1), generator=generator, dtype=real.dtype)
    between = _core.lerp(fake.detach(), real.detach(), part.expand(real.shape)).requires_grad_()
    slope = cast("Tensor", grad(critic(between).sum(), [between], create_graph=True)[0])
    return (norm(slope.flatten(1), dim=1) - 1).square().mean()


def _summed(name: str, parameters: Iterable[Tensor] | Tensor, one: Callable[[Tensor], Tensor]) -> Tensor:
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not tensors:
        raise ValueError(f"{name}: got no parameters; an iterator, as parameters(), gives its items once")
    total = one(tensors[0])
    for tensor in tensors[1:]:
        total = total + one(tensor)
    return total
