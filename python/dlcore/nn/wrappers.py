"""Layers around another layer, for sequences; what they do is that of Keras' layers of these names."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from dlcore._core import Tensor, cat
from dlcore.nn.module import Module

__all__ = ["Bidirectional", "TimeDistributed"]


class TimeDistributed(Module):
    """Call a layer with every step of a sequence, as if the steps were samples.

    Args:
        module: takes (N, ...) and gives one tensor.

    Raises:
        ValueError: when called with fewer than three dimensions.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.TimeDistributed(nn.Conv2d(3, 8, 3))(dlcore.zeros(2, 5, 3, 6, 6)).shape
        (2, 5, 8, 4, 4)
    """

    def __init__(self, module: Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, input: Tensor) -> Tensor:
        """(N, T, ...) to (N, T, ...)."""
        if input.dim() < 3:
            raise ValueError(f"expected (samples, steps, ...), got shape {tuple(input.shape)}")
        output: Tensor = self.module(input.flatten(0, 1))
        return output.unflatten(0, input.shape[:2])


class Bidirectional(Module):
    """Read a sequence with one layer forwards and with another backwards, and put the outputs together.

    `nn.LSTM` and its like do this themselves with ``bidirectional=True``; this is for all other layers.

    Args:
        forward_layer: gives a sequence of outputs, (N, T, F), or a tuple that begins with it.
        backward_layer: likewise, for the reversed sequence; by default a copy of the other.
        merge_mode: ``"concat"`` for (N, T, 2·F), ``"sum"``, ``"mul"``, ``"ave"``, or None for both outputs.

    Raises:
        ValueError: another mode.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Bidirectional(nn.GRU(4, 8, batch_first=True))(dlcore.zeros(2, 5, 4)).shape
        (2, 5, 16)
    """

    def __init__(
        self, forward_layer: Module, backward_layer: Module | None = None, merge_mode: str | None = "concat"
    ) -> None:
        super().__init__()
        if merge_mode not in ("concat", "sum", "mul", "ave", None):
            raise ValueError(
                f"Bidirectional: merge_mode must be 'concat', 'sum', 'mul', 'ave' or None, got {merge_mode!r}"
            )
        self.forward_layer = forward_layer
        self.backward_layer = deepcopy(forward_layer) if backward_layer is None else backward_layer
        self.merge_mode = merge_mode

    def forward(self, input: Tensor) -> Any:
        """(N, T, ...) to (N, T, ...)."""
        ahead = _output(self.forward_layer(input))
        back = _output(self.backward_layer(input.flip(1))).flip(1)
        if self.merge_mode == "concat":
            return cat([ahead, back], -1)
        if self.merge_mode == "mul":
            return ahead * back
        if self.merge_mode is None:
            return ahead, back
        return ahead + back if self.merge_mode == "sum" else (ahead + back) / 2

    def extra_repr(self) -> str:
        """The mode."""
        return f"merge_mode={self.merge_mode!r}"


def _output(value: Any) -> Tensor:
    output: Tensor = value[0] if isinstance(value, tuple) else value
    return output
