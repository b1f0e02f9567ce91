"""Functions that are made of operations: values against numpy in both precisions, gradients against differences."""

import math

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from cases import assert_close
from derivatives import assert_gradients, assert_second_derivatives


class Function:
    """A function of arrays of the shapes given, and what it means in numpy."""

    def __init__(self, function, reference, *shapes, positive=False):
        self.function, self.reference, self.shapes, self.positive = function, reference, shapes, positive

    def arrays(self, dtype):
        rng = np.random.default_rng(1)
        draw = rng.random if self.positive else rng.standard_normal
        return [draw(shape).astype(dtype) for shape in self.shapes]

    def run(self, inputs):
        return [self.function(*(x if isinstance(x, dlcore.Tensor) else dlcore.from_numpy(x) for x in inputs))]


LABELS = np.array([2, 0, 3, 1, 2])
KEPT = LABELS != 3
WEIGHT = np.array([1, 2, 0.5, 3])
MEAN = np.array([0.1, -0.2, 0.3, 0])
MASK = np.array([[True, False, True, False], [False, True, True, False], [True, True, False, False]])
ROWS = np.array([[1, 0, 3], [3, 3, 1]])


def constant(values, like):
    return dlcore.tensor(values, dtype=like.dtype)


def log_softmax(x, axis=1):
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def huber(x, y, delta=1.0):
    d = np.abs(x - y)
    return np.where(d < delta, 0.5 * d * d, delta * (d - 0.5 * delta))


def binary_cross_entropy(x, y, positive=1.0):
    return positive * y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x)


def group_norm(x, groups, weight, bias):
    parts = x.reshape(x.shape[0], groups, -1)
    parts = (parts - parts.mean(2, keepdims=True)) / np.sqrt(parts.var(2, keepdims=True) + 1e-5)
    return parts.reshape(x.shape) * weight[:, None, None] + bias[:, None, None]


