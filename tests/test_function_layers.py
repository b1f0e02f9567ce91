"""Layers that are one function with its options: they call it so, keep the options, and show them."""

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import nn


def numbers(*shape, seed=0):
    return dlcore.tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


X, Y, Z = (numbers(5, 4, seed=k) for k in range(3))
SIGNS = dlcore.tensor([1, -1, 1, -1, -1])
LABELS = dlcore.tensor([2, 0, 3, 1, 2])
WEIGHT = dlcore.tensor([1.0, 2.0, 0.5, 3.0])
P = X.sigmoid()
IMAGES = numbers(2, 4, 6, 6)

LAYERS = [
    (nn.CELU(0.7), F.celu(X, 0.7), (X,), "CELU(alpha=0.7)"),
    (nn.ELU(0.7, inplace=True), F.elu(X, 0.7), (X,), "ELU(alpha=0.7, inplace=True)"),
    (nn.GLU(1), F.glu(X, 1), (X,), "GLU(dim=1)"),
    (nn.Hardshrink(0.3), F.hardshrink(X, 0.3), (X,), "Hardshrink(lambd=0.3)"),
    (nn.Hardsigmoid(), F.hardsigmoid(X), (X,), "Hardsigmoid()"),
    (nn.Hardswish(True), F.hardswish(X), (X,), "Hardswish(inplace=True)"),
    (nn.Hardtanh(-0.5, 0.7), F.hardtanh(X, -0.5, 0.7), (X,), "Hardtanh(min_val=-0.5, max_val=0.7)"),
    (nn.LeakyReLU(0.2), F.leaky_relu(X, 0.2), (X,), "LeakyReLU(negative_slope=0.2)"),
    (nn.LogSigmoid(), F.logsigmoid(X), (X,), "LogSigmoid()"),
    (nn.Mish(), F.mish(X), (X,), "Mish()"),
    (nn.PReLU(4, 0.1), F.prelu(X, dlcore.full((4,), 0.1)), (X,), "PReLU(num_parameters=4)"),
    (nn.ReLU6(), F.relu6(X), (X,), "ReLU6()"),
    (nn.RReLU(0.2, 0.4).eval(), F.leaky_relu(X, 0.3), (X,), "RReLU(lower=0.2, upper=0.4)"),
    (nn.SELU(), F.selu(X), (X,), "SELU()"),
    (nn.Softmax2d(), F.softmax(IMAGES, 1), (IMAGES,), "Softmax2d()"),
    (nn.Softmin(1), F.softmax(-X, 1), (X,), "Softmin(dim=1)"),
    (nn.Softshrink(0.3), F.softshrink(X, 0.3), (X,), "Softshrink(lambd=0.3)"),
    (nn.Softsign(), F.softsign(X), (X,), "Softsign()"),
    (nn.Tanhshrink(), F.tanhshrink(X), (X,), "Tanhshrink()"),
    (nn.Threshold(0.1, 9.0), F.threshold(X, 0.1, 9.0), (X,), "Threshold(threshold=0.1, value=9.0)"),
    (nn.BCELoss(P, "sum"), F.binary_cross_entropy(P, P, P, reduction="sum"), (P, P), "BCELoss()"),
    (
        nn.CosineEmbeddingLoss(0.1, "none"),
        F.cosine_embedding_loss(X, Y, SIGNS, 0.1, reduction="none"),
        (X, Y, SIGNS),
        "CosineEmbeddingLoss()",
    ),
    (
        nn.GaussianNLLLoss(full=True, eps=1e-3, reduction="sum"),
        F.gaussian_nll_loss(X, Y, P, True, 1e-3, reduction="sum"),
        (X, Y, P),
        "GaussianNLLLoss()",
    ),
    (
        nn.HingeEmbeddingLoss(0.5, "none"),
        F.hinge_embedding_loss(X[:, 0], SIGNS, 0.5, reduction="none"),
        (X[:, 0], SIGNS),
        "HingeEmbeddingLoss()",
    ),
    (
        nn.KLDivLoss("batchmean", log_target=True),
        F.kl_div(X, Y, reduction="batchmean", log_target=True),
        (X, Y),
        "KLDivLoss()",
    ),
    (
        nn.MarginRankingLoss(0.2, "sum"),
        F.margin_ranking_loss(X[:, 0], X[:, 1], SIGNS, 0.2, reduction="sum"),
        (X[:, 0], X[:, 1], SIGNS),
        "MarginRankingLoss()",
    ),
    (
        nn.MultiLabelMarginLoss("sum"),
        F.multilabel_margin_loss(X[0], LABELS[:4], reduction="sum"),
        (X[0], LABELS[:4]),
        "",
    ),
    (
        nn.MultiLabelSoftMarginLoss(WEIGHT, "none"),
        F.multilabel_soft_margin_loss(X, P, WEIGHT, reduction="none"),
        (X, P),
        "",
    ),
    (
        nn.MultiMarginLoss(2, 0.7, WEIGHT, "sum"),
        F.multi_margin_loss(X, LABELS, 2, 0.7, WEIGHT, reduction="sum"),
        (X, LABELS),
        "",
    ),
    (
        nn.PoissonNLLLoss(False, True, eps=1e-3, reduction="sum"),
        F.poisson_nll_loss(P, P, False, True, eps=1e-3, reduction="sum"),
        (P, P),
        "",
    ),
    (nn.SoftMarginLoss("sum"), F.soft_margin_loss(X[:, 0], SIGNS, reduction="sum"), (X[:, 0], SIGNS), ""),
    (
        nn.TripletMarginLoss(0.5, 1.0, 1e-3, True, "none"),
        F.triplet_margin_loss(X, Y, Z, 0.5, 1.0, 1e-3, True, reduction="none"),
        (X, Y, Z),
        "",
    ),
    (nn.TripletMarginWithDistanceLoss(margin=0.5), F.triplet_margin_loss(X, Y, Z, 0.5), (X, Y, Z), ""),
    (nn.PairwiseDistance(1.0, 1e-3, True), F.pairwise_distance(X, Y, 1.0, 1e-3, True), (X, Y), ""),
    (nn.PixelShuffle(2), F.pixel_shuffle(IMAGES, 2), (IMAGES,), "PixelShuffle(upscale_factor=2)"),
    (nn.PixelUnshuffle(3), F.pixel_unshuffle(IMAGES, 3), (IMAGES,), "PixelUnshuffle(downscale_factor=3)"),
    (
        nn.Unfold(2, 1, 1, 2),
        F.unfold(IMAGES, 2, 1, 1, 2),
        (IMAGES,),
        "Unfold(kernel_size=2, dilation=1, padding=1, stride=2)",
    ),
    (
        nn.Fold((6, 6), 2, 1, 1, 2),
        F.fold(F.unfold(IMAGES, 2, 1, 1, 2), (6, 6), 2, 1, 1, 2),
        (F.unfold(IMAGES, 2, 1, 1, 2),),
        "Fold(output_size=(6, 6), kernel_size=2, dilation=1, padding=1, stride=2)",
    ),
    (nn.Upsample((7, 5)), F.interpolate(IMAGES, (7, 5)), (IMAGES,), "Upsample(size=(7, 5), mode='nearest')"),
    (
        nn.UpsamplingBilinear2d(scale_factor=2),
        F.interpolate(IMAGES, scale_factor=2, mode="bilinear", align_corners=True),
        (IMAGES,),
        "UpsamplingBilinear2d(scale_factor=2.0, mode='bilinear')",
    ),
    (nn.UpsamplingNearest2d(3), F.interpolate(IMAGES, 3), (IMAGES,), "UpsamplingNearest2d(size=3, mode='nearest')"),
]


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: type(case[0]).__name__)
def test_a_layer_is_its_function(case):
    layer, expected, arguments, shown = case
    assert dlcore.equal(layer(*arguments).detach(), expected.detach())
    assert not shown or repr(layer) == shown


