"""Distributions of functions of random numbers."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore._core import Tensor
from dlcore.autograd import no_grad
from dlcore.distributions.constraints import Constraint, independent
from dlcore.distributions.distribution import Distribution
from dlcore.distributions.independent import Independent
from dlcore.distributions.transforms.transform import ComposeTransform, Transform, added

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of what transforms make, one after the other, of the draws of another.

    Args:
        base_distribution: the other.
        transforms: one or a list of them.
        validate_args: False leaves out the check of values; the other has its own.

    Raises:
        TypeError: something that is no `dlcore.distributions.transforms.Transform`.
        ValueError: draws of too few dimensions; from `log_prob`, a value that the transforms do not give.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Normal, TransformedDistribution
        >>> from dlcore.distributions.transforms import TanhTransform
        >>> policy = TransformedDistribution(Normal(dlcore.zeros(2), 1.0), [TanhTransform(cache_size=1)])
        >>> action = policy.rsample()
        >>> bool((action.abs() < 1).all()), policy.log_prob(action).shape
        (True, (2,))
    """

    _inner = ("base_dist",)

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | Sequence[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        for transform in self.transforms:
            if not isinstance(transform, Transform):
                raise TypeError(f"{type(self).__name__}: expected transforms, got {type(transform).__name__}")
        all_of_them, found = ComposeTransform(self.transforms), base_distribution
        shape = found.batch_shape + found.event_shape
        if len(shape) < all_of_them.domain.event_dim:
            needed = all_of_them.domain.event_dim
            raise ValueError(f"{type(self).__name__}: draws must have {needed} dimension(s), got shape {shape}")
        # Parameters of transforms may have a larger batch, each entry of which has draws of its own.
        made = all_of_them.forward_shape(shape)
        wide = all_of_them.inverse_shape(made)
        if wide != shape:
            found = found.expand(wide[: len(wide) - len(found.event_shape)])
        taken = all_of_them.domain.event_dim - len(found.event_shape)
        self.base_dist = Independent(found, taken) if taken > 0 else found
        self.has_rsample = found.has_rsample
        event_dim = all_of_them.codomain.event_dim + max(-taken, 0)
        super().__init__(made[: len(made) - event_dim], made[len(made) - event_dim :], validate_args)

    @property
    def support(self) -> Constraint | None:  # type: ignore[override]
        """What the last transform gives."""
        if not self.transforms:
            return self.base_dist.support
        last = self.transforms[-1].codomain
        return independent(last, len(self.event_shape) - last.event_dim)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw as the other, and transform."""
        with no_grad():
            return self._transformed(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw as the other, and transform, with gradients by the parameters of both."""
        return self._transformed(self.base_dist.rsample(sample_shape))

    def _transformed(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Tensor) -> Tensor:
        """That of what was transformed, less the logarithm of how much it was stretched."""
        self._validate_sample(value)
        stretched, event_dim = None, len(self.event_shape)
        for transform in reversed(self.transforms):
            x = transform.undo(value)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            log = added(transform.log_abs_det_jacobian(x, value), event_dim - transform.domain.event_dim)
            stretched, value = log if stretched is None else stretched + log, x
        log_prob = added(self.base_dist.log_prob(value), event_dim - len(self.base_dist.event_shape))
        return log_prob if stretched is None else log_prob - stretched

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of values up to this one, where all transforms rise or fall."""
        for transform in reversed(self.transforms):
            value = transform.undo(value)
        return self._turned(self.base_dist.cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The value up to which values have this probability, where all transforms rise or fall."""
        return self._transformed(self.base_dist.icdf(self._turned(value)))

    def _turned(self, probability: Tensor) -> Tensor:
        """Its complement, where the transforms together fall."""
        sign = ComposeTransform(self.transforms).sign
        return sign * (probability - 0.5) + 0.5

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist!r}, {self.transforms!r})"
