"""Searching and accumulating by order; results into `out=`; numpy's names for dimensions; its arrays among tensors."""

import itertools

import dlcore
import numpy as np
import pytest

RNG = np.random.default_rng(3)
X = RNG.integers(0, 5, (4, 7))


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "int64", "int8", "uint64"])
def test_places_among_sorted_numbers_are_those_of_numpy(right, dtype):
    rows, values = np.sort(X, 1).astype(dtype), RNG.integers(0, 6, (4, 3)).astype(dtype)
    got = dlcore.searchsorted(dlcore.from_numpy(rows), dlcore.from_numpy(values), right=right)
    side = "right" if right else "left"
    expected = [np.searchsorted(row, value, side) for row, value in zip(rows, values, strict=True)]
    np.testing.assert_array_equal(got.numpy(), expected)
    buckets = dlcore.bucketize(dlcore.from_numpy(values), dlcore.from_numpy(rows[0]), right=right, out_int32=True)
    assert buckets.dtype == dlcore.int32
    np.testing.assert_array_equal(buckets.numpy(), np.searchsorted(rows[0], values, side))


def test_an_order_and_a_side_may_be_given():
    unsorted = dlcore.tensor([3.0, 1.0, 2.0])
    assert dlcore.searchsorted(unsorted, 2.0, side="right", sorter=unsorted.argsort()).item() == 2
    with pytest.raises(ValueError, match=r"^searchsorted: .*contradicts"):
        dlcore.searchsorted(unsorted, 2.0, side="left", right=True)
    with pytest.raises(dlcore.ShapeError, match=r"^searchsorted: "):
        dlcore.searchsorted(dlcore.zeros(2, 3), dlcore.zeros(3, 3))


@pytest.mark.parametrize("invert", [False, True])
def test_membership_is_that_of_numpy(invert):
    got = dlcore.isin(dlcore.from_numpy(X), dlcore.tensor([1, 4]), invert=invert)
    np.testing.assert_array_equal(got.numpy(), np.isin(X, [1, 4], invert=invert))
    assert dlcore.isin(dlcore.tensor([1.0, float("nan")]), dlcore.tensor([float("nan"), 1])).tolist() == [True, False]
    assert dlcore.isin(dlcore.tensor([1.0]), dlcore.zeros(0)).tolist() == [False]


def test_the_most_frequent_element():
    values, indices = dlcore.from_numpy(X).mode()
    for row, value, index in zip(X, values.tolist(), indices.tolist(), strict=True):
        counts = np.bincount(row)
        assert value == counts.argmax()
        assert index == np.flatnonzero(row == value)[-1]
    x = dlcore.tensor([[1.0, 2.0, 1.0]], requires_grad=True)
    x.mode(1, keepdim=True).values.sum().backward()
    assert x.grad.tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_running_extremes_are_those_of_numpy(dim, dtype):
    x = X.astype(dtype)
    for function, reference in [(dlcore.cummax, np.maximum), (dlcore.cummin, np.minimum)]:
        values, indices = function(dlcore.from_numpy(x), dim)
        np.testing.assert_array_equal(values.numpy(), reference.accumulate(x, dim))
        np.testing.assert_array_equal(np.take_along_axis(x, indices.numpy(), dim), values.numpy())
    leaf = dlcore.from_numpy(x.astype("float32")).requires_grad_()
    leaf.cummax(dim).values.sum().backward()
    assert leaf.grad.sum() == x.size


@pytest.mark.parametrize("reduce", ["sum", "mean", "prod", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "int32"])
def test_scatter_reduce_one_element_at_a_time(reduce, include_self, dtype):
    x, source = (RNG.integers(1, 5, shape).astype(dtype) for shape in [(3, 4), (3, 9)])
    index = RNG.integers(0, 3, (3, 9))
    got = dlcore.from_numpy(x).scatter_reduce(
        1, dlcore.from_numpy(index), dlcore.from_numpy(source), reduce, include_self=include_self
    )
    for i, j in np.ndindex(x.shape):
        meeting = list(source[i, index[i] == j])
        meeting = [x[i, j], *meeting] if include_self or not meeting else meeting
        mean = np.mean(meeting) if dtype == "float64" else sum(meeting) // len(meeting)
        expected = {"sum": sum(meeting), "mean": mean, "prod": np.prod(meeting)}
        assert got[i, j].item() == pytest.approx(
            expected.get(reduce, max(meeting) if reduce == "amax" else min(meeting))
        )


