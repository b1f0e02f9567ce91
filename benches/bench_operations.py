"""Single operations, dlcore against numpy: products, convolution, elementwise functions, rows, call overhead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view


def normal(rng: np.random.Generator, *shape: int) -> Any:
    """Normal float32 numbers as a numpy array and, over the same memory, a tensor."""
    array = rng.standard_normal(shape, dtype=np.float32)
    return array, dlcore.from_numpy(array)


@pytest.mark.parametrize("n", [32, 64, 128, 256, 512, 1000, 1023, 2048])
@pytest.mark.benchmark(group="matmul n x n")
def test_matmul(n: int, rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = f"matmul {n}x{n}x{n}"
    (a, ta), (b, tb) = normal(rng, n, n), normal(rng, n, n)
    race(numpy=lambda: a @ b, dlcore=lambda: ta @ tb, atol=1e-3)


@pytest.mark.parametrize(
    ("m", "k", "n"), [(64, 784, 128), (1024, 784, 128), (1, 4096, 4096), (8, 4096, 4096), (127, 31, 301)]
)
def test_matmul_oblong(
    m: int, k: int, n: int, rng: np.random.Generator, race: Callable[..., None], benchmark: Any
) -> None:
    benchmark.group = f"matmul {m}x{k}x{n}"
    (a, ta), (b, tb) = normal(rng, m, k), normal(rng, k, n)
    race(numpy=lambda: a @ b, dlcore=lambda: ta @ tb, atol=1e-3)


@pytest.mark.parametrize("transposed", ["TN", "NT"])
def test_matmul_transposed(
    transposed: str, rng: np.random.Generator, race: Callable[..., None], benchmark: Any
) -> None:
    benchmark.group = f"matmul 1024x1024x1024 {transposed}"
    (a, ta), (b, tb) = normal(rng, 1024, 1024), normal(rng, 1024, 1024)
    if transposed == "TN":
        race(numpy=lambda: a.T @ b, dlcore=lambda: ta.t() @ tb, atol=1e-3)
    else:
        race(numpy=lambda: a @ b.T, dlcore=lambda: ta @ tb.t(), atol=1e-3)


def test_matmul_batched(rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = "matmul 96 x (128x64x128)"
    (a, ta), (b, tb) = normal(rng, 96, 128, 64), normal(rng, 96, 64, 128)
    race(numpy=lambda: a @ b, dlcore=lambda: ta @ tb, atol=1e-3)


@pytest.mark.parametrize(("n", "c", "size", "o", "k"), [(64, 1, 28, 32, 5), (64, 32, 12, 64, 5), (8, 64, 56, 64, 3)])
def test_conv2d(
    n: int, c: int, size: int, o: int, k: int, rng: np.random.Generator, race: Callable[..., None], benchmark: Any
) -> None:
    benchmark.group = f"conv2d {n}x{c}x{size}x{size}, {o} of {k}x{k}"
    (x, tx), (w, tw) = normal(rng, n, c, size, size), normal(rng, o, c, k, k)

    def by_numpy() -> Any:
        # numpy's fastest way: the windows as rows of one matrix product.
        windows = sliding_window_view(x, (k, k), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
        rows = np.ascontiguousarray(windows).reshape(-1, c * k * k) @ w.reshape(o, -1).T
        return rows.reshape(n, windows.shape[1], windows.shape[2], o).transpose(0, 3, 1, 2)

    race(numpy=by_numpy, dlcore=lambda: F.conv2d(tx, tw), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n", [1_000, 1_000_000])
@pytest.mark.parametrize("name", ["add", "exp", "tanh", "sum"])
def test_elementwise(name: str, n: int, rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = f"{name} of {n:,} elements"
    (a, ta), (b, tb) = normal(rng, n), normal(rng, n)
    contenders: dict[str, tuple[Any, Any]] = {
        "add": (lambda: a + b, lambda: ta + tb),
        "exp": (lambda: np.exp(a), lambda: dlcore.exp(ta)),
        "tanh": (lambda: np.tanh(a), lambda: dlcore.tanh(ta)),
        "sum": (a.sum, ta.sum),
    }
    by_numpy, by_dlcore = contenders[name]
    race(numpy=by_numpy, dlcore=by_dlcore, atol=1e-2 if name == "sum" else 1e-5)


def test_multiply_and_add(rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = "a * b + c of 16,000,000 elements"
    (a, ta), (b, tb), (c, tc) = (normal(rng, 16_000_000) for _ in range(3))
    race(numpy=lambda: a * b + c, dlcore=lambda: ta * tb + tc)


@pytest.mark.parametrize("name", ["exp", "tanh", "gelu"])
def test_function_of_4m(name: str, rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = f"{name} of 4,000,000 elements"
    x, tx = normal(rng, 4_000_000)
    contenders: dict[str, tuple[Any, Any]] = {
        "exp": (lambda: np.exp(x), lambda: dlcore.exp(tx)),
        "tanh": (lambda: np.tanh(x), lambda: dlcore.tanh(tx)),
        # numpy has no erf: the form by tanh.
        "gelu": (
            lambda: 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x * x * x))),
            lambda: F.gelu(tx, approximate="tanh"),
        ),
    }
    by_numpy, by_dlcore = contenders[name]
    race(numpy=by_numpy, dlcore=by_dlcore)


def test_sort(rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = "sort of 1,000,000 elements"
    a, ta = normal(rng, 1_000_000)
    race(numpy=lambda: np.sort(a), dlcore=lambda: ta.sort().values)


def test_topk(rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = "10 largest of each row of 4096x10000"
    a, ta = normal(rng, 4096, 10_000)
    race(numpy=lambda: -np.sort(np.partition(-a, 9, 1)[:, :10], 1), dlcore=lambda: ta.topk(10).values)


@pytest.mark.parametrize("name", ["sum over rows", "sum over columns", "transposed copy", "cumsum", "argmax"])
def test_matrix_4096(name: str, rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = f"{name} of 4096x4096"
    a, ta = normal(rng, 4096, 4096)
    contenders: dict[str, tuple[Any, Any]] = {
        "sum over rows": (lambda: a.sum(0), lambda: ta.sum(0)),
        "sum over columns": (lambda: a.sum(1), lambda: ta.sum(1)),
        "transposed copy": (lambda: np.ascontiguousarray(a.T), lambda: ta.t().contiguous()),
        "cumsum": (lambda: a.cumsum(1), lambda: ta.cumsum(1)),
        "argmax": (lambda: a.argmax(1), lambda: ta.argmax(1)),
    }
    by_numpy, by_dlcore = contenders[name]
    race(numpy=by_numpy, dlcore=by_dlcore, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(("rows", "columns"), [(64, 10), (4096, 1024)])
def test_softmax(rows: int, columns: int, rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = f"softmax {rows}x{columns}"
    x, tx = normal(rng, rows, columns)

    def by_numpy() -> Any:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    race(numpy=by_numpy, dlcore=lambda: F.softmax(tx, 1))


def test_call_overhead(rng: np.random.Generator, race: Callable[..., None], benchmark: Any) -> None:
    benchmark.group = "add of two 1-element arrays"
    (a, ta), (b, tb) = normal(rng, 1), normal(rng, 1)
    race(numpy=lambda: a + b, dlcore=lambda: ta + tb)
