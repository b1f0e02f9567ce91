"""Operations of the registry that numpy or torch has too, at 1, 1 000 and 1 000 000 elements, beside them.

    python benches/registry.py [--busy] [--sizes 1,1000,1000000] [--only GLOB] [--most 20] [--json FILE]

The libraries take turns, five rounds of a few milliseconds each, and the fastest round counts, so that what else the
machine does meanwhile hurts all of them alike; each turn waits for the threads that the one before left spinning. On a
busy machine, `--busy` counts the processor's time and lets each library have one thread. Printed are, for each size,
the median by category of what a call takes beside torch and beside numpy, and the calls that are worst beside the
faster of the two. At the end stand the operations that have no case here.

Inputs are contiguous float32 between 0.1 and 0.9 but where a case says otherwise, and nothing is recorded: the best of
cases. benches/surface.py has other numbers, dtypes and orders of memory. Decompositions stop at 256 rows, `diag` at
1 000 elements.
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
import importlib
import json
import operator
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dlcore
import numpy as np
from dlcore import _core

ROUNDS, BUDGET = 5, 0.004  # rounds of each library, seconds of a round


class Case(NamedTuple):
    """A call to time: a name that both libraries have, or a function of a library, its `nn.functional` and inputs;
    and numpy's function."""

    category: str
    inputs: Callable[[int], list[np.ndarray[Any, Any]]]
    call: str | Callable[..., Any]
    numpy: Callable[..., Any] | None = None


RNG = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray[Any, Any]:
    """Positive numbers below one, where all functions have values."""
    return RNG.random(shape, dtype=np.float32) * np.float32(0.8) + np.float32(0.1)


def integers(high: int, *shape: int) -> np.ndarray[Any, Any]:
    """Integers from 1."""
    return RNG.integers(1, high, shape)


def side(n: int) -> int:
    """The rows of a matrix of about n elements."""
    return max(int(n**0.5), 1)


def square(n: int) -> np.ndarray[Any, Any]:
    """A matrix of about n elements."""
    return floats(side(n), side(n))


def definite(n: int) -> np.ndarray[Any, Any]:
    """A positive definite matrix, of at most 256 rows: decompositions take long."""
    x = floats(min(side(n), 256), min(side(n), 256))
    return x @ x.T + len(x) * np.eye(len(x), dtype=np.float32)


