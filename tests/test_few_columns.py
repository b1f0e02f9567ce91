"""Reductions of short rows and over dimensions in the middle: values, and the same bits for any number of threads."""

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest

rng = np.random.default_rng(8)

SHAPES = [
    (3, 700, 2),
    (1, 40_000, 3),
    (2, 90, 10),
    (7, 65, 31),
    (5, 64, 32),
    (2, 300_000, 1),
    (4, 1000, 7),
    (300, 9, 16),
]


def sample(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def assert_close(got, expected, rtol=2e-6, atol=1e-6):
    np.testing.assert_allclose(got.double().numpy(), expected, rtol=rtol, atol=atol)


def on_each_number_of_threads(function):
    """The value of `function`, which threads do not change."""
    before = dlcore.get_num_threads()
    results = []
    for threads in (1, 2):
        dlcore.set_num_threads(threads)
        results.append(function())
    dlcore.set_num_threads(before)
    np.testing.assert_array_equal(*(result.numpy() for result in results))
    return results[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_few_columns(shape):
    values = sample(*shape)
    wide = values.astype(np.float64)
    for x in (dlcore.tensor(values), dlcore.tensor(np.pad(values, ((1, 1), (0, 0), (0, 0))))[1:-1]):
        scale = np.abs(wide).sum(1).max()
        assert_close(on_each_number_of_threads(lambda x=x: x.sum(1)), wide.sum(1), atol=1e-6 * scale)
        assert_close(on_each_number_of_threads(lambda x=x: x.mean(1)), wide.mean(1))
        np.testing.assert_array_equal(x.amax(1).numpy(), values.max(1))
        np.testing.assert_array_equal(x.amin(1).numpy(), values.min(1))
        assert_close((1 + x / 1000).prod(1), np.prod(1 + wide / 1000, 1), rtol=2e-4)
        np.testing.assert_array_equal((x * 10).long().sum(1).numpy(), (values * np.float32(10)).astype(np.int64).sum(1))
        np.testing.assert_array_equal((x > 3.4).any(1).numpy(), (values > 3.4).any(1))
    x = dlcore.tensor(np.where(values > 1, np.nan, values))
    assert x.sum(1).isnan().any()
    assert x.amax(1).isnan().any()
    assert_close(x.nansum(1), np.where(values > 1, 0, wide).sum(1), atol=1e-6 * scale)


def logsumexp(x, axis):
    with np.errstate(all="ignore"):
        largest = x.max(axis, keepdims=True)
        largest = np.where(np.isfinite(largest), largest, 0)
        return np.log(np.exp(x - largest).sum(axis)) + largest.squeeze(axis)


@pytest.mark.parametrize("shape", [*SHAPES, (3, 130, 100), (1, 17, 5000), (4, 3, 64), (200, 10, 40)])
@pytest.mark.parametrize("dim", [1, 2])
def test_logsumexp(shape, dim):
    values = sample(*shape) * 3
    x = dlcore.tensor(values)
    assert_close(on_each_number_of_threads(lambda: x.logsumexp(dim)), logsumexp(values.astype(np.float64), dim))


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("n", [1, 3, 16, 33, 100])
def test_logsumexp_of_what_is_not_finite(dim, n):
    values = sample(n, 40) if dim == 0 else sample(40, n)
    columns = values.T if dim == 1 else values
    columns[:, 0], columns[:, 1], columns[0, 2], columns[-1, 3], columns[0, 4] = (
        -np.inf,
        np.inf,
        np.inf,
        np.nan,
        -np.inf,
    )
    columns[:, 5] += 1000
    columns[:, 6] = np.nan
    assert_close(dlcore.tensor(values).logsumexp(dim), logsumexp(values.astype(np.float64), dim))


@pytest.mark.parametrize("cols", [1, 2, 3, 7, 8, 10, 16, 31, 32, 33])
@pytest.mark.parametrize("rows", [1, 15, 16, 17, 5000])
def test_short_rows(rows, cols):
    values = sample(rows, cols) + 2
    wide, x = values.astype(np.float64), dlcore.tensor(values)
    assert_close(on_each_number_of_threads(lambda: dlcore.linalg.vector_norm(x, dim=1)), np.linalg.norm(wide, axis=1))
    normal = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
    weight, bias = sample(cols), sample(cols)
    for w in (None, weight):
        for b in (None, bias):
            given = [None if p is None else dlcore.tensor(p) for p in (w, b)]
            expected = normal * (1 if w is None else w) + (0 if b is None else b)
            got = on_each_number_of_threads(lambda given=given: F.layer_norm(x, (cols,), *given))
            assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_lengths_of_short_rows_beyond_the_range_of_their_squares():
    x = dlcore.tensor([[3e30, 4e30], [3e-30, 4e-30], [0, 0], [np.inf, 1], [np.nan, np.inf]])
    np.testing.assert_allclose(dlcore.linalg.vector_norm(x, dim=1).numpy(), [5e30, 5e-30, 0, np.inf, np.nan], rtol=1e-6)


@pytest.mark.parametrize("dtype", [dlcore.float16, dlcore.bfloat16])
@pytest.mark.parametrize("shape", [(100_001,), (5, 3000), (700, 64), (300, 63), (4, 2, 1024)])
def test_sums_of_16_bits_are_rounded_once(dtype, shape):
    x = dlcore.tensor(sample(*shape)).to(dtype)
    wide = x.float()
    for reduced in (lambda x: x.sum(-1), lambda x: x.mean(-1), lambda x: x.sum(), lambda x: x.sum(0)):
        got = on_each_number_of_threads(lambda reduced=reduced: reduced(x).float())
        np.testing.assert_array_equal(got.numpy(), reduced(wide).to(dtype).float().numpy())


@pytest.mark.parametrize("counts", [[2**63 - 1, 2**63 - 1, 2], [2**62] * 4])
def test_more_repeats_than_can_be_counted_are_refused(counts):
    with pytest.raises(ValueError, match=r"^repeat_interleave: "):
        dlcore.repeat_interleave(dlcore.arange(len(counts)), dlcore.tensor(counts))


def test_more_repeats_than_fit_into_memory_are_refused():
    with pytest.raises(MemoryError):
        dlcore.repeat_interleave(dlcore.tensor([1.0, 2.0]), dlcore.tensor([2**40, 1]))


def test_subnormal_pivots_are_divided_by():
    tiny = dlcore.tensor([[1e-310, 0.0], [0.0, 1.0]], dtype=dlcore.float64)
    assert dlcore.linalg.det(tiny).item() == 1e-310
    np.testing.assert_allclose(dlcore.linalg.slogdet(tiny).logabsdet.item(), np.log(1e-310))
    # Columns below a pivot whose reciprocal is infinite.
    low = dlcore.tensor([[2e-310, 0.0], [1e-310, 1.0]], dtype=dlcore.float64)
    assert dlcore.linalg.det(low).item() == 2e-310


def test_the_smallest_numbers_are_their_own_expm1_and_sinh():
    x = dlcore.tensor([5e-324, -1e-323, 3.3e-308, -1e-301, 0.0, -0.0], dtype=dlcore.float64)
    for function in (dlcore.expm1, dlcore.sinh):
        np.testing.assert_array_equal(function(x).numpy(), x.numpy())
        np.testing.assert_array_equal(np.signbit(function(x).numpy()), np.signbit(x.numpy()))
