"""The vision transformer."""

from __future__ import annotations

from dlcore import _core, nn
from dlcore._core import Tensor, cat

__all__ = ["ViT"]


class ViT(nn.Module):
    """A transformer over the patches of an image (Dosovitskiy et al., "An image is worth 16x16 words", 2021).

    The default is a small one for images of 32 x 32, with 2 693 578 parameters.

    Args:
        image_size: height and width of the images.
        patch_size: height and width of a patch, a divisor of it.
        num_classes: number of classes.
        in_channels: channels of the images.
        dim: features.
        depth: layers of the encoder.
        heads: heads of the attention.
        mlp_dim: features between the encoder's linear layers.
        dropout: probability.

    Raises:
        ValueError: patches that do not fit the image.

    Example:
        >>> import dlcore
        >>> from dlcore.models import ViT
        >>> ViT(image_size=8, dim=16, depth=1, heads=2, mlp_dim=32)(dlcore.zeros(2, 3, 8, 8)).shape
        (2, 10)
    """

    def __init__(
        self,
        image_size: int = 32,
        patch_size: int = 4,
        num_classes: int = 10,
        in_channels: int = 3,
        dim: int = 192,
        depth: int = 6,
        heads: int = 3,
        mlp_dim: int = 768,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.patches = nn.PatchEmbed(image_size, patch_size, in_channels, dim)
        self.class_token = nn.Parameter(_core.zeros(1, 1, dim))
        self.positions = nn.Parameter(_core.empty(1, (image_size // patch_size) ** 2 + 1, dim))
        layer = nn.TransformerEncoderLayer(dim, heads, mlp_dim, dropout, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, nn.LayerNorm(dim))
        self.head = nn.Linear(dim, num_classes)
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, num_classes)."""
        x = self.patches(images)
        x = cat([self.class_token.expand(x.shape[0], 1, x.shape[2]), x], 1) + self.positions
        logits: Tensor = self.head(self.encoder(x)[:, 0])
        return logits
