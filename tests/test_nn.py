"""Modules: what is registered, what is saved, what is said when something does not fit."""

import copy
import math

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import nn


class SimpleNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        return self.fc2(dlcore.relu(self.fc1(x)))


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(3))
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def test_names_follow_the_order_of_assignment():
    assert [name for name, _ in SimpleNet().named_parameters()] == [
        "fc1.weight",
        "fc1.bias",
        "fc2.weight",
        "fc2.bias",
    ]
    deep = Deep()
    assert [name for name, _ in deep.named_modules()][:4] == ["", "blocks", "blocks.0", "blocks.0.0"]
    assert [name for name, _ in deep.named_buffers()] == [
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
    ]
    assert [name for name, _ in deep.named_children()] == ["blocks", "norm"]
    assert list(deep.state_dict())[-5:] == [
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
    ]


def test_shared_parameters_come_once_but_are_saved_under_both_names():
    model = nn.Module()
    model.a = nn.Linear(2, 2)
    model.b = nn.Linear(2, 2)
    model.b.weight = model.a.weight
    assert len(list(model.parameters())) == 3
    assert len(model.state_dict()) == 4


def test_a_module_without_super_init_works():
    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 1)

        def forward(self, x):
            return self.layer(x)

    assert Forgetful()(dlcore.zeros(3, 2)).shape == (3, 1)


def test_replacing_a_parameter_by_a_tensor_is_refused():
    layer = nn.Linear(2, 2)
    with pytest.raises(
        TypeError, match=r"cannot assign Tensor to the Parameter Linear\.weight: wrap it in nn\.Parameter"
    ):
        layer.weight = dlcore.zeros(2, 2)
    with pytest.raises(TypeError, match="cannot assign int to the Module"):
        SimpleNet().fc1 = 3
    layer.weight = nn.Parameter(dlcore.zeros(2, 2))
    layer.bias = None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


@pytest.mark.parametrize("name", ["", "a.b"])
def test_names_that_cannot_be_paths_are_refused(name):
    with pytest.raises(KeyError, match="must not be empty or hold a dot"):
        nn.Module().register_buffer(name, dlcore.zeros(1))


def test_registering_over_a_method_is_refused():
    with pytest.raises(KeyError, match="'forward' already exists"):
        nn.Module().register_parameter("forward", nn.Parameter(dlcore.zeros(1)))


def test_buffers_follow_the_module_and_persist_when_asked():
    model = nn.Module()
    model.register_buffer("kept", dlcore.ones(2))
    model.register_buffer("scratch", dlcore.ones(2), persistent=False)
    model.register_buffer("none", None)
    assert list(model.state_dict()) == ["kept"]
    assert [name for name, _ in model.named_buffers()] == ["kept", "scratch"]
    model.double()
    assert model.kept.dtype == dlcore.float64
    model.kept = dlcore.zeros(2)
    assert model.state_dict()["kept"].tolist() == [0, 0]
    del model.kept
    assert list(model.state_dict()) == []


def test_load_state_dict_names_everything_that_does_not_fit():
    model = SimpleNet()
    before = model.fc2.bias.tolist()
    state = {name: tensor * 0 for name, tensor in model.state_dict().items()}
    state["fc1.wieght"] = state.pop("fc1.weight")
    state["fc1.bias"] = dlcore.zeros(3)
    with pytest.raises(RuntimeError) as caught:
        model.load_state_dict(state)
    assert str(caught.value).splitlines() == [
        "load_state_dict of SimpleNet:",
        "  fc1.bias: shape (3,) given, (128,) needed",
        "  missing: fc1.weight",
        "  unexpected: fc1.wieght (is it fc1.weight?)",
    ]
    assert model.fc2.bias.tolist() == before, "nothing may be copied when something does not fit"


def test_load_state_dict_not_strict_returns_what_it_left_out():
    model = nn.Linear(2, 1)
    found = model.load_state_dict({"weight": dlcore.ones(1, 2), "extra": dlcore.ones(1)}, strict=False)
    assert found == (["bias"], ["extra"])
    assert model.weight.tolist() == [[1.0, 1.0]]
    assert model.weight.requires_grad


