"""Images at other sizes and places, patches, sequences of labels: values as in numpy, gradients as differences."""

import itertools
import math

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from cases import assert_close
from derivatives import assert_gradients, assert_second_derivatives
from test_functions import Function

LABELS = np.array([[1, 2, 2], [3, 0, 0]])  # the second sequence has one label
FRAMES, LENGTHS = (6, 4), (3, 1)


def patches(x, kernel, dilation=(1, 1), padding=(0, 0), stride=(1, 1)):
    """One patch after the other."""
    x = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in padding])
    starts = [range(0, n - d * (k - 1), s) for n, d, k, s in zip(x.shape[2:], dilation, kernel, stride, strict=True)]
    ends = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    columns = [
        x[:, :, i : i + ends[0] : dilation[0], j : j + ends[1] : dilation[1]].reshape(len(x), -1)
        for i, j in itertools.product(*starts)
    ]
    return np.stack(columns, -1)


def resized(x, matrices):
    """Each dimension after the channels through a matrix."""
    for i, matrix in enumerate(matrices):
        x = np.moveaxis(np.moveaxis(x, i + 2, -1) @ matrix.T, -1, i + 2)
    return x


def matrix(new, old, kernel, align=False, nearest=False):
    """Weights of old elements for new ones by a kernel of the distance, what lies outside on the edge."""
    weights = np.zeros((new, old))
    for i in range(new):
        at = i * (old - 1) / max(new - 1, 1) if align else (i + 0.5) * old / new - 0.5
        if nearest:
            weights[i, min(math.floor(i * old / new), old - 1)] = 1
            continue
        for j in range(math.floor(at) - 1, math.floor(at) + 3):
            weights[i, min(max(j, 0), old - 1)] += kernel(abs(at - j))
    return weights


def linear(x):
    return max(0, 1 - x)


def cubic(x, a=-0.75):
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
    return near if x <= 1 else far if x < 2 else 0


def area(new, old):
    weights = np.zeros((new, old))
    for i in range(new):
        start, end = i * old // new, -(-(i + 1) * old // new)
        weights[i, start:end] = 1 / (end - start)
    return weights


def sampled(x, grid, align, inside):
    """Bilinear, a point at a time; `inside` brings a place to an element or says that there is none."""
    out = np.zeros((*x.shape[:2], *grid.shape[1:3]))
    for n, i, j in np.ndindex(grid.shape[:3]):
        at = [
            (c + 1) / 2 * (size - 1) if align else ((c + 1) * size - 1) / 2
            for c, size in zip(grid[n, i, j, ::-1], x.shape[2:], strict=True)
        ]
        at = [inside(c, size, align) for c, size in zip(at, x.shape[2:], strict=True)]
        for p in itertools.product(*[(math.floor(c), math.floor(c) + 1) for c in at]):
            if all(0 <= c < size for c, size in zip(p, x.shape[2:], strict=True)):
                out[n, :, i, j] += x[n, :, p[0], p[1]] * linear(abs(at[0] - p[0])) * linear(abs(at[1] - p[1]))
    return out


def reflected(c, size, align):
    low, high = (0, size - 1) if align else (-0.5, size - 0.5)
    while not low <= c <= high:
        c = 2 * low - c if c < low else 2 * high - c
    return min(max(c, 0), size - 1)


def ctc(logits):
    """All ways to spread the labels over the frames."""
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    losses = []
    for n, (frames, length) in enumerate(zip(FRAMES, LENGTHS, strict=True)):
        total = 0.0
        for path in itertools.product(range(logits.shape[2]), repeat=frames):
            merged = [k for k, _ in itertools.groupby(path) if k]
            if merged == list(LABELS[n, :length]):
                total += math.exp(sum(logs[t, n, k] for t, k in enumerate(path)))
        losses.append(-math.log(total) / length)
    return np.mean(losses)


def theta(x):
    return x.reshape(2, 2, 3)


ROWS, COLUMNS = np.meshgrid(np.linspace(-1, 1, 3), np.linspace(-1, 1, 4), indexing="ij")
POINTS = np.stack([COLUMNS, ROWS, np.ones((3, 4))], -1)

