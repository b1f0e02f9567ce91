"""Derivatives on grids, histograms, Householder's reflections, floor division at infinities."""

import itertools
import math

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from dlcore.autograd import gradcheck

RNG = np.random.default_rng(11)
inf, nan = math.inf, math.nan


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("spacing", ["none", "even", "places"])
def test_derivatives_on_a_grid_are_those_of_numpy(edge_order, axis, spacing):
    y = RNG.standard_normal((5, 4))
    axes = (0, 1) if axis is None else (axis,)
    steps = {
        "none": [1.0] * len(axes),
        "even": [0.5, 3.0][: len(axes)],
        "places": [np.cumsum(RNG.random(y.shape[a]) + 0.1) for a in axes],
    }[spacing]
    expected = np.gradient(y, *steps, axis=axes, edge_order=edge_order)
    given = (
        {"spacing": [dlcore.from_numpy(s) if spacing == "places" else s for s in steps]} if spacing != "none" else {}
    )
    got = dlcore.gradient(dlcore.from_numpy(y), dim=axis, edge_order=edge_order, **given)
    assert isinstance(got, tuple)
    for g, e in zip(got, expected if axis is None else [expected], strict=True):
        np.testing.assert_allclose(g.numpy(), e, rtol=1e-10, atol=1e-12)


def test_derivatives_on_a_grid_of_integers_and_their_gradients():
    assert dlcore.gradient(dlcore.tensor([1, 2, 6, 7]))[0].tolist() == [1, 2.5, 2.5, 1]
    assert dlcore.gradient(dlcore.tensor(1.0)) == ()
    y = dlcore.from_numpy(RNG.standard_normal(5)).requires_grad_()
    assert gradcheck(lambda y: dlcore.gradient(y, spacing=0.5, edge_order=2)[0], (y,))
    with pytest.raises(dlcore.ShapeError, match="gradient: expected at least 3 samples along dimension 0, got 2"):
        dlcore.gradient(dlcore.ones(2), edge_order=2)
    with pytest.raises(ValueError, match="gradient: edge_order is 1 or 2, got 3"):
        dlcore.gradient(dlcore.ones(9), edge_order=3)
    with pytest.raises(ValueError, match="gradient: spacing of 2 dimensions, and 1"):
        dlcore.gradient(dlcore.ones(4), spacing=[1.0, 2.0])
    with pytest.raises(dlcore.ShapeError, match=r"gradient: coordinates \(3,\) of 4 samples"):
        dlcore.gradient(dlcore.ones(4), spacing=[dlcore.arange(3)])


@pytest.mark.parametrize("density", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bins", [7, [-1.0, 0.0, 0.25, 2.0]])
def test_histograms_are_those_of_numpy(density, weighted, bins):
    x, weights = RNG.standard_normal((20, 30)), RNG.random((20, 30))
    x[0, :4] = [-1.0, 0.0, 0.25, 2.0]  # on the edges
    given = {"weights": weights} if weighted else {}
    counts, edges = np.histogram(x, bins, density=density, **given)
    found = dlcore.histogram(
        dlcore.from_numpy(x),
        dlcore.tensor(bins, dtype=dlcore.float64) if isinstance(bins, list) else bins,
        weight=dlcore.from_numpy(weights) if weighted else None,
        density=density,
    )
    np.testing.assert_allclose(found.hist.numpy(), counts, rtol=1e-12)
    np.testing.assert_allclose(found.bin_edges.numpy(), edges, rtol=1e-12)


def test_histograms_of_little_and_of_what_is_not_counted():
    x = dlcore.tensor([1.0, nan, 2.0, 9.0])
    assert x.histogram(2, range=(0.0, 3.0)).hist.tolist() == [1, 1]
    assert dlcore.histogram(dlcore.tensor([1.0]), 2).bin_edges.tolist() == [0.5, 1, 1.5]
    assert dlcore.histogram(dlcore.zeros(0), 2).hist.tolist() == [0, 0]
    for bad in [{"bins": 0}, {"bins": 2, "range": (2.0, 1.0)}, {"bins": 2}]:
        with pytest.raises(ValueError, match=r"histogram: \d bins from"):
            x.histogram(**bad)
    with pytest.raises(dlcore.DTypeError, match="histogram: expected one float dtype"):
        dlcore.histogram(dlcore.tensor([1, 2]), 2)
    with pytest.raises(dlcore.ShapeError, match="histogram: expected a vector of two edges"):
        x.histogram(dlcore.tensor([1.0]))


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (2, 5, 5), (3, 0), (1, 1), (31, 31), (80, 70)])
def test_reflections_make_a_triangle_and_their_product_its_orthogonal_factor(shape):
    x = dlcore.from_numpy(RNG.standard_normal(shape))
    a, tau = x.geqrf()
    assert tau.shape == (*shape[:-2], min(shape[-2:]))
    if shape[-2] >= shape[-1]:
        q = dlcore.linalg.householder_product(a, tau)
        np.testing.assert_allclose((q @ a.triu()[..., : shape[-1], :]).numpy(), x.numpy(), atol=1e-12)
    # Zeros below the diagonal are left as they are, without a reflection.
    a, tau = dlcore.geqrf(dlcore.tensor([[-3.0, 1.0], [0.0, 2.0]]))
    assert a.tolist() == [[-3, 1], [0, 2]]
    assert tau.tolist() == [0, 0]


