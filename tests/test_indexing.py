"""Reading and writing ``x[...]`` against numpy, views that alias, gradients, and what in-place writes may not do."""

import dlcore
import numpy as np
import pytest
from dlcore import GradientError, ShapeError
from hypothesis import assume, given, settings, strategies as st

shapes = st.lists(st.integers(0, 5), min_size=0, max_size=4).map(tuple)


def counted(shape, dtype=np.float64):
    return np.arange(1, int(np.prod(shape)) + 1, dtype=dtype).reshape(shape)


def whole(draw, extent):
    return draw(st.integers(-extent, extent - 1))


@st.composite
def basic_keys(draw, shape):
    """An index of ints, slices, None and at most one Ellipsis that fits `shape`."""
    items = []
    for extent in shape[: draw(st.integers(0, len(shape)))]:
        if extent and draw(st.booleans()):
            items.append(whole(draw, extent))
        else:
            ends = st.none() | st.integers(-7, 7) | st.sampled_from([-(2**63), 2**62])
            items.append(slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, 3, -1, -2, -5, 2**40]))))
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(items)))
        items.insert(at, Ellipsis)
        # What stands after the dots counts from the last dimension: leave it only where it still fits.
        if any(isinstance(item, int) for item in items[at:]):
            items.pop(at)
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


@st.composite
def arrays_and_basic_keys(draw):
    shape = draw(shapes)
    return counted(shape), draw(basic_keys(shape))