def test_index_reduce_takes_whole_slices():
    x, source = dlcore.ones(2, 3), dlcore.tensor([[1.0, 5, 2], [3, 4, 6]])
    got = x.index_reduce(0, dlcore.tensor([1, 1]), source, "amax", include_self=False)
    assert got.tolist() == [[1, 1, 1], [3, 5, 6]]
    with pytest.raises(ValueError, match=r"^scatter_reduce: reduce is"):
        dlcore.scatter_reduce(x, 0, dlcore.tensor([[0]]), source, "max")


# --- out= -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda out: dlcore.exp(dlcore.zeros(2), out=out), [1, 1]),
        (lambda out: dlcore.add(dlcore.ones(2), 2, alpha=3, out=out), [7, 7]),
        (lambda out: dlcore.mul(dlcore.ones(2), 2, out=out), [2, 2]),
        (lambda out: dlcore.matmul(dlcore.ones(2, 3), dlcore.ones(3), out=out), [3, 3]),
        (lambda out: dlcore.sum(dlcore.ones(2, 3), 1, out=out), [3, 3]),
        (lambda out: dlcore.cat([dlcore.ones(1), dlcore.zeros(1)], out=out), [1, 0]),
        (lambda out: dlcore.stack([dlcore.tensor(1.0), dlcore.tensor(2.0)], out=out), [1, 2]),
        (lambda out: dlcore.where(dlcore.tensor([True, False]), 1.0, 2.0, out=out), [1, 2]),
        (lambda out: dlcore.cumsum(dlcore.ones(2), 0, out=out), [1, 2]),
        (lambda out: dlcore.round(dlcore.tensor([1.25, 1.75]), decimals=1, out=out), [1.2, 1.8]),
        (lambda out: dlcore.argmax(dlcore.eye(2), 1, out=out), [0, 1]),
    ],
)
def test_results_go_where_they_are_asked_to(call, expected):
    for out in [dlcore.full((2,), 9.0, dtype=dlcore.float64), dlcore.empty(0)]:
        view = out.view(-1)
        assert call(out) is out
        np.testing.assert_allclose(out.tolist(), expected, rtol=1e-6)
        assert not view.numel() or view.tolist() == out.tolist()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: dlcore.exp(dlcore.zeros(2), out=dlcore.zeros(3)), dlcore.ShapeError),
        (lambda: dlcore.exp(dlcore.zeros(2), out=dlcore.zeros(2, dtype=dlcore.int64)), dlcore.DTypeError),
        (lambda: dlcore.exp(dlcore.zeros(2, requires_grad=True), out=dlcore.zeros(2)), dlcore.GradientError),
    ],
)
def test_results_that_do_not_fit_out_are_refused(call, error):
    with pytest.raises(error, match=r"^exp: .*out"):
        call()


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda **out: dlcore.mm(dlcore.ones(2, 3), dlcore.ones(3, 4), **out), (2, 4)),
        (lambda **out: dlcore.addmm(dlcore.ones(4), dlcore.ones(2, 3), dlcore.ones(3, 4), beta=2.0, **out), (2, 4)),
        (lambda **out: dlcore.clamp(dlcore.arange(3.0), 0.5, 1.5, **out), (3,)),
        (lambda **out: dlcore.tril(dlcore.ones(3, 3), -1, **out), (3, 3)),
        (lambda **out: dlcore.gather(dlcore.arange(3.0), 0, dlcore.tensor([2, 0]), **out), (2,)),
        (lambda **out: dlcore.index_select(dlcore.eye(3), 0, dlcore.tensor([2]), **out), (1, 3)),
        (lambda **out: dlcore.atan2(dlcore.ones(2), dlcore.ones(2), **out), (2,)),
        (lambda **out: dlcore.diff(dlcore.arange(4.0) ** 2, **out), (3,)),
    ],
)
def test_functions_that_are_methods_take_out(call, shape):
    for out in [dlcore.zeros(shape), dlcore.empty(0)]:
        assert call(out=out) is out
        assert dlcore.equal(out, call())


