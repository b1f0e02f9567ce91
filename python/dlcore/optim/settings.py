"""Checking the numbers that optimizers and schedulers are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["at_least_one", "at_least_zero", "at_most_one", "below_one", "execution"]


def _numbers(owner: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, str | bytes | list | tuple | dict) or value is None:
            fix = f"; YAML reads 1e-3 as text: write 1.0e-3, or give float({name})" if isinstance(value, str) else ""
            raise TypeError(f"{owner}: {name} must be a number, got {value!r} of type {type(value).__name__}{fix}")
        yield name, value


def at_least_zero(owner: str, **settings: float) -> None:
    """Raise a ValueError that names `owner` and the first setting that is negative or NaN."""
    for name, value in _numbers(owner, settings):
        if not value >= 0:
            raise ValueError(f"{owner}: {name} must be at least 0, got {value}")


def below_one(owner: str, **settings: float) -> None:
    """Raise a ValueError that names `owner` and the first setting outside [0, 1)."""
    for name, value in _numbers(owner, settings):
        if not 0 <= value < 1:
            raise ValueError(f"{owner}: {name} must be in [0, 1), got {value}")


def at_most_one(owner: str, **settings: float) -> None:
    """Raise a ValueError that names `owner` and the first setting outside [0, 1]."""
    for name, value in _numbers(owner, settings):
        if not 0 <= value <= 1:
            raise ValueError(f"{owner}: {name} must be in [0, 1], got {value}")


def at_least_one(owner: str, **settings: float) -> None:
    """Raise a ValueError that names `owner` and the first setting below 1."""
    for name, value in _numbers(owner, settings):
        if not value >= 1:
            raise ValueError(f"{owner}: {name} must be at least 1, got {value}")


def execution(owner: str, **how: bool | None) -> dict[str, bool | None]:
    """PyTorch's settings of how a step is computed, for the group: they change nothing here, where a step is one call.

    Raises:
        ValueError: ``differentiable=True``, which there is not, or both ``foreach`` and ``fused``.
    """
    if how.get("differentiable"):
        raise ValueError(f"{owner}: a step cannot be differentiated; take it by hand, with operations on tensors")
    if how.get("foreach") and how.get("fused"):
        raise ValueError(f"{owner}: foreach=True goes not with fused=True")
    return how
