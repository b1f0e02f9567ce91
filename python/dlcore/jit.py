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

from typing import Any, Final

__all__ = [
    "Final",
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


def script(obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - for PyTorch's programs
    """Give back the function, class or module."""
    return obj


def trace(func: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - for PyTorch's programs
    """Give back the function or module, which is called with other inputs as with the example."""
    return func


script_if_tracing = export = unused = script


def ignore(drop: Any = False, **kwargs: Any) -> Any:  # noqa: ARG001 - for PyTorch's programs
    """Give back the function; a decorator with or without arguments."""
    return drop if callable(drop) else script


def annotate(the_type: object, the_value: Any) -> Any:  # noqa: ARG001 - for PyTorch's programs
    """Give back the value."""
    return the_value


def is_scripting() -> bool:
    """False: Python runs the program."""
    return False


is_tracing = is_scripting
