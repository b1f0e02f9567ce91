"""Float32 matrix products in each precision that a user may choose: accuracy, special values, bits."""

import re

import dlcore
import numpy as np
import pytest

# Relative to the norms of a row and a column: what K roundings of each precision may add up to.
ERRORS = {"ieee": 2**-22, "highest": 2**-22, "high": 2**-15, "medium": 2**-7}


@pytest.fixture(autouse=True)
def precision():
    yield
    dlcore.set_float32_matmul_precision("highest")


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def product(precision, a, b):
    dlcore.set_float32_matmul_precision(precision)
    return dlcore.matmul(dlcore.tensor(a), dlcore.tensor(b)).numpy()


def errors(got, a, b):
    a, b = a.astype("float64"), b.astype("float64")
    scale = np.linalg.norm(a, axis=-1, keepdims=True) * np.linalg.norm(b, axis=-2, keepdims=True)
    return (got - a @ b) / scale


def test_the_name_is_kept_and_others_are_refused():
    assert dlcore.get_float32_matmul_precision() == "highest"
    for name in ERRORS:
        dlcore.set_float32_matmul_precision(name)
        assert dlcore.get_float32_matmul_precision() == name
    message = 'set_float32_matmul_precision: expected "highest", "high", "medium" or "ieee", got "best"'
    with pytest.raises(ValueError, match=re.escape(message)):
        dlcore.set_float32_matmul_precision("best")
    assert dlcore.get_float32_matmul_precision() == "medium"


@pytest.mark.parametrize("precision", ERRORS)
@pytest.mark.parametrize("shape", [(1, 40, 1), (33, 300, 65), (128, 128, 128), (385, 390, 401), (100, 5000, 100)])
def test_errors_are_those_of_the_precision(precision, shape):
    m, k, n = shape
    a, b = noise(m, k), noise(k, n, seed=1)
    for x, y in [(a, b), (a.T.copy().T, b), (a, b.T.copy().T)]:
        assert np.abs(errors(product(precision, x, y), x, y)).max() < ERRORS[precision]


@pytest.mark.parametrize("make", [lambda x: x, np.abs, lambda x: x * np.exp(8 * x), lambda x: x / 64 + 3])
def test_highest_errs_no_more_than_float32(make):
    a, b = make(noise(400, 1000)), make(noise(1000, 400, seed=1))
    highest, ieee = (np.sqrt(np.mean(errors(product(p, a, b), a, b) ** 2)) for p in ["highest", "ieee"])
    assert highest <= ieee


@pytest.mark.parametrize("precision", ["highest", "high"])
def test_special_values_are_those_of_float32(precision):
    a, b = noise(400, 400), noise(400, 400, seed=1)
    for row, value in enumerate([np.inf, -np.inf, np.nan, 3e38, 1e-40, -1e-30]):
        a[7 * row, 50 * row] = value
        b[60 * row, 11 * row] = value
    with np.errstate(all="ignore"):
        got, want = product(precision, a, b), product("ieee", a, b)
    assert np.array_equal(np.isnan(got), np.isnan(want))
    assert np.array_equal(np.isinf(got), np.isinf(want))
    finite = np.isfinite(want)
    assert np.allclose(got[finite], want[finite], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("precision", ERRORS)
def test_the_same_bits_on_any_number_of_threads(precision):
    threads = dlcore.get_num_threads()
    a, b = noise(3, 300, 700), noise(700, 260, seed=1)
    try:
        results = []
        for count in [1, 2, 3, 7]:
            dlcore.set_num_threads(count)
            results.append(product(precision, a, b).tobytes())
    finally:
        dlcore.set_num_threads(threads)
    assert len(set(results)) == 1


@pytest.mark.parametrize("precision", ERRORS)
def test_a_convolution_and_its_gradients(precision):
    dlcore.set_float32_matmul_precision(precision)
    x = dlcore.tensor(noise(2, 128, 20, 20), requires_grad=True)
    w = dlcore.tensor(noise(128, 128, 3, 3, seed=1), requires_grad=True)
    wide = [dlcore.tensor(t.detach().numpy().astype("float64"), requires_grad=True) for t in (x, w)]
    outputs = [dlcore.nn.functional.conv2d(*pair, padding=1) for pair in [(x, w), wide]]
    for output in outputs:
        (output * output).sum().backward()
    pairs = [outputs, (x.grad, wide[0].grad), (w.grad, wide[1].grad)]
    for got, want in pairs:
        got, want = got.detach().numpy(), want.detach().numpy()
        assert np.abs(got - want).max() / np.abs(want).max() < 4 * ERRORS[precision]
