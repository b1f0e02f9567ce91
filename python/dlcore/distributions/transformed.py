"""Distributions of functions of random numbers."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore._core import Tensor
from dlcore.autograd import no_grad
from dlcore.distributions.distribution import Distribution
from dlcore.distributions.normal import Normal
from dlcore.distributions.transforms import ExpTransform, Transform

__all__ = ["LogNormal", "TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of what transforms make, one after the other, of the draws of another.

    Args:
        base_distribution: the other.
        transforms: one or a list of them, element by element.
        validate_args: accepted for PyTorch's sake; the other has its own.

    Raises:
        TypeError: something that is no `dlcore.distributions.transforms.Transform`.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Normal, TransformedDistribution
        >>> from dlcore.distributions.transforms import TanhTransform
        >>> policy = TransformedDistribution(Normal(dlcore.zeros(2), 1.0), [TanhTransform(cache_size=1)])
        >>> action = policy.rsample()
        >>> bool((action.abs() < 1).all()), policy.log_prob(action).shape
        (True, (2,))
    """

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
        # Parameters of transforms may have a larger batch, each entry of which has draws of its own.
        shape = found = base_distribution.batch_shape + base_distribution.event_shape
        for transform in self.transforms:
            shape = transform.forward_shape(shape)
        if shape != found:
            batch = shape[: len(shape) - len(base_distribution.event_shape)]
            base_distribution = base_distribution.expand(batch)
        self.base_dist, self.has_rsample = base_distribution, base_distribution.has_rsample
        super().__init__(base_distribution.batch_shape, base_distribution.event_shape, validate_args)

    def expand(self, batch_shape: Sequence[int]) -> TransformedDistribution:
        """Expand the other."""
        return TransformedDistribution(self.base_dist.expand(batch_shape), self.transforms)

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
        stretched, dims = None, tuple(range(-len(self.event_shape), 0))
        for transform in reversed(self.transforms):
            x = transform.undo(value)
            log = transform.log_abs_det_jacobian(x, value)
            log = log.sum(dims) if dims else log
            stretched, value = log if stretched is None else stretched + log, x
        log_prob = self.base_dist.log_prob(value)
        return log_prob if stretched is None else log_prob - stretched

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_dist!r}, {self.transforms!r})"


class LogNormal(TransformedDistribution):
    """Positive numbers whose logarithm is normal.

    Args:
        loc: the mean of the logarithm.
        scale: its deviation, broadcast with `loc`.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a scale that is not positive; from `log_prob`, a number that is not.

    Example:
        >>> from dlcore.distributions import LogNormal
        >>> LogNormal(0.0, 1.0).mean
        tensor(1.6487)
    """

    base_dist: Normal

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    def expand(self, batch_shape: Sequence[int]) -> LogNormal:
        """Expand the parameters."""
        return LogNormal(self.loc.expand(batch_shape), self.scale.expand(batch_shape), self._checked)

    @property
    def loc(self) -> Tensor:
        """The mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The deviation of the logarithm."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        """exp(loc + scale² / 2)."""
        return (self.loc + self.scale.square() / 2).exp()

    @property
    def mode(self) -> Tensor:
        """exp(loc − scale²)."""
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        """(exp scale² − 1)·mean²."""
        return self.scale.square().expm1() * self.mean.square()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._refuse_outside(value, value > 0, "positive")
        return super().log_prob(value)

    def entropy(self) -> Tensor:
        """That of the logarithm, plus its mean."""
        return self.base_dist.entropy() + self.loc
