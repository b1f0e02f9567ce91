"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, adagrad_step, full_like
from dlcore.optim.optimizer import FusedOptimizer
from dlcore.optim.settings import at_least_zero, execution

__all__ = ["Adagrad"]


class Adagrad(FusedOptimizer):
    """Adagrad: the gradient over the root of the sum of all its squares.

    s = s + g², and the parameter moves by −lr / (1 + (t − 1)·lr_decay) · g / (√s + eps) at step t (Duchi, Hazan and
    Singer, 2011).

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        lr_decay: how fast the learning rate falls.
        weight_decay: factor of the parameter that is added to its gradient.
        initial_accumulator_value: what s begins with.
        eps: added to the denominator.
        foreach: accepted for PyTorch's programs; a group is always one fused call.
        maximize: climb instead of descend.
        differentiable: must be False.
        fused: as `foreach`.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.Adagrad([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 4)
        0.99
    """

    _kept = ("sum",)

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        at_least_zero("Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
        at_least_zero("Adagrad", initial_accumulator_value=initial_accumulator_value)
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "maximize": maximize,
                **execution("Adagrad", foreach=foreach, differentiable=differentiable, fused=fused),
            },
        )

    def _fresh(self, _name: str, param: Tensor, group: dict[str, Any], /) -> Tensor:
        return full_like(param, group["initial_accumulator_value"])

    def _step(self, group: dict[str, Any], params: list[Tensor], states: list[list[Tensor]], /, step: int) -> None:
        adagrad_step(
            params,
            states,
            step,
            group["lr"],
            group["lr_decay"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
        )