FUNCTIONS = {
    "mse_loss": Function(F.mse_loss, lambda x, y: ((x - y) ** 2).mean(), (3, 5), (3, 5)),
    "mse_loss, sum": Function(
        lambda x, y: F.mse_loss(x, y, reduction="sum"), lambda x, y: ((x - y) ** 2).sum(), (7,), (7,)
    ),
    "mse_loss, none": Function(
        lambda x, y: F.mse_loss(x, y, reduction="none"), lambda x, y: (x - y) ** 2, (2, 3), (2, 3)
    ),
    "l1_loss": Function(F.l1_loss, lambda x, y: np.abs(x - y).mean(), (3, 5), (3, 5)),
    "huber_loss": Function(
        lambda x, y: F.huber_loss(x, y, delta=0.7), lambda x, y: huber(x, y, 0.7).mean(), (3, 7), (3, 7)
    ),
    "smooth_l1_loss": Function(
        lambda x, y: F.smooth_l1_loss(x, y, beta=0.7), lambda x, y: huber(x, y, 0.7).mean() / 0.7, (3, 7), (3, 7)
    ),
    "nll_loss": Function(
        lambda x: F.nll_loss(x, dlcore.tensor(LABELS)), lambda x: -x[np.arange(5), LABELS].mean(), (5, 4)
    ),
    "nll_loss, weighted": Function(
        lambda x: F.nll_loss(x, dlcore.tensor(LABELS), constant(WEIGHT, x), ignore_index=3),
        lambda x: -(x[np.arange(5), LABELS] * WEIGHT[LABELS])[KEPT].sum() / WEIGHT[LABELS][KEPT].sum(),
        (5, 4),
    ),
    "cross_entropy with class weights": Function(
        lambda x: F.cross_entropy(x, dlcore.tensor(LABELS), constant(WEIGHT, x)),
        lambda x: -(log_softmax(x)[np.arange(5), LABELS] * WEIGHT[LABELS]).sum() / WEIGHT[LABELS].sum(),
        (5, 4),
    ),
    "cross_entropy of probabilities": Function(
        F.cross_entropy, lambda x, p: -(p * log_softmax(x)).sum(1).mean(), (5, 4), (5, 4), positive=True
    ),
    "cross_entropy of an image": Function(
        lambda x: F.cross_entropy(x, dlcore.tensor([[0, 1, 2], [2, 2, 0]])),
        lambda x: -np.take_along_axis(log_softmax(x), np.array([[[0, 1, 2]], [[2, 2, 0]]]), 1).mean(),
        (2, 3, 3),
    ),
    "binary_cross_entropy_with_logits": Function(
        F.binary_cross_entropy_with_logits, lambda x, y: binary_cross_entropy(x, y).mean(), (3, 5), (3, 5)
    ),
    "binary_cross_entropy_with_logits, pos_weight": Function(
        lambda x, y: F.binary_cross_entropy_with_logits(x, y, pos_weight=dlcore.tensor(3.0, dtype=x.dtype)),
        lambda x, y: binary_cross_entropy(x, y, 3).mean(),
        (3, 5), (3, 5),
    ),
    "group_norm": Function(
        lambda x, w, b: F.group_norm(x, 2, w, b), lambda x, w, b: group_norm(x, 2, w, b), (2, 4, 3, 2), (4,), (4,)
    ),
    "batch_norm in evaluation": Function(
        lambda x, w, b: F.batch_norm(x, constant(MEAN, x), constant(WEIGHT, x), w, b),
        lambda x, w, b: (x - MEAN) / np.sqrt(WEIGHT + 1e-5) * w + b,
        (3, 4), (4,), (4,),
    ),
    "embedding": Function(lambda w: F.embedding(dlcore.tensor(ROWS), w), lambda w: w[ROWS], (5, 3)),
    "leaky_relu": Function(lambda x: F.leaky_relu(x, 0.1), lambda x: np.where(x > 0, x, 0.1 * x), (3, 7)),
    "softplus": Function(lambda x: F.softplus(x, 2.5), lambda x: np.logaddexp(0, 2.5 * x) / 2.5, (3, 7)),
    "softplus, threshold": Function(
        lambda x: F.softplus(x, 2.0, 0.5), lambda x: np.where(2 * x > 0.5, x, np.logaddexp(0, 2 * x) / 2), (3, 7)
    ),
    "var": Function(lambda x: dlcore.var(x, 1), lambda x: x.var(1, ddof=1), (3, 7)),
    "var of all": Function(lambda x: x.var(correction=0), lambda x: x.var(), (3, 7)),
    "std": Function(lambda x: dlcore.std(x, (0, 2)), lambda x: x.std((0, 2), ddof=1), (2, 3, 4)),
    "tril": Function(lambda x: dlcore.tril(x, -1), lambda x: np.tril(x, -1), (2, 4, 5)),
    "triu": Function(lambda x: dlcore.triu(x, 1), lambda x: np.triu(x, 1), (4, 3)),
    "stack": Function(lambda x, y: dlcore.stack([x, y], 1), lambda x, y: np.stack([x, y], 1), (3, 2), (3, 2)),
    "split": Function(lambda x: dlcore.split(x, [1, 3], 1)[1], lambda x: x[:, 1:], (2, 4)),
    "chunk": Function(lambda x: dlcore.chunk(x, 2)[1], lambda x: x[2:], (3, 2)),
    "unbind": Function(lambda x: dlcore.unbind(x, 1)[1], lambda x: x[:, 1], (3, 2)),
    "flatten": Function(lambda x: dlcore.flatten(x, 1), lambda x: x.reshape(2, 12), (2, 3, 4)),
    "repeat": Function(lambda x: x.repeat(2, 1, 3), lambda x: np.tile(x, (2, 1, 3)), (2, 3)),
    "pad": Function(
        lambda x: F.pad(x, (1, 2, 0, 1), value=2.5),
        lambda x: np.pad(x, ((0, 0), (0, 1), (1, 2)), constant_values=2.5),
        (2, 3, 4),
    ),
    "pad, negative": Function(
        lambda x: F.pad(x, (-1, 2, -1, -1)), lambda x: np.pad(x[1:2, 1:], ((0, 0), (0, 2))), (3, 4)
    ),
    "pad, reflect": Function(
        lambda x: F.pad(x, (3, 2, 1, 0), mode="reflect"), lambda x: np.pad(x, ((1, 0), (3, 2)), "reflect"), (3, 4)
    ),
    "pad, replicate": Function(
        lambda x: F.pad(x, (5, 1, -1, 2), mode="replicate"), lambda x: np.pad(x[1:], ((0, 2), (5, 1)), "edge"), (3, 4)
    ),
    "pad, circular": Function(
        lambda x: F.pad(x, (4, 1, 0, 2), mode="circular"), lambda x: np.pad(x, ((0, 2), (4, 1)), "wrap"), (3, 4)
    ),
    "masked_fill": Function(
        lambda x: x.masked_fill(dlcore.tensor(MASK), 5.0), lambda x: np.where(MASK, 5, x), (3, 4)
    ),
    "masked_select": Function(lambda x: dlcore.masked_select(x, dlcore.tensor(MASK)), lambda x: x[MASK], (3, 4)),
    "vector times vector": Function(lambda x, y: x @ y, lambda x, y: x @ y, (7,), (7,)),
    "vector times matrices": Function(lambda x, y: x @ y, lambda x, y: x @ y, (3,), (2, 3, 4)),
    "matrices times vector": Function(lambda x, y: x @ y, lambda x, y: x @ y, (2, 4, 3), (3,)),
    "index by int, slice, None": Function(lambda x: x[1, ..., None, ::2], lambda x: x[1, ..., None, ::2], (2, 3, 5)),
    "index backwards": Function(lambda x: x[::-1, -1:0:-2], lambda x: x[::-1, -1:0:-2], (3, 5)),
    "index by a tensor": Function(lambda x: x[:, dlcore.tensor(ROWS)], lambda x: x[:, ROWS], (2, 4)),
    "index by two tensors": Function(
        lambda x: x[dlcore.tensor(ROWS), dlcore.tensor(ROWS[:1])], lambda x: x[ROWS, ROWS[:1]], (4, 4)
    ),
    "index by a mask": Function(lambda x: x[dlcore.tensor(MASK)], lambda x: x[MASK], (3, 4)),
    "roll": Function(lambda x: dlcore.roll(x, (2, -1), (0, 1)), lambda x: np.roll(x, (2, -1), (0, 1)), (3, 4)),
    "roll of all": Function(lambda x: x.roll(5), lambda x: np.roll(x, 5), (3, 4)),
    "rot90": Function(lambda x: dlcore.rot90(x, 3, (1, 2)), lambda x: np.rot90(x, 3, (1, 2)), (2, 3, 4)),
    "diag of a vector": Function(lambda x: dlcore.diag(x, -2), lambda x: np.diag(x, -2), (3,)),
    "diag of a matrix": Function(lambda x: dlcore.diag(x, 1), lambda x: np.diag(x, 1), (3, 4)),
    "diag_embed": Function(
        lambda x: dlcore.diag_embed(x, 1, 0, -1), lambda x: np.stack([np.diag(r, 1) for r in x], 1), (2, 3)
    ),
    "trace": Function(dlcore.trace, np.trace, (3, 4)),
    "movedim": Function(lambda x: x.movedim((0, 1), (-1, 0)), lambda x: np.moveaxis(x, (0, 1), (-1, 0)), (2, 3, 4)),
    "unflatten": Function(lambda x: x.unflatten(-1, (2, -1)), lambda x: x.reshape(3, 2, 3), (3, 6)),
    "select": Function(lambda x: x.select(1, -1), lambda x: x[:, -1], (2, 3, 4)),
    "tensor_split": Function(lambda x: dlcore.tensor_split(x, 3, 1)[1], lambda x: np.array_split(x, 3, 1)[1], (2, 7)),
    "tensor_split at places": Function(
        lambda x: dlcore.tensor_split(x, (1, -2))[1], lambda x: np.array_split(x, (1, -2))[1], (7,)
    ),
    "tile": Function(lambda x: x.tile(2, 3), lambda x: np.tile(x, (2, 3)), (2, 2, 3)),
    "repeat_interleave": Function(lambda x: x.repeat_interleave(3, 1), lambda x: np.repeat(x, 3, 1), (2, 3)),
    "repeat_interleave by counts": Function(
        lambda x: x.repeat_interleave(dlcore.tensor([2, 0, 1]), 1), lambda x: np.repeat(x, [2, 0, 1], 1), (2, 3)
    ),
    "hstack": Function(lambda x, y: dlcore.hstack([x, y]), lambda x, y: np.hstack([x, y]), (2, 3), (2, 1)),
    "vstack": Function(lambda x, y: dlcore.vstack([x, y]), lambda x, y: np.vstack([x, y]), (3,), (2, 3)),
    "dstack": Function(lambda x, y: dlcore.dstack([x, y]), lambda x, y: np.dstack([x, y]), (3,), (3,)),
    "column_stack": Function(
        lambda x, y: dlcore.column_stack([x, y]), lambda x, y: np.column_stack([x, y]), (3,), (3, 2)
    ),
    "meshgrid": Function(
        lambda x, y: dlcore.meshgrid(x, y, indexing="xy")[1], lambda x, y: np.meshgrid(x, y)[1], (3,), (2,)
    ),
    "cartesian_prod": Function(
        dlcore.cartesian_prod, lambda x, y: np.stack(np.meshgrid(x, y, indexing="ij"), -1).reshape(-1, 2), (3,), (2,)
    ),
    "block_diag": Function(
        dlcore.block_diag, lambda x, y: np.block([[x, np.zeros((2, 3))], [np.zeros((1, 2)), y]]), (2, 2), (1, 3)
    ),
    "dot": Function(dlcore.dot, np.dot, (5,), (5,)),
    "outer": Function(dlcore.outer, np.outer, (3,), (4,)),
    "inner": Function(dlcore.inner, np.inner, (2, 3), (4, 3)),
    "kron": Function(dlcore.kron, np.kron, (2, 3), (2,)),
    "cross": Function(dlcore.cross, lambda x, y: np.cross(x, y, axis=0), (3, 2), (3, 2)),
    "addmm": Function(
        lambda x, y, z: dlcore.addmm(x, y, z, beta=0.5, alpha=2), lambda x, y, z: 0.5 * x + 2 * y @ z,
        (4,), (3, 2), (2, 4),
    ),
    "addbmm": Function(
        lambda x, y, z: x.addbmm(y, z), lambda x, y, z: x + (y @ z).sum(0), (2, 4), (3, 2, 5), (3, 5, 4)
    ),
    "addr": Function(dlcore.addr, lambda x, y, z: x + np.outer(y, z), (3, 4), (3,), (4,)),
    "tensordot": Function(
        lambda x, y: dlcore.tensordot(x, y, ([0, 2], [1, 0])),
        lambda x, y: np.tensordot(x, y, ([0, 2], [1, 0])),
        (2, 3, 4), (4, 2, 5),
    ),
    **{
        f"einsum {equation}": Function(
            lambda *x, e=equation: dlcore.einsum(e, *x), lambda *x, e=equation: np.einsum(e, *x), *shapes
        )
        for equation, *shapes in [
            ("ij,jk->ik", (2, 3), (3, 4)), ("bij,bjk", (2, 3, 4), (2, 4, 5)), ("ii->i", (3, 3)), ("iji->j", (2, 3, 2)),
            ("i,j->ji", (2,), (3,)), ("ijk->k", (2, 3, 4)), ("...ij,...jk->...ik", (2, 1, 2, 3), (4, 3, 2)),
            ("ij,jk,kl->il", (2, 9), (9, 3), (3, 4)), ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
            ("i...->...", (3, 2)), ("ij,ij->", (2, 3), (2, 3)), ("a,ab,abc->cb", (2,), (2, 3), (2, 3, 4)),
        ]
    },
    "scatter": Function(
        lambda x, y: dlcore.scatter(x, 1, dlcore.tensor([[3, 0], [1, 2]]), y),
        lambda x, y: np.array([[y[0, 1], x[0, 1], x[0, 2], y[0, 0]], [x[1, 0], y[1, 0], y[1, 1], x[1, 3]]]),
        (2, 4), (2, 3),
    ),
    "scatter of a number": Function(
        lambda x: x.scatter(0, dlcore.tensor([[1, 0, 1]]), 5.0),
        lambda x: np.where([[0, 1, 0], [1, 0, 1]], 5, x), (2, 3)
    ),
    "index_add": Function(
        lambda x, y: x.index_add(1, dlcore.tensor([2, 0, 2]), y, alpha=2),
        lambda x, y: x + 2 * np.stack([y[:, 1], 0 * y[:, 1], y[:, 0] + y[:, 2]], 1),
        (2, 3), (2, 3),
    ),
    "index_copy": Function(
        lambda x, y: x.index_copy(0, dlcore.tensor([2, 0]), y),
        lambda x, y: np.stack([y[1], x[1], y[0]]), (3, 2), (2, 2)
    ),
    "index_fill": Function(
        lambda x: x.index_fill(1, dlcore.tensor([2]), 5), lambda x: np.where(np.arange(3) == 2, 5, x), (2, 3)
    ),
    "index_put": Function(
        lambda x, y: dlcore.index_put(x, (dlcore.tensor([0, 0]), dlcore.tensor([1, 1])), y, accumulate=True),
        lambda x, y: x + np.array([[0, 1], [0, 0]]) * y.sum(), (2, 2), (2,),
    ),
    "take": Function(lambda x: x.take(dlcore.tensor(ROWS)), lambda x: x.ravel()[ROWS], (2, 3)),
    "put": Function(
        lambda x, y: x.put(dlcore.tensor([5, -6]), y), lambda x, y: np.array([[y[1], *x[0, 1:]], [*x[1, :2], y[0]]]),
        (2, 3), (2,),
    ),
    "take_along_dim": Function(
        lambda x: dlcore.take_along_dim(x, dlcore.tensor([[1, 0, 3]]), 1),
        lambda x: np.take_along_axis(x, np.array([[1, 0, 3]]), 1), (3, 4),
    ),
    "masked_scatter": Function(
        lambda x, y: x.masked_scatter(dlcore.tensor(MASK), y),
        lambda x, y: np.where(MASK, y[np.cumsum(MASK).reshape(3, 4) - 1], x),
        (3, 4), (7,),
    ),
    "select_scatter": Function(
        lambda x, y: x.select_scatter(y, 1, -1), lambda x, y: np.concatenate([x[:, :-1], y[:, None]], 1), (2, 3), (2,)
    ),
    "slice_scatter": Function(
        lambda x, y: x.slice_scatter(y, 1, -3, None, 2), lambda x, y: np.stack([x[:, 0], y[:, 0], x[:, 2], y[:, 1]], 1),
        (2, 4), (2, 2),
    ),
    "diagonal_scatter": Function(
        lambda x, y: x.diagonal_scatter(y, 1), lambda x, y: x - np.diag(np.diag(x, 1), 1) + np.diag(y, 1), (3, 3), (2,)
    ),
    "lerp": Function(dlcore.lerp, lambda x, y, w: x + w * (y - x), (3, 4), (3, 4), (4,)),
    "lerp by a number": Function(lambda x, y: x.lerp(y, 0.75), lambda x, y: 0.25 * x + 0.75 * y, (5,), (5,)),
    "addcmul": Function(lambda x, y, z: x.addcmul(y, z, value=3), lambda x, y, z: x + 3 * y * z, (4,), (3, 1), (4,)),
    "addcdiv": Function(
        lambda x, y, z: x.addcdiv(y, z, value=3), lambda x, y, z: x + 3 * y / z, (4,), (3, 1), (4,), positive=True
    ),
    "frac": Function(lambda x: (3 * x).frac(), lambda x: np.modf(3 * x)[0], (3, 7)),
    "clamp by tensors": Function(
        lambda x, y: x.clamp(y, y + 0.5), lambda x, y: np.minimum(np.maximum(x, y), y + 0.5), (3, 4), (4,)
    ),
    "rsub": Function(lambda x, y: dlcore.rsub(x, y, alpha=2), lambda x, y: y - 2 * x, (3,), (3,)),
    "norm": Function(lambda x: x.norm(), lambda x: np.linalg.norm(x.ravel()), (3, 4)),
    "norm of rows": Function(lambda x: x.norm(3, 1, keepdim=True), lambda x: np.linalg.norm(x, 3, 1, True), (3, 4)),
    "norm 1": Function(lambda x: dlcore.norm(x, 1, 0), lambda x: np.linalg.norm(x, 1, 0), (3, 4)),
    "norm inf": Function(lambda x: x.norm(math.inf, 0), lambda x: np.linalg.norm(x, np.inf, 0), (3, 4)),
    "norm 0.5": Function(lambda x: x.norm(0.5, 0), lambda x: np.linalg.norm(x, 0.5, 0), (3, 4)),
    "dist": Function(lambda x, y: x.dist(y, 1), lambda x, y: np.abs(x - y).sum(), (3, 4), (4,)),
    "cdist": Function(
        dlcore.cdist, lambda x, y: np.linalg.norm(x[:, :, None] - y[:, None], axis=-1), (2, 3, 4), (2, 5, 4)
    ),
    "nansum": Function(lambda x: x.nansum(1), lambda x: x.sum(1), (3, 4)),
    "diff": Function(lambda x, y: x.diff(2, prepend=y), lambda x, y: np.diff(x, 2, prepend=y), (2, 5), (2, 1)),
    "kthvalue": Function(lambda x: x.kthvalue(2, 0).values, lambda x: np.sort(x, 0)[1], (4, 3)),
    "median": Function(lambda x: x.median(1, True).values, lambda x: np.sort(x, 1)[:, 1:2], (3, 4)),
    "quantile": Function(lambda x: x.quantile(0.3, 1), lambda x: np.quantile(x, 0.3, 1), (3, 7)),
    "quantiles": Function(
        lambda x: x.quantile(constant([0.1, 0.9], x), 0, interpolation="midpoint"),
        lambda x: np.quantile(x, [0.1, 0.9], 0, method="midpoint"), (5, 2),
    ),
    "normalize": Function(
        lambda x: F.normalize(x, dim=0), lambda x: x / np.linalg.norm(x, axis=0, keepdims=True), (3, 4)
    ),
    "cosine_similarity": Function(
        F.cosine_similarity,
        lambda x, y: (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1), (3, 4), (3, 4),
    ),
    "numbers on the left": Function(lambda x: 2 - 3 / x + 2**x, lambda x: 2 - 3 / x + 2**x, (3, 4), positive=True),
}  # fmt: skip

