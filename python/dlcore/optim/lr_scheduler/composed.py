"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from dlcore.optim.lr_scheduler.base import LRScheduler
from dlcore.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composed(LRScheduler):
    """Schedules of one optimizer under one name."""

    def __init__(self, optimizer: Optimizer | None, schedulers: Sequence[LRScheduler]) -> None:
        name = type(self).__name__
        if not schedulers:
            raise ValueError(f"{name}: give at least one schedule")
        self.optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        for number, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"{name}: schedule {number} is a {type(scheduler).__name__}")
            if scheduler.optimizer is not self.optimizer:
                raise ValueError(f"{name}: schedule {number} belongs to another optimizer")
        self._schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """The states of all, and what this one keeps itself."""
        own = {key: value for key, value in super().state_dict().items() if key != "_schedulers"}
        return {**own, "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave.

        Raises:
            ValueError: another number of schedules.
        """
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(_Composed):
    """One schedule after the other: a warm-up, then a decay. Each begins at its own step 0.

    Args:
        optimizer: whose rates are set.
        schedulers: the schedules, all made for this optimizer.
        milestones: the steps at which the second, third, ... begins.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: a schedule of another optimizer, or not one milestone fewer than schedules.

    Example:
        >>> import dlcore
        >>> from dlcore.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> warm_up, decay = LinearLR(optimizer, 0.5, total_iters=2), CosineAnnealingLR(optimizer, T_max=2)
        >>> scheduler = SequentialLR(optimizer, [warm_up, decay], milestones=[2])
        >>> rates = scheduler.get_last_lr()
        >>> for _ in range(4):
        ...     optimizer.step()
        ...     scheduler.step()
        ...     rates += scheduler.get_last_lr()
        >>> rates
        [0.5, 0.75, 1.0, 0.5, 0.0]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"SequentialLR: {len(milestones)} milestones for {len(schedulers)} schedules")
        self._milestones = list(milestones)
        self.last_epoch = last_epoch
        self.step()

    def step(self, epoch: int | None = None) -> None:
        """Move on by one, or to the step of that number, and set the rates."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        turn = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[turn]
        scheduler.step(self.last_epoch - (self._milestones[turn - 1] if turn else 0))
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Composed):
    """Several schedules at once: the first rate times the factors of all.

    PyTorch applies one after the other to the rate of the moment, which is the same for schedules that multiply; one
    that has a floor (`CosineAnnealingLR` with `eta_min`) counts here with its factor of the first rate.

    Raises:
        ValueError: no schedules, or such as belong to different optimizers.

    Example:
        >>> import dlcore
        >>> from dlcore.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = ChainedScheduler([ConstantLR(optimizer, 0.5, 5), ExponentialLR(optimizer, 0.5)])
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        super().__init__(optimizer, schedulers)
        self.base_lrs = [group["initial_lr"] for group in self.optimizer.param_groups]
        self.last_epoch = 0
        self._set(self.get_lr())

    def get_lr(self) -> list[float]:
        """The first rates times the factors of all."""
        together = zip(*(scheduler.get_last_lr() for scheduler in self._schedulers), strict=True)
        return [
            base * prod(rate / base for rate in rates) if base else 0.0
            for base, rates in zip(self.base_lrs, together, strict=True)
        ]

    def step(self, epoch: int | None = None) -> None:
        """Move all on by one, or to the step of that number, and set the rates."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        for scheduler in self._schedulers:
            scheduler.step(epoch)
        self._set(self.get_lr())
