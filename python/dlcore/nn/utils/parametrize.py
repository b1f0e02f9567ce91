"""Parameters that are computed from others whenever they are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dlcore._core import Tensor
from dlcore.autograd import no_grad
from dlcore.nn.containers import ModuleDict, ModuleList
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

# What was computed, by module and name, while a block of `cached` runs.
_caches: list[dict[tuple[int, str], Tensor]] = []


def _computed(module: Module) -> Any:
    """The parametrizations of a module, by the names of its parameters."""
    return module.__dict__["parametrizations"]


class ParametrizationList(ModuleList):
    """The functions of one parameter, and what they are computed from: ``original``, or ``original0`` and so on.

    Args:
        modules: the functions, in order.
        original: the parameter before.

    Example:
        >>> from dlcore import nn
        >>> from dlcore.nn.utils import parametrizations
        >>> layer = parametrizations.weight_norm(nn.Linear(3, 2))
        >>> len(layer.parametrizations.weight), layer.parametrizations.weight.original1.shape
        (1, (2, 3))
    """

    def __init__(self, modules: list[Module], original: Tensor) -> None:
        super().__init__(modules)
        self.shape = tuple(original.shape)
        try:
            values = self._inverse(original)
        except NotImplementedError:  # the values that there are go through the functions
            values = original
        self.several = isinstance(values, tuple)
        trained = original.requires_grad
        parts = values if isinstance(values, tuple) else (values,)
        for number, part in enumerate(parts):
            name = f"original{number}" if self.several else "original"
            self.register_parameter(name, Parameter(part.detach().clone(), trained))

    def _inverse(self, values: Any) -> Any:
        """What has these values as its result, as far as the functions have a ``right_inverse``."""
        values = values.detach()
        with no_grad():
            for module in reversed(self._sequence):
                inverse = getattr(module, "right_inverse", None)
                values = values if inverse is None else inverse(values)
        return values

    def forward(self) -> Tensor:
        """The parameter."""
        first, *rest = self._sequence
        if self.several:
            originals = [value for name, value in self.__dict__.items() if name.startswith("original")]
            value: Tensor = first(*originals)
        else:
            value = first(self.__dict__["original"])
        for module in rest:
            value = module(value)
        return value


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let a parameter be computed by a module from what is trained instead.

    The parameter's values go through ``right_inverse`` of the module, where it has one, so that they stay.

    Args:
        module: whose parameter.
        tensor_name: its name.
        parametrization: takes what is trained and gives the parameter.
        unsafe: allow another shape or dtype.

    Returns:
        The module.

    Raises:
        ValueError: no such parameter, or a result of another shape or dtype.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> from dlcore.nn.utils import parametrize
        >>> class Symmetric(nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).t()
        >>> layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
        >>> bool((layer.weight == layer.weight.t()).all())
        True
        >>> sorted(layer.state_dict())
        ['bias', 'parametrizations.weight.original']
    """
    if is_parametrized(module, tensor_name):
        _computed(module)[tensor_name].append(parametrization)
        return module
    original = module.__dict__.get(tensor_name)
    if not isinstance(original, Tensor):
        raise ValueError(f"register_parametrization: {type(module).__name__} has no parameter {tensor_name!r}")
    made = ParametrizationList([parametrization], original)
    with no_grad():
        result = made()
    if not unsafe and (result.shape != original.shape or result.dtype != original.dtype):
        given, needed = f"{result.dtype} {tuple(result.shape)}", f"{original.dtype} {tuple(original.shape)}"
        raise ValueError(f"register_parametrization: gives {given} for a parameter of {needed}; unsafe=True allows it")
    delattr(module, tensor_name)
    if "parametrizations" not in module.__dict__:
        module.register_module("parametrizations", ModuleDict())
        module.__class__ = _class_of_its_own(type(module))
    _computed(module)[tensor_name] = made
    _compute(type(module), tensor_name)
    return module


def _class_of_its_own(base: type[Module]) -> type[Module]:
    """The class of one module with properties in the place of parameters."""
    return type(f"Parametrized{base.__name__}", (base,), {"__reduce_ex__": _reduce})


def _compute(cls: type[Module], name: str) -> None:
    setattr(cls, name, property(lambda self: _value(self, name), _assign(name)))


def _reduce(module: Module, _protocol: Any) -> tuple[Any, ...]:
    """What copies and pickles are made of; each has a class of its own."""
    return _empty_twin, (type_before_parametrizations(module), tuple(_computed(module))), module.__getstate__()


def _empty_twin(base: type[Module], names: tuple[str, ...]) -> Module:
    cls = _class_of_its_own(base)
    for name in names:
        _compute(cls, name)
    return cls.__new__(cls)


def _value(module: Module, name: str) -> Tensor:
    cache = _caches[-1] if _caches else {}
    key = (id(module), name)
    if key not in cache:
        cache[key] = _computed(module)[name]()
    return cache[key]


def _assign(name: str) -> Any:
    def assign(module: Module, value: Tensor) -> None:
        """Values that the parameter should have, through the inverses."""
        now = _computed(module)[name]
        values = now._inverse(value)
        with no_grad():
            for old, fresh in zip(now.parameters(False), values if now.several else (values,), strict=True):
                old.copy_(fresh)

    return assign


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a parameter of the module, or this one, is computed.

    Example:
        >>> from dlcore import nn
        >>> nn.utils.parametrize.is_parametrized(nn.Linear(2, 2))
        False
    """
    found = module.__dict__.get("parametrizations")
    return isinstance(found, ModuleDict) and (tensor_name is None or tensor_name in found)


def type_before_parametrizations(module: Module) -> type[Module]:
    """The class of the module, but for parametrizations.

    Example:
        >>> from dlcore import nn
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
        >>> nn.utils.parametrize.type_before_parametrizations(layer).__name__
        'Linear'
    """
    return type(module).__mro__[1] if is_parametrized(module) else type(module)


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a parameter an ordinary one again.

    Args:
        module: whose parameter.
        tensor_name: its name.
        leave_parametrized: keep the values that were computed; else those that were trained.

    Returns:
        The module.

    Raises:
        ValueError: a parameter that is not computed, or several trained ones and ``leave_parametrized=False``.

    Example:
        >>> from dlcore import nn
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
        >>> _ = nn.utils.parametrize.remove_parametrizations(layer, "weight")
        >>> sorted(layer.state_dict()), type(layer).__name__
        (['bias', 'weight'], 'Linear')
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: {type(module).__name__}.{tensor_name} is not parametrized")
    made = _computed(module)[tensor_name]
    if not leave_parametrized and made.several:
        raise ValueError("remove_parametrizations: several tensors are trained; leave_parametrized must be True")
    with no_grad():
        values = made() if leave_parametrized else made.original
    trained = any(parameter.requires_grad for parameter in made.parameters(recurse=False))
    del _computed(module)[tensor_name]
    delattr(type(module), tensor_name)
    if not len(_computed(module)):
        own = type_before_parametrizations(module)
        delattr(module, "parametrizations")
        module.__class__ = own
    module.register_parameter(tensor_name, Parameter(values.detach().clone(), trained))
    return module


@contextmanager
def cached() -> Iterator[None]:
    """Compute every parameter once inside the block, as when a recurrent cell is called many times.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
        >>> with nn.utils.parametrize.cached():
        ...     layer.weight is layer.weight
        True
    """
    _caches.append(_caches[-1] if _caches else {})
    try:
        yield
    finally:
        _caches.pop()
