"""Data sets: samples by number, or one after the other."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import accumulate
from typing import Any, Generic, TypeVar

from dlcore import _core
from dlcore._core import Generator, Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "gather",
    "random_split",
]

_Sample_co = TypeVar("_Sample_co", covariant=True)


class Dataset(Generic[_Sample_co]):
    """Samples by number. A subclass defines ``__getitem__`` and ``__len__``.

    Example:
        >>> from dlcore.data import Dataset
        >>> class Squares(Dataset):
        ...     def __len__(self):
        ...         return 10
        ...     def __getitem__(self, index):
        ...         return index, index**2
        >>> Squares()[3]
        (3, 9)
    """

    def __getitem__(self, index: int) -> _Sample_co:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__()")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__()")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Generic[_Sample_co]):
    """Samples one after the other, as from a stream. A subclass defines ``__iter__``.

    Example:
        >>> from dlcore.data import DataLoader, IterableDataset
        >>> class Lines(IterableDataset):
        ...     def __iter__(self):
        ...         return iter(["a", "b", "c"])
        >>> list(DataLoader(Lines(), batch_size=2))
        [['a', 'b'], ['c']]
    """

    def __iter__(self) -> Iterator[_Sample_co]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__()")

    def __add__(self, other: IterableDataset[Any]) -> ChainDataset:
        return ChainDataset([self, other])


class ChainDataset(IterableDataset[Any]):
    """Iterable data sets, one after the other.

    Example:
        >>> from dlcore.data import ChainDataset
        >>> list(ChainDataset(["ab", "c"]))
        ['a', 'b', 'c']
    """

    def __init__(self, datasets: Iterable[Iterable[Any]]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        return (sample for dataset in self.datasets for sample in dataset)

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets if isinstance(dataset, Sized))


class ConcatDataset(Dataset[Any]):
    """Data sets one after the other, as one; also ``first + second``.

    Raises:
        ValueError: no data sets.
        IndexError: when asked for a number that there is not.

    Example:
        >>> from dlcore.data import ConcatDataset
        >>> both = ConcatDataset([[1, 2], [3]])
        >>> len(both), both[2], both[-3]
        (3, 3, 1)
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: give at least one data set")
        self.cumulative_sizes = list(accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"ConcatDataset: index {index} is out of range for {len(self)} samples")
        part = bisect_right(self.cumulative_sizes, place)
        return self.datasets[part][place - (self.cumulative_sizes[part - 1] if part else 0)]


class StackDataset(Dataset[Any]):
    """Data sets side by side: sample i is a tuple of the i-th of each, or a dictionary of those under names.

    Raises:
        ValueError: no data sets, some with a name and some without, or of different lengths.

    Example:
        >>> from dlcore.data import StackDataset
        >>> StackDataset(image=["a", "b"], label=[0, 1])[1]
        {'image': 'b', 'label': 1}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset: give data sets, either all by name or none")
        self.datasets: tuple[Any, ...] | dict[str, Any] = args or kwargs
        lengths = {len(dataset) for dataset in (args or kwargs.values())}
        if len(lengths) > 1:
            raise ValueError(f"StackDataset: data sets must have one length, got {sorted(lengths)}")
        self._length = lengths.pop()

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __len__(self) -> int:
        return self._length


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors cut along their first dimension: sample i is ``(tensors[0][i], tensors[1][i], ...)``.

    Raises:
        ValueError: no tensors, or first dimensions that differ.

    Example:
        >>> import dlcore
        >>> from dlcore.data import TensorDataset
        >>> dataset = TensorDataset(dlcore.zeros(100, 1, 8, 8), dlcore.arange(100))
        >>> len(dataset), dataset[3][1].item()
        (100, 3)
    """

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ValueError("TensorDataset: give at least one tensor")
        shapes = [tuple(tensor.shape) for tensor in tensors]
        if any(not shape or shape[0] != shapes[0][0] for shape in shapes):
            raise ValueError(f"TensorDataset: first dimensions must agree, got shapes {', '.join(map(str, shapes))}")
        self.tensors = tensors

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class Subset(Dataset[_Sample_co]):
    """Some samples of a data set, in the order of `indices`.

    Example:
        >>> import dlcore
        >>> from dlcore.data import Subset, TensorDataset
        >>> Subset(TensorDataset(dlcore.arange(10)), [7, 3])[1][0].item()
        3
    """

    def __init__(self, dataset: Dataset[_Sample_co], indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: int) -> _Sample_co:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def gather(dataset: Dataset[Any], indices: Sequence[int]) -> list[Tensor] | None:
    """The samples as one batch, by one index operation per tensor, or None where there are no tensors."""
    # exactly these classes: a subclass may have its own idea of a sample
    while type(dataset) is Subset:
        subset = dataset
        dataset, indices = subset.dataset, [subset.indices[index] for index in indices]
    if type(dataset) is not TensorDataset:
        return None
    index = _core.tensor(indices, dtype=_core.int64)
    return [tensor[index] for tensor in dataset.tensors]


def random_split(
    dataset: Dataset[_Sample_co], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[_Sample_co]]:
    """Split a data set at random into parts that share no sample.

    Args:
        dataset: what is split.
        lengths: the sizes of the parts, or fractions of the whole that sum to 1.
        generator: the source of the order; without it, the one that `dlcore.manual_seed` seeds.

    Raises:
        ValueError: lengths that do not sum to the whole, or are negative.

    Example:
        >>> import dlcore
        >>> from dlcore.data import TensorDataset, random_split
        >>> train, test = random_split(TensorDataset(dlcore.arange(10)), [0.8, 0.2], dlcore.Generator(0))
        >>> len(train), len(test)
        (8, 2)
    """
    size = len(dataset)
    if any(length < 0 for length in lengths):
        raise ValueError(f"random_split: lengths must not be negative, got {list(lengths)}")
    if math.isclose(sum(lengths), 1.0) and not all(isinstance(length, int) for length in lengths):
        counts = [math.floor(size * length) for length in lengths]
        for part in range(size - sum(counts)):  # what rounding left over, one for each part in turn
            counts[part % len(counts)] += 1
    else:
        counts = [int(length) for length in lengths]
    if sum(counts) != size or any(
        count != length and length > 1 for count, length in zip(counts, lengths, strict=True)
    ):
        raise ValueError(f"random_split: lengths {list(lengths)} do not sum to 1 or to the {size} samples there are")
    order, parts = _core.randperm(size, generator=generator).tolist(), []
    for count in counts:
        parts.append(Subset(dataset, order[:count]))
        order = order[count:]
    return parts
