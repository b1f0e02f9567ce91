"""PyTorch's constructors by dtype, as ``dlcore.LongTensor([1, 2])``, which older programs make tensors with."""

from __future__ import annotations

from typing import Any

from dlcore import _core
from dlcore._core import Tensor
from dlcore.shapes import Size

_DTYPES = {
    "BFloat16Tensor": _core.bfloat16,
    "BoolTensor": _core.bool,
    "ByteTensor": _core.uint8,
    "CharTensor": _core.int8,
    "DoubleTensor": _core.float64,
    "FloatTensor": _core.float32,
    "HalfTensor": _core.float16,
    "IntTensor": _core.int32,
    "LongTensor": _core.int64,
    "ShortTensor": _core.int16,
}


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
    name = t.__name__ if isinstance(t, _Typed) else str(t)
    package, _, kind = name.rpartition(".")
    if package not in ("", "torch", "dlcore") or kind not in _DTYPES:
        raise TypeError(f"set_default_tensor_type: expected one of {', '.join(_DTYPES)}, got {name}")
    _core.set_default_dtype(_DTYPES[kind])


class _Typed(type):
    """The class of the constructors: calls make tensors, and tensors of the dtype are instances."""

    _dtype: _core.dtype

    @property
    def name(cls) -> str:
        """The dtype's, for which a constructor may stand, as numpy's scalar types do: ``x.type(FloatTensor)``."""
        return str(cls._dtype).removeprefix("dlcore.")

    def __call__(cls, *args: Any) -> Tensor:
        return constructed(cls.__name__, cls._dtype, args)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype == cls._dtype


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
    return _Typed(name, (), {"_dtype": dtype, "__doc__": documentation, "__module__": __name__})


globals().update({name: _constructor(name, dtype) for name, dtype in _DTYPES.items()})

__all__ = list(_DTYPES)
__all__ += ["set_default_tensor_type"]
