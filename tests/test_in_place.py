"""Recorded in-place operations: the gradients of the forms that make a new tensor, or an error; never wrong ones."""

import gc
import inspect
import operator

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import GradientError, Tensor
from dlcore.autograd import grad, gradcheck, gradgradcheck

T = dlcore.tensor
X = [[0.3, 0.6, 0.2], [0.7, 0.4, 0.8]]
Y = [[0.5, 0.2, 0.9], [0.1, 0.7, 0.3]]
INDEX = T([[0, 1, 0], [1, 0, 1]])

# How the methods are called that take arguments: with `y`, which requires a gradient as well.
ARGUMENTS = {
    "add_ atan2_ arctan2_ copysign_ div_ divide_ fmod_ hypot_ ldexp_ mul_ multiply_ pow_ remainder_ sub_ subtract_ "
    "true_divide_ xlogy_ clamp_min_ clamp_max_": lambda y: (y,),
    "igamma_ igammac_": None,  # no gradient by the tensor written
    "float_power_": lambda y: (2.5,),
    "addcmul_ addcdiv_ lerp_": lambda y: (y, y * y),
    "addmm_": lambda y: (y, y.T @ y),
    "addmv_": None,  # a matrix is no vector
    "addr_": lambda y: (y[:, 0], y[0]),
    "addbmm_": lambda y: (y[None], (y.T @ y)[None]),
    "baddbmm_": None,  # three dimensions
    "clamp_ clip_": lambda y: (y * 0.6, y * 1.5),
    "cumsum_ cumprod_": lambda y: (1,),
    "index_add_ index_copy_": lambda y: (1, T([2, 0, 1]), y),
    "index_fill_": lambda y: (1, T([2]), y[0, 0]),
    "index_put_": lambda y: ((T([0, 1]), T([1, 1])), y[0, :2], True),
    "index_reduce_": lambda y: (1, T([0, 0, 1]), y, "prod"),
    "masked_fill_": lambda y: (T([True, False, True]), y[0, 0]),
    "masked_scatter_": lambda y: (T([True, False, True]), y),
    "mvlgamma_": lambda y: (2,),
    "polygamma_": lambda y: (1,),
    "put_": lambda y: (T([0, 3]), y[0, :2]),
    "renorm_": lambda y: (2, 0, 0.5),
    "scatter_": lambda y: (1, INDEX[:, :2], y),
    "scatter_add_": lambda y: (1, INDEX, y),
    "scatter_reduce_": lambda y: (1, INDEX, y, "prod"),
    # Of no gradient in any form.
    "bitwise_and_ bitwise_left_shift_ bitwise_not_ bitwise_or_ bitwise_right_shift_ bitwise_xor_ eq_ floor_divide_ "
    "gcd_ ge_ greater_ greater_equal_ gt_ heaviside_ lcm_ le_ less_ less_equal_ logical_and_ logical_not_ logical_or_ "
    "logical_xor_ lt_ ne_ nextafter_ not_equal_ bernoulli_": None,
    # Of no values: they change what the handle stands for.
    "as_strided_ detach_ requires_grad_ squeeze_ swapaxes_ swapdims_ t_ transpose_ unsqueeze_": None,
}
ARGUMENTS = {name: arguments for names, arguments in ARGUMENTS.items() for name in names.split()}
METHODS = [
    name
    for name in dir(Tensor)
    if name.endswith("_") and not name.startswith("_") and hasattr(Tensor, name[:-1]) and ARGUMENTS.get(name, True)
]


def accepts(function, name):
    return name in inspect.signature(function).parameters


ACTIVATIONS = [
    name
    for name in dir(F)
    if callable(getattr(F, name))
    and not name.endswith("_")
    and "dropout" not in name
    and accepts(getattr(F, name), "inplace")
]


def leaves(offset=0.0):
    return [T(values, dtype=dlcore.float64).add_(offset).requires_grad_() for values in (X, Y)]


def derivatives(result, wanted):
    """First derivatives of a weighted sum, and second ones of theirs."""
    weights = dlcore.arange(1.0, result.numel() + 1, dtype=result.dtype).reshape(result.shape)
    options = {"create_graph": True, "allow_unused": True}
    first = [g for g in grad((result * weights).sum(), wanted, **options) if g is not None and g.requires_grad]
    second = grad(sum((g * g).sum() for g in first), wanted, **options) if first else []
    first = grad((result * weights).sum(), wanted, allow_unused=True)
    return [None if g is None else g.detach().numpy() for g in (*first, *second)]


