"""The normal distribution of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.distributions.distribution import Distribution, refuse
from dlcore.linalg import cholesky, solve_triangular

__all__ = ["MultivariateNormal"]


class MultivariateNormal(Distribution):
    """The normal distribution of vectors of length D, with their covariance or its Cholesky factor.

    Args:
        loc: (..., D), the mean.
        covariance_matrix: (..., D, D), symmetric and positive definite.
        scale_tril: (..., D, D), its lower factor with a positive diagonal; one of the two is to be given.
        validate_args: False leaves out the checks, but for those of shapes.

    Raises:
        ValueError: both or neither, a mean without a dimension, a matrix that is not D by D, a covariance that is not
            symmetric, or a factor with entries above the diagonal or with one on it that is not positive; from
            `log_prob`, a value that is not a number.
        LinAlgError: a covariance that is not positive definite.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import MultivariateNormal
        >>> MultivariateNormal(dlcore.zeros(2), dlcore.eye(2)).log_prob(dlcore.zeros(2))
        tensor(-1.8379)
    """

    has_rsample = True
    _shown = ("loc", "scale_tril")

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        *,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("MultivariateNormal: loc must have a dimension, that of the vectors")
        given = covariance_matrix if covariance_matrix is not None else scale_tril
        if given is None or (covariance_matrix is not None and scale_tril is not None):
            raise ValueError("MultivariateNormal: give either covariance_matrix or scale_tril")
        name = "covariance_matrix" if covariance_matrix is not None else "scale_tril"
        length = loc.shape[-1]
        if given.shape[-2:] != (length, length):
            raise ValueError(
                f"MultivariateNormal: {name} must be of shape (..., {length}, {length}), as loc is of shape "
                f"{tuple(loc.shape)}, got shape {tuple(given.shape)}"
            )
        if validate_args is not False:
            refuse("MultivariateNormal", "loc", loc, loc == loc, "a number")
            if covariance_matrix is not None:
                symmetric = _core.isclose(given, given.mT, atol=1e-6)
                refuse("MultivariateNormal", name, given, symmetric, "symmetric")
            else:
                refuse("MultivariateNormal", name, given, given == given.tril(), "lower triangular")
                diagonal = given.diagonal(dim1=-2, dim2=-1)
                refuse("MultivariateNormal", f"the diagonal of {name}", diagonal, diagonal > 0, "positive")
        factor = cholesky(given) if covariance_matrix is not None else given
        shape = _core.broadcast_tensors(loc.unsqueeze(-1), factor[..., :1])[0].shape[:-1]
        self.loc, self.scale_tril = loc.expand(shape), factor.expand((*shape, shape[-1]))
        super().__init__(shape[:-1], shape[-1:], validate_args)

    @property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self.scale_tril @ self.scale_tril.mT

    @property
    def mean(self) -> Tensor:
        """`loc`."""
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        """The diagonal of the covariance."""
        return self.scale_tril.square().sum(-1)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw, with a gradient by the parameters."""
        noise = _core.randn((*self._extended_shape(sample_shape), 1), dtype=self.loc.dtype)
        return self.loc + (self.scale_tril @ noise).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        self._refuse_outside(value, value == value, "a number")
        distance = (value - self.loc).unsqueeze(-1)
        factor = self.scale_tril.expand((*distance.shape[:-1], self.event_shape[0]))
        square = solve_triangular(factor, distance, upper=False).squeeze(-1).square().sum(-1)
        return -0.5 * (square + self.event_shape[0] * math.log(2 * math.pi)) - self._half_log_determinant()

    def entropy(self) -> Tensor:
        """½ log det(2πe·covariance)."""
        return 0.5 * self.event_shape[0] * (1 + math.log(2 * math.pi)) + self._half_log_determinant()

    def _half_log_determinant(self) -> Tensor:
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
