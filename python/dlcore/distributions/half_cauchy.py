"""The positive half of the distribution of Cauchy."""

from __future__ import annotations

import math

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions.cauchy import Cauchy
from dlcore.distributions.folded import Folded

__all__ = ["HalfCauchy"]


class HalfCauchy(Folded):
    """Distances of the numbers of a `Cauchy` from its middle, as for scales of which little is known.

    Args:
        scale: the distance that half of them keep to.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: a scale that is not positive; from `log_prob`, a negative number.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import HalfCauchy
        >>> HalfCauchy(1.0).cdf(dlcore.tensor(1.0))
        tensor(0.5000)
    """

    _sides = Cauchy

    @property
    def mean(self) -> Tensor:
        """Infinite."""
        return _core.full_like(self.scale, math.inf)

    variance = mean
