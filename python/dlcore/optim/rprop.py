"""Resilient backpropagation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, full_like, rprop_step, zeros_like
from dlcore.optim.optimizer import FusedOptimizer
from dlcore.optim.settings import at_least_zero, execution

__all__ = ["Rprop"]


class Rprop(FusedOptimizer):
    """Resilient backpropagation: every element has a step size of its own and takes only the sign of its gradient.

    The size grows by η⁺ while the sign stays and shrinks by η⁻ when it turns, and then that step is left out
    (Riedmiller and Braun, 1993). For gradients of the whole data; those of small batches turn too often.

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the size of the first steps.
        etas: η⁻ and η⁺.
        step_sizes: the smallest and the largest size.
        capturable: as `foreach`.
        foreach: accepted for PyTorch's programs; a group is always one fused call.
        maximize: climb instead of descend.
        differentiable: must be False.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.Rprop([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 4)
        0.99
    """

    _kept = ("prev", "step_size")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least_zero("Rprop", lr=lr)
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"Rprop: etas must lie on both sides of 1, got {etas}")
        super().__init__(
            params,
            {
                "lr": lr,
                "etas": etas,
                "step_sizes": step_sizes,
                "maximize": maximize,
                **execution("Rprop", capturable=capturable, foreach=foreach, differentiable=differentiable),
            },
        )

    def _fresh(self, name: str, param: Tensor, group: dict[str, Any], /) -> Tensor:
        return zeros_like(param) if name == "prev" else full_like(param, float(group["lr"]))

    def _step(self, group: dict[str, Any], params: list[Tensor], states: list[list[Tensor]], /, _step: int) -> None:
        rprop_step(
            params,
            states,
            group["etas"],
            group["step_sizes"],
            group["maximize"],
        )
