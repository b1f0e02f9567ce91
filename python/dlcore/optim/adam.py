"""Adam and AdamW: one update rule, which differs in where the weight decay goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlcore._core import Tensor, adam_step, zeros_like
from dlcore.optim.optimizer import Optimizer
from dlcore.optim.settings import at_least_zero, below_one

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam: every element's step follows running means of its gradient and of that squared.

    m = β₁·m + (1 − β₁)·g and v = β₂·v + (1 − β₂)·g²; the parameter moves by −lr·m̂ / (√v̂ + eps), where m̂ =
    m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) make up for starting at zero (Kingma and Ba, 2015).

    Args:
        params: tensors, or dictionaries with ``"params"`` and settings for these alone.
        lr: the learning rate.
        betas: β₁ and β₂.
        eps: added to the denominator.
        weight_decay: factor of the parameter that is added to its gradient.
        amsgrad: divide by the largest v̂ so far (Reddi et al., 2018).
        foreach: accepted for PyTorch's programs; a group is always one fused call.
        maximize: climb instead of descend.
        fused: as `foreach`.
        decoupled_weight_decay: shrink the parameter itself by lr·weight_decay, as `AdamW` does.

    Raises:
        ValueError: a setting outside its range.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.Adam([w], lr=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 6)
        0.5
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        name = type(self).__name__
        at_least_zero(name, lr=lr, eps=eps, weight_decay=weight_decay)
        below_one(name, beta1=betas[0], beta2=betas[1])
        tensors = [isinstance(beta, Tensor) for beta in betas]
        if any(tensors) != all(tensors):
            raise ValueError(f"{name}: betas must be both numbers or both tensors")
        if foreach and (fused or tensors[0] or isinstance(lr, Tensor)):
            raise ValueError(f"{name}: foreach=True goes neither with fused=True nor with lr or betas that are tensors")
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _update(self, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        amsgrad = group["amsgrad"]
        for step, cohort in self._cohorts(group["params"], amsgrad).items():
            adam_step(
                cohort.params,
                cohort.exp_avgs,
                cohort.exp_avg_sqs,
                cohort.max_exp_avg_sqs if amsgrad else None,
                step,
                group["lr"],
                beta1,
                beta2,
                group["eps"],
                group["weight_decay"],
                amsgrad,
                group["maximize"],
                group["decoupled_weight_decay"],
            )

    def _cohorts(self, params: list[Tensor], amsgrad: bool) -> dict[int, _Cohort]:
        """Parameters that have a gradient, by the number of the step that they take now."""
        cohorts: dict[int, _Cohort] = {}
        for param in params:
            if param.grad is None:
                continue
            state = self.state[param]
            if not state:
                state.update(step=0, exp_avg=zeros_like(param), exp_avg_sq=zeros_like(param))
            if amsgrad and "max_exp_avg_sq" not in state:
                state["max_exp_avg_sq"] = zeros_like(param)
            step = state["step"] = state["step"] + 1
            cohort = cohorts.get(step)
            if cohort is None:
                cohort = cohorts[step] = _Cohort()
            cohort.params.append(param)
            cohort.exp_avgs.append(state["exp_avg"])
            cohort.exp_avg_sqs.append(state["exp_avg_sq"])
            if amsgrad:
                cohort.max_exp_avg_sqs.append(state["max_exp_avg_sq"])
        return cohorts


class _Cohort:
    """Parameters that have taken equally many steps, and their moments, as the lists that the core takes."""

    __slots__ = ("exp_avg_sqs", "exp_avgs", "max_exp_avg_sqs", "params")

    def __init__(self) -> None:
        self.params: list[Tensor] = []
        self.exp_avgs: list[Tensor] = []
        self.exp_avg_sqs: list[Tensor] = []
        self.max_exp_avg_sqs: list[Tensor] = []


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself, by lr·weight_decay (Loshchilov and Hutter, 2019).

    Arguments as `Adam`, with a weight decay of 0.01 by default.

    Example:
        >>> import dlcore
        >>> w = dlcore.tensor([1.0], requires_grad=True)
        >>> optimizer = dlcore.optim.AdamW([w], lr=0.5, weight_decay=0.5)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> round(w.item(), 6)
        0.25
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            fused=fused,
            decoupled_weight_decay=True,
        )
