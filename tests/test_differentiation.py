"""What stands on the engine: checks against differences, derivatives of functions, recomputation, finding nan."""

import contextlib
import re
import threading

import dlcore
import numpy as np
import pytest
from dlcore import GradientError, ShapeError, nn
from dlcore.autograd import Function, detect_anomaly, functional, gradcheck, gradgradcheck, set_detect_anomaly
from dlcore.autograd.anomaly import is_anomaly_enabled
from dlcore.autograd.checks import GradcheckError
from dlcore.utils.checkpoint import checkpoint, checkpoint_sequential


def leaf(*shape, dtype=dlcore.float64):
    values = np.random.default_rng(3).uniform(0.5, 2, shape)
    return dlcore.tensor(values, dtype=dtype, requires_grad=True)


# --- checks ---------------------------------------------------------------------------------------------------------


class Wrong(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (2 * x.detach() + (x.detach() > 1.5) * 0.1)


def test_gradients_are_checked():
    assert gradcheck(lambda a, b: (a @ b, a.sum()), [leaf(2, 3), leaf(3, 2)])
    assert gradcheck(lambda a, n, i: a[i] * n, [leaf(4), 3, dlcore.tensor([0, 0, 2])])
    assert gradgradcheck(lambda a, b: (a @ b).tanh(), [leaf(2, 3), leaf(3, 2)])
    x = leaf(3, 4).detach().T.requires_grad_()
    before = x.tolist()
    assert gradcheck(lambda x: x.reshape(-1).cumsum(0), x)
    assert x.tolist() == before
    options = {"check_undefined_grad": False, "check_grad_dtypes": True, "check_batched_grad": False, "fast_mode": True}
    assert gradcheck(dlcore.exp, x, **options)
    assert gradgradcheck(dlcore.exp, x, **options)


def test_wrong_gradients_are_found():
    x = leaf(8)
    with pytest.raises(
        GradcheckError, match=r"the gradient of result 0 by input 0 is not what differences say: .* apart"
    ):
        gradcheck(Wrong.apply, x)
    assert not gradcheck(Wrong.apply, x, raise_exception=False)
    with pytest.raises(GradcheckError, match="use float64"):
        gradcheck(lambda x: x.exp(), leaf(20, dtype=dlcore.float32), atol=1e-9, rtol=1e-9)
    x = dlcore.tensor([1.0], dtype=dlcore.float64, requires_grad=True)
    assert gradcheck(Wrong.apply, x)
    with pytest.raises(GradcheckError):
        gradgradcheck(Wrong.apply, x)


def test_gradients_that_change_are_found():
    calls = []

    class Unsteady(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            calls.append(0)
            return g * (1 + 1e-9 * len(calls))

    with pytest.raises(GradcheckError, match="two runs give different gradients"):
        gradcheck(Unsteady.apply, leaf(1))
    assert gradcheck(Unsteady.apply, leaf(1), nondet_tol=1e-6)
    with pytest.raises(ValueError, match="no input requires a gradient"):
        gradcheck(dlcore.exp, [dlcore.ones(1)])


# --- derivatives of functions ---------------------------------------------------------------------------------------


def close(found, expected):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12)


def test_jacobians():
    a, x = leaf(2, 3).detach(), leaf(3).detach()
    close(functional.jacobian(lambda x: a @ x, x), a.numpy())
    (by_a, by_x), (by_a2, by_x2) = functional.jacobian(lambda a, x: (a @ x, x.sum()), (a, x))
    assert (by_a.shape, by_x.shape, by_a2.shape, by_x2.shape) == ((2, 2, 3), (2, 3), (2, 3), (3,))
    close(by_a[1, 1], x.numpy())
    assert by_a2.tolist() == np.zeros((2, 3)).tolist()
    with pytest.raises(GradientError, match="does not depend on input 0"):
        functional.jacobian(lambda a, x: x.sum(), (a, x), strict=True)
    assert functional.jacobian(lambda x: x[:0], x).shape == (0, 3)
    with pytest.raises(ValueError, match="sideways"):
        functional.jacobian(lambda x: x, x, strategy="sideways")


def test_forward_mode_is_taken_where_pytorch_takes_it():
    x = leaf(3).detach()
    close(functional.jacobian(lambda x: x**2, x, vectorize=True, strategy="forward-mode"), np.diag(2 * x.numpy()))
    found = functional.hessian(lambda x: (x**3).sum(), x, vectorize=True, outer_jacobian_strategy="forward-mode")
    close(found, np.diag(6 * x.numpy()))
    for options in ({}, {"vectorize": True, "strict": True}):
        with pytest.raises(NotImplementedError, match="vectorize=True and strict=False"):
            functional.jacobian(lambda x: x, x, strategy="forward-mode", **options)


def test_hessians():
    x, y = leaf(3).detach(), leaf(2).detach()
    close(functional.hessian(lambda x: (x**3).sum(), x), np.diag(6 * x.numpy()))
    (xx, xy), (yx, yy) = functional.hessian(lambda x, y: (x.sum() ** 2) * y.prod(), (x, y))
    assert (xx.shape, xy.shape, yx.shape, yy.shape) == ((3, 3), (3, 2), (2, 3), (2, 2))
    close(xx, 2 * y.numpy().prod() * np.ones((3, 3)))
    close(xy, yx.T.numpy())
    with pytest.raises(ShapeError, match="one tensor of one element"):
        functional.hessian(lambda x: x, x)


def test_products_with_vectors():
    a, x, v = leaf(2, 3).detach(), leaf(3).detach(), leaf(3).detach() - 1

    def f(x):
        return (a @ x).exp()

    jacobian = functional.jacobian(f, x).numpy()
    w = dlcore.tensor([1.0, -2.0], dtype=dlcore.float64)
    close(functional.vjp(f, x, w)[1], w.numpy() @ jacobian)
    close(functional.jvp(f, x, v)[1], jacobian @ v.numpy())
    outputs, products = functional.jvp(lambda x, y: (x * y, x), (x, x), (v, v))
    assert [o.shape for o in outputs] == [p.shape for p in products] == [(3,), (3,)]
    close(products[0], 2 * x.numpy() * v.numpy())
    hessian = functional.hessian(lambda x: f(x).sum(), x).numpy()
    for product in (functional.hvp, functional.vhp):
        value, found = product(lambda x: f(x).sum(), x, v)
        close(value, f(x).sum().item())
        close(found, hessian @ v.numpy())
        assert not found.requires_grad
    assert functional.jvp(lambda x: dlcore.ones(2), x, v)[1].tolist() == [0, 0]
    with pytest.raises(ShapeError, match="v has shapes"):
        functional.vjp(f, x, v)
    with pytest.raises(ShapeError, match="v is needed"):
        functional.hvp(lambda x: x.sum(), x)


def test_products_can_be_differentiated_again():
    x, v = leaf(3), leaf(3)
    _, product = functional.jvp(lambda x: x**3, x, v, create_graph=True)
    close(dlcore.autograd.grad(product.sum(), [x])[0], 6 * (x * v).detach().numpy())
    with dlcore.no_grad():
        assert not functional.jacobian(lambda x: x * x, x).requires_grad
    for product in (functional.jvp, functional.vjp):
        with pytest.raises(GradientError, match="depends on no input"):
            product(lambda x: x * 2, x, v.detach(), create_graph=True, strict=True)


# --- recomputation --------------------------------------------------------------------------------------------------


def model():
    dlcore.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Dropout(0.5), nn.Linear(64, 8))