def test_slopes_are_drawn_while_training_and_learned():
    dlcore.manual_seed(0)
    ratio = nn.RReLU(0.2, 0.4)(dlcore.full((1000,), -1.0)).neg()
    assert 0.2 <= ratio.min().item() < 0.21
    assert 0.39 < ratio.max().item() <= 0.4
    layer = nn.PReLU(4)
    layer(X).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.numpy(), np.minimum(X.numpy(), 0).sum(0), rtol=1e-5)


def test_connectionist_losses_take_lengths():
    log_probs = numbers(6, 2, 4).log_softmax(-1)
    targets = dlcore.tensor([[1, 2], [3, 0]])
    loss = nn.CTCLoss(reduction="none")(log_probs, targets, [6, 5], [2, 1])
    assert dlcore.equal(loss, F.ctc_loss(log_probs, targets, [6, 5], [2, 1], reduction="none"))


def test_a_softmax_without_a_dimension_warns():
    with pytest.warns(UserWarning, match="Softmax: say along which dim"):
        assert dlcore.equal(nn.Softmax()(X), F.softmax(X, 1))
    with pytest.raises(dlcore.ShapeError, match="3 or 4 dimensions"):
        nn.Softmax2d()(X)


def test_settings_that_cannot_be():
    for make, message in [
        (lambda: nn.Hardtanh(1.0, 0.0), "max_val must be above min_val"),
        (lambda: nn.MultiMarginLoss(p=3), "p must be 1 or 2"),
        (lambda: nn.MultiMarginLoss(weight=X), "one dimension"),
        (lambda: nn.TripletMarginLoss(margin=-1.0), "margin must be positive"),
        (lambda: nn.TripletMarginWithDistanceLoss(margin=0.0), "margin must be positive"),
        (lambda: nn.KLDivLoss("batch"), "one of 'mean', 'sum', 'none', 'batchmean'"),
        (lambda: nn.L1Loss("batchmean"), "one of 'mean', 'sum', 'none', got 'batchmean'"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()


def test_deviations_take_weights():
    x, y = dlcore.tensor([1.0, 3.0, 0.0]), dlcore.tensor([1.0, 1.0, 4.0])
    w = dlcore.tensor([1.0, 2.0, 0.5])
    assert F.mse_loss(x, y, weight=w).item() == pytest.approx((2 * 4 + 0.5 * 16) / 3.5)
    assert F.mse_loss(x, y, "sum", w).item() == 16
    assert F.l1_loss(x, y, weight=w, reduction="none").tolist() == [0, 4, 2]
    assert F.l1_loss(x, y, weight=w).item() == pytest.approx(6 / 3.5)
    assert F.huber_loss(x, y, "sum", 1.0, w).item() == pytest.approx(2 * 1.5 + 0.5 * 3.5)
    assert F.huber_loss(x, y, weight=w).item() == pytest.approx((2 * 1.5 + 0.5 * 3.5) / 3)
    for loss in (F.mse_loss, F.l1_loss, F.huber_loss):
        with pytest.raises(ValueError, match=r"got \(3,\) and \(2,\)"):
            loss(x, y, weight=w[:2])
        with pytest.raises(ValueError, match="reduction"):
            loss(x, y, "max", weight=w)


def test_dropout_writes_into_its_input_if_asked():
    x = dlcore.ones(1000)
    assert F.dropout(x, 0.5, True, True) is x
    assert sorted(set(x.tolist())) == [0, 2]
    assert F.dropout(x, training=False, inplace=True) is x
    leaf = dlcore.ones(4, requires_grad=True)
    (F.dropout(leaf * 1, 0.5, inplace=True)).sum().backward()
    assert set(leaf.grad.tolist()) <= {0, 2}


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, float("inf")])
def test_pairs_of_rows_have_the_distances_of_all_rows(p):
    x = dlcore.tensor(np.random.default_rng(0).standard_normal((5, 3)), requires_grad=True)
    first, second = np.triu_indices(5, 1)
    np.testing.assert_allclose(F.pdist(x, p).detach().numpy(), dlcore.cdist(x, x, p).detach().numpy()[first, second])
    if p == 2:
        F.pdist(dlcore.cat([x, x])).sum().backward()
        assert dlcore.isfinite(x.grad).all()
    with pytest.raises(ValueError, match="at least 0"):
        F.pdist(x, -1)
    with pytest.raises(dlcore.ShapeError, match="expected a matrix"):
        F.pdist(x[0])


