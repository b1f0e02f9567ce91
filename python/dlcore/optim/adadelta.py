"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, adadelta_step
from dlcore.optim.optimizer import FusedOptimizer
from dlcore.optim.settings import at_least_zero, at_most_one, execution

__all__ = ["Adadelta"]


class Adadelta(FusedOptimizer):
    """Adadelta: steps of the size of past steps, in the units of the parameter.

    s = ρ·s + (1 − ρ)·g²; d = √(u + eps) / √(s + eps) · g; u = ρ·u + (1 − ρ)·d²; the parameter moves by −lr·d (Zeiler,
    2012).

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: factor of the steps.
        rho: ρ, decay of the means.
        eps: added under both roots.
        weight_decay: factor of the parameter that is added to its gradient.
        foreach: accepted for PyTorch's programs; a group is always one fused call.
        capturable: as `foreach`.
        maximize: climb instead of descend.
        differentiable: must be False.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.Adadelta([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 4)
        0.9968
    """

    _kept = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least_zero("Adadelta", lr=lr, eps=eps, weight_decay=weight_decay)
        at_most_one("Adadelta", rho=rho)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                **execution("Adadelta", foreach=foreach, capturable=capturable, differentiable=differentiable),
            },
        )

    def _step(self, group: dict[str, Any], params: list[Tensor], states: list[list[Tensor]], /, _step: int) -> None:
        adadelta_step(
            params,
            states,
            group["lr"],
            group["rho"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
        )
