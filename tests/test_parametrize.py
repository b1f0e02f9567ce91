"""Parameters that are computed from others, and vectors of all parameters."""

import copy
import math
import pickle

import dlcore
import numpy as np
import pytest
from dlcore import nn
from dlcore.nn.utils import parametrizations, parametrize


def test_weight_norm_trains_length_and_direction():
    for dim in (0, 1, None):
        layer = nn.Linear(4, 3)
        before = layer.weight.detach().clone()
        parametrizations.weight_norm(layer, dim=dim)
        np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), rtol=1e-5)
        names = [name for name, _ in layer.named_parameters()]
        assert names == ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]
        layer(dlcore.ones(1, 4)).sum().backward()
        length, direction = (p.grad for name, p in layer.named_parameters() if "original" in name)
        assert length is not None
        # The gradient by the direction is orthogonal to it.
        assert abs((direction * layer.parametrizations.weight.original1.detach()).sum().item()) < 1e-4
        layer.parametrizations.weight.original0.data.mul_(2)
        np.testing.assert_allclose(layer.weight.detach().numpy(), 2 * before.numpy(), rtol=1e-5)
        layer.weight = before
        np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), rtol=1e-5)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    assert list(layer.state_dict()) == ["bias", "weight"]
    with pytest.raises(ValueError, match="is not parametrized"):
        parametrize.remove_parametrizations(layer, "weight")


def test_spectral_norm_divides_by_the_largest_singular_value():
    dlcore.manual_seed(0)
    for layer, rows in ((nn.Linear(5, 4), 4), (nn.Conv2d(3, 4, 2), 4)):
        weight = layer.weight.detach().numpy().copy()
        parametrizations.spectral_norm(layer, n_power_iterations=5)
        for _ in range(20):
            layer.weight  # noqa: B018 - reading it is an iteration
        largest = np.linalg.svd(weight.reshape(rows, -1), compute_uv=False)[0]
        np.testing.assert_allclose(layer.eval().weight.detach().numpy(), weight / largest, rtol=1e-3)
        twin = copy.deepcopy(layer)
        assert dlcore.equal(twin.weight, layer.weight)
        layer.weight.sum().backward()
        assert layer.parametrizations.weight.original.grad is not None
    assert "parametrizations.weight.0._u" in layer.state_dict()
    with pytest.raises(ValueError, match="no parameter 'none'"):
        parametrizations.spectral_norm(layer, "none")
    with pytest.raises(ValueError, match="at least 1"):
        parametrizations.spectral_norm(nn.Linear(1, 1), n_power_iterations=0)


def test_what_a_parametrization_gives_must_fit():
    class Half(nn.Module):
        def forward(self, x):
            return x[:1]

    with pytest.raises(ValueError, match=r"gives .* \(1, 2\) for a parameter of .* \(3, 2\)"):
        parametrize.register_parametrization(nn.Linear(2, 3), "weight", Half())
    with pytest.raises(ValueError, match="no parameter 'other'"):
        parametrize.register_parametrization(nn.Linear(2, 3), "other", Half())
    layer = parametrize.register_parametrization(nn.Linear(2, 3), "weight", Half(), unsafe=True)
    assert layer.weight.shape == (1, 2)
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight.shape == (3, 2)


def test_vectors_and_norms_of_many_tensors():
    layer = nn.Linear(2, 2)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    nn.utils.vector_to_parameters(vector.detach() * 2, layer.parameters())
    np.testing.assert_allclose(
        nn.utils.parameters_to_vector(layer.parameters()).detach().numpy(), 2 * vector.detach().numpy()
    )
    with pytest.raises(ValueError, match=r"6 elements needed, got shape \(5,\)"):
        nn.utils.vector_to_parameters(dlcore.zeros(5), layer.parameters())
    tensors = [dlcore.tensor([1.0, -2.0]), dlcore.tensor([[2.0]])]
    assert nn.utils.get_total_norm(tensors).item() == pytest.approx(3)
    assert nn.utils.get_total_norm(tensors, math.inf).item() == 2
    with pytest.raises(dlcore.GradientError, match="norm is inf"):
        nn.utils.get_total_norm([dlcore.tensor(math.inf)], error_if_nonfinite=True)


