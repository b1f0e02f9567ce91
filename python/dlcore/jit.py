"""PyTorch's hints to its compiler of Python, which programs give: functions and modules stay what they are.

`script` and `trace` give back what they are given, as `dlcore.compile` does. There is no `save`: weights are saved by
their names (`dlcore.save`), and a program is its own source.

Example:
    >>> import dlcore
    >>> @dlcore.jit.script
    ... def gelu(x):
    ...     return x * (1 + dlcore.erf(x / 1.41421)) / 2
    >>> gelu(dlcore.tensor(0.0))
    tensor(0.)
"""

from __future__ import annotations

import typing
from typing import Any

__all__ = [
    "annotate",
    "export",
    "ignore",
    "is_scripting",
    "is_tracing",
    "script",
    "script_if_tracing",
    "trace",
    "unused",
]

Final = typing.Final  # PyTorch has it here too


def script(obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - for PyTorch's programs
    """Give back the function, class or module.

    Example:
        >>> import dlcore
        >>> model = dlcore.jit.script(dlcore.nn.Linear(2, 3))
        >>> model(dlcore.zeros(4, 2)).shape
        (4, 3)
    """
    return obj


def trace(func: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - for PyTorch's programs
    """Give back the function or module, which is called with other inputs as with the example.

    Example:
        >>> import dlcore
        >>> double = dlcore.jit.trace(lambda x: x * 2, dlcore.zeros(1))
        >>> double(dlcore.ones(2))
        tensor([2., 2.])
    """
    return func


script_if_tracing = export = unused = script


def ignore(drop: Any = False, **kwargs: Any) -> Any:  # noqa: ARG001 - for PyTorch's programs
    """Give back the function; a decorator with or without arguments.

    Example:
        >>> import dlcore
        >>> @dlcore.jit.ignore(drop=True)
        ... def show(x):
        ...     print(x.shape)
        >>> show(dlcore.zeros(2, 3))
        (2, 3)
    """
    return drop if callable(drop) else script


def annotate(the_type: object, the_value: Any) -> Any:  # noqa: ARG001 - for PyTorch's programs
    """Give back the value.

    Example:
        >>> import dlcore
        >>> dlcore.jit.annotate(list[int], [])
        []
    """
    return the_value


def is_scripting() -> bool:
    """False: Python runs the program.

    Example:
        >>> import dlcore
        >>> dlcore.jit.is_scripting()
        False
    """
    return False


is_tracing = is_scripting
