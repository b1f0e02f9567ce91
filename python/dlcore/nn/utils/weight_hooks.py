"""`weight_norm` and `spectral_norm` of old: a hook before every ``forward`` computes the weight anew.

State dicts have the keys of PyTorch's functions of these names. Those of `parametrizations` compute the weight whenever
it is read, and have other keys.
"""

from __future__ import annotations

from typing import Any, TypeVar

from dlcore._core import Tensor, dot, mv, norm, randn
from dlcore.autograd import no_grad
from dlcore.nn.hooked import ComputingHook
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter
from dlcore.nn.utils.parametrizations import slice_lengths

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]

_Module = TypeVar("_Module", bound=Module)


class _WeightHook(ComputingHook):
    """Computes ``module.name`` before every call of the module; an object, not a closure, so that it can be pickled."""

    function: str

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Module, training: bool) -> Tensor:
        raise NotImplementedError

    def tensors(self) -> tuple[str, ...]:
        """The names of what the weight is computed from."""
        raise NotImplementedError

    def values(self, module: Module) -> list[Tensor]:
        return [getattr(module, name) for name in self.tensors()]

    def __call__(self, module: Module, _args: Any) -> None:
        setattr(module, self.name, self.compute(module, module.training))


class _WeightNorm(_WeightHook):
    function = "weight_norm"

    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = dim

    def tensors(self) -> tuple[str, ...]:
        return f"{self.name}_g", f"{self.name}_v"

    def compute(self, module: Module, training: bool) -> Tensor:  # noqa: ARG002 - it is one formula for both
        g, v = self.values(module)
        return v * (g / slice_lengths(v, self.dim))


class _SpectralNorm(_WeightHook):
    function = "spectral_norm"

    def __init__(self, name: str, iterations: int, eps: float, dim: int) -> None:
        super().__init__(name)
        self.iterations, self.eps, self.dim = iterations, eps, dim

    def tensors(self) -> tuple[str, ...]:
        return f"{self.name}_orig", f"{self.name}_u", f"{self.name}_v"

    def matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).reshape(weight.shape[self.dim], -1)

    def unit(self, vector: Tensor) -> Tensor:
        return vector / norm(vector).clamp(min=self.eps)

    def compute(self, module: Module, training: bool) -> Tensor:
        weight, u, v = self.values(module)
        matrix = self.matrix(weight)
        if training:
            with no_grad():
                for _ in range(self.iterations):
                    v.copy_(self.unit(mv(matrix.t(), u)))
                    u.copy_(self.unit(mv(matrix, v)))
        # Clones, for the next call overwrites what backward needs.
        return weight / dot(u.clone(), mv(matrix, v.clone()))


def _found(module: Module, name: str, function: str) -> tuple[int, _WeightHook] | None:
    """The hook that computes an attribute, with its number."""
    for number, (hook, _) in module._hooks.get("forward_pre", {}).items():
        if isinstance(hook, _WeightHook) and (hook.function, hook.name) == (function, name):
            return number, hook
    return None


def _taken(module: Module, name: str, function: str) -> Parameter:
    """The parameter that a hook is to compute from now on, no longer the module's."""
    if _found(module, name, function):
        raise RuntimeError(f"Cannot register two {function} hooks on the same parameter {name}")
    weight = getattr(module, name, None)
    if not isinstance(weight, Parameter):
        raise ValueError(f"{function}: {type(module).__name__} has no parameter {name!r}")
    delattr(module, name)
    return weight


def _remove(module: Module, name: str, function: str) -> None:
    found = _found(module, name, function)
    if found is None:
        raise ValueError(f"{function} of {name!r} not found in {module}")
    number, hook = found
    with no_grad():
        weight = hook.compute(module, training=False)
    for attribute in (name, *hook.tensors()):
        delattr(module, attribute)
    module.register_parameter(name, Parameter(weight.detach()))
    del module._of_kind("forward_pre")[number]


def weight_norm(module: _Module, name: str = "weight", dim: int | None = 0) -> _Module:
    """Train the length and the direction of a weight instead of the weight (Salimans and Kingma, 2016).

    Args:
        module: whose weight.
        name: the parameter; the module has ``{name}_g``, the length, and ``{name}_v``, the direction, in its place, and
            computes it before every ``forward``.
        dim: each slice along it has a length of its own; None for one length.

    Returns:
        The module.

    Raises:
        RuntimeError: done to this parameter before.
        ValueError: no such parameter.

    Example:
        >>> from dlcore import nn
        >>> layer = nn.utils.weight_norm(nn.Linear(20, 40))
        >>> {name: tensor.shape for name, tensor in layer.state_dict().items()}
        {'bias': (40,), 'weight_g': (40, 1), 'weight_v': (40, 20)}
    """
    weight, hook = _taken(module, name, "weight_norm"), _WeightNorm(name, dim)
    with no_grad():
        lengths = slice_lengths(weight, dim).detach()
    for attribute, tensor in zip(hook.tensors(), (lengths, weight.data), strict=True):
        module.register_parameter(attribute, Parameter(tensor))
    setattr(module, name, hook.compute(module, training=False))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: _Module, name: str = "weight") -> _Module:
    """Undo `weight_norm`: the weight is an ordinary parameter again, of the same values.

    Raises:
        ValueError: nothing to undo.

    Example:
        >>> from dlcore import nn
        >>> layer = nn.utils.remove_weight_norm(nn.utils.weight_norm(nn.Linear(2, 3)))
        >>> list(layer.state_dict())
        ['bias', 'weight']
    """
    _remove(module, name, "weight_norm")
    return module


def spectral_norm(
    module: _Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> _Module:
    """Divide a weight by its largest singular value, as of the matrix whose rows are its slices along `dim`.

    Source: Miyato et al., "Spectral normalization for generative adversarial networks", 2018.

    Args:
        module: whose weight.
        name: the parameter; the module has ``{name}_orig``, which is trained, and the singular vectors ``{name}_u`` and
            ``{name}_v`` in its place, and computes it before every ``forward``.
        n_power_iterations: for each call while training.
        eps: the smallest length that is divided by.
        dim: by default 1 for transposed convolutions, else 0.

    Returns:
        The module.

    Raises:
        RuntimeError: done to this parameter before.
        ValueError: no such parameter, or no iterations.

    Example:
        >>> from dlcore import nn
        >>> layer = nn.utils.spectral_norm(nn.Linear(3, 2))
        >>> {name: tensor.shape for name, tensor in layer.state_dict().items()}
        {'bias': (2,), 'weight_orig': (2, 3), 'weight_u': (2,), 'weight_v': (3,)}
    """
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm: n_power_iterations must be at least 1, got {n_power_iterations}")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    weight, hook = _taken(module, name, "spectral_norm"), _SpectralNorm(name, n_power_iterations, eps, dim)
    original, *vectors = hook.tensors()
    module.register_parameter(original, weight)
    for vector, size in zip(vectors, hook.matrix(weight.data).shape, strict=True):
        module.register_buffer(vector, hook.unit(randn(size, dtype=weight.dtype)))
    setattr(module, name, weight.data)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: _Module, name: str = "weight") -> _Module:
    """Undo `spectral_norm`: the weight is an ordinary parameter again, of its values now.

    Raises:
        ValueError: nothing to undo.

    Example:
        >>> from dlcore import nn
        >>> layer = nn.utils.remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(2, 3)))
        >>> list(layer.state_dict())
        ['bias', 'weight']
    """
    _remove(module, name, "spectral_norm")
    return module
