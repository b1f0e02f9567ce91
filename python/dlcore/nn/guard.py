"""Finding where the first number that is not finite comes from, and units that no longer learn."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Self

from dlcore import _core
from dlcore._core import Tensor, isfinite, isnan, nonzero
from dlcore.advice import advise
from dlcore.autograd import detect_anomaly
from dlcore.nn.conv import Conv1d, Conv2d, Conv3d
from dlcore.nn.linear import Linear
from dlcore.nn.module import Module

__all__ = ["guard"]

_ENOUGH = 10  # backward passes before a unit is called dead: a few batches may leave it at rest


class guard:  # noqa: N801 - a verb, used with `with`
    """Raise where a number first becomes NaN or infinite, forwards or backwards.

    The error names the operation and the index of the first such number, and the path of the module whose ``forward``
    runs. An operation is blamed only for what it made itself: NaN, if none came in, or an infinity, if all that came in
    was finite. With a model, inputs of layers and their parameters are looked at as well, and at the end of the block
    the units of linear layers and convolutions that had no gradient in any of ten or more backward passes are warned
    of: with ReLU they are dead. Every output is read once more: for finding a bug, not for every step.

    Args:
        model: whose layers are looked at; None for operations alone.

    Raises:
        FloatingPointError: in an operation or a ``backward`` inside the block.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> class Log(nn.Module):
        ...     def forward(self, x):
        ...         return x.log()
        >>> model = nn.Sequential(nn.ReLU(), Log())
        >>> with dlcore.guard():
        ...     model(dlcore.tensor([1.0, -1.0]))
        Traceback (most recent call last):
        FloatingPointError: Sequential.1: log: the output is -inf at [1]; its input, of shape (2,), held no such number
          on the way: Sequential (2,) → 1 (2,)
          in forward, line 3: x (2,)
    """

    def __init__(self, model: Module | None = None) -> None:
        self.model, self._stack = model, ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(detect_anomaly(check_nan=False))  # errors of a backward say what it belongs to
        self._stack.callback(_core._set_guarding, _core._set_guarding(True))
        self._units: list[_Units] = []
        if self.model is not None:
            self._stack.enter_context(self.model.register_forward_pre_hook(_refuse_infinite_inputs))
            for path, module in self.model.named_modules():
                if next(module.children(), None) is None:
                    self._stack.enter_context(module.register_forward_pre_hook(_refuse_nan))
                if isinstance(module, Linear | Conv1d | Conv2d | Conv3d) and module.weight.requires_grad:
                    name = type(self.model).__name__ + (f".{path}" if path else "")
                    self._units.append(_Units(name, module.weight))
                    self._stack.callback(self._units[-1].handle.remove)
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        self._stack.close()
        if kind is None:
            for units in self._units:
                units.report()
            _report_dead_layers([units.name for units in self._units if units.all_dead()])


class _Units:
    """Which units of a layer had a gradient in any backward pass."""

    def __init__(self, name: str, weight: Tensor) -> None:
        self.name, self._passes, self._alive = name, 0, _core.zeros(weight.shape[0], dtype=_core.bool)
        self.handle = weight.register_hook(self._look)

    def _look(self, gradient: Tensor) -> None:
        self._passes += 1
        self._alive = self._alive | (gradient.detach() != 0).flatten(1).any(1)

    def all_dead(self) -> bool:
        return self._passes >= _ENOUGH and self._alive.numel() > 0 and not self._alive.any()

    def report(self) -> None:
        dead = nonzero(~self._alive).flatten().tolist()
        if self._passes < _ENOUGH or not dead or len(dead) == self._alive.numel():
            return
        shown = ", ".join(map(str, dead[:5])) + (", ..." if len(dead) > 5 else "")
        advise(
            f"{self.name}: {len(dead)} of {self._alive.numel()} units ({shown}) had no gradient in any of "
            f"{self._passes} backward passes: if a ReLU follows, they are dead; a smaller learning rate, another "
            "initialisation, LeakyReLU or GELU keep them alive"
        )


def _report_dead_layers(names: list[str]) -> None:
    """Once for all of them: one dead layer takes the gradients of those before it and the inputs of those behind."""
    if names:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        advise(
            f"{shown}: no unit had a gradient in any of {_ENOUGH} or more backward passes: where a ReLU follows, all "
            "units of the layer may be dead, which stops learning before and behind it; a smaller learning rate, "
            "another initialisation, LeakyReLU or GELU keep them alive"
        )


def _refuse_infinite_inputs(_module: Module, args: tuple[Any, ...]) -> None:
    for value in args:
        found = _first(value, infinite=True)
        if found is not None:
            raise FloatingPointError(f"the model's input is {found}")


def _refuse_nan(module: Module, args: tuple[Any, ...]) -> None:
    for name, parameter in module._own_parameters():
        found = _first(parameter, infinite=True)
        if found is not None:
            raise FloatingPointError(f"its parameter {name} is {found}")
    for value in args:  # infinite inputs may be a mask's
        found = _first(value, infinite=False)
        if found is not None:
            raise FloatingPointError(f"its input is {found}")


def _first(value: Any, *, infinite: bool) -> str | None:
    """The first number that is not finite, or NaN, with its index, as text."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return None
    wrong = ~isfinite(value) if infinite else isnan(value)
    if not wrong.any():
        return None
    place = nonzero(wrong)[0].tolist()
    return f"{value.detach()[tuple(place)].item()} at {place}"
