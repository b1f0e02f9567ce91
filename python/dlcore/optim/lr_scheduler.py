"""Schedules: the learning rate as a function of how many steps were taken.

A scheduler states its rates in closed form, from the step's number and the rates it began with; nothing
accumulates, so a schedule gives the same rates after a resume as without a break.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlcore.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "LRScheduler", "LambdaLR", "OneCycleLR", "StepLR"]


class LRScheduler:
    """The base of every schedule. Call `step` after the optimizer's.

    Args:
        optimizer: whose groups' ``"lr"`` is set, at once and by every `step`.
        last_epoch: number of steps taken before, −1 for none.

    Attributes:
        base_lrs: the rate each group began with.
        last_epoch: number of steps taken.

    Raises:
        TypeError: not an optimizer.
        KeyError: a resumed schedule for groups that never had one.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__} takes an Optimizer, got {type(optimizer).__name__}")
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group["initial_lr"] = group["lr"]
            elif "initial_lr" not in group:
                raise KeyError(f"group {number} has no 'initial_lr', which resuming at step {last_epoch} needs")
        self.optimizer = optimizer
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def get_lr(self) -> list[float]:
        """The rate of each group after `last_epoch` steps; every schedule defines it."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr()")

    def get_last_lr(self) -> list[float]:
        """The rate of each group that `step` set last."""
        return self._last_lr

    def step(self) -> None:
        """Move on by one, and set the rates."""
        self.last_epoch += 1
        self._last_lr = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=False):
            group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave. The optimizer's rates come with the optimizer's own state."""
        self.__dict__.update(state_dict)


class LambdaLR(LRScheduler):
    """The first rate times a function of the number of steps.

    Args:
        optimizer: whose rates are set.
        lr_lambda: the function, or one for each group.
        last_epoch: number of steps taken before, −1 for none.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"LambdaLR: {len(self.lr_lambdas)} functions for {groups} groups")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The first rate times the function."""
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and the functions."""
        return {key: value for key, value in super().state_dict().items() if key != "lr_lambdas"}


class StepLR(LRScheduler):
    """Multiply the rate by `gamma` every `step_size` steps.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size must be at least 1, got {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The first rate times gamma to the number of whole periods."""
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine wave from the first rate to `eta_min` in `T_max` steps (Loshchilov and Hutter, 2017).

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803 - PyTorch's name
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max must be at least 1, got {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """A point on the wave."""
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


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
        peaks = [max_lr] * len(groups) if isinstance(max_lr, (int, float)) else list(max_lr)
        if len(peaks) != len(groups):
            raise ValueError(f"OneCycleLR: {len(peaks)} values of max_lr for {len(groups)} groups")
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
                group["lr"] = peak / div_factor
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
            self._set_momentum(self._between(ends[begin], ends[target], part))
        rates = []
        for first, peak in zip(self.base_lrs, self.max_lrs, strict=True):
            heights = {1: peak, 0: first, -1: first / self.final_div_factor}
            rates.append(self._between(heights[begin], heights[target], part))
        return rates

    def _between(self, begin: float, end: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return begin + (end - begin) * part
        return end + (begin - end) / 2 * (1 + math.cos(math.pi * part))

    def _set_momentum(self, momentum: float) -> None:
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
