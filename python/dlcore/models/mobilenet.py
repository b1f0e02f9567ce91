"""MobileNetV2."""

from __future__ import annotations

from dlcore import nn
from dlcore._core import Tensor, clamp

__all__ = ["MobileNetV2", "mobilenet_v2"]

# Expansion t, channels c, blocks n and stride s of the first of them: table 2 of the paper.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class _ReLU6(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return clamp(x, 0.0, 6.0)


def _step(before: int, after: int, size: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, size, stride, padding=size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), _ReLU6())


class _InvertedResidual(nn.Module):
    """Widen, filter every channel by itself, and narrow without an activation; the narrow ends are added."""

    def __init__(self, before: int, after: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        self.residual = stride == 1 and before == after
        steps: list[nn.Module] = [] if expansion == 1 else [_step(before, wide)]
        steps += [_step(wide, wide, 3, stride, groups=wide), nn.Conv2d(wide, after, 1, bias=False)]
        self.conv = nn.Sequential(*steps, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """A network of inverted residuals for small devices: 3 504 872 parameters for 1000 classes.

    Source: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018. Parameter names are
    torchvision's.

    Args:
        num_classes: number of classes.
        in_channels: channels of the images.
        dropout: probability before the last layer.

    Example:
        >>> import dlcore
        >>> from dlcore.models import MobileNetV2
        >>> MobileNetV2(num_classes=10).eval()(dlcore.zeros(1, 3, 32, 32)).shape
        (1, 10)
    """

    def __init__(self, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2) -> None:
        super().__init__()
        before, blocks = 32, []
        for expansion, channels, count, stride in _STAGES:
            for number in range(count):
                blocks.append(_InvertedResidual(before, channels, stride if number == 0 else 1, expansion))
                before = channels
        self.features = nn.Sequential(_step(in_channels, 32, 3, 2), *blocks, _step(before, 1280))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(1280, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, num_classes)."""
        logits: Tensor = self.classifier(self.features(images).mean((2, 3)))
        return logits


def mobilenet_v2(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2) -> MobileNetV2:
    """`MobileNetV2` under the name of torchvision's function.

    Example:
        >>> from dlcore.models import mobilenet_v2
        >>> sum(p.numel() for p in mobilenet_v2().parameters())
        3504872
    """
    return MobileNetV2(num_classes, in_channels, dropout)
