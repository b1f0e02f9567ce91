"""Convolution and pooling in one, two and three dimensions, against their definitions in numpy."""

import itertools
import math

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore import nn

rng = np.random.default_rng(6)
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
UNPOOL = {1: F.max_unpool1d, 2: F.max_unpool2d, 3: F.max_unpool3d}
LP = {1: F.lp_pool1d, 2: F.lp_pool2d, 3: F.lp_pool3d}
SIZE = (6, 5, 7)
DIMS = pytest.mark.parametrize("dims", [1, 2, 3])


def noise(*shape):
    return dlcore.tensor(rng.standard_normal(shape))


def assert_close(got, expected):
    expected = expected.detach().numpy() if isinstance(expected, dlcore.Tensor) else expected
    assert tuple(got.shape) == tuple(expected.shape)
    np.testing.assert_allclose(got.detach().numpy(), expected, atol=1e-11)


def convolved(x, w, stride, padding, dilation, groups):
    """From the definition, one output at a time."""
    dims = x.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in padding])
    kernel, per_group = w.shape[2:], w.shape[0] // groups
    places = zip(x.shape[2:], kernel, stride, dilation, strict=True)
    size = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in places]
    out = np.zeros((x.shape[0], w.shape[0], *size))
    for place in itertools.product(*map(range, size)):
        steps = zip(place, stride, dilation, kernel, strict=True)
        window = x[(slice(None), slice(None), *(slice(p * s, p * s + d * (k - 1) + 1, d) for p, s, d, k in steps))]
        for o in range(w.shape[0]):
            first = o // per_group * w.shape[1]
            axes = tuple(range(1, dims + 2))
            out[(slice(None), o, *place)] = (window[:, first : first + w.shape[1]] * w[o]).sum(axes)
    return out


CONVOLUTIONS = [
    ((1, 1, 1), (0, 0, 0), (1, 1, 1), 1),
    ((2, 1, 3), (1, 2, 0), (1, 1, 1), 1),
    ((1, 2, 1), (2, 1, 1), (2, 1, 2), 2),
]


@DIMS
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), CONVOLUTIONS)
def test_convolution_and_its_transpose(dims, stride, padding, dilation, groups):
    stride, padding, dilation = stride[:dims], padding[:dims], dilation[:dims]
    x, w, b = noise(2, 4, *SIZE[:dims]), noise(6, 4 // groups, *(3, 2, 3)[:dims]), noise(6)
    expected = convolved(x.numpy(), w.numpy(), stride, padding, dilation, groups)
    y = CONV[dims](x, w, b, stride, padding, dilation, groups)
    assert_close(y, expected + b.numpy().reshape(-1, *[1] * dims))
    assert_close(CONV[dims](x[1], w, b, stride, padding, dilation, groups), y[1])
    # The transpose is the adjoint: <conv(x), g> = <x, transposed(g)>, and the gradient by the input.
    g, x = noise(*expected.shape), x.requires_grad_()
    (CONV[dims](x, w, None, stride, padding, dilation, groups) * g).sum().backward()
    sizes = zip(expected.shape[2:], stride, padding, dilation, w.shape[2:], strict=True)
    least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in sizes]
    more = [n - m for n, m in zip(x.shape[2:], least, strict=True)]
    transposed = TRANSPOSED[dims](g, w, None, stride, padding, more, groups, dilation)
    assert_close(transposed, x.grad)
    bias = noise(4)
    with_bias = TRANSPOSED[dims](g[0], w, bias, stride, padding, more, groups, dilation)
    assert_close(with_bias, x.grad[0] + bias.reshape(-1, *[1] * dims))


