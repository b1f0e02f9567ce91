"""What tests of programs assert of tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlcore import _core
from dlcore._core import Tensor

__all__ = ["assert_close", "make_tensor"]

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


def make_tensor(
    *shape: int | Sequence[int],
    dtype: _core.dtype,
    device: str | _core.device | None = None,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: _core.memory_format | None = None,
) -> Tensor:
    """Random numbers in [low, high), of any dtype.

    Args:
        *shape: sizes, or one sequence of them.
        dtype: floats, integers or truth values.
        device: ``"cpu"`` or None.
        low: the least; by default -9, or the least that the dtype has.
        high: the end; by default 9 for floats and 10 for integers, or the end of the dtype.
        requires_grad: whether gradients are to flow into it.
        noncontiguous: whether every second element of the memory is left out.
        exclude_zero: whether zeros become the least positive number of full precision.
        memory_format: how it is to lie.

    Raises:
        ValueError: bounds between which there is nothing, a gradient of what is not of floats, `noncontiguous` and a
            `memory_format`.

    Example:
        >>> import dlcore
        >>> x = dlcore.testing.make_tensor(2, 3, dtype=dlcore.int8, low=1, high=2)
        >>> x.tolist()
        [[1, 1, 1], [1, 1, 1]]
    """
    if noncontiguous and memory_format is not None:
        raise ValueError("make_tensor: noncontiguous, and a memory_format")
    if requires_grad and not dtype.is_floating_point:
        raise ValueError(f"make_tensor: {dtype} has no gradient")
    least, end, usual, tiny = _range(dtype)
    low, high = usual[0] if low is None else low, usual[1] if high is None else high
    if not low < high or high < least or low >= end:
        raise ValueError(f"make_tensor: {dtype} has nothing in [{low}, {high})")
    low, high = max(low, least), min(high, end)
    sizes = list(_core.empty(*shape, dtype=_core.bool).shape)  # type: ignore[arg-type] # sizes, or a sequence
    if noncontiguous and sizes:
        sizes[-1] *= 2
    if dtype.is_floating_point:
        made = _core.empty(sizes, dtype=dtype, device=device).uniform_(low, high)
    else:
        made = _core.randint(math.ceil(low), math.ceil(high), sizes, dtype=dtype, device=device)
    if noncontiguous and sizes:
        made = made[..., ::2]
    if exclude_zero:
        made.masked_fill_(made == 0, tiny)
    return (made if memory_format is None else made.clone(memory_format=memory_format)).requires_grad_(requires_grad)


def _range(dtype: _core.dtype) -> tuple[float, float, tuple[float, float], float]:
    """The least number of a dtype, the end of its numbers, what is usual, and what stands for zero."""
    if dtype.is_floating_point:
        floats = _core.finfo(dtype)
        return floats.min, floats.max, (-9, 9), floats.tiny
    if dtype == _core.bool:
        return 0, 2, (0, 2), 1
    integers = _core.iinfo(dtype)
    return integers.min, min(integers.max, 2**63 - 2) + 1, (-9, 10), 1
