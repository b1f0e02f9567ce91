"""Derivatives of functions, rather than of tensors: Jacobians, Hessians and their products with vectors.

Products with tangents (`jvp`, `hvp`) differentiate twice: the gradient is linear in what the results are weighted by,
and its derivative by those weights is the product (J. Townsend, "A new trick for calculating Jacobian vector
products", 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from dlcore import _core
from dlcore._core import GradientError, ShapeError, Tensor
from dlcore.autograd.gradients import grad
from dlcore.autograd.recording import enable_grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

_Some: TypeAlias = Tensor | Sequence[Tensor]


def vjp(
    func: Callable[..., Any], inputs: _Some, v: _Some | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The results of `func` and the product of `v` with its Jacobian.

    Args:
        func: takes `inputs`, tensors, and returns a tensor or several.
        inputs: where to differentiate.
        v: for each result a tensor of its shape; may be None for a result of one element.
        create_graph: record the product, so that it can be differentiated.
        strict: raise where a result does not depend on an input, instead of giving zeros.

    Returns:
        The results, and for each input a tensor of its shape; tuples where there were several.

    Raises:
        GradientError: what `strict` forbids.
        ShapeError: a `v` that does not fit.

    Example:
        >>> import dlcore
        >>> x = dlcore.tensor([1.0, 2.0])
        >>> dlcore.autograd.functional.vjp(lambda x: x * x, x, dlcore.tensor([1.0, 10.0]))
        (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        call = _Call("vjp", func, inputs, create_graph, strict)
        weights = call.weights(v, call.outputs)
        found = call.gradients(call.outputs, weights, create_graph)
    return call.returned(call.outputs, found)


def jvp(
    func: Callable[..., Any], inputs: _Some, v: _Some | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The results of `func` and the product of its Jacobian with `v`, the derivative along `v`.

    Args:
        func: takes `inputs`, tensors, and returns a tensor or several.
        inputs: where to differentiate.
        v: for each input a tensor of its shape; may be None for an input of one element.
        create_graph: record the product, so that it can be differentiated.
        strict: raise where a result does not depend on an input, instead of giving zeros.

    Returns:
        The results, and for each a tensor of its shape; tuples where there were several.

    Raises:
        GradientError: what `strict` forbids.
        ShapeError: a `v` that does not fit.

    Example:
        >>> import dlcore
        >>> x = dlcore.tensor([1.0, 2.0])
        >>> dlcore.autograd.functional.jvp(lambda x: x.prod(), x, dlcore.tensor([1.0, 10.0]))
        (tensor(2.), tensor(12.))
    """
    with enable_grad():
        call = _Call("jvp", func, inputs, create_graph, strict)
        tangents = call.weights(v, call.inputs)
        weights = tuple(_core.zeros_like(y).requires_grad_() for y in call.outputs)
        by_inputs = call.gradients(call.outputs, weights, create_graph=True)
        found = _linear(by_inputs, weights, tangents, create_graph)
        if strict and create_graph and not all(one.requires_grad for one in found):
            raise GradientError("jvp: strict, and a derivative depends on no input")
    return call.returned(call.outputs, found, like_outputs=True)


