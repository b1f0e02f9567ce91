"""Graphs: long ones, wide ones, used twice, cut, differentiated again; and the memory that they give back."""

import gc
import inspect
import pickle
import threading

import dlcore
import numpy as np
import pytest
from dlcore import GradientError

LONG = 100_000


def live_bytes():
    gc.collect()
    return dlcore.memory.stats()["live_bytes"]


def long_chain():
    x = dlcore.ones(1, requires_grad=True)
    y = x
    for _ in range(LONG):
        y = y + 1
    y.backward()
    assert y.item() == LONG + 1
    assert x.grad.item() == 1
    unused = x
    for _ in range(LONG):
        unused = unused * 1.0
    del unused  # all at once, never walked
    held = []
    for _ in range(LONG // 10):
        y = y + y * 0.5  # each node is reached by two edges
        held.append(y)
    del y
    held.reverse()
    del held


def test_chains_of_100_000_operations_are_walked_and_dropped():
    before = live_bytes()
    long_chain()
    assert live_bytes() == before


def test_chains_need_no_stack():
    failures = []

    def guarded():
        try:
            long_chain()
        except BaseException as error:
            failures.append(error)

    usual = threading.stack_size(128 * 1024)
    try:
        thread = threading.Thread(target=guarded)
        thread.start()
    finally:
        threading.stack_size(usual)
    thread.join()
    assert not failures


def test_second_derivative_of_a_long_chain():
    x = dlcore.ones((), dtype=dlcore.float64, requires_grad=True)
    y = x
    for _ in range(2000):
        y = y * x
    (first,) = dlcore.autograd.grad(y, [x], create_graph=True)
    (second,) = dlcore.autograd.grad(first, [x])
    assert (first.item(), second.item()) == (2001, 2001 * 2000)


def test_graphs_are_freed_without_a_backward():
    w = dlcore.ones(1000, requires_grad=True)
    w.sum().backward()
    before = live_bytes()
    for _ in range(5):
        loss = (w * 2).exp().sum()
    del loss
    assert live_bytes() == before


def test_gradients_accumulate_and_are_forgotten():
    x = dlcore.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    seen = x.grad
    (x * 3).sum().backward()
    assert x.grad.tolist() == seen.tolist() == [5, 5]
    x.grad = None
    assert x.grad is None
    x.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_leaves_do_not_share_gradients():
    a, b = dlcore.ones(2, requires_grad=True), dlcore.ones(2, requires_grad=True)
    (a + b).sum().backward()
    a.grad.zero_()
    assert b.grad.tolist() == [1, 1]


def test_a_tensor_used_many_times():
    x = dlcore.tensor(3.0, requires_grad=True)
    y = x * x
    (y * y + y + x).backward()  # x^4 + x^2 + x
    assert x.grad.item() == 4 * 27 + 6 + 1


def test_retained_graphs_are_walked_again():
    x = dlcore.tensor(2.0, requires_grad=True)
    y = x**3
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 24
    with pytest.raises(GradientError, match="retain_graph"):
        y.backward()


def test_higher_derivatives():
    x = dlcore.tensor(0.5, dtype=dlcore.float64, requires_grad=True)
    y = dlcore.sin(x)
    values = [y]
    for _ in range(4):
        (y,) = dlcore.autograd.grad(y, [x], create_graph=True)
        values.append(y)
    s, c = np.sin(0.5), np.cos(0.5)
    np.testing.assert_allclose([v.item() for v in values], [s, c, -s, -c, s], rtol=1e-14)


def test_gradients_of_chosen_inputs_leave_the_leaves_alone():
    x, w = dlcore.ones(2, requires_grad=True), dlcore.ones(2, requires_grad=True)
    y = x * w * 2
    (between,) = dlcore.autograd.grad((y * y).sum(), [y])
    assert between.tolist() == [4, 4]
    assert x.grad is None
    assert w.grad is None
    unused = dlcore.ones(1, requires_grad=True)
    assert dlcore.autograd.grad((x * 2).sum(), [x, unused], allow_unused=True)[1] is None


def test_vectors_are_seeded():
    x = dlcore.ones(3, requires_grad=True)
    (x * 2).backward(dlcore.tensor([1.0, 0.0, -1.0]))
    assert x.grad.tolist() == [2, 0, -2]


def test_recording_is_switched_off_and_on_again():
    x = dlcore.ones(2, requires_grad=True)
    with dlcore.no_grad():
        assert not dlcore.is_grad_enabled()
        assert not (x * 2).requires_grad
        with dlcore.enable_grad():
            assert (x * 2).requires_grad
    assert dlcore.is_grad_enabled()
    with pytest.raises(KeyError), dlcore.no_grad():
        raise KeyError
    assert dlcore.is_grad_enabled()
    with dlcore.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    assert not dlcore.no_grad()(lambda: x * 2)().requires_grad
    for mode in ("train", 1, None):
        with pytest.raises(TypeError, match="expected a bool"):
            dlcore.set_grad_enabled(mode)


@dlcore.no_grad()
def unrecorded(x):
    return x * 2


def test_what_is_decorated_stays_a_function():
    assert inspect.isfunction(unrecorded)
    assert pickle.loads(pickle.dumps(unrecorded)) is unrecorded  # as processes of a pool ask


def test_recording_is_a_matter_of_each_thread():
    seen = []
    with dlcore.no_grad():
        thread = threading.Thread(target=lambda: seen.append(dlcore.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_in_place_arithmetic_is_recorded():
    x = dlcore.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    y *= 3
    y += x
    y.sub_(1).div_(2)
    y.sum().backward()
    assert y.tolist() == [1.5, 3.5]
    assert x.grad.tolist() == [2, 2]


def test_overwriting_what_no_backward_needs_is_allowed():
    x = dlcore.tensor([1.0, 2.0], requires_grad=True)
    y = x + 1  # saves nothing
    z = y * 2  # saves no values either: 2 is a constant
    with dlcore.no_grad():
        y.zero_()
    z.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_optimizer_steps_between_forward_and_backward_are_noticed():
    w = dlcore.ones(2, requires_grad=True)
    loss = (w * w).sum()
    w.grad = dlcore.ones(2)
    dlcore.optim.SGD([w], lr=0.1).step()
    with pytest.raises(GradientError, match="overwritten"):
        loss.backward()


def test_gradients_flow_through_views_and_dtypes():
    x = dlcore.arange(6.0).reshape(2, 3).requires_grad_()
    y = x.T[::2].reshape(-1).unsqueeze(0).expand(3, 4).double()
    (y * dlcore.arange(12.0, dtype=dlcore.float64).reshape(3, 4)).sum().backward()
    assert x.grad.tolist() == [[12, 0, 18], [15, 0, 21]]
    assert x.grad.dtype == dlcore.float32


def test_detached_tensors_share_memory_but_no_gradient():
    x = dlcore.ones(2, requires_grad=True)
    y = x * 2
    y.detach().add_(5)
    assert y.tolist() == [7, 7]
    (y.detach() * x).sum().backward()
    assert x.grad.tolist() == [7, 7]


@pytest.mark.parametrize(
    "same",
    [
        lambda x: x.view(2),
        lambda x: x.reshape(2),
        lambda x: x.flatten(),
        lambda x: x.squeeze(),
        lambda x: x.t(),
        lambda x: x.expand(2),
        lambda x: dlcore.nn.functional.dropout(x, training=False),
    ],
)
def test_a_view_that_leaves_nothing_out_is_a_view(same):
    w = dlcore.ones(2, requires_grad=True)
    x = w * 1
    y = same(x)
    y.mul_(10)
    x.mul_(10)
    (x.sum() + y.sum()).backward()
    assert w.grad.tolist() == [200, 200]


def test_a_write_through_an_index_that_leaves_nothing_out():
    w = dlcore.ones(2, requires_grad=True)
    x = w * 1
    x[:].mul_(5)
    y = x[...]
    y.mul_(2)
    y.sum().backward(retain_graph=True)
    x.sum().backward()
    assert w.grad.tolist() == [20, 20]


def test_what_saved_nothing_can_be_walked_again():
    a = dlcore.ones(2, requires_grad=True)
    shared = a + 1
    (shared + 1).sum().backward()
    (shared + 2).sum().backward()
    assert a.grad.tolist() == [2, 2]


def test_data_of_a_leaf_and_of_a_result():
    w = dlcore.ones(2, requires_grad=True)
    w.data = dlcore.zeros(2)
    assert w.requires_grad
    assert w.tolist() == [0, 0]
    w.sum().backward()
    with pytest.raises(dlcore.ShapeError, match="set grad to None"):
        w.data = dlcore.zeros(3)
    with pytest.raises(GradientError, match="only a leaf"):
        (w * 2).data = dlcore.zeros(2)


def test_a_gradient_given_in_another_dtype_is_converted():
    x = dlcore.ones(2, requires_grad=True)
    (x * 2).backward(dlcore.tensor([1.0, 3.0], dtype=dlcore.float64))
    assert x.grad.dtype == dlcore.float32
    assert x.grad.tolist() == [2.0, 6.0]
