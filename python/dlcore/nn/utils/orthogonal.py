"""The parametrization of orthogonal matrices."""

from __future__ import annotations

from dlcore import linalg
from dlcore._core import Tensor, cat, eye, geqrf, matmul, matrix_exp, randn, where, zeros
from dlcore.nn.module import Module
from dlcore.nn.utils.parametrize import register_parametrization

__all__ = ["orthogonal"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _diagonal(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1)


def _orthogonalised(matrix: Tensor) -> Tensor:
    """The factor Q of Q·R, where the diagonal of R is positive."""
    q, r = linalg.qr(matrix)
    return q * _diagonal(r).sign().unsqueeze(-2)


class _Orthogonal(Module):
    """A matrix with orthonormal columns, or rows if it has fewer, of one without constraints."""

    base: Tensor | None

    def __init__(self, shape: tuple[int, ...], orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.shape, self.orthogonal_map, self.use_trivialization = shape, orthogonal_map, use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, weight: Tensor) -> Tensor:
        """The matrix: what the map gives, times the base where there is one."""
        wide = weight.shape[-2] < weight.shape[-1]
        tall = weight.mT if wide else weight
        q = self._reflected(tall) if self.orthogonal_map == "householder" else self._rotated(tall)
        if self.use_trivialization and self.base is not None:
            q = matmul(self.base, q)
        return q.mT if wide else q

    def _reflected(self, tall: Tensor) -> Tensor:
        """The product of the reflections whose vectors are below the diagonal, which has the signs of the columns."""
        vectors = tall.tril(-1)
        lengths = 1 + vectors.square().sum(-2)
        return linalg.householder_product(vectors, 2 / lengths) * _diagonal(tall.detach()).sign().unsqueeze(-2)

    def _rotated(self, tall: Tensor) -> Tensor:
        """The exponential, or Cayley's map, of the skew matrix whose lower triangle this is."""
        size, columns = tall.shape[-2:]
        lower = cat([tall.tril(), zeros(*tall.shape[:-1], size - columns, dtype=tall.dtype)], -1)
        skew = lower - lower.mT
        if self.orthogonal_map == "matrix_exp":
            return matrix_exp(skew)[..., :columns]
        one = eye(size, dtype=tall.dtype)
        return linalg.solve(one - skew / 2, one + skew / 2)[..., :columns]

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What gives `weight`, or, if that is not orthogonal, its factor Q."""
        if tuple(weight.shape) != self.shape:
            raise ValueError(f"orthogonal: expected a weight of shape {self.shape}, got {tuple(weight.shape)}")
        wide = weight.shape[-2] < weight.shape[-1]
        tall = weight.mT if wide else weight
        if self.use_trivialization:
            size, columns = tall.shape[-2:]
            more = randn(*tall.shape[:-1], size - columns, dtype=tall.dtype)
            self.base = _orthogonalised(cat([tall, more], -1))
            return -eye(*weight.shape[-2:], dtype=weight.dtype).expand(weight.shape)  # of which every map gives 1
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                f"orthogonal: {self.orthogonal_map} has no inverse; use_trivialization=True makes the weight its base"
            )
        packed, factors = geqrf(tall)
        # A factor of 0 is no reflection, where a vector of zeros above is one.
        signs = _diagonal(packed).sign() * where(factors == 0, -1.0, 1.0).to(packed.dtype)
        packed = packed.tril(-1) + signs.unsqueeze(-2) * eye(*tall.shape[-2:], dtype=packed.dtype)
        return packed.mT if wide else packed


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a weight orthogonal: its columns are orthonormal, or its rows, if it has fewer.

    Source: Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds", 2019.

    Args:
        module: whose weight.
        name: the parameter, (..., m, n).
        orthogonal_map: ``"matrix_exp"``, exp(A) of a skew matrix A; ``"cayley"``, (1 + A/2)(1 - A/2)⁻¹ of it; or
            ``"householder"``, a product of reflections. By default the first for square matrices, else the last.
        use_trivialization: keep a base, which the map multiplies. It is what the weight was before, or its factor Q.

    Returns:
        The module; its state dict holds ``parametrizations.weight.original`` and ``parametrizations.weight.0.base``.

    Raises:
        ValueError: no such parameter, one of fewer than two dimensions, or another map.
        NotImplementedError: when a weight is assigned without a base, and the map has no inverse.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.utils.parametrizations.orthogonal(nn.Linear(3, 5))
        >>> dlcore.allclose(layer.weight.t() @ layer.weight, dlcore.eye(3), atol=1e-5)
        True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"orthogonal: {type(module).__name__} has no parameter {name!r}")
    if weight.dim() < 2:
        raise ValueError(f"orthogonal: expected a matrix or a stack of them, got shape {tuple(weight.shape)}")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(f"orthogonal: orthogonal_map must be one of {', '.join(_MAPS)}, got {orthogonal_map!r}")
    made = _Orthogonal(tuple(weight.shape), orthogonal_map, use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)
