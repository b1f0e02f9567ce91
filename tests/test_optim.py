"""Optimizers against formulas in float64, schedules against known rates, resuming against a run without a break."""

import math

import dlcore
import numpy as np
import pytest
from dlcore import nn, optim
from dlcore.optim import lr_scheduler

STEPS = 7
SHAPES = [(5, 3), (7,), (), (2, 3, 4), (0, 3)]


def gradients(seed):
    random = np.random.default_rng(seed)
    return [[random.standard_normal(shape) * (1 + step) for shape in SHAPES] for step in range(STEPS)]


def start():
    random = np.random.default_rng(99)
    return [random.standard_normal(shape) for shape in SHAPES]


def run(make, dtype):
    """Parameters after some steps with given gradients."""
    params = [nn.Parameter(dlcore.tensor(value.tolist(), dtype=dtype).reshape(value.shape)) for value in start()]
    optimizer = make(params)
    for step in gradients(1):
        optimizer.zero_grad()
        total = dlcore.zeros((), dtype=dtype)
        for param, gradient in zip(params, step, strict=True):
            total = total + (param * dlcore.tensor(gradient.tolist(), dtype=dtype).reshape(gradient.shape)).sum()
        total.backward()
        optimizer.step()
    return [param.detach().numpy() for param in params]


def sgd(w, g, state, t, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False):
    g = (-g if maximize else g) + weight_decay * w
    if momentum:
        state["v"] = g if t == 1 else momentum * state["v"] + (1 - dampening) * g
        g = g + momentum * state["v"] if nesterov else state["v"]
    return w - lr * g


def adam(
    w,
    g,
    state,
    t,
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    amsgrad=False,
    maximize=False,
    decoupled=False,
):
    g = -g if maximize else g
    if decoupled:
        w = w * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * w
    state["m"] = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
    state["s"] = betas[1] * state.get("s", 0) + (1 - betas[1]) * g * g
    state["top"] = np.maximum(state.get("top", 0), state["s"]) if amsgrad else state["s"]
    root = np.sqrt(state["top"] / (1 - betas[1] ** t))
    return w - lr * (state["m"] / (1 - betas[0] ** t)) / (root + eps)


def adamw(w, g, state, t, weight_decay=1e-2, **settings):
    return adam(w, g, state, t, weight_decay=weight_decay, decoupled=True, **settings)


CASES = [
    (optim.SGD, sgd, {"lr": 0.1}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True}),
    (optim.Adam, adam, {"lr": 0.1}),
    (optim.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.1}),
    (optim.Adam, adam, {"lr": 0.1, "amsgrad": True, "maximize": True}),
    (optim.AdamW, adamw, {"lr": 0.1}),
    (optim.AdamW, adamw, {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
]


@pytest.mark.parametrize(("kind", "formula", "settings"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_follow_the_formula(kind, formula, settings, dtype):
    found = run(lambda params: kind(params, **settings), getattr(dlcore, dtype))
    expected, states = start(), [{} for _ in SHAPES]
    for t, step in enumerate(gradients(1), 1):
        expected = [formula(w, g, state, t, **settings) for w, g, state in zip(expected, step, states, strict=True)]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12 if dtype == "float64" else 2e-5, atol=1e-6)


def quadratic(param):
    return ((param - 3) ** 2).sum()


@pytest.mark.parametrize(("kind", "_formula", "settings"), CASES)
def test_a_loaded_state_goes_on_as_if_nothing_had_happened(kind, _formula, settings):
    def steps(param, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            quadratic(param).backward()
            optimizer.step()

    whole = nn.Parameter(dlcore.ones(4))
    optimizer = kind([whole], **settings)
    steps(whole, optimizer, 3)
    half = nn.Parameter(whole.detach().clone())
    resumed = kind([half], lr=77.0)
    resumed.load_state_dict(optimizer.state_dict())
    steps(whole, optimizer, 3)
    steps(half, resumed, 3)
    assert dlcore.equal(whole, half)


def test_layout_of_the_state_dict_is_pytorchs():
    params = [nn.Parameter(dlcore.ones(2)), nn.Parameter(dlcore.ones(3))]
    optimizer = optim.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}], lr=0.25)
    sum(quadratic(param) for param in params).backward()
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert [group["lr"] for group in state["param_groups"]] == [0.25, 0.5]
    assert sorted(state["state"][1]) == ["exp_avg", "exp_avg_sq", "step"]
    assert state["state"][1]["step"] == 1
    momentum = optim.SGD(params, lr=0.1, momentum=0.5)
    momentum.step()
    assert list(momentum.state_dict()["state"][0]) == ["momentum_buffer"]


