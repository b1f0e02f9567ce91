"""PyTorch's constructors by dtype, as ``dlcore.LongTensor([1, 2])``, which older programs make tensors with."""

from __future__ import annotations

from typing import Any

from dlcore import _core
from dlcore._core import Tensor
from dlcore.shapes import Size

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "set_default_tensor_type",
]


def constructed(name: str, dtype: _core.dtype, args: tuple[Any, ...]) -> Tensor:
    """What a constructor makes of its arguments, sizes or one sequence of values.

    Raises:
        DTypeError: a tensor of another dtype.
        TypeError: several sequences, or a tuple of ints: PyTorch's programs give a shape, which is a plain tuple here,
            and may as well mean values.
    """
    if args and all(isinstance(arg, int) for arg in args):
        return _core.empty(args, dtype=dtype)
    if len(args) > 1:
        raise TypeError(f"{name} takes sizes or one sequence, got {len(args)} arguments")
    data = args[0] if args else []
    if type(data) is Size:
        return _core.empty(data, dtype=dtype)
    if isinstance(data, tuple) and all(isinstance(item, int) for item in data):
        raise TypeError(f"{name}: is {data} a shape or values? Give *shape, or a list of values")
    if isinstance(data, Tensor) and data.dtype != dtype:
        raise _core.DTypeError(f"{name}: expected {dtype}, got {data.dtype}; convert it with .to()")
    return data if isinstance(data, Tensor) else _core.tensor(data, dtype=dtype)


def dtype_of(asked_by: str, name: str) -> _core.dtype:
    """The dtype of a constructor by its name, as PyTorch's programs write it: ``"torch.FloatTensor"``.

    Raises:
        TypeError: none of the constructors.
    """
    package, _, kind = name.rpartition(".")
    made = globals().get(kind)
    if package not in ("", "torch", "dlcore") or not isinstance(made, _Typed):
        known = ", ".join(name for name, value in globals().items() if isinstance(value, _Typed))
        raise TypeError(f"{asked_by}: expected one of {known}, got {name}")
    return made.dtype


def set_default_tensor_type(t: object) -> None:
    """Set the default dtype by one of the constructors, or its name; `dlcore.set_default_dtype` says it plainly.

    Raises:
        TypeError: none of the constructors.

    Example:
        >>> import dlcore
        >>> dlcore.set_default_tensor_type("torch.DoubleTensor")
        >>> dlcore.zeros(1).dtype
        dlcore.float64
        >>> dlcore.set_default_tensor_type(dlcore.FloatTensor)
    """
    _core.set_default_dtype(dtype_of("set_default_tensor_type", t.__name__ if isinstance(t, _Typed) else str(t)))


class _Typed(type):
    """The class of the constructors: calls make tensors, and tensors of the dtype are instances."""

    dtype: _core.dtype

    @property
    def name(cls) -> str:
        """The dtype's, for which a constructor may stand, as numpy's scalar types do: ``x.type(FloatTensor)``."""
        return str(cls.dtype).removeprefix("dlcore.")

    def __call__(cls, *args: Any) -> Tensor:
        return constructed(cls.__name__, cls.dtype, args)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype == cls.dtype


def _constructor(name: str, dtype: _core.dtype) -> _Typed:
    documentation = f"""A tensor of {dtype!r}: of the values of a sequence, or of sizes, without values.

    Tensors of the dtype are its instances. `dlcore.tensor` and `dlcore.empty` say the same with ``dtype=``.

    Raises:
        DTypeError: a tensor of another dtype.
        TypeError: a tuple of ints, which may be a shape or values.

    Example:
        >>> import dlcore
        >>> dlcore.{name}([1, 0]).dtype, dlcore.{name}(2, 3).shape
        ({dtype!r}, (2, 3))
        >>> isinstance(dlcore.ones(1, dtype={dtype!r}), dlcore.{name})
        True
    """
    return _Typed(name, (), {"dtype": dtype, "__doc__": documentation, "__module__": __name__})


BFloat16Tensor = _constructor("BFloat16Tensor", _core.bfloat16)
BoolTensor = _constructor("BoolTensor", _core.bool)
ByteTensor = _constructor("ByteTensor", _core.uint8)
CharTensor = _constructor("CharTensor", _core.int8)
DoubleTensor = _constructor("DoubleTensor", _core.float64)
FloatTensor = _constructor("FloatTensor", _core.float32)
HalfTensor = _constructor("HalfTensor", _core.float16)
IntTensor = _constructor("IntTensor", _core.int32)
LongTensor = _constructor("LongTensor", _core.int64)
ShortTensor = _constructor("ShortTensor", _core.int16)
