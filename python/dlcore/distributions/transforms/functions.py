"""Transforms by one function, of numbers or of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.transforms.transform import Transform, added
from dlcore.shapes import broadcast_shapes

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "ExpTransform",
    "PowerTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StickBreakingTransform",
    "TanhTransform",
]


class AffineTransform(Transform):
    """loc + scale·x.

    Args:
        loc: what is added.
        scale: the factor, broadcast; not zero.
        event_dim: how many dimensions are those of one value.
        cache_size: as of `Transform`.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import AffineTransform
        >>> AffineTransform(1.0, 2.0)(dlcore.tensor([0.0, 1.0]))
        tensor([1., 3.])
    """

    def __init__(self, loc: Tensor | float, scale: Tensor | float, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self.event_dim = loc, scale, event_dim
        self.domain = self.codomain = constraints.independent(constraints.real, event_dim)

    @property
    def sign(self) -> Tensor | int:
        """That of the scale."""
        return self.scale.sign() if isinstance(self.scale, Tensor) else 1 if self.scale > 0 else -1

    def _call(self, x: Tensor) -> Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of ``|scale|``."""
        return added((_core.ones_like(x) * self.scale).abs().log().expand(y.shape), self.event_dim)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Broadcast with the parameters."""
        return broadcast_shapes(shape, *(tuple(p.shape) for p in (self.loc, self.scale) if isinstance(p, Tensor)))

    inverse_shape = forward_shape


class _Rising(Transform):
    """A function of numbers that rises."""

    @property
    def sign(self) -> Tensor | int:
        """1."""
        return 1


class ExpTransform(_Rising):
    """exp x.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import ExpTransform
        >>> ExpTransform().inv(dlcore.tensor([1.0]))
        tensor([0.])
    """

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002 - what all are called with
        """The number itself."""
        return x


class PowerTransform(Transform):
    """A power of positive numbers.

    Args:
        exponent: a number or a tensor, not zero.
        cache_size: as of `Transform`.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import PowerTransform
        >>> PowerTransform(2.0)(dlcore.tensor([3.0])), PowerTransform(2.0).inv(dlcore.tensor([9.0]))
        (tensor([9.]), tensor([3.]))
    """

    domain = codomain = constraints.positive

    def __init__(self, exponent: Tensor | float, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.exponent = exponent

    @property
    def sign(self) -> Tensor | int:
        """That of the exponent."""
        return self.exponent.sign() if isinstance(self.exponent, Tensor) else 1 if self.exponent > 0 else -1

    def _call(self, x: Tensor) -> Tensor:
        return x**self.exponent

    def _inverse(self, y: Tensor) -> Tensor:
        return y ** (1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Log ``|exponent·y/x|``."""
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Broadcast with the exponent."""
        return broadcast_shapes(shape, self.exponent.shape) if isinstance(self.exponent, Tensor) else tuple(shape)

    inverse_shape = forward_shape


class AbsTransform(Transform):
    """``|x|``, of which the positive number is said to be what it was made of.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import AbsTransform
        >>> AbsTransform()(dlcore.tensor([-2.0]))
        tensor([2.])
    """

    bijective = False
    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.abs()

    def _inverse(self, y: Tensor) -> Tensor:
        return y


class SigmoidTransform(_Rising):
    """1 / (1 + exp −x), for numbers from 0 to 1.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import SigmoidTransform
        >>> SigmoidTransform()(dlcore.tensor([0.0]))
        tensor([0.5000])
    """

    codomain = constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        return _inner_part(x.sigmoid())

    def _inverse(self, y: Tensor) -> Tensor:
        y = _inner_part(y)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002 - what all are called with
        """−softplus(−x) − softplus(x)."""
        return -_core.softplus(-x) - _core.softplus(x)


class SoftplusTransform(_Rising):
    """log(1 + exp x), for positive numbers that do not grow as fast as those of `ExpTransform`.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import SoftplusTransform
        >>> SoftplusTransform()(dlcore.tensor([0.0, 30.0]))
        tensor([ 0.6931, 30.0000])
    """

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return _core.softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002 - what all are called with
        """−softplus(−x)."""
        return -_core.softplus(-x)


class TanhTransform(_Rising):
    """tanh x, for actions from −1 to 1; with ``cache_size=1`` their log-probabilities are exact near the ends.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import TanhTransform
        >>> TanhTransform()(dlcore.tensor([0.0, 20.0]))
        tensor([0., 1.])
    """

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.atanh()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002 - what all are called with
        """2 (log 2 − x − softplus(−2x)), which keeps its precision where 1 − y² has none."""
        return 2 * (math.log(2) - x - _core.softplus(-2 * x))


class SoftmaxTransform(Transform):
    """Vectors as parts of 1; of the vectors that become the same, undoing gives the logarithms. It has no density.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import SoftmaxTransform
        >>> SoftmaxTransform()(dlcore.zeros(4))
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    bijective = False
    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        return x.softmax(-1)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()


class StickBreakingTransform(Transform):
    """Vectors of length K − 1 as K parts of 1: each number says how much of the rest is broken off.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import StickBreakingTransform
        >>> StickBreakingTransform()(dlcore.zeros(3))
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex

    @staticmethod
    def _offset(x: Tensor) -> Tensor:
        """Logarithms of how many parts come after each, so that zeros become equal ones."""
        return _core.arange(x.shape[-1], 0, -1, dtype=x.dtype).log()

    def _call(self, x: Tensor) -> Tensor:
        broken = _inner_part((x - self._offset(x)).sigmoid())
        rest = (1 - broken).cumprod(-1)
        one = _core.ones_like(x[..., :1])
        return _core.cat([broken, one], -1) * _core.cat([one, rest], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        parts = y[..., :-1]
        rest = (1 - parts.cumsum(-1)).clamp(min=_core.finfo(y.dtype).tiny)
        return parts.log() - rest.log() + self._offset(parts)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of the logarithms of the parts and of what they leave."""
        x = x - self._offset(x)
        return (-x + _core.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """One more."""
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """One less."""
        return (*shape[:-1], shape[-1] - 1)


def _inner_part(y: Tensor) -> Tensor:
    """Numbers from 0 to 1 without the two ends, where logarithms are infinite."""
    edge = _core.finfo(y.dtype)
    return y.clamp(edge.tiny, 1 - edge.eps)
