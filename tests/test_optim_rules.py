"""The update rules of the less usual optimizers against their formulas in float64."""

import math

import dlcore
import numpy as np
import pytest
from dlcore import nn, optim
from test_optim import SHAPES, gradients, quadratic, run, start


def rmsprop(w, g, s, t, lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False, maximize=False):
    g = (-g if maximize else g) + weight_decay * w
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g * g
    variance = s["v"]
    if centered:
        s["m"] = alpha * s.get("m", 0) + (1 - alpha) * g
        variance = variance - s["m"] ** 2
    step = g / (np.sqrt(variance) + eps)
    s["b"] = momentum * s.get("b", 0) + step
    return w - lr * (s["b"] if momentum else step)


def adagrad(w, g, s, t, lr=0.01, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    g = g + weight_decay * w
    s["sum"] = s.get("sum", initial_accumulator_value) + g * g
    return w - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["sum"]) + eps)


def adadelta(w, g, s, t, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0, maximize=False):
    g = (-g if maximize else g) + weight_decay * w
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g * g
    step = np.sqrt(s.get("u", 0) + eps) / np.sqrt(s["v"] + eps) * g
    s["u"] = rho * s.get("u", 0) + (1 - rho) * step * step
    return w - lr * step


def adamax(w, g, s, t, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    g = g + weight_decay * w
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["u"] = np.maximum(betas[1] * s.get("u", 0), np.abs(g) + eps)
    return w - lr / (1 - betas[0] ** t) * s["m"] / s["u"]


def moments(w, g, s, betas, lr, weight_decay, decoupled):
    w, g = (w * (1 - lr * weight_decay), g) if decoupled else (w, g + weight_decay * w)
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g * g
    return w, g


def nadam(
    w,
    g,
    s,
    t,
    lr=2e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    momentum_decay=4e-3,
    decoupled_weight_decay=False,
):
    w, g = moments(w, g, s, betas, lr, weight_decay, decoupled_weight_decay)
    mu = [betas[0] * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1)]
    s["p"] = s.get("p", 1.0) * mu[0]
    mean = (1 - mu[0]) * g / (1 - s["p"]) + mu[1] * s["m"] / (1 - s["p"] * mu[1])
    return w - lr * mean / (np.sqrt(s["v"] / (1 - betas[1] ** t)) + eps)


def radam(w, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled_weight_decay=False):
    w, g = moments(w, g, s, betas, lr, weight_decay, decoupled_weight_decay)
    mean = s["m"] / (1 - betas[0] ** t)
    most = 2 / (1 - betas[1]) - 1
    rho = most - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
    if rho <= 5:
        return w - lr * mean
    rectified = math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
    return w - lr * mean * rectified * math.sqrt(1 - betas[1] ** t) / (np.sqrt(s["v"]) + eps)


