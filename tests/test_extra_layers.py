"""Layers that PyTorch does not have: against their formulas in numpy, and by what they are for."""

import math

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import nn


def close(found, expected, atol=1e-5):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5, atol=atol)


def angles(dim, first, length, base=10000.0):
    return np.arange(first, first + length)[:, None] / base ** (np.arange(0, dim, 2) / dim)


# --- positions ------------------------------------------------------------------------------------------------------


def test_sinusoidal_positions_are_the_papers():
    layer = nn.SinusoidalPositionalEncoding(6).eval()
    expected = np.empty((7, 6))
    expected[:, 0::2], expected[:, 1::2] = np.sin(angles(6, 3, 7)), np.cos(angles(6, 3, 7))
    close(layer(dlcore.zeros(2, 7, 6), offset=3)[1], expected)
    assert not layer.state_dict()
    assert layer(dlcore.zeros(1, 2, 6, dtype=dlcore.float64)).dtype == dlcore.float64
    close(
        layer(dlcore.zeros(1, 1, 6), offset=10**6)[0, 0],
        np.stack([np.sin(x := angles(6, 10**6, 1)), np.cos(x)], -1).ravel(),
    )
    with pytest.raises(dlcore.ShapeError, match=r"SinusoidalPositionalEncoding: expected \(\.\.\., length, 6\)"):
        layer(dlcore.zeros(2, 7, 5))


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotated_products_depend_on_the_distance_alone(interleaved):
    dlcore.manual_seed(0)
    rotary, x = nn.RotaryEmbedding(8, interleaved=interleaved), dlcore.randn(2, 3, 5, 12)
    turned = rotary(x)
    close(turned[..., 8:], x[..., 8:].numpy())
    close(turned.norm(dim=-1), x.norm(dim=-1).numpy())
    pairs = x[..., :8].numpy().reshape(2, 3, 5, 4, 2)
    if not interleaved:
        pairs = x[..., :8].numpy().reshape(2, 3, 5, 2, 4).swapaxes(-1, -2)
    whole = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angles(8, 0, 5))
    found = turned[..., :8].numpy().reshape(2, 3, 5, 4, 2) if interleaved else None
    if not interleaved:
        found = turned[..., :8].numpy().reshape(2, 3, 5, 2, 4).swapaxes(-1, -2)
    np.testing.assert_allclose(found[..., 0] + 1j * found[..., 1], whole, atol=1e-5)
    q, k = dlcore.randn(1, 8), dlcore.randn(1, 8)
    near, far = ((rotary(q, 5 + s) * rotary(k, 2 + s)).sum().item() for s in (0, 1000))
    assert near == pytest.approx(far, abs=1e-3)
    close(rotary(x, 2), rotary(dlcore.cat([x[..., :2, :], x], -2))[..., 2:, :].numpy())


def test_alibi_has_the_papers_slopes():
    # For six heads: those of four, and of eight the first, third, ...
    slopes = -nn.ALiBi(6)(2)[:, 1, 0]
    close(slopes, [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3])
    bias = nn.ALiBi(2, causal=False)(3, 5)
    close(bias[0], -(2.0**-4) * np.abs(np.arange(5) - np.arange(2, 5)[:, None]))
    assert nn.ALiBi(1)(1, 4).tolist() == [[[-3 / 256, -2 / 256, -1 / 256, 0.0]]]


# --- the cache ------------------------------------------------------------------------------------------------------


def test_a_cache_gives_what_was_put_in_and_copies_rarely():
    dlcore.manual_seed(0)
    key, value = dlcore.randn(2, 3, 40, 4), dlcore.randn(2, 3, 40, 5)
    cache = nn.KVCache()
    addresses = set()
    for start, end in [(0, 7), (7, 8), *((i, i + 1) for i in range(8, 40))]:
        keys, values = cache.append(key[:, :, start:end], value[:, :, start:end])
        addresses.add(keys.data_ptr())
        assert dlcore.equal(keys, key[:, :, :end])
        assert dlcore.equal(values, value[:, :, :end])
    assert len(addresses) <= 4
    cache.truncate(10)
    assert dlcore.equal(cache.append(key[:, :, 10:12], value[:, :, 10:12])[0], key[:, :, :12])
    with pytest.raises(ValueError, match="do not continue"):
        cache.append(key[:1], value[:1])
    with pytest.raises(ValueError, match="do not fit together"):
        cache.append(key[:, :, :1], value)
    with pytest.raises(ValueError, match="truncate 12 positions to 13"):
        cache.truncate(13)
    cache.reset()
    assert len(cache) == 0
    assert cache.append(key[:1], value[:1])[0].shape == (1, 3, 40, 4)


