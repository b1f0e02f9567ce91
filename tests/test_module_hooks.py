"""Functions around a module's forward and its state dict."""

import copy
import pickle

import dlcore
import pytest
from dlcore import nn, optim


def layer():
    made = nn.Linear(2, 3)
    made.load_state_dict({"weight": dlcore.ones(3, 2), "bias": dlcore.zeros(3)})
    return made


def test_forward_hooks_see_and_replace():
    model, seen = layer(), []
    before = model.register_forward_pre_hook(lambda module, args: seen.append(len(args)))
    after = model.register_forward_hook(lambda module, args, output: output * 10)
    assert model(dlcore.ones(1, 2)).tolist() == [[20.0] * 3]
    doubled = model.register_forward_pre_hook(lambda module, args: args[0] * 2)
    assert model(dlcore.ones(1, 2)).tolist() == [[40.0] * 3]
    for handle in (before, after, doubled, after):
        handle.remove()
    assert model(dlcore.ones(1, 2)).tolist() == [[2.0] * 3]
    assert seen == [1, 1]


def test_hooks_take_keywords_and_come_in_order():
    class Scale(nn.Module):
        def forward(self, x, *, factor=1.0):
            return x * factor

    model, order = Scale(), []
    model.register_forward_pre_hook(lambda module, args, kwargs: (args, {"factor": 3.0}), with_kwargs=True)
    model.register_forward_hook(lambda module, args, kwargs, output: order.append(kwargs["factor"]), with_kwargs=True)
    model.register_forward_hook(lambda *_: order.append("first"), prepend=True)
    assert model(dlcore.ones(1), factor=2.0).item() == 3
    assert order == ["first", 3.0]


def test_a_hook_that_is_always_called_sees_the_failure():
    model, seen = layer(), []
    model.register_forward_hook(lambda module, args, output: seen.append(output), always_call=True)
    with pytest.raises(dlcore.ShapeError, match=r"Linear\(in_features=2"):
        model(dlcore.ones(1, 5))
    assert seen == [None]


def test_state_dict_hooks_rename_and_report():
    model, seen = nn.Sequential(layer()), []
    model.register_state_dict_post_hook(lambda module, state, prefix, _: state.update(extra=dlcore.ones(1)))
    assert "extra" in model.state_dict()

    def rename(module, state, prefix, metadata, strict, missing, unexpected, problems):
        state.pop("extra", None)
        state[prefix + "weight"] = state.pop(prefix + "w")

    model[0].register_load_state_dict_pre_hook(rename)
    model.register_load_state_dict_post_hook(lambda module, keys: seen.append(keys))
    given = {"0.w": dlcore.full((3, 2), 2.0), "0.bias": dlcore.ones(3)}
    model.load_state_dict(given)
    assert model[0].weight.sum().item() == 12
    assert "0.w" in given
    assert seen[0].missing_keys == []


def test_assign_takes_the_tensors_themselves():
    model, table = layer(), dlcore.ones(3, 2, dtype=dlcore.float64)
    model.load_state_dict({"weight": table, "bias": dlcore.zeros(3)}, assign=True)
    assert model.weight.dtype == dlcore.float64
    table[0, 0] = 5
    assert model.weight[0, 0].item() == 5
    assert isinstance(model.weight, nn.Parameter)
    assert model.weight.requires_grad


def test_extra_state_is_saved_and_loaded():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = 0

        def get_extra_state(self):
            return {"seen": self.seen}

        def set_extra_state(self, state):
            self.seen = state["seen"]

    model, twin = nn.Sequential(Counter()), nn.Sequential(Counter())
    model[0].seen = 7
    assert model.state_dict() == {"0._extra_state": {"seen": 7}}
    twin.load_state_dict(model.state_dict())
    assert twin[0].seen == 7
    with pytest.raises(RuntimeError, match=r"missing: 0\._extra_state"):
        twin.load_state_dict({})


def test_modules_and_optimizers_are_copied_and_pickled():
    model = nn.Sequential(layer(), nn.BatchNorm1d(3))
    optimizer = optim.Adam(model.parameters())
    model(dlcore.randn(4, 2)).sum().backward()
    optimizer.step()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert list(twin.state_dict()) == list(model.state_dict())
        assert all(dlcore.equal(a, b) for a, b in zip(twin.parameters(), model.parameters(), strict=True))
        assert twin[0].weight is not model[0].weight
    both = copy.deepcopy({"model": model, "optimizer": optimizer})
    assert both["optimizer"].param_groups[0]["params"][0] is both["model"][0].weight
    assert sorted(both["optimizer"].state[both["model"][0].weight]) == ["exp_avg", "exp_avg_sq", "step"]
    state = pickle.loads(pickle.dumps(optimizer.state_dict()))
    assert state["state"][0]["step"] == 1


def test_optimizers_call_hooks_around_a_step():
    param, order = nn.Parameter(dlcore.ones(1)), []
    optimizer = optim.SGD([param], lr=1.0)
    optimizer.register_step_pre_hook(lambda *_: order.append("before"))
    handle = optimizer.register_step_post_hook(lambda *_: order.append("after"))
    (param * 1).sum().backward()
    optimizer.step()
    handle.remove()
    optimizer.step()
    assert order == ["before", "after", "before"]
    optimizer.register_state_dict_post_hook(lambda _, state: {**state, "more": 1})
    optimizer.register_load_state_dict_pre_hook(lambda _, state: state | {"state": {}})
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.state_dict()["more"] == 1


