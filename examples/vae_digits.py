"""A variational autoencoder learns to draw handwritten digits.

--data names a folder with the files of MNIST, or one pair of them; the 8x8 digits that ship with dlcore are the data
otherwise. The target, a bound of 112 nats on what an unseen image costs, is for the first 8 000 of MNIST's test files
(t10k); for the 8x8 digits it is 24.5. Digits that the model made up are saved as a picture.
"""

from __future__ import annotations

import math
from argparse import Namespace
from pathlib import Path

import dlcore
from digits import read_digits
from dlcore import Tensor, models, optim
from training import Example, order, run


class VAEDigits(Example):
    """The network of `dlcore.models`, trained with Adam and a cosine."""

    steps, quick, every = 3500, 60, 500
    measure, rising = "bound in nats", False
    size = 64

    def __init__(self, options: Namespace) -> None:
        self.seed, self.data = options.seed, read_digits(options.data)
        self.goal = 24.5 if options.data is None else 112.0
        self.shape = self.data.images.shape[1:]
        self.model = models.VAE(math.prod(self.shape))
        self.optimizer = optim.Adam(self.model.parameters(), lr=2e-3)
        self.scheduler = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, options.steps, eta_min=1e-5)

    def batch(self, step: int) -> tuple[Tensor]:
        """Images, (64, H·W)."""
        return (self.data.images[order(len(self.data.labels), self.size, step, self.seed)].flatten(1),)

    def loss(self, images: Tensor) -> Tensor:
        """The opposite of the evidence's lower bound."""
        return self.model.loss(images)

    def score(self) -> float:
        """The same for the test images."""
        return self.loss(self.data.test_images.flatten(1)).item()

    def show(self, out: Path) -> None:
        """Save digits that the model made up, under test images and what is left of them after the code."""
        real = self.data.test_images[:10].flatten(1)
        back = self.model(real)[0].sigmoid()
        save_pictures(out / "digits.png", dlcore.cat([real, back, self.model.sample(80)]).reshape(-1, *self.shape[1:]))


def save_pictures(path: Path, images: Tensor, columns: int = 10) -> None:
    """Images (N, H, W) in 0..1 side by side as one picture, where matplotlib is installed."""
    try:
        from matplotlib.image import imsave
    except ImportError:
        print("no picture without matplotlib; to get it: pip install 'dlcore[plot]'")
        return
    _, height, width = images.shape
    rows = dlcore.nn.functional.pad(images, (1, 1, 1, 1)).reshape(-1, columns, height + 2, width + 2)
    sheet = rows.transpose(1, 2).reshape(-1, columns * (width + 2))
    imsave(path, sheet.repeat_interleave(3, 0).repeat_interleave(3, 1).numpy(), cmap="gray_r", vmin=0, vmax=1)
    print(f"digits in {path}: ten test images, the same from their codes, and below them made-up ones")


if __name__ == "__main__":
    run(VAEDigits)
