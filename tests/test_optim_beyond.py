"""Optimizers, schedules and starting values that PyTorch does not have, against their papers' formulas in numpy."""

import copy
import math
import pickle

import dlcore
import numpy as np
import pytest
from dlcore import nn, optim
from dlcore.optim import lr_scheduler

TARGET = np.array([3.0, -1.0, 0.5])


def descend(optimizer, w, steps):
    """Steps on |w - TARGET|²/2 whose gradient numpy's twins take too."""
    for _ in range(steps):
        w.grad = w.detach() - dlcore.tensor(TARGET)
        optimizer.step()
    return w.tolist()


def start():
    return dlcore.tensor([0.1, 0.2, -0.3], dtype=dlcore.float64, requires_grad=True)


def test_schedule_free_is_the_papers_three_sequences():
    w = start()
    optimizer = optim.AdamWScheduleFree([w], lr=0.3, betas=(0.8, 0.9), weight_decay=0.1, warmup_steps=3, r=1.0)
    y = descend(optimizer, w, 7)
    z = x = np.array([0.1, 0.2, -0.3])
    v, total = 0, 0
    for t in range(1, 8):
        lr = 0.3 * min(1, t / 3)
        at = 0.2 * z + 0.8 * x
        g = at - TARGET
        v = 0.9 * v + 0.1 * g * g
        z = z - lr * (g / (np.sqrt(v / (1 - 0.9**t)) + 1e-8) + 0.1 * at)
        weight = t * lr**2
        total += weight
        x = x + weight / total * (z - x)
    np.testing.assert_allclose(y, 0.2 * z + 0.8 * x, rtol=1e-10)
    optimizer.eval()
    np.testing.assert_allclose(w.tolist(), x, rtol=1e-10)
    with pytest.raises(RuntimeError, match=r"call train\(\)"):
        descend(optimizer, w, 1)
    optimizer.eval()
    optimizer.train()
    np.testing.assert_allclose(w.tolist(), y, rtol=1e-10)


def test_adan_is_the_papers():
    w = start()
    found = descend(optim.Adan([w], lr=0.1, betas=(0.7, 0.8, 0.9), weight_decay=0.2), w, 5)
    x = np.array([0.1, 0.2, -0.3])
    m = d = n = 0
    last = None
    for t in range(1, 6):
        g = x - TARGET
        change = 0 * g if last is None else g - last
        last = g
        m, d = 0.7 * m + 0.3 * g, 0.8 * d + 0.2 * change
        n = 0.9 * n + 0.1 * (g + 0.8 * change) ** 2
        step = m / (1 - 0.7**t) + 0.8 * d / (1 - 0.8**t)
        x = (x - 0.1 * step / (np.sqrt(n / (1 - 0.9**t)) + 1e-8)) / (1 + 0.1 * 0.2)
    np.testing.assert_allclose(found, x, rtol=1e-10)


def test_ftrl_is_the_papers():
    w = start()
    found = descend(optim.Ftrl([w], lr=0.5, initial_accumulator_value=0.0, l1=0.6, l2=0.3, beta=0.2), w, 5)
    x, n, z = np.array([0.1, 0.2, -0.3]), 0, 0
    for _ in range(5):
        g = x - TARGET
        z = z + g - (np.sqrt(n + g * g) - np.sqrt(n)) / 0.5 * x
        n = n + g * g
        x = -np.sign(z) * np.maximum(np.abs(z) - 0.6, 0) / ((0.2 + np.sqrt(n)) / 0.5 + 0.6)
    np.testing.assert_allclose(found, x, rtol=1e-10)


def test_lookahead_goes_back_every_k_steps():
    w = start()
    found = descend(optim.Lookahead(optim.SGD([w], lr=0.1), k=3, alpha=0.4), w, 7)
    slow = x = np.array([0.1, 0.2, -0.3])
    for t in range(1, 8):
        x = x - 0.1 * (x - TARGET)
        if t % 3 == 0:
            slow = x = slow + 0.4 * (x - slow)
    np.testing.assert_allclose(found, x, rtol=1e-10)


