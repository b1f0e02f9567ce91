"""What belongs to no one part: recomputing instead of keeping, and PyTorch's place of `dlcore.data`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlcore.utils import checkpoint

if TYPE_CHECKING:
    from dlcore.utils import data as data

__all__ = ["checkpoint"]


def __getattr__(name: str) -> Any:
    """Load the data sets when they are first asked for."""
    if name == "data":
        from importlib import import_module

        return import_module("dlcore.utils.data")
    raise AttributeError(f"module 'dlcore.utils' has no attribute {name!r}")
