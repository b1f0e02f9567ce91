"""Derivatives: functions that return those of a function, and products with its Jacobian.

All of them call the function once, on aliases of its arguments, and go backwards through what that recorded. What they
return is recorded itself where an argument is, or a tensor that the function takes from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeAlias

from dlcore._core import GradientError, ShapeError, Tensor, get_gradient_edge, stack, zeros, zeros_like
from dlcore.autograd.gradients import grad as _gradients
from dlcore.autograd.recording import enable_grad, is_grad_enabled
from dlcore.trees import leaves, rebuilt

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp"]

_Argnums: TypeAlias = int | tuple[int, ...]


def grad_and_value(func: Callable[..., Any], argnums: _Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradient of `func` and its value.

    Args:
        func: returns a tensor of one element.
        argnums: by which of its arguments to differentiate; several give a tuple of gradients, and a dictionary of
            tensors gives a dictionary.
        has_aux: whether `func` returns a pair, of which only the first is differentiated.

    Raises:
        ValueError: by the function that is returned, where `func` returns more than one number.

    Example:
        >>> import dlcore
        >>> dlcore.func.grad_and_value(lambda x: (x**2).sum())(dlcore.tensor([1.0, 3.0]))
        (tensor([2., 6.]), tensor(10.))
    """

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = _Call("grad", *_by(func, argnums, args, kwargs), has_aux)
        value = call.value
        if not isinstance(value, Tensor):
            raise TypeError(f"grad: the function must return a tensor, got {type(value).__name__}")
        if value.numel() != 1:
            raise ShapeError(f"grad: expected a function with one number as its value, got shape {value.shape}")
        gradients = rebuilt(call.primals, iter(call.pulled((None,), call.recorded)))
        gradient = gradients if isinstance(argnums, tuple) else gradients[0]
        return gradient, (call.shown(value), call.shown(call.aux)) if has_aux else call.shown(value)

    return differentiated


