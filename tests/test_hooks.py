"""Hooks on gradients and on what is saved, gradients that are kept, and the graph that can be looked at."""

import gc
import threading
import weakref

import dlcore
import numpy as np
import pytest
from dlcore import GradientError, nn
from dlcore.autograd import Function, backward, grad, graph


def leaf(*values):
    return dlcore.tensor(values, dtype=dlcore.float64, requires_grad=True)


# --- hooks on tensors -----------------------------------------------------------------------------------------------


def test_a_hook_sees_the_whole_gradient_once():
    seen = []
    x = leaf(1, 2)
    x.register_hook(lambda g: seen.append(g.tolist()))
    y = x * 2
    y.register_hook(lambda g: seen.append(g.tolist()))
    (y * 3 + y * 4 + x).sum().backward()
    assert seen == [[7, 7], [15, 15]]
    assert x.grad.tolist() == [15, 15]


def test_hooks_change_gradients_in_order_and_are_removed():
    x = leaf(1)
    add = x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)
    (x * 2).backward()
    assert x.grad.item() == 30
    add.remove()
    add.remove()
    x.grad = None
    (x * 2).backward()
    assert x.grad.item() == 20
    y = x * 2
    with y.register_hook(lambda g: g * 5):
        y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 20 + 100 + 20


def test_hooks_run_for_gradients_that_are_returned():
    x = leaf(1)
    y = x * 2
    x.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: g * 3)
    assert [g.item() for g in grad(y * 1, [x, y])] == [60, 3]
    y = x * 2
    y.backward(inputs=[x])
    assert x.grad.item() == 20


def test_hooks_are_recorded_with_the_walk():
    x = leaf(3)
    x.register_hook(lambda g: g * x)
    (first,) = grad(x * x, [x], create_graph=True)
    assert first.item() == 18
    (second,) = grad(first, [x])
    assert second.item() == 12 * 3


@pytest.mark.parametrize(
    ("hook", "error", "text"),
    [
        (lambda g: g.float(), GradientError, "a hook returned float32"),
        (lambda g: g[:1], GradientError, r"shape \(1,\) for a gradient of float64 and shape \(2,\)"),
        (lambda g: 1 / 0, ZeroDivisionError, "zero"),
        (lambda g: "x", TypeError, "expected a Tensor, got str"),
    ],
)
def test_what_a_hook_does_wrong(hook, error, text):
    x = leaf(1, 2)
    x.register_hook(hook)
    with pytest.raises(error, match=text):
        (x * 2).sum().backward()
    assert x.grad is None


def test_hooks_need_something_to_see():
    with pytest.raises(GradientError, match="register_hook: this tensor does not require a gradient"):
        dlcore.ones(1).register_hook(print)
    with pytest.raises(TypeError, match="expected a function, got int"):
        leaf(1).register_hook(3)
    with pytest.raises(GradientError, match="only a leaf"):
        (leaf(1) * 2).register_post_accumulate_grad_hook(print)


def test_steps_are_taken_as_soon_as_a_gradient_is_complete():
    order = []
    w, v = leaf(1), leaf(1)

    def step(p):
        order.append("w" if p is w else "v")
        with dlcore.no_grad():
            p -= 0.5 * p.grad
        p.grad = None

    w.register_post_accumulate_grad_hook(step)
    v.register_post_accumulate_grad_hook(step)
    x = leaf(1)
    x.register_hook(lambda g: order.append("x"))
    ((x * w) * v + v).backward()
    assert order == ["v", "x", "w"]
    assert (w.item(), v.item(), w.grad) == (0.5, 0.0, None)


def test_hooks_do_not_keep_their_tensor_alive():
    w = nn.Parameter(dlcore.ones(1))
    w.register_post_accumulate_grad_hook(lambda p: None)
    gone = weakref.ref(w)
    (w * 2).sum().backward()
    del w
    gc.collect()
    assert gone() is None


# --- kept gradients, chosen inputs ----------------------------------------------------------------------------------


