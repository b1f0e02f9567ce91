"""What programs written for PyTorch rely on: names, forms, special cases and refusals of its functions."""

import math
import pickle
import subprocess
import sys
from statistics import NormalDist

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from derivatives import assert_gradients
from dlcore import special

nan, inf = math.nan, math.inf
T = dlcore.tensor


class Composed:
    """A function of tensors as something whose gradients can be checked."""

    def __init__(self, function):
        self.function = function

    def run(self, inputs):
        return [self.function(*(x if isinstance(x, dlcore.Tensor) else dlcore.from_numpy(x) for x in inputs))]


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        # floats that an integer does not hold
        (lambda: T([1e20, -1e20, inf, nan, 3.9, -3.9]).int(), [-(2**31)] * 4 + [3, -3]),
        (lambda: T([1e20, -inf, nan, 2.0**62]).long(), [-(2**63)] * 3 + [2**62]),
        (lambda: T([-1.7, 300.0, 1e20]).byte(), [255, 44, 0]),
        (lambda: T([-1.7, 300.0, 40000.0]).short(), [-1, 300, -25536]),
        (lambda: T([128.0, -129.0]).char(), [-128, 127]),
        (lambda: T([2.0**63, 2.0**64, -1.0], dtype=dlcore.float64).to(dlcore.uint64), [2**63, 0, 2**64 - 1]),
        # powers and quotients
        (lambda: dlcore.pow(T([2, -1, 1, 0]), T(-1)), [0, -1, 1, 0]),
        (lambda: dlcore.square(T([True, False])), [1, 0]),
        (lambda: dlcore.subtract(T([5.0]), T([2.0]), alpha=2), [1.0]),
        (lambda: T([5]).subtract_(2, alpha=2), [1]),
        (lambda: dlcore.sign(T([nan, -0.5, 0.0])), [0.0, -1.0, 0.0]),
        # counted between integers
        (lambda: dlcore.linspace(4.3, -3, 8, dtype=dlcore.int64), [4, 3, 2, 1, 0, -1, -2, -3]),
        (lambda: dlcore.logspace(0, 3, 4, base=2, dtype=dlcore.int64), [1, 2, 4, 8]),
        # truth values in sums
        (lambda: T([True, False]).scatter_add(0, T([1, 1]), T([False, True])), [True, True]),
        (lambda: T([False, False]).index_add(0, T([1, 1]), T([True, True])), [False, True]),
        (lambda: T([False, False]).index_put((T([0, 0]),), T([True, True]), True), [True, False]),
        (lambda: dlcore.prod(T([True, False, True]), dtype=dlcore.bool), False),
        # shapes
        (lambda: dlcore.zeros(5).gather(0, dlcore.zeros(2, 0, dtype=dlcore.int64)).shape, (2, 0)),
        (lambda: T(3.0).unfold(0, 1, 1), [3.0]),
        (lambda: T(3.0).unfold(0, 0, 2).shape, (0,)),
        (lambda: dlcore.take_along_dim(T([[1, 2, 3]]), T([[-1, 0]]), 1), [[3, 1]]),
        (lambda: dlcore.tensordot(dlcore.ones(1, 2), T([[1.0, 2.0, 3.0]]), ((0,), (1,))), [[6.0], [6.0]]),
        (lambda: F.pad(T([[[1, 2, 3, 4]]]), (-1, 1), "circular"), [[[2, 3, 4, 2]]]),
        (lambda: F.batch_norm(dlcore.zeros(0), None, None, training=True).shape, (0,)),
        (lambda: dlcore.tril_indices(2, 2, dtype=dlcore.int32).dtype, dlcore.int32),
        (lambda: [x.shape for x in dlcore.hsplit(dlcore.zeros(2, 4), [1])], [(2, 1), (2, 3)]),
        (lambda: [x.tolist() for x in dlcore.arange(4).hsplit(2)], [[0, 1], [2, 3]]),
        (lambda: dlcore.arange(6).flip(dims=(0,)), [5, 4, 3, 2, 1, 0]),
        (lambda: dlcore.as_strided(dlcore.arange(6), (2, 2), (3, 1), 1), [[1, 2], [4, 5]]),
        (lambda: dlcore.as_strided_scatter(dlcore.zeros(4), dlcore.ones(2), (2,), (2,), 1), [0.0, 1.0, 0.0, 1.0]),
        (lambda: dlcore.zeros(4)[1:].as_strided_scatter(T([2.0]), (1,), (1,)), [2.0, 0.0, 0.0]),
        (lambda: dlcore.slice_scatter(T([1, 2, 3]), T([1.5]), 0, 1, 2), [1, 1, 3]),
        (lambda: dlcore.select_scatter(dlcore.zeros(2, 2).T, T([1.0, 2.0]), 0, -1), [[0.0, 0.0], [1.0, 2.0]]),
        (lambda: dlcore.diagonal_scatter(dlcore.ones(2, 3), T([2.0]), -1), [[1.0, 1.0, 1.0], [2.0, 1.0, 1.0]]),
        (lambda: dlcore.add(T([True, False]), T([True, False]), alpha=3), [True, False]),
        (lambda: T([True, False]).add(T([True, True]), alpha=0), [True, False]),
        (lambda: dlcore.add(T([1, 2]), T([True, False]), alpha=3), [4, 2]),
        (lambda: dlcore.add(T([1.0]).half(), 2.5, alpha=2), T([6.0]).half().tolist()),
        (lambda: dlcore.add(T([1, 2]), 2.5, alpha=2), [6.0, 7.0]),
        (lambda: dlcore.arange(6).as_strided_((2,), (4,)), [0, 4]),
        (lambda: T([1.0]).broadcast_to((2, 1)), [[1.0], [1.0]]),
        (lambda: T([1.0, 2.0]).where(T([True, False]), 0.0), [1.0, 0.0]),
        (lambda: T([1.0, 2.0]).scatter(0, T([0, 0]), T([3.0, 5.0]), reduce="multiply"), [15.0, 2.0]),
        # statistics
        (lambda: T([3.0, nan, 1.0, 2.0]).nanmedian(), 2.0),
        (lambda: T([[nan, 5.0, 1.0], [nan, nan, nan]]).nanmedian(1).values, [1.0, nan]),
        (lambda: T([[nan, 5.0, 1.0]]).nanmedian(1).indices, [2]),
        (lambda: dlcore.nanquantile(T([[1.0, nan, 3.0], [nan, nan, 2.0]]), 0.5, 1), [2.0, 2.0]),
        (lambda: dlcore.cov(T([[1.0, 2.0, 4.0]])).shape, ()),
        (lambda: T([3, 1, 2]).aminmax().max, 3),
        # parts of numbers
        (lambda: dlcore.frexp(T([8.0, -0.75, 0.0, inf])).exponent, [4, 0, 0, 0]),
        (lambda: dlcore.frexp(T([8.0, -0.75, 1e-45])).mantissa, [0.5, -0.75, 0.5]),
        (lambda: dlcore.angle(T([-2, 3])), [np.float32(math.pi), 0.0]),
        (lambda: dlcore.conj(T([1.0])).real, [1.0]),
        (lambda: dlcore.fill(dlcore.zeros(2), T(3)), [3.0, 3.0]),
        (lambda: dlcore.zero_(dlcore.ones(2)), [0.0, 0.0]),
    ],
)  # fmt: skip
def test_known_values(got, expected):
    got = got()
    np.testing.assert_equal(got.tolist() if isinstance(got, dlcore.Tensor) else got, expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda: dlcore.eq(2, T([1])),
        lambda: dlcore.ge(2, T([1])),
        lambda: dlcore.maximum(T([1]), 2),
        lambda: dlcore.logical_and(T([1]), 2),
        lambda: dlcore.pow(2, 3),
        lambda: dlcore.remainder(2, 3),
        lambda: dlcore.pow(T([2]), -1),
        lambda: T([2]) ** -1,
        lambda: dlcore.masked_fill(dlcore.zeros(2), T(True), T([1.0])),
        lambda: dlcore.fill(dlcore.zeros(2), T([1.0])),
        lambda: dlcore.narrow(dlcore.zeros(3), 0, T(True), 1),
        lambda: dlcore.roll(T(1.0), 0, 0),
        lambda: dlcore.renorm(T(1.0), 2, 0, 1.0),
        lambda: dlcore.hsplit(dlcore.zeros(2, 3), 2),
        lambda: dlcore.vsplit(dlcore.zeros(3), 3),
        lambda: dlcore.as_strided(dlcore.zeros(3), (2,), (3,)),
        lambda: dlcore.as_strided_scatter(dlcore.zeros(3), dlcore.zeros(2), (2,), (3,)),
        lambda: dlcore.as_strided_scatter(dlcore.zeros(3), dlcore.zeros(2), (2,), (0,)),
        lambda: dlcore.as_strided_scatter(dlcore.zeros(3), dlcore.zeros(2, 2), (2, 2), (1, 1)),
        lambda: dlcore.as_strided_scatter(dlcore.zeros(3), dlcore.zeros(2), (2,), (1, 1)),
        lambda: dlcore.as_strided_scatter(dlcore.zeros(3), dlcore.zeros(1), (2,), (1,)),
        lambda: dlcore.as_strided_scatter(dlcore.zeros(2, 2).T, dlcore.zeros(2), (2,), (1,)),
        lambda: dlcore.as_strided_scatter(dlcore.zeros(3)[1:], dlcore.zeros(1), (1,), (1,), 0),
        lambda: dlcore.linalg.cross(dlcore.zeros(2, 3), dlcore.zeros(3)),
        lambda: dlcore.cross(dlcore.zeros(3), dlcore.zeros(1, 3)),
        lambda: F.conv2d(dlcore.ones(1, 1, 2, 2) > 0, dlcore.ones(1, 1, 1, 1) > 0),
    ],
)
def test_what_pytorch_refuses_is_refused(call):
    with pytest.raises((TypeError, ValueError, IndexError)):
        call()


