"""Tensors in dictionaries, lists and tuples, nested as they come: what a function of a model's parameters takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["leaves", "rebuilt"]


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