@pytest.mark.filterwarnings("ignore:.*received no gradient")
def test_parameters_without_gradient_wait():
    used, unused = nn.Parameter(dlcore.ones(1)), nn.Parameter(dlcore.ones(1))
    for kind in (optim.Adam, lambda p: optim.SGD(p, momentum=0.9)):
        optimizer = kind([used, unused])
        quadratic(used).backward()
        optimizer.step()
        assert unused.item() == 1
        assert unused not in [param for param, state in optimizer.state.items() if state and param is unused]
        optimizer.zero_grad()
    adam_optimizer = optim.Adam([used, unused], lr=0.1)
    for loss in (quadratic(used), quadratic(used) + quadratic(unused)):
        adam_optimizer.zero_grad()
        loss.backward()
        adam_optimizer.step()
    steps = [state["step"] for state in adam_optimizer.state_dict()["state"].values()]
    assert steps == [2, 1]
    assert unused.item() == pytest.approx(1.1)


def test_zero_grad_and_closure():
    param = nn.Parameter(dlcore.ones(1))
    optimizer = optim.SGD([param], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = quadratic(param)
        loss.backward()
        return loss

    with dlcore.no_grad():
        assert optimizer.step(closure).item() == 4
    assert param.item() == 3
    optimizer.zero_grad(set_to_none=False)
    assert param.grad.tolist() == [0]
    optimizer.zero_grad()
    assert param.grad is None


def test_groups_that_cannot_be():
    param = nn.Parameter(dlcore.ones(1))
    for params, error, message in [
        ([], ValueError, "empty parameter list"),
        (param, TypeError, "put the tensor in a list"),
        ([3], TypeError, "trains tensors, got int"),
        ([param, param], ValueError, "twice in one group"),
        ([{"params": [param]}, {"params": param}], ValueError, "in more than one group"),
        ([param * 2], ValueError, "result of an operation"),
        ([{"params": {param}}], TypeError, "not a set"),
    ]:
        with pytest.raises(error, match=message):
            optim.SGD(params)
    for kind, settings, message in [
        (optim.SGD, {"lr": -1}, "SGD: lr must be at least 0, got -1"),
        (optim.SGD, {"lr": math.nan}, "got nan"),
        (optim.SGD, {"nesterov": True}, "nesterov needs momentum"),
        (optim.Adam, {"betas": (1.0, 0.9)}, r"Adam: beta1 must be in \[0, 1\), got 1.0"),
        (optim.Adam, {"betas": (0.9, dlcore.tensor(0.99))}, "betas must be both numbers or both tensors"),
        (optim.AdamW, {"foreach": True, "fused": True}, "AdamW: foreach=True goes neither with fused=True"),
        (optim.Adam, {"lr": dlcore.tensor(0.1), "foreach": True}, "lr or betas that are tensors"),
        (optim.AdamW, {"weight_decay": -1}, "AdamW: weight_decay"),
    ]:
        with pytest.raises(ValueError, match=message):
            kind([param], **settings)
    optimizer = optim.SGD([param])
    with pytest.raises(ValueError, match=r"groups of \[2\] parameters given, groups of \[1\] needed"):
        optimizer.load_state_dict(optim.SGD([nn.Parameter(dlcore.ones(1)) for _ in range(2)]).state_dict())


def rates(make, steps, lr=1.0):
    optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))], lr=lr, momentum=0.9)
    scheduler = make(optimizer)
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        assert scheduler.get_last_lr() == [optimizer.param_groups[0]["lr"]]
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_a_setting_may_be_required():
    from dlcore.optim.optimizer import Optimizer, required

    class Descent(Optimizer):
        def __init__(self, params, lr=required):
            super().__init__(params, {"lr": lr})

    weight = dlcore.ones(1, requires_grad=True)
    for optimizer in (Descent([weight], lr=2), Descent([{"params": [weight], "lr": 2}])):
        assert optimizer.param_groups[0]["lr"] == 2
    with pytest.raises(ValueError, match="Descent: a parameter group has no value for 'lr'"):
        Descent([weight])


