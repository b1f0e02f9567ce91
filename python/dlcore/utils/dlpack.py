"""Tensors as capsules that other libraries take the memory from, and back (https://dmlc.github.io/dlpack)."""

from dlcore._core import from_dlpack
from dlcore.composed import to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
