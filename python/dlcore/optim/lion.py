"""Lion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, lion_step
from dlcore.optim.optimizer import FusedOptimizer
from dlcore.optim.settings import at_least_zero, below_one

__all__ = ["Lion"]


class Lion(FusedOptimizer):
    """Lion: the sign of a mixture of the gradient and its running mean.

    The parameter shrinks by lr·weight_decay and moves by −lr·sign(β₁·m + (1 − β₁)·g); then m = β₂·m + (1 − β₂)·g (Chen
    et al., 2023). Takes a learning rate 3 to 10 times smaller, and a weight decay larger by as much, than `AdamW`.

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        betas: β₁, of the step, and β₂, of the mean.
        weight_decay: decay of the parameter itself, times `lr`.
        maximize: climb instead of descend.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.Lion([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 4)
        0.9
    """

    _kept = ("exp_avg",)

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        at_least_zero("Lion", lr=lr, weight_decay=weight_decay)
        below_one("Lion", beta1=betas[0], beta2=betas[1])
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _step(self, group: dict[str, Any], params: list[Tensor], states: list[list[Tensor]], /, _step: int) -> None:
        lion_step(
            params,
            states,
            group["lr"],
            group["betas"],
            group["weight_decay"],
            group["maximize"],
        )