def test_bags_over_a_table_that_exists():
    table = dlcore.eye(3)
    bags = nn.EmbeddingBag.from_pretrained(table, mode="sum")
    assert bags(dlcore.tensor([[0, 0, 2]])).tolist() == [[2, 0, 1]]
    assert not bags.weight.requires_grad
    assert bags.weight.data_ptr() == table.data_ptr()
    assert nn.EmbeddingBag.from_pretrained(table, freeze=False).weight.requires_grad
    with pytest.raises(ValueError, match="two dimensions"):
        nn.EmbeddingBag.from_pretrained(table[0])
    with pytest.raises(ValueError, match="got a table of shape"):
        nn.EmbeddingBag(4, 3, _weight=table)


def test_a_head_and_its_loss_in_one_are_the_two():
    rng = np.random.default_rng(0)
    x = dlcore.tensor(rng.standard_normal((4, 3)), requires_grad=True)
    table, bias = dlcore.tensor(rng.standard_normal((5, 2, 3))), dlcore.tensor(rng.standard_normal((5, 2)))
    labels, weight = dlcore.tensor(rng.integers(0, 5, (4, 2))), dlcore.tensor(rng.uniform(0.5, 1, 5))
    logits = dlcore.einsum("nd,ckd->nck", x, table) + bias
    options = {"weight": weight, "reduction": "none", "label_smoothing": 0.1}
    found = F.linear_cross_entropy(x, table, labels, linear_bias=bias, ignore_index=1, **options)
    expected = F.cross_entropy(logits, labels, ignore_index=1, **options)
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy())
    plain = table[:, 0], labels[:, 0]
    for target in (plain[1], F.one_hot(plain[1], 5).double()):  # the fused operation, and the two
        found = F.linear_cross_entropy(x, plain[0], target)
        np.testing.assert_allclose(found.item(), F.cross_entropy(F.linear(x, plain[0]), plain[1]).item())
    alone = F.linear_cross_entropy(x[0], plain[0], plain[1][0])
    np.testing.assert_allclose(alone.item(), F.cross_entropy(F.linear(x[0], plain[0]), plain[1][0]).item())
    with pytest.raises(ValueError, match="ignore_index is a label"):
        F.linear_cross_entropy(x, plain[0], F.one_hot(plain[1], 5).double(), ignore_index=1)
    with pytest.raises(dlcore.ShapeError, match=r"linear_bias of shape \(5,\)"):
        F.linear_cross_entropy(x, plain[0], plain[1], linear_bias=bias)
    with pytest.raises(dlcore.ShapeError, match="expected an input"):
        F.linear_cross_entropy(x[0], table, labels[0])


def test_recurrent_layers_refuse_numbers_for_flags():
    for layer in (nn.LSTM, nn.GRU, nn.RNN):
        with pytest.raises(TypeError, match="batch_first must be a bool, got int"):
            layer(3, 5, batch_first=1)
