"""Programs as people write them at first, and the words that the error must hold to put them right."""

import inspect

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import models, nn, optim
from dlcore.data import DataLoader
from dlcore.models import resnet18
from dlcore.optim import lr_scheduler

zeros = dlcore.zeros


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        return self.fc(self.norm(self.conv(x)))


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(3))
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Forgetful(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x):
        x = print if x is None else self.first(x)
        x = dlcore.relu(x).numpy() if False else None
        return self.second(x)


class Skip(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x):
        y = self.conv(x)
        return x + y


def unrecorded():
    with dlcore.no_grad():
        Net()(zeros(2, 3, 8, 8))


def patched():
    model = resnet18()
    model.layer3[0].conv2 = nn.Conv2d(64, 256, 3, padding=1)
    model(zeros(2, 3, 32, 32))


def twice():
    loss = nn.Linear(2, 3)(zeros(4, 2)).sum()
    loss.backward()
    loss.backward()


def overwritten():
    x = dlcore.ones(3, requires_grad=True)
    y = x.exp()
    z = (y * y).sum()
    y.data.zero_()
    y.zero_()
    z.backward()


def shared():
    weight = nn.Parameter(zeros(2))
    optim.SGD([{"params": [weight]}, {"params": [weight]}])


def rates_before():
    lr_scheduler.LambdaLR(optim.SGD(nn.Linear(1, 1).parameters()), [abs, abs])


def dictionary():
    nn.ModuleDict({"a.b": nn.ReLU()})


def register():
    nn.Linear(2, 3).register_buffer("weight", zeros(1))


CLASSIFY = nn.CrossEntropyLoss()
LABELS = dlcore.tensor([1, 2])

