"""Losses that PyTorch does not have: values against their papers' formulas in numpy, gradients against differences."""

import math

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from cases import assert_close
from derivatives import assert_gradients, assert_second_derivatives
from dlcore import nn
from test_functions import Function

LABELS = np.array([2, 0, 3, 1, 2])
PAIRS = np.array([0, 1, 0, 1, 1, 2])
CLASS_WEIGHT = np.array([1, 2, 0.5, 3])
YES = np.array([[1.0, 0, 0], [0, 1, 1]])
REGIONS = np.array([[0, 1, 1, 3, 2], [2, 2, 0, 1, 3]])
SIGNS = np.array([[1.0, -1, 1], [-1, 1, 1]])
ONE_HOT = np.eye(4)[LABELS]


def softmax(x, axis=1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def right(x):
    return softmax(x)[np.arange(len(x)), LABELS]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def tversky(p, t, alpha, beta, smooth):
    hit, alarm, miss = (p * t).sum(2), (p * (1 - t)).sum(2), ((1 - p) * t).sum(2)
    return (1 - (hit + smooth) / (hit + alpha * alarm + beta * miss + smooth)).mean()


def dice(p, t):
    return (1 - (2 * (p * t).sum(2) + 1) / (p.sum(2) + t.sum(2) + 1)).mean()


def categorical_hinge(x):
    rows = np.arange(len(x))
    wrong = np.where(ONE_HOT > 0, -np.inf, x).max(1)
    return np.maximum(0, 1 + wrong - x[rows, LABELS]).mean()


def info_nce(q, p):
    return -np.log(np.diag(softmax(unit(q) @ unit(p).T / 0.1))).mean()


def info_nce_from(q, p, n):
    q, p, n = unit(q), unit(p), unit(n)
    logits = np.concatenate([(q * p).sum(1, keepdims=True), q @ n.T], 1) / 0.2
    return -np.log(softmax(logits)[:, 0]).mean()


def nt_xent(a, b):
    z = unit(np.concatenate([a, b]))
    n, losses = len(a), []
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        scores = np.array([z[i] @ z[k] / 0.5 for k in range(2 * n) if k != i])
        losses.append(np.log(np.exp(scores).sum()) - z[i] @ z[j] / 0.5)
    return np.mean(losses)


def sup_con(x):
    z, losses = unit(x), []
    for i in range(len(z)):
        others = [k for k in range(len(z)) if k != i]
        own = [k for k in others if PAIRS[k] == PAIRS[i]]
        total = np.log(sum(np.exp(z[i] @ z[k] / 0.1) for k in others))
        if own:
            losses.append(np.mean([total - z[i] @ z[k] / 0.1 for k in own]))
    return np.mean(losses)


def circle(x, margin=0.25, gamma=4.0):
    z, losses = unit(x), []
    for i in range(len(z)):
        near = [z[i] @ z[k] for k in range(len(z)) if k != i and PAIRS[k] == PAIRS[i]]
        far = [z[i] @ z[k] for k in range(len(z)) if PAIRS[k] != PAIRS[i]]
        pull = sum(np.exp(-gamma * max(0, 1 + margin - s) * (s - 1 + margin)) for s in near)
        push = sum(np.exp(gamma * max(0, s + margin) * (s - margin)) for s in far)
        if near:
            losses.append(np.log(1 + pull * push))
    return np.mean(losses)


FUNCTIONS = {
    "focal_loss": Function(
        lambda x: F.focal_loss(x, dlcore.tensor(LABELS)),
        lambda x: (-((1 - right(x)) ** 2) * np.log(right(x))).mean(),
        (5, 4),
    ),
    "focal_loss, weighted": Function(
        lambda x: F.focal_loss(x, dlcore.tensor(LABELS), 1.5, dlcore.tensor(CLASS_WEIGHT, dtype=x.dtype), 0, "sum"),
        lambda x: (-CLASS_WEIGHT[LABELS] * (LABELS != 0) * (1 - right(x)) ** 1.5 * np.log(right(x))).sum(),
        (5, 4),
    ),
    "sigmoid_focal_loss": Function(
        lambda x: F.sigmoid_focal_loss(x, dlcore.tensor(YES, dtype=x.dtype)),
        lambda x: np.where(
            YES > 0,
            -0.25 * (1 - sigmoid(x)) ** 2 * np.log(sigmoid(x)),
            -0.75 * sigmoid(x) ** 2 * np.log(1 - sigmoid(x)),
        ),
        (2, 3),
    ),
    "generalized_cross_entropy_loss": Function(
        lambda x: F.generalized_cross_entropy_loss(x, dlcore.tensor(LABELS)),
        lambda x: ((1 - right(x) ** 0.7) / 0.7).mean(),
        (5, 4),
    ),
    "dice_loss": Function(
        lambda x: F.dice_loss(x, dlcore.tensor(REGIONS)),
        lambda x: dice(softmax(x), np.eye(4)[REGIONS].transpose(0, 2, 1)),
        (2, 4, 5),
    ),
    "dice_loss, yes or no": Function(
        F.dice_loss, lambda x, t: dice(sigmoid(x), t), (2, 4, 5), (2, 4, 5), positive=True
    ),
    "tversky_loss": Function(
        lambda x: F.tversky_loss(x, dlcore.tensor(REGIONS), 0.3, 0.7, 2.0),
        lambda x: tversky(softmax(x), np.eye(4)[REGIONS].transpose(0, 2, 1), 0.3, 0.7, 2.0),
        (2, 4, 5),
    ),
    "log_cosh_loss": Function(F.log_cosh_loss, lambda x, t: np.log(np.cosh(x - t)).mean(), (3, 4), (3, 4)),
    "mape_loss": Function(
        lambda x, t: F.mape_loss(x, t + 1), lambda x, t: (100 * np.abs((t + 1 - x) / (t + 1))).mean(),
        (3, 4), (3, 4), positive=True,
    ),
    "msle_loss": Function(
        F.msle_loss, lambda x, t: ((np.log1p(x) - np.log1p(t)) ** 2).mean(), (3, 4), (3, 4), positive=True
    ),
    "squared_hinge_loss": Function(
        lambda x: F.squared_hinge_loss(x, dlcore.tensor(SIGNS, dtype=x.dtype)),
        lambda x: (np.maximum(0, 1 - SIGNS * x) ** 2).mean(),
        (2, 3),
    ),
    "categorical_hinge_loss": Function(
        lambda x: F.categorical_hinge_loss(x, dlcore.tensor(LABELS)), categorical_hinge, (5, 4)
    ),
    "categorical_hinge_loss, one-hot": Function(
        lambda x: F.categorical_hinge_loss(x, dlcore.tensor(ONE_HOT, dtype=x.dtype)), categorical_hinge, (5, 4)
    ),
    "info_nce_loss": Function(F.info_nce_loss, info_nce, (4, 3), (4, 3)),
    "info_nce_loss, negatives": Function(
        lambda q, p, n: F.info_nce_loss(q, p, n, temperature=0.2), info_nce_from, (4, 3), (4, 3), (5, 3)
    ),
    "nt_xent_loss": Function(F.nt_xent_loss, nt_xent, (3, 4), (3, 4)),
    "supervised_contrastive_loss": Function(
        lambda x: F.supervised_contrastive_loss(x, dlcore.tensor(PAIRS)), sup_con, (6, 4)
    ),
    "circle_loss": Function(lambda x: F.circle_loss(x, dlcore.tensor(PAIRS), gamma=4.0), circle, (6, 4)),
    "l1_penalty": Function(
        lambda x, y: F.l1_penalty([x, y]), lambda x, y: np.abs(x).sum() + np.abs(y).sum(), (3,), (2, 2)
    ),
    "l2_penalty": Function(lambda x, y: F.l2_penalty([x, y]), lambda x, y: (x**2).sum() + (y**2).sum(), (3,), (2, 2)),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", FUNCTIONS)
# What receives no gradient in the paper moves under a difference.
DIFFERENTIABLE = pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "circle_loss"])


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values(name, dtype):
    case = FUNCTIONS[name]
    arrays = case.arrays(dtype)
    expected = np.asarray(case.reference(*(x.astype("float64") for x in arrays)))
    assert_close(case.run(arrays)[0].numpy(), expected.astype(dtype), name)


