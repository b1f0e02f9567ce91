"""Making a layer without drawing its starting values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from dlcore.nn.module import Module

__all__ = ["skip_init"]

_Layer = TypeVar("_Layer", bound=Module)


def skip_init(module_cls: Callable[..., _Layer], *args: Any, **kwargs: Any) -> _Layer:
    """Make a layer whose values are about to be loaded; here they are drawn all the same, which costs little.

    Args:
        module_cls: the class.
        *args: its arguments.
        **kwargs: likewise.

    Example:
        >>> from dlcore import nn
        >>> nn.utils.skip_init(nn.Linear, 2, 3)
        Linear(in_features=2, out_features=3, bias=True)
    """
    return module_cls(*args, **kwargs)