def test_retained_gradients():
    x = leaf(1, 2)
    y = x * 2
    assert not y.retains_grad
    y.retain_grad()
    y.register_hook(lambda g: g * 10)  # what is kept has passed the hooks, whenever they came
    z = (y * y).sum()
    z.backward(retain_graph=True)
    assert y.grad.tolist() == [40, 80]
    z.backward()
    assert y.grad.tolist() == [80, 160]
    y.grad = None
    assert y.grad is None
    x.retain_grad()
    assert not x.retains_grad
    with pytest.raises(GradientError, match="does not require"):
        dlcore.ones(1).retain_grad()
    with pytest.raises(GradientError, match="only a leaf"):
        (x * 2).grad = dlcore.ones(2, dtype=dlcore.float64)


def test_retaining_survives_a_write_in_place():
    x = leaf(1)
    y = x * 2
    y.retain_grad()
    y *= 3
    (y * 5).backward()
    assert y.grad.item() == 5


def test_backward_into_chosen_tensors():
    x, w = leaf(2), leaf(3)
    y = x * w
    (y * y).backward(inputs=[w, y, w])
    assert x.grad is None
    assert w.grad.item() == 24
    assert y.grad.item() == 12
    with pytest.raises(GradientError, match="inputs= is empty"):
        (x * 2).backward(inputs=[])
    with pytest.raises(GradientError, match="input 0 does not require"):
        (x * 2).backward(inputs=dlcore.ones(1))


def test_backward_of_several():
    x = leaf(1, 2)
    backward([(x * 2).sum(), x * 3], [None, dlcore.tensor([1.0, 10.0], dtype=dlcore.float64)])
    assert x.grad.tolist() == [5, 32]
    with pytest.raises(GradientError, match="1 gradients for 2 outputs"):
        backward([x * 1, x * 2], [dlcore.ones(2)])


def test_options_of_grad():
    x, unused = leaf(1), leaf(1, 1)
    assert grad(x * 2, [x, unused], materialize_grads=True)[1].tolist() == [0, 0]
    with pytest.raises(GradientError, match="allow_unused"):
        grad(x * 2, [x, unused])
    with pytest.raises(ValueError, match="materialize_grads"):
        grad(x * 2, [x], materialize_grads=True, allow_unused=False)


def test_gradients_of_a_batch():
    x, unused = leaf(1, 2, 3), leaf(1, 1)
    rows = dlcore.eye(3, dtype=dlcore.float64)
    (found,) = grad(x * x, x, rows, is_grads_batched=True)
    assert found.tolist() == [[2, 0, 0], [0, 4, 0], [0, 0, 6]]
    y, weights = x * 2, dlcore.tensor([1.0, 10.0], dtype=dlcore.float64)
    found, none = grad(
        [y, y.sum()],
        [x, unused],
        [weights.reshape(2, 1) * dlcore.ones(2, 3), weights],
        allow_unused=True,
        is_grads_batched=True,
    )
    assert found.tolist() == [[4] * 3, [40] * 3]
    assert none is None
    grad(y := x * x, x, rows, is_grads_batched=True)
    with pytest.raises(GradientError, match="freed"):
        y.sum().backward()
    (slopes,) = grad(x**3, x, rows, create_graph=True, is_grads_batched=True)
    assert grad(slopes.sum(), x)[0].tolist() == [6, 12, 18]
    for batches in (None, dlcore.tensor(1.0), dlcore.ones(0, 3), [dlcore.ones(2, 3), dlcore.ones(1)]):
        with pytest.raises(ValueError, match="first dimension"):
            grad([x * 2] * (2 if isinstance(batches, list) else 1), x, batches, is_grads_batched=True)


def test_inference_mode():
    x = leaf(1)
    with dlcore.inference_mode():
        assert dlcore.is_inference_mode_enabled()
        assert not (x * 2).requires_grad
        with dlcore.inference_mode(False):
            assert (x * 2).requires_grad
    assert not dlcore.inference_mode(lambda: x * 2)().requires_grad
    assert not dlcore.inference_mode()(lambda: x * 2)().requires_grad
    assert (x * 2).requires_grad


def test_versions_count_writes():
    x = dlcore.zeros(3)
    assert x._version == 0
    x[0] = 1
    x.view(3).add_(1)
    assert x._version == 2


# --- what is saved --------------------------------------------------------------------------------------------------


