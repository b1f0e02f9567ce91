"""Steps that look ahead: Lookahead, over several steps of another optimizer, and SAM, to the worst point nearby."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from math import hypot
from typing import Any

from dlcore import _core
from dlcore._core import Tensor, norm
from dlcore.autograd import enable_grad, no_grad
from dlcore.hooks import RemovableHandle
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_one, at_least_zero, at_most_one

__all__ = ["SAM", "Lookahead"]


class _Around(Optimizer):
    """An optimizer that steps by another, whose groups and state it shares."""

    def __init__(self, inner: Optimizer) -> None:
        self.optimizer = inner
        self._hooks = {}

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The other's groups."""
        return self.optimizer.param_groups

    @property
    def state(self) -> defaultdict[Tensor, dict[str, Any]]:  # type: ignore[override]
        """The other's state."""
        return self.optimizer.state

    @property
    def defaults(self) -> dict[str, Any]:  # type: ignore[override]
        """The other's settings."""
        return self.optimizer.defaults

    def add_param_group(self, param_group: Mapping[str, Any] | Any) -> None:
        """Add parameters to the other optimizer."""
        self.optimizer.add_param_group(param_group)

    def _register(self, kind: str, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        if kind.startswith("step"):
            return super()._register(kind, hook, prepend)
        return self.optimizer._register(kind, hook, prepend)  # whose state it is

    def state_dict(self) -> dict[str, Any]:
        """The other's."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        self.optimizer.load_state_dict(state_dict)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_hooks": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {self.optimizer!r}"


class Lookahead(_Around):
    """Every `k` steps of another optimizer, go back to `alpha` of the way that they went.

    Source: Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", 2019.

    Args:
        optimizer: the one that steps; schedulers may have either.
        k: steps forward.
        alpha: the part of their way that is kept.

    Raises:
        ValueError: k below 1, or alpha outside 0..1.

    Example:
        >>> import dlcore
        >>> from dlcore import optim
        >>> w = dlcore.tensor([8.0], requires_grad=True)
        >>> optimizer = optim.Lookahead(optim.SGD([w], lr=1.0), k=2, alpha=0.5)
        >>> for _ in range(2):
        ...     w.grad = dlcore.ones(1)
        ...     optimizer.step()
        >>> w.item()  # half of the way from 8 to 6
        7.0
    """

    def __init__(self, optimizer: Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        at_least_one("Lookahead", k=k)
        at_most_one("Lookahead", alpha=alpha)
        super().__init__(optimizer)
        self.k, self.alpha, self._count = k, alpha, 0
        self._slow = [param.detach().clone() for param in self._params()]

    def _step_all(self, closure: Callable[[], Tensor] | None) -> Tensor | None:
        loss: Tensor | None = self.optimizer.step(closure)
        self._count += 1
        if self._count % self.k == 0:
            with no_grad():
                for param, slow in zip(self._params(), self._slow, strict=True):
                    param.copy_(slow.lerp_(param, self.alpha))
        return loss

    def add_param_group(self, param_group: Mapping[str, Any] | Any) -> None:
        """Add parameters to the other optimizer."""
        super().add_param_group(param_group)
        self._slow += [param.detach().clone() for param in self.param_groups[-1]["params"]]

    def state_dict(self) -> dict[str, Any]:
        """The other's, and under ``"lookahead"`` the number of steps and where the next ones set out."""
        return {**super().state_dict(), "lookahead": {"step": self._count, "slow": list(self._slow)}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave, or from what the other optimizer alone gave."""
        own = state_dict.get("lookahead", {"step": 0, "slow": [param.detach() for param in self._params()]})
        if len(own["slow"]) != len(self._slow):
            given = f"{len(own['slow'])} parameters given, {len(self._slow)} needed"
            raise ValueError(f"load_state_dict: {given}")
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "lookahead"})
        self._count = int(own["step"])
        self._slow = [_core.as_tensor(slow).detach().clone() for slow in own["slow"]]


class SAM(_Around):
    """Step by the gradient at the worst point within a distance of rho: towards where the loss is flat.

    Every step needs two gradients. Either give `step` a closure, or call ``backward``, `first_step`, ``backward`` of
    the same batch's loss, and `second_step`. Source: Foret et al., "Sharpness-aware minimization for efficiently
    improving generalization", 2021; `adaptive`: Kwon et al., "ASAM", 2021.

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        base_optimizer: the class of the optimizer that steps.
        rho: the distance, of all parameters together.
        adaptive: measure it in units of each parameter.
        **kwargs: settings of the base optimizer.

    Raises:
        ValueError: a negative rho.
        RuntimeError: a step without a closure.

    Example:
        >>> import dlcore
        >>> from dlcore import optim
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = optim.SAM([w], optim.SGD, rho=0.5, lr=0.1)
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (w * w).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure).item()
        1.0
        >>> round(w.item(), 4)  # by the slope at 1.5
        0.7
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        base_optimizer: Callable[..., Optimizer],
        rho: float = 0.05,
        adaptive: bool = False,
        **kwargs: Any,
    ) -> None:
        at_least_zero("SAM", rho=rho)
        super().__init__(base_optimizer(params, **kwargs))
        self.rho, self.adaptive = rho, adaptive
        self._before: list[tuple[Tensor, Tensor]] = []

    def first_step(self, zero_grad: bool = False) -> None:
        """Go to the worst point nearby; `zero_grad` drops the gradients then."""
        with no_grad():
            moved = [param for param in self._params() if param.grad is not None]
            self._before = [(param, param.detach().clone()) for param in moved]
            length = hypot(*(norm(self._scaled(param, 1)).item() for param in moved))
            for param in moved:
                param.add_(self._scaled(param, 2), alpha=self.rho / (length + 1e-12))
        if zero_grad:
            self.zero_grad()

    def second_step(self, zero_grad: bool = False) -> None:
        """Go back, and step by the gradient found there; `zero_grad` drops the gradients then."""
        with no_grad():
            for param, before in self._before:
                param.copy_(before)
        self._before = []
        self.optimizer.step()
        if zero_grad:
            self.zero_grad()

    def _scaled(self, param: Tensor, power: int) -> Tensor:
        grad = param.grad
        assert grad is not None
        return grad * param.abs() ** power if self.adaptive else grad

    def _step_all(self, closure: Callable[[], Tensor] | None) -> Tensor | None:
        if closure is None:
            raise RuntimeError("SAM.step needs a closure that computes the loss, or call first_step and second_step")
        with enable_grad():
            loss = closure()
        self.first_step()
        with enable_grad():
            closure()
        self.second_step()
        return loss
