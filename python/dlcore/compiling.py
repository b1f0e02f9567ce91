"""PyTorch's entry to its compiler."""

from __future__ import annotations

from typing import Any

__all__ = ["compile"]


def compile(model: Any = None, **kwargs: Any) -> Any:  # noqa: ARG001 - for PyTorch's programs
    """Give back the model or function itself: what PyTorch's compiler fuses, the kernels here do in one pass already.

    Args:
        model: a module or a function; without it, a decorator is given.
        **kwargs: accepted for PyTorch's programs.

    Example:
        >>> import dlcore
        >>> model = dlcore.nn.Linear(2, 2)
        >>> dlcore.compile(model, mode="max-autotune") is model
        True
    """
    return (lambda function: function) if model is None else model
