"""`embedding` with all of PyTorch's options; without them it is one operation of the core."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor
from dlcore.autograd import no_grad

__all__ = ["embedding"]


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,  # noqa: ARG001 - gradients are dense
) -> Tensor:
    """The rows of a table that `input` names.

    Args:
        input: int64 or int32, any shape.
        weight: the table, (rows, size).
        padding_idx: a row that receives no gradient.
        max_norm: rows that are used and longer are first shortened to it, in place.
        norm_type: p of the p-norm for `max_norm`.
        scale_grad_by_freq: divide a row's gradient by how often `input` names it.
        sparse: accepted for PyTorch's programs; gradients are dense.

    Returns:
        (*input.shape, size).

    Raises:
        IndexError: an index outside the table.

    Example:
        >>> import dlcore
        >>> import dlcore.nn.functional as F
        >>> F.embedding(dlcore.tensor([1]), dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]), max_norm=1.0)
        tensor([[0.6000, 0.8000]])
    """
    if max_norm is not None:
        _shorten(weight, _core.unique(input), max_norm, norm_type)
    rows = _core.embedding(input, weight, padding_idx)
    if scale_grad_by_freq:
        share = _core.bincount(input.reshape(-1), minlength=weight.shape[0]).reciprocal()[input].unsqueeze(-1)
        fixed = rows.detach()
        rows = fixed + (rows - fixed) * share.to(rows.dtype)  # the values stay, the gradient is scaled
    return rows


def _shorten(weight: Tensor, used: Tensor, max_norm: float, norm_type: float) -> None:
    with no_grad():
        rows = weight[used]
        length = _core.norm(rows, norm_type, dim=1, keepdim=True)
        weight.index_copy_(0, used, _core.where(length > max_norm, rows * (max_norm / (length + 1e-7)), rows))
