"""Layers that are compositions, against their formulas in numpy."""

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import nn


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def close(found, expected, rtol=1e-5):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=rtol, atol=1e-5)


def normalised(x, axes, eps=1e-5):
    mean = x.mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(x.var(axes, keepdims=True) + eps)


def test_group_and_instance_norm():
    x = numbers(2, 6, 4, 5)
    layer = nn.GroupNorm(3, 6, bias=False)
    assert list(layer.state_dict()) == ["weight"]
    close(layer(dlcore.tensor(x)), normalised(x.reshape(2, 3, -1), (2,)).reshape(x.shape))
    tracked = nn.InstanceNorm2d(6, affine=True, track_running_stats=True, momentum=0.5)
    assert len(tracked.state_dict()) == 5
    close(tracked(dlcore.tensor(x)), normalised(x, (2, 3)))
    close(tracked.running_mean, 0.5 * x.mean((0, 2, 3)))
    close(tracked.running_var, 0.5 + 0.5 * x.var((2, 3), ddof=1).mean(0))
    mean, variance = (t.numpy().reshape(-1, 1, 1) for t in (tracked.running_mean, tracked.running_var))
    close(tracked.eval()(dlcore.tensor(x)), (x - mean) / np.sqrt(variance + 1e-5))
    close(nn.InstanceNorm2d(6)(dlcore.tensor(x[0])), normalised(x, (2, 3))[0])
    with pytest.raises(ValueError, match="more than 1 element per channel"):
        nn.InstanceNorm1d(6)(dlcore.zeros(2, 6, 1))
    with pytest.raises(dlcore.ShapeError, match="expected 6 channels"):
        nn.InstanceNorm2d(6)(dlcore.zeros(2, 5, 3, 3))
    with pytest.raises(ValueError, match="4 groups do not divide 6"):
        nn.GroupNorm(4, 6)


def test_rms_and_local_response_norm():
    x = numbers(3, 5, 7)
    layer = nn.RMSNorm((5, 7), eps=1e-3)
    dlcore.nn.init.constant_(layer.weight, 2.0)
    close(layer(dlcore.tensor(x)), 2 * x / np.sqrt((x * x).mean((1, 2), keepdims=True) + 1e-3))
    with pytest.raises(dlcore.ShapeError, match=r"does not end with normalized_shape \(5, 7\)"):
        layer(dlcore.zeros(3, 7, 5))
    padded = np.pad(x * x, ((0, 0), (2, 1), (0, 0)))
    window = sum(padded[:, k : k + 5] for k in range(4)) / 4
    close(nn.LocalResponseNorm(4, 0.5, 0.7, 2.0)(dlcore.tensor(x)), x / (2 + 0.5 * window) ** 0.7)


def test_batch_norm_of_volumes_and_without_a_shift():
    x = numbers(3, 2, 4, 3, 2)
    layer = nn.BatchNorm3d(2, bias=False)
    assert list(layer.state_dict())[:2] == ["weight", "running_mean"]
    close(layer(dlcore.tensor(x)), normalised(x, (0, 2, 3, 4)))
    with pytest.raises(ValueError, match="eps must be positive"):
        nn.BatchNorm3d(2, eps=0.0)


