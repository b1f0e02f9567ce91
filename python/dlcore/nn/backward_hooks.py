"""Hooks on the gradients that enter and leave a module.

What goes into ``forward`` and what comes out pass through an identity whose derivative looks at the gradients: that of
the outputs runs first, keeps what it sees for the hooks, and that of the inputs calls them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlcore._core import Tensor
from dlcore.autograd.function import Function

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlcore.nn.hooked import Hooked

__all__ = ["BackwardHooks"]

_Grads = tuple[Tensor | None, ...]


class _Watched(Function):
    """The tensors themselves; backward passes their gradients through `look`."""

    @staticmethod
    def forward(ctx: Any, look: Callable[[_Grads], _Grads], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.look = look
        return tuple(tensor.view(tensor.shape) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> _Grads:
        return (None, *ctx.look(grads))


class BackwardHooks:
    """The hooks of one call of a module."""

    def __init__(self, module: Hooked) -> None:
        self.module = module
        self.before = list(module._hooks.get("backward_pre", {}).values())
        self.after = list(module._hooks.get("backward", {}).values())
        self.grad_output: _Grads = ()
        self.arguments = 0
        self.inputs_watched = False

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, watched."""
        self.arguments = len(args)
        watched = self._watch(args, self._from_inputs) if self.after else args
        self.inputs_watched = watched is not args
        return watched

    def leave(self, output: Any) -> Any:
        """The output, watched; a tensor or a tuple."""
        if isinstance(output, tuple):
            return self._watch(output, self._from_outputs)
        return self._watch((output,), self._from_outputs)[0]

    def _watch(self, values: tuple[Any, ...], look: Callable[[_Grads], _Grads]) -> tuple[Any, ...]:
        places = [place for place, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]
        if not places:
            return values

        def spread(grads: _Grads) -> _Grads:
            by_place = dict(zip(places, grads, strict=True))
            seen = look(tuple(by_place.get(place) for place in range(len(values))))
            return tuple(seen[place] for place in places)

        watched = dict(zip(places, _Watched.apply(spread, *[values[place] for place in places]), strict=True))
        return tuple(watched.get(place, value) for place, value in enumerate(values))

    def _from_outputs(self, grads: _Grads) -> _Grads:
        for hook in self.before:
            new = hook(self.module, grads)
            grads = grads if new is None else _replaced(new, grads, "register_full_backward_pre_hook")
        self.grad_output = grads
        if self.after and not self.inputs_watched:
            self._from_inputs((None,) * self.arguments)
        return grads

    def _from_inputs(self, grads: _Grads) -> _Grads:
        for hook in self.after:
            new = hook(self.module, grads, self.grad_output)
            grads = grads if new is None else _replaced(new, grads, "register_full_backward_hook")
        return grads


def _replaced(new: Any, grads: _Grads, name: str) -> _Grads:
    replaced: _Grads = new if isinstance(new, tuple) else (new,)
    if len(replaced) != len(grads):
        raise RuntimeError(f"{name}: a hook returned {len(replaced)} gradients for {len(grads)}")
    return replaced
