"""Layers that rearrange images: pixels to channels and back, patches to columns and back, other sizes."""

from __future__ import annotations

from collections.abc import Sequence

from dlcore._core import Tensor, fold, im2col, interpolate, pixel_shuffle, pixel_unshuffle
from dlcore.nn.module import Module

__all__ = [
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unfold",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]


class PixelShuffle(Module):
    """Channels to pixels: images r times as high and wide with r² times fewer channels (Shi et al., 2016).

    Args:
        upscale_factor: r.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.PixelShuffle(3)(dlcore.zeros(1, 9, 4, 4)).shape
        (1, 1, 12, 12)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(..., C·r², H, W) to (..., C, H·r, W·r)."""
        return pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels to channels: what undoes `PixelShuffle`.

    Args:
        downscale_factor: r.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.PixelUnshuffle(3)(dlcore.zeros(1, 1, 12, 12)).shape
        (1, 9, 4, 4)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(..., C, H·r, W·r) to (..., C·r², H, W)."""
        return pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"downscale_factor={self.downscale_factor}"


class Unfold(Module):
    """Patches to columns: every patch of an image, as a convolution takes them.

    Args:
        kernel_size: height and width of a patch.
        dilation: distance of a patch's elements.
        padding: zeros around the image.
        stride: distance of the patches.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Unfold((2, 3))(dlcore.zeros(2, 5, 3, 4)).shape
        (2, 30, 4)
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        dilation: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        stride: int | Sequence[int] = 1,
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C · kernel, patches)."""
        return im2col(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The arguments."""
        sizes = f"kernel_size={self.kernel_size}, dilation={self.dilation}"
        return f"{sizes}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """Columns to patches, summed where they overlap: the adjoint of `Unfold`.

    Args:
        output_size: height and width of the image.
        kernel_size: height and width of a patch.
        dilation: distance of a patch's elements.
        padding: zeros around the image.
        stride: distance of the patches.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Fold((4, 5), (2, 2))(dlcore.zeros(1, 12, 12)).shape
        (1, 3, 4, 5)
    """

    def __init__(
        self,
        output_size: int | Sequence[int],
        kernel_size: int | Sequence[int],
        dilation: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        stride: int | Sequence[int] = 1,
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size, self.dilation, self.padding, self.stride = (
            output_size,
            kernel_size,
            dilation,
            padding,
            stride,
        )

    def forward(self, input: Tensor) -> Tensor:
        """(N, C · kernel, patches) to (N, C, *output_size)."""
        return fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """The arguments."""
        sizes = f"output_size={self.output_size}, kernel_size={self.kernel_size}"
        return f"{sizes}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Upsample(Module):
    """Sequences, images or volumes of another size.

    Args:
        size: the size of the output, or
        scale_factor: by how much it grows.
        mode: ``"nearest"``, ``"linear"``, ``"bilinear"``, ``"bicubic"`` or ``"trilinear"``.
        align_corners: whether the outermost elements keep their places.
        recompute_scale_factor: take the scale from the sizes.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.Upsample(scale_factor=2)(dlcore.tensor([[[1.0, 2.0]]])).tolist()
        [[[1.0, 1.0, 2.0, 2.0]]]
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.mode = size, mode
        self.scale_factor: float | tuple[float, ...] | None = None
        if isinstance(scale_factor, Sequence):
            self.scale_factor = tuple(map(float, scale_factor))
        elif scale_factor is not None:
            self.scale_factor = float(scale_factor)
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) to (N, C, *size)."""
        how = (self.mode, self.align_corners, self.recompute_scale_factor)
        return interpolate(input, self.size, self.scale_factor, *how)

    def extra_repr(self) -> str:
        """Size or scale, and the mode."""
        which = "size" if self.scale_factor is None else "scale_factor"
        return f"{which}={getattr(self, which)}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of images by their nearest pixels.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.UpsamplingNearest2d(scale_factor=2)(dlcore.zeros(1, 1, 2, 3)).shape
        (1, 1, 4, 6)
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of images by lines between pixels, with the corners in their places.

    Example:
        >>> import dlcore
        >>> from dlcore import nn
        >>> nn.UpsamplingBilinear2d(size=(1, 3))(dlcore.tensor([[[[0.0, 1.0]]]])).tolist()
        [[[[0.0, 0.5, 1.0]]]]
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, "bilinear", align_corners=True)
