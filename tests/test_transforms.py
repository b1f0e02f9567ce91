"""Transforms: inverses, determinants against automatic differentiation, shapes, and what is composed of them."""

import dlcore
import numpy as np
import pytest
from dlcore.distributions import Exponential, Independent, Normal, TransformedDistribution, constraints
from dlcore.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    IndependentTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from dlcore.func import jacrev

X = dlcore.tensor([[0.3, 1.2, 0.7], [2.0, 0.5, 0.1]], dtype=dlcore.float64)
BOTH = ComposeTransform([AffineTransform(0.5, -2.0), SigmoidTransform()])
OF_NUMBERS = [
    AffineTransform(1.0, -2.0),
    AffineTransform(dlcore.tensor([1.0, 2.0, 3.0], dtype=dlcore.float64), 0.5),
    ExpTransform(),
    PowerTransform(1.5),
    PowerTransform(-1.0),
    SigmoidTransform(),
    SoftplusTransform(),
    TanhTransform(),
    BOTH,
    ComposeTransform([ExpTransform(), BOTH.inv.inv, ExpTransform()]),
    identity_transform,
]
OF_VECTORS = [
    StickBreakingTransform(),
    AffineTransform(1.0, -2.0, event_dim=1),
    IndependentTransform(ExpTransform(), 1),
    ReshapeTransform((3,), (3, 1)),
    ComposeTransform([AffineTransform(0.5, 2.0), StickBreakingTransform()]),
    ComposeTransform([ReshapeTransform((3,), (1, 3)), TanhTransform(), ReshapeTransform((1, 3), (3,))]),
]


@pytest.mark.parametrize("transform", OF_NUMBERS + OF_VECTORS, ids=repr)
def test_inverses_undo(transform):
    y = transform(X)
    np.testing.assert_allclose(transform.inv(y).numpy(), X.numpy(), rtol=1e-7)
    assert transform.inv.inv is transform
    assert transform.domain.check(X).all()
    assert transform.codomain.check(y).all()
    assert y.shape == transform.forward_shape(X.shape)
    assert transform.inverse_shape(y.shape) == X.shape
    assert (transform.inv.domain, transform.inv.codomain) == (transform.codomain, transform.domain)


@pytest.mark.parametrize("transform", OF_NUMBERS, ids=repr)
def test_stretches_of_numbers_are_their_derivatives(transform):
    y = transform(X)
    slopes = jacrev(transform)(X).flatten(2).flatten(0, 1).diagonal().reshape(X.shape)
    found = transform.log_abs_det_jacobian(X, y)
    np.testing.assert_allclose(found.numpy(), slopes.abs().log().numpy(), atol=1e-9)
    np.testing.assert_allclose(transform.inv.log_abs_det_jacobian(y, X).numpy(), -found.numpy())
    assert (slopes.sign() == transform.sign).all()
    assert (slopes.sign() == transform.inv.sign).all()


@pytest.mark.parametrize("transform", OF_VECTORS, ids=repr)
def test_stretches_of_vectors_are_determinants(transform):
    found = transform.log_abs_det_jacobian(X, transform(X))
    for row, one in zip(X, found, strict=True):
        jacobian = jacrev(lambda x: transform(x).flatten()[:3])(row)  # of parts of 1, all but the last
        assert one.item() == pytest.approx(dlcore.linalg.slogdet(jacobian)[1].item(), abs=1e-9)


def test_equal_ones():
    assert ExpTransform() == ExpTransform(cache_size=1)
    assert ExpTransform() != TanhTransform()
    assert AffineTransform(dlcore.ones(2), 1.0) == AffineTransform(dlcore.ones(2), 1.0)
    assert AffineTransform(dlcore.ones(2), 1.0) != AffineTransform(dlcore.zeros(2), 1.0)
    assert AffineTransform(1.0, 1.0) != AffineTransform(dlcore.ones(2), 1.0)
    assert ExpTransform().inv == ExpTransform().inv
    assert len({ExpTransform(), ExpTransform(), TanhTransform()}) == 2
    assert ComposeTransform([ExpTransform()]) == ComposeTransform([ExpTransform()])


