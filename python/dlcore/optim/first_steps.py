"""Looking at an optimizer's first two steps for what is most often forgotten; later steps pay nothing for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlcore._core import Tensor
from dlcore.advice import advise

if TYPE_CHECKING:
    from dlcore.optim.optimizer import Optimizer

__all__ = ["FirstSteps"]

_SHOWN = 5


class FirstSteps:
    """A hook behind `step`, which takes itself away when it has seen enough.

    At the first step it warns of parameters without a gradient. Until the second it watches one of the others: where
    every gradient between the two was added to one that is there already, nobody cleared it.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._handle = optimizer.register_step_post_hook(self)
        self._steps = 0
        self._backwards: list[bool] = []
        self._watch: Any = None

    def __call__(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        """Look at the gradients of this step."""
        self._steps += 1
        optimizer._stepped = True
        if self._steps == 1:
            trained = [param for param in optimizer._params() if param.requires_grad]
            with_gradient = [param for param in trained if param.grad is not None]
            _warn_of_the_others(optimizer, trained, with_gradient)
            moving = [param for param in with_gradient if _some(param.grad)]
            if moving:
                smallest = min(moving, key=lambda param: param.numel())
                self._watch = smallest.register_hook(lambda _: self._backwards.append(_some(smallest.grad)))
                return
        elif self._backwards and all(self._backwards):
            advise(
                f"{type(optimizer).__name__}: the gradients were not cleared between the first two steps, "
                "so the second stepped by their sum: call optimizer.zero_grad() before every loss.backward()"
            )
        self._end(optimizer)

    def _end(self, optimizer: Optimizer) -> None:
        self._handle.remove()
        optimizer._hooks = {kind: hooks for kind, hooks in optimizer._hooks.items() if hooks}
        if self._watch is not None:
            self._watch.remove()


def _some(gradient: Tensor | None) -> bool:
    return gradient is not None and bool((gradient.detach() != 0).any())


def _warn_of_the_others(optimizer: Optimizer, trained: list[Tensor], with_gradient: list[Tensor]) -> None:
    name, missing = type(optimizer).__name__, len(trained) - len(with_gradient)
    if trained and not with_gradient:
        advise(f"{name}: no parameter has a gradient: call loss.backward() before step()")
    elif missing:
        found = {id(param) for param in with_gradient}
        places = [optimizer._name_of(param) for param in trained if id(param) not in found]
        listed = ", ".join(places[:_SHOWN]) + (f" and {missing - _SHOWN} others" if missing > _SHOWN else "")
        advise(
            f"{name}: {missing} of {len(trained)} parameters have received no gradient and stay as they are: {listed}. "
            "The loss does not depend on them; use them in forward(), or call requires_grad_(False)"
        )
