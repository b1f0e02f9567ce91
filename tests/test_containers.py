"""Containers of modules and parameters: what lists and dictionaries do, slices of subclasses, PyTorch's paths."""

import dlcore
import dlcore.nn.modules as paths
import pytest
from dlcore import nn, optim


class ConvNormReLU(nn.Sequential):
    """A subclass as in torchvision: arguments of its own, and an attribute."""

    def __init__(self, channels, *, out):
        super().__init__(nn.Conv2d(channels, out, 3), nn.BatchNorm2d(out), nn.ReLU())
        self.out_channels = out
        self.scale = nn.Parameter(dlcore.ones(1))


def names(container):
    return [name for name, _ in container.named_children()]


@pytest.mark.parametrize("children", [nn.Module.named_children, lambda module: module._modules.items()])
def test_who_walks_may_replace_what_it_meets(children):
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.ModuleList([nn.Linear(2, 2)]))

    def replace(module):
        for name, child in children(module):
            if isinstance(child, nn.Linear):
                setattr(module, name, nn.Identity())
            else:
                replace(child)

    replace(model)
    assert [type(module).__name__ for module in model.modules()] == [
        *("Sequential", "Identity", "Sequential", "Identity", "ReLU", "ModuleList", "Identity")
    ]
    for name, _ in model.named_modules():
        if name.endswith("0"):
            model.set_submodule(name, nn.Tanh())
    assert type(model[1][0]) is type(model[2][0]) is nn.Tanh


