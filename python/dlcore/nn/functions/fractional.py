"""Maximum pooling whose windows lie at random, so that an image shrinks by a fraction (Graham, 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlcore._core import ShapeError, Tensor, _widened, arange, cat, int64, rand

__all__ = ["fractional_max_pool2d", "fractional_max_pool3d"]


def _each(name: str, what: str, value: int | Sequence[int], dims: int) -> tuple[int, ...]:
    sizes = (value,) * dims if isinstance(value, int) else tuple(value)
    if len(sizes) != dims or min(sizes) < 1:
        raise ValueError(f"{name}: {what} must be {dims} numbers from 1, got {value}")
    return sizes


def _starts(samples: Tensor, size: int, window: int, count: int) -> Tensor:
    """Where `count` windows begin, (..., count), for each random number: the paper's pseudo-random sequence."""
    if count == 1:
        return (samples.unsqueeze(-1) * 0).to(int64) + (size - window)
    step = (size - window) / (count - 1)
    steps = arange(count - 1).to(samples.dtype)
    inner = ((steps + samples.unsqueeze(-1)) * step).to(int64) - (samples * step).to(int64).unsqueeze(-1)
    last = inner[..., :1] * 0 + (size - window)
    return cat([inner, last], -1)


def _pool(
    dims: int,
    input: Tensor,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None,
    output_ratio: float | Sequence[float] | None,
    return_indices: bool,
    samples: Tensor | None,
) -> Any:
    name = f"fractional_max_pool{dims}d"
    if input.dim() not in (dims + 1, dims + 2):
        raise ShapeError(f"{name}: expected {dims + 1} or {dims + 2} dimensions, got shape {tuple(input.shape)}")
    sizes, kernel = tuple(input.shape[-dims:]), _each(name, "kernel_size", kernel_size, dims)
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{name}: takes either output_size or output_ratio")
    if output_ratio is not None:
        ratios = (output_ratio,) * dims if isinstance(output_ratio, int | float) else tuple(output_ratio)
        if len(ratios) != dims or not all(0 < ratio < 1 for ratio in ratios):
            raise ValueError(f"{name}: output_ratio must be {dims} numbers between 0 and 1, got {output_ratio}")
        output_size = [int(size * ratio) for size, ratio in zip(sizes, ratios, strict=True)]
    assert output_size is not None
    counts = _each(name, "output_size", output_size, dims)
    if any(count + window - 1 > size for count, window, size in zip(counts, kernel, sizes, strict=True)):
        raise ShapeError(f"{name}: windows {kernel} do not fit {counts} times into {sizes}")
    input, alone = _widened(input), input.dim() == dims + 1
    batch = input.unsqueeze(0) if alone else input
    if samples is None:
        samples = rand(*batch.shape[:2], dims, dtype=input.dtype)
    samples = samples[: batch.shape[0]]
    # The random numbers of PyTorch are for the last dimension first in two dimensions, and in order in three.
    order = (1, 0) if dims == 2 else (0, 1, 2)
    flat = None
    for axis in range(dims):
        starts = _starts(samples[..., order[axis]], sizes[axis], kernel[axis], counts[axis])
        places = starts.unsqueeze(-1) + arange(kernel[axis])  # (N, C, count, window)
        shape = [1] * (2 * dims)
        shape[axis], shape[dims + axis] = counts[axis], kernel[axis]
        places = places.reshape(*batch.shape[:2], *shape)
        flat = places if flat is None else flat * sizes[axis] + places
    assert flat is not None
    windows = flat.flatten(2 + dims)
    values = batch.flatten(2).gather(2, windows.flatten(2)).reshape(windows.shape)
    found = values.argmax(-1, keepdim=True)
    result, indices = values.gather(-1, found).squeeze(-1), windows.gather(-1, found).squeeze(-1)
    if alone:
        result, indices = result.squeeze(0), indices.squeeze(0)
    return (result, indices) if return_indices else result


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest value of windows whose places are drawn, so that they cover images of any size.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: height and width of a window.
        output_size: height and width of the output, or
        output_ratio: its part of the input, between 0 and 1.
        return_indices: give the places of the values, too.
        _random_samples: (N, C, 2), numbers in 0..1 to be used instead of new ones.

    Raises:
        ValueError: sizes and ratios that make no sense.
        ShapeError: windows that do not fit.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.fractional_max_pool2d(dlcore.zeros(1, 1, 9, 9), 2, output_ratio=0.7).shape
        (1, 1, 6, 6)
    """
    return _pool(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: int | Sequence[int],
    output_size: int | Sequence[int] | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """As `fractional_max_pool2d`, of volumes (N, C, D, H, W) or (C, D, H, W).

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.fractional_max_pool3d(dlcore.zeros(1, 1, 5, 5, 5), 2, output_size=3).shape
        (1, 1, 3, 3, 3)
    """
    return _pool(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
