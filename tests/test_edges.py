"""Where functions are easily wrong: single points, no elements, nothing to do, narrow dtypes. Values are PyTorch's."""

import math
import os
import pickle
import subprocess
import sys

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import ShapeError, linalg, special
from dlcore.autograd import grad

INF, NAN = math.inf, math.nan


def of(*values, dtype=None):
    return dlcore.tensor(values, dtype=dtype)


def leaf(values):
    return dlcore.tensor(values, dtype=dlcore.float64, requires_grad=True)


def same(got, expected):
    return got.shape == expected.shape and dlcore.allclose(got.double(), expected.double(), equal_nan=True)


VECTOR, MATRIX = (3,), (2, 2)

COPIES = {
    "repeat": (MATRIX, lambda x: x.repeat(1, 1)),
    "repeat of one": ((1,), lambda x: x.repeat(3)),
    "repeat of rows": ((1, 2), lambda x: x.repeat(3, 1)),
    "tile": (VECTOR, lambda x: x.tile(1)),
    "tile by more": (VECTOR, lambda x: x.tile(1, 1)),
    "repeat_interleave": (MATRIX, lambda x: x.repeat_interleave(1, 0)),
    "repeat_interleave of all": (MATRIX, lambda x: x.repeat_interleave(1)),
    "diag": (MATRIX, lambda x: x.diag()),
    "matrix_power": (MATRIX, lambda x: linalg.matrix_power(x, 1)),
    "diff": (VECTOR, lambda x: x.diff(n=0)),
    "pixel_shuffle": ((1, 2, 2), lambda x: F.pixel_shuffle(x, 1)),
    "pixel_unshuffle": ((1, 2, 2), lambda x: F.pixel_unshuffle(x, 1)),
    "channel_shuffle": ((1, 2, 2), lambda x: F.channel_shuffle(x, 1)),
    "channel_shuffle of all": ((1, 2, 2), lambda x: F.channel_shuffle(x, 2)),
    "chain_matmul": (MATRIX, dlcore.chain_matmul),
}


@pytest.mark.parametrize("name", COPIES)
def test_what_has_nothing_to_do_copies(name):
    shape, function = COPIES[name]
    x = dlcore.ones(shape)
    result = function(x)
    assert result.is_contiguous()
    result.zero_()
    assert x.sum() == x.numel()


def test_each_repeat_is_memory_of_its_own():
    repeated = dlcore.ones(1).repeat(3)
    repeated[0] = 7
    assert repeated.tolist() == [7, 1, 1]


