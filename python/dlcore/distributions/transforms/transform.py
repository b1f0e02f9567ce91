"""`Transform`, and transforms made of others."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.constraints import Constraint

__all__ = ["ComposeTransform", "IndependentTransform", "ReshapeTransform", "Transform", "added", "identity_transform"]


class Transform:
    """The base of all: a subclass defines `_call`, `_inverse` and `log_abs_det_jacobian`.

    What it takes and gives is its `domain` and its `codomain`; without them, numbers, element by element. A transform
    of vectors sums the dimensions of one in `log_abs_det_jacobian`.

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
    domain: Constraint = constraints.real
    codomain: Constraint = constraints.real

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

    @property
    def sign(self) -> Tensor | int:
        """1 where it rises with its argument, −1 where it falls."""
        raise NotImplementedError(f"{type(self).__name__} has no sign: it neither rises nor falls everywhere")

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no _call()")

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no _inverse()")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of ``|dy/dx|``, or of the determinant of the Jacobian of a vector."""
        raise NotImplementedError(f"{type(self).__name__} has no log_abs_det_jacobian()")

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the transform of a tensor of this one."""
        return tuple(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of what has a transform of this one."""
        return tuple(shape)

    def __eq__(self, other: object) -> bool:
        """Whether the two are of one class, with the same parameters."""
        if type(self) is not type(other):
            return False
        mine, others = ({k: v for k, v in vars(one).items() if k not in _OWN} for one in (self, other))
        return mine.keys() == others.keys() and all(_same(value, others[name]) for name, value in mine.items())

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


# what a transform holds besides its parameters
_OWN = frozenset({"_cache_size", "_last", "bijective", "codomain", "domain"})


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return _core.equal(one, other)
    return one is other or (not isinstance(one, Tensor) and not isinstance(other, Tensor) and one == other)


