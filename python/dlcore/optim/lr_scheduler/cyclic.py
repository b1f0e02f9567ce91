"""Schedules that rise and fall: one cycle, many, and cosine waves that begin again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlcore.optim.lr_scheduler.base import LRScheduler, held_by, hold
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
        self.T_i, self.T_cur = T_0, float(last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """A point on the wave, `T_i` long, `T_cur` steps after its beginning."""
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def _move(self, epoch: float | None) -> None:
        """Move to a step, which may be a part of one: ``step(epoch + batch / batches)``."""
        if epoch is not None and epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: epoch must be at least 0, got {epoch}")
        now = float(self.last_epoch + 1 if epoch is None else epoch)
        begun, self.T_i = 0.0, self.T_0
        if self.T_mult == 1:
            begun = now - now % self.T_0
        while now >= begun + self.T_i:
            begun += self.T_i
            self.T_i *= self.T_mult
        self.T_cur = now - begun
        super()._move(math.floor(now))


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
        base_momentum: the lowest momentum, at the highest rate, or one for each group.
        max_momentum: the highest momentum, or one for each group.
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
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range', got {mode!r}")
        groups = optimizer.param_groups
        if cycle_momentum and not all("betas" in group or "momentum" in group for group in groups):
            raise ValueError("CyclicLR: cycle_momentum=True needs an optimizer with momentum or betas")
        lowest = _for_each_group("CyclicLR", "base_lr", optimizer, base_lr)
        self.max_lrs = _for_each_group("CyclicLR", "max_lr", optimizer, max_lr)
        self.total_size = float(step_size_up + (step_size_up if step_size_down is None else step_size_down))
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom, self.scale_mode = mode, gamma, scale_fn, scale_mode
        self.cycle_momentum = cycle_momentum
        for group, rate in zip(groups, lowest, strict=True):
            if last_epoch == -1:
                group["lr"] = group["initial_lr"] = rate
        if cycle_momentum:
            self.use_beta1 = "betas" in optimizer.defaults
            self.base_momentums = _for_each_group("CyclicLR", "base_momentum", optimizer, base_momentum)
            self.max_momentums = _for_each_group("CyclicLR", "max_momentum", optimizer, max_momentum)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """A point on the cycle that the step falls into."""
        cycle, position = divmod(self.last_epoch, self.total_size)
        part, peak = position / self.total_size, self.step_ratio
        height = (part / peak if part <= peak else (1 - part) / (1 - peak)) * self._scale(int(cycle) + 1)
        if self.cycle_momentum:
            ends = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, low, high in ends:
                _set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def _scale(self, cycle: int) -> float:
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "triangular2":
            return 0.5 ** (cycle - 1)
        return float(self.gamma**self.last_epoch) if self.mode == "exp_range" else 1.0

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; of `scale_fn` only what it holds, if it is a callable object."""
        return {**super().state_dict(), "_scale_fn_custom": held_by(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave; the function is the program's."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_scale_fn_custom"})
        hold(self._scale_fn_custom, state_dict.get("_scale_fn_custom"))


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
        base_momentum: the lowest momentum, at the highest rate, or one for each group.
        max_momentum: the highest momentum, or one for each group.
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
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
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
        self.total_steps, self._anneal_func_type, self.cycle_momentum = total_steps, anneal_strategy, cycle_momentum
        up = float(pct_start * total_steps) - 1
        rise = _phase(up, "initial", "max")
        if three_phase:
            self._schedule_phases = [rise, _phase(2 * up, "max", "initial"), _phase(total_steps - 1, "initial", "min")]
        else:
            self._schedule_phases = [rise, _phase(total_steps - 1, "max", "min")]
        if cycle_momentum:
            self.use_beta1 = "betas" in optimizer.defaults
        lows = _for_each_group("OneCycleLR", "base_momentum", optimizer, base_momentum)
        highs = _for_each_group("OneCycleLR", "max_momentum", optimizer, max_momentum)
        for group, peak, low, high in zip(groups, peaks, lows, highs, strict=True):
            if last_epoch == -1:
                first = peak / div_factor
                group.update(lr=first, initial_lr=first, max_lr=peak, min_lr=first / final_div_factor)
                if cycle_momentum:
                    group.update(base_momentum=low, max_momentum=high)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """A point on the cycle."""
        if self.last_epoch > self.total_steps:  # the loop's last call goes one step beyond the cycle
            raise ValueError(f"OneCycleLR: step {self.last_epoch} of a cycle of {self.total_steps} steps")
        start, phases = 0.0, self._schedule_phases
        for phase in phases:
            end = phase["end_step"]
            if self.last_epoch <= end or phase is phases[-1]:
                break
            start = end
        part = (self.last_epoch - start) / (end - start) if end > start else 1.0
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                _set_momentum(group, self._between(*ends, part))
        return rates

    def _between(self, begin: float, end: float, part: float) -> float:
        if self._anneal_func_type == "linear":
            return begin + (end - begin) * part
        return end + (begin - end) / 2 * (1 + math.cos(math.pi * part))


def _for_each_group(name: str, what: str, optimizer: Optimizer, given: float | Sequence[float]) -> list[float]:
    groups = len(optimizer.param_groups)
    values = [given] * groups if isinstance(given, (int, float)) else list(given)
    if len(values) != groups:
        raise ValueError(f"{name}: {len(values)} values of {what} for {groups} groups")
    return values


def _phase(end_step: float, begin: str, end: str) -> dict[str, Any]:
    """A part of one cycle, to a step, with the names in the optimizer's groups of what it goes from and to."""
    names = {"initial": "max_momentum", "max": "base_momentum", "min": "max_momentum"}
    return {
        "end_step": end_step,
        "start_lr": f"{begin}_lr",
        "end_lr": f"{end}_lr",
        "start_momentum": names[begin],
        "end_momentum": names[end],
    }


def _set_momentum(group: dict[str, Any], momentum: float) -> None:
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
