"""Follow the regularised leader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, full_like, softshrink, zeros_like
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_zero

__all__ = ["Ftrl"]


class Ftrl(Optimizer):
    """FTRL-Proximal: online learning of sparse linear models, whose weights an l1 penalty makes exactly zero.

    n += g², z += g − (√n − √n_before)/lr · w, and w = −softshrink(z, l1) / ((beta + √n)/lr + 2·l2). Source: McMahan et
    al., "Ad click prediction: a view from the trenches", 2013; penalties scale as in Keras.

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        initial_accumulator_value: n before the first step.
        l1: weight of the sum of absolute values.
        l2: weight of the sum of squares.
        beta: see above.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0, 1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.Ftrl([w], lr=1.0, l1=2.0)
        >>> for _ in range(20):
        ...     optimizer.zero_grad()
        ...     ((w - dlcore.tensor([3.0, 0.0])) ** 2).sum().backward()
        ...     optimizer.step()
        >>> w[0].item() > 1, w[1].item() == 0
        (True, True)
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        initial_accumulator_value: float = 0.1,
        l1: float = 0.0,
        l2: float = 0.0,
        beta: float = 0.0,
    ) -> None:
        at_least_zero("Ftrl", initial_accumulator_value=initial_accumulator_value, l1=l1, l2=l2, beta=beta)
        if not lr > 0:
            raise ValueError(f"Ftrl: lr must be above 0, got {lr}")
        accumulator = {"initial_accumulator_value": initial_accumulator_value}
        super().__init__(params, {"lr": lr, **accumulator, "l1": l1, "l2": l2, "beta": beta})

    def _update(self, group: dict[str, Any]) -> None:
        lr = float(group["lr"])
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if not state:
                state["accumulator"] = full_like(param, group["initial_accumulator_value"])
                state["linear"] = zeros_like(param)
            before = state["accumulator"].sqrt()
            root = state["accumulator"].add_(grad * grad).sqrt()
            linear = state["linear"].add_(grad - (root - before) / lr * param)
            denominator = (root + group["beta"]) / lr + 2 * group["l2"]
            # An element without any gradient so far has 0 / 0 where n began at 0.
            param.copy_((softshrink(-linear, group["l1"]) / denominator).nan_to_num(nan=0.0))