@pytest.mark.filterwarnings("ignore:.*no parameter has a gradient")
def test_known_rates():
    assert rates(lambda o: lr_scheduler.StepLR(o, 2, 0.5), 5) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert rates(lambda o: lr_scheduler.LambdaLR(o, lambda n: 1 / (n + 1)), 3, 2.0) == [2, 1, 2 / 3, 0.5]
    cosine = rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 4, 0.2), 8)
    assert cosine == pytest.approx([1, 0.8828427, 0.6, 0.3171573, 0.2, 0.3171573, 0.6, 0.8828427, 1])
    # as PyTorch 2.13 gives them
    one = rates(lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=10), 9)
    assert one == pytest.approx(
        [0.04, 0.52, 1, 0.9504846, 0.8117456, 0.6112620, 0.3887420, 0.1882584, 0.0495194, 4e-6], rel=1e-5
    )
    three = rates(
        lambda o: lr_scheduler.OneCycleLR(
            o, 1.0, epochs=2, steps_per_epoch=5, anneal_strategy="linear", three_phase=True
        ),
        9,
    )
    assert three == pytest.approx(
        [0.04, 0.52, 1, 0.52, 0.04, 0.0320008, 0.0240016, 0.0160024, 0.0080032, 4e-6], rel=1e-5
    )


@pytest.mark.parametrize(
    ("make", "expected"),
    [  # the expected rates are those of PyTorch 2.13
        (lambda o: lr_scheduler.MultiStepLR(o, [1, 3, 3], 0.5), [1.0, 0.5, 0.5, 0.125, 0.125, 0.125, 0.125, 0.125]),
        (lambda o: lr_scheduler.ConstantLR(o, 0.25, 2), [0.25, 0.25, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        (lambda o: lr_scheduler.LinearLR(o, 0.2, 0.8, 3), [0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8, 0.8]),
        (lambda o: lr_scheduler.ExponentialLR(o, 0.9), [1.0, 0.9, 0.81, 0.729, 0.6561, 0.59049, 0.531441, 0.4782969]),
        (lambda o: lr_scheduler.PolynomialLR(o, 4, 2.0), [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0, 0.0, 0.0]),
        (
            lambda o: lr_scheduler.MultiplicativeLR(o, lambda n: 1 / n),
            [1.0, 1.0, 0.5, 0.1666667, 0.04166667, 0.008333333, 0.001388889, 0.0001984127],
        ),
        (
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 2, 0.1),
            [1.0, 0.55, 1.0, 0.8681981, 0.55, 0.2318019, 1.0, 0.9657458],
        ),
        (
            lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, 2, 3, "triangular2"),
            [0.1, 0.55, 1.0, 0.7, 0.4, 0.1, 0.325, 0.55],
        ),
        (
            lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, 2, mode="exp_range", gamma=0.9),
            [0.1, 0.505, 0.829, 0.42805, 0.1, 0.3657205, 0.5782969, 0.3152336],
        ),
        (
            lambda o: lr_scheduler.SequentialLR(
                o,
                [lr_scheduler.ConstantLR(o, 0.1, 9), lr_scheduler.ExponentialLR(o, 0.9), lr_scheduler.StepLR(o, 2)],
                [2, 4],
            ),
            [0.1, 0.1, 1.0, 0.9, 1.0, 1.0, 0.1, 0.1],
        ),
        (
            lambda o: lr_scheduler.ChainedScheduler(
                [lr_scheduler.LinearLR(o, 0.5, total_iters=3), lr_scheduler.ExponentialLR(o, 0.9)]
            ),
            [0.5, 0.6, 0.675, 0.729, 0.6561, 0.59049, 0.531441, 0.4782969],
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*no parameter has a gradient")
def test_rates_are_those_of_pytorch(make, expected):
    def resumed(optimizer):
        first = make(optimizer)
        for _ in range(3):
            optimizer.step()
            first.step()
        states = optimizer.state_dict(), first.state_dict()
        twin = make(optimizer)
        optimizer.load_state_dict(states[0])
        twin.load_state_dict(states[1])
        return twin

    assert rates(make, 7) == pytest.approx(expected)
    optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))], lr=1.0, momentum=0.9)
    scheduler = resumed(optimizer)
    found = []
    for _ in range(4):
        scheduler.step()
        found += scheduler.get_last_lr()
    assert found == pytest.approx(expected[4:])


