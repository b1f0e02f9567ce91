"""The Python array API standard: names and signatures, and where its functions are not PyTorch's.

The standard's own suite (data-apis/array-api-tests) says more; it is run by hand, with
``ARRAY_API_TESTS_MODULE=dlcore.array_api ARRAY_API_TESTS_SKIP_DTYPES=complex64,complex128``.
"""

import inspect

import dlcore
import dlcore.array_api as xp
import numpy as np
import pytest

FUNCTIONS = [name for name in xp.__all__ if inspect.isfunction(getattr(xp, name))]


def test_tensors_name_their_namespace():
    x = xp.ones(3)
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version="2024.12") is xp
    assert xp.__array_api_version__ == "2024.12"
    with pytest.raises(ValueError, match=r"no version .1999"):
        x.__array_namespace__(api_version="1999.01")
    assert x.to_device("cpu") is x
    assert complex(xp.asarray(2.5)) == 2.5


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_explained_and_take_arrays_by_position(name):
    function = getattr(xp, name)
    assert function.__doc__
    assert function.__name__ == name
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is not None and first.name in ("x", "x1"):
        positional = first.kind is inspect.Parameter.POSITIONAL_ONLY
        assert positional or name in ("astype", "moveaxis")


def test_integers_sum_in_the_widest_of_their_kind():
    assert xp.sum(xp.asarray([200, 100], dtype=xp.uint8)).dtype == xp.uint64
    assert xp.prod(xp.asarray([1, 2], dtype=xp.int8)).dtype == xp.int64
    assert xp.sum(xp.asarray([200, 100], dtype=xp.uint8), dtype=xp.uint8).dtype == xp.uint8
    assert xp.cumulative_sum(xp.asarray([1], dtype=xp.uint16)).dtype == xp.uint64


def test_no_axes_reduce_nothing_and_none_reduces_all():
    x = xp.asarray([[1.0, 2.0], [3.0, 4.0]])
    for function in (xp.sum, xp.prod, xp.mean, xp.max, xp.min):
        assert dlcore.equal(function(x, axis=()), x)
        assert function(x).shape == ()
        assert function(x, keepdims=True).shape == (1, 1)
        assert function(x, axis=(0, 1), keepdims=True).shape == (1, 1)
    assert xp.var(x, axis=()).tolist() == [[0, 0], [0, 0]]
    assert xp.argmax(x, keepdims=True).tolist() == [[3]]


def test_the_sign_of_zero_is_zero():
    signs = xp.sign(xp.asarray([-0.0, 0.0, -2.0, xp.nan]))
    assert repr(signs) == "tensor([ 0.,  0., -1., nan])"
    assert xp.sign(xp.asarray([3, 0], dtype=xp.uint8)).dtype == xp.uint8


def test_differences_are_counted_by_position_too():
    x = xp.asarray([[1, 4, 9], [2, 8, 18]])
    assert xp.diff(x, 2).tolist() == [[2], [4]]
    assert xp.diff(x, 1, 0).tolist() == xp.diff(x, axis=0).tolist() == [[1, 4, 9]]


def test_deviations_divide_by_the_number_of_elements():
    x = xp.asarray([1.0, 2.0, 4.0])
    assert float(xp.var(x)) == pytest.approx(np.var([1, 2, 4]))
    assert float(xp.std(x, correction=1)) == pytest.approx(np.std([1, 2, 4], ddof=1))


def test_numbers_take_the_dtype_of_the_array():
    x = xp.asarray([1, 2], dtype=xp.int8)
    assert xp.add(x, 1).dtype == xp.int8
    assert xp.subtract(3, x).tolist() == [2, 1]
    assert xp.where(xp.asarray([True, False]), x, 7).tolist() == [1, 7]
    assert xp.result_type(xp.int8, 1) == xp.int8
    with pytest.raises(TypeError, match="expected an array"):
        xp.add(1, 2)
    with pytest.raises(ValueError, match="expected an array or a dtype"):
        xp.result_type(1, 2.0)