def test_load_state_dict_converts_dtypes():
    model = nn.Linear(2, 1)
    model.load_state_dict({"weight": dlcore.ones(1, 2, dtype=dlcore.float64), "bias": dlcore.zeros(1)})
    assert model.weight.dtype == dlcore.float32


def test_errors_carry_the_path_of_the_module():
    with pytest.raises(dlcore.ShapeError) as caught:
        SimpleNet()(dlcore.zeros(2, 3))
    assert str(caught.value).startswith(
        "SimpleNet.fc1 (Linear(in_features=784, out_features=128, bias=True)): linear: "
    )
    with pytest.raises(dlcore.ShapeError, match=r"^Deep\.blocks\.0\.0 \(Linear\(in_features=4"):
        Deep()(dlcore.zeros(2, 3))
    with pytest.raises(dlcore.ShapeError, match=r"^Linear\(in_features=4, out_features=4, bias=True\): linear"):
        nn.Linear(4, 4)(dlcore.zeros(2, 3))


def test_an_error_of_forward_itself_names_the_class_and_keeps_its_type():
    class Picky(nn.Module):
        def forward(self, _):
            raise self.error

    for error in (ValueError("too picky"), IndexError("too picky")):
        model = Picky()
        model.error = error
        with pytest.raises(
            type(error), match=r"^Sequential\.0: too picky\n  on the way: Sequential \(1,\) → 0 \(1,\)"
        ) as caught:
            nn.Sequential(model)(dlcore.zeros(1))
        assert caught.value is error
    model.error = UnicodeDecodeError("utf-8", b"x", 0, 1, "kept")
    with pytest.raises(UnicodeDecodeError, match="kept"):
        model(dlcore.zeros(1))


def test_a_located_error_does_not_keep_the_trail_for_the_next_one():
    model = SimpleNet()
    messages = []
    for _ in range(2):
        with pytest.raises(dlcore.ShapeError) as caught:
            model(dlcore.zeros(2, 3))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_train_and_eval_reach_everything():
    model = Deep()
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    assert all(module.training for module in model.train().modules())
    with pytest.raises(ValueError, match="mode must be a bool"):
        model.train("yes")


def test_apply_goes_from_the_leaves_up():
    seen = []
    SimpleNet().apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "Linear", "SimpleNet"]


def test_to_double_keeps_the_parameters_trainable_and_the_same():
    model = SimpleNet()
    weight = model.fc1.weight
    model.to(dlcore.float64)
    assert model.fc1.weight is weight
    assert weight.dtype == dlcore.float64
    assert weight.requires_grad
    model(dlcore.zeros(2, 784, dtype=dlcore.float64)).sum().backward()
    assert weight.grad.dtype == dlcore.float64
    assert model.to("cpu") is model
    with pytest.raises(TypeError, match="a float dtype"):
        model.to(dlcore.int64)


def test_deepcopy_is_independent():
    model = SimpleNet()
    twin = copy.deepcopy(model)
    assert twin.fc1.weight is not model.fc1.weight
    assert isinstance(twin.fc1.weight, nn.Parameter)
    model.fc1.weight.data.zero_()
    assert twin.fc1.weight.abs().sum().item() > 0


def test_requires_grad_and_zero_grad():
    model = nn.Linear(2, 2)
    model(dlcore.ones(1, 2)).sum().backward()
    model.zero_grad(set_to_none=False)
    assert model.weight.grad.tolist() == [[0, 0], [0, 0]]
    model.zero_grad()
    assert model.weight.grad is None
    model.requires_grad_(False)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_repr_is_pytorchs():
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.ReLU())) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (1): ReLU()\n)"
    )
    conv = "Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)"
    assert repr(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)) == conv
    assert (
        repr(nn.BatchNorm2d(4))
        == "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"
    )


def test_sequential_is_a_sequence():
    a, b, c = nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)
    model = nn.Sequential(a, b)
    model.append(c)
    assert list(model) == [a, b, c]
    assert model[-1] is c
    assert list(model[:2]) == [a, b]
    assert isinstance(model[:2], nn.Sequential)
    assert b in model
    model[1] = nn.Tanh()
    assert isinstance(model[1], nn.Tanh)
    del model[0]
    assert [name for name, _ in model.named_children()] == ["0", "1"]
    model.insert(0, a)
    assert model(dlcore.zeros(1, 2)).shape == (1, 1)
    assert list(model) == [a, model[1], c]
    with pytest.raises(IndexError, match="index 3 is out of range for 3 modules"):
        model[3]
    with pytest.raises(TypeError, match="argument 1 must be a Module, got function"):
        nn.Sequential(a, dlcore.no_grad(lambda x: x).__wrapped__)