def test_recomputed_gradients_have_the_same_bits():
    net = model()
    x = dlcore.ones(4, 8, requires_grad=True)
    results = []
    for run in (net, lambda x: checkpoint(net, x), lambda x: checkpoint_sequential(net, 2, x)):
        dlcore.manual_seed(5)
        net.zero_grad()
        x.grad = None
        y = run(x)
        after = dlcore.rand(3).tolist()
        (y * y).sum().backward()
        results.append([y.tolist(), after, x.grad.tolist(), *(p.grad.tolist() for p in net.parameters())])
    assert results[0] == results[1] == results[2]


def test_nothing_is_kept_and_random_numbers_go_on():
    x = dlcore.ones(200, 200, requires_grad=True)

    def chain(x):
        for _ in range(20):
            x = x.tanh()
        return x

    before = dlcore.memory.stats()["live_bytes"]
    y = checkpoint(chain, x)
    assert dlcore.memory.stats()["live_bytes"] - before < 3 * x.nbytes
    dlcore.manual_seed(0)
    y.sum().backward()
    now = dlcore.rand(1).item()
    dlcore.manual_seed(0)
    assert now == dlcore.rand(1).item()
    assert checkpoint(chain, dlcore.ones(2)).requires_grad is False
    with dlcore.no_grad():
        assert not checkpoint(chain, x).requires_grad


