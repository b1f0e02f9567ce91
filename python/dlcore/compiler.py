"""PyTorch's hints to its compiler, which programs give: functions and modules stay what they are."""

from __future__ import annotations

from typing import Any

from dlcore.compiling import compile
from dlcore.jit import is_tracing as is_compiling, script as allow_in_graph

__all__ = ["allow_in_graph", "assume_constant_result", "compile", "disable", "is_compiling", "reset"]

assume_constant_result = allow_in_graph
is_dynamo_compiling = is_exporting = is_compiling


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:  # noqa: ARG001 - for PyTorch's programs
    """Give back the function or module; a decorator with or without arguments.

    Example:
        >>> import dlcore
        >>> @dlcore.compiler.disable(recursive=False)
        ... def double(x):
        ...     return 2 * x
        >>> double(dlcore.ones(1))
        tensor([2.])
    """
    return allow_in_graph if fn is None else fn


def reset() -> None:
    """Do nothing: nothing was compiled.

    Example:
        >>> import dlcore
        >>> dlcore.compiler.reset()
    """
