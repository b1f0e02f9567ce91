"""Distributions: their formulas against sums, integrals and samples, and what they refuse."""

import math

import dlcore
import numpy as np
import pytest
from dlcore.distributions import (
    AffineTransform,
    Bernoulli,
    Beta,
    Categorical,
    Dirichlet,
    Distribution,
    Exponential,
    ExpTransform,
    Gamma,
    Independent,
    Laplace,
    LogNormal,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
    SigmoidTransform,
    TanhTransform,
    TransformedDistribution,
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


def test_parts_of_a_whole():
    plane = [dlcore.linspace(0.0005, 0.9995, 1000)] * 2
    x, y = dlcore.meshgrid(*plane, indexing="ij")
    made, inside = Dirichlet(dlcore.tensor([2.0, 3.0, 1.5])), x + y < 1
    values = dlcore.stack([x, y, 1 - x - y], -1)[inside]
    density = made.log_prob(values).exp().double()
    assert density.sum().item() / 1e6 == pytest.approx(1, abs=2e-3)
    close((density[:, None] * values).sum(0) / 1e6, made.mean, 2e-3)
    close((density[:, None] * (values - made.mean) ** 2).sum(0) / 1e6, made.variance, 2e-3)
    assert made.entropy().item() == pytest.approx(-(density * density.log()).sum().item() / 1e6, abs=5e-3)
    close(made.mode, [1 / 3.5, 2 / 3.5, 0.5 / 3.5])
    below = Dirichlet(dlcore.tensor([[0.1, 0.9, 0.5], [2.0, 2.0, 1.0]]))
    close(below.mode, [[1, 0, 0], [0.5, 0.5, 0]])


def test_categories_as_vectors():
    made = OneHotCategorical(probs=PROBS)
    plain = Categorical(probs=PROBS)
    assert (made.batch_shape, made.event_shape) == ((2,), (3,))
    vectors = dlcore.eye(3).unsqueeze(1)
    close(made.log_prob(vectors), plain.log_prob(dlcore.arange(3)[:, None]).detach())
    close(made.entropy(), plain.entropy())
    close(made.mode, dlcore.eye(3)[plain.mode])
    close(made.variance, PROBS * (1 - PROBS))
    drawn = made.expand((4, 2)).sample((5,))
    assert (drawn.shape, drawn.dtype) == ((5, 4, 2, 3), dlcore.float32)
    assert dlcore.equal(drawn.sum(-1), dlcore.ones(5, 4, 2))
    close(kl_divergence(made, OneHotCategorical(probs=OTHER)), kl_divergence(plain, Categorical(probs=OTHER)))
    logits = dlcore.zeros(3, requires_grad=True)
    drawn = OneHotCategoricalStraightThrough(logits=logits).rsample()
    assert sorted(drawn.detach().round().tolist()) == [0, 0, 1]
    (drawn * dlcore.tensor([1.0, 2.0, 3.0])).sum().backward()
    close(logits.grad, [-1 / 3, 0, 1 / 3])


@pytest.mark.parametrize(
    ("transforms", "line"),
    [
        (TanhTransform(), np.linspace(-0.99999, 0.99999, 20001)),
        ([SigmoidTransform(), AffineTransform(1.0, -2.0)], np.linspace(-0.99999, 0.99999, 20001)),
        ([ExpTransform(), AffineTransform(dlcore.tensor(0.5), 2.0), ExpTransform().inv], np.linspace(-0.69, 5, 20001)),
        (SigmoidTransform().inv.inv, np.linspace(1e-5, 0.99999, 20001)),
        ([], np.linspace(-5, 5, 2001)),
    ],
)
def test_transformed_densities_integrate_to_one(transforms, line):
    made = TransformedDistribution(Normal(0.3, 0.8), transforms)
    x = dlcore.tensor(line, dtype=dlcore.float64).float()
    assert dlcore.trapezoid(made.log_prob(x).exp().double(), x.double()).item() == pytest.approx(1, abs=2e-3)
    drawn = made.sample((4000,))
    log_prob = made.log_prob(drawn).double()
    cells = np.histogram(drawn.numpy(), bins=20, range=(line[0], line[-1]))[0] / 4000
    places = dlcore.tensor((np.linspace(line[0], line[-1], 401)[1:] + np.linspace(line[0], line[-1], 401)[:-1]) / 2)
    expected = made.log_prob(places.float()).exp().numpy().reshape(20, 20).sum(1) * (line[-1] - line[0]) / 400
    np.testing.assert_allclose(cells, expected, atol=0.05)
    assert dlcore.isfinite(log_prob).all()


def test_squashed_actions_have_gradients_and_exact_log_probabilities():
    loc = dlcore.tensor([[9.0, -12.0, 0.0]], requires_grad=True)
    squash = TanhTransform(cache_size=1)
    policy = TransformedDistribution(Independent(Normal(loc, 0.1), 1), squash)
    action = policy.rsample()
    log_prob = policy.log_prob(action)
    before = squash.inv(action)
    expected = Independent(Normal(loc, 0.1), 1).log_prob(before) - squash.log_abs_det_jacobian(before, action).sum(-1)
    assert log_prob.shape == (1,)
    assert log_prob.item() == expected.item()
    log_prob.sum().backward()
    assert loc.grad.abs().max() > 1
    assert policy.expand((4,)).rsample((2,)).shape == (2, 4, 3)


def test_mixtures():
    choose = Categorical(probs=PROBS)
    loc = dlcore.tensor([[-1.0, 0.5, 2.0], [0.0, 3.0, 4.0]])
    made = MixtureSameFamily(choose, Normal(loc, 0.5))
    x = dlcore.linspace(-6, 9, 4001)
    density = made.log_prob(x[:, None]).exp()
    close(dlcore.trapezoid(density, x, dim=0), [1, 1], 1e-3)
    mean = dlcore.trapezoid(density * x[:, None], x, dim=0)
    close(made.mean, mean, 1e-3)
    close(made.variance, dlcore.trapezoid(density * (x[:, None] - mean) ** 2, x, dim=0), 1e-2)
    drawn = made.sample((20000,))
    close(drawn.mean(0), mean, 0.05)
    parts = MixtureSameFamily(choose, Independent(Normal(dlcore.stack([loc, -loc], -1), 0.5), 1))
    assert (parts.sample((7,)).shape, parts.expand((4, 2)).mean.shape) == ((7, 2, 2), (4, 2, 2))
    close(parts.mean, dlcore.stack([mean, -mean], -1), 1e-3)
    near = parts.sample((50,))
    assert (near.sum(-1).abs() < 5).all()  # both elements are of one component
    close(
        parts.log_prob(near),
        (Normal(dlcore.stack([loc, -loc], -1), 0.5).log_prob(near[:, :, None]).sum(-1) + PROBS.log()).logsumexp(-1),
        1e-4,
    )


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
        (Laplace(dlcore.tensor([1.0, -2.0]), 0.5), [1.0, -2.0], [0.5, 0.5]),
        (Exponential(dlcore.tensor([1.0, 2.0])), [1.0, 0.5], [1.0, 0.25]),
        (Gamma(dlcore.tensor([0.5, 3.0]), 2.0), [0.25, 1.5], [0.125, 0.75]),
        (Beta(dlcore.tensor([0.5, 3.0]), 1.0), [1 / 3, 0.75], [4 / 45, 3 / 80]),
        (Dirichlet(dlcore.tensor([0.5, 1.5])), [0.25, 0.75], [1 / 16, 1 / 16]),
        (LogNormal(dlcore.zeros(2), 0.5), [math.exp(0.125)] * 2, [math.expm1(0.25) * math.exp(0.25)] * 2),
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
        (lambda: Uniform(1.0, 1.0), ValueError, "high must be above 1.0, got 1.0"),
        (
            lambda: Uniform(0.0, 1.0).log_prob(dlcore.tensor(2.0)),
            ValueError,
            "value must be between 0.0 and 1.0, got 2.0",
        ),
        (Categorical, ValueError, "either probs or logits"),
        (lambda: Categorical(PROBS, PROBS), ValueError, "either probs or logits"),
        (lambda: Categorical(dlcore.tensor(1.0)), ValueError, "must have a dimension"),
        (lambda: Categorical(-PROBS), ValueError, "probs must be at least 0"),
        (lambda: Categorical(logits=PROBS * math.nan), ValueError, "logits must be finite.* got nan in a tensor of"),
        (lambda: Categorical(logits=PROBS * -math.inf), ValueError, "-inf at most beside others, got -inf"),
        (lambda: Categorical(logits=dlcore.tensor([0.0, math.inf])), ValueError, "logits must be finite.* got inf"),
        (
            lambda: Categorical(dlcore.zeros(2, 3)),
            ValueError,
            "probs must be at least 0, finite and not all zero, got 0",
        ),
        (
            lambda: Categorical(dlcore.tensor([1.0, math.inf])),
            ValueError,
            "probs must be at least 0, finite and not all zero, got inf",
        ),
        (lambda: Categorical(PROBS).log_prob(dlcore.tensor([3, 0])), ValueError, "from 0 to 2, got 3"),
        (lambda: Categorical(PROBS).log_prob(dlcore.tensor(-1)), ValueError, "from 0 to 2, got -1"),
        (lambda: Categorical(PROBS).log_prob(dlcore.tensor(0.5)), ValueError, "whole number .* got 0.5"),
        (lambda: Bernoulli(0.5).log_prob(dlcore.tensor([0.0, 0.5])), ValueError, "value must be 0 or 1, got 0.5"),
        (lambda: Normal(0.0, 1.0).log_prob(dlcore.tensor(math.nan)), ValueError, "value must be a number, got nan"),
        (lambda: Normal(0.0, 1.0).log_prob(0.5), ValueError, "log_prob takes a tensor, got float"),
        (lambda: Distribution().expand((2,)), NotImplementedError, "Distribution has no expand"),
        (lambda: Distribution().mode, NotImplementedError, "Distribution has no mode"),
        (lambda: Categorical(PROBS).rsample(), NotImplementedError, r"no rsample\(\): its samples have no gradient"),
        (lambda: Bernoulli(1.5), ValueError, "probs must be between 0 and 1, got 1.5"),
        (Bernoulli, ValueError, "either probs or logits"),
        (lambda: MultivariateNormal(dlcore.zeros(2)), ValueError, "give either covariance_matrix, precision_matrix or"),
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
        (
            lambda: MultivariateNormal(dlcore.zeros(2), COVARIANCE.tril()),
            ValueError,
            r"must be symmetric and positive definite, got tensor\(",
        ),
        (lambda: MultivariateNormal(dlcore.zeros(2), scale_tril=COVARIANCE), ValueError, "must be lower triangular"),
        (
            lambda: MultivariateNormal(dlcore.zeros(2), scale_tril=-dlcore.eye(2)),
            ValueError,
            r"with a positive diagonal, got tensor\(\[\[-1",
        ),
        (lambda: MultivariateNormal(dlcore.ones(2) * math.nan, COVARIANCE), ValueError, "loc must be a number"),
        (lambda: kl_divergence(vectors(2), vectors(3)), ValueError, "lengths 2 and 3"),
        (lambda: Independent(Normal(0.0, 1.0), 1), ValueError, "does not have 1 dimensions"),
        (lambda: kl_divergence(Normal(0.0, 1.0), Bernoulli(0.5)), NotImplementedError, "Normal and Bernoulli"),
        (lambda: Distribution().log_prob(dlcore.zeros(1)), NotImplementedError, r"Distribution has no log_prob"),
        (lambda: Laplace(0.0, -1.0), ValueError, "Laplace: scale must be positive, got -1.0"),
        (lambda: Laplace(0.0, 1.0).log_prob(dlcore.tensor(math.nan)), ValueError, "a number, got nan"),
        (lambda: Exponential(0.0), ValueError, "rate must be positive, got 0.0"),
        (lambda: Exponential(1.0).log_prob(dlcore.tensor([1.0, -2.0])), ValueError, "at least 0, got -2.0"),
        (lambda: Gamma(dlcore.tensor([1.0, 0.0]), 1.0), ValueError, "Gamma: concentration must be positive, got 0.0"),
        (lambda: Beta(1.0, -1.0), ValueError, "Beta: concentration0 must be positive, got -1.0"),
        (lambda: Beta(1.0, 1.0).log_prob(dlcore.tensor(1.5)), ValueError, "between 0 and 1, got 1.5"),
        (lambda: Dirichlet(dlcore.tensor(1.0)), ValueError, "must have a dimension"),
        (
            lambda: Dirichlet(dlcore.ones(2)).log_prob(dlcore.ones(2)),
            ValueError,
            r"parts whose sum is 1, got tensor\(\[1., 1.\]\)",
        ),
        (lambda: OneHotCategorical(PROBS).log_prob(PROBS), ValueError, r"zeros and a one, got tensor\(\[0.1"),
        (lambda: TransformedDistribution(Normal(0.0, 1.0), [abs]), TypeError, "expected transforms, got builtin"),
        (lambda: TanhTransform(cache_size=2), ValueError, "cache_size must be 0 or 1, got 2"),
        (lambda: MixtureSameFamily(Normal(0.0, 1.0), Normal(0.0, 1.0)), TypeError, "Categorical to choose, got Normal"),
        (
            lambda: MixtureSameFamily(Categorical(PROBS), Normal(dlcore.zeros(2), 1.0)),
            ValueError,
            r"probabilities \(2, 3\) for a batch \(2,\)",
        ),
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


def test_transforms_of_a_larger_batch_draw_for_each_entry():
    transform = AffineTransform(dlcore.tensor([1.0, 2.0]), 0.5)
    for transforms in ([transform], [transform.inv], [ExpTransform(), transform]):
        made = TransformedDistribution(Normal(0.0, 1.0), transforms)
        assert made.batch_shape == (2,)
        draws = made.sample((2,))
        assert draws.shape == (2, 2)
        assert len({round(x, 4) for x in (draws - transform.loc).flatten().tolist()}) == 4
    vector = TransformedDistribution(vectors(3, 1), [AffineTransform(dlcore.zeros(5, 3), 1.0)])
    assert (vector.batch_shape, vector.event_shape, vector.sample().shape) == ((5,), (3,), (5, 3))


def test_every_entry_of_a_mixture_has_its_own_choice():
    far = dlcore.zeros(64, 2) + dlcore.tensor([0.0, 100.0])
    draws = MixtureSameFamily(Categorical(dlcore.ones(2)), Normal(far, 0.1)).sample()
    assert 0 < int((draws > 50).sum()) < 64
    with pytest.raises(ValueError, match=r"batch \(3,\) for components of batch \(4, 2\)"):
        MixtureSameFamily(Categorical(dlcore.ones(3, 2)), Normal(dlcore.zeros(4, 2), 1.0))


def test_log_normal_refuses_what_is_not_positive():
    for value in (0.0, -1.0):
        with pytest.raises(ValueError, match="LogNormal: value must be positive"):
            LogNormal(0.0, 1.0).log_prob(dlcore.tensor(value))
    assert math.isnan(LogNormal(0.0, 1.0, validate_args=False).log_prob(dlcore.tensor(0.0)))


@pytest.mark.parametrize("made", [Gamma(1.0, 2.0), Beta(1.0, 2.0), Exponential(1.0), LogNormal(0.0, 1.0)])
def test_numbers_have_no_log_prob(made):
    with pytest.raises(ValueError, match=f"{type(made).__name__}: log_prob takes a tensor, got float"):
        made.log_prob(0.5)


def test_values_become_tensors_of_one_shape():
    from dlcore.distributions.utils import broadcast_all

    one, two = broadcast_all(2, dlcore.zeros(2, 3, dtype=dlcore.float64))
    assert (one.shape, one.dtype, one[1, 2].item(), two.shape) == ((2, 3), dlcore.float64, 2.0, (2, 3))
