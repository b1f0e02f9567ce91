"""Modules as functions of their parameters: calls with others, gradients through a step, ensembles."""

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import nn
from dlcore.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    stack_module_state,
    vmap,
)


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))


X = dlcore.tensor(np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32))


def test_a_call_with_other_values_is_that_of_the_other_model():
    dlcore.manual_seed(0)
    model, other = net().eval(), net().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    objects = [id(tensor) for tensor in (*model.parameters(), *model.buffers())]
    expected = other(X)
    assert dlcore.equal(functional_call(model, other.state_dict(), X), expected)
    split = dict(other.named_parameters()), dict(other.named_buffers())
    assert dlcore.equal(functional_call(model, split, (), {"input": X}, strict=True), expected)
    mixed = F.linear(model[:3](X), other[3].weight, model[3].bias)
    assert dlcore.equal(functional_call(model, {"3.weight": other[3].weight, "none": X}, (X,)), mixed)
    assert objects == [id(tensor) for tensor in (*model.parameters(), *model.buffers())]
    assert all(dlcore.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_model_is_as_before_after_an_error():
    model = net()
    with pytest.raises(dlcore.ShapeError, match=r"Sequential\.0"):
        functional_call(model, {"0.weight": dlcore.ones(4, 7)}, X)
    assert model[0].weight.shape == (4, 3)
    assert isinstance(model[0].weight, nn.Parameter)
    with pytest.raises(RuntimeError, match=r"missing 0\.bias, 1\.bias, .*, unknown more"):
        functional_call(model, {"0.weight": model[0].weight, "more": X}, X, strict=True)
    with pytest.raises(ValueError, match=r"0\.bias in several"):
        functional_call(model, ({"0.bias": X}, {"0.bias": X}), X)


def test_shared_parameters_are_replaced_together():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    one = dlcore.eye(3) * 2
    for name in ("0.weight", "1.weight"):
        assert dlcore.equal(functional_call(model, {name: one}, X), X * 4)
    alone = functional_call(model, {"0.weight": one}, X, tie_weights=False)
    assert dlcore.equal(alone, F.linear(X * 2, model[0].weight))
    with pytest.raises(ValueError, match="one tensor of the module, with two values"):
        functional_call(model, {"0.weight": one, "1.weight": one * 1}, X)


def test_a_gradient_through_a_step_of_training():
    dlcore.manual_seed(0)
    model = nn.Linear(3, 1, dtype=dlcore.float64)
    x, y = X.double(), X.double().sum(1, keepdim=True).sin()
    start = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}

    def loss(parameters):
        return F.mse_loss(functional_call(model, parameters, x), y)

    def after_a_step(weight):
        parameters = {**start, "weight": weight}
        gradients = dlcore.autograd.grad(loss(parameters), list(parameters.values()), create_graph=True)
        return loss({n: p - 0.1 * g for (n, p), g in zip(parameters.items(), gradients, strict=True)})

    found = grad(after_a_step)(start["weight"].detach().requires_grad_())
    step, numbers = 1e-6, np.zeros((1, 3))
    for column in range(3):
        shift = dlcore.zeros(1, 3, dtype=dlcore.float64)
        shift[0, column] = step
        ends = [after_a_step((start["weight"] + s * shift).detach().requires_grad_()).item() for s in (1, -1)]
        numbers[0, column] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(found.detach().numpy(), numbers, rtol=1e-6)


def test_an_ensemble_is_one_model_over_stacked_states():
    models = [net().eval() for _ in range(3)]
    parameters, buffers = stack_module_state(models)
    assert parameters["0.weight"].shape == (3, 4, 3)
    assert parameters["0.weight"].requires_grad
    assert buffers["1.running_mean"].shape == (3, 4)
    names = list(parameters), list(buffers)

    def call(*values):
        state = dict(zip([*names[0], *names[1]], values, strict=True))
        return functional_call(models[0], state, X)

    every = dlcore.vmap(call)(*parameters.values(), *buffers.values())
    for found, model in zip(every, models, strict=True):
        assert dlcore.equal(found, model(X))
    for wrong in ([], [nn.ReLU(), nn.Tanh()]):
        with pytest.raises(ValueError, match="models of one class"):
            stack_module_state(wrong)