EVERY = pytest.mark.parametrize("name", FUNCTIONS)


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values(name, dtype):
    function = FUNCTIONS[name]
    arrays = function.arrays(dtype)
    output = function.run(arrays)[0].numpy()
    assert output.dtype == dtype
    assert_close(output, np.asarray(function.reference(*(x.astype("float64") for x in arrays))), name)


@EVERY
def test_gradients(name):
    assert assert_gradients(FUNCTIONS[name], FUNCTIONS[name].arrays("float64"))


@EVERY
def test_second_derivatives(name):
    assert_second_derivatives(FUNCTIONS[name], FUNCTIONS[name].arrays("float64"))


nan, inf = math.nan, math.inf


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (lambda: dlcore.div(dlcore.tensor([7, -7, 6]), 2, rounding_mode="trunc"), [3, -3, 3]),
        (lambda: dlcore.div(dlcore.tensor([7, -7, 6]), -2, rounding_mode="floor"), [-4, 3, -3]),
        (lambda: dlcore.tensor([7.5, -7.5]).div(2, rounding_mode="trunc"), [3.0, -3.0]),
        (
            lambda: dlcore.nan_to_num(dlcore.tensor([nan, inf, -inf, 1.0]), 5.0, 2.0),
            [5.0, 2.0, -3.4028234663852886e38, 1.0],
        ),
        (lambda: dlcore.heaviside(dlcore.tensor([-1.0, 0.0, 2.0]), dlcore.tensor(0.5)), [0.0, 0.5, 1.0]),
        (
            lambda: dlcore.isclose(dlcore.tensor([1.0, nan, inf]), dlcore.tensor([1.1, nan, inf]), 0.2),
            [True, False, True],
        ),
        (lambda: dlcore.tensor([0.0, 2.0, nan]).median(), nan),
        (lambda: dlcore.zeros(0).median(), nan),
        (lambda: dlcore.tensor([[0.0, nan, nan], [3.0, 1.0, 2.0]]).median(1).indices, [1, 2]),
        (lambda: dlcore.tensor([0.0, 2.0, nan]).quantile(0.5), nan),
        (lambda: dlcore.tensor([1.0, nan, 2.0]).nanmean(), 1.5),
        (lambda: dlcore.tensor([[0, 2], [0, 0]]).count_nonzero(0), [0, 1]),
        (lambda: dlcore.tensor([0.0, 1.0]).clamp(dlcore.tensor(nan)), [nan, nan]),
        (lambda: dlcore.zeros(3).add_(dlcore.ones(3), alpha=2), [2.0, 2.0, 2.0]),
        (lambda: dlcore.unique(dlcore.zeros(0)), []),
        (lambda: dlcore.tensor([[1.0, 3.0], [5.0, 9.0]]).var(1, True), [2.0, 8.0]),
        (lambda: dlcore.tensor([1.0, 3.0]).var(False), 1.0),
        (lambda: dlcore.std_mean(dlcore.tensor([1.0, 3.0]), unbiased=False)[0], 1.0),
        (lambda: dlcore.tensor([[1, 2], [0, 3], [1, 2]]).unique(dim=0), [[0, 3], [1, 2]]),
        (lambda: dlcore.tensor([2, 2, 1, 1, 2]).unique_consecutive(return_inverse=True)[1], [0, 0, 1, 1, 2]),
        (
            lambda: dlcore.bincount(dlcore.tensor([1, 3, 1]), dlcore.tensor([1.0, 2.0, 0.5]), 5),
            [0.0, 1.5, 0.0, 2.0, 0.0],
        ),
        (lambda: dlcore.tensor([0.0, 1.0, 2.0, 5.0]).histc(2, 0, 2), [1.0, 2.0]),
        (lambda: dlcore.triu_indices(2, 3, 1), [[0, 0, 1], [1, 2, 2]]),
        (lambda: dlcore.tensor([[0, 3], [4, 0]]).nonzero(as_tuple=True)[1], [1, 0]),
        (lambda: dlcore.where(dlcore.tensor([[0, 3], [4, 0]]))[0], [0, 1]),
        (lambda: dlcore.zeros(2).copy_(dlcore.ones(1), non_blocking=True), [1.0, 1.0]),
        (lambda: dlcore.tensor(7).index_select(0, dlcore.tensor([0])), 7),
        (lambda: dlcore.zeros(3).scatter_(0, dlcore.tensor([1]), 4.0), [0.0, 4.0, 0.0]),
        (lambda: dlcore.ones(3).masked_fill_(dlcore.tensor([True, False, True]), 0), [0.0, 1.0, 0.0]),
        (lambda: dlcore.tensor([4.0, 9.0]).sqrt_(), [2.0, 3.0]),
        (lambda: dlcore.zeros(2, 3).t_().unsqueeze_(0).shape, (1, 3, 2)),
    ],
)
def test_known_values(got, expected):
    got = got()
    np.testing.assert_equal(got.tolist() if isinstance(got, dlcore.Tensor) else got, expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda: dlcore.scatter(dlcore.zeros(2, 2), 0, dlcore.tensor([[-1, 0]]), 1.0),
        lambda: dlcore.scatter(dlcore.zeros(2), 0, dlcore.tensor([2]), 1.0),
        lambda: dlcore.index_copy(dlcore.zeros(3), 0, dlcore.tensor([0, 1]), dlcore.ones(3)),
        lambda: dlcore.einsum("ij,jk", dlcore.zeros(2, 3), dlcore.zeros(4, 2)),
        lambda: dlcore.einsum("ij->ijk", dlcore.zeros(2, 3)),
        lambda: dlcore.quantile(dlcore.zeros(3), 1.5),
        lambda: dlcore.kthvalue(dlcore.zeros(3), 4),
        lambda: dlcore.roll(dlcore.zeros(3), (1, 2), 0),
        lambda: dlcore.bincount(dlcore.tensor([1, -1])),
        lambda: dlcore.histc(dlcore.zeros(3), 0),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call):
    with pytest.raises((ValueError, IndexError), match=r"^[a-z_]+: "):
        call()


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_unique_is_that_of_numpy(dtype):
    x = np.random.default_rng(0).integers(0, 9, (40, 7)).astype(dtype)
    for got, expected in zip(
        dlcore.unique(dlcore.from_numpy(x), return_inverse=True, return_counts=True),
        np.unique(x, return_inverse=True, return_counts=True),
        strict=True,
    ):
        np.testing.assert_array_equal(got.numpy(), expected.reshape(got.shape))


