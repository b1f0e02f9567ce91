"""Training and judging a classifier: the loop that every program writes, once."""

from __future__ import annotations

from dlcore.train.loop import Evaluation, Step, confusion_matrix, evaluate, fit

__all__ = ["Evaluation", "Step", "confusion_matrix", "evaluate", "fit"]
