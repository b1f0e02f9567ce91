"""`summary`: parameters and multiply-adds known from the literature or from formulas, shapes, memory."""

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import models, nn
from dlcore.nn.utils.rnn import pack_sequence


def tokens(*shape):
    return dlcore.zeros(*shape, dtype=dlcore.int64)


@pytest.mark.parametrize(
    ("make", "parameters", "billions"),
    [
        (models.resnet18, 11_689_512, 1.82),
        (models.resnet34, 21_797_672, 3.67),
        (models.resnet50, 25_557_032, 4.11),
        (models.vgg11, 132_863_336, 7.61),
        (models.vgg16, 138_357_544, 15.47),
        (models.MobileNetV2, 3_504_872, 0.31),
    ],
    ids=["resnet18", "resnet34", "resnet50", "vgg11", "vgg16", "mobilenet"],
)
def test_image_models_count_as_published(make, parameters, billions):
    model = make()
    found = dlcore.summary(model, (1, 3, 224, 224))
    assert found.parameters == sum(layer.parameters for layer in found.layers) == parameters
    assert round(found.multiply_adds / 1e9, 2) == billions
    statistics = sum(buffer.element_size() * buffer.numel() for buffer in model.buffers())
    assert found.bytes == 4 * parameters + statistics


def test_text_models_count_by_their_formula():
    length, width, layers, vocabulary = 8, 768, 12, 50257
    blocks = length * 12 * width**2 * layers + 2 * length**2 * width * layers
    norms = 5 * length * width * (2 * layers + 1)
    gpt = dlcore.summary(models.GPT(), tokens(1, length))
    assert gpt.parameters == 124_439_808
    assert gpt.multiply_adds == blocks + norms + length * width * vocabulary
    table, head = gpt.layers[0], gpt.layers[-1]
    assert (table.parameters, table.multiply_adds) == (vocabulary * width, 0)
    assert (head.parameters, head.multiply_adds) == (0, length * width * vocabulary)  # it is the same table
    bert = dlcore.summary(models.BERT(), tokens(1, length))
    assert bert.parameters == 109_482_240
    assert bert.multiply_adds == blocks + norms + width**2


def test_layers_calls_and_modes():
    model = models.LeNet()
    model.features.requires_grad_(False)
    found = dlcore.summary(model, dlcore.zeros(2, 1, 28, 28))
    assert [layer.kind for layer in found.layers][:3] == ["Conv2d", "ReLU", "MaxPool2d"]
    assert found.layers[0].multiply_adds == 2 * 6 * 28 * 28 * 25
    assert found.layers[-1] == ("classifier.5", "Linear", ((2, 84),), ((2, 10),), 850, 2 * 840, 2 * 10 * 4)
    assert {layer.kind: layer.bytes for layer in found.layers}["Flatten"] == 0  # a view
    assert found.activations == sum(layer.bytes for layer in found.layers)
    assert (found.parameters, found.trainable, found.bytes) == (61706, 61706 - 2572, 4 * 61706)
    assert "(2,572 frozen)" in str(found)
    assert str(found) == str(dlcore.summary(model, (2, 1, 28, 28)))
    assert model.training
    assert [p.requires_grad for p in model.parameters()] == [False] * 4 + [True] * 6
    assert not any(hooks for module in model.modules() for hooks in module._hooks.values())
    shared = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    shared.append(shared[0])
    assert [layer.parameters for layer in dlcore.summary(shared, (1, 2)).layers] == [6, 0, 0]


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match=r"expected a Module, got Tensor; `x.summary\(\)` tells of a tensor"):
        dlcore.summary(dlcore.zeros(2))
    with pytest.raises(TypeError, match="expected a Module, got builtin_function_or_method"):
        dlcore.summary(dlcore.zeros, (2, 3))


def test_an_error_inside_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(3, 1)).requires_grad_(False)
    with pytest.raises(dlcore.ShapeError, match=r"Sequential\.1"):
        dlcore.summary(model, (4, 2))
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(hooks for module in model.modules() for hooks in module._hooks.values())
    assert model.training
    assert not dlcore.autograd.anomaly.is_anomaly_enabled()


def work(module, *args, **kwargs):
    return dlcore.summary(module, *args, **kwargs).multiply_adds


