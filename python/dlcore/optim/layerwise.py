"""Optimizers for large batches: every tensor takes steps in proportion to its own length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, norm, zeros_like
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_zero, below_one

__all__ = ["LAMB", "LARS"]


def _ratio(param: Tensor, step: Tensor) -> float:
    """How much longer the parameter is than its step; 1 where one of them is zero."""
    length, moved = norm(param).item(), norm(step).item()
    return length / moved if length > 0 and moved > 0 else 1.0


class LAMB(Optimizer):
    """Adam's step u = m̂/(√v̂ + eps) + weight_decay·w, scaled to the length of the parameter: w −= lr·(‖w‖/‖u‖)·u.

    Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", 2020.

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        betas: β₁ and β₂ of the running means, as of `Adam`.
        eps: added to the denominator.
        weight_decay: decay of the parameter itself.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([3.0, 4.0], requires_grad=True)
        >>> optimizer = dlcore.optim.LAMB([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()  # by a tenth of its length
        >>> [round(value, 3) for value in w.tolist()]
        [2.646, 3.646]
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        at_least_zero("LAMB", lr=lr, eps=eps, weight_decay=weight_decay)
        below_one("LAMB", beta1=betas[0], beta2=betas[1])
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _update(self, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if not state:
                state.update(step=0, exp_avg=zeros_like(param), exp_avg_sq=zeros_like(param))
            count = state["step"] = state["step"] + 1
            mean = state["exp_avg"].lerp_(grad, 1 - beta1) / (1 - beta1**count)
            square = state["exp_avg_sq"].lerp_(grad * grad, 1 - beta2) / (1 - beta2**count)
            step = mean / (square.sqrt() + group["eps"]) + group["weight_decay"] * param
            param.sub_(step, alpha=float(group["lr"]) * _ratio(param, step))


class LARS(Optimizer):
    """Momentum over steps scaled to the length of the parameter: v = momentum·v + lr·trust·(‖w‖/‖u‖)·u, w −= v.

    u is the gradient plus ``weight_decay`` times the parameter. Vectors, as biases and norms, are better off in a group
    with ``trust_coefficient=0``, which takes plain steps. Source: You, Gitman and Ginsburg, "Large batch training of
    convolutional networks", 2017.

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        momentum: how much of the last step is kept.
        weight_decay: factor of the parameter that is added to its gradient.
        trust_coefficient: the part of its length by which a parameter moves at a rate of 1; 0 for plain steps.

    Raises:
        ValueError: a negative setting.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([3.0, 4.0], requires_grad=True)
        >>> optimizer = dlcore.optim.LARS([w], lr=1.0, trust_coefficient=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [1.5, 2.0]
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 1e-3,
    ) -> None:
        at_least_zero("LARS", lr=lr, momentum=momentum, weight_decay=weight_decay, trust_coefficient=trust_coefficient)
        super().__init__(
            params,
            {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust_coefficient": trust_coefficient},
        )

    def _update(self, group: dict[str, Any]) -> None:
        trust = group["trust_coefficient"]
        for param in group["params"]:
            if param.grad is None:
                continue
            state = self.state[param]
            if not state:
                state["momentum_buffer"] = zeros_like(param)
            step = param.grad + group["weight_decay"] * param
            rate = float(group["lr"]) * (trust * _ratio(param, step) if trust else 1.0)
            velocity = state["momentum_buffer"].mul_(group["momentum"]).add_(step, alpha=rate)
            param.sub_(velocity)
