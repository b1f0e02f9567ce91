"""Windows, by which a signal is multiplied before its spectrum is taken.

All take `M`, how many points, and `sym`: True for a symmetric window, as filters want it, False for one period of it,
as spectra do. What follows is of `dlcore.empty`: ``dtype`` (of floats), ``device``, ``requires_grad``. The values are
computed in float64. Those are Harris's definitions, On the use of windows for harmonic analysis, 1978.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from dlcore import _core
from dlcore._core import Tensor

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _window(M: int, sym: bool, made: dict[str, Any], values: Callable[[Tensor, int], Tensor]) -> Tensor:
    """`values` of the points 0..M − 1 and the last of a symmetric window; a window of one point is 1."""
    if M < 0:
        raise ValueError(f"a window has no negative number of points, got {M}")
    requires_grad = made.pop("requires_grad", False)
    window = _core.empty(M, **made)
    if not window.is_floating_point():
        raise _core.DTypeError(f"a window is of floats, got {window.dtype}")
    if M == 1:
        window.fill_(1.0)
    elif M:
        window.copy_(values(_core.arange(M, dtype=_core.float64), M - 1 if sym else M))
    return window.requires_grad_(requires_grad)


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, **made: Any) -> Tensor:
    """The sum of (−1)^k a_k cos(2π k n / N), where N is M − 1, or M if not `sym`.

    Args:
        M: how many points.
        a: the weights of the cosines.
        sym: whether symmetric; otherwise periodic.
        **made: as of `dlcore.empty`.

    Raises:
        ValueError: no weights, or a negative `M`.
        DTypeError: a dtype that is not of floats.

    Example:
        >>> import dlcore
        >>> dlcore.signal.windows.general_cosine(5, a=[0.5, 0.5])
        tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    weights = list(a)
    if not weights:
        raise ValueError("general_cosine: expected at least one weight")

    def values(n: Tensor, last: int) -> Tensor:
        waves = ((-1) ** k * weight * (2 * math.pi * k / last * n).cos() for k, weight in enumerate(weights))
        return sum(waves, _core.zeros_like(n))

    return _window(M, sym, made, values)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **made: Any) -> Tensor:
    """α − (1 − α) cos(2π n / N); see `general_cosine`.

    Example:
        >>> import dlcore
        >>> dlcore.signal.windows.general_hamming(3, alpha=0.6)
        tensor([0.2000, 1.0000, 0.2000])
    """
    return general_cosine(M, a=[alpha, 1.0 - alpha], sym=sym, **made)


def hamming(M: int, *, sym: bool = True, **made: Any) -> Tensor:
    """`general_hamming` with α = 0.54.

    Example:
        >>> import dlcore
        >>> dlcore.signal.windows.hamming(3)
        tensor([0.0800, 1.0000, 0.0800])
    """
    return general_hamming(M, sym=sym, **made)


def hann(M: int, *, sym: bool = True, **made: Any) -> Tensor:
    """`general_hamming` with α = 0.5, which begins and ends at zero.

    Example:
        >>> import dlcore
        >>> dlcore.signal.windows.hann(4, sym=False)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return general_hamming(M, alpha=0.5, sym=sym, **made)


def blackman(M: int, *, sym: bool = True, **made: Any) -> Tensor:
    """`general_cosine` of the weights 0.42, 0.5 and 0.08.

    Example:
        >>> import dlcore
        >>> dlcore.signal.windows.blackman(4, sym=False, dtype=dlcore.float64).sum()
        tensor(1.6800, dtype=dlcore.float64)
    """
    return general_cosine(M, a=[0.42, 0.5, 0.08], sym=sym, **made)


def nuttall(M: int, *, sym: bool = True, **made: Any) -> Tensor:
    """`general_cosine` of four weights that give the smallest side lobes (Nuttall, 1981).

    Example:
        >>> import dlcore
        >>> dlcore.signal.windows.nuttall(3)
        tensor([3.6280e-04, 1.0000e+00, 3.6280e-04])
    """
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, **made)


def bartlett(M: int, *, sym: bool = True, **made: Any) -> Tensor:
    """``1 − |2n / N − 1|``, a triangle that begins and ends at zero.

    Example:
        >>> import dlcore
        >>> dlcore.signal.windows.bartlett(5)
        tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return _window(M, sym, made, lambda n, last: 1 - (2 / last * n - 1).abs())


def cosine(M: int, *, sym: bool = True, **made: Any) -> Tensor:
    """sin(π (n + 1/2) / (N + 1)), half a wave.

    Example:
        >>> import dlcore
        >>> dlcore.signal.windows.cosine(3)
        tensor([0.5000, 1.0000, 0.5000])
    """
    return _window(M, sym, made, lambda n, last: (math.pi / (last + 1) * (n + 0.5)).sin())


def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **made: Any) -> Tensor:
    """``exp(−|n − center| / τ)``, by default about N / 2.

    Raises:
        ValueError: `tau` that is not positive, or the `center` of a symmetric window.

    Example:
        >>> import dlcore
        >>> dlcore.signal.windows.exponential(3, tau=2.0)
        tensor([0.6065, 1.0000, 0.6065])
    """
    if tau <= 0:
        raise ValueError(f"exponential: expected a positive tau, got {tau}")
    if sym and center is not None:
        raise ValueError(f"exponential: the center of a symmetric window is its middle, got {center}")
    return _window(M, sym, made, lambda n, last: (-(n - (last / 2 if center is None else center)).abs() / tau).exp())


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **made: Any) -> Tensor:
    """exp(−(n − N / 2)² / (2 std²)).

    Raises:
        ValueError: `std` that is not positive.

    Example:
        >>> import dlcore
        >>> dlcore.signal.windows.gaussian(3)
        tensor([0.6065, 1.0000, 0.6065])
    """
    if std <= 0:
        raise ValueError(f"gaussian: expected a positive std, got {std}")
    return _window(M, sym, made, lambda n, last: (-(((n - last / 2) / std) ** 2) / 2).exp())


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **made: Any) -> Tensor:
    """I0(β √(1 − (2n / N − 1)²)) / I0(β), where I0 is the modified Bessel function (Kaiser, 1966).

    Raises:
        ValueError: a negative `beta`.

    Example:
        >>> import dlcore
        >>> dlcore.signal.windows.kaiser(3, beta=2.0)
        tensor([0.4387, 1.0000, 0.4387])
    """
    if beta < 0:
        raise ValueError(f"kaiser: expected a beta of at least 0, got {beta}")

    def values(n: Tensor, last: int) -> Tensor:
        root = (1 - (2 / last * n - 1) ** 2).clamp(min=0).sqrt()
        # Scaled by exp(-β), where I0 itself would overflow.
        return _core.special_i0e(beta * root) / _core.special_i0e(_core.full_like(n, beta)) * (beta * (root - 1)).exp()

    return _window(M, sym, made, values)
