"""Residual networks."""

from __future__ import annotations

from dlcore import nn
from dlcore._core import Tensor, relu

__all__ = ["ResNet", "resnet18", "resnet34", "resnet50"]


class ResNet(nn.Module):
    """A residual network for images; `resnet18`, `resnet34` and `resnet50` are the usual ones.

    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016. Parameter names are
    torchvision's.

    Args:
        block: `nn.ResidualBlock` or `nn.BottleneckBlock`.
        layers: blocks in each of the four stages.
        num_classes: number of classes.
        in_channels: channels of the images.

    Example:
        >>> import dlcore
        >>> from dlcore import models
        >>> model = models.resnet18(num_classes=10)
        >>> isinstance(model, models.ResNet), model(dlcore.zeros(1, 3, 64, 64)).shape
        (True, (1, 10))
    """

    def __init__(
        self,
        block: type[nn.ResidualBlock] | type[nn.BottleneckBlock],
        layers: tuple[int, int, int, int],
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        before = 64
        stages = [nn.Sequential() for _ in layers]
        for number, (stage, blocks) in enumerate(zip(stages, layers, strict=True)):
            stride = 1 if number == 0 else 2
            for _ in range(blocks):
                stage.append(block(before, 64 << number, stride))
                before, stride = (64 << number) * block.expansion, 1
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(before, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, num_classes)."""
        x = self.maxpool(relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def resnet18(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """18 layers: 11 689 512 parameters.

    Example:
        >>> import dlcore
        >>> from dlcore.models import resnet18
        >>> resnet18(num_classes=10)(dlcore.zeros(2, 3, 32, 32)).shape
        (2, 10)
    """
    return ResNet(nn.ResidualBlock, (2, 2, 2, 2), num_classes, in_channels)


def resnet34(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """34 layers: 21 797 672 parameters.

    Example:
        >>> from dlcore.models import resnet34
        >>> sum(p.numel() for p in resnet34().parameters())
        21797672
    """
    return ResNet(nn.ResidualBlock, (3, 4, 6, 3), num_classes, in_channels)


def resnet50(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """50 layers: 25 557 032 parameters.

    Example:
        >>> from dlcore.models import resnet50
        >>> sum(p.numel() for p in resnet50().parameters())
        25557032
    """
    return ResNet(nn.BottleneckBlock, (3, 4, 6, 3), num_classes, in_channels)