def assert_as_out_of_place(in_place, out_of_place, offset=0.0, written=lambda x: x * 1):
    (x, y), (u, v) = leaves(offset), leaves(offset)
    got, expected = in_place(written(x), y * 1), out_of_place(written(u), v * 1)
    np.testing.assert_array_equal(got.detach().numpy(), expected.detach().numpy())
    assert got.requires_grad == expected.requires_grad
    if not got.requires_grad:
        return
    for found, right in zip(derivatives(got, [x, y]), derivatives(expected, [u, v]), strict=True):
        # An input on which the result does not depend has a gradient of zeros, or none.
        assert (0.0 if found is None else found) == pytest.approx(0.0 if right is None else right, rel=1e-13)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_gradients_of_its_form_out_of_place(name):
    arguments = ARGUMENTS.get(name, lambda y: ())
    offset = 1.0 if name in ("acosh_", "arccosh_", "mvlgamma_") else 0.0
    assert_as_out_of_place(
        lambda x, y: getattr(x, name)(*arguments(y)), lambda x, y: getattr(x, name[:-1])(*arguments(y)), offset
    )


# Also what the tensor that is written has no gradient of, and part of a tensor.
@pytest.mark.parametrize("written", [Tensor.detach, lambda x: dlcore.cat([x.detach(), x.detach()])[: len(x)]])
@pytest.mark.parametrize("name", [*METHODS, "igamma_", "igammac_"])
def test_gradients_by_others_need_what_was_overwritten(name, written):
    arguments = ARGUMENTS.get(name, lambda y: ()) or (lambda y: (y,))
    offset = 1.0 if name in ("acosh_", "arccosh_", "mvlgamma_") else 0.0
    assert_as_out_of_place(
        lambda x, y: getattr(x, name)(*arguments(y)),
        lambda x, y: getattr(x, name[:-1])(*arguments(y)),
        offset,
        written,
    )


@pytest.mark.parametrize("of", [lambda w: {"min": w}, lambda w: {"max": w}, lambda w: {"min": w, "max": w + 1}])
def test_gradients_by_the_bounds_of_what_was_clamped(of):
    w = T([0.5, 0.6], requires_grad=True)
    for x in (T([0.1, 0.7]), T([[0.1, 0.7, 9.0]])[0, :2], T([0.1, 0.7], requires_grad=True) * 1):
        expected = grad(x.detach().clamp(**of(w)).sum(), w)[0]
        assert grad(x.clamp_(**of(w)).sum(), w)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_in_place_has_the_gradients_of_its_form_out_of_place(name):
    function = getattr(F, name)
    arguments = (0.4, 0.1) if name == "threshold" else ()
    assert_as_out_of_place(
        lambda x, y: function(x - y, *arguments, inplace=True), lambda x, y: function(x - y, *arguments)
    )


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_has_the_gradients_of_its_form_out_of_place(reduce, include_self):
    def arguments(y):
        return 1, INDEX, y, reduce

    assert_as_out_of_place(
        lambda x, y: x.scatter_reduce_(*arguments(y), include_self=include_self),
        lambda x, y: x.scatter_reduce(*arguments(y), include_self=include_self),
    )


@pytest.mark.parametrize("sign", ["add", "sub", "mul", "truediv", "mod", "pow"])
def test_augmented_assignment_has_the_gradients_of_the_operator(sign):
    assert_as_out_of_place(getattr(operator, f"i{sign}"), getattr(operator, sign))


def squared(x):
    x *= x
    return x


def through_a_row(x):
    x[0].mul_(x[1] * 2)
    x[1].clamp_(0.5)
    return x


def through_a_view_of_a_view(x):
    x[1][1:].sin_()
    x[:, 1] *= 3
    return x


def view_left_alone(x):
    x = x.view(-1)
    return x.mul_(x.flip(0)).log_()


def several(x):
    kept = (x * 1).sin()
    x = x.mul_(kept).pow_(3).exp_().clamp_(1.02, 1.5).log_()
    return x * kept


def gated(x):
    h = x * 2
    h *= x.sigmoid()
    h /= x
    return h


@pytest.mark.parametrize(
    "function", [squared, through_a_row, through_a_view_of_a_view, view_left_alone, several, gated]
)
def test_writes_one_after_another_and_through_views(function):
    def fresh(x):
        return function(x * 1)

    x, _ = leaves()
    assert gradcheck(fresh, [x])
    assert gradgradcheck(fresh, [x])


