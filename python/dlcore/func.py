"""Functions that make functions: derivatives and batches, under the names of ``torch.func``.

Arguments are tensors, or dictionaries, lists and tuples of them, as a model's parameters by name.

There is no tracing: a function is called as it is, on tensors. `vmap` calls it once for each entry, so it saves writing
the loop and not its time; where that counts, write the function for batches, as most of dlcore's are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from dlcore._core import Tensor, stack
from dlcore.autograd import functional
from dlcore.autograd.gradients import grad as _grad
from dlcore.autograd.recording import enable_grad
from dlcore.trees import leaves, rebuilt

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "stack_module_state",
    "vjp",
    "vmap",
]

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
        with enable_grad():
            outer = _recorded(args)
            of_leaves, chosen = _by(func, argnums, args, kwargs)
            # Aliases: the gradient is that of this call alone, and higher derivatives still reach the arguments.
            inputs = [x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in leaves(chosen)]
            found = of_leaves(*inputs)
            value, rest = found if has_aux else (found, None)
            if value.numel() != 1:
                raise ValueError(f"grad: expected a function with one number as its value, got shape {value.shape}")
            gradients = _grad(value, inputs, create_graph=outer, allow_unused=True)
            result = rebuilt(chosen, (x * 0 if g is None else g for g, x in zip(gradients, inputs, strict=True)))
        if not outer:
            value, rest, result = _detached(value), _detached(rest), _detached(result)
        return (result, (value, rest)) if has_aux else (result, value)

    return differentiated


def _detached(tree: Any) -> Any:
    return rebuilt(tree, (x.detach() if isinstance(x, Tensor) else x for x in leaves(tree)))


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


def vjp(func: Callable[..., Any], *primals: Tensor) -> tuple[Any, Callable[..., tuple[Tensor, ...]]]:
    """The value of `func`, and a function that multiplies cotangents with its Jacobian.

    Example:
        >>> import dlcore
        >>> value, pull = dlcore.func.vjp(lambda x: x * x, dlcore.tensor([1.0, 2.0]))
        >>> pull(dlcore.tensor([1.0, 10.0]))
        (tensor([ 2., 40.]),)
    """

    def pull(*cotangents: Tensor) -> tuple[Tensor, ...]:
        found = functional.vjp(func, primals, cotangents if len(cotangents) > 1 else cotangents[0])[1]
        return tuple(found)

    return func(*primals), pull


def _by(
    func: Callable[..., Any], argnums: _Argnums, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Callable[..., Any], Any]:
    """`func` of the leaves of the chosen arguments alone, and those arguments."""
    given = argnums if isinstance(argnums, tuple) else (argnums,)
    places = tuple(i + len(args) if i < 0 else i for i in given)
    chosen = tuple(args[i] for i in places)

    def of_leaves(*given: Tensor) -> Any:
        inputs = dict(zip(places, rebuilt(chosen, iter(given)), strict=True))
        return func(*(inputs.get(i, x) for i, x in enumerate(args)), **kwargs)

    return of_leaves, chosen if isinstance(argnums, tuple) else chosen[0]


def jacrev(func: Callable[..., Any], argnums: _Argnums = 0) -> Callable[..., Any]:
    """A function that returns the Jacobian of `func`: the shape of its value, then that of the argument.

    Example:
        >>> import dlcore
        >>> dlcore.func.jacrev(lambda x: x * x)(dlcore.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """

    def differentiated(*args: Any) -> Any:
        of_leaves, chosen = _by(func, argnums, args, {})
        if isinstance(chosen, Tensor):
            return functional.jacobian(of_leaves, chosen, create_graph=_recorded(args))
        found = functional.jacobian(of_leaves, tuple(leaves(chosen)), create_graph=_recorded(args))
        return rebuilt(chosen, iter(found))

    return differentiated


def jacfwd(func: Callable[..., Any], argnums: _Argnums = 0) -> Callable[..., Any]:
    """`jacrev` by PyTorch's name of what goes forwards, which nothing does here.

    Example:
        >>> import dlcore
        >>> dlcore.func.jacfwd(lambda x: x.sum())(dlcore.tensor([1.0, 2.0]))
        tensor([1., 1.])
    """
    return jacrev(func, argnums)


def jvp(func: Callable[..., Any], primals: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Any, Any]:
    """The value of `func`, and how it changes along tangents: its Jacobian times them.

    Args:
        func: of tensors.
        primals: where.
        tangents: the direction, a tensor of the shape of each.

    Raises:
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
    value, change = functional.jvp(func, primals, tangents, create_graph=_recorded((primals, tangents)))
    return value, change


def hessian(func: Callable[..., Any], argnums: _Argnums = 0) -> Callable[..., Any]:
    """A function that returns the second derivatives of `func`, which returns one number.

    Example:
        >>> import dlcore
        >>> dlcore.func.hessian(lambda x: (x**3).sum())(dlcore.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """

    def differentiated(*args: Any) -> Any:
        of_leaves, chosen = _by(func, argnums, args, {})
        if isinstance(chosen, Tensor):
            return functional.hessian(of_leaves, chosen, create_graph=_recorded(args))
        rows = functional.hessian(of_leaves, tuple(leaves(chosen)), create_graph=_recorded(args))
        return rebuilt(chosen, (rebuilt(chosen, iter(row)) for row in rows))

    return differentiated


def _recorded(args: tuple[Any, ...]) -> bool:
    return any(isinstance(x, Tensor) and x.requires_grad for x in leaves(args))


def vmap(
    func: Callable[..., Any],
    in_dims: int | tuple[int | None, ...] = 0,
    out_dims: int | tuple[int, ...] = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that applies `func` to each entry of its arguments along a dimension and stacks the results.

    Args:
        func: of tensors without that dimension; returns a tensor, or a tuple, list or dictionary of them.
        in_dims: the dimension of each argument, or of all; None for an argument that is passed whole. Of a dictionary,
            list or tuple it is that of all that it holds.
        out_dims: where the new dimension of each result stands.
        randomness: accepted for PyTorch's programs; each call draws numbers of its own.
        chunk_size: accepted for PyTorch's programs; entries are taken one by one.

    Raises:
        ValueError: by the function that is returned, for arguments of different sizes or none to go along.

    Example:
        >>> import dlcore
        >>> dlcore.vmap(dlcore.dot)(dlcore.ones(3, 4), dlcore.ones(3, 4))
        tensor([4., 4., 4.])
    """
    del randomness, chunk_size

    def mapped(*args: Any, **kwargs: Any) -> Any:
        dims = in_dims if isinstance(in_dims, tuple) else (in_dims,) * len(args)
        if len(dims) != len(args):
            raise ValueError(f"vmap: in_dims {in_dims} for {len(args)} argument(s)")
        sizes = {x.shape[d] for arg, d in zip(args, dims, strict=True) if d is not None for x in leaves(arg)}
        if len(sizes) != 1:
            raise ValueError(f"vmap: expected arguments of one size along in_dims, got {sorted(sizes) or 'none'}")
        (size,) = sizes
        if not size:
            raise ValueError("vmap: there are no entries, so the shape of the results is not known")
        results = [
            func(*(_entry(arg, d, place) for arg, d in zip(args, dims, strict=True)), **kwargs) for place in range(size)
        ]
        parts = zip(*map(leaves, results), strict=True)
        places = out_dims if isinstance(out_dims, tuple) else (out_dims,) * len(leaves(results[0]))
        return rebuilt(results[0], (stack(part, d) for part, d in zip(parts, places, strict=True)))

    return mapped


def _entry(arg: Any, dim: int | None, place: int) -> Any:
    return arg if dim is None else rebuilt(arg, (x.select(dim, place) for x in leaves(arg)))


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers, which the module does not keep.

    So a model is a function of its parameters, as for a gradient step inside a gradient.

    Args:
        module: a `Module`, which is called.
        parameter_and_buffer_dicts: tensors by dotted name, or several such dictionaries.
        args: its arguments, a tuple, or one argument.
        kwargs: further ones.
        tie_weights: where a parameter has several names, one of them is enough.
        strict: refuse names that are missing, or that the module does not have.

    Raises:
        ValueError: a name in several dictionaries, or two values for one parameter.
        RuntimeError: with `strict`.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer, x = nn.Linear(2, 1), dlcore.ones(1, 2)
        >>> weights = {"weight": dlcore.ones(1, 2), "bias": dlcore.zeros(1)}
        >>> dlcore.func.functional_call(layer, weights, x)
        tensor([[2.]])
        >>> dlcore.func.grad(lambda w: dlcore.func.functional_call(layer, {**weights, "weight": w}, x).sum())(x)
        tensor([[1., 1.]])
    """
    given = _joined(parameter_and_buffer_dicts)
    own = dict(module.named_parameters(remove_duplicate=False)) | dict(module.named_buffers(remove_duplicate=False))
    if strict and own.keys() != given.keys():
        missing, unknown = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
        raise RuntimeError(
            f"functional_call: missing {', '.join(missing) or 'none'}, unknown {', '.join(unknown) or 'none'}"
        )
    if tie_weights:
        by_tensor = {id(own[name]): (name, value) for name, value in given.items() if name in own}
        for name, tensor in own.items():
            other, value = by_tensor.get(id(tensor), (name, None))
            if value is not None and given.setdefault(name, value) is not value:
                raise ValueError(f"functional_call: {name} and {other} are one tensor of the module, with two values")
    places = [(module.get_submodule(name.rpartition(".")[0]).__dict__, name.rpartition(".")[2]) for name in own]
    try:
        for (attributes, attribute), name in zip(places, own, strict=True):
            attributes[attribute] = given.get(name, own[name])
        return module(*(args if isinstance(args, tuple) else () if args is None else (args,)), **(kwargs or {}))
    finally:
        for (attributes, attribute), tensor in zip(places, own.values(), strict=True):
            attributes[attribute] = tensor


def _joined(dictionaries: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    if isinstance(dictionaries, Mapping):
        return dict(dictionaries)
    joined: dict[str, Tensor] = {}
    for dictionary in dictionaries:
        if twice := joined.keys() & dictionary.keys():
            raise ValueError(f"functional_call: {', '.join(sorted(twice))} in several dictionaries")
        joined.update(dictionary)
    return joined


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of models of one kind, stacked along a new first dimension, for `vmap`.

    Raises:
        ValueError: no models, or models of different classes.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> parameters, buffers = dlcore.func.stack_module_state([nn.Linear(2, 3) for _ in range(4)])
        >>> parameters["weight"].shape, buffers
        ((4, 3, 2), {})
    """
    if not models or len({type(model) for model in models}) > 1:
        raise ValueError("stack_module_state: give models of one class")
    parameters, buffers = ([dict(named) for named in found] for found in zip(*map(_state, models), strict=True))
    return (
        {name: stack([p[name].detach() for p in parameters]).requires_grad_() for name in parameters[0]},
        {name: stack([b[name] for b in buffers]) for name in buffers[0]},
    )


def _state(model: Any) -> tuple[Any, Any]:
    return model.named_parameters(), model.named_buffers()
