"""Attention and transformers against the formula, with every kind of mask."""

import copy
import math

import dlcore
import numpy as np
import pytest
from dlcore import nn


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def attention(layer, query, key, value, mask=0.0):
    """Multi-head attention of one sample, (L, E), as the paper writes it."""
    state = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    weights = np.split(state["in_proj_weight"], 3)
    biases = np.split(state["in_proj_bias"], 3)
    q, k, v = (x @ w.T + b for x, w, b in zip((query, key, value), weights, biases, strict=True))
    heads, all_weights, size = [], [], layer.head_dim
    for h in range(layer.num_heads):
        part = slice(h * size, (h + 1) * size)
        scores = q[:, part] @ k[:, part].T / math.sqrt(size) + mask
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        all_weights.append(scores / scores.sum(-1, keepdims=True))
        heads.append(all_weights[-1] @ v[:, part])
    output = np.concatenate(heads, -1) @ state["out_proj.weight"].T + state["out_proj.bias"]
    return output, np.stack(all_weights)


def test_attention_is_the_formula():
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    dlcore.nn.init.normal_(layer.in_proj_bias)
    query, memory = numbers(3, 4, 8), numbers(3, 5, 8, seed=1)
    q, m = dlcore.tensor(query), dlcore.tensor(memory)
    output, weights = layer(q, m, m, average_attn_weights=False)
    for sample in range(3):
        expected, expected_weights = attention(layer, query[sample], memory[sample], memory[sample])
        np.testing.assert_allclose(output[sample].detach().numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(weights[sample].detach().numpy(), expected_weights, atol=1e-5)
    alone, mean = layer(q[0], m[0], m[0])
    np.testing.assert_allclose(alone.detach().numpy(), output[0].detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(mean.detach().numpy(), weights[0].detach().numpy().mean(0), atol=1e-6)
    assert layer(q, m, m, need_weights=False)[1] is None


def test_masks_leave_keys_out():
    layer, x = nn.MultiheadAttention(4, 2), numbers(5, 1, 4)
    t = dlcore.tensor(x)
    causal = nn.Transformer.generate_square_subsequent_mask(5)
    padding = dlcore.tensor([[False, False, False, True, True]])
    summand = np.where(padding.numpy(), -np.inf, 0.0) + causal.numpy()
    expected, _ = attention(layer, x[:, 0], x[:, 0], x[:, 0], summand)
    for mask in (causal, causal == -math.inf, causal.expand(2, 5, 5)):
        output, _ = layer(t, t, t, attn_mask=mask, key_padding_mask=padding)
        np.testing.assert_allclose(output[:, 0].detach().numpy(), expected, atol=1e-5)
    with pytest.raises(dlcore.ShapeError, match=r"attn_mask of shape \(5, 5\) or \(2, 5, 5\), got \(4, 4\)"):
        layer(t, t, t, attn_mask=dlcore.zeros(4, 4))
    with pytest.raises(dlcore.ShapeError, match=r"key_padding_mask of shape \(1, 5\), got \(2, 5\)"):
        layer(t, t, t, key_padding_mask=padding.expand(2, 5))
    with pytest.raises(dlcore.DTypeError, match="must be bool or float"):
        layer(t, t, t, attn_mask=dlcore.zeros(5, 5, dtype=dlcore.int64))
    with pytest.raises(ValueError, match="needs the attn_mask"):
        layer(t, t, t, is_causal=True)
    with pytest.raises(dlcore.ShapeError, match="expected 4 features"):
        layer(dlcore.zeros(5, 1, 6), t, t)


def test_further_keys_and_other_sizes():
    layer = nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True, kdim=3, vdim=5)
    assert list(layer.state_dict()) == [
        "q_proj_weight",
        "k_proj_weight",
        "v_proj_weight",
        "in_proj_bias",
        "bias_k",
        "bias_v",
        "out_proj.weight",
        "out_proj.bias",
    ]
    output, weights = layer(dlcore.randn(2, 1, 4), dlcore.randn(6, 1, 3), dlcore.randn(6, 1, 5))
    assert (output.shape, weights.shape) == ((2, 1, 4), (1, 2, 8))
    output.sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def test_layers_normalise_before_or_after():
    x = dlcore.randn(2, 3, 8)
    for norm_first in (False, True):
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=norm_first)

        def network(y, layer=layer):
            return layer.linear2(dlcore.nn.functional.gelu(layer.linear1(y)))

        def attend(y, layer=layer):
            return layer.self_attn(y, y, y)[0]

        if norm_first:
            y = x + attend(layer.norm1(x))
            expected = y + network(layer.norm2(y))
        else:
            y = layer.norm1(x + attend(x))
            expected = layer.norm2(y + network(y))
        np.testing.assert_allclose(layer(x).detach().numpy(), expected.detach().numpy(), atol=1e-5)
    with pytest.raises(ValueError, match="'relu', 'gelu' or a function"):
        nn.TransformerEncoderLayer(8, 2, activation="tanh")


