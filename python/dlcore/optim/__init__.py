"""Optimizers. Names, arguments, defaults, update rules and the layout of state dicts are PyTorch's."""

from __future__ import annotations

from dlcore.optim import lr_scheduler
from dlcore.optim.adam import Adam, AdamW
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]
