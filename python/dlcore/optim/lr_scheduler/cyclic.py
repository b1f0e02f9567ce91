"""Schedules that rise and fall: one cycle, many, and cosine waves that begin again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from dlcore.optim.lr_scheduler.base import LRScheduler
from dlcore.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine wave from the first rate to `eta_min`, again and again (Loshchilov and Hutter, 2017).

    Args:
        optimizer: whose rates are set.
        T_0: steps of the first wave.
        T_mult: how many times as long as the last each wave is.
        eta_min: the lowest rate.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: a `T_0` or `T_mult` that is not a whole number of at least 1.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
        >>> rates = scheduler.get_last_lr()
        >>> for _ in range(3):
        ...     optimizer.step()
        ...     scheduler.step()
        ...     rates += scheduler.get_last_lr()
        >>> rates
        [1.0, 0.5, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,  # noqa: N803 - PyTorch's name
        T_mult: int = 1,  # noqa: N803 - PyTorch's name
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if value < 1 or value != int(value):
                raise ValueError(f"CosineAnnealingWarmRestarts: {name} must be a whole number from 1, got {value}")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """A point on the wave that the step falls into."""
        begun, length = 0, self.T_0
        while self.last_epoch >= begun + length:
            begun += length
            length *= self.T_mult
            if self.T_mult == 1:
                begun = self.last_epoch - self.last_epoch % length
        height = (1 + math.cos(math.pi * (self.last_epoch - begun) / length)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class CyclicLR(LRScheduler):
    """Up and down between two rates, along lines; the momentum the other way (Smith, 2017).

    Call `step` after every batch.

    Args:
        optimizer: whose rates and momenta are set.
        base_lr: the lowest rate, or one for each group.
        max_lr: the highest rate, or one for each group.
        step_size_up: steps from the lowest to the highest.
        step_size_down: steps back; as many by default.
        mode: ``"triangular"``, every cycle alike; ``"triangular2"``, each half as high as the last; ``"exp_range"``,
            height times ``gamma ** step``.
        gamma: for ``"exp_range"``.
        scale_fn: the height as a function of the user's, instead of a mode.
        scale_mode: whether `scale_fn` takes the number of the ``"cycle"`` (from 1) or of ``"iterations"``.
        cycle_momentum: whether momentum (for Adam β₁) moves too.
        base_momentum: the lowest momentum, at the highest rate.
        max_momentum: the highest momentum.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: an unknown mode, rates for another number of groups, or an optimizer without momentum.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], momentum=0.9)
        >>> scheduler = dlcore.optim.lr_scheduler.CyclicLR(optimizer, 0.0, 1.0, step_size_up=2)
        >>> rates = scheduler.get_last_lr()
        >>> for _ in range(4):
        ...     optimizer.step()
        ...     scheduler.step()
        ...     rates += scheduler.get_last_lr()
        >>> rates
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range', got {mode!r}")
        groups = optimizer.param_groups
        if cycle_momentum and not all("betas" in group or "momentum" in group for group in groups):
            raise ValueError("CyclicLR: cycle_momentum=True needs an optimizer with momentum or betas")
        lowest = _for_each_group("CyclicLR", "base_lr", optimizer, base_lr)
        self.max_lrs = _for_each_group("CyclicLR", "max_lr", optimizer, max_lr)
        self.step_size_up = step_size_up
        self.step_size_down = step_size_up if step_size_down is None else step_size_down
        self.mode, self.gamma, self.scale_fn, self.scale_mode = mode, gamma, scale_fn, scale_mode
        self.cycle_momentum, self.base_momentum, self.max_momentum = cycle_momentum, base_momentum, max_momentum
        for group, rate in zip(groups, lowest, strict=True):
            if last_epoch == -1:
                group["lr"] = group["initial_lr"] = rate
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """A point on the cycle that the step falls into."""
        length = self.step_size_up + self.step_size_down
        cycle, position = divmod(self.last_epoch, length)
        up, down = position / self.step_size_up, (length - position) / max(self.step_size_down, 1)
        height = (up if position <= self.step_size_up else down) * self._scale(cycle + 1)
        if self.cycle_momentum:
            _set_momentum(self.optimizer, self.max_momentum - (self.max_momentum - self.base_momentum) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def _scale(self, cycle: int) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "triangular2":
            return 0.5 ** (cycle - 1)
        return float(self.gamma**self.last_epoch) if self.mode == "exp_range" else 1.0

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and the function."""
        return {key: value for key, value in super().state_dict().items() if key != "scale_fn"}


class OneCycleLR(LRScheduler):
    """Up to `max_lr` and down to almost nothing, once; the momentum the other way (Smith and Topin, 2018).

    Call `step` after every batch.

    Args:
        optimizer: whose rates and momenta are set.
        max_lr: the highest rate, or one for each group.
        total_steps: the length of the cycle; or give `epochs` and `steps_per_epoch`.
        epochs: number of passes over the data.
        steps_per_epoch: number of batches in a pass.
        pct_start: the part of the cycle that goes up.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: whether momentum (for Adam β₁) moves too.
        base_momentum: the lowest momentum, at the highest rate.
        max_momentum: the highest momentum.
        div_factor: the first rate is ``max_lr / div_factor``.
        final_div_factor: the last rate is the first divided by this.
        three_phase: down to the first rate in as many steps as up, and only then to the last.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: no length, or a setting outside its range; from `step`, when the cycle is over.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.AdamW([dlcore.zeros(1)])
        >>> scheduler = dlcore.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
        >>> rates = scheduler.get_last_lr()
        >>> for _ in range(9):
        ...     optimizer.step()
        ...     scheduler.step()
        ...     rates += scheduler.get_last_lr()
        >>> max(rates), round(rates[0], 6), rates[-1] < 1e-5
        (1.0, 0.04, True)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if total_steps < 1:
            raise ValueError(f"OneCycleLR: total_steps must be at least 1, got {total_steps}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be in 0..1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        groups = optimizer.param_groups
        peaks = _for_each_group("OneCycleLR", "max_lr", optimizer, max_lr)
        if cycle_momentum and not all("betas" in group or "momentum" in group for group in groups):
            raise ValueError("OneCycleLR: cycle_momentum=True needs an optimizer with momentum or betas")
        self.total_steps, self.anneal_strategy, self.cycle_momentum = (
            total_steps,
            anneal_strategy,
            cycle_momentum,
        )
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        # (last step, height of the rate there): height 1 is max_lr, 0 the first rate, −1 the last rate
        up = float(pct_start * total_steps) - 1
        end = total_steps - 1
        self.phases = [(up, 1), (2 * up, 0), (end, -1)] if three_phase else [(up, 1), (end, -1)]
        self.max_lrs = peaks
        for group, peak in zip(groups, peaks, strict=True):
            if last_epoch == -1:
                group["lr"] = group["initial_lr"] = peak / div_factor
        self.final_div_factor = final_div_factor
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """A point on the cycle."""
        if self.last_epoch > self.total_steps:  # the loop's last call goes one step beyond the cycle
            raise ValueError(f"OneCycleLR: step {self.last_epoch} of a cycle of {self.total_steps} steps")
        start, begin = 0.0, 0
        for end, target in self.phases:
            if self.last_epoch <= end or target == -1:
                break
            start, begin = end, target
        part = (self.last_epoch - start) / (end - start) if end > start else 1.0
        if self.cycle_momentum:
            low, high = self.base_momentum, self.max_momentum
            ends = {1: low, 0: high, -1: high}
            _set_momentum(self.optimizer, self._between(ends[begin], ends[target], part))
        rates = []
        for first, peak in zip(self.base_lrs, self.max_lrs, strict=True):
            heights = {1: peak, 0: first, -1: first / self.final_div_factor}
            rates.append(self._between(heights[begin], heights[target], part))
        return rates

    def _between(self, begin: float, end: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return begin + (end - begin) * part
        return end + (begin - end) / 2 * (1 + math.cos(math.pi * part))


def _for_each_group(name: str, what: str, optimizer: Optimizer, given: float | Sequence[float]) -> list[float]:
    groups = len(optimizer.param_groups)
    values = [given] * groups if isinstance(given, (int, float)) else list(given)
    if len(values) != groups:
        raise ValueError(f"{name}: {len(values)} values of {what} for {groups} groups")
    return values


def _set_momentum(optimizer: Optimizer, momentum: float) -> None:
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum
