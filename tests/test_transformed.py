"""In-place methods that nothing records: the values of the form that makes a new tensor, in no new memory."""

import dlcore
import numpy as np
import pytest
from dlcore import memory
from test_in_place import ARGUMENTS, METHODS

N = 100_001  # several tasks, and a last piece that is not whole

# What takes no more memory than the tensor has, beside the arguments that it is called with.
ONE_BY_ONE = {
    "abs_ acos_ acosh_ asin_ asinh_ atan_ atanh_ ceil_ cos_ cosh_ digamma_ erf_ erfc_ erfinv_ exp_ exp2_ expm1_ floor_ "
    "frac_ i0_ lgamma_ log_ log10_ log1p_ log2_ nan_to_num_ neg_ reciprocal_ relu_ rsqrt_ sigmoid_ sign_ sin_ sinh_ "
    "sqrt_ square_ tan_ tanh_ trunc_": (),
    "clamp_": (0.3, 0.6),
    "clamp_min_ clamp_max_": (0.4,),
    "pow_": (3,),
    "lerp_": (dlcore.ones(N), 0.3),
    "addcmul_ addcdiv_": (dlcore.full((N,), 0.7), dlcore.tensor(1.5)),
}
ONE_BY_ONE = {name: arguments for names, arguments in ONE_BY_ONE.items() for name in names.split()}


def numbers(*shape, dtype=dlcore.float32):
    values = np.random.default_rng(1).uniform(0.05, 0.95, shape)
    return dlcore.tensor(values).to(dtype)


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_what_is_done_one_by_one_takes_no_new_memory(name):
    x = numbers(N)
    memory.reset_peak()
    before = memory.stats()["live_bytes"]
    place, version = x.data_ptr(), x._version
    getattr(x, name)(*ONE_BY_ONE[name])
    assert memory.stats()["peak_bytes"] - before < N
    assert (x.data_ptr(), x._version) == (place, version + 1)


def same(got, expected):
    np.testing.assert_array_equal(got.double().numpy(), expected.to(got.dtype).double().numpy())


@pytest.mark.parametrize("dtype", [dlcore.float32, dlcore.float64, dlcore.float16, dlcore.bfloat16])
@pytest.mark.parametrize("name", METHODS)
def test_the_values_are_those_of_a_new_tensor(name, dtype):
    arguments = ARGUMENTS.get(name, lambda y: ())
    y = numbers(2, 3).to(dtype) if dtype.is_floating_point else numbers(2, 3)
    x = numbers(2, 3, dtype=dtype)
    expected = getattr(x.clone(), name[:-1])(*arguments(y))
    same(getattr(x, name)(*arguments(y)), expected)


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_long_tensors_views_and_gaps(name):
    arguments = ONE_BY_ONE[name]
    if any(getattr(argument, "ndim", 0) for argument in arguments):
        arguments = tuple(a if getattr(a, "ndim", 0) == 0 else a[0] for a in arguments)
    for view in (lambda x: x, lambda x: x[7:5000], lambda x: x[3:4000:2], lambda x: x[:6000].view(60, 100).T):
        whole = numbers(N)
        others = whole.clone()
        expected = getattr(view(whole).clone(), name[:-1])(*arguments)
        getattr(view(whole), name)(*arguments)
        same(view(whole), expected)
        view(others).copy_(expected)
        same(whole, others)


def test_arguments_in_the_tensors_own_memory_are_read_before_it_is_written():
    for name in ("addcmul_", "addcdiv_", "lerp_", "clamp_"):
        x = numbers(5000)
        expected = getattr(x, name[:-1])(x.flip(0), x)
        same(getattr(x, name)(x.flip(0), x), expected)
        x = numbers(5000)
        expected = getattr(x[1:], name[:-1])(x[:-1], x[0])
        same(getattr(x[1:], name)(x[:-1], x[0]), expected)


def test_a_recorded_write_leaves_what_backward_needs():
    leaf = numbers(3000).requires_grad_()
    x = leaf * 1
    x.sin_().exp_()
    x.sum().backward()
    values = leaf.detach().double()
    np.testing.assert_allclose(leaf.grad.numpy(), (values.sin().exp() * values.cos()).numpy(), rtol=1e-5)


def test_read_only_memory_is_refused_and_left():
    lent = np.linspace(0, 1, 2000, dtype=np.float32)
    lent.flags.writeable = False
    x = dlcore.from_numpy(lent)
    with pytest.raises(ValueError, match="read-only"):
        x.exp_()
    assert lent[-1] == 1


@pytest.mark.parametrize(("name", "sign"), [("add_", 1), ("sub_", -1)])
def test_multiples_are_added_in_no_new_memory(name, sign):
    x, y = numbers(N), numbers(N) + 1
    expected = x + sign * 0.25 * y
    memory.reset_peak()
    before = memory.stats()["live_bytes"]
    getattr(x, name)(y, alpha=0.25)
    assert memory.stats()["peak_bytes"] - before < N
    np.testing.assert_allclose(x.numpy(), expected.numpy(), rtol=1e-6)
    ints = dlcore.arange(3, dtype=dlcore.uint8)
    assert getattr(ints, name)(ints + 1, alpha=2).tolist() == [(i + sign * 2 * (i + 1)) % 256 for i in range(3)]


def test_gradients_of_multiples():
    x, y = (numbers(2, 3, dtype=dlcore.float64).requires_grad_() for _ in range(2))
    for function in (dlcore.add, dlcore.sub):
        assert dlcore.autograd.gradcheck(lambda x, y: function(x, y[0], alpha=-1.5), (x, y))  # noqa: B023 - called here


@pytest.mark.parametrize("exponent", [0, 1, 0.5, 2, 3, -1, -2])
def test_float_powers_by_numbers_are_those_of_numpy(exponent):
    x = np.array([0.0, 0.3, 1.0, 7.5, np.inf, np.nan], "float32")
    with np.errstate(divide="ignore"):
        expected = np.float_power(x, exponent)
    got = dlcore.float_power(dlcore.from_numpy(x), exponent)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-15)
    got = dlcore.from_numpy(x.astype("float64")) ** exponent
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-15)
    ones = dlcore.ones(3, requires_grad=True)
    (gradient,) = dlcore.autograd.grad((ones**exponent).sum(), ones)
    assert gradient.tolist() == [exponent] * 3


ACTIVATIONS = {
    "relu relu6 elu celu selu silu mish hardtanh hardswish hardsigmoid leaky_relu rrelu": (),
    "threshold": (0.5, -1.0),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", [name for names in ACTIVATIONS for name in names.split()])
def test_activations_in_place_have_the_values_of_new_tensors(name, training):
    if training and name != "rrelu":
        pytest.skip("has no training")
    function = getattr(dlcore.nn.functional, name)
    arguments = next(arguments for names, arguments in ACTIVATIONS.items() if name in names.split())
    options = {"training": True} if training else {}
    x = numbers(N) * 8 - 4
    dlcore.manual_seed(0)
    expected = function(x.clone(), *arguments, **options)
    dlcore.manual_seed(0)
    assert function(x, *arguments, inplace=True, **options) is x
    same(x, expected)
