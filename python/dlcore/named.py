"""The types of results that have names, as of `max(x, dim)` and of decompositions. The core asks for them here."""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import Any

__all__: list[str] = []


@cache
def _type(name: str, fields: tuple[str, ...]) -> Any:
    """One type for each name, whoever asks first: what was pickled elsewhere is of it too."""
    return type(name, (namedtuple(name, fields),), {"__slots__": (), "__reduce__": _parts})


def _parts(result: Any) -> Any:
    return _made, (type(result).__name__, result._fields, tuple(result))


def _made(name: str, fields: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    return _type(name, fields)._make(values)