def test_a_plateau_reduces_the_rate():
    optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5, cooldown=1, min_lr=0.2)
    found = []
    for loss in (3.0, 2.0, 2.0, dlcore.tensor(1.99999), 2.5, 2.5, 2.5, 2.5, 2.5, 2.5, 1.0):
        scheduler.step(loss)
        found += scheduler.get_last_lr()
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2]
    best = lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=0, threshold=0.1, threshold_mode="abs")
    best.step(0.5)
    best.step(0.61)
    assert best.get_last_lr() == [0.2]
    best.step(0.7)
    assert best.get_last_lr() == pytest.approx([0.02])


def test_names_of_parameters_are_kept():
    model = nn.Linear(2, 3)
    optimizer = optim.SGD(model.named_parameters(), lr=1.0)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["params"] == [model.weight, model.bias]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="either all parameter groups have names or none"):
        optimizer.add_param_group({"params": [dlcore.zeros(1)]})
    with pytest.raises(ValueError, match="either all parameters of a group have names or none"):
        optim.SGD([("weight", model.weight), model.bias])


@pytest.mark.filterwarnings("ignore:.*no parameter has a gradient")
def test_one_cycle_moves_momentum_the_other_way():
    for kind, momentum in ((optim.SGD, "momentum"), (optim.Adam, "betas")):
        settings = {"momentum": 0.9} if kind is optim.SGD else {}
        optimizer = kind([nn.Parameter(dlcore.ones(1))], lr=1, **settings)
        scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=10)
        found = []
        for _ in range(10):
            value = optimizer.param_groups[0][momentum]
            found.append(value[0] if kind is optim.Adam else value)
            optimizer.step()
            scheduler.step()
        assert found[0] == pytest.approx(0.95)
        assert min(found) == found[2] == pytest.approx(0.85)
        assert found[-1] == pytest.approx(0.95)
        with pytest.raises(ValueError, match="step 11 of a cycle of 10"):
            scheduler.step()


@pytest.mark.filterwarnings("ignore:.*no parameter has a gradient")
def test_several_schedules_may_be_stepped_in_turn_and_rates_changed_by_hand():
    optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))], lr=1.0)
    schedulers = lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2), lr_scheduler.ExponentialLR(optimizer, 0.5)
    found = []
    for step in range(5):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
        if step == 3:
            optimizer.param_groups[0]["lr"] = 3.0
    assert found == [0.5, 0.375, 0.25, 0.125, 3.0]
    assert schedulers[1].get_last_lr() == [1.5]


