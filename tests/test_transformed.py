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
