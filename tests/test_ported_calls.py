"""Calls that programs written for PyTorch make: forms of functions, facts about dtypes, memory given another size."""

import dlcore
import dlcore.nn.functional as F
import pytest
from dlcore import tensor


def test_quotients_are_rounded_under_every_name():
    x = tensor([7.0, -7.0])
    for name in ("div", "divide"):
        assert getattr(dlcore, name)(x, 2, rounding_mode="floor").tolist() == [3.0, -4.0]
        assert getattr(x, name)(2, rounding_mode="trunc").tolist() == [3.0, -3.0]
        y = x.clone()
        assert getattr(y, f"{name}_")(2, rounding_mode="floor") is y
        assert y.tolist() == [3.0, -4.0]
        assert getattr(y, f"{name}_")(2).tolist() == [1.5, -2.0]
        with pytest.raises(ValueError, match="div: rounding_mode is None"):
            getattr(y, f"{name}_")(2, rounding_mode="ceil")


def test_arguments_have_their_names():
    assert dlcore.float_power(tensor([2]), exponent=3).tolist() == [8.0]
    assert tensor([2.0]).double().float_power_(exponent=2).tolist() == [4.0]
    x = dlcore.tensor([1.0, 2.0], requires_grad=True)
    dlcore.gather(x, 0, tensor([1]), sparse_grad=True).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0]
    assert dlcore.einsum("i,i->", [tensor([1.0, 2.0]), tensor([3.0, 4.0])]).item() == 11.0


@pytest.mark.parametrize("name", ["abs", "clamp_max", "exp", "fill", "neg", "relu", "round", "sigmoid", "sqrt", "tanh"])
def test_methods_that_write_are_functions(name):
    x = tensor([0.25, 4.0])
    rest = {"clamp_max": (1.0,), "fill": (3.0,)}.get(name, ())
    expected = getattr(dlcore, name)(x, *rest).tolist()
    assert getattr(dlcore, f"{name}_")(x, *rest) is x
    assert x.tolist() == expected


def test_nothing_else_is_a_function():
    for name in ("no_such_", "__len__", "tolist", "_"):
        with pytest.raises(AttributeError, match=name):
            getattr(dlcore, name)


@pytest.mark.parametrize(
    ("dtype", "signed"),
    [("bool", False), ("uint8", False), ("uint64", False), ("int8", True), ("int64", True), ("bfloat16", True)],
)
def test_facts_about_dtypes(dtype, signed):
    dtype = getattr(dlcore, dtype)
    assert (dtype.is_signed, dtype.is_complex) == (signed, False)
    x = dlcore.zeros(1, dtype=dtype)
    assert (x.is_signed(), x.is_complex(), dlcore.is_complex(x)) == (signed, False, False)
    assert not dlcore.is_nonzero(x)


def test_storage_offset_counts_elements():
    x = dlcore.arange(12).reshape(3, 4)
    assert (x.storage_offset(), x[1:, 2:].storage_offset(), x.t()[3].storage_offset()) == (0, 6, 3)


def test_resize_keeps_the_memory_that_there_is():
    x = dlcore.arange(6)
    base, view = x.data_ptr(), x[4:]
    assert x.resize_(2, 2) is x
    assert (x.tolist(), x.data_ptr()) == ([[0, 1], [2, 3]], base)
    assert x.resize_(size=(6,)).tolist() == [0, 1, 2, 3, 4, 5]
    assert view.resize_((1, 1)).tolist() == [[4]]
    with pytest.raises(ValueError, match="resize_: memory grows only where the tensor has it for itself"):
        x.resize_(7)
    own = tensor([1.0, 2.0])
    assert own.resize_(2, 2).tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert own.resize_(0).shape == (0,)
    with pytest.raises(dlcore.GradientError, match="resize_: a tensor that requires a gradient keeps its size"):
        tensor([1.0], requires_grad=True).resize_(2)


def test_functions_of_python_are_written_into_tensors():
    x = tensor([[1, 2], [3, 4]])
    assert x.apply_(lambda value: value * 10).tolist() == [[10, 20], [30, 40]]
    assert x.t().map_(tensor([1, 2]), lambda a, b: a + b).tolist() == [[11, 32], [21, 42]]
    assert x.tolist() == [[11, 21], [32, 42]]


@pytest.mark.parametrize("recorded", [lambda x: x, lambda x: x * 1])
def test_functions_of_numbers_stop_no_gradient_silently(recorded):
    x, plain = recorded(tensor([1.0, 2.0], requires_grad=True)), tensor([1.0, 2.0])
    with pytest.raises(dlcore.GradientError, match=r"apply_: .* detach"):
        x.apply_(lambda value: value)
    for first, second in ((x, plain), (plain, x)):
        with pytest.raises(dlcore.GradientError, match=r"map_: .* detach"):
            first.map_(second, max)
    assert x.requires_grad


def test_the_device_is_a_context():
    device = dlcore.device("cpu")
    with device as inside:
        assert inside is device
        assert dlcore.zeros(1).device == device
    with pytest.raises(KeyError), device:
        raise KeyError


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dlcore.einsum("ij,jk", dlcore.ones(2, 3), dlcore.ones(4, 5)), "letter 'j' of .* has sizes 3 and 4"),
        (
            lambda: dlcore.einsum("...i,...i", dlcore.ones(2, 3), dlcore.ones(4, 3)),
            "a dimension of .* has sizes 2 and 4",
        ),
        (lambda: dlcore.zeros(3).index_add(0, tensor([5]), tensor([1.0])), "index_add: index 5 at position 0"),
        (lambda: dlcore.zeros(3).index_copy(0, tensor([5]), tensor([1.0])), "index_copy: index 5 at position 0"),
        (lambda: dlcore.zeros(3).index_fill(0, tensor([-4]), 1.0), "index_fill: index -4 at position 0"),
        (lambda: dlcore.zeros(2, 3).t().view(6), "view: the layout needs a copy"),
    ],
)
def test_errors_name_the_function_and_what_differs(call, message):
    with pytest.raises((ValueError, IndexError), match=message):
        call()


@pytest.mark.parametrize("causal", [False, True])
def test_attention_without_depth_weighs_all_it_sees_alike(causal):
    q, v = dlcore.ones(1, 2, 0), tensor([[[1.0], [3.0]]])
    expected = [[[1.0], [2.0]]] if causal else [[[2.0], [2.0]]]
    assert F.scaled_dot_product_attention(q, q, v, is_causal=causal).tolist() == expected


def test_the_dtype_of_softmax_by_position():
    x = dlcore.tensor([[1, 2], [3, 5]])
    expected = x.double().softmax(-1)
    for y in (x.softmax(-1, dlcore.float64), dlcore.softmax(x, -1, dlcore.float64), F.softmax(x, -1, dlcore.float64)):
        assert y.dtype == dlcore.float64
        assert y.equal(expected)
    assert x.log_softmax(1, dlcore.float64).allclose(expected.log())


def test_dimensions_of_tensordot_in_lists():
    a, b = dlcore.arange(6.0).reshape(2, 3), dlcore.arange(12.0).reshape(4, 3)
    assert dlcore.tensordot(a, b, [[1], [1]]).equal(a @ b.T)
    assert dlcore.tensordot(a, a, dims=[[0, 1], [0, 1]]).item() == (a * a).sum().item()
    with pytest.raises(ValueError, match="two lists"):
        dlcore.tensordot(a, b, [[1], [1], [0]])
