"""Optimizers. Names, arguments, defaults, update rules and the layout of state dicts are PyTorch's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlcore.optim import lr_scheduler
from dlcore.optim.adadelta import Adadelta
from dlcore.optim.adafactor import Adafactor
from dlcore.optim.adagrad import Adagrad
from dlcore.optim.adam import Adam, AdamW
from dlcore.optim.adamax import Adamax
from dlcore.optim.adan import Adan
from dlcore.optim.asgd import ASGD
from dlcore.optim.ftrl import Ftrl
from dlcore.optim.layerwise import LAMB, LARS
from dlcore.optim.lbfgs import LBFGS
from dlcore.optim.lion import Lion
from dlcore.optim.lookahead import SAM, Lookahead
from dlcore.optim.muon import Muon
from dlcore.optim.nadam import NAdam
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.radam import RAdam
from dlcore.optim.rmsprop import RMSprop
from dlcore.optim.rprop import Rprop
from dlcore.optim.schedule_free import AdamWScheduleFree
from dlcore.optim.sgd import SGD
from dlcore.optim.sparse_adam import SparseAdam

if TYPE_CHECKING:
    from dlcore.optim import swa_utils
    from dlcore.optim.param_groups import weight_decay_groups

__all__ = [
    "ASGD",
    "LAMB",
    "LARS",
    "LBFGS",
    "SAM",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "AdamWScheduleFree",
    "Adamax",
    "Adan",
    "Ftrl",
    "Lion",
    "Lookahead",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
    "weight_decay_groups",
]


def __getattr__(name: str) -> Any:
    """Load what knows modules when it is first asked for."""
    if name == "swa_utils":
        from importlib import import_module

        return import_module("dlcore.optim.swa_utils")
    if name == "weight_decay_groups":
        from dlcore.optim.param_groups import weight_decay_groups

        return weight_decay_groups
    raise AttributeError(f"module 'dlcore.optim' has no attribute {name!r}")