GRADIENTS = {
    "xlogy": (dlcore.xlogy, [[0, 0, 3, 0], [2, 0, 1, INF]], [[math.log(2), 0, 0, 0], [0, 0, 3, 0]]),
    "xlog1py": (special.xlog1py, [[0, 0, 3], [2, -1, 0]], [[math.log(3), 0, 0], [0, 0, 3]]),
    "entr": (special.entr, [[-0.1, 0, 1]], [[NAN, INF, -1]]),
    "atan2": (dlcore.atan2, [[0, 1, -1], [0, 0, 1]], [[0, 0, 0.5], [0, -1, 0.5]]),
    "logit": (dlcore.logit, [[-0.1, 0, 0.5, 1, 1.5]], [[NAN, INF, 4, INF, NAN]]),
    "logit within": (lambda x: dlcore.logit(x, 0.25), [[-0.1, 0.5]], [[0, 4]]),
    "div": (lambda x, y: dlcore.div(x, y, rounding_mode="trunc"), [[1, 2], [0, 3]], [[0, 0], [0, 0]]),
    "logaddexp": (dlcore.logaddexp, [[2, -INF], [2, 1]], [[0.5, 0], [0.5, 1]]),
    "logaddexp of infinities": (dlcore.logaddexp, [[INF, -INF], [INF, -INF]], [[0.5, 0.5], [0.5, 0.5]]),
    "logaddexp2 of infinities": (dlcore.logaddexp2, [[INF, -INF], [INF, -INF]], [[0.5, 0.5], [0.5, 0.5]]),
    "sinc": (dlcore.sinc, [[0, 1]], [[0, -1]]),
    "max": (dlcore.max, [[NAN, 1, NAN]], [[0.5, 0, 0.5]]),
    "min": (dlcore.min, [[NAN, 1, NAN]], [[0.5, 0, 0.5]]),
    "amax": (lambda x: dlcore.amax(x, 1), [[[NAN, 1], [2, 2]]], [[[1, 0], [0.5, 0.5]]]),
    "median": (dlcore.median, [[0, 0, 2]], [[0.5, 0.5, 0]]),
    "median of NaN": (dlcore.median, [[NAN, 1, NAN]], [[0.5, 0, 0.5]]),
    "nanmedian": (dlcore.nanmedian, [[0, 0, 2, NAN]], [[0.5, 0.5, 0, 0]]),
    "clamp": (
        dlcore.clamp,
        [[NAN, 1, 1, 0, 0, 5], [0, NAN, 0, 1, 3, 3], [2, 2, NAN, 1, 2, 2]],
        [[0] * 6, [0] * 6, [0, 0, 0, 0, 1, 1]],
    ),
    "clamp from below": (lambda x, low: dlcore.clamp(x, min=low), [[NAN, 0, 2], [1, 1, 1]], [[0, 0, 1], [0, 1, 0]]),
    "det": (linalg.det, [[[[5e-311]], [[NAN]], [[0]]]], [[[[1]], [[1]], [[1]]]]),
    "cdist": (dlcore.cdist, [[[0, 0], [3, 4]], [[0, 0]]], [[[0, 0], [0.6, 0.8]], [[-0.6, -0.8]]]),
    "lerp": (dlcore.lerp, [[1, 1], [3, 3], [0.25, 0.75]], [[0.75, 0.25], [0.25, 0.75], [2, 2]]),
    "vector_norm": (lambda x: linalg.vector_norm(x, -2), [[0, 1, 2]], [[0, 0, 0]]),
    "vector_norm of no zeros": (lambda x: linalg.vector_norm(x, -1), [[1, 1]], [[0.25, 0.25]]),
    "vector_norm that counts": (lambda x: linalg.vector_norm(x, 0), [[0, 1, NAN]], [[0, 0, 0]]),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_at_points(name):
    function, inputs, expected = GRADIENTS[name]
    leaves = [leaf(values) for values in inputs]
    found = grad(function(*leaves).sum(), leaves)
    assert all(same(got, dlcore.tensor(values)) for got, values in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: dlcore.logaddexp(x, dlcore.full_like(x, 2)), 0.25),
        (lambda x: dlcore.logaddexp2(x, dlcore.full_like(x, 2)), math.log(2) / 4),
        (lambda x: dlcore.sinc(x - 2), -(math.pi**2) / 3),
    ],
    ids=["logaddexp", "logaddexp2", "sinc"],
)
def test_second_derivatives_at_points(function, expected):
    x = leaf(2.0)
    (first,) = grad(function(x), x, create_graph=True)
    (second,) = grad(first, x)
    assert second.item() == pytest.approx(expected, rel=1e-12)


U8 = dlcore.uint8
ONE = of([True])
NONE = dlcore.ones(0, 1, 1, dtype=U8)
SINC = math.sin(math.pi * 20.296875) / (math.pi * 20.296875)  # of 20.3 in float16

