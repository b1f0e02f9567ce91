"""Muon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any

from dlcore._core import Tensor, lerp, matmul, norm, zeros_like
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_zero

__all__ = ["Muon"]


class Muon(Optimizer):
    """Momentum whose steps are made orthogonal: for the matrices inside a network.

    B = momentum·B + (1 − momentum)·G; the step is the nearest orthogonal matrix to B (or to what Nesterov's rule makes
    of it), approximated by an iteration of Newton and Schulz, X ← aX + (bA + cA²)X with A = XXᵀ. Source: Jordan et al.,
    2024, https://kellerjordan.github.io/posts/muon/. Vectors, embeddings and heads are better off with `AdamW`.

    Args:
        params: matrices, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        weight_decay: decay of the parameter itself, times `lr`.
        momentum: decay of B.
        nesterov: look one step ahead.
        ns_coefficients: a, b and c.
        eps: the smallest norm that is divided by.
        ns_steps: number of iterations, below 100.
        adjust_lr_fn: ``"original"`` (the default) scales a step of m×n by √max(1, m/n); ``"match_rms_adamw"`` by
            0.2·√max(m, n), which gives steps of the size of AdamW's (Liu et al., 2025).

    Raises:
        ValueError: a setting outside its range, or a parameter that is not a matrix.

    Example:
        >>> import dlcore
        >>> w = dlcore.zeros(2, 2, requires_grad=True)
        >>> optimizer = dlcore.optim.Muon([w], lr=1.0)
        >>> (w * dlcore.tensor([[1.0, 0.0], [0.0, 100.0]])).sum().backward()
        >>> optimizer.step()  # both directions count, however large their gradients
        >>> bool((w.diagonal() < -0.1).all())
        True
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        at_least_zero("Muon", lr=lr, weight_decay=weight_decay, momentum=momentum)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Muon: adjust_lr_fn must be 'original' or 'match_rms_adamw', got {adjust_lr_fn!r}")
        if ns_steps >= 100 or len(ns_coefficients) != 3:
            raise ValueError(
                f"Muon: takes less than 100 iterations and 3 coefficients, got {ns_steps}, {ns_coefficients}"
            )
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )

    def add_param_group(self, param_group: Mapping[str, Any] | Any) -> None:
        """As `Optimizer.add_param_group`, of matrices alone."""
        super().add_param_group(param_group)
        for param in self.param_groups[-1]["params"]:
            if param.dim() != 2:
                raise ValueError(f"Muon: parameters must be matrices, got one of shape {tuple(param.shape)}")

    def _update(self, group: dict[str, Any]) -> None:
        lr, momentum = float(group["lr"]), group["momentum"]
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = zeros_like(param)
            mean = state["momentum_buffer"].lerp_(grad, 1 - momentum)
            direction = lerp(grad, mean, momentum) if group["nesterov"] else mean
            step = _orthogonal(direction, group["ns_coefficients"], group["ns_steps"], group["eps"])
            param.mul_(1 - lr * group["weight_decay"])
            param.sub_(step, alpha=lr * _scale(group["adjust_lr_fn"], *param.shape))


def _orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """The matrix with singular values near 1, through products of its smaller side."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.t() if tall else matrix
    x = x / norm(x).clamp(min=eps)
    a, b, c = coefficients
    for _ in range(steps):
        gram = matmul(x, x.t())
        x = a * x + matmul(b * gram + c * matmul(gram, gram), x)
    return x.t() if tall else x


def _scale(rule: str | None, rows: int, columns: int) -> float:
    return 0.2 * sqrt(max(rows, columns)) if rule == "match_rms_adamw" else sqrt(max(1, rows / columns))
