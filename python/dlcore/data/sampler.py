"""The order in which a data set is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Generic, TypeVar

from dlcore._core import Generator, Tensor, as_tensor, float64, multinomial, randint, randperm

__all__ = [
    "BatchSampler",
    "DistributedSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]


_Number_co = TypeVar("_Number_co", covariant=True)


class Sampler(Generic[_Number_co]):
    """Numbers of samples, or lists of them, in order of reading. A subclass defines ``__iter__`` and ``__len__``.

    Example:
        >>> from dlcore.data import DataLoader, Sampler
        >>> class Backwards(Sampler):
        ...     def __iter__(self):
        ...         return iter([2, 1, 0])
        ...
        ...     def __len__(self):
        ...         return 3
        >>> list(DataLoader([10, 20, 30], batch_size=2, sampler=Backwards()))
        [tensor([30, 20]), tensor([10])]
    """

    def __iter__(self) -> Iterator[_Number_co]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__()")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__()")


class SequentialSampler(Sampler[int]):
    """In order.

    Example:
        >>> from dlcore.data import SequentialSampler
        >>> list(SequentialSampler("abc"))
        [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """In random order, another one in every epoch.

    Args:
        data_source: what is read.
        replacement: draw every number from all, so that some come more than once.
        num_samples: how many numbers there are; as many as samples by default.
        generator: the source of the orders; without it, the one that `dlcore.manual_seed` seeds.

    Raises:
        ValueError: `num_samples` below 1.

    Example:
        >>> from dlcore.data import RandomSampler
        >>> sorted(RandomSampler("abc"))
        [0, 1, 2]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if num_samples is not None:
            _at_least_one("RandomSampler", num_samples)
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        """How many numbers there are."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        size, left = len(self.data_source), self.num_samples
        if self.replacement:
            yield from randint(0, size, (left,), generator=self.generator).tolist()
            return
        while left > 0 and size:  # more numbers than samples: one order after the other
            yield from randperm(size, generator=self.generator).tolist()[:left]
            left -= size

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Some numbers in random order, another one in every epoch.

    Args:
        indices: the numbers.
        generator: the source of the orders; without it, the one that `dlcore.manual_seed` seeds.

    Example:
        >>> from dlcore.data import SubsetRandomSampler
        >>> sorted(SubsetRandomSampler([7, 3, 5]))
        [3, 5, 7]
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        return (self.indices[place] for place in randperm(len(self.indices), generator=self.generator).tolist())

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Numbers drawn with probabilities in proportion to weights, as to see rare classes as often as others.

    Args:
        weights: one for each sample.
        num_samples: how many numbers to draw.
        replacement: whether a number may come again.
        generator: the source; without it, the one that `dlcore.manual_seed` seeds.

    Raises:
        ValueError: `num_samples` below 1, or weights that are not in a row.

    Example:
        >>> from dlcore.data import WeightedRandomSampler
        >>> list(WeightedRandomSampler([0.0, 1.0, 0.0], num_samples=4))
        [1, 1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _at_least_one("WeightedRandomSampler", num_samples)
        self.weights = as_tensor(weights, dtype=float64)
        if self.weights.dim() != 1:
            raise ValueError(f"WeightedRandomSampler: expected weights in a row, got shape {tuple(self.weights.shape)}")
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class DistributedSampler(Sampler[int]):
    """One part of a data set, the same for all who shuffle it with one seed: each of several processes reads another.

    Args:
        dataset: what is read.
        num_replicas: into how many parts it goes; one without others to share it with.
        rank: the number of the part.
        shuffle: another order in every epoch, which `set_epoch` names.
        seed: what all parts shuffle with.
        drop_last: leave samples out to make the parts equal, rather than read some twice.

    Raises:
        ValueError: a part that is not there.

    Example:
        >>> from dlcore.data import DistributedSampler
        >>> [list(DistributedSampler("abcde", 2, rank, shuffle=False)) for rank in (0, 1)]
        [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.num_replicas, self.rank = 1 if num_replicas is None else num_replicas, rank or 0
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(f"DistributedSampler: rank {self.rank} is not one of {self.num_replicas} parts")
        self.dataset, self.shuffle, self.seed, self.drop_last, self.epoch = dataset, shuffle, seed, drop_last, 0

    @property
    def num_samples(self) -> int:
        """How many numbers a part has."""
        count = len(self.dataset)
        return count // self.num_replicas if self.drop_last else -(-count // self.num_replicas)

    @property
    def total_size(self) -> int:
        """How many numbers all parts have."""
        return self.num_samples * self.num_replicas

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch it is, for another order."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        order = list(range(count))
        if self.shuffle:
            order = randperm(count, generator=Generator().manual_seed(self.seed + self.epoch)).tolist()
        return (order[number % count] for number in range(self.rank, self.total_size, self.num_replicas))

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` numbers from a sampler; the last may be shorter, or is dropped.

    Example:
        >>> from dlcore.data import BatchSampler, SequentialSampler
        >>> list(BatchSampler(SequentialSampler("abcde"), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if type(batch_size) is not int or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        if not isinstance(self.sampler, Sized):
            raise TypeError(f"{type(self.sampler).__name__} has no length")
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)


def _at_least_one(name: str, num_samples: int) -> None:
    if type(num_samples) is not int or num_samples < 1:
        raise ValueError(f"{name}: num_samples must be a whole number of at least 1, got {num_samples!r}")
