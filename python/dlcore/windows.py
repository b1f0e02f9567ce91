"""The windows that PyTorch has at its top: those of `dlcore.signal.windows`, periodic unless told otherwise."""

from __future__ import annotations

from typing import Any

from dlcore._core import Tensor
from dlcore.signal import windows

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def bartlett_window(window_length: int, periodic: bool = True, **made: Any) -> Tensor:
    """A triangle that begins and ends at zero.

    Args:
        window_length: how many points.
        periodic: one period of the window, for spectra; otherwise it is symmetric.
        **made: as of `dlcore.empty`: ``dtype`` (of floats), ``device``, ``requires_grad``.

    Raises:
        ValueError: a negative `window_length`.
        DTypeError: a dtype that is not of floats.

    Example:
        >>> import dlcore
        >>> dlcore.bartlett_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return windows.bartlett(window_length, sym=not periodic, **made)


def blackman_window(window_length: int, periodic: bool = True, **made: Any) -> Tensor:
    """0.42 − 0.5 cos(2π n / N) + 0.08 cos(4π n / N); see `bartlett_window`.

    Example:
        >>> import dlcore
        >>> dlcore.blackman_window(4).sum()
        tensor(1.6800)
    """
    return windows.blackman(window_length, sym=not periodic, **made)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **made: Any
) -> Tensor:
    """α − β cos(2π n / N); see `bartlett_window`.

    Example:
        >>> import dlcore
        >>> dlcore.hamming_window(3, periodic=False)
        tensor([0.0800, 1.0000, 0.0800])
    """
    return windows.general_cosine(window_length, a=[alpha, beta], sym=not periodic, **made)


def hann_window(window_length: int, periodic: bool = True, **made: Any) -> Tensor:
    """(1 − cos(2π n / N)) / 2; see `bartlett_window`.

    Example:
        >>> import dlcore
        >>> dlcore.hann_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return windows.hann(window_length, sym=not periodic, **made)


def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, **made: Any) -> Tensor:
    """I0(β √(1 − (2n / N − 1)²)) / I0(β); see `bartlett_window`.

    Example:
        >>> import dlcore
        >>> dlcore.kaiser_window(3, periodic=False, beta=2.0)
        tensor([0.4387, 1.0000, 0.4387])
    """
    return windows.kaiser(window_length, sym=not periodic, beta=beta, **made)
