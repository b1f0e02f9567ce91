"""Distributions: their formulas against sums, integrals and samples, and what they refuse."""

import math

import dlcore
import numpy as np
import pytest
from dlcore.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Independent,
    MultivariateNormal,
    Normal,
    Uniform,
    kl_divergence,
)

PROBS = dlcore.tensor([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
OTHER = dlcore.tensor([[0.3, 0.3, 0.4], [0.2, 0.2, 0.6]])
COVARIANCE = dlcore.tensor([[2.0, 0.6], [0.6, 1.0]])


def vectors(length, *batch):
    """Normal vectors whose means and covariances are no special ones."""
    values = dlcore.arange(float(math.prod(batch) * length)).reshape(*batch, length)
    return MultivariateNormal(values.sin(), dlcore.diag(dlcore.arange(1.0, length + 1)) + 0.25)


def close(found, expected, tolerance=1e-5):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (Normal(0.5, 2.0), np.linspace(-20, 20, 4001)),
        (Normal(dlcore.tensor([0.5]), 0.3), np.linspace(-5, 5, 4001)),
        (Uniform(-1.0, 3.0), np.linspace(-1, 3, 4001)),
    ],
)
def test_densities_integrate_to_one_and_to_their_moments(made, line):
    x = dlcore.tensor(line, dtype=dlcore.float32)
    density = np.exp(made.log_prob(x).numpy().astype(np.float64))
    step = line[1] - line[0]

    def integral(values):
        return np.sum((values[1:] + values[:-1]) / 2) * step

    mean = integral(density * line)
    assert integral(density) == pytest.approx(1, abs=1e-3)
    assert made.mean.item() == pytest.approx(mean, abs=1e-3)
    assert made.variance.item() == pytest.approx(integral(density * (line - mean) ** 2), rel=1e-2)
    assert made.stddev.item() == pytest.approx(math.sqrt(made.variance.item()))
    assert made.entropy().item() == pytest.approx(-integral(density * np.log(np.maximum(density, 1e-300))), abs=1e-3)


def test_a_normal_has_its_quantiles():
    normal = Normal(1.0, 2.0)
    assert normal.cdf(dlcore.tensor(1.0)).item() == 0.5
    close(normal.icdf(normal.cdf(dlcore.tensor([-1.0, 0.5, 3.0]))), [-1.0, 0.5, 3.0], 1e-4)


@pytest.mark.parametrize("made", [Categorical(PROBS * 3), Categorical(logits=PROBS.log() + 7)])
def test_categories(made):
    assert (made.batch_shape, made.event_shape) == ((2,), ())
    close(made.probs, PROBS)
    close(made.logits, PROBS.log())
    close(made.log_prob(dlcore.tensor([2, 0])), np.log([0.7, 0.5]))
    close(made.log_prob(dlcore.tensor([[0], [1], [2]])), np.log(PROBS.numpy()).T)
    close(made.entropy(), -(PROBS * PROBS.log()).sum(1))
    assert made.mode.tolist() == [2, 0]
    assert made.mean.isnan().all()
    assert made.enumerate_support().tolist() == [[0, 0], [1, 1], [2, 2]]
    assert made.enumerate_support(expand=False).shape == (3, 1)
    close(kl_divergence(made, Categorical(OTHER)), (PROBS * (PROBS / OTHER).log()).sum(1))


def test_categories_that_cannot_be():
    sure = Categorical(dlcore.tensor([0.0, 1.0]))
    assert sure.entropy().item() == pytest.approx(0, abs=1e-5)
    close(kl_divergence(sure, Categorical(dlcore.tensor([0.5, 0.5]))), math.log(2))
    assert kl_divergence(Categorical(dlcore.tensor([0.5, 0.5])), sure).item() == math.inf


def test_truths():
    made, other = Bernoulli(dlcore.tensor([0.2, 0.9])), Bernoulli(logits=dlcore.tensor([0.0, 1.0]))
    close(made.log_prob(dlcore.tensor([1.0, 0.0])), np.log([0.2, 0.1]))
    close(made.entropy(), Categorical(dlcore.tensor([[0.2, 0.8], [0.9, 0.1]])).entropy())
    close(made.variance, [0.16, 0.09])
    close(other.mean, 1 / (1 + np.exp([0.0, -1.0])))
    both = [Categorical(dlcore.stack([d.probs, 1 - d.probs], 1)) for d in (made, other)]
    close(kl_divergence(made, other), kl_divergence(*both))