@DIMS
def test_gradients_of_a_transposed_convolution(dims):
    x, w = noise(2, 4, *(3, 2, 3)[:dims]).requires_grad_(), noise(4, 2, *(2, 3, 2)[:dims]).requires_grad_()
    y = TRANSPOSED[dims](x, w, None, 2, 1, 1, 2)
    g = noise(*y.shape)
    grads = dlcore.autograd.grad(y, [x, w], g, create_graph=True)
    # y is linear in x and in w.
    assert abs((grads[0] * x).sum().item() - (y * g).sum().item()) < 1e-9
    assert abs((grads[1] * w).sum().item() - (y * g).sum().item()) < 1e-9
    (second,) = dlcore.autograd.grad(grads[0].sum(), [w])
    assert second.abs().max() > 0


def test_output_padding_may_exceed_the_stride_up_to_the_dilation():
    x, w = noise(1, 1, 3), noise(1, 1, 2)
    short = F.conv_transpose1d(x, w, dilation=3)
    long = F.conv_transpose1d(x, w, output_padding=2, dilation=3)
    assert_close(long, np.pad(short.numpy(), [(0, 0), (0, 0), (0, 2)]))
    with pytest.raises(ValueError, match="output_padding"):
        F.conv_transpose1d(x, w, output_padding=3, dilation=3)


@DIMS
def test_same_keeps_the_size_and_modes_say_what_is_added(dims):
    x = noise(2, 4, *SIZE[:dims])
    layer = getattr(nn, f"Conv{dims}d")(4, 4, 2, padding="same", dtype=dlcore.float64)
    assert layer(x).shape == x.shape
    for mode in ["reflect", "replicate", "circular"]:
        layer = getattr(nn, f"Conv{dims}d")(4, 3, 3, padding=1, padding_mode=mode, dtype=dlcore.float64)
        bordered = F.pad(x, [1] * (2 * dims), mode)
        assert_close(layer(x), CONV[dims](bordered, layer.weight, layer.bias))
        assert f"padding_mode={mode}" in repr(layer)


def windows_of(x, kernel, stride, padding, fill):
    """Every window of a tensor as rows: (N, C, windows, elements), and their extents."""
    x = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in padding], constant_values=fill)
    size = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    rows = []
    for place in itertools.product(*map(range, size)):
        cut = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, stride, kernel, strict=True))
        rows.append(x[(slice(None), slice(None), *cut)].reshape(*x.shape[:2], -1))
    return np.stack(rows, 2), (*x.shape[:2], *size)


@DIMS
def test_pools_and_what_they_found(dims):
    kernel, stride, padding = (3, 2, 3)[:dims], (2, 1, 2)[:dims], (1, 1, 0)[:dims]
    x = noise(2, 3, *SIZE[:dims])
    rows, shape = windows_of(x.numpy(), kernel, stride, padding, -math.inf)
    y, places = MAX[dims](x, kernel, stride, padding, return_indices=True)
    assert_close(y, rows.max(-1).reshape(shape))
    assert_close(x.flatten(2).gather(2, places.flatten(2)), y.flatten(2))
    rows, shape = windows_of(x.numpy(), kernel, stride, padding, 0)
    assert_close(AVG[dims](x, kernel, stride, padding), rows.mean(-1).reshape(shape))
    inside, _ = windows_of(np.ones_like(x.numpy()), kernel, stride, padding, 0)
    without = AVG[dims](x, kernel, stride, padding, False, False)
    assert_close(without, (rows.sum(-1) / inside.sum(-1)).reshape(shape))
    if dims > 1:
        overridden = AVG[dims](x, kernel, stride, padding, divisor_override=5)
        assert_close(overridden, (rows.sum(-1) / 5).reshape(shape))
    rows, shape = windows_of(x.numpy(), kernel, stride, (0,) * dims, 0)
    assert_close(LP[dims](x, 2, kernel, stride), np.sqrt((rows**2).sum(-1)).reshape(shape))


