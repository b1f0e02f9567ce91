"""``dlcore bench``: dlcore against numpy, as a table of ratios.

Both compute the same from the same numbers, which is checked first. They take turns, so that a machine that slows down
slows both; the table shows medians.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np

import dlcore
import dlcore.nn.functional as F

__all__ = ["bench"]

_TURNS = 15
_TURN = 0.004  # seconds that one turn takes at least


class _Case(NamedTuple):
    name: str
    ours: Callable[[], Any]
    numpy: Callable[[], Any]


def bench() -> None:
    """Print the table: times of both and how many times faster dlcore is.

    Raises:
        ValueError: dlcore and numpy do not agree; nothing is timed then.
    """
    print(f"{'':<34}{'dlcore':>10}{'numpy':>10}{'ratio':>8}")
    for case in _cases():
        ours, theirs = np.asarray(case.ours()), case.numpy()
        if not np.allclose(ours, theirs, rtol=1e-3, atol=1e-4):
            raise ValueError(f"{case.name}: dlcore and numpy do not agree")
        mine, other = _interleaved(case.ours, case.numpy)
        print(f"{case.name:<34}{_readable(mine):>10}{_readable(other):>10}{other / mine:>7.2f}x")


def _interleaved(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[float, float]:
    """Median seconds per call of each, in turns."""
    repeats = [max(1, round(_TURN / max(_time(run, 1), 1e-9))) for run in (first, second)]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_TURNS):
        for run, count, found in zip((first, second), repeats, times, strict=True):
            found.append(_time(run, count))
    return median(times[0]), median(times[1])


def _time(run: Callable[[], Any], count: int) -> float:
    begin = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - begin) / count


def _readable(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def _cases() -> Iterator[_Case]:
    random = np.random.default_rng(0)

    def array(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return random.standard_normal(shape, np.float32)

    for size in (1, 1_000, 1_000_000):
        a, b = array(size), array(size)
        x, y = dlcore.from_numpy(a), dlcore.from_numpy(b)
        yield _Case(f"add, {size:,}", partial(operator.add, x, y), partial(operator.add, a, b))
    yield _Case("exp, 1,000,000", partial(dlcore.exp, x), partial(np.exp, a))
    yield _Case("sum, 1,000,000", x.sum, a.sum)
    for size in (64, 512, 1024):
        p, q = array(size, size), array(size, size)
        s, t = dlcore.from_numpy(p), dlcore.from_numpy(q)
        yield _Case(f"matmul, {size}x{size}", partial(operator.matmul, s, t), partial(operator.matmul, p, q))
    rows = array(256, 1000)
    scores = dlcore.from_numpy(rows)
    yield _Case("softmax, 256x1000", partial(F.softmax, scores, 1), partial(_softmax, rows))
    images, filters = array(16, 16, 28, 28), array(32, 16, 3, 3)
    pictures, weight = dlcore.from_numpy(images), dlcore.from_numpy(filters)
    yield _Case(
        "conv2d, 16x16x28x28 by 32x16x3x3",
        partial(F.conv2d, pictures, weight, padding=1),
        partial(_convolution, images, filters),
    )


def _softmax(rows: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, Any]:
    powers: np.ndarray[Any, Any] = np.exp(rows - rows.max(1, keepdims=True))
    powers /= powers.sum(1, keepdims=True)
    return powers


def _convolution(
    images: np.ndarray[Any, np.dtype[np.float32]], filters: np.ndarray[Any, np.dtype[np.float32]]
) -> np.ndarray[Any, Any]:
    """The usual way in numpy: windows as rows of a matrix, times the filters."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    n, c, h, w = windows.shape[:4]
    rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * 9)
    product = rows @ filters.reshape(len(filters), -1).T
    return product.reshape(n, h, w, -1).transpose(0, 3, 1, 2)