VALUES = {
    "gradient": (lambda: dlcore.gradient(of([3.0, 1, 4], [3, 2, 4]), dim=[1, 0])[0], of([-2, 0.5, 3], [-1, 0.5, 2])),
    "gradient by steps": (
        lambda: dlcore.gradient(dlcore.eye(2), spacing=[1.0, 2.0], dim=[1, 0])[1],
        of([-0.5, 0.5], [-0.5, 0.5]),
    ),
    "vector_norm": (lambda: linalg.vector_norm(of(0.0, 1, 2), -2), dlcore.tensor(0.0)),
    "norm": (lambda: linalg.norm(of([0.0, 2], [1, 2]), -1, 0), of(0.0, 1)),
    "vector_norm of infinities": (lambda: linalg.vector_norm(of(INF, INF), -1), dlcore.tensor(INF)),
    "vector_norm that counts": (lambda: linalg.vector_norm(of(0.0, 1, NAN), 0), dlcore.tensor(2.0)),
    "cumsum": (lambda: dlcore.cumsum(of(200, 100), 0, dtype=U8), of(200, 44, dtype=U8)),
    "x.cumsum": (lambda: of(100, 100).cumsum(0, dtype=dlcore.int8), of(100, -56, dtype=dlcore.int8)),
    "cumprod": (lambda: dlcore.cumprod(of(200, 2), 0, dtype=U8), of(200, 144, dtype=U8)),
    "nansum": (lambda: dlcore.nansum(of(200, 100), dtype=U8), dlcore.tensor(44, dtype=U8)),
    "sub": (lambda: of(1, 2, dtype=U8).sub(of(1, 1, dtype=U8), alpha=-1), of(2, 3, dtype=U8)),
    "add": (lambda: dlcore.add(of(1, 2, dtype=U8), of(1, 1, dtype=U8), alpha=-1), of(0, 1, dtype=U8)),
    "sign": (lambda: 1 / dlcore.sign(of(-0.0, -3, NAN)), of(INF, -1, INF)),
    "all": (lambda: dlcore.all(of([1, 0]), dim=()), of([True, False])),
    "any": (lambda: dlcore.any(of([1, 0]), dim=[], keepdim=True), of([True, False])),
    "addr of bool": (lambda: dlcore.addr(ONE, of(1), of(1), beta=2), of([3])),
    "addr by bool": (lambda: dlcore.addr(of([1]), of(True), of(True), alpha=3), of([4])),
    "addbmm": (lambda: dlcore.addbmm(of([1], dtype=U8), of([[9]], dtype=U8), of([[9]], dtype=U8)), of([82], dtype=U8)),
    "addbmm of none": (lambda: dlcore.addbmm(of([1], dtype=U8), NONE, NONE), of([1], dtype=U8)),
    "cond": (lambda: linalg.cond(of([[1.0, 0], [0, 2]], [[1, 1], [1, 1]]), 1), of(2, INF)),
    "cond of none": (lambda: linalg.cond(dlcore.zeros(2, 0, 0)), dlcore.zeros(2)),
    "cond by inverse of none": (lambda: linalg.cond(dlcore.zeros(0, 0), 1), dlcore.tensor(0.0)),
    "matrix_norm of none": (lambda: linalg.matrix_norm(dlcore.zeros(0, 0), 1), dlcore.tensor(0.0)),
    "matrix_norm by values": (lambda: linalg.matrix_norm(dlcore.zeros(3, 0), 2, keepdim=True), dlcore.zeros(1, 1)),
    "linalg.vander": (lambda: linalg.vander(of(200, 3, dtype=U8), N=3), of([1, 200, 40000], [1, 3, 9])),
    "index_add": (
        lambda: of(1, 2, dtype=U8).index_add(0, of(0), of(4, dtype=U8), alpha=-1), of(253, 2, dtype=U8)
    ),
    "trapezoid": (lambda: dlcore.trapezoid(of(100, 200, dtype=U8), of(3, 1, dtype=U8)), dlcore.tensor(-300.0)),
    "tensordot": (
        lambda: dlcore.tensordot(dlcore.ones(1, 2, dtype=dlcore.int8), dlcore.ones(3, dtype=dlcore.int8), ([0], [0])),
        of(3, 3, dtype=dlcore.int8),
    ),
    "where": (lambda: dlcore.where(of(2, 0, dtype=U8), 1.0, 3.0), of(1.0, 3)),
    "matrix_exp": (lambda: linalg.matrix_exp(of([[1.0]], [[0]])), of([[math.e]], [[1]])),
    "vander": (lambda: dlcore.vander(of(200, 3, dtype=U8), 3), of([40000, 200, 1], [9, 3, 1])),
    "chunk": (lambda: dlcore.stack(dlcore.chunk(dlcore.zeros(2, 0), 3, 1)), dlcore.zeros(3, 2, 0)),
    "cov": (lambda: dlcore.cov(dlcore.eye(2), aweights=dlcore.ones(2).double()), of([0.5, -0.5], [-0.5, 0.5]).double()),
    "ldexp": (lambda: dlcore.ldexp(of(1, dtype=U8), dlcore.ones(1).double()), of(2.0).double()),
    "vecdot": (lambda: linalg.vecdot(dlcore.ones(2, 3), dlcore.ones(3), dim=1), of(3.0, 3)),
    "sinc": (lambda: dlcore.sinc(of(20.3, dtype=dlcore.float16)), of(SINC, dtype=dlcore.float16)),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    function, expected = VALUES[name]
    got = function()
    assert got.dtype == expected.dtype, got
    assert same(got, expected), got


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: linalg.vector_norm(dlcore.zeros(0), -1), ValueError),
        (lambda: linalg.vector_norm(dlcore.zeros(2, 0), -1, dim=1), ValueError),
        (lambda: dlcore.tensordot(dlcore.ones(2), dlcore.ones(2), dims=-1), ValueError),
        (lambda: dlcore.tensordot(dlcore.tensor(2.0), dlcore.ones(5, 1), dims=1), IndexError),
        (lambda: dlcore.tensordot(dlcore.zeros(0), dlcore.tensor(0.3), 1), IndexError),
        (lambda: dlcore.tensordot(dlcore.ones(3, 4), dlcore.ones(3, 4), 2**63 - 1), IndexError),
        (lambda: dlcore.randint(0, 300, (5,), dtype=dlcore.uint8), ValueError),
        (lambda: dlcore.randint(-1, 3, (5,), dtype=dlcore.uint8), ValueError),
        (lambda: dlcore.randint(0, 3, (5,), dtype=dlcore.bool), ValueError),
        (lambda: dlcore.ones(5, dtype=dlcore.int8).random_(0, 1000), ValueError),
        (lambda: dlcore.tensor(np.datetime64("2020")), TypeError),
        (lambda: dlcore.as_tensor(np.timedelta64(3, "s")), TypeError),
        (lambda: dlcore.tensor([1], dtype=dlcore.uint64).mul_(-1), TypeError),
        (lambda: linalg.matrix_norm(dlcore.zeros(0, 0), -1), ValueError),
        (lambda: linalg.vecdot(dlcore.ones(2), dlcore.ones(3)), ShapeError),
        (lambda: dlcore.allclose(of(1.0), of(1.0), rtol=-1), ValueError),
        (lambda: dlcore.allclose(of(1.0), of(1.0), atol=-1), ValueError),
        (lambda: dlcore.cartesian_prod(of([1.0])), ShapeError),
        (lambda: dlcore.tensor(1.0).flatten(1), IndexError),
        (lambda: dlcore.std(of(1.0, 2), 0, unbiased=True, correction=1), TypeError),
        (lambda: dlcore.zeros(2, layout="sparse"), ValueError),
        (lambda: dlcore.zeros(2, pin_memory="no"), TypeError),
        (lambda: dlcore.sum(of(1.0), layout=dlcore.strided), TypeError),
    ],
)  # fmt: skip
def test_what_has_no_value_is_refused(call, error):
    with pytest.raises(error):
        call()


