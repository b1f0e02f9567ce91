"""Autocast: which operations take bfloat16, that parameters and their gradients do not, and where it ends."""

import threading
import warnings

import dlcore
import dlcore.nn.functional as F
import pytest
from dlcore import _core, amp, nn

needs_instructions = pytest.mark.skipif(not _core._multiplies_bfloat16(), reason="no instructions for bfloat16")


@needs_instructions
def test_products_are_in_bfloat16_losses_in_float32_and_the_rest_as_it_comes():
    x, image = dlcore.randn(4, 4), dlcore.randn(1, 2, 5, 5)
    with dlcore.autocast("cpu", dtype=dlcore.bfloat16):
        assert dlcore.is_autocast_enabled()
        y = x @ x
        assert y.dtype == dlcore.bfloat16
        assert F.linear(x, x, x[0]).dtype == dlcore.bfloat16
        assert F.conv2d(image, dlcore.randn(3, 2, 3, 3)).dtype == dlcore.bfloat16
        assert F.scaled_dot_product_attention(x, x, x).dtype == dlcore.bfloat16
        assert nn.LSTM(4, 3)(x)[0].dtype == dlcore.bfloat16
        assert dlcore.softmax(y, 1).dtype == dlcore.bfloat16
        assert (y + x).dtype == dlcore.float32
        assert (x.double() @ x.double()).dtype == dlcore.float64
        for loss in [F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss]:
            assert loss(y, y).dtype == dlcore.float32
        labels = dlcore.zeros(4, dtype=dlcore.int64)
        assert F.cross_entropy(y, labels).dtype == dlcore.float32
        assert F.nll_loss(y, labels).dtype == dlcore.float32
        assert F.binary_cross_entropy_with_logits(y, x).dtype == dlcore.float32
        assert y.prod().dtype == dlcore.float32
        with dlcore.autocast("cpu", enabled=False):
            assert (x @ x).dtype == dlcore.float32
        assert (x @ x).dtype == dlcore.bfloat16
    assert (x @ x).dtype == dlcore.float32
    assert not dlcore.is_autocast_enabled()


@needs_instructions
def test_parameters_and_gradients_stay_in_float32_and_training_works():
    dlcore.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))
    x = dlcore.randn(256, 2)
    target = x[:, :1] * x[:, 1:]
    optimizer = dlcore.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        with dlcore.autocast("cpu"):
            loss = F.mse_loss(model(x), target)
        loss.backward()
        assert all(p.dtype == p.grad.dtype == dlcore.float32 for p in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 5


@needs_instructions
def test_it_decorates_nests_and_belongs_to_its_thread():
    x = dlcore.ones(2, 2)

    @dlcore.autocast("cpu")
    def product(depth):
        return product(depth - 1) if depth else x @ x

    assert product(2).dtype == dlcore.bfloat16
    found = []
    with dlcore.autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append((x @ x).dtype))
        thread.start()
        thread.join()
    assert found == [dlcore.float32]
    with pytest.raises(RuntimeError, match="stop"), dlcore.autocast("cpu"):
        raise RuntimeError("stop")
    assert not dlcore.is_autocast_enabled()


def test_what_it_cannot_do_it_says_once(monkeypatch):
    monkeypatch.setattr(amp, "_warned", set())
    with pytest.warns(UserWarning, match="only bfloat16 is"), dlcore.autocast("cpu", dtype=dlcore.float16):
        assert not dlcore.is_autocast_enabled()
    with warnings.catch_warnings(), dlcore.autocast("cpu", dtype=dlcore.float16):
        warnings.simplefilter("error")
    with pytest.raises(ValueError, match="device_type"):
        dlcore.autocast("cuda")
    for call in (
        lambda: dlcore.get_autocast_dtype("cuda"),
        lambda: dlcore.set_autocast_dtype("cuda", dlcore.bfloat16),
        lambda: dlcore.set_autocast_dtype("cpu", dlcore.float16),
    ):
        with pytest.raises(ValueError, match="autocast_dtype: "):
            call()
    assert not dlcore.is_autocast_enabled("cuda")


