"""Functions that make functions: derivatives and batches, under the names of ``torch.func``.

There is no tracing: a function is called as it is, on tensors. `vmap` calls it once for each entry, so it saves writing
the loop and not its time; where that counts, write the function for batches, as most of dlcore's are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from dlcore._core import Tensor, stack, unbind
from dlcore.autograd import functional
from dlcore.autograd.gradients import grad as _grad
from dlcore.autograd.recording import enable_grad

__all__ = ["grad", "grad_and_value", "hessian", "jacrev", "vjp", "vmap"]

_Argnums: TypeAlias = int | tuple[int, ...]


def _chosen(argnums: _Argnums) -> tuple[int, ...]:
    return argnums if isinstance(argnums, tuple) else (argnums,)


def grad_and_value(func: Callable[..., Any], argnums: _Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradient of `func` and its value.

    Args:
        func: returns a tensor of one element.
        argnums: by which of its arguments, tensors, to differentiate; several give a tuple of gradients.
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
            places = _chosen(argnums)
            outer = any(isinstance(x, Tensor) and x.requires_grad for x in args)
            # Aliases: the gradient is that of this call alone, and higher derivatives still reach the arguments.
            inputs = {i: args[i].view_as(args[i]) if args[i].requires_grad else _leaf(args[i]) for i in places}
            found = func(*(inputs.get(i, x) for i, x in enumerate(args)), **kwargs)
            value, rest = found if has_aux else (found, None)
            if value.numel() != 1:
                raise ValueError(f"grad: expected a function with one number as its value, got shape {value.shape}")
            gradients = _grad(value, [inputs[i] for i in places], create_graph=outer, allow_unused=True)
            gradients = tuple(g if g is not None else x * 0 for g, x in zip(gradients, inputs.values(), strict=True))
        result = gradients if isinstance(argnums, tuple) else gradients[0]
        value = value if outer else value.detach()
        return (result, (value, rest)) if has_aux else (result, value)

    return differentiated


def _leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_()


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


def _by(func: Callable[..., Any], argnums: _Argnums, args: tuple[Any, ...]) -> tuple[Callable[..., Any], Any]:
    """`func` of the chosen arguments alone, and those."""
    places = _chosen(argnums)

    def of_chosen(*chosen: Tensor) -> Any:
        inputs = dict(zip(places, chosen, strict=True))
        return func(*(inputs.get(i, x) for i, x in enumerate(args)))

    inputs = tuple(args[i] for i in places)
    return of_chosen, inputs if isinstance(argnums, tuple) else inputs[0]


def jacrev(func: Callable[..., Any], argnums: _Argnums = 0) -> Callable[..., Any]:
    """A function that returns the Jacobian of `func`: the shape of its value, then that of the argument.

    Example:
        >>> import dlcore
        >>> dlcore.func.jacrev(lambda x: x * x)(dlcore.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    return lambda *args: functional.jacobian(*_by(func, argnums, args), create_graph=_recorded(args))


def hessian(func: Callable[..., Any], argnums: _Argnums = 0) -> Callable[..., Any]:
    """A function that returns the second derivatives of `func`, which returns one number.

    Example:
        >>> import dlcore
        >>> dlcore.func.hessian(lambda x: (x**3).sum())(dlcore.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return lambda *args: functional.hessian(*_by(func, argnums, args), create_graph=_recorded(args))


def _recorded(args: tuple[Any, ...]) -> bool:
    return any(isinstance(x, Tensor) and x.requires_grad for x in args)


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
        func: of tensors without that dimension; returns a tensor or a tuple of them.
        in_dims: the dimension of each argument, or of all; None for an argument that is passed whole.
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
        sizes = {x.shape[d] for x, d in zip(args, dims, strict=True) if d is not None}
        if len(sizes) != 1:
            raise ValueError(f"vmap: expected arguments of one size along in_dims, got {sorted(sizes) or 'none'}")
        (size,) = sizes
        entries = [[x] * size if d is None else unbind(x, d) for x, d in zip(args, dims, strict=True)]
        results = [func(*entry, **kwargs) for entry in zip(*entries, strict=True)]
        if not results:
            raise ValueError("vmap: there are no entries, so the shape of the results is not known")
        if isinstance(results[0], Tensor):
            return stack(results, out_dims if isinstance(out_dims, int) else out_dims[0])
        places = out_dims if isinstance(out_dims, tuple) else (out_dims,) * len(results[0])
        return tuple(stack(parts, d) for parts, d in zip(zip(*results, strict=True), places, strict=True))

    return mapped
