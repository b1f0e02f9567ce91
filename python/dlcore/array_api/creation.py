"""New arrays."""

from __future__ import annotations

import dlcore
from dlcore._core import Tensor, dtype
from dlcore.array_api.dtypes import check_device
from dlcore.composed import shares_memory

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than this
if TYPE_CHECKING:
    from typing import Any


def _shape(shape: int | tuple[int, ...]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def asarray(obj: Any, /, *, dtype: dtype | None = None, device: str | None = None, copy: bool | None = None) -> Tensor:
    """An array of numbers, nested sequences of them, or of what shares its memory, which is copied only if it must be.

    ``copy=True`` copies always and ``copy=False`` raises ValueError where it would have to.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.asarray([[1, 2], [3, 4]], dtype=xp.float64)
        tensor([[1., 2.],
                [3., 4.]], dtype=dlcore.float64)
    """
    check_device(device)
    if copy:
        return dlcore.tensor(obj, dtype=dtype)
    made = dlcore.as_tensor(obj, dtype=dtype)
    if copy is False and not shares_memory(made, obj):
        raise ValueError("asarray: copy=False, but this has no memory to share in that dtype")
    return made


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """The array that another library's object is, sharing its memory where ``copy`` allows.

    Example:
        >>> import numpy as np
        >>> import dlcore.array_api as xp
        >>> xp.from_dlpack(np.arange(3))
        tensor([0, 1, 2])
    """
    check_device(device)
    return dlcore.from_dlpack(x, copy=copy)


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: dtype | None = None,
    device: str | None = None,
) -> Tensor:
    """``start``, ``start + step``, ... below ``stop``; from 0 to ``start`` where ``stop`` is missing.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.arange(1, 6, 2)
        tensor([1, 3, 5])
    """
    check_device(device)
    if stop is None:
        start, stop = 0, start
    if (stop - start) * step <= 0:
        is_float = any(isinstance(x, float) for x in (start, stop, step))
        return dlcore.empty(0, dtype=dtype or (dlcore.get_default_dtype() if is_float else dlcore.int64))
    return dlcore.arange(start, stop, step, dtype=dtype)


def linspace(
    start: float,
    stop: float,
    /,
    num: int,
    *,
    dtype: dtype | None = None,
    device: str | None = None,
    endpoint: bool = True,
) -> Tensor:
    """``num`` evenly spaced numbers from ``start`` to ``stop``, which is the last unless ``endpoint`` is false.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.linspace(0, 1, 4, endpoint=False)
        tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """
    check_device(device)
    return dlcore.linspace(start, stop, num if endpoint else num + 1, dtype=dtype)[:num]


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: dtype | None = None, device: str | None = None
) -> Tensor:
    """Ones on the ``k``-th diagonal above the main one, zeros elsewhere.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.eye(2, 3, k=1)
        tensor([[0., 1., 0.],
                [0., 0., 1.]])
    """
    check_device(device)
    n_cols = n_rows if n_cols is None else n_cols
    k = min(max(k, -n_rows), n_cols)  # diagonals further off are as empty, and may be beyond all integers
    rows, columns = dlcore.arange(n_rows).unsqueeze(1), dlcore.arange(n_cols)
    return (columns - rows == k).to(dtype or dlcore.get_default_dtype())


def empty(shape: int | tuple[int, ...], *, dtype: dtype | None = None, device: str | None = None) -> Tensor:
    """An array to be filled.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.empty((2, 3)).shape
        (2, 3)
    """
    check_device(device)
    return dlcore.empty(_shape(shape), dtype=dtype)


def zeros(shape: int | tuple[int, ...], *, dtype: dtype | None = None, device: str | None = None) -> Tensor:
    """Zeros.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.zeros((2, 2), dtype=xp.int32)
        tensor([[0, 0],
                [0, 0]], dtype=dlcore.int32)
    """
    check_device(device)
    return dlcore.zeros(_shape(shape), dtype=dtype)


def ones(shape: int | tuple[int, ...], *, dtype: dtype | None = None, device: str | None = None) -> Tensor:
    """Ones.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.ones(3)
        tensor([1., 1., 1.])
    """
    check_device(device)
    return dlcore.ones(_shape(shape), dtype=dtype)


def full(
    shape: int | tuple[int, ...], fill_value: float, *, dtype: dtype | None = None, device: str | None = None
) -> Tensor:
    """Every element ``fill_value``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.full((2,), 7)
        tensor([7, 7])
    """
    check_device(device)
    return dlcore.full(_shape(shape), fill_value, dtype=dtype)


def empty_like(x: Tensor, /, *, dtype: dtype | None = None, device: str | None = None) -> Tensor:
    """An array to be filled, in the shape of ``x``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.empty_like(xp.ones((2, 3))).shape
        (2, 3)
    """
    check_device(device)
    return dlcore.empty_like(x, dtype=dtype)


def zeros_like(x: Tensor, /, *, dtype: dtype | None = None, device: str | None = None) -> Tensor:
    """Zeros in the shape of ``x``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.zeros_like(xp.asarray([1, 2]))
        tensor([0, 0])
    """
    check_device(device)
    return dlcore.zeros_like(x, dtype=dtype)


def ones_like(x: Tensor, /, *, dtype: dtype | None = None, device: str | None = None) -> Tensor:
    """Ones in the shape of ``x``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.ones_like(xp.asarray([1, 2]), dtype=xp.float32)
        tensor([1., 1.])
    """
    check_device(device)
    return dlcore.ones_like(x, dtype=dtype)


def full_like(x: Tensor, /, fill_value: float, *, dtype: dtype | None = None, device: str | None = None) -> Tensor:
    """Every element ``fill_value``, in the shape of ``x``.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.full_like(xp.asarray([1, 2]), 7)
        tensor([7, 7])
    """
    check_device(device)
    return dlcore.full_like(x, fill_value, dtype=dtype)


def meshgrid(*arrays: Tensor, indexing: str = "xy") -> list[Tensor]:
    """The coordinates of a grid from vectors of them.

    Example:
        >>> import dlcore.array_api as xp
        >>> x, y = xp.meshgrid(xp.asarray([1, 2, 3]), xp.asarray([4, 5]))
        >>> x
        tensor([[1, 2, 3],
                [1, 2, 3]])
        >>> y
        tensor([[4, 4, 4],
                [5, 5, 5]])
    """
    return list(dlcore.meshgrid(*arrays, indexing=indexing))


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The matrices, zero above the ``k``-th diagonal.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.tril(xp.ones((2, 3)))
        tensor([[1., 0., 0.],
                [1., 1., 0.]])
    """
    return dlcore.tril(x, k)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The matrices, zero below the ``k``-th diagonal.

    Example:
        >>> import dlcore.array_api as xp
        >>> xp.triu(xp.ones((2, 3)), k=1)
        tensor([[0., 1., 1.],
                [0., 0., 1.]])
    """
    return dlcore.triu(x, k)
