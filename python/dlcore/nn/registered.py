"""The parameters, buffers and children of a module as the dictionaries that PyTorch's programs know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from dlcore.nn.module import Module

__all__ = ["Registered"]

_Value = TypeVar("_Value")


class Registered(MutableMapping[str, _Value]):
    """What one module holds of a kind, by name; what is written goes to the module.

    Args:
        module: what it is of.
        named: what is there.
        register: adds or replaces one.
    """

    def __init__(
        self, module: Module, named: Iterable[tuple[str, _Value]], register: Callable[[str, Any], object]
    ) -> None:
        self._module, self._register, self._found = module, register, dict(named)

    def __getitem__(self, name: str) -> _Value:
        return self._found[name]

    def __setitem__(self, name: str, value: _Value) -> None:
        self._register(name, value)
        self._found[name] = value

    def __delitem__(self, name: str) -> None:
        del self._found[name]
        delattr(self._module, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return repr(self._found)
