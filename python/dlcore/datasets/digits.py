"""The handwritten digits in the wheel."""

from __future__ import annotations

from importlib.resources import as_file, files

from dlcore._core import Tensor, float32, int64
from dlcore.datasets.idx import read_idx

__all__ = ["digits"]


def digits() -> tuple[Tensor, Tensor]:
    """1 797 handwritten digits of 8x8 pixels.

    Source: Alpaydin and Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository,
    1998, licensed under CC BY 4.0.

    Returns:
        Images (1797, 1, 8, 8), float32 in 0..1, ink is 1; and labels (1797,), int64 in 0..9.

    Example:
        >>> from dlcore import datasets
        >>> images, labels = datasets.digits()
        >>> images.shape, labels[:5].tolist()
        ((1797, 1, 8, 8), [0, 1, 2, 3, 4])
    """
    folder = files("dlcore.datasets") / "data"
    with (
        as_file(folder / "digits-images-idx3-ubyte.gz") as images,
        as_file(folder / "digits-labels-idx1-ubyte.gz") as labels,
    ):
        return read_idx(images).unsqueeze(1).to(float32) / 16, read_idx(labels).to(int64)
