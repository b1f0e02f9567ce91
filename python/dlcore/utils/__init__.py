"""What belongs to no one part: recomputing instead of keeping, and PyTorch's places of `dlcore.data` and DLPack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlcore.utils import checkpoint

if TYPE_CHECKING:
    from dlcore.utils import data as data, dlpack as dlpack

__all__ = ["checkpoint"]


def __getattr__(name: str) -> Any:
    """Load the data sets and DLPack when they are first asked for."""
    if name in ("data", "dlpack"):
        from importlib import import_module

        return import_module(f"dlcore.utils.{name}")
    raise AttributeError(f"module 'dlcore.utils' has no attribute {name!r}")
