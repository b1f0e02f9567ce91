"""Parameters by number or by name, part of the module that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import index as as_index
from typing import Any, Self

from dlcore._core import Tensor
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter

__all__ = ["ParameterDict", "ParameterList"]


def _parameter(value: Any) -> Any:
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _shown(name: object, value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"  ({name}): Object of type: {type(value).__name__}"
    kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
    return f"  ({name}): {kind} containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"


class ParameterList(Module):
    """A list whose parameters are part of the model; tensors become parameters, other values are kept as they are.

    Example:
        >>> from dlcore import nn, ones
        >>> scales = nn.ParameterList([ones(2), ones(3)])
        >>> [name for name, _ in scales.named_parameters()], len(scales)
        (['0', '1'], 2)
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        self.extend(values or ())

    def _key(self, key: int) -> str:
        number = as_index(key)
        if not -self._size <= number < self._size:
            raise IndexError(f"ParameterList: index {number} is out of range for {self._size} values")
        return str(number % self._size)

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return type(self)([self[number] for number in range(self._size)[key]])
        return getattr(self, self._key(key))

    def __setitem__(self, key: int, value: Any) -> None:
        setattr(self, self._key(key), _parameter(value))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[number] for number in range(self._size))

    def append(self, value: Any) -> Self:
        """Add a value at the end."""
        self._size += 1
        setattr(self, str(self._size - 1), _parameter(value))
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add values at the end."""
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def extra_repr(self) -> str:
        """Kind and shape of every value."""
        return "\n".join(_shown(number, value) for number, value in enumerate(self))


class ParameterDict(Module):
    """A dictionary whose parameters are part of the model, in order of insertion; tensors become parameters.

    Example:
        >>> from dlcore import nn, ones
        >>> scales = nn.ParameterDict({"query": ones(2)})
        >>> scales["key"] = ones(3)
        >>> [name for name, _ in scales.named_parameters()]
        ['query', 'key']
    """

    def __init__(self, parameters: Mapping[str, Any] | ParameterDict | Iterable[tuple[str, Any]] | None = None) -> None:
        super().__init__()
        self._names: dict[str, None] = {}
        self.update(parameters or {})

    def __getitem__(self, key: str) -> Any:
        if key not in self._names:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if not key or "." in key or (key not in self._names and hasattr(type(self), key)):
            raise KeyError(f"ParameterDict: {key!r} cannot be a name")
        self._names[key] = None
        setattr(self, key, _parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._names[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, key: object) -> bool:
        return key in self._names

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._names)

    def __or__(self, other: Mapping[str, Any] | ParameterDict) -> ParameterDict:
        joined = self.copy()
        joined.update(other)
        return joined

    def __ror__(self, other: Mapping[str, Any]) -> ParameterDict:
        return ParameterDict(other) | self

    def __ior__(self, other: Mapping[str, Any] | ParameterDict) -> Self:
        self.update(other)
        return self

    def copy(self) -> ParameterDict:
        """Another dictionary of the same parameters."""
        return ParameterDict(self.items())

    @staticmethod
    def fromkeys(keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A dictionary of `keys`, each with the value `default`."""
        return ParameterDict((key, default) for key in keys)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value under `key`, which is `default` if there was none."""
        if key not in self._names:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Any]:
        """Remove the name and value that were added last, and return them."""
        if not self._names:
            raise KeyError("ParameterDict: popitem of an empty dictionary")
        key = next(reversed(self._names))
        return key, self.pop(key)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._names.keys()

    def values(self) -> Iterable[Any]:
        """The values."""
        return [self[name] for name in self._names]

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and values."""
        return [(name, self[name]) for name in self._names]

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`."""
        return self[key] if key in self._names else default

    def update(self, parameters: Mapping[str, Any] | ParameterDict | Iterable[tuple[str, Any]]) -> None:
        """Add or replace values."""
        named = parameters.items() if isinstance(parameters, ParameterDict) else dict(parameters).items()
        for name, value in list(named):
            self[name] = value

    def pop(self, key: str) -> Any:
        """Remove the value under `key` and return it."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Remove all values."""
        for name in list(self._names):
            del self[name]

    def extra_repr(self) -> str:
        """Kind and shape of every value."""
        return "\n".join(_shown(name, value) for name, value in self.items())
