"""Results of operations that take each element for itself lie in memory as their first whole operand does."""

import dlcore
import numpy as np
import pytest


def numbers(*shape, dtype="float32"):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def turned(array):
    """The array as a tensor whose dimensions lie in memory from the last to the first."""
    return dlcore.from_numpy(np.asfortranarray(array))


MAPS = {
    "neg": lambda x: -x,
    "exp": lambda x: x.exp(),
    "relu": lambda x: x.relu(),
    "gelu": dlcore.nn.functional.gelu,
    "elu": dlcore.nn.functional.elu,
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "cast": lambda x: x.double(),
    "half": lambda x: x.half(),
    "scalar": lambda x: x * 2 + 1,
    "comparison": lambda x: x > 0,
    "isnan": lambda x: x.isnan(),
    "sum of two": lambda x: x + x.exp(),
    "row": lambda x: x + dlcore.arange(x.shape[-1]),
    "where": lambda x: dlcore.where(x > 0, x, -x),
    "lerp": lambda x: dlcore.lerp(x, x * 2, 0.25),
    "addcmul": lambda x: dlcore.addcmul(x, x, x),
    "atan2": lambda x: dlcore.atan2(x, x + 1),
    "logical": lambda x: dlcore.logical_and(x > 0, x < 1),
    "bits": lambda x: x.long() & 7,
    "flip": lambda x: x.flip(0),
    "clone": lambda x: x.clone(),
}


@pytest.mark.parametrize("shape", [(4, 5), (3, 1, 4), (20, 130), (2, 3, 4, 5)])
@pytest.mark.parametrize("name", MAPS)
def test_maps_keep_the_order(name, shape):
    array = numbers(*shape)
    result, expected = MAPS[name](turned(array)), MAPS[name](dlcore.tensor(array))
    np.testing.assert_array_equal(result.numpy(), expected.numpy())
    assert result.permute(*reversed(range(result.ndim))).is_contiguous()


def test_contiguous_and_reshape_do_not():
    x = turned(numbers(4, 5))
    assert not x.is_contiguous()
    assert x.contiguous().is_contiguous()
    assert x.clone(memory_format=dlcore.contiguous_format).stride() == (5, 1)
    assert (x * 2).reshape(20).is_contiguous()


def test_the_first_whole_operand_leads():
    row_major, turned_one = dlcore.ones(4, 5), turned(numbers(4, 5))
    assert (row_major + turned_one).stride() == (5, 1)
    assert (turned_one + row_major).stride() == (1, 4)
    assert (dlcore.ones(5) + turned_one).stride() == (1, 4)
    assert (turned_one + dlcore.ones(3, 1, 1)).stride() == (20, 5, 1)
    assert (turned_one[:, ::2] * 2).stride() == (1, 4)
    assert (dlcore.ones(4, 1).expand(4, 5) * 2).stride() == (5, 1)


def test_in_place_over_transposed_memory():
    array = numbers(300, 400)
    for change in ("relu_", "exp_", "neg_", "sigmoid_"):
        x = turned(array)
        address = x.data_ptr()
        getattr(x, change)()
        assert x.data_ptr() == address
        assert x.stride() == (1, 300)
        np.testing.assert_array_equal(x.numpy(), getattr(dlcore.tensor(array), change[:-1])().numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "int16", "uint8"])
def test_gradients_and_comparisons_in_place(dtype):
    array = (numbers(70, 130) * 50).astype(dtype)
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        for other in (3, dlcore.tensor(array[::-1].copy())):
            x = dlcore.tensor(array)
            getattr(x, name + "_")(other)
            expected = getattr(dlcore.tensor(array), name)(other).to(x.dtype)
            assert x.dtype == expected.dtype
            np.testing.assert_array_equal(x.numpy(), expected.numpy())


@pytest.mark.parametrize("name", ["add", "sub", "mul", "multiply", "subtract", "bitwise_and", "bitwise_xor", "fmod"])
@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8"])
def test_integers_in_place(name, dtype):
    array = (np.abs(numbers(9000)) * 40).astype(dtype)
    for other in (3, dlcore.tensor(array + 1)):
        x = dlcore.tensor(array)
        getattr(x, name + "_")(other)
        np.testing.assert_array_equal(x.numpy(), getattr(dlcore, name)(dlcore.tensor(array), other).numpy())


def test_what_reads_its_own_memory_in_place():
    x = dlcore.arange(10000)
    x.mul_(x)
    np.testing.assert_array_equal(x.numpy(), np.arange(10000) ** 2)
    x = dlcore.arange(10000)
    x[1:].add_(x[:-1])
    np.testing.assert_array_equal(x.numpy(), np.r_[0, np.arange(1, 10000) + np.arange(9999)])
    square = dlcore.tensor(numbers(100, 100))
    expected = (square > square.t()).float()
    square.gt_(square.t())
    np.testing.assert_array_equal(square.numpy(), expected.numpy())


