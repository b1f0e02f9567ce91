"""Adafactor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, finfo, matmul, norm, zeros, zeros_like
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_one, at_least_zero, execution

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adam without a mean, whose mean square of a matrix is kept as the product of one column and one row.

    R and C are running means of g² over the columns and over the rows with the decay 1 − t^beta2_decay; u = g / √(R·C /
    mean(R)), shortened to a root mean square of at most `d`; the parameter moves by −max(ε₂, RMS(parameter)) · min(lr,
    1/√t) · u. A matrix of m×n takes a state of m + n numbers. Source: Shazeer and Stern, 2018.

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the largest relative step size.
        beta2_decay: power of the step's number; not above 0.
        eps: ε₁, the smallest root mean square (None: the dtype's precision), and ε₂, the smallest scale of a parameter.
        d: the largest root mean square of u.
        weight_decay: decay of the parameter itself, times `lr`.
        foreach: accepted for PyTorch's programs.
        maximize: climb instead of descend.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.ones(2, 2, requires_grad=True)
        >>> optimizer = dlcore.optim.Adafactor([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        at_least_zero("Adafactor", lr=lr, eps1=eps[0] or 0.0, eps2=eps[1], weight_decay=weight_decay)
        at_least_one("Adafactor", d=d)
        if not beta2_decay <= 0:
            raise ValueError(f"Adafactor: beta2_decay must not be above 0, got {beta2_decay}")
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "maximize": maximize,
                **execution("Adafactor", foreach=foreach),
            },
        )

    def _update(self, group: dict[str, Any]) -> None:
        lr, (eps1, eps2) = float(group["lr"]), group["eps"]
        for param in group["params"]:
            if param.grad is None:
                continue
            state = self.state[param]
            grad = -param.grad if group["maximize"] else param.grad
            if not state:
                state.update(_fresh(param))
            step = state["step"] = state["step"] + 1
            least = finfo(param.dtype).eps if eps1 is None else eps1
            scale = max(eps2, _root_mean_square(param)) * min(lr, step**-0.5)
            if group["weight_decay"]:
                param.mul_(1 - lr * group["weight_decay"])
            square = _mean_square(grad, state, step ** group["beta2_decay"], least)
            update = square.clamp(min=least * least).rsqrt() * grad
            param.sub_(update, alpha=scale / max(1.0, _root_mean_square(update) / group["d"]))


def _fresh(param: Tensor) -> dict[str, Any]:
    if param.dim() < 2:
        return {"step": 0, "variance": zeros_like(param)}
    *rest, rows, columns = param.shape
    row_var, col_var = zeros(*rest, rows, 1, dtype=param.dtype), zeros(*rest, 1, columns, dtype=param.dtype)
    return {"step": 0, "row_var": row_var, "col_var": col_var}


def _mean_square(grad: Tensor, state: dict[str, Any], fresh: float, least: float) -> Tensor:
    """The running mean of the squares of the gradient, or what the means over columns and rows say about it."""
    if grad.dim() < 2:
        variance: Tensor = state["variance"]
        return variance.lerp_(grad * grad, fresh)
    row: Tensor = state["row_var"]
    column: Tensor = state["col_var"]
    row.lerp_(norm(grad, dim=-1, keepdim=True).square() / grad.shape[-1], fresh)
    column.lerp_(norm(grad, dim=-2, keepdim=True).square() / grad.shape[-2], fresh)
    product: Tensor = matmul(row, column)
    return product / row.mean(dim=-2, keepdim=True).clamp(min=least)


def _root_mean_square(values: Tensor) -> float:
    return float(norm(values).item() / values.numel() ** 0.5)
