"""Every dtype: what it holds, how dtypes combine, and integers of every size against numpy."""

import copy
import itertools
import math
import pickle

import dlcore
import numpy as np
import pytest
from cases import numbers
from dlcore import nn
from hypothesis import given, strategies as st

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
EVERY = ["bool", *INTEGERS, *FLOATS]
OF_INTEGERS = pytest.mark.parametrize("name", INTEGERS)


def expected_promotion(first, second):
    """The array API standard's table, and bfloat16 as a float beside float16; None where there is none."""
    kinds = ["bool", "int", "float"]
    kind = [next(i for i, k in enumerate(kinds) if k in name) for name in (first, second)]
    if first == second:
        return first
    if kind[0] != kind[1]:
        return max(zip(kind, (first, second), strict=True))[1]
    if {first, second} == {"float16", "bfloat16"}:
        return "float32"
    if "bfloat16" in (first, second):
        return max(first, second, key=lambda name: np.finfo(name).bits if name != "bfloat16" else 16)
    both = np.promote_types(first, second).name
    return None if kind[0] == 1 and "float" in both else both


@pytest.mark.parametrize(("first", "second"), [*itertools.product(EVERY, EVERY)])
def test_promotion_between_tensors(first, second):
    a, b = dlcore.ones(2, dtype=first), dlcore.ones(2, dtype=second)
    name = expected_promotion(first, second)
    if name is None:
        for combine in (dlcore.promote_types, dlcore.result_type):
            with pytest.raises(dlcore.DTypeError, match=f"no dtype holds both {first} and {second}"):
                combine(a.dtype, b.dtype)
        for combine in (dlcore.add, dlcore.eq, lambda a, b: dlcore.cat([a, b]), lambda a, b: dlcore.where(a > 0, a, b)):
            with pytest.raises(dlcore.DTypeError, match="no dtype holds both"):
                combine(a, b)
        return
    expected = getattr(dlcore, name)
    assert dlcore.promote_types(a.dtype, b.dtype) == dlcore.result_type(a, b) == expected
    assert (a + b).dtype == (a * b).dtype == dlcore.cat([a, b]).dtype == dlcore.where(a > 0, a, b).dtype == expected
    assert (a / b).dtype == (expected if expected.is_floating_point else dlcore.float32)
    assert (a < b).dtype == dlcore.bool
    if name not in ("bool", "bfloat16"):
        assert numbers(a + b).tolist() == [2, 2]


@pytest.mark.parametrize("name", EVERY)
def test_promotion_with_python_numbers(name):
    dtype = getattr(dlcore, name)
    x = dlcore.ones(2, dtype=dtype)
    with_int = dlcore.int64 if name == "bool" else dtype
    with_float = dtype if dtype.is_floating_point else dlcore.float32
    for number, expected in ((True, dtype), (3, with_int), (1.5, with_float), (np.float64(1.5), with_float)):
        assert (x + number).dtype == (number + x).dtype == (x * number).dtype == expected
        assert dlcore.result_type(x, number) == dlcore.result_type(number, x) == expected


@OF_INTEGERS
def test_an_int_beyond_the_dtype_is_not_wrapped(name):
    info = dlcore.iinfo(name)
    x = dlcore.tensor([info.max], dtype=name)
    for beyond in (info.max + 1, info.min - 1):
        if name == "uint64":
            # No integer dtype holds both a negative number and all of uint64, and none more than that.
            if beyond < 0:
                assert (x + beyond).tolist() == [float(info.max + beyond)]
                assert (x > beyond).tolist() == [True]
            else:
                with pytest.raises((OverflowError, dlcore.DTypeError)):
                    x + beyond
        elif name == "int64":
            with pytest.raises((OverflowError, dlcore.DTypeError)):
                _ = x > beyond
        else:
            assert (x + beyond).tolist() == [info.max + beyond]
            assert (x > beyond).tolist() == [info.max > beyond]


@OF_INTEGERS
def test_the_ends_of_the_range(name):
    info, reference = dlcore.iinfo(name), np.iinfo(name)
    assert (info.bits, info.min, info.max, info.dtype) == (reference.bits, reference.min, reference.max, name)
    ends = [info.min, info.max]
    x = dlcore.tensor(ends, dtype=name)
    assert x.tolist() == [x[0].item(), int(x[1])] == dlcore.from_numpy(np.array(ends, dtype=name)).tolist() == ends
    assert (x.numpy().tolist(), x.numpy().dtype) == (ends, np.dtype(name))
    first, last = (str(end).rjust(max(len(str(end)) for end in ends)) for end in ends)
    assert repr(x) == f"tensor([{first}, {last}]{'' if name == 'int64' else f', dtype=dlcore.{name}'})"
    assert dlcore.full((2,), info.max, dtype=name).tolist() == [info.max] * 2
    assert (x.max().item(), x.min().item(), x.argmax().item()) == (info.max, info.min, 1)
    assert x.max().dtype == x.dtype
    assert (x + 1).tolist() == [info.min + 1, info.min]
    assert x.clamp(info.min + 1, info.max - 1).tolist() == [info.min + 1, info.max - 1]


