"""The divergence of Kullback and Leibler between two distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dlcore._core import Tensor, cat, digamma, erf, full, lgamma, softplus, where, xlogy
from dlcore.distributions.bernoulli import Bernoulli
from dlcore.distributions.beta import Beta
from dlcore.distributions.binomial import Binomial
from dlcore.distributions.categorical import Categorical
from dlcore.distributions.cauchy import Cauchy
from dlcore.distributions.dirichlet import Dirichlet
from dlcore.distributions.distribution import Distribution
from dlcore.distributions.exponential import Exponential
from dlcore.distributions.gamma import Gamma
from dlcore.distributions.geometric import Geometric
from dlcore.distributions.gumbel import EULER, Gumbel
from dlcore.distributions.half_normal import HalfNormal
from dlcore.distributions.independent import Independent
from dlcore.distributions.laplace import Laplace
from dlcore.distributions.multivariate_normal import MultivariateNormal
from dlcore.distributions.normal import Normal
from dlcore.distributions.one_hot_categorical import OneHotCategorical
from dlcore.distributions.pareto import Pareto
from dlcore.distributions.poisson import Poisson
from dlcore.distributions.transformed_distribution import TransformedDistribution
from dlcore.distributions.uniform import Uniform
from dlcore.linalg import solve_triangular
from dlcore.shapes import broadcast_shapes

__all__ = ["kl_divergence", "register_kl"]

_Formula = Callable[[Any, Any], Tensor]
_FORMULAS: dict[tuple[type, type], _Formula] = {}


def register_kl(type_p: type[Distribution], type_q: type[Distribution]) -> Callable[[_Formula], _Formula]:
    """Make a function the divergence of two types of distributions; a decorator.

    Example:
        >>> from dlcore.distributions import Distribution, kl_divergence, register_kl
        >>> class Point(Distribution):
        ...     pass
        >>> @register_kl(Point, Point)
        ... def _(p, q):
        ...     return 0.0
        >>> kl_divergence(Point(), Point())
        0.0
    """

    def register(formula: _Formula) -> _Formula:
        _FORMULAS[type_p, type_q] = formula
        return formula

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The expected log p − log q of samples of p, of shape batch_shape.

    Args:
        p: where samples come from.
        q: what they are compared with.

    Raises:
        NotImplementedError: two types for which no formula is registered.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Normal, kl_divergence
        >>> kl_divergence(Normal(1.0, 1.0), Normal(0.0, 1.0))
        tensor(0.5000)
    """
    for one in type(p).__mro__:
        for other in type(q).__mro__:
            if (one, other) in _FORMULAS:
                return _FORMULAS[one, other](p, q)
    raise NotImplementedError(f"kl_divergence: no formula for {type(p).__name__} and {type(q).__name__}: register_kl")


@register_kl(Normal, Normal)
def _of_normals(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log())


@register_kl(Categorical, Categorical)
def _of_categories(p: Categorical, q: Categorical) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms = where(q.probs == 0, float("inf"), terms)
    return where(p.probs == 0, 0.0, terms).sum(-1)


@register_kl(Bernoulli, Bernoulli)
def _of_truths(p: Bernoulli, q: Bernoulli) -> Tensor:
    yes = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    yes = where(p.probs == 0, 0.0, where(q.probs == 0, float("inf"), yes))
    no = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    return yes + where(p.probs == 1, 0.0, where(q.probs == 1, float("inf"), no))


@register_kl(Uniform, Uniform)
def _of_intervals(p: Uniform, q: Uniform) -> Tensor:
    widths = ((q.high - q.low) / (p.high - p.low)).log()
    return where((q.low > p.low) | (q.high < p.high), float("inf"), widths)


