"""RAdam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, radam_step
from dlcore.optim.optimizer import FusedOptimizer
from dlcore.optim.settings import at_least_zero, below_one, execution

__all__ = ["RAdam"]


class RAdam(FusedOptimizer):
    """Adam that follows the mean gradient alone until its mean square is reliable, and then rectifies for its variance.

    With ρ∞ = 2 / (1 − β₂) − 1 and ρ = ρ∞ − 2t·β₂ᵗ / (1 − β₂ᵗ), steps with ρ ≤ 5 are −lr·m̂; later ones are Adam's times
    √((ρ − 4)(ρ − 2)·ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)·ρ)) (Liu et al., 2020).

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: added to the denominator.
        weight_decay: factor of the parameter that is added to its gradient.
        decoupled_weight_decay: shrink the parameter itself by lr·weight_decay, as `AdamW` does.
        foreach: accepted for PyTorch's programs; a group is always one fused call.
        maximize: climb instead of descend.
        capturable: as `foreach`.
        differentiable: must be False.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.RAdam([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 4)
        0.998
    """

    _kept = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least_zero("RAdam", lr=lr, eps=eps, weight_decay=weight_decay)
        below_one("RAdam", beta1=betas[0], beta2=betas[1])
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                **execution("RAdam", foreach=foreach, capturable=capturable, differentiable=differentiable),
            },
        )

    def _step(self, group: dict[str, Any], params: list[Tensor], states: list[list[Tensor]], /, step: int) -> None:
        radam_step(
            params,
            states,
            step,
            group["lr"],
            group["betas"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
            group["decoupled_weight_decay"],
        )
