"""Mixed precision: products in bfloat16, what needs the digits in float32.

Nothing here loads `typing`, which would be the larger part of ``import dlcore``.
"""

from __future__ import annotations

from dlcore import _core
from dlcore._core import is_autocast_enabled

__all__ = [
    "GradScaler",
    "autocast",
    "custom_bwd",
    "custom_fwd",
    "get_autocast_dtype",
    "is_autocast_enabled",
    "set_autocast_dtype",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ParamSpec, TypeVar

    _P = ParamSpec("_P")
    _R = TypeVar("_R")

_switch = _core._set_autocast
_warned: set[str] = set()


def _warn_once(reason: str) -> None:
    if reason not in _warned:
        _warned.add(reason)
        import warnings

        warnings.warn(f"autocast: {reason}; running in the dtype of the inputs", stacklevel=4)


class autocast:  # noqa: N801 - PyTorch's name, used as a function
    """Make products in bfloat16 inside, whatever their inputs have, as PyTorch does on CPUs.

    Matrix products, linear layers, convolutions, attention, `LSTM`, `RNN` and `prelu` take their inputs in bfloat16
    and give bfloat16; losses, `prod`, `trace`, `grid_sample`, and pooling of volumes take theirs in float32; everything
    else takes what comes, as do `mv`, `dot`, `bilinear` and `GRU`. Parameters stay in float32, and so do their
    gradients. Run the forward pass and the loss inside and ``backward`` outside.

    A context manager and a decorator; it belongs to the thread. On a CPU without instructions for bfloat16, where
    products would be slower, it warns once and changes nothing.

    Args:
        device_type: ``"cpu"``.
        dtype: ``dlcore.bfloat16``, which is also the default.
        enabled: False changes nothing, and switches an outer one off.
        cache_enabled: accepted for PyTorch's sake; nothing is cached.

    Example:
        >>> import dlcore
        >>> with dlcore.autocast("cpu", dtype=dlcore.bfloat16, enabled=False):
        ...     y = dlcore.ones(2, 2) @ dlcore.ones(2, 2)
        >>> y.dtype
        dlcore.float32
    """

    __slots__ = ("_dtype", "_previous")

    def __init__(
        self,
        device_type: str = "cpu",
        dtype: _core.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,  # noqa: ARG002 - nothing is cached
    ) -> None:
        if device_type != "cpu":
            raise ValueError(f"autocast: device_type must be 'cpu', got {device_type!r}")
        self._dtype = (_core.bfloat16 if dtype is None else dtype) if enabled else None
        self._previous: list[_core.dtype | None] = []

    def __enter__(self) -> autocast:
        dtype = self._dtype
        if dtype is not None and dtype != _core.bfloat16:
            _warn_once(f"{dtype} is not supported, only bfloat16 is")
            dtype = None
        elif dtype is not None and not _core._multiplies_bfloat16():
            _warn_once("this CPU has no instructions for bfloat16, in which products would be slower than in float32")
            dtype = None
        self._previous.append(_switch(dtype))
        return self

    def __exit__(self, *exception: object) -> None:
        _switch(self._previous.pop())

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Return the function, run inside."""
        from functools import wraps

        @wraps(function)
        def inside(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self:
                return function(*args, **kwargs)

        return inside


def get_autocast_dtype(device_type: str) -> _core.dtype:
    """The dtype that `autocast` makes products in where none is named.

    Raises:
        ValueError: another device than ``"cpu"``.

    Example:
        >>> import dlcore
        >>> dlcore.get_autocast_dtype("cpu")
        dlcore.bfloat16
    """
    if device_type != "cpu":
        raise ValueError(f"get_autocast_dtype: device_type must be 'cpu', got {device_type!r}")
    return _core.bfloat16


def set_autocast_dtype(device_type: str, dtype: _core.dtype) -> None:
    """Ask for the dtype that `autocast` makes products in where none is named; there is one.

    Raises:
        ValueError: another device than ``"cpu"``, or another dtype than bfloat16.

    Example:
        >>> import dlcore
        >>> dlcore.set_autocast_dtype("cpu", dlcore.bfloat16)
    """
    if dtype != get_autocast_dtype(device_type):
        raise ValueError(f"set_autocast_dtype: only dlcore.bfloat16 is supported, got {dtype}")


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str = "cpu", cast_inputs: _core.dtype | None = None
) -> Any:
    """Make the ``forward`` of an `autograd.Function` know of `autocast`.

    Its `custom_bwd` then runs ``backward`` as ``forward`` ran. Where ``cast_inputs`` is given, floating-point tensors
    are cast to it inside `autocast`, which is switched off for ``forward``.

    Args:
        fwd: ``forward``; None makes a decorator.
        device_type: ``"cpu"``.
        cast_inputs: the dtype of the inputs.

    Example:
        >>> import dlcore
        >>> class Double(dlcore.autograd.Function):
        ...     @staticmethod
        ...     @dlcore.amp.custom_fwd(device_type="cpu")
        ...     def forward(ctx, x):
        ...         return x * 2
        ...
        ...     @staticmethod
        ...     @dlcore.amp.custom_bwd(device_type="cpu")
        ...     def backward(ctx, grad):
        ...         return grad * 2
        >>> x = dlcore.ones(1, requires_grad=True)
        >>> Double.apply(x).backward()
        >>> x.grad
        tensor([2.])
    """
    from functools import partial, wraps

    if fwd is None:
        return partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    get_autocast_dtype(device_type)

    def cast(value: Any) -> Any:
        is_float = isinstance(value, _core.Tensor) and value.is_floating_point() and value.dtype != _core.float64
        return value.to(cast_inputs) if is_float else value

    @wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._autocasts = is_autocast_enabled()
        if cast_inputs is None or not ctx._autocasts:
            return fwd(ctx, *args, **kwargs)
        ctx._autocasts = False
        with autocast(device_type, enabled=False):
            return fwd(ctx, *map(cast, args), **{name: cast(value) for name, value in kwargs.items()})

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str = "cpu") -> Any:
    """Run the ``backward`` of an `autograd.Function` as `custom_fwd` ran its ``forward``: see there.

    Args:
        bwd: ``backward``; None makes a decorator.
        device_type: ``"cpu"``.

    Example:
        >>> import dlcore
        >>> dlcore.amp.custom_bwd(lambda ctx, grad: grad).__name__
        '<lambda>'
    """
    from functools import partial, wraps

    if bwd is None:
        return partial(custom_bwd, device_type=device_type)

    @wraps(bwd)
    def backward(ctx: Any, *grads: Any) -> Any:
        with autocast(device_type, enabled=ctx._autocasts):
            return bwd(ctx, *grads)

    return backward


class GradScaler:
    """PyTorch's scaler of losses, which leaves out steps whose gradients are not finite.

    It scales nothing: `autocast` computes in bfloat16, whose range is float32's.

    Args:
        device: accepted for PyTorch's programs.
        init_scale: likewise; the scale is 1.
        growth_factor: kept in the state, for a training that goes on in PyTorch.
        backoff_factor: likewise.
        growth_interval: likewise.
        enabled: False takes every step, and leaves the state empty.

    Example:
        >>> import dlcore
        >>> w = dlcore.ones(1, requires_grad=True)
        >>> scaler, optimizer = dlcore.amp.GradScaler("cpu"), dlcore.optim.SGD([w], lr=0.5)
        >>> scaler.scale((w * w).sum()).backward()
        >>> scaler.unscale_(optimizer)
        >>> _ = scaler.step(optimizer)
        >>> scaler.update()
        >>> w.item()
        0.0
    """

    def __init__(
        self,
        device: str = "cpu",  # noqa: ARG002
        init_scale: float = 2.0**16,  # noqa: ARG002
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        settings = {"growth_factor": growth_factor, "backoff_factor": backoff_factor}
        self._state = {"scale": 1.0, **settings, "growth_interval": growth_interval, "_growth_tracker": 0}
        self._state = self._state if enabled else {}

    def is_enabled(self) -> bool:
        """Whether gradients are looked at before a step."""
        return bool(self._state)

    def get_scale(self) -> float:
        """1."""
        return 1.0

    def scale(self, outputs: Any) -> Any:
        """The loss itself."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Do nothing."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Take the optimizer's step, unless a gradient is not finite; None then."""
        if self._state:
            parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
            if any(p.grad is not None and not p.grad.isfinite().all() for p in parameters):
                return None
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: object = None) -> None:
        """Do nothing."""

    def state_dict(self) -> dict[str, Any]:
        """PyTorch's entries, with the scale 1; nothing where `enabled` was False."""
        return dict(self._state)

    def load_state_dict(self, state_dict: Any) -> None:
        """Take over the settings; the scale stays 1."""
        self._state.update({key: value for key, value in state_dict.items() if key in self._state and key != "scale"})