PROGRAMS = {
    # layers and what goes into them
    "no flatten": (lambda: Net()(zeros(2, 3, 8, 8)), ["Net.fc", "288", "flatten"]),
    "channels last": (lambda: Net()(zeros(2, 8, 8, 3)), ["Net.conv", "permute(0, 3, 1, 2)"]),
    "wrong features": (lambda: nn.Linear(5, 3)(zeros(2, 6)), ["in_features=5", "(2, 6)", "expects 5"]),
    "in a list of lists": (lambda: Deep()(zeros(2, 4)), ["Deep.head", "(2, 4)", "expects 5"]),
    "in a block": (lambda: Deep()(zeros(2, 3)), ["Deep.blocks.0.0", "expects 4"]),
    "None between layers": (lambda: Forgetful()(zeros(1, 2)), ["Forgetful.second", "NoneType", "forget to return"]),
    "an array": (lambda: nn.Linear(5, 3)(np.zeros((2, 5))), ["ndarray", "from_numpy"]),
    "a list": (lambda: nn.Linear(2, 3)([[1.0, 2.0]]), ["list", "dlcore.tensor"]),
    "batch of one": (lambda: nn.BatchNorm1d(4)(zeros(1, 4)), ["more than 1 value", "(1, 4)"]),
    "channels of batch norm": (lambda: nn.BatchNorm2d(4)(zeros(2, 3, 4, 4)), ["3 channels", "(4,)"]),
    "dimensions of batch norm": (lambda: nn.BatchNorm2d(4)(zeros(2, 4)), ["expected 4 dimensions", "(2, 4)"]),
    "layer norm": (lambda: nn.LayerNorm(4)(zeros(2, 3)), ["(2, 3)", "(4,)"]),
    "group norm": (lambda: nn.GroupNorm(3, 4), ["3 groups", "4 channels"]),
    "instance norm": (lambda: nn.InstanceNorm1d(4)(zeros(2, 4, 1)), ["more than 1 element", "(2, 4, 1)"]),
    "embedding of floats": (lambda: nn.Embedding(5, 2)(zeros(3)), ["integers", "float32", ".long()"]),
    "embedding out of range": (lambda: nn.Embedding(5, 2)(dlcore.tensor([1, 5])), ["index 5", "position 1", "size 5"]),
    "padding row": (lambda: nn.Embedding(5, 2, padding_idx=5), ["padding_idx=5", "5 rows"]),
    "small image": (lambda: nn.Conv2d(3, 4, 5)(zeros(1, 3, 4, 4)), ["(5, 5)", "4 x 4"]),
    "groups of a convolution": (lambda: nn.Conv2d(3, 4, 3, groups=2), ["groups=2", "3"]),
    "small window": (lambda: nn.MaxPool2d(4)(zeros(1, 1, 2, 2)), ["(4, 4)", "2 x 2"]),
    "softmax over nothing": (lambda: nn.Softmax(3)(zeros(2, 2)), ["dimension 3", "2 dimensions"]),
    "probability": (lambda: nn.Dropout(2), ["0..1", "2"]),
    "heads": (lambda: nn.MultiheadAttention(10, 3), ["3 heads", "10 features"]),
    "attention of another width": (
        lambda: nn.MultiheadAttention(4, 2, batch_first=True)(*[zeros(2, 3, 5)] * 3),
        ["expected 4 features, got 5", "query (2, 3, 5)"],
    ),
    "attention to keys of another batch": (
        lambda: nn.MultiheadAttention(4, 2, batch_first=True)(zeros(2, 3, 4), *[zeros(3, 2, 4)] * 2),
        ["batches or lengths", "query (2, 3, 4), key (3, 2, 4)", "(batch, length, features)"],
    ),
    "samples of different shapes": (
        lambda: list(DataLoader([zeros(2), zeros(3)], batch_size=2)),
        ["(2,)", "(3,)", "pad", "collate_fn"],
    ),
    "a rate that is text": (
        lambda: optim.Adam(nn.Linear(1, 1).parameters(), lr="1e-3"),
        ["Adam: lr must be a number", "'1e-3'", "YAML"],
    ),
    "the state of a model and not its dictionary": (
        lambda: nn.Linear(1, 1).load_state_dict(nn.Linear(1, 1)),
        ["dictionary of tensors, got Linear", "give its state_dict()"],
    ),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2)(zeros(2, 3, 4)), ["self_attn", "8 features", "(2, 3, 4)"]),
    "borders": (lambda: nn.ReflectionPad2d((1, 2))(zeros(1, 1, 4, 4)), ["4 numbers", "(1, 2)"]),
    "too many arguments": (lambda: nn.Linear(2, 3)(zeros(1, 2), zeros(1)), ["forward()", "positional"]),
    "no forward": (lambda: nn.Module()(1), ["no forward()"]),
    "a list is called": (lambda: nn.ModuleList([nn.ReLU()])(zeros(1)), ["ModuleList", "no forward()"]),
    "function among layers": (lambda: nn.Sequential(nn.Linear(1, 1), F.relu), ["argument 1", "Module"]),
    "beyond the last layer": (lambda: nn.Sequential(nn.ReLU())[3], ["index 3", "1 modules"]),
    "name with a dot": (dictionary, ["a.b", "dot"]),
    "name that is taken": (register, ["'weight'", "already exists"]),
    "tensor for a parameter": (lambda: setattr(nn.Linear(2, 3), "weight", zeros(3, 2)), ["nn.Parameter", "copy_"]),
    "a module that is not there": (lambda: Net().get_submodule("conv.inner"), ["conv.inner", "'inner'"]),
    "another device": (lambda: nn.Linear(2, 3).to("cuda"), ["CPU", 'leave out .to("cuda")']),
    "another device by its name": (lambda: nn.Linear(2, 3).cuda(), ["CPU", "leave out .cuda()"]),
    "a model of integers": (lambda: nn.Linear(2, 3).to(dlcore.int64), ["float dtype", "int64"]),
    "the shapes on the way": (
        lambda: Net()(zeros(2, 3, 8, 8)),
        ["on the way: (2, 3, 8, 8) → conv2d (2, 8, 6, 6) → batch_norm (2, 8, 6, 6)"],
    ),
    "the shapes on the way, unrecorded": (unrecorded, ["on the way: Net (2, 3, 8, 8) → fc (2, 8, 6, 6)"]),
    "variables of a forward": (lambda: Skip()(zeros(2, 3, 8, 8)), ["Skip: add", "x (2, 3, 8, 8), y (2, 3, 6, 6)"]),
    "a block of ResNet": (patched, ["ResNet.layer3.0.conv2", "expects 64", "relu (2, 256, 2, 2)"]),
    "one image": (
        lambda: nn.Sequential(resnet18())(zeros(1, 3, 32, 32)),
        ["Sequential.0.layer4.0.bn1", "(1, 512, 1, 1)"],
    ),
    "a state among layers": (
        lambda: nn.Sequential(nn.LSTM(4, 8), nn.Linear(8, 2))(zeros(2, 3, 4)),
        ["Sequential.1", "got tuple"],
    ),
    "bias of an LSTM": (lambda: nn.LSTM(4, 8, 2, 0.5), ["LSTM: bias must be a bool, got float"]),
    "bytes into a convolution": (
        lambda: Net()(zeros(2, 3, 8, 8, dtype=dlcore.uint8)),
        ["Net.conv", "the input is uint8, the parameters are float32", "x.float() / 255"],
    ),
    "bytes into a linear layer": (lambda: nn.Linear(3, 2)(zeros(2, 3, dtype=dlcore.uint8)), [".float() / 255"]),
    "tokens into a linear layer": (
        lambda: nn.Sequential(nn.Linear(3, 2))(dlcore.tensor([[1, 2, 3]])),
        ["Sequential.0", "int64", "float32", ".float()", "nn.Embedding"],
    ),
    "truths into a linear layer": (lambda: nn.Linear(3, 2)(zeros(1, 3) == 0), ["bool", "float32", ".float()"]),
    "bytes into a transposed convolution": (
        lambda: nn.ConvTranspose2d(3, 2, 2)(zeros(2, 3, 8, 8, dtype=dlcore.uint8)),
        ["ConvTranspose2d", "uint8", ".float() / 255"],
    ),
    "a missing argument": (lambda: nn.Conv2d(3, 4), ["Conv2d.__init__()", "'kernel_size'"]),
    "a missing argument of a lazy layer": (lambda: nn.LazyConv2d(3), ["LazyConv2d.__init__()", "'kernel_size'"]),
    # losses
    "label of a further class": (
        lambda: CLASSIFY(zeros(1, 10), dlcore.tensor([10])),
        ["target 10", "10 classes", "0 to 9"],
    ),
    "float labels": (lambda: CLASSIFY(zeros(2, 10), dlcore.tensor([1.0, 2.0])), ["int64", "float32", ".long()"]),
    "labels in a column": (lambda: CLASSIFY(zeros(2, 10), LABELS.unsqueeze(1)), ["(2, 1)", "expected (2,)"]),
    "other number of labels": (lambda: CLASSIFY(zeros(3, 10), LABELS), ["(2,)", "expected (3,)"]),
    "ignored probabilities": (
        lambda: nn.CrossEntropyLoss(ignore_index=1)(zeros(2, 3), zeros(2, 3)),
        ["ignore_index", "probabilities"],
    ),
    "logits in a column": (lambda: nn.BCEWithLogitsLoss()(zeros(4, 1), zeros(4)), ["(4,)", "(4, 1)"]),
    "weights of another dtype": (
        lambda: nn.NLLLoss(dlcore.ones(3, dtype=dlcore.float64))(zeros(2, 3), dlcore.tensor([0, 1])),
        ["float64", "float32", ".to(dtype)"],
    ),
    "reduction": (lambda: nn.MSELoss(reduction="avg"), ["'mean'", "'avg'"]),
    # gradients
    "loss of many numbers": (lambda: nn.Linear(2, 3)(zeros(4, 2)).backward(), ["(4, 3)", ".mean()"]),
    "backward twice": (twice, ["retain_graph=True", "again"]),
    "no gradient anywhere": (lambda: zeros(3).sum().backward(), ["requires_grad=True", "no_grad()"]),
    "weights changed by hand": (lambda: nn.Linear(2, 3).weight.add_(1), ["in-place", "no_grad()"]),
    "overwritten value": (overwritten, ["overwritten in place by zero_", "clone()"]),
    "numpy of a result": (lambda: nn.Linear(2, 3)(zeros(1, 2)).numpy(), ["detach().numpy()"]),
    "gradient of integers": (lambda: zeros(3, dtype=dlcore.int64).requires_grad_(), ["int64", ".float()"]),
    # optimizers and schedules
    "no parameters": (lambda: optim.SGD(nn.ReLU().parameters()), ["empty parameter list"]),
    "a model for its parameters": (lambda: optim.SGD(nn.Linear(1, 1)), ["Linear", "parameters()"]),
    "one tensor": (lambda: optim.SGD(nn.Parameter(zeros(1))), ["put the tensor in a list"]),
    "negative rate": (lambda: optim.Adam(nn.Linear(1, 1).parameters(), lr=-1), ["Adam", "lr", "-1"]),
    "a parameter twice": (shared, ["more than one group"]),
    "a result is trained": (lambda: optim.SGD([zeros(1, requires_grad=True) * 2]), ["result of an operation"]),
    "Nesterov alone": (lambda: optim.SGD([nn.Parameter(zeros(1))], nesterov=True), ["nesterov", "momentum > 0"]),
    "no closure": (lambda: optim.LBFGS([nn.Parameter(zeros(1))]).step(), ["LBFGS", "closure"]),
    "vector for Muon": (lambda: optim.Muon([nn.Parameter(zeros(3))]), ["matrices", "(3,)"]),
    "schedule of a model": (lambda: lr_scheduler.StepLR(nn.Linear(1, 1), 1), ["Optimizer", "Linear"]),
    "functions for groups": (rates_before, ["2 functions", "1 groups"]),
    # state dicts
    "another name": (
        lambda: nn.Linear(2, 3).load_state_dict({"weights": zeros(3, 2), "bias": zeros(3)}),
        ["missing: weight", "unexpected: weights (is it weight?)"],
    ),
    "another shape": (
        lambda: nn.Linear(2, 3).load_state_dict({"weight": zeros(2, 3), "bias": zeros(3)}),
        ["(2, 3) given", "(3, 2) needed"],
    ),
    "not a dictionary": (lambda: nn.Linear(2, 3).load_state_dict([zeros(3)]), ["dictionary", "list"]),
    "groups of another size": (
        lambda: optim.SGD([nn.Parameter(zeros(1))]).load_state_dict(
            {"state": {}, "param_groups": [{"params": [0, 1]}]}
        ),
        ["groups of [2]", "groups of [1]"],
    ),
    # tensors
    "joined": (lambda: dlcore.cat([zeros(2, 3), zeros(3, 4)]), ["(2, 3)", "(3, 4)", "dimension 1"]),
    "product": (lambda: zeros(2, 3) @ zeros(2, 3), ["(2, 3) and (2, 3)", "(3)", "(2)"]),
    "other number of elements": (lambda: zeros(2, 3).view(4), ["6 elements", "4 elements"]),
    "one number of many": (lambda: zeros(3).item(), ["one-element", "(3,)"]),
    "truth of many": (lambda: bool(zeros(3)), [".any()", ".all()"]),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_error_says_what_to_do(program):
    run, words = PROGRAMS[program]
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the words are what counts
        run()
    text = str(caught.value)
    assert not [word for word in words if word not in text], text


