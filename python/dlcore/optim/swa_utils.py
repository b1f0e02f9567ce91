"""Averages of a model's weights over the training: exponential (EMA) and equal (SWA)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from math import cos, pi
from typing import Any

from dlcore import _core
from dlcore._core import Tensor
from dlcore.autograd import no_grad
from dlcore.nn.batch_norm import _BatchNorm
from dlcore.nn.module import Module
from dlcore.optim.lr_scheduler.base import LRScheduler
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_zero, at_most_one

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """The rule of the exponential moving average: decay·average + (1 − decay)·new.

    Raises:
        ValueError: a decay outside [0, 1].

    Example:
        >>> import dlcore
        >>> from dlcore.optim.swa_utils import get_ema_avg_fn
        >>> get_ema_avg_fn(0.75)(dlcore.tensor(0.0), dlcore.tensor(4.0), 1).item()
        1.0
    """
    at_most_one("get_ema_avg_fn", decay=decay)

    def rule(average: Tensor, new: Tensor, _averaged: Any) -> Tensor:
        if average.is_floating_point():
            return _core.lerp(average, new, 1 - decay)
        return decay * average + (1 - decay) * new  # of integers, which lerp does not take

    return rule


def get_swa_avg_fn() -> Callable[[Tensor, Tensor, Any], Tensor]:
    """The rule of the average in which all count alike.

    Example:
        >>> import dlcore
        >>> from dlcore.optim.swa_utils import get_swa_avg_fn
        >>> get_swa_avg_fn()(dlcore.tensor(1.0), dlcore.tensor(4.0), 2).item()
        2.0
    """

    def rule(average: Tensor, new: Tensor, averaged: Any) -> Tensor:
        if average.is_floating_point():
            return _core.lerp(average, new, 1.0 / (int(averaged) + 1))
        return average + (new - average) / (int(averaged) + 1)

    return rule


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Iterable[Tensor], Iterable[Tensor], Any], None]:
    """As `get_ema_avg_fn`, of all tensors of a model, in place.

    Example:
        >>> import dlcore
        >>> from dlcore.optim.swa_utils import get_ema_multi_avg_fn
        >>> average = [dlcore.zeros(2)]
        >>> get_ema_multi_avg_fn(0.75)(average, [dlcore.full((2,), 4.0)], 1)
        >>> average[0].tolist()
        [1.0, 1.0]
    """
    return _in_place(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[[Iterable[Tensor], Iterable[Tensor], Any], None]:
    """As `get_swa_avg_fn`, of all tensors of a model, in place.

    Example:
        >>> import dlcore
        >>> from dlcore.optim.swa_utils import get_swa_multi_avg_fn
        >>> average = [dlcore.zeros(2)]
        >>> get_swa_multi_avg_fn()(average, [dlcore.full((2,), 4.0)], 1)
        >>> average[0].tolist()
        [2.0, 2.0]
    """
    return _in_place(get_swa_avg_fn())


def _in_place(
    rule: Callable[[Tensor, Tensor, Any], Tensor],
) -> Callable[[Iterable[Tensor], Iterable[Tensor], Any], None]:
    def update(averages: Iterable[Tensor], new: Iterable[Tensor], averaged: Any) -> None:
        for average, value in zip(averages, new, strict=True):
            average.copy_(rule(average, value, averaged))

    return update


class AveragedModel(Module):
    """A copy of a model whose weights are an average over the training; call it, or its ``module``, to predict.

    Source: Polyak and Juditsky, 1992 (EMA); Izmailov et al., 2018 (SWA).

    Args:
        model: what is copied.
        device: ``"cpu"`` or None.
        avg_fn: the average from (average, new, number of averaged); equal weights by default.
        multi_avg_fn: the same of lists of tensors, in place.
        use_buffers: average the buffers too, instead of copying them; integers are rounded toward zero.

    Raises:
        ValueError: both functions.

    Example:
        >>> from dlcore import nn, optim
        >>> model = nn.Linear(2, 1)
        >>> ema = optim.swa_utils.AveragedModel(model, avg_fn=optim.swa_utils.get_ema_avg_fn(0.9))
        >>> ema.update_parameters(model)
        >>> bool((ema.module.weight == model.weight).all())
        True
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: str | None = None,
        avg_fn: Callable[[Tensor, Tensor, Any], Tensor] | None = None,
        multi_avg_fn: Callable[[list[Tensor], list[Tensor], Any], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: give avg_fn or multi_avg_fn, not both")
        self.module = deepcopy(model)
        self.register_buffer("n_averaged", _core.zeros((), dtype=_core.int64, device=device))
        self.update = multi_avg_fn or _in_place(avg_fn or get_swa_avg_fn())
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the copy."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the weights of `model` into the average; the first are copied."""
        with no_grad():
            ours: list[Tensor] = list(self.module.parameters())
            theirs: list[Tensor] = list(model.parameters())
            buffers, their_buffers = list(self.module.buffers()), list(model.buffers())
            if self.use_buffers:
                ours, theirs, buffers, their_buffers = ours + buffers, theirs + their_buffers, [], []
            if self.n_averaged.item() == 0:
                buffers, their_buffers = ours + buffers, theirs + their_buffers
            else:
                self.update(ours, theirs, self.n_averaged)
            for buffer, new in zip(buffers, their_buffers, strict=True):
                buffer.copy_(new)
            self.n_averaged.add_(1)


def update_bn(loader: Iterable[Any], model: Module, device: str | None = None) -> None:
    """Compute the statistics of batch normalisation anew for averaged weights, by one pass over the data.

    Args:
        loader: batches: tensors, or tuples whose first element is what the model takes.
        model: the averaged model; its mode is as before afterwards.
        device: ``"cpu"`` or None.

    Example:
        >>> import dlcore
        >>> from dlcore import nn, optim
        >>> norm = nn.BatchNorm1d(1)
        >>> optim.swa_utils.update_bn([dlcore.full((4, 1), 2.0), dlcore.full((4, 1), 4.0)], norm)
        >>> norm.running_mean.tolist()
        [3.0]
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta, training = [module.momentum for module in norms], model.training
    if not norms:
        return
    try:
        model.train()
        for module in norms:
            module.reset_running_stats()
            module.momentum = None
        with no_grad():
            for batch in loader:
                first = batch[0] if isinstance(batch, list | tuple) else batch
                model(first.to(device) if device else first)
    finally:
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum
        model.train(training)


class SWALR(LRScheduler):
    """Anneal the rates of all groups to a fixed rate, at which weights are averaged (Izmailov et al., 2018).

    Args:
        optimizer: whose groups' ``"lr"`` is set.
        swa_lr: the rate at the end, or one for each group.
        anneal_epochs: number of steps to it.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: number of steps taken before, −1 for none.

    Raises:
        ValueError: another strategy, a negative number of steps, or rates that do not fit the groups.

    Example:
        >>> import dlcore
        >>> from dlcore import nn, optim
        >>> model = nn.Linear(1, 1)
        >>> model(dlcore.ones(1, 1)).sum().backward()
        >>> optimizer = optim.SGD(model.parameters(), lr=1.0)
        >>> schedule = optim.swa_utils.SWALR(optimizer, 0.5, anneal_epochs=2, anneal_strategy="linear")
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"SWALR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        at_least_zero("SWALR", anneal_epochs=anneal_epochs)
        rates = list(swa_lr) if isinstance(swa_lr, list | tuple) else [swa_lr] * len(optimizer.param_groups)
        if len(rates) != len(optimizer.param_groups):
            raise ValueError(f"SWALR: {len(rates)} rates for {len(optimizer.param_groups)} groups")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs, self.anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """From the present rates, so that another schedule may have set them before."""
        now, before = self._part(self.last_epoch), self._part(self.last_epoch - 1)
        rates = []
        for group in self.optimizer.param_groups:
            start = group["lr"] if before == 1 else (group["lr"] - before * group["swa_lr"]) / (1 - before)
            rates.append(group["swa_lr"] * now + start * (1 - now))
        return rates

    def _part(self, step: int) -> float:
        part = min(1.0, max(0, step) / max(1, self.anneal_epochs))
        return part if self.anneal_strategy == "linear" else (1 - cos(pi * part)) / 2
