"""Multiply-adds of what was recorded, read from the graph: whatever models are written with ends in few operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import zip_longest
from math import prod

from dlcore._core import Node

__all__ = ["multiply_adds"]

_Shape = tuple[int, ...]


def multiply_adds(ends: Iterable[tuple[Node, _Shape]]) -> Counter[str | None]:
    """Multiply-adds of all operations that lead to some tensors, by the origins of the operations.

    Counted as by fvcore: one for a multiplication with its addition. What fvcore leaves out, attention and recurrent
    layers, counts its products, all of them where a mask leaves some out.

    Args:
        ends: the tensors' nodes, and their shapes.
    """
    counts: Counter[str | None] = Counter()
    seen: set[Node] = set()
    ahead = list(ends)
    while ahead:
        node, made = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        shapes = node.input_shapes
        counts[node.origin] += _count(node.name(), [shape or () for shape in shapes], made)
        for (before, _), shape in zip(node.next_functions, shapes, strict=False):
            if before is not None and shape is not None:
                ahead.append((before, shape))
    return counts


def _count(name: str, shapes: list[_Shape], made: _Shape) -> int:
    """Of one operation, by its name in the registry, the shapes of its inputs and that of its (first) output."""
    match name, shapes:
        case ("linear" | "linear_cross_entropy", [x, weight, *_]):
            return prod(x) * weight[0]
        case ("matmul", [a, b]) | ("addmm", [_, a, b]):
            return _batch(a, b) * prod(a[-2:]) * b[-1]
        case ("conv2d", [_, weight, *_]):
            return made[0] * prod(made[2:]) * prod(weight)
        case ("conv2d_grad_input", [x, weight, *_]):  # a transposed convolution
            return x[0] * prod(x[2:]) * prod(weight)
        case ("scaled_dot_product_attention", [query, key, value, *_]):
            return max(_batch(query, key), _batch(query, value)) * query[-2] * key[-2] * (key[-1] + value[-1])
        case ("recurrent", [gates, hidden, *others]):  # the products with the input are a `linear` before it
            projection = others[2] if len(others) == 3 else ()
            return gates[0] * (prod(hidden) + (prod(projection) if projection else 0))
        case ("batch_norm_inference", [x, *_]):
            return 2 * prod(x)
        case ("batch_norm" | "layer_norm" | "rms_norm", [x, *_]):
            return 5 * prod(x)
        case _:
            return 0


def _batch(a: _Shape, b: _Shape) -> int:
    """How many matrices two stacks of them make, broadcast."""
    pairs = zip_longest(reversed(a[:-2]), reversed(b[:-2]), fillvalue=1)
    return prod(max(pair) for pair in pairs)