def test_uint64_beside_negative_numbers():
    x = dlcore.tensor([1, 2**64 - 1], dtype=dlcore.uint64)
    assert (x == -1).tolist() == [False, False]
    assert (x > -1).tolist() == [True, True]
    assert (x / -2).is_floating_point()
    assert (x + -1).dtype == dlcore.float64


def test_numbers_up_to_the_bounds_of_a_dtype_are_drawn():
    drawn = dlcore.randint(0, 256, (5000,), dtype=dlcore.uint8)
    assert (drawn.min().item(), drawn.max().item()) == (0, 255)
    assert dlcore.randint(0, 2, (50,), dtype=dlcore.bool).dtype == dlcore.bool


def test_equal_sees_the_last_element():
    for shape in [(100_000,), (300, 400), (3, 200_000)]:
        x = dlcore.zeros(shape)
        y = x.clone()
        assert x.equal(y)
        y.flatten()[-1] = 1
        assert not x.equal(y)
        assert not x.t().equal(y.t())
        y = x.clone()
        y.flatten()[0] = 1
        assert not x.equal(y)


def test_quantiles_beside_infinities():
    x = of(-INF, 1.0, 2.0, INF)
    assert dlcore.quantile(x, of(0.3, 0.4, 0.6, 0.7)).tolist() == pytest.approx([-INF, 1.2, 1.8, INF])


def test_combinations_of_more_than_there_are():
    assert dlcore.combinations(of(1.0, 2.0), 10**9).shape == (0, 10**9)
    x = leaf([1.0, 2.0])
    dlcore.combinations(x, 3).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]
    assert dlcore.combinations(of(1.0, 2.0), 3, with_replacement=True).shape == (4, 3)


def test_the_deviation_of_equal_numbers_is_zero():
    for number in (1.95277056, 0.1, -3.3):
        x = dlcore.full((3, 7), number, dtype=dlcore.float64, requires_grad=True)
        for deviation in (dlcore.std(x, dim=0), dlcore.std(x.t(), dim=1), dlcore.std(x)):
            assert deviation.abs().max().item() == 0
            assert dlcore.autograd.grad(deviation.sum(), x)[0].abs().max().item() == 0


