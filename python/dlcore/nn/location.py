"""Completing an error with the place in the model it comes from, and with the shapes on the way there.

Deep in a model ``linear: expected 128 features, got 64`` leaves open which of thirty layers is meant. Each
module that an error passes on its way up adds its step to the path, in the error object itself, so that its
type, its traceback and ``except`` clauses stay as they are, and a model pays nothing until something goes
wrong. The shapes are those of the recorded operations that led to the module's input; where nothing was
recorded, those that each module on the path was called with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlcore._core import DTypeError, GradientError, ShapeError, Tensor

if TYPE_CHECKING:
    from types import TracebackType

    from dlcore.nn.module import Module

__all__ = ["LOCATED", "locate"]

LOCATED = (ShapeError, DTypeError, GradientError, IndexError, ValueError, FloatingPointError)
"""What is located: the errors of the core. Subclasses of the builtins are left alone."""

_STEPS = 8
_PACKAGE = __file__.removesuffix("nn/location.py").removesuffix("nn\\location.py")


def locate(error: BaseException, module: Module, input: Any) -> None:
    """Add the step from `module`, called with `input`, to the module that `error` passed before, or begin with it."""
    if type(error) not in LOCATED or len(error.args) != 1 or not isinstance(error.args[0], str):
        return
    place: _Place | None = error.__dict__.get("_place")
    if place is None:
        place = error.__dict__["_place"] = _Place(module, error, input)
    else:
        place.enter(module, input)
    error.args = (str(place),)


class _Place:
    """The path from the outermost module reached so far down to the one where the error was raised."""

    def __init__(self, module: Module, error: BaseException, input: Any) -> None:
        self.outermost, self.message, self.path = module, error.args[0], ""
        described = module.extra_repr() if next(module.children(), None) is None else ""
        self.leaf = f" ({type(module).__name__}({described}))" if described else ""
        self.operations = _operations(input)
        self.calls = [(type(module).__name__, _shape(input))]
        self.variables = _variables(error.__traceback__)

    def enter(self, parent: Module, input: Any) -> None:
        for name, module in parent.named_modules():
            if module is self.outermost:
                step = name
                break
        else:  # called, but no part of its caller
            step = f"<{type(self.outermost).__name__}>"
        if step:
            self.path = f"{step}.{self.path}" if self.path else step
            self.calls[-1] = (step, self.calls[-1][1])
            self.calls.append((type(parent).__name__, _shape(input)))
        self.outermost = parent

    def __str__(self) -> str:
        name = type(self.outermost).__name__
        if not self.path:
            where = f"{self.leaf[2:-1] or name}: {self.message}"
        else:
            where = f"{name}.{self.path}{self.leaf}: {self.message}"
        calls = [f"{step} {shape}" for step, shape in reversed(self.calls) if shape]
        way = self.operations or (" → ".join(calls) if len(calls) > 1 else "")
        lines = [where, *([f"on the way: {way}"] if way else []), *([self.variables] if self.variables else [])]
        return "\n  ".join(lines)


def _shape(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else ""


def _operations(input: Any) -> str:
    """The operations behind a tensor, the first one first, each with the shape of what it made."""
    if not isinstance(input, Tensor):
        return ""
    steps: list[str] = []
    made, node = tuple(input.shape), input.grad_fn
    while node is not None and len(steps) < _STEPS:
        steps.append(f"{node.name()} {made}")
        shapes = node.input_shapes
        inner = [
            (before, shape)
            for (before, _), shape in zip(node.next_functions, shapes, strict=False)
            if before is not None and before.name() != "accumulate_grad" and shape is not None
        ]
        if not inner:  # the model's own input, which needs no gradient, or a parameter
            steps += [str(tuple(shapes[0]))] if shapes and shapes[0] is not None else []
            node = None
        else:
            node, made = inner[0][0], tuple(inner[0][1])
    return " → ".join([*(["…"] if node is not None else []), *reversed(steps)])


def _variables(traceback: TracebackType | None) -> str:
    """The shapes of the tensors that the user's own `forward` had in hand, where the operation that failed is in it."""
    frame = None
    while traceback is not None:
        frame = traceback.tb_frame
        traceback = traceback.tb_next
    if frame is None or frame.f_code.co_filename.startswith(_PACKAGE):
        return ""
    tensors = [(name, value) for name, value in frame.f_locals.items() if isinstance(value, Tensor)]
    listed = ", ".join(f"{name} {tuple(value.shape)}" for name, value in tensors[:_STEPS])
    return f"in {frame.f_code.co_name}, line {frame.f_lineno}: {listed}" if listed else ""
