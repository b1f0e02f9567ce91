"""Tensors cut into parts: views whose gradients come back together, from one node of the graph."""

import dlcore
import numpy as np
import pytest
from dlcore import GradientError
from dlcore.autograd import grad, gradcheck, gradgradcheck

CUTS = {
    "split": lambda x: x.split(2, dim=1),
    "split into sizes": lambda x: x.split([1, 0, 4], dim=1),
    "split_with_sizes": lambda x: dlcore.split_with_sizes(x, [3, 2], dim=-2),
    "chunk": lambda x: x.chunk(3, dim=1),
    "unbind": lambda x: x.unbind(1),
    "unbind in front": lambda x: x.unbind(),
}


@pytest.fixture(params=CUTS, name="cut")
def _cut(request):
    return CUTS[request.param]


def leaf(dtype=dlcore.float64):
    return dlcore.arange(30, dtype=dtype).reshape(3, 5, 2).requires_grad_()


def test_parts_are_views_of_one_node(cut):
    x = leaf()
    parts = cut(x)
    assert len({part.grad_fn for part in parts} - {None}) == len({str(part.grad_fn) for part in parts}) == 1
    y = x.detach()
    for part in cut(y):
        part.fill_(7)
    assert (y == 7).all()


def test_gradients_are_those_of_the_parts(cut):
    x = leaf()
    sum(((i + 2) * part * part).sum() for i, part in enumerate(cut(x))).backward()
    plain, expected = x.detach(), dlcore.zeros_like(x)
    for i, (part, place) in enumerate(zip(cut(plain), cut(expected), strict=True)):
        place.copy_(2 * (i + 2) * part)
    assert x.grad.tolist() == expected.tolist()
    assert gradcheck(lambda x: tuple(part.exp() for part in cut(x / 30)), leaf())
    assert gradgradcheck(lambda x: cut(x / 30)[-1].exp(), leaf())


def test_parts_that_nobody_used_have_no_gradient(cut):
    x = leaf()
    cut(x)[-1].sum().backward()
    expected = dlcore.zeros_like(x)
    cut(expected)[-1].fill_(1)
    assert x.grad.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [dlcore.float32, dlcore.float16, dlcore.bfloat16])
def test_parts_keep_their_dtype(cut, dtype):
    x = leaf(dtype)
    sum(part.sum() for part in cut(x)).backward()
    assert x.grad.dtype == dtype
    assert (x.grad == 1).all()


def test_turned_gradients_arrive_in_their_places():
    """As where heads of attention are cut and turned."""
    x = dlcore.tensor(np.random.default_rng(0).normal(size=(2, 3, 4, 5)), requires_grad=True)
    weights = [dlcore.tensor(np.random.default_rng(i).normal(size=(2, 5, 3))) for i in range(4)]
    sum((part.transpose(1, 2) * w).sum() for part, w in zip(x.unbind(2), weights, strict=True)).backward()
    expected = np.stack([np.swapaxes(w.numpy(), 1, 2) for w in weights], 2)
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_a_part_has_a_gradient_and_hooks_of_its_own():
    x = leaf()
    first, second, *_ = x.unbind()
    seen = []
    second.register_hook(lambda g: seen.append(g.tolist()))
    loss = (first * second).sum()
    assert grad(loss, second, retain_graph=True)[0].tolist() == first.tolist()
    first.retain_grad()
    loss.backward()
    assert first.grad.tolist() == second.tolist()
    assert seen == [first.tolist()] * 2
    assert x.grad[2].tolist() == [[0.0, 0.0]] * 5


def test_without_a_gradient_nothing_is_recorded(cut):
    with dlcore.no_grad():
        assert all(part.grad_fn is None for part in cut(leaf()))
    assert all(part.grad_fn is None for part in cut(dlcore.arange(30).reshape(3, 5, 2)))
    lost = (leaf() > 3).to(dlcore.float64)
    with pytest.raises(GradientError, match="gt has no gradient"):
        cut(lost)[0].sum().backward()


def test_parts_can_be_written(cut):
    x = leaf()
    whole = x * 1
    parts = cut(whole)
    before = parts[0].tolist()
    parts[0].mul_(2)
    (whole.sum() + parts[0].sum() + parts[1].sum()).backward()
    parts = cut(x.grad)
    assert (parts[0] == 4).all()
    assert (parts[1] == 2).all()
    assert cut(whole)[0].tolist() == (dlcore.tensor(before, dtype=x.dtype) * 2).tolist()


def test_nothing_can_be_cut():
    x = dlcore.zeros(2, 0, requires_grad=True)
    assert x.unbind(1) == ()
    (part,) = x.split(3, dim=1)
    part.sum().backward()
    assert x.grad.shape == (2, 0)


@pytest.mark.parametrize(
    "part", [lambda y: y[2:3], lambda y: y[2], lambda y: y.narrow(0, 2, 1), lambda y: y.split(1)[2]]
)
def test_gradients_are_not_added_to_a_sum_that_repeats_itself(part):
    """The gradient of a sum is one number seen many times; a part's gradient is added to a copy."""
    x = dlcore.zeros(4, requires_grad=True)
    y = x * 1
    s = part(y)
    whole = dlcore.cat([y.sum(0, keepdim=True), dlcore.zeros(3)])
    ((s * 100).sum() + (whole * dlcore.ones(4)).sum()).backward()
    assert x.grad.tolist() == [1.0, 1.0, 101.0, 1.0]
