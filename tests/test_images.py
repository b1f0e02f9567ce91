"""Images at other sizes and places, patches, sequences of labels: values as in numpy, gradients as differences."""

import itertools
import math

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from cases import assert_close
from derivatives import assert_gradients, assert_second_derivatives
from references import area, cubic, linear, matrix, patches, reflected, sampled
from test_functions import Function

LABELS = np.array([[1, 2, 2], [3, 0, 0]])  # the second sequence has one label
FRAMES, LENGTHS = (6, 4), (3, 1)


def resized(x, matrices):
    """Each dimension after the channels through a matrix."""
    for i, weights in enumerate(matrices):
        x = np.moveaxis(np.moveaxis(x, i + 2, -1) @ weights.T, -1, i + 2)
    return x


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
    "grid_sample, bicubic": Function(
        lambda x, g: F.grid_sample(x, g, "bicubic", align_corners=True),
        lambda x, g: sampled(x, g, True, lambda c, *_: c, cubic),
        (2, 2, 4, 3), (2, 3, 2, 2),
    ),
    "grid_sample, volumes": Function(
        lambda x, g: F.grid_sample(x, g, padding_mode="border"),
        lambda x, g: sampled(x, g, False, lambda c, size, _: min(max(c, 0), size - 1)),
        (2, 1, 3, 2, 4), (2, 1, 3, 2, 3),
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


TWICE = ["fold", "interpolate, bicubic", "grid_sample", "grid_sample, bicubic", "grid_sample, volumes", "ctc_loss"]


@pytest.mark.parametrize("name", TWICE)
def test_second_derivatives(name):
    assert_second_derivatives(FUNCTIONS[name], FUNCTIONS[name].arrays("float64"))


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("outside", ["zeros", "border", "reflection"])
def test_gradients_of_samples_in_one_pass_are_those_of_the_composition(mode, outside):
    rng = np.random.default_rng(0)
    x, grid = (dlcore.tensor(rng.standard_normal(shape), requires_grad=True) for shape in [(2, 3, 5, 4), (2, 7, 9, 2)])
    y = F.grid_sample(x, grid, mode, outside)
    weights = dlcore.tensor(rng.standard_normal(y.shape))
    one_pass = dlcore.autograd.grad((y * weights).sum(), [x, grid], retain_graph=True)
    composed = dlcore.autograd.grad((y * weights).sum(), [x, grid], create_graph=True)
    for a, b in zip(one_pass, composed, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=0, atol=1e-12)


def test_what_is_no_number_stays_where_it_is_looked_at():
    x = dlcore.zeros(1, 1, 40, 40)
    x[0, 0, 20, 20] = math.nan
    for mode, reach in [("bilinear", 1), ("bicubic", 2), ("area", 1)]:
        for size in [80, 40 - 13]:
            y = F.interpolate(x, size, mode=mode).isnan()[0, 0].nonzero().numpy()
            assert len(y)
            assert np.abs((y + 0.5) * 40 / size - 20.5).max() <= reach + 40 / size / 2
    grid = dlcore.tensor([[[[0.0, 0.0], [math.nan, 0.0], [3.0, 0.0]]]])
    assert F.grid_sample(dlcore.ones(1, 1, 3, 3), grid).isnan().tolist() == [[[[False, True, False]]]]
    assert F.grid_sample(x, grid[:, :, 2:]).tolist() == [[[[0.0]]]]


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("options", [{}, {"align_corners": True}, {"antialias": True}])
def test_bytes_are_rounded_and_stay_bytes(mode, options):
    x = dlcore.tensor(np.random.default_rng(0).choice([0, 1, 7, 254, 255], (2, 3, 8, 9)).astype("uint8"))
    y = F.interpolate(x, (13, 5), mode=mode, **options)
    assert y.dtype == dlcore.uint8
    expected, beyond = x.float(), False
    for size in [(8, 5), (13, 5)]:  # columns, then rows
        exact = F.interpolate(expected, size, mode=mode, **options)
        beyond |= bool((exact > 255.5).any())
        expected = (exact + 0.5).floor().clamp(0, 255)
    assert beyond == (mode == "bicubic")
    np.testing.assert_array_equal(y.numpy(), expected.numpy())


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
        lambda: F.interpolate(dlcore.zeros(1, 1, 2, 2, dtype=dlcore.uint8), 3, mode="area"),
        lambda: F.affine_grid(dlcore.zeros(1, 2, 3), (2, 1, 3, 3)),
        lambda: F.grid_sample(dlcore.zeros(1, 1, 2, 2), dlcore.zeros(1, 2, 2, 3)),
        lambda: F.grid_sample(dlcore.zeros(1, 1, 2, 2), dlcore.zeros(1, 2, 2, 2), padding_mode="wrap"),
        lambda: F.ctc_loss(dlcore.zeros(2, 1, 3), dlcore.tensor([[3]]), (2,), (1,)),
        lambda: F.ctc_loss(dlcore.zeros(2, 1, 3), dlcore.tensor([[1]]), (3,), (1,)),
        lambda: F.ctc_loss(dlcore.zeros(2, 1, 3), dlcore.tensor([[1]]), (2,), (-(2**63),)),
        lambda: F.ctc_loss(dlcore.zeros(2, 3, 3), dlcore.tensor([1, 1]), (2, 2, 2), (2**63 - 1, 2**63 - 1, 4)),
        *[
            lambda factor=factor, mode=mode: F.interpolate(dlcore.zeros(1, 1, 4, 4), scale_factor=factor, mode=mode)
            for factor in (1e30, 1e18, math.inf, -math.inf, math.nan, 0.0, -1.0, 0.1, (2.0, math.nan))
            for mode in ("nearest", "nearest-exact", "bilinear", "area")
        ],
    ],
)
def test_what_does_not_fit_is_refused_by_name(call):
    with pytest.raises((ValueError, IndexError, TypeError), match=r"^[a-z_]+: "):
        call()


