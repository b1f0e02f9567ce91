"""Warnings of programs that run, but will not learn what they should: said once, and only where it is so."""

import copy
import warnings

import dlcore
import dlcore.nn.functional as F
import pytest
from dlcore import nn, optim
from dlcore.optim import lr_scheduler


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.spare = nn.Linear(2, 3), nn.Linear(3, 1), nn.Linear(4, 4)

    def forward(self, x):
        return self.second(self.first(x).tanh())


def loss_of(model):
    return model(dlcore.ones(5, 2)).square().sum()


def train(model, optimizer, steps=3, clear=lambda: None):
    for _ in range(steps):
        clear()
        loss_of(model).backward()
        optimizer.step()


def used():
    model = Net()
    model.spare.requires_grad_(False)
    return model


def test_a_parameter_without_gradient_is_named_once_at_the_users_line():
    model = Net()
    optimizer = optim.Adam(model.parameters())
    with pytest.warns(dlcore.TrainingWarning) as caught:
        train(model, optimizer, clear=optimizer.zero_grad)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "Adam: 2 of 6 parameters have received no gradient" in text
    assert "spare.weight, shape (4, 4), spare.bias, shape (4,)" in text
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("params", "name"),
    [
        (lambda model: list(model.parameters()), "number 4 of group 0, shape (4, 4)"),
        (lambda model: model.named_parameters(), "spare.weight, shape (4, 4)"),
        (
            lambda model: [{"params": model.first.parameters()}, {"params": model.spare.parameters()}],
            "weight, shape (4, 4)",
        ),
    ],
)
def test_names_are_those_that_are_known(params, name):
    model = Net()
    optimizer = optim.SGD(params(model), lr=0.1)
    with pytest.warns(dlcore.TrainingWarning) as caught:
        train(model, optimizer, 1)
    assert name in str(caught[0].message)


def test_a_step_before_any_backward():
    with pytest.warns(dlcore.TrainingWarning, match=r"no parameter has a gradient: call loss.backward\(\)"):
        optim.SGD(Net().parameters()).step()


def test_gradients_that_nobody_cleared():
    model = used()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with pytest.warns(dlcore.TrainingWarning, match=r"call optimizer.zero_grad\(\) before every") as caught:
        train(model, optimizer, 4)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def cleared(model, optimizer):
    """Ways of clearing gradients."""

    def by_hand():
        for parameter in model.parameters():
            parameter.grad = None

    def in_place():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad.zero_()

    return {
        "optimizer": optimizer.zero_grad,
        "optimizer, zeros": lambda: optimizer.zero_grad(set_to_none=False),
        "module": model.zero_grad,
        "module, zeros": lambda: model.zero_grad(set_to_none=False),
        "by hand": by_hand,
        "by hand, in place": in_place,
    }


@pytest.mark.parametrize("way", cleared(used(), optim.SGD(used().parameters())))
def test_nothing_is_said_of_gradients_that_were_cleared(way):
    model = used()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    train(model, optimizer, clear=cleared(model, optimizer)[way])


def test_nothing_is_said_of_gradients_that_are_gathered_over_batches():
    model = used()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for number in range(8):
        loss_of(model).backward()
        if number % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()


def test_nothing_is_said_of_two_networks_that_play_against_each_other():
    generator, critic = nn.Linear(2, 2), nn.Linear(2, 1)
    both = optim.Adam(critic.parameters()), optim.Adam(generator.parameters())
    for _ in range(3):
        critic.zero_grad()
        critic(generator(dlcore.ones(3, 2)).detach()).sum().backward()
        both[0].step()
        generator.zero_grad()
        critic(generator(dlcore.ones(3, 2))).sum().backward()  # also adds to the critic's gradients
        both[1].step()


def test_closures_frozen_layers_and_copies_are_silent():
    model = used()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    model, optimizer = copy.deepcopy((model, optimizer))
    train(model, optimizer)


def test_later_steps_pay_nothing():
    model = used()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    assert optimizer._hooks
    train(model, optimizer, 2, optimizer.zero_grad)
    assert not optimizer._hooks


