"""Tensors in dictionaries, lists and tuples, nested as they come: what a function of a model's parameters takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Any

__all__ = ["broadcast", "leaves", "rebuilt"]


def leaves(tree: Any) -> list[Any]:
    """What a tree holds, in order; what is no dictionary, list or tuple is a leaf itself.

    Example:
        >>> from dlcore.trees import leaves
        >>> leaves({"a": 1, "b": (2, [3])})
        [1, 2, 3]
    """
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        return [leaf for part in tree for leaf in leaves(part)]
    return [tree]


def broadcast(prefix: Any, tree: Any) -> list[Any]:
    """What a tree of the same form says of each leaf of another; a leaf of it speaks for all that is in its place.

    Raises:
        ValueError: trees of different forms.

    Example:
        >>> from dlcore.trees import broadcast
        >>> broadcast({"a": 1, "b": 2}, {"a": "x", "b": ("y", ["z"])})
        [1, 2, 2]
    """
    if isinstance(prefix, Mapping):
        fits = isinstance(tree, Mapping) and prefix.keys() == tree.keys()
        pairs = [(prefix[name], part) for name, part in tree.items()] if fits else []
    elif isinstance(prefix, list | tuple):
        fits = isinstance(tree, list if isinstance(prefix, list) else tuple) and len(prefix) == len(tree)
        pairs = list(zip(prefix, tree, strict=True)) if fits else []
    else:
        return [prefix for _ in leaves(tree)]
    if not fits:
        raise ValueError(f"{prefix!r} for {_form(tree)}")
    return [one for of, part in pairs for one in broadcast(of, part)]


def _form(tree: Any) -> str:
    return repr(rebuilt(tree, repeat(...))).replace("Ellipsis", "*")


def rebuilt(tree: Any, others: Iterator[Any]) -> Any:
    """A tree of the same form with other leaves, taken in order.

    Example:
        >>> from dlcore.trees import rebuilt
        >>> rebuilt({"a": 1, "b": (2, [3])}, iter("xyz"))
        {'a': 'x', 'b': ('y', ['z'])}
    """
    if isinstance(tree, Mapping):
        return {name: rebuilt(part, others) for name, part in tree.items()}
    if isinstance(tree, list | tuple):
        parts = [rebuilt(part, others) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return next(others)