@pytest.mark.parametrize("dtype", ["int64", "int16", "uint8", "float32", "float16"])
def test_other_views_of_the_memory_in_place(dtype):
    """Operations of several steps, whose first one may see the memory that is written."""
    array = (np.abs(numbers(12)) * 20).astype(dtype)
    calls = [
        lambda x, y: x.sub_(y, alpha=2),
        lambda x, y: x.add_(y, alpha=3),
        lambda x, y: x.subtract_(y, alpha=2),
        lambda x, y: x.addcmul_(y, dlcore.ones(6, dtype=x.dtype) * 2),
        lambda x, y: x.addcmul_(y, dlcore.ones(6, dtype=x.dtype), value=2),
        lambda x, y: x.mul_(y),
        lambda x, y: x.clamp_(y, y + 1),
        lambda x, y: x.fmod_(y + 1),
        lambda x, y: x.gt_(y),
    ]
    for call in calls:
        for first, second in [(slice(0, 6), slice(6, 12)), (slice(0, 6), slice(0, 6)), (slice(0, 6), slice(3, 9))]:
            memory, copy = dlcore.tensor(array), dlcore.tensor(array)
            call(memory[first], memory[second])
            expected = array.copy()
            expected[first] = call(copy[first].clone(), copy[second].clone()).numpy()
            np.testing.assert_array_equal(memory.numpy(), expected)


def test_gradients_through_transposed_maps():
    array = numbers(6, 7, dtype="float64")
    x = turned(array).requires_grad_()
    y = dlcore.tensor(array, requires_grad=True)
    for z in (x, y):
        (dlcore.nn.functional.gelu(z).tanh() * z.sigmoid()).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("reduction", ["sum", "mean", "amax", "amin", "prod", "std", "var", "logsumexp", "norm"])
def test_whole_reductions_of_transposed_memory(reduction):
    array = numbers(31, 33, 7, dtype="float64")
    x = turned(array)
    arguments = ((0, 1, 2),) if reduction == "logsumexp" else ()
    found = getattr(x, reduction)(*arguments).item()
    assert found == pytest.approx(getattr(dlcore.tensor(array), reduction)(*arguments).item(), rel=1e-12)
    for dim in range(3):
        found, expected = (getattr(z, reduction)(dim=dim) for z in (x, dlcore.tensor(array)))
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-11)


def test_positions_count_in_row_major_order():
    array = numbers(5, 6)
    assert turned(array).argmax().item() == array.argmax()
    assert turned(array).argmin().item() == array.argmin()


@pytest.mark.parametrize("shape", [(50, 3), (50, 16), (70, 24), (33, 31), (500, 100), (7, 6, 40), (20, 1000)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bfloat16"])
def test_rows_and_columns_broadcast(shape, dtype):
    x = (dlcore.tensor(numbers(*shape)) * 9).to(getattr(dlcore, dtype))
    column, row = x[..., :1] + 1, x.flatten()[: shape[-1]]
    wide = dlcore.float64 if x.is_floating_point() else x.dtype
    for other in (column, row, column.clone(), x[..., :1, :] if len(shape) > 2 else row):
        for name in ("add", "mul", "maximum", "gt"):
            found = getattr(dlcore, name)(x, other)
            expected = getattr(dlcore, name)(x.to(wide), other.to(wide).expand(shape)).to(found.dtype)
            np.testing.assert_array_equal(found.double().numpy(), expected.double().numpy())
        in_place = x.clone()
        in_place.mul_(other)
        np.testing.assert_array_equal(in_place.double().numpy(), (x * other).double().numpy())


@pytest.mark.parametrize("shape", [(50, 8, 4), (9, 64, 32), (5, 65, 3), (100, 3, 33), (4, 2, 2), (3, 7, 1)])
def test_reductions_and_scans_of_small_planes(shape):
    array = numbers(*shape, dtype="float64")
    array[1, 1, 0] = np.nan
    x = dlcore.tensor(array)
    for name, function in [("sum", np.sum), ("prod", np.prod), ("amax", np.max), ("amin", np.min)]:
        np.testing.assert_allclose(getattr(x, name)(1).numpy(), function(array, 1), rtol=1e-12)
        np.testing.assert_allclose(getattr(x[:, ::2], name)(1).numpy(), function(array[:, ::2], 1), rtol=1e-12)
    np.testing.assert_allclose(x.cumsum(1).numpy(), array.cumsum(1), rtol=1e-12)
    np.testing.assert_allclose(x.cumprod(1).numpy(), array.cumprod(1), rtol=1e-12)
    for name in ("argmax", "argmin"):
        for lines in (array, np.round(array), array[:, ::2]):
            np.testing.assert_array_equal(getattr(dlcore.tensor(lines), name)(1).numpy(), getattr(np, name)(lines, 1))
    exponentials = np.log(np.exp(array).sum(1))
    np.testing.assert_allclose(x.logsumexp(1).numpy(), exponentials, rtol=1e-12)
    integers = (np.nan_to_num(array) * 9).astype("int64")
    np.testing.assert_array_equal(dlcore.tensor(integers).sum(1).numpy(), integers.sum(1))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("width", [1, 2, 3, 7, 15, 16, 17, 40])
def test_short_rows_with_gaps(width, dtype):
    """Rows that are gathered before they are used, up to the last element of the memory."""
    array = (numbers(300, width + 1) * 9).astype(dtype)
    x = dlcore.from_numpy(array)
    for part in (np.s_[:, 1:], np.s_[:, :-1], np.s_[::-1, 1:], np.s_[100:, 1:]):
        np.testing.assert_array_equal((x[part] + x[part]).numpy(), array[part] + array[part])
        np.testing.assert_array_equal((x[part] + x[part][:, :1]).numpy(), array[part] + array[part][:, :1])
        np.testing.assert_array_equal(x[part].amax(1).numpy(), array[part].max(1))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("length", [1, 15, 64, 1000])
def test_lines_backwards(dtype, length):
    array = (numbers(3, length) * 9).astype(dtype)
    np.testing.assert_array_equal(dlcore.tensor(array).flip(1).numpy(), array[:, ::-1])
    np.testing.assert_array_equal(dlcore.from_numpy(array)[0].flip(0).numpy(), array[0, ::-1])