def test_a_device_is_the_cpu_under_any_name():
    device = dlcore.device("cpu")
    assert str(device) == device.type == "cpu"
    assert repr(device) == "device(type='cpu')"
    assert device == dlcore.zeros(1).device == "cpu"
    assert hash(device) == hash(dlcore.device("cpu", 0))
    assert pickle.loads(pickle.dumps(device)) == device
    assert device != "tpu"
    assert dlcore.ones(2, device=device).to(device).device == device
    for other in ("cuda", "nonsense", "cpu:1"):
        with pytest.raises(RuntimeError, match="there is no device"):
            dlcore.device(other)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x: dlcore.div(x, 0.3, rounding_mode="floor"), [(4,)]),
        (lambda x: x.fill_(2.0) if not x.requires_grad else dlcore.fill(x, 2.0), [(3,)]),
        (lambda x: dlcore.fill(dlcore.zeros(3, dtype=x.dtype), x), [()]),
        (lambda x, y: dlcore.cat([x, y], 1), [(0,), (2, 3)]),
        (lambda x: dlcore.as_strided(x, (2, 2), (1, 1), 1), [(2, 3)]),
        (lambda x, y: dlcore.as_strided_scatter(x, y, (2, 2), (3, 1), 1), [(2, 3), (2, 2)]),
        (lambda x, y: dlcore.slice_scatter(x.transpose(0, 1), y, 0, 0, None, 2), [(2, 3), (2, 2)]),
        (lambda x, y: dlcore.select_scatter(x, y, 1, 0), [(2, 3), (2,)]),
        (lambda x, y: dlcore.diagonal_scatter(x, y, 1), [(2, 3), (2,)]),
        (lambda x: dlcore.diagonal(x, 1, 2, 0), [(2, 3, 4)]),
        (lambda x: dlcore.frexp(x).mantissa, [(4,)]),
        (lambda x: dlcore.nanmedian(x, 0).values, [(5, 2)]),
        (lambda x: dlcore.nanquantile(x, 0.3, 0), [(5, 2)]),
        (
            lambda x, grid: F.grid_sample(x, grid.tanh(), mode="nearest", align_corners=False),
            [(1, 2, 3, 3), (1, 2, 2, 2)],
        ),
        (special.log_ndtr, [(6,)]),
        (special.ndtr, [(6,)]),
        (lambda x: special.entr(x.exp()), [(6,)]),
        (lambda x, y: special.xlog1py(x, y.exp()), [(6,), (6,)]),
    ],
)
def test_gradients(function, shapes):
    rng = np.random.default_rng(3)
    assert assert_gradients(Composed(function), [rng.standard_normal(shape) for shape in shapes])