def test_saved_values_go_through_hooks():
    packed, unpacked = [], []
    x, y = leaf(2), leaf(3)
    with graph.saved_tensors_hooks(
        lambda t: packed.append(t.item()) or len(packed) - 1, lambda i: unpacked.append(i) or dlcore.tensor(packed[i])
    ):
        z = (x * y).exp()
    assert packed[:2] == [2, 3]
    assert len(packed) == 3
    z.backward()
    assert sorted(unpacked) == [0, 1, 2]
    assert x.grad.item() == pytest.approx(3 * dlcore.tensor(6.0).exp().item())
    (x * y).backward()
    assert len(packed) == 3


def test_second_derivatives_of_packed_values():
    x = leaf(2)
    with graph.saved_tensors_hooks(lambda t: t.tolist(), lambda v: dlcore.tensor(v, dtype=dlcore.float64)):
        y = x * x * x
        (first,) = grad(y, [x], create_graph=True)
    assert grad(first, [x])[0].item() == 12


def test_errors_of_saving_arrive():
    x = leaf(2)
    with pytest.raises(ZeroDivisionError), graph.saved_tensors_hooks(lambda t: 1 / 0, lambda v: v):
        x * x
    with graph.saved_tensors_hooks(lambda t: None, lambda v: 1 / 0):
        y = x * x
    with pytest.raises(ZeroDivisionError):
        y.backward()


# --- the graph ------------------------------------------------------------------------------------------------------


def test_nodes():
    x, w = leaf(1, 2), leaf(3, 4)
    y = (x * w).sum()
    assert repr(y.grad_fn) == "<sum>"
    ((mul, output),) = y.grad_fn.next_functions
    assert (mul.name(), output) == ("mul", 0)
    assert mul.input_shapes == ((2,), (2,))
    leaves = [node for node, _ in mul.next_functions]
    assert leaves == [graph.get_gradient_edge(x)[0], graph.get_gradient_edge(w)[0]]
    assert len({*leaves, mul, y.grad_fn.next_functions[0][0]}) == 3
    assert leaves[0].next_functions == ()
    assert (x * 2).grad_fn.next_functions[1] == (None, 0)
    assert x.grad_fn is None


def test_a_picture_of_a_model():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    text = graph.to_graphviz(model(dlcore.ones(1, 2)).sum(), params=dict(model.named_parameters()))
    assert text.startswith("digraph {")
    assert '[label="0.weight", shape=box]' in text
    assert '[label="relu"]' in text
    assert text.count("->") == 5


def test_threads_share_leaves_graphs_and_functions_of_the_user():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    w = leaf(*range(1, 6))
    told = []
    w.register_hook(lambda g: g * 2)
    w.register_post_accumulate_grad_hook(lambda w: told.append(w.grad is not None))
    shared = Square.apply(w).sum()

    def work():
        for _ in range(50):
            shared.backward(retain_graph=True)
            Square.apply(w * 1).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert w.grad.tolist() == [400 * 2 * 2 * x for x in range(1, 6)]
    assert told == [True] * 400


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.expand(2),
        lambda x: x.view(2),
        lambda x: x.reshape(2),
        lambda x: x[...],
        lambda x: x[:],
        lambda x: x.squeeze(),
        lambda x: x.t(),
    ],
)
def test_a_view_that_changes_nothing_is_an_operation_of_its_own(view):
    x = dlcore.ones(2, requires_grad=True)
    y = view(x)
    assert not y.is_leaf
    y.register_hook(lambda grad: grad * 5)
    y.retain_grad()
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert y.grad is None
    y.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]
    assert y.grad.tolist() == [5.0, 5.0]
    with dlcore.no_grad():
        assert not view(x).requires_grad


