"""Recurrent layers and their single steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dlcore import _core
from dlcore._core import Tensor
from dlcore.nn import init
from dlcore.nn.module import Module
from dlcore.nn.parameter import Parameter
from dlcore.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_Input = Tensor | PackedSequence
_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
_RUN: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "LSTM": _core.lstm,
    "GRU": _core.gru,
    "RNN_TANH": _core.rnn_tanh,
    "RNN_RELU": _core.rnn_relu,
}


def _draw(module: Module, hidden_size: int) -> None:
    """Draw all parameters uniformly over ±1/√hidden_size."""
    bound = 1 / math.sqrt(hidden_size) if hidden_size else 0.0
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


class RNNBase(Module):
    """What recurrent layers share: their parameters, and how inputs and states come and go.

    Args:
        mode: ``"LSTM"``, ``"GRU"``, ``"RNN_TANH"`` or ``"RNN_RELU"``.
        input_size: features of the input.
        hidden_size: units of a layer.
        num_layers: layers, each over the outputs of the one before.
        bias: whether products have biases.
        batch_first: inputs and outputs are (batch, steps, features), not (steps, batch, features); states are not.
        dropout: probability with which an output is dropped between layers, in training.
        bidirectional: a second set of weights reads the sequences from the end.
        proj_size: of an LSTM, what outputs are projected to; 0 for no projection.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Example:
        >>> from dlcore import nn
        >>> layer = nn.LSTM(3, 5, num_layers=2)
        >>> isinstance(layer, nn.RNNBase), layer.hidden_size, layer.num_layers
        (True, 5, 2)
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if mode not in _GATES:
            raise ValueError(f"{name}: {mode=} is none of {', '.join(_GATES)}")
        for flag, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                fix = "name what follows num_layers"
                raise TypeError(f"{name}: {flag} must be a bool, got {type(value).__name__}; {fix}")
        if input_size < 1 or hidden_size < 1 or num_layers < 1:
            raise ValueError(f"{name}: {input_size=}, {hidden_size=} and {num_layers=} must be at least 1")
        if not 0 <= dropout <= 1:
            raise ValueError(f"{name}: {dropout=} is not a probability")
        if not 0 <= proj_size < hidden_size or (proj_size and mode != "LSTM"):
            raise ValueError(f"{name}: {proj_size=} must be below {hidden_size=}, and 0 unless this is an LSTM")
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        rows, width = _GATES[mode] * hidden_size, proj_size or hidden_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            features = input_size if layer == 0 else width * (1 + bidirectional)
            for direction in ("", "_reverse")[: 1 + bidirectional]:
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, features), "weight_hh": (rows, width)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = [f"{kind}_l{layer}{direction}" for kind in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    setattr(self, name, Parameter(_core.empty(shape, dtype=dtype, device=device)))
                self._all_weights.append(names)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values, uniform over ±1/√hidden_size."""
        _draw(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Do nothing: PyTorch's programs call it for the sake of cuDNN."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def _first_states(self, batch: tuple[int, ...], dtype: _core.dtype) -> tuple[Tensor, ...]:
        runs = self.num_layers * (1 + self.bidirectional)
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)[: 1 + (self.mode == "LSTM")]
        return tuple(_core.zeros((runs, *batch, size), dtype=dtype) for size in sizes)

    def _run(self, input: _Input, hx: Any) -> tuple[_Input, tuple[Tensor, ...]]:
        packed: PackedSequence | None = None
        sizes: list[int] | None = None
        if isinstance(input, PackedSequence):
            packed, x, sizes = input, input.data, input.batch_sizes.tolist()
        else:
            x = input
        if hx is None:
            batch: tuple[int, ...] = ()
            if sizes is not None:
                batch = (sizes[0],)
            elif x.dim() == 3:
                batch = (x.shape[0 if self.batch_first else 1],)
            states = self._first_states(batch, x.dtype)
        else:
            states = tuple(hx) if self.mode == "LSTM" else (hx,)
            if packed and packed.sorted_indices is not None:
                states = tuple(state.index_select(1, packed.sorted_indices) for state in states)
        output, *last = _RUN[self.mode](
            x,
            states if self.mode == "LSTM" else states[0],
            [getattr(self, name) for names in self._all_weights for name in names],
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
            self.batch_first,
            batch_sizes=sizes,
        )
        if packed is None:
            return output, tuple(last)
        if packed.unsorted_indices is not None:
            last = [state.index_select(1, packed.unsorted_indices) for state in last]
        return packed._replace(data=output), tuple(last)

    def forward(self, input: _Input, hx: Tensor | None = None) -> tuple[Any, Any]:
        """(steps, batch, input_size) and the states to outputs of all steps and the last states."""
        output, (last,) = self._run(input, hx)
        return output, last

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0}
        for name, default in {**defaults, "bidirectional": False}.items():
            if (value := getattr(self, name)) != default:
                parts.append(f"{name}={value}")
        return ", ".join(parts)


class RNN(RNNBase):
    """Plain recurrent layers (Elman 1990): h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu.

    Args:
        input_size: features of the input.
        hidden_size: units of a layer.
        num_layers: layers, each over the outputs of the one before.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: whether products have biases.
        batch_first: inputs and outputs are (batch, steps, features), not (steps, batch, features); states are not.
        dropout: probability with which an output is dropped between layers, in training.
        bidirectional: a second set of weights reads the sequences from the end.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0: of the first layer, (hidden_size, ...); then ``_l1`` and so
            on, with ``_reverse`` those of the other direction. All uniform over ±1/√hidden_size at first.

    Called with an input and perhaps the first state, (layers * directions, batch, hidden_size), it returns the
    outputs of all steps, (steps, batch, directions * hidden_size), and the last state. The input may be a
    `PackedSequence`, and then the outputs are, or one sequence without a batch.

    Raises:
        ShapeError: when called with other features, or a state that does not fit.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> output, h = nn.RNN(10, 20, 2)(dlcore.randn(5, 3, 10))
        >>> output.shape, h.shape
        ((5, 3, 20), (2, 3, 20))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        mode, sizes = f"RNN_{nonlinearity.upper()}", (input_size, hidden_size, num_layers)
        super().__init__(mode, *sizes, bias, batch_first, dropout, bidirectional, 0, device, dtype)


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), with projections (Sak et al. 2014) if asked for.

    i, f, g, o = W_ih x + b_ih + W_hh h + b_hh; c' = sigmoid(f) c + sigmoid(i) tanh(g); h' = sigmoid(o) tanh(c'), or
    W_hr times that.

    Args:
        input_size: features of the input.
        hidden_size: units of a layer.
        num_layers: layers, each over the outputs of the one before.
        bias: whether products have biases.
        batch_first: inputs and outputs are (batch, steps, features), not (steps, batch, features); states are not.
        dropout: probability with which an output is dropped between layers, in training.
        bidirectional: a second set of weights reads the sequences from the end.
        proj_size: what outputs are projected to; 0 for no projection.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0: of the first layer, (4 * hidden_size, ...), the gates in the
            order i, f, g, o; with a projection weight_hr_l0, (proj_size, hidden_size). Then ``_l1`` and so on, with
            ``_reverse`` those of the other direction. All uniform over ±1/√hidden_size at first.

    Called with an input and perhaps the first states (h, c), (layers * directions, batch, size) each, it returns the
    outputs of all steps, (steps, batch, directions * size), and the last states. The input may be a
    `PackedSequence`, and then the outputs are, or one sequence without a batch.

    Raises:
        ShapeError: when called with other features, or states that do not fit.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> output, (h, c) = nn.LSTM(10, 20, bidirectional=True)(dlcore.randn(5, 3, 10))
        >>> output.shape, h.shape, c.shape
        ((5, 3, 40), (2, 3, 20), (2, 3, 20))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        sizes = (input_size, hidden_size, num_layers)
        super().__init__("LSTM", *sizes, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)

    def forward(self, input: _Input, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Any, Any]:  # type: ignore[override]
        """(steps, batch, input_size) and the states (h, c) to outputs of all steps and the last states."""
        return self._run(input, hx)


class GRU(RNNBase):
    """Gated recurrent units (Cho et al. 2014).

    r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh) of their rows; n = tanh(W_in x + b_in + r (W_hn h + b_hn));
    h' = (1 - z) n + z h.

    Args:
        input_size: features of the input.
        hidden_size: units of a layer.
        num_layers: layers, each over the outputs of the one before.
        bias: whether products have biases.
        batch_first: inputs and outputs are (batch, steps, features), not (steps, batch, features); states are not.
        dropout: probability with which an output is dropped between layers, in training.
        bidirectional: a second set of weights reads the sequences from the end.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0: of the first layer, (3 * hidden_size, ...), the gates in the
            order r, z, n; then ``_l1`` and so on, with ``_reverse`` those of the other direction. All uniform over
            ±1/√hidden_size at first.

    Called with an input and perhaps the first state, (layers * directions, batch, hidden_size), it returns the
    outputs of all steps, (steps, batch, directions * hidden_size), and the last state. The input may be a
    `PackedSequence`, and then the outputs are, or one sequence without a batch.

    Raises:
        ShapeError: when called with other features, or a state that does not fit.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> output, h = nn.GRU(10, 20, batch_first=True)(dlcore.randn(3, 5, 10))
        >>> output.shape, h.shape
        ((3, 5, 20), (1, 3, 20))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        sizes = (input_size, hidden_size, num_layers)
        super().__init__("GRU", *sizes, bias, batch_first, dropout, bidirectional, 0, device, dtype)


class RNNCellBase(Module):
    """What single recurrent steps share: their parameters.

    Args:
        input_size: features of the input.
        hidden_size: units.
        bias: whether products have biases.
        num_chunks: gates, each of which has rows of the parameters.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Example:
        >>> from dlcore import nn
        >>> cell = nn.GRUCell(3, 5)
        >>> isinstance(cell, nn.RNNCellBase), cell.weight_ih.shape
        (True, (15, 3))
    """

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(_core.empty(rows, input_size, dtype=dtype, device=device))
        self.weight_hh = Parameter(_core.empty(rows, hidden_size, dtype=dtype, device=device))
        self.bias_ih = Parameter(_core.empty(rows, dtype=dtype, device=device)) if bias else None
        self.bias_hh = Parameter(_core.empty(rows, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values, uniform over ±1/√hidden_size."""
        _draw(self, self.hidden_size)

    def _zeros(self, input: Tensor) -> Tensor:
        return _core.zeros((*input.shape[:-1], self.hidden_size), dtype=input.dtype)

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(RNNCellBase):
    """One step of `RNN`.

    Args:
        input_size: features of the input.
        hidden_size: units.
        bias: whether products have biases.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.RNNCell(10, 20)(dlcore.randn(3, 10)).shape
        (3, 20)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """(batch, input_size) and the state (batch, hidden_size) to the new state."""
        step = _core.rnn_tanh_cell if self.nonlinearity == "tanh" else _core.rnn_relu_cell
        state = self._zeros(input) if hx is None else hx
        return step(input, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class LSTMCell(RNNCellBase):
    """One step of `LSTM`.

    Args:
        input_size: features of the input.
        hidden_size: units.
        bias: whether products have biases.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> h, c = nn.LSTMCell(10, 20)(dlcore.randn(3, 10))
        >>> h.shape, c.shape
        ((3, 20), (3, 20))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """(batch, input_size) and the states (h, c), (batch, hidden_size) each, to the new states."""
        states = (self._zeros(input), self._zeros(input)) if hx is None else hx
        return _core.lstm_cell(input, states, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)


class GRUCell(RNNCellBase):
    """One step of `GRU`.

    Args:
        input_size: features of the input.
        hidden_size: units.
        bias: whether products have biases.
        device: ``"cpu"`` or None.
        dtype: of the parameters; float32 by default.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.GRUCell(10, 20)(dlcore.randn(3, 10)).shape
        (3, 20)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: str | None = None,
        dtype: _core.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """(batch, input_size) and the state (batch, hidden_size) to the new state."""
        state = self._zeros(input) if hx is None else hx
        return _core.gru_cell(input, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
