"""A line search for the strong conditions of Wolfe: the loss falls enough and its slope flattens enough.

Source: Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 3.5 (widening) and 3.6 (zooming).
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

from dlcore._core import Tensor, full

__all__ = ["Point", "strong_wolfe"]

_FALL, _FLATTEN = 1e-4, 0.9  # c1 and c2 of the book


class Point(NamedTuple):
    """What is known of the loss at one length along the direction."""

    length: float
    loss: float
    grad: Tensor
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, length: float, tolerance: float, most: int
) -> tuple[Point, int]:
    """The point that was found and the number of evaluations.

    Args:
        evaluate: the loss and its slope at a length.
        start: the point at length 0.
        length: the first length to try.
        tolerance: the shortest interval that is looked into.
        most: number of lengths to try after the first.
    """
    before, now, tried = start, evaluate(length), 0
    while tried < most:
        if _too_high(now, start) or (tried > 1 and now.loss >= before.loss):
            break
        if _flat(now, start):
            return now, tried + 1
        if now.slope >= 0:
            break
        further = _least_of_cubic(before, now, now.length + 0.01 * (now.length - before.length), 10 * now.length)
        before, now, tried = now, evaluate(further), tried + 1
    else:
        before = start
    low, high = (before, now) if before.loss <= now.loss else (now, before)
    return _zoom(evaluate, start, low, high, tolerance, most, tried)


def _zoom(
    evaluate: Callable[[float], Point], start: Point, low: Point, high: Point, tolerance: float, most: int, tried: int
) -> tuple[Point, int]:
    """The best point between `low`, which has the lower loss, and `high`."""
    near_an_end = False
    while tried < most and abs(high.length - low.length) >= tolerance:
        left, right = sorted((low.length, high.length))
        length, margin = _least_of_cubic(low, high, left, right), 0.1 * (right - left)
        if min(right - length, length - left) >= margin:
            near_an_end = False
        elif near_an_end or not left < length < right:  # a second time: leave the end
            length = right - margin if right - length < length - left else left + margin
            near_an_end = False
        else:
            near_an_end = True
        now, tried = evaluate(length), tried + 1
        if _too_high(now, start) or now.loss >= low.loss:
            high = now
            continue
        if _flat(now, start):
            return now, tried + 1
        if now.slope * (high.length - low.length) >= 0:
            high = low
        low = now
    return low, tried + 1


def _too_high(point: Point, start: Point) -> bool:
    # In the precision of the losses: a fall that they cannot hold is not asked for.
    bound = full((), start.loss + _FALL * point.length * start.slope, dtype=point.grad.dtype)
    return point.loss > bound.item()


def _flat(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -_FLATTEN * start.slope


def _least_of_cubic(a: Point, b: Point, least: float, most: float) -> float:
    """Where the cubic with the losses and slopes of two points is least, within bounds; the book's (3.59)."""
    if a.length > b.length:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2
    d2 = sqrt(square)
    below = b.slope - a.slope + 2 * d2
    if below == 0:
        return (least + most) / 2
    return min(max(b.length - (b.length - a.length) * ((b.slope + d2 - d1) / below), least), most)
