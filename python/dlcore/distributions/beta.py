"""The beta distribution."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.dirichlet import Dirichlet
from dlcore.distributions.distribution import Distribution, tensors

__all__ = ["Beta"]


class Beta(Distribution):
    """Numbers from 0 to 1, the first of the two parts of a `Dirichlet`.

    Args:
        concentration1: the weight of the first part.
        concentration0: that of the other, broadcast with it.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a concentration that is not positive; from `log_prob`, a number outside 0 to 1.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Beta
        >>> Beta(3.0, 1.0).mean, Beta(1.0, 1.0).log_prob(dlcore.tensor(0.3))
        (tensor(0.7500), tensor(0.))
    """

    arg_constraints = {  # noqa: RUF012 - as in PyTorch
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, concentration1: Tensor | float, concentration0: Tensor | float, validate_args: bool | None = None
    ) -> None:
        self.concentration1, self.concentration0 = tensors(concentration1, concentration0)
        super().__init__(self.concentration1.shape, (), validate_args)

    def _parts(self) -> Dirichlet:
        return Dirichlet(_core.stack([self.concentration1, self.concentration0], -1), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The part of the first weight."""
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Tensor:
        """The most probable value; 1 where both ends are."""
        return self._parts().mode[..., 0]

    @property
    def variance(self) -> Tensor:
        """The expected square of the distance to the mean."""
        return self._parts().variance[..., 0]

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw numbers from 0 to 1, with a gradient by the concentrations."""
        return self._parts().rsample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._validate_sample(value)
        return self._parts().log_prob(_core.stack([value, 1 - value], -1))

    def entropy(self) -> Tensor:
        """The expected −log_prob."""
        return self._parts().entropy()
