"""Attention: shapes that broadcast, masks, what is refused. Values and gradients come from the registry's tests."""

import math

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest

rng = np.random.default_rng(8)


def noise(*shape):
    return dlcore.tensor(rng.standard_normal(shape))


def naive(q, k, v, added=0.0):
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + added
    return dlcore.softmax(scores, -1) @ v


def assert_close(x, y):
    assert x.shape == y.shape
    np.testing.assert_allclose(x.detach().numpy(), y.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize(
    ("q", "k", "v"),
    [
        ((3, 4), (5, 4), (5, 2)),
        ((2, 3, 4), (2, 5, 4), (2, 5, 2)),
        ((2, 3, 7, 4), (2, 1, 5, 4), (1, 3, 5, 2)),
        ((2, 2, 3, 7, 4), (2, 1, 3, 5, 4), (5, 4)),
        ((1, 1, 70, 8), (1, 1, 460, 8), (1, 1, 460, 8)),
    ],
)
def test_leading_dimensions_broadcast(q, k, v):
    q, k, v = noise(*q), noise(*k), noise(*v)
    assert_close(F.scaled_dot_product_attention(q, k, v), naive(q, k, v))
    added = noise(q.shape[-2], k.shape[-2])
    assert_close(F.scaled_dot_product_attention(q, k, v, added), naive(q, k, v, added))


def test_masks_broadcast_and_have_gradients():
    q, k, v = noise(2, 3, 7, 4), noise(2, 3, 5, 4), noise(2, 3, 5, 2)
    for shape in [(5,), (3, 1, 5), (2, 1, 7, 1), (2, 3, 7, 5)]:
        ours, theirs = noise(*shape).requires_grad_(), noise(*shape).requires_grad_()
        theirs.detach().copy_(ours.detach())
        y, z = F.scaled_dot_product_attention(q, k, v, ours), naive(q, k, v, theirs)
        assert_close(y, z)
        (y * y).sum().backward()
        (z * z).sum().backward()
        assert_close(ours.grad, theirs.grad)


def test_a_query_that_sees_no_key_gets_zeros_and_no_gradient():
    q, k, v = (noise(2, 4, 3).requires_grad_() for _ in range(3))
    seen = dlcore.ones(4, 4, dtype=dlcore.bool)
    seen[1] = False
    for mask in [seen, dlcore.where(seen, dlcore.tensor(0.0).double(), dlcore.tensor(-math.inf).double())]:
        y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=True)
        assert y[:, 1].tolist() == [[0.0] * 3] * 2
        grads = dlcore.autograd.grad(y.sum(), [q, k, v])
        assert grads[0][:, 1].tolist() == [[0.0] * 3] * 2
        assert all(math.isfinite(x) for g in grads for x in g.flatten().tolist())


def test_neighbouring_heads_share_keys():
    q, k, v = noise(2, 6, 5, 4), noise(2, 2, 5, 4), noise(2, 2, 5, 3)
    repeated = [dlcore.stack([x] * 3, 2).flatten(1, 2) for x in (k, v)]
    assert_close(F.scaled_dot_product_attention(q, k, v, enable_gqa=True), naive(q, *repeated))
    with pytest.raises(dlcore.ShapeError, match="which divide those of queries"):
        F.scaled_dot_product_attention(q[:, :5], k, v, enable_gqa=True)


def test_the_result_lies_so_that_heads_merge_without_a_copy():
    x = noise(2, 3, 5, 4)
    y = F.scaled_dot_product_attention(x, x, x).transpose(1, 2)
    assert y.reshape(2, 5, 12).data_ptr() == y.data_ptr()


def test_dropout_drops_weights_and_keeps_the_mean():
    dlcore.manual_seed(3)
    q, k = dlcore.zeros(1, 400, 2), dlcore.zeros(1, 50, 2)
    y = F.scaled_dot_product_attention(q, k, dlcore.ones(1, 50, 1), dropout_p=0.5)
    assert 0.9 < y.mean().item() < 1.1
    assert y.std().item() > 0.05


