"""Reading a data set in batches.

Workers are threads: the core lets go of the interpreter while it computes, so they overlap with training and
share its memory. Each batch is a task of its own and batches come out in the order of their tasks, so that
what a loader gives does not depend on the number of workers, as long as the data set does not draw random
numbers from the default generator itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from functools import partial
from itertools import count, islice
from types import GenericAlias
from typing import Any, cast

from dlcore._core import Generator
from dlcore.data.collate import default_collate, default_convert
from dlcore.data.dataset import Dataset, IterableDataset, gather
from dlcore.data.sampler import BatchSampler, RandomSampler, SequentialSampler

__all__ = ["DataLoader", "get_worker_info"]

_END = object()


class DataLoader:
    """The batches of a data set, as often as it is iterated over.

    Args:
        dataset: has ``__getitem__`` and ``__len__``, or is an `IterableDataset`; batches of a `TensorDataset` are cut
            by one index operation.
        batch_size: samples in a batch; None gives the samples themselves.
        shuffle: read in random order, another one in every epoch.
        sampler: an order of one's own, instead of `shuffle`.
        batch_sampler: gives a list of numbers for every batch, instead of the four that make batches.
        num_workers: threads that prepare batches ahead; 0 prepares each batch when it is asked for. More help
            where a sample takes time to read and lets go of the interpreter meanwhile, as files do. One thread reads an
            `IterableDataset`.
        collate_fn: makes a batch of a list of samples; `default_collate` by default.
        pin_memory: accepted for PyTorch's programs; there is no device to copy to.
        drop_last: leave out a last batch that is not full.
        timeout: seconds that a batch of a worker is waited for; 0 for any time.
        worker_init_fn: called by every worker with its number before it begins.
        multiprocessing_context: accepted for PyTorch's programs; workers are threads.
        generator: the source of random orders; without it, the one that `dlcore.manual_seed` seeds.
        prefetch_factor: batches that each worker is ahead; 2 by default.
        persistent_workers: accepted for PyTorch's programs; threads cost little to start.
        in_order: likewise; batches are in order in any case.
        seed: short for ``generator=Generator(seed)``.

    Raises:
        ValueError: a size below 1, workers below 0, or arguments that exclude each other.
        TimeoutError: while iterating, after `timeout`.

    Example:
        >>> import dlcore
        >>> from dlcore.data import DataLoader, TensorDataset
        >>> loader = DataLoader(TensorDataset(dlcore.arange(10)), batch_size=4)
        >>> [batch.tolist() for (batch,) in loader]
        [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    """

    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(
        self,
        dataset: Dataset[Any] | IterableDataset[Any] | Sequence[Any],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,  # noqa: ARG002 - for PyTorch's programs
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], object] | None = None,
        multiprocessing_context: object = None,  # noqa: ARG002 - likewise
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,  # noqa: ARG002 - likewise
        in_order: bool = True,  # noqa: ARG002 - likewise
        seed: int | None = None,
    ) -> None:
        ahead = 2 if prefetch_factor is None else prefetch_factor
        if num_workers < 0 or ahead < 1 or timeout < 0:
            raise ValueError(
                "DataLoader: num_workers and timeout must be at least 0 and prefetch_factor at least 1, "
                f"got {num_workers}, {timeout} and {ahead}"
            )
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: a sampler sets the order, so shuffle must be False")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("DataLoader: a batch_sampler excludes batch_size, shuffle, sampler and drop_last")
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: drop_last needs a batch_size")
        in_sequence = isinstance(dataset, IterableDataset)
        if in_sequence and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader: an IterableDataset sets the order, so no shuffle, sampler or batch_sampler")
        self.dataset: Any = dataset
        self.num_workers, self.prefetch_factor, self.timeout = num_workers, ahead, timeout
        self.worker_init_fn, self.drop_last = worker_init_fn, drop_last
        self.batch_size = batch_size if batch_sampler is None else None
        self.collate_fn: Callable[[Any], Any] = collate_fn or (
            default_convert if batch_size is None else default_collate
        )
        if sampler is None and not in_sequence:
            if seed is not None:
                generator = Generator(seed)
            source = cast("Sized", dataset)
            sampler = RandomSampler(source, generator=generator) if shuffle else SequentialSampler(source)
        self.generator, self.sampler = generator, () if sampler is None else sampler
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            if not isinstance(self.dataset, Sized):
                raise TypeError(f"{type(self.dataset).__name__} has no length")
            size, part = len(self.dataset), self.batch_size or 1
            return size // part if self.drop_last else -(-size // part)
        if not isinstance(self._order, Sized):
            raise TypeError(f"{type(self._order).__name__} has no length")
        return len(self._order)

    def __iter__(self) -> Iterator[Any]:
        return self._ahead() if self.num_workers else self._now()

    @property
    def _order(self) -> Iterable[Any]:
        """The numbers of a batch, or of a sample, after those of another."""
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _tasks(self) -> Iterator[Callable[[], Any]]:
        """What makes the batches, one after the other; of an iterable data set it ends in tasks that give `_END`."""
        if isinstance(self.dataset, IterableDataset):
            samples = iter(self.dataset)
            while True:
                yield partial(self._next, samples)
        for indices in self._order:
            yield partial(self._batch, indices)

    def _next(self, samples: Iterator[Any]) -> Any:
        if self.batch_size is None:
            sample = next(samples, _END)
            return sample if sample is _END else self.collate_fn(sample)
        found = list(islice(samples, self.batch_size))
        short = not found or (self.drop_last and len(found) < self.batch_size)
        return _END if short else self.collate_fn(found)

    def _batch(self, indices: Any) -> Any:
        if self.batch_sampler is None:
            return self.collate_fn(self.dataset[indices])
        if self.collate_fn is default_collate and isinstance(self.dataset, Dataset):
            gathered = gather(self.dataset, indices)
            if gathered:
                return gathered
        return self.collate_fn([self.dataset[index] for index in indices])

    def _now(self) -> Iterator[Any]:
        """Batches that are prepared when they are asked for."""
        for task in self._tasks():
            batch = task()
            if batch is _END:
                return
            yield batch

    def _ahead(self) -> Iterator[Any]:
        """Batches that worker threads prepare while earlier ones are in use."""
        from concurrent.futures import Future, ThreadPoolExecutor

        workers = 1 if isinstance(self.dataset, IterableDataset) else self.num_workers
        numbers, begin = count(), self.worker_init_fn
        initialise = None if begin is None else lambda: begin(next(numbers))
        pool = ThreadPoolExecutor(workers, "dlcore-loader", initialise)
        wait = self.timeout or None
        try:
            tasks: deque[Future[Any]] = deque()
            todo = self._tasks()
            while True:
                tasks.extend(
                    pool.submit(task) for task in islice(todo, workers * self.prefetch_factor + 1 - len(tasks))
                )
                batch = tasks.popleft().result(wait) if tasks else _END
                if batch is _END:
                    return
                yield batch
        finally:  # also when the loop over the batches ends early: what has begun is not waited for
            pool.shutdown(wait=False, cancel_futures=True)


def get_worker_info() -> None:
    """None, as in PyTorch outside of worker processes: no part of a stream is another worker's.

    Example:
        >>> from dlcore.data import get_worker_info
        >>> get_worker_info() is None
        True
    """