def rprop(w, g, s, t, lr=0.01, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
    sign = np.sign(g * s.get("g", 0))
    factor = np.where(sign > 0, etas[1], np.where(sign < 0, etas[0], 1.0))
    s["size"] = np.clip(s.get("size", lr) * factor, *step_sizes)
    s["g"] = np.where(sign < 0, 0.0, g)
    return w - np.sign(s["g"]) * s["size"]


def asgd(w, g, s, t, lr=0.01, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0.0):
    eta = lr if t == 1 else lr / (1 + lambd * lr * (t - 1)) ** alpha
    return w * (1 - lambd * eta) - eta * (g + weight_decay * w)


def lion(w, g, s, t, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, maximize=False):
    g = -g if maximize else g
    before = s.get("m", 0)
    s["m"] = betas[1] * before + (1 - betas[1]) * g
    return w * (1 - lr * weight_decay) - lr * np.sign(betas[0] * before + (1 - betas[0]) * g)


def ratio(w, step):
    length, moved = np.sqrt((w * w).sum()), np.sqrt((step * step).sum())
    return length / moved if length > 0 and moved > 0 else 1.0


def lamb(w, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
    _, g = moments(w, g, s, betas, lr, 0.0, True)
    step = s["m"] / (1 - betas[0] ** t) / (np.sqrt(s["v"] / (1 - betas[1] ** t)) + eps) + weight_decay * w
    return w - lr * ratio(w, step) * step


def lars(w, g, s, t, lr=0.1, momentum=0.9, weight_decay=0.0, trust_coefficient=1e-3):
    step = g + weight_decay * w
    rate = lr * (trust_coefficient * ratio(w, step) if trust_coefficient else 1)
    s["v"] = momentum * s.get("v", 0) + rate * step
    return w - s["v"]


CASES = [
    (optim.LAMB, lamb, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.LARS, lars, {"trust_coefficient": 0.1, "weight_decay": 0.1}),
    (optim.LARS, lars, {"trust_coefficient": 0.0, "momentum": 0.5}),
    (optim.RMSprop, rmsprop, {}),
    (optim.RMSprop, rmsprop, {"centered": True, "weight_decay": 0.1, "alpha": 0.9}),
    (optim.RMSprop, rmsprop, {"momentum": 0.8, "maximize": True}),
    (optim.RMSprop, rmsprop, {"momentum": 0.8, "centered": True, "eps": 1e-3}),
    (optim.Adagrad, adagrad, {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1}),
    (optim.Adagrad, adagrad, {"initial_accumulator_value": 0.5, "eps": 1e-3}),
    (optim.Adadelta, adadelta, {"rho": 0.7, "weight_decay": 0.1, "maximize": True}),
    (optim.Adamax, adamax, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.NAdam, nadam, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.NAdam, nadam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.1}),
    (optim.RAdam, radam, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.RAdam, radam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "betas": (0.9, 0.99)}),
    (optim.Rprop, rprop, {}),
    (optim.Rprop, rprop, {"etas": (0.3, 2.0), "step_sizes": (0.005, 0.02)}),
    (optim.ASGD, asgd, {"lr": 0.1, "lambd": 0.1, "weight_decay": 0.1}),
    (optim.Lion, lion, {"lr": 0.01, "weight_decay": 0.1}),
    (optim.Lion, lion, {"lr": 0.01, "maximize": True}),
]


@pytest.mark.parametrize(("kind", "formula", "settings"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_follow_the_formula(kind, formula, settings, dtype):
    found = run(lambda params: kind(params, **settings), getattr(dlcore, dtype))
    expected, states = start(), [{} for _ in SHAPES]
    for t, step in enumerate(gradients(1), 1):
        expected = [formula(w, g, state, t, **settings) for w, g, state in zip(expected, step, states, strict=True)]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11 if dtype == "float64" else 3e-5, atol=1e-6)


ALL = [kind for kind in (getattr(optim, name) for name in optim.__all__) if isinstance(kind, type)]
# The base, what goes around another one, and one that forgets where it starts: test_optim_beyond.py has these.
ELSEWHERE = {optim.Optimizer, optim.Lookahead, optim.SAM, optim.Ftrl}


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind not in ELSEWHERE], ids=lambda kind: kind.__name__)
def test_a_loaded_state_goes_on_as_if_nothing_had_happened(kind):
    def steps(param, optimizer, count):
        def closure():
            optimizer.zero_grad()
            loss = quadratic(param)
            loss.backward()
            return loss

        for _ in range(count):
            optimizer.step(closure)

    settings = {"max_iter": 1} if kind is optim.LBFGS else {}
    whole = nn.Parameter(dlcore.arange(6, dtype=dlcore.float32).reshape(2, 3))
    begin = quadratic(whole).item()
    optimizer = kind([whole], **settings)
    steps(whole, optimizer, 3)
    half = nn.Parameter(whole.detach().clone())
    resumed = kind([half])
    resumed.load_state_dict(optimizer.state_dict())
    steps(whole, optimizer, 3)
    steps(half, resumed, 3)
    assert dlcore.equal(whole, half)
    assert quadratic(whole).item() < begin


@pytest.mark.parametrize(
    "kind", [optim.RMSprop, optim.Adagrad, optim.Adadelta, optim.Adamax, optim.NAdam, optim.RAdam, optim.Lion]
)
def test_bad_settings_are_named(kind):
    param = nn.Parameter(dlcore.ones(2))
    with pytest.raises(ValueError, match=rf"{kind.__name__}: lr must be at least 0, got -1"):
        kind([param], lr=-1)
    if kind is not optim.Lion:
        with pytest.raises(ValueError, match="cannot be differentiated"):
            kind([param], differentiable=True)
    other = nn.Parameter(dlcore.ones(3))
    (param.sum() * 2).backward()
    optimizer = kind([param])
    optimizer.step()
    with pytest.raises(ValueError, match=r"shape \(2,\), its parameter has \(3,\)"):
        kind([other]).load_state_dict(optimizer.state_dict())


