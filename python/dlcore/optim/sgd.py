"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, sgd_step
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_zero, execution

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    With g the gradient plus ``weight_decay`` times the parameter: v = momentum·v + (1 − dampening)·g (v = g
    at first), and the parameter moves by −lr·v, or by −lr·(g + momentum·v) with Nesterov's rule (Sutskever et
    al., 2013).

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        momentum: how much of the last step is kept.
        dampening: how much of the gradient is left out of the momentum.
        weight_decay: factor of the parameter that is added to its gradient.
        nesterov: Nesterov's momentum; needs a momentum and no dampening.
        maximize: climb instead of descend.
        foreach: accepted for PyTorch's programs; a group is always one fused call.
        differentiable: must be False.
        fused: as `foreach`.

    Raises:
        ValueError: a negative setting, or Nesterov without momentum.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.SGD([w], lr=0.25)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.5]
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        at_least_zero("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(f"SGD: nesterov needs momentum > 0 and dampening = 0, got {momentum} and {dampening}")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                **execution("SGD", foreach=foreach, differentiable=differentiable, fused=fused),
            },
        )

    def _update(self, group: dict[str, Any]) -> None:
        params, momentum = group["params"], group["momentum"]
        state = self.state
        before = [state[param].get("momentum_buffer") for param in params] if momentum else None
        after = sgd_step(
            params,
            before,
            group["lr"],
            momentum,
            group["dampening"],
            group["weight_decay"],
            group["nesterov"],
            group["maximize"],
        )
        if before is not None and after is not None:
            for param, old, new in zip(params, before, after, strict=True):
                if old is None and new is not None:
                    state[param]["momentum_buffer"] = new
