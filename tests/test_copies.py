"""`copy.deepcopy` and `pickle` of layers, models, optimizers and schedules: the same results, and nothing shared."""

import copy
import pickle

import dlcore
import numpy as np
import pytest
from dlcore import models, nn, optim
from dlcore.nn.utils import parametrizations, parametrize
from dlcore.optim import lr_scheduler
from layer_cases import CASES, LAYERS, numbers

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x))}
both = pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)

# What is not called: what others derive from, and containers without a `forward`.
ABSTRACT = {"Module", "RNNCellBase", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}


def flat(value):
    """All tensors in what a layer returns."""
    if isinstance(value, dlcore.Tensor):
        return [value]
    return [tensor for part in value if part is not None for tensor in flat(part)]


def results(layer, inputs):
    """Outputs, gradients and state after a step of training, from the same random numbers."""
    dlcore.manual_seed(0)
    outputs = flat(layer(*inputs))
    losses = [output.square().sum() for output in outputs if output.requires_grad]
    if losses:
        layer.zero_grad()
        sum(losses).backward()
    gradients = [p.grad for p in layer.parameters() if p.grad is not None]
    return [x.detach().numpy().copy() for x in (*outputs, *gradients, *layer.state_dict().values())]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def example(name):
    args, kwargs, inputs = CASES.get(name, ((), {}, (numbers(6, 4),)))
    dlcore.manual_seed(0)
    return LAYERS[name](*copy.deepcopy(args), **kwargs), inputs


@both
@pytest.mark.parametrize("name", sorted(set(LAYERS) - ABSTRACT))
def test_copies_of_a_layer_do_the_same_and_share_nothing(name, make):
    layer, inputs = example(name)
    before = make(layer)
    expected = results(layer, inputs)
    assert type(make(layer)) is type(layer)
    assert repr(make(layer)) == repr(layer)
    assert_same(results(before, inputs), expected)
    after, expected = make(layer), results(copy.deepcopy(layer), inputs)
    memory = {x.data_ptr() for x in (*layer.parameters(), *layer.buffers()) if x.numel()}
    assert not memory & {x.data_ptr() for x in (*after.parameters(), *after.buffers())}
    with dlcore.no_grad():
        for x in (*layer.parameters(), *layer.buffers()):
            x.zero_()
    layer.eval()
    assert_same(results(after, inputs), expected)


TOKENS = dlcore.tensor([[1, 2, 3]])
MODELS = {
    "LeNet": (lambda: models.LeNet(4), numbers(2, 1, 28, 28)),
    "ResNet": (lambda: models.ResNet(nn.ResidualBlock, (1, 1, 1, 1), 4), numbers(2, 3, 32, 32)),
    "ViT": (lambda: models.ViT(8, 4, 4, 3, dim=16, depth=2, heads=2, mlp_dim=32), numbers(2, 3, 8, 8)),
    "UNet": (lambda: models.UNet(width=4, depth=2), numbers(1, 1, 16, 16)),
    "VAE": (lambda: models.VAE(16, 8, 32), numbers(2, 16)),
    "CharLSTM": (lambda: models.CharLSTM(11, 16, 2), TOKENS),
    "GPT": (lambda: models.GPT(11, 8, 2, 2, 16), TOKENS),
    "BERT": (lambda: models.BERT(11, 16, 2, 2, 32, max_position_embeddings=8), TOKENS),
}


@both
@pytest.mark.parametrize("name", MODELS)
def test_models_are_copied_after_a_step(name, make):
    dlcore.manual_seed(0)
    model, x = MODELS[name][0](), MODELS[name][1]
    results(model, (x,))
    twin = make(model)
    expected = results(model, (x,))
    with dlcore.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert_same(results(twin, (x,)), expected)
    assert [name for name, _ in twin.named_parameters()] == [name for name, _ in model.named_parameters()]


