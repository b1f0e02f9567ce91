"""The libraries that ``dlcore bench`` compares: what each calls the operations, at its best settings.

An operation takes arrays of the library's own, made from numpy's without a copy where the library can, and returns
what numpy can read. Operations that a library lacks are left out of its table.

Each library runs in a process of its own, which is stopped while others have their turn: the threads of most go on
spinning for a while after their work, and would take the CPU from whoever comes next.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

import dlcore
import dlcore.nn.functional as F

__all__ = ["PEERS", "Contestant", "library"]

Operation = Callable[..., Any]


class Library(NamedTuple):
    """A library: its name and version, how it takes numpy's arrays, and its operations."""

    name: str
    version: str
    take: Callable[[np.ndarray[Any, Any]], Any]
    operations: Mapping[str, Operation]


PEERS = ("torch", "jax")


class Contestant:
    """A library at work in a process of its own, which runs only while it is asked for something.

    Raises:
        ImportError: the library is not installed.
    """

    def __init__(self, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, dlcore.get_num_threads(), theirs), daemon=True)
        self._process.start()
        theirs.close()
        version = self._connection.recv()
        if version is None:
            self._process.join()
            raise ImportError(f"{name} is not installed")
        self.name, self.version = name, version
        self._signal("SIGSTOP")

    def prepare(self, operation: str, arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any] | None:
        """Take the arrays, and return what the operation gives; None where the library has no such operation."""
        result: np.ndarray[Any, Any] | None = self._ask((operation, arrays))
        return result

    def time(self, seconds: float) -> float:
        """Seconds per call of what was prepared, measured for at least as long as asked after calls to warm up."""
        return float(self._ask(seconds))

    def close(self) -> None:
        """End the process."""
        self._signal("SIGCONT")
        self._process.kill()
        self._process.join()

    def _ask(self, question: Any) -> Any:
        self._signal("SIGCONT")
        try:
            self._connection.send(question)
            answer = self._connection.recv()
        except EOFError:
            raise ValueError(f"{self.name} ended unexpectedly") from None
        self._signal("SIGSTOP")
        return answer

    def _signal(self, name: str) -> None:
        # Windows cannot stop a process: there a spinning thread may disturb the next library.
        if (number := getattr(signal, name, None)) is not None and self._process.pid is not None:
            os.kill(self._process.pid, number)


def _serve(name: str, threads: int, connection: Connection) -> None:
    dlcore.set_num_threads(threads)
    one = library(name)
    connection.send(None if one is None else one.version)
    if one is None:
        return
    run: Operation | None = None
    while True:
        try:
            question = connection.recv()
        except EOFError:
            return
        if isinstance(question, float):
            connection.send(0.0 if run is None else _seconds(run, question))
            continue
        operation, arrays = question
        found = one.operations.get(operation)
        run = None if found is None else partial(found, *map(one.take, arrays))
        connection.send(None if run is None else np.array(run()))


def _seconds(run: Operation, least: float) -> float:
    count, taken = 1, 0.0
    _time(run, 2)  # threads wake, caches fill
    while (taken := _time(run, count)) < least:
        count = max(2 * count, round(1.2 * count * least / taken))
    return taken / count


def _time(run: Operation, count: int) -> float:
    begin = time.perf_counter()
    for _ in range(count):
        run()
    return time.perf_counter() - begin


def library(name: str) -> Library | None:
    """The library of that name: dlcore, numpy, torch or jax; None where it is not installed."""
    try:
        return {"dlcore": _dlcore, "numpy": _numpy, "torch": _torch, "jax": _jax}[name]()
    except ImportError:
        return None


def _dlcore() -> Library:
    return Library(
        "dlcore",
        dlcore.__version__,
        dlcore.from_numpy,
        {
            "add": dlcore.add,
            "multiply and add": lambda a, b, c: a * b + c,
            "exp": dlcore.exp,
            "tanh": dlcore.tanh,
            "gelu": lambda x: F.gelu(x, approximate="tanh"),
            "sum": dlcore.sum,
            "sum over rows": lambda x: dlcore.sum(x, 0),
            "sum over columns": lambda x: dlcore.sum(x, 1),
            "transposed copy": lambda x: x.t().contiguous(),
            "argmax": lambda x: dlcore.argmax(x, 1),
            "cumsum": lambda x: dlcore.cumsum(x, 1),
            "sort": lambda x: dlcore.sort(x).values,
            "top 10": lambda x: dlcore.topk(x, 10).values,
            "matmul": dlcore.matmul,
            "softmax": lambda x: F.softmax(x, 1),
            "conv2d": lambda x, w: F.conv2d(x, w, padding=1),
        },
    )


