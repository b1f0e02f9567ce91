"""Schedules that go one way: constant, step by step, along a line or a curve, or by a function of the user's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dlcore.optim.lr_scheduler.base import LRScheduler, held_by, hold
from dlcore.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
]


class _Functions(LRScheduler):
    """A schedule with a function for each group."""

    lr_lambdas: list[Callable[[int], float]]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; of a function only what it holds, if it is a callable object."""
        return {**super().state_dict(), "lr_lambdas": [held_by(function) for function in self.lr_lambdas]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave; the functions are the program's."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "lr_lambdas"})
        for function, held in zip(self.lr_lambdas, state_dict.get("lr_lambdas", ()), strict=False):
            hold(function, held)


class LambdaLR(_Functions):
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
        self.lr_lambdas = _one_for_each_group("LambdaLR", optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The first rate times the function."""
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]


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
        """The present rate, times gamma where a period is over."""
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return self._present()
        return self._times(self.gamma)

    def _get_closed_form_lr(self) -> list[float]:
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
        """The next point on the wave, from the present rate."""
        if self._is_initial:
            return self._present()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # from the bottom, where no factor leads up
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            pairs = zip(self.base_lrs, self._present(), strict=True)
            return [rate + (base - self.eta_min) * rise for base, rate in pairs]
        after, before = (1 + math.cos(math.pi * step / self.T_max) for step in (self.last_epoch, self.last_epoch - 1))
        return [after / before * (rate - self.eta_min) + self.eta_min for rate in self._present()]

    def _get_closed_form_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiply the rate by `gamma` at each of the `milestones`; one that is listed twice counts twice.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 5], gamma=0.5)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The present rate, times gamma at a milestone."""
        times = self.milestones.get(self.last_epoch, 0)
        return self._times(self.gamma**times) if times else self._present()

    def _get_closed_form_lr(self) -> list[float]:
        passed = sum(times for milestone, times in self.milestones.items() if milestone <= self.last_epoch)
        factor = self.gamma**passed
        return [base * factor for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """The first rate times `factor` for `total_iters` steps, and the first rate itself from then on.

    Raises:
        ValueError: a factor outside 0..1.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=4)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor must be in 0..1, got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The present rate, at first times the factor, which is taken back when its steps are over."""
        if self.last_epoch == 0:
            return self._times(self.factor)
        if self.last_epoch != self.total_iters:
            return self._present()
        return self._times(1 / self.factor) if self.factor else self._get_closed_form_lr()

    def _get_closed_form_lr(self) -> list[float]:
        factor = self.factor if self.last_epoch < self.total_iters else 1
        return [base * factor for base in self.base_lrs]


class LinearLR(LRScheduler):
    """The first rate times a factor that goes from `start_factor` to `end_factor` in `total_iters` steps: a warm-up.

    Raises:
        ValueError: a start outside 0..1 or equal to 0, or an end outside 0..1.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.25, total_iters=3)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must be above 0 and at most 1, got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must be in 0..1, got {end_factor}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The next point on the line, from the present rate."""
        if self.last_epoch == 0:
            return self._times(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._present()
        rise = self.end_factor - self.start_factor
        return self._times(1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise))

    def _get_closed_form_lr(self) -> list[float]:
        part = min(self.last_epoch / self.total_iters, 1.0) if self.total_iters > 0 else 1.0
        factor = self.start_factor + (self.end_factor - self.start_factor) * part
        return [base * factor for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiply the rate by `gamma` at every step.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The present rate times gamma."""
        return self._present() if self._is_initial else self._times(self.gamma)

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """Down to zero in `total_iters` steps, as the remaining part to the given `power`.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=2)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        if total_iters < 1:
            raise ValueError(f"PolynomialLR: total_iters must be at least 1, got {total_iters}")
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The next point on the polynomial, from the present rate."""
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._present()
        rest, before = (1 - step / self.total_iters for step in (self.last_epoch, self.last_epoch - 1))
        return self._times((rest / before) ** self.power)

    def _get_closed_form_lr(self) -> list[float]:
        rest = (1 - min(self.last_epoch, self.total_iters) / self.total_iters) ** self.power
        return [base * rest for base in self.base_lrs]


class MultiplicativeLR(_Functions):
    """Multiply the rate by a function of the number of steps, at every step.

    Args:
        optimizer: whose rates are set.
        lr_lambda: the function, or one for each group.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: more or fewer functions than groups.

    Example:
        >>> import dlcore
        >>> optimizer = dlcore.optim.SGD([dlcore.zeros(1)], lr=1.0)
        >>> scheduler = dlcore.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda step: 0.5)
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
        self.lr_lambdas = _one_for_each_group("MultiplicativeLR", optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The present rate times the function."""
        if self._is_initial:
            return self._present()
        return [rate * f(self.last_epoch) for rate, f in zip(self._present(), self.lr_lambdas, strict=True)]


def _one_for_each_group(
    name: str, optimizer: Optimizer, given: Callable[[int], float] | Sequence[Callable[[int], float]]
) -> list[Callable[[int], float]]:
    groups = len(optimizer.param_groups)
    functions = [given] * groups if callable(given) else list(given)
    if len(functions) != groups:
        raise ValueError(f"{name}: {len(functions)} functions for {groups} groups")
    return functions
