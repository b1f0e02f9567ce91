"""Functions that make functions: forms of arguments and results, what comes from elsewhere, what is refused."""

import dlcore
import pytest
from dlcore import GradientError, ShapeError
from dlcore.func import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap

X, Y = dlcore.tensor([1.0, 2.0, 3.0]), dlcore.tensor([4.0, 5.0, 6.0])
ROWS = dlcore.arange(6.0).reshape(2, 3)


# --- derivatives ------------------------------------------------------------------------------------------------------


def test_what_a_function_takes_from_elsewhere_is_reached_from_outside():
    w = dlcore.ones(3, requires_grad=True)

    def weighted(x):
        return w * x**3

    def total(x):
        return weighted(x).sum()

    for found, expected in (
        (grad(total)(X), 3 * X**2),
        (grad_and_value(total)(X)[1], X**3),
        (jacrev(weighted)(X), 3 * X**2),
        (hessian(total)(X), 6 * X),
        (jvp(weighted, (X,), (Y,))[1], 3 * X**2 * Y),
        (vjp(weighted, X)[0], X**3),
        (vjp(weighted, X)[1](Y)[0], 3 * X**2 * Y),
    ):
        (by_w,) = dlcore.autograd.grad(found.sum(), w)
        assert dlcore.allclose(by_w, expected)


def test_what_is_recorded_nowhere_else_leaves_no_graph():
    with dlcore.no_grad():
        assert not grad(lambda x: (x * x).sum())(dlcore.ones(3, requires_grad=True)).requires_grad
    for found in (*vjp(dlcore.sin, X)[1](Y), *jvp(dlcore.sin, (X,), (Y,)), linearize(dlcore.sin, X)[1](Y)):
        assert not found.requires_grad


def test_derivatives_in_derivatives_reach_what_is_around_them():
    by_outer = grad(lambda x: grad(lambda y: (x**2 * y**3).sum())(Y).sum())(X)
    assert dlcore.allclose(by_outer, 2 * X * 3 * Y**2)


def test_a_constant_has_a_gradient_of_zero():
    assert grad(lambda _: dlcore.tensor(3.0))(X).tolist() == [0.0, 0.0, 0.0]
    assert jacrev(lambda _: dlcore.ones(2))(X).tolist() == [[0.0] * 3] * 2
    assert jvp(lambda _: dlcore.ones(2), (X,), (Y,))[1].tolist() == [0.0, 0.0]
    with pytest.raises(GradientError, match="does not depend on the arguments"):
        jvp(lambda _: dlcore.ones(2), (X,), (Y,), strict=True)
    assert jacrev(lambda x: x[:0])(X).shape == (0, 3)


def scaled(state):
    return {"product": state["x"] * state["y"], "sum": state["x"].sum()}


def test_products_with_jacobians_take_and_give_trees():
    state, along = {"x": X, "y": Y}, {"x": Y, "y": dlcore.ones(3)}
    value, change = jvp(scaled, (state,), (along,))
    assert (value["product"].tolist(), value["sum"].item()) == ((X * Y).tolist(), 6.0)
    assert (change["product"].tolist(), change["sum"].item()) == ((Y * Y + X).tolist(), 15.0)
    _, push = linearize(scaled, state)
    assert push(along)["product"].tolist() == change["product"].tolist()
    _, pull = vjp(scaled, state)
    (back,) = pull({"product": X, "sum": dlcore.tensor(2.0)})
    assert (back["x"].tolist(), back["y"].tolist()) == ((X * Y + 2).tolist(), (X * X).tolist())
    assert [g.tolist() for g in vjp(lambda x, y: (x * y, x), X, Y)[1]((X, Y))] == [(X * Y + Y).tolist(), [1, 4, 9]]


@pytest.mark.parametrize("by", [jacrev, jacfwd])
def test_jacobians_have_the_form_of_the_value_and_in_it_that_of_the_argument(by):
    found = by(scaled)({"x": X, "y": Y})
    assert found["product"]["y"].tolist() == dlcore.diag(X).tolist()
    assert found["sum"]["x"].tolist() == [1.0, 1.0, 1.0]
    assert found["sum"]["y"].tolist() == [0.0, 0.0, 0.0]
    both = by(lambda x, y: x * y, argnums=(0, 1))(X, Y)
    assert [part.tolist() for part in both] == [dlcore.diag(Y).tolist(), dlcore.diag(X).tolist()]


def test_second_derivatives_of_vectors():
    found = hessian(lambda x: x**3)(X)
    assert found.shape == (3, 3, 3)
    assert found[1].tolist() == [[0, 0, 0], [0, 12, 0], [0, 0, 0]]


def test_what_goes_besides_is_returned_as_it_is():
    def function(x):
        return x * x, {"twice": x * 2, "name": "x"}

    for aux in (
        vjp(function, X, has_aux=True)[2],
        jvp(function, (X,), (Y,), has_aux=True)[2],
        jacrev(function, has_aux=True)(X)[1],
        jacfwd(function, has_aux=True)(X)[1],
        grad(lambda x: (x.sum(), function(x)[1]), has_aux=True)(X)[1],
    ):
        assert aux["twice"].tolist() == [2.0, 4.0, 6.0]
        assert not aux["twice"].requires_grad
        assert aux["name"] == "x"
    assert jacrev(function, has_aux=True)(X)[0].tolist() == dlcore.diag(2 * X).tolist()