@both
def test_containers_are_copied_with_what_they_hold(make):
    shared = nn.Linear(2, 2)
    model = nn.ModuleDict(
        {
            "list": nn.ModuleList([shared, shared, nn.ReLU()]),
            "scales": nn.ParameterList([dlcore.ones(2), 3]),
            "named": nn.ParameterDict({"a": dlcore.ones(1)}),
            "sequence": nn.Sequential(nn.ModuleDict({"x": shared}), nn.BatchNorm1d(2)),
        }
    )
    model["scales"].append(model["named"]["a"])
    twin = make(model)
    assert repr(twin) == repr(model)
    assert list(twin.state_dict()) == list(model.state_dict())
    assert [name for name, _ in twin.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert twin["list"][0] is twin["list"][1] is twin["sequence"][0]["x"]
    assert twin["scales"][2] is twin["named"]["a"]
    twin["list"].append(nn.Tanh())
    twin["scales"].append(dlcore.ones(1))
    twin["named"]["b"] = dlcore.ones(1)
    del twin["sequence"]
    assert [len(model[name]) for name in ("list", "scales", "named")] == [3, 3, 1]
    assert "sequence" in model


class Counted(nn.Module):
    """Shared parameters, buffers of both kinds, an attribute and hooks, its own and from outside."""

    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(4, 4), nn.Linear(4, 4)
        self.decode.weight = self.encode.weight
        self.register_buffer("calls", dlcore.zeros(1))
        self.register_buffer("noise", dlcore.ones(4), persistent=False)
        self.last = nn.Buffer(dlcore.zeros(1))
        self.log = []
        self.register_forward_hook(remember)

    def forward(self, x):
        self.calls += 1
        return self.decode(self.encode(x).relu()) + self.noise


def remember(module, _args, output):
    module.log.append(tuple(output.shape))


def halve(_module, args):
    return (args[0] / 2,)


@both
def test_hooks_buffers_and_shared_parameters_are_copied(make):
    model, x = Counted(), numbers(3, 4)
    handle = model.encode.register_forward_pre_hook(halve)
    model.encode.weight.requires_grad_(False)
    expected = results(model, (x,))
    twin = make(model)
    assert (twin.log, twin.calls.tolist()) == ([(3, 4)], [1])
    assert twin.decode.weight is twin.encode.weight
    assert not twin.encode.weight.requires_grad
    assert list(twin.state_dict()) == list(model.state_dict())
    assert sorted(name for name, _ in twin.named_buffers()) == ["calls", "last", "noise"]
    twin.calls.zero_()
    assert_same(results(twin, (x,)), expected)
    assert (len(twin.log), len(model.log)) == (2, 1)
    handle.remove()
    assert not dlcore.equal(twin.encode(x), model.encode(x))
    assert list(twin.encode._hooks["forward_pre"].values()) == [(halve, False)]
    twin.register_forward_hook(halve)
    assert len(model._hooks["forward"]) == 1


@both
@pytest.mark.parametrize("wrap", ["weight_norm", "spectral_norm", "orthogonal"])
def test_parametrizations_are_copied(wrap, make):
    dlcore.manual_seed(0)
    layer, x = getattr(parametrizations, wrap)(nn.Linear(4, 4)), numbers(3, 4)
    layer(x)
    twin = make(layer)
    assert repr(twin) == repr(layer)
    expected = results(copy.deepcopy(layer), (x,))
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    assert_same(results(twin, (x,)), expected)
    parametrize.remove_parametrizations(twin, "weight")
    assert type(twin) is nn.Linear
    assert twin.weight.shape == (4, 4)


OPTIMIZERS = {
    name: found
    for name in optim.__all__
    if isinstance(found := getattr(optim, name), type) and issubclass(found, optim.Optimizer)
}
del OPTIMIZERS["Optimizer"]
OPTIMIZERS["Lookahead"] = lambda params, lr: optim.Lookahead(optim.Adam(params, lr=lr), k=2)
OPTIMIZERS["SAM"] = lambda params, lr: optim.SAM(params, optim.Adam, lr=lr)

SCHEDULERS = {
    "LambdaLR": ([lambda epoch: 0.9**epoch], {}),
    "MultiplicativeLR": ([lambda epoch: 0.9 + 0.01 * epoch], {}),
    "StepLR": ([2], {}),
    "MultiStepLR": ([[1, 5]], {}),
    "ConstantLR": ([], {"total_iters": 5}),
    "LinearLR": ([], {}),
    "ExponentialLR": ([0.9], {}),
    "PolynomialLR": ([5], {}),
    "CosineAnnealingLR": ([5], {}),
    "CosineAnnealingWarmRestarts": ([4], {}),
    "CyclicLR": ([0.01, 0.1], {"step_size_up": 3}),
    "OneCycleLR": ([0.1], {"total_steps": 20}),
    "ReduceLROnPlateau": ([], {"patience": 0}),
    "CosineDecay": ([10], {}),
    "ExponentialDecay": ([10, 0.5], {}),
    "InverseTimeDecay": ([10, 0.5], {}),
    "PolynomialDecay": ([10], {}),
    "PiecewiseConstantDecay": ([[4], [0.1, 0.2]], {}),
    "WarmupCosineLR": ([3, 9], {}),
    "WarmupStableDecayLR": ([3, 2, 4], {}),
    "InverseSqrtLR": ([3], {}),
    "NoamLR": ([8, 3], {}),
}


def scheduled(name, optimizer):
    """The schedule of that name, those that are made of others with some of them."""
    if name == "ChainedScheduler":
        return lr_scheduler.ChainedScheduler([scheduled("ExponentialLR", optimizer), scheduled("LinearLR", optimizer)])
    if name == "SequentialLR":
        parts = [scheduled("LinearLR", optimizer), scheduled("ExponentialLR", optimizer)]
        return lr_scheduler.SequentialLR(optimizer, parts, [4])
    args, kwargs = SCHEDULERS[name]
    return getattr(lr_scheduler, name)(optimizer, *args, **kwargs)


def net():
    return nn.Sequential(nn.Linear(4, 3, bias=False), nn.Tanh(), nn.Linear(3, 2, bias=False))


def train(model, optimizer, scheduler, steps):
    """Parameters and rates after some steps."""
    x = numbers(3, 4)

    def closure():
        optimizer.zero_grad()
        loss = (model(x) - 1).square().sum()
        loss.backward()
        return loss

    for step in range(steps):
        optimizer.step(closure)
        if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            scheduler.step(step + 1.0)
        elif scheduler is not None:
            scheduler.step()
    return [p.detach().numpy().copy() for p in model.parameters()] + [group["lr"] for group in optimizer.param_groups]


@both
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_optimizers_go_on_from_a_copy(name, make):
    dlcore.manual_seed(0)
    model = net()
    optimizer = OPTIMIZERS[name](model.parameters(), lr=0.01)
    train(model, optimizer, None, 3)
    (twin, copied), state = make((model, optimizer)), make(optimizer.state_dict())
    resumed_model = make(model)
    resumed = OPTIMIZERS[name](resumed_model.parameters(), lr=0.5)
    resumed.load_state_dict(state)
    expected = train(model, optimizer, None, 3)
    assert_same(train(twin, copied, None, 3), expected)
    assert_same(train(resumed_model, resumed, None, 3), expected)


@both
@pytest.mark.parametrize("name", sorted({*lr_scheduler.__all__} - {"LRScheduler"}))
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step")
def test_schedulers_go_on_from_a_copy(name, make):
    if make is not copy.deepcopy and name in ("LambdaLR", "MultiplicativeLR"):
        pytest.skip("functions without a name have no pickles")
    dlcore.manual_seed(0)
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
    scheduler = scheduled(name, optimizer)
    train(model, optimizer, scheduler, 3)
    twin, copied, schedule = make((model, optimizer, scheduler))
    third, states = make(model), make((optimizer.state_dict(), scheduler.state_dict()))
    rates, expected = scheduler.get_last_lr(), train(model, optimizer, scheduler, 3)
    assert rates != scheduler.get_last_lr()
    assert schedule.get_last_lr() == rates
    assert_same(train(twin, copied, schedule, 3), expected)
    another = optim.SGD(third.parameters(), lr=0.05, momentum=0.5)
    resumed = scheduled(name, another)
    another.load_state_dict(states[0])
    resumed.load_state_dict(states[1])
    assert_same(train(third, another, resumed, 3), expected)


@both
def test_views_are_copied_each_by_itself_and_one_object_stays_one(make):
    base = dlcore.zeros(4)
    copied, view, again = make((base, base[1:], base))
    assert again is copied
    copied.fill_(5.0)
    assert view.tolist() == [0, 0, 0]
    assert base.tolist() == [0, 0, 0, 0]