def test_a_tensor_takes_its_gradient_from_what_it_is_filled_with():
    x, y = leaves()
    filled = (x * 1).fill_(y[0, 1] * 3)
    (filled * T(Y, dtype=dlcore.float64)).sum().backward()
    assert filled.tolist() == [[0.6000000000000001] * 3] * 2
    assert x.grad.tolist() == [[0.0] * 3] * 2
    np.testing.assert_allclose(y.grad.numpy(), [[0.0, 3 * np.sum(Y), 0.0], [0.0, 0.0, 0.0]])
    buffer = dlcore.zeros(2)
    w = T(2.0, dtype=dlcore.float64, requires_grad=True)
    buffer[1:].fill_(w)
    assert buffer.tolist() == [0.0, 2.0]
    (buffer.sum() * 5).backward()
    assert w.grad.item() == 5
    assert dlcore.zeros(2, dtype=dlcore.int64).fill_(T(2.7)).tolist() == [2, 2]
    with pytest.raises(dlcore.ShapeError, match="fill_: expected one value"):
        dlcore.zeros(2).fill_(T([2.0]))


def test_what_is_detached_in_place_is_not_written_behind_the_back_of_its_views():
    x, w = T([0.0, 1.0, 2.0, 3.0], requires_grad=True), T(3.0, requires_grad=True)
    y = x * 2
    view = y.view(2, 2)
    assert not y.detach_().requires_grad
    for write in (lambda: y.mul_(w), y.zero_, lambda: y[:2].add_(1)):
        with pytest.raises(dlcore.GradientError, match="a view of what has a gradient"):
            write()
    view.sum().backward()
    assert x.grad.tolist() == [2, 2, 2, 2]
    # Without views there is nobody to be misled.
    y = (x * 2).detach_()
    assert y.mul_(w).requires_grad
    assert (y.grad_fn is not None, x.grad.tolist()) == (True, [2, 2, 2, 2])


def test_what_was_saved_before_must_not_be_overwritten():
    x, _ = leaves()
    y = x * 1
    z = y.sin()
    y.mul_(x)
    with pytest.raises(GradientError, match=r"sin: the input .* overwritten in place by mul_"):
        z.sum().backward()
    y = x * 1
    y.mul_(x)
    with dlcore.no_grad():
        y.zero_()  # mul_ kept what it overwrote
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.array(X))


def test_a_leaf_is_refused_still():
    x, y = leaves()
    with pytest.raises(GradientError, match="leaf"):
        x.mul_(y)
    assert x.tolist() == X


def test_hooks_see_what_was_overwritten():
    seen = []
    x, _ = leaves()
    y = x * 1
    with dlcore.autograd.graph.saved_tensors_hooks(lambda t: seen.append(t) or t, lambda t: t):
        y.sin_()
    assert [t.tolist() for t in seen] == [X]
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.cos(X))


def test_nothing_is_copied_that_backward_does_not_read():
    def held(write):
        gc.collect()  # else what other tests left may go meanwhile
        x = dlcore.ones(100_000, requires_grad=True) * 1
        before = dlcore.memory.stats()["live_bytes"]
        y = write(x)
        assert y is x
        return (dlcore.memory.stats()["live_bytes"] - before) // 400_000

    assert held(lambda x: x.add_(1)) == held(lambda x: x.mul_(2)) == 0
    assert held(lambda x: x.sin_()) == 1
    with dlcore.no_grad():
        assert held(lambda x: x.sin_()) == 0


@pytest.mark.parametrize(("p", "training"), [(0.0, True), (0.5, False)])
def test_dropout_that_drops_nothing_writes_nothing(p, training):
    x, _ = leaves()
    y = x * 1
    assert F.dropout(y, p, training, inplace=True) is y
    y.sum().backward()
    assert x.grad.tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize(
    "look", [lambda x: x.unsqueeze_(0), lambda x: x.t_(), lambda x: x.transpose_(0, 1), lambda x: x.squeeze_()]
)
def test_a_parameter_looked_at_anew_without_recording_stays_one(look):
    x = T(X, requires_grad=True)
    with dlcore.no_grad():
        look(x)
    assert x.requires_grad
    assert x.is_leaf
    (x * x).sum().backward()
    assert x.grad.shape == x.shape
    assert np.allclose(x.grad.tolist(), (2 * x).tolist())