def test_functions_of_dictionaries_of_parameters():
    model, labels = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), dlcore.tensor([0, 1, 1, 0, 1])
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def loss(parameters, x, label):
        return F.cross_entropy(functional_call(model, parameters, (x[None],)), label[None])

    each = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, X, labels)
    F.cross_entropy(model(X), labels).backward()
    assert list(each) == list(parameters)
    for name, p in model.named_parameters():
        assert each[name].shape == (5, *p.shape)
        np.testing.assert_allclose(each[name].mean(0).numpy(), p.grad.numpy(), atol=1e-6)

    jacobian = jacrev(lambda p, x: functional_call(model, p, (x,)))(parameters, X[0])
    summed = grad(lambda p, x: functional_call(model, p, (x,)).sum())(parameters, X[0])
    for name, part in jacobian.items():
        assert part.shape == (2, *parameters[name].shape)
        np.testing.assert_allclose(part.sum(0).numpy(), summed[name].numpy(), atol=1e-6)


def test_changes_along_a_direction():
    def function(x, y):
        return (x * y).sin(), x.sum()

    x, y, along = X[0], X[1], (X[2], X[3])
    (value, total), (change, sums) = jvp(function, (x, y), along)
    assert dlcore.equal(value, (x * y).sin())
    expected = (x * y).cos() * (along[0] * y + x * along[1])
    np.testing.assert_allclose(change.numpy(), expected.numpy(), rtol=1e-5)
    assert (total.item(), sums.item()) == (x.sum().item(), pytest.approx(along[0].sum().item()))
    assert dlcore.equal(jacfwd(dlcore.sin)(x), jacrev(dlcore.sin)(x))
    second = jvp(grad(lambda x: (x**3).sum()), (x,), (dlcore.ones(3),))[1]
    np.testing.assert_allclose(second.numpy(), (6 * x).numpy(), rtol=1e-5)
    with pytest.raises(TypeError, match="primals must be a tuple of tensors, got Tensor"):
        jvp(dlcore.sin, x, along)
    with pytest.raises(ValueError, match=r"2 tangent\(s\) for 1 argument"):
        jvp(dlcore.sin, (x,), along)


def test_what_goes_with_a_gradient_has_none():
    (gradients, (value, rest)) = grad_and_value(
        lambda pair, x: ((pair[0] * pair[1] * x).sum(), {"twice": pair[0] * 2}), has_aux=True
    )((dlcore.tensor([2.0]), dlcore.tensor([3.0])), dlcore.tensor([5.0]))
    assert [g.item() for g in gradients] == [15.0, 10.0]
    assert (value.item(), rest["twice"].item()) == (30.0, 4.0)
    assert not value.requires_grad
    assert not rest["twice"].requires_grad


def test_entries_of_dictionaries_and_their_results():
    state, x = {"scale": dlcore.arange(3.0), "rest": [dlcore.ones(3, 2)]}, dlcore.ones(3)
    found = vmap(lambda state, x: {"y": state["scale"] * x, "both": (state["rest"][0], x)})(state, x)
    assert found["y"].tolist() == [0.0, 1.0, 2.0]
    assert (found["both"][0].shape, found["both"][1].shape) == ((3, 2), (3,))
    with pytest.raises(ValueError, match=r"one size along in_dims, got \[2, 3\]"):
        vmap(lambda state: state["a"])({"a": dlcore.ones(2), "b": dlcore.ones(3)})
    models = [net().eval() for _ in range(3)]
    stacked = stack_module_state(models)
    every = vmap(lambda p, b, x: functional_call(models[0], (p, b), (x,)), in_dims=(0, 0, None))(*stacked, X)
    np.testing.assert_allclose(every.detach().numpy(), dlcore.stack([m(X) for m in models]).detach().numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "by", [jacrev, jacfwd, lambda f, argnums: jacrev(grad(lambda *x: f(*x).sum(), argnums), argnums)]
)
def test_negative_argnums_count_from_the_last(by):
    x, y = dlcore.tensor([1.0, 2.0]), dlcore.tensor([3.0, 4.0])
    found, expected = (by(lambda x, y: x * y * y, argnums)(x, y) for argnums in (-1, 1))
    np.testing.assert_array_equal(found.numpy(), expected.numpy())
    assert found.abs().sum() > 0


def test_gradients_that_are_zero_leave_no_graph():
    _, unused = grad(lambda x, y: x.sum(), argnums=(0, 1))(dlcore.ones(2), dlcore.ones(2))
    assert not unused.requires_grad
    assert unused.tolist() == [0.0, 0.0]


def test_second_derivatives_by_dictionaries():
    params = {"w": dlcore.tensor(2.0), "b": dlcore.tensor(1.0)}
    found = hessian(lambda p: p["w"] ** 2 * p["b"])(params)
    values = {row: {column: x.item() for column, x in of.items()} for row, of in found.items()}
    assert values == {"w": {"w": 2.0, "b": 4.0}, "b": {"w": 4.0, "b": 0.0}}