def jacobian(
    func: Callable[..., Any],
    inputs: _Some,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivative of every element of the results of `func` by every element of its inputs.

    Args:
        func: takes `inputs`, tensors, and returns a tensor or several.
        inputs: where to differentiate.
        create_graph: record the Jacobian, so that it can be differentiated.
        strict: raise where a result does not depend on an input, instead of giving zeros.
        vectorize: accepted; rows are computed one after another.
        strategy: ``"reverse-mode"``, or with `vectorize` and without `strict` also ``"forward-mode"``, which gives the
            same.

    Returns:
        For a result of shape S and an input of shape T a tensor of shape S + T; a tuple over several inputs, a tuple of
        such over several results.

    Raises:
        GradientError: what `strict` forbids.
        NotImplementedError: ``"forward-mode"`` without `vectorize`, or with `strict`, as in PyTorch.
        ValueError: another `strategy`.

    Example:
        >>> import dlcore
        >>> dlcore.autograd.functional.jacobian(lambda x: x * x, dlcore.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(f"jacobian: strategy must be 'reverse-mode' or 'forward-mode', got {strategy!r}")
    if strategy == "forward-mode" and (strict or not vectorize):
        raise NotImplementedError("jacobian: strategy='forward-mode' needs vectorize=True and strict=False")
    with enable_grad():
        call = _Call("jacobian", func, inputs, create_graph, strict)
        found = tuple(call.rows(y, create_graph) for y in call.outputs)
    blocks = found if call.many_inputs else tuple(row[0] for row in found)
    return blocks if call.many_outputs else blocks[0]


def hessian(
    func: Callable[..., Tensor],
    inputs: _Some,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of `func`, whose result has one element, by every pair of elements of its inputs.

    Args:
        func: takes `inputs`, tensors, and returns a tensor of one element.
        inputs: where to differentiate.
        create_graph: record the Hessian, so that it can be differentiated.
        strict: raise where a derivative does not depend on an input, instead of giving zeros.
        vectorize: accepted; rows are computed one after another.
        outer_jacobian_strategy: the `strategy` of `jacobian`.

    Returns:
        For inputs of shapes S and T a tensor of shape S + T; a tuple of tuples over several inputs.

    Raises:
        GradientError: what `strict` forbids.
        ShapeError: a result of more than one element.

    Example:
        >>> import dlcore
        >>> dlcore.autograd.functional.hessian(lambda x: x.prod(), dlcore.tensor([2.0, 3.0]))
        tensor([[0., 1.],
                [1., 0.]])
    """

    def slopes(*arguments: Tensor) -> Any:
        call = _Call("hessian", func, arguments, create_graph=True, strict=strict)
        return call.gradients(call.one_output(), (None,), create_graph=True)

    found = jacobian(slopes, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return found if not isinstance(inputs, Tensor) else found[0]


def vhp(
    func: Callable[..., Tensor],
    inputs: _Some,
    v: _Some | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensor, Any]:
    """The result of `func`, of one element, and the product of `v` with its Hessian.

    Args:
        func: takes `inputs`, tensors, and returns a tensor of one element.
        inputs: where to differentiate.
        v: for each input a tensor of its shape; may be None for an input of one element.
        create_graph: record the product, so that it can be differentiated.
        strict: raise where a derivative does not depend on an input, instead of giving zeros.

    Returns:
        The result, and for each input a tensor of its shape; a tuple where there were several.

    Raises:
        GradientError: what `strict` forbids.
        ShapeError: a result of more than one element, or a `v` that does not fit.

    Example:
        >>> import dlcore
        >>> x = dlcore.tensor([1.0, 2.0])
        >>> dlcore.autograd.functional.vhp(lambda x: (x * x * x).sum(), x, dlcore.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        call = _Call("vhp", func, inputs, create_graph, strict)
        weights = call.weights(v, call.inputs)
        slopes = call.gradients(call.one_output(), (None,), create_graph=True)
        found = call.gradients(slopes, weights, create_graph)
    return call.returned(call.outputs, found)


def hvp(
    func: Callable[..., Tensor],
    inputs: _Some,
    v: _Some | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensor, Any]:
    """The result of `func`, of one element, and the product of its Hessian with `v`.

    `vhp` is cheaper and gives the same wherever second derivatives are continuous.

    Args:
        func: takes `inputs`, tensors, and returns a tensor of one element.
        inputs: where to differentiate.
        v: for each input a tensor of its shape; may be None for an input of one element.
        create_graph: record the product, so that it can be differentiated.
        strict: raise where a derivative does not depend on an input, instead of giving zeros.

    Returns:
        The result, and for each input a tensor of its shape; a tuple where there were several.

    Raises:
        GradientError: what `strict` forbids.
        ShapeError: a result of more than one element, or a `v` that does not fit.

    Example:
        >>> import dlcore
        >>> x = dlcore.tensor([1.0, 2.0])
        >>> dlcore.autograd.functional.hvp(lambda x: x.prod(), x, dlcore.tensor([1.0, 10.0]))
        (tensor(2.), tensor([10.,  1.]))
    """
    with enable_grad():
        call = _Call("hvp", func, inputs, create_graph, strict)
        tangents = call.weights(v, call.inputs)
        slopes = call.gradients(call.one_output(), (None,), create_graph=True)
        weights = tuple(_core.zeros_like(x).requires_grad_() for x in call.inputs)
        by_inputs = call.gradients(slopes, weights, create_graph=True)
        found = _linear(by_inputs, weights, tangents, create_graph)
    return call.returned(call.outputs, found)


class _Call:
    """A function called with inputs that are recorded, and what to do with its results."""

    def __init__(self, name: str, func: Callable[..., Any], inputs: _Some, create_graph: bool, strict: bool) -> None:
        self.name, self.strict, self.create_graph = name, strict, create_graph
        self.many_inputs = not isinstance(inputs, Tensor)
        given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        # Of its own: what comes by other ways than the argument is not asked for.
        self.inputs = tuple(x[...] if create_graph and x.requires_grad else x.detach().requires_grad_() for x in given)
        results = func(*self.inputs)
        self.many_outputs = isinstance(results, tuple | list)
        self.outputs = tuple(results) if self.many_outputs else (results,)
        for result in self.outputs:
            if not isinstance(result, Tensor):
                raise TypeError(f"{name}: the function must return tensors, got {type(result).__name__}")

    def one_output(self) -> tuple[Tensor, ...]:
        if self.many_outputs or self.outputs[0].numel() != 1:
            shapes = ", ".join(str(y.shape) for y in self.outputs)
            raise ShapeError(f"{self.name}: the function must return one tensor of one element, got {shapes}")
        return self.outputs

    def weights(self, v: _Some | None, of: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """`v` as one tensor for each of `of`."""
        if v is None:
            if len(of) != 1 or of[0].numel() != 1:
                raise ShapeError(f"{self.name}: v is needed unless there is one tensor of one element")
            return (_core.ones_like(of[0]),)
        given = (v,) if isinstance(v, Tensor) else tuple(v)
        if len(given) != len(of) or any(w.shape != x.shape for w, x in zip(given, of, strict=False)):
            got, expected = ([x.shape for x in some] for some in (given, of))
            raise ShapeError(f"{self.name}: v has shapes {got}, expected {expected}")
        return given

    def gradients(
        self, outputs: tuple[Tensor, ...], weights: tuple[Tensor | None, ...], create_graph: bool
    ) -> tuple[Tensor, ...]:
        """By the inputs; zeros, or an error, where there is no dependence."""
        pairs = [(y, w) for y, w in zip(outputs, weights, strict=True) if y.requires_grad]
        if self.strict and len(pairs) < len(outputs):
            raise GradientError(f"{self.name}: strict, and a result does not depend on any input")
        found: tuple[Tensor | None, ...] = (None,) * len(self.inputs)
        if pairs:
            found = grad(
                [y for y, _ in pairs],
                self.inputs,
                [w for _, w in pairs],
                retain_graph=True,
                create_graph=create_graph,
                allow_unused=True,
            )
        for i, one in enumerate(found):
            if one is None and self.strict:
                raise GradientError(f"{self.name}: strict, and the result does not depend on input {i}")
            if one is not None and self.strict and create_graph and not one.requires_grad:
                raise GradientError(f"{self.name}: strict, and the derivative by input {i} depends on no input")
        return tuple(_core.zeros_like(x) if g is None else g for g, x in zip(found, self.inputs, strict=True))

    def rows(self, output: Tensor, create_graph: bool) -> tuple[Tensor, ...]:
        """The Jacobian of one output by each input."""
        elements = output.reshape(-1)
        rows = [self.gradients((elements[i],), (None,), create_graph) for i in range(output.numel())]
        shapes = [output.shape + x.shape for x in self.inputs]
        if not rows:
            return tuple(_core.zeros(shape, dtype=x.dtype) for shape, x in zip(shapes, self.inputs, strict=True))
        columns = zip(*rows, strict=True)
        return tuple(_core.stack(column).reshape(shape) for column, shape in zip(columns, shapes, strict=True))

    def returned(
        self, outputs: tuple[Tensor, ...], found: tuple[Tensor, ...], like_outputs: bool = False
    ) -> tuple[Any, Any]:
        if not self.create_graph:
            outputs, found = (tuple(x.detach() for x in some) for some in (outputs, found))
        many = self.many_outputs if like_outputs else self.many_inputs
        return outputs if self.many_outputs else outputs[0], found if many else found[0]


def _linear(
    by_inputs: tuple[Tensor, ...], weights: tuple[Tensor, ...], tangents: tuple[Tensor, ...], create_graph: bool
) -> tuple[Tensor, ...]:
    """The derivative of `by_inputs`, linear in `weights`, by them, along `tangents`."""
    pairs = [(g, t) for g, t in zip(by_inputs, tangents, strict=True) if g.requires_grad]
    if not pairs:
        return tuple(_core.zeros_like(w) for w in weights)
    found = grad(
        [g for g, _ in pairs],
        weights,
        [t for _, t in pairs],
        retain_graph=True,
        create_graph=create_graph,
        materialize_grads=True,
    )
    return tuple(g for g in found if g is not None)
