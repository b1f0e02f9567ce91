"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, asgd_step
from dlcore.optim.optimizer import FusedOptimizer
from dlcore.optim.settings import at_least_zero, execution

__all__ = ["ASGD"]


class ASGD(FusedOptimizer):
    """Stochastic gradient descent that also keeps the average of the parameters over the steps: ``"ax"`` of its state.

    At step t the parameter shrinks by lambd·η and moves by −η·g with η = lr / (1 + lambd·lr·t)^alpha; from step `t0`
    on the average is over all steps since (Polyak and Juditsky, 1992).

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        lambd: decay of the parameters and of the learning rate.
        alpha: power of the decay of the learning rate.
        t0: step at which averaging begins.
        weight_decay: factor of the parameter that is added to its gradient.
        foreach: accepted for PyTorch's programs; a group is always one fused call.
        maximize: climb instead of descend.
        differentiable: must be False.
        capturable: as `foreach`.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.ASGD([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 4)
        0.98
    """

    _kept = ("ax",)

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        at_least_zero("ASGD", lr=lr, weight_decay=weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "maximize": maximize,
                **execution("ASGD", foreach=foreach, differentiable=differentiable, capturable=capturable),
            },
        )

    def _numbers(self, group: dict[str, Any], /) -> dict[str, Any]:
        return {"step": 0, "eta": float(group["lr"]), "mu": 1.0}

    def _step(
        self,
        group: dict[str, Any],
        params: list[Tensor],
        states: list[list[Tensor]],
        /,
        step: int,
        eta: float,
        mu: float,
    ) -> dict[str, float]:
        eta, mu = asgd_step(
            params,
            states,
            step,
            eta,
            mu,
            group["lr"],
            group["lambd"],
            group["alpha"],
            group["t0"],
            group["weight_decay"],
            group["maximize"],
        )
        return {"eta": eta, "mu": mu}