@needs_instructions
def test_autocast_of_another_device_leaves_an_outer_one_on():
    x = dlcore.ones(2, 2)
    with dlcore.autocast("cpu"):
        for enabled in (True, False):
            with dlcore.cuda.amp.autocast(enabled):
                assert (x @ x).dtype == dlcore.bfloat16
        assert dlcore.is_autocast_enabled()


def test_a_scaler_leaves_out_steps_that_are_not_finite():
    for scaler, expected in (
        (dlcore.amp.GradScaler("cpu"), [1.0, 1.0]),
        (dlcore.cuda.amp.GradScaler(), [1.0, 1.0]),
        (dlcore.amp.GradScaler(enabled=False), [0.5, -float("inf")]),
    ):
        w, unused = dlcore.ones(2, requires_grad=True), dlcore.ones(1)
        optimizer = dlcore.optim.SGD([w, unused], lr=0.5)
        w.grad = dlcore.tensor([1.0, float("inf")])
        scaler.step(optimizer)
        assert w.tolist() == expected
        w.grad = dlcore.tensor([1.0, 0.0])
        scaler.step(optimizer)
        assert w[0].item() == expected[0] - 0.5


def test_the_former_scaler_has_no_device_before_its_settings():
    scaler = dlcore.cuda.amp.GradScaler(4.0, 3.0, 0.25, 7)
    assert isinstance(scaler, dlcore.amp.GradScaler)
    state = scaler.state_dict()
    assert (state["growth_factor"], state["backoff_factor"], state["growth_interval"]) == (3.0, 0.25, 7)
    assert scaler.is_enabled()
    assert not dlcore.cuda.amp.GradScaler(4.0, 3.0, 0.25, 7, False).is_enabled()


def test_the_state_of_a_scaler_has_pytorchs_keys():
    state = {"scale": 1.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2000, "_growth_tracker": 0}
    scaler = dlcore.amp.GradScaler("cpu", init_scale=4.0)
    assert scaler.state_dict() == state
    scaler.load_state_dict({**state, "scale": 65536.0, "growth_factor": 4.0, "_growth_tracker": 7})
    assert scaler.state_dict() == {**state, "growth_factor": 4.0, "_growth_tracker": 7}
    off = dlcore.amp.GradScaler(enabled=False)
    off.load_state_dict(state)
    assert off.state_dict() == {}


@needs_instructions
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_recurrent_layers_multiply_in_bfloat16(kind):
    dlcore.manual_seed(0)
    layer = kind(48, 64)
    x = dlcore.randn(32, 48) if kind.__name__.endswith("Cell") else dlcore.randn(9, 32, 48)
    results = []
    for enabled in (True, False):
        layer.zero_grad()
        with dlcore.autocast("cpu", enabled=enabled):
            y = layer(x)
            y = y[0] if isinstance(y, tuple) else y
        (y.float() * y.float()).sum().backward()
        results.append([y.detach().float(), *(p.grad for p in layer.parameters())])
    for narrow, wide in zip(*results, strict=True):
        if not wide.any():  # weights that meet first states of zeros
            continue
        assert 1e-5 < (narrow - wide).abs().max() / wide.abs().max() < 0.03


def test_functions_of_the_users_run_backward_as_forward():
    seen = []

    class Product(dlcore.autograd.Function):
        @staticmethod
        @dlcore.amp.custom_fwd(device_type="cpu", cast_inputs=dlcore.float32)
        def forward(ctx, x, w):
            seen.append((x.dtype, w.dtype, dlcore.is_autocast_enabled()))
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        @dlcore.amp.custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            seen.append(dlcore.is_autocast_enabled())
            x, w = ctx.saved_tensors
            return grad @ w.mT, x.mT @ grad

    x, w = dlcore.ones(2, 3, requires_grad=True), dlcore.ones(3, 4, dtype=dlcore.bfloat16, requires_grad=True)
    with dlcore.autocast("cpu", dtype=dlcore.bfloat16):
        is_on = dlcore.is_autocast_enabled()
        result = Product.apply(x, w)
    if is_on:
        assert result.dtype == dlcore.float32
        result.sum().backward()
        assert seen == [(dlcore.float32, dlcore.float32, False), False]
        assert w.grad.dtype == dlcore.bfloat16
