"""Constructors that name the class called: ``Conv2d.__init__() missing ...``, also where a base defines them.

Python names a function by where it is written, so what layers share in one base would be all that a wrong call tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType

__all__ = ["name_constructors"]


def name_constructors(classes: Iterable[type], root: type) -> None:
    """Give each class a constructor of its own name, a copy of the one that it inherits from another than `root`."""
    for cls in classes:
        definer = next(base for base in cls.__mro__ if "__init__" in vars(base))
        inherited = vars(definer)["__init__"]
        if definer in (cls, root) or not isinstance(inherited, FunctionType):
            continue
        own = FunctionType(
            inherited.__code__, inherited.__globals__, "__init__", inherited.__defaults__, inherited.__closure__
        )
        own.__kwdefaults__, own.__annotations__ = inherited.__kwdefaults__, inherited.__annotations__
        own.__module__, own.__qualname__ = cls.__module__, f"{cls.__qualname__}.__init__"
        type.__setattr__(cls, "__init__", own)
