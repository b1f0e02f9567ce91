"""Indices of all kinds at once, read, written, accumulated and differentiated, against numpy.

Ints, slices, new axes and dots select a view first, index tensors and masks then pick from it, as in PyTorch: numpy
counts an int among the index arrays, which moves their dimensions to the front when something stands between them.
"""

import dlcore
import numpy as np
from hypothesis import assume, given, settings, strategies as st

ends = st.none() | st.integers(-6, 6)
slices = st.builds(slice, ends, ends, st.sampled_from([None, 1, 2, 3, -1, -2]))
WHOLE = slice(None)


@st.composite
def indices(draw, tensors_only=False):
    """A shape, an index, and the position of every element that it means, which is all there is to say of it."""
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=5)))
    # Index tensors broadcast to this; a mask, which is 1-d by the number of its true entries, meets numbers only.
    common = draw(st.sampled_from([(), (), (1,), (2,), (3, 1), (2, 3), (0,)]))
    masks = 1 if common == () else 0
    end = draw(st.integers(0, len(shape)))
    dots = None if tensors_only else draw(st.none() | st.integers(0, end))
    key, view, picks, dim, skipped, axes = [], [], [], 0, 0, 2
    while dim < end:
        if dots is not None and dim >= dots:
            dots, skipped = None, len(shape) - end
            key.append(...)
            view += [WHOLE] * skipped
            picks += [WHOLE] * skipped
        at, rank = dim + skipped, 1
        extent = shape[at]
        kinds = (
            ["ints", "ints", "ints", "mask"] if tensors_only else ["int", "ints", "ints", "mask", "slice", "new axis"]
        )
        kind = draw(st.sampled_from(kinds if extent else kinds[-1:]))
        if kind == "ints":
            own = draw(st.sampled_from([common, common[-1:], (1,) * len(common)]))
            entry = np.array([draw(st.integers(-extent, extent - 1)) for _ in range(int(np.prod(own)))], dtype=int)
            entry = entry.reshape(own)
        elif kind == "mask" and masks:
            masks -= 1
            rank = draw(st.integers(1, 2)) if dim + 1 < end and dots is None else 1
            entry = np.array(draw(st.lists(st.booleans(), min_size=64, max_size=64)), dtype=bool)
            entry = entry[: int(np.prod(shape[at : at + rank]))].reshape(shape[at : at + rank])
        elif kind == "int":
            entry = draw(st.integers(-extent, extent - 1))
        elif kind == "new axis" and axes:
            entry, rank, axes = None, 0, axes - 1
        else:
            entry = draw(slices)
        key.append(entry)
        dim += rank
        if isinstance(entry, np.ndarray) and entry.ndim == 0:
            view.append(entry.item())  # a tensor of one number is an int
        elif isinstance(entry, np.ndarray):
            view += [WHOLE] * rank
            picks.append(entry)
        else:
            view.append(entry)
            picks += [] if kind == "int" else [WHOLE]
    positions = np.arange(int(np.prod(shape))).reshape(shape)[tuple(view)]
    positions = positions[tuple(picks)] if any(isinstance(p, np.ndarray) for p in picks) else positions
    return shape, tuple(dlcore.tensor(k) if isinstance(k, np.ndarray) else k for k in key), positions


def numbers(shape):
    return np.arange(1.0, int(np.prod(shape)) + 1).reshape(shape)


def flat_sum(positions, values, size):
    return np.bincount(positions.ravel(), values.ravel(), minlength=size)


@settings(max_examples=800, deadline=None)
@given(indices())
def test_reading(case):
    shape, key, positions = case
    x = dlcore.tensor(numbers(shape), requires_grad=True)
    picked = x[key]
    assert picked.shape == positions.shape
    np.testing.assert_array_equal(picked.detach().numpy(), positions + 1.0)
    weights = numbers(positions.shape)
    picked.backward(dlcore.tensor(weights))
    np.testing.assert_array_equal(x.grad.numpy().ravel(), flat_sum(positions, weights, x.numel()))


@settings(max_examples=800, deadline=None)
@given(indices(), st.sampled_from(["number", "one", "all", "view"]))
def test_writing(case, kind):
    shape, key, positions = case
    assume(kind in ("number", "one") or np.unique(positions).size == positions.size)  # which value wins is open
    base = dlcore.tensor(numbers(shape))
    value = {"number": -7.0, "one": np.array(-7.0)}.get(kind, -numbers(positions.shape))
    given = value if kind == "number" else dlcore.tensor(value)
    if kind == "view":
        given = dlcore.tensor(value[..., None].repeat(2, axis=-1))[..., 1]
    base[key] = given
    expected = numbers(shape)
    expected.reshape(-1)[positions] = value
    np.testing.assert_array_equal(base.numpy(), expected)


@settings(max_examples=300, deadline=None)
@given(indices(), st.booleans())
def test_recorded_writing(case, broadcast):
    shape, key, positions = case
    assume(np.unique(positions).size == positions.size)
    x = dlcore.tensor(numbers(shape), requires_grad=True)
    v = dlcore.tensor(np.array(5.0) if broadcast else numbers(positions.shape), requires_grad=True)
    y = x * 1
    y[key] = v * 2
    weights = numbers(shape)
    y.backward(dlcore.tensor(weights))
    kept = np.ones(x.numel())
    kept[positions.ravel()] = 0
    np.testing.assert_array_equal(x.grad.numpy().ravel(), kept * weights.ravel())
    taken = 2 * weights.ravel()[positions]
    np.testing.assert_array_equal(v.grad.numpy(), taken.sum() if broadcast else taken)


@settings(max_examples=300, deadline=None)
@given(indices(tensors_only=True), st.booleans())
def test_putting(case, accumulate):
    shape, key, positions = case
    assume(key and all(isinstance(k, dlcore.Tensor) for k in key))
    assume(accumulate or np.unique(positions).size == positions.size)
    x = dlcore.tensor(numbers(shape), requires_grad=True)
    v = dlcore.tensor(numbers(positions.shape), requires_grad=True)
    y = x.index_put(key, v, accumulate)
    expected = numbers(shape).ravel()
    if accumulate:
        np.add.at(expected, positions, numbers(positions.shape))
    else:
        expected[positions] = numbers(positions.shape)
    np.testing.assert_array_equal(y.detach().numpy().ravel(), expected)
    weights = numbers(shape)
    y.backward(dlcore.tensor(weights))
    kept = np.ones(x.numel())
    if not accumulate:
        kept[positions.ravel()] = 0
    np.testing.assert_array_equal(x.grad.numpy().ravel(), kept * weights.ravel())
    np.testing.assert_array_equal(v.grad.numpy(), weights.ravel()[positions])
