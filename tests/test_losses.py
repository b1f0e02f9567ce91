"""Activations and losses that are made of operations: values against numpy, gradients against differences."""

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from cases import assert_close
from derivatives import assert_gradients, assert_second_derivatives
from test_functions import Function

SIGNS = np.array([1, -1, 1, -1, -1])
LABELS = np.array([2, 0, 3, 1, 2])
WEIGHT = np.array([1, 2, 0.5, 3])
SETS = np.array([[3, 0, -1, 1], [-1, 2, 2, 2], [0, 1, 2, 3]])


def positive(x):
    return np.maximum(x, 0)


def softplus(x):
    return np.logaddexp(0, x)


def distance(x, y, p=2):
    return (np.abs(x - y + 1e-6) ** p).sum(-1) ** (1 / p)


def cosine(x, y):
    return (x * y).sum(1) / np.sqrt(((x * x).sum(1) + 1e-12) * ((y * y).sum(1) + 1e-12))


def multi_margin(x, p=1, margin=1.0, weight=None):
    gaps = positive(margin - np.take_along_axis(x, LABELS[:, None], 1) + x) ** p
    gaps = gaps if weight is None else gaps * weight[LABELS][:, None]
    gaps[np.arange(len(x)), LABELS] = 0
    return gaps.mean(1).mean()


def multilabel_margin(x):
    losses = []
    for row, labels in zip(x, SETS, strict=True):
        wanted = list(labels[: np.argmin(labels)] if labels.min() < 0 else labels)
        others = [i for i in range(len(row)) if i not in wanted]
        losses.append(sum(positive(1 - (row[j] - row[i])) for j in wanted for i in others) / len(row))
    return np.array(losses)


def signs(x):
    return dlcore.tensor(SIGNS, dtype=x.dtype)


FUNCTIONS = {
    "selu": Function(
        F.selu, lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)), (3, 7)
    ),
    "celu": Function(lambda x: F.celu(x, 0.7), lambda x: positive(x) + np.minimum(0, 0.7 * np.expm1(x / 0.7)), (3, 7)),
    "relu6": Function(lambda x: F.relu6(4 * x), lambda x: np.clip(4 * x, 0, 6), (3, 7)),
    "tanhshrink": Function(F.tanhshrink, lambda x: x - np.tanh(x), (3, 7)),
    "rrelu": Function(F.rrelu, lambda x: np.where(x > 0, x, x * (1 / 8 + 1 / 3) / 2), (3, 7)),
    "prelu": Function(
        F.prelu, lambda x, w: np.where(x > 0, x, w[:, None] * x), (2, 3, 4), (3,)
    ),
    "glu": Function(lambda x: F.glu(x, 1), lambda x: x[:, :2] / (1 + np.exp(-x[:, 2:])), (3, 4, 2)),
    "softmin": Function(
        lambda x: F.softmin(x, 1), lambda x: np.exp(-x) / np.exp(-x).sum(1, keepdims=True), (3, 5)
    ),
    "kl_div": Function(
        lambda x, y: F.kl_div(x, y, reduction="batchmean"),
        lambda x, y: (y * (np.log(y) - x)).sum() / 3,
        (3, 5), (3, 5), positive=True,
    ),
    "kl_div, log_target": Function(
        lambda x, y: F.kl_div(x, y, log_target=True), lambda x, y: (np.exp(y) * (y - x)).mean(), (3, 5), (3, 5)
    ),
    "binary_cross_entropy": Function(
        lambda x, y, w: F.binary_cross_entropy(0.1 + 0.8 * x, y, w),
        lambda x, y, w: -(w * (y * np.log(0.1 + 0.8 * x) + (1 - y) * np.log(0.9 - 0.8 * x))).mean(),
        (3, 5), (3, 5), (5,), positive=True,
    ),
    "poisson_nll_loss": Function(F.poisson_nll_loss, lambda x, y: (np.exp(x) - y * x).mean(), (3, 5), (3, 5)),
    "poisson_nll_loss of rates, full": Function(
        lambda x, y: F.poisson_nll_loss(x, 4 * y, log_input=False, full=True),
        lambda x, y: (
            x - 4 * y * np.log(x + 1e-8)
            + np.where(4 * y > 1, 4 * y * np.log(4 * y) - 4 * y + np.log(8 * np.pi * y) / 2, 0)
        ).mean(),
        (3, 5), (3, 5), positive=True,
    ),
    "gaussian_nll_loss": Function(
        lambda x, y, v: F.gaussian_nll_loss(x, y, v, full=True),
        lambda x, y, v: ((np.log(v[:, None]) + (x - y) ** 2 / v[:, None] + np.log(2 * np.pi)) / 2).mean(),
        (3, 5), (3, 5), (3,), positive=True,
    ),
    "multilabel_soft_margin_loss": Function(
        F.multilabel_soft_margin_loss,
        lambda x, y: (y * softplus(-x) + (1 - y) * softplus(x)).mean(),
        (3, 5), (3, 5),
    ),
    "margin_ranking_loss": Function(
        lambda x, y: F.margin_ranking_loss(x, y, signs(x), 0.3), lambda x, y: positive(0.3 - SIGNS * (x - y)).mean(),
        (5,), (5,),
    ),
    "hinge_embedding_loss": Function(
        lambda x: F.hinge_embedding_loss(x, signs(x), 0.6),
        lambda x: np.where(SIGNS == 1, x, positive(0.6 - x)).mean(),
        (5,),
    ),
    "soft_margin_loss": Function(
        lambda x: F.soft_margin_loss(x, signs(x), reduction="sum"), lambda x: softplus(-SIGNS * x).sum(), (5,)
    ),
    "cosine_embedding_loss": Function(
        lambda x, y: F.cosine_embedding_loss(x, y, signs(x), 0.1),
        lambda x, y: np.where(SIGNS == 1, 1 - cosine(x, y), positive(cosine(x, y) - 0.1)).mean(),
        (5, 4), (5, 4),
    ),
    "pairwise_distance": Function(
        lambda x, y: F.pairwise_distance(x, y, 3.0), lambda x, y: distance(x, y, 3), (5, 4), (4,)
    ),
    "triplet_margin_loss": Function(
        F.triplet_margin_loss,
        lambda a, n, f: positive(1 + distance(a, n) - distance(a, f)).mean(),
        (5, 4), (5, 4), (5, 4),
    ),
    "triplet_margin_loss, swap": Function(
        lambda a, n, f: F.triplet_margin_loss(a, n, f, 2.0, swap=True),
        lambda a, n, f: positive(2 + distance(a, n) - np.minimum(distance(a, f), distance(n, f))).mean(),
        (5, 4), (5, 4), (5, 4),
    ),
    "multi_margin_loss": Function(lambda x: F.multi_margin_loss(x, dlcore.tensor(LABELS)), multi_margin, (5, 4)),
    "multi_margin_loss, weighted": Function(
        lambda x: F.multi_margin_loss(x, dlcore.tensor(LABELS), 2, 0.7, dlcore.tensor(WEIGHT, dtype=x.dtype)),
        lambda x: multi_margin(x, 2, 0.7, WEIGHT),
        (5, 4),
    ),
    "multilabel_margin_loss": Function(
        lambda x: F.multilabel_margin_loss(x, dlcore.tensor(SETS), reduction="none"), multilabel_margin, (3, 4)
    ),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", FUNCTIONS)


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values(name, dtype):
    case = FUNCTIONS[name]
    arrays = case.arrays(dtype)
    expected = np.asarray(case.reference(*(x.astype("float64") for x in arrays)))
    assert_close(case.run(arrays)[0].numpy(), expected.astype(dtype), name)