CLASSES = {
    value: value.__name__
    for place in (nn, optim, lr_scheduler, models)
    for value in vars(place).values()
    if inspect.isclass(value) and value.__module__.startswith("dlcore.") and value is not nn.Identity
}


@pytest.mark.parametrize("cls", CLASSES, ids=CLASSES.values())
@pytest.mark.parametrize("number", [0, 40])
def test_a_wrong_call_names_the_class_called(cls, number):
    with pytest.raises(TypeError, match=rf"^{CLASSES[cls]}\.__(init|new)__\(\) "):
        cls(*[1] * number, no_such_argument=1)


def test_a_class_without_a_constructor_is_named_too():
    class Plain(nn.Module):
        pass

    with pytest.raises(TypeError, match=r"Plain.__init__\(\) takes 1 positional argument but 3 were given"):
        Plain(1, 2)
    with pytest.raises(TypeError, match=r"Plain.__init__\(\) got an unexpected keyword argument 'width'"):
        Plain(width=2)


def test_constructors_are_inherited_as_python_does():
    class First(nn.Tanh):
        pass

    class Second(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.width = width

    class Both(First, Second):
        pass

    assert Both(3).width == 3
    assert list(inspect.signature(nn.Conv2d).parameters)[:3] == ["in_channels", "out_channels", "kernel_size"]


def test_there_are_many():
    assert len(PROGRAMS) >= 60
