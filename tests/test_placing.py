"""Elements written where indices say, in the tensor's own memory: the values of the forms that make a new tensor,
without a copy of the tensor, and none of the memory changed where an error comes."""

import dlcore
import numpy as np
import pytest
from dlcore import memory

T = dlcore.tensor
ROWS, COLUMNS = 5, 7
DTYPES = [
    dlcore.float64, dlcore.float32, dlcore.float16, dlcore.bfloat16, dlcore.int64, dlcore.int32, dlcore.int16,
    dlcore.int8, dlcore.uint8, dlcore.bool,
]  # fmt: skip

FLAT = T([[3, 3, 1], [0, 4, 2]])


def values(dtype, *shape):
    return dlcore.arange(1, 1 + int(np.prod(shape))).reshape(shape).to(dtype)


# What places elements: the name of the method, and its arguments by the dtype.
CALLS = {
    "scatter_": lambda d: (0, FLAT, values(d, 2, 3)),
    "scatter_ of a number": lambda d: (1, FLAT, 1),
    "scatter_ with repeats": lambda d: (1, T([[3, 3, 3]]), values(d, 1, 3)),
    "scatter_add_": lambda d: (0, FLAT, values(d, 2, 3)),
    "scatter_add_ of rows": lambda d: (0, T([4, 4, 1])[:, None].expand(-1, COLUMNS), values(d, 3, COLUMNS)),
    "scatter_add_ of columns": lambda d: (1, T([6, 0]).expand(ROWS, 2), values(d, ROWS, 2)),
    "index_add_": lambda d: (1, T([2, 0, 2]), values(d, ROWS, 3)),
    "index_copy_": lambda d: (0, T([4, 1]), values(d, 2, COLUMNS)),
    "index_fill_": lambda d: (1, T([-1, 0]), 1),
    "index_put_": lambda d: ((T([0, 4]), T([1, -1])), values(d, 2)),
    "index_put_ that adds": lambda d: ((T([0, 0]), T([1, 1])), values(d, 2), True),
    "put_": lambda d: (T([0, 9]), values(d, 2)),
    "put_ that adds": lambda d: (T([9, 9]), values(d, 2), True),
    "masked_scatter_": lambda d: (values(dlcore.int64, ROWS, COLUMNS) % 5 == 0, values(d, ROWS * COLUMNS)),
    **{
        f"scatter_reduce_ {reduce} {own}": lambda d, reduce=reduce, own=own: (
            (0, FLAT, values(d, 2, 3), reduce), {"include_self": own},
        )
        for reduce in ("sum", "mean", "prod", "amax", "amin")
        for own in (True, False)
    },
    **{
        f"index_reduce_ {reduce}": lambda d, reduce=reduce: (0, T([3, 3, 0]), values(d, 3, COLUMNS), reduce)
        for reduce in ("mean", "prod", "amax", "amin")
    },
}  # fmt: skip


def arguments(name, dtype):
    given = CALLS[name](dtype)
    return given if isinstance(given[-1], dict) else (given, {})


def call(x, name, given, *, in_place=True):
    (args, kwargs), method = given, name.split()[0]
    return getattr(x, method if in_place else method[:-1])(*args, **kwargs)


# Tensors of ROWS by COLUMNS that lie differently in memory.
LAYOUTS = {
    "whole": lambda x: x,
    "part of a larger one": lambda x: dlcore.cat([x, x, x])[ROWS : 2 * ROWS],
    "transposed": lambda x: x.T.contiguous().T,
    "with gaps": lambda x: dlcore.cat([x, x], 1)[:, :COLUMNS],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CALLS)
def test_values_are_those_of_the_form_that_makes_a_new_tensor(name, layout):
    for dtype in DTYPES:
        given = arguments(name, dtype)
        x = LAYOUTS[layout](values(dtype, ROWS, COLUMNS))
        own = x.data_ptr()
        try:
            expected = call(x.clone(), name, given, in_place=False)
        except dlcore.DTypeError:
            with pytest.raises(dlcore.DTypeError):
                call(x, name, given)
            continue
        around = x.T
        assert call(x, name, given) is x
        assert x.data_ptr() == own
        assert x.dtype == dtype
        assert x.equal(expected), dtype
        assert around.equal(expected.T), dtype


def along_columns(given):
    first = given[0][0] if isinstance(given[-1], dict) else given[0]
    return isinstance(first, int) and first == 1


# Those that go along the first dimension, of tensors that have COLUMNS; means are divided out of place.
FEW = [name for name in CALLS if name.split()[0] != "masked_scatter_" and "mean" not in name and "columns" not in name]


@pytest.mark.parametrize("name", [name for name in FEW if not along_columns(CALLS[name](dlcore.float32))])
def test_a_few_elements_are_written_without_a_copy_of_all(name):
    large = dlcore.zeros(ROWS * 60_000, COLUMNS)
    args, kwargs = arguments(name, dlcore.float32)
    call(large, name, (args, kwargs))
    memory.reset_peak()
    before = memory.stats()["peak_bytes"]
    call(large, name, (args, kwargs))
    assert memory.stats()["peak_bytes"] - before < large.numel()  # a quarter of a copy


