"""Batches as parts of one draw."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore._core import Tensor
from dlcore.distributions.constraints import Constraint, independent
from dlcore.distributions.distribution import Distribution, forwarded

__all__ = ["Independent"]


class Independent(Distribution):
    """Another distribution, whose last dimensions are those of one draw: their log-probabilities are added.

    Args:
        base_distribution: the other.
        reinterpreted_batch_ndims: how many of the last dimensions of its batch.
        validate_args: accepted for PyTorch's sake; the other has its own.

    Raises:
        ValueError: more dimensions than the batch has.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Independent, Normal
        >>> actions = Independent(Normal(dlcore.zeros(5, 3), dlcore.ones(5, 3)), 1)
        >>> actions.log_prob(dlcore.zeros(5, 3)).shape
        (5,)
    """

    _inner = ("base_dist",)

    def __init__(
        self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None
    ) -> None:
        shape = base_distribution.batch_shape
        if not 0 <= reinterpreted_batch_ndims <= len(shape):
            raise ValueError(
                f"Independent: a batch of shape {shape} does not have {reinterpreted_batch_ndims} dimensions to take"
            )
        kept = len(shape) - reinterpreted_batch_ndims
        super().__init__(shape[:kept], shape[kept:] + base_distribution.event_shape, validate_args)
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, reinterpreted_batch_ndims
        self.has_rsample = base_distribution.has_rsample

    mean: Tensor = forwarded("base_dist.mean", "The other's.")
    mode: Tensor = forwarded("base_dist.mode", "The other's.")
    variance: Tensor = forwarded("base_dist.variance", "The other's.")
    has_enumerate_support: bool = forwarded(
        "base_dist.has_enumerate_support", "Whether all values of a draw can be listed."
    )

    @property
    def support(self) -> Constraint | None:  # type: ignore[override]
        """That of the other, of all elements of a draw."""
        base = self.base_dist.support
        return base and independent(base, self.reinterpreted_batch_ndims)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw as the other."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw as the other."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The sum over the dimensions of one draw."""
        return self.added(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        """The sum over the dimensions of one draw."""
        return self.added(self.base_dist.entropy())

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Those of the other, unless dimensions of its batch were taken, of which there are too many combinations."""
        if self.reinterpreted_batch_ndims:
            raise NotImplementedError("Independent: values of several elements are too many to list")
        return self.base_dist.enumerate_support(expand)

    def added(self, each: Tensor) -> Tensor:
        """The sum over the dimensions that were taken."""
        taken = self.reinterpreted_batch_ndims
        return each.sum(tuple(range(-taken, 0))) if taken else each

    def __repr__(self) -> str:
        return f"Independent({self.base_dist!r}, {self.reinterpreted_batch_ndims})"
