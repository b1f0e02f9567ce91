"""Batch norms of a trained model taken up by the layers before them, for evaluation."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from dlcore._core import Tensor, ones_like, rsqrt, zeros_like
from dlcore.nn.batch_norm import _BatchNorm
from dlcore.nn.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from dlcore.nn.linear import Linear
from dlcore.nn.parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

_Conv = TypeVar(
    "_Conv",
    bound="Conv1d | Conv2d | Conv3d | ConvTranspose1d | ConvTranspose2d | ConvTranspose3d",
)


def fuse_conv_bn_eval(conv: _Conv, bn: _BatchNorm, transpose: bool = False) -> _Conv:
    """One convolution that does what both layers do in evaluation mode.

    Args:
        conv: the convolution, in evaluation mode.
        bn: the batch norm behind it, in evaluation mode and with running statistics.
        transpose: whether the convolution is a transposed one.

    Raises:
        ValueError: a layer in training mode, or a norm without running statistics.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> conv, bn, x = nn.Conv2d(3, 4, 3).eval(), nn.BatchNorm2d(4).eval(), dlcore.randn(1, 3, 5, 5)
        >>> dlcore.allclose(nn.utils.fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6)
        True
    """
    fused, (mean, variance) = deepcopy(conv), _statistics("fuse_conv_bn_eval", conv, bn)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, mean, variance, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution with a batch norm in them; arguments are the parts of both.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> weight, bias = nn.utils.fuse_conv_bn_weights(
        ...     dlcore.ones(1, 1, 1), None, dlcore.ones(1), dlcore.full((1,), 4.0), 0.0, None, None
        ... )
        >>> weight.item(), bias.item()
        (0.5, -0.5)
    """
    scale = (ones_like(bn_rm) if bn_w is None else bn_w) * rsqrt(bn_rv + bn_eps)
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    bias = (zeros_like(bn_rm) if conv_b is None else conv_b) - bn_rm
    shift = bias * scale if bn_b is None else bias * scale + bn_b
    return _parameter(conv_w * scale.reshape(shape), conv_w), _parameter(shift, conv_w)


def fuse_linear_bn_eval(linear: Linear, bn: _BatchNorm) -> Linear:
    """One linear layer that does what both layers do in evaluation mode; as `fuse_conv_bn_eval`.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> linear, bn, x = nn.Linear(3, 4).eval(), nn.BatchNorm1d(4).eval(), dlcore.randn(2, 3)
        >>> dlcore.allclose(nn.utils.fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-6)
        True
    """
    fused, (mean, variance) = deepcopy(linear), _statistics("fuse_linear_bn_eval", linear, bn)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, mean, variance, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer with a batch norm in them; arguments are the parts of both.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> one, four = dlcore.ones(1), dlcore.full((1,), 4.0)
        >>> weight, bias = nn.utils.fuse_linear_bn_weights(dlcore.ones(1, 1), None, one, four, 0.0, one, one)
        >>> weight.item(), bias.item()
        (0.5, 0.5)
    """
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def _statistics(name: str, layer: Linear | _Conv, bn: _BatchNorm) -> tuple[Tensor, Tensor]:
    if layer.training or bn.training:
        raise ValueError(f"{name}: call eval() of both layers first; in training a batch norm depends on the batch")
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError(f"{name}: the batch norm has no running statistics")
    return bn.running_mean, bn.running_var


def _parameter(value: Tensor, like: Tensor) -> Parameter:
    return Parameter(value.detach(), like.requires_grad)
