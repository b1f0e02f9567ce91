"""Functions that are one loop each, beside numpy: repeated places, edges, NaN, other strides, any number of threads."""

import itertools

import dlcore
import numpy as np
import pytest
from dlcore.autograd import gradcheck

RNG = np.random.default_rng(11)
nan, inf = float("nan"), float("inf")


def with_threads(call):
    """What `call` gives with one and with three threads."""
    before, found = dlcore.get_num_threads(), []
    for threads in (1, 3):
        dlcore.set_num_threads(threads)
        found.append(call())
    dlcore.set_num_threads(before)
    return found


def same_bits(call):
    """The result of `call`, whose bits do not depend on the threads."""
    one, three = with_threads(call)
    for x, y in zip(one, three, strict=True):
        assert x.numpy().tobytes() == y.numpy().tobytes()
    return one


@pytest.mark.parametrize("shape", [(1000,), (50_000,), (3, 5000), (5000, 3), (200, 100), (2, 300, 70)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "int64"])
def test_what_is_added_to_one_place_is_added_in_order(shape, dtype):
    dim = int(np.argmax(shape))
    x, source = ((100 * RNG.random(shape)).astype(dtype) for _ in range(2))
    ids = RNG.integers(0, max(shape[dim] // 10, 1), shape[dim])
    at = (slice(None),) * dim + (ids,)
    wide = x.astype("float32" if dtype == "float16" else dtype)
    np.add.at(wide, at, source.astype(wide.dtype))
    tensors = [dlcore.from_numpy(y) for y in (x, ids, source)]
    (got,) = same_bits(lambda: [tensors[0].index_add(dim, tensors[1], tensors[2])])
    np.testing.assert_array_equal(got.numpy(), wide.astype(dtype))
    if dim == 0:
        put = tensors[0].index_put((tensors[1],), tensors[2], accumulate=True)
        np.testing.assert_array_equal(put.numpy(), wide.astype(dtype))
    if len(shape) == 1 and dtype == "float32":
        weights = dlcore.from_numpy(source)
        sums = np.zeros(ids.max() + 1, "float32")
        np.add.at(sums, ids, source)
        np.testing.assert_array_equal(tensors[1].bincount(weights).numpy(), sums)
        np.testing.assert_array_equal(tensors[1].bincount(minlength=7000).numpy(), np.bincount(ids, minlength=7000))


@pytest.mark.parametrize(("shape", "dim"), [((5000,), 0), ((40, 1300), 0), ((40, 1300), 1), ((3, 9, 700), 1)])
@pytest.mark.parametrize("steps", [3, 1000])
def test_running_extremes_with_ties_and_nan(shape, dim, steps):
    x = RNG.integers(0, steps, shape).astype("float32")
    x[RNG.random(shape) < 0.001] = nan
    for name, extreme in [("cummax", np.maximum), ("cummin", np.minimum)]:
        expected = extreme.accumulate(x, dim)
        for view in (dlcore.from_numpy(x), dlcore.from_numpy(np.asfortranarray(x))):
            values, indices = same_bits(lambda view=view, name=name: getattr(dlcore, name)(view, dim))
            np.testing.assert_array_equal(values.numpy(), expected)
            # The last of the elements so far that are as extreme: of NaN the last, too.
            is_it = (x == expected) | np.isnan(x)
            last = np.maximum.accumulate(np.where(is_it, np.indices(shape)[dim], 0), dim)
            np.testing.assert_array_equal(indices.numpy(), last)
    assert dlcore.zeros(0).cummax(0).values.shape == (0,)
    assert dlcore.tensor([True, False]).cummin(0).values.tolist() == [True, False]
    assert dlcore.tensor(2.0).cummax(0).indices.item() == 0


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint64", "bool"])
def test_runs_of_equals(dtype):
    x = np.repeat(RNG.integers(0, 3, 900), RNG.integers(1, 4, 900)).astype(dtype)
    starts = np.flatnonzero(np.append(True, x[1:] != x[:-1]))
    for tensor in (dlcore.from_numpy(x), dlcore.from_numpy(np.repeat(x, 2))[::2]):
        values, inverse, counts = tensor.unique_consecutive(return_inverse=True, return_counts=True)
        np.testing.assert_array_equal(values.numpy(), x[starts])
        assert values.dtype == tensor.dtype
        np.testing.assert_array_equal(values[inverse].numpy(), x)
        np.testing.assert_array_equal(counts.numpy(), np.diff(starts, append=x.size))
        assert tensor.unique_consecutive(return_counts=True)[1].tolist() == counts.tolist()


def test_runs_at_the_edges():
    x = dlcore.tensor([[0.0, -0.0], [nan, nan]])
    values, inverse = x.unique_consecutive(return_inverse=True)
    np.testing.assert_array_equal(values.numpy(), [0.0, nan, nan])
    assert not np.signbit(values.numpy()[0])
    assert inverse.tolist() == [[0, 0], [1, 2]]
    empty = dlcore.zeros(0, dtype=dlcore.int64).unique_consecutive(return_inverse=True, return_counts=True)
    assert [part.shape for part in empty] == [(0,)] * 3
    assert dlcore.tensor(4).unique_consecutive().tolist() == [4]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_counts_between_edges(dtype):
    x = np.concatenate([RNG.standard_normal(4000), np.arange(-2, 2.5, 0.5), [nan, inf, -inf]]).astype(dtype)
    tensor = dlcore.from_numpy(np.repeat(x, 2))[::2]
    for low, high, bins in [(-2, 2, 8), (-1, 0.5, 3), (5, 6, 1)]:
        counted = tensor.histc(bins, low, high)
        np.testing.assert_array_equal(counted.numpy(), np.histogram(x.astype(float), bins, (low, high))[0])
        assert counted.dtype == tensor.dtype
    for edges in ([-2, -1.5, -1, 0], [-2, 1, 1, 1.5], [-inf, 0, inf], [0, 100, 100.5]):
        edges = np.array(edges, dtype)
        inside = x[(x >= edges[0]) & (x <= edges[-1])]
        places = np.minimum(np.searchsorted(edges, inside, "right") - 1, len(edges) - 2)
        counted = tensor.histogram(dlcore.from_numpy(edges)).hist
        np.testing.assert_array_equal(counted.numpy(), np.bincount(places, minlength=len(edges) - 1).astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8"])
def test_bounds_that_are_tensors(dtype):
    x, low, high = ((9 * RNG.random(shape)).astype(dtype) for shape in [(30, 40), (40,), (30, 1)])
    a, b, c = (dlcore.from_numpy(y) for y in (x, low, high))
    np.testing.assert_array_equal(a.clamp(b, c).numpy(), np.minimum(np.maximum(x, low), high))
    np.testing.assert_array_equal(a.clamp(min=b).numpy(), np.maximum(x, low))
    np.testing.assert_array_equal(a.clamp(max=c).numpy(), np.minimum(x, high))
    np.testing.assert_array_equal(a.t().clamp(max=c.t()).numpy(), np.minimum(x, high).T)
    assert a.clamp(b.double(), c).dtype == dlcore.promote_types(a.dtype, dlcore.float64)


def test_bounds_and_nan_and_equals():
    values = [nan, -1.0, 0.0, 1.0, inf]
    for x, low, high in itertools.product(values, values, values):
        tensors = [dlcore.tensor([y], requires_grad=True) for y in (x, low, high)]
        kept = tensors[0].clamp(tensors[1], tensors[2])
        expected = np.minimum(np.maximum(x, low), high)
        np.testing.assert_array_equal(kept.detach().numpy(), [expected])
        kept.backward(dlcore.ones(1))
        grads = [tensor.grad.item() for tensor in tensors]
        # As in PyTorch: of what is not a number, and of bounds that are equal, nothing goes anywhere.
        assert grads == [low <= x <= high, x < low < high, x > high or high < low]
    assert dlcore.tensor([True, False]).clamp(min=dlcore.tensor(True)).tolist() == [True, True]
    with pytest.raises(dlcore.ShapeError, match="clamp"):
        dlcore.zeros(2).clamp(dlcore.zeros(3))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_numbers_in_place_of_what_is_none(dtype):
    x = np.array([nan, inf, -inf, 1.5, -0.0], dtype)
    for given in [{}, {"nan": 0.1, "posinf": 3.0}, {"neginf": nan, "posinf": -inf}]:
        leaf = dlcore.from_numpy(x.copy()).requires_grad_()
        got = leaf.nan_to_num(**given)
        np.testing.assert_array_equal(got.detach().numpy(), np.nan_to_num(x, **given))
        got.sum().backward()
        assert leaf.grad.tolist() == [0, 0, 0, 1, 1]
    assert dlcore.tensor([3]).nan_to_num().tolist() == [3]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_mantissas_and_exponents_are_those_of_numpy(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([0.0, -0.0, 1.0, -3.7, inf, -inf, nan, tiny, -3 * tiny, np.finfo(dtype).max], dtype)
    for tensor in (dlcore.from_numpy(x), dlcore.from_numpy(np.repeat(x, 3))[::3]):
        mantissa, exponent = tensor.frexp()
        expected = np.frexp(x)
        np.testing.assert_array_equal(mantissa.numpy(), expected[0])
        np.testing.assert_array_equal(np.signbit(mantissa.numpy()), np.signbit(expected[0]))
        np.testing.assert_array_equal(exponent.numpy()[np.isfinite(x)], expected[1][np.isfinite(x)])
        assert exponent.dtype == dlcore.int32
    with pytest.raises(dlcore.DTypeError, match="frexp"):
        dlcore.frexp(dlcore.tensor([1]))


@pytest.mark.parametrize("shape", [(1,), (7,), (1000,), (9, 40), (3, 4, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int16"])
def test_middles_and_their_places(shape, dtype):
    x = RNG.integers(0, 30, shape).astype(dtype)
    for dim in range(len(shape)):
        tensor = dlcore.from_numpy(x)
        order = np.argsort(x, dim, kind="stable")
        place = np.take(order, (shape[dim] - 1) // 2, dim)
        for found in (tensor.median(dim), tensor.nanmedian(dim), same_bits(lambda t=tensor, d=dim: t.median(d))):
            np.testing.assert_array_equal(found[1].numpy(), place)
            np.testing.assert_array_equal(found[0].numpy(), np.take(np.sort(x, dim), (shape[dim] - 1) // 2, dim))
        last = tensor.kthvalue(shape[dim], dim, keepdim=True)
        np.testing.assert_array_equal(last.indices.numpy(), np.take(order, [-1], dim))
    assert tensor.median().item() == np.sort(x.ravel())[(x.size - 1) // 2]


def test_middles_among_nan():
    x = dlcore.tensor([[3.0, nan, 1.0, 2.0], [nan, nan, nan, nan], [4.0, 1.0, 1.0, 0.0]], requires_grad=True)
    values, indices = x.median(1)
    np.testing.assert_array_equal(values.detach().numpy(), [nan, nan, 1.0])
    assert indices.tolist() == [1, 0, 1]
    values, indices = x.nanmedian(1)
    np.testing.assert_array_equal(values.detach().numpy(), [2.0, nan, 1.0])
    assert indices.tolist() == [3, 0, 1]
    values.sum().backward()
    assert x.grad.tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]
    assert dlcore.zeros(2, 3, 0).median(0).values.shape == (3, 0)
    for function in (dlcore.median, dlcore.nanmedian):
        with pytest.raises(IndexError, match="dimension 0 has no elements"):
            function(dlcore.zeros(0, 3), 0)


def test_whole_powers_in_float64():
    x = dlcore.tensor([-1.5, 0.0, 3.0, inf, nan], requires_grad=True)
    for power in (2, 3, 2.5, -1):
        got = dlcore.float_power(x, power)
        with np.errstate(all="ignore"):
            expected = np.float_power(x.detach().numpy(), power)
        assert got.dtype == dlcore.float64
        np.testing.assert_allclose(got.detach().numpy(), expected, rtol=1e-15)
    y = dlcore.tensor([1.5, 2.0], dtype=dlcore.float64, requires_grad=True)
    exponent = dlcore.tensor(2.0, dtype=dlcore.float64, requires_grad=True)
    assert gradcheck(dlcore.float_power, (y, exponent))
    assert gradcheck(lambda y: dlcore.float_power(y, 3), (y,))


@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (3, 7), (7, 3), (0, 4), (4, 0)])
@pytest.mark.parametrize("offset", [0, 2, -2, 9, -9])
def test_indices_of_triangles(rows, columns, offset):
    for name in ("tril", "triu"):
        got = getattr(dlcore, f"{name}_indices")(rows, columns, offset)
        expected = np.nonzero(getattr(np, name)(np.ones((rows, columns)), offset))
        np.testing.assert_array_equal(got.numpy(), expected)


def test_vector_products():
    a, b = RNG.standard_normal((2, 5, 3, 4))
    got = dlcore.linalg.cross(dlcore.from_numpy(a), dlcore.from_numpy(b), dim=1)
    np.testing.assert_allclose(got.numpy(), np.cross(a, b, axis=1), rtol=1e-12)
    wide = dlcore.linalg.cross(dlcore.from_numpy(a[:1]), dlcore.from_numpy(b[..., :1]), dim=1)
    np.testing.assert_allclose(wide.numpy(), np.cross(a[:1], b[..., :1], axis=1), rtol=1e-12)


def test_labels_that_all_count_or_not():
    x = dlcore.from_numpy(RNG.standard_normal((6, 4))).requires_grad_()
    target = dlcore.tensor([0, 3, 1, 1, 2, 0])
    nll = dlcore.nn.functional.nll_loss
    for reduction in ("none", "sum", "mean"):
        weighted = nll(x, target, dlcore.ones(4, dtype=dlcore.float64), reduction=reduction)
        np.testing.assert_allclose(
            nll(x, target, reduction=reduction).detach().numpy(), weighted.detach().numpy(), rtol=1e-12
        )
    assert gradcheck(lambda x: nll(x, target), (x,))
    assert nll(x, target, ignore_index=1).item() == pytest.approx(
        -x.detach().numpy()[[0, 1, 4, 5], [0, 3, 2, 0]].mean()
    )
