"""Schedules: the learning rate as a function of how many steps were taken.

As PyTorch's, most multiply the present rates, so that several may be stepped in turn; by a number, ``step(7)``, they go
where they would be alone. A resumed schedule needs the optimizer's state, with its rates, as well as its own.
"""

from __future__ import annotations

from dlcore.optim.lr_scheduler.base import LRScheduler
from dlcore.optim.lr_scheduler.composed import ChainedScheduler, SequentialLR
from dlcore.optim.lr_scheduler.cyclic import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from dlcore.optim.lr_scheduler.decay import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from dlcore.optim.lr_scheduler.keras import (
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from dlcore.optim.lr_scheduler.plateau import ReduceLROnPlateau
from dlcore.optim.lr_scheduler.warmup import InverseSqrtLR, NoamLR, WarmupCosineLR, WarmupStableDecayLR

_LRScheduler = LRScheduler  # what programs derive theirs from

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CosineDecay",
    "CyclicLR",
    "ExponentialDecay",
    "ExponentialLR",
    "InverseSqrtLR",
    "InverseTimeDecay",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "NoamLR",
    "OneCycleLR",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "WarmupCosineLR",
    "WarmupStableDecayLR",
]
