"""Functions of lists of tensors, under PyTorch's private names: ``dlcore._foreach_add(tensors, 1)`` and the like.

Optimizers that were written for PyTorch call them. Each does for every tensor what the function of that name does for
one; dlcore's own optimizers take one step over all parameters instead (`dlcore.optim`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dlcore import _core
from dlcore._core import Tensor, linalg_vector_norm

__all__: list[str] = []

_ONE = {
    "abs", "acos", "asin", "atan", "ceil", "clone", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor", "frac",
    "lgamma", "log", "log10", "log1p", "log2", "neg", "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh",
    "sqrt", "tan", "tanh", "trunc",
}  # fmt: skip
_MORE = {
    "add", "addcdiv", "addcmul", "clamp_max", "clamp_min", "copy", "div", "lerp", "max", "maximum", "minimum", "mm",
    "mul", "norm", "pow", "sub", "zero",
}  # fmt: skip

_QUOTIENTS_AND_PRODUCTS = ("_foreach_addcdiv", "_foreach_addcmul")


def _of_each(value: Any, count: int, name: str) -> Sequence[Any]:
    """One value for each of `count` tensors: those of a list or of a vector of scalars, or the same for all."""
    if isinstance(value, Tensor) and value.dim() == 1 and name.startswith(_QUOTIENTS_AND_PRODUCTS):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{name}: {count} tensors and a list of {len(value)}")
    return value


def _foreach(name: str, function: Callable[..., Any]) -> Callable[..., list[Tensor]]:
    def foreach(self: Any, *args: Any, **kwargs: Any) -> list[Tensor]:
        count = len(next((x for x in (self, *args) if isinstance(x, (list, tuple))), ()))
        if not count:
            raise ValueError(f"{name}: expected a list of at least one tensor")
        if "scalars" in kwargs:  # what the lists of addcdiv and addcmul are called
            kwargs["value"] = kwargs.pop("scalars")
        if name.startswith(_QUOTIENTS_AND_PRODUCTS) and len(args) == 3:
            kwargs["value"], args = args[-1], args[:-1]
        columns = [_of_each(x, count, name) for x in (self, *args)]
        named = [
            dict(zip(kwargs, values, strict=True))
            for values in zip(*(_of_each(x, count, name) for x in kwargs.values()), strict=True)
        ]
        return [
            function(*row, **more) for row, more in zip(zip(*columns, strict=True), named or [{}] * count, strict=True)
        ]

    foreach.__name__ = foreach.__qualname__ = name
    foreach.__doc__ = f"``{name.removeprefix('_foreach_')}`` of each tensor of a list."
    return foreach


def _method(name: str) -> Callable[..., Any]:
    return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


def _bound(name: str) -> Callable[..., Any]:
    """`maximum` and `minimum`, by numbers and in place as well."""
    plain = name.removesuffix("_")
    clamp, choose = _method("clamp_min" if plain == "maximum" else "clamp_max"), getattr(_core, plain)

    def bound(x: Tensor, other: Any) -> Tensor:
        bounded: Tensor = choose(x, other) if isinstance(other, Tensor) else clamp(x, other)
        return x.copy_(bounded) if name.endswith("_") else bounded

    return bound


def _norm(x: Tensor, ord: float = 2, dtype: Any = None) -> Tensor:
    return linalg_vector_norm(x, ord, dtype=dtype)


def __getattr__(name: str) -> Callable[..., Any]:
    """The function over lists of the name asked for."""
    one = name.removeprefix("_foreach_")
    plain = one.removesuffix("_")
    if not name.startswith("_foreach_") or plain not in _ONE | _MORE:
        raise AttributeError(f"module 'dlcore' has no attribute {name!r}")
    if plain in ("maximum", "minimum"):
        function = _bound(one)
    elif one.endswith("_"):
        function = _method(one)
    elif one == "norm":
        function = _norm
    else:
        function = getattr(_core, one)
    return _foreach(name, function)
