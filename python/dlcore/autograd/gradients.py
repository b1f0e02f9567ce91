"""Gradients by a call: returned, or added to ``.grad``. The engine is in Rust; here are Python's ways in."""

from __future__ import annotations

from dlcore import _core
from dlcore._core import Tensor

__all__ = ["backward", "grad"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,  # noqa: ARG001 - PyTorch has it
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of `outputs` with respect to `inputs`, returned instead of added to ``.grad``.

    Args:
        outputs: what is differentiated; several are summed, each weighted by its `grad_outputs`.
        inputs: the tensors to differentiate by.
        grad_outputs: for each output a tensor of its shape; None is allowed where the output has one element.
        retain_graph: keep the graph for another pass; by default the value of `create_graph`.
        create_graph: record the gradients themselves, for second derivatives.
        only_inputs: accepted for PyTorch's programs; gradients of others are never kept.
        allow_unused: give None, instead of an error, for an input that the outputs do not depend on; by default the
            value of `materialize_grads`.
        is_grads_batched: whether each of `grad_outputs` has a first dimension more than its output, along which to
            differentiate once for each; so has what is returned.
        materialize_grads: give zeros instead of None for such an input.

    Returns:
        One tensor for each input, of its shape and dtype.

    Raises:
        GradientError: an output or input that is not recorded, or an unused input.
        ShapeError: a `grad_outputs` that does not fit its output.
        ValueError: `materialize_grads` without `allow_unused`, or `is_grads_batched` without gradients of one length.

    Example:
        >>> import dlcore
        >>> x = dlcore.tensor([1.0, 2.0, 3.0], requires_grad=True)
        >>> (g,) = dlcore.autograd.grad((x * x * x).sum(), x, create_graph=True)
        >>> (h,) = dlcore.autograd.grad(g.sum(), x)
        >>> g.tolist(), h.tolist()
        ([3.0, 12.0, 27.0], [6.0, 12.0, 18.0])
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads gives zeros for unused inputs, which allow_unused=False forbids")
    unused = materialize_grads if allow_unused is None else allow_unused
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if is_grads_batched:
        rows = _rows(grad_outputs)
        kept = [*[True] * (len(rows) - 1), create_graph if retain_graph is None else retain_graph]
        calls = [
            grad(outputs, inputs, row, keep, create_graph, allow_unused=unused, materialize_grads=materialize_grads)
            for row, keep in zip(rows, kept, strict=True)
        ]
        return tuple(_stacked(column) for column in zip(*calls, strict=True))
    found = _core.autograd_grad(outputs, inputs, grad_outputs, retain_graph, create_graph, unused)
    if materialize_grads:
        found = [_core.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]
    return tuple(found)


def _rows(grad_outputs: Tensor | Sequence[Tensor | None] | None) -> list[list[Tensor | None]]:
    """What each call of a batch gets as its `grad_outputs`."""
    batches = [grad_outputs] if grad_outputs is None or isinstance(grad_outputs, Tensor) else list(grad_outputs)
    lengths = {0 if batch is None or batch.dim() == 0 else len(batch) for batch in batches}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError("grad: is_grads_batched takes for each output a tensor, all of one first dimension, not empty")
    return [[batch[i] for batch in batches if batch is not None] for i in range(lengths.pop())]


def _stacked(found: Sequence[Tensor | None]) -> Tensor | None:
    """The gradients by one input, of all calls of a batch; None where none of them reached it."""
    some = next((one for one in found if one is not None), None)
    return None if some is None else _core.stack([_core.zeros_like(some) if one is None else one for one in found])


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of `tensors` to the ``grad`` of the leaves that they came from.

    Args:
        tensors: what is differentiated; several are summed, each weighted by its `grad_tensors`.
        grad_tensors: for each of `tensors` a tensor of its shape; None is allowed where it has one element.
        retain_graph: keep the graph for another pass; by default the value of `create_graph`.
        create_graph: record the gradients themselves, for second derivatives.
        inputs: the tensors whose ``grad`` is added to, leaves or not; by default all leaves.

    Raises:
        GradientError: a tensor that is not recorded.

    Example:
        >>> import dlcore
        >>> x = dlcore.tensor([1.0, 2.0], requires_grad=True)
        >>> dlcore.autograd.backward([(x * 2).sum(), (x * x).sum()])
        >>> x.grad
        tensor([4., 6.])
    """
    _core.autograd_backward(tensors, grad_tensors, retain_graph, create_graph, inputs)
