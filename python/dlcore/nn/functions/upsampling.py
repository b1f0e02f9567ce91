"""PyTorch's older names of `interpolate`."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore._core import Tensor, interpolate

__all__ = ["upsample", "upsample_bilinear", "upsample_nearest"]


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate`.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.upsample(dlcore.ones(1, 1, 2), scale_factor=2).shape
        (1, 1, 4)
    """
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """`interpolate` with ``mode="nearest"``.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.upsample_nearest(dlcore.ones(1, 1, 2, 2), scale_factor=2).shape
        (1, 1, 4, 4)
    """
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """`interpolate` with ``mode="bilinear", align_corners=True``.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.upsample_bilinear(dlcore.ones(1, 1, 2, 2), scale_factor=2).shape
        (1, 1, 4, 4)
    """
    return interpolate(input, size, scale_factor, "bilinear", True)
