"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, cat, dot, zeros
from dlcore.autograd import enable_grad, no_grad
from dlcore.optim.line_search import Point, strong_wolfe
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_zero

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS: Newton's direction, with the curvature taken from the last gradients; for the whole data at once.

    One `step` takes up to `max_iter` directions and calls the closure, which is required, many times. All parameters
    form one vector; the state belongs to the first of them. Source: Nocedal and Wright, Numerical Optimization, 2nd
    edition, algorithm 7.4.

    Args:
        params: tensors, in one group.
        lr: length of a step along the direction, or where the line search begins.
        max_iter: directions per step.
        max_eval: closures per step; 1.25·max_iter by default.
        tolerance_grad: the step ends where no element of the gradient is larger.
        tolerance_change: or where no parameter, or the loss, changes by more.
        history_size: how many changes of the gradient are kept.
        line_search_fn: ``"strong_wolfe"``, or None for steps of the length `lr`.

    Raises:
        ValueError: a negative learning rate, another line search, or more than one group.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0, 1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.LBFGS([w], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((w - dlcore.tensor([3.0, -2.0])) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure).item()
        13.0
        >>> [round(value, 4) for value in w.tolist()]
        [3.0, -2.0]
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        at_least_zero("LBFGS", lr=lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn must be 'strong_wolfe' or None, got {line_search_fn!r}")
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len(self.param_groups) != 1:
            raise ValueError(f"LBFGS: takes one group of parameters, got {len(self.param_groups)}")

    def _step_all(self, closure: Callable[[], Tensor] | None) -> Tensor:
        if closure is None:
            raise ValueError("LBFGS: step needs a closure that computes the loss and its gradients")
        (group,) = self.param_groups
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        with no_grad():
            return self._iterate(group, state, closure)

    def _iterate(self, group: dict[str, Any], state: dict[str, Any], closure: Callable[[], Tensor]) -> Tensor:
        params, lr, least_change = group["params"], float(group["lr"]), group["tolerance_change"]
        with enable_grad():
            first = closure()
        grad, loss, evaluations = _flat_grad(params), first.item(), 1
        for iteration in range(1, group["max_iter"] + 1):
            if _largest(grad) <= group["tolerance_grad"]:
                break
            state["n_iter"] += 1
            direction = _direction(state, grad, group["history_size"])
            length = lr if state["n_iter"] > 1 else min(1.0, 1.0 / grad.abs().sum().item()) * lr
            state.update(d=direction, t=length, prev_flat_grad=grad, prev_loss=loss)
            before, slope = loss, dot(grad, direction).item()
            if slope > -least_change:
                break
            if group["line_search_fn"]:
                start = Point(0.0, loss, grad, slope)
                tolerance, most = least_change / _largest(direction), group["max_eval"] - evaluations
                along = _Along(params, direction, closure)
                found, more = strong_wolfe(along, start, length, tolerance, most)
                state["t"], loss, grad = found.length, found.loss, found.grad
                along.move(found.length)
            else:
                _move(params, direction, length)
                more = 0
                if iteration < group["max_iter"]:  # what follows the last would not be looked at
                    with enable_grad():
                        loss = closure().item()
                    grad, more = _flat_grad(params), 1
            evaluations += more
            still = _largest(direction) * abs(state["t"]) <= least_change or abs(loss - before) < least_change
            if still or evaluations >= group["max_eval"]:
                break
        state["func_evals"] += evaluations
        return first

    def _restored(self, value: Any, key: str, param: Tensor) -> Any:
        if isinstance(value, list):
            return [self._restored(item, key, param) for item in value]
        return super()._restored(value, key, param)


class _Along:
    """The loss along a direction; the parameters are at its beginning whenever nothing is evaluated."""

    def __init__(self, params: list[Tensor], direction: Tensor, closure: Callable[[], Tensor]) -> None:
        self.params, self.direction, self.closure = params, direction, closure
        self.start = [param.clone() for param in params]

    def move(self, length: float) -> None:
        _move(self.params, self.direction, length)

    def __call__(self, length: float) -> Point:
        self.move(length)
        with enable_grad():
            loss = self.closure().item()
        grad = _flat_grad(self.params)
        for param, value in zip(self.params, self.start, strict=True):
            param.copy_(value)
        return Point(length, loss, grad, dot(grad, self.direction).item())


def _direction(state: dict[str, Any], grad: Tensor, most: int) -> Tensor:
    """The product of the inverse curvature and the opposite of the gradient, by the two loops of the book."""
    if state["n_iter"] == 1:
        state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
        return -grad
    changes, steps, weights = state["old_dirs"], state["old_stps"], state["ro"]
    change, step = grad - state["prev_flat_grad"], state["d"] * state["t"]
    product = dot(change, step).item()
    if product > 1e-10:  # else the curvature is not positive
        if len(changes) == most:
            for history in (changes, steps, weights):
                del history[0]
        changes.append(change)
        steps.append(step)
        weights.append(1.0 / product)
        state["H_diag"] = product / dot(change, change).item()
    direction, parts = -grad, state.setdefault("al", [None] * most)
    for i in reversed(range(len(changes))):
        parts[i] = dot(steps[i], direction).item() * float(weights[i])
        direction.sub_(changes[i], alpha=parts[i])
    direction *= state["H_diag"]
    for i in range(len(changes)):
        direction.add_(steps[i], alpha=parts[i] - dot(changes[i], direction).item() * float(weights[i]))
    return direction


def _flat_grad(params: list[Tensor]) -> Tensor:
    return cat([zeros(p.numel(), dtype=p.dtype) if p.grad is None else p.grad.reshape(-1) for p in params])


def _move(params: list[Tensor], direction: Tensor, length: float) -> None:
    start = 0
    for param in params:
        part = direction[start : start + param.numel()]
        param.add_(part.reshape(param.shape), alpha=length)
        start += param.numel()


def _largest(values: Tensor) -> float:
    return values.abs().max().item()
