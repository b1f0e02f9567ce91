"""Transfer learning: a network that knows the digits 0 to 4 learns 5 to 9 from two images of each.

Two of its three blocks are frozen, and what follows is new. Beside it, a whole new network learns from the same images
for as many steps; both do so five times, from other images, and the means are compared. The target is that transfer
gains 2 points of accuracy. --data names a folder with the files of MNIST, or one pair of them; the 8x8
digits that ship with dlcore are the data otherwise.
"""

from __future__ import annotations

from argparse import Namespace
from copy import deepcopy
from pathlib import Path

import dlcore
import dlcore.nn.functional as F
from digits import Digits, read_digits
from digits_cnn import DigitNet, distort
from dlcore import Tensor, nn, optim
from training import Example, order, run, train

CLASSES = 5


class Trunk(Example):
    """The network that is transferred: it learns 0 to 4, of which there are many labels."""

    steps, quick, every = 400, 20, 200
    measure = "accuracy on 0 to 4"
    size = 64

    def __init__(self, options: Namespace) -> None:
        self.seed, self.data = options.seed, five_digits(read_digits(options.data), 0)
        self.model = DigitNet(*self.data.images.shape[2:], CLASSES)
        self.optimizer = optim.AdamW(self.model.parameters(), weight_decay=0.01)
        self.scheduler = optim.lr_scheduler.OneCycleLR(self.optimizer, max_lr=4e-3, total_steps=options.steps)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Distorted images of 0 to 4 with their labels."""
        chosen = order(len(self.data.labels), self.size, step, self.seed)
        return distort(self.data.images[chosen]), self.data.labels[chosen]

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy."""
        return F.cross_entropy(self.model(images), labels)

    def score(self) -> float:
        """The part of the test images that is recognised."""
        return recognised(self.model(self.data.test_images), self.data.test_labels)


class Transfer(Example):
    """New ends on the frozen trunk, and new networks beside them."""

    steps, quick, every = 30, 20, 10
    measure, goal = "accuracy gained", 0.02
    repeats, shots, frozen = 5, 2, 8

    def __init__(self, options: Namespace) -> None:
        first = Namespace(**vars(options) | {"steps": Trunk.quick if options.quick else Trunk.steps, "pause": None})
        teacher = Trunk(first)
        train(teacher, first, "trunk")
        self.trunk = nn.Sequential(*list(teacher.model)[: self.frozen]).requires_grad_(False).eval()

        data = five_digits(read_digits(options.data), CLASSES)
        chosen = dlcore.stack([few(data.labels, self.shots, options.seed + number) for number in range(self.repeats)])
        self.images, self.labels = data.images[chosen], data.labels[chosen]
        self.test_images, self.test_labels = data.test_images, data.test_labels
        self.fresh = nn.ModuleList([DigitNet(*data.images.shape[2:], CLASSES) for _ in chosen])
        self.ends = nn.ModuleList([deepcopy(nn.Sequential(*list(model)[self.frozen :])) for model in self.fresh])
        self.model = nn.ModuleList([self.ends, self.fresh])
        self.optimizer = optim.AdamW(self.model.parameters(), lr=4e-3, weight_decay=0.01)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """The images of every repeat, (5, 10, 1, H, W), and their labels, (5, 10)."""
        return self.images, self.labels

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropies of all networks together; they share no parameter that is trained."""
        losses = []
        for end, fresh, x, y in zip(self.ends, self.fresh, images, labels, strict=True):
            losses += [F.cross_entropy(end(self.trunk(x)), y), F.cross_entropy(fresh(x), y)]
        return dlcore.stack(losses).sum()

    def accuracies(self) -> tuple[float, float]:
        """Means with transfer and from scratch."""
        features = self.trunk(self.test_images)
        transferred = [recognised(end(features), self.test_labels) for end in self.ends]
        fresh = [recognised(model(self.test_images), self.test_labels) for model in self.fresh]
        return sum(transferred) / self.repeats, sum(fresh) / self.repeats

    def score(self) -> float:
        """How much better transfer does."""
        transferred, fresh = self.accuracies()
        return transferred - fresh

    def show(self, out: Path) -> None:
        """What the gain is made of."""
        transferred, fresh = self.accuracies()
        print(f"from {self.shots} images of each digit: {transferred:.2%} with transfer, {fresh:.2%} from scratch")


def five_digits(data: Digits, first: int) -> Digits:
    """The five digits from `first` on, numbered from 0."""
    kept, tested = ((labels // CLASSES == first // CLASSES) for labels in (data.labels, data.test_labels))
    return Digits(
        data.images[kept], data.labels[kept] - first, data.test_images[tested], data.test_labels[tested] - first
    )


def few(labels: Tensor, shots: int, seed: int) -> Tensor:
    """The numbers of so many samples of each class, drawn at random."""
    shuffled = dlcore.randperm(len(labels), generator=dlcore.Generator(seed))
    return dlcore.cat([shuffled[labels[shuffled] == label][:shots] for label in range(CLASSES)])


def recognised(logits: Tensor, labels: Tensor) -> float:
    """The part of the samples whose largest logit is that of their label."""
    return (logits.argmax(1) == labels).float().mean().item()


if __name__ == "__main__":
    run(Transfer)