def test_recomputation_by_grad_twice_and_nested():
    x = leaf(3)
    inner = lambda x: checkpoint(lambda x: x.exp() * x, x) * x  # noqa: E731
    y = checkpoint(inner, x, use_reentrant=True).sum()
    (first,) = dlcore.autograd.grad(y, [x], create_graph=True)
    (second,) = dlcore.autograd.grad(first.sum(), [x])
    z = x.detach().numpy()
    close(first, np.exp(z) * (z * z + 2 * z))
    close(second, np.exp(z) * (z * z + 4 * z + 2))


def test_a_function_that_changes_is_noticed():
    runs = []

    def changing(x):
        runs.append(0)
        return x.exp() if len(runs) == 1 else x.exp().exp()

    with pytest.raises(GradientError, match="must do the same each time"):
        checkpoint(changing, leaf(2)).sum().backward()
    with pytest.raises(ValueError, match="3 segments of 2"):
        checkpoint_sequential([dlcore.exp, dlcore.exp], 3, leaf(1))


# --- finding what went wrong ----------------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Identity(), nn.Tanh()])
        self.root = Root()

    def forward(self, x):
        return self.root(self.layers[0](x))


class Root(nn.Module):
    def forward(self, x):
        return x.sqrt() * 0  # the line that is looked for


def test_nan_is_traced_to_its_line_and_module():
    x = dlcore.tensor([0.0, 1.0], requires_grad=True)
    Net()(x).sum().backward()
    assert np.isnan(x.grad.numpy()).any()
    with detect_anomaly():
        y = Net()(x).sum()
        assert is_anomaly_enabled()
        with pytest.raises(GradientError) as caught:
            y.backward()
    assert not is_anomaly_enabled()
    text = str(caught.value)
    assert "the backward of sqrt gave nan in the gradient of shape (2,) by input 0" in text
    assert re.search(r"sqrt was recorded at .*test_differentiation.py:\d+ in forward: return x.sqrt\(\) \* 0", text)
    assert text.endswith("in module Net.root")
    with detect_anomaly(check_nan=False):
        Net()(x).sum().backward()


def test_errors_of_backward_say_where_their_operation_was_recorded():
    x = dlcore.ones(2, requires_grad=True)
    with detect_anomaly():
        y = x * 1
        z = y.exp()
    with dlcore.no_grad():
        z.zero_()
    with pytest.raises(GradientError, match=r"overwritten in place by zero_[^\n]*\nexp was recorded at .*: z = y.exp"):
        z.sum().backward()
    assert "z = y.exp" in z.grad_fn.origin
    assert (x * 1).grad_fn.origin is None


def test_tracing_is_a_matter_of_each_thread_and_a_switch():
    with set_detect_anomaly(True):
        seen = []
        thread = threading.Thread(target=lambda: seen.append(is_anomaly_enabled()))
        thread.start()
        thread.join()
        with set_detect_anomaly(False):
            assert not is_anomaly_enabled()
        assert is_anomaly_enabled()
    assert seen == [False]
    assert not is_anomaly_enabled()


# --- products -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        [2.0, 0.0, 3.0],
        [0.0, 0.0, 3.0],
        [5e-324, 2.0, 3.0],
        [np.inf, 2.0, 3.0],
        [1e-200, 1e-200, 2.0, 1e200],
        [1e200, 1e200, 1e-200],
        [np.nan, 2.0],
        [7.0],
        [],
    ],
)
def test_gradients_of_products_divide_by_nothing_small(values):
    x = dlcore.tensor(values, dtype=dlcore.float64, requires_grad=True)
    x.prod().backward()
    with np.errstate(all="ignore"):
        expected = [np.prod(values[:i] + values[i + 1 :]) for i in range(len(values))]
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-14)