@pytest.mark.parametrize("mask", [[], [True], [False, False], [True, False, True]])
def test_values_of_masks(mask):
    values, counts = dlcore.unique(dlcore.tensor(mask, dtype=dlcore.bool), return_counts=True)
    expected = np.unique(np.array(mask, dtype=bool), return_counts=True)
    assert (values.dtype, values.tolist(), counts.tolist()) == (dlcore.bool, *(part.tolist() for part in expected))


def test_how_many_elements_differ():
    rows = np.random.default_rng(0).integers(0, 3, (70, 9)).astype("float32")
    x, nan = dlcore.from_numpy(rows), dlcore.tensor([[math.nan, 1.0], [1.0, 1.0]])
    expected = (rows[:, None] != rows[None]).sum(-1)
    np.testing.assert_array_equal(dlcore.cdist(x, x, p=0).numpy(), expected)
    np.testing.assert_array_equal(dlcore.pdist(x, 0).numpy(), expected[np.triu_indices(70, 1)])
    assert dlcore.pdist(nan, 0).isnan().item()
    x.requires_grad_()
    dlcore.cdist(x, x, p=0).sum().backward()
    assert not x.grad.any()


def test_positions_repeated_as_often_as_counts_say():
    assert dlcore.repeat_interleave(dlcore.tensor([1, 0, 2])).dtype == dlcore.int64
    counts = dlcore.tensor([1, 0, 2], dtype=dlcore.int32)
    assert dlcore.repeat_interleave(counts).dtype == dlcore.int32
    assert dlcore.repeat_interleave(counts).tolist() == [0, 2, 2]
    with pytest.raises(dlcore.ShapeError, match="expected a vector of repeats"):
        dlcore.repeat_interleave(dlcore.tensor(3))