def test_sequential_takes_names():
    model = nn.Sequential({"first": nn.Linear(2, 2), "second": nn.Flatten()})
    assert list(model.state_dict()) == ["first.weight", "first.bias"]
    assert model.first.in_features == 2


def test_module_list_and_dict():
    layers = nn.ModuleList([nn.Linear(1, 1)])
    layers.extend([nn.ReLU(), nn.Tanh()])
    assert len(layers) == 3
    assert isinstance(layers[1:], nn.ModuleList)
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        layers(dlcore.zeros(1))
    heads = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    heads["c"] = nn.Tanh()
    assert list(heads) == ["a", "b", "c"]
    assert "a" in heads
    heads.pop("b")
    del heads["c"]
    assert [name for name, _ in heads.items()] == ["a"]
    heads.clear()
    assert len(heads) == 0


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [(nn.Linear(300, 200), 300), (nn.Conv2d(8, 32, 5), 200), (nn.Conv2d(8, 32, 5, groups=4), 50)],
)
def test_weights_and_biases_start_as_in_pytorch(layer, fan_in):
    bound = 1 / math.sqrt(fan_in)
    for parameter in (layer.weight, layer.bias):
        largest = parameter.detach().abs().max().item()
        assert 0.8 * bound < largest <= bound
    assert layer.weight.detach().mean().abs().item() < 0.05 * bound


def test_init_formulas():
    w = dlcore.empty(64, 16, 3, 3)
    dlcore.manual_seed(0)
    assert nn.init.xavier_normal_(w).std().item() == pytest.approx(math.sqrt(2 / (9 * 80)), rel=0.05)
    assert nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu").std().item() == pytest.approx(
        math.sqrt(2 / (9 * 64)), rel=0.05
    )
    assert nn.init.kaiming_uniform_(w, nonlinearity="relu").abs().max().item() == pytest.approx(
        math.sqrt(6 / (9 * 16)), rel=0.01
    )
    with pytest.raises(ValueError, match="at least two dimensions"):
        nn.init.xavier_uniform_(dlcore.empty(3))
    with pytest.raises(ValueError, match="unknown nonlinearity 'swish'"):
        nn.init.calculate_gain("swish")
    with pytest.raises(ValueError, match="mode must be"):
        nn.init.kaiming_uniform_(w, mode="fan")


def test_init_leaves_no_trace_in_the_graph():
    layer = nn.Linear(2, 2)
    nn.init.zeros_(layer.weight)
    assert layer.weight.is_leaf
    assert layer.weight.requires_grad


def test_the_same_seed_makes_the_same_network():
    def weights():
        dlcore.manual_seed(7)
        return SimpleNet().fc1.weight.detach()

    assert dlcore.equal(weights(), weights())


def test_conv_padding_by_name():
    x = dlcore.randn(1, 2, 9, 9)
    assert nn.Conv2d(2, 3, (3, 5), padding="same", dilation=(2, 1))(x).shape == (1, 3, 9, 9)
    assert nn.Conv2d(2, 3, 3, padding="valid")(x).shape == (1, 3, 7, 7)
    for arguments, text in [
        ({"padding": "same", "stride": 2}, "needs stride 1"),
        ({"padding": "full"}, "'valid' or 'same'"),
        ({"groups": 4}, "must divide"),
        ({"padding_mode": "mirror"}, "padding_mode must be one of zeros, reflect"),
    ]:
        with pytest.raises(ValueError, match=text):
            nn.Conv2d(2, 3, 3, **arguments)
    assert nn.Conv2d(2, 3, 4, padding="same")(x).shape == (1, 3, 9, 9)


