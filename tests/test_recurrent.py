"""Recurrent layers: stacks, directions, packed sequences, single steps. The registry tests one run of one layer."""

import dlcore
import numpy as np
import pytest
from dlcore import nn
from dlcore.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence, unpack_sequence

KINDS = [nn.RNN, nn.GRU, nn.LSTM]


def close(x, y):
    np.testing.assert_allclose(x.detach().numpy(), y.detach().numpy(), atol=1e-12)


def states(last):
    return last if isinstance(last, tuple) else (last,)


def noise(*shape):
    return dlcore.randn(*shape, dtype=dlcore.float64)


@pytest.fixture(autouse=True)
def seed():
    dlcore.manual_seed(1)


def cell_for(layer, suffix):
    kind = {nn.RNN: nn.RNNCell, nn.GRU: nn.GRUCell, nn.LSTM: nn.LSTMCell}[type(layer)]
    features = getattr(layer, f"weight_ih_{suffix}").shape[1]
    cell = kind(features, layer.hidden_size, dtype=dlcore.float64)
    cell.load_state_dict({name: getattr(layer, f"{name}_{suffix}") for name in cell.state_dict()})
    return cell


def by_cells(layer, x):
    """The outputs of a layer, one step after the other."""
    for at in range(layer.num_layers):
        directions = []
        for suffix in [f"l{at}", f"l{at}_reverse"][: 1 + layer.bidirectional]:
            cell, state, outputs = cell_for(layer, suffix), None, []
            for step in x.flip(0) if "reverse" in suffix else x:
                state = cell(step, state)
                outputs.append(states(state)[0])
            y = dlcore.stack(outputs)
            directions.append(y.flip(0) if "reverse" in suffix else y)
        x = dlcore.cat(directions, -1)
    return x


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_stack_is_its_cells_step_by_step(kind, bidirectional, layers):
    layer = kind(3, 5, layers, bidirectional=bidirectional, dtype=dlcore.float64)
    x = noise(4, 2, 3)
    output, last = layer(x)
    close(output, by_cells(layer, x))
    close(states(last)[0][-1], output[0, :, 5:] if bidirectional else output[-1])
    layer.batch_first = True
    swapped, _ = layer(x.transpose(0, 1))
    close(swapped.transpose(0, 1), output)
    layer.batch_first = False
    single, last_of_single = layer(x[:, 1])
    close(single, output[:, 1])
    close(states(last_of_single)[0], states(last)[0][:, 1])


@pytest.mark.parametrize("kind", KINDS)
def test_going_on_from_a_state_is_going_on(kind):
    layer = kind(3, 5, 2, dtype=dlcore.float64)
    x = noise(6, 2, 3)
    whole, end = layer(x)
    first, state = layer(x[:2])
    second, last = layer(x[2:], state)
    close(dlcore.cat([first, second]), whole)
    for a, b in zip(states(last), states(end), strict=True):
        close(a, b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_packed_sequences_do_not_see_padding(kind, bidirectional):
    layer = kind(3, 4, 2, bidirectional=bidirectional, dtype=dlcore.float64)
    sequences = [noise(n, 3) for n in (2, 5, 1, 5)]
    output, last = layer(pack_sequence(sequences, enforce_sorted=False))
    padded, lengths = pad_packed_sequence(output)
    assert lengths.tolist() == [2, 5, 1, 5]
    for i, sequence in enumerate(sequences):
        alone, last_alone = layer(sequence)
        close(padded[: len(sequence), i], alone)
        assert not padded[len(sequence) :, i].any()
        for a, b in zip(states(last), states(last_alone), strict=True):
            close(a[:, i], b)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_flow_to_inputs_states_and_every_parameter(kind):
    layer = kind(3, 5, 2, bidirectional=True, dtype=dlcore.float64)
    x, h = noise(4, 2, 3).requires_grad_(), noise(4, 2, 5).requires_grad_()
    state = (h, h * 2) if kind is nn.LSTM else h
    output, last = layer(x, state)
    (output.square().sum() + states(last)[-1].sum()).backward()
    expected = by_cells_from(layer, x.detach(), [s.detach() for s in states(state)])
    close(output, expected)
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in [x, h, *layer.parameters()])