def test_vectors():
    loc = dlcore.tensor([1.0, -1.0])
    for made in (
        MultivariateNormal(loc, COVARIANCE),
        MultivariateNormal(loc, scale_tril=dlcore.linalg.cholesky(COVARIANCE)),
    ):
        close(made.covariance_matrix, COVARIANCE)
        close(made.variance, [2.0, 1.0])
        assert (made.batch_shape, made.event_shape) == ((), (2,))
        x = np.array([[0.3, 0.2], [2.0, 1.0]], dtype=np.float32)
        away = x - loc.numpy()
        square = np.einsum("bi,ij,bj->b", away, np.linalg.inv(COVARIANCE.numpy()), away)
        determinant = np.linalg.det(2 * math.pi * COVARIANCE.numpy())
        close(made.log_prob(dlcore.tensor(x)), -0.5 * (square + math.log(determinant)))
        close(made.entropy(), 0.5 * math.log(determinant) + 1)
    several = MultivariateNormal(dlcore.zeros(5, 2), COVARIANCE)
    assert several.sample((3,)).shape == (3, 5, 2)
    assert several.log_prob(dlcore.zeros(3, 5, 2)).shape == (3, 5)


def test_parts_of_one_draw():
    base, other = Normal(dlcore.ones(4, 3), 2.0), Normal(dlcore.zeros(4, 3), 1.0)
    made = Independent(base, 1)
    assert (made.batch_shape, made.event_shape) == ((4,), (3,))
    close(made.log_prob(dlcore.zeros(4, 3)), base.log_prob(dlcore.zeros(4, 3)).sum(1))
    close(made.entropy(), base.entropy().sum(1))
    close(kl_divergence(made, Independent(other, 1)), kl_divergence(base, other).sum(1))
    assert made.rsample((2,)).shape == made.sample((2,)).shape == (2, 4, 3)
    assert (made.mean.shape, made.variance.shape) == ((4, 3), (4, 3))
    assert Independent(base, 0).log_prob(dlcore.zeros(4, 3)).shape == (4, 3)
    assert repr(made) == "Independent(Normal(loc: (4, 3), scale: (4, 3)), 1)"


@pytest.mark.parametrize(
    ("made", "mean", "variance"),
    [
        (Normal(dlcore.tensor([1.0, -2.0]), dlcore.tensor([0.5, 2.0])), [1.0, -2.0], [0.25, 4.0]),
        (Uniform(0.0, dlcore.tensor([1.0, 3.0])), [0.5, 1.5], [1 / 12, 9 / 12]),
        (Bernoulli(dlcore.tensor([0.2, 0.9])), [0.2, 0.9], [0.16, 0.09]),
        (Categorical(PROBS), [1.6, 0.75], [0.44, 0.6875]),
        (MultivariateNormal(dlcore.tensor([1.0, -2.0]), COVARIANCE), [1.0, -2.0], [2.0, 1.0]),
    ],
)
def test_samples_have_the_moments(made, mean, variance):
    dlcore.manual_seed(0)
    drawn = made.sample((50, 400))
    assert drawn.shape == (50, 400, 2)
    assert not drawn.requires_grad
    assert made.sample().shape == (2,)
    drawn = drawn.double().flatten(0, 1).numpy()
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.06)
    np.testing.assert_allclose(drawn.var(0), variance, rtol=0.06, atol=0.02)


