"""Less memory for more time: what a part of a model saved for backward is computed again when backward needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from dlcore._core import GradientError, Tensor, default_generator, is_grad_enabled
from dlcore.autograd.graph import saved_tensors_hooks
from dlcore.autograd.recording import enable_grad

__all__ = ["checkpoint", "checkpoint_sequential", "noop_context_fn"]


def noop_context_fn() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Two contexts that do nothing: what `checkpoint` runs in.

    Example:
        >>> from dlcore.utils.checkpoint import noop_context_fn
        >>> first, second = noop_context_fn()
        >>> with first, second:
        ...     pass
    """
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    context_fn: Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, keeping its arguments alone: ``backward`` computes the rest again.

    T. Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016. The second run must do what the first did:
    the default source of random numbers is put back to where it stood, so dropout drops the same elements; arguments
    must not be overwritten in between.

    Args:
        function: what to run; tensors that it uses besides its arguments get their gradients too.
        *args: its arguments.
        use_reentrant: accepted; both values mean the same here.
        preserve_rng_state: whether the second run draws the same random numbers.
        context_fn: makes the contexts in which the first and the second run take place.
        determinism_check: ``"default"`` or ``"none"``; what both runs save is compared either way.
        debug: accepted.
        **kwargs: its arguments by name.

    Returns:
        What `function` returns.

    Raises:
        GradientError: from ``backward``, if the second run saves other values than the first did.

    Example:
        >>> import dlcore
        >>> from dlcore.utils.checkpoint import checkpoint
        >>> x = dlcore.tensor([1.0, 2.0], requires_grad=True)
        >>> checkpoint(lambda x: (x * x).exp(), x, use_reentrant=False).sum().backward()
        >>> x.grad
        tensor([  5.4366, 218.3926])
    """
    del use_reentrant, debug  # for programs that say them
    if determinism_check not in ("default", "none"):
        raise ValueError(f"checkpoint: determinism_check must be 'default' or 'none', got {determinism_check!r}")
    if not is_grad_enabled():
        return function(*args, **kwargs)
    first, second = context_fn()

    def run_again() -> None:
        with second:
            function(*args, **kwargs)

    again = _Again(run_again, default_generator.get_state() if preserve_rng_state else None)
    with first, saved_tensors_hooks(again.pack, again.unpack):
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Sequence[Callable[..., Any]],
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """Run `functions` one after another, in `segments` parts of which all but the last are checkpointed.

    Args:
        functions: a `Sequential`, or functions of one argument.
        segments: into how many parts they are divided.
        input: the first one's argument.
        use_reentrant: accepted; both values mean the same here.
        preserve_rng_state: whether the second runs draw the same random numbers.

    Returns:
        What the last function returns.

    Raises:
        ValueError: fewer than one segment, or more than there are functions.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> from dlcore.utils.checkpoint import checkpoint_sequential
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
        >>> checkpoint_sequential(model, 2, dlcore.ones(1, 2)).shape
        (1, 2)
    """
    each = list(functions)
    if not 0 < segments <= len(each):
        raise ValueError(f"checkpoint_sequential: {segments} segments of {len(each)} functions")
    size = len(each) // segments

    def run(some: list[Callable[..., Any]], x: Any) -> Any:
        for function in some:
            x = function(x)
        return x

    last = size * (segments - 1)
    for start in range(0, last, size):
        input = checkpoint(
            run,
            each[start : start + size],
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve_rng_state,
        )
    return run(each[last:], input)


class _Again:
    """The values that a function saves, by their number: forgotten at once, found again by running it once more."""

    def __init__(self, run: Callable[[], Any], rng_state: Tensor | None) -> None:
        self._run, self._rng_state = run, rng_state
        self._described: list[tuple[Any, ...]] = []
        self._values: dict[int, Tensor] = {}

    def pack(self, value: Tensor) -> int:
        self._described.append((value.dtype, value.shape))
        return len(self._described) - 1

    def unpack(self, number: int) -> Tensor:
        if number not in self._values:
            self._values = dict(enumerate(self._recompute()))
        return self._values.pop(number)

    def _recompute(self) -> list[Tensor]:
        found: list[Tensor] = []
        now = default_generator.get_state()
        try:
            if self._rng_state is not None:
                default_generator.set_state(self._rng_state)
            with enable_grad(), saved_tensors_hooks(found.append, _never):
                self._run()
        finally:
            default_generator.set_state(now)
        described = [(value.dtype, value.shape) for value in found]
        if described != self._described:
            raise GradientError(
                f"checkpoint: the function saved {self._described} for backward at first and {described} when it was "
                "run again; it must do the same each time"
            )
        return found


def _never(_: Any) -> Tensor:
    raise GradientError("checkpoint: backward inside a checkpointed function, of what the function computed")
