"""`dlcore.guard`: which operation, in which module and at which index, made the first number that is not finite."""

import math

import dlcore
import dlcore.nn.functional as F
import pytest
from dlcore import models, nn


class Attention(nn.Module):
    """One with a mask that may hide everything."""

    def forward(self, x, hidden):
        scores = (x @ x.transpose(-2, -1)).masked_fill(hidden, -math.inf)
        return scores.softmax(-1) @ x


class Ratio(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.ModuleDict({"scale": nn.Linear(3, 3)})

    def forward(self, x):
        return self.inner["scale"](x) / (x - x)


def message(run, *args):
    with pytest.raises(FloatingPointError) as caught:
        run(*args)
    return str(caught.value)


def test_the_operation_the_module_and_the_index_are_named():
    model = nn.Sequential(nn.Linear(2, 3), Ratio())
    with dlcore.guard():
        text = message(model, dlcore.ones(4, 2))
    assert text.startswith("Sequential.1: div: the output is ")
    assert "inf at [0, 0]" in text
    assert "(4, 3) and (4, 3)" in text
    assert not model(dlcore.ones(4, 2)).isfinite().any()  # outside of the block nothing is refused


def test_the_first_operation_is_blamed_and_not_those_after_it():
    x = dlcore.tensor([4.0, 0.0, -1.0])
    with dlcore.guard():
        assert message(lambda y: (y.sqrt() * 2 + 1).log(), x).startswith("sqrt: the output is nan at [2]")
        assert message(lambda y: (y.reciprocal() - 1).exp(), x[:2]).startswith("reciprocal: the output is inf at [1]")


def test_masks_are_not_blamed_but_a_row_that_sees_nothing_is():
    layer, x = Attention(), dlcore.randn(2, 3, 4, requires_grad=True)
    hidden = dlcore.ones(3, 3).triu(1).bool()
    with dlcore.guard(layer):
        layer(x, hidden).sum().backward()
        F.scaled_dot_product_attention(x, x, x, is_causal=True).sum().backward()
        F.pad(x, (1, 1), value=-math.inf).amax().backward()
        F.max_pool1d(x, 2).sum().backward()
        hidden[1] = True
        assert message(layer, x, hidden).startswith("Attention: softmax: the output is nan at [0, 1, 0]")


def test_what_came_in_broken_is_told_from_what_broke():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    bad = dlcore.tensor([[1.0, math.inf]])
    with dlcore.guard():
        model[0](dlcore.tensor([[1.0, math.nan]]))  # nobody's fault
    with dlcore.guard(model):
        assert message(model, bad) == "Sequential: the model's input is inf at [0, 1]"
        model[1].bias.data[1] = math.nan
        text = message(model, dlcore.ones(1, 2))
        assert text.startswith(
            "Sequential.1 (Linear(in_features=2, out_features=2, bias=True)): its parameter bias is nan"
        )


def test_gradients_say_where_their_operation_was_recorded():
    class Norm(nn.Module):
        def forward(self, x):
            return x.square().sum(-1).sqrt()

    model, x = nn.Sequential(Norm()), dlcore.zeros(2, 3, requires_grad=True)
    with dlcore.guard(model):
        loss = model(x).sum()
        text = message(loss.backward)
    assert text.startswith("sqrt: the gradient by input 0, backwards, is inf at [0]")
    assert "in module Sequential.0" in text
    assert "return x.square().sum(-1).sqrt()" in text


def test_a_branch_that_is_left_out_may_be_infinite_backwards():
    x = dlcore.tensor([0.0, 4.0], requires_grad=True)
    with dlcore.guard():
        dlcore.where(x > 0, x * 2, x).sum().backward()
        F.cross_entropy(dlcore.randn(3, 4, requires_grad=True) * 100, dlcore.tensor([0, 1, 2])).backward()


def test_real_models_pass():
    dlcore.manual_seed(0)
    gpt = models.GPT(11, 8, 2, 2, 16)
    tokens = dlcore.randint(11, (2, 8))
    optimizer = dlcore.optim.AdamW(gpt.parameters())
    with dlcore.guard(gpt):
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(gpt(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).backward()
            optimizer.step()
        gpt.generate(tokens[:, :2], 3, top_k=3, top_p=0.9)
    vit, images = models.ViT(8, 4, 3, dim=16, depth=1, heads=2, mlp_dim=32), dlcore.randn(2, 3, 8, 8)
    with dlcore.guard(vit):
        vit(images).sum().backward()
    assert not any(module._hooks.get("forward_pre") for module in vit.modules())


def test_a_guard_ends_with_its_block_and_guards_nest():
    with pytest.raises(RuntimeError, match="mine"), dlcore.guard():
        raise RuntimeError("mine")
    assert dlcore.zeros(1).log().item() == -math.inf
    with dlcore.guard():
        with dlcore.guard():
            message(dlcore.zeros(1).log)
        message(dlcore.zeros(1).log)


def network():
    dlcore.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 1))
    model[0].bias.data.fill_(2.0)  # above zero for all inputs
    model[0].weight.data[2:4] = -1.0
    model[0].bias.data[2:4] = -100.0  # far below zero for all inputs
    return model, dlcore.rand(20, 2)


def under_guard(model, x, passes):
    with dlcore.guard(model):
        for _ in range(passes):
            model(x).sum().backward()


def test_dead_units_are_warned_of():
    model, x = network()
    words = r"Sequential.0: 2 of 6 units \(2, 3\) had no gradient"
    with pytest.warns(dlcore.TrainingWarning, match=words) as caught:
        under_guard(model, x, 10)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_layer_of_dead_units_is_warned_of_once_with_those_that_it_stops():
    model, x = network()
    model[0].bias.data.fill_(-100.0)
    unused = nn.ModuleList([model, nn.Linear(2, 2)])  # never runs
    unused.forward = model
    with pytest.warns(dlcore.TrainingWarning, match=r"^ModuleList.0.0, ModuleList.0.2: no unit had a grad") as caught:
        under_guard(unused, x, 10)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_few_batches_or_living_units_are_no_reason_to_warn():
    model, x = network()
    under_guard(model, x, 9)
    under_guard(model[2:], model[:2](x).detach(), 10)
