"""Functions of elements: those of ``dlcore`` under the standard's names, with positional arguments."""

from __future__ import annotations

import dlcore
from dlcore._core import Tensor

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than this
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias, TypeVar

    F = TypeVar("F", bound=Callable[..., Tensor])
    Operand: TypeAlias = Tensor | float


def _unary(
    function: Callable[[Tensor], Tensor], name: str, what: str, x: str, shown: str
) -> Callable[[Tensor], Tensor]:
    """``function`` of one array under the standard's name, with an example: an argument and what it gives."""

    def elementwise(x: Tensor, /) -> Tensor:
        return function(x)

    return _documented(elementwise, name, what, f"xp.asarray({x})", shown)


def _binary(
    function: Callable[[Tensor, Tensor], Tensor], name: str, what: str, x1: str, x2: str, shown: str
) -> Callable[[Operand, Operand], Tensor]:
    """As ``_unary``, of two arrays."""

    def elementwise(x1: Operand, x2: Operand, /) -> Tensor:
        return function(*operands(x1, x2))

    what += " One of the two may be a number."
    return _documented(elementwise, name, what, f"xp.asarray({x1}), xp.asarray({x2})", shown)


def _documented(function: F, name: str, what: str, arguments: str, shown: str) -> F:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{what}

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.{name}({arguments})
        tensor({shown})
    """
    return function


def operands(x1: Operand, x2: Operand) -> tuple[Tensor, Tensor]:
    """Both as arrays: a number becomes one in the dtype of the other."""
    if isinstance(x1, Tensor):
        return x1, x2 if isinstance(x2, Tensor) else dlcore.full((), x2, dtype=dlcore.result_type(x1, x2))
    if not isinstance(x2, Tensor):
        raise TypeError("expected an array as one of the two operands")
    return dlcore.full((), x1, dtype=dlcore.result_type(x2, x1)), x2


def _sign(x: Tensor) -> Tensor:
    """With NaN, of which ``dlcore.sign`` makes 0 as PyTorch does."""
    return dlcore.where(dlcore.isnan(x), x, dlcore.sign(x))


abs = _unary(dlcore.abs, "abs", "Absolute values.", "[-1.5, 2.0]", "[1.5000, 2.0000]")
acos = _unary(dlcore.acos, "acos", "Arc cosines in radians; NaN outside -1 to 1.", "[1.0, -1.0]", "[0.0000, 3.1416]")
acosh = _unary(dlcore.acosh, "acosh", "Inverse hyperbolic cosines; NaN below 1.", "[1.0, 2.0]", "[0.0000, 1.3170]")
asin = _unary(dlcore.asin, "asin", "Arc sines in radians; NaN outside -1 to 1.", "[0.0, 1.0]", "[0.0000, 1.5708]")
asinh = _unary(dlcore.asinh, "asinh", "Inverse hyperbolic sines.", "[0.0, 1.0]", "[0.0000, 0.8814]")
atan = _unary(dlcore.atan, "atan", "Arc tangents in radians.", "[0.0, 1.0]", "[0.0000, 0.7854]")
atanh = _unary(
    dlcore.atanh, "atanh", "Inverse hyperbolic tangents; NaN outside -1 to 1.", "[0.0, 0.5]", "[0.0000, 0.5493]"
)
bitwise_invert = _unary(
    dlcore.bitwise_not, "bitwise_invert", "Every bit changed; of truth values the other one.", "[0, 5]", "[-1, -6]"
)
ceil = _unary(dlcore.ceil, "ceil", "The smallest integers that are not below.", "[1.2, -1.2]", "[ 2., -1.]")
cos = _unary(dlcore.cos, "cos", "Cosines of radians.", "[0.0, 1.0]", "[1.0000, 0.5403]")
cosh = _unary(dlcore.cosh, "cosh", "Hyperbolic cosines.", "[0.0, 1.0]", "[1.0000, 1.5431]")
exp = _unary(dlcore.exp, "exp", "``e`` to the power of each element.", "[0.0, 1.0]", "[1.0000, 2.7183]")
expm1 = _unary(dlcore.expm1, "expm1", "``exp(x) - 1``, exact near zero.", "[0.0, 1.0]", "[0.0000, 1.7183]")
floor = _unary(dlcore.floor, "floor", "The largest integers that are not above.", "[1.2, -1.2]", "[ 1., -2.]")
isfinite = _unary(
    dlcore.isfinite, "isfinite", "Whether neither infinite nor NaN.", "[1.0, xp.nan, xp.inf]", "[ True, False, False]"
)
isinf = _unary(dlcore.isinf, "isinf", "Whether infinite.", "[1.0, xp.nan, xp.inf]", "[False, False,  True]")
isnan = _unary(dlcore.isnan, "isnan", "Whether NaN.", "[1.0, xp.nan, xp.inf]", "[False,  True, False]")
log = _unary(dlcore.log, "log", "Natural logarithms; NaN below zero.", "[1.0, 10.0]", "[0.0000, 2.3026]")
log1p = _unary(dlcore.log1p, "log1p", "``log(1 + x)``, exact near zero.", "[0.0, 1.0]", "[0.0000, 0.6931]")
log2 = _unary(dlcore.log2, "log2", "Logarithms to base 2; NaN below zero.", "[1.0, 8.0]", "[0., 3.]")
log10 = _unary(dlcore.log10, "log10", "Logarithms to base 10; NaN below zero.", "[1.0, 100.0]", "[0., 2.]")
logical_not = _unary(dlcore.logical_not, "logical_not", "The other truth values.", "[True, False]", "[False,  True]")
negative = _unary(dlcore.neg, "negative", "The elements, negated.", "[1, -2]", "[-1,  2]")
positive = _unary(dlcore.positive, "positive", "The elements as they are; numbers only.", "[1, -2]", "[ 1, -2]")
reciprocal = _unary(dlcore.reciprocal, "reciprocal", "One over each element.", "[2.0, 4.0]", "[0.5000, 0.2500]")
round = _unary(dlcore.round, "round", "The nearest integers, of two the even one.", "[0.5, 1.5, 1.7]", "[0., 2., 2.]")
sign = _unary(_sign, "sign", "-1, 0 or 1 by the sign; NaN of NaN.", "[-3.0, 0.0, 2.0]", "[-1.,  0.,  1.]")
signbit = _unary(
    dlcore.signbit, "signbit", "Whether the sign is minus; that of -0.0 is.", "[-0.0, 0.0]", "[ True, False]"
)
sin = _unary(dlcore.sin, "sin", "Sines of radians.", "[0.0, 1.0]", "[0.0000, 0.8415]")
sinh = _unary(dlcore.sinh, "sinh", "Hyperbolic sines.", "[0.0, 1.0]", "[0.0000, 1.1752]")
sqrt = _unary(dlcore.sqrt, "sqrt", "Square roots; NaN below zero.", "[4.0, 9.0]", "[2., 3.]")
square = _unary(dlcore.square, "square", "Each element times itself.", "[2.0, -3.0]", "[4., 9.]")
tan = _unary(dlcore.tan, "tan", "Tangents of radians.", "[0.0, 1.0]", "[0.0000, 1.5574]")
tanh = _unary(dlcore.tanh, "tanh", "Hyperbolic tangents.", "[0.0, 1.0]", "[0.0000, 0.7616]")
trunc = _unary(dlcore.trunc, "trunc", "The elements without their fractions.", "[1.7, -1.7]", "[ 1., -1.]")

add = _binary(dlcore.add, "add", "The sums of pairs.", "[1, 2]", "[10, 20]", "[11, 22]")
atan2 = _binary(
    dlcore.atan2,
    "atan2",
    "The angles of points ``(x2, x1)`` in radians.",
    "[0.0, 1.0]",
    "[1.0, 1.0]",
    "[0.0000, 0.7854]",
)
bitwise_and = _binary(dlcore.bitwise_and, "bitwise_and", "Bits that are 1 in both.", "[6, 5]", "[3, 3]", "[2, 1]")
bitwise_left_shift = _binary(
    dlcore.bitwise_left_shift, "bitwise_left_shift", "Bits moved up by ``x2``.", "[1, 3]", "[2, 1]", "[4, 6]"
)
bitwise_or = _binary(dlcore.bitwise_or, "bitwise_or", "Bits that are 1 in either.", "[6, 5]", "[3, 3]", "[7, 7]")
bitwise_right_shift = _binary(
    dlcore.bitwise_right_shift,
    "bitwise_right_shift",
    "Bits moved down by ``x2``, the sign staying.",
    "[8, 7]",
    "[2, 1]",
    "[2, 3]",
)
bitwise_xor = _binary(
    dlcore.bitwise_xor, "bitwise_xor", "Bits that are 1 in one of both.", "[6, 5]", "[3, 3]", "[5, 6]"
)
copysign = _binary(
    dlcore.copysign, "copysign", "``x1`` with the signs of ``x2``.", "[1.0, 2.0]", "[-0.0, 5.0]", "[-1.,  2.]"
)
divide = _binary(dlcore.div, "divide", "The quotients of pairs.", "[1.0, 9.0]", "[2.0, 3.0]", "[0.5000, 3.0000]")
equal = _binary(dlcore.eq, "equal", "Whether equal.", "[1, 2]", "[1, 3]", "[ True, False]")
floor_divide = _binary(
    dlcore.floor_divide, "floor_divide", "Quotients rounded down, but for infinities.", "[7, -7]", "[2, 2]", "[ 3, -4]"
)
greater = _binary(dlcore.gt, "greater", "Whether ``x1`` is greater.", "[1, 2]", "[1, 1]", "[False,  True]")
greater_equal = _binary(
    dlcore.ge, "greater_equal", "Whether ``x1`` is greater or equal.", "[1, 2]", "[1, 3]", "[ True, False]"
)
hypot = _binary(
    dlcore.hypot, "hypot", "``sqrt(x1 ** 2 + x2 ** 2)``, without overflow.", "[3.0, 5.0]", "[4.0, 12.0]", "[ 5., 13.]"
)
less = _binary(dlcore.lt, "less", "Whether ``x1`` is less.", "[1, 2]", "[1, 3]", "[False,  True]")
less_equal = _binary(dlcore.le, "less_equal", "Whether ``x1`` is less or equal.", "[1, 2]", "[1, 1]", "[ True, False]")
logaddexp = _binary(
    dlcore.logaddexp,
    "logaddexp",
    "``log(exp(x1) + exp(x2))``, without overflow.",
    "[0.0, 1.0]",
    "[0.0, 1.0]",
    "[0.6931, 1.6931]",
)
logical_and = _binary(
    dlcore.logical_and, "logical_and", "Whether both are true.", "[True, True]", "[True, False]", "[ True, False]"
)
logical_or = _binary(
    dlcore.logical_or, "logical_or", "Whether either is true.", "[True, False]", "[False, False]", "[ True, False]"
)
logical_xor = _binary(
    dlcore.logical_xor, "logical_xor", "Whether exactly one is true.", "[True, True]", "[True, False]", "[False,  True]"
)
maximum = _binary(dlcore.maximum, "maximum", "The larger of each pair, NaN if either is.", "[1, 5]", "[3, 2]", "[3, 5]")
minimum = _binary(
    dlcore.minimum, "minimum", "The smaller of each pair, NaN if either is.", "[1, 5]", "[3, 2]", "[1, 2]"
)
multiply = _binary(dlcore.mul, "multiply", "The products of pairs.", "[2, 3]", "[4, 5]", "[ 8, 15]")
not_equal = _binary(dlcore.ne, "not_equal", "Whether different.", "[1, 2]", "[1, 3]", "[False,  True]")
pow = _binary(dlcore.pow, "pow", "``x1`` to the power of ``x2``.", "[2, 3]", "[3, 2]", "[8, 9]")
remainder = _binary(
    dlcore.remainder, "remainder", "Remainders with the signs of ``x2``.", "[7, -7]", "[3, 3]", "[1, 2]"
)
subtract = _binary(dlcore.sub, "subtract", "The differences of pairs.", "[5, 6]", "[1, 2]", "[4, 4]")


def nextafter(x1: Operand, x2: Operand, /) -> Tensor:
    """The float next to each element of ``x1`` in the direction of ``x2``. One of the two may be a number.

    Example:
        >>> import dlcore.array_api as xp
        >>> float(xp.nextafter(xp.asarray(1.0), xp.asarray(2.0))) - 1 == xp.finfo(xp.float32).eps
        True
    """
    return dlcore.nextafter(*operands(x1, x2))


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
    """The complex conjugates: real numbers are their own.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.conj(xp.asarray([1.0, -2.0]))
        tensor([ 1., -2.])
    """
    return x


def real(x: Tensor, /) -> Tensor:
    """The real parts: of real numbers themselves.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.real(xp.asarray([1.0, -2.0]))
        tensor([ 1., -2.])
    """
    return x


def imag(x: Tensor, /) -> Tensor:
    """The imaginary parts: of real numbers zero.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.imag(xp.asarray([1.0, -2.0]))
        tensor([0., 0.])
    """
    return dlcore.zeros_like(x)