class _Inverse(Transform):
    def __init__(self, forward: Transform) -> None:
        super().__init__()
        self._forward = forward
        self.bijective, self.domain, self.codomain = forward.bijective, forward.codomain, forward.domain

    @property
    def inv(self) -> Transform:
        return self._forward

    @property
    def sign(self) -> Tensor | int:
        return self._forward.sign

    def _call(self, x: Tensor) -> Tensor:
        return self._forward.undo(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._forward(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self._forward.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return self._forward.inverse_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return self._forward.forward_shape(shape)

    def __repr__(self) -> str:
        return f"{self._forward!r}.inv"


class ComposeTransform(Transform):
    """Several transforms, one after the other.

    Args:
        parts: the transforms, the first one first.
        cache_size: as of `Transform`.

    Raises:
        TypeError: something that is no `Transform`.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import AffineTransform, ComposeTransform, ExpTransform
        >>> both = ComposeTransform([AffineTransform(1.0, 2.0), ExpTransform()])
        >>> both(dlcore.tensor([-0.5])), both.inv(dlcore.tensor([1.0]))
        (tensor([1.]), tensor([-0.5000]))
    """

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = list(parts)
        for part in self.parts:
            if not isinstance(part, Transform):
                raise TypeError(f"ComposeTransform: expected transforms, got {type(part).__name__}")
        self.bijective = all(part.bijective for part in self.parts)
        if self.parts:
            # Of as many dimensions as the widest of the parts makes of the others.
            event, wider = 0, 0
            for part in reversed(self.parts):
                wider = max(wider + part.domain.event_dim - part.codomain.event_dim, part.domain.event_dim)
            for part in self.parts:
                event = max(event + part.codomain.event_dim - part.domain.event_dim, part.codomain.event_dim)
            first, last = self.parts[0].domain, self.parts[-1].codomain
            self.domain = constraints.independent(first, wider - first.event_dim)
            self.codomain = constraints.independent(last, max(event, wider + self._grown()) - last.event_dim)

    def _grown(self) -> int:
        return sum(part.codomain.event_dim - part.domain.event_dim for part in self.parts)

    @property
    def sign(self) -> Tensor | int:
        """The product of those of the parts."""
        return math.prod((part.sign for part in self.parts), start=1)

    def _call(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part.undo(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of those of the parts."""
        found, event_dim = _core.zeros((), dtype=x.dtype), self.domain.event_dim
        for part in self.parts:
            after = y if part is self.parts[-1] else part(x)
            found = found + added(part.log_abs_det_jacobian(x, after), event_dim - part.domain.event_dim)
            event_dim += part.codomain.event_dim - part.domain.event_dim
            x = after
        return found if self.parts else _core.zeros_like(x)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shapes of all parts, one after the other."""
        for part in self.parts:
            shape = part.forward_shape(shape)
        return tuple(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shapes of all parts, the last one first."""
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return tuple(shape)

    def __repr__(self) -> str:
        return f"ComposeTransform({self.parts!r})"


identity_transform = ComposeTransform([])


def added(each: Tensor, dims: int) -> Tensor:
    """The sum over the last dimensions."""
    return each.sum(tuple(range(-dims, 0))) if dims > 0 else each


class IndependentTransform(Transform):
    """Another transform, whose last dimensions are those of one value.

    Args:
        base_transform: the other.
        reinterpreted_batch_ndims: how many dimensions.
        cache_size: as of `Transform`.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import ExpTransform, IndependentTransform
        >>> vectors = IndependentTransform(ExpTransform(), 1)
        >>> vectors.log_abs_det_jacobian(dlcore.ones(2, 3), dlcore.ones(2, 3).exp())
        tensor([3., 3.])
    """

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.base_transform, self.reinterpreted_batch_ndims = base_transform, reinterpreted_batch_ndims
        self.bijective = base_transform.bijective
        self.domain = constraints.independent(base_transform.domain, reinterpreted_batch_ndims)
        self.codomain = constraints.independent(base_transform.codomain, reinterpreted_batch_ndims)

    @property
    def sign(self) -> Tensor | int:
        """The other's."""
        return self.base_transform.sign

    def _call(self, x: Tensor) -> Tensor:
        return self.base_transform(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.base_transform.undo(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum over the dimensions."""
        return added(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The other's."""
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The other's."""
        return self.base_transform.inverse_shape(shape)

    def __repr__(self) -> str:
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


class ReshapeTransform(Transform):
    """The same numbers in another shape.

    Args:
        in_shape: of one value.
        out_shape: of what it becomes.
        cache_size: as of `Transform`.

    Raises:
        ValueError: shapes of different numbers of elements; from its methods, a tensor of another shape.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions.transforms import ReshapeTransform
        >>> ReshapeTransform((6,), (2, 3))(dlcore.zeros(5, 6)).shape
        (5, 2, 3)
    """

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ValueError(f"ReshapeTransform: shapes {self.in_shape} and {self.out_shape} hold different numbers")
        self.domain = constraints.independent(constraints.real, len(self.in_shape))
        self.codomain = constraints.independent(constraints.real, len(self.out_shape))

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape(self.forward_shape(x.shape))

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape(self.inverse_shape(y.shape))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: ARG002 - what all are called with
        """Zero."""
        return x.new_zeros(x.shape[: x.dim() - len(self.in_shape)])

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """With the last dimensions replaced."""
        return self._replaced(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """With the last dimensions replaced."""
        return self._replaced(shape, self.out_shape, self.in_shape)

    def _replaced(self, shape: Sequence[int], old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
        kept = len(shape) - len(old)
        if kept < 0 or tuple(shape[kept:]) != old:
            raise ValueError(f"ReshapeTransform: expected a shape that ends in {old}, got {tuple(shape)}")
        return (*shape[:kept], *new)

    def __repr__(self) -> str:
        return f"ReshapeTransform({self.in_shape}, {self.out_shape})"