def test_what_memory_cannot_hold_is_refused():
    for call in (
        lambda: dlcore.combinations(dlcore.arange(1000), 8),
        lambda: dlcore.combinations(dlcore.arange(70), 35),
        lambda: dlcore.randperm(200, dtype=dlcore.int8),
        lambda: dlcore.randperm(2050, dtype=dlcore.float16),
        lambda: dlcore.linspace(0, 300, 4, dtype=dlcore.uint8),
    ):
        with pytest.raises(ValueError, match=r"^[a-z]+: "):
            call()
    with pytest.raises(MemoryError):
        dlcore.zeros(1).expand(2**36).tolist()
    assert sorted(dlcore.randperm(128, dtype=dlcore.int8).tolist()) == list(range(128))
    assert dlcore.combinations(dlcore.arange(4), 3, with_replacement=True).shape == (20, 3)


def test_forms_that_programs_have():
    x = dlcore.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 4)))
    norms = np.sqrt((x.numpy() ** 2).sum((1, 2), keepdims=True))
    np.testing.assert_allclose(F.normalize(x, dim=(1, 2)).numpy(), x.numpy() / norms)
    for everything in (None, ()):
        np.testing.assert_allclose(F.normalize(x, dim=everything).numpy(), x.numpy() / np.linalg.norm(x.numpy()))
    w, b = x[0, 0], dlcore.tensor(2.0, dtype=dlcore.float64)
    np.testing.assert_allclose(F.linear(x, w, b).numpy(), x.numpy() @ w.numpy() + 2)
    assert x.to(None) is x
    assert dlcore.Generator("cpu").initial_seed() == 0
    with pytest.raises(RuntimeError, match='no device "cuda"'):
        dlcore.Generator("cuda")
    assert F.cosine_similarity(dlcore.ones(2, 3), dlcore.ones(2, 3, dtype=dlcore.int64)).tolist() == pytest.approx(
        [1, 1]
    )
    logits, shares = dlcore.zeros(2, 3), dlcore.full((2, 3), 1 / 3, dtype=dlcore.float64)
    for loss in (F.cross_entropy, F.binary_cross_entropy_with_logits, F.multilabel_soft_margin_loss):
        assert loss(logits, shares).dtype == dlcore.float64
        assert loss(logits.double(), shares.float()).dtype == dlcore.float64


