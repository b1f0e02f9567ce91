"""Parameters that are computed from others, and vectors of all parameters."""

import copy
import math

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
