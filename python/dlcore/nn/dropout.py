"""Dropout layers."""

from __future__ import annotations

from dlcore._core import Tensor, dropout
from dlcore.nn.functions.dropout import alpha_dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from dlcore.nn.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    """What all kinds share."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be in 0..1, got {p}")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """While training, set elements to zero with probability `p` and scale the others by 1/(1-p).

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Args:
        p: probability of a zero, in 0..1.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Raises:
        ValueError: `p` outside 0..1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Dropout(0.5).eval()(dlcore.ones(3)).tolist()
        [1.0, 1.0, 1.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape, kept."""
        return dropout(input, self.p, self.training)


class Dropout1d(_Dropout):
    """`Dropout` of whole channels of sequences, (N, C, L) or (C, L).

    Args:
        p: probability of losing a channel, in 0..1.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Dropout1d(0.2)(dlcore.ones(2, 3, 4)).shape
        (2, 3, 4)
    """

    def forward(self, input: Tensor) -> Tensor:
        """The shape is kept."""
        return dropout1d(input, self.p, self.training)


class Dropout2d(_Dropout):
    """`Dropout` of whole channels of images, (N, C, H, W) or (C, H, W).

    Neighbouring pixels say the same, so that losing single ones teaches little (Tompson et al., 2015).

    Args:
        p: probability of losing a channel, in 0..1.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Dropout2d(0.2)(dlcore.ones(2, 3, 4, 4)).shape
        (2, 3, 4, 4)
    """

    def forward(self, input: Tensor) -> Tensor:
        """The shape is kept."""
        return dropout2d(input, self.p, self.training)


class Dropout3d(_Dropout):
    """`Dropout` of whole channels of volumes, (N, C, D, H, W) or (C, D, H, W).

    Args:
        p: probability of losing a channel, in 0..1.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Dropout3d(0.2)(dlcore.ones(2, 3, 4, 4, 4)).shape
        (2, 3, 4, 4, 4)
    """

    def forward(self, input: Tensor) -> Tensor:
        """The shape is kept."""
        return dropout3d(input, self.p, self.training)


class AlphaDropout(_Dropout):
    """`Dropout` for networks of SELU, which keeps mean and variance (Klambauer et al., 2017).

    Args:
        p: probability of losing an element, in 0..1.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.AlphaDropout(0.2)(dlcore.ones(2, 3)).shape
        (2, 3)
    """

    def forward(self, input: Tensor) -> Tensor:
        """The shape is kept."""
        return alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels, dimension 1.

    Args:
        p: probability of losing a channel, in 0..1.
        inplace: accepted for PyTorch's programs; the result is a new tensor in any case.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.FeatureAlphaDropout(0.2)(dlcore.ones(2, 3, 4)).shape
        (2, 3, 4)
    """

    def forward(self, input: Tensor) -> Tensor:
        """The shape is kept."""
        return feature_alpha_dropout(input, self.p, self.training)