@pytest.mark.parametrize(
    "make",
    [
        lambda o: lr_scheduler.StepLR(o, 1),
        lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(o, 1)]),
        lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1), lr_scheduler.ConstantLR(o)], [5]),
    ],
)
def test_a_schedule_that_steps_before_its_optimizer(make):
    model = used()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    scheduler = make(optimizer)
    with pytest.warns(dlcore.TrainingWarning, match=r"StepLR: lr_scheduler.step\(\) was called before") as caught:
        scheduler.step()
    assert [warning.filename for warning in caught] == [__file__]
    scheduler.step()  # said once
    train(model, optimizer, 1)
    make(optimizer).step()


def test_schedules_of_optimizers_that_are_resumed_or_step_by_themselves_are_silent():
    model = used()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    lr_scheduler.StepLR(copy.deepcopy(optimizer), 1).step()
    lr_scheduler.StepLR(optim.Lookahead(optimizer), 1).step()
    resumed = optim.SGD(model.parameters(), lr=0.1)
    resumed.load_state_dict(optimizer.state_dict())
    lr_scheduler.StepLR(resumed, 1).step()

    class Descent(optim.Optimizer):
        def step(self):
            pass

    lr_scheduler.StepLR(Descent(model.parameters(), {"lr": 0.1}), 1).step()
    lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 2).step(0)  # by its number nothing is skipped


class Holder(nn.Module):
    def __init__(self, layers, **named):
        super().__init__()
        self.head = nn.Linear(2, 1)
        self.layers = layers
        for name, value in named.items():
            setattr(self, name, value)


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ([nn.Linear(2, 2), nn.ReLU()], "Holder.layers: layers in a plain list are not part .* nn.ModuleList"),
        ((nn.ReLU(), nn.Linear(2, 2)), "plain tuple .* nn.ModuleList"),
        ({"a": nn.Sequential(nn.ReLU(), nn.Linear(2, 2))}, "plain dict .* nn.ModuleDict"),
        ([[nn.ReLU(), nn.Linear(2, 2)], []], "plain list .* nn.ModuleList"),
        (
            [nn.Parameter(dlcore.ones(2)), nn.Parameter(dlcore.ones(2))],
            "parameters in a plain list .* nn.ParameterList",
        ),
    ],
)
def test_layers_in_a_plain_container_are_named_once(layers, text):
    model = Holder(layers)
    with pytest.warns(dlcore.TrainingWarning, match=text) as caught:
        optim.SGD(model.parameters(), lr=0.1)
    assert [warning.filename for warning in caught] == [__file__]
    list(model.named_parameters())  # said once
    with pytest.warns(dlcore.TrainingWarning, match="Sequential.0.layers: "):
        list(nn.Sequential(Holder(layers)).named_parameters())


def test_containers_that_hide_nothing_are_silent():
    layer = nn.Linear(2, 2)
    frozen = nn.Linear(2, 2).requires_grad_(False)
    for model in (
        Holder([layer, nn.ReLU()], registered=layer),
        Holder([frozen, frozen]),
        Holder([layer], other=(layer,)),  # one, held on purpose without making it a part
        Holder([nn.ReLU(), print]),
        Holder([], sizes=[1, 2], names={"a": 1}, values=(dlcore.ones(1),)),
        Holder(nn.ModuleList([layer])),
        nn.Sequential(Holder([layer, layer]), layer),
    ):
        list(model.parameters())
    model = Holder([layer, layer])
    list(model.parameters(recurse=False))
    model.layers = nn.ModuleList(model.layers)
    list(model.parameters())


def test_warnings_can_be_switched_off():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", dlcore.TrainingWarning)
        optim.SGD(Net().parameters()).step()
    assert not caught