def test_integers_are_convolved_exactly():
    """Beyond what floats hold, against the sum over the window."""
    rng = np.random.default_rng(0)
    x, w = rng.integers(-(2**40), 2**40, (2, 4, 5, 6)), rng.integers(-(2**20), 2**20, (6, 2, 3, 2))
    y = F.conv2d(T(x), T(w), T(np.arange(6)), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2).numpy()
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
    for n, out, row, column in np.ndindex(*y.shape):
        channels = slice(2 * (out // 3), 2 * (out // 3) + 2)
        window = padded[n, channels, 2 * row : 2 * row + 3, column : column + 3 : 2]
        assert y[n, out, row, column] == (window * w[out]).sum() + out
    # The transpose is the adjoint: <conv(x), g> = <x, transpose(g)>.
    g = rng.integers(-9, 9, y.shape)
    back = F.conv_transpose2d(T(g), T(w), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2).numpy()
    assert (back * x[:, :, : back.shape[2]]).sum() == ((y - np.arange(6)[:, None, None]) * g).sum()


def test_integers_are_pooled():
    x = T([[[1, 5, 2, 4], [7, -8, 3, 0]]])
    assert F.max_pool2d(x, 2).tolist() == [[[7, 4]]]
    assert F.avg_pool2d(x, 2).tolist() == [[[1, 2]]]
    assert F.avg_pool2d(-x, 2).tolist() == [[[-1, -2]]]
    assert F.avg_pool2d(dlcore.full((1, 2, 2), 200, dtype=dlcore.uint8), 2).tolist() == [[[200]]]


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (special.ndtri(T([0.0, 1.0, 0.5, 2.0])), [-inf, inf, 0.0, nan]),
        (special.ndtri(T([1e-300, 0.2], dtype=dlcore.float64)), [NormalDist().inv_cdf(p) for p in (1e-300, 0.2)]),
        (special.log_ndtr(T([-1e4, 0.0, 40.0], dtype=dlcore.float64)), [-50000010.12927891, math.log(0.5), 0.0]),
        (special.entr(T([0.0, 1.0, -1.0, nan])), [0.0, 0.0, -inf, nan]),
        (special.gammainc(T([0.0, 2.0, 2.0, inf]), T([1.0, 0.0, inf, 1.0])), [1.0, 0.0, 1.0, 0.0]),
        (special.gammaincc(T([-1.0, 0.0]), T([1.0, 0.0])), [nan, nan]),
        # Stirling's series of the median.
        (special.gammaincc(T([1000.0, 1e7], dtype=dlcore.float64), T([1000.0, 1e7], dtype=dlcore.float64)),
         [0.5 - 1 / math.sqrt(2 * math.pi * 1000) / 3, 0.5 - 1 / math.sqrt(2 * math.pi * 1e7) / 3]),
        (special.zeta(T([1.0, 0.5, 3.0, 2.5]), T([2.0, 2.0, -1.0, -0.5])), [inf, nan, inf, nan]),
        (special.erfcx(T([0.0, inf, -inf])), [1.0, 0.0, inf]),
        (special.i0e(T([inf, -inf])), [0.0, 0.0]),
    ],
)  # fmt: skip
def test_special_functions_at_their_ends(got, expected):
    np.testing.assert_allclose(got.numpy(), expected, rtol=3e-7 if got.dtype == dlcore.float32 else 1e-5)


