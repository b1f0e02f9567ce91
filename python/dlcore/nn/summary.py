"""What a model is made of: a table of its layers as an input passes through them."""

from __future__ import annotations

from contextlib import ExitStack
from math import prod
from typing import Any, NamedTuple

from dlcore._core import Tensor
from dlcore.autograd import no_grad
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["Layer", "Summary", "summary"]


class Layer(NamedTuple):
    """One call of a layer.

    Attributes:
        path: where it is in the model.
        kind: its class.
        shape: of its output, or of the first of several.
        parameters: elements of its own parameters; 0 where they were counted before.
        multiply_adds: multiplications, each with an addition, of its matrix products and convolutions.
        bytes: memory of its outputs.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    bytes: int


class Summary:
    """What `summary` found; as text it is a table.

    Attributes:
        layers: every call of a layer without layers inside, in order.
        parameters: elements of all parameters.
        trainable: those that require a gradient.
        multiply_adds: of all layers.
        bytes: memory of parameters and buffers.
        activations: memory of all outputs.
    """

    def __init__(self, model: Module, layers: list[Layer]) -> None:
        self.layers = layers
        self.parameters = sum(p.numel() for p in model.parameters())
        self.trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        self.multiply_adds = sum(layer.multiply_adds for layer in layers)
        self.bytes = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))
        self.activations = sum(layer.bytes for layer in layers)

    def __repr__(self) -> str:
        rows = [("layer", "kind", "output", "parameters", "multiply-adds")]
        for layer in self.layers:
            shape = " x ".join(map(str, layer.shape))
            rows.append((layer.path, layer.kind, shape, f"{layer.parameters:,}", f"{layer.multiply_adds:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        columns = list(enumerate(widths))
        lines = ["  ".join(f"{row[k]:{'<' if k < 3 else '>'}{width}}" for k, width in columns).rstrip() for row in rows]
        lines.insert(1, "-" * len(lines[0]))
        frozen = f" ({self.parameters - self.trainable:,} frozen)" if self.trainable < self.parameters else ""
        lines.append("-" * len(lines[1]))
        lines.append(f"{self.parameters:,} parameters{frozen}, {_megabytes(self.bytes)}")
        lines.append(f"{self.multiply_adds:,} multiply-adds, {_megabytes(self.activations)} of outputs")
        return "\n".join(lines)


def summary(model: Module, *args: Any, **kwargs: Any) -> Summary:
    """Call a model and list its layers with output shapes, parameters, multiply-adds and memory.

    The call is one of evaluation and records nothing; the model's mode is as before afterwards.

    Args:
        model: what is called.
        *args: its arguments, or one tuple of sizes, of which an input of zeros is made.
        **kwargs: further ones.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> found = dlcore.summary(nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10)), (32, 784))
        >>> print(found)
        layer  kind    output    parameters  multiply-adds
        --------------------------------------------------
        0      Linear  32 x 100      78,500      2,508,800
        1      ReLU    32 x 100           0              0
        2      Linear  32 x 10        1,010         32,000
        --------------------------------------------------
        79,510 parameters, 0.3 MB
        2,540,800 multiply-adds, 0.0 MB of outputs
    """
    from dlcore._core import zeros

    if len(args) == 1 and isinstance(args[0], tuple) and all(isinstance(size, int) for size in args[0]):
        args = (zeros(*args[0]),)
    layers: list[Layer] = []
    counted: set[int] = set()
    modes = [(module, module.training) for module in model.modules()]
    try:
        with ExitStack() as stack, no_grad():
            model.eval()
            for path, module in model.named_modules():
                if next(module.children(), None) is None:

                    def note(module: Module, _args: Any, output: Any, path: str = path) -> None:
                        layers.append(_layer(path, module, output, counted))

                    stack.enter_context(module.register_forward_hook(note))
            model(*args, **kwargs)
    finally:
        for module, training in modes:
            module.training = training
    return Summary(model, layers)


def _layer(path: str, module: Module, output: Any, counted: set[int]) -> Layer:
    outputs = _tensors(output)
    own = [parameter for _, parameter in module._own_parameters()]
    new = sum(parameter.numel() for parameter in own if id(parameter) not in counted)
    counted.update(map(id, own))
    shape = tuple(outputs[0].shape) if outputs else ()
    size = sum(tensor.numel() * tensor.element_size() for tensor in outputs)
    return Layer(path or type(module).__name__, type(module).__name__, shape, new, _multiply_adds(module, shape), size)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    return [tensor for part in value for tensor in _tensors(part)] if hasattr(value, "__iter__") else []


def _multiply_adds(module: Module, shape: tuple[int, ...]) -> int:
    """One for each element of the output and each weight that it takes, in linear layers and convolutions."""
    weight = module.__dict__.get("weight")
    if not isinstance(weight, Parameter) or not (hasattr(module, "in_features") or hasattr(module, "in_channels")):
        return 0
    return prod(shape) * prod(weight.shape[1:])


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
