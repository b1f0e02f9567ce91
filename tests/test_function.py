"""Functions with a derivative of their own: what they save, what they return, and what is refused."""

import gc

import dlcore
import numpy as np
import pytest
from dlcore import GradientError
from dlcore.autograd import Function, grad
from dlcore.autograd.function import once_differentiable


class Scaled(Function):
    """x·y and x+y, with a number between the tensors."""

    @staticmethod
    def forward(ctx, x, factor, y):
        ctx.save_for_backward(x, y)
        ctx.factor = factor
        return x * y * factor, x + y

    @staticmethod
    def backward(ctx, by_product, by_sum):
        x, y = ctx.saved_tensors
        return by_product * y * ctx.factor + by_sum, None, by_product * x * ctx.factor + by_sum


class Exp(Function):
    """What saves its result."""

    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, by_result):
        (result,) = ctx.saved_tensors
        return by_result * result


def leaf(*values):
    return dlcore.tensor(values, dtype=dlcore.float64, requires_grad=True)


def test_each_result_has_a_gradient():
    x, y = leaf(1, 2), leaf(3, 4)
    product, total = Scaled.apply(x, 10, y)
    assert product.grad_fn == total.grad_fn
    assert product.grad_fn.name() == "Scaled"
    (product.sum() + 2 * total.sum()).backward()
    assert x.grad.tolist() == [32, 42]
    assert y.grad.tolist() == [12, 22]


def test_arguments_by_name_and_defaults():
    class Named(Function):
        @staticmethod
        def forward(ctx, x, *, factor=2.0):
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor

    class Placed(Function):
        @staticmethod
        def forward(x, factor=2.0, power=1):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.inputs = inputs[1:]

        @staticmethod
        def backward(ctx, g):
            return g * ctx.inputs[0], None, None

    x = leaf(1.0, 3.0)
    for function, named in ((Named, {}), (Placed, {"power": 3})):
        (g,) = grad(function.apply(x).sum(), x)
        assert g.tolist() == [2, 2]
        (g,) = grad(function.apply(x, factor=5.0, **named).sum(), x)
        assert g.tolist() == [5, 5]
    with pytest.raises(TypeError, match="another"):
        Placed.apply(x, another=1)


def test_results_to_which_no_gradient_came_get_zeros_or_none():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x * 1, x.reshape(1, 2) * 2

        @staticmethod
        def backward(ctx, *grads):
            seen.append(grads)
            return grads[0], None

    Two.apply(leaf(1, 2), True)[0].sum().backward()
    Two.apply(leaf(1, 2), False)[0].sum().backward()
    assert seen[0][1].tolist() == [[0, 0]]
    assert seen[1][1] is None


def test_derivatives_of_any_order():
    x = leaf(0.5)
    y = Exp.apply(x)
    for _ in range(4):
        (y,) = grad(y, [x], create_graph=True)
    assert y.item() == np.exp(0.5)
    x, y = leaf(2.0), leaf(3.0)
    product, _ = Scaled.apply(x, 1, y)
    (first,) = grad(product * product, [x], create_graph=True)
    assert [g.item() for g in grad(first, [x, y])] == [18, 24]


def test_what_is_saved_dies_with_the_graph():
    gc.collect()
    before = dlcore.memory.stats()["live_bytes"]
    x = dlcore.ones(1000, requires_grad=True)
    y = Exp.apply(x)
    del y, x
    assert dlcore.memory.stats()["live_bytes"] == before