@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.Dropout1d, (50, 40, 3)), (nn.Dropout2d, (50, 40, 3, 2)), (nn.Dropout3d, (50, 40, 3, 2, 2))]
)
def test_whole_channels_are_dropped(kind, shape):
    dlcore.manual_seed(1)
    layer, x = kind(0.25), dlcore.ones(*shape, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    values = y.detach().numpy().reshape(*shape[:2], -1)
    assert set(np.unique(values)) == {np.float32(0), np.float32(4 / 3)}
    assert (values == values[..., :1]).all()
    assert 0.2 < (values == 0).mean() < 0.3
    assert (x.grad.numpy() == y.detach().numpy()).all()
    assert layer.eval()(x) is x
    with pytest.raises(ValueError, match=r"p must be in 0\.\.1"):
        kind(1.5)
    with pytest.raises(ValueError, match="dimensions, got shape"):
        kind(0.5)(dlcore.ones(2))


def test_alpha_dropout_keeps_mean_and_variance():
    dlcore.manual_seed(2)
    x = dlcore.randn(100, 1000)
    for layer in (nn.AlphaDropout(0.3), nn.FeatureAlphaDropout(0.3)):
        y = layer(x.reshape(100, 1000, 1))
        assert abs(y.mean().item()) < 0.02
        assert abs(y.std().item() - 1) < 0.02
        _, counts = np.unique(y.numpy(), return_counts=True)
        assert 0.28 < counts.max() / counts.sum() < 0.32
    assert F.alpha_dropout(x, p=1.0, training=True).abs().sum().item() == 0


@pytest.mark.parametrize(
    ("kind", "mode"), [("Reflection", "reflect"), ("Replication", "edge"), ("Circular", "wrap"), ("Zero", "constant")]
)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_borders_are_numpys(kind, mode, dims):
    x, padding = numbers(2, 3, 4, 5, 6)[(slice(None),) * 2 + (0,) * (3 - dims)], [1, 2, 0, 3, 2, 1][: 2 * dims]
    pairs = [(0, 0)] * 2 + [tuple(padding[k : k + 2]) for k in range(0, 2 * dims, 2)][::-1]
    layer = getattr(nn, f"{kind}Pad{dims}d")
    close(layer(tuple(padding))(dlcore.tensor(x)), np.pad(x, pairs, mode=mode), 0)
    with pytest.raises(ValueError, match=f"takes {2 * dims} numbers"):
        layer((1, 2, 3))
    if kind != "Zero":
        with pytest.raises(dlcore.ShapeError, match=f"expected {dims + 1} or {dims + 2} dimensions"):
            layer(1)(dlcore.zeros(3))
    constant = getattr(nn, f"ConstantPad{dims}d")(tuple(padding), 2.5)
    close(constant(dlcore.tensor(x)), np.pad(x, pairs, constant_values=2.5), 0)


def test_bilinear_and_cosine():
    a, b = numbers(7, 3), numbers(7, 4, seed=1)
    layer = nn.Bilinear(3, 4, 5)
    expected = np.einsum("ni,oij,nj->no", a, layer.weight.detach().numpy(), b) + layer.bias.detach().numpy()
    close(layer(dlcore.tensor(a), dlcore.tensor(b)), expected)
    assert abs(layer.weight.detach().numpy()).max() <= 1 / np.sqrt(3)
    with pytest.raises(dlcore.ShapeError, match=r"bilinear: expected inputs .* got \(7, 3\), \(7, 3\)"):
        layer(dlcore.tensor(a), dlcore.tensor(a))
    cosine = nn.CosineSimilarity(dim=1)(dlcore.tensor(a), dlcore.tensor(2 * a))
    close(cosine, np.ones(7))


def test_channels_are_shuffled_and_dimensions_split():
    x = dlcore.arange(12).reshape(1, 6, 2, 1)
    assert nn.ChannelShuffle(3)(x)[0, :, 0, 0].tolist() == [0, 4, 8, 2, 6, 10]
    with pytest.raises(ValueError, match="4 groups do not divide"):
        F.channel_shuffle(x, 4)
    assert nn.Unflatten(1, (2, -1))(x).shape == (1, 2, 3, 2, 1)
    assert repr(nn.Unflatten(1, [2, 3])) == "Unflatten(dim=1, unflattened_size=(2, 3))"


def test_an_adaptive_softmax_is_a_distribution():
    layer = nn.AdaptiveLogSoftmaxWithLoss(6, 20, [4, 9], div_value=2.0, head_bias=True)
    x, target = dlcore.tensor(numbers(9, 6)), dlcore.tensor([0, 3, 4, 8, 9, 19, 2, 10, 5])
    everything = layer.log_prob(x)
    close(everything.exp().sum(1), np.ones(9))
    output, loss = layer(x, target)
    close(output, everything.detach().numpy()[np.arange(9), target.numpy()])
    close(loss, -output.detach().numpy().mean())
    loss.backward()
    assert all(p.grad is not None for p in layer.parameters())
    assert layer.predict(x).tolist() == everything.argmax(1).tolist()
    assert layer(x[0], target[0]).output.shape == ()
    with pytest.raises(IndexError, match="20 classes are 0 to 20"):
        layer(x[:2], dlcore.tensor([0, 20]))
    with pytest.raises(ValueError, match=r"must rise between 0 and 19, got \[9, 4\]"):
        nn.AdaptiveLogSoftmaxWithLoss(6, 20, [9, 4])


def test_windows_at_random_cover_the_image():
    x = dlcore.tensor(numbers(2, 3, 9, 8)).requires_grad_()
    values, places = nn.FractionalMaxPool2d((2, 3), output_size=(5, 4), return_indices=True)(x)
    assert (values.shape, places.shape) == ((2, 3, 5, 4), (2, 3, 5, 4))
    flat = x.detach().flatten(2)
    assert dlcore.equal(flat.gather(2, places.flatten(2)), values.detach().flatten(2))
    values.sum().backward()
    assert x.grad.sum().item() == values.numel()
    samples = dlcore.full((2, 3, 2), 0.5)
    fixed = nn.FractionalMaxPool2d(2, output_ratio=0.5, _random_samples=samples)
    rows, columns = [0, 2, 4, 7], [0, 2, 4, 6]
    expected = np.stack(
        [np.stack([x.detach().numpy()[..., r : r + 2, c : c + 2].max((-1, -2)) for c in columns], -1) for r in rows], -2
    )
    close(fixed(x), expected)
    assert nn.FractionalMaxPool3d(2, output_size=2)(dlcore.zeros(4, 5, 5, 5)).shape == (4, 2, 2, 2)
    for make, message in [
        (lambda: nn.FractionalMaxPool2d(2), "either output_size or output_ratio"),
        (lambda: nn.FractionalMaxPool2d(2, output_ratio=1.5), "between 0 and 1"),
        (lambda: F.fractional_max_pool2d(x, 2, output_size=9), r"do not fit \(9, 9\) times into \(9, 8\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()


def test_the_last_layer_and_its_loss_in_one():
    x, labels = dlcore.tensor(numbers(4, 5)), dlcore.tensor([[0, 2], [1, -1], [2, 2], [0, 1]])
    weight = dlcore.tensor([1.0, 2.0, 0.5])
    head = nn.LinearCrossEntropyLoss(5, 3, out_features=(2,), bias=True, weight=weight, ignore_index=-1)
    assert list(head.state_dict()) == ["weight", "linear.weight", "linear.bias"]
    logits = head.linear(x).reshape(4, 3, 2)
    expected = F.cross_entropy(logits, labels, weight=weight, ignore_index=-1)
    close(head(x, labels), expected.item())
    with pytest.raises(ValueError, match="expected 3 weights"):
        nn.LinearCrossEntropyLoss(5, 3, weight=dlcore.ones(4))
    with pytest.raises(ValueError, match="probabilities have none"):
        head(x, dlcore.zeros(4, 3, 2))