def test_hooks_on_nodes_see_gradients_by_inputs_and_outputs():
    x = dlcore.tensor([0.5, 1.0], requires_grad=True)
    constant = dlcore.tensor([2.0, 3.0])
    product = x * constant
    y = product.exp()
    seen = []
    y.register_hook(lambda grad: seen.append("tensor"))
    y.grad_fn.register_prehook(lambda outputs: seen.append(("before", [g.tolist() for g in outputs])))
    product.grad_fn.register_hook(
        lambda inputs, outputs: seen.append(("after", [g if g is None else g.tolist() for g in inputs], len(outputs)))
    )
    leaf = product.grad_fn.next_functions[0][0]
    assert leaf.name() == "accumulate_grad"
    leaf.register_prehook(lambda outputs: (outputs[0] * 10,))
    leaf.register_hook(lambda inputs, outputs: seen.append(("leaf", inputs, outputs[0].tolist(), x.grad.tolist())))
    y.backward(dlcore.zeros(2))
    zeros = [0.0, 0.0]
    assert seen == ["tensor", ("before", [zeros]), ("after", [zeros, None], 1), ("leaf", (), zeros, zeros)]


def test_hooks_on_nodes_give_other_gradients():
    x = dlcore.ones(3, requires_grad=True)
    y = (x * 2).sin()
    before = y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 3,))
    after = y.grad_fn.register_hook(lambda inputs, outputs: (outputs[0] + 1,))
    assert dlcore.autograd.grad(y.sum(), x, retain_graph=True)[0].tolist() == [8, 8, 8]
    before.remove()
    assert dlcore.autograd.grad(y.sum(), x, retain_graph=True)[0].tolist() == [4, 4, 4]
    after.remove()
    plain = dlcore.autograd.grad(y.sum(), x, retain_graph=True)[0]
    np.testing.assert_allclose(plain.numpy(), 2 * np.cos(2 * np.ones(3)), rtol=1e-6)
    # With another derivative behind them.
    with y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] ** 2,)):
        (first,) = dlcore.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = dlcore.autograd.grad(first.sum(), x)
    np.testing.assert_allclose(second.numpy(), -8 * np.cos(2.0) * np.sin(2.0) * np.ones(3), rtol=1e-5)


def test_hooks_on_nodes_that_return_something_else():
    x = dlcore.ones(3, requires_grad=True)
    for register, other, kind, text in (
        ("register_hook", lambda *_: dlcore.ones(3), TypeError, "returns None or a tuple, got Tensor"),
        ("register_prehook", lambda *_: [None], TypeError, "returns None or a tuple, got list"),
        ("register_hook", lambda *_: (), dlcore.GradientError, "returned 0 gradients in place of 1"),
        ("register_prehook", lambda *_: (None, None), dlcore.GradientError, "returned 2 gradients in place of 1"),
    ):
        y = x.sin()
        getattr(y.grad_fn, register)(other)
        with pytest.raises(kind, match=text):
            y.sum().backward()
    with pytest.raises(TypeError, match="register_hook: expected a function"):
        x.sin().grad_fn.register_hook(3)


def test_metadata_of_nodes_stays():
    x = dlcore.ones(3, requires_grad=True)
    y = x.sin()
    y.grad_fn.metadata["layer"] = "first"
    y.grad_fn.next_functions[0][0].metadata["leaf"] = x.shape
    assert y.grad_fn.metadata == {"layer": "first"}
    assert x.cos().grad_fn.metadata == {}
    assert x.cos().grad_fn.next_functions[0][0].metadata == {"leaf": (3,)}


def test_hooks_of_saved_values_may_be_refused_on_this_thread():
    from dlcore.autograd.graph import disable_saved_tensors_hooks, save_on_cpu

    x = dlcore.tensor([3.0], requires_grad=True)
    with disable_saved_tensors_hooks("outer"):
        with disable_saved_tensors_hooks("inner"), pytest.raises(RuntimeError, match="inner"), save_on_cpu():
            pass
        with pytest.raises(RuntimeError, match="outer"), save_on_cpu():
            pass
    with save_on_cpu(pin_memory=True):
        y = x * x
    y.backward()
    assert x.grad.tolist() == [6.0]


def test_anomalies_are_looked_for_after_a_statement():
    dlcore.set_anomaly_enabled(True)
    try:
        assert dlcore.is_anomaly_enabled()
        with pytest.raises(dlcore.GradientError, match="sqrt"):
            (dlcore.zeros(1, requires_grad=True).sqrt() * 0).backward()
    finally:
        dlcore.set_anomaly_enabled(False)
    assert not dlcore.is_anomaly_enabled()
