"""Functions that say themselves how they are differentiated."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

from dlcore import _core
from dlcore._core import GradientError, Tensor, is_grad_enabled
from dlcore.autograd.recording import no_grad

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What the forward of a `Function` leaves for its backward. Attributes may be set freely.

    Attributes:
        needs_input_grad: for each argument of ``apply`` whether a gradient by it is wanted.

    Example:
        >>> import dlcore
        >>> class Scale(dlcore.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x, factor):
        ...         ctx.factor = factor
        ...         return x * factor
        ...
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         assert ctx.needs_input_grad == (True, False)
        ...         return grad * ctx.factor, None
        >>> x = dlcore.ones(2, requires_grad=True)
        >>> Scale.apply(x, 3.0).sum().backward()
        >>> x.grad
        tensor([3., 3.])
    """

    needs_input_grad: tuple[bool, ...] = ()
    _to_save: tuple[Tensor | None, ...] = ()
    _dirty: tuple[Tensor, ...] = ()
    _constant: tuple[Tensor, ...] = ()
    _materialize = True
    _saved: Any = None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Save arguments, results or other tensors; a write to one of them makes backward raise."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"save_for_backward takes tensors and None, got {type(tensor).__name__}; set it as an attribute"
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor, ...]:
        """What was saved, in its order.

        Raises:
            GradientError: a tensor that was overwritten since.
        """
        return () if self._saved is None else tuple(self._saved.get())

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which arguments the forward wrote in place; it must return them too."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which results have no gradient. Results that are not floats have none anyway."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Choose what backward gets for a result to which no gradient came: zeros (the default), or None."""
        self._materialize = bool(value)


class Function:
    """A function with a derivative of its own: subclass, define the two, and call ``apply``.

    ``forward(ctx, *args)`` computes without being recorded; or define ``forward(*args)`` and
    ``setup_context(ctx, inputs, output)``. ``backward(ctx, *grads)`` takes one gradient for each result and returns one
    for each argument, None where there is none. Its tensor operations are recorded under ``create_graph``, so second
    derivatives follow.

    A result that is kept for backward goes through ``ctx.save_for_backward``, not into an attribute: the result owns
    the graph, which would own the result, and neither would be freed.

    Example:
        >>> import dlcore
        >>> class Square(dlcore.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         (x,) = ctx.saved_tensors
        ...         return 2 * x * grad
        >>> x = dlcore.tensor(3.0, requires_grad=True)
        >>> Square.apply(x).backward()
        >>> x.grad
        tensor(6.)
    """

    @staticmethod
    def forward(*args: Any) -> Any:
        """Compute the result, a tensor or a tuple; every subclass defines it."""
        raise NotImplementedError("a Function defines forward(ctx, *args), or forward(*args) and setup_context")

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Any) -> None:
        """Save what backward needs, where ``forward`` takes no ``ctx``."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Any) -> Any:
        """Return the gradient by each argument, given that by each result; every subclass defines it."""
        raise NotImplementedError("a Function defines backward(ctx, *grads)")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward on `args` and record it.

        Arguments by name reach ``forward(ctx, ...)`` alone, and have no gradient. Where ``forward`` takes no `ctx`,
        they and its defaults have their places in what ``setup_context`` gets and backward answers for.

        Raises:
            GradientError: a leaf, or memory that others view, marked dirty.
        """
        takes_ctx = cls.setup_context is Function.setup_context
        if not takes_ctx and (kwargs or cls.forward.__defaults__):
            args, kwargs = _placed(cls.forward, args, kwargs), {}
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
        with no_grad():
            if takes_ctx:
                output = cls.forward(ctx, *args, **kwargs)
            else:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
        outputs = output if isinstance(output, tuple) else (output,)
        results, ctx._saved = _core._record_function(
            cls.__name__,
            cls.backward,
            ctx,
            args,
            outputs,
            ctx._to_save,
            ctx._dirty,
            ctx._constant,
            ctx._materialize,
        )
        ctx._to_save = ctx._dirty = ctx._constant = ()
        return results if isinstance(output, tuple) else results[0]


def _placed(forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """All arguments by position, defaults among them."""
    bound = signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


class _NotTwice(Function):
    """What `once_differentiable` puts behind its gradients: whoever comes by is told."""

    @staticmethod
    def forward(ctx: Any, name: str, gradient: Tensor) -> Tensor:
        ctx.name = name
        return gradient

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise GradientError(f"{ctx.name} is marked once_differentiable: its gradient is not to be differentiated again")


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``backward`` that has no derivative of its own: it runs unrecorded, and differentiating again raises.

    Example:
        >>> import dlcore
        >>> class Cube(dlcore.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x**3
        ...     @staticmethod
        ...     @dlcore.autograd.function.once_differentiable
        ...     def backward(ctx, grad):
        ...         (x,) = ctx.saved_tensors
        ...         return dlcore.from_numpy(3 * x.detach().numpy() ** 2) * grad
        >>> x = dlcore.tensor(2.0, requires_grad=True)
        >>> (g,) = dlcore.autograd.grad(Cube.apply(x), x, create_graph=True)
        >>> g.item()
        12.0
    """

    @wraps(function)
    def backward(ctx: FunctionCtx, *grads: Any) -> Any:
        with no_grad():
            found = function(ctx, *grads)
        if not is_grad_enabled():
            return found
        name = function.__qualname__
        gradients = found if isinstance(found, tuple) else (found,)
        return tuple(
            _NotTwice.apply(name, one.detach().requires_grad_()) if isinstance(one, Tensor) else one
            for one in gradients
        )

    return backward