def test_several_results_go_to_a_tuple():
    x, out = dlcore.tensor([[3.0, 1.0, 2.0]]), (dlcore.empty(0), dlcore.empty(0), dlcore.empty(1, 1))
    assert dlcore.split_with_sizes(x, [1, 1, 1], 1, out=out) is out
    assert [t.tolist() for t in out] == [[[3]], [[1]], [[2]]]
    with pytest.raises(ValueError, match="split_with_sizes: 1 tensors in out for 3 results"):
        dlcore.split_with_sizes(x, [1, 1, 1], 1, out=dlcore.empty(0))
    with pytest.raises(dlcore.DTypeError, match="gather: expected an out of float32, got float64"):
        dlcore.gather(x, 1, dlcore.tensor([[0]]), out=dlcore.zeros(1, 1, dtype=dlcore.float64))
    with pytest.raises(TypeError, match="mm: out is a tensor"):
        dlcore.mm(x, x.t(), out=[1.0])


# --- numpy's names and numpy's arrays ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["sum", "mean", "prod", "amax", "amin", "logsumexp", "all", "any", "argmax", "argmin", "std"]
)
def test_axis_is_another_name_of_dim(name):
    x = dlcore.from_numpy(X.astype("float32"))
    for function in [lambda **k: getattr(dlcore, name)(x, **k), getattr(x, name)]:
        got, expected = function(axis=1, keepdims=True), function(dim=1, keepdim=True)
        assert got.tolist() == expected.tolist()
    assert x.max(axis=0).values.tolist() == X.max(0).tolist()
    assert dlcore.cat([x, x], axis=1).shape == (4, 14)


def test_arrays_meet_tensors_as_one_of_them():
    x, y = dlcore.tensor([1.0, 2.0]), np.array([3.0, 4.0], "float32")
    for got in [x + y, y + x, y * x, x - y, y / x, x @ y, y @ x, x > y, y > x]:
        assert isinstance(got, dlcore.Tensor)
    assert (y - x).tolist() == [2, 2]
    assert (x + y.astype("float64")).dtype == dlcore.float64
    same, leaf = x, dlcore.tensor([1.0, 2.0], requires_grad=True)
    x += y
    assert same is x
    assert x.tolist() == [4, 6]
    (y * leaf).sum().backward()
    assert leaf.grad.tolist() == [3, 4]