def test_all_halves_have_the_sinc_of_float32():
    numbers = dlcore.arange(-32, 32, 0.03125)
    for dtype in (dlcore.float16, dlcore.bfloat16):
        x = numbers.to(dtype)
        assert dlcore.equal(dlcore.sinc(x), dlcore.sinc(x.float()).to(dtype))


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-13), ("float32", 3e-6)])
def test_the_slope_of_sinc_near_zero(dtype, bound):
    x = np.concatenate([10.0 ** np.arange(-18, 0.0), [0.0, 0.1599, 0.1601, 0.7, 1.3]])
    leaf = dlcore.from_numpy(np.concatenate([x, -x]).astype(dtype)).requires_grad_()
    (slope,) = dlcore.autograd.grad(dlcore.sinc(leaf).sum(), leaf, create_graph=True)
    (curvature,) = dlcore.autograd.grad(slope.sum(), leaf)
    angle = math.pi * leaf.detach().double().numpy()
    terms = [(-1) ** n * 2 * n * angle ** (2 * n - 1) / math.factorial(2 * n + 1) for n in range(1, 30)]
    bends = [(-1) ** n * 2 * n * (2 * n - 1) * angle ** (2 * n - 2) / math.factorial(2 * n + 1) for n in range(1, 30)]
    np.testing.assert_allclose(slope.detach().numpy(), math.pi * sum(terms), rtol=10 * bound)
    np.testing.assert_allclose(curvature.numpy(), math.pi**2 * sum(bends), rtol=100 * bound)


def test_a_gradient_of_another_dtype_is_converted():
    x = dlcore.ones(2, requires_grad=True)
    (x * 2).backward(dlcore.ones(2, dtype=dlcore.float64))
    assert x.grad.dtype == dlcore.float32
    assert x.grad.tolist() == [2, 2]


def test_gradients_of_decompositions_of_nothing():
    x = dlcore.zeros(0, 5, requires_grad=True)
    q, r = dlcore.linalg.qr(x)
    (q.sum() + r.sum()).backward()
    assert x.grad.shape == (0, 5)


@pytest.mark.parametrize("value", [3.0, -2.0, 0.0, 1e-42])
def test_decompositions_of_one_number(value):
    x = dlcore.tensor([[value]])
    u, s, vh = linalg.svd(x)
    assert (s.item(), (u * s @ vh).item()) == (abs(x.item()), x.item())
    values, vectors = linalg.eigh(x)
    assert (values.item(), vectors.item()) == (x.item(), 1)
    assert linalg.pinv(x).item() == (x.reciprocal().item() if value else 0)


def test_decompositions_of_no_number():
    for function in (linalg.svd, linalg.eigh):
        with pytest.raises(linalg.LinAlgError):
            function(dlcore.tensor([[NAN]]))


def test_pseudoinverses_take_a_bound_for_each_matrix():
    x = dlcore.tensor([[[4.0, 0.0], [0.0, 1.0]], [[4.0, 0.0], [0.0, 1.0]]])
    assert linalg.pinv(x, rtol=dlcore.tensor([0.1, 0.5])).tolist() == [[[0.25, 0], [0, 1]], [[0.25, 0], [0, 0]]]
    assert linalg.pinv(x, atol=dlcore.tensor([2.0, 0.5])).tolist() == [[[0.25, 0], [0, 0]], [[0.25, 0], [0, 1]]]


def test_a_vector_of_indices_selects():
    x = dlcore.arange(3)
    assert x.index_select(0, dlcore.tensor(1)).tolist() == [1]
    with pytest.raises(IndexError, match=r"expected a vector of indices, got shape \(1, 1\)"):
        x.index_select(0, dlcore.tensor([[1]]))


def test_a_deleted_gradient_is_none():
    x = dlcore.ones(2, requires_grad=True)
    x.sum().backward()
    del x.grad
    assert x.grad is None


@pytest.mark.parametrize("dims", [0, 1, (0, 1), None])
def test_norms_and_deviations_of_views(dims):
    x = dlcore.randn(5, 7, dtype=dlcore.float64)
    for view in (x.t(), x[::2], x[:, 1:4], x.expand(2, 5, 7)[1]):
        copied = view.clone(memory_format=dlcore.contiguous_format)
        for function in (dlcore.var, dlcore.std, linalg.vector_norm):
            assert dlcore.allclose(function(view, dim=dims), function(copied, dim=dims), rtol=1e-12)


