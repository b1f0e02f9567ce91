"""Functions of random numbers, element by element, that can be undone: what `TransformedDistribution` takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.shapes import broadcast_shapes

__all__ = ["AffineTransform", "ExpTransform", "SigmoidTransform", "TanhTransform", "Transform"]


class Transform:
    """The base of all: a subclass defines `_call`, `_inverse` and `log_abs_det_jacobian`.

    Args:
        cache_size: 1 keeps the last pair, so that undoing its result gives back what it was made of, without error.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import Transform
        >>> class Cube(Transform):
        ...     def _call(self, x):
        ...         return x**3
        ...     def _inverse(self, y):
        ...         return y.sign() * y.abs() ** (1 / 3)
        ...     def log_abs_det_jacobian(self, x, y):
        ...         return (3 * x * x).log()
        >>> Cube().inv(Cube()(dlcore.tensor(2.0)))
        tensor(2.)
    """

    bijective = True

    def __init__(self, cache_size: int = 0) -> None:
        if cache_size not in (0, 1):
            raise ValueError(f"{type(self).__name__}: cache_size must be 0 or 1, got {cache_size}")
        self._cache_size = cache_size
        self._last: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """The transform of `x`."""
        if self._last is not None and self._last[0] is x:
            return self._last[1]
        y = self._call(x)
        self._last = (x, y) if self._cache_size else None
        return y

    def undo(self, y: Tensor) -> Tensor:
        """What `y` is the transform of."""
        if self._last is not None and self._last[1] is y:
            return self._last[0]
        x = self._inverse(y)
        self._last = (x, y) if self._cache_size else None
        return x

    @property
    def inv(self) -> Transform:
        """The transform that undoes this one."""
        return _Inverse(self)

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no _call()")

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no _inverse()")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of |dy/dx|, element by element."""
        raise NotImplementedError(f"{type(self).__name__} has no log_abs_det_jacobian()")

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the transform of a tensor of this one."""
        return tuple(shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    def __init__(self, forward: Transform) -> None:
        super().__init__()
        self._forward = forward

    @property
    def inv(self) -> Transform:
        return self._forward

    def _call(self, x: Tensor) -> Tensor:
        return self._forward.undo(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._forward(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self._forward.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return self._forward.forward_shape(shape)

    def __repr__(self) -> str:
        return f"{self._forward!r}.inv"


class AffineTransform(Transform):
    """loc + scale·x.

    Args:
        loc: what is added.
        scale: the factor, broadcast; not zero.
        cache_size: as of `Transform`.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import AffineTransform
        >>> AffineTransform(1.0, 2.0)(dlcore.tensor([0.0, 1.0]))
        tensor([1., 3.])
    """

    def __init__(self, loc: Tensor | float, scale: Tensor | float, *, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale = loc, scale

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of |scale|."""
        return (_core.ones_like(x) * self.scale).abs().log().expand(y.shape)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Broadcast with the parameters."""
        return broadcast_shapes(shape, *(tuple(p.shape) for p in (self.loc, self.scale) if isinstance(p, Tensor)))


class ExpTransform(Transform):
    """exp x.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import ExpTransform
        >>> ExpTransform().inv(dlcore.tensor([1.0]))
        tensor([0.])
    """

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002 - what all are called with
        """The number itself."""
        return x


class SigmoidTransform(Transform):
    """1 / (1 + exp −x), for numbers from 0 to 1.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import SigmoidTransform
        >>> SigmoidTransform()(dlcore.tensor([0.0]))
        tensor([0.5000])
    """

    def _call(self, x: Tensor) -> Tensor:
        edge = _core.finfo(x.dtype)
        return x.sigmoid().clamp(edge.tiny, 1 - edge.eps)

    def _inverse(self, y: Tensor) -> Tensor:
        edge = _core.finfo(y.dtype)
        y = y.clamp(edge.tiny, 1 - edge.eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002 - what all are called with
        """−softplus(−x) − softplus(x)."""
        return -_core.softplus(-x) - _core.softplus(x)


class TanhTransform(Transform):
    """tanh x, for actions from −1 to 1; with ``cache_size=1`` their log-probabilities are exact near the ends.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import TanhTransform
        >>> TanhTransform()(dlcore.tensor([0.0, 20.0]))
        tensor([0., 1.])
    """

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.atanh()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002 - what all are called with
        """2 (log 2 − x − softplus(−2x)), which keeps its precision where 1 − y² has none."""
        return 2 * (math.log(2) - x - _core.softplus(-2 * x))
