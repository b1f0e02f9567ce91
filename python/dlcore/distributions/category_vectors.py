"""Distributions of vectors with an element for each category: what they share."""

from __future__ import annotations

from dlcore._core import Tensor
from dlcore.distributions import constraints
from dlcore.distributions.categorical import Categorical
from dlcore.distributions.distribution import Distribution, forwarded

__all__ = ["CategoryVectors"]


class CategoryVectors(Distribution):
    """What `OneHotCategorical`, `Multinomial` and `ExpRelaxedCategorical` share: the probabilities of categories.

    Args:
        probs: (..., K), not negative; divided by their sum.
        logits: (..., K), logarithms of probabilities, up to a constant.
        validate_args: False leaves out the checks.

    Raises:
        ValueError: as of `Categorical`.

    Example:
        >>> import dlcore
        >>> from dlcore.distributions import Multinomial
        >>> Multinomial(10, dlcore.tensor([1.0, 3.0])).probs
        tensor([0.2500, 0.7500])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}  # noqa: RUF012 - as in PyTorch
    _inner = ("_categorical",)

    def __init__(self, probs: Tensor | None, logits: Tensor | None, validate_args: bool | None) -> None:
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, self.probs.shape[-1:], validate_args)

    probs: Tensor = forwarded("_categorical.probs", "The probabilities.")
    logits: Tensor = forwarded("_categorical.logits", "The logarithms of the probabilities.")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(probs: {tuple(self.probs.shape)})"
