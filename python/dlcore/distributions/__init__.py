"""Distributions: samples, their log-probabilities, entropies and divergences, with gradients by the parameters.

Example:
    >>> import dlcore
    >>> from dlcore.distributions import Categorical
    >>> logits = dlcore.zeros(2, requires_grad=True)
    >>> policy = Categorical(logits=logits)
    >>> action, reward = policy.sample(), 1.0
    >>> (-policy.log_prob(action) * reward).backward()  # the gradient of the expected reward
    >>> logits.grad.abs()
    tensor([0.5000, 0.5000])
"""

from __future__ import annotations

from dlcore.distributions import constraints, transforms
from dlcore.distributions.bernoulli import Bernoulli
from dlcore.distributions.beta import Beta
from dlcore.distributions.binomial import Binomial
from dlcore.distributions.categorical import Categorical
from dlcore.distributions.cauchy import Cauchy
from dlcore.distributions.chi2 import Chi2
from dlcore.distributions.dirichlet import Dirichlet
from dlcore.distributions.distribution import Distribution
from dlcore.distributions.exponential import Exponential
from dlcore.distributions.gamma import Gamma
from dlcore.distributions.geometric import Geometric
from dlcore.distributions.gumbel import Gumbel
from dlcore.distributions.half_cauchy import HalfCauchy
from dlcore.distributions.half_normal import HalfNormal
from dlcore.distributions.independent import Independent
from dlcore.distributions.inverse_gamma import InverseGamma
from dlcore.distributions.kl import kl_divergence, register_kl
from dlcore.distributions.laplace import Laplace
from dlcore.distributions.log_normal import LogNormal
from dlcore.distributions.mixture_same_family import MixtureSameFamily
from dlcore.distributions.multinomial import Multinomial
from dlcore.distributions.multivariate_normal import MultivariateNormal
from dlcore.distributions.negative_binomial import NegativeBinomial
from dlcore.distributions.normal import Normal
from dlcore.distributions.one_hot_categorical import OneHotCategorical, OneHotCategoricalStraightThrough
from dlcore.distributions.pareto import Pareto
from dlcore.distributions.poisson import Poisson
from dlcore.distributions.relaxed_bernoulli import LogitRelaxedBernoulli, RelaxedBernoulli
from dlcore.distributions.relaxed_categorical import ExpRelaxedCategorical, RelaxedOneHotCategorical
from dlcore.distributions.student_t import StudentT
from dlcore.distributions.transformed_distribution import TransformedDistribution
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
from dlcore.distributions.uniform import Uniform
from dlcore.distributions.weibull import Weibull

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "Dirichlet",
    "Distribution",
    "ExpRelaxedCategorical",
    "ExpTransform",
    "Exponential",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Laplace",
    "LogNormal",
    "LogitRelaxedBernoulli",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "Weibull",
    "constraints",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transforms",
]
