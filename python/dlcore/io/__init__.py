"""Saving and loading. Files are in the safetensors format: data only, so loading one runs nothing."""

from __future__ import annotations

from dlcore.io.checkpoint import load, save
from dlcore.io.safetensors import read, read_metadata, write

__all__ = ["load", "read", "read_metadata", "save", "write"]
