"""Checking the numbers that optimizers and schedulers are given."""

from __future__ import annotations

__all__ = ["at_least_zero", "below_one"]


def at_least_zero(owner: str, **settings: float) -> None:
    """Raise a ValueError that names `owner` and the first setting that is negative or NaN."""
    for name, value in settings.items():
        if not value >= 0:
            raise ValueError(f"{owner}: {name} must be at least 0, got {value}")


def below_one(owner: str, **settings: float) -> None:
    """Raise a ValueError that names `owner` and the first setting outside [0, 1)."""
    for name, value in settings.items():
        if not 0 <= value < 1:
            raise ValueError(f"{owner}: {name} must be in [0, 1), got {value}")