def test_what_was_walked_is_freed():
    x = leaf(1, 2)
    y = Exp.apply(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(GradientError, match="the graph through Exp was walked before"):
        y.backward()


def test_overwriting_what_was_saved_names_both():
    x = leaf(1, 2)
    y = Exp.apply(x * 1)
    with dlcore.no_grad():
        y.add_(1)
    with pytest.raises(GradientError, match=r"Exp: the output of shape .* was overwritten in place by add_"):
        y.sum().backward()


def test_arguments_tell_whether_they_need_a_gradient():
    seen = []

    class Look(Function):
        @staticmethod
        def forward(ctx, *args):
            seen.append((ctx.needs_input_grad, dlcore.is_grad_enabled()))
            return args[0] * 1

        @staticmethod
        def backward(ctx, g):
            seen.append((ctx.needs_input_grad, dlcore.is_grad_enabled()))
            return g, None, None

    Look.apply(leaf(1), 2, dlcore.ones(1)).backward()
    assert seen == [((True, False, False), False)] * 2


def test_results_may_be_arguments_views_and_integers():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x, x[:1], x.long()

        @staticmethod
        def backward(ctx, same, part, whole):
            assert whole.dtype == dlcore.int64
            return same + 1

    x = leaf(1, 2)
    same, part, whole = Same.apply(x)
    assert same is not x
    assert not whole.requires_grad
    with pytest.raises(GradientError, match="in-place write to a leaf"):
        part.mul_(2)
    same.sum().backward()
    assert x.grad.tolist() == [2, 2]
    assert x.is_leaf


def test_marks():
    class Relu(Function):
        @staticmethod
        def forward(ctx, x):
            positive = x > 0
            ctx.mark_dirty(x)
            kept = positive * 1.0
            ctx.mark_non_differentiable(kept)
            ctx.save_for_backward(kept)
            x.mul_(kept)
            return x, kept

        @staticmethod
        def backward(ctx, by_result, by_kept):
            (kept,) = ctx.saved_tensors
            return by_result * kept

    x = leaf(-1, 2)
    y = x * 3
    z, kept = Relu.apply(y)
    assert z is y
    assert not kept.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0, 3]
    with pytest.raises(GradientError, match="in-place write to a leaf"):
        Relu.apply(leaf(1))
    with dlcore.no_grad():
        assert Relu.apply(leaf(-1, 1))[0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("returned", "error", "text"),
    [
        (lambda g: (g, g), GradientError, "returned 2 gradients for 3 inputs"),
        (lambda g: (g, g, None), GradientError, "input 1, which is no tensor"),
        (lambda g: (g[:1].expand(5), None, None), dlcore.ShapeError, r"shape \(5,\) for input 0 of shape \(2,\)"),
        (lambda g: ("x", None, None), TypeError, "expected a Tensor, got str"),
    ],
)
def test_wrong_gradients_are_refused(returned, error, text):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, number, y):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return returned(g)

    with pytest.raises(error, match=text):
        Wrong.apply(leaf(1, 2), 1, leaf(1)).sum().backward()


def test_gradients_are_brought_to_the_shape_and_dtype_of_their_input():
    class Wide(Function):
        @staticmethod
        def forward(ctx, x):
            return x.double().expand(3, 2).contiguous()

        @staticmethod
        def backward(ctx, g):
            return g

    x = dlcore.ones(2, requires_grad=True)
    Wide.apply(x).sum().backward()
    assert x.grad.dtype == dlcore.float32
    assert x.grad.tolist() == [3, 3]


def test_what_a_backward_raises_arrives_as_it_is():
    class Fails(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise KeyError("here")

    with pytest.raises(KeyError, match="here") as caught:
        Fails.apply(leaf(1)).backward()
    assert caught.traceback[-1].name == "backward"


def test_once_differentiable():
    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            assert not dlcore.is_grad_enabled()
            (x,) = ctx.saved_tensors
            return 3 * x * x * g

    x = leaf(2)
    Cube.apply(x).backward()
    assert x.grad.item() == 12
    (first,) = grad(Cube.apply(x), [x], create_graph=True)
    with pytest.raises(GradientError, match=r"Cube.backward is marked once_differentiable"):
        first.backward()


def test_long_chains_of_functions_need_no_stack():
    x = leaf(1)
    y = x
    for _ in range(20_000):
        y = Exp.apply(y * 0)
    y.backward()
    assert x.grad.item() == 0


def test_backward_within_backward():
    class Inner(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with dlcore.enable_grad():
                again = x.detach().requires_grad_()
                (again * again).backward()
            return g * again.grad

    x = leaf(3)
    Inner.apply(x).backward()
    assert x.grad.item() == 6
