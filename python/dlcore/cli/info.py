"""``dlcore info``: what dlcore uses of this machine, and why."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from statistics import median

import dlcore
from dlcore import _core

__all__ = ["info"]


def info(measure: bool) -> None:
    """Print version, instruction set, threads and memory counters.

    Args:
        measure: also the speed of a large matrix product and of adding large arrays.
    """
    rows = {
        "dlcore": dlcore.__version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "instructions": _core.isa_reason(),
        "precision": f"{dlcore.get_float32_matmul_precision()} (of float32 matrix products)",
        "threads": f"{dlcore.get_num_threads()}: {_core.threads_reason()}",
    }
    for name, value in dlcore.memory.stats().items():
        unit = "" if name in ("allocations", "cache_hits") else " bytes"
        rows[name.replace("_", " ").removesuffix(" bytes")] = f"{value:,}{unit}"
    rows["cache limit"] += f": {_core.memory_reason()}"
    if measure:
        peak, product = _core.peak_flops() / 1e9, _gflops()
        rows["peak"] = f"{peak:,.0f} GFLOP/s (float32 multiply-adds in registers)"
        rows["matrix product"] = f"{product:,.0f} GFLOP/s (1024x1024, {product / peak:.0%} of the peak)"
        if bfloat16 := _core.peak_bfloat16_flops():
            rows["bfloat16 peak"] = f"{bfloat16 / 1e9:,.0f} GFLOP/s (tiles in registers)"
        rows["memory read"] = f"{_core.read_bandwidth(256 << 20) / 1e9:,.1f} GB/s (256 MiB)"
        rows["memory traffic"] = f"{_gigabytes():,.1f} GB/s (adding two float32 arrays of 64 MiB)"
    for name, text in rows.items():
        print(f"{name:<15}{text}")


def _gflops() -> float:
    size = 1024
    a, b = dlcore.randn(size, size), dlcore.randn(size, size)
    return 2 * size**3 / _seconds(lambda: dlcore.matmul(a, b)) / 1e9


def _gigabytes() -> float:
    a = dlcore.ones(16 << 20)
    b = dlcore.ones(16 << 20)
    return 3 * a.numel() * 4 / _seconds(lambda: dlcore.add(a, b)) / 1e9


def _seconds(run: Callable[[], object]) -> float:
    """Median time of one call, after a warm-up."""
    run()
    times = []
    for _ in range(9):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return median(times)