def test_gradients_go_through_samples_and_log_probabilities():
    loc, scale = dlcore.zeros(3, requires_grad=True), dlcore.ones(3, requires_grad=True)
    normal = Normal(loc, scale)
    drawn = normal.rsample((5,))
    drawn.sum().backward()
    assert loc.grad.tolist() == [5.0] * 3
    close(scale.grad, drawn.detach().sum(0))  # the noise, as the mean is 0
    logits = dlcore.zeros(2, 4, requires_grad=True)
    Categorical(logits=logits).log_prob(dlcore.tensor([1, 3])).sum().backward()
    close(logits.grad, np.eye(4)[[1, 3]] - 0.25)
    assert not normal.sample().requires_grad


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: Normal(0.0, dlcore.tensor([1.0, -2.0])), ValueError, "Normal: scale must be positive, got -2.0"),
        (lambda: Normal(math.nan, 1.0), ValueError, "loc must be a number, got nan"),
        (lambda: Uniform(1.0, 1.0), ValueError, "high must be above low"),
        (lambda: Uniform(0.0, 1.0).log_prob(dlcore.tensor(2.0)), ValueError, "value must be between low and high"),
        (Categorical, ValueError, "either probs or logits"),
        (lambda: Categorical(PROBS, PROBS), ValueError, "either probs or logits"),
        (lambda: Categorical(dlcore.tensor(1.0)), ValueError, "must have a dimension"),
        (lambda: Categorical(-PROBS), ValueError, "probs must be at least 0"),
        (lambda: Categorical(logits=PROBS * math.nan), ValueError, "logits must be finite .* got nan in a tensor of"),
        (lambda: Categorical(logits=PROBS * -math.inf), ValueError, "-inf at most beside others, got -inf"),
        (lambda: Categorical(logits=dlcore.tensor([0.0, math.inf])), ValueError, "logits must be finite .* got"),
        (lambda: Categorical(dlcore.zeros(2, 3)), ValueError, "probs must be finite and not all zero, got 0"),
        (lambda: Categorical(dlcore.tensor([1.0, math.inf])), ValueError, "probs must be finite"),
        (lambda: Categorical(PROBS).log_prob(dlcore.tensor([3, 0])), ValueError, "from 0 to 2, got 3"),
        (lambda: Categorical(PROBS).log_prob(dlcore.tensor(-1)), ValueError, "from 0 to 2, got -1"),
        (lambda: Categorical(PROBS).log_prob(dlcore.tensor(0.5)), ValueError, "whole number .* got 0.5"),
        (lambda: Bernoulli(0.5).log_prob(dlcore.tensor([0.0, 0.5])), ValueError, "value must be 0 or 1, got 0.5"),
        (lambda: Normal(0.0, 1.0).log_prob(dlcore.tensor(math.nan)), ValueError, "value must be a number, got nan"),
        (lambda: Normal(0.0, 1.0).log_prob(0.5), ValueError, "log_prob takes a tensor, got float"),
        (lambda: Distribution().expand((2,)), NotImplementedError, "Distribution has no expand"),
        (lambda: Distribution().mode, NotImplementedError, "Distribution has no mode"),
        (lambda: Categorical(PROBS).rsample(), NotImplementedError, r"no rsample\(\): its samples have no gradient"),
        (lambda: Bernoulli(1.5), ValueError, r"probs must be in 0..1, got 1.5"),
        (Bernoulli, ValueError, "either probs or logits"),
        (lambda: MultivariateNormal(dlcore.zeros(2)), ValueError, "either covariance_matrix or scale_tril"),
        (lambda: MultivariateNormal(dlcore.tensor(0.0), COVARIANCE), ValueError, "must have a dimension"),
        (
            lambda: MultivariateNormal(dlcore.zeros(3), COVARIANCE),
            ValueError,
            r"shape \(..., 3, 3\), .* got shape \(2, 2\)",
        ),
        (lambda: MultivariateNormal(dlcore.zeros(1), COVARIANCE), ValueError, r"shape \(..., 1, 1\)"),
        (
            lambda: MultivariateNormal(dlcore.zeros(2), COVARIANCE[:, :1]),
            ValueError,
            "covariance_matrix must be of shape",
        ),
        (lambda: MultivariateNormal(dlcore.zeros(2), dlcore.ones(2)), ValueError, "covariance_matrix must be of shape"),
        (lambda: MultivariateNormal(dlcore.zeros(2), COVARIANCE.tril()), ValueError, "must be symmetric, got 0"),
        (lambda: MultivariateNormal(dlcore.zeros(2), scale_tril=COVARIANCE), ValueError, "must be lower triangular"),
        (
            lambda: MultivariateNormal(dlcore.zeros(2), scale_tril=-dlcore.eye(2)),
            ValueError,
            "diagonal .* positive, got -1",
        ),
        (lambda: MultivariateNormal(dlcore.ones(2) * math.nan, COVARIANCE), ValueError, "loc must be a number"),
        (lambda: kl_divergence(vectors(2), vectors(3)), ValueError, "lengths 2 and 3"),
        (lambda: Independent(Normal(0.0, 1.0), 1), ValueError, "does not have 1 dimensions"),
        (lambda: kl_divergence(Normal(0.0, 1.0), Bernoulli(0.5)), NotImplementedError, "Normal and Bernoulli"),
        (lambda: Distribution().log_prob(dlcore.zeros(1)), NotImplementedError, r"Distribution has no log_prob"),
    ],
)
def test_what_is_wrong_is_said(make, kind, words):
    with pytest.raises(kind, match=words):
        make()