FUNCTIONS = {
    "pixel_shuffle": Function(
        lambda x: F.pixel_shuffle(x, 2),
        lambda x: x.reshape(2, 3, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(2, 3, 4, 6),
        (2, 12, 2, 3),
    ),
    "pixel_unshuffle": Function(lambda x: F.pixel_unshuffle(F.pixel_shuffle(x, 3), 3), np.copy, (18, 2, 3)),
    "channel_shuffle": Function(
        lambda x: F.channel_shuffle(x, 3), lambda x: x[:, [0, 2, 4, 1, 3, 5]], (2, 6, 3)
    ),
    "unfold": Function(lambda x: F.unfold(x, (2, 3)), lambda x: patches(x, (2, 3)), (2, 3, 4, 5)),
    "unfold, all options": Function(
        lambda x: F.unfold(x, 3, dilation=(2, 1), padding=(1, 2), stride=(1, 2)),
        lambda x: patches(x, (3, 3), (2, 1), (1, 2), (1, 2)),
        (2, 2, 4, 5),
    ),
    "fold": Function(
        lambda x: F.fold(x, (4, 5), 2, dilation=1, padding=1, stride=2) * 1.0,
        lambda x: sum(  # the adjoint, one basis vector at a time
            (patches(e.reshape(1, 3, 4, 5), (2, 2), padding=(1, 1), stride=(2, 2)) * x).sum((1, 2))[:, None]
            * e.reshape(1, 60)
            for e in np.eye(60)
        ).reshape(2, 3, 4, 5),
        (2, 12, 9),
    ),
    "interpolate, nearest": Function(
        lambda x: F.interpolate(x, (5, 3)),
        lambda x: resized(x, [matrix(5, 3, linear, nearest=True), matrix(3, 4, linear, nearest=True)]),
        (2, 2, 3, 4),
    ),
    "interpolate, linear": Function(
        lambda x: F.interpolate(x, 7, mode="linear"), lambda x: resized(x, [matrix(7, 4, linear)]), (2, 2, 4)
    ),
    "interpolate, bilinear": Function(
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
        lambda x: resized(x, [matrix(6, 3, linear, align=True), matrix(8, 4, linear, align=True)]),
        (2, 2, 3, 4),
    ),
    "interpolate, trilinear": Function(
        lambda x: F.interpolate(x, (3, 5, 2), mode="trilinear"),
        lambda x: resized(x, [matrix(3, 2, linear), matrix(5, 3, linear), matrix(2, 4, linear)]),
        (1, 2, 2, 3, 4),
    ),
    "interpolate, bicubic": Function(
        lambda x: F.interpolate(x, (5, 7), mode="bicubic"),
        lambda x: resized(x, [matrix(5, 4, cubic), matrix(7, 5, cubic)]),
        (1, 2, 4, 5),
    ),
    "interpolate, area": Function(
        lambda x: F.interpolate(x, (3, 2), mode="area"),
        lambda x: resized(x, [area(3, 5), area(2, 4)]),
        (2, 2, 5, 4),
    ),
    "interpolate, antialias": Function(
        lambda x: F.interpolate(x, (2, 3), mode="bilinear", antialias=True),
        lambda x: resized(x, [np.array([[3, 3, 1, 0], [0, 1, 3, 3]]) / 7, np.eye(3)]),
        (1, 2, 4, 3),
    ),
    "affine_grid": Function(
        lambda x: F.affine_grid(theta(x), (2, 1, 3, 4), align_corners=True),
        lambda x: POINTS @ theta(x).transpose(0, 2, 1)[:, None],
        (12,),
    ),
    "grid_sample": Function(
        F.grid_sample, lambda x, g: sampled(x, g, False, lambda c, *_: c), (2, 2, 3, 4), (2, 3, 2, 2)
    ),
    "grid_sample, border": Function(
        lambda x, g: F.grid_sample(x, g, padding_mode="border", align_corners=True),
        lambda x, g: sampled(x, g, True, lambda c, size, _: min(max(c, 0), size - 1)),
        (2, 2, 3, 4), (2, 3, 2, 2),
    ),
    "grid_sample, reflection": Function(
        lambda x, g: F.grid_sample(x, 2 * g, padding_mode="reflection"),
        lambda x, g: sampled(x, 2 * g, False, reflected),
        (2, 2, 3, 4), (2, 3, 2, 2),
    ),
    "ctc_loss": Function(
        lambda x: F.ctc_loss(F.log_softmax(x, -1), dlcore.tensor(LABELS), FRAMES, LENGTHS), ctc, (6, 2, 4)
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


@pytest.mark.parametrize("name", ["fold", "interpolate, bicubic", "grid_sample", "ctc_loss"])
def test_second_derivatives(name):
    assert_second_derivatives(FUNCTIONS[name], FUNCTIONS[name].arrays("float64"))


def test_labels_one_after_the_other_and_sequences_that_do_not_fit():
    logs = F.log_softmax(dlcore.randn(4, 2, 3, requires_grad=True), -1)
    targets = dlcore.tensor([[1, 2], [2, 2]])
    rows = F.ctc_loss(logs, targets, (4, 2), (2, 2), reduction="none")
    flat = F.ctc_loss(logs, targets.flatten(), (4, 2), (2, 2), reduction="none", zero_infinity=True)
    assert rows[1].item() == math.inf  # two equal labels need a blank between: three frames
    assert flat.tolist() == [rows[0].item(), 0]
    flat.sum().backward()


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.pixel_shuffle(dlcore.zeros(3, 2, 2), 2),
        lambda: F.pixel_unshuffle(dlcore.zeros(3, 3, 2), 2),
        lambda: F.channel_shuffle(dlcore.zeros(1, 3, 2), 2),
        lambda: F.unfold(dlcore.zeros(1, 1, 2, 2), 3),
        lambda: F.unfold(dlcore.zeros(1, 1, 2, 2), 0),
        lambda: F.fold(dlcore.zeros(1, 4, 5), (3, 3), 2),
        lambda: F.interpolate(dlcore.zeros(1, 1, 2, 2), 3, mode="linear"),
        lambda: F.interpolate(dlcore.zeros(1, 1, 2, 2)),
        lambda: F.interpolate(dlcore.zeros(1, 1, 2, 2), (3, 3, 3)),
        lambda: F.interpolate(dlcore.zeros(1, 1, 2, 2), 3, align_corners=True),
        lambda: F.affine_grid(dlcore.zeros(1, 2, 3), (2, 1, 3, 3)),
        lambda: F.grid_sample(dlcore.zeros(1, 1, 2, 2), dlcore.zeros(1, 2, 2, 3)),
        lambda: F.grid_sample(dlcore.zeros(1, 1, 2, 2), dlcore.zeros(1, 2, 2, 2), padding_mode="wrap"),
        lambda: F.ctc_loss(dlcore.zeros(2, 1, 3), dlcore.tensor([[3]]), (2,), (1,)),
        lambda: F.ctc_loss(dlcore.zeros(2, 1, 3), dlcore.tensor([[1]]), (3,), (1,)),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call):
    with pytest.raises((ValueError, IndexError), match=r"^[a-z_]+: "):
        call()