def test_submodules_are_found_and_replaced():
    model = nn.Sequential(nn.Sequential(layer()), nn.BatchNorm1d(3))
    model.set_submodule("0.0", nn.Identity())
    assert isinstance(model.get_submodule("0.0"), nn.Identity)
    assert model.get_buffer("1.running_mean") is model[1].running_mean
    with pytest.raises(AttributeError, match=r"no buffer '1\.weight'"):
        model.get_buffer("1.weight")
    joined = nn.Sequential(nn.ReLU())
    joined += nn.Sequential(nn.Tanh())
    assert [type(m).__name__ for m in joined] == ["ReLU", "Tanh"]
    assert type(joined.pop(0)).__name__ == "ReLU"
    assert len(joined) == 1


def test_lists_and_dictionaries_of_parameters():
    values = nn.ParameterList([dlcore.ones(2), nn.Parameter(dlcore.zeros(3)), "kept"])
    assert list(values.state_dict()) == ["0", "1"]
    assert values[-1] == "kept"
    assert [tuple(value.shape) for value in values[:2]] == [(2,), (3,)]
    values[0] = dlcore.ones(4)
    assert isinstance(values[0], nn.Parameter)
    with pytest.raises(IndexError, match="out of range for 3"):
        values[3]
    named = nn.ParameterDict({"a": dlcore.ones(2)})
    named["b"] = nn.Parameter(dlcore.ones(1))
    assert (list(named), "a" in named, len(named)) == (["a", "b"], True, 2)
    assert named.pop("a").shape == (2,)
    assert list(named.state_dict()) == ["b"]
    with pytest.raises(KeyError, match="cannot be a name"):
        named["forward"] = dlcore.ones(1)
    assert repr(named) == "ParameterDict(  (b): Parameter containing: [dlcore.float32 of size 1])"


def test_backward_hooks_see_and_replace_gradients():
    model, seen = layer(), []
    model.register_full_backward_pre_hook(lambda module, outward: (outward[0] * 2,))
    handle = model.register_full_backward_hook(lambda module, inward, outward: seen.append((inward, outward)))
    x = dlcore.ones(4, 2, requires_grad=True)
    model(x).sum().backward()
    ((inward, outward),) = seen
    assert (inward[0].tolist(), outward[0].tolist()) == ([[6.0, 6.0]] * 4, [[2.0] * 3] * 4)
    assert x.grad.tolist() == [[6.0, 6.0]] * 4
    assert model.weight.grad.tolist() == [[8.0, 8.0]] * 3
    handle.remove()
    model.register_full_backward_hook(lambda module, inward, outward: (inward[0] * 10,))
    x.grad = None
    model(x).sum().backward()
    assert x.grad.tolist() == [[60.0, 60.0]] * 4
    model.register_full_backward_hook(lambda *_: (None, None))
    with pytest.raises(RuntimeError, match="returned 2 gradients for 1"):
        model(x).sum().backward()


def test_backward_hooks_of_modules_whose_input_needs_no_gradient():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(dlcore.ones(2))

        def forward(self, x, factor):
            return x * self.w, factor

    model, seen = Two(), []
    model.register_full_backward_hook(lambda module, inward, outward: seen.append((inward, len(outward))))
    y, _ = model(dlcore.ones(2), 3)
    y.sum().backward()
    assert seen == [((None, None), 2)]
    with dlcore.no_grad():
        model(dlcore.ones(2), 3)
    assert len(seen) == 1


class Renamed(nn.Linear):
    """As programs rename what older versions saved."""

    def __init__(self):
        super().__init__(2, 1, bias=False)
        self._register_load_state_dict_pre_hook(self.rename)

    def rename(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        state_dict[f"{prefix}weight"] = state_dict.pop(f"{prefix}w")


def test_hooks_under_their_older_names():
    model = nn.Sequential(Renamed())
    for twin in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.load_state_dict({"0.w": [[1.0, 2.0]]})
        assert twin[0].weight.tolist() == [[1, 2]]
    seen = []
    model[0]._register_load_state_dict_pre_hook(lambda module, *_: seen.append(module), with_module=True)
    model[0]._register_state_dict_hook(lambda module, state, prefix, _: state.update({f"{prefix}more": 1}))
    assert model.state_dict()["0.more"] == 1
    model.load_state_dict({"0.w": [[1.0, 2.0]]})
    assert seen == [model[0]]


def test_a_layer_that_takes_its_size_keeps_hooks():
    lazy, seen = nn.LazyLinear(2), []
    lazy.register_load_state_dict_pre_hook(lambda *_: seen.append(1))
    lazy(dlcore.zeros(1, 3))
    lazy.load_state_dict(lazy.state_dict())
    assert seen == [1]
    other = nn.LazyLinear(2)
    other.load_state_dict(lazy.state_dict())
    assert (type(other), other.in_features) == (nn.Linear, 3)
