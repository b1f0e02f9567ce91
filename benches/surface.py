"""Every public function and in-place method that torch has too, on all the inputs that both take, beside torch.

    python benches/surface.py [--size 1000] [--only GLOB] [--most 40] [--json FILE]

Nothing is listed by hand: each name that both libraries have is called with tensors of several shapes and dtypes and
with numbers, and what both accept is timed, on one thread, as benches/registry.py does. What a call costs by chance
(numbers that decay to denormal ones under a method in place, a function of nothing) stands among the rest: the list is
to be read.
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
# What is no function of tensors' values, and what takes minutes.
LEFT_OUT = (
    "backward compile cuda data_ptr fork from_dlpack from_numpy initial_seed load manual_seed numel numpy "
    "pin_memory register_hook requires_grad_ resize_ resize_as_ retain_grad save seed set_ set_default_dtype "
    "set_float32_matmul_precision set_num_threads set_printoptions set_rng_state share_memory_ storage to_dlpack "
    "tolist type use_deterministic_algorithms block_diag cartesian_prod combinations cond corrcoef cov eigh "
    "eigvalsh ger kron lobpcg lstsq matrix_exp matrix_power matrix_rank outer pca_lowrank pdist pinv pinverse "
    "polar qr svd svd_lowrank svdvals vander"
)
# The arguments of a call: tensors by their names in `tensors`, and numbers.
FORMS: list[tuple[Any, ...]] = [
    ("x",), ("normal",), ("x", "y"), ("square",), ("square", "other"), ("rows",), ("rows", "rows"), ("ints",),
    ("ints", "ints"), ("images",), ("deep",), ("x", "y", "x"), ("square", "other", "square"), ("rows", "classes"),
    ("mask",), ("mask", "mask"), ("normal", 1), ("square", 1), ("rows", 1), ("deep", 1), ("deep", 0), ("square", 0),
    ("x", 2), ("ints", 3), ("x", 0.5), ("images", 2), ("x", "y", 0.5), ("square", 0, 1),
]  # fmt: skip
SLOW = 0.25  # seconds of a call that is left out


def tensors(library: ModuleType, n: int) -> dict[str, Any]:
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
    return {name: library.from_numpy(array) for name, array in arrays.items()}


def functions(torch: ModuleType) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """The functions that both libraries have; methods in place, as the others are functions as well."""
    for space in SPACES:
        ours, theirs = (functools.reduce(getattr, space.split("."), library) if space else library
                        for library in (dlcore, torch))  # fmt: skip
        for name in sorted(set(dir(ours)) & set(dir(theirs)) - set(LEFT_OUT.split())):
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


def takes_long(function: Callable[[], Any]) -> bool:
    """Whether a call takes too long to be timed."""
    start = time.process_time()
    function()
    return time.process_time() - start > SLOW


def main() -> None:
    """Times everything and prints the worst."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000, help="number of elements")
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
    ours, theirs = tensors(dlcore, args.size), tensors(torch, args.size)
    rows: list[dict[str, Any]] = []
    for name, function, peer in functions(torch):
        if not fnmatch.fnmatch(name, args.only):
            continue
        for form in FORMS:
            calls = {"dlcore": call(function, form, ours, name), "torch": call(peer, form, theirs, name)}
            try:
                if not is_of_tensors(calls["torch"](), torch) or any(map(takes_long, calls.values())):
                    continue
                took = best(calls, time.process_time)
            except Exception:  # one of the two does not take these inputs
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
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