def test_settings_that_cannot_be():
    vector, matrix = nn.Parameter(dlcore.ones(2)), nn.Parameter(dlcore.ones(2, 2))
    for make, message in [
        (lambda: optim.Adadelta([vector], rho=1.5), r"rho must be in \[0, 1\]"),
        (lambda: optim.Rprop([vector], etas=(0.5, 0.9)), "on both sides of 1"),
        (lambda: optim.Adafactor([vector], d=0.5), "d must be at least 1"),
        (lambda: optim.Adafactor([vector], beta2_decay=0.5), "beta2_decay must not be above 0"),
        (lambda: optim.Muon([vector]), r"must be matrices, got one of shape \(2,\)"),
        (lambda: optim.Muon([matrix], adjust_lr_fn="other"), "adjust_lr_fn must be"),
        (lambda: optim.SparseAdam([matrix], lr=0), "above 0"),
        (lambda: optim.LBFGS([vector], line_search_fn="armijo"), "'strong_wolfe' or None"),
        (lambda: optim.LBFGS([{"params": [vector]}, {"params": [matrix]}]), "one group"),
        (lambda: optim.LBFGS([vector]).step(), "needs a closure"),
        (lambda: optim.Adagrad([vector], foreach=True, fused=True), "goes not with"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()


def test_lbfgs_finds_the_valley_of_rosenbrock():
    point = nn.Parameter(dlcore.tensor([-1.2, 1.0], dtype=dlcore.float64))
    optimizer = optim.LBFGS([point], max_iter=100, tolerance_change=1e-14, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        x, y = point[0], point[1]
        loss = (1 - x) ** 2 + 100 * (y - x * x) ** 2
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == pytest.approx(24.2)
    assert point.tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_muon_steps_are_orthogonal():
    for shape in ((6, 4), (4, 6)):
        weight = nn.Parameter(dlcore.zeros(*shape))
        (weight * dlcore.randn(*shape)).sum().backward()
        optim.Muon([weight], lr=1.0, weight_decay=0.0, adjust_lr_fn="match_rms_adamw").step()
        step = weight.detach().numpy() / (0.2 * math.sqrt(6))
        sizes = np.linalg.svd(step, compute_uv=False)
        assert ((sizes > 0.4) & (sizes < 1.3)).all()


def test_adafactor_keeps_a_row_and_a_column():
    table = nn.Parameter(dlcore.ones(3, 5))
    (table * dlcore.arange(15.0).reshape(3, 5)).sum().backward()
    optimizer = optim.Adafactor([table], lr=0.1)
    optimizer.step()
    state = optimizer.state[table]
    assert (tuple(state["row_var"].shape), tuple(state["col_var"].shape)) == ((3, 1), (1, 5))
    assert (table.detach().numpy() <= 1).all()


def test_asgd_keeps_the_average():
    param = nn.Parameter(dlcore.zeros(1))
    optimizer, seen = optim.ASGD([param], lr=1.0, lambd=0.0, t0=0), []
    for value in (1.0, 2.0, 6.0):
        optimizer.zero_grad()
        (param * value).sum().backward()
        optimizer.step()
        seen.append(param.item())
    assert optimizer.state[param]["ax"].item() == pytest.approx((seen[1] + seen[2]) / 2)


def test_averages_of_models():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    equal = optim.swa_utils.AveragedModel(model)
    ema = optim.swa_utils.AveragedModel(model, multi_avg_fn=optim.swa_utils.get_ema_multi_avg_fn(0.75))
    for value in (1.0, 2.0, 6.0):
        model[0].weight.data.fill_(value)
        equal.update_parameters(model)
        ema.update_parameters(model)
    assert equal.module[0].weight.item() == pytest.approx(3)
    assert ema.module[0].weight.item() == pytest.approx(0.75 * (0.75 * 1 + 0.25 * 2) + 0.25 * 6)
    assert ema.n_averaged.item() == 3
    data = [(dlcore.tensor([[1.0], [3.0]]), 0), (dlcore.tensor([[5.0], [7.0]]), 1)]
    optim.swa_utils.update_bn(data, equal.eval())
    assert equal.module[1].running_mean.item() == pytest.approx(12)
    assert equal.module[1].momentum == 0.1
    assert not equal.module[1].training
    twin = optim.swa_utils.AveragedModel(model)
    twin.load_state_dict(equal.state_dict())
    assert twin.n_averaged.item() == 3


@pytest.mark.parametrize(
    ("rule", "mean"),
    [
        ({"multi_avg_fn": optim.swa_utils.get_ema_multi_avg_fn(0.75)}, 3.25),
        ({"avg_fn": optim.swa_utils.get_ema_avg_fn(0.75)}, 3.25),
        ({"multi_avg_fn": optim.swa_utils.get_swa_multi_avg_fn()}, 5.5),
        ({}, 5.5),
    ],
)
def test_integer_buffers_are_averaged_and_rounded_toward_zero(rule, mean):
    model = nn.BatchNorm1d(1)
    average = optim.swa_utils.AveragedModel(model, use_buffers=True, **rule)
    for value in (1, 10):
        model.num_batches_tracked.fill_(value)
        model.running_mean.fill_(value)
        average.update_parameters(model)
    tracked = average.module.num_batches_tracked
    assert (tracked.dtype, tracked.item()) == (dlcore.int64, int(mean))
    assert average.module.running_mean.item() == pytest.approx(mean)


@pytest.mark.filterwarnings("ignore:.*no parameter has a gradient")
def test_the_rate_is_annealed_to_that_of_averaging():
    optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))], lr=1.0)
    scheduler, found = optim.swa_utils.SWALR(optimizer, 0.2, anneal_epochs=4), []
    for _ in range(6):
        optimizer.step()
        scheduler.step()
        found += scheduler.get_last_lr()
    assert found == pytest.approx([0.2 + 0.4 * (1 + math.cos(math.pi * k / 4)) for k in (1, 2, 3)] + [0.2] * 3)
    with pytest.raises(ValueError, match="2 rates for 1 groups"):
        optim.swa_utils.SWALR(optimizer, [0.1, 0.2])