def test_a_cache_has_an_end_and_keeps_out_of_training():
    cache, x = nn.KVCache(max_length=3), dlcore.zeros(1, 1, 2, 4)
    cache.append(x, x)
    with pytest.raises(ValueError, match="4 positions do not fit its 3"):
        cache.append(x, x)
    assert cache.append(x[:, :, :1], x[:, :, :1])[0].shape == (1, 1, 3, 4)
    with pytest.raises(RuntimeError, match="no_grad"):
        nn.KVCache().append(x.clone().requires_grad_(), x)


# --- networks and blocks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "function"), [(nn.SwiGLU, F.silu), (nn.GEGLU, F.gelu)])
def test_gated_networks(kind, function):
    layer, x = kind(12, 20), dlcore.randn(3, 12)
    gate, up, down = (layer.state_dict()[f"{name}_proj.weight"] for name in ("gate", "up", "down"))
    close(layer(x), ((function(x @ gate.t()) * (x @ up.t())) @ down.t()).numpy())
    assert kind(48).up_proj.out_features == 128


def test_separable_convolution_is_two_convolutions():
    layer, x = nn.DepthwiseSeparableConv2d(4, 6, 3, stride=2, padding=1), dlcore.randn(2, 4, 7, 7)
    every = dlcore.cat([F.conv2d(x[:, c : c + 1], layer.depthwise.weight[c : c + 1], None, 2, 1) for c in range(4)], 1)
    mixed = dlcore.einsum("nchw,kc->nkhw", every, layer.pointwise.weight[:, :, 0, 0])
    close(layer(x), (mixed + layer.pointwise.bias.reshape(-1, 1, 1)).detach().numpy())


def test_squeeze_and_excitation():
    layer, x = nn.SqueezeExcite(8, 3), dlcore.randn(2, 8, 4, 5)
    mean = x.numpy().mean((2, 3))
    w1, b1, w2, b2 = (p.detach().numpy().reshape(p.shape[:2]).squeeze() for p in layer.parameters())
    scale = 1 / (1 + np.exp(-(np.maximum(mean @ w1.T + b1, 0) @ w2.T + b2)))
    close(layer(x), x.numpy() * scale[:, :, None, None])
    assert list(layer.state_dict()) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]


def test_residual_blocks_project_where_the_shape_changes():
    assert nn.ResidualBlock(8, 8).downsample is None
    assert nn.BottleneckBlock(8, 8).downsample is not None
    block, x = nn.ResidualBlock(4, 4).eval(), dlcore.randn(1, 4, 5, 5)
    nn.init.zeros_(block.bn2.weight)
    close(block(x), np.maximum(x.numpy(), 0))


def test_patches_are_cut_row_by_row():
    layer = nn.PatchEmbed(None, 2, 1, 4)
    with dlcore.no_grad():
        layer.proj.weight.copy_(dlcore.eye(4).reshape(4, 1, 2, 2))
        layer.proj.bias.zero_()
    image = np.arange(24.0, dtype=np.float32).reshape(4, 6)
    expected = image.reshape(2, 2, 3, 2).swapaxes(1, 2).reshape(6, 4)
    close(layer(dlcore.tensor(image)[None, None])[0], expected)
    with pytest.raises(ValueError, match="do not fit an image of 5 x 4"):
        layer(dlcore.zeros(1, 1, 5, 4))
    with pytest.raises(ValueError, match="expected images of 4 x 4, got 6 x 6"):
        nn.PatchEmbed(4, 2, 1, 4)(dlcore.zeros(1, 1, 6, 6))


def test_global_pools():
    x = dlcore.randn(2, 3, 4, 5)
    close(nn.GlobalAvgPool()(x), x.numpy().mean((2, 3)))
    close(nn.GlobalMaxPool(keepdim=True)(x), x.numpy().max((2, 3), keepdims=True))
    with pytest.raises(dlcore.ShapeError, match="3 dimensions at least"):
        nn.GlobalAvgPool()(x[0, 0])


