"""The multi-layer perceptron."""

from __future__ import annotations

from itertools import pairwise

from dlcore import nn

__all__ = ["MLP"]


class MLP(nn.Sequential):
    """Linear layers with an activation after all but the last (Rumelhart, Hinton and Williams, 1986).

    ``MLP(784, 512, 256, 10)`` has 535 818 parameters.

    Args:
        *sizes: features of the input, of each hidden layer and of the output.
        activation: the module between layers.
        dropout: probability of dropping a hidden feature.

    Raises:
        ValueError: fewer than two sizes.

    Example:
        >>> import dlcore
        >>> from dlcore.models import MLP
        >>> MLP(784, 128, 10)(dlcore.zeros(32, 784)).shape
        (32, 10)
    """

    def __init__(self, *sizes: int, activation: type[nn.Module] = nn.ReLU, dropout: float = 0.0) -> None:
        if len(sizes) < 2:
            raise ValueError(f"MLP: takes the sizes of input and output at least, got {sizes}")
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), activation()] + ([nn.Dropout(dropout)] if dropout else [])
        del layers[-2 if dropout else -1 :]
        super().__init__(*layers)
