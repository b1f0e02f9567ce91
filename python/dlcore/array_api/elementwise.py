"""Functions of elements: those of ``dlcore`` under the standard's names, with positional arguments."""

from __future__ import annotations

import dlcore
from dlcore._core import Tensor

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than this
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Operand: TypeAlias = Tensor | float


def _unary(function: Callable[[Tensor], Tensor], name: str) -> Callable[[Tensor], Tensor]:
    def elementwise(x: Tensor, /) -> Tensor:
        return function(x)

    elementwise.__name__ = elementwise.__qualname__ = name
    elementwise.__doc__ = f"As ``dlcore.{function.__name__}``."
    return elementwise


def _binary(function: Callable[[Tensor, Tensor], Tensor], name: str) -> Callable[[Operand, Operand], Tensor]:
    def elementwise(x1: Operand, x2: Operand, /) -> Tensor:
        return function(*operands(x1, x2))

    elementwise.__name__ = elementwise.__qualname__ = name
    elementwise.__doc__ = f"As ``dlcore.{function.__name__}``; one of the two may be a number."
    return elementwise


def operands(x1: Operand, x2: Operand) -> tuple[Tensor, Tensor]:
    """Both as arrays: a number becomes one in the dtype of the other."""
    if isinstance(x1, Tensor):
        return x1, x2 if isinstance(x2, Tensor) else dlcore.full((), x2, dtype=dlcore.result_type(x1, x2))
    if not isinstance(x2, Tensor):
        raise TypeError("expected an array as one of the two operands")
    return dlcore.full((), x1, dtype=dlcore.result_type(x2, x1)), x2


abs = _unary(dlcore.abs, "abs")
ceil = _unary(dlcore.ceil, "ceil")
cos = _unary(dlcore.cos, "cos")
exp = _unary(dlcore.exp, "exp")
expm1 = _unary(dlcore.expm1, "expm1")
floor = _unary(dlcore.floor, "floor")
isfinite = _unary(dlcore.isfinite, "isfinite")
isinf = _unary(dlcore.isinf, "isinf")
isnan = _unary(dlcore.isnan, "isnan")
log = _unary(dlcore.log, "log")
log1p = _unary(dlcore.log1p, "log1p")
log2 = _unary(dlcore.log2, "log2")
log10 = _unary(dlcore.log10, "log10")
logical_not = _unary(dlcore.logical_not, "logical_not")
negative = _unary(dlcore.neg, "negative")
positive = _unary(dlcore.positive, "positive")
reciprocal = _unary(dlcore.reciprocal, "reciprocal")
round = _unary(dlcore.round, "round")
sign = _unary(dlcore.sign, "sign")
sin = _unary(dlcore.sin, "sin")
sqrt = _unary(dlcore.sqrt, "sqrt")
square = _unary(dlcore.square, "square")
tanh = _unary(dlcore.tanh, "tanh")
trunc = _unary(dlcore.trunc, "trunc")

add = _binary(dlcore.add, "add")
divide = _binary(dlcore.div, "divide")
equal = _binary(dlcore.eq, "equal")
floor_divide = _binary(dlcore.floor_divide, "floor_divide")
greater = _binary(dlcore.gt, "greater")
greater_equal = _binary(dlcore.ge, "greater_equal")
less = _binary(dlcore.lt, "less")
less_equal = _binary(dlcore.le, "less_equal")
logical_and = _binary(dlcore.logical_and, "logical_and")
logical_or = _binary(dlcore.logical_or, "logical_or")
logical_xor = _binary(dlcore.logical_xor, "logical_xor")
maximum = _binary(dlcore.maximum, "maximum")
minimum = _binary(dlcore.minimum, "minimum")
multiply = _binary(dlcore.mul, "multiply")
nextafter = _binary(dlcore.nextafter, "nextafter")
not_equal = _binary(dlcore.ne, "not_equal")
pow = _binary(dlcore.pow, "pow")
remainder = _binary(dlcore.remainder, "remainder")
subtract = _binary(dlcore.sub, "subtract")


def clip(x: Tensor, /, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """The elements, raised to ``min`` and lowered to ``max``, numbers or arrays that broadcast, in the dtype of ``x``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.clip(xp.asarray([1, 5, 9]), 2, xp.asarray([3, 7, 8]))
        tensor([2, 5, 8])
    """
    found = x
    if min is not None:
        found = dlcore.where(found < min, bound(min, x), found)
    if max is not None:
        found = dlcore.where(found > max, bound(max, x), found)
    return x.clone() if found is x else found


def bound(value: Operand, x: Tensor) -> Tensor:
    """A bound of ``clip`` in the dtype of what is clipped."""
    return value.to(x.dtype) if isinstance(value, Tensor) else dlcore.full((), value, dtype=x.dtype)


def conj(x: Tensor, /) -> Tensor:
    """The complex conjugates: real numbers are their own."""
    return x


def real(x: Tensor, /) -> Tensor:
    """The real parts: of real numbers themselves."""
    return x


def imag(x: Tensor, /) -> Tensor:
    """The imaginary parts: of real numbers zero."""
    return dlcore.zeros_like(x)