@pytest.mark.filterwarnings("ignore:.*no parameter has a gradient")
def test_schedules_go_to_a_step_by_its_number():
    optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))], lr=1.0)
    scheduler = lr_scheduler.StepLR(optimizer, 2, 0.5)
    scheduler.step(5)
    assert scheduler.get_last_lr() == [0.25]
    waves = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 2, 2)
    waves.step(2 + 1 / 2)
    assert (waves.last_epoch, waves.T_cur, waves.T_i) == (2, 0.5, 4)
    assert waves.get_last_lr() == pytest.approx([(1 + math.cos(math.pi / 8)) / 2])
    with pytest.raises(ValueError, match="epoch must be at least 0"):
        waves.step(-1)


KEYS = {"_get_lr_called_within_step", "_is_initial", "_last_lr", "_step_count", "base_lrs", "last_epoch"}


@pytest.mark.parametrize(
    ("make", "keys"),
    [  # the keys are those of PyTorch 2.13
        (lambda o: lr_scheduler.StepLR(o, 2), KEYS | {"gamma", "step_size"}),
        (lambda o: lr_scheduler.MultiStepLR(o, [2]), KEYS | {"gamma", "milestones"}),
        (lambda o: lr_scheduler.LambdaLR(o, lambda n: 1.0), KEYS | {"lr_lambdas"}),
        (lambda o: lr_scheduler.CosineAnnealingLR(o, 2), KEYS | {"T_max", "eta_min"}),
        (
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2),
            KEYS | {"T_0", "T_cur", "T_i", "T_mult", "eta_min"},
        ),
        (
            lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0),
            KEYS
            | {"_scale_fn_custom", "base_momentums", "cycle_momentum", "gamma", "max_lrs", "max_momentums", "mode"}
            | {"scale_mode", "step_ratio", "total_size", "use_beta1"},
        ),
        (
            lambda o: lr_scheduler.OneCycleLR(o, 1.0, 10),
            KEYS | {"_anneal_func_type", "_schedule_phases", "cycle_momentum", "total_steps", "use_beta1"},
        ),
        (
            lr_scheduler.ReduceLROnPlateau,
            {"_last_lr", "best", "cooldown", "cooldown_counter", "default_min_lr", "eps", "factor", "last_epoch"}
            | {"min_lrs", "mode", "mode_worse", "num_bad_epochs", "patience", "threshold", "threshold_mode"},
        ),
        (
            lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.ConstantLR(o), lr_scheduler.StepLR(o, 2)], [2]),
            {"_last_lr", "_milestones", "_schedulers", "last_epoch"},
        ),
        (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(o, 2)]), {"_last_lr", "_schedulers"}),
    ],
)
def test_states_of_schedules_have_pytorchs_keys(make, keys):
    assert set(make(optim.SGD([nn.Parameter(dlcore.ones(1))], momentum=0.9)).state_dict()) == keys


def test_callable_objects_are_part_of_a_schedules_state():
    class Halved:
        def __init__(self, every):
            self.every = every

        def __call__(self, step):
            return 0.5 ** (step // self.every)

    for make in (
        lambda o, f: lr_scheduler.LambdaLR(o, [f]),
        lambda o, f: lr_scheduler.MultiplicativeLR(o, [f]),
        lambda o, f: lr_scheduler.CyclicLR(o, 0.1, 1.0, scale_fn=f, cycle_momentum=False),
    ):
        state = make(optim.SGD([nn.Parameter(dlcore.ones(1))]), Halved(3)).state_dict()
        function = Halved(5)
        make(optim.SGD([nn.Parameter(dlcore.ones(1))]), function).load_state_dict(state)
        assert function.every == 3


@pytest.mark.filterwarnings("ignore:.*no parameter has a gradient")
def test_schedules_inside_schedules():
    def rates(make):
        optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))], lr=1.0)
        scheduler, found = make(optimizer), []
        for _ in range(6):
            found += scheduler.get_last_lr()
            optimizer.step()
            scheduler.step()
        return found

    def both(o):
        return lr_scheduler.ChainedScheduler([lr_scheduler.ConstantLR(o, 0.5, 2), lr_scheduler.ExponentialLR(o, 0.5)])

    def warm(o):
        return lr_scheduler.ConstantLR(o, 0.25, 9)

    assert rates(lambda o: lr_scheduler.SequentialLR(o, [both(o), warm(o)], [3])) == [0.5, 0.25, 0.25, 0.25, 0.25, 0.25]
    assert rates(lambda o: lr_scheduler.SequentialLR(o, [warm(o), both(o)], [3])) == [0.25, 0.25, 0.25, 0.5, 0.25, 0.25]
    nested = rates(
        lambda o: lr_scheduler.SequentialLR(
            o, [warm(o), lr_scheduler.SequentialLR(o, [warm(o), lr_scheduler.StepLR(o, 1, 0.5)], [1])], [2]
        )
    )
    assert nested == [0.25, 0.25, 0.25, 1.0, 0.5, 0.25]


