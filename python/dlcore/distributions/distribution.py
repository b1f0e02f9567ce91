"""`Distribution`, what all of them share: shapes, checks, larger batches, and samples without a gradient."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Self

from dlcore import _core
from dlcore._core import Tensor
from dlcore.autograd import no_grad
from dlcore.distributions.constraints import Constraint

__all__ = ["Distribution", "forwarded", "refuse", "tensors"]


class Distribution:
    """The base of every distribution.

    A subclass sets its parameters, calls this constructor, which checks them by `arg_constraints`, and has a `support`,
    by which values are checked.

    Args:
        batch_shape: shape of what is drawn independently of each other.
        event_shape: shape of one draw.
        validate_args: False leaves out the checks of parameters and of the values whose probability is asked for; None
            is what `set_default_validate_args` said.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Distribution
        >>> class Fair(Distribution):
        ...     def sample(self, sample_shape=()):
        ...         return dlcore.randint(2, (*sample_shape, *self.batch_shape))
        >>> Fair((3,)).sample((2,)).shape
        (2, 3)
    """

    has_rsample = False
    has_enumerate_support = False
    arg_constraints: Mapping[str, Constraint] = {}
    support: Constraint | None = None
    # the distributions that it is made of, by their names
    _inner: ClassVar[tuple[str, ...]] = ()
    _validate_args = True

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Check, or leave out all checks, wherever `validate_args` does not say otherwise."""
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = tuple(batch_shape), tuple(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            for name, constraint in self.arg_constraints.items():
                if name in self.__dict__:  # what was given, and not what follows from it
                    refuse(type(self).__name__, name, self.__dict__[name], constraint)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of what is drawn independently of each other."""
        return self._batch_shape

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one draw."""
        return self._event_shape

    def _parameters(self) -> dict[str, Any]:
        """The tensors and distributions that it was given, whose first dimensions are those of the batch."""
        names = (*self.arg_constraints, *self._inner)
        return {name: self.__dict__[name] for name in names if name in self.__dict__}

    def expand(self, batch_shape: Sequence[int]) -> Self:
        """The same distribution with a larger batch, to whose shape the parameters are expanded.

        Raises:
            NotImplementedError: a subclass of your own without `arg_constraints`, which does not say how.

        Example:
            >>> from dlcore.distributions import Normal
            >>> Normal(0.0, 1.0).expand((2, 3)).sample().shape
            (2, 3)
        """
        parameters = self._parameters()
        if not parameters:
            raise NotImplementedError(f"{type(self).__name__} has no expand()")
        made, own = copy.copy(self), len(self.batch_shape)
        for name, value in parameters.items():
            shape = value.batch_shape if isinstance(value, Distribution) else value.shape
            made.__dict__[name] = value.expand((*batch_shape, *shape[own:]))
        made._batch_shape = tuple(batch_shape)
        return made

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise NotImplementedError(f"{type(self).__name__} has no mean")

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise NotImplementedError(f"{type(self).__name__} has no mode")

    @property
    def variance(self) -> Tensor:
        """The expected square of the distance to the mean."""
        raise NotImplementedError(f"{type(self).__name__} has no variance")

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw (*sample_shape, *batch_shape, *event_shape), without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw as `sample`, with a gradient by the parameters."""
        raise NotImplementedError(
            f"{type(self).__name__} has no rsample(): its samples have no gradient; use sample() and log_prob()"
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability, or of its density, of values of shape (..., *event_shape)."""
        raise NotImplementedError(f"{type(self).__name__} has no log_prob()")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to this one."""
        raise NotImplementedError(f"{type(self).__name__} has no cdf()")

    def icdf(self, value: Tensor) -> Tensor:
        """The value up to which values have this probability."""
        raise NotImplementedError(f"{type(self).__name__} has no icdf()")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values, along a first dimension before those of the batch, which are 1 unless expanded."""
        raise NotImplementedError(f"{type(self).__name__} has no enumerate_support()")

    def entropy(self) -> Tensor:
        """The expected −log_prob, of shape batch_shape."""
        raise NotImplementedError(f"{type(self).__name__} has no entropy()")

    def perplexity(self) -> Tensor:
        """The exponential function of the entropy."""
        return self.entropy().exp()

    def _validate_sample(self, value: Tensor) -> None:
        """Raise a ValueError for values that cannot be drawn, unless checks are left out."""
        if self._validate_args:
            if not isinstance(value, Tensor):
                raise ValueError(f"{type(self).__name__}: log_prob takes a tensor, got {type(value).__name__}")
            if self.support is not None:
                refuse(type(self).__name__, "value", value, self.support)

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> tuple[int, ...]:
        return (*sample_shape, *self.batch_shape, *self.event_shape)

    def _enumerated(self, values: Tensor, expand: bool) -> Tensor:
        """Values, (K, *event_shape), with the dimensions of the batch."""
        shape = (values.shape[0], *(1 for _ in self.batch_shape), *self.event_shape)
        values = values.reshape(shape)
        return values.expand((shape[0], *self.batch_shape, *self.event_shape)) if expand else values

    def __repr__(self) -> str:
        shown = [
            repr(value)
            if isinstance(value, Distribution)
            else f"{name}: {value.item() if value.numel() == 1 else tuple(value.shape)}"
            for name, value in self._parameters().items()
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def forwarded(path: str, explanation: str) -> Any:
    """A property that is one of another distribution's, as ``"base_dist.mean"``."""
    return property(attrgetter(path), doc=explanation)


def tensors(*values: Tensor | float) -> list[Tensor]:
    """The values as tensors of one shape and, where they were numbers, of the dtype of the tensors."""
    given = [value for value in values if isinstance(value, Tensor)]
    dtype = given[0].dtype if given else _core.get_default_dtype()
    made = [value if isinstance(value, Tensor) else _core.tensor(float(value), dtype=dtype) for value in values]
    return list(_core.broadcast_tensors(*made))


def refuse(owner: str, name: str, value: Tensor, constraint: Constraint) -> None:
    """Raise a ValueError that shows the first value that is outside of a constraint."""
    inside = constraint.check(value)
    if not inside.all():
        event = value.shape[value.dim() - constraint.event_dim :]
        found = value.detach().expand((*inside.shape, *event))[~inside][0]
        raise ValueError(
            f"{owner}: {name} must be {constraint}, got {found.item() if found.dim() == 0 else found} "
            f"in a tensor of shape {tuple(value.shape)}"
        )