@DIFFERENTIABLE
def test_gradients(name):
    assert assert_gradients(FUNCTIONS[name], FUNCTIONS[name].arrays("float64"))


@DIFFERENTIABLE
def test_second_derivatives(name):
    assert_second_derivatives(FUNCTIONS[name], FUNCTIONS[name].arrays("float64"))


def test_circle_loss_trains():
    dlcore.manual_seed(0)
    x = dlcore.randn(6, 4, requires_grad=True)
    optimizer = dlcore.optim.Adam([x], lr=0.1)
    for _ in range(100):
        loss = F.circle_loss(x, dlcore.tensor(PAIRS))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_a_lonely_sample_counts_nothing_and_gives_no_nan():
    x = dlcore.randn(3, 2, requires_grad=True)
    for loss in (F.supervised_contrastive_loss, F.circle_loss):
        value = loss(x, dlcore.arange(3))
        value.backward()
        assert value.item() == 0
        assert x.grad.tolist() == [[0, 0]] * 3


def test_large_logits_have_finite_losses_and_gradients():
    x = dlcore.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    labels = dlcore.tensor([0, 0])
    total = F.focal_loss(x, labels) + F.generalized_cross_entropy_loss(x, labels) + F.log_cosh_loss(x, 0 * x)
    total = total + F.sigmoid_focal_loss(x, dlcore.eye(2)).sum() + F.dice_loss(x.unsqueeze(2), labels.unsqueeze(1))
    total.backward()
    assert math.isfinite(total.item())
    assert np.isfinite(x.grad.numpy()).all()


