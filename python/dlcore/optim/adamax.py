"""Adamax."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, adamax_step
from dlcore.optim.optimizer import FusedOptimizer
from dlcore.optim.settings import at_least_zero, below_one, execution

__all__ = ["Adamax"]


class Adamax(FusedOptimizer):
    """Adam with the largest magnitude instead of the mean square.

    m = β₁·m + (1 − β₁)·g and u = max(β₂·u, abs(g) + eps); the parameter moves by −lr / (1 − β₁ᵗ) · m / u (Kingma and
    Ba, 2015, section 7.1).

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: added to the magnitude.
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
        >>> optimizer = dlcore.optim.Adamax([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 4)
        0.998
    """

    _kept = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        at_least_zero("Adamax", lr=lr, eps=eps, weight_decay=weight_decay)
        below_one("Adamax", beta1=betas[0], beta2=betas[1])
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                **execution("Adamax", foreach=foreach, differentiable=differentiable, capturable=capturable),
            },
        )

    def _step(self, group: dict[str, Any], params: list[Tensor], states: list[list[Tensor]], /, step: int) -> None:
        adamax_step(
            params,
            states,
            step,
            group["lr"],
            group["betas"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
        )