@pytest.mark.parametrize("name", ["tril_", "triu_", "pow_", "nan_to_num_", "dropout_"])
def test_in_place_is_in_the_memory_that_was(name):
    call = {"pow_": lambda x: x.pow_(1), "dropout_": lambda x: F.dropout(x, 1.0, inplace=True)}
    for x in (dlcore.arange(12.0).reshape(3, 4), dlcore.arange(24).reshape(2, 3, 4), dlcore.ones(5, 3).t()):
        if name == "dropout_" and not x.is_floating_point():
            continue
        place, expected = x.data_ptr(), x.clone()
        expected = {
            "tril_": expected.tril, "triu_": expected.triu, "pow_": lambda e=expected: e,
            "nan_to_num_": lambda e=expected: e, "dropout_": lambda e=expected: e * 0,
        }[name]()  # fmt: skip
        assert call.get(name, lambda x: getattr(x, name)())(x) is x
        assert (x.data_ptr(), x.tolist()) == (place, expected.tolist())


def test_the_norm_of_nothing_but_zeros_has_a_gradient_of_zeros():
    x = dlcore.zeros(3, requires_grad=True)
    (x.norm() + x.norm(3)).backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_a_leaf_keeps_its_shape():
    with pytest.raises(dlcore.GradientError, match=r"^t_: "):
        dlcore.zeros(2, 3, requires_grad=True).t_()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_float_next_to_another(dtype):
    values = np.array([0.0, -0.0, 1.0, -1.0, 1e-45, 3.4e38, np.inf, -np.inf, np.nan, 5e-324, 0.1], dtype)
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    got = dlcore.nextafter(dlcore.from_numpy(x), dlcore.from_numpy(y)).numpy()
    np.testing.assert_array_equal(got, np.nextafter(x, y))
    np.testing.assert_array_equal(np.signbit(got), np.signbit(np.nextafter(x, y)))


