"""Bags of embeddings and losses without logits, against their definitions."""

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest

rng = np.random.default_rng(4)


def noise(*shape):
    return dlcore.tensor(rng.standard_normal(shape))


def assert_close(got, expected):
    np.testing.assert_allclose(got.detach().numpy(), np.asarray(expected), atol=1e-11)


BAGS = [[0, 2, 2], [], [1], [3, 0]]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 2, -2])
def test_bags_are_reduced_one_by_one(mode, padding_idx):
    weight = noise(4, 3).requires_grad_()
    ids = dlcore.tensor([i for bag in BAGS for i in bag])
    offsets = dlcore.tensor([0, 3, 3, 4])
    reduce = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode]
    expected = np.zeros((4, 3))
    for row, bag in zip(expected, BAGS, strict=True):
        if kept := [i for i in bag if padding_idx is None or i != 2]:
            row[:] = reduce(weight.detach().numpy()[kept], axis=0)
    y = F.embedding_bag(ids, weight, offsets, mode=mode, padding_idx=padding_idx)
    assert_close(y, expected)
    with_end = dlcore.tensor([0, 3, 3, 4, 6])
    last = F.embedding_bag(ids, weight, with_end, mode=mode, padding_idx=padding_idx, include_last_offset=True)
    assert_close(last, expected)
    y.sum().backward()
    assert weight.grad.shape == weight.shape
    assert weight.grad[2].any().item() == (padding_idx is None)


def test_bags_of_one_size_and_their_weights():
    weight, each = noise(5, 2), noise(3, 4)
    ids = dlcore.tensor(rng.integers(0, 5, (3, 4)))
    expected = (weight.numpy()[ids.numpy()] * each.numpy()[..., None]).sum(1)
    assert_close(F.embedding_bag(ids, weight, mode="sum", per_sample_weights=each), expected)
    with pytest.raises(ValueError, match="offsets must begin with 0"):
        F.embedding_bag(ids.flatten(), weight, dlcore.tensor([1, 2]))
    with pytest.raises(dlcore.ShapeError, match="a row of offsets"):
        F.embedding_bag(ids.flatten(), weight)
    with pytest.raises(IndexError, match="embedding"):
        F.embedding_bag(dlcore.tensor([[5]]), weight)
    with pytest.raises(ValueError, match=r'mode "sum" only'):
        F.embedding_bag(ids, weight, per_sample_weights=each)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_without_logits_is_the_loss_with_them(reduction):
    # More than one chunk of rows.
    x, w, b = (noise(*shape).requires_grad_() for shape in [(150, 2), (80_000, 2), (80_000,)])
    target = dlcore.tensor(rng.integers(0, 80_000, 150))
    target[3] = -100
    loss = F.linear_cross_entropy(x, w, target, linear_bias=b, reduction=reduction, label_smoothing=0.1)
    expected = F.cross_entropy(F.linear(x, w, b), target, reduction=reduction, label_smoothing=0.1)
    assert abs(loss.item() - expected.item()) < 1e-9 * abs(expected.item())
    got = dlcore.autograd.grad(loss, [x, w, b])
    for g, e in zip(got, dlcore.autograd.grad(expected, [x, w, b]), strict=True):
        assert_close(g, e)


def test_the_loss_without_logits_takes_little_memory():
    x, w = dlcore.randn(2_000, 4).requires_grad_(), dlcore.randn(50_000, 4).requires_grad_()
    dlcore.memory.reset_peak()
    before = dlcore.memory.stats()["live_bytes"]
    F.linear_cross_entropy(x, w, dlcore.zeros(2_000, dtype=dlcore.int64)).backward()
    logits = 4 * 2_000 * 50_000
    assert dlcore.memory.stats()["peak_bytes"] - before < logits / 2
    with pytest.raises(ValueError, match="reduction"):
        F.linear_cross_entropy(x, w, dlcore.zeros(2_000, dtype=dlcore.int64), reduction="max")
    with pytest.raises(dlcore.DTypeError, match="labels of integers"):
        F.linear_cross_entropy(x, w, dlcore.zeros(2_000))
