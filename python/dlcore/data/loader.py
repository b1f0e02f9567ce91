"""Reading a data set in batches.

Workers are threads: the core lets go of the interpreter while it computes, so they overlap with training and
share its memory. Each batch is a task of its own and batches come out in the order of their tasks, so that
what a loader gives does not depend on the number of workers, as long as the data set does not draw random
numbers from the default generator itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from dlcore._core import Generator
from dlcore.data.collate import default_collate
from dlcore.data.dataset import Dataset, gather
from dlcore.data.sampler import BatchSampler, RandomSampler, SequentialSampler

__all__ = ["DataLoader"]


class DataLoader:
    """The batches of a data set, as often as it is iterated over.

    Args:
        dataset: has ``__getitem__`` and ``__len__``; batches of a `TensorDataset` are cut by one index
            operation.
        batch_size: samples in a batch.
        shuffle: read in random order, another one in every epoch.
        sampler: an order of one's own, instead of `shuffle`.
        num_workers: threads that prepare batches ahead; 0 prepares each batch when it is asked for. More help
            where a sample takes time to read and lets go of the interpreter meanwhile, as files do.
        collate_fn: makes a batch of a list of samples; `default_collate` by default.
        drop_last: leave out a last batch that is not full.
        prefetch_factor: batches that each worker is ahead.
        generator: the source of random orders; without it, the one that `dlcore.manual_seed` seeds.
        seed: short for ``generator=Generator(seed)``.
        pin_memory: accepted for PyTorch's programs; there is no device to copy to.
        persistent_workers: likewise; workers are threads, which cost little to start.

    Raises:
        ValueError: a size below 1, workers below 0, or `sampler` with `shuffle`.

    Example:
        >>> import dlcore
        >>> from dlcore.data import DataLoader, TensorDataset
        >>> loader = DataLoader(TensorDataset(dlcore.arange(10)), batch_size=4)
        >>> [batch.tolist() for (batch,) in loader]
        [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    """

    def __init__(
        self,
        dataset: Dataset[Any] | Sequence[Any],
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        drop_last: bool = False,
        prefetch_factor: int = 2,
        generator: Generator | None = None,
        seed: int | None = None,
        *,
        pin_memory: bool = False,  # noqa: ARG002 - for PyTorch's programs
        persistent_workers: bool = False,  # noqa: ARG002 - likewise
    ) -> None:
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: a sampler sets the order, so shuffle must be False")
        if num_workers < 0 or prefetch_factor < 1:
            raise ValueError(
                "DataLoader: num_workers must be at least 0 and prefetch_factor at least 1, "
                f"got {num_workers} and {prefetch_factor}"
            )
        self.dataset, self.num_workers, self.prefetch_factor = dataset, num_workers, prefetch_factor
        self.collate_fn = collate_fn
        if sampler is None:
            if seed is not None:
                generator = Generator(seed)
            sampler = RandomSampler(dataset, generator) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        self.batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Any]:
        return self._ahead() if self.num_workers else map(self._batch, self.batch_sampler)

    def _batch(self, indices: list[int]) -> Any:
        if self.collate_fn is not None:
            return self.collate_fn([self.dataset[index] for index in indices])
        gathered = gather(self.dataset, indices) if isinstance(self.dataset, Dataset) else None
        return gathered or default_collate([self.dataset[index] for index in indices])

    def _ahead(self) -> Iterator[Any]:
        """Batches that worker threads prepare while earlier ones are in use."""
        from concurrent.futures import Future, ThreadPoolExecutor

        pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="dlcore-loader")
        try:
            tasks: deque[Future[Any]] = deque()
            for indices in self.batch_sampler:
                tasks.append(pool.submit(self._batch, indices))
                if len(tasks) > self.num_workers * self.prefetch_factor:
                    yield tasks.popleft().result()
            while tasks:
                yield tasks.popleft().result()
        finally:  # also when the loop over the batches ends early: what has begun is not waited for
            pool.shutdown(wait=False, cancel_futures=True)