@st.composite
def arrays_and_advanced_keys(draw):
    """Index arrays that broadcast against each other, side by side, with slices before and after them."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    start = draw(st.integers(0, len(shape) - 1))
    stop = draw(st.integers(start + 1, len(shape)))
    common = draw(st.sampled_from([(1,), (3,), (2, 3), (0,)]))
    key = [slice(None, None, draw(st.sampled_from([1, -1, 2]))) for _ in range(start)]
    for extent in shape[start:stop]:
        own = draw(st.sampled_from([common, common[-1:], tuple(1 for _ in common)]))
        count = int(np.prod(own))
        values = draw(st.lists(st.integers(-extent, extent - 1), min_size=count, max_size=count))
        key.append(np.array(values, dtype=np.int64).reshape(own))
    return counted(shape), tuple(key)


@st.composite
def arrays_and_masks(draw):
    shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple))
    start = draw(st.integers(0, len(shape) - 1))
    stop = draw(st.integers(start + 1, len(shape)))
    count = int(np.prod(shape[start:stop]))
    mask = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=bool)
    return counted(shape), (slice(None),) * start + (mask.reshape(shape[start:stop]),)


def ours(key):
    """The same index with tensors for arrays."""
    if isinstance(key, tuple):
        return tuple(ours(item) for item in key)
    return dlcore.tensor(key) if isinstance(key, np.ndarray) else key


@settings(max_examples=150, deadline=None)
@given(arrays_and_basic_keys())
def test_basic_indexing_reads_a_view(case):
    array, key = case
    base = dlcore.tensor(array)
    view, expected = base[key], array[key]
    assert view.shape == np.shape(expected)
    np.testing.assert_array_equal(view.numpy(), expected)
    if view.numel():
        # Written through either, seen through both.
        view.fill_(-1.0)
        reference = array.copy()
        reference[key] = -1.0
        np.testing.assert_array_equal(base.numpy(), reference)
        base.zero_()
        assert not view.any().item()


@settings(max_examples=100, deadline=None)
@given(arrays_and_basic_keys(), st.booleans())
def test_basic_indexing_writes(case, scalar):
    array, key = case
    base = dlcore.tensor(array)
    value = 7 if scalar else -counted(np.shape(array[key]))
    base[key] = value if scalar else dlcore.tensor(value)
    array[key] = value
    np.testing.assert_array_equal(base.numpy(), array)


@settings(max_examples=100, deadline=None)
@given(arrays_and_advanced_keys() | arrays_and_masks())
def test_index_tensors_and_masks_read_a_copy(case):
    array, key = case
    base = dlcore.tensor(array)
    picked = base[ours(key)]
    assert picked.shape == array[key].shape
    np.testing.assert_array_equal(picked.numpy(), array[key])
    picked.fill_(-1.0)
    np.testing.assert_array_equal(base.numpy(), array)


@settings(max_examples=100, deadline=None)
@given(arrays_and_advanced_keys() | arrays_and_masks(), st.booleans())
def test_index_tensors_and_masks_write(case, scalar):
    array, key = case
    base = dlcore.tensor(array)
    positions = np.arange(array.size).reshape(array.shape)[key]
    assume(scalar or np.unique(positions).size == positions.size)  # which of two values wins is not specified
    value = 7.0 if scalar else -counted(array[key].shape)
    base[ours(key)] = value if scalar else dlcore.tensor(value)
    array[key] = value
    np.testing.assert_array_equal(base.numpy(), array)


@pytest.mark.parametrize(
    "key",
    [
        np.s_[[0, 2]],
        np.s_[[0, 2], [1, 0]],
        np.s_[:, [1, 2, 1]],
        np.s_[..., [0, 1]],
        np.s_[[True, False, True]],
        np.s_[1, [0, 1]],
        np.s_[None, [0, 1], ::-1],
        np.s_[[[0], [1]], [0, 3]],
        np.s_[[0, 1], :, [1, 2]],
        np.s_[[], :],
        np.s_[True],
        np.s_[False],
        np.s_[np.int32(1)],
        np.s_[np.array([1, 0], dtype=np.int32)],
        np.s_[np.array([1, 0], dtype=np.uint8)],
        np.s_[range(2), [1, 0]],
        np.s_[:, range(3, 0, -1)],
        np.s_[((0, 2), (1, 1))],
        np.s_[(0, 1),],
        np.s_[range(0)],
    ],
    ids=repr,
)
def test_other_spellings_of_an_index(key):
    array = counted((3, 4, 5))
    np.testing.assert_array_equal(dlcore.tensor(array)[key].numpy(), array[key])
    base = dlcore.tensor(array)
    base[key] = 0.5
    array[key] = 0.5
    np.testing.assert_array_equal(base.numpy(), array)


def central_differences(function, point, step=1e-6):
    slopes = np.zeros_like(point)
    for at in np.ndindex(point.shape):
        high, low = point.copy(), point.copy()
        high[at] += step
        low[at] -= step
        slopes[at] = (function(high) - function(low)) / (2 * step)
    return slopes


KEYS = {
    "int": np.s_[1],
    "slice": np.s_[::-2, 1:],
    "new axis": np.s_[None, ..., 0],
    "index tensor, twice the same": np.s_[:, dlcore.tensor([0, 0, 2])],
    "index tensors": np.s_[dlcore.tensor([[0], [2]]), dlcore.tensor([1, 3])],
    "mask": np.s_[dlcore.tensor([True, False, True])],
    "nothing": np.s_[1:1],
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_gradient_of_reading(key):
    point = np.random.default_rng(1).standard_normal((3, 4))
    x = dlcore.tensor(point, requires_grad=True)
    picked = x[key]
    weights = dlcore.tensor(np.random.default_rng(2).standard_normal(picked.shape))
    (picked * picked * weights).sum().backward()
    expected = central_differences(lambda p: (dlcore.tensor(p)[key] ** 2 * weights).sum().item(), point)
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-8)


@pytest.mark.parametrize(
    "key", [k for n, k in KEYS.items() if "twice" not in n], ids=[n for n in KEYS if "twice" not in n]
)
def test_gradient_of_writing(key):
    generator = np.random.default_rng(3)
    point = generator.standard_normal((3, 4))
    put = generator.standard_normal(dlcore.tensor(point)[key].shape)
    weights = dlcore.tensor(generator.standard_normal((3, 4)))

    def written(p, v):
        x = p * 1.0
        x[key] = v * 2.0
        return (x * x * weights).sum()

    p, v = dlcore.tensor(point, requires_grad=True), dlcore.tensor(put, requires_grad=True)
    written(p, v).backward()
    plain = dlcore.tensor
    into = central_differences(lambda q: written(plain(q), plain(put)).item(), point)
    np.testing.assert_allclose(p.grad.numpy(), into, atol=1e-8)
    np.testing.assert_allclose(
        v.grad.numpy(), central_differences(lambda q: written(plain(point), plain(q)).item(), put), atol=1e-8
    )


def test_overlapping_source_and_target():
    array = counted((9,))
    base = dlcore.tensor(array)
    base[1:] = base[:-1]
    expected = array.copy()
    expected[1:] = array[:-1]
    np.testing.assert_array_equal(base.numpy(), expected)
    base = dlcore.tensor(array)
    base[:] = base[::-1]
    np.testing.assert_array_equal(base.numpy(), array[::-1])
    square = dlcore.tensor(counted((5, 5)))
    square.copy_(square.T)
    np.testing.assert_array_equal(square.numpy(), counted((5, 5)).T)
    base = dlcore.tensor(array)
    base[1:].add_(base[:-1])
    np.testing.assert_array_equal(base.numpy(), array + np.append(0, array[:-1]))
    square.add_(square.T)
    np.testing.assert_array_equal(square.numpy(), counted((5, 5)) + counted((5, 5)).T)


def test_augmented_assignment_through_an_index():
    base = dlcore.zeros(2, 3)
    base[0] += 1
    base[:, 1] *= 5
    base[dlcore.tensor([1]), dlcore.tensor([2])] -= 2
    assert base.tolist() == [[1, 5, 1], [0, 0, -2]]


def test_views_of_views_and_of_arrays_alias():
    array = np.zeros((4, 6), dtype=np.float32)
    tensor = dlcore.from_numpy(array)
    tensor[1:].T[::2][0, -1] = 3.0
    assert array[3, 0] == 3.0
    array[2, 2] = 5.0
    assert tensor[2:3, 2].item() == 5.0
    assert tensor.reshape(2, 12)[1, 2].item() == 5.0
    row = next(iter(tensor))
    row += 1
    assert array[0].tolist() == [1] * 6


def test_a_leaf_is_written_only_without_recording():
    x = dlcore.zeros(3, requires_grad=True)
    with pytest.raises(GradientError, match="leaf"):
        x[0] = 1.0
    with dlcore.no_grad():
        x[0] = 1.0
    assert x.tolist() == [1, 0, 0]
    assert x.requires_grad
    assert x.is_leaf


def test_recorded_writes_through_an_index():
    w = dlcore.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=dlcore.float64, requires_grad=True)
    x = w * 1
    x[0] *= 2
    x[:, 1] += w[:, 0]
    x[1][2].mul_(7)
    x[1, ::2].neg_()
    x[0, 0].zero_()
    last = x[:, 2]
    last -= 1
    assert x.tolist() == [[0, 5, 5], [-4, 9, -43]]
    weights = dlcore.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=dlcore.float64)
    ((x * weights).sum() + last.sum()).backward()
    assert w.grad.tolist() == [[2, 4, 8], [-4 + 5, 5, -42 - 7]]

    out = dlcore.zeros(2, 3, dtype=dlcore.float64)
    out[1] += w[0]
    out[0].copy_(w[1] * w[1])
    assert out.requires_grad
    w.grad = None
    out.sum().backward()
    assert w.grad.tolist() == [[1, 1, 1], [8, 10, 12]]
    with pytest.raises(GradientError, match="in-place write to a leaf"):
        w[0] += 1
    with dlcore.no_grad():
        w[0] += 1
    assert w.tolist()[0] == [2, 3, 4]


def test_recorded_writes_to_a_view_that_is_all_that_is_left():
    w = dlcore.arange(6.0).requires_grad_()
    x = (w * 1).reshape(2, 3)
    x += 1
    x[1] *= 2
    x[:, 0].add_(w[:2])
    (x * dlcore.arange(6.0).reshape(2, 3)).sum().backward()
    assert w.grad.tolist() == [0 + 0, 1 + 3, 2, 6, 8, 10]
    y = (w * 1).reshape(2, 3).T
    y *= 2
    assert y.tolist() == [[0, 6], [2, 8], [4, 10]]
    y[0] += w[:2]  # its own memory is not row-major
    w.grad = None
    (y * dlcore.arange(6.0).reshape(3, 2)).sum().backward()
    assert w.grad.tolist() == [0 + 0, 4 + 1, 8, 2, 6, 10]


def test_recorded_assignments_cost_what_they_write():
    w = dlcore.ones(100, requires_grad=True)
    out = dlcore.zeros(2000, 100)
    dlcore.memory.reset_peak()
    before = dlcore.memory.stats()["live_bytes"]
    for i in range(0, 2000, 100):
        out[i] = w * i
    assert dlcore.memory.stats()["peak_bytes"] - before < out.nbytes / 4
    out.sum().backward()
    assert w.grad[0].item() == sum(range(0, 2000, 100))


def test_views_of_views_without_end():
    x = dlcore.zeros(2)
    for _ in range(100_000):
        x = x[:]
    del x  # all at once


@settings(max_examples=200, deadline=None)
@given(arrays_and_basic_keys(), st.booleans())
def test_recorded_writes_through_any_index(case, outer):
    array, key = case
    w, v = dlcore.tensor(array, requires_grad=True), dlcore.tensor(2.0, dtype=dlcore.float64, requires_grad=True)
    x = w * 1
    if outer:
        x[...][key].mul_(3)
        x[key] += v
    else:
        view = x[key]
        view *= 3
        view += v
    positions = np.arange(array.size).reshape(array.shape)[key]
    weights = counted(array.shape)
    x.backward(dlcore.tensor(weights))
    factor = np.ones(array.size)
    factor[positions] = 3
    np.testing.assert_array_equal(w.grad.numpy().ravel(), factor * weights.ravel())
    assert v.grad.item() == weights.ravel()[positions].sum()


def test_values_that_do_not_fit():
    x = dlcore.zeros(2, 3)
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        x[0] = dlcore.ones(2)
    x[0] = dlcore.ones(1, 1, 3)  # leading ones are no obstacle, as in numpy
    assert x.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_a_value_of_another_dtype_is_converted():
    x = dlcore.zeros(2, dtype=dlcore.int64)
    x[0] = 2.9
    x[1] = True
    assert x.tolist() == [2, 1]


def test_a_tensor_of_one_number_selects_a_view():
    x = dlcore.zeros(2, 3, 4)
    x[dlcore.tensor(1)].fill_(1.0)
    assert x.sum(dim=(1, 2)).tolist() == [0, 12]
    assert x[dlcore.tensor(0), :, dlcore.tensor([1, 2])].shape == (3, 2)  # not (2, 3): it is no index array
    assert x[np.array(-1), 0].data_ptr() == x[1, 0].data_ptr()
    with pytest.raises(IndexError, match="index 2 is out of range for dimension 0 of size 2"):
        x[dlcore.tensor(2)]


def test_slices_are_python_s_own():
    x = dlcore.arange(5)
    assert x[: 10**30].tolist() == x[-(10**30) :].tolist() == [0, 1, 2, 3, 4]
    assert x[10**30 :].tolist() == x[: -(10**30)].tolist() == []
    assert x[10**30 :: -2].tolist() == [4, 2, 0]
    assert x[dlcore.tensor(1) : np.int64(3)].tolist() == [1, 2]
    with pytest.raises(TypeError, match="slice indices must be integers"):
        x[1.0:]  # type: ignore[misc]
    with pytest.raises(ValueError, match="step must not be zero"):
        x[::0]


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(
    "key", [[0, 1], dlcore.tensor([True, True, False]), (dlcore.tensor([0, 1]),), dlcore.tensor([0, 1])]
)
def test_assignment_ignores_leading_ones_for_indices_and_masks(key, recorded):
    x = dlcore.zeros(3)
    value = dlcore.tensor([[[1.0, 2.0]]], requires_grad=recorded)
    x[key] = value
    assert x.tolist() == [1.0, 2.0, 0.0]


def test_assignment_to_rows_and_masks_of_two_dimensions_ignores_leading_ones():
    x = dlcore.zeros(2, 2)
    x[[0]] = dlcore.tensor([[[1.0, 2.0]]])
    assert x.tolist() == [[1.0, 2.0], [0.0, 0.0]]
    x[dlcore.tensor([[False, False], [True, True]])] = dlcore.tensor([[3.0, 4.0]])
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(ShapeError):
        x[[0, 1]] = dlcore.ones(2, 1, 2)