def test_what_no_memory_holds_is_refused():
    for mode in ("nearest", "nearest-exact", "linear", "area"):
        with pytest.raises(MemoryError):
            F.interpolate(dlcore.zeros(1, 1, 4), scale_factor=1e15, mode=mode)


@pytest.mark.parametrize("dtype", [dlcore.float32, dlcore.uint8])
def test_the_nearest_element_by_size_and_by_factor(dtype):
    def nearest(x, size, step, centre):
        steps = (np.arange(size, dtype=np.float32) + np.float32(centre)) * np.float32(step)
        return x[np.minimum(steps.astype(int), len(x) - 1)].tolist()

    for n in range(1, 41):
        x = np.arange(n)
        row = dlcore.tensor(x).to(dtype)[None, None]
        for mode, centre in (("nearest", 0), ("nearest-exact", 0.5)):
            for size in range(1, 81):
                assert F.interpolate(row, size, mode=mode)[0, 0].tolist() == nearest(x, size, n / size, centre)
            for factor in (2, 0.5, 1.1, 2.3):
                size = int(n * factor)
                if size == 0:
                    continue
                by_factor = F.interpolate(row, scale_factor=factor, mode=mode)[0, 0]
                assert by_factor.tolist() == nearest(x, size, 1 / factor, centre)
                of_sizes = F.interpolate(row, scale_factor=factor, mode=mode, recompute_scale_factor=True)[0, 0]
                assert of_sizes.tolist() == nearest(x, size, n / size, centre)
                # Small planes that stay or double do so by their size.
                by_size = mode == "nearest" and size in (n, 2 * n)
                plane = F.interpolate(row.expand(1, n, n)[None], scale_factor=factor, mode=mode)[0, 0, 0]
                assert plane.tolist() == (of_sizes if by_size else by_factor).tolist()
    large = dlcore.arange(100).expand(1, 1, 100, 100)
    plane = F.interpolate(large, scale_factor=2.005)[0, 0, 0]
    assert plane.tolist() == nearest(np.arange(100), 200, 1 / 2.005, 0)


def test_a_grid_may_point_far_outside():
    image = dlcore.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True)
    for place in (3e7, 1e8):
        grid = dlcore.full((1, 1, 1, 2), place)
        y = F.grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=False)
        assert y.item() == 4
        (gradient,) = dlcore.autograd.grad(y, image)
        assert gradient.tolist() == [[[[0, 0], [0, 1]]]]