def test_checks_can_be_left_out():
    assert Normal(0.0, -1.0, validate_args=False).scale.item() == -1.0
    outside = Uniform(0.0, 1.0, validate_args=False).log_prob(dlcore.tensor([2.0, 0.5]))
    assert outside.tolist() == [-math.inf, 0.0]
    normal = Normal(0.0, 1.0, validate_args=False)
    assert normal.log_prob(dlcore.tensor(math.nan)).isnan()
    assert normal.expand((2,)).log_prob(dlcore.tensor(math.nan)).isnan().all()
    assert Bernoulli(0.5, validate_args=False).log_prob(dlcore.tensor(0.3)).item() == pytest.approx(math.log(0.5))
    assert Categorical(dlcore.zeros(2), validate_args=False).probs.isnan().all()
    skewed = MultivariateNormal(dlcore.zeros(2), scale_tril=-dlcore.eye(2), validate_args=False)
    assert skewed.scale_tril.tolist() == [[-1, 0], [0, -1]]


def test_the_density_of_an_interval_ends_before_its_end():
    assert Uniform(0.0, 2.0).log_prob(dlcore.tensor([0.0, 2.0])).tolist() == [pytest.approx(-math.log(2)), -math.inf]


def test_divergences_of_what_is_sure():
    zero, half, one = (Bernoulli(p) for p in (0.0, 0.5, 1.0))
    assert kl_divergence(half, zero).item() == kl_divergence(half, one).item() == math.inf
    assert kl_divergence(zero, one).item() == kl_divergence(one, zero).item() == math.inf
    assert kl_divergence(zero, zero).item() == kl_divergence(one, one).item() == 0
    close(kl_divergence(zero, half), math.log(2))
    close(kl_divergence(one, half), math.log(2))


def test_divergences_of_intervals_and_of_vectors():
    inner, outer = Uniform(0.0, 1.0), Uniform(-1.0, dlcore.tensor([3.0, 0.5]))
    close(kl_divergence(inner, outer), [math.log(4), math.inf])
    p, q = vectors(3, 4), MultivariateNormal(dlcore.ones(3), dlcore.eye(3) * 2)
    away, spread = p.loc - q.loc, p.covariance_matrix
    determinants = math.log(8) - dlcore.linalg.slogdet(spread)[1]
    trace = spread.diagonal(dim1=-2, dim2=-1).sum(-1)
    close(kl_divergence(p, q), 0.5 * (determinants + trace / 2 + away.square().sum(-1) / 2 - 3))
    close(kl_divergence(p, p), np.zeros(4))


@pytest.mark.parametrize(
    ("made", "value", "mode"),
    [
        (Normal(dlcore.tensor([1.0, 2.0]), 0.5), 1.5, [1.0, 2.0]),
        (Uniform(0.0, dlcore.tensor([1.0, 2.0])), 0.5, [math.nan, math.nan]),
        (Bernoulli(dlcore.tensor([0.2, 0.9])), 1.0, [0.0, 1.0]),
        (Bernoulli(logits=dlcore.tensor([0.0, -1.0])), 0.0, [math.nan, 0.0]),
        (Categorical(PROBS), 1, [2, 0]),
        (Categorical(logits=PROBS), 1, [2, 0]),
        (vectors(3, 2), [0.0, 1.0, 2.0], vectors(3, 2).loc.tolist()),
        (Independent(Normal(dlcore.zeros(2, 3), 1.0), 1), [0.0, 1.0, 2.0], [[0.0] * 3] * 2),
    ],
)
def test_expanded_ones_are_the_same_in_a_larger_batch(made, value, mode):
    np.testing.assert_array_equal(made.mode.numpy(), mode)
    larger = made.expand((4, 2))
    assert type(larger) is type(made)
    assert (larger.batch_shape, larger.event_shape, made.batch_shape) == ((4, 2), made.event_shape, (2,))
    assert larger.sample((5,)).shape == (5, 4, 2, *made.event_shape)
    value = dlcore.tensor(value)
    close(larger.log_prob(value), np.broadcast_to(made.log_prob(value).numpy(), (4, 2)))
    close(larger.entropy(), np.broadcast_to(made.entropy().numpy(), (4, 2)))
