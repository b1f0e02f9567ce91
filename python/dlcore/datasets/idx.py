"""The IDX format, in which MNIST and its relatives come.

A file is a magic number (two zero bytes, one for the type, one for the number of dimensions), the dimensions
as big-endian 32-bit numbers, and the elements, big-endian, in row-major order; often compressed with gzip.
Nothing in a file is
believed: sizes are checked against what the file can hold before memory is taken for them.
"""

from __future__ import annotations

import gzip
import math
import zlib
from os import PathLike
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from dlcore import _core
from dlcore._core import Tensor
from dlcore.data.dataset import TensorDataset

__all__ = ["Split", "hold_out", "idx_folder", "read_idx"]

_TYPES = {0x08: ">u1", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}  # numpy's names of the types that dlcore has
_MOST_DIMENSIONS = 32
_GZIP_AT_MOST = 1032  # deflate cannot compress further: 258 bytes take at least two bits
_CHUNK = 1 << 20


def read_idx(path: str | PathLike[str]) -> Tensor:
    """Read one IDX file, plain or compressed with gzip.

    Args:
        path: the file; gzip is recognised by its content.

    Returns:
        A tensor of the file's shape, of dtype uint8, int32, float32 or float64.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an IDX file, truncated, with more data than its header says, or of a type that dlcore
            does not have.

    Example:
        >>> import tempfile, pathlib
        >>> from dlcore import datasets
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder) / "labels-idx1-ubyte"
        ...     _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     datasets.read_idx(file).tolist()
        [7, 2, 1]
    """
    path = Path(path)
    with path.open("rb") as file:
        size = path.stat().st_size
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        limit = size * _GZIP_AT_MOST if compressed else size
        try:
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if compressed else file
            return _read(stream, limit)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path}: broken gzip file: {error}") from error
        except _FormatError as error:
            raise ValueError(f"{path}: {error}") from None


class _FormatError(Exception):
    """What is wrong with a file, without its name."""


