"""Functions of lists of tensors do for each what the function of that name does for one."""

import dlcore
import numpy as np
import pytest
from dlcore import foreach, tensor

SHAPES = [(3,), (2, 2), ()]


def tensors(seed=0):
    numbers = np.random.default_rng(seed)
    return [tensor(numbers.uniform(0.1, 0.9, shape)) for shape in SHAPES]


def assert_each(found, expected):
    assert [x.tolist() for x in found] == [x.tolist() for x in expected]


@pytest.mark.parametrize("name", sorted(foreach._ONE))
def test_of_each_tensor(name):
    expected = [getattr(dlcore, name)(x) for x in tensors()]
    assert_each(getattr(dlcore, f"_foreach_{name}")(tensors()), expected)
    if name != "clone":
        written = tensors()
        getattr(dlcore, f"_foreach_{name}_")(written)
        assert_each(written, expected)


@pytest.mark.parametrize("name", ["add", "clamp_max", "clamp_min", "div", "maximum", "minimum", "mul", "pow", "sub"])
@pytest.mark.parametrize("others", [0.5, [0.25, 0.5, 2.0], tensors(1)], ids=["number", "numbers", "tensors"])
def test_of_each_tensor_and_another(name, others):
    each = others if isinstance(others, list) else [others] * 3
    one = {
        "clamp_max": dlcore.minimum,
        "minimum": dlcore.minimum,
        "clamp_min": dlcore.maximum,
        "maximum": dlcore.maximum,
    }
    function = one.get(name, getattr(dlcore, name))
    expected = [
        # A power by a number may be a root or a product.
        function(x, y if isinstance(y, dlcore.Tensor) or name == "pow" else dlcore.full_like(x, y))
        for x, y in zip(tensors(), each, strict=True)
    ]
    assert_each(getattr(dlcore, f"_foreach_{name}")(tensors(), others), expected)
    written = tensors()
    getattr(dlcore, f"_foreach_{name}_")(written, others)
    assert_each(written, expected)


@pytest.mark.parametrize("name", ["addcdiv", "addcmul"])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("value", [2.0, [0.5, 1.0, 2.0], tensor([0.5, 1.0, 2.0])], ids=["number", "numbers", "tensor"])
def test_products_and_quotients_are_weighted(name, named, value):
    values = [value] * 3 if isinstance(value, float) else list(map(float, value))
    expected = [
        getattr(dlcore, name)(*triple, value=one)
        for *triple, one in zip(tensors(), tensors(1), tensors(2), values, strict=True)
    ]
    args, kwargs = ((), {"value" if isinstance(value, float) else "scalars": value}) if named else ((value,), {})
    assert_each(getattr(dlcore, f"_foreach_{name}")(tensors(), tensors(1), tensors(2), *args, **kwargs), expected)
    written = tensors()
    getattr(dlcore, f"_foreach_{name}_")(written, tensors(1), tensors(2), *args, **kwargs)
    assert_each(written, expected)


def test_lists_of_one_length():
    with pytest.raises(ValueError, match="3 tensors and a list of 2"):
        dlcore._foreach_add(tensors(), [1.0, 2.0])
    with pytest.raises(ValueError, match="at least one"):
        dlcore._foreach_add([], 1.0)
    with pytest.raises(AttributeError, match="_foreach_other"):
        dlcore._foreach_other  # noqa: B018