def test_the_larger_of_a_number_and_nan_is_the_number():
    x, y = np.array([1.0, nan, nan, 2.0, -inf]), np.array([nan, 3.0, nan, 2.0, inf])
    for name in ("fmax", "fmin"):
        a, b = (dlcore.from_numpy(z).requires_grad_() for z in (x, y))
        got = getattr(dlcore, name)(a, b)
        np.testing.assert_array_equal(got.detach().numpy(), getattr(np, name)(x, y))
        got.sum().backward()
        assert (a.grad + b.grad).tolist() == [1] * 5
        assert a.grad[3].item() == 1  # of two equals the first
    assert dlcore.fmax(dlcore.tensor([1, 5]), dlcore.tensor([3, 2])).tolist() == [3, 5]


def test_division_rounded_down_is_that_of_python_also_at_infinities():
    values = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e20, inf, -inf, nan]
    for dtype in (dlcore.float32, dlcore.float64):
        x, y = (dlcore.tensor(values, dtype=dtype).reshape(s) for s in [(-1, 1), (1, -1)])
        with np.errstate(all="ignore"):
            expected = np.floor_divide(x.numpy(), y.numpy())
        got = dlcore.div(x, y, rounding_mode="floor").numpy()
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(np.signbit(got[~np.isnan(got)]), np.signbit(expected[~np.isnan(got)]))


def test_sums_to_a_shape_and_shapes_together():
    x = dlcore.arange(6.0).reshape(2, 3)
    assert x.sum_to_size(1, 3).tolist() == [[3, 5, 7]]
    assert x.sum_to_size(()).item() == 15
    with pytest.raises(dlcore.ShapeError, match=r"sum_to_size: \(2, 2, 3\) does not broadcast to \(2, 3\)"):
        x.sum_to_size(2, 2, 3)
    with pytest.raises(dlcore.ShapeError, match="do not broadcast"):
        x.sum_to_size(2)
    assert dlcore.broadcast_shapes() == ()
    assert dlcore.broadcast_shapes((0, 1), 5) == (0, 5)
    for shapes in itertools.product([(), (1,), (3,), (2, 1), (0, 3), (2, 3)], repeat=3):
        try:
            expected = np.broadcast_shapes(*shapes)
        except ValueError:
            with pytest.raises(dlcore.ShapeError, match="do not broadcast"):
                dlcore.broadcast_shapes(*shapes)
        else:
            assert dlcore.broadcast_shapes(*shapes) == expected


def test_integers_are_averaged_after_they_are_summed():
    x = dlcore.from_numpy(RNG.integers(0, 9, (1, 1, 4, 4, 4)))
    blocks = x.numpy().reshape(2, 2, 2, 2, 2, 2).sum((1, 3, 5)) // 8
    assert F.avg_pool3d(x, 2)[0, 0].tolist() == blocks.tolist()
    assert x.mH.shape == x.mT.shape
    assert x[0, 0, 0].H.tolist() == x[0, 0, 0].T.tolist()
    with pytest.raises(dlcore.ShapeError, match="H: expects a matrix"):
        _ = x.H
