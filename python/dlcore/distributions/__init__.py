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

from dlcore.distributions.bernoulli import Bernoulli
from dlcore.distributions.categorical import Categorical
from dlcore.distributions.distribution import Distribution
from dlcore.distributions.independent import Independent
from dlcore.distributions.kl import kl_divergence, register_kl
from dlcore.distributions.laplace import Laplace
from dlcore.distributions.mixture import MixtureSameFamily
from dlcore.distributions.multivariate_normal import MultivariateNormal
from dlcore.distributions.normal import Normal
from dlcore.distributions.one_hot_categorical import OneHotCategorical, OneHotCategoricalStraightThrough
from dlcore.distributions.positive import Beta, Dirichlet, Exponential, Gamma
from dlcore.distributions.transformed import LogNormal, TransformedDistribution
from dlcore.distributions.transforms import (
    AffineTransform,
    ExpTransform,
    SigmoidTransform,
    TanhTransform,
    Transform,
)
from dlcore.distributions.uniform import Uniform

__all__ = [
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Categorical",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "Gamma",
    "Independent",
    "Laplace",
    "LogNormal",
    "MixtureSameFamily",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "SigmoidTransform",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "kl_divergence",
    "register_kl",
]