def test_gradients_of_long_products_take_little_memory():
    x = dlcore.full((100_000,), 0.5, requires_grad=True)
    dlcore.memory.reset_peak()
    before = dlcore.memory.stats()["live_bytes"]
    x.prod().backward()
    assert dlcore.memory.stats()["peak_bytes"] - before < 30 * x.nbytes
    assert (x.grad == 0).all()


# --- memory that others write -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        dlcore.nn.functional.cross_entropy,
        lambda w, ids: dlcore.nn.functional.embedding(ids, w),
        lambda w, ids: dlcore.index_select(w, 0, ids),
        lambda w, ids: w.gather(0, ids.reshape(3, 1)),
        lambda w, ids: dlcore.zeros(3, 4).index_add(0, ids, w),
        lambda w, ids: w.index_fill(0, ids, 2.0),
    ],
)
def test_indices_that_numpy_writes_after_the_forward_are_checked_again(use):
    lent = np.array([1, 0, 2])
    y = use(dlcore.ones(3, 4, requires_grad=True), dlcore.from_numpy(lent))
    lent[1] = 100
    with pytest.raises(IndexError, match="100 at position 1 is out of range"):
        y.sum().backward()


# --- functions whose slope jumps ------------------------------------------------------------------------------------

IN_STEPS = {
    "relu": nn.functional.relu,
    "leaky_relu": lambda x: nn.functional.leaky_relu(x, 0.1),
    "relu6": nn.functional.relu6,
    "hardtanh": nn.functional.hardtanh,
    "hardsigmoid": nn.functional.hardsigmoid,
    "threshold": lambda x: nn.functional.threshold(x, 0.1, 3.0),
    "softshrink": nn.functional.softshrink,
    "hardshrink": nn.functional.hardshrink,
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "abs": dlcore.abs,
}


@pytest.mark.parametrize("name", IN_STEPS)
def test_second_derivatives_of_pieces_of_lines_are_zeros(name):
    x = dlcore.tensor([-4.0, -0.3, 0.2, 0.9, 7.0], requires_grad=True)
    (slope,) = dlcore.autograd.grad(IN_STEPS[name](x).sum(), x, create_graph=True)
    assert slope.requires_grad
    (bend,) = dlcore.autograd.grad(slope.sum(), x, create_graph=True)
    assert bend.tolist() == [0] * 5
    with dlcore.no_grad():
        assert slope.equal(dlcore.autograd.functional.jacobian(IN_STEPS[name], x.detach()).diagonal())


F = nn.functional
LINEAR_IN_PIECES = {
    "max_pool1d": (lambda x: F.max_pool1d(x, 2), (2, 6)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 1, 1), (2, 4, 4)),
    "max_pool3d": (lambda x: F.max_pool3d(x, 2), (1, 4, 4, 4)),
    "avg_pool1d": (lambda x: F.avg_pool1d(x, 2), (2, 6)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 1, 1), (2, 4, 4)),
    "avg_pool3d": (lambda x: F.avg_pool3d(x, 2), (1, 4, 4, 4)),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, 3), (2, 4, 5)),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, 3), (2, 4, 5)),
    "interpolate": (lambda x: F.interpolate(x, size=(3, 3), mode="area"), (1, 2, 4, 5)),
    "reflect": (lambda x: F.pad(x, (1, 2, 2, 1), mode="reflect"), (2, 4, 5)),
    "replicate": (lambda x: F.pad(x, (1, 2, 2, 1), mode="replicate"), (2, 4, 5)),
}


@pytest.mark.parametrize("name", LINEAR_IN_PIECES)
@pytest.mark.parametrize("is_leaf", [True, False])
def test_second_derivatives_of_pools_and_borders_are_zeros(name, is_leaf):
    function, shape = LINEAR_IN_PIECES[name]
    leaf = dlcore.randn(shape, dtype=dlcore.bfloat16 if name == "avg_pool1d" else dlcore.float64, requires_grad=True)
    x = leaf if is_leaf else leaf * 2
    (slope,) = dlcore.autograd.grad(function(x).sum(), x, create_graph=True)
    (bend,) = dlcore.autograd.grad(slope.sum(), x)
    assert bend.dtype == x.dtype
    assert bend.tolist() == np.zeros(shape).tolist()
    assert gradgradcheck(function, [leaf.detach().double().requires_grad_()])