def test_norms_of_zero_have_no_slope():
    x = dlcore.zeros(2, 3, dtype=dlcore.float64, requires_grad=True)
    (norms,) = grad(linalg.vector_norm(x, dim=1).sum(), x)
    assert norms.tolist() == [[0] * 3] * 2


def test_the_ends_of_a_histogram_count():
    assert dlcore.histc(dlcore.tensor([0.3]), bins=3, min=0, max=0.3).tolist() == [0, 0, 1]
    assert dlcore.histc(dlcore.arange(11) / 10, bins=10, min=0, max=1).tolist() == [1] * 9 + [2]
    narrow = dlcore.tensor([0.1, 0.6], dtype=dlcore.bfloat16)
    assert dlcore.histc(narrow, bins=2, min=0.1, max=0.6).tolist() == [1, 1]


def test_root_mean_squares_of_halves_add_what_float32_resolves():
    x = dlcore.tensor([[1e-3, 2e-3, 3e-3, -4e-3]])
    expected = F.rms_norm(x, (4,))
    for dtype in (dlcore.float16, dlcore.bfloat16):
        assert dlcore.allclose(F.rms_norm(x.to(dtype), (4,)).float(), expected, rtol=0.02)


def test_labels_that_do_not_count_have_no_second_derivative_either():
    x = dlcore.ones(2, 3, requires_grad=True)
    loss = F.cross_entropy(x, dlcore.tensor([-100, -100]))
    (slope,) = grad(loss, x, create_graph=True)
    assert slope.tolist() == [[0] * 3] * 2


def test_slopes_of_large_singular_values():
    x = dlcore.tensor([[3e25, 0.0], [0.0, 4e25]], requires_grad=True)
    (slope,) = grad(linalg.matrix_norm(x, "nuc"), x)
    assert slope.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_deviations_whose_squares_are_no_float32(scale):
    values = dlcore.tensor([1.0, -1.0, 0.5])
    expected = values.std() * scale
    for x in (values * scale, (values * scale).expand(2, 3).t()):
        x = x.clone().requires_grad_()
        found = x.std(0)
        assert dlcore.allclose(found / scale, (expected / scale).expand_as(found), rtol=1e-6)
        (slope,) = grad(found.sum(), x)
        assert dlcore.allclose(slope.reshape(3, -1)[:, 0], grad((y := values.clone().requires_grad_()).std(), y)[0])
    assert linalg.norm(values * scale).item() == pytest.approx(1.5 * scale, rel=1e-6)


@pytest.mark.parametrize("scale", [1e30, 1e-30, 1e-41])
def test_lengths_and_their_slopes_whose_squares_are_no_float32(scale):
    values = dlcore.tensor([[3.0, 0.0, 1.0], [4.0, 0.0, 0.0]]) * scale
    for x, dim in ((values, 0), (values.t(), 1), (values.t().clone(), 1)):
        x = x.detach().requires_grad_()
        lengths = linalg.vector_norm(x, dim=dim)
        assert lengths.tolist() == pytest.approx([5 * scale, 0, scale], rel=1e-3)
        (slope,) = grad(lengths.sum(), x)
        slope = slope if dim == 0 else slope.t()
        assert slope.flatten().tolist() == pytest.approx([0.6, 0, 1, 0.8, 0, 0], rel=1e-3)


def test_deviations_of_what_sums_to_no_float32():
    values = [3e38, -3e38, 3e38, 2e38, 3e38, 1e38]
    for numbers in (values, values * 3000, [3e38, 2e38]):
        x = dlcore.tensor(numbers)
        for row, dim in ((x, 0), (x[:, None].expand(-1, 2).clone(), 0)):
            assert row.std(dim).flatten().tolist() == pytest.approx(
                [np.std(numbers, ddof=1)] * row[0].numel(), rel=1e-6
            )
            assert (row.var(dim) == math.inf).all()
    assert dlcore.full((9000,), 2e38).std().item() == 0
    for strange in ([math.inf, 1.0], [math.nan, 1.0], [math.inf, -math.inf]):
        assert dlcore.tensor(strange).std().isnan()


@pytest.mark.parametrize("shape", [(7,), (11, 2)])
def test_equals_have_no_deviation_and_no_slope(shape):
    for value in (0.1, 3.3, 1e6):
        x = dlcore.full(shape, value, requires_grad=True)
        deviation = x.std(0)
        assert not deviation.any()
        assert not x.var(0).any()
        assert not grad(deviation.sum(), x)[0].any()


