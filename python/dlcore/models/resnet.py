"""Residual networks."""

from __future__ import annotations

from dlcore import nn
from dlcore._core import Tensor, relu

__all__ = ["ResNet", "resnet18", "resnet34", "resnet50"]


def _conv(before: int, after: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, size, stride, padding=size // 2, bias=False)


class _Block(nn.Module):
    """F(x) + x, where x is projected if F changes its shape."""

    expansion: int

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self._residual(before, width, stride)
        after = width * self.expansion
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(_conv(before, after, 1, stride), nn.BatchNorm2d(after))

    def _residual(self, before: int, width: int, stride: int) -> None:
        raise NotImplementedError

    def residual(self, x: Tensor) -> Tensor:
        """F(x)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        return relu(self.residual(x) + (x if self.downsample is None else self.downsample(x)))


class _Basic(_Block):
    """Two convolutions of 3 x 3."""

    expansion = 1

    def _residual(self, before: int, width: int, stride: int) -> None:
        self.conv1, self.bn1 = _conv(before, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3), nn.BatchNorm2d(width)

    def residual(self, x: Tensor) -> Tensor:
        """F(x)."""
        y: Tensor = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        return y


class _Bottleneck(_Block):
    """A convolution of 3 x 3 between two of 1 x 1 that narrow and widen; the stride is in the middle one (v1.5)."""

    expansion = 4

    def _residual(self, before: int, width: int, stride: int) -> None:
        self.conv1, self.bn1 = _conv(before, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _conv(width, width * 4, 1), nn.BatchNorm2d(width * 4)

    def residual(self, x: Tensor) -> Tensor:
        """F(x)."""
        x = relu(self.bn1(self.conv1(x)))
        x = relu(self.bn2(self.conv2(x)))
        y: Tensor = self.bn3(self.conv3(x))
        return y


class ResNet(nn.Module):
    """A residual network for images; `resnet18`, `resnet34` and `resnet50` are the usual ones.

    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016. Parameter names are
    torchvision's.

    Args:
        block: the kind of block.
        layers: blocks in each of the four stages.
        num_classes: number of classes.
        in_channels: channels of the images.
    """

    def __init__(
        self, block: type[_Block], layers: tuple[int, int, int, int], num_classes: int = 1000, in_channels: int = 3
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
    return ResNet(_Basic, (2, 2, 2, 2), num_classes, in_channels)


def resnet34(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """34 layers: 21 797 672 parameters.

    Example:
        >>> from dlcore.models import resnet34
        >>> sum(p.numel() for p in resnet34().parameters())
        21797672
    """
    return ResNet(_Basic, (3, 4, 6, 3), num_classes, in_channels)


def resnet50(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """50 layers: 25 557 032 parameters.

    Example:
        >>> from dlcore.models import resnet50
        >>> sum(p.numel() for p in resnet50().parameters())
        25557032
    """
    return ResNet(_Bottleneck, (3, 4, 6, 3), num_classes, in_channels)