# --- chance ---------------------------------------------------------------------------------------------------------


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    dlcore.manual_seed(0)
    x = dlcore.ones(4000, 2, 3)
    dropped = nn.DropPath(0.25)(x)
    assert sorted(set(dropped.flatten().tolist())) == pytest.approx([0, 4 / 3])
    assert dlcore.equal(dropped.amax((1, 2)), dropped.amin((1, 2)))
    assert dropped.mean().item() == pytest.approx(1, abs=0.03)
    assert nn.DropPath(0.25).eval()(x) is x
    assert nn.DropPath(1.0)(x).sum().item() == 0
    with pytest.raises(ValueError, match=r"0\.\.1"):
        nn.DropPath(1.5)


# --- adapting -------------------------------------------------------------------------------------------------------


def test_lora_trains_little_and_merges():
    dlcore.manual_seed(0)
    trained = nn.Linear(6, 5)
    layer, x, target = nn.LoRALinear.of(trained, rank=2, alpha=4.0), dlcore.randn(20, 6), dlcore.randn(20, 5)
    before = trained.weight.detach().clone()
    optimizer = dlcore.optim.Adam([p for p in layer.parameters() if p.requires_grad], lr=0.05)
    first = None
    for _ in range(50):
        loss = F.mse_loss(layer(x), target)
        first = loss.item() if first is None else first
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.7 * first
    assert dlcore.equal(trained.weight, before)
    change = layer.merged().weight - before
    assert dlcore.linalg.matrix_rank(change, tol=1e-4).item() == 2
    close(layer.merged()(x), layer(x).detach().numpy())
    assert list(layer.state_dict()) == ["weight", "bias", "lora_A", "lora_B"]
    assert nn.LoRALinear(3, 2, bias=False).bias is None
    with pytest.raises(ValueError, match="rank"):
        nn.LoRALinear(3, 2, rank=0)


# --- sequences and scales -------------------------------------------------------------------------------------------


def test_time_distributed_is_the_layer_at_every_step():
    layer = nn.Linear(3, 4)
    x = dlcore.randn(2, 5, 1, 3)
    close(nn.TimeDistributed(layer)(x), dlcore.stack([layer(x[:, t]) for t in range(5)], 1).detach().numpy())


def test_bidirectional_is_an_lstm_both_ways():
    dlcore.manual_seed(0)
    both = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
    layer = nn.Bidirectional(nn.LSTM(3, 4, batch_first=True))
    state = {
        f"{side}_layer.{name.removesuffix('_reverse')}": value
        for name, value in both.state_dict().items()
        for side in ["backward" if name.endswith("_reverse") else "forward"]
    }
    layer.load_state_dict(state)
    x = dlcore.randn(2, 6, 3)
    expected = both(x)[0].detach().numpy()
    close(layer(x), expected)
    ahead, back = expected[..., :4], expected[..., 4:]
    for mode, merged in {"sum": ahead + back, "mul": ahead * back, "ave": (ahead + back) / 2}.items():
        close(nn.Bidirectional(layer.forward_layer, layer.backward_layer, mode)(x), merged)
    pair = nn.Bidirectional(layer.forward_layer, layer.backward_layer, None)(x)
    close(pair[1], back)
    with pytest.raises(ValueError, match="merge_mode"):
        nn.Bidirectional(layer.forward_layer, merge_mode="cat")


def test_normalization_takes_statistics_once():
    x = dlcore.randn(50, 3, 4, 4) * 3 + 2
    layer = nn.Normalization(dim=1)
    with pytest.raises(RuntimeError, match="adapt"):
        layer(x)
    found = layer.adapt(x)(x)
    close(found.mean((0, 2, 3)), np.zeros(3))
    close(found.std((0, 2, 3), correction=0), np.ones(3))
    other = nn.Normalization(dim=1).adapt(x[:2])
    other.load_state_dict(layer.state_dict())
    assert dlcore.equal(other(x), found)
    close(nn.Normalization(mean=1.0, variance=4.0)(dlcore.tensor([3])), [1.0])
    with pytest.raises(ValueError, match="mean and variance"):
        nn.Normalization(mean=1.0)


def test_noise_has_its_deviation():
    dlcore.manual_seed(0)
    assert nn.GaussianNoise(0.3)(dlcore.zeros(100_000)).std().item() == pytest.approx(0.3, abs=0.005)
    assert math.isclose(nn.Rescaling(2, 1)(dlcore.tensor([3])).item(), 7)