def test_batch_norm_tracks_and_uses_statistics():
    norm = nn.BatchNorm2d(2)
    x = dlcore.randn(8, 2, 4, 4) * 3 + 5
    y = norm(x)
    assert y.detach().mean((0, 2, 3)).abs().max().item() < 1e-5
    assert norm.num_batches_tracked.item() == 1
    assert dlcore.allclose(norm.running_mean, 0.1 * x.mean((0, 2, 3)))
    unbiased = x.permute(1, 0, 2, 3).reshape(2, -1).var(1)
    assert dlcore.allclose(norm.running_var, 0.9 + 0.1 * unbiased, rtol=1e-4)
    norm.eval()
    z = norm(x)
    assert norm.num_batches_tracked.item() == 1
    assert z.detach().mean().item() > 1
    norm.reset_running_stats()
    assert norm.running_mean.tolist() == [0, 0]
    with pytest.raises(dlcore.ShapeError, match=r"expected 4 dimensions, got 2: \(8, 2\)"):
        norm(dlcore.zeros(8, 2))


def test_batch_norm_with_no_momentum_averages_all_batches():
    norm = nn.BatchNorm1d(1, momentum=None)
    norm(dlcore.tensor([[0.0], [2.0]]))
    norm(dlcore.tensor([[4.0], [6.0]]))
    assert norm.running_mean.item() == pytest.approx(3.0)


def test_dropout_only_while_training():
    dlcore.manual_seed(0)
    layer = nn.Dropout(0.5)
    y = layer(dlcore.ones(10_000))
    assert set(y.tolist()) == {0.0, 2.0}
    assert 4_500 < (y == 0).sum().item() < 5_500
    assert (layer.eval()(dlcore.ones(10)) == 1).all()
    with pytest.raises(ValueError, match=r"must be in 0\.\.1"):
        nn.Dropout(1.5)


def test_embedding_padding_row_is_zero_and_stays_so():
    layer = nn.Embedding(5, 3, padding_idx=-1)
    assert layer.padding_idx == 4
    assert layer.weight[4].tolist() == [0, 0, 0]
    layer(dlcore.tensor([4, 1])).sum().backward()
    assert layer.weight.grad[4].tolist() == [0, 0, 0]
    assert layer.weight.grad[1].tolist() == [1, 1, 1]
    with pytest.raises(IndexError, match=r"^Embedding\(5, 3, padding_idx=4\): embedding: "):
        layer(dlcore.tensor([5]))


def test_losses_are_their_functions():
    x, t = dlcore.randn(4, 3), dlcore.tensor([0, 2, 1, 1])
    weight = dlcore.tensor([1.0, 2.0, 0.5])
    assert nn.CrossEntropyLoss(weight, label_smoothing=0.1)(x, t).item() == pytest.approx(
        F.cross_entropy(x, t, weight, label_smoothing=0.1).item()
    )
    assert nn.CrossEntropyLoss(reduction="none")(x, t).shape == (4,)
    assert nn.NLLLoss()(F.log_softmax(x, 1), t).item() == pytest.approx(F.cross_entropy(x, t).item())
    assert nn.L1Loss(reduction="sum")(x, x + 1).item() == pytest.approx(12, rel=1e-5)
    y = dlcore.rand(4, 3)
    assert nn.BCEWithLogitsLoss(pos_weight=dlcore.ones(3))(x, y).item() == pytest.approx(
        nn.BCEWithLogitsLoss()(x, y).item(), rel=1e-5
    )
    with pytest.raises(ValueError, match="reduction must be"):
        nn.MSELoss(reduction="average")


def test_layers_against_formulas():
    x = dlcore.randn(5, 7)
    assert dlcore.allclose(nn.LayerNorm(7)(x).mean(1), dlcore.zeros(5), atol=1e-6)
    assert nn.LayerNorm((5, 7), bias=False).bias is None
    assert dlcore.allclose(nn.Softmax(1)(x).sum(1), dlcore.ones(5))
    assert dlcore.allclose(nn.SiLU()(x), x * nn.Sigmoid()(x), atol=1e-6)
    assert dlcore.allclose(nn.Softplus(beta=2.0)(x), dlcore.log1p(dlcore.exp(2 * x)) / 2, atol=1e-6)
    assert dlcore.allclose(nn.GELU("tanh")(x), nn.GELU()(x), atol=2e-3)
    assert nn.AvgPool2d(2, ceil_mode=True)(dlcore.ones(1, 1, 5, 5)).shape == (1, 1, 3, 3)
    values, indices = nn.MaxPool2d(2, return_indices=True)(dlcore.arange(16.0).view(1, 1, 4, 4))
    assert indices.tolist() == [[[[5, 7], [13, 15]]]]
    assert values.shape == (1, 1, 2, 2)


