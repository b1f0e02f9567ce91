"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
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

    def _move(self, epoch: int | None) -> None:  # noqa: ARG002 - always 0
        """Begin again, as a part of a `SequentialLR`."""
        self._rewind()
        self._initial_step()

    def _rewind(self) -> None:
        """Go back to before the first step, which every constructor has taken, and to the first rates."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for scheduler in self._schedulers:
            if isinstance(scheduler, _Composed):
                scheduler._rewind()
            else:
                scheduler.last_epoch = -1

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
        self._rewind()
        if last_epoch == -1:
            self._initial_step()
        else:
            self.last_epoch = last_epoch + 1
            turn, before = self._turn()
            self._schedulers[turn]._move(self.last_epoch - before)
            self._last_lr = self._present()

    def _initial_step(self) -> None:
        self.last_epoch = 0
        self._schedulers[self._turn()[0]]._initial_step()
        self._last_lr = self._present()

    def _turn(self) -> tuple[int, int]:
        """The number of the schedule whose turn it is, and the step at which it begins."""
        turn = bisect_right(self._milestones, self.last_epoch)
        return turn, self._milestones[turn - 1] if turn else 0

    def step(self) -> None:  # type: ignore[override]
        """Move on by one, and set the rates."""
        self.last_epoch += 1
        turn, before = self._turn()
        if turn and before == self.last_epoch:
            self._schedulers[turn]._move(0)
        else:
            self._schedulers[turn].step()
        self._last_lr = self._present()


class ChainedScheduler(_Composed):
    """Several schedules at once, each applied to the rate that those before it left.

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
        self._last_lr = self._present()

    def _initial_step(self) -> None:
        for scheduler in self._schedulers:
            scheduler._initial_step()
        self._last_lr = self._present()

    def step(self) -> None:  # type: ignore[override]
        """Move all on by one, and set the rates."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._present()
