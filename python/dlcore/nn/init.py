"""Filling tensors with starting values.

Every function fills its tensor in place, records nothing, and returns the tensor. ``fan_in`` is the number of
inputs that one output sums over, ``fan_out`` the number of outputs that one input reaches; for a convolution
both count the kernel's positions.
"""

from __future__ import annotations

import math

from dlcore._core import Generator, Tensor, argsort, diagonal, eye, qr, rand, randn, truncated_normal, zeros
from dlcore.autograd import no_grad

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "glorot_normal_",
    "glorot_uniform_",
    "he_normal_",
    "he_uniform_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "variance_scaling_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with the uniform distribution over [a, b).

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> w = nn.init.uniform_(dlcore.empty(1000), -2.0, 2.0)
        >>> bool((w >= -2).all() and (w < 2).all())
        True
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with the normal distribution of the given mean and standard deviation.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.normal_(dlcore.empty(3), mean=5.0, std=0.0).tolist()
        [5.0, 5.0, 5.0]
    """
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with the normal distribution of the given mean and standard deviation, cut to [a, b].

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> w = nn.init.trunc_normal_(dlcore.empty(1000), std=5.0)
        >>> bool((w.abs() <= 2).all())
        True
    """
    with no_grad():
        drawn = truncated_normal(tensor.shape, mean, std, a, b, generator=generator, dtype=tensor.dtype)
        return tensor.copy_(drawn)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.constant_(dlcore.empty(3), 0.5).tolist()
        [0.5, 0.5, 0.5]
    """
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.ones_(dlcore.empty(2)).tolist()
        [1.0, 1.0]
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.zeros_(dlcore.empty(2)).tolist()
        [0.0, 0.0]
    """
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity.

    Raises:
        ValueError: not a matrix.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.eye_(dlcore.empty(2, 3)).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if tensor.dim() != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tuple(tensor.shape)}")
    with no_grad():
        return tensor.copy_(eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill the filters of a convolution so that it gives its input, as many channels as it can.

    Args:
        tensor: (out_channels, in_channels / groups, ...) of three to five dimensions.
        groups: the same in every group of output channels.

    Raises:
        ValueError: another number of dimensions, or groups that do not divide the channels.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.dirac_(dlcore.empty(2, 2, 3)).tolist()
        [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    if not 3 <= tensor.dim() <= 5 or tensor.shape[0] % groups:
        raise ValueError(f"dirac_: expected filters of 1 to 3 dimensions in {groups} groups, got {tuple(tensor.shape)}")
    channels, centre = tensor.shape[0] // groups, tuple(size // 2 for size in tensor.shape[2:])
    filters = zeros(tensor.shape, dtype=tensor.dtype)
    for group in range(groups):
        for channel in range(min(channels, tensor.shape[1])):
            filters[(group * channels + channel, channel, *centre)] = 1
    with no_grad():
        return tensor.copy_(filters)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix with the normal distribution, and a part of each column with zeros (Martens, 2010).

    Args:
        tensor: a matrix.
        sparsity: the part of each column that is zero, rounded up.
        std: standard deviation of the others.
        generator: where the numbers come from.

    Raises:
        ValueError: not a matrix.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> (nn.init.sparse_(dlcore.empty(10, 4), 0.3) == 0).sum(0).tolist()
        [3, 3, 3, 3]
    """
    if tensor.dim() != 2:
        raise ValueError(f"sparse_: expected a matrix, got shape {tuple(tensor.shape)}")
    rows = math.ceil(sparsity * tensor.shape[0])
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        chosen = argsort(rand(*tensor.shape, generator=generator), 0)[:rows]
        return tensor.scatter_(0, chosen, 0.0)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with a random orthogonal matrix, of (first dimension, all others) (Saxe et al., 2014).

    Args:
        tensor: at least two dimensions.
        gain: a factor.
        generator: where the numbers come from.

    Raises:
        ValueError: fewer than two dimensions.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> w = nn.init.orthogonal_(dlcore.empty(2, 5))
        >>> bool(((w @ w.t() - dlcore.eye(2)).abs() < 1e-5).all())
        True
    """
    if tensor.dim() < 2:
        raise ValueError(f"orthogonal_: expected two dimensions at least, got shape {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        return tensor
    with no_grad():
        matrix = randn(tensor.shape[0], tensor.numel() // tensor.shape[0], generator=generator, dtype=tensor.dtype)
        wide = matrix.shape[0] < matrix.shape[1]
        q, r = qr(matrix.t() if wide else matrix)
        q = q * diagonal(r).sign()  # else the matrices would not be equally likely
        return tensor.copy_(((q.t() if wide else q) * gain).reshape(tensor.shape))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with the uniform distribution over ±gain·√(6 / (fan_in + fan_out)).

    Keeps the variance of activations and of gradients alike in linear layers (Glorot and Bengio, 2010).

    Raises:
        ValueError: fewer than two dimensions.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> w = nn.init.xavier_uniform_(dlcore.empty(3, 3))
        >>> bool((w.abs() <= 1).all())
        True
    """
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with the normal distribution, deviation gain·√(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010).

    Raises:
        ValueError: fewer than two dimensions.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.xavier_normal_(dlcore.empty(3, 5)).shape
        (3, 5)
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator=generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with the uniform distribution over ±gain·√(3 / fan), for rectifiers (He et al., 2015).

    Args:
        tensor: at least two dimensions.
        a: the negative slope of the leaky ReLU that follows.
        mode: ``"fan_in"`` keeps the variance of activations, ``"fan_out"`` that of gradients.
        nonlinearity: a name that `calculate_gain` knows.
        generator: where the numbers come from.

    Raises:
        ValueError: fewer than two dimensions, or an unknown mode or nonlinearity.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.kaiming_uniform_(dlcore.empty(3, 5), nonlinearity="relu").shape
        (3, 5)
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with the normal distribution of standard deviation gain / √fan; arguments as `kaiming_uniform_`.

    Raises:
        ValueError: fewer than two dimensions, or an unknown mode or nonlinearity.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.kaiming_normal_(dlcore.empty(3, 5), mode="fan_out").shape
        (3, 5)
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator=generator)


def variance_scaling_(
    tensor: Tensor,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with a distribution of the variance scale / fan, Keras' ``VarianceScaling``.

    Args:
        tensor: at least two dimensions, the outputs first as in all layers here.
        scale: a factor.
        mode: ``"fan_in"``, ``"fan_out"``, or ``"fan_avg"`` for their mean.
        distribution: ``"truncated_normal"``, cut at two standard deviations and widened to the variance again,
            ``"untruncated_normal"`` or ``"uniform"``.
        generator: where the numbers come from.

    Raises:
        ValueError: fewer than two dimensions, a scale that is not positive, or an unknown mode or distribution.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> w = nn.init.variance_scaling_(dlcore.empty(3, 12), scale=4.0, distribution="uniform")
        >>> bool((w.abs() <= 1).all())
        True
    """
    if not scale > 0:
        raise ValueError(f"variance_scaling_: scale must be positive, got {scale}")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    if mode not in fans:
        raise ValueError(f"variance_scaling_: mode must be one of {', '.join(fans)}, got {mode!r}")
    std = math.sqrt(scale / fans[mode])
    if distribution == "uniform":
        return uniform_(tensor, -math.sqrt(3) * std, math.sqrt(3) * std, generator)
    if distribution == "untruncated_normal":
        return normal_(tensor, 0.0, std, generator)
    if distribution != "truncated_normal":
        known = "truncated_normal, untruncated_normal, uniform"
        raise ValueError(f"variance_scaling_: distribution must be one of {known}, got {distribution!r}")
    wide = std / 0.87962566103423978  # the deviation of what lies within two
    return trunc_normal_(tensor, 0.0, wide, -2 * wide, 2 * wide, generator)


def glorot_uniform_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Keras' name of `xavier_uniform_`.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.glorot_uniform_(dlcore.empty(3, 3)).shape
        (3, 3)
    """
    return xavier_uniform_(tensor, generator=generator)


def glorot_normal_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Fill with the truncated normal distribution, variance 2 / (fan_in + fan_out): Keras' ``GlorotNormal``.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.glorot_normal_(dlcore.empty(3, 3)).shape
        (3, 3)
    """
    return variance_scaling_(tensor, 1.0, "fan_avg", generator=generator)


def he_uniform_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Fill with the uniform distribution over ±√(6 / fan_in): Keras' ``HeUniform``.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.he_uniform_(dlcore.empty(3, 3)).shape
        (3, 3)
    """
    return variance_scaling_(tensor, 2.0, distribution="uniform", generator=generator)


def he_normal_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Fill with the truncated normal distribution, variance 2 / fan_in: Keras' ``HeNormal``.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.he_normal_(dlcore.empty(3, 3)).shape
        (3, 3)
    """
    return variance_scaling_(tensor, 2.0, generator=generator)


def lecun_uniform_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Fill with the uniform distribution over ±√(3 / fan_in): Keras' ``LecunUniform``.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.lecun_uniform_(dlcore.empty(3, 3)).shape
        (3, 3)
    """
    return variance_scaling_(tensor, distribution="uniform", generator=generator)


def lecun_normal_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Fill with the truncated normal distribution, variance 1 / fan_in, as SELU wants it: Keras' ``LecunNormal``.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.init.lecun_normal_(dlcore.empty(3, 3)).shape
        (3, 3)
    """
    return variance_scaling_(tensor, generator=generator)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a layer's weights must grow to make up for the nonlinearity behind it.

    Args:
        nonlinearity: ``linear``, ``conv1d``..``conv3d``, ``sigmoid``, ``tanh``, ``relu``, ``leaky_relu`` or
            ``selu``.
        param: the negative slope of ``leaky_relu``, 0.01 by default.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> from dlcore import nn
        >>> round(nn.init.calculate_gain("relu") ** 2, 12)
        2.0
    """
    gains = {"sigmoid": 1, "linear": 1, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 3 / 4}
    convolutions = ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
    gains |= dict.fromkeys(convolutions, 1)
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in gains:
        raise ValueError(
            f"calculate_gain: unknown nonlinearity {nonlinearity!r}; known: leaky_relu, {', '.join(gains)}"
        )
    return gains[nonlinearity]


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


# The names of the two are PyTorch's: layers of others that draw their parameters in their own way call them.


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return _calculate_fan_in_and_fan_out(tensor)[mode.lower() == "fan_out"]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out), at least 1 so that an empty tensor divides by something."""
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ValueError(f"fan_in and fan_out need at least two dimensions, got shape {shape}")
    positions = math.prod(shape[2:])
    return max(shape[1] * positions, 1), max(shape[0] * positions, 1)