X = dlcore.zeros(2, 3, 8)


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Conv1d(4, 6, 3), (2, 4, 10), 2 * 8 * 6 * 4 * 3),
        (nn.Conv2d(4, 6, 3, groups=2, padding=1), (2, 4, 5, 5), 2 * 25 * 6 * 2 * 9),
        (nn.Conv2d(4, 4, 3, stride=2, groups=4, bias=False), (2, 4, 9, 9), 2 * 16 * 4 * 9),
        (nn.Conv3d(2, 4, 3), (1, 2, 5, 5, 5), 27 * 4 * 2 * 27),
        (nn.ConvTranspose1d(4, 6, 3, stride=2), (2, 4, 5), 2 * 5 * 4 * 6 * 3),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (2, 4, 5, 5), 2 * 25 * 4 * 3 * 9),
        (nn.ConvTranspose3d(2, 4, 2), (1, 2, 3, 3, 3), 27 * 2 * 4 * 8),
        (nn.BatchNorm2d(3), (2, 3, 4, 4), 2 * 96),
        (nn.GroupNorm(3, 6), (2, 6, 4), 5 * 48),
        (nn.InstanceNorm1d(6), (2, 6, 4), 5 * 48),
        (nn.RMSNorm(6), (2, 6), 5 * 12),
        (nn.AvgPool2d(2), (1, 2, 4, 4), 0),
        (nn.GELU(), (4, 4), 0),
        (nn.RNN(3, 5), (7, 2, 3), 14 * (5 * 3 + 5 * 5)),
        (nn.GRU(3, 5, num_layers=2, bias=False), (7, 2, 3), 14 * 3 * (5 * 3 + 5 * 5 + 2 * 5 * 5)),
        (nn.LSTM(3, 5, bidirectional=True), (7, 2, 3), 14 * 2 * 4 * (5 * 3 + 5 * 5)),
        (nn.LSTM(3, 5, proj_size=2), (7, 2, 3), 14 * (4 * 5 * (3 + 2) + 2 * 5)),
        (nn.LSTMCell(3, 5), (4, 3), 4 * 4 * 5 * (3 + 5)),
        (nn.GRUCell(3, 5), (4, 3), 4 * 3 * 5 * (3 + 5)),
    ],
    ids=lambda value: f"{type(value).__name__}" if isinstance(value, nn.Module) else "",
)
def test_layers_count_by_their_formula(module, shape, expected):
    assert work(module, shape) == expected


def test_attention_counts_both_products():
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    expected = 2 * 3 * 8 * 4 * 8 + 2 * 2 * 3 * 3 * 8  # four projections, scores and mixtures
    for need_weights in (True, False):
        found = dlcore.summary(layer, X, X, X, need_weights=need_weights)
        assert found.multiply_adds == expected
        assert [layer.parameters for layer in found.layers] == [4 * 8 * 8 + 4 * 8]


class Composed(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        (dlcore.matmul, [(2, 1, 3, 4), (5, 4, 6)], 2 * 5 * 3 * 4 * 6),
        (dlcore.matmul, [(4,), (4, 6)], 4 * 6),
        (dlcore.bmm, [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
        (dlcore.addmm, [(3, 5), (3, 4), (4, 5)], 3 * 4 * 5),
        (dlcore.baddbmm, [(2, 3, 5), (2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
        (lambda a, b: dlcore.einsum("bhqd,bhkd->bhqk", a, b), [(2, 3, 4, 5), (2, 3, 6, 5)], 2 * 3 * 4 * 5 * 6),
        (lambda a, b: dlcore.tensordot(a, b, dims=2), [(3, 4, 5), (4, 5, 6)], 3 * 20 * 6),
        (F.scaled_dot_product_attention, [(2, 4, 3, 8), (2, 4, 5, 8), (2, 4, 5, 6)], 2 * 4 * 3 * 5 * (8 + 6)),
        (lambda x, w: (x @ w).argmax(-1), [(3, 4), (4, 5)], 0),  # as the documentation says, only an index leaves
        (lambda x, w: (x * x + 1).relu(), [(3, 4), (4, 5)], 0),
    ],
)
def test_operations_in_a_forward_count(function, shapes, expected):
    assert work(Composed(function), *[dlcore.zeros(*shape) for shape in shapes]) == expected


def test_packed_sequences_count_the_steps_that_there_are():
    packed = pack_sequence([dlcore.zeros(5, 3), dlcore.zeros(2, 3)])
    assert work(nn.GRU(3, 4), packed) == 7 * 3 * 4 * (3 + 4)


def test_what_writes_in_place_or_leaves_the_graph_can_be_counted():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.unused = nn.Linear(3, 3), nn.Linear(5, 5)

        def forward(self, x):
            x += 1
            x[:, 0] = 0
            return self.inner(x).argmax(-1)

    given = dlcore.zeros(2, 3)
    found = dlcore.summary(Model(), given)
    assert found.multiply_adds == 2 * 9
    assert [(layer.path, layer.parameters) for layer in found.layers] == [("Model", 30), ("inner", 12)]
    np.testing.assert_array_equal(given.numpy(), np.zeros((2, 3)))
