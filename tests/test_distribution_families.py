"""What holds of every distribution: sums and integrals of its probabilities, its samples, its divergences."""

import math

import dlcore
import numpy as np
import pytest
from dlcore.distributions import (
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Cauchy,
    Chi2,
    Dirichlet,
    Distribution,
    Exponential,
    ExpRelaxedCategorical,
    Gamma,
    Geometric,
    Gumbel,
    HalfCauchy,
    HalfNormal,
    Independent,
    InverseGamma,
    Laplace,
    LogitRelaxedBernoulli,
    LogNormal,
    MixtureSameFamily,
    Multinomial,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    OneHotCategorical,
    Pareto,
    Poisson,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
    StudentT,
    TransformedDistribution,
    Uniform,
    Weibull,
    kl_divergence,
)
from dlcore.distributions.transforms import AffineTransform, ExpTransform, SigmoidTransform

F64 = dlcore.float64
HALF = dlcore.tensor(0.5)


def number(value):
    return dlcore.tensor(value, dtype=F64)


# Of each its parameters, and where nearly all that it draws lies.
NUMBERS = [
    (Normal(number(0.5), 2.0), -20, 20),
    (Laplace(number(0.5), 0.7), -15, 15),
    (Gumbel(number(0.5), 0.7), -4, 25),
    (Uniform(number(-1.0), 3.0), -1, 3),
    (Exponential(number(1.5)), 0, 25),
    (Gamma(number(2.5), 1.5), 0, 30),
    (Chi2(number(3.0)), 1e-9, 80),
    (Beta(number(2.5), 3.5), 0, 1),
    (StudentT(number(9.0), 0.5, 0.7), -150, 150),
    (HalfNormal(number(2.0)), 0, 20),
    (InverseGamma(number(9.0), 4.0), 1e-3, 60),
    (LogNormal(number(0.2), 0.4), 1e-3, 20),
    (Weibull(number(2.0), 1.5), 1e-9, 25),
    (Pareto(number(0.5), 9.0), 0.5, 60),
]
COUNTS = [
    (Bernoulli(number(0.3)), 2),
    (Geometric(number(0.3)), 150),
    (Geometric(logits=number(0.4)), 150),
    (Binomial(7, number(0.3)), 8),
    (Binomial(7, logits=number(-0.4)), 8),
    (NegativeBinomial(number(3.5), 0.3), 150),
    (NegativeBinomial(3, logits=number(0.5)), 250),
    (Poisson(number(3.5)), 60),
]


def entropy(made):
    try:
        return made.entropy()
    except NotImplementedError:
        return None


@pytest.mark.parametrize(("made", "low", "high"), NUMBERS, ids=lambda x: type(x).__name__)
def test_densities_add_up_to_probabilities_moments_and_entropies(made, low, high):
    x = dlcore.linspace(low, high, 200_001, dtype=F64)
    log_prob = made.log_prob(x)
    density = log_prob.exp()
    assert dlcore.trapezoid(density, x).item() == pytest.approx(1, abs=1e-4)
    mean = dlcore.trapezoid(density * x, x)
    assert made.mean.item() == pytest.approx(mean.item(), abs=1e-3)
    assert made.variance.item() == pytest.approx(dlcore.trapezoid(density * (x - mean) ** 2, x).item(), rel=5e-3)
    expected = -dlcore.trapezoid(density * log_prob.clamp(min=-1e9), x).item()
    assert entropy(made).item() == pytest.approx(expected, abs=1e-3)
    assert made.support.check(x[1:-1]).all()
    if type(made) is not Uniform:
        assert made.mode.item() == pytest.approx(x[density.argmax()].item(), abs=1e-2)
    assert made.expand((2, 3)).sample((4,)).shape == (4, 2, 3)


@pytest.mark.parametrize(
    ("made", "low", "high"),
    [case for case in NUMBERS if type(case[0]) not in (Beta, StudentT)]
    + [(Cauchy(number(0.5), 0.7), -5, 5), (HalfCauchy(number(0.7)), 0, 5)],
    ids=lambda x: type(x).__name__,
)
def test_quantiles_undo_probabilities_which_the_density_adds_up_to(made, low, high):
    x = dlcore.linspace(low, min(high, 5), 100_001, dtype=F64)
    found = dlcore.cumulative_trapezoid(made.log_prob(x).exp(), x)
    np.testing.assert_allclose((made.cdf(x[1:]) - made.cdf(x[:1])).numpy(), found.numpy(), atol=1e-4)
    if type(made) not in (Gamma, Chi2, InverseGamma):
        p = dlcore.linspace(0.01, 0.95, 50, dtype=F64)
        np.testing.assert_allclose(made.cdf(made.icdf(p)).numpy(), p.numpy(), atol=1e-6)


