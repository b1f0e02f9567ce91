"""LeNet-5."""

from __future__ import annotations

from dlcore import nn
from dlcore._core import Tensor

__all__ = ["LeNet"]


class LeNet(nn.Module):
    """Two convolutions and three linear layers: 61 706 parameters for one channel and ten classes.

    Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998; with
    ReLU and maximum pooling, as it is usually built now.

    Args:
        num_classes: number of classes.
        in_channels: channels of the images, which are 28 x 28.

    Example:
        >>> import dlcore
        >>> from dlcore.models import LeNet
        >>> LeNet()(dlcore.zeros(4, 1, 28, 28)).shape
        (4, 10)
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, 28, 28) to logits (N, num_classes)."""
        logits: Tensor = self.classifier(self.features(images))
        return logits
