"""Modules that hold modules by number or by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import groupby
from operator import index as as_index
from typing import Any, Self, overload

from dlcore.nn.module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


class _Numbered(Module):
    """Children named "0", "1", ...; what `Sequential` and `ModuleList` share."""

    @cached_property
    def _sequence(self) -> tuple[Module, ...]:
        return tuple(module for _, module in self._own_modules())

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        self.__dict__.pop("_sequence", None)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self.__dict__.pop("_sequence", None)

    def _names(self) -> list[str]:
        return [name for name, _ in self._own_modules()]

    def _replace(self, modules: Iterable[Module]) -> None:
        """Hold these modules instead of the present ones, numbered anew."""
        for name in self._names():
            delattr(self, name)
        for number, module in enumerate(modules):
            self.register_module(str(number), module)

    def _with(self, modules: Iterable[tuple[str, Module]]) -> Self:
        """Another of the same class that holds these modules; `__init__`, which may ask for more, is not called."""
        part, left_out = type(self).__new__(type(self)), ("_sequence", "_hooks")
        own = {name: value for name, value in self.__dict__.items() if not isinstance(value, Module)}
        part.__dict__.update({name: value for name, value in own.items() if name not in left_out})
        for name, module in modules:
            part.register_module(name, module)
        return part

    def _key(self, key: int) -> int:
        number = as_index(key)
        if not -len(self) <= number < len(self):
            raise IndexError(f"{type(self).__name__}: index {number} is out of range for {len(self)} modules")
        return number

    def __len__(self) -> int:
        return len(self._sequence)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._sequence)

    def __contains__(self, module: object) -> bool:
        return any(module is own for own in self._sequence)

    @overload
    def __getitem__(self, key: int) -> Any: ...
    @overload
    def __getitem__(self, key: slice) -> Self: ...
    def __getitem__(self, key: int | slice) -> Any:
        if not isinstance(key, slice):
            return self._sequence[self._key(key)]
        return self._with(self._cut(key))

    def _cut(self, key: slice) -> list[tuple[str, Module]]:
        return [(str(number), module) for number, module in enumerate(self._sequence[key])]

    def __setitem__(self, key: int, module: Module) -> None:
        self.register_module(self._names()[self._key(key)], module)

    def __delitem__(self, key: int | slice) -> None:
        modules = list(self._sequence)
        del modules[key if isinstance(key, slice) else self._key(key)]
        self._replace(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        number, names = len(self), self._names()
        while str(number) in names:  # of a slice, which keeps its names
            number += 1
        self.register_module(str(number), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def pop(self, key: int) -> Module:
        """Remove the module at a place and return it."""
        module = self._sequence[self._key(key)]
        del self[key]
        return module

    def __add__(self, other: Iterable[Module]) -> Self:
        return self._with([(str(number), module) for number, module in enumerate([*self, *other])])

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)

    def insert(self, index: int, module: Module) -> Self:
        """Add a module before `index`."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}.insert takes a Module, got {type(module).__name__}")
        modules = list(self._sequence)
        modules.insert(index, module)
        self._replace(modules)
        return self


class Sequential(_Numbered):
    """Modules called one after the other, each with the result of the one before.

    Takes modules, or one mapping of names to modules. Supports ``len``, indexing, iteration, ``+``, and ``*`` with the
    modules shared by all repetitions. A slice keeps the names of its modules, and the class and
    attributes of the whole.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> model(dlcore.zeros(3, 4)).shape, len(model[:2])
        ((3, 2), 2)
    """

    def __init__(self, *args: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, named in args[0].items():
                self.register_module(name, named)
        else:
            for number, module in enumerate(args):
                if not isinstance(module, Module):
                    raise TypeError(f"Sequential: argument {number} must be a Module, got {type(module).__name__}")
                self.register_module(str(number), module)

    def _cut(self, key: slice) -> list[tuple[str, Module]]:
        return list(zip(self._names(), self._sequence, strict=True))[key]

    def __mul__(self, times: int) -> Self:
        if not isinstance(times, int):
            return NotImplemented
        if times < 1:
            raise ValueError(f"{type(self).__name__}: can be repeated once or more, not {times} times")
        return self._with([(str(number), module) for number, module in enumerate([*self] * times)])

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Self:
        repeated = self * times
        if repeated is NotImplemented:
            return NotImplemented
        return self.extend(list(repeated)[len(self) :])

    def forward(self, input: Any) -> Any:
        """Call the modules in order."""
        for module in self._sequence:
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list whose modules are part of the model. It has no ``forward``: the model calls its elements.

    Example:
        >>> from dlcore import nn
        >>> layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        >>> [name for name, _ in layers.named_parameters()][:2]
        ['0.weight', '0.bias']
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def __repr__(self) -> str:
        if not len(self):
            return f"{self._get_name()}()"
        lines, first = [], 0
        for shown, equal in groupby(map(repr, self)):
            count = len(list(equal))
            shown = shown.replace("\n", "\n  ")
            last = first + count - 1
            lines.append(f"({first}): {shown}" if count == 1 else f"({first}-{last}): {count} x {shown}")
            first += count
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dictionary whose modules are part of the model, in order of insertion.

    Example:
        >>> from dlcore import nn
        >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "parity": nn.Linear(8, 2)})
        >>> list(heads), heads["parity"].out_features
        (['digit', 'parity'], 2)
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace modules."""
        for name, module in dict(modules).items():
            self[name] = module

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        self._modules[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and modules."""
        return self._modules.items()

    def pop(self, key: str) -> Module:
        """Remove the module under `key` and return it."""
        module = self._modules[key]
        delattr(self, key)
        return module

    def clear(self) -> None:
        """Remove all modules."""
        for name in list(self._modules):
            delattr(self, name)
