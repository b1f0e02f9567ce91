"""Cycles of objects that go through the graph are collected: a hook may know its tensor, a context its result."""

import gc
import weakref

import dlcore
import pytest


class Object:
    """Something that a weak reference may look at."""


def is_collected(make):
    witness = make()
    gc.collect()
    return witness() is None


def hook_on_a_parameter():
    class Model(dlcore.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = dlcore.nn.Linear(3, 3)
            self.handle = self.layer.weight.register_hook(self.log)

        def log(self, grad):
            self.last = grad

    model = Model()
    model.layer(dlcore.ones(2, 3)).sum().backward()
    return weakref.ref(model)


def hook_on_a_leaf():
    x, witness = dlcore.ones(2, requires_grad=True), Object()
    x.register_hook(lambda _: None)
    return weakref.ref(witness)


def hook_on_a_result():
    x, witness = dlcore.ones(2, requires_grad=True), Object()
    y = x * 2
    y.register_hook(lambda _: None)
    y.sum().backward()
    return weakref.ref(witness)


def hook_on_an_operation():
    x, witness = dlcore.ones(2, requires_grad=True), Object()
    y = x * 2
    y.grad_fn.register_prehook(lambda _: None)
    return weakref.ref(witness)


def hook_after_accumulation():
    x, witness = dlcore.ones(2, requires_grad=True), Object()
    x.register_post_accumulate_grad_hook(lambda _: None)
    x.sum().backward()
    return weakref.ref(witness)


class Double(dlcore.autograd.Function):
    @staticmethod
    def forward(ctx, x, witness):
        ctx.witness, ctx.y = witness, x * 2
        return ctx.y

    @staticmethod
    def backward(ctx, grad):
        return grad * 2, None


def result_in_its_context():
    witness = Object()
    x = dlcore.ones(2, requires_grad=True)
    y = Double.apply(x, witness)
    (y * 3).sum().backward()
    return weakref.ref(witness)


@pytest.mark.parametrize(
    "make",
    [
        hook_on_a_parameter,
        hook_on_a_leaf,
        hook_on_a_result,
        hook_on_an_operation,
        hook_after_accumulation,
        result_in_its_context,
    ],
)
def test_cycles_are_collected(make):
    assert is_collected(make)


def test_what_is_still_needed_stays():
    seen = []
    x = dlcore.ones(2, requires_grad=True)

    def square():
        y = x * 2
        y.register_hook(lambda grad: seen.append((y.shape, grad.sum().item())))
        return (y * y).sum()

    z = square()
    gc.collect()
    z.backward()
    assert seen == [((2,), 8.0)]
    handle = x.register_hook(lambda grad: grad * 0)
    gc.collect()
    (x * 2).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]