def test_the_float_next_to_another_in_sixteen_bits():
    assert dlcore.nextafter(dlcore.ones(1).bfloat16(), dlcore.tensor([2.0]).bfloat16()).item() == 1 + 2**-7
    with pytest.raises(dlcore.DTypeError, match="nextafter: expected a float dtype, got int64"):
        dlcore.nextafter(dlcore.tensor(1), dlcore.tensor(2))


@pytest.mark.parametrize(
    ("name", "of_rows"), [("segment_sum", np.sum), ("segment_mean", np.mean), ("segment_max", np.max)]
)
def test_segments_of_rows(name, of_rows):
    numbers = np.random.default_rng(5)
    rows, segments = numbers.standard_normal((9, 2)), np.array([3, 0, 3, 0, 5, 3, 0, 5, 3])
    function, data = getattr(dlcore, name), dlcore.tensor(rows, requires_grad=True)
    expected = np.zeros((7, 2))
    for segment in set(segments.tolist()):
        expected[segment] = of_rows(rows[segments == segment], axis=0)
    found = function(data, dlcore.tensor(segments), 7)
    np.testing.assert_allclose(found.detach().numpy(), expected)
    assert function(data, dlcore.tensor(segments)).shape == (6, 2)
    assert dlcore.autograd.gradcheck(lambda x: function(x, dlcore.tensor(segments)), data)
    assert function(dlcore.ones(0, 2), dlcore.arange(0)).shape == (0, 2)
    assert function(dlcore.tensor([3, 4]), dlcore.tensor([1, 0])).tolist() == [4, 3]
    with pytest.raises(IndexError, match="index 5"):
        function(data, dlcore.tensor(segments), 4)
    for ids in (dlcore.arange(3), dlcore.zeros(9, 1, dtype=dlcore.int64)):
        with pytest.raises(dlcore.ShapeError, match=f"{name}: expected one segment for each row"):
            function(data, ids)


@pytest.mark.parametrize(
    ("function", "number", "values", "expected"),
    [
        (dlcore.multiply, 3, [1.0, 2.0], [3.0, 6.0]),
        (dlcore.subtract, 3, [1.0, 2.0], [2.0, 1.0]),
        (dlcore.divide, 3, [1.0, 2.0], [3.0, 1.5]),
        (dlcore.true_divide, 3, [1.0, 2.0], [3.0, 1.5]),
        (dlcore.xlogy, 0, [1.0, 2.0], [0.0, 0.0]),
        (dlcore.float_power, 2, [1, 3], [2.0, 8.0]),
        (dlcore.bitwise_and, 3, [1, 6], [1, 2]),
        (dlcore.bitwise_or, 3, [1, 6], [3, 7]),
        (dlcore.bitwise_xor, 3, [1, 6], [2, 5]),
        (dlcore.bitwise_left_shift, 1, [1, 3], [2, 8]),
        (dlcore.bitwise_right_shift, 8, [1, 3], [4, 1]),
    ],
)
def test_numbers_may_come_first(function, number, values, expected):
    assert function(number, dlcore.tensor(values)).tolist() == expected


def test_einsum_takes_lists_of_numbers_for_names():
    a, b = dlcore.tensor([[1, 2, 3], [4, 5, 6]]), dlcore.tensor([[1, 0], [0, 1], [1, 1]])
    assert dlcore.einsum(a, [0, 1], b, [1, 2], [0, 2]).tolist() == [[4, 5], [10, 11]]
    assert dlcore.einsum(a, [1, 0]).tolist() == [[1, 4], [2, 5], [3, 6]]
    assert dlcore.einsum(a, [..., 51], [51, ...]).tolist() == [[1, 4], [2, 5], [3, 6]]
    with pytest.raises(ValueError, match="from 0 to 51, got 52"):
        dlcore.einsum(a, [0, 52])