def test_keys_write_few_elements_without_a_copy_of_all():
    cache = dlcore.zeros(1, 8, 2048, 64)
    at, new = T([5, 7]), dlcore.ones(1, 8, 2, 64)
    memory.reset_peak()
    before = memory.stats()["peak_bytes"]
    cache[:, :, at] = new
    cache[0, T([1, 2]), T([3, 4])] = 2.0
    cache[0, 0, 9:] = cache[0, 0, 9:]
    assert memory.stats()["peak_bytes"] - before < cache.numel()
    assert cache.sum() == 8 * 2 * 64 + 2 * 2 * 64
    assert (cache[0, 1, 3] == 2).all()
    assert (cache[0, :, 7] == 1).all()


def test_what_is_read_while_it_is_written_is_read_before():
    x = dlcore.arange(6.0)
    x[T([1, 2, 3, 4, 5])] = x[:5]
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    order = T([2, 0, 1])
    order[order] = T([7, 8, 9])
    assert order.tolist() == [8, 9, 7]
    x = dlcore.arange(4.0)
    x.index_add_(0, T([0, 0, 0, 0]), x)
    assert x.tolist() == [6, 1, 2, 3]
    x = dlcore.arange(4.0)
    x.scatter_add_(0, T([0, 0, 0, 0]), x)
    assert x.tolist() == [6, 1, 2, 3]
    lent = np.arange(4.0)
    x = dlcore.from_numpy(lent)
    x[T([3, 2, 1, 0])] = dlcore.from_numpy(lent)
    assert lent.tolist() == [3, 2, 1, 0]
    x = dlcore.arange(1.0, 5.0)
    x.scatter_reduce_(0, T([3, 3, 3, 3]), x, "prod")
    assert x.tolist() == [1, 2, 3, 96]


def test_an_index_out_of_range_leaves_the_tensor_as_it_was():
    for name, args in {
        "index_put_": ((T([0, 9]),), dlcore.ones(2)),
        "index_add_": (0, T([0, 9]), dlcore.ones(2)),
        "index_copy_": (0, T([0, 9]), dlcore.ones(2)),
        "index_fill_": (0, T([0, 9]), 1.0),
        "scatter_": (0, T([0, 9]), dlcore.ones(2)),
        "scatter_add_": (0, T([0, 9]), dlcore.ones(2)),
        "scatter_reduce_": (0, T([0, 9]), dlcore.ones(2), "amax"),
    }.items():
        x = dlcore.zeros(4)
        with pytest.raises(IndexError, match="9"):
            getattr(x, name)(*args)
        assert not x.any(), name


def test_a_mask_of_more_dimensions_leaves_the_tensor_as_it_was():
    x = dlcore.zeros(3)
    with pytest.raises(dlcore.ShapeError, match="masked_scatter_"):
        x.masked_scatter_(dlcore.ones(1, 3, dtype=dlcore.bool), dlcore.ones(3))
    assert not x.any()
    assert x.masked_scatter(dlcore.ones(1, 3, dtype=dlcore.bool), dlcore.ones(3)).tolist() == [[1, 1, 1]]


def test_values_saved_for_backward_are_missed_when_written_over():
    weight, x = dlcore.ones(3, requires_grad=True), dlcore.arange(3.0)
    y = weight * x
    x[T([1])] = 5.0
    with pytest.raises(dlcore.GradientError, match="__setitem__"):
        y.sum().backward()


def test_recorded_writes_stay_right():
    base, source = dlcore.zeros(4), dlcore.ones(2, requires_grad=True)
    base.index_add_(0, T([1, 1]), source)
    base[T([0])] = source[0] * 3
    base.sum().backward()
    assert base.tolist() == [3, 2, 0, 0]
    assert source.grad.tolist() == [4, 1]
    with dlcore.no_grad():
        x = dlcore.zeros(3, requires_grad=True)
        x[T([0, 2])] = 1.0
    assert x.tolist() == [1, 0, 1]
    assert x.requires_grad
    with pytest.raises(dlcore.GradientError, match="leaf"):
        x[T([1])] = 1.0
    assert x.tolist() == [1, 0, 1]


def test_views_made_where_nothing_was_recorded_are_refused_before_they_change():
    x = dlcore.ones(4, requires_grad=True) * 1
    with dlcore.no_grad():
        view = x[1:]
    with pytest.raises(dlcore.GradientError, match="no_grad"):
        view[T([0])] = 7.0
    assert x.tolist() == [1, 1, 1, 1]


def test_read_only_memory_is_refused():
    source = np.zeros(4, np.float32)
    source.flags.writeable = False
    x = dlcore.asarray(source)
    with pytest.raises(ValueError, match="read-only"):
        x[T([1])] = 1.0
    assert not source.any()
