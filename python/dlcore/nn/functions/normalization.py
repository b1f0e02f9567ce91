"""Normalisations that are made of others."""

from __future__ import annotations

from dlcore._core import Tensor, _widened, batch_norm, group_norm, pad
from dlcore.autograd import no_grad

__all__ = ["instance_norm", "local_response_norm"]


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 for every channel of every sample (Ulyanov et al., 2016).

    Args:
        input: (N, C, ...).
        running_mean: (C,), averages over the samples, changed in place.
        running_var: (C,), likewise.
        weight: (C,), a factor.
        bias: (C,), a summand.
        use_input_stats: take the statistics of the input; else the running ones.
        momentum: weight of the batch in the running averages.
        eps: added to the variance.

    Raises:
        ValueError: one element per channel, whose variance is 0.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.instance_norm(dlcore.tensor([[[0.0, 2.0], [10.0, 30.0]]]))
        tensor([[[-1.0000,  1.0000],
                 [-1.0000,  1.0000]]])
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    samples, channels = input.shape[:2]
    if input.numel() == samples * channels and samples * channels:
        raise ValueError(f"instance_norm: expected more than 1 element per channel, got shape {tuple(input.shape)}")
    if running_mean is not None and running_var is not None:
        with no_grad():
            means, variances = running_mean.repeat(samples), running_var.repeat(samples)
            rows = input.detach().reshape(1, samples * channels, *input.shape[2:])
            batch_norm(rows, means, variances, None, None, True, momentum, eps)
            running_mean.copy_(means.view(samples, channels).mean(0))
            running_var.copy_(variances.view(samples, channels).mean(0))
    return group_norm(input, channels, weight, bias, eps)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """The input over (k + alpha · mean square of `size` neighbouring channels)^beta (Krizhevsky et al., 2012).

    Args:
        input: (N, C, ...), three dimensions at least.
        size: number of channels, of which size // 2 come before.
        alpha: factor of the mean square.
        beta: exponent.
        k: summand.

    Raises:
        ValueError: fewer dimensions.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.local_response_norm(dlcore.ones(1, 3, 1), 3, alpha=3.0, beta=1.0).reshape(-1).tolist()
        [0.3333333432674408, 0.25, 0.3333333432674408]
    """
    if input.dim() < 3:
        raise ValueError(f"local_response_norm: expected 3 dimensions at least, got shape {tuple(input.shape)}")
    if input.numel() == 0:
        return input
    edges = [0, 0] * (input.dim() - 2) + [size // 2, (size - 1) // 2]
    sums = pad(_widened(input).square(), edges).unfold(1, size, 1).sum(-1)
    means = sums / size if input.is_floating_point() else sums // size
    return input / (means * alpha + k) ** beta
