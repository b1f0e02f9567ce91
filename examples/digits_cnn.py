"""A convolutional network learns handwritten digits, each time shifted, turned and scaled a little.

--data names a folder with the files of MNIST, or one pair of them. The target, 99.1 % of the test images, is for its
10 000 test files (t10k), of which the first 8 000 are learned from; the 8x8 digits that ship with dlcore are the data
otherwise, and the target is 98.5 %.
"""

from __future__ import annotations

import math
from argparse import Namespace
from itertools import pairwise

import dlcore
import dlcore.nn.functional as F
from digits import read_digits
from dlcore import Tensor, nn, optim
from training import Example, order, run


class DigitNet(nn.Sequential):
    """Three times convolution, normalisation, ReLU and pooling, and one linear layer.

    Images (N, 1, H, W) of at least 8x8 to logits (N, classes).
    """

    def __init__(self, height: int, width: int, classes: int = 10, channels: tuple[int, ...] = (32, 64, 128)) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise((1, *channels)):
            layers += [
                nn.Conv2d(before, after, 3, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        features = channels[-1] * (height // 8) * (width // 8)
        super().__init__(*layers, nn.Flatten(), nn.Linear(features, classes))


def distort(images: Tensor, degrees: float = 12.0, shift: float = 0.1, scale: float = 0.12) -> Tensor:
    """Images (N, C, H, W), each turned, shifted (by a part of its size) and scaled at random."""
    count = len(images)
    angle, size, right, down = (
        (2 * dlcore.rand(count) - 1) * most for most in (math.radians(degrees), scale, 2 * shift, 2 * shift)
    )
    cos, sin = angle.cos() / (1 + size), angle.sin() / (1 + size)
    moves = dlcore.stack([cos, -sin, right, sin, cos, down], 1).reshape(count, 2, 3)
    return F.grid_sample(images, F.affine_grid(moves, images.shape, align_corners=False), align_corners=False)


class DigitsCNN(Example):
    """A `DigitNet`, trained with AdamW and one cycle of its rate."""

    steps, quick, every = 1500, 40, 250
    measure = "test accuracy"
    size = 64

    def __init__(self, options: Namespace) -> None:
        self.seed, self.data = options.seed, read_digits(options.data)
        self.goal = 0.985 if options.data is None else 0.991
        self.model = DigitNet(*self.data.images.shape[2:])
        self.optimizer = optim.AdamW(self.model.parameters(), weight_decay=0.01)
        self.scheduler = optim.lr_scheduler.OneCycleLR(self.optimizer, max_lr=4e-3, total_steps=options.steps)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Distorted images (64, 1, H, W) and their labels."""
        chosen = order(len(self.data.labels), self.size, step, self.seed)
        return distort(self.data.images[chosen]), self.data.labels[chosen]

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy."""
        return F.cross_entropy(self.model(images), labels)

    def score(self) -> float:
        """The part of the test images that is recognised."""
        guesses = dlcore.cat([self.model(images).argmax(1) for images in self.data.test_images.split(256)])
        return (guesses == self.data.test_labels).float().mean().item()


if __name__ == "__main__":
    run(DigitsCNN)