def test_clip_grad():
    w = dlcore.tensor([3.0, 4.0], requires_grad=True)
    (w * w / 2).sum().backward()
    assert nn.utils.clip_grad_norm_([w], 10.0).item() == pytest.approx(5)
    assert w.grad.tolist() == [3, 4]
    nn.utils.clip_grad_norm_([w], 1.0)
    assert w.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-4)
    w.grad = dlcore.tensor([math.nan, 1.0])
    with pytest.raises(dlcore.GradientError, match="is nan"):
        nn.utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)


def test_gradients_of_any_kind_are_clipped_together():
    """Also those that cannot be scaled in one go where they are: transposed, halves, the same memory twice."""
    values = dlcore.arange(1.0, 7).reshape(2, 3)
    plain, turned, double, half = (nn.Parameter(dlcore.zeros(2, 3)) for _ in range(4))
    double, half = nn.Parameter(double.detach().double()), nn.Parameter(half.detach().half())
    plain.grad, double.grad, half.grad = values.clone(), values.double(), values.half()
    turned.grad = values.T.contiguous().T
    grads = [p.grad for p in (plain, turned, double, half)]
    norm = nn.utils.clip_grad_norm_([plain, turned, double, half], 1.0)
    expected = 2 * values.norm().item()
    assert norm.item() == pytest.approx(expected)
    for p, grad in zip((plain, turned, double, half), grads, strict=True):
        assert p.grad is grad or p.grad.data_ptr() == grad.data_ptr()
        assert p.grad.flatten().tolist() == pytest.approx((values / expected).flatten().tolist(), rel=1e-3)
    twice = nn.Parameter(dlcore.zeros(2))
    twice.grad = dlcore.tensor([3.0, 4.0])
    nn.utils.clip_grad_norm_([twice, twice], 1.0)
    assert twice.grad.tolist() == pytest.approx([3 / 50, 4 / 50])
    assert str(nn.utils.clip_grad_norm_([nn.Parameter(dlcore.zeros(2))], 1.0)) == "tensor(0.)"


def test_grad_switches():
    @dlcore.no_grad()
    def quiet(x):
        return dlcore.is_grad_enabled(), x

    @dlcore.no_grad
    def quiet_too():
        return dlcore.is_grad_enabled()

    class Model:
        @dlcore.enable_grad()
        def loud(self):
            return dlcore.is_grad_enabled()

    assert quiet(3) == (False, 3)
    assert quiet.__name__ == "quiet"
    assert quiet_too() is False
    with dlcore.no_grad():
        assert Model().loud()
        assert not dlcore.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), dlcore.no_grad():
        1 / 0  # noqa: B018
    assert dlcore.is_grad_enabled()
    dlcore.set_grad_enabled(False)
    assert not dlcore.is_grad_enabled()
    dlcore.set_grad_enabled(True)
    with pytest.raises(TypeError, match="is a coroutine"):

        @dlcore.no_grad()
        async def coroutine():
            pass


def test_generators_are_switched_step_by_step():
    seen = []

    @dlcore.no_grad()
    def steps(first):
        try:
            got = yield first, dlcore.is_grad_enabled()
            try:
                yield got, dlcore.is_grad_enabled()
            except KeyError:
                yield "thrown", dlcore.is_grad_enabled()
            return "end"
        finally:
            seen.append(dlcore.is_grad_enabled())

    run = steps(1)
    assert next(run) == (1, False)
    assert dlcore.is_grad_enabled()
    assert run.send(2) == (2, False)
    assert run.throw(KeyError()) == ("thrown", False)
    with pytest.raises(StopIteration, match="end"):
        next(run)
    run = steps(1)
    next(run)
    run.close()
    assert seen == [False, False]
    assert dlcore.is_grad_enabled()


def test_autograd_grad():
    x = dlcore.tensor([2.0], requires_grad=True)
    unused = dlcore.tensor([2.0], requires_grad=True)
    y = x * x * x
    (first,) = dlcore.autograd.grad(y, x, create_graph=True)
    (second,) = dlcore.autograd.grad(first, x)
    assert (first.item(), second.item()) == (12, 12)
    assert x.grad is None
    with pytest.raises(dlcore.GradientError):
        dlcore.autograd.grad(x * 2, [x, unused])
    assert dlcore.autograd.grad(x * 2, [x, unused], allow_unused=True)[1] is None


