"""Keras' schedules under their names, of the optimizer's rate instead of one of their own."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from dlcore.optim.lr_scheduler.base import LRScheduler
from dlcore.optim.optimizer import Optimizer

__all__ = ["CosineDecay", "ExponentialDecay", "InverseTimeDecay", "PiecewiseConstantDecay", "PolynomialDecay"]


class _Decay(LRScheduler):
    """A fall from the group's rate, over `decay_steps`."""

    def __init__(self, optimizer: Optimizer, decay_steps: int, last_epoch: int = -1) -> None:
        if not decay_steps > 0:
            raise ValueError(f"{type(self).__name__}: decay_steps must be above 0, got {decay_steps}")
        self.decay_steps = decay_steps
        super().__init__(optimizer, last_epoch)


class CosineDecay(_Decay):
    """Half a cosine down to `alpha` of the rate at `decay_steps`; before it, if wanted, a line up to another rate.

    Args:
        optimizer: whose rates are set.
        decay_steps: steps of the fall.
        alpha: the part that is left.
        warmup_target: where a rise from the group's rate ends, and the fall begins; None for no rise.
        warmup_steps: steps of the rise.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: no steps.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=0.0)
        >>> scheduler = dlcore.optim.lr_scheduler.CosineDecay(optimizer, 2, warmup_target=1.0, warmup_steps=2)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(scheduler.get_last_lr()[0], 6))
        ...     optimizer.step(); scheduler.step()
        >>> rates
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        decay_steps: int,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
        last_epoch: int = -1,
    ) -> None:
        self.alpha, self.warmup_target = alpha, warmup_target
        self.warmup_steps = 0 if warmup_target is None else warmup_steps
        super().__init__(optimizer, decay_steps, last_epoch)

    def get_lr(self) -> list[float]:
        """A point on the line, or on the cosine."""
        step = self.last_epoch - self.warmup_steps
        tops = [base if self.warmup_target is None else self.warmup_target for base in self.base_lrs]
        if step < 0:
            part = self.last_epoch / self.warmup_steps
            return [base + part * (top - base) for base, top in zip(self.base_lrs, tops, strict=True)]
        cosine = (1 + math.cos(math.pi * min(step, self.decay_steps) / self.decay_steps)) / 2
        return [top * ((1 - self.alpha) * cosine + self.alpha) for top in tops]


class ExponentialDecay(_Decay):
    """The rate times decay_rate^(step / decay_steps).

    Args:
        optimizer: whose rates are set.
        decay_steps: steps in which it falls by one factor.
        decay_rate: the factor.
        staircase: round the power down.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: no steps.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.ExponentialDecay(optimizer, 2, 0.25)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.decay_rate, self.staircase = decay_rate, staircase
        super().__init__(optimizer, decay_steps, last_epoch)

    def get_lr(self) -> list[float]:
        """The formula."""
        power = self.last_epoch / self.decay_steps
        factor = self.decay_rate ** (math.floor(power) if self.staircase else power)
        return [base * factor for base in self.base_lrs]


class InverseTimeDecay(_Decay):
    """The rate over 1 + decay_rate · step / decay_steps.

    Args:
        optimizer: whose rates are set.
        decay_steps: the unit of time.
        decay_rate: see above.
        staircase: count whole units.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: no steps.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.InverseTimeDecay(optimizer, 1, 1.0)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.decay_rate, self.staircase = decay_rate, staircase
        super().__init__(optimizer, decay_steps, last_epoch)

    def get_lr(self) -> list[float]:
        """The formula."""
        time = self.last_epoch / self.decay_steps
        return [base / (1 + self.decay_rate * (math.floor(time) if self.staircase else time)) for base in self.base_lrs]


class PiecewiseConstantDecay(LRScheduler):
    """One rate up to and with each boundary, and the last one after them.

    Args:
        optimizer: whose rates are set.
        boundaries: numbers of steps, rising.
        values: the rates, one more than boundaries.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: another number of rates, or boundaries that do not rise.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.PiecewiseConstantDecay(optimizer, [0], [0.1, 0.01])
        >>> first = scheduler.get_last_lr()
        >>> optimizer.step(); scheduler.step()
        >>> first, scheduler.get_last_lr()
        ([0.1], [0.01])
    """

    def __init__(
        self, optimizer: Optimizer, boundaries: Sequence[int], values: Sequence[float], last_epoch: int = -1
    ) -> None:
        if len(values) != len(boundaries) + 1:
            needed = f"{len(boundaries)} boundaries need {len(boundaries) + 1} values"
            raise ValueError(f"PiecewiseConstantDecay: {needed}, got {len(values)}")
        if list(boundaries) != sorted(boundaries):
            raise ValueError(f"PiecewiseConstantDecay: boundaries must rise, got {list(boundaries)}")
        self.boundaries, self.values = list(boundaries), list(values)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rate between two boundaries."""
        return [self.values[bisect_left(self.boundaries, self.last_epoch)]] * len(self.base_lrs)


class PolynomialDecay(_Decay):
    """From the rate to `end_learning_rate` at `decay_steps`, along (1 − step / decay_steps)^power.

    Args:
        optimizer: whose rates are set.
        decay_steps: steps of the fall.
        end_learning_rate: where it ends.
        power: 1 for a line.
        cycle: instead of staying there, stretch `decay_steps` to its next multiple.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: no steps.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.PolynomialDecay(optimizer, 4, end_learning_rate=0.5)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.875]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        decay_steps: int,
        end_learning_rate: float = 1e-4,
        power: float = 1.0,
        cycle: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.end_learning_rate, self.power, self.cycle = end_learning_rate, power, cycle
        super().__init__(optimizer, decay_steps, last_epoch)

    def get_lr(self) -> list[float]:
        """A point on the curve."""
        total = self.decay_steps * (max(1, math.ceil(self.last_epoch / self.decay_steps)) if self.cycle else 1)
        left = (1 - min(self.last_epoch, total) / total) ** self.power
        return [self.end_learning_rate + (base - self.end_learning_rate) * left for base in self.base_lrs]
