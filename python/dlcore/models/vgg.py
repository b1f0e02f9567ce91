"""VGG."""

from __future__ import annotations

from dlcore import nn
from dlcore._core import Tensor

__all__ = ["VGG", "vgg11"]


class VGG(nn.Module):
    """Convolutions of 3 x 3 between poolings, and three linear layers; `vgg11` is the smallest.

    Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
    Parameter names are torchvision's.

    Args:
        channels: of each convolution, and 0 for a pooling.
        num_classes: number of classes.
        in_channels: channels of the images.
        dropout: probability in the linear layers.

    Example:
        >>> import dlcore
        >>> from dlcore import models
        >>> model = models.VGG((8, 0, 16, 0), num_classes=10, in_channels=1)
        >>> model(dlcore.zeros(1, 1, 28, 28)).shape
        (1, 10)
    """

    def __init__(
        self, channels: tuple[int, ...], num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = in_channels
        for after in channels:
            if after:
                layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
                before = after
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(before * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.classifier(self.avgpool(self.features(images)).flatten(1))
        return logits


def vgg11(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> VGG:
    """Eleven layers: 132 863 336 parameters.

    Example:
        >>> from dlcore.models import vgg11
        >>> sum(p.numel() for p in vgg11().parameters())
        132863336
    """
    return VGG((64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0), num_classes, in_channels, dropout)
