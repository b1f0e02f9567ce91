"""`Distribution`, what all of them share: shapes, and samples without a gradient."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

from dlcore import _core
from dlcore._core import Tensor
from dlcore.autograd import no_grad

__all__ = ["Distribution", "refuse", "tensors"]


class Distribution:
    """The base of every distribution.

    Args:
        batch_shape: shape of what is drawn independently of each other.
        event_shape: shape of one draw.
        validate_args: False leaves out the checks of parameters and of the values whose probability is asked for.

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
    # the parameters, whose first dimensions are those of the batch; `repr` shows them
    _shown: tuple[str, ...] = ()

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self.batch_shape, self.event_shape = tuple(batch_shape), tuple(event_shape)
        self._checked = validate_args is not False

    def expand(self, batch_shape: Sequence[int]) -> Self:
        """The same distribution with a larger batch, to whose shape the parameters are expanded.

        Raises:
            NotImplementedError: a subclass of your own that does not say how.

        Example:
            >>> from dlcore.distributions import Normal
            >>> Normal(0.0, 1.0).expand((2, 3)).sample().shape
            (2, 3)
        """
        if not self._shown:
            raise NotImplementedError(f"{type(self).__name__} has no expand()")
        made, own = copy.copy(self), len(self.batch_shape)
        for name in self._shown:
            if name in self.__dict__:
                value: Tensor = self.__dict__[name]
                made.__dict__[name] = value.expand((*batch_shape, *value.shape[own:]))
        made.batch_shape = tuple(batch_shape)
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

    def entropy(self) -> Tensor:
        """The expected −log_prob, of shape batch_shape."""
        raise NotImplementedError(f"{type(self).__name__} has no entropy()")

    def _refuse_outside(self, value: Tensor, inside: Tensor, expected: str) -> None:
        """Raise a ValueError for values that cannot be drawn, unless checks are left out."""
        if self._checked:
            if not isinstance(value, Tensor):
                raise ValueError(f"{type(self).__name__}: log_prob takes a tensor, got {type(value).__name__}")
            refuse(type(self).__name__, "value", value.expand(inside.shape), inside, expected)

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> tuple[int, ...]:
        return (*sample_shape, *self.batch_shape, *self.event_shape)

    def __repr__(self) -> str:
        found = [(name, self.__dict__[name]) for name in self._shown if name in self.__dict__]
        shown = [f"{name}: {value.item() if value.numel() == 1 else tuple(value.shape)}" for name, value in found]
        return f"{type(self).__name__}({', '.join(shown)})"


def tensors(*values: Tensor | float) -> list[Tensor]:
    """The values as tensors of one shape and, where they were numbers, of the dtype of the tensors."""
    given = [value for value in values if isinstance(value, Tensor)]
    dtype = given[0].dtype if given else _core.get_default_dtype()
    made = [value if isinstance(value, Tensor) else _core.tensor(float(value), dtype=dtype) for value in values]
    return list(_core.broadcast_tensors(*made))


def refuse(name: str, parameter: str, value: Tensor, right: Tensor, expected: str) -> None:
    """Raise a ValueError that shows the first element of a parameter that is not right."""
    wrong = ~right
    if wrong.any():
        found = value.detach()[wrong].flatten()[0].item()
        raise ValueError(
            f"{name}: {parameter} must be {expected}, got {found} in a tensor of shape {tuple(value.shape)}"
        )