def test_the_incomplete_gamma_functions_have_no_gradient_by_their_order():
    a, x = T([1.5], requires_grad=True), T([2.0], requires_grad=True)
    special.gammainc(a.detach(), x).backward()
    assert x.grad is not None
    with pytest.raises(dlcore.GradientError, match="no derivative by the first argument"):
        special.gammainc(a, x).backward()


def test_floor_division_tells_that_it_has_no_gradient_and_rounding_down_has_zeros():
    x = T([3.5], requires_grad=True)
    with pytest.raises(dlcore.GradientError, match=r"\bfloor_divide\b"):
        (x // 2).backward()
    dlcore.div(x, 2, rounding_mode="floor").backward()
    assert x.grad.tolist() == [0.0]


def test_second_names_are_the_same_functions():
    names = {
        "expit": "sigmoid",
        "psi": "digamma",
        "gammaln": "lgamma",
        "gammainc": "igamma",
        "multigammaln": "mvlgamma",
    }
    for name in special.__all__:
        function = getattr(dlcore, names.get(name, name), None)
        assert function is None or getattr(special, name) is function


def test_the_data_sets_are_reached_by_pytorchs_path_without_an_import_of_their_own():
    code = "import dlcore; print(dlcore.utils.data.DataLoader is dlcore.data.DataLoader)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "True\n"


def test_a_sum_to_no_dimensions_counts_truths():
    assert T(True).sum_to_size(()).dtype == dlcore.int64
    assert dlcore.ones(3, dtype=dlcore.bool).sum_to_size(3).dtype == dlcore.bool
    assert dlcore.ones(3, dtype=dlcore.bool).sum_to_size(1).tolist() == [3]


def test_alpha_does_not_change_the_dtype():
    """As in PyTorch, ``alpha * other`` is computed in the dtype of the sum."""
    of = dlcore.tensor
    assert dlcore.add(of([0]), of([100], dtype=dlcore.int8), alpha=2).tolist() == [200]
    assert dlcore.add(of([0.0]), of([60000.0], dtype=dlcore.float16), alpha=2).tolist() == [120000]
    assert dlcore.add(of([0.0], dtype=dlcore.float64), of([1]), alpha=0.1).tolist() == [0.1]
    assert dlcore.add(of([1], dtype=dlcore.int32), of([True]), alpha=3).dtype == dlcore.int32
    assert dlcore.add(of([1.0], dtype=dlcore.float16), of([1]), alpha=0.5).dtype == dlcore.float16
    assert dlcore.add(of([True]), True, alpha=2).dtype == dlcore.bool
    with pytest.raises(dlcore.DTypeError, match=r"alpha=0\.5 is no whole number"):
        dlcore.sub(of([1]), of([2]), alpha=0.5)


def test_types_of_python_are_the_dtypes_that_they_are():
    assert dlcore.zeros(1, dtype=float).dtype == T([1], dtype=float).dtype == T(1.0).to(float).dtype == dlcore.float64
    assert T([1.5, 0.0], dtype=int).tolist() == [1, 0]
    assert T([1.5, 0.0]).to(bool).tolist() == [True, False]


def test_nothing_is_divided_by_zero():
    none, zero = dlcore.zeros(0, 2, dtype=dlcore.int64), T([0])
    for function in (dlcore.remainder, dlcore.fmod, dlcore.floor_divide):
        assert function(none, zero).shape == (0, 2)
        with pytest.raises(ValueError, match="integer division by zero"):
            function(T([1]), zero)
