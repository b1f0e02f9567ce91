"""Assertions of tests: what passes, and what the error says."""

import dlcore
import numpy as np
import pytest
from dlcore.testing import assert_close, make_tensor

T = dlcore.tensor


@pytest.mark.parametrize(
    ("actual", "expected", "settings"),
    [
        (T([1.0, 2.0]), T([1.0, 2.0 + 1e-6]), {}),
        (T([1.0, 2.0]).half(), T([1.0, 2.002]).half(), {}),
        (T([1.0]), T([1.0]).double(), {"check_dtype": False}),
        (T([1.0]), T([1.4]), {"rtol": 0.0, "atol": 0.5}),
        (T([dlcore.nan, dlcore.inf]), T([dlcore.nan, dlcore.inf]), {"equal_nan": True}),
        ({"a": [T(1.0), (2, 3.0)]}, {"a": [T(1.0), (2, 3.0 + 1e-9)]}, {}),
        (np.ones((2, 2), np.float32), dlcore.ones(2, 2), {}),
        (dlcore.ones(2, requires_grad=True), dlcore.ones(2), {}),
        (dlcore.zeros(0), dlcore.zeros(0), {}),
        (dlcore.ones(2, 3).t(), dlcore.ones(3, 2), {}),
        (T([True, False]), T([True, False]), {}),
    ],
)
def test_what_is_close(actual, expected, settings):
    assert_close(actual, expected, **settings)


@pytest.mark.parametrize(
    ("actual", "expected", "settings", "words"),
    [
        (T([1.0, 2.0, 4.0]), T([1.0, 3.0, 7.0]), {}, r"2 of 3 elements .* most at \(2,\): 4.0 is not 7.0$"),
        (T([1.0]), T([1.0 + 1e-4]), {}, "1 of 1 elements differ by more than 1e-05"),
        (T([[2**60 + 1]]), T([[2**60]]), {}, r"at \(0, 0\): 1152921504606846977 is not 1152921504606846976"),
        (T([1.0, dlcore.nan]), T([1.0, dlcore.nan]), {}, r"\(1,\): nan is not nan"),
        (T([dlcore.inf]), T([-dlcore.inf]), {}, "inf is not -inf"),
        (dlcore.ones(2), dlcore.ones(3), {}, r"the shapes are \(2,\) and \(3,\)"),
        (dlcore.ones(2), dlcore.ones(2).double(), {}, "the dtypes are dlcore.float32 and dlcore.float64"),
        (dlcore.ones(2, 3).t(), dlcore.ones(3, 2), {"check_stride": True}, r"the strides are \(1, 3\) and \(2, 1\)"),
        ({"a": [1, 2.0]}, {"a": [1, 3.0]}, {}, r"2.0 is not 3.0, at \['a'\]\[1\]"),
        ([1, 2], [1], {}, "the lengths are 2 and 1"),
        (1, [1], {}, "the lengths are int and 1"),
        ({"a": 1}, {"b": 1}, {}, "the names {'a'} are not {'b'}"),
        (1.0, 1.0 + 1e-5, {}, "1e-07"),
        (1, 2, {"msg": "of my own"}, "^of my own$"),
        (1, 2, {"msg": lambda text: f"step 3: {text}"}, "^step 3: 1 of 1"),
    ],
)
def test_what_is_not_close_is_shown(actual, expected, settings, words):
    with pytest.raises(AssertionError, match=words):
        assert_close(actual, expected, **settings)


def test_tolerances_are_given_together():
    with pytest.raises(ValueError, match="both rtol and atol"):
        assert_close(1.0, 1.0, rtol=1.0)


def test_nan_equals_nan_also_without_tolerance():
    both = dlcore.tensor([np.nan, 1.0]), dlcore.tensor([np.nan, 1.0])
    assert_close(*both, rtol=0, atol=0, equal_nan=True)
    with pytest.raises(AssertionError, match="1 of 2"):
        assert_close(both[0], dlcore.ones(2), rtol=0, atol=0, equal_nan=True)


def test_none_is_close_to_none_alone():
    assert_close([None, 1], [None, 1])
    with pytest.raises(AssertionError, match="None is not 1"):
        assert_close([None], [1])


@pytest.mark.parametrize(
    "dtype", [dlcore.float16, dlcore.float32, dlcore.float64, dlcore.int8, dlcore.int64, dlcore.uint8, dlcore.bool]
)
def test_random_numbers_of_any_dtype_lie_between_their_bounds(dtype):
    dlcore.manual_seed(0)
    x = make_tensor(40, 50, dtype=dtype)
    least, most = {dlcore.bool: (0, 1), dlcore.uint8: (0, 9)}.get(dtype, (-9, 9))
    assert (x.shape, x.dtype) == ((40, 50), dtype)
    assert least <= x.double().min() < least + 1
    assert most - 1 < x.double().max() <= most
    assert make_tensor((3, 4), dtype=dtype, low=0, high=2, exclude_zero=True).all()


def test_random_numbers_lie_as_they_are_asked_to():
    assert make_tensor(3, 4, dtype=dlcore.float32, noncontiguous=True).stride() == (8, 2)
    assert make_tensor((), dtype=dlcore.float32, noncontiguous=True).shape == ()
    image = make_tensor(1, 2, 3, 4, dtype=dlcore.float32, memory_format=dlcore.channels_last, requires_grad=True)
    assert (image.stride(), image.is_leaf, image.requires_grad) == ((24, 1, 8, 2), True, True)
    assert make_tensor(9, dtype=dlcore.int8, low=126.5, high=1000).tolist() == [127] * 9


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"low": 5, "high": 5}, r"nothing in \[5, 5\)"),
        ({"low": dlcore.nan}, r"nothing in \[nan"),
        ({"dtype": dlcore.uint8, "low": -5, "high": -1}, r"uint8 has nothing in \[-5, -1\)"),
        ({"dtype": dlcore.int8, "requires_grad": True}, "int8 has no gradient"),
        ({"noncontiguous": True, "memory_format": dlcore.channels_last}, "noncontiguous, and a memory_format"),
    ],
)
def test_random_numbers_that_cannot_be(settings, words):
    with pytest.raises(ValueError, match=words):
        make_tensor(2, **{"dtype": dlcore.float32, **settings})