def grad(func: Callable[..., Any], argnums: _Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradient of `func`; with `has_aux` also what `func` returns besides.

    Args:
        func: returns a tensor of one element.
        argnums: by which of its arguments, tensors, to differentiate; several give a tuple of gradients.
        has_aux: whether `func` returns a pair, of which only the first is differentiated.

    Example:
        >>> import dlcore
        >>> cube = lambda x: x**3
        >>> dlcore.func.grad(dlcore.func.grad(cube))(dlcore.tensor(2.0))
        tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return differentiated


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of `func`, and a function that multiplies cotangents with its Jacobian.

    Args:
        func: of tensors, or of dictionaries, lists and tuples of them.
        primals: where.
        has_aux: whether `func` returns a pair, of which only the first is differentiated; the second is returned after
            the function.

    Raises:
        ShapeError: by the function that is returned, for cotangents of other shapes or of another form than the value.

    Example:
        >>> import dlcore
        >>> value, pull = dlcore.func.vjp(lambda x: x * x, dlcore.tensor([1.0, 2.0]))
        >>> pull(dlcore.tensor([1.0, 10.0]))
        (tensor([ 2., 40.]),)
    """
    call = _Call("vjp", func, primals, has_aux)

    def pull(cotangents: Any) -> tuple[Any, ...]:
        weights = _alike("vjp", "cotangents", cotangents, call.value)
        found = call.pulled(weights, create_graph=call.recorded or _recorded(weights))
        gradients: tuple[Any, ...] = rebuilt(primals, iter(found))
        return gradients

    value = call.shown(call.value)
    return (value, pull, call.shown(call.aux)) if has_aux else (value, pull)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The value of `func`, and a function that multiplies its Jacobian with tangents, without calling `func` again.

    Args:
        func: of tensors, or of dictionaries, lists and tuples of them.
        primals: where.

    Raises:
        ShapeError: by the function that is returned, for tangents of other shapes or of another form than the primals.

    Example:
        >>> import dlcore
        >>> value, push = dlcore.func.linearize(lambda x: x**3, dlcore.tensor([1.0, 2.0]))
        >>> value, push(dlcore.tensor([1.0, 0.0])), push(dlcore.tensor([0.0, 1.0]))
        (tensor([1., 8.]), tensor([3., 0.]), tensor([ 0., 12.]))
    """
    call = _Call("linearize", func, primals)
    push = _pushed(call)
    return call.shown(call.value), lambda *tangents: push(tangents)


def jvp(
    func: Callable[..., Any],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """The value of `func`, and how it changes along tangents: its Jacobian times them.

    Args:
        func: of tensors, or of dictionaries, lists and tuples of them.
        primals: where.
        tangents: the direction, of the form and the shapes of the primals.
        strict: raise where a result does not depend on the arguments, instead of giving zeros.
        has_aux: whether `func` returns a pair, of which only the first is differentiated; the second is returned after
            the change.

    Raises:
        GradientError: what `strict` forbids.
        ShapeError: a tangent of another shape.
        TypeError: primals or tangents that are no tuple.
        ValueError: other numbers of them.

    Example:
        >>> import dlcore
        >>> dlcore.func.jvp(lambda x: x**3, (dlcore.tensor([1.0, 2.0]),), (dlcore.tensor([1.0, 10.0]),))
        (tensor([1., 8.]), tensor([  3., 120.]))
    """
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, tuple):
            raise TypeError(f"jvp: {name} must be a tuple of tensors, got {type(given).__name__}")
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: {len(tangents)} tangent(s) for {len(primals)} argument(s)")
    call = _Call("jvp", func, primals, has_aux)
    if strict and not all(y.requires_grad for y in call.outputs):
        raise GradientError("jvp: strict, and a result does not depend on the arguments")
    value, change = call.shown(call.value), _pushed(call)(tangents)
    return (value, change, call.shown(call.aux)) if has_aux else (value, change)


def jacrev(
    func: Callable[..., Any], argnums: _Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """A function that returns the Jacobian of `func`: the shape of its value, then that of the argument.

    Args:
        func: of tensors, or of dictionaries, lists and tuples of them.
        argnums: by which of its arguments to differentiate. The Jacobian has the form of the value, and in each place
            the form of the argument; of several arguments, a tuple.
        has_aux: whether `func` returns a pair, of which only the first is differentiated.
        chunk_size: accepted for PyTorch's programs; rows are computed one after another.

    Example:
        >>> import dlcore
        >>> dlcore.func.jacrev(lambda x: x * x)(dlcore.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    del chunk_size

    def differentiated(*args: Any) -> Any:
        call = _Call("jacrev", *_by(func, argnums, args, {}), has_aux)
        found = (rebuilt(call.primals, call.rows(y)) for y in call.outputs)
        jacobian = rebuilt(call.value, found if isinstance(argnums, tuple) else (row[0] for row in found))
        return (jacobian, call.shown(call.aux)) if has_aux else jacobian

    return differentiated


def jacfwd(
    func: Callable[..., Any], argnums: _Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """`jacrev` by PyTorch's name of what goes forwards, which nothing does here.

    Args:
        func: as of `jacrev`.
        argnums: as of `jacrev`.
        has_aux: as of `jacrev`.
        randomness: accepted for PyTorch's programs; `func` is called once.

    Example:
        >>> import dlcore
        >>> dlcore.func.jacfwd(lambda x: x.sum())(dlcore.tensor([1.0, 2.0]))
        tensor([1., 1.])
    """
    del randomness
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: _Argnums = 0) -> Callable[..., Any]:
    """A function that returns the second derivatives of `func`: the Jacobian of its Jacobian.

    Example:
        >>> import dlcore
        >>> dlcore.func.hessian(lambda x: (x**3).sum())(dlcore.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacrev(jacrev(func, argnums), argnums)


class _Call:
    """A function called with aliases of its arguments, and what goes backwards through what that recorded.

    Aliases: the derivatives are those of this call alone, and higher ones still reach the arguments.
    """

    def __init__(self, name: str, func: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool = False) -> None:
        self.name, self.primals, self._enabled = name, primals, is_grad_enabled()
        given = leaves(primals)
        for x in given:
            if not isinstance(x, Tensor):
                raise TypeError(f"{name}: expected tensors to differentiate by, got {type(x).__name__}")
        self._given_recorded = self._enabled and _recorded(given)
        with enable_grad():
            self.inputs = [
                x.view_as(x) if x.requires_grad and self._enabled else x.detach().requires_grad_() for x in given
            ]
            found = func(*rebuilt(primals, iter(self.inputs)))
        if has_aux and not (isinstance(found, tuple) and len(found) == 2):
            raise TypeError(f"{name}: with has_aux the function must return a pair, got {type(found).__name__}")
        self.value: Any = found[0] if has_aux else found
        self.aux: Any = found[1] if has_aux else None
        self.outputs = leaves(self.value)

    @cached_property
    def recorded(self) -> bool:
        """Whether what is returned is to be differentiated from outside."""
        if self._given_recorded or not self._enabled:
            return self._given_recorded
        ahead = [get_gradient_edge(y)[0] for y in self.outputs if y.requires_grad]
        seen = {get_gradient_edge(x)[0] for x in self.inputs}
        while ahead:
            node = ahead.pop()
            if node not in seen:
                seen.add(node)
                if not node.next_functions:
                    return True  # a leaf that is no argument
                ahead += [before for before, _ in node.next_functions if before is not None]
        return False

    def shown(self, tree: Any) -> Any:
        """What the function returned, as the caller gets it."""
        if self.recorded:
            return tree
        return rebuilt(tree, (x.detach() if isinstance(x, Tensor) else x for x in leaves(tree)))

    def pulled(self, weights: Iterable[Tensor | None], create_graph: bool) -> list[Tensor]:
        """The sum of the outputs, each weighted, by the inputs; zeros where there is no dependence."""
        pairs = [(y, w) for y, w in zip(self.outputs, weights, strict=True) if y.requires_grad]
        return self._by_inputs([y for y, _ in pairs], [w for _, w in pairs], create_graph)

    def rows(self, output: Tensor) -> Iterator[Tensor]:
        """The Jacobian of one output by each of the inputs."""
        with enable_grad():
            elements = output.reshape(-1).unbind()
        found = [self._by_inputs([y] if y.requires_grad else [], [None], self.recorded) for y in elements]
        for x, column in zip(self.inputs, zip(*found, strict=True) if found else self.inputs, strict=True):
            shape = output.shape + x.shape
            yield stack(column).reshape(shape) if found else zeros(shape, dtype=x.dtype)

    def _by_inputs(self, outputs: list[Tensor], weights: list[Tensor | None], create_graph: bool) -> list[Tensor]:
        found: Iterable[Tensor | None] = (None for _ in self.inputs)
        if outputs:
            with enable_grad():
                found = _gradients(
                    outputs, self.inputs, weights, retain_graph=True, create_graph=create_graph, allow_unused=True
                )
        return [zeros_like(x) if g is None else g for g, x in zip(found, self.inputs, strict=True)]


def _pushed(call: _Call) -> Callable[[tuple[Any, ...]], Any]:
    """A function that multiplies the Jacobian with tangents.

    The product of a cotangent with the Jacobian is linear in the cotangent, and its derivative by that is the product
    sought (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).
    """
    transposed = _Call(call.name, lambda *weights: call.pulled(weights, True), tuple(map(zeros_like, call.outputs)))

    def push(tangents: tuple[Any, ...]) -> Any:
        weights = _alike(call.name, "tangents", tangents, call.primals)
        return rebuilt(call.value, iter(transposed.pulled(weights, call.recorded or _recorded(weights))))

    return push


def _by(
    func: Callable[..., Any], argnums: _Argnums, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """`func` of the chosen arguments alone, and those arguments."""
    given = argnums if isinstance(argnums, tuple) else (argnums,)
    for i in given:
        if not -len(args) <= i < len(args):
            raise IndexError(f"argnums {i} for {len(args)} argument(s)")
    places = tuple(i % len(args) for i in given)

    def of_chosen(*chosen: Any) -> Any:
        inputs = dict(zip(places, chosen, strict=True))
        return func(*(inputs.get(i, x) for i, x in enumerate(args)), **kwargs)

    return of_chosen, tuple(args[i] for i in places)


def _alike(name: str, what: str, given: Any, of: Any) -> list[Tensor]:
    """The leaves of a tree, which must have the form and the shapes of another."""
    form, expected = (rebuilt(tree, ((...) for _ in leaves(tree))) for tree in (given, of))
    if form != expected:
        raise ShapeError(f"{name}: {what} of form {form}, expected {expected}".replace("Ellipsis", "*"))
    found = leaves(given)
    for one, x in zip(found, leaves(of), strict=True):
        if one.shape != x.shape:
            raise ShapeError(f"{name}: {what} of shape {one.shape}, expected {x.shape}")
    return found


def _recorded(given: list[Any]) -> bool:
    return any(isinstance(x, Tensor) and x.requires_grad for x in given)
