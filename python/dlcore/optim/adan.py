"""Adan: Adam with Nesterov's momentum, by differences of gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any

from dlcore._core import Tensor, zeros_like
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_zero, below_one

__all__ = ["Adan"]


class Adan(Optimizer):
    """Running means of the gradient g, of its change d since the last step, and of (g + β₂·d)².

    w = (w − lr·(m̂ + β₂·v̂) / (√n̂ + eps)) / (1 + lr·weight_decay). Source: Xie et al., "Adan: adaptive Nesterov momentum
    algorithm for faster optimizing deep models", 2022; the betas are one minus the paper's, as in its authors' code.

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate, which may be larger than `AdamW`'s.
        betas: of the three means.
        eps: added to the denominator.
        weight_decay: see above.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.Adan([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 6)
        0.5
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        at_least_zero("Adan", lr=lr, eps=eps, weight_decay=weight_decay)
        below_one("Adan", beta1=betas[0], beta2=betas[1], beta3=betas[2])
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _update(self, group: dict[str, Any]) -> None:
        beta1, beta2, beta3 = group["betas"]
        lr = float(group["lr"])
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if not state:
                state.update(step=0, **{name: zeros_like(param) for name in ("exp_avg", "exp_avg_diff", "exp_avg_sq")})
                state["previous_grad"] = grad.detach().clone()
            count = state["step"] = state["step"] + 1
            change = grad - state["previous_grad"]
            state["previous_grad"].copy_(grad)
            mean = state["exp_avg"].lerp_(grad, 1 - beta1) / (1 - beta1**count)
            slope = state["exp_avg_diff"].lerp_(change, 1 - beta2) / (1 - beta2**count)
            square = state["exp_avg_sq"].lerp_((grad + beta2 * change).square(), 1 - beta3)
            root = square.sqrt() / sqrt(1 - beta3**count) + group["eps"]
            param.sub_((mean + beta2 * slope) / root, alpha=lr).div_(1 + lr * group["weight_decay"])
