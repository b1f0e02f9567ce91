"""Recorded writes through views: all who see the memory see them, with the gradients of copies; never wrong ones."""

import dlcore
import numpy as np
import pytest
from dlcore import GradientError
from hypothesis import given, settings, strategies as st

LOOKS = {
    "transpose": lambda x: x.transpose(0, -1) if x.dim() else x.view(1),
    "t": lambda x: x.t() if x.dim() < 3 else x.mT,
    "T": lambda x: x.T,
    "permute": lambda x: x.permute(*range(1, x.dim()), 0) if x.dim() else x.permute(()),
    "movedim": lambda x: x.movedim(0, -1) if x.dim() else x[...],
    "swapaxes": lambda x: x.swapaxes(0, -1) if x.dim() else x[None],
    "reshape": lambda x: x.reshape(-1) if x.is_contiguous() else x.reshape(x.shape),
    "view": lambda x: x.view(-1) if x.is_contiguous() else x.unsqueeze(0),
    "flatten": lambda x: x.flatten() if x.is_contiguous() else x.squeeze(),
    "unflatten": lambda x: x.unflatten(0, (1, -1)) if x.dim() else x.unsqueeze(-1),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "squeeze": lambda x: x.squeeze(),
    "expand": lambda x: x.expand(x.shape),
    "narrow": lambda x: x.narrow(0, 1, x.shape[0] - 1) if x.dim() and x.shape[0] > 1 else x,
    "select": lambda x: x.select(-1, -1) if x.dim() else x,
    "diagonal": lambda x: x.diagonal() if x.dim() > 1 else x,
    "split": lambda x: x.split(1)[-1] if x.dim() else x,
    "chunk": lambda x: x.chunk(2, -1)[0] if x.dim() else x,
    "tensor_split": lambda x: x.tensor_split(2)[0] if x.dim() and x.shape[0] > 1 else x,
    "unbind": lambda x: x.unbind()[-1] if x.dim() else x,
    "iterated": lambda x: next(iter(x)) if x.dim() else x,
    "unfold": lambda x: x.unfold(0, 2, 2) if x.dim() and x.shape[0] > 1 else x,
    "as_strided": lambda x: (
        x.as_strided(x.shape, x.stride()) if x.is_contiguous() and min(x.stride(), default=0) >= 0 else x
    ),
    "index": lambda x: x[..., ::2] if x.dim() else x,
    "reversed": lambda x: x[::-1] if x.dim() else x,
}

WRITES = {
    "mul_": (lambda x, w: x.mul_(w), lambda x, w: x * w),
    "add_": (lambda x, w: x.add_(w), lambda x, w: x + w),
    "sin_": (lambda x, w: x.sin_(), lambda x, w: x.sin()),
    "copy_": (lambda x, w: x.copy_(w), lambda x, w: x * 0 + w),
    "fill_": (lambda x, w: x.fill_(2.0), lambda x, w: x * 0 + 2.0),
    "set": (lambda x, w: x.__setitem__(..., w), lambda x, w: x * 0 + w),
    "masked_fill_": (lambda x, w: x.masked_fill_(x > 0.5, 0.5), lambda x, w: x.masked_fill(x > 0.5, 0.5)),
}


@st.composite
def programs(draw):
    """Lines: a look at a tensor by its number, or a write to one; and which of the tensors go before the end."""
    line = st.tuples(st.sampled_from([*LOOKS, *WRITES]), st.integers(0, 5), st.booleans())
    return draw(st.lists(line, min_size=2, max_size=9))


@settings(max_examples=300, deadline=None)
@given(programs(), st.sampled_from([(6,), (2, 3), (2, 2, 3)]), st.booleans())
def test_programs_of_views_and_writes_have_the_gradients_of_copies(program, shape, plain):
    size = int(np.prod(shape))
    w = dlcore.tensor(0.7, dtype=dlcore.float64, requires_grad=True)
    leaf = dlcore.linspace(0.1, 1.3, size, dtype=dlcore.float64).requires_grad_(not plain)
    base = (leaf * 1).reshape(shape)
    # Of each tensor the places of its elements among those of the base, which stand for it in `memory`.
    seen = [(base, np.arange(size).reshape(shape))]
    memory = leaf * 1
    for name, which, stays in program:
        view, places = seen[which % len(seen)]
        if name in LOOKS:
            look, numbers = LOOKS[name], dlcore.tensor(np.arange(size))
            strides, start = view.stride(), view.storage_offset()
            # Reversed rows have no `as_strided`: numpy looks at the numbers as the tensor looks at its memory.
            like = np.lib.stride_tricks.as_strided(numbers.numpy()[start:], view.shape, [8 * step for step in strides])
            seen.append((look(view), look(dlcore.from_numpy(like)).numpy()))
        else:
            write, value = WRITES[name]
            write(view, w)
            at = dlcore.tensor(np.ascontiguousarray(places).ravel())
            memory = memory.index_put((at,), (value(memory[at], w) + 0 * w).to(dlcore.float64))
            if not stays and len(seen) > 1:
                del seen[which % len(seen)]
    ours, theirs = dlcore.zeros((), dtype=dlcore.float64), dlcore.zeros((), dtype=dlcore.float64)
    for number, (view, places) in enumerate(seen):
        weights = dlcore.tensor(np.cos(np.arange(places.size) + number).reshape(places.shape))
        expected = memory[dlcore.tensor(np.ascontiguousarray(places))]
        np.testing.assert_allclose(view.detach().numpy(), expected.detach().numpy())
        ours, theirs = ours + (view * weights).sum(), theirs + (expected * weights).sum()
    wanted = [w] if plain else [w, leaf]
    found = dlcore.autograd.grad(ours + 0 * w, wanted, allow_unused=True)
    for one, other in zip(found, dlcore.autograd.grad(theirs + 0 * w, wanted, allow_unused=True), strict=True):
        one, other = (dlcore.zeros(()) if g is None else g for g in (one, other))
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-12)