def _numpy() -> Library:
    return Library(
        "numpy",
        np.__version__,
        lambda array: array,
        {
            "add": np.add,
            "multiply and add": lambda a, b, c: a * b + c,
            "exp": np.exp,
            "tanh": np.tanh,
            "gelu": lambda x: 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x * x * x))),
            "sum": np.sum,
            "sum over rows": lambda x: x.sum(0),
            "sum over columns": lambda x: x.sum(1),
            "transposed copy": lambda x: np.ascontiguousarray(x.T),
            "argmax": lambda x: x.argmax(1),
            "cumsum": lambda x: x.cumsum(1),
            "sort": np.sort,
            "top 10": lambda x: -np.sort(np.partition(-x, 9, 1)[:, :10], 1),
            "matmul": np.matmul,
            "softmax": _softmax,
            "conv2d": _convolution,
        },
    )


def _softmax(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    powers: np.ndarray[Any, Any] = np.exp(rows - rows.max(1, keepdims=True))
    powers /= powers.sum(1, keepdims=True)
    return powers


def _convolution(images: np.ndarray[Any, Any], filters: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The usual way in numpy: windows as rows of a matrix, times the filters."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    n, c, h, w = windows.shape[:4]
    rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * 9)
    product: np.ndarray[Any, Any] = rows @ filters.reshape(len(filters), -1).T
    return product.reshape(n, h, w, -1).transpose(0, 3, 1, 2)


def _torch() -> Library:
    torch: Any = importlib.import_module("torch")
    functional = torch.nn.functional
    torch.set_num_threads(dlcore.get_num_threads())
    return Library(
        "torch",
        torch.__version__,
        torch.from_numpy,
        {
            "add": torch.add,
            "multiply and add": lambda a, b, c: a * b + c,
            "exp": torch.exp,
            "tanh": torch.tanh,
            "gelu": lambda x: functional.gelu(x, approximate="tanh"),
            "sum": torch.sum,
            "sum over rows": lambda x: torch.sum(x, 0),
            "sum over columns": lambda x: torch.sum(x, 1),
            "transposed copy": lambda x: x.t().contiguous(),
            "argmax": lambda x: torch.argmax(x, 1),
            "cumsum": lambda x: torch.cumsum(x, 1),
            "sort": lambda x: torch.sort(x).values,
            "top 10": lambda x: torch.topk(x, 10).values,
            "matmul": torch.matmul,
            "softmax": lambda x: functional.softmax(x, 1),
            "conv2d": lambda x, w: functional.conv2d(x, w, padding=1),
        },
    )


def _jax() -> Library:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    jax: Any = importlib.import_module("jax")
    jnp: Any = importlib.import_module("jax.numpy")
    padding = ((1, 1), (1, 1))

    def compiled(function: Operation) -> Operation:
        fast = jax.jit(function)
        return lambda *arrays: fast(*arrays).block_until_ready()

    operations: dict[str, Operation] = {
        "add": jnp.add,
        "multiply and add": lambda a, b, c: a * b + c,
        "exp": jnp.exp,
        "tanh": jnp.tanh,
        "gelu": lambda x: jax.nn.gelu(x, approximate=True),
        "sum": jnp.sum,
        "sum over rows": lambda x: jnp.sum(x, 0),
        "sum over columns": lambda x: jnp.sum(x, 1),
        "argmax": lambda x: jnp.argmax(x, 1),
        "cumsum": lambda x: jnp.cumsum(x, 1),
        "sort": jnp.sort,
        "top 10": lambda x: jax.lax.top_k(x, 10)[0],
        "matmul": jnp.matmul,
        "softmax": lambda x: jax.nn.softmax(x, 1),
        "conv2d": lambda x, w: jax.lax.conv_general_dilated(x, w, (1, 1), padding),
    }
    return Library(
        "jax", jax.__version__, jnp.asarray, {name: compiled(function) for name, function in operations.items()}
    )
