"""Constructors by dtype: values, sizes, instances."""

import dlcore
import numpy as np
import pytest

DTYPES = {
    "FloatTensor": "float32",
    "DoubleTensor": "float64",
    "HalfTensor": "float16",
    "BFloat16Tensor": "bfloat16",
    "ByteTensor": "uint8",
    "CharTensor": "int8",
    "ShortTensor": "int16",
    "IntTensor": "int32",
    "LongTensor": "int64",
    "BoolTensor": "bool",
}


@pytest.mark.parametrize("name", DTYPES)
def test_constructors_make_tensors_of_their_dtype(name):
    make, dtype = getattr(dlcore, name), getattr(dlcore, DTYPES[name])
    for values in ([0, 1, 1], np.array([0.0, 1.0, 1.0]), (0.0, 1.0, 1.0)):
        made = make(values)
        assert (made.dtype, made.tolist()) == (dtype, [0, 1, 1])
    assert make(2, 3).shape == (2, 3)
    assert make(3).shape == (3,)
    assert make(dlcore.Size([2, 3])).shape == (2, 3)
    assert make(dlcore.Size([])).shape == ()
    assert make().shape == (0,)
    assert make(made) is made
    assert dlcore.zeros(2).type(make).dtype == dtype
    for other in DTYPES:
        assert isinstance(made, getattr(dlcore, other)) is (other == name)
    assert not isinstance([1], make)
    with pytest.raises(dlcore.DTypeError, match=f"{name}: expected .*, got dlcore.u?int"):
        make(dlcore.zeros(2, dtype=dlcore.uint16))
    with pytest.raises(TypeError, match="sizes or one sequence, got 2"):
        make([1], [2])
    with pytest.raises(TypeError, match=rf"{name}: is \(2, 3\) a shape or values\? Give \*shape, or a list"):
        make(dlcore.zeros(2, 3).size())
    assert (made.new([1, 0]).tolist(), made.new([1]).dtype, made.new(2, 3).shape) == ([1, 0], dtype, (2, 3))
    with pytest.raises(TypeError, match=r"new: is .* a shape or values"):
        made.new(made.shape)


def test_the_default_dtype_is_set_by_a_constructor():
    for given in ("torch.DoubleTensor", dlcore.HalfTensor, "FloatTensor"):
        dlcore.set_default_tensor_type(given)
        assert isinstance(dlcore.zeros(1), getattr(dlcore, str(getattr(given, "__name__", given)).split(".")[-1]))
    for wrong in ("torch.cuda.FloatTensor", "float32", dlcore.float32):
        with pytest.raises(TypeError, match="expected one of BFloat16Tensor"):
            dlcore.set_default_tensor_type(wrong)


def test_the_class_of_tensors_makes_floats():
    assert dlcore.Tensor(2, 3).shape == (2, 3)
    assert dlcore.Tensor().shape == (0,)
    for data in ([[1, 2]], ((True, 2),), np.array([[1, 2]]), [np.array([1, 2])]):
        made = dlcore.Tensor(data)
        assert made.dtype == dlcore.float32
        assert made.tolist() == [[1.0, 2.0]]
    whole = dlcore.tensor([1, 2])
    assert dlcore.Tensor(whole).dtype == dlcore.int64
    dlcore.Tensor(whole)[0] = 5
    assert whole.tolist() == [5, 2]
    assert dlcore.Tensor(dlcore.ones(2), True).requires_grad
    assert dlcore.Tensor([1.0], requires_grad=True).requires_grad
    assert not dlcore.Tensor(dlcore.ones(2, requires_grad=True)).requires_grad


@pytest.mark.parametrize("arguments", [(2.5,), (True,), ([1], [2]), (None,), ("ab",), (-1,), ([1], 2)])
def test_what_the_class_of_tensors_refuses(arguments):
    with pytest.raises((TypeError, ValueError)):
        dlcore.Tensor(*arguments)