def test_what_cannot_be_undone_has_no_density():
    assert AbsTransform()(-X).tolist() == X.tolist()
    assert AbsTransform().inv(X).tolist() == X.tolist()
    np.testing.assert_allclose(SoftmaxTransform()(X).sum(-1).numpy(), [1, 1])
    np.testing.assert_allclose(SoftmaxTransform()(SoftmaxTransform().inv(X.softmax(-1))).numpy(), X.softmax(-1).numpy())
    for transform in (AbsTransform(), SoftmaxTransform(), Transform()):
        with pytest.raises(NotImplementedError):
            transform.log_abs_det_jacobian(X, X)
        with pytest.raises(NotImplementedError):
            _ = transform.sign
    assert not ComposeTransform([ExpTransform(), AbsTransform()]).bijective
    with pytest.raises(TypeError, match="expected transforms, got int"):
        ComposeTransform([3])
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\) hold"):
        ReshapeTransform((2,), (3,))
    with pytest.raises(ValueError, match=r"ends in \(2,\), got \(2, 3\)"):
        ReshapeTransform((2,), (2, 1))(X)


def test_transformed_vectors():
    made = TransformedDistribution(Normal(dlcore.zeros(5, 2), 1.0), [StickBreakingTransform()])
    assert (made.batch_shape, made.event_shape, made.support.event_dim) == ((5,), (3,), 1)
    drawn = made.expand((4, 5)).sample((7,))
    assert drawn.shape == (7, 4, 5, 3)
    assert made.log_prob(drawn).shape == (7, 4, 5)
    grid = dlcore.linspace(5e-4, 0.9995, 1000)
    a, b = dlcore.meshgrid(grid, grid, indexing="ij")
    values = dlcore.stack([a, b, 1 - a - b], -1)[a + b < 0.9999]
    single = TransformedDistribution(Independent(Normal(dlcore.zeros(2), 1.0), 1), StickBreakingTransform())
    density = single.log_prob(values / values.sum(-1, keepdim=True)).exp()
    assert density.double().sum().item() / 1e6 == pytest.approx(1, abs=2e-2)
    grid = TransformedDistribution(Normal(dlcore.zeros(5, 6), 1.0), [ReshapeTransform((6,), (2, 3))])
    assert (grid.batch_shape, grid.event_shape, grid.sample((4,)).shape) == ((5,), (2, 3), (4, 5, 2, 3))
    wider = Independent(Normal(dlcore.zeros(5, 2), 1.0), 1)
    assert TransformedDistribution(wider, ExpTransform()).log_prob(dlcore.ones(5, 2)).shape == (5,)


def test_probabilities_of_what_falls_are_those_of_the_rest():
    made = TransformedDistribution(Exponential(1.0), [AffineTransform(1.0, -2.0)])
    assert made.cdf(dlcore.tensor(1.0)).item() == 1
    assert made.icdf(made.cdf(dlcore.tensor(-3.0))).item() == pytest.approx(-3, rel=1e-5)


def test_constraints():
    x = dlcore.tensor([-1.0, 0.0, 0.5, 1.0])
    for constraint, expected in (
        (constraints.less_than(0.5), [True, True, False, False]),
        (constraints.half_open_interval(0.0, 1.0), [False, True, True, False]),
        (constraints.positive_integer, [False, False, False, True]),
        (constraints.nonnegative_integer, [False, True, False, True]),
        (constraints.boolean, [False, True, False, True]),
    ):
        assert constraint.check(x).tolist() == expected
    assert constraints.nonnegative_integer.check(dlcore.tensor([-1, 0])).tolist() == [False, True]
    matrices = dlcore.tensor([[[1.0, 0.0], [0.5, 1.0]], [[1.0, 0.5], [0.5, 1.0]], [[1.0, 2.0], [2.0, 1.0]]])
    assert constraints.lower_cholesky.check(matrices).tolist() == [True, False, False]
    assert constraints.lower_triangular.check(matrices).tolist() == [True, False, False]
    assert constraints.symmetric.check(matrices).tolist() == [False, True, True]
    assert constraints.positive_definite.check(matrices).tolist() == [False, True, False]
    assert repr(constraints.positive) == "Constraint('positive')"