def test_slopes_of_distances_that_have_few_digits():
    x, y = (dlcore.tensor(rows).mul(1e-40).requires_grad_() for rows in ([[3.0, 4.0], [0.0, 0.0]], [[0.0, 0.0]]))
    slopes = grad(dlcore.cdist(x, y).sum(), (x, y))
    assert slopes[0].flatten().tolist() == pytest.approx([0.6, 0.8, 0, 0], rel=1e-4)
    assert slopes[1].flatten().tolist() == pytest.approx([-0.6, -0.8], rel=1e-4)


def test_distances_whose_squares_are_no_float32():
    assert dlcore.cdist(of([3e30, 4e30]), of([0.0, 0.0])).item() == pytest.approx(5e30)
    assert dlcore.cdist(of([3e-30, 4e-30]), of([0.0, 0.0])).item() == pytest.approx(5e-30)


def test_a_constant_written_into_what_has_a_past_leaves_it_one():
    x = dlcore.ones(2, requires_grad=True)
    y = (x * 3).copy_(dlcore.tensor([5.0, 6.0]))
    assert (y.requires_grad, y.tolist(), grad(y.sum(), x)[0].tolist()) == (True, [5, 6], [0, 0])


def test_a_step_beyond_all_entries_takes_the_first():
    for step in (2**63 - 1, -(2**63)):
        assert dlcore.arange(20).reshape(4, 5)[:, ::step].tolist() == [
            [i if step > 0 else i + 4] for i in (0, 5, 10, 15)
        ]


def test_what_lists_hold_counts_not_what_they_say():
    class Liar(list):
        def __len__(self):
            return 10**7

    class Short(list):
        def __iter__(self):
            return iter([1])

    assert dlcore.tensor(Liar([1, 2])).tolist() == [1, 2]
    with pytest.raises(ValueError, match="2 gives 1"):
        dlcore.tensor(Short([1, 2]))


def test_the_only_layout_may_be_said_wherever_a_device_may():
    x = dlcore.ones(2)
    said = {"layout": dlcore.strided, "pin_memory": False}
    assert dlcore.zeros(2, layout=None, pin_memory=None).tolist() == [0, 0]
    for call in (
        lambda: dlcore.tril_indices(1, 1, **said).flatten(), lambda: dlcore.triu_indices(1, 1, **said).flatten(),
        lambda: dlcore.scalar_tensor(0, **said).expand(2),
        lambda: dlcore.tensor([0.0, 0.0], **said), lambda: dlcore.zeros(2, **said),
        lambda: dlcore.zeros_like(x, **said),
        lambda: dlcore.full((2,), 0.0, **said), lambda: x.new_zeros(2, dtype=dlcore.float32, **said),
        lambda: dlcore.arange(0.0, 1.0, 0.5, **said) * 0, lambda: dlcore.rand(2, **said) * 0,
    ):  # fmt: skip
        assert call().tolist() == [0, 0]
    assert x.layout is dlcore.strided
    assert dlcore.detach(dlcore.ones(1, requires_grad=True)).requires_grad is False


def test_least_squares_by_either_way_agree():
    a, b = dlcore.rand(3, 7, 4, dtype=dlcore.float64), dlcore.rand(3, 7, 2, dtype=dlcore.float64)
    a[1, :, 3] = a[1, :, 2]  # of rank 3
    for matrices, sides in ((a[:1], b[:1]), (a, b)):
        quick, full = linalg.lstsq(matrices, sides), linalg.lstsq(matrices, sides, driver="gelsd")
        assert dlcore.allclose(quick.solution, full.solution, rtol=1e-9)
        assert quick.rank.tolist() == full.rank.tolist()
        assert (quick.residuals.numel(), quick.singular_values.numel()) == (0, 0)
        plain = linalg.lstsq(matrices, sides, driver="gels")
        assert plain.residuals.shape == full.residuals.shape
        assert dlcore.allclose(plain.residuals, full.residuals)


def test_a_correction_beyond_the_number_of_elements_has_a_slope():
    x = dlcore.ones(3, 1, requires_grad=True)
    (slope,) = grad(dlcore.var(x, -1, correction=2).sum(), x)
    assert slope.abs().tolist() == [[0]] * 3