def test_embeddings_shorten_rows_and_weigh_gradients():
    table = nn.Embedding(3, 2, max_norm=1.0, scale_grad_by_freq=True, _weight=dlcore.tensor([[3.0, 4.0]] * 3))
    found = table(dlcore.tensor([0, 2, 2]))
    assert found.detach().numpy() == pytest.approx(0.2 * table.weight.detach()[1].expand(3, 2).numpy(), rel=1e-6)
    found.sum().backward()
    assert table.weight.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
    with pytest.raises(ValueError, match=r"table of shape \(2, 2\) for 3 embeddings of size 2"):
        nn.Embedding(3, 2, _weight=dlcore.ones(2, 2))


def test_init_of_filters_and_of_sparse_matrices():
    for shape, groups in (((4, 2, 3), 2), ((6, 3, 3, 3), 1), ((2, 2, 3, 3, 3), 1)):
        w = nn.init.dirac_(nn.Parameter(dlcore.empty(*shape)), groups).detach()
        assert w.sum().item() == sum(min(shape[0] // groups, shape[1]) for _ in range(groups))
    x = dlcore.randn(1, 4, 5, 5)
    conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    nn.init.dirac_(conv.weight)
    assert dlcore.equal(conv(x), x)
    w = nn.init.sparse_(dlcore.empty(50, 20), 0.1, std=2.0)
    assert (w == 0).sum(0).tolist() == [5] * 20
    assert w.std().item() == pytest.approx(2 * math.sqrt(0.9), rel=0.1)
    with pytest.raises(ValueError, match="expected a matrix"):
        nn.init.sparse_(x, 0.1)
    with pytest.raises(ValueError, match="3 groups"):
        nn.init.dirac_(conv.weight, 3)
    generators = [dlcore.Generator().manual_seed(3) for _ in range(2)]
    first, second = (nn.init.kaiming_normal_(dlcore.empty(4, 4), generator=g) for g in generators)
    assert dlcore.equal(first, second)


def test_a_truncated_normal_distribution():
    dlcore.manual_seed(0)
    w = nn.init.trunc_normal_(dlcore.empty(20000), mean=1.0, std=2.0, a=-1.0, b=2.0)
    assert -1 <= w.min().item() < -0.98
    assert 1.99 < w.max().item() <= 2
    assert w.mean().item() == pytest.approx(0.587, abs=0.02)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3, 3)])
def test_an_orthogonal_matrix(shape):
    dlcore.manual_seed(0)
    w = nn.init.orthogonal_(dlcore.empty(*shape), gain=2.0).flatten(1)
    short = w @ w.t() if w.shape[0] <= w.shape[1] else w.t() @ w
    np.testing.assert_allclose(short.numpy(), 4 * np.eye(min(w.shape)), atol=1e-4)
    with pytest.raises(ValueError, match="two dimensions"):
        nn.init.orthogonal_(dlcore.empty(3))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_convolutions_learn_their_channels_from_the_first_input(dims):
    x = dlcore.randn(2, 3, *(5,) * dims)
    for lazy, plain in (("LazyConv", "Conv"), ("LazyConvTranspose", "ConvTranspose")):
        layer = getattr(nn, f"{lazy}{dims}d")(4, 3)
        y = layer(x)
        assert type(layer) is getattr(nn, f"{plain}{dims}d")
        assert y.shape[1] == 4
        assert layer.in_channels == 3


def test_bags_are_sums_of_rows():
    bag = nn.EmbeddingBag(6, 3, mode="sum")
    indices = dlcore.tensor([0, 2, 5, 2])
    y = bag(indices, dlcore.tensor([0, 3]))
    w = bag.weight.detach().numpy()
    np.testing.assert_allclose(y.detach().numpy(), np.stack([w[0] + w[2] + w[5], w[2]]), rtol=1e-6)
    y.sum().backward()
    np.testing.assert_allclose(bag.weight.grad.numpy().sum(1), [3, 0, 6, 0, 0, 3])
