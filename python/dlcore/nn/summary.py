"""What a model is made of: a table of its layers as an input passes through them."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import Any, NamedTuple

from dlcore import _core
from dlcore._core import Tensor
from dlcore.autograd import enable_grad
from dlcore.autograd.anomaly import traced
from dlcore.autograd.graph import saved_tensors_hooks
from dlcore.nn.module import Module
from dlcore.nn.multiply_adds import multiply_adds

__all__ = ["Layer", "Summary", "summary"]

_Shape = tuple[int, ...]


class Layer(NamedTuple):
    """One call of a layer, or of a module that computes something besides calling others.

    Attributes:
        path: where it is in the model.
        kind: its class.
        inputs: shapes of the tensors that it was called with.
        outputs: shapes of the tensors that it returned.
        parameters: elements of its own parameters and of those of modules inside that were not called; 0 where they
            were counted before.
        multiply_adds: multiplications, each with an addition, of its own operations.
        bytes: memory of its outputs, but for those that are views of its inputs.
    """

    path: str
    kind: str
    inputs: tuple[_Shape, ...]
    outputs: tuple[_Shape, ...]
    parameters: int
    multiply_adds: int
    bytes: int


class Summary:
    """What `summary` found; as text it is a table.

    Attributes:
        layers: a `Layer` for every call, in order; the columns add up to what follows.
        parameters: elements of all parameters, shared ones once.
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
        rows = [("layer", "kind", "input", "output", "parameters", "multiply-adds")]
        for layer in self.layers:
            shapes = [" x ".join(map(str, shape)) for shape, *_ in (layer.inputs or [()], layer.outputs or [()])]
            counts = f"{layer.parameters:,}", f"{layer.multiply_adds:,}"
            rows.append((layer.path, layer.kind, shapes[0], shapes[1], *counts))
        columns = [(k, max(len(row[k]) for row in rows)) for k in range(6)]
        lines = ["  ".join(f"{row[k]:{'<' if k < 4 else '>'}{width}}" for k, width in columns).rstrip() for row in rows]
        lines.insert(1, "-" * len(lines[0]))
        frozen = f" ({self.parameters - self.trainable:,} frozen)" if self.trainable < self.parameters else ""
        lines.append("-" * len(lines[1]))
        lines.append(f"{self.parameters:,} parameters{frozen}, {_megabytes(self.bytes)}")
        lines.append(f"{self.multiply_adds:,} multiply-adds, {_megabytes(self.activations)} of outputs")
        return "\n".join(lines)


def summary(model: Module, *args: Any, **kwargs: Any) -> Summary:
    """Call a model and list its layers with input and output shapes, parameters, multiply-adds and memory.

    The call is one of evaluation; the model and its gradients are as before afterwards. Multiply-adds are counted as by
    fvcore, in every operation that the call records, a layer's or one in a ``forward``: linear layers, convolutions,
    products of matrices, ``einsum``, both products of attention (masked or not), the products of recurrent layers for
    each step; two for each element of batch normalisation and five of the other normalisations. Look-ups, sums,
    activations and pooling count nothing, and neither does what the model computes under `no_grad`, or only to take an
    ``argmax`` of within one module.

    Args:
        model: what is called.
        *args: its arguments, or one tuple of sizes, of which an input of zeros is made.
        **kwargs: further ones.

    Raises:
        TypeError: no module; `Tensor.summary` tells of a tensor.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> found = dlcore.summary(nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10)), (32, 784))
        >>> print(found)
        layer  kind    input     output    parameters  multiply-adds
        ------------------------------------------------------------
        0      Linear  32 x 784  32 x 100      78,500      2,508,800
        1      ReLU    32 x 100  32 x 100           0              0
        2      Linear  32 x 100  32 x 10        1,010         32,000
        ------------------------------------------------------------
        79,510 parameters, 0.3 MB
        2,540,800 multiply-adds, 0.0 MB of outputs
    """
    if not isinstance(model, Module):
        tensors = "; `x.summary()` tells of a tensor" if isinstance(model, Tensor) else ""
        raise TypeError(f"summary: expected a Module, got {type(model).__name__}{tensors}")
    if len(args) == 1 and isinstance(args[0], tuple) and all(isinstance(size, int) for size in args[0]):
        args = (_core.zeros(*args[0]),)
    modes = [(module, module.training) for module in model.modules()]
    frozen = [p for p in model.parameters() if p.is_floating_point() and not p.requires_grad]
    watch = _Watch()
    try:
        with ExitStack() as stack:
            for path, module in model.named_modules():
                watch.enter_context(stack, path, module)
            stack.enter_context(enable_grad())
            stack.enter_context(traced(watch.origin))
            # What backward would need is dropped at once.
            stack.enter_context(saved_tensors_hooks(lambda _: None, _never))
            model.eval()
            for parameter in frozen:
                parameter.requires_grad = True
            model(*_recorded(args), **_recorded(kwargs))
    finally:
        for parameter in frozen:
            parameter.requires_grad = False
        for module, training in modes:
            module.training = training
    return Summary(model, watch.layers(model))


