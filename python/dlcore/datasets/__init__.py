"""Data sets that ship with dlcore, and the format of MNIST."""

from __future__ import annotations

from dlcore.datasets.digits import digits
from dlcore.datasets.idx import Split, hold_out, idx_folder, read_idx

__all__ = ["Split", "digits", "hold_out", "idx_folder", "read_idx"]