@pytest.mark.parametrize(("made", "largest"), COUNTS, ids=lambda x: type(x).__name__)
def test_probabilities_of_counts_add_up(made, largest):
    x = dlcore.arange(float(largest), dtype=F64)
    log_prob = made.log_prob(x)
    probability = log_prob.exp()
    assert probability.sum().item() == pytest.approx(1, abs=1e-6)
    mean = (probability * x).sum()
    assert made.mean.item() == pytest.approx(mean.item(), rel=1e-5)
    assert made.variance.item() == pytest.approx((probability * (x - mean) ** 2).sum().item(), rel=1e-4)
    assert made.mode.item() == probability.argmax().item()
    if (found := entropy(made)) is not None:
        assert found.item() == pytest.approx(-(probability * log_prob).sum().item(), rel=1e-5)
    if made.has_enumerate_support:
        assert made.enumerate_support().tolist() == x.tolist()
    with pytest.raises(ValueError, match=f"{type(made).__name__}: value must be .*, got 0.5"):
        made.log_prob(number(0.5))


@pytest.mark.parametrize(
    "made",
    [case[0] for case in (*NUMBERS, *COUNTS)] + [RelaxedBernoulli(HALF, number(0.3))],
    ids=lambda x: type(x).__name__,
)
def test_samples_are_as_probable_as_said(made):
    dlcore.manual_seed(0)
    drawn = made.sample((40_000,))
    assert made.support.check(drawn).all()
    if type(made) is RelaxedBernoulli:  # what is above a half is a 1
        assert (drawn > 0.5).double().mean().item() == pytest.approx(0.3, abs=0.01)
        return
    assert drawn.mean().item() == pytest.approx(made.mean.item(), abs=5 * made.stddev.item() / 200)
    if made.support.is_discrete:
        return
    middle = drawn.median()
    x = dlcore.linspace(middle.item() - 0.05, middle.item() + 0.05, 101, dtype=F64).clamp(*drawn.aminmax())
    expected = dlcore.trapezoid(made.log_prob(x).exp(), x).item()
    found = ((drawn >= x[0]) & (drawn <= x[-1])).double().mean().item()
    assert found == pytest.approx(expected, abs=6 * math.sqrt(expected / 40_000))


def test_heavy_tails_have_no_moments():
    for made in (Cauchy(0.0, 1.0), StudentT(1.0)):
        assert made.mean.isnan()
        assert not made.variance.isfinite()
    assert StudentT(dlcore.tensor([1.5, 2.0, 3.0])).variance.tolist() == [math.inf, math.inf, 3.0]
    assert HalfCauchy(1.0).mean.item() == Pareto(1.0, 1.0).mean.item() == InverseGamma(1.0, 1.0).mean.item() == math.inf
    assert Pareto(1.0, 2.0).variance.item() == InverseGamma(2.0, 1.0).variance.item() == math.inf
    assert HalfNormal(1.0, validate_args=False).log_prob(dlcore.tensor(-1.0)).item() == -math.inf


