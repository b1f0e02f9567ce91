"""The class ``Tensor``: how it looks, what it tells, how it becomes Python values and comes from them."""

import copy
import math
import pickle
import weakref

import dlcore
import numpy as np
import pytest
from dlcore import DTypeError, nn

nan, inf = math.nan, math.inf

LOOKS = [
    (lambda: dlcore.tensor(3.5), "tensor(3.5000)"),
    (lambda: dlcore.tensor(3), "tensor(3)"),
    (lambda: dlcore.tensor(True), "tensor(True)"),
    (lambda: dlcore.tensor([1.0, 2.0]), "tensor([1., 2.])"),
    (lambda: dlcore.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
    (lambda: dlcore.tensor([-1.0, 2.5]), "tensor([-1.0000,  2.5000])"),
    (lambda: dlcore.tensor([[1.0, -2.0], [30.0, 4.0]]), "tensor([[ 1., -2.],\n        [30.,  4.]])"),
    (lambda: dlcore.tensor([1, -20]), "tensor([  1, -20])"),
    (lambda: dlcore.tensor([True, False]), "tensor([ True, False])"),
    (lambda: dlcore.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
    (lambda: dlcore.tensor([1e9, -1.0]), "tensor([ 1.0000e+09, -1.0000e+00])"),
    (lambda: dlcore.tensor([1.0, 100000.0]), "tensor([1.0000e+00, 1.0000e+05])"),
    (lambda: dlcore.tensor([0.001, 0.5]), "tensor([0.0010, 0.5000])"),
    (lambda: dlcore.tensor(1e-10), "tensor(1.0000e-10)"),
    (lambda: dlcore.tensor([nan, 1.0]), "tensor([nan, 1.])"),
    (lambda: dlcore.tensor([nan, 1.5]), "tensor([   nan, 1.5000])"),
    (lambda: dlcore.tensor([inf, -inf, -1.0]), "tensor([inf, -inf, -1.])"),
    (lambda: dlcore.tensor([0.0, -0.0]), "tensor([0., -0.])"),
    (lambda: dlcore.tensor([[[1, 2]], [[3, 4]]]), "tensor([[[1, 2]],\n\n        [[3, 4]]])"),
    (lambda: dlcore.tensor([]), "tensor([])"),
    (lambda: dlcore.zeros(0, dtype=dlcore.int64), "tensor([], dtype=dlcore.int64)"),
    (lambda: dlcore.zeros(2, 0), "tensor([], size=(2, 0))"),
    (lambda: dlcore.zeros(2**40, 0, 3), "tensor([], size=(1099511627776, 0, 3))"),
    (lambda: dlcore.zeros(1, dtype=dlcore.float64), "tensor([0.], dtype=dlcore.float64)"),
    (lambda: dlcore.zeros(1, dtype=dlcore.uint8), "tensor([0], dtype=dlcore.uint8)"),
    (lambda: dlcore.zeros(1, dtype=dlcore.int32), "tensor([0], dtype=dlcore.int32)"),
    (lambda: dlcore.zeros(1, requires_grad=True), "tensor([0.], requires_grad=True)"),
    (lambda: dlcore.zeros(1, requires_grad=True) * 2, "tensor([0.], grad_fn=<mul>)"),
    (lambda: dlcore.arange(6).reshape(2, 3).T, "tensor([[0, 3],\n        [1, 4],\n        [2, 5]])"),
    (lambda: dlcore.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    (lambda: dlcore.arange(20), "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
        "        18, 19])"),
    (
        lambda: dlcore.arange(10_000).reshape(100, 100),
        "tensor([[   0,    1,    2,  ...,   97,   98,   99],\n"
        "        [ 100,  101,  102,  ...,  197,  198,  199],\n"
        "        [ 200,  201,  202,  ...,  297,  298,  299],\n"
        "        ...,\n"
        "        [9700, 9701, 9702,  ..., 9797, 9798, 9799],\n"
        "        [9800, 9801, 9802,  ..., 9897, 9898, 9899],\n"
        "        [9900, 9901, 9902,  ..., 9997, 9998, 9999]])",
    ),
    (lambda: nn.Parameter(dlcore.ones(2)), "Parameter containing:\ntensor([1., 1.], requires_grad=True)"),
]  # fmt: skip


LONG_LINE = "tensor([0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.],\n       requires_grad=True)"
OPTIONS = [
    ({"precision": 2}, [0.125, 1.0], "tensor([0.12, 1.00])"),
    ({"sci_mode": True}, [0.5, 20.0], "tensor([5.0000e-01, 2.0000e+01])"),
    ({"sci_mode": False}, [1e-7, 20.0], "tensor([ 0.0000, 20.0000])"),
    ({"sci_mode": True}, [0.0, nan], "tensor([0., nan])"),
    ({"sci_mode": True}, 0.0, "tensor(0.)"),
    ({"sci_mode": True}, [1.0, 0.0], "tensor([1.0000e+00, 0.0000e+00])"),
    ({"sci_mode": True}, [1.0, nan, inf], "tensor([1.0000e+00,        nan,        inf])"),
    ({"threshold": 3, "edgeitems": 1}, [1.0, 2.0, 3.0, 4.0], "tensor([1.,  ..., 4.])"),
    ({"threshold": 3, "edgeitems": 1}, [[1, 2, 3]] * 3, "tensor([[1,  ..., 3],\n        ...,\n        [1,  ..., 3]])"),
    ({"threshold": 3, "edgeitems": 0}, [1, 2, 3, 4], "tensor([...])"),
    ({"linewidth": 14}, [1, 2, 3], "tensor([1, 2,\n        3])"),
    ({"linewidth": 1}, [1, 2], "tensor([1,\n        2])"),
    ({"profile": "short"}, [0.125], "tensor([0.12])"),
    ({"profile": "full"}, [5] * 1001, "tensor([" + ("5, " * 24).rstrip()),
]


@pytest.mark.parametrize(("options", "data", "look"), OPTIONS)
def test_looks_as_options_say(options, data, look):
    try:
        dlcore.set_printoptions(**options)
        assert repr(dlcore.tensor(data)).startswith(look)
    finally:
        dlcore.set_printoptions(profile="default")
    assert dlcore.get_printoptions() == {
        "precision": 4,
        "threshold": 1000,
        "edgeitems": 3,
        "linewidth": 80,
        "sci_mode": None,
    }
    with pytest.raises(ValueError, match="profile must be"):
        dlcore.set_printoptions(profile="long")


def test_what_follows_the_elements_takes_a_new_line_where_the_last_is_full():
    assert repr(dlcore.zeros(13, requires_grad=True)) == LONG_LINE


def test_tables_for_notebooks_and_lines_for_logs():
    x = dlcore.tensor([[1.0, nan], [2.5, inf]], requires_grad=True)
    assert x._repr_html_().count("<td") == 4
    assert x._repr_html_().endswith("<p>float32 of shape (2, 2), requires_grad</p>")
    wide = dlcore.arange(100).reshape(10, 10)._repr_html_()
    assert wide.count("<tr>") == 7
    assert wide.count("<td") == 49
    assert dlcore.ones(2, 2, 2, requires_grad=True)._repr_html_().startswith("<pre>tensor([[[1., 1.]")
    assert "&lt;mul&gt;" in (dlcore.ones((), requires_grad=True) * 2)._repr_html_()
    assert x.summary() == (
        "float32 of shape (2, 2), requires_grad; 1.0000 to 2.5000, mean 1.7500, std 0.7500, 1 nan, 1 inf"
    )
    assert (x * 2).summary().startswith("float32 of shape (2, 2), from mul; ")
    assert dlcore.zeros(0, 3).summary() == "float32 of shape (0, 3)"
    assert dlcore.tensor([True, False]).summary().startswith("bool of shape (2,); 0.0000 to 1.0000")


@pytest.mark.parametrize(("make", "look"), LOOKS, ids=[look.split("\n")[0] for _, look in LOOKS])
def test_looks(make, look):
    assert repr(make()) == look
    assert str(make()) == look


def test_attributes():
    x = dlcore.zeros(2, 3, 4, dtype=dlcore.float64)
    assert (x.shape, x.size(), x.size(-1), x.ndim, x.dim(), x.numel(), len(x)) == ((2, 3, 4), (2, 3, 4), 4, 3, 3, 24, 2)
    assert (x.stride(), x.T.stride(), x.mT.shape) == ((12, 4, 1), (1, 4, 12), (2, 4, 3))
    assert (x.dtype, x.element_size(), x.nbytes, x.device) == (dlcore.float64, 8, 192, "cpu")
    assert x.is_contiguous()
    assert not x.T.is_contiguous()
    assert x.T.contiguous().is_contiguous()
    assert x.is_floating_point()
    assert not x.requires_grad
    assert x.is_leaf
    assert x.grad is None
    assert x.grad_fn is None
    y = x.requires_grad_() * 2
    assert (y.requires_grad, y.is_leaf, y.grad_fn.name()) == (True, False, "mul")
    assert y.detach().data_ptr() == y.data.data_ptr() == y.data_ptr()
    assert not y.detach().requires_grad


def test_conversions_to_python():
    assert type(dlcore.tensor([[2.5]]).item()) is float
    assert type(dlcore.tensor(2).item()) is int
    assert dlcore.tensor(True).item() is True
    assert (float(dlcore.tensor(2)), int(dlcore.tensor(-2.7)), bool(dlcore.tensor([0.0]))) == (2.0, -2, False)
    assert bool(dlcore.tensor(nan))
    assert [10, 20, 30][dlcore.tensor(1)] == 20
    assert dlcore.tensor([[1, 2], [3, 4]]).T.tolist() == [[1, 3], [2, 4]]
    assert dlcore.tensor(1.5).tolist() == 1.5
    assert dlcore.zeros(2, 0).tolist() == [[], []]
    assert f"{dlcore.tensor(3.14159):.2f} {dlcore.tensor(7):03d} {dlcore.tensor([1, 2])}" == "3.14 007 tensor([1, 2])"


def test_iteration_and_membership():
    x = dlcore.arange(6).reshape(2, 3)
    assert [row.tolist() for row in x] == [[0, 1, 2], [3, 4, 5]]
    a, b = x
    assert b.data_ptr() == x[1].data_ptr()
    assert [value.item() for value in a] == [0, 1, 2]
    assert 5 in x
    assert 6 not in x
    assert list(dlcore.zeros(0)) == []
    rows = iter(dlcore.zeros(2**40, 0))  # made one by one
    assert next(rows).shape == (0,)
    w = dlcore.ones(3, requires_grad=True)
    sum(3.0 * value for value in w).backward()
    assert w.grad.tolist() == [3, 3, 3]


def test_tensors_are_keys_by_identity():
    a, b = dlcore.ones(2), dlcore.ones(2)
    assert len({a, b, a}) == 2
    assert {a: 1}[a] == 1
    assert weakref.ref(a)() is a


@pytest.mark.parametrize(
    "dtype",
    [
        dlcore.float32,
        dlcore.float64,
        dlcore.float16,
        dlcore.bfloat16,
        dlcore.int64,
        dlcore.int32,
        dlcore.int16,
        dlcore.int8,
        dlcore.uint64,
        dlcore.uint32,
        dlcore.uint16,
        dlcore.uint8,
        dlcore.bool,
    ],
)
@pytest.mark.parametrize("make", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_copies(make, dtype):
    for x in (
        dlcore.tensor([[1, 0, 1], [0, 1, 1]], dtype=dtype).T,
        dlcore.zeros(2, 0, dtype=dtype),
        dlcore.ones(dtype=dtype),
    ):
        y = make(x)
        assert y.dtype is x.dtype or y.dtype == x.dtype
        assert (y.tolist(), y.shape) == (x.tolist(), x.shape)
        assert x.numel() == 0 or y.data_ptr() != x.data_ptr()


def test_shallow_copies_share_memory():
    leaf = dlcore.ones(2, requires_grad=True)
    for x in (dlcore.arange(6).reshape(2, 3).T, leaf, leaf * 2, nn.Parameter(dlcore.ones(2))):
        y = copy.copy(x)
        assert type(y) is type(x)
        assert (y.data_ptr(), y.stride(), y.requires_grad, y.grad_fn) == (
            x.data_ptr(),
            x.stride(),
            x.requires_grad,
            x.grad_fn,
        )
    copy.copy(leaf).sum().backward()
    assert leaf.grad is None


def test_copies_of_parameters_and_models():
    parameter = nn.Parameter(dlcore.ones(2))
    (parameter * 3).sum().backward()
    twin = copy.deepcopy(parameter)
    assert type(twin) is nn.Parameter
    assert twin.requires_grad
    assert twin.grad is None
    leaf = dlcore.ones(2, requires_grad=True)
    leaf.grad = dlcore.tensor([3.0, 3.0])
    assert copy.deepcopy(leaf).grad.tolist() == [3, 3]
    assert copy.deepcopy(leaf).grad.data_ptr() != leaf.grad.data_ptr()
    loaded = pickle.loads(pickle.dumps(parameter))
    assert type(loaded) is nn.Parameter
    assert loaded.requires_grad
    shared = [parameter, parameter]
    first, second = copy.deepcopy(shared)
    assert first is second
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    x = dlcore.randn(5, 3)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert dlcore.equal(other(x), model(x))
        assert other[0].weight.data_ptr() != model[0].weight.data_ptr()


def test_dtypes_as_values():
    assert repr(dlcore.float32) == "dlcore.float32"
    assert pickle.loads(pickle.dumps(dlcore.int64)) == dlcore.int64
    assert dlcore.float == dlcore.float32
    assert (dlcore.long, dlcore.double, dlcore.half) == (dlcore.int64, dlcore.float64, dlcore.float16)
    assert dlcore.int == dlcore.int32
    assert len({dlcore.float32, dlcore.float, dlcore.float64}) == 2
    for name in (dlcore.float32, "float32", np.float32, np.dtype("f4")):
        assert dlcore.zeros(1, dtype=name).dtype == dlcore.float32


def test_python_numbers_keep_their_precision():
    assert (dlcore.tensor([2**53 + 1]) + 1).item() == 2**53 + 2
    assert (dlcore.ones(1, dtype=dlcore.float64) * 0.1).item() == 0.1
    assert (dlcore.tensor([2**62]) == 2**62).item()
    assert 10 - dlcore.tensor([3]) == 7
    assert (2 ** dlcore.tensor([3])).item() == 8
    assert (7 // dlcore.tensor([2]), -7 // dlcore.tensor([2]), -7 % dlcore.tensor([3])) == (3, -4, 2)


class Numbers:
    """What has `__array__` but is no array."""

    def __array__(self, dtype=None, copy=None):
        return np.arange(3.0)


DATA = [
    (1, (), "int64", 1),
    (1.5, (), "float32", 1.5),
    (True, (), "bool", True),
    ([], (0,), "float32", []),
    ([[], []], (2, 0), "float32", [[], []]),
    ([1, 2], (2,), "int64", [1, 2]),
    ([1, 2.5], (2,), "float32", [1.0, 2.5]),
    ([True, 2], (2,), "int64", [1, 2]),
    ([True, False], (2,), "bool", [True, False]),
    (((1, 2), (3, 4)), (2, 2), "int64", [[1, 2], [3, 4]]),
    (range(3), (3,), "int64", [0, 1, 2]),
    (np.float32(2), (), "float32", 2.0),
    (np.float64(2), (), "float64", 2.0),
    (np.int32(2), (), "int32", 2),
    (np.float16(2), (), "float16", 2.0),
    (np.bool_(True), (), "bool", True),
    (np.int64(2), (), "int64", 2),
    (np.array(2.0), (), "float64", 2.0),
    (np.arange(4, dtype=np.int32)[::-2], (2,), "int32", [3, 1]),
    ([np.arange(2), np.arange(2)], (2, 2), "int64", [[0, 1], [0, 1]]),
    ([np.float32(1), np.float32(2)], (2,), "float32", [1.0, 2.0]),
    ([np.float16(1), np.float16(2)], (2,), "float16", [1.0, 2.0]),
    ([np.float64(1), 2], (2,), "float64", [1.0, 2.0]),
    ([np.int8(1), np.int16(2)], (2,), "int16", [1, 2]),
    ([dlcore.tensor(1.0), dlcore.tensor(2.0)], (2,), "float32", [1.0, 2.0]),
    ([dlcore.ones(2), dlcore.zeros(2)], (2, 2), "float32", [[1.0, 1.0], [0.0, 0.0]]),
    (b"\1\2", (2,), "uint8", [1, 2]),
    (Numbers(), (3,), "float64", [0.0, 1.0, 2.0]),
]


@pytest.mark.parametrize(("data", "shape", "dtype", "values"), DATA, ids=[repr(row[0])[:40] for row in DATA])
def test_data(data, shape, dtype, values):
    made = dlcore.tensor(data)
    assert (made.shape, str(made.dtype), made.tolist()) == (shape, f"dlcore.{dtype}", values)
    assert dlcore.tensor(data, dtype=dlcore.float64).dtype == dlcore.float64
    assert dlcore.as_tensor(data).tolist() == values


def test_tensor_copies_and_as_tensor_shares():
    array = np.zeros(3)
    assert dlcore.tensor(array).data_ptr() != array.ctypes.data
    assert dlcore.as_tensor(array).data_ptr() == array.ctypes.data
    tensor = dlcore.zeros(3)
    assert dlcore.tensor(tensor).data_ptr() != tensor.data_ptr()
    assert dlcore.as_tensor(tensor).data_ptr() == tensor.data_ptr()


def test_large_integers_are_exact():
    assert dlcore.tensor([2**63 - 1, -(2**63)]).tolist() == [2**63 - 1, -(2**63)]
    assert dlcore.tensor(np.array([2**53 + 1])).item() == 2**53 + 1


def test_conversions_of_dtype():
    x = dlcore.tensor([1.9, -1.9, 0.0])
    assert x.to(dlcore.int64).tolist() == [1, -1, 0]
    assert x.to(dlcore.bool).tolist() == [True, True, False]
    assert x.to("float64").dtype == dlcore.float64
    assert x.to(dlcore.float32) is x
    assert x.to("cpu") is x
    assert x.to(dlcore.zeros(1, dtype=dlcore.int32)).dtype == dlcore.int32
    assert x.type_as(dlcore.tensor(1)).dtype == dlcore.int64
    assert (x.half().dtype, x.bfloat16().dtype) == (dlcore.float16, dlcore.bfloat16)
    assert (x.double().dtype, x.long().dtype, x.int().dtype, x.bool().dtype) == (
        dlcore.float64,
        dlcore.int64,
        dlcore.int32,
        dlcore.bool,
    )
    with pytest.raises(DTypeError):
        dlcore.zeros(1, dtype="float8")


def test_tensors_have_no_other_attributes():
    with pytest.raises(AttributeError):
        dlcore.zeros(1).anything = 1


def test_an_int_beyond_the_dtype_is_not_wrapped():
    small = dlcore.tensor([0, 1, 2], dtype=dlcore.uint8)
    assert (small > -1).tolist() == [True] * 3
    assert (small == 256).tolist() == [False] * 3
    assert (small + 300).tolist() == [300, 301, 302]
    assert small.clamp(-5, 10).tolist() == [0, 1, 2]
    assert (dlcore.tensor([0], dtype=dlcore.int32) == 2**32).tolist() == [False]


@pytest.mark.parametrize("last", [np.array([3, 4]), dlcore.tensor([3, 4]), np.array([3, 4], "int32")])
def test_arrays_among_lists_give_their_elements(last):
    x = dlcore.tensor([[1, 2], last])
    assert (x.tolist(), x.dtype) == ([[1, 2], [3, 4]], dlcore.int64)
    x = dlcore.tensor([[[1.5, 2]], [last]])
    assert (x.tolist(), x.dtype) == ([[[1.5, 2]], [[3, 4]]], dlcore.float32)


def test_lists_that_contain_themselves_end():
    endless = [np.zeros(2)]
    endless.append(endless)
    with pytest.raises(ValueError, match="nested deeper"):
        dlcore.tensor(endless)


def test_a_loss_of_two_shapes_warns():
    with pytest.warns(UserWarning, match="differ in shape and are broadcast"):
        dlcore.nn.functional.mse_loss(dlcore.zeros(4, 1), dlcore.zeros(4))


def test_pooling_windows_are_bounded():
    with pytest.raises(ValueError, match="at most"):
        dlcore.nn.functional.max_pool2d(dlcore.ones(1, 1, 4, 4), 2**40, padding=2**39)


def test_lists_of_tensors_keep_their_dtype():
    large = dlcore.tensor(2**64 - 1, dtype=dlcore.uint64)
    made = dlcore.tensor([[large, dlcore.tensor(1, dtype=dlcore.uint64)]])
    assert made.dtype == dlcore.uint64
    assert made.tolist() == [[2**64 - 1, 1]]
    assert (
        dlcore.tensor([dlcore.tensor(1, dtype=dlcore.int8), dlcore.tensor(2, dtype=dlcore.int16)]).dtype == dlcore.int16
    )
    assert dlcore.tensor([dlcore.tensor(1, dtype=dlcore.int8), 1.5]).dtype == dlcore.float32


@pytest.mark.parametrize(
    "call",
    [
        lambda: dlcore.tensor([1, 300], dtype=dlcore.uint8),
        lambda: dlcore.tensor(-1, dtype=dlcore.uint16),
        lambda: dlcore.full((2,), 128, dtype=dlcore.int8),
        lambda: dlcore.zeros(2, dtype=dlcore.int8).fill_(300),
        lambda: dlcore.zeros(2, dtype=dlcore.int8).masked_fill(dlcore.tensor([True, False]), 300),
        lambda: dlcore.zeros(2, dtype=dlcore.int8).__setitem__(0, 300),
    ],
)
def test_an_int_that_a_dtype_does_not_hold_is_refused(call):
    with pytest.raises(ValueError, match=r"^[a-z_]+: -?\d+ is out of range for u?int\d+, which holds"):
        call()