@DIMS
@pytest.mark.parametrize(
    "given", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": 1, "stride": 3}]
)
def test_values_alone_and_their_gradients_are_those_found_with_places(dims, given):
    x = noise(2, 3, *SIZE[:dims]).round(decimals=0)  # with equals
    x[0, 1] = math.nan
    adaptive = getattr(F, f"adaptive_max_pool{dims}d")
    for pool in (lambda x, **more: MAX[dims](x, **given, **more), lambda x, **more: adaptive(x, 2, **more)):
        leaves = [x.clone().requires_grad_() for _ in range(2)]
        values, (same, _) = pool(leaves[0]), pool(leaves[1], return_indices=True)
        assert dlcore.equal(values.nan_to_num(9), same.nan_to_num(9))
        for y in (values, same):
            y.backward(dlcore.arange(y.numel(), dtype=y.dtype).reshape(y.shape))
        assert dlcore.equal(leaves[0].grad, leaves[1].grad)
    assert MAX[dims](x, 1).data_ptr() != x.data_ptr()


@DIMS
def test_ceil_mode_keeps_windows_that_hang_over(dims):
    x = noise(1, 2, *(5, 6, 8)[:dims])
    wide = np.pad(x.numpy(), [(0, 0), (0, 0)] + [(0, 3)] * dims, constant_values=-math.inf)
    rows, shape = windows_of(wide, (3,) * dims, (3,) * dims, (0,) * dims, 0)
    expected = rows.max(-1).reshape(shape)
    kept = (..., *(slice(0, -(-n // 3)) for n in x.shape[2:]))
    assert_close(MAX[dims](x, 3, ceil_mode=True), expected[kept])


@DIMS
def test_even_the_first_window_hangs_over_in_ceil_mode(dims):
    x = dlcore.full((1, 1, *(1,) * dims), 3.0)
    assert MAX[dims](x, 2, ceil_mode=True).tolist() == AVG[dims](x, 2, ceil_mode=True).tolist() == x.tolist()
    with pytest.raises(dlcore.ShapeError, match="does not fit"):
        MAX[dims](x, 4, 2, ceil_mode=True)


def test_the_first_of_equals_and_the_last_of_what_are_no_numbers():
    x = dlcore.tensor([[[1.0, 2.0, 2.0], [2.0, 0.0, 1.0], [0.0, 2.0, 1.0]]])
    assert F.adaptive_max_pool2d(x, 1, return_indices=True)[1].item() == 1
    assert F.adaptive_max_pool2d(x, (1, 2), return_indices=True)[1].tolist() == [[[1, 1]]]
    x = dlcore.tensor([[[1.0, math.nan, 2.0], [math.nan, 0.0, math.nan], [0.0, 2.0, 1.0]]])
    y, places = F.adaptive_max_pool2d(x, (1, 2), return_indices=True)
    assert y.isnan().all()
    assert places.tolist() == [[[3, 5]]]


@DIMS
def test_unpooling_puts_maxima_back(dims):
    x = noise(2, 3, *(4, 6, 2)[:dims]).requires_grad_()
    y, places = MAX[dims](x, 2, return_indices=True)
    back = UNPOOL[dims](y, places, 2)
    assert back.shape == x.shape
    assert_close(MAX[dims](back.abs(), 2), y.abs())
    kept = back.detach().numpy() != 0
    np.testing.assert_array_equal(back.detach().numpy()[kept], x.detach().numpy()[kept])
    back.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy() != 0, kept)
    larger = UNPOOL[dims](y, places, 2, output_size=[n + 1 for n in x.shape[2:]])
    assert larger.shape[2] == x.shape[2] + 1


def test_unpooling_two_maxima_to_one_place_keeps_the_last():
    x = dlcore.tensor([[[1.0, 5.0, 2.0]]], requires_grad=True)
    places = dlcore.tensor([[[1, 1, 3]]])
    back = F.max_unpool1d(x, places, 2, 1)
    assert back.tolist() == [[[0, 5, 0, 2]]]
    (back * dlcore.tensor([2.0, 3.0, 4.0, 5.0])).sum().backward()
    assert x.grad.tolist() == [[[3, 3, 5]]]


@DIMS
@pytest.mark.parametrize("out", [1, 2, 4, 9, (3, None, 2)])
def test_windows_adapt_to_a_size(dims, out):
    sizes = out[:dims] if isinstance(out, tuple) else (out,) * dims
    x = noise(2, 3, *SIZE[:dims]).requires_grad_()
    targets = [n if s is None else s for n, s in zip(x.shape[2:], sizes, strict=True)]
    mean, largest = np.zeros((2, 3, *targets)), np.zeros((2, 3, *targets))
    for place in itertools.product(*map(range, targets)):
        cut = tuple(
            slice(p * n // o, -(-(p + 1) * n // o)) for p, n, o in zip(place, x.shape[2:], targets, strict=True)
        )
        window = x.detach().numpy()[(slice(None), slice(None), *cut)].reshape(2, 3, -1)
        mean[(..., *place)], largest[(..., *place)] = window.mean(-1), window.max(-1)
    y = ADAPTIVE_AVG[dims](x, sizes)
    assert_close(y, mean)
    values, places = ADAPTIVE_MAX[dims](x, sizes, return_indices=True)
    assert_close(values, largest)
    assert_close(x.flatten(2).gather(2, places.flatten(2)), values.flatten(2))
    y.sum().backward()
    assert abs(x.grad.sum().item() - math.prod(y.shape)) < 1e-9


@DIMS
@pytest.mark.parametrize("pools", [ADAPTIVE_AVG, ADAPTIVE_MAX])
def test_no_windows_give_no_gradient(dims, pools):
    x = noise(2, 3, *SIZE[:dims]).requires_grad_()
    y = pools[dims](x, 0)
    assert y.shape == (2, 3, *[0] * dims)
    y.sum().backward()
    assert not x.grad.any()


@pytest.mark.parametrize(("dims", "dim"), [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)])
def test_windows_in_the_padding_alone_find_nothing(dims, dim):
    x = noise(2, *[3] * dims).requires_grad_()
    windows = {"kernel_size": 2, "padding": 1, "dilation": tuple(4 if i == dim else 1 for i in range(dims))}
    y, at = MAX[dims](x, return_indices=True, **windows)
    assert y.tolist() == dlcore.full_like(y, -math.inf).tolist()
    assert at.tolist() == dlcore.full_like(at, -1).tolist()
    for create_graph in (False, True):
        weights = dlcore.ones_like(y, requires_grad=True)
        (slope,) = dlcore.autograd.grad(MAX[dims](x, **windows), x, weights, create_graph=create_graph)
        assert not slope.any()
    assert not dlcore.autograd.grad(slope.sum(), weights)[0].any()


def test_infinity_stays_in_its_window():
    x = dlcore.tensor([[[math.inf, 1.0, 2.0, 3.0, 4.0]]])
    assert F.adaptive_avg_pool1d(x, 3).tolist() == [[[math.inf, 2.0, 3.5]]]


@DIMS
def test_layers_call_their_functions(dims):
    x = dlcore.randn(2, 3, *(4, 6, 8)[:dims])
    for name, function in [("MaxPool", MAX), ("AvgPool", AVG)]:
        layer = getattr(nn, f"{name}{dims}d")(2)
        assert layer(x).tolist() == function[dims](x, 2).tolist()
    assert getattr(nn, f"LPPool{dims}d")(1.0, 2)(x.abs()).shape == MAX[dims](x, 2).shape
    assert getattr(nn, f"AdaptiveAvgPool{dims}d")(1)(x).shape == (2, 3, *[1] * dims)
    assert getattr(nn, f"AdaptiveMaxPool{dims}d")(None)(x).tolist() == x.tolist()
    y, places = getattr(nn, f"MaxPool{dims}d")(2, return_indices=True)(x)
    assert getattr(nn, f"MaxUnpool{dims}d")(2)(y, places).shape == x.shape
    transposed = getattr(nn, f"ConvTranspose{dims}d")(3, 2, 3, stride=2)
    assert transposed(x).shape == (2, 2, *(2 * n + 1 for n in x.shape[2:]))
    assert transposed(x, [2 * n + 2 for n in x.shape[2:]]).shape == (2, 2, *(2 * n + 2 for n in x.shape[2:]))
    with pytest.raises(ValueError, match="output_size"):
        transposed(x, [2 * n + 3 for n in x.shape[2:]])


def test_what_does_not_fit_is_refused():
    x = dlcore.ones(1, 2, 5)
    with pytest.raises(dlcore.ShapeError, match=r"conv1d: .*\(batch, channels, length\)"):
        F.conv1d(x[0, 0], dlcore.ones(1, 2, 3))
    with pytest.raises(dlcore.ShapeError, match=r"conv1d: a weight \(1, 2, 6\)"):
        F.conv1d(x, dlcore.ones(1, 2, 6))
    with pytest.raises(dlcore.ShapeError, match=r"conv1d: the channels of input \(1, 2, 5\)"):
        F.conv1d(x, dlcore.ones(1, 3, 3))
    with pytest.raises(dlcore.ShapeError, match="conv_transpose1d: nothing is left"):
        F.conv_transpose1d(x, dlcore.ones(2, 1, 3), padding=4)
    with pytest.raises(dlcore.ShapeError, match=r"conv_transpose1d: .*differ in channels"):
        F.conv_transpose1d(x, dlcore.ones(3, 1, 3))
    with pytest.raises(ValueError, match="conv3d: stride takes one or three ints"):
        F.conv3d(dlcore.ones(1, 1, 2, 2, 2), dlcore.ones(1, 1, 1, 1, 1), stride=(1, 2))
    with pytest.raises(dlcore.ShapeError, match="adaptive_avg_pool2d: expected"):
        F.adaptive_avg_pool2d(dlcore.ones(3), 1)
    with pytest.raises(ValueError, match="adaptive_avg_pool2d: output_size takes one or two sizes"):
        F.adaptive_avg_pool2d(x, (1, 2, 3))
    with pytest.raises(dlcore.ShapeError, match="adaptive_max_pool1d: there is nothing to pool"):
        F.adaptive_max_pool1d(dlcore.ones(1, 2, 0), 1)
    with pytest.raises(ValueError, match="max_pool3d: padding"):
        F.max_pool3d(dlcore.ones(1, 2, 2, 2), 2, padding=2)
    with pytest.raises(dlcore.ShapeError, match=r"max_unpool1d: .*differ in shape"):
        F.max_unpool1d(x, dlcore.zeros(1, 2, 4, dtype=dlcore.int64), 2)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_transposed_convolutions_promote_as_others_do(dims):
    x, w = rng.standard_normal((1, 2, *[3] * dims)), rng.standard_normal((2, 2, *[2] * dims))
    x, w = dlcore.from_numpy(x), dlcore.from_numpy(w).float()
    convolve = TRANSPOSED[dims]
    expected = convolve(x, w.double())
    assert convolve(x, w).dtype == dlcore.float64
    assert dlcore.equal(convolve(x, w), expected)
    assert convolve(x.float(), w.double()).dtype == dlcore.float64
    leaf = w.clone().requires_grad_()
    convolve(x, leaf).sum().backward()
    assert leaf.grad.dtype == dlcore.float32
    with pytest.raises(dlcore.DTypeError, match=f"conv_transpose{dims}d: an input of float64 with a weight"):
        convolve(x, w.long())


@pytest.mark.parametrize("size", [1, 3, 7, 33, 700])
@pytest.mark.parametrize("step", [1, 2, 5])
def test_windows_that_overlap_are_reduced_as_they_lie(size, step):
    x = np.random.default_rng(0).standard_normal((3, 1009))
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=1)[:, ::step]
    overlapping = dlcore.from_numpy(x).unfold(1, size, step)
    for name in ["sum", "mean", "amax", "prod", "argmin"]:
        expected = getattr(np, name)(windows, axis=2)
        np.testing.assert_allclose(getattr(overlapping, name)(2).numpy(), expected, rtol=1e-9, atol=1e-11)