@pytest.mark.parametrize("trivialised", [True, False])
@pytest.mark.parametrize("orthogonal_map", ["matrix_exp", "cayley", "householder", None])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (1, 4), (2, 5, 3)], ids=str)
def test_orthogonal_weights_stay_orthogonal(shape, orthogonal_map, trivialised):
    def off(weight):
        tall = weight.mT if weight.shape[-2] < weight.shape[-1] else weight
        return (tall.mT @ tall - dlcore.eye(tall.shape[-1], dtype=weight.dtype)).abs().max().item()

    dlcore.manual_seed(0)
    layer = nn.Module()
    layer.weight = nn.Parameter(dlcore.randn(*shape, dtype=dlcore.float64))
    before = layer.weight.detach().numpy().copy()
    q, r = np.linalg.qr(np.moveaxis(before, -1, -2) if shape[-2] < shape[-1] else before)
    q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
    parametrizations.orthogonal(layer, orthogonal_map=orthogonal_map, use_trivialization=trivialised)
    assert off(layer.weight) < 1e-12
    keeps = trivialised or orthogonal_map == "householder" or (orthogonal_map is None and shape[-2] != shape[-1])
    if keeps:
        nearest = np.moveaxis(q, -1, -2) if shape[-2] < shape[-1] else q
        np.testing.assert_allclose(layer.weight.detach().numpy(), nearest, atol=1e-12)
    target = dlcore.tensor(before)
    optimizer = dlcore.optim.SGD(layer.parameters(), lr=0.01)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (layer.weight - target).square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] or losses[0] == pytest.approx(losses[-1])
    assert off(layer.weight) < 1e-12
    if keeps:
        wanted = layer.weight.detach().clone()
        with dlcore.no_grad():
            layer.parametrizations.weight.original.add_(0.1)
        layer.weight = wanted
        np.testing.assert_allclose(layer.weight.detach().numpy(), wanted.numpy(), atol=1e-12)
    else:
        with pytest.raises(NotImplementedError, match="has no inverse"):
            layer.weight = target
    names = ["parametrizations.weight.original", "parametrizations.weight.0.base"]
    assert list(layer.state_dict()) == names[: 1 + trivialised]
    parametrize.remove_parametrizations(layer, "weight")
    assert list(layer.state_dict()) == ["weight"]


def test_what_cannot_be_orthogonal():
    for name, options, message in [
        ("none", {}, "has no parameter 'none'"),
        ("bias", {}, "expected a matrix"),
        ("weight", {"orthogonal_map": "exp"}, "must be one of matrix_exp, cayley, householder"),
    ]:
        with pytest.raises(ValueError, match=message):
            parametrizations.orthogonal(nn.Linear(2, 2), name, **options)
    layer = parametrizations.orthogonal(nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"expected a weight of shape \(2, 2\), got \(3, 3\)"):
        layer.weight = dlcore.eye(3)


HOOKED = [
    (nn.utils.weight_norm, nn.utils.remove_weight_norm, ["bias", "weight_g", "weight_v"]),
    (nn.utils.spectral_norm, nn.utils.remove_spectral_norm, ["bias", "weight_orig", "weight_u", "weight_v"]),
]


@pytest.mark.parametrize(("wrap", "unwrap", "keys"), HOOKED)
def test_the_functions_of_utils_have_the_keys_of_old_checkpoints(wrap, unwrap, keys):
    layer, x = wrap(nn.Linear(4, 3)), dlcore.randn(2, 4)
    layer(x).sum().backward()
    assert list(layer.state_dict()) == keys
    assert all(parameter.grad is not None for parameter in layer.parameters())
    layer.eval()
    expected = layer(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), wrap(nn.Linear(4, 3)).eval()):
        twin.load_state_dict(layer.state_dict())
        assert dlcore.equal(twin(x), expected)
        assert dlcore.equal(unwrap(twin)(x), expected)
        assert list(twin.state_dict()) == ["bias", "weight"]
        assert isinstance(twin.weight, nn.Parameter)
    with pytest.raises(RuntimeError, match=r"two (weight|spectral)_norm hooks"):
        wrap(layer)
    with pytest.raises(ValueError, match="'other' not found"):
        unwrap(layer, "other")
    with pytest.raises(ValueError, match="no parameter 'other'"):
        wrap(layer, "other")


@pytest.mark.parametrize(("dim", "shape"), [(0, (3, 1)), (1, (1, 4)), (None, ())])
def test_weight_norm_of_utils_has_one_length_for_each_slice(dim, shape):
    layer = nn.Linear(4, 3)
    before = layer.weight.detach().numpy().copy()
    nn.utils.weight_norm(layer, dim=dim)
    assert layer.weight_g.shape == shape
    np.testing.assert_allclose(layer.weight.detach().numpy(), before, rtol=1e-5)
    layer.weight_g.data.mul_(2)
    np.testing.assert_allclose(layer(dlcore.eye(4)).detach().numpy() - layer.bias.tolist(), 2 * before.T, rtol=1e-4)


def test_spectral_norm_of_utils_iterates_while_training_alone():
    dlcore.manual_seed(0)
    for layer, x, rows in (
        (nn.Conv2d(3, 4, 2), dlcore.ones(1, 3, 2, 2), lambda w: w.reshape(4, -1)),
        (nn.ConvTranspose2d(3, 4, 2), dlcore.ones(1, 3, 2, 2), lambda w: w.transpose(1, 0, 2, 3).reshape(4, -1)),
    ):
        weight = layer.weight.detach().numpy().copy()
        nn.utils.spectral_norm(layer, n_power_iterations=3).eval()(x)
        start = layer.weight_u.tolist()
        layer(x)
        assert layer.weight_u.tolist() == start
        layer.train()
        for _ in range(30):
            layer(x)
        largest = np.linalg.svd(rows(weight), compute_uv=False)[0]
        np.testing.assert_allclose(layer.weight.detach().numpy(), weight / largest, rtol=1e-3)
    with pytest.raises(ValueError, match="at least 1"):
        nn.utils.spectral_norm(nn.Linear(1, 1), n_power_iterations=0)
