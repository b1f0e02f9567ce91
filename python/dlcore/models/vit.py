"""The vision transformer."""

from __future__ import annotations

from collections import OrderedDict
from math import sqrt

from dlcore import _core, nn
from dlcore._core import Tensor, cat

__all__ = ["ViT", "vit_b_16"]


class _Block(nn.Module):
    """Attention and a network of two layers, each behind a norm and beside a shortcut."""

    def __init__(self, dim: int, heads: int, mlp_dim: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(dim, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(dim, heads, attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp_dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(mlp_dim, dim), nn.Dropout(dropout)
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear) and layer.bias is not None:
                nn.init.xavier_uniform_(layer.weight)
                nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.ln_1(x)
        x = x + self.dropout(self.self_attention(normed, normed, normed, need_weights=False)[0])
        result: Tensor = x + self.mlp(self.ln_2(x))
        return result


class _Encoder(nn.Module):
    """Learned positions, the blocks, and a norm."""

    def __init__(
        self, length: int, dim: int, depth: int, heads: int, mlp_dim: int, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(_core.empty(1, length, dim))
        nn.init.normal_(self.pos_embedding, std=0.02)
        self.dropout = nn.Dropout(dropout)
        made = (_Block(dim, heads, mlp_dim, dropout, attention_dropout) for _ in range(depth))
        self.layers = nn.Sequential(
            OrderedDict((f"encoder_layer_{number}", block) for number, block in enumerate(made))
        )
        self.ln = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.ln(self.layers(self.dropout(x + self.pos_embedding)))
        return result


class ViT(nn.Module):
    """A transformer over the patches of an image (Dosovitskiy et al., "An image is worth 16x16 words", 2021).

    The default is a small one for images of 32 x 32, with 2 693 578 parameters; `vit_b_16` is the paper's. Parameter
    names and starting values are torchvision's: the head begins with zeros.

    Args:
        image_size: height and width of the images.
        patch_size: height and width of a patch, a divisor of it.
        num_classes: number of classes.
        in_channels: channels of the images.
        dim: features.
        depth: blocks of the encoder.
        heads: heads of the attention.
        mlp_dim: features between the linear layers of a block.
        dropout: probability, of features.
        attention_dropout: probability, of the weights of the attention.

    Raises:
        ValueError: patches that do not fit the image; also when called with images of another size.

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
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise ValueError(f"ViT: patches of {patch_size} do not fit an image of {image_size}")
        self.image_size = image_size
        self.class_token = nn.Parameter(_core.zeros(1, 1, dim))
        self.conv_proj = nn.Conv2d(in_channels, dim, patch_size, stride=patch_size)
        length = (image_size // patch_size) ** 2 + 1
        self.encoder = _Encoder(length, dim, depth, heads, mlp_dim, dropout, attention_dropout)
        self.heads = nn.Sequential(OrderedDict(head=nn.Linear(dim, num_classes)))
        nn.init.trunc_normal_(self.conv_proj.weight, std=sqrt(1 / (in_channels * patch_size**2)))
        for parameter in (self.conv_proj.bias, *self.heads.parameters()):
            if parameter is not None:
                nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, num_classes)."""
        size = self.image_size
        if images.shape[-2:] != (size, size):
            raise ValueError(f"ViT: expected images of {size} x {size}, got shape {tuple(images.shape)}")
        patches = self.conv_proj(images).flatten(2).transpose(1, 2)
        x = cat([self.class_token.expand(patches.shape[0], 1, patches.shape[2]), patches], 1)
        logits: Tensor = self.heads(self.encoder(x)[:, 0])
        return logits


def vit_b_16(
    num_classes: int = 1000,
    image_size: int = 224,
    in_channels: int = 3,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
) -> ViT:
    """The paper's base size, with patches of 16 x 16: 86 567 656 parameters.

    Example:
        >>> from dlcore.models import vit_b_16
        >>> sum(p.numel() for p in vit_b_16().parameters())
        86567656
    """
    return ViT(image_size, 16, num_classes, in_channels, 768, 12, 12, 3072, dropout, attention_dropout)
