"""What tests of programs assert of tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlcore import _core
from dlcore._core import Tensor

__all__ = ["assert_close"]

# relative and absolute, by the dtype that holds less
_TOLERANCES = {
    _core.bfloat16: (1.6e-2, 1e-5),
    _core.float16: (1e-3, 1e-5),
    _core.float32: (1.3e-6, 1e-5),
    _core.float64: (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,  # noqa: ARG001 - parameters are tensors
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,  # noqa: ARG001 - there is one
    check_dtype: bool = True,
    check_layout: bool = True,  # noqa: ARG001 - there is one
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise unless all elements differ by no more than `atol` and `rtol` times what is expected.

    Args:
        actual: a tensor, an array, a number or None; or a list, tuple or dictionary of them.
        expected: of the same form.
        allow_subclasses: accepted for PyTorch's programs.
        rtol: relative tolerance, by default that of the dtype: 1.3e-6 for float32, 0 for integers.
        atol: absolute tolerance, given or left out together with `rtol`; by default 1e-5 for float32.
        equal_nan: whether NaN equals NaN.
        check_device: accepted for PyTorch's programs.
        check_dtype: whether dtypes must be equal.
        check_layout: accepted for PyTorch's programs.
        check_stride: whether strides must be equal.
        msg: what the error says, or a function that makes it of what it would say.

    Raises:
        AssertionError: other values, shapes, dtypes, lengths or names; the message shows the greatest difference.
        ValueError: one tolerance without the other.

    Example:
        >>> import dlcore
        >>> dlcore.testing.assert_close(dlcore.tensor([1.0, 2.0]), dlcore.tensor([1.0, 2.0 + 1e-6]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: give both rtol and atol or neither")

    def compare(actual: Any, expected: Any, place: str) -> None:
        problem = _form(actual, expected)
        if problem is None and isinstance(expected, Mapping):
            for name in expected:
                compare(actual[name], expected[name], f"{place}[{name!r}]")
        elif problem is None and _is_list(expected):
            for number, (one, other) in enumerate(zip(actual, expected, strict=True)):
                compare(one, other, f"{place}[{number}]")
        elif problem is None and (actual is None or expected is None):
            problem = None if actual is expected else f"{actual!r} is not {expected!r}"
        elif problem is None:
            tensors = _tensor(actual), _tensor(expected)
            problem = _difference(*tensors, rtol, atol, equal_nan, check_dtype, check_stride)
        if problem is not None:
            text = f"{problem}, at {place}" if place else problem
            raise AssertionError(text if msg is None else msg(text) if callable(msg) else msg)

    compare(actual, expected, "")


def _tensor(value: Any) -> Tensor:
    return _core.as_tensor(value, dtype=_core.float64 if isinstance(value, float) else None).detach()


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _form(actual: Any, expected: Any) -> str | None:
    """How a list or dictionary has another form than another."""
    if isinstance(expected, Mapping) or isinstance(actual, Mapping):
        names = [set(value) if isinstance(value, Mapping) else type(value).__name__ for value in (actual, expected)]
        return None if names[0] == names[1] else f"the names {names[0]} are not {names[1]}"
    if _is_list(expected) or _is_list(actual):
        counts = [len(value) if _is_list(value) else type(value).__name__ for value in (actual, expected)]
        return None if counts[0] == counts[1] else f"the lengths are {counts[0]} and {counts[1]}"
    return None


def _difference(
    actual: Tensor,
    expected: Tensor,
    rtol: float | None,
    atol: float | None,
    equal_nan: bool,
    check_dtype: bool,
    check_stride: bool,
) -> str | None:
    """What a tensor differs in from another, or None."""
    facts: list[tuple[str, Any, Any, bool]] = [
        ("shapes", tuple(actual.shape), tuple(expected.shape), True),
        ("dtypes", actual.dtype, expected.dtype, check_dtype),
        ("strides", actual.stride(), expected.stride(), check_stride),
    ]
    for what, its, wanted, checked in facts:
        if checked and its != wanted:
            return f"the {what} are {its} and {wanted}"
    if rtol is None or atol is None:
        both = [_TOLERANCES.get(tensor.dtype, (0.0, 0.0)) for tensor in (actual, expected)]
        rtol, atol = max(pair[0] for pair in both), max(pair[1] for pair in both)
    one, other = actual.double(), expected.double()
    if rtol == atol == 0:  # whole numbers may be larger than a float64 tells apart
        wrong = actual != expected
        if equal_nan:
            wrong = wrong & ~(one.isnan() & other.isnan())
    else:
        wrong = ~_core.isclose(one, other, rtol=rtol, atol=atol, equal_nan=equal_nan)
    count = int(wrong.sum().item())
    if not count:
        return None
    distances = (one - other).abs().nan_to_num(nan=math.inf).masked_fill(~wrong, -1.0)
    place = tuple(int(i) for i in _core.unravel_index(distances.argmax(), distances.shape))
    return (
        f"{count} of {wrong.numel()} elements differ by more than {atol} + {rtol}·|expected|; "
        f"most at {place}: {actual[place].item()} is not {expected[place].item()}"
    )
