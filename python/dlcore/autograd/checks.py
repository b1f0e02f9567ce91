"""Derivatives held against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

from dlcore import _core
from dlcore._core import Tensor
from dlcore.autograd.gradients import grad
from dlcore.autograd.recording import no_grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient that finite differences contradict.

    Example:
        >>> import dlcore
        >>> x = dlcore.ones(2, dtype=dlcore.float64, requires_grad=True)
        >>> try:
        ...     dlcore.autograd.gradcheck(lambda x: x.detach() * x, [x])
        ... except dlcore.autograd.checks.GradcheckError as error:
        ...     print("half of the gradient is missing")
        half of the gradient is missing
    """


def gradcheck(
    func: Callable[..., Tensor | Sequence[Tensor]],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,  # noqa: ARG001 - this and what follows PyTorch has
    check_grad_dtypes: bool = False,  # noqa: ARG001
    check_batched_grad: bool = False,  # noqa: ARG001
    fast_mode: bool = False,  # noqa: ARG001
) -> bool:
    """Hold the gradients of `func` by each input that requires one against central differences.

    Every element of every result is differentiated by every element of every input, so keep them few; and in float64,
    whose rounding such small steps need.

    Args:
        func: takes `inputs`, returns a tensor or several; results that are not floats are left out.
        inputs: its arguments. Tensors are written during the check and restored.
        eps: the step.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: whether to raise, rather than return False.
        nondet_tol: how far two runs of the same backward may differ.
        check_undefined_grad: accepted for PyTorch's programs, as are the next; every element is checked, always.
        check_grad_dtypes: accepted.
        check_batched_grad: accepted.
        fast_mode: accepted.

    Returns:
        Whether all agree.

    Raises:
        GradcheckError: which result and input disagree, and where.
        ValueError: no input that requires a gradient.

    Example:
        >>> import dlcore
        >>> x = dlcore.randn(3, dtype=dlcore.float64, requires_grad=True)
        >>> dlcore.autograd.gradcheck(dlcore.sigmoid, [x])
        True
    """
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wanted = [(i, x) for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck: no input requires a gradient; call requires_grad_() on what to differentiate by")
    try:
        smooth = [number for number, y in enumerate(_results(func, given)) if y.is_floating_point()]
        for number in smooth:
            slopes = [_differences(func, given, x, number, eps) for _, x in wanted]
            first, again = (_gradients(_results(func, given)[number], [x for _, x in wanted]) for _ in range(2))
            for (i, _), slope, found, repeated in zip(wanted, slopes, first, again, strict=True):
                where = f"of result {number} by input {i}"
                _agree(f"gradcheck: two runs give different gradients {where}", found, repeated, nondet_tol, 0.0)
                _agree(f"gradcheck: the gradient {where} is not what differences say", found, slope, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Tensor | Sequence[Tensor]],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,  # noqa: ARG001 - this and what follows PyTorch has
    check_grad_dtypes: bool = False,  # noqa: ARG001
    check_batched_grad: bool = False,  # noqa: ARG001
    fast_mode: bool = False,  # noqa: ARG001
) -> bool:
    """Hold second derivatives of `func` against central differences of the first.

    Args:
        func: as for `gradcheck`.
        inputs: as for `gradcheck`.
        grad_outputs: what the results are weighted by; random where None.
        eps: the step.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: whether to raise, rather than return False.
        nondet_tol: how far two runs of the same backward may differ.
        check_undefined_grad: accepted for PyTorch's programs, as are the next; every element is checked, always.
        check_grad_dtypes: accepted.
        check_batched_grad: accepted.
        fast_mode: accepted.

    Returns:
        Whether all agree.

    Raises:
        GradcheckError: which gradient and input disagree, and where.

    Example:
        >>> import dlcore
        >>> x = dlcore.randn(3, dtype=dlcore.float64, requires_grad=True)
        >>> dlcore.autograd.gradgradcheck(dlcore.sigmoid, [x])
        True
    """
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    results = [y for y in _results(func, given) if y.is_floating_point() and y.requires_grad]
    if grad_outputs is None:
        weights = [_core.randn_like(y.detach()).requires_grad_() for y in results]
    else:
        weights = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
        weights = [weight.detach().requires_grad_() for weight in weights]

    def gradients(*arguments: Any) -> tuple[Tensor, ...]:
        inner = arguments[: len(given)]
        outputs = [y for y in _results(func, inner) if y.is_floating_point() and y.requires_grad]
        wanted = [x for x in inner if isinstance(x, Tensor) and x.requires_grad]
        found = grad(outputs, wanted, arguments[len(given) :], create_graph=True, materialize_grads=True)
        return tuple(one for one in found if one is not None)

    return gradcheck(
        gradients,
        (*given, *weights),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )


def _results(func: Callable[..., Any], inputs: tuple[Any, ...]) -> list[Tensor]:
    found = func(*inputs)
    return [found] if isinstance(found, Tensor) else [y for y in found if isinstance(y, Tensor)]


def _places(x: Tensor) -> Iterable[tuple[int, ...]]:
    return product(*(range(n) for n in x.shape))


def _gradients(output: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """The Jacobian by each input: a row for each element of the output."""
    rows = []
    for place in _places(output):
        seed = _core.zeros_like(output.detach())
        seed[place] = 1
        if output.requires_grad:
            rows.append(grad(output, inputs, seed, retain_graph=True, materialize_grads=True))
        else:
            rows.append(tuple(_core.zeros_like(x.detach()) for x in inputs))
    columns = zip(*rows, strict=True) if rows else [()] * len(inputs)
    return [
        _core.stack([row.detach().reshape(-1) for row in column if row is not None])
        if column
        else _core.zeros(0, x.numel(), dtype=x.dtype)
        for column, x in zip(columns, inputs, strict=True)
    ]


def _differences(func: Callable[..., Any], inputs: tuple[Any, ...], x: Tensor, number: int, eps: float) -> Tensor:
    """The Jacobian of result `number` by `x`, a column for each element, by central differences."""
    memory, columns = x.detach(), []
    for place in _places(x):
        value = memory[place].item()
        ends = []
        for step in (eps, -eps):
            memory[place] = value + step
            # Not under no_grad: the function may differentiate inside.
            ends.append(_results(func, inputs)[number].detach().reshape(-1).clone())
            memory[place] = value
        with no_grad():
            columns.append((ends[0] - ends[1]) / (2 * eps))
    if not columns:
        return _core.zeros(_results(func, inputs)[number].numel(), 0, dtype=x.dtype)
    return _core.stack(columns, dim=1)


def _agree(what: str, found: Tensor, expected: Tensor, atol: float, rtol: float) -> None:
    close = _core.isclose(found, expected.to(found.dtype), rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return
    apart = close.logical_not().nonzero()
    row, column = apart[0].tolist()
    raise GradcheckError(
        f"{what}: {found[row, column].item():.8g} and {expected[row, column].item():.8g} for element {row} of the "
        f"result and element {column} of the input; {len(apart)} of {close.numel()} pairs are apart"
        + ("" if found.dtype == _core.float64 else f"; use float64, {found.dtype} is too coarse for such steps")
    )
