"""Functions of layers whose arguments PyTorch has in another order at its top than in ``nn.functional``."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn import functional

__all__ = [
    "alpha_dropout",
    "batch_norm",
    "constant_pad_nd",
    "dropout",
    "dropout_",
    "embedding",
    "feature_alpha_dropout",
    "feature_dropout",
    "instance_norm",
]


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`dlcore.nn.functional.alpha_dropout`, dropout for networks of SELU.

    Example:
        >>> import dlcore
        >>> dlcore.alpha_dropout(dlcore.ones(2), 0.5, train=False)
        tensor([1., 1.])
    """
    return functional.alpha_dropout(input, p, train)


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,  # noqa: ARG001 - for PyTorch's programs
) -> Tensor:
    """`dlcore.nn.functional.batch_norm` with the parameters before the running statistics.

    Example:
        >>> import dlcore
        >>> x = dlcore.tensor([[1.0], [3.0]])
        >>> dlcore.batch_norm(x, None, None, None, None, True, 0.1, 0.0, False)
        tensor([[-1.],
                [ 1.]])
    """
    return functional.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    """`dlcore.nn.functional.pad` with a constant.

    Example:
        >>> import dlcore
        >>> dlcore.constant_pad_nd(dlcore.ones(2), (1, 0), 5)
        tensor([5., 1., 1.])
    """
    return functional.pad(input, pad, value=value)


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`dlcore.nn.functional.dropout`, which says `training` for `train`.

    Example:
        >>> import dlcore
        >>> dlcore.dropout(dlcore.ones(2), 0.5, train=False)
        tensor([1., 1.])
    """
    return functional.dropout(input, p, train)


def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """`dropout` that writes into its input.

    Example:
        >>> import dlcore
        >>> x = dlcore.ones(2)
        >>> dlcore.dropout_(x, 1.0, train=True) is x, x
        (True, tensor([0., 0.]))
    """
    return functional.dropout(input, p, train, inplace=True)


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    """`dlcore.nn.functional.embedding` with the table before the indices; a negative `padding_idx` is none.

    Example:
        >>> import dlcore
        >>> dlcore.embedding(dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]), dlcore.tensor([1]))
        tensor([[3., 4.]])
    """
    padding = None if padding_idx < 0 else padding_idx
    return functional.embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """`dlcore.nn.functional.feature_alpha_dropout`, of whole channels.

    Example:
        >>> import dlcore
        >>> dlcore.feature_alpha_dropout(dlcore.ones(1, 2), 0.5, train=False)
        tensor([[1., 1.]])
    """
    return functional.feature_alpha_dropout(input, p, train)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout of whole channels: what is zero is so for all of dimensions 2 and on.

    Args:
        input: (N, C, ...).
        p: probability of a zero, in 0..1.
        train: whether to do anything.

    Raises:
        ShapeError: fewer than two dimensions.
        ValueError: `p` outside 0..1.

    Example:
        >>> import dlcore
        >>> x = dlcore.feature_dropout(dlcore.ones(8, 4, 3), 0.5, train=True)
        >>> bool((x == x[..., :1]).all())
        True
    """
    if input.dim() < 2:
        raise _core.ShapeError(f"feature_dropout: expected (N, C, ...), got shape {input.shape}")
    channels = _core.ones(*input.shape[:2], *[1] * (input.dim() - 2), dtype=input.dtype)
    return input * functional.dropout(channels, p, train)


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,  # noqa: ARG001 - for PyTorch's programs
) -> Tensor:
    """`dlcore.nn.functional.instance_norm` with the parameters before the running statistics.

    Example:
        >>> import dlcore
        >>> x = dlcore.tensor([[[1.0, 3.0]]])
        >>> dlcore.instance_norm(x, None, None, None, None, True, 0.1, 0.0, False)
        tensor([[[-1.,  1.]]])
    """
    return functional.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum=momentum, eps=eps
    )