@EVERY
def test_gradients(name):
    assert assert_gradients(FUNCTIONS[name], FUNCTIONS[name].arrays("float64"))


@EVERY
def test_second_derivatives(name):
    assert_second_derivatives(FUNCTIONS[name], FUNCTIONS[name].arrays("float64"))


@pytest.mark.parametrize("function", [F.relu, F.silu, F.elu, F.relu6, F.hardswish, F.mish, F.leaky_relu])
def test_activations_in_place_write_into_their_input(function):
    x = dlcore.tensor([-1.0, 0.5, 7.0])
    expected = function(x).tolist()
    assert function(x, inplace=True) is x
    assert x.tolist() == expected


def test_a_saturated_probability_has_a_finite_gradient():
    x = dlcore.tensor([0.0, 1.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(x, dlcore.tensor([1.0, 0.0, 1.0]), reduction="none")
    loss.sum().backward()
    assert loss.tolist() == [100, 100, 0]
    assert np.isfinite(x.grad.numpy()).all()


def test_gumbel_softmax_draws_by_the_logits():
    dlcore.manual_seed(0)
    drawn = F.gumbel_softmax(dlcore.tensor([0.1, 0.2, 0.7]).log().expand(20_000, 3), hard=True).mean(0)
    np.testing.assert_allclose(drawn.numpy(), [0.1, 0.2, 0.7], atol=0.01)
    logits = dlcore.zeros(4, 3, requires_grad=True)
    F.gumbel_softmax(logits, 0.5, hard=True)[:, 0].sum().backward()
    assert logits.grad.abs().sum() > 0


def test_rrelu_draws_a_slope_for_each_element():
    drawn = -F.rrelu(-dlcore.ones(10_000), 0.2, 0.4, training=True)
    assert 0.2 <= drawn.min() < 0.21
    assert 0.39 < drawn.max() <= 0.4


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.binary_cross_entropy(dlcore.tensor([1.5]), dlcore.ones(1)),
        lambda: F.binary_cross_entropy(dlcore.zeros(2), dlcore.ones(3)),
        lambda: F.gaussian_nll_loss(dlcore.zeros(2), dlcore.zeros(2), -dlcore.ones(2)),
        lambda: F.gaussian_nll_loss(dlcore.zeros(2, 3), dlcore.zeros(2, 3), dlcore.ones(3)),
        lambda: F.margin_ranking_loss(dlcore.zeros(2), dlcore.zeros(1, 2), dlcore.ones(2)),
        lambda: F.cosine_embedding_loss(dlcore.zeros(2), dlcore.zeros(2), dlcore.ones(2)),
        lambda: F.triplet_margin_loss(dlcore.zeros(2), dlcore.zeros(2), dlcore.zeros(2), margin=0.0),
        lambda: F.multi_margin_loss(dlcore.zeros(2, 3), dlcore.tensor([0, 3])),
        lambda: F.multi_margin_loss(dlcore.zeros(2, 3), dlcore.tensor([0, 1]), p=3),
        lambda: F.multilabel_margin_loss(dlcore.zeros(2), dlcore.tensor([2, -1])),
        lambda: F.kl_div(dlcore.zeros(2), dlcore.zeros(2), reduction="batch"),
        lambda: F.celu(dlcore.zeros(2), 0.0),
        lambda: F.hardtanh(dlcore.zeros(2), 1.0, 0.0),
        lambda: F.softshrink(dlcore.zeros(2), -1.0),
        lambda: F.prelu(dlcore.zeros(2, 3), dlcore.zeros(2)),
        lambda: F.glu(dlcore.zeros(3)),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call):
    with pytest.raises((ValueError, IndexError), match=r"^[a-z_]+: "):
        call()
