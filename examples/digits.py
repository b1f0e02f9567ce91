"""The handwritten digits of the examples: 28x28 from a folder, or the 8x8 that ship with dlcore."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from dlcore import Tensor, arange
from dlcore.datasets import digits, idx_folder


class Digits(NamedTuple):
    """Images (N, 1, H, W) in 0..1 with labels (N,), to learn from and to test on."""

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor


def read_digits(folder: Path | None) -> Digits:
    """The files of MNIST in a folder, where one pair is cut after four fifths; or the digits in the wheel."""
    if folder is not None:
        train, test = idx_folder(folder)
        return Digits(*train.tensors, *test.tensors)
    images, labels = digits()
    held_out = arange(len(labels)) % 5 == 4  # spread over the whole set: its last images are of other writers
    kept = held_out.logical_not()
    return Digits(images[kept], labels[kept], images[held_out], labels[held_out])
