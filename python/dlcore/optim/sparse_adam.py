"""Adam that steps only the rows that were used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any

from dlcore._core import Tensor, index_select, lerp, nonzero, zeros_like
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_zero, below_one

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam for tables of which each batch uses a few rows: rows without a gradient keep parameter and moments.

    Gradients are dense here; a row counts as unused where its gradient is zero everywhere. The rule for the others is
    that of `Adam`, with eps outside the corrected root: −lr·√(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + eps).

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: added to the denominator.
        maximize: climb instead of descend.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> table = dlcore.ones(3, 2, requires_grad=True)
        >>> optimizer = dlcore.optim.SparseAdam([table], lr=0.5)
        >>> table[1].sum().backward()
        >>> optimizer.step()
        >>> table
        tensor([[1.0000, 1.0000],
                [0.5000, 0.5000],
                [1.0000, 1.0000]], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        at_least_zero("SparseAdam", lr=lr, eps=eps)
        below_one("SparseAdam", beta1=betas[0], beta2=betas[1])
        if lr == 0 or eps == 0:
            raise ValueError(f"SparseAdam: lr and eps must be above 0, got {lr} and {eps}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def _update(self, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if not state:
                state.update(step=0, exp_avg=zeros_like(param), exp_avg_sq=zeros_like(param))
            step = state["step"] = state["step"] + 1
            used = (grad != 0).reshape(grad.shape[0], -1).any(dim=1) if grad.dim() else (grad != 0).reshape(1)
            rows = nonzero(used).reshape(-1)
            table, first, second = (t if t.dim() else t.view(1) for t in (param, state["exp_avg"], state["exp_avg_sq"]))
            new = index_select(grad if grad.dim() else grad.view(1), 0, rows)
            new = -new if group["maximize"] else new
            mean = lerp(index_select(first, 0, rows), new, 1 - beta1)
            square = lerp(index_select(second, 0, rows), new * new, 1 - beta2)
            first.index_copy_(0, rows, mean)
            second.index_copy_(0, rows, square)
            size = float(group["lr"]) * sqrt(1 - beta2**step) / (1 - beta1**step)
            table.index_add_(0, rows, mean / (square.sqrt() + group["eps"]), alpha=-size)
