"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, rmsprop_step
from dlcore.optim.optimizer import FusedOptimizer
from dlcore.optim.settings import at_least_zero, execution

__all__ = ["RMSprop"]


class RMSprop(FusedOptimizer):
    """RMSprop: the gradient over the root of its running mean square.

    s = α·s + (1 − α)·g², and the parameter moves by −lr·g / (√s + eps); with ``centered``, s is lessened by the square
    of the running mean of g (Graves, 2013); with ``momentum``, the steps are summed up with that decay. Source:
    Tieleman and Hinton, lecture 6.5 of Neural Networks for Machine Learning, 2012.

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        alpha: α, decay of the means.
        eps: added to the denominator.
        weight_decay: factor of the parameter that is added to its gradient.
        momentum: decay of the velocity.
        centered: divide by the deviation of the gradient.
        capturable: as `foreach`.
        foreach: accepted for PyTorch's programs; a group is always one fused call.
        maximize: climb instead of descend.
        differentiable: must be False.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.RMSprop([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 4)
        0.9
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        at_least_zero("RMSprop", lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "maximize": maximize,
                **execution("RMSprop", capturable=capturable, foreach=foreach, differentiable=differentiable),
            },
        )

    def _names(self, group: dict[str, Any], /) -> tuple[str, ...]:
        names = ["square_avg"]
        if group["centered"]:
            names.append("grad_avg")
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        return tuple(names)

    def _step(self, group: dict[str, Any], params: list[Tensor], states: list[list[Tensor]], /, _step: int) -> None:
        rmsprop_step(
            params,
            states,
            group["lr"],
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            group["momentum"],
            group["centered"],
            group["maximize"],
        )
