"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlcore._core import Tensor, stack

__all__ = ["functional_call", "stack_module_state"]


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