def test_pieces_are_asked_for_by_name():
    x = dlcore.arange(4)
    for split in (dlcore.tensor_split, dlcore.hsplit):
        assert [piece.tolist() for piece in split(x, sections=2)] == [[0, 1], [2, 3]]
        assert [piece.tolist() for piece in split(x, indices=(1,))] == [[0], [1, 2, 3]]
        with pytest.raises(TypeError, match="one of indices_or_sections, sections and indices"):
            split(x)
    assert [piece.tolist() for piece in x.tensor_split(sections=2, dim=0)] == [[0, 1], [2, 3]]
    assert [piece.tolist() for piece in x.hsplit(indices=[3])] == [[0, 1, 2], [3]]


def test_sizes_to_broadcast_to_may_stand_separately():
    assert dlcore.tensor([1, 2]).broadcast_to(2, 2).tolist() == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    "name",
    ["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "xlogy", "float_power"],
)
def test_two_numbers_are_no_tensor(name):
    function = getattr(dlcore, name)
    with pytest.raises(TypeError, match=f"{name}: expected a tensor among the two, got two numbers"):
        function(2, 3)
    one = dlcore.tensor([2])
    assert function(one, 3).tolist() == function(one, dlcore.tensor([3])).tolist()
    assert function(3, one).tolist() == function(dlcore.tensor([3]), one).tolist()


def test_aminmax_converts_no_values():
    x = dlcore.tensor([[3.0, 1.0], [2.0, 4.0]])
    with pytest.raises(TypeError, match="expected an out of float32, got float64"):
        dlcore.aminmax(x, dim=0, out=(dlcore.empty(2), dlcore.empty(2, dtype=dlcore.float64)))


def test_index_fill_counts_from_the_end():
    x = dlcore.zeros(4)
    assert x.index_fill(0, dlcore.tensor([-1, 0, -3]), 5).tolist() == [5, 5, 0, 5]
    for wrong in (-5, 4):
        with pytest.raises(IndexError, match=f"index {wrong} at position 1"):
            x.index_fill(0, dlcore.tensor([-1, wrong]), 5)
    for other in (x.index_select, lambda *args: x.index_add(*args, dlcore.ones(1))):
        with pytest.raises(IndexError):
            other(0, dlcore.tensor([-1]))


@pytest.mark.parametrize("shape", [(1 << 20,), (1 << 18, 2)])
def test_running_logarithms_of_long_sums_are_accurate(shape):
    x = dlcore.rand(shape, generator=dlcore.Generator().manual_seed(0))
    expected = np.log(np.cumsum(np.exp(x.numpy().astype(np.float64)), 0))
    np.testing.assert_allclose(x.logcumsumexp(0).numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [dlcore.bfloat16, dlcore.float16])
def test_narrow_floats_are_rounded_once(dtype):
    generator = dlcore.Generator().manual_seed(0)
    a, b, weight = (dlcore.randn(1000, generator=generator).to(dtype) for _ in range(3))
    for function, operands in (
        (dlcore.logaddexp, (a, b)),
        (dlcore.logaddexp2, (a, b)),
        (dlcore.lerp, (a, b, weight)),
        (dlcore.lerp, (a, b, 0.3)),
    ):
        wide = [x.float() if isinstance(x, dlcore.Tensor) else x for x in operands]
        result = function(*operands)
        assert result.dtype == dtype
        if isinstance(operands[-1], dlcore.Tensor):
            assert result.equal(function(*wide).to(dtype))
        else:
            np.testing.assert_allclose(result.float().numpy(), function(*wide).numpy(), rtol=4e-3, atol=4e-3)


@pytest.mark.parametrize("exponent", [2, 3, 0.5, -0.5, -1, 2.0, 4, -2, 1.5])
@pytest.mark.parametrize("dtype", [dlcore.float64, dlcore.float32, dlcore.float16, dlcore.bfloat16])
def test_numbers_as_exponents(dtype, exponent):
    facts = dlcore.finfo(dtype)

    def check(got, expected, rtol):
        np.testing.assert_allclose(np.asarray(got.detach().double()), expected, rtol=rtol, atol=facts.tiny)

    x = dlcore.tensor(np.random.default_rng(5).standard_normal(4001), dtype=dlcore.float32)
    x = (x + x.sign() * 0.1).to(dtype)
    x = x.abs() if exponent != int(exponent) else x
    expected = np.power(np.asarray(x.double()), exponent)
    for got in (x**exponent, dlcore.pow(x, exponent), x.pow(exponent), x.clone().pow_(exponent)):
        assert got.dtype == dtype
        check(got, expected, 2 * facts.eps)
    # Where the result leaves the range, and where there is none.
    edges = dlcore.tensor([0.0, -0.0, float("inf"), float("nan"), 3e38, 1e-38], dtype=dtype)
    with np.errstate(all="ignore"):
        expected = np.power(np.asarray(edges.double()), exponent)
    expected = np.where(np.abs(expected) > facts.max, np.copysign(np.inf, expected), expected)
    check(edges**exponent, expected, 4 * facts.eps)
    leaf = x.double().abs().add(0.1).requires_grad_()
    numbers = np.asarray(leaf.detach())
    slope = dlcore.autograd.grad((leaf**exponent).sum(), leaf, create_graph=True)[0]
    check(slope, exponent * numbers ** (exponent - 1.0), 1e-12)
    bend = dlcore.autograd.grad(slope.sum(), leaf)[0]
    check(bend, exponent * (exponent - 1) * numbers ** (exponent - 2.0), 1e-12)
