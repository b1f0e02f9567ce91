"""What values may be: of the parameters of distributions, of their draws, of the arguments of transforms."""

from __future__ import annotations

from collections.abc import Callable

from dlcore._core import Tensor
from dlcore.linalg import eigvalsh

__all__ = [
    "Constraint",
    "boolean",
    "greater_than",
    "greater_than_eq",
    "half_open_interval",
    "independent",
    "integer_interval",
    "interval",
    "less_than",
    "lower_cholesky",
    "lower_triangular",
    "nonnegative",
    "nonnegative_integer",
    "one_hot",
    "positive",
    "positive_definite",
    "positive_integer",
    "real",
    "real_vector",
    "simplex",
    "symmetric",
    "unit_interval",
]


class Constraint:
    """A region of values; `str` completes "must be".

    Args:
        expected: what values must be, in words.
        inside: tells of a tensor which of its values are; its result has no dimensions of an event.
        event_dim: how many dimensions one value has.
        is_discrete: whether the region is a set of numbers with space between them.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import constraints
        >>> constraints.positive.check(dlcore.tensor([1.0, 0.0])), str(constraints.positive)
        (tensor([ True, False]), 'positive')
        >>> constraints.simplex.check(dlcore.tensor([[0.5, 0.5], [0.5, 0.6]]))
        tensor([ True, False])
    """

    def __init__(
        self, expected: str, inside: Callable[[Tensor], Tensor], event_dim: int = 0, is_discrete: bool = False
    ) -> None:
        self._expected, self._inside = expected, inside
        self.event_dim, self.is_discrete = event_dim, is_discrete

    def check(self, value: Tensor) -> Tensor:
        """Which values are inside: a truth value for each."""
        return self._inside(value)

    def __str__(self) -> str:
        return self._expected

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._expected!r})"


def greater_than(lower_bound: Tensor | float) -> Constraint:
    """Numbers above another.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import constraints
        >>> constraints.greater_than(1.0).check(dlcore.tensor([1.0, 2.0]))
        tensor([False,  True])
    """
    return Constraint(f"above {_bound(lower_bound)}", lambda value: value > lower_bound)


def greater_than_eq(lower_bound: Tensor | float) -> Constraint:
    """Another number, and those above.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import constraints
        >>> constraints.greater_than_eq(1.0).check(dlcore.tensor([1.0, 0.0]))
        tensor([ True, False])
    """
    return Constraint(f"at least {_bound(lower_bound)}", lambda value: value >= lower_bound)


def less_than(upper_bound: Tensor | float) -> Constraint:
    """Numbers below another.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import constraints
        >>> constraints.less_than(1.0).check(dlcore.tensor([1.0, 0.0]))
        tensor([False,  True])
    """
    return Constraint(f"below {_bound(upper_bound)}", lambda value: value < upper_bound)


def interval(lower_bound: Tensor | float, upper_bound: Tensor | float) -> Constraint:
    """Numbers from one to another, both with them.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import constraints
        >>> constraints.interval(0.0, 1.0).check(dlcore.tensor([1.0, 2.0]))
        tensor([ True, False])
    """
    return Constraint(
        f"between {_bound(lower_bound)} and {_bound(upper_bound)}",
        lambda value: (lower_bound <= value) & (value <= upper_bound),
    )


def half_open_interval(lower_bound: Tensor | float, upper_bound: Tensor | float) -> Constraint:
    """Numbers from one to below another.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import constraints
        >>> constraints.half_open_interval(0.0, 1.0).check(dlcore.tensor([0.0, 1.0]))
        tensor([ True, False])
    """
    return Constraint(
        f"from {_bound(lower_bound)} to below {_bound(upper_bound)}",
        lambda value: (lower_bound <= value) & (value < upper_bound),
    )


def integer_interval(lower_bound: Tensor | int, upper_bound: Tensor | int) -> Constraint:
    """Whole numbers from one to another, both with them.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import constraints
        >>> constraints.integer_interval(0, 2).check(dlcore.tensor([2.0, 0.5, 3.0]))
        tensor([ True, False, False])
    """
    return Constraint(
        f"a whole number from {_bound(lower_bound)} to {_bound(upper_bound)}",
        lambda value: _whole(value) & (lower_bound <= value) & (value <= upper_bound),
        is_discrete=True,
    )


def independent(base_constraint: Constraint, reinterpreted_batch_ndims: int) -> Constraint:
    """Values that hold others along further dimensions, all of them of a region.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import constraints
        >>> constraints.independent(constraints.positive, 1).check(dlcore.tensor([[1.0, 2.0], [1.0, 0.0]]))
        tensor([ True, False])
    """
    dims = tuple(range(-reinterpreted_batch_ndims, 0))
    return Constraint(
        str(base_constraint),
        lambda value: base_constraint.check(value).all(dims) if dims else base_constraint.check(value),
        base_constraint.event_dim + reinterpreted_batch_ndims,
        base_constraint.is_discrete,
    )


def _bound(value: Tensor | float) -> str:
    if not isinstance(value, Tensor):
        return str(value)
    return str(value.item()) if value.numel() == 1 else f"those of a tensor of shape {tuple(value.shape)}"


def _whole(value: Tensor) -> Tensor:
    return value == value.floor() if value.dtype.is_floating_point else value == value


def _lower(value: Tensor) -> Tensor:
    return (value == value.tril()).all((-2, -1))


def _symmetric(value: Tensor) -> Tensor:
    return ((value - value.mT).abs() <= 1e-6 + 1e-5 * value.abs()).all((-2, -1))


def _definite(value: Tensor) -> Tensor:
    return _symmetric(value) & (eigvalsh(value).amin(-1) > 0)


real = Constraint("a number", lambda value: value == value)
positive = Constraint("positive", lambda value: value > 0)
nonnegative = greater_than_eq(0)
unit_interval = interval(0, 1)
boolean = Constraint("0 or 1", lambda value: (value == 0) | (value == 1), is_discrete=True)
nonnegative_integer = Constraint(
    "a whole number of at least 0", lambda value: _whole(value) & (value >= 0), is_discrete=True
)
positive_integer = Constraint(
    "a whole number of at least 1", lambda value: _whole(value) & (value >= 1), is_discrete=True
)
real_vector = independent(real, 1)
simplex = Constraint("parts whose sum is 1", lambda value: (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6), 1)
one_hot = Constraint(
    "zeros and a one", lambda value: boolean.check(value).all(-1) & (value.sum(-1) == 1), 1, is_discrete=True
)
lower_triangular = Constraint("lower triangular", _lower, 2)
lower_cholesky = Constraint(
    "lower triangular, with a positive diagonal",
    lambda value: _lower(value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1),
    2,
)
symmetric = Constraint("symmetric", _symmetric, 2)
positive_definite = Constraint("symmetric and positive definite", _definite, 2)
