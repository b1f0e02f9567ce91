"""Dtypes: their kinds, their limits, and what becomes of arrays that have two."""

from __future__ import annotations

from collections import namedtuple

import dlcore
from dlcore._core import Tensor, dtype

__all__ = ["astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type"]

# As ``dlcore.finfo`` and ``dlcore.iinfo``, whose `dtype` is a name, as in PyTorch.
Finfo = namedtuple("Finfo", ["bits", "eps", "max", "min", "smallest_normal", "dtype"])
Iinfo = namedtuple("Iinfo", ["bits", "max", "min", "dtype"])

SIGNED = (dlcore.int8, dlcore.int16, dlcore.int32, dlcore.int64)
UNSIGNED = (dlcore.uint8, dlcore.uint16, dlcore.uint32, dlcore.uint64)
FLOATS = (dlcore.float32, dlcore.float64)
# What is called 16-bit floats is a float, if not one of the standard's.
MORE_FLOATS = (dlcore.float16, dlcore.bfloat16)

KINDS: dict[str, tuple[dtype, ...]] = {
    "bool": (dlcore.bool,),
    "signed integer": SIGNED,
    "unsigned integer": UNSIGNED,
    "integral": SIGNED + UNSIGNED,
    "real floating": FLOATS + MORE_FLOATS,
    "complex floating": (),
    "numeric": SIGNED + UNSIGNED + FLOATS + MORE_FLOATS,
}


def isdtype(dtype: dtype, kind: dtype | str | tuple[dtype | str, ...]) -> bool:
    """Whether a dtype is of a kind, or of one of several: a dtype, or a name such as ``"integral"``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.isdtype(xp.int32, "integral"), xp.isdtype(xp.int32, (xp.int64, "real floating"))
        (True, False)
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ValueError(f"isdtype: there is no kind {kind!r}; there are {', '.join(map(repr, KINDS))}")
        return dtype in KINDS[kind]
    return dtype == kind


def astype(x: Tensor, dtype: dtype, /, *, copy: bool = True, device: str | None = None) -> Tensor:
    """The elements in another dtype; a new array even where it is the same one, unless ``copy=False``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.astype(xp.asarray([1.9, -1.9]), xp.int64)
        tensor([ 1, -1])
    """
    check_device(device)
    return x.to(dtype, copy=True) if copy else x.to(dtype)


def can_cast(from_: dtype | Tensor, to: dtype, /) -> bool:
    """Whether a dtype is converted to another where both meet.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.can_cast(xp.int8, xp.int16), xp.can_cast(xp.int64, xp.float32)
        (True, False)
    """
    dtype = from_.dtype if isinstance(from_, Tensor) else from_
    if isdtype(dtype, "integral") and isdtype(to, "real floating"):
        return False  # of mixed kinds the standard says nothing
    if dlcore.uint64 in (dtype, to) and (dtype in SIGNED or to in SIGNED):
        return False  # no integer dtype holds both
    return dlcore.promote_types(dtype, to) == to


def finfo(type: dtype | Tensor, /) -> Finfo:
    """The limits of a float dtype.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.finfo(xp.float32).bits
        32
    """
    dtype = type.dtype if isinstance(type, Tensor) else type
    facts = dlcore.finfo(dtype)
    return Finfo(facts.bits, facts.eps, facts.max, facts.min, facts.smallest_normal, dtype)


def iinfo(type: dtype | Tensor, /) -> Iinfo:
    """The limits of an integer dtype.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.iinfo(xp.int8).max
        127
    """
    dtype = type.dtype if isinstance(type, Tensor) else type
    facts = dlcore.iinfo(dtype)
    return Iinfo(facts.bits, facts.max, facts.min, dtype)


def result_type(*arrays_and_dtypes: Tensor | dtype | float) -> dtype:
    """The dtype of what arrays, dtypes and Python's numbers give together.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.result_type(xp.int8, xp.uint8), xp.result_type(xp.float32, 1.5)
        (dlcore.int16, dlcore.float32)
    """
    dtypes = [x.dtype if isinstance(x, Tensor) else x for x in arrays_and_dtypes]
    strong = [x for x in dtypes if isinstance(x, dtype)]
    if not strong:
        raise ValueError("result_type: expected an array or a dtype among the arguments")
    found = strong[0]
    for other in strong[1:]:
        found = dlcore.promote_types(found, other)
    for number in (x for x in dtypes if not isinstance(x, dtype)):
        found = dlcore.result_type(dlcore.empty(1, dtype=found), number)
    return found


def check_device(device: str | None) -> None:
    """Refuse any device but this one."""
    if device not in (None, "cpu"):
        raise ValueError(f"there is no device {device!r}: dlcore computes on the CPU")
