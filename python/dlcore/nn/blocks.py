"""Pieces that convolutional networks and vision transformers are made of."""

from __future__ import annotations

from dlcore._core import Tensor, relu, sigmoid
from dlcore.nn.batch_norm import BatchNorm2d
from dlcore.nn.containers import Sequential
from dlcore.nn.conv import Conv2d
from dlcore.nn.module import Module

__all__ = ["BottleneckBlock", "DepthwiseSeparableConv2d", "PatchEmbed", "ResidualBlock", "SqueezeExcite"]


def _conv(before: int, after: int, size: int, stride: int = 1) -> Conv2d:
    return Conv2d(before, after, size, stride, padding=size // 2, bias=False)


class _Residual(Module):
    """F(x) + x, where x is projected if F changes its shape."""

    expansion: int

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self._residual(in_channels, width, stride)
        after = width * self.expansion
        self.downsample = None
        if stride != 1 or in_channels != after:
            self.downsample = Sequential(_conv(in_channels, after, 1, stride), BatchNorm2d(after))

    def _residual(self, before: int, width: int, stride: int) -> None:
        raise NotImplementedError

    def residual(self, x: Tensor) -> Tensor:
        """F(x)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        return relu(self.residual(x) + (x if self.downsample is None else self.downsample(x)))


class ResidualBlock(_Residual):
    """Two convolutions of 3 x 3 around which the input is added: the block of ResNet-18 and ResNet-34.

    Source: He et al., "Deep residual learning for image recognition", 2016. Parameter names are torchvision's.

    Args:
        in_channels: channels of the input.
        width: channels of the convolutions and of the output.
        stride: of the first convolution.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.ResidualBlock(8, 16, stride=2)(dlcore.zeros(2, 8, 6, 6)).shape
        (2, 16, 3, 3)
    """

    expansion = 1

    def _residual(self, before: int, width: int, stride: int) -> None:
        self.conv1, self.bn1 = _conv(before, width, 3, stride), BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3), BatchNorm2d(width)

    def residual(self, x: Tensor) -> Tensor:
        """F(x)."""
        y: Tensor = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        return y


class BottleneckBlock(_Residual):
    """A convolution of 3 x 3 between two of 1 x 1 that narrow and widen; the stride is in the middle one (v1.5).

    Source: as `ResidualBlock`; the block of ResNet-50.

    Args:
        in_channels: channels of the input.
        width: channels of the middle; the output has four times as many.
        stride: of the middle convolution.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.BottleneckBlock(16, 4)(dlcore.zeros(2, 16, 6, 6)).shape
        (2, 16, 6, 6)
    """

    expansion = 4

    def _residual(self, before: int, width: int, stride: int) -> None:
        self.conv1, self.bn1 = _conv(before, width, 1), BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride), BatchNorm2d(width)
        self.conv3, self.bn3 = _conv(width, width * 4, 1), BatchNorm2d(width * 4)

    def residual(self, x: Tensor) -> Tensor:
        """F(x)."""
        x = relu(self.bn1(self.conv1(x)))
        x = relu(self.bn2(self.conv2(x)))
        y: Tensor = self.bn3(self.conv3(x))
        return y


class DepthwiseSeparableConv2d(Module):
    """A filter for each channel, then a mixture of channels: a convolution at a fraction of its price.

    Source: Chollet, "Xception: deep learning with depthwise separable convolutions", 2017.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: of the filters.
        stride: of the filters.
        padding: of the filters.
        dilation: of the filters.
        bias: whether the mixture has a bias.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> layer = nn.DepthwiseSeparableConv2d(8, 16, 3, padding=1)
        >>> layer(dlcore.zeros(2, 8, 6, 6)).shape, sum(p.numel() for p in layer.parameters())
        ((2, 16, 6, 6), 216)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.depthwise = Conv2d(
            in_channels, in_channels, kernel_size, stride, padding, dilation, groups=in_channels, bias=False
        )
        self.pointwise = Conv2d(in_channels, out_channels, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        output: Tensor = self.pointwise(self.depthwise(input))
        return output


class SqueezeExcite(Module):
    """Scale every channel by a number between 0 and 1, which a small network finds from all channels' means.

    Source: Hu, Shen and Sun, "Squeeze-and-excitation networks", 2018. Parameter names are torchvision's.

    Args:
        channels: of input and output.
        squeeze_channels: of the network's middle; by default a sixteenth of them, at least 1.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.SqueezeExcite(32)(dlcore.zeros(2, 32, 5, 5)).shape
        (2, 32, 5, 5)
    """

    def __init__(self, channels: int, squeeze_channels: int | None = None) -> None:
        super().__init__()
        squeeze = max(1, channels // 16) if squeeze_channels is None else squeeze_channels
        self.fc1, self.fc2 = Conv2d(channels, squeeze, 1), Conv2d(squeeze, channels, 1)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W), kept."""
        return input * sigmoid(self.fc2(relu(self.fc1(input.mean((2, 3), keepdim=True)))))


class PatchEmbed(Module):
    """Cut an image into patches, each of which becomes a vector: the first layer of a vision transformer.

    Source: Dosovitskiy et al., "An image is worth 16x16 words", 2021. Names are timm's.

    Args:
        img_size: height and width of the images; None for any that patches fit.
        patch_size: height and width of a patch.
        in_chans: channels of the images.
        embed_dim: features of the vectors.

    Attributes:
        num_patches: how many there are in an image of `img_size`, or None.

    Raises:
        ValueError: patches that do not fit the image; also when called with images of another size.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.PatchEmbed(img_size=8, patch_size=4, embed_dim=16)(dlcore.zeros(2, 3, 8, 8)).shape
        (2, 4, 16)
    """

    def __init__(
        self, img_size: int | None = 224, patch_size: int = 16, in_chans: int = 3, embed_dim: int = 768
    ) -> None:
        super().__init__()
        if img_size is not None and img_size % patch_size:
            raise ValueError(f"PatchEmbed: patches of {patch_size} do not fit an image of {img_size}")
        self.img_size, self.patch_size = img_size, patch_size
        self.num_patches = None if img_size is None else (img_size // patch_size) ** 2
        self.proj = Conv2d(in_chans, embed_dim, patch_size, stride=patch_size)

    def forward(self, input: Tensor) -> Tensor:
        """Images (N, C, H, W) to vectors (N, patches, embed_dim), row by row."""
        height, width = input.shape[-2:]
        if self.img_size is not None and (height, width) != (self.img_size, self.img_size):
            raise ValueError(f"expected images of {self.img_size} x {self.img_size}, got {height} x {width}")
        if height % self.patch_size or width % self.patch_size:
            raise ValueError(f"patches of {self.patch_size} do not fit an image of {height} x {width}")
        vectors: Tensor = self.proj(input)
        return vectors.flatten(2).transpose(1, 2)
