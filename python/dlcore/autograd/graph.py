"""What was recorded: its nodes, a picture of them, and functions through which saved values go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import local
from typing import Any

from dlcore import _core
from dlcore._core import Node, RemovableHandle, Tensor, get_gradient_edge

__all__ = [
    "Node",
    "RemovableHandle",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "save_on_cpu",
    "saved_tensors_hooks",
    "to_graphviz",
]

_refusal = local()  # `message`: why this thread refuses hooks


class saved_tensors_hooks:  # noqa: N801 - PyTorch's name, used as a function
    """Inside, hand every value that an operation saves for backward to `pack_hook`, and keep what that returns.

    For values that are to lie elsewhere, or in another form, until backward needs them. The mode belongs to the thread;
    of several nested ones the innermost counts.

    Args:
        pack_hook: takes a tensor, returns anything.
        unpack_hook: takes that, returns a tensor of the same shape and dtype.

    Raises:
        RuntimeError: inside `disable_saved_tensors_hooks`.

    Example:
        >>> import dlcore
        >>> x = dlcore.tensor([1.0, 2.0], requires_grad=True)
        >>> with dlcore.autograd.graph.saved_tensors_hooks(lambda t: t.half(), lambda t: t.float()):
        ...     y = (x * x).sum()
        >>> y.backward()
        >>> x.grad
        tensor([2., 4.])
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self._hooks = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if message := getattr(_refusal, "message", None):
            raise RuntimeError(message)
        _core._push_saved_tensors_hooks(*self._hooks)

    def __exit__(self, *exception: object) -> None:
        _core._pop_saved_tensors_hooks()


class save_on_cpu(saved_tensors_hooks):  # noqa: N801 - PyTorch's name, used as a function
    """Inside, what operations save lies on the CPU, as it does outside.

    Args:
        pin_memory: accepted for PyTorch's programs.
        device_type: likewise.

    Example:
        >>> import dlcore
        >>> x = dlcore.tensor([1.0, 2.0], requires_grad=True)
        >>> with dlcore.autograd.graph.save_on_cpu(pin_memory=True):
        ...     y = (x * x).sum()
        >>> y.backward()
        >>> x.grad
        tensor([2., 4.])
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:  # noqa: ARG002
        super().__init__(lambda tensor: tensor, lambda tensor: tensor)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, entering `saved_tensors_hooks` raises a RuntimeError of this message.

    Example:
        >>> import dlcore
        >>> from dlcore.autograd.graph import disable_saved_tensors_hooks, save_on_cpu
        >>> with disable_saved_tensors_hooks("no hooks here"), save_on_cpu():
        ...     pass
        Traceback (most recent call last):
        ...
        RuntimeError: no hooks here
    """
    previous = getattr(_refusal, "message", None)
    _refusal.message = error_message
    try:
        yield
    finally:
        _refusal.message = previous


def to_graphviz(*outputs: Tensor, params: Mapping[str, Tensor] | None = None) -> str:
    r"""The graph behind `outputs` in Graphviz's language: ``dot -Tsvg`` draws it, as does ``graphviz.Source``.

    Operations are ellipses, leaves boxes, and gradients flow along the arrows, which carry the shapes of the tensors.

    Args:
        outputs: results of recorded operations, before ``backward`` frees what they saved.
        params: tensors by the names that their leaves are to bear, such as ``dict(model.named_parameters())``.

    Raises:
        GradientError: an output that requires no gradient.

    Example:
        >>> import dlcore
        >>> x, w = dlcore.ones(3), dlcore.ones(3, requires_grad=True)
        >>> print(dlcore.autograd.graph.to_graphviz((x * w).sum(), params={"w": w}))
        digraph {
          output0 [label="output 0\n()", shape=plaintext]
          output0 -> n0
          n0 [label="sum"]
          n0 -> n1 [label="(3,)"]
          n1 [label="mul"]
          n1 -> n2 [label="(3,)"]
          n2 [label="w", shape=box]
        }
    """
    names = {get_gradient_edge(tensor)[0]: name for name, tensor in (params or {}).items() if tensor.requires_grad}
    lines, numbers = [], dict[Node, int]()
    ahead: list[Node] = []

    def number(node: Node) -> int:
        if node not in numbers:
            numbers[node] = len(numbers)
            ahead.append(node)
        return numbers[node]

    for i, output in enumerate(outputs):
        node, _ = get_gradient_edge(output)
        lines.append(f'output{i} [label="output {i}\\n{output.shape}", shape=plaintext]')
        lines.append(f"output{i} -> n{number(node)}")
    while ahead:
        node = ahead.pop(0)
        leaf = not node.next_functions
        label = _escaped(names.get(node, "leaf") if leaf else node.name())
        lines.append(f'n{numbers[node]} [label="{label}"' + (", shape=box]" if leaf else "]"))
        shapes = node.input_shapes or (None,) * len(node.next_functions)
        for (target, _), shape in zip(node.next_functions, shapes, strict=True):
            if target is not None:
                label = f' [label="{shape}"]' if shape is not None else ""
                lines.append(f"n{numbers[node]} -> n{number(target)}{label}")
    return "\n".join(["digraph {", *(f"  {line}" for line in lines), "}"])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
