"""Parametrizations of weights: by length and direction, by their largest singular value, and as orthogonal ones."""

from __future__ import annotations

from dlcore._core import Tensor, matmul, norm, ones, randn
from dlcore.autograd import no_grad
from dlcore.nn.module import Module
from dlcore.nn.utils.orthogonal import orthogonal
from dlcore.nn.utils.parametrize import register_parametrization, remove_parametrizations

__all__ = ["orthogonal", "remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


def slice_lengths(weight: Tensor, dim: int | None) -> Tensor:
    """The length of each slice along `dim`, or of the whole, to be broadcast."""
    if dim is None or dim == -1:
        return norm(weight)
    others = tuple(other for other in range(weight.dim()) if other != dim % weight.dim())
    return norm(weight, dim=others, keepdim=True)


class _WeightNorm(Module):
    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, length: Tensor, direction: Tensor) -> Tensor:
        return direction * (length / slice_lengths(direction, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return slice_lengths(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train the length and the direction of a weight instead of the weight (Salimans and Kingma, 2016).

    Args:
        module: whose weight.
        name: the parameter.
        dim: each slice along it has a length of its own; None for one length.

    Returns:
        The module; its state dict holds ``parametrizations.weight.original0``, the length, and ``original1``.

    Example:
        >>> from dlcore import nn
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(20, 40))
        >>> layer.parametrizations.weight.original0.shape
        (40, 1)
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    """The weight over its largest singular value, which one power iteration for each training call follows."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        self.dim, self.iterations, self.eps = dim, iterations, eps
        matrix = self._matrix(weight.detach())
        self.register_buffer("_u", self._unit(randn(matrix.shape[0], dtype=weight.dtype)))
        self.register_buffer("_v", self._unit(ones(matrix.shape[1], dtype=weight.dtype)))
        self._iterate(matrix, 15)

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).flatten(1)

    def _unit(self, vector: Tensor) -> Tensor:
        return vector / norm(vector).clamp(min=self.eps)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        with no_grad():
            for _ in range(times):
                self._v.copy_(self._unit(matmul(matrix.t(), self._u)))
                self._u.copy_(self._unit(matmul(matrix, self._v)))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.dim() == 1:
            return self._unit(weight)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix.detach(), self.iterations)
        # Clones, for the next call overwrites what backward needs.
        return weight / matmul(self._u.clone(), matmul(matrix, self._v.clone()))

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value, as of the matrix whose rows are its slices along `dim`.

    Source: Miyato et al., "Spectral normalization for generative adversarial networks", 2018.

    Args:
        module: whose weight.
        name: the parameter.
        n_power_iterations: for each call while training.
        eps: the smallest length that is divided by.
        dim: by default 1 for transposed convolutions, else 0.

    Returns:
        The module.

    Raises:
        ValueError: no such parameter, or no iterations.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.Linear(2, 2)
        >>> _ = layer.weight.data.copy_(dlcore.tensor([[3.0, 0.0], [0.0, 1.0]]))
        >>> nn.utils.parametrizations.spectral_norm(layer).weight.detach()
        tensor([[1.0000, 0.0000],
                [0.0000, 0.3333]])
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"spectral_norm: {type(module).__name__} has no parameter {name!r}")
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm: n_power_iterations must be at least 1, got {n_power_iterations}")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make a weight that `weight_norm` took apart an ordinary parameter again, of the same values.

    Raises:
        ValueError: a weight that was not taken apart.

    Example:
        >>> from dlcore import nn
        >>> from dlcore.nn.utils.parametrizations import remove_weight_norm, weight_norm
        >>> layer = remove_weight_norm(weight_norm(nn.Linear(2, 3)))
        >>> sorted(layer.state_dict())
        ['bias', 'weight']
    """
    return remove_parametrizations(module, name)


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make a weight that `spectral_norm` divides an ordinary parameter again, of its values now.

    Raises:
        ValueError: a weight that was not divided.

    Example:
        >>> from dlcore import nn
        >>> from dlcore.nn.utils.parametrizations import remove_spectral_norm, spectral_norm
        >>> layer = remove_spectral_norm(spectral_norm(nn.Linear(2, 3)))
        >>> sorted(layer.state_dict())
        ['bias', 'weight']
    """
    return remove_parametrizations(module, name)
