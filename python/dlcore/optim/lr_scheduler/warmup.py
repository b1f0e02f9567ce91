"""Schedules for transformers: the rate rises over the first steps, and then falls in one way or another.

PyTorch has these only as compositions. The first step is taken at 1 / warmup_steps of the group's rate.
"""

from __future__ import annotations

import math

from dlcore.optim.lr_scheduler.base import LRScheduler
from dlcore.optim.optimizer import Optimizer

__all__ = ["InverseSqrtLR", "NoamLR", "WarmupCosineLR", "WarmupStableDecayLR"]


class _Warmup(LRScheduler):
    """A rise along a line to the group's rate, and `_after` it."""

    def __init__(self, optimizer: Optimizer, warmup_steps: int, last_epoch: int = -1) -> None:
        if warmup_steps < 0:
            raise ValueError(f"{type(self).__name__}: warmup_steps must be at least 0, got {warmup_steps}")
        self.warmup_steps = warmup_steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """A point on the line, or after it."""
        if self.last_epoch < self.warmup_steps:
            factor = (self.last_epoch + 1) / self.warmup_steps
        else:
            factor = self._after(self.last_epoch - self.warmup_steps)
        return [base * factor for base in self.base_lrs]

    def _after(self, step: int) -> float:
        """The factor of the rate so many steps after the warm-up."""
        raise NotImplementedError(f"{type(self).__name__} has no _after()")


class WarmupCosineLR(_Warmup):
    """A rise, then half a cosine down to `min_factor` of the rate at `total_steps`.

    Args:
        optimizer: whose rates are set.
        warmup_steps: steps of the rise.
        total_steps: steps of the whole training, more than that.
        min_factor: what is left of the rate at the end.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: no steps after the warm-up, or a factor outside 0..1.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.WarmupCosineLR(optimizer, warmup_steps=2, total_steps=6)
        >>> rates = []
        >>> for _ in range(6):
        ...     rates.append(round(scheduler.get_last_lr()[0], 3))
        ...     optimizer.step(); scheduler.step()
        >>> rates
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_steps: int,
        total_steps: int,
        min_factor: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if total_steps <= warmup_steps:
            raise ValueError(f"WarmupCosineLR: total_steps must be above {warmup_steps}, got {total_steps}")
        if not 0 <= min_factor <= 1:
            raise ValueError(f"WarmupCosineLR: min_factor must be in 0..1, got {min_factor}")
        self.total_steps, self.min_factor = total_steps, min_factor
        super().__init__(optimizer, warmup_steps, last_epoch)

    def _after(self, step: int) -> float:
        part = min(1.0, step / (self.total_steps - self.warmup_steps))
        return self.min_factor + (1 - self.min_factor) * (1 + math.cos(math.pi * part)) / 2


class WarmupStableDecayLR(_Warmup):
    """A rise, a plateau, and a line down to `min_factor` of the rate (Hu et al., 2024).

    Args:
        optimizer: whose rates are set.
        warmup_steps: steps of the rise.
        stable_steps: steps at the rate itself.
        decay_steps: steps down, at least 1.
        min_factor: what is left of the rate at the end.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: a number of steps below its least, or a factor outside 0..1.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.WarmupStableDecayLR(optimizer, 1, 2, 2)
        >>> rates = []
        >>> for _ in range(6):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step(); scheduler.step()
        >>> rates
        [1.0, 1.0, 1.0, 1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_steps: int,
        stable_steps: int,
        decay_steps: int,
        min_factor: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if stable_steps < 0 or decay_steps < 1:
            given = f"{stable_steps} and {decay_steps}"
            raise ValueError(f"WarmupStableDecayLR: stable_steps from 0 and decay_steps from 1, got {given}")
        if not 0 <= min_factor <= 1:
            raise ValueError(f"WarmupStableDecayLR: min_factor must be in 0..1, got {min_factor}")
        self.stable_steps, self.decay_steps, self.min_factor = stable_steps, decay_steps, min_factor
        super().__init__(optimizer, warmup_steps, last_epoch)

    def _after(self, step: int) -> float:
        part = min(1.0, max(0, step - self.stable_steps) / self.decay_steps)
        return 1 - (1 - self.min_factor) * part


class InverseSqrtLR(_Warmup):
    """A rise, then the rate over the root of the steps, in units of the warm-up (Raffel et al., 2020).

    Args:
        optimizer: whose rates are set.
        warmup_steps: steps of the rise, at least 1.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: no warm-up.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.InverseSqrtLR(optimizer, warmup_steps=2)
        >>> for _ in range(7):
        ...     optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int, last_epoch: int = -1) -> None:
        if warmup_steps < 1:
            raise ValueError(f"{type(self).__name__}: warmup_steps must be at least 1, got {warmup_steps}")
        super().__init__(optimizer, warmup_steps, last_epoch)

    def _after(self, step: int) -> float:
        return math.sqrt(self.warmup_steps / (step + 1 + self.warmup_steps))


class NoamLR(InverseSqrtLR):
    """The transformer's own schedule: rate · d_model^(−1/2) · min(t^(−1/2), t · warmup_steps^(−3/2)) at step t.

    Source: Vaswani et al., 2017, section 5.3; the group's rate is a factor, usually 1.

    Args:
        optimizer: whose rates are set.
        d_model: features of the model.
        warmup_steps: steps of the rise, at least 1.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: no features or no warm-up.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.NoamLR(optimizer, d_model=4, warmup_steps=4)
        >>> for _ in range(3):
        ...     optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.25]
    """

    def __init__(self, optimizer: Optimizer, d_model: int, warmup_steps: int, last_epoch: int = -1) -> None:
        if d_model < 1:
            raise ValueError(f"NoamLR: d_model must be at least 1, got {d_model}")
        self.d_model = d_model
        super().__init__(optimizer, warmup_steps, last_epoch)

    def get_lr(self) -> list[float]:
        """The paper's formula."""
        scale = 1 / math.sqrt(self.d_model * self.warmup_steps)
        return [rate * scale for rate in super().get_lr()]