@pytest.mark.parametrize(("dtype", "smallest"), [(dlcore.float32, 1e-36), (dlcore.float64, 1e-290)])
def test_qr_of_columns_that_are_small_beside_others(dtype, smallest):
    dlcore.manual_seed(3)
    for size in (2, 3, 5, 12):
        matrix = dlcore.randn(size + 1, size, dtype=dtype) * dlcore.logspace(0, math.log10(smallest), size, dtype=dtype)
        q, r = linalg.qr(matrix)
        assert (q.T @ q - dlcore.eye(size, dtype=dtype)).abs().max() < 100 * dlcore.finfo(dtype).eps
        sizes = matrix.abs().max(dim=0).values
        assert (((q @ r) - matrix).abs() / sizes).max() < 100 * dlcore.finfo(dtype).eps
    _, r = linalg.qr(dlcore.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1e-30]], dtype=dtype))
    assert abs(r[1, 1].item()) == dlcore.tensor(1e-30, dtype=dtype).item()


def test_least_squares_do_not_see_their_neighbours():
    dlcore.manual_seed(3)
    q, _ = linalg.qr(dlcore.randn(1000, 2, dtype=dlcore.float64))
    narrow, sides = (q * dlcore.tensor([1.0, 3e-5])).float(), q.sum(1, keepdim=True).float()
    singular = dlcore.cat([narrow[:, :1], dlcore.zeros(1000, 1)], 1)
    for driver in ("gelsy", "gels", "gelsd"):
        alone = linalg.lstsq(narrow, sides, driver=driver)
        beside = linalg.lstsq(dlcore.stack([narrow, singular]), dlcore.stack([sides, sides]), driver=driver)
        assert alone.solution.flatten().tolist() == pytest.approx([1, 0], abs=1e-3)
        assert beside.solution[0].flatten().tolist() == pytest.approx([1, 0], abs=1e-3)


def test_dtypes_of_tensordot_and_lerp():
    bytes_ = dlcore.tensor([200, 200], dtype=dlcore.uint8)
    assert dlcore.tensordot(dlcore.ones(1, 2), bytes_[:, None], ([0], [0])).tolist() == [[400.0], [400.0]]
    start, end = dlcore.zeros(2, dtype=dlcore.bfloat16), dlcore.ones(2, dtype=dlcore.bfloat16)
    assert dlcore.lerp(start, end, dlcore.tensor(0.5)).dtype == dlcore.bfloat16


def test_what_has_no_weights_is_not_drawn_from():
    for shape in ((0,), (2, 0)):
        with pytest.raises(ValueError, match="none of 0 weights is above zero"):
            dlcore.multinomial(dlcore.ones(*shape), 2, replacement=True)
    assert dlcore.multinomial(dlcore.ones(0, 0), 2, replacement=True).shape == (0, 2)
    assert dlcore.multinomial(dlcore.ones(0, 3), 2).shape == (0, 2)


def test_lists_of_nothing_are_counted():
    assert dlcore.zeros(3, 0, 5).tolist() == [[], [], []]
    with pytest.raises(MemoryError, match="tolist: lists of 1099511627776 entries do not fit into memory"):
        dlcore.zeros(1, 0).expand(2**40, 0).tolist()


def test_named_results_are_pickled():
    for result in (dlcore.ones(3, 2).max(0), dlcore.linalg.qr(dlcore.eye(2)), dlcore.ones(3).sort()):
        again = pickle.loads(pickle.dumps(result))
        assert type(again) is type(result)
        assert again._fields == result._fields
        assert [x.tolist() for x in again] == [x.tolist() for x in result]
    script = "import pickle, sys; print(pickle.load(sys.stdin.buffer).values.tolist())"
    data = pickle.dumps(dlcore.tensor([[1.0, 3.0]]).max(1))
    found = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True)
    assert found.stdout == b"[3.0]" + os.linesep.encode()


def test_the_triangular_factor_alone_has_its_gradient():
    x = dlcore.tensor([[1.0, 2.0], [3.0, 5.0], [4.0, 1.0]], requires_grad=True)
    (of_both,) = dlcore.autograd.grad(dlcore.linalg.qr(x).R.pow(2).sum(), x)
    (alone,) = dlcore.autograd.grad(dlcore.linalg.qr(x, "r").R.pow(2).sum(), x)
    assert of_both.tolist() == alone.tolist()


def test_weights_of_one_output_with_a_bias_under_autocast():
    with dlcore.autocast("cpu", dtype=dlcore.bfloat16):
        assert F.linear(dlcore.ones(2, 3), dlcore.ones(3), dlcore.ones(())).dtype == dlcore.bfloat16
