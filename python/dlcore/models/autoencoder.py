"""Autoencoders: images through a narrow code and back."""

from __future__ import annotations

from dlcore import nn
from dlcore._core import Tensor, randn, randn_like
from dlcore.models.mlp import MLP

__all__ = ["VAE", "Autoencoder"]


class Autoencoder(nn.Module):
    """An encoder to a small code and a decoder back (Hinton and Salakhutdinov, 2006).

    With the default sizes it has 1 083 696 parameters.

    Args:
        features: numbers of an image.
        code: numbers of a code.
        hidden: sizes of the layers between them.

    Example:
        >>> import dlcore
        >>> from dlcore.models import Autoencoder
        >>> Autoencoder(784, 32)(dlcore.zeros(2, 784)).shape
        (2, 784)
    """

    def __init__(self, features: int = 784, code: int = 32, hidden: tuple[int, ...] = (512, 256)) -> None:
        super().__init__()
        self.encoder = MLP(features, *hidden, code)
        self.decoder = nn.Sequential(*MLP(code, *reversed(hidden), features), nn.Sigmoid())

    def forward(self, images: Tensor) -> Tensor:
        """(N, features) in 0..1, kept."""
        back: Tensor = self.decoder(self.encoder(images))
        return back


class VAE(nn.Module):
    """The variational autoencoder: codes are distributions near the standard normal one, from which images are drawn.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014. It has 652 824
    parameters by default.

    Args:
        features: numbers of an image.
        code: numbers of a code.
        hidden: size of the layer between them.

    Example:
        >>> import dlcore
        >>> from dlcore.models import VAE
        >>> model = VAE(784, 20)
        >>> logits, mean, log_variance = model(dlcore.zeros(2, 784))
        >>> logits.shape, mean.shape, model.sample(3).shape
        ((2, 784), (2, 20), (3, 784))
    """

    def __init__(self, features: int = 784, code: int = 20, hidden: int = 400) -> None:
        super().__init__()
        self.code = code
        self.encoder = MLP(features, hidden, 2 * code)
        self.decoder = MLP(code, hidden, features)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, features) in 0..1 to logits of the same, and mean and log-variance of the codes, (N, code)."""
        mean, log_variance = self.encoder(images).chunk(2, -1)
        code = mean + (log_variance / 2).exp() * randn_like(mean)  # so that the draw has a gradient
        return self.decoder(code), mean, log_variance

    def loss(self, images: Tensor) -> Tensor:
        """The opposite of the evidence's lower bound, a mean over the samples."""
        logits, mean, log_variance = self(images)
        wrong = nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="sum")
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 2
        loss: Tensor = (wrong + divergence) / images.shape[0]
        return loss

    def sample(self, count: int) -> Tensor:
        """Images from codes of the standard normal distribution, (count, features)."""
        images: Tensor = self.decoder(randn(count, self.code)).sigmoid()
        return images
