"""The normal distribution of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

from dlcore import _core
from dlcore._core import Tensor, cholesky_inverse
from dlcore.distributions import constraints
from dlcore.distributions.distribution import Distribution
from dlcore.linalg import cholesky, solve_triangular

__all__ = ["MultivariateNormal"]


class MultivariateNormal(Distribution):
    """The normal distribution of vectors of length D, with one of three matrices.

    Args:
        loc: (..., D), the mean.
        covariance_matrix: (..., D, D), symmetric and positive definite.
        precision_matrix: (..., D, D), its inverse.
        scale_tril: (..., D, D), its lower Cholesky factor, with a positive diagonal.
        validate_args: False leaves out the checks, but for those of shapes.

    Raises:
        ValueError: none or several of the matrices, a mean without a dimension, or a matrix that is not D by D or
            cannot be what it is given as; from `log_prob`, a value that is not a number.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import MultivariateNormal
        >>> MultivariateNormal(dlcore.zeros(2), dlcore.eye(2)).log_prob(dlcore.zeros(2))
        tensor(-1.8379)
    """

    has_rsample = True
    arg_constraints = {  # noqa: RUF012 - as in PyTorch
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("MultivariateNormal: loc must have a dimension, that of the vectors")
        given = {
            name: matrix
            for name, matrix in (
                ("covariance_matrix", covariance_matrix),
                ("precision_matrix", precision_matrix),
                ("scale_tril", scale_tril),
            )
            if matrix is not None
        }
        if len(given) != 1:
            raise ValueError(
                "MultivariateNormal: give either covariance_matrix, precision_matrix or scale_tril, one of them"
            )
        ((name, matrix),) = given.items()
        length = loc.shape[-1]
        if matrix.shape[-2:] != (length, length):
            raise ValueError(
                f"MultivariateNormal: {name} must be of shape (..., {length}, {length}), as loc is of shape "
                f"{tuple(loc.shape)}, got shape {tuple(matrix.shape)}"
            )
        shape = _core.broadcast_tensors(loc.unsqueeze(-1), matrix[..., :1])[0].shape[:-1]
        self.loc = loc.expand(shape)
        self.__dict__[name] = matrix.expand((*shape, shape[-1]))
        super().__init__(shape[:-1], shape[-1:], validate_args)

    @cached_property
    def scale_tril(self) -> Tensor:
        """The lower factor of the covariance."""
        if "covariance_matrix" in self.__dict__:
            return cholesky(self.covariance_matrix)
        # P = U Uᵀ with an upper U, by turning both ways round; its inverse is Uᵀ⁻¹ U⁻¹.
        upper = cholesky(self.precision_matrix.flip(-2, -1)).flip(-2, -1)
        return solve_triangular(upper.mT, _core.eye(upper.shape[-1], dtype=upper.dtype), upper=False)

    @cached_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self.scale_tril @ self.scale_tril.mT

    @cached_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        return cholesky_inverse(self.scale_tril)

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
        self._validate_sample(value)
        distance = (value - self.loc).unsqueeze(-1)
        factor = self.scale_tril.expand((*distance.shape[:-1], self.event_shape[0]))
        square = solve_triangular(factor, distance, upper=False).squeeze(-1).square().sum(-1)
        return -0.5 * (square + self.event_shape[0] * math.log(2 * math.pi)) - self._half_log_determinant()

    def entropy(self) -> Tensor:
        """½ log det(2πe·covariance)."""
        return 0.5 * self.event_shape[0] * (1 + math.log(2 * math.pi)) + self._half_log_determinant()

    def _half_log_determinant(self) -> Tensor:
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