def test_a_product_can_be_taken_several_times():
    calls = []
    _, pull = vjp(lambda x: (calls.append(1), x**3)[1], X)
    assert [pull(dlcore.ones(3))[0].tolist() for _ in range(2)] == [[3.0, 12.0, 27.0]] * 2
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: vjp(lambda x: x, X)[1](X[:2]), ShapeError, r"vjp: cotangents of shape \(2,\), expected \(3,\)"),
        (lambda: vjp(scaled, {"x": X, "y": Y})[1](X), ShapeError, r"cotangents of form \*, expected {'product': \*"),
        (lambda: jvp(lambda x: x, (X,), (X[:2],)), ShapeError, "jvp: tangents of shape"),
        (lambda: vjp(lambda x: x, X, has_aux=True), TypeError, "must return a pair, got Tensor"),
        (lambda: vjp(lambda x: x, 3.0), TypeError, "expected tensors to differentiate by, got float"),
        (lambda: grad(lambda x: x.sum(), argnums=1)(X), IndexError, r"argnums 1 for 1 argument"),
        (lambda: grad(lambda x: 3.0)(X), TypeError, "must return a tensor, got float"),
        (lambda: grad(lambda x: x)(X), ShapeError, r"one number as its value, got shape \(3,\)"),
    ],
)
def test_wrong_calls_of_derivatives_are_refused(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


# --- batches ----------------------------------------------------------------------------------------------------------


def test_dimensions_have_the_form_of_arguments_and_results():
    found = vmap(lambda d, x: d["a"] + d["b"] + x, in_dims=({"a": 0, "b": None}, 1))({"a": ROWS, "b": X}, ROWS.T)
    assert found.tolist() == (2 * ROWS + X).tolist()
    found = vmap(lambda pair, k: pair["a"][0] * pair["a"][1] * k, in_dims=({"a": -1}, None))({"a": (ROWS, ROWS)}, 2.0)
    assert found.tolist() == (2 * ROWS * ROWS).T.tolist()
    found = vmap(lambda p: (p, {"a": p, "b": p.sum()}), out_dims=(1, {"a": 0, "b": 0}))(ROWS)
    assert (found[0].shape, found[1]["a"].shape, found[1]["b"].tolist()) == ((3, 2), (2, 3), [3.0, 12.0])
    assert vmap(lambda p: p, out_dims=(1,))(ROWS).tolist() == ROWS.T.tolist()
    assert vmap(lambda p, k: p + k)(ROWS, k=X).tolist() == (ROWS + X).tolist()


def test_results_that_are_the_same_for_all_entries():
    found, same, name = vmap(lambda p: (p, X * 2, "x"), out_dims=(0, None, None))(ROWS)
    assert (found.tolist(), same.tolist(), name) == (ROWS.tolist(), [2.0, 4.0, 6.0], "x")
    with pytest.raises(ValueError, match="not the same for all entries"):
        vmap(lambda p: p, out_dims=None)(ROWS)


def test_random_numbers_of_entries():
    def noisy(p):
        return p * 0 + dlcore.rand(3)

    one, other = vmap(noisy, randomness="different")(ROWS)
    assert not dlcore.equal(one, other)
    one, other = vmap(noisy, randomness="same")(ROWS)
    assert dlcore.equal(one, other)
    assert not dlcore.equal(one, dlcore.rand(3))
    with pytest.raises(RuntimeError, match="draws random numbers"):
        vmap(noisy)(ROWS)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: vmap(lambda p: p, in_dims=[0])(ROWS), ValueError, "an int or a tuple, got list"),
        (lambda: vmap(lambda p, q: p, in_dims=(0,))(ROWS, ROWS), ValueError, r"in_dims must .* \(0,\) for \(\*, \*\)"),
        (lambda: vmap(lambda p: p, in_dims=({"b": 0},))({"a": ROWS}), ValueError, "{'b': 0} for {'a'"),
        (lambda: vmap(lambda p: p, in_dims=({"b": 0},))(ROWS), ValueError, "{'b': 0} for"),
        (lambda: vmap(lambda p: p, in_dims=("x",))(ROWS), ValueError, "dimensions and None, got 'x'"),
        (lambda: vmap(lambda p, k: p)(ROWS, 2.0), ValueError, "got float: its in_dims must be None"),
        (lambda: vmap(lambda p: p, in_dims=2)(ROWS), ValueError, r"in_dims 2 for a tensor of shape \(2, 3\)"),
        (vmap(lambda: 1), ValueError, "got none"),
        (lambda: vmap(lambda p: p, out_dims=(0, 1))(ROWS), ValueError, r"out_dims must .* \(0, 1\) for \*"),
        (lambda: vmap(lambda p: p)(ROWS[:0]), ValueError, "no entries"),
        (lambda: vmap(lambda p: p, randomness="some"), RuntimeError, "randomness must be 'error'"),
        (lambda: vmap(lambda p: p, chunk_size=0), ValueError, "chunk_size must be at least 1"),
    ],
)
def test_wrong_calls_of_batches_are_refused(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
