"""Switching the recording of gradients off and on.

The switches keep to two calls of the core and no ``contextlib``, because small models enter them in every step. Nothing
here loads `typing`, which would be the larger part of ``import dlcore``.
"""

from __future__ import annotations

from dlcore import _core
from dlcore._core import is_grad_enabled

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ParamSpec, TypeVar

    _P = ParamSpec("_P")
    _R = TypeVar("_R")

_switch = _core._set_grad_enabled

_GENERATOR, _SUSPENDS = 0x20, 0x80 | 0x200  # of `inspect`: CO_GENERATOR; CO_COROUTINE and CO_ASYNC_GENERATOR


def _recorded(function: Callable[..., Any], mode: bool) -> Callable[..., Any]:
    """The function, run with recording switched off or on."""
    from functools import update_wrapper

    code = getattr(function, "__code__", None)
    flags = 0 if code is None else code.co_flags
    if flags & _SUSPENDS:
        raise TypeError(
            f"{function.__qualname__} is a coroutine, whose body runs after the decorator is done: use `with` inside it"
        )

    def run(*args: Any, **kwargs: Any) -> Any:
        previous = _switch(mode)
        try:
            return function(*args, **kwargs)
        finally:
            _switch(previous)

    return update_wrapper(_in_steps(function, mode) if flags & _GENERATOR else run, function)


def _in_steps(function: Callable[..., Any], mode: bool) -> Callable[..., Any]:
    """A generator function each step of which runs with recording switched, while its caller's mode stays."""

    def run(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        resume, value = generator.send, None
        while True:
            previous = _switch(mode)
            try:
                item = resume(value)
            except StopIteration as end:
                return end.value
            finally:
                _switch(previous)
            try:
                resume, value = generator.send, (yield item)
            except BaseException as error:  # thrown in, or the end of a generator that nobody wants to go on
                resume, value = generator.throw, error

    return run


class _Switch:
    """What the three switches share: leaving restores the mode that was in force on entry."""

    __slots__ = ("_previous",)
    _previous: bool

    def __exit__(self, *exception: object) -> None:
        _switch(self._previous)


class no_grad(_Switch):  # noqa: N801 - PyTorch's name, used as a function
    """Record nothing inside: no graph, no memory kept for ``backward``.

    A context manager and a decorator, with or without parentheses. The mode belongs to the thread.

    Example:
        >>> import dlcore
        >>> w = dlcore.ones(2, requires_grad=True)
        >>> with dlcore.no_grad():
        ...     y = w * 2
        >>> y.requires_grad
        False
    """

    __slots__ = ()

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """A switch, or `function` with recording switched."""
        return object.__new__(cls) if function is None else _recorded(function, mode=False)

    def __enter__(self) -> None:
        self._previous = _switch(False)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Decorate a function."""
        return _recorded(function, mode=False)


class enable_grad(_Switch):  # noqa: N801 - PyTorch's name, used as a function
    """Record inside, even within `no_grad`.

    Example:
        >>> import dlcore
        >>> w = dlcore.ones(2, requires_grad=True)
        >>> with dlcore.no_grad(), dlcore.enable_grad():
        ...     y = w * 2
        >>> y.requires_grad
        True
    """

    __slots__ = ()

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """A switch, or `function` with recording switched."""
        return object.__new__(cls) if function is None else _recorded(function, mode=True)

    def __enter__(self) -> None:
        self._previous = _switch(True)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Decorate a function."""
        return _recorded(function, mode=True)


class set_grad_enabled(_Switch):  # noqa: N801 - PyTorch's name, used as a function
    """Switch recording by a flag: as a statement at once, after ``with`` for a block, or for a function.

    Args:
        mode: whether to record.

    Raises:
        TypeError: ``mode`` is no bool.

    Example:
        >>> import dlcore
        >>> training = False
        >>> with dlcore.set_grad_enabled(training):
        ...     dlcore.is_grad_enabled()
        False
        >>> dlcore.is_grad_enabled()
        True
    """

    __slots__ = ("mode",)

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(f"set_grad_enabled: expected a bool, got {type(mode).__name__}")
        self.mode = mode
        self._previous = _switch(mode)

    def __enter__(self) -> None:
        _switch(self.mode)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Decorate a function."""
        _switch(self._previous)
        return _recorded(function, mode=self.mode)


class inference_mode(_Switch):  # noqa: N801 - PyTorch's name, used as a function
    """Record nothing inside, as `no_grad`; with ``mode=False`` record, as `enable_grad`.

    Tensors made inside are ordinary ones: there is no bookkeeping left that leaving it out would save.

    Args:
        mode: whether not to record; or the function to decorate.

    Example:
        >>> import dlcore
        >>> w = dlcore.ones(2, requires_grad=True)
        >>> with dlcore.inference_mode():
        ...     y = w * 2
        >>> y.requires_grad
        False
    """

    __slots__ = ("mode",)
    mode: bool

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Any:
        """A switch, or a function with recording switched off."""
        if callable(mode):
            return _recorded(mode, mode=False)
        self = object.__new__(cls)
        self.mode = mode
        return self

    def __enter__(self) -> None:
        self._previous = _switch(not self.mode)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Decorate a function."""
        return _recorded(function, mode=not self.mode)


def is_inference_mode_enabled() -> bool:
    """Whether nothing is recorded on this thread: `inference_mode` and `no_grad` are one here.

    Example:
        >>> import dlcore
        >>> with dlcore.inference_mode():
        ...     dlcore.is_inference_mode_enabled()
        True
    """
    return not is_grad_enabled()


class set_multithreading_enabled:  # noqa: N801 - PyTorch's name, used as a function
    """Change nothing: backward runs on the thread that calls it, and each operation in those of `set_num_threads`.

    Args:
        mode: accepted for PyTorch's programs.

    Example:
        >>> import dlcore
        >>> x = dlcore.ones(1, requires_grad=True)
        >>> with dlcore.autograd.set_multithreading_enabled(False):
        ...     (x * 2).backward()
        >>> x.grad
        tensor([2.])
    """

    def __init__(self, mode: bool) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass
