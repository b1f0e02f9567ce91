"""Broadcasting, promotion and chains of views, beside numpy: thousands of random cases."""

import math

import dlcore
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays

SIGNED, UNSIGNED = ["int8", "int16", "int32", "int64"], ["uint8", "uint16", "uint32"]
# Pairs of dtypes whose common one the array API standard defines, as numpy does.
KINDS = [["bool"], [*SIGNED, *UNSIGNED], [*UNSIGNED, "uint64"], ["float16", "float32", "float64"]]
BINARY = {
    "add": np.add,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "eq": np.equal,
    "lt": np.less,
    "logical_and": np.logical_and,
    "remainder": np.remainder,
    "copysign": np.copysign,
    "atan2": np.arctan2,
}
OF_NUMBERS = {"remainder"}  # not of bool
OF_FLOATS = {"copysign", "atan2"}  # of integers numpy computes in another float dtype


@st.composite
def arranged(draw, shape, dtype):
    """An array of a shape whose elements lie in another order, apart, backwards or on one another."""
    order = draw(st.permutations(range(len(shape))))
    steps = draw(st.lists(st.sampled_from([1, 1, 2, -1]), min_size=len(shape), max_size=len(shape)))
    shared = draw(st.lists(st.sampled_from([False, False, False, True]), min_size=len(shape), max_size=len(shape)))
    extents = [1 if one else extent * abs(step) for extent, step, one in zip(shape, steps, shared, strict=True)]
    values = draw(st.integers(0, 2**32 - 1).map(np.random.default_rng)).integers(0, 6, [extents[d] for d in order])
    memory = values.astype(dtype).transpose(np.argsort(order))
    strided = memory[tuple(slice(None, None, 1 if one else step) for step, one in zip(steps, shared, strict=True))]
    return np.broadcast_to(strided, shape)


@st.composite
def pairs(draw):
    """Two arrays that broadcast, of dtypes of one kind, under another order of their elements each."""
    shapes = draw(arrays.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4, min_side=0)).input_shapes
    kind = draw(st.sampled_from(KINDS))
    return [draw(arranged(shape, draw(st.sampled_from(kind)))) for shape in shapes]


def same(got, expected):
    assert str(got.dtype) == f"dlcore.{expected.dtype}"
    assert got.shape == expected.shape
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-3 if expected.dtype == np.float16 else 1e-6)


def given_to(function, kind):
    return not (function in OF_NUMBERS and kind == "b") and not (function in OF_FLOATS and kind != "f")


@settings(max_examples=1000, deadline=None)
@given(pairs(), st.sampled_from(sorted(BINARY)))
def test_two_arrays(pair, function):
    if not given_to(function, np.result_type(*pair).kind) or (
        function == "remainder" and not np.broadcast_arrays(*pair)[1].all()
    ):
        function = "add"
    with np.errstate(all="ignore"):
        expected = BINARY[function](*pair)
    a, b = map(dlcore.from_numpy, pair)
    same(getattr(dlcore, function)(a, b), expected)
    assert dlcore.result_type(a, b) == dlcore.promote_types(a.dtype, b.dtype)
    assert str(dlcore.result_type(a, b)) == f"dlcore.{np.result_type(*pair)}"
    both = dlcore.broadcast_tensors(a, b)
    for tensor, array in zip(both, np.broadcast_arrays(*pair), strict=True):
        same(tensor, array)
    same(dlcore.where(both[0] > both[1], a, b), np.where(np.greater(*pair), *pair))


@settings(max_examples=500, deadline=None)
@given(pairs(), st.integers(0, 5) | st.booleans() | st.sampled_from([0.5, -2.0, math.inf, math.nan]))
def test_numbers_of_python_are_weak(pair, number):
    array, x = pair[0], dlcore.from_numpy(pair[0])
    with np.errstate(all="ignore"):
        expected = np.multiply(array, number)
    if isinstance(number, float) and array.dtype.kind != "f":
        expected = expected.astype(np.float32)  # the default dtype, which is another in numpy
    same(x * number, expected)
    same(number * x, expected)