def numbers_of(name):
    info = np.iinfo(name)
    near = [info.min, info.min + 1, info.max - 1, info.max, *range(max(info.min, -4), 5)]
    return st.lists(st.one_of(st.sampled_from(near), st.integers(int(info.min), int(info.max))), min_size=1, max_size=9)


ARITHMETIC = ["add", "subtract", "multiply", "maximum", "minimum", "less", "equal", "greater_equal"]
DLCORES = {"subtract": "sub", "multiply": "mul", "less": "lt", "equal": "eq", "greater_equal": "ge", "absolute": "abs",
           "negative": "neg"}  # fmt: skip


@OF_INTEGERS
@given(data=st.data())
def test_arithmetic_is_numpys(name, data):
    """Wrapping included."""
    a = np.array(data.draw(numbers_of(name)), dtype=name)
    b = np.array(data.draw(st.lists(st.sampled_from(a.tolist()), min_size=len(a), max_size=len(a))), dtype=name)
    x, y = dlcore.from_numpy(a), dlcore.from_numpy(b)
    with np.errstate(all="ignore"):
        for function in ARITHMETIC:
            got = getattr(dlcore, DLCORES.get(function, function))(x, y).numpy()
            expected = getattr(np, function)(a, b)
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected, err_msg=function)
        for function in ("absolute", "negative", "sign", "square"):
            got = getattr(dlcore, DLCORES.get(function, function))(x).numpy()
            np.testing.assert_array_equal(got, getattr(np, function)(a), err_msg=function)
        divisor = np.where(b == 0, b.dtype.type(1), b)
        for function in ("floor_divide", "remainder"):
            got = getattr(dlcore, function)(x, dlcore.from_numpy(divisor)).numpy()
            np.testing.assert_array_equal(got, getattr(np, function)(a, divisor), err_msg=function)
        np.testing.assert_array_equal((x ** dlcore.from_numpy(np.arange(len(a), dtype=name))).numpy(),
                                      a ** np.arange(len(a), dtype=name))  # fmt: skip


def whole(x, bits):
    """A float without its fraction; the lowest integer where that does not hold it."""
    return int(x) if -(2.0 ** (bits - 1)) <= x < 2.0 ** (bits - 1) else -(2 ** (bits - 1))


def converted(x, target):
    """A float as an integer, as x86 converts: by way of int32 to fewer bits, and to uint64 by halves."""
    if target == "int64":
        return whole(x, 64)
    if target in ("uint64", "uint32"):
        half = 2**63
        full = (whole(x - 2.0**63, 64) + half if x >= 2.0**63 else whole(x, 64)) % 2**64
        return full if target == "uint64" else full % 2**32
    info = np.iinfo(target)
    return (whole(x, 32) - info.min) % 2**info.bits + info.min