def image(n: int) -> np.ndarray[Any, Any]:
    """Planes of about n elements."""
    return floats(1, 4, side(n // 4), side(n // 4)) if n >= 64 else floats(1, 1, 3, 3)


NUMPY = {
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2",
    "atanh": "arctanh", "bitwise_left_shift": "left_shift", "bitwise_right_shift": "right_shift", "div": "true_divide",
    "eq": "equal", "ge": "greater_equal", "gt": "greater", "le": "less_equal", "lt": "less", "mul": "multiply",
    "ne": "not_equal", "neg": "negative", "pow": "power", "sub": "subtract", "clone": "copy",
}  # fmt: skip

BITS = "bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor gcd lcm"
BY_NAME = {
    "maps of one": "abs acos asin asinh atan atanh ceil clone cos cosh digamma erf erfc erfinv exp exp2 expm1 floor "
    "i0 lgamma log log10 log1p log2 logical_not neg reciprocal relu round rsqrt sigmoid sign sin sinh sqrt square tan "
    "tanh trunc isfinite isinf isnan special.erfcx special.i0e special.i1 special.i1e special.ndtri",
    "maps of two": "add atan2 copysign div eq floor_divide fmod ge gt hypot igamma igammac le logical_and logical_or "
    f"logical_xor lt maximum minimum mul ne nextafter pow remainder sub special.zeta {BITS}",
    "activations": "elu gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish silu softplus "
    "softshrink softsign",
    "reductions": "all amax amin any argmax argmin max mean min prod std sum var",
    "moves": "nonzero",
}

SPELT: dict[str, Case] = {
    "acosh": Case("maps of one", lambda n: [floats(n) + 1], "acosh", np.arccosh),
    "clamp": Case(
        "maps of one", lambda n: [floats(n)], lambda t, _, x: t.clamp(x, 0.2, 0.6), lambda x: x.clip(0.2, 0.6)
    ),
    "to": Case("maps of one", lambda n: [floats(n)], lambda t, _, x: x.to(t.float64), lambda x: x.astype("float64")),
    "polygamma": Case("maps of one", lambda n: [floats(n)], lambda t, _, x: t.polygamma(1, x)),
    "where": Case(
        "maps of two", lambda n: [floats(n) > 0.5, floats(n), floats(n)], "where", np.where
    ),
    "angle": Case("maps of one", lambda n: [floats(n)], "angle", np.angle),
    "frac": Case("maps of one", lambda n: [floats(n)], "frac"),
    "cube": Case("maps of one", lambda n: [floats(n)], lambda _, __, x: x**3, lambda x: x**3),
    "inverse_square": Case("maps of one", lambda n: [floats(n)], lambda _, __, x: x**-2, lambda x: x**-2.0),
    "entr": Case("maps of one", lambda n: [floats(n)], "special.entr"),
    "sinc": Case("maps of one", lambda n: [floats(n)], "sinc", np.sinc),
    "logit": Case("maps of one", lambda n: [floats(n)], "logit"),
    "logaddexp": Case("maps of two", lambda n: [floats(n), floats(n)], "logaddexp", np.logaddexp),
    "logaddexp2": Case("maps of two", lambda n: [floats(n), floats(n)], "logaddexp2", np.logaddexp2),
    "lerp": Case("maps of two", lambda n: [floats(n), floats(n)], lambda t, _, x, y: t.lerp(x, y, 0.3)),
    "addcmul": Case("maps of two", lambda n: [floats(n)] * 3, "addcmul"),
    "addcdiv": Case("maps of two", lambda n: [floats(n)] * 3, "addcdiv"),
    "clamp_between": Case("maps of two", lambda n: [floats(n), floats(n), floats(n)], "clamp", np.clip),
    "nan_to_num": Case("maps of one", lambda n: [floats(n)], "nan_to_num", np.nan_to_num),
    "frexp": Case("maps of one", lambda n: [floats(n)], "frexp", np.frexp),
    "float_power": Case(
        "maps of one", lambda n: [floats(n)], lambda t, _, x: t.float_power(x, 2), lambda x: np.float_power(x, 2)
    ),
    "cross": Case(
        "maps of two", lambda n: [floats(max(n // 3, 1), 3), floats(max(n // 3, 1), 3)],
        lambda t, _, x, y: t.linalg.cross(x, y), np.cross,
    ),
    "threshold": Case("activations", lambda n: [floats(n)], lambda _, f, x: f.threshold(x, 0.5, 0.0)),
    "softmax": Case("activations", lambda n: [square(n)], lambda t, _, x: t.softmax(x, -1)),
    "log_softmax": Case("activations", lambda n: [square(n)], lambda t, _, x: t.log_softmax(x, -1)),
    "sum by rows": Case("reductions", lambda n: [square(n)], lambda t, _, x: t.sum(x, 1), lambda x: x.sum(1)),
    "sum by columns": Case("reductions", lambda n: [square(n)], lambda t, _, x: t.sum(x, 0), lambda x: x.sum(0)),
    "amax by rows": Case("reductions", lambda n: [square(n)], lambda t, _, x: t.amax(x, 1), lambda x: x.max(1)),
    "argmax by columns": Case(
        "reductions", lambda n: [square(n)], lambda t, _, x: t.argmax(x, 0), lambda x: x.argmax(0)
    ),
    "nansum": Case("reductions", lambda n: [floats(n)], "nansum", np.nansum),
    "norm": Case("reductions", lambda n: [floats(n)], "linalg.vector_norm", np.linalg.norm),
    "logsumexp": Case("reductions", lambda n: [square(n)], lambda t, _, x: t.logsumexp(x, -1)),
    "cumsum": Case("scans and sorts", lambda n: [floats(n)], lambda t, _, x: t.cumsum(x, 0), np.cumsum),
    "cumprod": Case("scans and sorts", lambda n: [floats(n) + 0.55], lambda t, _, x: t.cumprod(x, 0), np.cumprod),
    "logcumsumexp": Case("scans and sorts", lambda n: [floats(n)], lambda t, _, x: t.logcumsumexp(x, 0)),
    "cummax": Case(
        "scans and sorts", lambda n: [floats(n)], lambda t, _, x: t.cummax(x, 0), np.maximum.accumulate
    ),
    "cummin": Case(
        "scans and sorts", lambda n: [square(n)], lambda t, _, x: t.cummin(x, 1), lambda x: np.minimum.accumulate(x, 1)
    ),
    "median": Case("scans and sorts", lambda n: [floats(n)], "median"),
    "nanmedian": Case("scans and sorts", lambda n: [floats(n)], "nanmedian"),
    "unique_consecutive": Case("scans and sorts", lambda n: [integers(100, n)], "unique_consecutive"),
    "bincount": Case("scans and sorts", lambda n: [integers(100, n)], "bincount", np.bincount),
    "histc": Case(
        "scans and sorts", lambda n: [floats(n)], lambda t, _, x: t.histc(x, 100), lambda x: np.histogram(x, 100)
    ),
    "histogram": Case(
        "scans and sorts", lambda n: [floats(n)], lambda t, _, x: t.histogram(x, 100), lambda x: np.histogram(x, 100)
    ),
    "multinomial": Case("scans and sorts", lambda n: [floats(n)], lambda t, _, x: t.multinomial(x, min(len(x), 10))),
    "sort": Case("scans and sorts", lambda n: [floats(n)], "sort", np.argsort),
    "topk": Case("scans and sorts", lambda n: [floats(n)], lambda t, _, x: t.topk(x, min(len(x), 10))),
    "searchsorted": Case(
        "scans and sorts", lambda n: [np.sort(floats(n)), floats(n)], "searchsorted", np.searchsorted
    ),
    "reshape": Case("views", lambda n: [floats(n)], lambda t, _, x: t.reshape(x, (1, -1)), lambda x: x.reshape(1, -1)),
    "permute": Case("views", lambda n: [square(n)], lambda t, _, x: t.permute(x, (1, 0)), lambda x: x.transpose(1, 0)),
    "expand": Case(
        "views", lambda n: [floats(n)], lambda _, __, x: x.expand(3, -1), lambda x: np.broadcast_to(x, (3, len(x)))
    ),
    "slice": Case("views", lambda n: [floats(n)], lambda _, __, x: x[1:], lambda x: x[1:]),
    "diagonal": Case("views", lambda n: [square(n)], "diagonal", np.diagonal),
    "as_strided": Case("views", lambda n: [floats(n)], lambda t, _, x: t.as_strided(x, (1,), (1,))),
    "unfold": Case("views", lambda n: [floats(n)], lambda _, __, x: x.unfold(0, 1, 1)),
    "flip": Case("moves", lambda n: [floats(n)], lambda t, _, x: t.flip(x, (0,)), lambda x: np.flip(x).copy()),
    "transposed copy": Case("moves", lambda n: [square(n)], lambda _, __, x: x.t().contiguous(), lambda x: x.T.copy()),
    "cat": Case("moves", lambda n: [floats(n), floats(n)], lambda t, _, *x: t.cat(x), lambda *x: np.concatenate(x)),
    "pad": Case(
        "moves", lambda n: [square(n)], lambda _, f, x: f.pad(x, (1, 1)), lambda x: np.pad(x, ((0, 0), (1, 1)))
    ),
    "roll": Case("moves", lambda n: [floats(n)], lambda t, _, x: t.roll(x, 1), lambda x: np.roll(x, 1)),
    "triangle": Case("moves", lambda n: [square(n)], "tril", np.tril),
    "slice_scatter": Case("moves", lambda n: [floats(n), floats(n)], "slice_scatter"),
    "gather": Case(
        "moves",
        lambda n: [floats(n), integers(n, n) if n > 1 else np.zeros(1, "int64")],
        lambda t, _, x, i: t.gather(x, 0, i),
        lambda x, i: np.take_along_axis(x, i, 0),
    ),
    "index_select": Case(
        "moves", lambda n: [square(n), np.arange(side(n))[::-1].copy()], lambda t, _, x, i: t.index_select(x, 0, i),
        lambda x, i: x.take(i, 0),
    ),
    "index": Case("moves", lambda n: [floats(n), floats(n) > 0.5], lambda _, __, x, i: x[i], lambda x, i: x[i]),
    "index_put": Case(
        "moves", lambda n: [floats(n), np.arange(n), floats(n)], lambda t, _, x, i, y: t.index_put(x, (i,), y)
    ),
    "index_add": Case(
        "moves", lambda n: [square(n), np.arange(side(n)), square(n)], lambda t, _, x, i, y: t.index_add(x, 0, i, y)
    ),
    "scatter_add": Case(
        "moves", lambda n: [floats(n), np.arange(n), floats(n)], lambda t, _, x, i, y: t.scatter_add(x, 0, i, y)
    ),
    "scatter_reduce": Case(
        "moves", lambda n: [floats(n), np.arange(n), floats(n)],
        lambda t, _, x, i, y: t.scatter_reduce(x, 0, i, y, "amax"),
    ),
    "index_add to elements": Case(
        "moves", lambda n: [floats(n), RNG.integers(0, n, n), floats(n)], lambda t, _, x, i, y: t.index_add(x, 0, i, y)
    ),
    "index_put that adds": Case(
        "moves", lambda n: [floats(n), RNG.integers(0, n, n), floats(n)],
        lambda t, _, x, i, y: t.index_put(x, (i,), y, accumulate=True),
    ),
    "scatter": Case(
        "moves", lambda n: [floats(n), RNG.integers(0, n, n), floats(n)], lambda t, _, x, i, y: t.scatter(x, 0, i, y)
    ),
    "diag": Case("moves", lambda n: [floats(min(n, 1000))], "diag", np.diag),
    "one_hot": Case("moves", lambda n: [integers(10, max(n // 10, 1))], lambda _, f, x: f.one_hot(x, 10)),
    "matmul": Case("products", lambda n: [square(n), square(n)], "matmul", np.matmul),
    "addmm": Case("products", lambda n: [square(n)] * 3, "addmm"),
    "linear": Case("products", lambda n: [square(n), square(n), floats(side(n))], "linear"),
    "cdist": Case("products", lambda n: [floats(side(n), 16), floats(side(n), 16)], "cdist"),
    "pdist": Case("products", lambda n: [floats(side(n) + 1, 16)], lambda _, f, x: f.pdist(x)),
    "cholesky": Case(
        "decompositions", lambda n: [definite(n)], "linalg.cholesky", np.linalg.cholesky
    ),
    "det": Case("decompositions", lambda n: [definite(n)], "linalg.det", np.linalg.det),
    "slogdet": Case("decompositions", lambda n: [definite(n)], "linalg.slogdet", np.linalg.slogdet),
    "eigh": Case("decompositions", lambda n: [definite(n)], "linalg.eigh", np.linalg.eigh),
    "inv": Case("decompositions", lambda n: [definite(n)], "linalg.inv", np.linalg.inv),
    "lu_factor": Case("decompositions", lambda n: [definite(n)], "linalg.lu_factor"),
    "pinv": Case("decompositions", lambda n: [definite(n)], "linalg.pinv", np.linalg.pinv),
    "qr": Case("decompositions", lambda n: [definite(n)], "linalg.qr", np.linalg.qr),
    "svd": Case("decompositions", lambda n: [definite(n)], "linalg.svd", np.linalg.svd),
    "solve": Case(
        "decompositions", lambda n: [definite(n), definite(n)], "linalg.solve", np.linalg.solve
    ),
    "solve_triangular": Case(
        "decompositions", lambda n: [definite(n), definite(n)],
        lambda t, _, *x: t.linalg.solve_triangular(*x, upper=True),
    ),
    "max_pool1d": Case("layers", lambda n: [floats(1, side(n), max(side(n), 3))], lambda _, f, x: f.max_pool1d(x, 3)),
    "fold": Case(
        "layers", lambda n: [floats(1, 9, max(n // 9, 1))], lambda _, f, x: f.fold(x, (x.shape[2] + 2, 3), 3)
    ),
    "nll_loss": Case(
        "layers", lambda n: [floats(max(n // 100, 1), 100), integers(99, max(n // 100, 1))], "nll_loss"
    ),
    "avg_pool2d": Case("layers", lambda n: [image(n)], lambda _, f, x: f.avg_pool2d(x, 2)),
    "max_pool2d": Case("layers", lambda n: [image(n)], lambda _, f, x: f.max_pool2d(x, 2)),
    "conv2d": Case("layers", lambda n: [image(n), floats(4, image(n).shape[1], 3, 3)], "conv2d"),
    "adaptive_max_pool2d": Case("layers", lambda n: [image(n)], lambda _, f, x: f.adaptive_max_pool2d(x, 3)),
    "resample": Case(
        "layers", lambda n: [image(n)], lambda _, f, x: f.interpolate(x, scale_factor=2, mode="bilinear")
    ),
    "grid_sample": Case(
        "layers", lambda n: [image(n), floats(1, *image(n).shape[2:], 2)],
        lambda _, f, x, at: f.grid_sample(x, at, align_corners=False),
    ),
    "huber": Case("layers", lambda n: [floats(n), floats(n)], "huber_loss"),
    "layer_norm": Case("layers", lambda n: [square(n)], lambda _, f, x: f.layer_norm(x, x.shape[-1:])),
    "rms_norm": Case("layers", lambda n: [square(n)], lambda _, f, x: f.rms_norm(x, x.shape[-1:])),
    "batch_norm": Case(
        "layers", lambda n: [image(n)], lambda _, f, x: f.batch_norm(x, None, None, training=True)
    ),
    "attention": Case(
        "layers", lambda n: [floats(1, 2, max(n // 128, 1), 64)] * 3, "scaled_dot_product_attention"
    ),
    "cross_entropy": Case(
        "layers", lambda n: [floats(max(n // 100, 1), 100), integers(99, max(n // 100, 1))],
        "cross_entropy",
    ),
    "mse_loss": Case("layers", lambda n: [floats(n), floats(n)], "mse_loss"),
    "binary_cross_entropy": Case("layers", lambda n: [floats(n), floats(n)], "binary_cross_entropy"),
    "embedding": Case(
        "layers", lambda n: [integers(99, max(n // 64, 1)), floats(100, 64)], "nn.functional.embedding"
    ),
}  # fmt: skip


def cases() -> Iterator[tuple[str, Case]]:
    """What is timed, under the registry's names."""
    for category, names in BY_NAME.items():
        for name in names.split():
            inputs = 2 if category == "maps of two" else 1

            def arrays(n: int, name: str = name, inputs: int = inputs) -> list[np.ndarray[Any, Any]]:
                return [integers(8, n) if name in BITS.split() else floats(n) for _ in range(inputs)]

            yield name, Case(category, arrays, name, getattr(np, NUMPY.get(name, name), None))
    yield from SPELT.items()


def left_out() -> list[str]:
    """Operations of the registry without a case: gradients of others, and what is only there under them."""
    timed = {name.rpartition(".")[2] for name, _ in cases()}
    return sorted(o.name for o in _core.operations() if o.name.rpartition(".")[2] not in timed)


def settle() -> None:
    """Waits until no thread of this process is busy: those of OpenBLAS look out for work for 30 ms after a call."""
    spent = 1.0
    while spent > 0.0002:
        start = time.process_time()
        time.sleep(0.001)
        spent = time.process_time() - start


def best(calls: dict[str, Callable[[], Any]], clock: Callable[[], float]) -> dict[str, float]:
    """The seconds of one call of each library, in turns."""
    fastest, numbers = {}, {}
    for library, call in calls.items():
        call()
        start = clock()
        call()
        numbers[library] = max(1, int(BUDGET / max(clock() - start, 1e-8)))
    for _ in range(ROUNDS):
        for library, call in calls.items():
            number = numbers[library]
            settle()
            start = clock()
            for _ in range(number):
                call()
            took = (clock() - start) / number
            fastest[library] = min(took, fastest.get(library, took))
    return fastest


def bound(call: str | Callable[..., Any], library: Any, inputs: list[Any]) -> Callable[[], Any]:
    """The call with its inputs, its name looked up."""
    if not isinstance(call, str):
        return functools.partial(call, library, library.nn.functional, *inputs)
    home, _, name = call.rpartition(".")
    homes = [operator.attrgetter(home)(library)] if home else [library, library.nn.functional]
    return functools.partial(next(getattr(home, name) for home in homes if hasattr(home, name)), *inputs)


def calls(case: Case, n: int, torch: Any) -> dict[str, Callable[[], Any]]:
    """The call of each library that has it."""
    arrays = case.inputs(n)
    found = {"dlcore": bound(case.call, dlcore, [dlcore.from_numpy(x) for x in arrays])}
    if torch is not None:
        found["torch"] = bound(case.call, torch, [torch.from_numpy(x) for x in arrays])
    if case.numpy is not None:
        found["numpy"] = functools.partial(case.numpy, *arrays)
    return found


def report(n: int, rows: list[dict[str, Any]], most: int) -> None:
    """The table of one size."""
    print(f"\n{n} elements, {len(rows)} calls; {sum(row['dlcore'] <= 1e-6 for row in rows)} take at most 1 us")
    by_category = defaultdict(list)
    for row in rows:
        by_category[row["category"]].append(row)
    for category, group in [*by_category.items(), ("all", rows)]:
        medians = []
        for library in ("torch", "numpy"):
            ratios = [row["dlcore"] / row[library] for row in group if library in row]
            medians.append(f"{library} {statistics.median(ratios):5.2f}x of {len(ratios):3}" if ratios else "")
        print(f"    {category:18} {'    '.join(medians)}")
    for row in sorted(rows, key=lambda row: -row["ratio"])[:most]:
        beside = "  ".join(
            f"{library} {1e6 * row[library]:10.2f} us" for library in ("torch", "numpy") if library in row
        )
        print(f"{row['name']:20} {1e6 * row['dlcore']:10.2f} us  {row['ratio']:6.2f}x  {beside}")


def main() -> None:
    """Times everything and prints the worst."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1,1000,1000000", help="numbers of elements")
    parser.add_argument("--only", default="*", help="names, as a pattern")
    parser.add_argument("--most", type=int, default=20, help="rows of each table")
    parser.add_argument("--busy", action="store_true", help="processor time of one thread")
    parser.add_argument("--json", type=Path, help="where all figures go")
    args = parser.parse_args()
    if args.busy:
        if os.environ.get("OMP_NUM_THREADS") != "1":  # numpy's library reads it when it is loaded
            os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OMP_NUM_THREADS": "1"})
        dlcore.set_num_threads(1)
    try:
        torch = importlib.import_module("torch")
        torch.set_num_threads(dlcore.get_num_threads())
    except ImportError:
        torch = None
    everything = []
    for n in map(int, args.sizes.split(",")):
        rows = []
        for name, case in cases():
            if not fnmatch.fnmatch(name, args.only):
                continue
            with np.errstate(all="ignore"):
                took = best(calls(case, n, torch), time.process_time if args.busy else time.perf_counter)
            others = [took[library] for library in ("torch", "numpy") if library in took]
            if others:
                ratio = took["dlcore"] / min(others)
                rows.append({"name": name, "category": case.category, "size": n, "ratio": ratio, **took})
        report(n, rows, args.most)
        everything += rows
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1))
    print("\nwithout a case:", ", ".join(left_out()))


if __name__ == "__main__":
    main()
