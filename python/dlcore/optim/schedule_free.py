"""AdamW that needs no schedule of its learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any

from dlcore._core import Tensor, zeros_like
from dlcore.autograd import no_grad
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_zero, below_one

__all__ = ["AdamWScheduleFree"]


class AdamWScheduleFree(Optimizer):
    """AdamW whose weights are an average of its iterates, which does what a decaying rate does.

    z takes AdamW's steps, without a first moment, by gradients at y = (1 − β₁)·z + β₁·x, where x is the running
    average of z, weighted by the square of the rate. Training holds y in the parameters; x is what to evaluate and to
    save: call `eval` before either, and `train` before training goes on. Source: Defazio et al., "The road less
    scheduled", 2024.

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate, which may be larger than `AdamW`'s.
        betas: β₁, here the part of x in y, above 0; and β₂ of the squared gradients.
        eps: added to the denominator.
        weight_decay: decay of y by lr·weight_decay.
        warmup_steps: steps over which the rate rises along a line.
        r: weigh iterate t by t^r as well.
        weight_lr_power: the power of the largest rate so far in an iterate's weight.

    Raises:
        ValueError: a setting outside its range.
        RuntimeError: a step in evaluation mode.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.AdamWScheduleFree([w], lr=0.1)
        >>> for _ in range(200):
        ...     optimizer.zero_grad()
        ...     (w * w).sum().backward()
        ...     optimizer.step()
        >>> optimizer.eval()
        >>> abs(w.item()) < 0.05
        True
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 2.5e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
    ) -> None:
        name = "AdamWScheduleFree"
        at_least_zero(name, lr=lr, eps=eps, weight_decay=weight_decay, warmup_steps=warmup_steps, r=r)
        below_one(name, beta1=betas[0], beta2=betas[1])
        if betas[0] == 0:
            raise ValueError(f"{name}: beta1 must be above 0, for gradients are taken near the average")
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "warmup_steps": warmup_steps}
        counts = {"r": r, "weight_lr_power": weight_lr_power, "k": 0, "weight_sum": 0.0, "lr_max": 0.0}
        super().__init__(params, {**settings, **counts, "train_mode": True})

    def _update(self, group: dict[str, Any]) -> None:
        if not group["train_mode"]:
            raise RuntimeError("AdamWScheduleFree: call train() before training goes on; the weights are the average")
        (beta1, beta2), count = group["betas"], group["k"] + 1
        lr = float(group["lr"]) * min(1.0, count / max(1, group["warmup_steps"]))
        group["lr_max"] = max(lr, group["lr_max"])
        weight = count ** group["r"] * group["lr_max"] ** group["weight_lr_power"]
        group["k"], group["weight_sum"] = count, group["weight_sum"] + weight
        share = weight / group["weight_sum"] if group["weight_sum"] else 0.0
        correction = sqrt(1 - beta2**count)
        for y in group["params"]:
            if y.grad is None:
                continue
            state = self.state[y]
            if not state:
                state.update(z=y.detach().clone(), exp_avg_sq=zeros_like(y))
            z, square = state["z"], state["exp_avg_sq"].lerp_(y.grad * y.grad, 1 - beta2)
            step = y.grad / (square.sqrt() / correction + group["eps"]) + group["weight_decay"] * y
            # y = (1 − β₁)·z + β₁·x, of which x moves to (1 − share)·x + share·z, and z by −lr·step.
            y.lerp_(z, share).add_(step, alpha=lr * (beta1 * (1 - share) - 1))
            z.sub_(step, alpha=lr)

    def eval(self) -> None:
        """Put the average x into the parameters, to evaluate or to save them."""
        self._switch(train=False)

    def train(self) -> None:
        """Put y into the parameters, to go on training."""
        self._switch(train=True)

    def _switch(self, *, train: bool) -> None:
        with no_grad():
            for group in self.param_groups:
                beta1 = group["betas"][0]
                if group["train_mode"] != train:
                    for param in group["params"]:
                        if self.state[param]:
                            param.lerp_(self.state[param]["z"], 1 - beta1 if train else 1 - 1 / beta1)
                group["train_mode"] = train
