"""Functions of one entry as functions of batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlcore._core import Tensor, equal, get_rng_state, set_rng_state, stack
from dlcore.trees import broadcast, leaves, rebuilt

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: int | tuple[Any, ...] = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that applies `func` to each entry of its arguments along a dimension and stacks the results.

    Args:
        func: of tensors without that dimension; returns a tensor, or a tuple, list or dictionary of them.
        in_dims: the dimension of all arguments, or a tuple with that of each; None for an argument that is passed
            whole, as those given by name are. Of a dictionary, list or tuple it is that of all that it holds, or a
            dictionary, list or tuple itself.
        out_dims: where the new dimension of the results stands, one for all or in their form; None for a result that
            is the same for all entries, which is returned as it is.
        randomness: ``"different"`` numbers for each entry, the ``"same"`` for all, or an ``"error"`` where `func`
            draws any.
        chunk_size: accepted for PyTorch's programs; entries are taken one by one.

    Raises:
        RuntimeError: another `randomness`; by the function that is returned, random numbers that were not expected.
        ValueError: by the function that is returned, for arguments of different sizes or none to go along, and for
            `in_dims` or `out_dims` of another form than arguments or results.

    Example:
        >>> import dlcore
        >>> dlcore.vmap(dlcore.dot)(dlcore.ones(3, 4), dlcore.ones(3, 4))
        tensor([4., 4., 4.])
        >>> layer = {"weight": dlcore.ones(3, 4), "bias": dlcore.tensor(1.0)}
        >>> of_one = lambda layer: (layer["weight"] + layer["bias"]).sum()
        >>> dlcore.vmap(of_one, in_dims=({"weight": 0, "bias": None},))(layer)
        tensor([8., 8., 8.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"vmap: randomness must be 'error', 'different' or 'same', got {randomness!r}")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"vmap: chunk_size must be at least 1, got {chunk_size}")
    if not isinstance(in_dims, int | tuple):
        raise ValueError(f"vmap: in_dims must be an int or a tuple, got {type(in_dims).__name__}")

    def mapped(*args: Any, **kwargs: Any) -> Any:
        inputs, dims = leaves(args), _spread("in_dims", in_dims, args)
        results, drawn = [], get_rng_state()
        for place in range(_size(inputs, dims)):
            if randomness == "same":
                set_rng_state(drawn)
            entry = (x if d is None else x.select(d, place) for x, d in zip(inputs, dims, strict=True))
            results.append(func(*rebuilt(args, entry), **kwargs))
        if randomness == "error" and not equal(drawn, get_rng_state()):
            raise RuntimeError("vmap: the function draws random numbers: say randomness='different' or 'same'")
        one = isinstance(out_dims, tuple) and len(out_dims) == 1 and isinstance(results[0], Tensor)
        places = _spread("out_dims", out_dims[0] if one else out_dims, results[0])
        parts = zip(*map(leaves, results), strict=True)
        return rebuilt(results[0], (_joined(part, d) for part, d in zip(parts, places, strict=True)))

    return mapped


def _spread(name: str, dims: Any, tree: Any) -> list[int | None]:
    """The dimension of each leaf."""
    try:
        found = broadcast(dims, tree)
    except ValueError as error:
        raise ValueError(f"vmap: {name} must have the form of what it is for: {error}") from None
    for dim in found:
        if not isinstance(dim, int | None):
            raise ValueError(f"vmap: {name} must hold dimensions and None, got {dim!r}")
    return found


def _size(inputs: list[Any], dims: list[int | None]) -> int:
    """How many entries there are."""
    sizes = set()
    for x, dim in zip(inputs, dims, strict=True):
        if dim is None:
            continue
        if not isinstance(x, Tensor):
            raise ValueError(f"vmap: a dimension is that of a tensor, got {type(x).__name__}: its in_dims must be None")
        if not -x.dim() <= dim < x.dim():
            raise ValueError(f"vmap: in_dims {dim} for a tensor of shape {x.shape}")
        sizes.add(x.shape[dim])
    if len(sizes) != 1:
        raise ValueError(f"vmap: expected arguments of one size along in_dims, got {sorted(sizes) or 'none'}")
    if sizes == {0}:
        raise ValueError("vmap: there are no entries, so the shape of the results is not known")
    return sizes.pop()


def _joined(entries: tuple[Any, ...], dim: int | None) -> Any:
    if dim is not None:
        return stack(entries, dim)
    first = entries[0]
    for other in entries:
        if other is not first and not (isinstance(first, Tensor) and equal(first, other)):
            raise ValueError("vmap: out_dims is None for a result that is not the same for all entries")
    return first
