"""Pooling whose windows lie at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlcore._core import Tensor
from dlcore.nn.functions.fractional import fractional_max_pool2d, fractional_max_pool3d
from dlcore.nn.module import Module

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]


class _FractionalMaxPool(Module):
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        output_size: int | Sequence[int] | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{type(self).__name__}: takes either output_size or output_ratio")
        ratios = [output_ratio] if isinstance(output_ratio, int | float) else list(output_ratio or ())
        if not all(0 < ratio < 1 for ratio in ratios):
            raise ValueError(f"{type(self).__name__}: output_ratio must be between 0 and 1, got {output_ratio}")
        self.kernel_size, self.output_size, self.output_ratio = kernel_size, output_size, output_ratio
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def _options(self) -> tuple[Any, ...]:
        return self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest value of windows whose places are drawn (Graham, "Fractional max-pooling", 2014).

    Args:
        kernel_size: size of a window.
        output_size: size of the output, or
        output_ratio: its part of the input, between 0 and 1.
        return_indices: give the places of the values, too.
        _random_samples: (N, C, 2), numbers in 0..1 to be used instead of new ones.

    Raises:
        ValueError: both or none of size and ratio, or a ratio outside 0..1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.FractionalMaxPool2d(2, output_size=5)(dlcore.zeros(1, 2, 9, 9)).shape
        (1, 2, 5, 5)
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) or (C, H, W) to the size of the output."""
        return fractional_max_pool2d(input, *self._options())


class FractionalMaxPool3d(_FractionalMaxPool):
    """`FractionalMaxPool2d` of volumes.

    Args:
        kernel_size: size of a window.
        output_size: size of the output, or
        output_ratio: its part of the input, between 0 and 1.
        return_indices: give the places of the values, too.
        _random_samples: (N, C, 3), numbers in 0..1 to be used instead of new ones.

    Raises:
        ValueError: both or none of size and ratio, or a ratio outside 0..1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.FractionalMaxPool3d(2, output_size=5)(dlcore.zeros(1, 2, 9, 9, 9)).shape
        (1, 2, 5, 5, 5)
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) or (C, D, H, W) to the size of the output."""
        return fractional_max_pool3d(input, *self._options())
