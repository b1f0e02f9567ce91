"""Finding where the first number that is not finite comes from."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Self

from dlcore._core import Tensor, isfinite, nonzero
from dlcore.nn.module import Module

__all__ = ["guard"]


class guard:  # noqa: N801 - a verb, used with `with`
    """Raise where a layer first gives a NaN or an infinity, forwards or backwards.

    The error names the layer's path, the index of the first such number, and whether the layer's own input or
    parameters were at fault. Every output is read once more: for finding a bug, not for every step.

    Args:
        model: whose layers are looked at.

    Raises:
        FloatingPointError: in a call or a ``backward`` inside the block.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> class Log(nn.Module):
        ...     def forward(self, x):
        ...         return x.log()
        >>> model = nn.Sequential(nn.ReLU(), Log())
        >>> with dlcore.guard(model):
        ...     model(dlcore.tensor([1.0, -1.0]))
        Traceback (most recent call last):
        FloatingPointError: Sequential.1 (Log): the output is -inf at [1]; its input was finite
    """

    def __init__(self, model: Module) -> None:
        self.model, self._stack = model, ExitStack()

    def __enter__(self) -> Self:
        name = type(self.model).__name__
        for path, module in self.model.named_modules():
            if next(module.children(), None) is None:
                watch = _Watch(f"{name}.{path}" if path else name)
                self._stack.enter_context(module.register_forward_hook(watch.forward))
                self._stack.enter_context(module.register_full_backward_hook(watch.backward))
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()


class _Watch:
    def __init__(self, path: str) -> None:
        self.path = path

    def forward(self, module: Module, args: tuple[Any, ...], output: Any) -> None:
        found = _first(output if isinstance(output, tuple) else (output,))
        if found is None:
            return
        bad = [name for name, parameter in module.named_parameters() if _first((parameter,)) is not None]
        cause = f"its parameter {bad[0]} was not" if bad else "its input was not" if _first(args) else "its input was"
        raise FloatingPointError(f"{self._name(module)}: the output is {found}; {cause} finite")

    def backward(self, module: Module, grad_input: tuple[Any, ...], grad_output: tuple[Any, ...]) -> None:
        outward = _first(grad_output)
        found = outward or _first(grad_input)
        if found is not None:
            side = "its output" if outward else "its input"
            raise FloatingPointError(f"{self._name(module)}: the gradient by {side} is {found}")

    def _name(self, module: Module) -> str:
        extra = module.extra_repr()
        return f"{self.path} ({type(module).__name__}{f'({extra})' if extra else ''})"


def _first(values: tuple[Any, ...]) -> str | None:
    """The first number that is not finite, with its index, as text."""
    for value in values:
        if isinstance(value, Tensor) and value.is_floating_point() and not isfinite(value).all():
            place = nonzero(~isfinite(value))[0].tolist()
            return f"{value.detach()[tuple(place)].item()} at {place}"
    return None