class _Call:
    """One call of a module, until it is a `Layer`."""

    def __init__(self, path: str, module: Module, inputs: list[Tensor]) -> None:
        self.path, self.module = path, module
        self.inputs = tuple(tuple(tensor.shape) for tensor in inputs)
        self.outputs: tuple[_Shape, ...] = ()
        self.bytes = 0


class _Watch:
    """The calls of modules while a model runs."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.running: list[int] = []
        self.ends: list[tuple[_core.Node, _Shape]] = []  # of the graph: all outputs, whatever becomes of them
        self.last: list[Tensor] = []

    def enter_context(self, stack: ExitStack, path: str, module: Module) -> None:
        def before(module: Module, args: Any, kwargs: Any) -> None:
            self.running.append(len(self.calls))
            self.calls.append(_Call(path, module, _tensors([args, kwargs])))

        def after(_module: Module, args: Any, kwargs: Any, output: Any) -> None:
            call, tensors = self.calls[self.running.pop()], _tensors(output)
            old = {tensor.data_ptr() for tensor in [*_tensors([args, kwargs]), *self.last]}
            new = [tensor for tensor in tensors if tensor.data_ptr() not in old]
            call.outputs = tuple(tuple(tensor.shape) for tensor in tensors)
            call.bytes = sum(tensor.numel() * tensor.element_size() for tensor in new)
            self.last = tensors
            self.ends += [(t.grad_fn, tuple(t.shape)) for t in tensors if t.grad_fn is not None]

        stack.enter_context(module.register_forward_pre_hook(before, prepend=True, with_kwargs=True))
        stack.enter_context(module.register_forward_hook(after, with_kwargs=True))

    def origin(self) -> str | None:
        """What an operation is remembered by: the number of the innermost call that runs."""
        return str(self.running[-1]) if self.running else None

    def layers(self, model: Module) -> list[Layer]:
        """The calls of modules that hold no others, or do something themselves."""
        counts = multiply_adds(self.ends)
        called = {call.path for call in self.calls}
        owned: Counter[str] = Counter()  # parameters by the path of the innermost module around them that was called
        seen: set[int] = set()
        for path, module in model.named_modules():
            owner = path
            while owner not in called:
                owner = owner.rpartition(".")[0]
            new = [p for _, p in module._own_parameters() if id(p) not in seen]
            seen.update(map(id, new))
            owned[owner] += sum(parameter.numel() for parameter in new)
        layers = []
        for number, call in enumerate(self.calls):
            work, parameters = counts[str(number)], owned.pop(call.path, 0)
            if work or parameters or next(call.module.children(), None) is None:
                kind = type(call.module).__name__
                shapes = call.inputs, call.outputs
                layers.append(Layer(call.path or kind, kind, *shapes, parameters, work, call.bytes))
        return layers


def _recorded(value: Any) -> Any:
    """Arguments through which what a model does is recorded, whether it has parameters or not."""
    if isinstance(value, Tensor):
        return value.detach().requires_grad_() * 1 if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _recorded(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_recorded(part) for part in value)
    return value


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif isinstance(value, str):
        return []
    return [tensor for part in value for tensor in _tensors(part)] if hasattr(value, "__iter__") else []


def _never(_: object) -> Tensor:
    raise AssertionError("summary: nothing goes back through a call whose values were dropped")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