def test_what_programs_write():
    eps = dlcore.tensor([0.1, 0.2], requires_grad=True)
    matrix = dlcore.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    kernel = matrix @ matrix.T
    kernel.diagonal().add_(eps)
    (kernel * dlcore.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert eps.grad.tolist() == [1, 4]

    w = dlcore.ones(3, requires_grad=True)
    steps = dlcore.zeros(4, 3)
    for i, row in enumerate(steps):
        row.copy_(w * i)
    assert steps.requires_grad
    assert not steps.is_leaf
    steps.sum().backward()
    assert w.grad.tolist() == [6, 6, 6]

    x = dlcore.zeros(2, 6)
    first, second = x.chunk(2, 1)
    first.t()[0] += w[0] * 2
    second.view(2, 3).unbind()[1].mul_(3).add_(w)
    w.grad = None
    (x * dlcore.arange(12.0).reshape(2, 6)).sum().backward()
    assert w.grad.tolist() == [2 * (0 + 6) + 9, 10, 11]


def test_who_sees_the_memory_sees_the_graph_of_a_write():
    w = dlcore.tensor(2.0, requires_grad=True)
    x = dlcore.zeros(2, 2)
    row, column, apart = x[0], x.T[1], x.detach()
    with dlcore.no_grad():
        before = x[1]
    assert not column.requires_grad
    row.fill_(3).mul_(w)
    assert column.requires_grad
    assert before.requires_grad
    assert not apart.requires_grad
    assert x.grad_fn.name() == "mul_"
    assert column.grad_fn.name() == "as_strided"
    assert column.tolist() == [6, 0]
    (column.sum() + x[0, 0]).backward(retain_graph=True)
    assert w.grad.item() == 6
    # What was detached goes its own way, and its views with it.
    part = apart[1]
    part.add_(w)
    assert apart.requires_grad
    assert x[1].tolist() == [2, 2]
    assert dlcore.autograd.grad(x.sum(), w, retain_graph=True)[0].item() == 6
    assert dlcore.autograd.grad(apart.sum(), w)[0].item() == 2


def test_what_a_view_was_asked_for_its_base_keeps():
    w = dlcore.ones(2, 2, requires_grad=True)
    x = w * 1
    x.retain_grad()
    x[0].mul_(3)
    (x * x).sum().backward()
    assert x.grad.tolist() == [[6, 6], [2, 2]]
    assert w.grad.tolist() == [[18, 18], [2, 2]]


def test_writes_that_would_go_unnoticed_are_refused():
    leaf = dlcore.ones(2, requires_grad=True)
    for view in (leaf.view(2, 1), leaf[:1], leaf.split(1)[0]):
        with pytest.raises(GradientError, match="mul_: in-place write to a leaf"):
            view.mul_(2)
    with dlcore.no_grad():
        leaf.view(1, 2).mul_(2)
    assert leaf.tolist() == [2, 2]

    result = leaf * 2
    with dlcore.no_grad():
        hidden = result[:1]
    for write in (hidden.zero_, lambda: hidden[0].add_(1), lambda: hidden.__setitem__(0, 1.0)):
        with pytest.raises(GradientError, match="made where nothing was recorded"):
            write()
    with dlcore.no_grad():
        hidden.zero_()

    buffer = dlcore.zeros(3)
    part = buffer[:2]
    buffer.requires_grad_()
    with pytest.raises(GradientError, match="leaf"):
        part.mul_(leaf)
    with pytest.raises(ValueError, match="share memory"):
        (leaf * 1).expand(3, 2).mul_(2)


def test_what_backward_needs_is_still_not_overwritten_through_a_view():
    w = dlcore.ones(2, requires_grad=True)
    x = w * 1
    y = x.sin()
    x.view(1, 2).mul_(2)
    with pytest.raises(GradientError, match=r"sin: the input .* overwritten in place by mul_"):
        y.sum().backward()


def test_no_ring_holds_memory():
    def program():
        x = dlcore.ones(100_000, requires_grad=True) * 1
        y = x * x
        x.view(10, -1)[0].copy_(y[:10_000])
        x[:2] = y[2:4]
        return x

    program()
    before = dlcore.memory.stats()["live_bytes"]
    for _ in range(3):
        program()
    assert dlcore.memory.stats()["live_bytes"] == before


def test_entries_of_an_iterator_know_what_was_written_after_it_was_made():
    w = dlcore.ones(3, requires_grad=True)
    x = w * 1
    entries = iter(x)
    x.mul_(2)
    (slope,) = dlcore.autograd.grad(next(entries), w)
    assert slope.tolist() == [2, 0, 0]
    y = dlcore.zeros(2)
    entries = iter(y)
    y.copy_(w[:2] * 5)
    assert next(entries).requires_grad


def test_a_sum_over_nothing_is_a_view():
    w = dlcore.ones(3, requires_grad=True)
    x = w * 1
    x.sum_to_size(3).mul_(2)
    (slope,) = dlcore.autograd.grad(x.sum(), w)
    assert slope.tolist() == [2, 2, 2]


def test_what_is_written_to_a_gradient_is_seen_at_the_next_look():
    p = dlcore.ones(3, requires_grad=True)
    p.sum().backward()
    first = p.grad
    p.grad.mul_(p * 2)
    assert first.requires_grad
    assert p.grad.requires_grad
    (slope,) = dlcore.autograd.grad(p.grad.sum(), p)
    assert slope.tolist() == [2, 2, 2]