@pytest.mark.filterwarnings("ignore:.*no parameter has a gradient")
def test_schedules_resume():
    optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))], lr=1.0)
    scheduler = lr_scheduler.StepLR(optimizer, 2, 0.5)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    twin_optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))], lr=1.0)
    twin = lr_scheduler.StepLR(twin_optimizer, 9)
    twin_optimizer.load_state_dict(optimizer.state_dict())
    twin.load_state_dict(scheduler.state_dict())
    scheduler.step()
    twin.step()
    assert twin.get_last_lr() == scheduler.get_last_lr() == [0.25]
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(optim.SGD([nn.Parameter(dlcore.ones(1))]), 2, last_epoch=3)


def test_schedules_that_cannot_be():
    optimizer = optim.SGD([nn.Parameter(dlcore.ones(1))], lr=1.0)
    for make, message in [
        (lambda: lr_scheduler.StepLR(optimizer, 0), "step_size"),
        (lambda: lr_scheduler.CosineAnnealingLR(optimizer, 0), "T_max"),
        (lambda: lr_scheduler.OneCycleLR(optimizer, 1.0), "total_steps"),
        (lambda: lr_scheduler.ConstantLR(optimizer, 1.5), "factor"),
        (lambda: lr_scheduler.LinearLR(optimizer, 0.0), "start_factor"),
        (lambda: lr_scheduler.LinearLR(optimizer, 0.5, 2.0), "end_factor"),
        (lambda: lr_scheduler.PolynomialLR(optimizer, 0), "total_iters"),
        (lambda: lr_scheduler.MultiplicativeLR(optimizer, [abs, abs]), "2 functions for 1 groups"),
        (lambda: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 0), "T_0"),
        (lambda: lr_scheduler.CyclicLR(optimizer, 0.1, 1.0, mode="square"), "mode"),
        (lambda: lr_scheduler.CyclicLR(optimizer, [0.1, 0.2], 1.0), "2 values of base_lr for 1 groups"),
        (lambda: lr_scheduler.ReduceLROnPlateau(optimizer, factor=1.0), "factor"),
        (lambda: lr_scheduler.ReduceLROnPlateau(optimizer, "least"), "mode"),
        (lambda: lr_scheduler.SequentialLR(optimizer, [lr_scheduler.StepLR(optimizer, 1)], [1]), "1 milestones for 1"),
        (lambda: lr_scheduler.ChainedScheduler([]), "at least one"),
        (lambda: lr_scheduler.OneCycleLR(optimizer, 1.0, 10, pct_start=2), "pct_start"),
        (lambda: lr_scheduler.OneCycleLR(optimizer, 1.0, 10, anneal_strategy="cubic"), "anneal_strategy"),
        (lambda: lr_scheduler.LambdaLR(optimizer, [abs, abs]), "2 functions for 1 groups"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(TypeError, match="takes an Optimizer"):
        lr_scheduler.StepLR(nn.Linear(1, 1), 1)