def test_a_softmax_before_the_functional_cross_entropy_is_warned_of():
    model, y = nn.Sequential(nn.Linear(3, 4), nn.Softmax(dim=1)), dlcore.tensor([0, 1])
    with pytest.warns(dlcore.TrainingWarning, match="result of softmax: it takes logits") as caught:
        F.cross_entropy(model(dlcore.ones(2, 3)), y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    F.cross_entropy(model[0](dlcore.ones(2, 3)), y)  # logits; and a warning would be an error
    F.cross_entropy(model(dlcore.ones(2, 3)).detach(), y)


@pytest.mark.parametrize(
    ("loss", "layer", "given", "target"),
    [
        (F.nll_loss, nn.NLLLoss, lambda x: x.softmax(1), dlcore.tensor([0, 1])),
        (F.binary_cross_entropy_with_logits, nn.BCEWithLogitsLoss, dlcore.sigmoid, dlcore.ones(2, 4)),
        (F.binary_cross_entropy_with_logits, nn.BCEWithLogitsLoss, lambda x: x.sigmoid().view(-1), dlcore.ones(8)),
        (F.binary_cross_entropy_with_logits, nn.BCEWithLogitsLoss, lambda x: x.sigmoid()[:, 0], dlcore.ones(2)),
    ],
)
def test_probabilities_for_other_losses_are_warned_of(loss, layer, given, target):
    model = nn.Linear(3, 4)
    with pytest.warns(
        dlcore.TrainingWarning, match=f"{loss.__name__} was given the result of (softmax|sigmoid): it takes log"
    ) as caught:
        loss(given(model(dlcore.ones(2, 3))), target)
    assert [warning.filename for warning in caught] == [__file__]
    loss = layer()
    with pytest.warns(dlcore.TrainingWarning, match=f"{layer.__name__} was given the result of") as caught:
        loss(given(model(dlcore.ones(2, 3))), target)
    assert [warning.filename for warning in caught] == [__file__]
    loss(given(model(dlcore.ones(2, 3))), target)  # said once
    layer()(given(dlcore.ones(2, 4)), target)  # not recorded


def test_logarithms_of_probabilities_are_what_nll_loss_takes():
    x = nn.Linear(3, 4)(dlcore.ones(2, 3))
    F.nll_loss(x.softmax(1).log(), dlcore.tensor([0, 1]))
    F.nll_loss(F.log_softmax(x, 1), dlcore.tensor([0, 1]))
    F.binary_cross_entropy_with_logits(x.sigmoid() * 4 - 2, dlcore.ones(2, 4))


@pytest.mark.parametrize("loss", [F.cross_entropy, nn.CrossEntropyLoss()])
@pytest.mark.parametrize(
    ("shape", "labels", "kind", "text"),
    [
        ((2, 7, 5), dlcore.zeros(2, 7).long(), dlcore.ShapeError, r"transpose\(1, 2\), or input.flatten\(0, 1\) with"),
        ((2, 7, 5), dlcore.zeros(14).long(), dlcore.ShapeError, r"give input.flatten\(0, 1\) with target$"),
        ((2, 7), dlcore.tensor([-1, 2]), IndexError, "ignore_index=-1 leaves labels of this value out"),
        ((2, 7), dlcore.tensor([1, 255]), IndexError, "ignore_index=255"),
    ],
)
def test_labels_that_do_not_fit(loss, shape, labels, kind, text):
    with pytest.raises(kind, match=text):
        loss(dlcore.zeros(*shape), labels)


@pytest.mark.parametrize("loss", [F.nll_loss, nn.NLLLoss()])
@pytest.mark.parametrize("label", [-1, 7, 255])
def test_labels_of_no_class(loss, label):
    with pytest.raises(IndexError, match=f"target {label} at position 1 .* ignore_index={label} leaves"):
        loss(dlcore.zeros(2, 7), dlcore.tensor([2, label]))


def test_a_module_that_is_being_made_may_still_register_its_layers():
    class Late(nn.Module):
        def __init__(self, register):
            super().__init__()
            self.layers = [nn.Linear(2, 2), nn.Linear(2, 2)]
            for parameter in self.parameters():
                nn.init.zeros_(parameter)
            if register:
                self.layers = nn.ModuleList(self.layers)

    assert len(list(Late(True).parameters())) == 4
    late = Late(False)
    with pytest.warns(dlcore.TrainingWarning, match="Late.layers"):
        list(late.parameters())


def test_a_module_that_says_itself_what_its_parameters_are_is_believed():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(2, 2), nn.Linear(2, 2)]

        def parameters(self, recurse=True):
            yield from super().parameters(recurse)
            for layer in self.layers:
                yield from layer.parameters(recurse)

    assert len(list(Own().parameters())) == 4