def test_gradients_go_back_through_what_is_looked_at_anew_without_recording():
    x = T(X, requires_grad=True)
    y = x * 2
    with dlcore.no_grad():
        y.t_()
    assert y.shape == (3, 2)
    (y * T([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).sum().backward()
    assert x.grad.tolist() == [[2.0, 6.0, 10.0], [4.0, 8.0, 12.0]]


def test_what_is_copied_has_its_own_place_in_the_graph():
    x = T([1.0, 2.0], requires_grad=True)
    buffer = dlcore.zeros(2)
    buffer.copy_(x)
    assert not buffer.is_leaf
    buffer.retain_grad()
    buffer.register_hook(lambda gradient: gradient * 10)
    (x * 2 + buffer).sum().backward()
    assert buffer.grad.tolist() == [10.0, 10.0]
    assert x.grad.tolist() == [12.0, 12.0]
    buffer = dlcore.zeros(2).copy_(x)
    assert buffer.mul_(3).tolist() == [3.0, 6.0]
    assert grad(x.sum(), buffer, allow_unused=True) == (None,)


def test_a_number_is_copied_into_every_element():
    assert dlcore.zeros(2).copy_(2.5).tolist() == [2.5, 2.5]
    assert dlcore.zeros(2, dtype=dlcore.uint8).copy_(300).tolist() == [44, 44]


def test_what_was_overwritten_whole_has_a_gradient_of_zeros():
    x, source = T([1.0, 2.0], requires_grad=True), T([3.0, 4.0], requires_grad=True)
    y = x * 1
    y.copy_(source)
    (y * y).sum().backward()
    assert y.tolist() == [3, 4]
    assert x.grad.tolist() == [0, 0]
    assert source.grad.tolist() == [6, 8]


ALIASED = {
    "addcmul_": lambda x, a, y: x.addcmul_(y, a),
    "addcmul_ twice": lambda x, a, y: x.addcmul_(a, a, value=2),
    "addcdiv_": lambda x, a, y: x.addcdiv_(a, y),
    "lerp_": lambda x, a, y: x.lerp_(y, a),
    "clamp_": lambda x, a, y: x.clamp_(a, y),
    "clamp_ below": lambda x, a, y: x.clamp_(y, a),
    "addcmul_ beside": lambda x, a, y: x[1:].addcmul_(a[:-1], y[1:]),
    "addcmul_ backwards": lambda x, a, y: x.addcmul_(y, a.flip(0)),
    "addcmul_ of a row": lambda x, a, y: x.addcmul_(y[:1], a[-1:]),
    "addcmul_ of columns": lambda x, a, y: x.T.addcmul_(y.T, a.T),
    "gt_": lambda x, a, y: x.gt_(y),
    "le_": lambda x, a, y: x.le_(a),
    "ne_ beside": lambda x, a, y: x[1:].ne_(a[:-1]),
    "eq_ of a row": lambda x, a, y: x.eq_(y[:1]),
    "logical_and_": lambda x, a, y: x.logical_and_(y > 2),
    "logical_xor_": lambda x, a, y: x.logical_xor_(a),
    "logical_not_": lambda x, a, y: x.logical_not_(),
    "heaviside_": lambda x, a, y: x.heaviside_(y),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(5, 1), (40, 50)])
@pytest.mark.parametrize("name", ALIASED)
def test_what_is_written_may_be_read_under_another_name(name, shape, dtype):
    """As if everything had been read before anything was written: the same with a copy in place of the other name."""
    numbers = np.random.default_rng(0).integers(0, 4, (2, *shape))
    results = []
    for alias in (lambda x: x, lambda x: x.clone()):
        x, y = (dlcore.tensor(n).to(getattr(dlcore, dtype)) for n in numbers)
        try:
            ALIASED[name](x, alias(x), y)
        except (TypeError, ValueError, RuntimeError) as error:
            x = dlcore.tensor(len(str(error)))
        results.append(x.double().numpy())
    np.testing.assert_array_equal(*results)


def test_what_has_no_views_any_more_is_written_after_it_was_cut_off():
    w = T([1.0, 2.0, 3.0], requires_grad=True)
    h = w * 2
    assert h[:2].tolist() == [2, 4]
    h.detach_()
    h.add_(1)
    h[0] = 5
    last = h[1:]
    last.mul_(2)
    assert h.tolist() == [5, 10, 14]
    view = (w * 2)[1:]
    view.detach_()
    view.add_(1)
    assert view.tolist() == [5, 7]


def test_what_has_views_is_not_written_after_it_was_cut_off():
    w = T([1.0, 2.0, 3.0], requires_grad=True)
    h = w * 2
    view = h[:2]
    h.detach_()
    with pytest.raises(GradientError):
        h.add_(1)
    view.sum().backward()
    assert w.grad.tolist() == [2, 2, 0]
