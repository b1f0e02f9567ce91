"""NAdam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, nadam_step
from dlcore.optim.optimizer import FusedOptimizer
from dlcore.optim.settings import at_least_zero, below_one, execution

__all__ = ["NAdam"]


class NAdam(FusedOptimizer):
    """Adam with Nesterov's momentum: the step looks one update of the mean ahead.

    At step t the momentum is μ = β₁·(1 − 0.96^(t·momentum_decay) / 2), and the mean that Adam divides is replaced by
    (1 − μₜ)·g / (1 − Πμ) + μₜ₊₁·m / (1 − Πμ·μₜ₊₁), where Πμ is the product of all momenta up to t (Dozat, 2016).

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: added to the denominator.
        weight_decay: factor of the parameter that is added to its gradient.
        momentum_decay: how fast the momentum grows to β₁.
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
        >>> optimizer = dlcore.optim.NAdam([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 4)
        0.9979
    """

    _kept = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least_zero("NAdam", lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        below_one("NAdam", beta1=betas[0], beta2=betas[1])
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                **execution("NAdam", foreach=foreach, capturable=capturable, differentiable=differentiable),
            },
        )

    def _numbers(self, _group: dict[str, Any], /) -> dict[str, Any]:
        return {"step": 0, "mu_product": 1.0}

    def _step(
        self,
        group: dict[str, Any],
        params: list[Tensor],
        states: list[list[Tensor]],
        /,
        step: int,
        mu_product: float,
    ) -> dict[str, float]:
        product = nadam_step(
            params,
            states,
            step,
            group["lr"],
            group["betas"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
            group["decoupled_weight_decay"],
            group["momentum_decay"],
            mu_product,
        )
        return {"mu_product": product}