def by_cells_from(layer, x, first):
    for at in range(layer.num_layers):
        directions = []
        for direction, suffix in enumerate([f"l{at}", f"l{at}_reverse"]):
            cell, run = cell_for(layer, suffix), 2 * at + direction
            state = tuple(s[run] for s in first) if len(first) > 1 else first[0][run]
            outputs = []
            for step in x.flip(0) if direction else x:
                state = cell(step, state)
                outputs.append(states(state)[0])
            y = dlcore.stack(outputs)
            directions.append(y.flip(0) if direction else y)
        x = dlcore.cat(directions, -1)
    return x


def test_projections_make_outputs_smaller():
    layer = nn.LSTM(3, 6, 2, proj_size=2, bidirectional=True)
    output, (h, c) = layer(dlcore.randn(4, 2, 3))
    assert (output.shape, h.shape, c.shape) == ((4, 2, 4), (4, 2, 2), (4, 2, 6))
    assert layer.weight_hr_l1_reverse.shape == (2, 6)
    assert layer.weight_ih_l1.shape == (24, 4)


def test_dropout_is_between_layers_and_in_training_only():
    layer = nn.GRU(3, 64, 2, dropout=0.5)
    x = dlcore.randn(4, 2, 3)
    assert layer(x)[0].tolist() != layer(x)[0].tolist()
    layer.eval()
    assert layer(x)[0].tolist() == layer(x)[0].tolist()


def test_names_of_parameters_are_pytorchs():
    names = list(nn.LSTM(1, 2, 2, bidirectional=True).state_dict())
    kinds = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    assert names[:8] == [f"{kind}_{suffix}" for suffix in ("l0", "l0_reverse") for kind in kinds]
    assert names[-1] == "bias_hh_l1_reverse"
    assert [name for run in nn.LSTM(1, 2, 2, bidirectional=True)._all_weights for name in run] == names
    assert repr(nn.LSTM(1, 2, 2, bias=False, proj_size=1)) == "LSTM(1, 2, proj_size=1, num_layers=2, bias=False)"


def test_what_does_not_fit_is_refused():
    layer = nn.LSTM(3, 5)
    with pytest.raises(
        dlcore.ShapeError, match=r"LSTM.*: lstm: input \(4, 2, 2\) has 2 features, the weights expect 3"
    ):
        layer(dlcore.ones(4, 2, 2))
    with pytest.raises(dlcore.ShapeError, match=r"expected a state hx of \(1, 2, 5\)"):
        layer(dlcore.ones(4, 2, 3), (dlcore.ones(1, 1, 5), dlcore.ones(1, 1, 5)))
    with pytest.raises(dlcore.ShapeError, match=r"expected an input \(steps, batch, features\)"):
        layer(dlcore.ones(3), (dlcore.ones(1, 5), dlcore.ones(1, 5)))
    with pytest.raises(ValueError, match="proj_size"):
        nn.LSTM(3, 5, proj_size=5)
    with pytest.raises(ValueError, match="nonlinearity"):
        nn.RNN(3, 5, nonlinearity="sin")
    x = dlcore.ones(4, 2, 3)
    with pytest.raises(ValueError, match="is not sorted"):
        pack_padded_sequence(x, [1, 2])
    with pytest.raises(ValueError, match="3 lengths for 2 sequences"):
        pack_padded_sequence(x, [1, 2, 3])
    with pytest.raises(ValueError, match="from 1 to 4"):
        pack_padded_sequence(x, [5, 2])


def test_packing_and_padding_are_inverse_and_have_gradients():
    sequences = [noise(n, 2).requires_grad_() for n in (3, 1, 2)]
    packed = pack_sequence(sequences, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [3, 2, 1]
    for a, b in zip(unpack_sequence(packed), sequences, strict=True):
        close(a, b)
    padded, _ = pad_packed_sequence(packed, batch_first=True, padding_value=7.0, total_length=4)
    assert padded.shape == (3, 4, 2)
    assert padded[1, 1:].tolist() == [[7.0, 7.0]] * 3
    padded.sum().backward()
    assert all(s.grad.tolist() == dlcore.ones_like(s).tolist() for s in sequences)
    left = pad_sequence([dlcore.tensor([1.0]), dlcore.tensor([2.0, 3.0])], batch_first=True, padding_side="left")
    assert left.tolist() == [[0.0, 1.0], [2.0, 3.0]]
