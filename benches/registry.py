"""Every function of one or two tensors at 1, 1 000 and 1 000 000 elements, beside numpy and, where there is one, torch.

    python benches/registry.py [--most 20]

The names are those of the registry that `dlcore` offers to users and that numpy or torch has too. Printed are the calls
that take longest on one element, and the worst by what they take beside the faster of the others.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable
from typing import Any

import dlcore
import dlcore.nn.functional as F
import numpy as np
from dlcore import _core, special

NUMPY = {
    "abs": "absolute", "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
    "atan2": "arctan2", "atanh": "arctanh", "div": "true_divide", "eq": "equal", "fmod": "fmod", "ge": "greater_equal",
    "gt": "greater", "le": "less_equal", "lt": "less", "mul": "multiply", "ne": "not_equal", "neg": "negative",
    "pow": "power", "sub": "subtract", "amax": "max", "amin": "min", "clone": "copy",
}  # fmt: skip
INTEGERS = {"bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "gcd", "lcm"}
# What comes in a shape or with parameters of its own has its benchmark in the files beside this one.
PAIRS = {
    "add", "sub", "mul", "div", "pow", "maximum", "minimum", "remainder", "floor_divide", "fmod", "atan2", "hypot",
    "copysign", "igamma", "igammac", "zeta", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or",
    "logical_xor", *INTEGERS,
}  # fmt: skip
WITH_DIM = {"cumsum", "cumprod", "logcumsumexp", "logsumexp", "softmax", "log_softmax", "sort", "flip"}
WITHOUT = {"one_hot", "where", "clamp", "threshold", "index_select", "unfold", "topk", "lu", "to"}


def functions() -> dict[str, Callable[..., Any]]:
    """The registry's names as users call them."""
    found = {}
    for operation in _core.operations():
        name = operation.name
        first = operation.examples()[0]
        if name in WITHOUT or len(first.inputs) != (2 if name in PAIRS else 1):
            continue
        for home in (dlcore, F, special):
            if function := getattr(home, name, None):
                found[name] = function
                break
    return found


def inputs(name: str, n: int) -> list[Any]:
    """Positive numbers below one, where all functions have values."""
    rng = np.random.default_rng(0)
    if name in INTEGERS:
        return [rng.integers(1, 8, n) for _ in range(2)]
    return [(rng.random(n, dtype=np.float32) * 0.8 + 0.1) for _ in range(2 if name in PAIRS else 1)]


def seconds(call: Callable[[], Any], budget: float = 0.02) -> float:
    """The fastest of some rounds of one call."""
    call()
    start = time.perf_counter()
    call()
    once = max(time.perf_counter() - start, 1e-8)
    number = max(1, int(budget / 5 / once))
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(number):
            call()
        best = min(best, (time.perf_counter() - start) / number)
    return best


def timed(function: Callable[..., Any] | None, args: list[Any], name: str, dim: str) -> float | None:
    """What a call takes, or None where there is no such function, or not for these arguments."""
    if function is None:
        return None
    more = {dim: 0} if name in WITH_DIM else {}
    if name == "flip" and dim == "dim":
        more = {"dims": (0,)}
    try:
        with np.errstate(all="ignore"):
            return seconds(lambda: function(*args, **more))
    except (TypeError, ValueError, RuntimeError, IndexError):
        return None


def main() -> None:
    """Times everything and prints the worst."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=20, help="rows of each table")
    most = parser.parse_args().most
    try:
        torch = importlib.import_module("torch")
        torch.set_num_threads(dlcore.get_num_threads())
    except ImportError:
        torch = None
    for n in (1, 1_000, 1_000_000):
        rows = []
        for name, function in sorted(functions().items()):
            arrays = inputs(name, n)
            own = timed(function, [dlcore.from_numpy(x) for x in arrays], name, "dim")
            if own is None:
                continue
            others = {"numpy": timed(getattr(np, NUMPY.get(name, name), None), arrays, name, "axis")}
            if torch is not None:
                homes = (torch, torch.nn.functional, torch.special)
                theirs = next((getattr(home, name) for home in homes if hasattr(home, name)), None)
                others["torch"] = timed(theirs, [torch.from_numpy(x) for x in arrays], name, "dim")
            known = {library: t for library, t in others.items() if t is not None}
            rows.append((own, own / min(known.values()) if known else float("nan"), name, known))
        rows.sort(key=lambda row: -row[0] if n == 1 else -np.nan_to_num(row[1]))
        print(f"\n{n} element(s), {len(rows)} functions; {sum(own <= 1e-6 for own, *_ in rows)} take at most 1 us")
        for own, ratio, name, known in rows[:most]:
            beside = "  ".join(f"{library} {1e6 * t:10.2f} us" for library, t in known.items())
            print(f"{name:20} {1e6 * own:10.2f} us  {ratio:6.2f}x  {beside}")


if __name__ == "__main__":
    main()