def test_what_does_not_fit_is_refused():
    x = dlcore.ones(2, 3, 4)
    with pytest.raises(dlcore.ShapeError, match=r"one depth; got queries \(2, 3, 4\), keys \(2, 3, 5\)"):
        F.scaled_dot_product_attention(x, dlcore.ones(2, 3, 5), x)
    with pytest.raises(dlcore.ShapeError, match="two dimensions at least"):
        F.scaled_dot_product_attention(x[0, 0], x, x)
    with pytest.raises(dlcore.DTypeError, match="have one dtype"):
        F.scaled_dot_product_attention(x, x.double(), x)
    with pytest.raises(dlcore.DTypeError, match="mask of bool or float32"):
        F.scaled_dot_product_attention(x, x, x, dlcore.ones(3, 3, dtype=dlcore.int64))
    with pytest.raises(ValueError, match="probability"):
        F.scaled_dot_product_attention(x, x, x, dropout_p=1.5)


def test_memory_grows_with_the_length_not_with_its_square():
    def peak(length):
        x = dlcore.ones(1, length, 8, requires_grad=True)
        dlcore.memory.reset_peak()
        F.scaled_dot_product_attention(x, x, x, is_causal=True).sum().backward()
        return dlcore.memory.stats()["peak_bytes"]

    few, many = peak(2_500), peak(10_000)
    assert many < 6 * few


def test_layers_give_the_same_with_and_without_their_weights():
    layer = dlcore.nn.MultiheadAttention(8, 2, dtype=dlcore.float64)
    x, padding = noise(5, 3, 8), dlcore.zeros(3, 5, dtype=dlcore.bool)
    padding[1, 3:] = True
    masks = {"key_padding_mask": padding, "attn_mask": dlcore.triu(dlcore.ones(5, 5), 1).bool()}
    with_weights, weights = layer(x, x, x, **masks)
    without, none = layer(x, x, x, need_weights=False, **masks)
    assert weights is not None
    assert none is None
    assert_close(without, with_weights)


@pytest.mark.parametrize(
    ("queries", "keys", "depth", "values"), [(60, 500, 0, 3), (9, 6, 4, 0), (5, 6, 0, 0), (3, 0, 4, 2)]
)
def test_what_has_no_elements(queries, keys, depth, values):
    """Without depth all scores are alike, so the result is the mean of the values."""
    q, k, v = (
        dlcore.randn(1, 2, rows, cols, requires_grad=True)
        for rows, cols in [(queries, depth), (keys, depth), (keys, values)]
    )
    y = F.scaled_dot_product_attention(q, k, v, scale=1.0)
    assert y.shape == (1, 2, queries, values)
    y.sum().backward()
    assert [x.grad.shape for x in (q, k, v)] == [x.shape for x in (q, k, v)]
    if depth == 0 and values:
        mean = v.detach().mean(2, keepdim=True).expand(y.shape)
        assert dlcore.allclose(y.detach(), mean, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("queries", "keys"), [(200, 200), (40, 333)])
def test_bfloat16_rounds_shares_and_results_and_nothing_else(causal, queries, keys):
    q, k, v = (noise(2, 3, n, 32).bfloat16().requires_grad_() for n in (queries, keys, keys))
    exact = [x.detach().double().requires_grad_() for x in (q, k, v)]
    y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    z = F.scaled_dot_product_attention(*exact, is_causal=causal)
    g = noise(*y.shape).bfloat16()
    y.backward(g)
    z.backward(g.double())
    assert y.dtype == dlcore.bfloat16
    for ours, theirs in [(y, z), *((x.grad, w.grad) for x, w in zip((q, k, v), exact, strict=True))]:
        largest = theirs.abs().max().item()
        assert (ours.double() - theirs).abs().max().item() < 0.01 * largest