def test_counts_of_categories():
    probs = dlcore.tensor([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
    made = Multinomial(4, probs)
    values = dlcore.tensor([[a, b, 4 - a - b] for a in range(5) for b in range(5 - a)], dtype=dlcore.float32)
    probability = made.log_prob(values[:, None]).exp()
    np.testing.assert_allclose(probability.sum(0).numpy(), [1, 1], rtol=1e-5)
    np.testing.assert_allclose((probability[..., None] * values[:, None]).sum(0).numpy(), made.mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(made.entropy().numpy(), -(probability * probability.log()).sum(0).numpy(), rtol=1e-4)
    dlcore.manual_seed(0)
    drawn = made.expand((5, 2)).sample((1000,))
    assert (drawn.sum(-1) == 4).all()
    np.testing.assert_allclose(drawn.mean((0, 1)).numpy(), made.mean.numpy(), atol=0.05)
    np.testing.assert_allclose(drawn.var((0, 1)).numpy(), made.variance.numpy(), rtol=0.1)
    assert Multinomial(2, dlcore.tensor([1.0, 0.0])).log_prob(dlcore.tensor([2.0, 0.0])).item() == pytest.approx(
        0, abs=1e-6
    )


def test_relaxed_ones_have_densities_and_gradients():
    temperature, probs = dlcore.tensor(0.7), dlcore.tensor([0.2, 0.3, 0.5])
    x = dlcore.linspace(1e-4, 1 - 1e-4, 100_001)
    density = RelaxedBernoulli(temperature, 0.3).log_prob(x).exp()
    assert dlcore.trapezoid(density.double(), x.double()).item() == pytest.approx(1, abs=5e-3)
    logits = dlcore.linspace(-40, 40, 100_001)
    density = LogitRelaxedBernoulli(temperature, 0.3).log_prob(logits).exp()
    assert dlcore.trapezoid(density.double(), logits.double()).item() == pytest.approx(1, abs=1e-4)
    a, b = dlcore.meshgrid(dlcore.linspace(5e-4, 0.9995, 1000), dlcore.linspace(5e-4, 0.9995, 1000), indexing="ij")
    inside = a + b < 0.9999
    values = dlcore.stack([a, b, 1 - a - b], -1)[inside]
    made = RelaxedOneHotCategorical(dlcore.tensor(2.0), probs)
    density = made.log_prob(values / values.sum(-1, keepdim=True)).exp()
    assert density.double().sum().item() / 1e6 == pytest.approx(1, abs=2e-2)
    dlcore.manual_seed(0)
    drawn = made.sample((20_000,)).argmax(-1)
    np.testing.assert_allclose((drawn.bincount() / 20_000).numpy(), probs.numpy(), atol=0.02)
    logits = dlcore.zeros(3, requires_grad=True)
    (RelaxedOneHotCategorical(temperature, logits=logits).rsample((9,))[:, 0].sum()).backward()
    assert logits.grad[0] > 0
    assert logits.grad.sum().item() == pytest.approx(0, abs=1e-5)
    assert ExpRelaxedCategorical(temperature, probs).expand((2,)).rsample().exp().sum(-1).tolist() == pytest.approx(
        [1, 1]
    )


def test_all_values_of_discrete_ones():
    choice = Categorical(dlcore.ones(2, 3))
    assert OneHotCategorical(dlcore.ones(2, 3)).enumerate_support()[:, 1].tolist() == dlcore.eye(3).tolist()
    assert OneHotCategorical(dlcore.ones(2, 3)).enumerate_support(expand=False).shape == (3, 1, 3)
    assert Bernoulli(dlcore.ones(2)).enumerate_support(expand=False).tolist() == [[0], [1]]
    assert Binomial(2, dlcore.ones(2)).enumerate_support().tolist() == [[0, 0], [1, 1], [2, 2]]
    assert Independent(choice, 0).enumerate_support().shape == (3, 2)
    assert choice.has_enumerate_support
    for made in (Binomial(dlcore.tensor([1.0, 2.0]), 0.5), Independent(choice, 1), Normal(0.0, 1.0)):
        with pytest.raises(NotImplementedError):
            made.enumerate_support()


def test_a_precision_is_the_inverse_of_a_covariance():
    covariance = dlcore.tensor([[2.0, 0.6, 0.1], [0.6, 1.0, -0.2], [0.1, -0.2, 0.5]])
    one = MultivariateNormal(dlcore.ones(3), covariance)
    other = MultivariateNormal(dlcore.ones(3), precision_matrix=dlcore.linalg.inv(covariance))
    np.testing.assert_allclose(other.scale_tril.numpy(), one.scale_tril.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(other.covariance_matrix.numpy(), covariance.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(one.precision_matrix.numpy(), other.precision_matrix.numpy(), rtol=1e-4, atol=1e-5)
    assert other.expand((4,)).sample().shape == (4, 3)
    assert one.log_prob(dlcore.zeros(3)).item() == pytest.approx(other.log_prob(dlcore.zeros(3)).item(), rel=1e-5)


# --- divergences ------------------------------------------------------------------------------------------------------

PAIRS = [
    (Binomial(4, number(0.3)), Binomial(4, number(0.6))),
    (Geometric(number(0.3)), Geometric(number(0.6))),
    (Poisson(number(2.0)), Poisson(number(3.0))),
    (Bernoulli(number(0.3)), Poisson(number(0.6))),
    (HalfNormal(number(1.0)), HalfNormal(number(2.0))),
    (Cauchy(number(1.0), 1.0), Cauchy(number(0.0), 2.0)),
    (Gumbel(number(1.0), 1.0), Gumbel(number(0.0), 2.0)),
    (Pareto(number(2.0), 3.0), Pareto(number(1.0), 2.0)),
    (LogNormal(number(0.2), 0.4), LogNormal(number(0.0), 0.6)),
    *((p, Normal(number(0.2), 1.5)) for p, *_ in NUMBERS if type(p) in (Beta, Exponential, Gamma, Gumbel, Laplace)),
    *((p, Normal(number(0.2), 1.5)) for p, *_ in NUMBERS if type(p) in (Uniform, Pareto)),
    *((p, Exponential(number(0.7))) for p, *_ in NUMBERS if type(p) in (Beta, Gamma, Pareto)),
    (Uniform(number(0.5), 2.0), Exponential(number(0.7))),
    (Exponential(number(0.7)), Gamma(number(2.0), 1.5)),
    (Beta(number(2.0), 1.5), Uniform(number(-1.0), 2.0)),
    (Normal(number(0.5), 0.7), Laplace(number(0.1), 1.1)),
    (Normal(number(0.5), 0.7), Gumbel(number(0.1), 1.1)),
    (Chi2(number(3.0)), Gamma(number(2.0), 1.0)),
]


@pytest.mark.parametrize(("p", "q"), PAIRS, ids=lambda x: type(x).__name__)
def test_divergences_are_means_of_samples(p, q):
    dlcore.manual_seed(0)
    drawn = p.sample((200_000,))
    found = (p.log_prob(drawn) - q.log_prob(drawn)).double()
    error = 6 * found.std().item() / math.sqrt(200_000) + 1e-9
    assert kl_divergence(p, q).item() == pytest.approx(found.mean().item(), abs=error)


def test_divergences_from_what_cannot_draw_the_same():
    for p, q in (
        (Normal(0.0, 1.0), Gamma(1.0, 1.0)),
        (Exponential(1.0), Uniform(0.0, 1.0)),
        (Uniform(-1.0, 1.0), Exponential(1.0)),
        (Beta(1.0, 1.0), Uniform(0.5, 1.0)),
        (Poisson(1.0), Bernoulli(0.5)),
        (Pareto(1.0, 1.0), Pareto(2.0, 1.0)),
        (Binomial(3, 0.5), Binomial(2, 0.5)),
    ):
        assert kl_divergence(p, q).item() == math.inf
    squashed = TransformedDistribution(Normal(0.0, 1.0), SigmoidTransform())
    with pytest.raises(NotImplementedError, match="the same transforms"):
        kl_divergence(squashed, LogNormal(0.0, 1.0))
    again = TransformedDistribution(Normal(1.0, 1.0), SigmoidTransform())
    assert kl_divergence(again, squashed).item() == 0.5


# --- checks -----------------------------------------------------------------------------------------------------------


def test_a_distribution_of_ones_own_is_checked_by_what_it_declares():
    class Triangle(Distribution):
        arg_constraints = {"width": dlcore.distributions.constraints.positive}  # noqa: RUF012
        support = dlcore.distributions.constraints.unit_interval

        def __init__(self, width, validate_args=None):
            self.width = width
            super().__init__(width.shape, validate_args=validate_args)

        def log_prob(self, value):
            self._validate_sample(value)
            return value * self.width

    assert Triangle(dlcore.ones(2)).expand((3, 2)).width.shape == (3, 2)
    with pytest.raises(ValueError, match=r"Triangle: width must be positive, got 0.0 in a tensor of shape \(2,\)"):
        Triangle(dlcore.zeros(2))
    with pytest.raises(ValueError, match=r"Triangle: value must be between 0 and 1, got 2\.0"):
        Triangle(dlcore.ones(2)).log_prob(dlcore.tensor(2.0))
    Distribution.set_default_validate_args(False)
    try:
        assert Triangle(dlcore.zeros(2)).log_prob(dlcore.tensor(2.0)).tolist() == [0.0, 0.0]
        with pytest.raises(ValueError, match="width must be positive"):
            Triangle(dlcore.zeros(2), validate_args=True)
    finally:
        Distribution.set_default_validate_args(True)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Binomial(-1, 0.5), "Binomial: total_count must be a whole number of at least 0, got -1.0"),
        (lambda: Binomial(2, 0.5).log_prob(dlcore.tensor(3.0)), "a whole number from 0 to 2.0, got 3.0"),
        (lambda: Geometric(0.0), "Geometric: probs must be above 0 and at most 1, got 0.0"),
        (lambda: NegativeBinomial(1, 1.0), "NegativeBinomial: probs must be from 0 to below 1, got 1.0"),
        (lambda: Poisson(-1.0), "Poisson: rate must be at least 0, got -1.0"),
        (lambda: Multinomial(2, HALF).sample(), "must have a dimension"),
        (lambda: Multinomial(2, dlcore.ones(2)).log_prob(dlcore.ones(2) * 2), "counts whose sum is 2, got tensor"),
        (lambda: Geometric(0.5, 0.5), "Geometric: give either probs or logits"),
        (lambda: Pareto(1.0, 1.0).log_prob(HALF), "Pareto: value must be at least 1.0, got 0.5"),
        (lambda: StudentT(0.0), "StudentT: df must be positive, got 0.0"),
        (lambda: Chi2(-1.0), "Chi2: df must be positive, got -1.0"),
        (lambda: HalfNormal(-1.0), "HalfNormal: scale must be positive, got -1.0"),
        (lambda: Weibull(1.0, 0.0), "Weibull: concentration must be positive"),
        (
            lambda: MultivariateNormal(dlcore.zeros(2), dlcore.tensor([[1.0, 2.0], [2.0, 1.0]])),
            "must be symmetric and positive definite",
        ),
        (lambda: Uniform(dlcore.zeros(2), 1.0).log_prob(HALF * 3), r"between those of a tensor of shape \(2,\)"),
        (
            lambda: TransformedDistribution(Normal(0.0, 1.0), AffineTransform(0.0, 1.0, event_dim=1)),
            "draws must have 1",
        ),
    ],
)
def test_what_is_wrong_is_said(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_count_of_draws_is_a_number():
    with pytest.raises(TypeError, match="total_count must be an int, got Tensor"):
        Multinomial(dlcore.tensor(2), dlcore.ones(2))


def test_mixtures_have_probabilities():
    made = MixtureSameFamily(Categorical(number([0.25, 0.75])), Normal(number([0.0, 2.0]), 1.0))
    x = dlcore.linspace(-9, 3, 50_001, dtype=F64)
    expected = dlcore.trapezoid(made.log_prob(x).exp(), x).item()
    assert made.cdf(x[-1]).item() == pytest.approx(expected, abs=1e-6)
    assert TransformedDistribution(Normal(0.0, 1.0), ExpTransform().inv.inv).cdf(dlcore.tensor(1.0)).item() == 0.5


def parameters(*values):
    return [dlcore.tensor(value, dtype=dlcore.float64, requires_grad=True) for value in values]


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (Gamma, parameters(3.0, 2.0)),
        (Chi2, parameters(5.0)),
        (InverseGamma, parameters(8.0, 3.0)),
        (Beta, parameters(2.0, 0.7)),
        (Dirichlet, parameters([1.0, 0.4, 3.5])),
        (StudentT, parameters(9.0, 0.5, 1.5)),
    ],
)
def test_samples_made_of_gamma_numbers_have_the_gradients_of_their_moments(make, given):
    dlcore.manual_seed(0)
    made = make(*given)
    assert made.has_rsample
    assert not made.sample().requires_grad
    drawn = made.rsample((100_000,))
    weights = dlcore.arange(1.0, 1.0 + made.mean.numel(), dtype=dlcore.float64).reshape(made.mean.shape)
    moments = [(drawn.mean(0), made.mean), ((drawn**2).mean(0), made.mean**2 + made.variance)]
    for estimate, exact in moments:
        found, expected = (
            dlcore.autograd.grad((m * weights).sum(), given, retain_graph=True, allow_unused=True)
            for m in (estimate, exact)
        )
        for got, right in zip(found, expected, strict=True):
            np.testing.assert_allclose(got.numpy(), 0.0 if right is None else right.numpy(), rtol=0.05, atol=0.03)


def test_gamma_numbers_keep_the_probability_below_them():
    dlcore.manual_seed(0)
    shapes = dlcore.tensor([0.05, 0.3, 1.0, 2.5, 30.0, 1e3, 9e4, 3e5, 1e7], dtype=dlcore.float64)
    shapes = shapes.expand(300, 9).clone().requires_grad_()
    drawn = dlcore.standard_gamma(shapes)
    (slope,) = dlcore.autograd.grad(drawn.sum(), shapes)
    shapes, drawn = shapes.detach(), drawn.detach()
    step = 2e-5 * dlcore.minimum(shapes, shapes.sqrt())  # leaves the third power of it
    above, below = (dlcore.igamma(shapes + h, drawn + h * slope) for h in (step, -step))
    assert (above - below).abs().max() < 1e-11
    stays = (dlcore.igamma(shapes + step, drawn) - dlcore.igamma(shapes - step, drawn)).abs()
    assert (stays > 1e-7).double().mean() > 0.9


def test_gamma_numbers_have_no_second_derivative():
    shape = dlcore.tensor(2.0, requires_grad=True)
    (slope,) = dlcore.autograd.grad(dlcore.standard_gamma(shape) ** 2, shape, create_graph=True)
    with pytest.raises(dlcore.GradientError, match="standard_gamma: there is no second derivative"):
        slope.backward()
