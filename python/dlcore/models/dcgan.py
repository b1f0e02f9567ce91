"""A generative adversarial network of convolutions."""

from __future__ import annotations

from itertools import pairwise

from dlcore import nn
from dlcore._core import Tensor, leaky_relu, randn, relu, tanh

__all__ = ["Discriminator", "Generator"]


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d) and module.weight is not None:
            nn.init.normal_(module.weight, 1.0, 0.02)


class Generator(nn.Module):
    """Images of 32 x 32 out of noise, by transposed convolutions.

    Source: Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative
    adversarial networks", 2016. With the default sizes it has 1 066 880 parameters.

    Args:
        noise: numbers of a code.
        width: channels at half the full size.
        channels: channels of the images.

    Example:
        >>> from dlcore.models import Generator
        >>> model = Generator(width=4)
        >>> model(model.noise(2)).shape
        (2, 1, 32, 32)
    """

    def __init__(self, noise: int = 100, width: int = 64, channels: int = 1) -> None:
        super().__init__()
        self.size = noise
        widths = [4 * width, 2 * width, width]
        self.first = nn.ConvTranspose2d(noise, widths[0], 4, bias=False)
        steps = zip(widths, [*widths[1:], channels], strict=True)
        self.steps = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False) for a, b in steps)
        self.norms = nn.ModuleList(nn.BatchNorm2d(after) for after in widths)
        _initialise(self)

    def noise(self, count: int) -> Tensor:
        """Codes to begin with, (count, noise)."""
        return randn(count, self.size)

    def forward(self, code: Tensor) -> Tensor:
        """(N, noise) to images (N, channels, 32, 32) in −1..1."""
        x = self.first(code.reshape(*code.shape, 1, 1))
        for norm, step in zip(self.norms, self.steps, strict=True):
            x = step(relu(norm(x)))
        return tanh(x)


class Discriminator(nn.Module):
    """Whether an image of 32 x 32 is real: the generator's mirror image, of strided convolutions.

    With the default sizes it has 661 248 parameters.

    Args:
        width: channels at half the full size.
        channels: channels of the images.

    Example:
        >>> import dlcore
        >>> from dlcore.models import Discriminator
        >>> Discriminator(width=4)(dlcore.zeros(2, 1, 32, 32)).shape
        (2,)
    """

    def __init__(self, width: int = 64, channels: int = 1) -> None:
        super().__init__()
        widths = [channels, width, 2 * width, 4 * width]
        steps = pairwise(widths)
        self.steps = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1, bias=False) for a, b in steps)
        self.norms = nn.ModuleList(nn.Identity() if after == width else nn.BatchNorm2d(after) for after in widths[1:])
        self.last = nn.Conv2d(widths[-1], 1, 4, bias=False)
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, channels, 32, 32) to logits (N)."""
        for step, norm in zip(self.steps, self.norms, strict=True):
            images = leaky_relu(norm(step(images)), 0.2)
        logits: Tensor = self.last(images)
        return logits.flatten()