@pytest.mark.parametrize("adaptive", [False, True])
def test_sam_steps_by_the_gradient_of_the_worst_point(adaptive):
    w, b = start(), dlcore.tensor(2.0, dtype=dlcore.float64, requires_grad=True)
    optimizer = optim.SAM([w, b], optim.SGD, rho=0.3, adaptive=adaptive, lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (w**4).sum() + b**2
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    x, c = np.array([0.1, 0.2, -0.3]), 2.0
    assert loss.item() == pytest.approx((x**4).sum() + c**2)
    g, h = 4 * x**3, 2 * c
    s, r = (np.abs(x), abs(c)) if adaptive else (1, 1)
    length = math.sqrt(((s * g) ** 2).sum() + (r * h) ** 2)
    worst_x, worst_c = x + 0.3 * s * s * g / length, c + 0.3 * r * r * h / length
    np.testing.assert_allclose(w.tolist(), x - 0.1 * 4 * worst_x**3, rtol=1e-10)
    assert b.item() == pytest.approx(c - 0.1 * 2 * worst_c)
    with pytest.raises(RuntimeError, match="closure"):
        optimizer.step()
    closure()
    optimizer.first_step(zero_grad=True)
    assert w.grad is None
    closure()
    optimizer.second_step()
    assert b.item() < 2


MAKERS = {
    "AdamWScheduleFree": lambda p: optim.AdamWScheduleFree(p, lr=0.1, warmup_steps=4),
    "Adan": lambda p: optim.Adan(p, lr=0.1),
    "Ftrl": lambda p: optim.Ftrl(p, lr=0.1),
    "Lookahead": lambda p: optim.Lookahead(optim.Adam(p, lr=0.1), k=3),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_resumed_training_is_the_same(name):
    w = start()
    optimizer = MAKERS[name]([w])
    descend(optimizer, w, 4)
    other = start()
    other.data.copy_(w.detach())
    resumed = MAKERS[name]([other])
    resumed.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    assert descend(resumed, other, 4) == descend(optimizer, w, 4)


@pytest.mark.parametrize("name", [*MAKERS, "SAM"])
def test_optimizers_are_copied_and_pickled_with_their_parameters(name):
    model = nn.Linear(2, 2)
    make = MAKERS.get(name, lambda p: optim.SAM(p, optim.Adam, lr=0.1))
    optimizer = make(model.parameters())
    for copied_model, copied in (copy.deepcopy((model, optimizer)), pickle.loads(pickle.dumps((model, optimizer)))):
        assert copied.param_groups[0]["params"][0] is copied_model.weight
        assert optimizer.param_groups[0]["params"][0] is model.weight


@pytest.mark.filterwarnings("ignore:.*no parameter has a gradient")
def test_schedulers_and_groups_work_through_a_wrapper():
    w, b = start(), dlcore.zeros(1, requires_grad=True)
    inner = optim.SGD([w], lr=1.0)
    optimizer = optim.Lookahead(inner)
    optimizer.add_param_group({"params": [b], "lr": 0.5})
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert [group["lr"] for group in inner.param_groups] == [0.5, 0.25]
    b.grad = dlcore.ones(1)
    optimizer.zero_grad()
    assert b.grad is None
    assert "Lookahead of SGD" in repr(optimizer)
    with pytest.raises(ValueError, match="parameters given"):
        optim.Lookahead(optim.SGD([w])).load_state_dict(optimizer.state_dict())


def test_what_decays():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Conv1d(4, 4, 3), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.Linear(4, 4))
    model[3].weight = model[4].weight  # shared
    model[1].bias.requires_grad_(False)
    decay, others = optim.weight_decay_groups(model, 0.1, exclude=(nn.Embedding,), lr=0.5)
    assert [tuple(p.shape) for p in decay["params"]] == [(4, 4, 3), (4, 4)]
    assert [tuple(p.shape) for p in others["params"]] == [(5, 4), (4,), (4,), (4,), (4,)]
    optimizer = optim.AdamW([decay, others])
    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [(0.5, 0.1), (0.5, 0.0)]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda o: lr_scheduler.CosineDecay(o, 4, alpha=0.2),
            lambda t: 0.8 * (1 + math.cos(math.pi * min(t, 4) / 4)) / 2 + 0.2,
        ),
        (
            lambda o: lr_scheduler.CosineDecay(o, 3, warmup_target=5.0, warmup_steps=2),
            lambda t: 1 + 2 * t if t < 2 else 2.5 * (1 + math.cos(math.pi * min(t - 2, 3) / 3)),
        ),
        (lambda o: lr_scheduler.ExponentialDecay(o, 3, 0.5), lambda t: 0.5 ** (t / 3)),
        (lambda o: lr_scheduler.ExponentialDecay(o, 3, 0.5, staircase=True), lambda t: 0.5 ** (t // 3)),
        (lambda o: lr_scheduler.InverseTimeDecay(o, 2, 0.5), lambda t: 1 / (1 + 0.25 * t)),
        (lambda o: lr_scheduler.InverseTimeDecay(o, 2, 0.5, staircase=True), lambda t: 1 / (1 + 0.5 * (t // 2))),
        (
            lambda o: lr_scheduler.PiecewiseConstantDecay(o, [1, 4], [1, 0.5, 0.1]),
            lambda t: 1 if t <= 1 else 0.5 if t <= 4 else 0.1,
        ),
        (lambda o: lr_scheduler.PolynomialDecay(o, 4, 0.1, 2.0), lambda t: 0.1 + 0.9 * (1 - min(t, 4) / 4) ** 2),
        (
            lambda o: lr_scheduler.PolynomialDecay(o, 2, 0.0, cycle=True),
            lambda t: 1 - t / (2 * max(1, math.ceil(t / 2))),
        ),
    ],
)  # fmt: skip
def test_keras_schedules(make, expected):
    optimizer = optim.SGD([dlcore.zeros(1)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([expected(t) for t in range(8)])


@pytest.mark.parametrize(
    ("fill", "variance", "bound"),
    [
        (nn.init.glorot_uniform_, 2 / 300, math.sqrt(6 / 300)),
        (nn.init.glorot_normal_, 2 / 300, None),
        (nn.init.he_uniform_, 2 / 200, math.sqrt(6 / 200)),
        (nn.init.he_normal_, 2 / 200, None),
        (nn.init.lecun_uniform_, 1 / 200, math.sqrt(3 / 200)),
        (nn.init.lecun_normal_, 1 / 200, None),
        (lambda w: nn.init.variance_scaling_(w, 3.0, "fan_out", "untruncated_normal"), 3 / 100, math.inf),
    ],
)
def test_keras_starting_values(fill, variance, bound):
    dlcore.manual_seed(0)
    w = fill(dlcore.empty(100, 200))
    assert w.var().item() == pytest.approx(variance, rel=0.05)
    assert w.mean().item() == pytest.approx(0, abs=4 * math.sqrt(variance / w.numel()))
    widest = w.abs().max().item()
    assert widest <= (2 * math.sqrt(variance) / 0.8796 if bound is None else bound)
    assert widest > (1.9 if bound is None else 0.95 if bound < math.inf else 3) * (
        math.sqrt(variance) if bound is None or bound == math.inf else bound
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: optim.AdamWScheduleFree([start()], betas=(0.0, 0.9)),
        lambda: optim.Adan([start()], betas=(0.9, 1.0, 0.9)),
        lambda: optim.Ftrl([start()], lr=0),
        lambda: optim.Lookahead(optim.SGD([start()]), k=0),
        lambda: optim.SAM([start()], optim.SGD, rho=-1),
        lambda: lr_scheduler.CosineDecay(optim.SGD([start()]), 0),
        lambda: lr_scheduler.PiecewiseConstantDecay(optim.SGD([start()]), [1], [0.1]),
        lambda: lr_scheduler.PiecewiseConstantDecay(optim.SGD([start()]), [2, 1], [0.1, 0.2, 0.3]),
        lambda: nn.init.variance_scaling_(dlcore.empty(2, 2), scale=0),
        lambda: nn.init.variance_scaling_(dlcore.empty(2, 2), mode="fan"),
        lambda: nn.init.variance_scaling_(dlcore.empty(2, 2), distribution="normal"),
    ],
)
def test_settings_outside_their_range_are_refused_by_name(call):
    with pytest.raises(ValueError, match=r"^\w+: "):
        call()