def test_clip_keeps_the_dtype_and_nan():
    x = xp.asarray([1.0, float("nan"), 9.0], dtype=xp.float32)
    assert xp.clip(x, 2.0, xp.asarray([3.0, 3.0, 3.0])).tolist()[::2] == [2.0, 3.0]
    assert xp.isnan(xp.clip(x, 2.0, 3.0))[1]
    assert xp.clip(xp.asarray([1], dtype=xp.uint8), max=0).dtype == xp.uint8
    assert xp.clip(x) is not x


def test_each_nan_is_unique():
    x = xp.asarray([2.0, float("nan"), 1.0, 2.0, float("nan")])
    values, indices, inverse, counts = xp.unique_all(x)
    assert values.tolist()[:2] == [1, 2]
    assert len(values) == 4
    assert counts.tolist() == [1, 2, 1, 1]
    assert indices.tolist()[:2] == [2, 0]
    np.testing.assert_array_equal(values[inverse].numpy(), x.numpy())
    assert xp.unique_values(xp.zeros(0)).shape == (0,)
    assert xp.unique_inverse(xp.asarray([[3, 3]])).inverse_indices.shape == (1, 2)


def test_division_has_the_standards_special_cases():
    inf, nan = xp.inf, xp.nan
    x1 = xp.asarray([inf, -inf, inf, 1.0, 1.0, -1.0, inf, -7.0, 0.0, -0.0])
    x2 = xp.asarray([2.0, 2.0, -2.0, -inf, inf, inf, inf, 2.0, -3.0, 3.0])
    np.testing.assert_array_equal(
        xp.floor_divide(x1, x2).numpy(), [inf, -inf, -inf, -0.0, 0, -0.0, nan, -4, -0.0, -0.0]
    )
    signs = xp.signbit(xp.floor_divide(x1, x2))
    assert signs.tolist()[3:6] == [True, False, True]
    rests = xp.remainder(x1, x2)
    np.testing.assert_array_equal(rests.numpy(), [nan, nan, nan, -inf, 1, inf, nan, 1, -0.0, 0])
    assert xp.signbit(rests).tolist()[-2:] == [True, False]


def test_tolerances_may_be_one_for_each_matrix():
    x = xp.asarray([[[4.0, 0.0], [0.0, 1.0]]] * 2)
    inverse = xp.linalg.pinv(x, rtol=xp.asarray([0.0, 0.5]))
    np.testing.assert_allclose(inverse.numpy(), [[[0.25, 0], [0, 1]], [[0.25, 0], [0, 0]]])
    assert xp.linalg.matrix_rank(x, rtol=xp.asarray([0.0, 0.5])).tolist() == [2, 1]
    assert xp.linalg.pinv(xp.ones((0, 1, 2)), rtol=xp.ones(0)).shape == (0, 2, 1)


def test_what_is_ordered_by_positions_is_searched_in_that_order():
    x, order = xp.asarray([5, 1, 3]), xp.asarray([1, 2, 0])
    assert xp.searchsorted(x, xp.asarray([3, 4]), sorter=order).tolist() == [1, 2]
    assert xp.searchsorted(x, xp.asarray([3, 4]), side="right", sorter=order).tolist() == [2, 2]


def test_as_many_dimensions_as_the_namespace_says():
    most = xp.__array_namespace_info__().capabilities()["max dimensions"]
    x = xp.reshape(xp.ones(2), (1,) * (most - 1) + (2,))
    assert xp.sum(x + x).tolist() == 4
    assert xp.permute_dims(x, tuple(reversed(range(most)))).shape[0] == 2
    with pytest.raises(ValueError, match=f"at most {most}"):
        xp.reshape(x, (1,) * most + (2,))


def test_masks_of_no_elements_select_nothing():
    x, nothing = xp.ones((3, 2)), xp.zeros(0, dtype=xp.bool)
    assert x[nothing].shape == (0, 2)
    assert x[xp.zeros((0, 2), dtype=xp.bool)].shape == (0,)
    x[nothing] = 5.0
    assert xp.all(x == 1)
    with pytest.raises(IndexError, match="mask of shape"):
        x[xp.zeros((0, 3), dtype=xp.bool)]