def test_a_causal_decoder_does_not_look_ahead():
    model = nn.Transformer(8, 2, 1, 2, 16, 0.0, batch_first=True).eval()
    src, tgt = dlcore.randn(1, 4, 8), dlcore.randn(1, 5, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    before = model(src, tgt, tgt_mask=mask, tgt_is_causal=True)
    changed = tgt.clone()
    changed[:, 3:] = 7.0
    after = model(src, changed, tgt_mask=mask)
    np.testing.assert_allclose(before[:, :3].detach().numpy(), after[:, :3].detach().numpy(), atol=1e-6)
    assert (before[:, 3:] - after[:, 3:]).abs().max().item() > 0.01
    assert "decoder.layers.1.multihead_attn.in_proj_weight" in model.state_dict()
    with pytest.raises(dlcore.ShapeError, match="one batch size"):
        model(src.expand(2, 4, 8), tgt)


def test_an_encoder_learns_to_sort():
    dlcore.manual_seed(0)
    embed, head = nn.Embedding(6, 16), nn.Linear(16, 6)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True), 1)
    positions = nn.Parameter(dlcore.randn(1, 4, 16))
    parameters = [positions, *nn.ModuleList([embed, encoder, head]).parameters()]
    optimizer = dlcore.optim.Adam(parameters, lr=1e-2)
    data = dlcore.tensor(np.random.default_rng(0).integers(0, 6, (64, 4)))
    target = data.sort(-1).values
    for _ in range(60):
        optimizer.zero_grad()
        logits = head(encoder(embed(data) + positions))
        loss = nn.CrossEntropyLoss()(logits.transpose(1, 2), target)
        loss.backward()
        optimizer.step()
    assert (logits.argmax(-1) == target).to(dlcore.float32).mean().item() > 0.95


def test_lazy_layers_take_the_size_of_their_input():
    model = nn.Sequential(nn.Linear(None, 4), nn.LazyBatchNorm1d(), nn.LazyLinear(2, bias=False))
    optimizer = dlcore.optim.SGD(model.parameters(), lr=0.1)
    twin = copy.deepcopy(model)
    loss = model(dlcore.randn(5, 3)).square().sum()
    assert [type(m).__name__ for m in model] == ["Linear", "BatchNorm1d", "Linear"]
    assert (model[0].in_features, model[1].num_features, model[2].in_features) == (3, 4, 4)
    assert 0 < model[0].weight.abs().max().item() <= 1 / math.sqrt(3)
    loss.backward()
    before = model[0].weight.detach().clone()
    optimizer.step()
    assert not dlcore.equal(before, model[0].weight)
    twin.load_state_dict(model.state_dict())
    assert dlcore.equal(twin[0].weight, model[0].weight)
    assert type(twin[1]) is nn.BatchNorm1d
    images = nn.LazyInstanceNorm2d(affine=True)
    assert images(dlcore.randn(3, 4, 4)).shape == (3, 4, 4)
    assert images.num_features == 3
