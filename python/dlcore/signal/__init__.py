"""Functions of signals: their windows."""

from __future__ import annotations

from dlcore.signal import windows

__all__ = ["windows"]
