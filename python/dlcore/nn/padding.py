"""Layers that put borders around their input."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore._core import ShapeError, Tensor, pad
from dlcore.nn.module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """Borders of the last dimensions; `padding` holds before and after, of the last dimension first."""

    _dims: int
    _mode: str
    _value: float | None = None

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self._dims) if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 2 * self._dims:
            raise ValueError(f"{type(self).__name__}: padding takes {2 * self._dims} numbers, got {self.padding}")

    def forward(self, input: Tensor) -> Tensor:
        """The last dimensions grow."""
        if self._mode != "constant" and input.dim() not in (self._dims + 1, self._dims + 2):
            expected, shape = f"{self._dims + 1} or {self._dims + 2}", tuple(input.shape)
            raise ShapeError(f"{type(self).__name__}: expected {expected} dimensions, got shape {shape}")
        return pad(input, self.padding, self._mode, self._value)

    def extra_repr(self) -> str:
        """The borders."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    _mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = self._value = value

    def extra_repr(self) -> str:
        """The borders and their value."""
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_Pad):
    _mode, _value = "constant", 0.0


class ConstantPad1d(_ConstantPad):
    """Borders of one value around sequences, (N, C, W).

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.
        value: what is put there.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ConstantPad1d(1, 3.5)(dlcore.ones(1, 1, 2)).shape
        (1, 1, 4)
    """

    _dims = 1


class ConstantPad2d(_ConstantPad):
    """Borders of one value around images, (N, C, H, W).

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.
        value: what is put there.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ConstantPad2d(1, 3.5)(dlcore.ones(1, 1, 2, 2)).shape
        (1, 1, 4, 4)
    """

    _dims = 2


class ConstantPad3d(_ConstantPad):
    """Borders of one value around volumes, (N, C, D, H, W).

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.
        value: what is put there.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ConstantPad3d(1, 3.5)(dlcore.ones(1, 1, 2, 2, 2)).shape
        (1, 1, 4, 4, 4)
    """

    _dims = 3


class ZeroPad1d(_ZeroPad):
    """Borders of zeros around sequences, (N, C, W).

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ZeroPad1d(1)(dlcore.ones(1, 1, 2)).shape
        (1, 1, 4)
    """

    _dims = 1


class ZeroPad2d(_ZeroPad):
    """Borders of zeros around images, (N, C, H, W).

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ZeroPad2d(1)(dlcore.ones(1, 1, 2, 2)).shape
        (1, 1, 4, 4)
    """

    _dims = 2


class ZeroPad3d(_ZeroPad):
    """Borders of zeros around volumes, (N, C, D, H, W).

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ZeroPad3d(1)(dlcore.ones(1, 1, 2, 2, 2)).shape
        (1, 1, 4, 4, 4)
    """

    _dims = 3


class ReflectionPad1d(_Pad):
    """Borders around sequences, (N, C, W), mirrored at the outermost elements.

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ReflectionPad1d(1)(dlcore.ones(1, 1, 2)).shape
        (1, 1, 4)
    """

    _dims, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Borders around images, (N, C, H, W), mirrored at the outermost elements.

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ReflectionPad2d(1)(dlcore.ones(1, 1, 2, 2)).shape
        (1, 1, 4, 4)
    """

    _dims, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Borders around volumes, (N, C, D, H, W), mirrored at the outermost elements.

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ReflectionPad3d(1)(dlcore.ones(1, 1, 2, 2, 2)).shape
        (1, 1, 4, 4, 4)
    """

    _dims, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Borders around sequences, (N, C, W), copies of the outermost elements.

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ReplicationPad1d(1)(dlcore.ones(1, 1, 2)).shape
        (1, 1, 4)
    """

    _dims, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Borders around images, (N, C, H, W), copies of the outermost elements.

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ReplicationPad2d(1)(dlcore.ones(1, 1, 2, 2)).shape
        (1, 1, 4, 4)
    """

    _dims, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Borders around volumes, (N, C, D, H, W), copies of the outermost elements.

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ReplicationPad3d(1)(dlcore.ones(1, 1, 2, 2, 2)).shape
        (1, 1, 4, 4, 4)
    """

    _dims, _mode = 3, "replicate"


class CircularPad1d(_Pad):
    """Borders around sequences, (N, C, W), taken from the other end.

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.CircularPad1d(1)(dlcore.ones(1, 1, 2)).shape
        (1, 1, 4)
    """

    _dims, _mode = 1, "circular"


class CircularPad2d(_Pad):
    """Borders around images, (N, C, H, W), taken from the other end.

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.CircularPad2d(1)(dlcore.ones(1, 1, 2, 2)).shape
        (1, 1, 4, 4)
    """

    _dims, _mode = 2, "circular"


class CircularPad3d(_Pad):
    """Borders around volumes, (N, C, D, H, W), taken from the other end.

    Args:
        padding: elements before and after the last dimension, then the one before it, or one number for all.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.CircularPad3d(1)(dlcore.ones(1, 1, 2, 2, 2)).shape
        (1, 1, 4, 4, 4)
    """

    _dims, _mode = 3, "circular"