@pytest.mark.parametrize("p", [1.0, 2.0, float("inf")])
def test_distances_are_differentiated_as_norms_of_differences(p):
    rng = np.random.default_rng(0)
    x, y = (dlcore.tensor(rng.standard_normal(shape), requires_grad=True) for shape in [(2, 70, 5), (67, 5)])
    grad = dlcore.tensor(rng.standard_normal((2, 70, 67)))
    expected = dlcore.linalg.norm(x[:, :, None] - y, p, dim=-1)
    found = dlcore.cdist(x, y, p)

    def assert_close(got, expected):
        np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), rtol=1e-11, atol=1e-12)

    assert_close(found, expected)
    by_norm = dlcore.autograd.grad(expected, (x, y), grad)
    for got, wanted in zip(dlcore.autograd.grad(found, (x, y), grad), by_norm, strict=True):
        assert_close(got, wanted)
    first, second = np.triu_indices(67, 1)
    weights = dlcore.tensor(rng.standard_normal(len(first)))
    (got,) = dlcore.autograd.grad(F.pdist(y, p), y, weights)
    (whole,) = dlcore.autograd.grad(dlcore.cdist(y, y, p)[first, second], y, weights)
    assert_close(got, whole)
    assert gradgradcheck(lambda x: F.pdist(x, p), [x[0, :4].detach().requires_grad_()])
    assert gradgradcheck(lambda x, y: dlcore.cdist(x, y, p), [x[:, :3].detach().requires_grad_(), y[:2].detach()])


def test_hessians_of_networks_of_rectifiers():
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)).requires_grad_(False)
    x = dlcore.ones(3)
    hessian = functional.hessian(lambda x: model(x).sum(), x)
    assert hessian.tolist() == np.zeros((3, 3)).tolist()


def test_a_gradient_penalty_reaches_all_parameters():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.LeakyReLU(0.2), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(16, 1))
    x = dlcore.randn(2, 1, 6, 6, requires_grad=True)
    (slope,) = dlcore.autograd.grad(model(x).sum(), x, create_graph=True)
    ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean().backward()
    assert not model[0].bias.grad.any()
    assert all(p.grad is not None for name, p in model.named_parameters() if name not in ("2.bias", "4.bias"))


def test_prelu_of_infinity_and_its_second_derivatives():
    x, w = dlcore.tensor([float("inf"), -2.0, 0.0], requires_grad=True), dlcore.tensor([0.5], requires_grad=True)
    y = nn.functional.prelu(x, w)
    assert y.tolist() == [float("inf"), -1.0, 0.0]
    of_x, of_w = dlcore.autograd.grad(y.sum(), (x, w), create_graph=True)
    assert (of_x.tolist(), of_w.tolist()) == ([1.0, 0.5, 0.5], [-2.0])
    (second,) = dlcore.autograd.grad((of_x * of_x).sum(), w, retain_graph=True)
    assert second.tolist() == [2.0]
    plain = dlcore.tensor([0.3])
    (of_x,) = dlcore.autograd.grad(nn.functional.prelu(x, plain).sum(), x, create_graph=True)
    (second,) = dlcore.autograd.grad((of_x * of_x).sum(), x)
    assert second.tolist() == [0.0, 0.0, 0.0]


def test_recomputation_takes_place_in_its_own_context():
    seen = []

    @contextlib.contextmanager
    def noted(name):
        seen.append(name)
        yield

    x = leaf(2)
    options = {"context_fn": lambda: (noted("first"), noted("second")), "determinism_check": "none", "debug": True}
    y = checkpoint(lambda x: (x * x).exp(), x, use_reentrant=False, **options)
    assert seen == ["first"]
    y.sum().backward()
    assert seen == ["first", "second"]
    values = x.detach().numpy()
    np.testing.assert_allclose(x.grad.numpy(), 2 * values * np.exp(values**2), rtol=1e-12)
    with pytest.raises(ValueError, match="determinism_check must be 'default' or 'none', got 'all'"):
        checkpoint(lambda x: x, x, determinism_check="all")