@register_kl(MultivariateNormal, MultivariateNormal)
def _of_vectors(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(f"kl_divergence: vectors of lengths {p.event_shape[0]} and {q.event_shape[0]}")
    batch = broadcast_shapes(p.batch_shape, q.batch_shape)
    p, q = p.expand(batch), q.expand(batch)
    columns = cat([p.scale_tril, (q.loc - p.loc).unsqueeze(-1)], -1)
    squares = solve_triangular(q.scale_tril, columns, upper=False).square().sum((-2, -1))
    return 0.5 * (squares - p.event_shape[0]) + q._half_log_determinant() - p._half_log_determinant()


@register_kl(Laplace, Laplace)
def _of_laplaces(p: Laplace, q: Laplace) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return distance / q.scale + ratio * (-distance / p.scale).exp() - ratio.log() - 1


@register_kl(Exponential, Exponential)
def _of_times(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Gamma, Gamma)
def _of_gammas(p: Gamma, q: Gamma) -> Tensor:
    shapes = lgamma(q.concentration) - lgamma(p.concentration)
    shapes = shapes + (p.concentration - q.concentration) * digamma(p.concentration)
    return q.concentration * (p.rate / q.rate).log() + shapes + p.concentration * (q.rate / p.rate - 1)


@register_kl(Dirichlet, Dirichlet)
def _of_parts(p: Dirichlet, q: Dirichlet) -> Tensor:
    whole, more = p.concentration.sum(-1, keepdim=True), p.concentration - q.concentration
    weights = lgamma(whole.squeeze(-1)) - lgamma(q.concentration.sum(-1))
    parts = lgamma(q.concentration) - lgamma(p.concentration)
    return weights + (parts + more * (digamma(p.concentration) - digamma(whole))).sum(-1)


@register_kl(Beta, Beta)
def _of_betas(p: Beta, q: Beta) -> Tensor:
    return _of_parts(p._parts(), q._parts())


@register_kl(OneHotCategorical, OneHotCategorical)
def _of_one_hot(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _of_categories(p._categorical, q._categorical)


@register_kl(Binomial, Binomial)
def _of_successes(p: Binomial, q: Binomial) -> Tensor:
    one = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return where(p.total_count > q.total_count, float("inf"), p.total_count * one)


@register_kl(Geometric, Geometric)
def _of_failures(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _of_counts(p: Poisson, q: Poisson) -> Tensor:
    return xlogy(p.rate, p.rate / q.rate) - p.rate + q.rate


@register_kl(HalfNormal, HalfNormal)
def _of_distances(p: HalfNormal, q: HalfNormal) -> Tensor:
    return _of_normals(p._both(), q._both())


@register_kl(Cauchy, Cauchy)
def _of_cauchys(p: Cauchy, q: Cauchy) -> Tensor:
    # F. Chyzak and F. Nielsen, "A closed-form formula for the Kullback-Leibler divergence between Cauchy
    # distributions", 2019.
    return (((p.scale + q.scale).square() + (p.loc - q.loc).square()) / (4 * p.scale * q.scale)).log()


@register_kl(Gumbel, Gumbel)
def _of_gumbels(p: Gumbel, q: Gumbel) -> Tensor:
    ratio, distance = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return -ratio.log() - distance + ratio * EULER + (distance + lgamma(1 + ratio)).exp() - (1 + EULER)


@register_kl(Pareto, Pareto)
def _of_paretos(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    return where(p.scale < q.scale, float("inf"), q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1)


@register_kl(TransformedDistribution, TransformedDistribution)
def _of_transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    if p.event_shape != q.event_shape or p.transforms != q.transforms:
        raise NotImplementedError("kl_divergence: two TransformedDistribution must have the same transforms")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def _of_independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("kl_divergence: two Independent must take the same number of dimensions")
    return p.added(kl_divergence(p.base_dist, q.base_dist))


# Of unlike ones: the entropy of p is what is missing to the expected −log q, which follows from a few moments of p.


@register_kl(Beta, Normal)
@register_kl(Exponential, Normal)
@register_kl(Gamma, Normal)
@register_kl(Gumbel, Normal)
@register_kl(Laplace, Normal)
@register_kl(Pareto, Normal)
@register_kl(Uniform, Normal)
def _from_normal(p: Distribution, q: Normal) -> Tensor:
    spread = (p.variance + (p.mean - q.loc).square()) / q.scale.square()
    return -p.entropy() + 0.5 * spread + q.scale.log() + 0.5 * math.log(2 * math.pi)


@register_kl(Beta, Exponential)
@register_kl(Gamma, Exponential)
@register_kl(Pareto, Exponential)
def _from_exponential(p: Distribution, q: Exponential) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Uniform, Exponential)
def _of_interval_from_exponential(p: Uniform, q: Exponential) -> Tensor:
    return where(p.low < 0, float("inf"), _from_exponential(p, q))


@register_kl(Exponential, Gamma)
def _of_times_from_gamma(p: Exponential, q: Gamma) -> Tensor:
    ratio = q.rate / p.rate
    return -q.concentration * ratio.log() + ratio + lgamma(q.concentration) + q.concentration * EULER - (1 + EULER)


@register_kl(Beta, Uniform)
def _of_beta_from_interval(p: Beta, q: Uniform) -> Tensor:
    return where((q.low > 0) | (q.high < 1), float("inf"), -p.entropy() + (q.high - q.low).log())


@register_kl(Normal, Laplace)
def _of_normal_from_laplace(p: Normal, q: Laplace) -> Tensor:
    away = (p.loc - q.loc) / p.scale
    folded = math.sqrt(2 / math.pi) * (-0.5 * away.square()).exp() + away * erf(away / math.sqrt(2))
    return -p.entropy() + (2 * q.scale).log() + p.scale / q.scale * folded


@register_kl(Normal, Gumbel)
def _of_normal_from_gumbel(p: Normal, q: Gumbel) -> Tensor:
    away, ratio = (p.loc - q.loc) / q.scale, p.scale / q.scale
    return -p.entropy() + q.scale.log() + away + (0.5 * ratio.square() - away).exp()


@register_kl(Bernoulli, Poisson)
def _of_truths_from_counts(p: Bernoulli, q: Poisson) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


def _unbounded(p: Distribution, q: Distribution) -> Tensor:
    """Infinite, as p draws what q never does."""
    return full(broadcast_shapes(p.batch_shape, q.batch_shape), float("inf"))


_UNBOUNDED: dict[tuple[type[Distribution], ...], tuple[type[Distribution], ...]] = {
    (Normal, Laplace, Gumbel): (Beta, Exponential, Gamma, Pareto, Uniform),
    (Exponential, Gamma): (Beta, Pareto, Uniform),
    (Pareto,): (Beta, Uniform),
    (Beta,): (Pareto,),
    (Poisson,): (Bernoulli, Binomial),
}
for _wide, _narrow in _UNBOUNDED.items():
    for _p in _wide:
        for _q in _narrow:
            register_kl(_p, _q)(_unbounded)