def test_sparse_adam_leaves_unused_rows_alone():
    table = nn.Embedding(4, 2, sparse=True)
    before, optimizer = table.weight.detach().clone(), optim.SparseAdam(table.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        table(dlcore.tensor([1, 3, 3])).sum().backward()
        optimizer.step()
    moved = (table.weight.detach() - before).abs().sum(dim=1)
    assert moved.tolist() == pytest.approx([0.0, 0.4, 0.0, 0.4], abs=1e-4)


@pytest.mark.filterwarnings("ignore:.*no parameter has a gradient")
def test_rates_rise_and_fall():
    def rates(make, steps, lr=2.0):
        optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))], lr=lr)
        scheduler, found = make(optimizer), []
        for step in range(steps):
            found += scheduler.get_last_lr()
            optimizer.step()
            scheduler.step()
            if step == 3:
                state, scheduler = scheduler.state_dict(), make(optimizer)
                scheduler.load_state_dict(state)
        return found

    schedules = optim.lr_scheduler
    cosine = rates(lambda o: schedules.WarmupCosineLR(o, 2, 6, 0.1), 8)
    assert cosine == pytest.approx(
        [1.0, 2.0] + [2 * (0.1 + 0.45 * (1 + math.cos(math.pi * k / 4))) for k in range(5)] + [0.2]
    )
    assert rates(lambda o: schedules.WarmupStableDecayLR(o, 2, 1, 2, 0.5), 7) == pytest.approx([1, 2, 2, 2, 1.5, 1, 1])
    noam = [16**-0.5 * min(t**-0.5, t * 3**-1.5) for t in range(1, 8)]
    assert rates(lambda o: schedules.NoamLR(o, 16, 3), 7, 1.0) == pytest.approx(noam)
    assert rates(lambda o: schedules.InverseSqrtLR(o, 1), 4) == pytest.approx([2 / math.sqrt(t) for t in range(1, 5)])
    optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))])
    for make, message in [
        (lambda: schedules.WarmupCosineLR(optimizer, 3, 3), "must be above 3"),
        (lambda: schedules.WarmupCosineLR(optimizer, 1, 3, 2.0), "min_factor"),
        (lambda: schedules.WarmupStableDecayLR(optimizer, 1, 1, 0), "decay_steps from 1"),
        (lambda: schedules.WarmupStableDecayLR(optimizer, -1, 1, 1), "warmup_steps must be at least 0"),
        (lambda: schedules.NoamLR(optimizer, 0, 1), "d_model"),
        (lambda: schedules.InverseSqrtLR(optimizer, 0), "at least 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()
