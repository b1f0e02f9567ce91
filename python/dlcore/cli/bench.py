"""``dlcore bench``: dlcore beside numpy, and beside torch and JAX if asked, against the machine's measured limit.

All compute the same from the same numbers, which is checked first. They take turns, so that a machine that slows down
slows all of them; the figures are medians. The limit of a case is the larger of its operations over the measured peak
and its bytes over the measured bandwidth of reading a working set of that size.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

import dlcore
from dlcore import _core
from dlcore.cli.peers import PEERS, Contestant

__all__ = ["bench"]

_TURNS = 9
_TURN = 0.004  # seconds that one turn takes at least


class _Case(NamedTuple):
    operation: str
    shapes: tuple[tuple[int, ...], ...]
    operations: float = 0.0  # floating-point operations that count: those of products
    values: int = 0  # float32 numbers read and written, once each

    @property
    def name(self) -> str:
        shapes = ["x".join(f"{n:,}" for n in shape) for shape in dict.fromkeys(self.shapes)]
        return f"{self.operation}, {' by '.join(shapes)}"


class _Found(NamedTuple):
    case: _Case
    seconds: dict[str, float]
    limit: float

    @property
    def ratio(self) -> float:
        """How many times faster dlcore is than the best of the others."""
        return min(seconds for name, seconds in self.seconds.items() if name != "dlcore") / self.seconds["dlcore"]


def bench(peers: bool = False, json_path: Path | None = None, plot_path: Path | None = None) -> None:
    """Print the times of all, how many times faster dlcore is than the best other, and its share of the limit.

    Args:
        peers: also torch and JAX, where they are installed.
        json_path: a file for the figures.
        plot_path: a picture of the ratios; its ending says the format.

    Raises:
        ValueError: dlcore and another library do not agree; nothing more is timed then.
        ImportError: a picture without matplotlib.
    """
    contestants = []
    for name in ("dlcore", "numpy", *(PEERS if peers else ())):
        try:
            contestants.append(Contestant(name))
        except ImportError as error:
            print(error)
    try:
        results = _table(contestants)
    finally:
        for one in contestants:
            one.close()
    peak, bandwidth = _limits()
    print(f"limit: {peak / 1e9:,.0f} GFLOP/s, {bandwidth / 1e9:,.0f} GB/s read from memory")
    if json_path is not None:
        _write(json_path, results, {one.name: one.version for one in contestants})
    if plot_path is not None:
        _draw(plot_path, results)


@cache
def _limits() -> tuple[float, float]:
    """The peak in operations per second, and bytes per second from memory."""
    return _core.peak_flops(), _core.read_bandwidth(256 << 20)


def _table(contestants: Sequence[Contestant]) -> list[_Found]:
    print(f"{'':<36}" + "".join(f"{one.name:>10}" for one in contestants) + f"{'ratio':>8}{'of limit':>10}")
    peak, _ = _limits()
    results = []
    for case in _cases():
        found = _measured(case, contestants, peak)
        results.append(found)
        times = "".join(
            f"{_readable(found.seconds[one.name]) if one.name in found.seconds else '':>10}" for one in contestants
        )
        share = f"{found.limit / found.seconds['dlcore']:>10.0%}" if found.limit else ""
        print(f"{case.name:<36}{times}{found.ratio:>7.2f}x{share}")
    return results


def _cases() -> Sequence[_Case]:
    def product(m: int, k: int, n: int) -> _Case:
        return _Case("matmul", ((m, k), (k, n)), 2.0 * m * k * n, m * k + k * n + m * n)

    def over(operation: str, *shapes: tuple[int, ...], out: int = 0) -> _Case:
        return _Case(operation, shapes, values=sum(map(prod, shapes)) + out)

    sizes = (1, 1_000, 1_000_000, 16_000_000)
    square = (4096, 4096)
    return (
        *(over("add", (n,), (n,), out=n) for n in sizes),
        over("multiply and add", *[(16_000_000,)] * 3, out=16_000_000),
        *(over(name, (4_000_000,), out=4_000_000) for name in ("exp", "tanh", "gelu")),
        *(over(name, square) for name in ("sum", "sum over rows", "sum over columns")),
        over("transposed copy", square, out=prod(square)),
        over("cumsum", square, out=prod(square)),
        over("argmax", (4096, 10_000)),
        over("top 10", (4096, 10_000)),
        over("sort", (1_000_000,), out=1_000_000),
        over("softmax", (4096, 1024), out=4096 * 1024),
        *(product(n, n, n) for n in (32, 64, 128, 256, 512, 1000, 1024, 2048)),
        *(product(*shape) for shape in ((64, 784, 128), (1024, 784, 128), (1, 4096, 4096), (8, 4096, 4096))),
        _Case("matmul", ((96, 128, 64), (96, 64, 128)), 2.0 * 96 * 128 * 64 * 128, 96 * 128 * (64 + 64 + 128)),
        _Case(
            "conv2d",
            ((16, 16, 28, 28), (32, 16, 3, 3)),
            2.0 * 16 * 32 * 28 * 28 * 16 * 9,
            16 * (16 + 32) * 28 * 28 + 32 * 16 * 9,
        ),
    )


def _measured(case: _Case, contestants: Sequence[Contestant], peak: float) -> _Found:
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(shape, np.float32) for shape in case.shapes]
    results = {one.name: one.prepare(case.operation, arrays) for one in contestants}
    able = [one for one in contestants if results[one.name] is not None]
    _require_agreement(case.name, results)
    times: dict[str, list[float]] = {one.name: [] for one in able}
    for _ in range(_TURNS):
        for one in able:
            times[one.name].append(one.time(_TURN))
    bytes_moved = 4 * case.values
    # What takes less than a microsecond is the call, not the work.
    in_memory = bytes_moved / _core.read_bandwidth(bytes_moved) if bytes_moved > 1 << 16 else 0.0
    limit = max(in_memory, case.operations / peak)
    return _Found(case, {name: median(found) for name, found in times.items()}, limit)


def _require_agreement(name: str, results: Mapping[str, np.ndarray[Any, Any] | None]) -> None:
    ours = results["dlcore"]
    if ours is None:
        raise ValueError(f"{name}: dlcore does not compute it")
    tolerance = 1e-5 * float(np.abs(ours).max(initial=1.0))  # sums of many, in other orders
    for other, theirs in results.items():
        if theirs is not None and not np.allclose(ours, theirs, rtol=1e-3, atol=max(tolerance, 1e-4)):
            raise ValueError(f"{name}: dlcore and {other} do not agree")


def _readable(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def _write(path: Path, results: Sequence[_Found], versions: Mapping[str, str]) -> None:
    cases = [
        {"name": one.case.name, "seconds": one.seconds, "limit_seconds": one.limit, "ratio": one.ratio}
        for one in results
    ]
    peak, bandwidth = _limits()
    machine = {
        "platform": platform.platform(),
        "instructions": _core.isa_reason(),
        "threads": dlcore.get_num_threads(),
        "peak_flops": peak,
        "read_bytes_per_second": bandwidth,
    }
    path.write_text(json.dumps({"machine": machine, "versions": versions, "cases": cases}, indent=2), encoding="utf-8")


def _draw(path: Path, results: Sequence[_Found]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.26 * len(results) + 1), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names, ratios = [one.case.name for one in results], [one.ratio for one in results]
    bars = axes.barh(names, ratios, color=["C0" if ratio >= 1 else "C1" for ratio in ratios])
    axes.bar_label(bars, fmt="%.2g", padding=2, fontsize=7)
    axes.axvline(1, color="0.4", lw=0.8)
    axes.set(xscale="log", xlabel="times as fast as the best of the others")
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    axes.margins(x=0.12)
    figure.savefig(path)
