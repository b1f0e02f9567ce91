"""U-Net: a label for every pixel."""

from __future__ import annotations

from dlcore import nn
from dlcore._core import Tensor, cat

__all__ = ["UNet"]


def _double(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Down to small images of many channels and up again, with what was seen on the way down beside it.

    Source: Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015; with
    borders that keep the size, and batch normalisation. With the default sizes it has 1 942 289 parameters.

    Args:
        in_channels: channels of the images, whose sizes are divisible by 2^depth.
        out_channels: channels of the output, as classes of the pixels.
        width: channels at full size; they double with every step down.
        depth: steps down.

    Example:
        >>> import dlcore
        >>> from dlcore.models import UNet
        >>> UNet(3, 2, width=4, depth=2)(dlcore.zeros(1, 3, 8, 8)).shape
        (1, 2, 8, 8)
    """

    def __init__(self, in_channels: int = 1, out_channels: int = 1, width: int = 16, depth: int = 4) -> None:
        super().__init__()
        widths = [width << step for step in range(depth + 1)]
        self.down = nn.ModuleList(_double(a, b) for a, b in zip([in_channels, *widths], widths, strict=False))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * channels, channels, 2, stride=2) for channels in widths[-2::-1])
        self.join = nn.ModuleList(_double(2 * channels, channels) for channels in widths[-2::-1])
        self.head = nn.Conv2d(width, out_channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        seen = []
        for step, layer in enumerate(self.down):
            images = layer(images if step == 0 else self.pool(images))
            seen.append(images)
        x = seen.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(cat([up(x), seen.pop()], 1))
        pixels: Tensor = self.head(x)
        return pixels
