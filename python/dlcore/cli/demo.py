"""``dlcore demo``: a convolutional network learns handwritten digits, and shows what it learned."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path

import dlcore
from dlcore import nn
from dlcore._core import Tensor
from dlcore.data import DataLoader, TensorDataset
from dlcore.datasets import Split, digits, idx_folder
from dlcore.io import load, save
from dlcore.optim import AdamW
from dlcore.optim.lr_scheduler import OneCycleLR
from dlcore.train import confusion_matrix, evaluate, fit
from dlcore.train.figures import confusion_table, save_curves, side_by_side, text_picture
from dlcore.train.progress import Progress

__all__ = ["DigitNet", "LeNet", "demo", "split_digits"]

_SHOWN = 5


class DigitNet(nn.Module):
    """A small network for 8x8 images: two convolutions of 3x3, one pooling, two linear layers.

    Example:
        >>> import dlcore
        >>> from dlcore.cli.demo import DigitNet
        >>> DigitNet()(dlcore.zeros(2, 1, 8, 8)).shape
        (2, 10)
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.25)
        self.fc1 = nn.Linear(64 * 4 * 4, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 1, 8, 8) to logits (N, 10)."""
        x = nn.functional.relu(self.conv1(x))
        x = self.pool(nn.functional.relu(self.conv2(x)))
        x = nn.functional.relu(self.fc1(self.dropout(x.flatten(1))))
        logits: Tensor = self.fc2(x)
        return logits


class LeNet(nn.Module):
    """LeNet with today's widths, for larger images (LeCun et al., 1998).

    Args:
        height: of the images, at least 16.
        width: likewise.
        classes: how many there are.

    Raises:
        ValueError: images too small for two convolutions of 5x5 and two poolings.

    Example:
        >>> import dlcore
        >>> from dlcore.cli.demo import LeNet
        >>> LeNet(28, 28, 10)(dlcore.zeros(2, 1, 28, 28)).shape
        (2, 10)
    """

    def __init__(self, height: int, width: int, classes: int) -> None:
        super().__init__()
        if min(height, width) < 16:
            raise ValueError(f"LeNet needs images of at least 16x16, got {height}x{width}")
        rows, columns = (((size - 4) // 2 - 4) // 2 for size in (height, width))
        self.conv1 = nn.Conv2d(1, 32, 5)
        self.conv2 = nn.Conv2d(32, 64, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(64 * rows * columns, 128)
        self.dropout = nn.Dropout(0.25)
        self.fc2 = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 1, height, width) to logits (N, classes)."""
        x = self.pool(nn.functional.relu(self.conv1(x)))
        x = self.pool(nn.functional.relu(self.conv2(x)))
        x = self.dropout(nn.functional.relu(self.fc1(x.flatten(1))))
        logits: Tensor = self.fc2(x)
        return logits


def split_digits() -> Split:
    """The digits in the wheel; every fifth is held out, so that training and test are spread over the whole set.

    Example:
        >>> from dlcore.cli.demo import split_digits
        >>> train, test = split_digits()
        >>> len(train), len(test)
        (1438, 359)
    """
    images, labels = digits()
    held_out = dlcore.arange(len(labels)) % 5 == 4
    kept = dlcore.logical_not(held_out)
    return Split(TensorDataset(images[kept], labels[kept]), TensorDataset(images[held_out], labels[held_out]))


def demo(folder: Path | None, epochs: int | None, seed: int, out: Path, plot: bool) -> float:
    """Train, test, save, load again and show; return the test accuracy.

    Args:
        folder: IDX files; None takes the digits in the wheel.
        epochs: passes over the data; None takes what is enough.
        seed: of starting values, order and dropout.
        out: where weights and curve go; created if needed.
        plot: whether to draw the curve.

    Raises:
        FileNotFoundError: no IDX files in `folder`.
        ValueError: broken IDX files, or images that are too small.
    """
    begin = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)  # before the training: a folder that cannot be made is known at once
    train_set, test_set = split_digits() if folder is None else idx_folder(folder)
    dlcore.manual_seed(seed)
    height, width = train_set.tensors[0].shape[2:]
    classes = 1 + max(int(part.tensors[1].max().item()) for part in (train_set, test_set))
    model: nn.Module = DigitNet() if folder is None else LeNet(height, width, classes)
    epochs = epochs or (14 if folder is None else 5)
    loader = DataLoader(train_set, batch_size=32 if folder is None else 64, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=256)
    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"{len(train_set)} images of {height}x{width} to learn from, {len(test_set)} to test on")
    print(f"{type(model).__name__} with {size:,} parameters, {dlcore.get_num_threads()} threads, seed {seed}\n")

    optimizer = AdamW(model.parameters(), weight_decay=0.01)
    scheduler = OneCycleLR(optimizer, max_lr=4e-3, total_steps=epochs * len(loader))
    progress = Progress(epochs, len(loader))
    losses, accuracies = [], []
    for step in fit(model, loader, optimizer, epochs, scheduler):
        losses.append(step.loss)
        progress.show(step)
        if (step.number + 1) % len(loader) == 0:
            accuracies.append(evaluate(model, test_loader).accuracy)

    result = evaluate(model, test_loader)
    predicted = result.logits.argmax(1)
    print(f"\ntest accuracy {result.accuracy:.2%}, loss {result.loss:.4f}\n")
    print(confusion_table(confusion_matrix(predicted, result.labels, classes)), "\n")

    weights = out / "weights.safetensors"
    save(model.state_dict(), weights, {"model": type(model).__name__, "test_accuracy": f"{result.accuracy:.4f}"})
    fresh: nn.Module = DigitNet() if folder is None else LeNet(height, width, classes)
    fresh.load_state_dict(load(weights))
    if not dlcore.equal(evaluate(fresh, test_loader).logits, result.logits):
        raise ValueError(f"{weights}: the weights, loaded again, give other results")
    print(f"weights in {weights}; loaded into a fresh network, they give the same results, bit for bit")
    if plot:
        _plot(out / "training.png", losses, accuracies, len(loader))
    print()
    print(_show(test_set.tensors[0], result.logits, result.labels))
    print(f"\n{time.perf_counter() - begin:.1f} s in all")
    return result.accuracy


def _plot(path: Path, losses: list[float], accuracies: list[float], steps_per_epoch: int) -> None:
    try:
        save_curves(path, losses, accuracies, steps_per_epoch)
    except ImportError:
        print("no training curve without matplotlib; to get it: pip install 'dlcore[plot]'")
    else:
        print(f"training curve in {path}")


def _show(images: Tensor, logits: Tensor, labels: Tensor) -> str:
    """A few test images with what the network takes them for: its mistakes first."""
    guesses, truths = logits.argmax(1).tolist(), labels.tolist()
    order = sorted(range(len(truths)), key=lambda number: guesses[number] == truths[number])[:_SHOWN]
    captions = []
    for number in order:
        chance = math.exp(nn.functional.log_softmax(logits[number], 0).max().item())
        verdict = "" if guesses[number] == truths[number] else f", is {truths[number]}"
        captions.append(f"{guesses[number]} ({chance:.0%}){verdict}")
    pictures = [text_picture(images[number, 0]) for number in order]
    room = shutil.get_terminal_size().columns // max(len(pictures[0][0]), max(map(len, captions)) + 3)
    per_row = max(1, room)
    return "\n\n".join(
        side_by_side(pictures[start : start + per_row], captions[start : start + per_row])
        for start in range(0, len(pictures), per_row)
    )