def test_diagonals_beyond_all_integers_are_empty():
    assert not xp.any(xp.eye(2, k=2**70))
    assert not xp.any(xp.eye(2, 3, k=-(2**70)))


def test_steps_away_from_the_end_count_nothing():
    assert xp.arange(5, 2).shape == (0,)
    assert xp.arange(0, 5, -1).shape == (0,)
    assert xp.arange(3.0).dtype == xp.float32
    assert xp.linspace(0, 1, 0).shape == (0,)


def test_what_may_not_be_copied_is_refused():
    x = xp.ones((2, 3))
    assert xp.asarray(x, copy=False).data_ptr() == x.data_ptr()
    assert xp.asarray(x, copy=True).data_ptr() != x.data_ptr()
    for bad in ([1, 2], (x, xp.float64)):
        with pytest.raises(ValueError, match="copy=False"):
            xp.asarray(*bad[:1], dtype=bad[1], copy=False) if isinstance(bad, tuple) else xp.asarray(bad, copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        xp.reshape(x.T, (6,), copy=False)
    assert xp.reshape(x, (6,), copy=True).data_ptr() != x.data_ptr()
    with pytest.raises(ValueError, match="no device"):
        xp.ones(2, device="tpu")


def test_dtypes_and_their_kinds():
    assert xp.isdtype(xp.uint8, "unsigned integer")
    assert xp.isdtype(xp.float32, ("integral", "real floating"))
    assert not xp.isdtype(xp.bool, "numeric")
    with pytest.raises(ValueError, match="no kind 'whole'"):
        xp.isdtype(xp.bool, "whole")
    assert xp.can_cast(xp.uint8, xp.int16)
    assert not xp.can_cast(xp.uint64, xp.int64)
    assert not xp.can_cast(xp.int32, xp.float64)
    assert xp.finfo(xp.float64).dtype == xp.float64
    assert xp.iinfo(xp.ones(1, dtype=xp.int16)).max == 2**15 - 1
    info = xp.__array_namespace_info__()
    assert info.default_dtypes()["integral"] == xp.int64
    assert set(info.dtypes(kind=("bool", "signed integer"))) == {"bool", "int8", "int16", "int32", "int64"}
    assert info.capabilities()["boolean indexing"]


def test_axes_that_are_not_one_element_are_not_squeezed():
    with pytest.raises(ValueError, match="axis 1 of shape"):
        xp.squeeze(xp.ones((1, 2)), 1)


def test_linear_algebra_takes_the_standards_arguments():
    a = xp.asarray([[4.0, 1.0], [1.0, 3.0]])
    stack = xp.stack([a, a])
    assert xp.linalg.solve(stack, xp.ones((2, 2))).shape == (2, 2, 2)  # a matrix, though it could be two vectors
    assert xp.linalg.solve(stack, xp.ones(2)).shape == (2, 2)
    assert xp.linalg.solve(xp.ones((1, 1, 1)), xp.ones(1)).shape == (1, 1)
    with pytest.raises(dlcore.ShapeError, match="equations"):
        xp.linalg.solve(xp.ones((2, 1, 1)), xp.ones(2))  # no vector for each matrix
    assert float(xp.linalg.trace(a, offset=1)) == 1
    assert xp.vecdot(xp.ones((2, 1, 3)), xp.ones((4, 3))).shape == (2, 4)
    assert xp.vecdot(xp.ones((2, 3)), xp.ones((4, 2, 1)), axis=-2).shape == (4, 3)
    for x1, x2, axis in (((3,), (1,), -1), ((2, 3), (2, 1), -1), ((2, 3), (3,), -2), ((3,), (4, 3), 0)):
        with pytest.raises(dlcore.ShapeError, match="vecdot: vectors of"):
            xp.vecdot(xp.ones(x1), xp.ones(x2), axis=axis)
    assert xp.linalg.vector_norm(a, axis=()).shape == (2, 2)
    assert xp.linalg.matrix_norm(a, keepdims=True).shape == (1, 1)
    assert xp.linalg.svd(a, full_matrices=False).S.shape == (2,)