def test_gradient_penalty_reaches_the_critic():
    dlcore.manual_seed(0)
    critic = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    real, fake = dlcore.randn(5, 3), dlcore.randn(5, 3, requires_grad=True)
    same = [dlcore.Generator().manual_seed(1) for _ in range(2)]
    loss = F.gradient_penalty(critic, real, fake, same[0])
    loss.backward()
    assert fake.grad is None
    step = 1e-2
    weight = critic[0].weight
    slope = weight.grad[0, 0].item()
    weight.data[0, 0] += step
    moved = F.gradient_penalty(critic, real, fake, dlcore.Generator().manual_seed(1))
    assert (moved - loss).item() == pytest.approx(step * slope, rel=0.1)


@pytest.mark.parametrize(
    "layer",
    [
        nn.FocalLoss(), nn.BinaryFocalLoss(), nn.GeneralizedCrossEntropyLoss(), nn.DiceLoss(), nn.TverskyLoss(),
        nn.LogCoshLoss(), nn.MAPELoss(), nn.MSLELoss(), nn.SquaredHingeLoss(), nn.CategoricalHingeLoss(),
        nn.InfoNCELoss(), nn.NTXentLoss(), nn.SupConLoss(), nn.CircleLoss(),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_layers_have_every_reduction(layer):
    dlcore.manual_seed(0)
    x, labels = dlcore.randn(6, 4), dlcore.tensor(PAIRS)
    same = isinstance(layer, nn.BinaryFocalLoss | nn.LogCoshLoss | nn.MAPELoss | nn.MSLELoss | nn.SquaredHingeLoss)
    target = dlcore.rand(6, 4) if same or isinstance(layer, nn.InfoNCELoss | nn.NTXentLoss) else labels
    each = type(layer)(reduction="none")(x, target)
    np.testing.assert_allclose(type(layer)(reduction="sum")(x, target).item(), each.sum().item(), rtol=1e-5)
    counted = 5 if isinstance(layer, nn.SupConLoss | nn.CircleLoss) else each.numel()  # one label is alone
    np.testing.assert_allclose(layer(x, target).item(), each.sum().item() / counted, rtol=1e-5)
    with pytest.raises(ValueError, match="reduction"):
        type(layer)(reduction="average")


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.focal_loss(dlcore.zeros(2, 3), dlcore.tensor([0, 1]), gamma=-1),
        lambda: F.sigmoid_focal_loss(dlcore.zeros(2), dlcore.zeros(2), alpha=2),
        lambda: F.generalized_cross_entropy_loss(dlcore.zeros(2, 3), dlcore.tensor([0, 1]), q=0),
        lambda: F.dice_loss(dlcore.zeros(2, 3, 4), dlcore.zeros(2, 4)),
        lambda: F.dice_loss(dlcore.zeros(2), dlcore.zeros(2)),
        lambda: F.tversky_loss(dlcore.zeros(2, 3), dlcore.tensor([0, 1]), reduction="avg"),
        lambda: F.categorical_hinge_loss(dlcore.zeros(2, 3), dlcore.zeros(3)),
        lambda: F.info_nce_loss(dlcore.zeros(2, 3), dlcore.zeros(2, 4)),
        lambda: F.info_nce_loss(dlcore.zeros(2, 3), dlcore.zeros(2, 3), dlcore.zeros(2)),
        lambda: F.nt_xent_loss(dlcore.zeros(2, 3), dlcore.zeros(2, 3), temperature=0),
        lambda: F.supervised_contrastive_loss(dlcore.zeros(2, 3), dlcore.tensor([0])),
        lambda: F.circle_loss(dlcore.zeros(2, 3), dlcore.tensor([0, 1]), gamma=0),
        lambda: F.gradient_penalty(abs, dlcore.zeros(2), dlcore.zeros(3)),
        lambda: F.l1_penalty([]),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call):
    with pytest.raises(ValueError, match=r"^[a-z_0-9]+: "):
        call()