def test_operators_that_write():
    x = dlcore.tensor([12, 10])
    same = x
    x &= 6
    x |= 8
    x ^= 1
    x <<= 2
    x >>= 1
    x //= 3
    x %= 7
    x **= 2
    assert same is x
    assert x.tolist() == [
        ((((((12 & 6) | 8) ^ 1) << 2) >> 1) // 3 % 7) ** 2,
        ((((((10 & 6) | 8) ^ 1) << 2) >> 1) // 3 % 7) ** 2,
    ]


def test_tensors_of_the_same_dtype():
    x = dlcore.zeros(1, dtype=dlcore.float64)
    made = [x.new_zeros(2), x.new_ones((2,)), x.new_empty(2), x.new_full((2,), 7), x.new_tensor([1, 2])]
    assert {t.dtype for t in made} == {dlcore.float64}
    assert made[3].tolist() == [7, 7]
    assert x.new_tensor([1, 2], dtype=dlcore.int8, requires_grad=False).dtype == dlcore.int8
    assert x.new_ones(2, requires_grad=True).requires_grad


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (dlcore.cov, np.cov),
        (
            lambda x: dlcore.cov(
                x, correction=0, fweights=dlcore.tensor([1, 2, 3]), aweights=dlcore.tensor([0.5, 1, 2])
            ),
            lambda x: np.cov(x, ddof=0, fweights=[1, 2, 3], aweights=[0.5, 1, 2]),
        ),
        (dlcore.corrcoef, np.corrcoef),
        (lambda x: dlcore.trapezoid(x, dx=0.5), lambda x: np.trapezoid(x, dx=0.5)),
        (lambda x: dlcore.trapezoid(x, dlcore.tensor([0.0, 1, 4]), dim=1), lambda x: np.trapezoid(x, [0, 1, 4])),
        (lambda x: dlcore.cumulative_trapezoid(x, dim=0)[-1], lambda x: np.trapezoid(x, axis=0)),
        (lambda x: dlcore.vander(x[0], 4), lambda x: np.vander(x[0], 4)),
        (lambda x: dlcore.renorm(x, 1, 0, 2.0).abs().sum(1), lambda x: np.minimum(np.abs(x).sum(1), 2)),
        (
            lambda x: dlcore.stack(dlcore.unravel_index(dlcore.tensor([[0, 7], [23, 10]]), (2, 3, 4))) + 0 * x[0, 0],
            lambda _: np.stack(np.unravel_index([[0, 7], [23, 10]], (2, 3, 4))),
        ),
        (
            lambda x: dlcore.combinations(x[0], 2, with_replacement=True),
            lambda x: list(itertools.combinations_with_replacement(x[0], 2)),
        ),
        (lambda x: dlcore.combinations(x.flatten()[:5], 3), lambda x: list(itertools.combinations(x.flatten()[:5], 3))),
    ],
)
def test_integrals_covariances_and_combinations_are_those_of_numpy(call, expected):
    x = RNG.standard_normal((4, 3))
    np.testing.assert_allclose(call(dlcore.from_numpy(x)).numpy(), expected(x), rtol=1e-6)


def test_membership_among_one_number_is_equality():
    x = dlcore.tensor([1.0, float("nan"), 2.0])
    assert dlcore.isin(x, 2).tolist() == [False, False, True]
    assert dlcore.isin(x, dlcore.tensor([float("nan")]), invert=True).tolist() == [True, True, True]
    assert dlcore.isin(3, dlcore.tensor([[3]])).item()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64", "uint64"])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 16, 17])
def test_short_lines_are_sorted_stably(n, dtype):
    lines = RNG.integers(-2 if dtype[0] != "u" else 0, 4, (1500, n)).astype(dtype)
    if dtype[0] == "f":
        lines[lines == 3] = np.nan
        lines[lines == 0] *= RNG.choice([-1.0, 1.0], (lines == 0).sum())
    order = np.argsort(lines, 1, kind="stable")
    values, positions = dlcore.sort(dlcore.from_numpy(lines), 1, stable=True)
    np.testing.assert_array_equal(positions.numpy(), order)
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(lines, order, 1))
    if dtype[0] == "f":
        np.testing.assert_array_equal(np.signbit(values.numpy()), np.signbit(np.take_along_axis(lines, order, 1)))
    falling = dlcore.sort(dlcore.from_numpy(lines), 1, descending=True).values.numpy()
    np.testing.assert_array_equal(falling, np.take_along_axis(lines, order, 1)[:, ::-1])


@pytest.mark.parametrize("k", [0, 1, 7, 100, 1000])
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_products_of_integer_vectors_wrap_as_in_numpy(k, dtype):
    a, b = (RNG.integers(0, 200, shape).astype(dtype) for shape in [(3, k), (k, 2)])
    got = dlcore.from_numpy(a) @ dlcore.from_numpy(b)[:, 1].contiguous()
    np.testing.assert_array_equal(got.numpy(), (a @ b)[:, 1])
    np.testing.assert_array_equal((dlcore.from_numpy(a) @ dlcore.from_numpy(b[:, :1].copy())).numpy(), a @ b[:, :1])
    assert dlcore.dot(dlcore.from_numpy(a[0]), dlcore.from_numpy(a[1])).item() == np.dot(a[0], a[1])