def _read(stream: BinaryIO, limit: int) -> Tensor:
    """The tensor in `stream`, which gives at most `limit` bytes."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or not 1 <= magic[3] <= _MOST_DIMENSIONS:
        raise _FormatError(
            f"not an IDX file: it begins with {magic.hex(' ') or 'nothing'}, not with 00 00 TYPE DIMENSIONS"
        )
    if magic[2] not in _TYPES:
        known = ", ".join(f"{code:#04x}" for code in _TYPES)
        raise _FormatError(f"IDX type {magic[2]:#04x} is not one of those that can be read: {known}")
    header = stream.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise _FormatError(f"truncated: the header of {magic[3]} dimensions ends after {len(header)} bytes")
    shape = tuple(int.from_bytes(header[at : at + 4], "big") for at in range(0, len(header), 4))
    import numpy as np

    dtype = np.dtype(_TYPES[magic[2]])
    needed = math.prod(shape) * dtype.itemsize
    if needed > limit:
        raise _FormatError(f"truncated: shape {shape} needs {needed} bytes, which a file of this size cannot hold")
    data = bytearray()
    while len(data) <= needed and (chunk := stream.read(min(_CHUNK, needed + 1 - len(data)))):
        data += chunk
    if len(data) != needed:
        trouble = "truncated" if len(data) < needed else "too long"
        found = f"only {len(data)} follow" if len(data) < needed else "more follow"
        raise _FormatError(f"{trouble}: shape {shape} needs {needed} bytes, {found}")
    try:
        array = np.frombuffer(data, dtype).reshape(shape)
        return _core.from_numpy(array.astype(dtype.newbyteorder("="), copy=False))
    except ValueError as error:  # extents of which one is 0 and the others beyond all memory
        raise _FormatError(str(error)) from None


class Split(NamedTuple):
    """The samples to learn from and the samples to test on.

    Example:
        >>> from dlcore import datasets
        >>> split = datasets.hold_out(*datasets.digits())
        >>> len(split.train), len(split.test)
        (1438, 359)
    """

    train: TensorDataset
    test: TensorDataset


def hold_out(images: Tensor, labels: Tensor, part: float = 0.2) -> Split:
    """Keep the last `part` of the samples for the test.

    Raises:
        ValueError: either side would be empty.

    Example:
        >>> from dlcore import datasets
        >>> train, test = datasets.hold_out(*datasets.digits())
        >>> len(train), len(test)
        (1438, 359)
    """
    size = int(labels.shape[0])
    kept = size - math.floor(size * part)
    if not 0 < kept < size:
        raise ValueError(f"hold_out: {part} of {size} samples leaves one side empty")
    return Split(TensorDataset(images[:kept], labels[:kept]), TensorDataset(images[kept:], labels[kept:]))


def idx_folder(path: str | PathLike[str]) -> Split:
    """Read a folder with images and labels in the IDX format, under MNIST's names.

    Looks for ``train-images-idx3-ubyte`` with ``train-labels-idx1-ubyte``, and for the same names with
    ``t10k``; each may end in ``.gz``. With both pairs the first is for training and the second for the test;
    with one, its last fifth is held out.

    Returns:
        Training and test set of images (N, 1, H, W), float32 in 0..1, and labels (N,), int64.

    Raises:
        FileNotFoundError: no such folder, or not a whole pair of files in it; the message lists what is
            expected.
        ValueError: a broken file, or images and labels that do not belong together.

    Example:
        >>> import tempfile, pathlib
        >>> from dlcore import datasets
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = pathlib.Path(name)
        ...     images = bytes([0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2]) + bytes(10)
        ...     _ = (folder / "train-images-idx3-ubyte").write_bytes(images)
        ...     labels = bytes([0, 0, 8, 1, 0, 0, 0, 5, 7, 2, 1, 0, 4])
        ...     _ = (folder / "train-labels-idx1-ubyte").write_bytes(labels)
        ...     train, test = datasets.idx_folder(folder)
        >>> len(train), len(test), train[0][0].shape
        (4, 1, (1, 1, 2))
    """
    path = Path(path)
    expected = "expected {train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or .gz, one pair or both"
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder; {expected} in it")
    pairs = {name: _read_pair(path, name, expected) for name in ("train", "t10k")}
    train, test = pairs["train"], pairs["t10k"]
    if train and test:
        return Split(TensorDataset(*train), TensorDataset(*test))
    single = train or test
    if not single:
        found = ", ".join(sorted(entry.name for entry in path.iterdir())[:10]) or "nothing"
        raise FileNotFoundError(f"{path} holds {found}; {expected}")
    return hold_out(*single)


def _read_pair(folder: Path, name: str, expected: str) -> tuple[Tensor, Tensor] | None:
    """Images and labels under one name, or None where neither is there."""
    paths = [
        next(
            (file for ending in ("", ".gz") if (file := folder / f"{name}-{kind}-ubyte{ending}").is_file()),
            None,
        )
        for kind in ("images-idx3", "labels-idx1")
    ]
    if paths == [None, None]:
        return None
    images_path, labels_path = paths
    if images_path is None or labels_path is None:
        raise FileNotFoundError(f"{folder} holds {images_path or labels_path} without its other half; {expected}")
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dim() != 3 or labels.dim() != 1 or images.dtype != _core.uint8 or labels.dtype != _core.uint8:
        raise ValueError(
            f"{images_path} and {labels_path.name}: expected bytes of shape (N, H, W) and (N,), "
            f"got {tuple(images.shape)} and {tuple(labels.shape)}"
        )
    if images.shape[0] != labels.shape[0]:
        raise ValueError(f"{folder}: {images.shape[0]} images but {labels.shape[0]} labels under {name}-*")
    return images.unsqueeze(1).to(_core.float32) / 255, labels.to(_core.int64)
