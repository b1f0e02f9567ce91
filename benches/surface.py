"""Every public function and in-place method that torch has too, on all the inputs that both take, beside torch.

    python benches/surface.py [--size 1000] [--dtype float32] [--transposed] [--only GLOB] [--most 40] [--json FILE]

Functions are not listed by hand: each name that both libraries have, but what LEFT_OUT and, of large tensors, SQUARES
name, is called with tensors of several shapes and dtypes and with numbers, and what both accept is timed, on one
thread, as benches/registry.py does. Calls that torch takes and dlcore refuses are counted. What a call costs by chance
(numbers that decay to denormal ones under a method in place, a function of nothing) stands among the rest: the list is
to be read. With --transposed, matrices and what has more dimensions lie in memory from the last dimension to the first.
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
import inspect
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import dlcore
import numpy as np
from registry import best

SPACES = ["", "nn.functional", "linalg", "special", "Tensor"]
# What is no function of tensors' values, needs inputs of its own, or makes a thousand million elements of a thousand.
LEFT_OUT = (
    "backward compile cuda data_ptr fork from_dlpack from_numpy initial_seed load manual_seed numel numpy "
    "pin_memory register_hook requires_grad_ resize_ resize_as_ retain_grad save seed set_ set_default_dtype "
    "set_float32_matmul_precision set_num_threads set_printoptions set_rng_state share_memory_ storage to_dlpack "
    "tolist type use_deterministic_algorithms lobpcg polar cartesian_prod combinations"
)
# What is of more than n elements for n, or takes more than n operations: minutes for a million.
SQUARES = (
    "block_diag cond corrcoef cov eigh eigvalsh ger kron lstsq matrix_exp matrix_power "
    "matrix_rank outer pca_lowrank pdist pinv pinverse qr svd svd_lowrank svdvals vander"
)
# The arguments of a call: tensors by their names in `tensors`, and numbers.
FORMS: list[tuple[Any, ...]] = [
    ("x",), ("normal",), ("x", "y"), ("square",), ("square", "other"), ("rows",), ("rows", "rows"), ("ints",),
    ("ints", "ints"), ("images",), ("deep",), ("x", "y", "x"), ("square", "other", "square"), ("rows", "classes"),
    ("mask",), ("mask", "mask"), ("normal", 1), ("square", 1), ("rows", 1), ("deep", 1), ("deep", 0), ("square", 0),
    ("x", 2), ("ints", 3), ("x", 0.5), ("images", 2), ("x", "y", 0.5), ("square", 0, 1),
]  # fmt: skip
SLOW = 0.25  # seconds: a call that takes torch longer is left out


def tensors(library: ModuleType, n: int, dtype: str, transposed: bool) -> dict[str, Any]:
    """The inputs, of about `n` elements each, the same for both libraries."""
    rng = np.random.default_rng(0)
    side, plane = max(int(n**0.5), 1), max(int((n / 4) ** 0.5), 4)

    def floats(*shape: int) -> np.ndarray[Any, Any]:
        return rng.random(shape, dtype=np.float32) * np.float32(0.8) + np.float32(0.1)

    arrays = {
        "x": floats(n),
        "y": floats(n),
        "normal": rng.standard_normal(n).astype("float32"),
        "square": floats(side, side),
        "other": floats(side, side),
        "rows": floats(max(n // 10, 1), 10),
        "classes": rng.integers(0, 10, max(n // 10, 1)),
        "ints": rng.integers(1, 100, n),
        "mask": rng.random(n) > 0.5,
        "images": floats(1, 4, plane, plane),
        "deep": floats(max(n // 32, 1), 8, 4),
    }
    if transposed:
        arrays = {name: np.asfortranarray(array) for name, array in arrays.items()}
    made = {name: library.from_numpy(array) for name, array in arrays.items()}
    return {name: x.to(getattr(library, dtype)) if x.is_floating_point() else x for name, x in made.items()}


def functions(torch: ModuleType, left_out: set[str]) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """The functions that both libraries have; methods in place, as the others are functions as well."""
    for space in SPACES:
        ours, theirs = (functools.reduce(getattr, space.split("."), library) if space else library
                        for library in (dlcore, torch))  # fmt: skip
        for name in sorted(set(dir(ours)) & set(dir(theirs)) - left_out):
            function = getattr(ours, name)
            is_wanted = callable(function) and not inspect.isclass(function) and not inspect.ismodule(function)
            if is_wanted and not name.startswith("_") and (space != "Tensor" or name.endswith("_")):
                yield f"{space}.{name}".lstrip("."), function, getattr(theirs, name)


def is_of_tensors(result: Any, torch: ModuleType) -> bool:
    """Whether a call gave tensors."""
    first = result[0] if isinstance(result, (tuple, list)) and result else result
    return isinstance(first, torch.Tensor)


def call(function: Callable[..., Any], form: tuple[Any, ...], inputs: dict[str, Any], name: str) -> Callable[[], Any]:
    """The call, on a copy of the first input where that is written."""
    arguments = [inputs[part] if isinstance(part, str) else part for part in form]
    if name.endswith("_"):
        arguments[0] = arguments[0].clone()
    return functools.partial(function, *arguments)


def once(function: Callable[[], Any]) -> float:
    """Seconds of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def main() -> None:
    """Times everything and prints the worst."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000, help="number of elements")
    parser.add_argument("--dtype", default="float32", help="dtype of the floats")
    parser.add_argument("--transposed", action="store_true", help="memory from the last dimension to the first")
    parser.add_argument("--only", default="*", help="names, as a pattern")
    parser.add_argument("--most", type=int, default=40, help="rows of the table")
    parser.add_argument("--json", type=Path, help="where all figures go")
    args = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "OMP_NUM_THREADS": "1"})
    warnings.simplefilter("ignore")
    import torch

    dlcore.set_num_threads(1)
    torch.set_num_threads(1)
    ours, theirs = (tensors(library, args.size, args.dtype, args.transposed) for library in (dlcore, torch))
    rows: list[dict[str, Any]] = []
    refused: list[str] = []
    left_out = {*LEFT_OUT.split(), *(SQUARES.split() if args.size > 10_000 else ())}
    for name, function, peer in functions(torch, left_out):
        if not fnmatch.fnmatch(name, args.only):
            continue
        for form in FORMS:
            calls = {"dlcore": call(function, form, ours, name), "torch": call(peer, form, theirs, name)}
            try:
                if not is_of_tensors(calls["torch"](), torch) or once(calls["torch"]) > SLOW:
                    continue
            except Exception:  # torch does not take these inputs
                continue
            try:
                first = once(calls["dlcore"])
                took = best(calls, time.process_time) if first < 4 * SLOW else {key: once(calls[key]) for key in calls}
            except Exception:  # dlcore does not
                refused.append(f"{name}({', '.join(map(str, form))})")
                continue
            rows.append({"name": name, "form": form, "ratio": took["dlcore"] / took["torch"], **took})
    rows.sort(key=lambda row: -row["ratio"])
    slow = [row for row in rows if row["ratio"] > 1.5]
    print(f"{args.size} elements: {len(rows)} calls of {len({row['name'] for row in rows})} functions;", end=" ")
    print(f"above 1.5 times torch {len(slow)} calls of {len({row['name'] for row in slow})} functions;", end=" ")
    print(f"above 1 us {sum(row['dlcore'] > 1e-6 for row in rows)} calls")
    for row in rows[: args.most]:
        form = ", ".join(map(str, row["form"]))
        print(f"{row['ratio']:7.2f}x  {1e6 * row['dlcore']:10.2f} us  torch {1e6 * row['torch']:10.2f} us  ", end="")
        print(f"{row['name']}({form})")
    names = sorted({call.partition("(")[0] for call in refused})
    print(f"{len(refused)} calls that torch takes are refused, of {' '.join(names)}")
    if args.json:
        args.json.write_text(json.dumps({"rows": rows, "refused": refused}, indent=1))


if __name__ == "__main__":
    main()
