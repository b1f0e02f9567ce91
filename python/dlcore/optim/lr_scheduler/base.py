"""`LRScheduler`, what every schedule of the learning rate shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from dlcore.advice import advise
from dlcore.optim.optimizer import Optimizer

__all__ = ["LRScheduler", "held_by", "hold"]


class LRScheduler:
    """The base of every schedule. Call `step` after the optimizer's.

    Args:
        optimizer: whose groups' ``"lr"`` is set, at once and by every `step`.
        last_epoch: number of steps taken before, −1 for none.

    Attributes:
        base_lrs: the rate each group began with.
        last_epoch: number of steps taken.

    A rate that a group had when its first schedule was made stays its first rate (``"initial_lr"``), so that schedules
    made one after the other for `SequentialLR` all begin from it.

    Raises:
        TypeError: not an optimizer.
        KeyError: a resumed schedule for groups that never had one.

    Example:
        >>> import dlcore
        >>> from dlcore.optim import lr_scheduler
        >>> class Halved(lr_scheduler.LRScheduler):
        ...     def get_lr(self):
        ...         return [rate / 2**self.last_epoch for rate in self.base_lrs]
        >>> weight = dlcore.ones(1, requires_grad=True)
        >>> weight.sum().backward()
        >>> optimizer = dlcore.optim.SGD([weight], lr=1.0)
        >>> schedule = Halved(optimizer)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     schedule.step()
        >>> schedule.get_last_lr()
        [0.25]
    """

    _is_initial = _get_lr_called_within_step = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__} takes an Optimizer, got {type(optimizer).__name__}")
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"group {number} has no 'initial_lr', which resuming at step {last_epoch} needs")
        self.optimizer = optimizer
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the first rates."""
        self._step_count, self._is_initial = 0, True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """The rate of each group after `last_epoch` steps, often from the present one; every schedule defines it."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr()")

    def get_last_lr(self) -> list[float]:
        """The rate of each group that `step` set last."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Move on by one, or to the step of that number, and set the rates.

        By one, schedules that multiply do so with the present rates, whoever set them: several may be stepped in turn.
        Warns where the optimizer has not taken a step yet.
        """
        if self._step_count == 1 and epoch is None and not self.optimizer._stepped:
            advise(
                f"{type(self).__name__}: lr_scheduler.step() was called before optimizer.step(), which skips the first "
                "value of the schedule: call them in the opposite order"
            )
        self._step_count += 1
        self._move(epoch)

    def _move(self, epoch: int | None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._get_lr_called_within_step = True
        self._set(self.get_lr() if epoch is None else getattr(self, "_get_closed_form_lr", self.get_lr)())
        self._get_lr_called_within_step = False

    def _set(self, rates: list[float]) -> None:
        self._last_lr = rates
        for group, rate in zip(self.optimizer.param_groups, rates, strict=False):
            group["lr"] = rate

    def _present(self) -> list[float]:
        """The rates of the groups."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def _times(self, factor: float) -> list[float]:
        """The rates of the groups, times a factor."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, under PyTorch's names; of functions only what a callable object holds."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave. The optimizer's rates come with the optimizer's own state."""
        self.__dict__.update(state_dict)


def held_by(function: Callable[..., float] | None) -> dict[str, Any] | None:
    """What a state dict keeps of a function of the user's: the attributes of a callable object."""
    return None if function is None or isinstance(function, FunctionType) else dict(getattr(function, "__dict__", {}))


def hold(function: Callable[..., float] | None, held: Mapping[str, Any] | None) -> None:
    """Give a callable object the attributes that `held_by` kept."""
    if held:
        vars(function).update(held)