class Frozen(nn.Module):
    """As torchvision's batch norm that is not trained."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", dlcore.ones(2))

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "version"] = dlcore.tensor(2)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        self.version = state_dict.pop(prefix + "version").item()
        super()._load_from_state_dict(state_dict, prefix, *args)


def test_modules_add_to_state_dicts_and_change_them():
    model = nn.Sequential(nn.Linear(2, 2), Frozen())
    state = model.state_dict()
    assert list(state) == ["0.weight", "0.bias", "1.weight", "1.version"]
    state["1.weight"] = dlcore.zeros(2)
    assert model.load_state_dict(state) == ([], [])
    assert (model[1].version, model[1].weight.tolist()) == (2, [0.0, 0.0])
    assert "1.version" in state


def test_names_come_in_the_order_of_registering():
    class Late(nn.Module):
        def __init__(self, register):
            super().__init__()
            for name in ("bias", "down"):
                if register:
                    self.register_parameter(name, None) if name == "bias" else self.register_module(name, None)
                else:
                    setattr(self, name, None)
            self.weight, self.conv = nn.Parameter(dlcore.ones(1)), nn.Linear(1, 1, bias=False)
            self.bias, self.down = nn.Parameter(dlcore.ones(1)), nn.Linear(1, 1, bias=False)

    assert list(Late(False).state_dict()) == ["weight", "bias", "conv.weight", "down.weight"]
    model = Late(True)
    assert list(model.state_dict()) == ["bias", "weight", "down.weight", "conv.weight"]
    model.down = model.bias = None  # the places are kept
    model.down, model.bias = nn.ReLU(), nn.Parameter(dlcore.zeros(1))
    assert (names(model), [name for name, _ in model.named_parameters()][:2]) == (["down", "conv"], ["bias", "weight"])
    del model.down
    model.down = nn.Tanh()
    assert names(model) == ["conv", "down"]


def test_a_buffer_that_becomes_a_parameter_is_no_buffer():
    model = Frozen()
    model.weight = nn.Parameter(dlcore.zeros(2))
    assert ([*model.named_buffers()], [name for name, _ in model.named_parameters()]) == ([], ["weight"])
    assert list(model.state_dict()) == ["weight", "version"]


def test_layers_of_others_find_what_they_override():
    class Doubled(nn.Conv1d):
        def _conv_forward(self, input, weight, bias):
            return super()._conv_forward(input, weight * 2, bias)

    class Sequences(paths.batchnorm._BatchNorm):
        def _check_input_dim(self, input):
            if input.dim() != 3:
                raise ValueError("only sequences")

    class Weighted(paths.loss._WeightedLoss):
        def forward(self, input):
            return (input * self.weight).sum()

    x, layer = dlcore.randn(2, 3, 8), Doubled(3, 4, 3, padding=1, padding_mode="reflect", bias=False)
    other = nn.Conv1d(3, 4, 3, padding=1, padding_mode="reflect", bias=False)
    other.load_state_dict(layer.state_dict())
    assert dlcore.allclose(layer(x), other(x) * 2, atol=1e-5)
    assert Sequences(3)(x).shape == (2, 3, 8)
    with pytest.raises(ValueError, match="only sequences"):
        Sequences(3)(dlcore.ones(2, 3))
    loss = Weighted(dlcore.tensor([1.0, 3.0]))
    assert (loss(dlcore.ones(2)).item(), loss.reduction, list(loss.state_dict())) == (4.0, "mean", ["weight"])


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, nn.NLLLoss])
def test_what_stands_in_the_place_of_size_average_is_refused(loss):
    with pytest.raises(TypeError, match="positional"):
        loss(dlcore.ones(3), True)
    with pytest.raises(TypeError, match="positional"):
        nn.PoissonNLLLoss(True, False, True)


def test_slices_of_a_subclass_need_no_arguments():
    block = ConvNormReLU(3, out=8)
    block.register_forward_hook(lambda *_: None)
    part = block[1:]
    assert type(part) is ConvNormReLU
    assert (part.out_channels, names(part), part._hooks) == (8, ["1", "2"], {})
    assert part[0] is block[1]
    assert part.scale is block.scale
    assert part(dlcore.zeros(1, 8, 2, 2)).shape == (1, 8, 2, 2)
    assert len(block) == 3
    part.append(nn.Tanh())
    assert names(part) == ["1", "2", "3"]
    assert (len(block), len(part)) == (3, 3)
    assert type(block + block) is ConvNormReLU
    assert [name for name, _ in (block + block).named_modules(remove_duplicate=False)][1:] == list("012345")

    class Named(nn.ModuleList):
        def __init__(self, title, modules):
            super().__init__(modules)
            self.title = title

    layers = Named("head", [nn.ReLU(), nn.Tanh()])
    assert (layers[1:].title, names(layers[1:]), type(layers[1:])) == ("head", ["0"], Named)


def test_slices_of_named_modules_keep_their_names():
    model = nn.Sequential({"first": nn.Linear(2, 2), "act": nn.ReLU(), "last": nn.Linear(2, 1)})
    assert list(model[1:].state_dict()) == ["last.weight", "last.bias"]
    assert names(model[::2]) == ["first", "last"]
    del model[1]
    assert names(model) == ["0", "1"]


def test_a_sequence_is_repeated_with_the_same_modules():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    twice = model * 2
    assert names(twice) == ["0", "1"]  # each module once
    assert [name for name, _ in twice.named_modules(remove_duplicate=False)] == ["", "0", "1", "2", "3"]
    assert len(list(twice.modules(remove_duplicate=False))) == 5
    assert twice[2] is model[0]
    assert len(3 * model) == 6
    model *= 2
    assert len(model) == 4
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="once or more"):
            model * wrong
    with pytest.raises(TypeError):
        model * 1.5


def test_lists_of_modules_are_joined_and_changed():
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Sigmoid()
    layers = nn.ModuleList([a]) + nn.ModuleList([b])
    assert list(layers) == [a, b]
    layers.insert(1, c)
    assert list(layers) == [a, c, b]
    assert layers.pop(-1) is b
    layers += [b]
    assert list(layers.extend([a]))[-1] is a
    with pytest.raises(TypeError, match="insert takes a Module, got function"):
        layers.insert(0, names)
    with pytest.raises(IndexError, match="out of range"):
        nn.ModuleList().pop(0)


def test_dictionaries_of_parameters_do_what_dictionaries_do():
    first = nn.ParameterDict({"a": dlcore.ones(1), "b": dlcore.zeros(2)})
    copied = first.copy()
    copied["c"] = dlcore.ones(3)
    assert (list(first), list(copied), list(reversed(copied))) == (["a", "b"], ["a", "b", "c"], ["c", "b", "a"])
    assert copied["a"] is first["a"]
    assert copied.popitem()[0] == "c"
    kept = first.setdefault("a", dlcore.zeros(9))
    assert kept is first["a"]
    assert isinstance(first.setdefault("d", dlcore.ones(4)), nn.Parameter)
    assert first.get("none") is None
    assert first.get("none", 3) == 3
    joined = copied | nn.ParameterDict({"a": dlcore.full((1,), 7.0)})
    assert isinstance(joined, nn.ParameterDict)
    assert (joined["a"].item(), copied["a"].item()) == (7, 1)
    assert list({"z": dlcore.ones(1)} | copied) == ["z", "a", "b"]
    before = copied
    copied |= {"e": dlcore.ones(1)}
    assert copied is before
    assert list(copied.state_dict()) == ["a", "b", "e"]
    empty = copied.fromkeys(["x", "y"])
    assert dict(empty.items()) == {"x": None, "y": None}
    empty.clear()
    with pytest.raises(KeyError, match="empty"):
        empty.popitem()


def test_submodules_are_replaced_only_where_there_are_some():
    model = nn.Sequential(nn.Linear(1, 1))
    model.set_submodule("0", nn.ReLU(), strict=True)
    with pytest.raises(AttributeError, match="'new' is not there"):
        model.set_submodule("new", nn.ReLU(), strict=True)
    model.set_submodule("new", nn.Tanh())
    assert names(model) == ["0", "new"]
    with pytest.raises(ValueError, match="module itself"):
        model.set_submodule("", nn.ReLU())


def test_layers_are_found_under_the_paths_of_pytorch():
    from dlcore.nn.modules.batchnorm import BatchNorm2d, _BatchNorm
    from dlcore.nn.modules.conv import _ConvNd
    from dlcore.nn.modules.utils import _pair, _triple

    assert BatchNorm2d is nn.BatchNorm2d
    assert isinstance(nn.BatchNorm1d(2), _BatchNorm)
    assert not isinstance(nn.InstanceNorm1d(2), _BatchNorm)
    assert isinstance(nn.ConvTranspose1d(1, 1, 1), _ConvNd)
    assert (_pair(3), _triple([1, 2, 3])) == ((3, 3), (1, 2, 3))
    assert nn.modules is paths
    assert paths.linear.Linear is paths.Linear is nn.Linear
    with pytest.raises(ImportError):
        import dlcore.nn.modules.nothing  # noqa: F401


@pytest.mark.parametrize("wrap", [lambda o: o, optim.Lookahead], ids=["plain", "wrapped"])
def test_optimizers_call_hooks_around_their_state(wrap):
    optimizer, order = wrap(optim.SGD([nn.Parameter(dlcore.ones(1))], lr=1.0)), []
    optimizer.register_state_dict_pre_hook(lambda _: order.append("later"))
    optimizer.register_state_dict_pre_hook(lambda _: order.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda _, state: order.append("made"))
    optimizer.register_load_state_dict_pre_hook(lambda _, state: state.update(state={}))
    handle = optimizer.register_load_state_dict_post_hook(lambda _: order.append("loaded"))
    state = optimizer.state_dict()
    state["state"] = {7: "what no parameter has"}
    optimizer.load_state_dict(state)
    assert state["state"] == {7: "what no parameter has"}  # a hook changes a copy
    assert order == ["first", "later", "made", "loaded"]
    handle.remove()
    optimizer.load_state_dict(state)
    assert order[3:] == ["loaded"]


def test_what_a_module_holds_is_seen_as_dictionaries():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False))
    assert list(model._modules) == ["0", "1"]
    assert isinstance(model._modules["0"], nn.Linear)
    for name, module in list(model._modules.items()):
        if isinstance(module, nn.BatchNorm1d):
            model._modules[name] = nn.ReLU()
    assert isinstance(model[1], nn.ReLU)
    model._modules["last"] = nn.Linear(2, 1, bias=False)
    assert model(dlcore.zeros(1, 2)).shape == (1, 1)
    assert model._modules.pop("1") is not None
    assert names(model) == ["0", "last"]
    layer = model.last
    assert list(layer._parameters) == ["weight"]
    layer._parameters["weight"] = nn.Parameter(dlcore.ones(1, 2))
    assert layer(dlcore.ones(1, 2)).item() == 2
    with pytest.raises(TypeError, match="must be a Parameter"):
        layer._parameters["weight"] = 3
    with pytest.raises(KeyError):
        del layer._parameters["none"]
    layer.register_buffer("seen", dlcore.zeros(1), persistent=False)
    layer._buffers["seen"] = dlcore.ones(2)
    assert (layer.seen.shape, list(layer._buffers), list(layer.state_dict())) == ((2,), ["seen"], ["weight"])
    del layer._buffers["seen"]
    assert not hasattr(layer, "seen")
    assert len(nn.ReLU()._buffers) == 0
    heads = nn.ModuleDict({"a": nn.ReLU()})
    assert repr(heads._modules) == "{'a': ReLU()}"
    assert heads._modules["a"] is heads["a"]
    with pytest.raises(KeyError):
        heads["b"]