@settings(max_examples=300, deadline=None)
@given(pairs())
def test_in_place_results_keep_their_dtype_and_shape(pair):
    a, b = pair
    x = dlcore.tensor(a)
    expected = a.copy()
    if np.broadcast_shapes(a.shape, b.shape) == a.shape:
        np.add(a, b, out=expected, casting="unsafe")
        assert x.add_(dlcore.from_numpy(b)) is x
    else:
        with pytest.raises(dlcore.ShapeError):
            x.add_(dlcore.from_numpy(b))
    same(x, expected)


@st.composite
def steps_of_views(draw, shape):
    """One step from a tensor of a shape to a view of it: what dlcore does, and numpy."""
    kinds = ["unsqueeze", "permute", "index"]
    kinds += ["squeeze"] * (1 in shape) + ["unflatten", "unfold", "select"] * (0 not in shape and len(shape) > 0)
    kinds += ["diagonal", "flatten", "chunk"] * (len(shape) > 1 and 0 not in shape)
    kind = draw(st.sampled_from(kinds))
    dim = draw(st.integers(0, max(len(shape) - 1, 0)))
    if kind == "unsqueeze":
        return lambda x: x.unsqueeze(dim), lambda a: np.expand_dims(a, dim)
    if kind == "permute":
        order = draw(st.permutations(range(len(shape))))
        return lambda x: x.permute(order), lambda a: a.transpose(order)
    if kind == "squeeze":
        dim = shape.index(1)
        return lambda x: x.squeeze(dim), lambda a: np.squeeze(a, dim)
    if kind == "select":
        at = draw(st.integers(-shape[dim], shape[dim] - 1))
        return lambda x: x.select(dim, at), lambda a: np.asarray(a)[(slice(None),) * dim + (at, ...)]
    if kind == "unfold":
        size, step = draw(st.integers(1, shape[dim])), draw(st.integers(1, 2))
        windows = np.lib.stride_tricks.sliding_window_view
        return (
            lambda x: x.unfold(dim, size, step),
            lambda a: windows(a, size, dim, writeable=True)[(slice(None),) * dim + (slice(None, None, step),)],
        )
    if kind == "unflatten":
        parts = draw(st.sampled_from([(1, -1), (-1, 1)]))
        return (
            lambda x: x.unflatten(dim, parts),
            lambda a: np.expand_dims(a, dim if parts[0] == 1 else dim + 1),
        )
    if kind == "diagonal":
        offset = draw(st.integers(-1, 1))
        return lambda x: x.diagonal(offset, 0, -1), lambda a: _writable(a.diagonal(offset, 0, -1))
    if kind == "flatten":
        return lambda x: x.flatten(0, 1), lambda a: a.reshape(-1, *a.shape[2:])
    if kind == "chunk":
        return lambda x: x.chunk(2, dim)[0], lambda a: a[(slice(None),) * dim + (slice((a.shape[dim] + 1) // 2),)]
    key = draw(arrays.basic_indices(shape, max_dims=6, allow_newaxis=True))
    key = key if isinstance(key, tuple) else (key,)
    key = key if Ellipsis in key else (*key, ...)  # so that numpy gives a view also of no dimensions
    return lambda x: x[key], lambda a: a[key]


def _writable(array):
    array.flags.writeable = True  # numpy lends diagonals to be read
    return array


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_chains_of_views(data):
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=4, max_side=5))
    base = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    tensor, array = dlcore.from_numpy(base), base
    for _ in range(data.draw(st.integers(1, 5))):
        ours, numpys = data.draw(steps_of_views(array.shape))
        x, a = ours(tensor), numpys(array)
        assert x.shape == a.shape
        np.testing.assert_array_equal(x.numpy(), a)
        if not a.size or not np.shares_memory(a, base):
            return  # nothing to see, or flattened into a copy
        assert x.data_ptr() == a.__array_interface__["data"][0]
        strides = zip(x.stride(), a.strides, a.shape, strict=True)
        assert all(ours * a.itemsize == numpys for ours, numpys, extent in strides if extent > 1)
        tensor, array = x, a
    tensor.mul_(-1) if np.unique(array).size == array.size else tensor.sum()
    assert np.shares_memory(tensor.numpy(), base)
    np.testing.assert_array_equal(tensor.numpy(), array)
