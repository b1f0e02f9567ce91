"""Completing an error with the place in the model it comes from.

Deep in a model ``linear: expected 128 features, got 64`` leaves open which of thirty layers is meant. Each
module that an error passes on its way up adds its step to the path, in the error object itself, so that its
type, its traceback and ``except`` clauses stay as they are, and a model pays nothing until something goes
wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlcore._core import DTypeError, GradientError, ShapeError

if TYPE_CHECKING:
    from dlcore.nn.module import Module

__all__ = ["LOCATED", "locate"]

LOCATED = (ShapeError, DTypeError, GradientError, IndexError, ValueError)
"""What is located: the errors of the core. Subclasses of the builtins are left alone."""


def locate(error: BaseException, module: Module) -> None:
    """Add the step from `module` to the module that `error` passed before, or begin with `module`."""
    if type(error) not in LOCATED or len(error.args) != 1 or not isinstance(error.args[0], str):
        return
    place: _Place | None = error.__dict__.get("_place")
    if place is None:
        place = error.__dict__["_place"] = _Place(module, error.args[0])
    else:
        place.enter(module)
    error.args = (str(place),)


class _Place:
    """The path from the outermost module reached so far down to the one where the error was raised."""

    def __init__(self, module: Module, message: str) -> None:
        self.outermost, self.message, self.path = module, message, ""
        described = module.extra_repr() if next(module.children(), None) is None else ""
        self.leaf = f" ({type(module).__name__}({described}))" if described else ""

    def enter(self, parent: Module) -> None:
        for name, module in parent.named_modules():
            if module is self.outermost:
                step = name
                break
        else:  # called, but no part of its caller
            step = f"<{type(self.outermost).__name__}>"
        if step:
            self.path = f"{step}.{self.path}" if self.path else step
        self.outermost = parent

    def __str__(self) -> str:
        name = type(self.outermost).__name__
        if not self.path:
            return f"{self.leaf[2:-1] or name}: {self.message}"
        return f"{name}.{self.path}{self.leaf}: {self.message}"