@pytest.mark.parametrize(("source", "target"), [*itertools.product(EVERY, ["bool", *INTEGERS])])
def test_conversions(source, target):
    """Integers wrap; floats lose their fraction, and what an integer does not hold is as x86 has it."""
    if "int" in source:
        info = np.iinfo(source)
        values = np.array([info.min, info.max, 0, 1, 100, info.max // 2 + 1], dtype=source)
        expected = values.astype(target)
    else:
        values = np.array(
            [0, 1, -1, 2.75, -2.75, 200, -200, 40000, -40000, 3e9, -3e9, 1e10, 2e19, -2e19, np.inf, -np.inf]
        )
        values = values.astype(bool) if source == "bool" else values
        with np.errstate(over="ignore"):
            x = numbers(dlcore.from_numpy(values).to(getattr(dlcore, source))).astype(float)
        expected = x != 0 if target == "bool" else np.array([converted(v, target) for v in x], dtype=target)
    got = dlcore.from_numpy(values).to(getattr(dlcore, source)).to(getattr(dlcore, target))
    np.testing.assert_array_equal(got.numpy(), expected)
    long = dlcore.from_numpy(np.tile(values, 300)).to(getattr(dlcore, source))[::2].to(getattr(dlcore, target))
    np.testing.assert_array_equal(long.numpy(), np.tile(expected, 300)[::2])


@OF_INTEGERS
@pytest.mark.parametrize("target", FLOATS)
def test_conversions_to_floats_round_to_even(name, target):
    info = np.iinfo(name)
    values = np.array([info.min, info.max, 0, 1, 100, info.max // 2 + 1, info.max // 3], dtype=name)
    with np.errstate(over="ignore"):
        exact = values.astype(np.float64)
        got = numbers(dlcore.from_numpy(values).to(getattr(dlcore, target)))
        expected = numbers(dlcore.from_numpy(exact).to(getattr(dlcore, target)))
    np.testing.assert_array_equal(got, expected)


@OF_INTEGERS
def test_moves_and_indices(name):
    rng = np.random.default_rng(2)
    info = np.iinfo(name)
    a = rng.integers(info.min, info.max, (70, 90), dtype=name, endpoint=True)
    x = dlcore.from_numpy(a)
    rows = np.array([5, 0, 69], dtype=name)
    np.testing.assert_array_equal(x.T.contiguous().numpy(), a.T)
    np.testing.assert_array_equal(x[dlcore.from_numpy(rows)].numpy(), a[rows])
    np.testing.assert_array_equal(x[x > 7].numpy(), a[a > 7])
    np.testing.assert_array_equal(dlcore.stack([x, x], 1).numpy(), np.stack([a, a], 1))
    np.testing.assert_array_equal(dlcore.flip(x, (1,)).numpy(), a[:, ::-1])
    np.testing.assert_array_equal(x.max(1)[0].numpy(), a.max(1))
    np.testing.assert_array_equal(x.argmin(0).numpy(), a.argmin(0))
    np.testing.assert_array_equal(dlcore.sort(x, 1)[0].numpy(), np.sort(a, 1))
    np.testing.assert_array_equal(dlcore.topk(x, 3, 0)[0].numpy(), -np.sort(-a.astype(object), 0)[:3])
    np.testing.assert_array_equal(x.sum(0).numpy(), a.sum(0).astype(np.int64))
    np.testing.assert_array_equal((x[:5] @ x[:5].T).numpy(), a[:5] @ a[:5].T)
    y = x.clone()
    y[1:3, ::2] = 7
    y += 1
    a = a.copy()
    a[1:3, ::2] = 7
    np.testing.assert_array_equal(y.numpy(), a + np.array(1, dtype=name))


@pytest.mark.parametrize("name", FLOATS)
def test_what_floats_can_tell_apart(name):
    info, dtype = dlcore.finfo(name), getattr(dlcore, name)
    one = dlcore.ones(1, dtype=dtype)
    assert (one + info.eps - 1).item() == info.eps
    assert (one + info.eps / 2).item() == 1
    assert dlcore.tensor(info.max, dtype=dtype).item() == info.max == -info.min
    assert (dlcore.tensor([info.max], dtype=dtype) * 1.01).isinf().item()
    assert dlcore.tensor(info.tiny, dtype=dtype).item() == info.tiny == info.smallest_normal
    assert (info.bits, info.dtype) == (8 * dtype.itemsize, name)
    if name != "bfloat16":
        reference = np.finfo(name)
        assert (info.eps, info.max, info.tiny) == (reference.eps, reference.max, reference.tiny)
        assert info.resolution == pytest.approx(float(reference.resolution), rel=1e-3)


def test_facts_of_the_wrong_kind():
    assert dlcore.finfo().dtype == "float32"
    assert repr(dlcore.finfo("float16")) == (
        "finfo(resolution=0.001, min=-65504, max=65504, eps=0.000976562, smallest_normal=6.10352e-05, "
        "tiny=6.10352e-05, dtype=float16)"
    )
    assert repr(dlcore.iinfo(dlcore.uint8)) == "iinfo(min=0, max=255, dtype=uint8)"
    with pytest.raises(dlcore.DTypeError, match="iinfo"):
        dlcore.finfo(dlcore.int8)
    for wrong in (dlcore.float32, dlcore.bool):
        with pytest.raises(dlcore.DTypeError, match="integer"):
            dlcore.iinfo(wrong)


def test_casts_that_keep_the_kind():
    kinds = [["bool"], INTEGERS, FLOATS]
    for (i, sources), (j, targets) in itertools.product(enumerate(kinds), enumerate(kinds)):
        for source, target in itertools.product(sources, targets):
            assert dlcore.can_cast(source, target) == (i <= j)


def test_numbers_go_straight_to_the_dtype_asked_for():
    for make in (dlcore.tensor, dlcore.as_tensor):
        assert make(0.1, dtype=dlcore.float64).item() == 0.1
        assert make([[0.1, 3]], dtype=dlcore.float64).tolist() == [[0.1, 3]]
        assert make([2.9, -2.9], dtype=dlcore.int8).tolist() == [2, -2]
        assert make([2**63, 0], dtype=dlcore.float32).tolist() == [2**63, 0]
        assert make([2**63, 0]).dtype == make(2**63).dtype == dlcore.uint64
        with pytest.raises(dlcore.DTypeError, match="no dtype holds both"):
            make([2**63, -1])


def test_result_type_of_many():
    assert dlcore.result_type(1, 2.5) == dlcore.float32
    assert dlcore.result_type(2**63) == dlcore.uint64
    assert dlcore.result_type(dlcore.ones(1, dtype=dlcore.int8), dlcore.uint8, 3, True) == dlcore.int16
    assert dlcore.result_type(dlcore.ones(1, dtype=dlcore.int8), 300) == dlcore.int64
    with pytest.raises(TypeError, match="at least one"):
        dlcore.result_type()


@pytest.mark.parametrize("name", FLOATS)
def test_the_default_dtype(name):
    dtype = getattr(dlcore, name)
    dlcore.set_default_dtype(dtype)
    try:
        assert dlcore.get_default_dtype() == dtype
        made = [dlcore.tensor(1.5), dlcore.tensor([1, 2.5]), dlcore.zeros(2), dlcore.rand(2), dlcore.arange(0, 1, 0.5),
                dlcore.tensor([1]) / 2, dlcore.tensor([1]) * 2.0, dlcore.tensor([1]).exp(), dlcore.tensor([]),
                nn.Linear(2, 3).weight, dlcore.linspace(0, 1, 3)]  # fmt: skip
        assert {x.dtype for x in made} == {dtype}
        assert repr(dlcore.tensor(1.5)) == "tensor(1.5000)"
        assert "dtype" in repr(dlcore.tensor(1.5, dtype="float32" if name == "float64" else "float64"))
        assert dlcore.finfo().dtype == name
        with pytest.raises(dlcore.DTypeError, match="float dtype"):
            dlcore.set_default_dtype(dlcore.int32)
    finally:
        dlcore.set_default_dtype(dlcore.float32)


@pytest.mark.parametrize("name", EVERY)
def test_there_is_one_object_for_each_dtype(name):
    dtype = getattr(dlcore, name)
    assert dlcore.zeros(1, dtype=dtype).dtype is dtype
    assert dlcore.dtype(name) is dtype
    assert dlcore.promote_types(dtype, dtype) is dtype
    assert copy.copy(dtype) is copy.deepcopy(dtype) is pickle.loads(pickle.dumps(dtype)) is dtype


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, 2.0**64])
def test_floats_that_an_integer_dtype_does_not_hold_are_refused(name, value):
    dtype = getattr(dlcore, name)
    x = dlcore.zeros(2, dtype=dtype)
    for make in (
        lambda: dlcore.full((2,), value, dtype=dtype),
        lambda: dlcore.tensor(value, dtype=dtype),
        lambda: dlcore.tensor([1, value], dtype=dtype),
        lambda: x.fill_(value),
    ):
        with pytest.raises(ValueError, match=f"out of range for {name}"):
            make()


def test_fractions_beyond_the_ends_of_an_integer_dtype_are_refused():
    for value in (255.5, -0.5):
        with pytest.raises(ValueError, match="out of range for uint8"):
            dlcore.full((1,), value, dtype=dlcore.uint8)
    with pytest.raises(ValueError, match="out of range for int64"):
        dlcore.full((1,), 2.0**63, dtype=dlcore.int64)
    assert dlcore.full((1,), 254.5, dtype=dlcore.uint8).tolist() == [254]
    assert dlcore.full((1,), math.nan, dtype=dlcore.bool).tolist() == [True]


def test_truth_values_in_place_take_no_numbers():
    mask = dlcore.tensor([True, False])
    for write in (
        lambda: mask.add_(2),
        lambda: mask.__iadd__(2),
        lambda: mask.clamp_(3),
        lambda: mask.bitwise_xor_(dlcore.tensor([1, 2])),
    ):
        with pytest.raises(dlcore.DTypeError, match="int64 result cannot be written into a bool tensor"):
            write()
    assert mask.tolist() == [True, False]
    assert mask.bitwise_xor_(True).tolist() == [False, True]


def test_memory_reads_as_elements_of_another_size():
    x = dlcore.tensor([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=dlcore.uint8)
    assert x.view(dlcore.int16).tolist() == [[0x0201, 0x0403], [0x0605, 0x0807]]
    assert x.view(dlcore.int16).view(dlcore.uint8).tolist() == x.tolist()
    assert x[:, 2:].view(dlcore.uint16).tolist() == [[0x0403], [0x0807]]
    for misfit, dtype in [
        (x, dlcore.int64),
        (x.t(), dlcore.int16),
        (x[:, 1:3], dlcore.int16),
        (x[:, ::2], dlcore.int16),
        (x[0, 0], dlcore.int16),
    ]:
        with pytest.raises(dlcore.DTypeError, match="does not read as"):
            misfit.view(dtype)
