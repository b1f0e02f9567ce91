"""Schedules: the learning rate as a function of how many steps were taken.

A scheduler states its rates in closed form where there is one, from the step's number and the rates it began with;
what does not accumulate gives the same rates after a resume as without a break.
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
