"""VGG."""

from __future__ import annotations

from dlcore import nn
from dlcore._core import Tensor

__all__ = ["VGG", "vgg11", "vgg13", "vgg16", "vgg19"]


class VGG(nn.Module):
    """Convolutions of 3 x 3 between poolings, and three linear layers; `vgg11` is the smallest, `vgg19` the largest.

    Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
    Parameter names are torchvision's.

    Args:
        channels: of each convolution, and 0 for a pooling.
        num_classes: number of classes.
        in_channels: channels of the images.
        dropout: probability in the linear layers.
        batch_norm: whether each convolution is followed by a batch norm, as in torchvision's ``vgg11_bn``.

    Example:
        >>> import dlcore
        >>> from dlcore import models
        >>> model = models.VGG((8, 0, 16, 0), num_classes=10, in_channels=1)
        >>> model(dlcore.zeros(1, 1, 28, 28)).shape
        (1, 10)
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.5,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = in_channels
        for after in channels:
            if after:
                norm = [nn.BatchNorm2d(after)] if batch_norm else []
                layers += [nn.Conv2d(before, after, 3, padding=1), *norm, nn.ReLU()]
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


def vgg11(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, batch_norm: bool = False) -> VGG:
    """Eleven layers: 132 863 336 parameters.

    Example:
        >>> from dlcore.models import vgg11
        >>> sum(p.numel() for p in vgg11().parameters())
        132863336
    """
    channels = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0)
    return VGG(channels, num_classes, in_channels, dropout, batch_norm)


def vgg13(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, batch_norm: bool = False) -> VGG:
    """Thirteen layers: 133 047 848 parameters.

    Example:
        >>> from dlcore.models import vgg13
        >>> sum(p.numel() for p in vgg13().parameters())
        133047848
    """
    channels = (64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0)
    return VGG(channels, num_classes, in_channels, dropout, batch_norm)


def vgg16(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, batch_norm: bool = False) -> VGG:
    """Sixteen layers: 138 357 544 parameters.

    Example:
        >>> from dlcore.models import vgg16
        >>> sum(p.numel() for p in vgg16().parameters())
        138357544
    """
    channels = (64, 64, 0, 128, 128, 0, *(256,) * 3, 0, *(512,) * 3, 0, *(512,) * 3, 0)
    return VGG(channels, num_classes, in_channels, dropout, batch_norm)


def vgg19(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, batch_norm: bool = False) -> VGG:
    """Nineteen layers: 143 667 240 parameters.

    Example:
        >>> from dlcore.models import vgg19
        >>> sum(p.numel() for p in vgg19().parameters())
        143667240
    """
    channels = (64, 64, 0, 128, 128, 0, *(256,) * 4, 0, *(512,) * 4, 0, *(512,) * 4, 0)
    return VGG(channels, num_classes, in_channels, dropout, batch_norm)
