"""Loading: every sample once, the same order for any number of workers, errors and early ends without a hang."""

import itertools
import threading
import time
from collections import namedtuple

import dlcore
import numpy as np
import pytest
from dlcore.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
)


class Squares(Dataset):
    def __init__(self, size, delay=0.0):
        self.size, self.delay = size, delay

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        if index == 13:
            raise LookupError("sample 13 is broken")
        time.sleep(self.delay * (index % 3))
        return dlcore.tensor([float(index)]), index * index


def tensors(size=10):
    return TensorDataset(dlcore.arange(size).reshape(size, 1) * dlcore.ones(1, 3), dlcore.arange(size))


def order(loader):
    return [batch[1].tolist() for batch in loader]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_order_and_sizes(workers):
    loader = DataLoader(tensors(), batch_size=4, num_workers=workers)
    assert order(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3
    assert order(DataLoader(tensors(), batch_size=4, drop_last=True, num_workers=workers))[-1] == [4, 5, 6, 7]
    images, labels = next(iter(loader))
    assert images.shape == (4, 3)
    assert labels.dtype == dlcore.int64


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_shuffling_depends_on_the_seed_alone(workers):
    loader = DataLoader(tensors(50), batch_size=7, shuffle=True, num_workers=workers, seed=3)
    first, second = order(loader), order(loader)
    assert first != second
    for epoch in (first, second):
        assert sorted(itertools.chain(*epoch)) == list(range(50))
    again = DataLoader(tensors(50), batch_size=7, shuffle=True, generator=dlcore.Generator(3))
    assert [order(again), order(again)] == [first, second]


def test_without_a_seed_manual_seed_decides():
    loader = DataLoader(tensors(50), batch_size=50, shuffle=True)
    epochs = []
    for _ in range(2):
        dlcore.manual_seed(5)
        epochs.append(order(loader))
    assert epochs[0] == epochs[1] != order(loader)


def test_slow_samples_do_not_overtake():
    loader = DataLoader(Squares(12, delay=0.002), batch_size=1, num_workers=4)
    assert [labels.item() for _, labels in loader] == [n * n for n in range(12)]


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_of_samples_reach_the_caller(workers):
    loader = DataLoader(Squares(20), batch_size=2, num_workers=workers)
    batches = iter(loader)
    assert [next(batches)[1].tolist()[0] for _ in range(6)] == [0, 4, 16, 36, 64, 100]
    with pytest.raises(LookupError, match="sample 13 is broken"):
        next(batches)


def test_an_early_end_leaves_no_threads():
    loader = DataLoader(Squares(12, delay=0.005), num_workers=3)
    for _ in loader:
        break
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("dlcore-loader") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_prefetching_is_bounded():
    class Counting(Squares):
        asked = 0

        def __getitem__(self, index):
            self.asked += 1
            return super().__getitem__(index % 10)

    dataset = Counting(1_000)
    batches = iter(DataLoader(dataset, num_workers=2, prefetch_factor=3))
    next(batches)
    time.sleep(0.1)
    assert dataset.asked <= 8
    batches.close()


def test_batches_of_tensor_datasets_do_not_alias_them():
    dataset = tensors()
    for images, _ in DataLoader(dataset, batch_size=4):
        images.zero_()
    assert dataset.tensors[0].sum().item() == 3 * 45


def test_subsets_read_through():
    subset = Subset(Subset(tensors(), [9, 7, 5, 3]), [3, 0])
    assert [subset[number][1].item() for number in range(len(subset))] == [3, 9]
    assert order(DataLoader(subset, batch_size=5)) == [[3, 9]]
    assert order(DataLoader(Subset(Squares(9), [2, 4]), batch_size=2)) == [[4, 16]]


def test_random_split():
    parts = random_split(tensors(11), [0.5, 0.3, 0.2], dlcore.Generator(1))
    assert [len(part) for part in parts] == [6, 3, 2]
    assert sorted(itertools.chain(*(part.indices for part in parts))) == list(range(11))
    assert [p.indices for p in random_split(tensors(11), [0.5, 0.3, 0.2], dlcore.Generator(1))] == [
        p.indices for p in parts
    ]
    assert [len(part) for part in random_split(tensors(3), [1, 2])] == [1, 2]
    for lengths in ([4, 4], [0.5, 0.1], [-1, 11], []):
        with pytest.raises(ValueError, match="random_split"):
            random_split(tensors(), lengths)


def test_any_sequence_is_a_dataset():
    assert [batch.tolist() for batch in DataLoader([1, 2, 3], batch_size=2)] == [[1, 2], [3]]
    assert list(DataLoader(["a", "b"], batch_size=2)) == [["a", "b"]]
    assert list(DataLoader([], batch_size=2)) == []
    assert list(DataLoader([3, 1], batch_size=2, collate_fn=sorted)) == [[1, 3]]


def test_samplers():
    assert order(DataLoader(tensors(), batch_size=2, sampler=[4, 2, 0])) == [[4, 2], [0]]
    assert len(BatchSampler(SequentialSampler(range(7)), 3, drop_last=True)) == 2
    assert sorted(RandomSampler(range(7))) == list(range(7))


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_parts_of_a_data_set_are_disjoint_and_of_one_length(shuffle, drop_last):
    def parts(epoch):
        found = []
        for rank in range(3):
            sampler = DistributedSampler(range(11), 3, rank, shuffle=shuffle, seed=4, drop_last=drop_last)
            sampler.set_epoch(epoch)
            found.append(list(sampler))
            assert len(sampler) == len(found[-1]) == (3 if drop_last else 4)
        return found

    numbers = [number for part in parts(0) for number in part]
    assert len(numbers) == (9 if drop_last else 12)
    assert len(set(numbers)) == (9 if drop_last else 11)
    assert (parts(0) == parts(1)) is not shuffle
    assert parts(1) == parts(1)
    assert sorted(DistributedSampler(range(5))) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="rank 3 is not one of 3 parts"):
        DistributedSampler(range(5), 3, 3)


def test_classes_say_of_what_they_are():
    class Backwards(Sampler[int]):
        def __iter__(self):
            return iter([1, 0])

        def __len__(self):
            return 2

    class Pairs(Sampler[list[int]]):
        def __iter__(self):
            return iter([[0, 1]])

        def __len__(self):
            return 1

    assert DataLoader[int] is not None
    assert [batch.tolist() for batch in DataLoader([5, 6], batch_sampler=Pairs())] == [[5, 6]]
    assert list(DataLoader([5, 6], sampler=Backwards(), batch_size=None)) == [6, 5]
    assert isinstance(BatchSampler(Backwards(), 2, False), Sampler)


def test_collate():
    point = namedtuple("point", "x y")
    batch = default_collate([{"p": point(1, 2.5), "s": "a", "b": True}, {"p": point(3, 4.5), "s": "b", "b": False}])
    assert batch["p"].x.tolist() == [1, 3]
    assert batch["p"].y.dtype == dlcore.float64
    assert batch["s"] == ["a", "b"]
    assert batch["b"].dtype == dlcore.bool
    arrays = default_collate([np.ones((2, 3), np.float32)] * 4)
    assert arrays.shape == (4, 2, 3)
    with pytest.raises(ValueError, match=r"samples of one length, got lengths \[1, 2\]"):
        default_collate([[1], [1, 2]])
    with pytest.raises(dlcore.ShapeError):
        default_collate([dlcore.zeros(2), dlcore.zeros(3)])


def test_what_a_loader_refuses():
    for settings, message in [
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"num_workers": -1}, "num_workers"),
        ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor"),
        ({"shuffle": True, "sampler": [1]}, "shuffle must be False"),
        ({"batch_sampler": [[1]], "batch_size": 2}, "a batch_sampler excludes"),
        ({"batch_sampler": [[1]], "shuffle": True}, "a batch_sampler excludes"),
        ({"batch_size": None, "drop_last": True}, "drop_last needs a batch_size"),
        ({"timeout": -1}, "timeout"),
    ]:
        with pytest.raises(ValueError, match=message):
            DataLoader(tensors(), **settings)
    with pytest.raises(ValueError, match=r"first dimensions must agree, got shapes \(2,\), \(3,\)"):
        TensorDataset(dlcore.zeros(2), dlcore.zeros(3))
    with pytest.raises(ValueError, match="at least one tensor"):
        TensorDataset()


class Stream(IterableDataset):
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        return iter(range(self.size))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_streams_are_read_in_order(workers):
    def batches(size, **settings):
        return [batch.tolist() for batch in DataLoader(Stream(size), num_workers=workers, **settings)]

    assert batches(5, batch_size=2) == [[0, 1], [2, 3], [4]]
    assert batches(5, batch_size=2, drop_last=True) == [[0, 1], [2, 3]]
    assert batches(0, batch_size=2) == []
    assert list(DataLoader(Stream(3), batch_size=None, num_workers=workers)) == [0, 1, 2]
    assert batches(40, batch_size=1, prefetch_factor=5) == [[n] for n in range(40)]
    assert [int(n) for n in DataLoader(Stream(2) + Stream(3), num_workers=workers)] == [0, 1, 0, 1, 2]
    with pytest.raises(TypeError, match="Stream has no length"):
        len(DataLoader(Stream(3)))
    for settings in ({"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}):
        with pytest.raises(ValueError, match="an IterableDataset sets the order"):
            DataLoader(Stream(3), **settings)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_a_batch_sampler(workers):
    chosen = [[9, 0], [3], [5, 5, 5]]
    loader = DataLoader(tensors(), batch_sampler=chosen, num_workers=workers)
    assert order(loader) == chosen
    assert (len(loader), loader.batch_size) == (3, None)
    single = DataLoader(tensors(3), batch_size=None, num_workers=workers)
    assert [(tuple(image.shape), label.item()) for image, label in single] == [((3,), 0), ((3,), 1), ((3,), 2)]
    assert len(single) == 3
    picked = DataLoader(tensors(), batch_size=None, sampler=BatchSampler(SequentialSampler(range(10)), 4, True))
    assert order(picked) == [[0, 1, 2, 3], [4, 5, 6, 7]]  # one index operation on the data set each


def test_workers_begin_with_their_numbers_and_are_waited_for_so_long():
    begun = []
    loader = DataLoader(Squares(12, delay=0.002), num_workers=3, worker_init_fn=begun.append)
    assert len(list(loader)) == 12
    assert sorted(begun) == list(range(len(begun)))
    assert 1 <= len(begun) <= 3
    with pytest.raises(TimeoutError):
        list(DataLoader(Squares(3, delay=1.0), batch_size=3, num_workers=1, timeout=0.01))


def test_positions_of_arguments_are_those_of_pytorch():
    loader = DataLoader(tensors(), 4, False, None, None, 0, None, True, True, 0, None, None, dlcore.Generator(1))
    assert (loader.batch_size, loader.drop_last, len(loader)) == (4, True, 2)
    assert loader.collate_fn is default_collate
    shuffled = DataLoader(tensors(), 10, True, generator=dlcore.Generator(1), persistent_workers=False, in_order=True)
    assert order(shuffled) == [list(RandomSampler(range(10), generator=dlcore.Generator(1)))]


def test_samplers_draw():
    dlcore.manual_seed(0)
    twice = list(RandomSampler(range(4), num_samples=6))
    assert (sorted(twice[:4]), len(twice)) == ([0, 1, 2, 3], 6)
    drawn = list(RandomSampler(range(3), replacement=True, num_samples=300))
    assert (set(drawn), len(drawn)) == ({0, 1, 2}, 300)
    assert min(drawn.count(n) for n in range(3)) > 60
    assert list(RandomSampler([])) == []
    assert sorted(SubsetRandomSampler([4, 9, 2])) == [2, 4, 9]
    weighted = list(WeightedRandomSampler([1.0, 0.0, 3.0], 400))
    assert 1 not in weighted
    assert 2 < weighted.count(2) / weighted.count(0) < 4.5
    assert sorted(WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)) == [0, 1, 2]
    for make in (lambda n: RandomSampler([1], num_samples=n), lambda n: WeightedRandomSampler([1.0], n)):
        for wrong in (0, -1, 1.5, True):
            with pytest.raises(ValueError, match="whole number of at least 1"):
                make(wrong)
    with pytest.raises(ValueError, match="weights in a row"):
        WeightedRandomSampler(dlcore.ones(2, 2), 1)


def test_data_sets_one_after_the_other_and_side_by_side():
    both = tensors(3) + Subset(tensors(), [7, 8])
    assert isinstance(both, ConcatDataset)
    assert order(DataLoader(both, batch_size=5)) == [[0, 1, 2, 7, 8]]
    assert both[-1][1].item() == 8
    assert both.cumulative_sizes == [3, 5]
    for wrong in (5, -6):
        with pytest.raises(IndexError, match="out of range for 5 samples"):
            both[wrong]
    stacked = DataLoader(StackDataset([1, 2], np.array([3.0, 4.0])), batch_size=2)
    assert [part.tolist() for part in next(iter(stacked))] == [[1, 2], [3, 4]]
    assert len(StackDataset(a=[1, 2, 3])) == 3
    assert list(ChainDataset([Stream(2), "ab"])) == [0, 1, "a", "b"]
    for make in (
        lambda: ConcatDataset([]),
        StackDataset,
        lambda: StackDataset([1], [1, 2]),
        lambda: StackDataset([1], a=[1]),
    ):
        with pytest.raises(ValueError, match="Dataset: "):
            make()


def test_samples_are_converted():
    pair = namedtuple("pair", "x y")
    found = default_convert([pair(np.ones(2, np.float32), "s"), {"n": np.int64(3)}, 2.5])
    assert found[0].x.dtype == dlcore.float32
    assert (found[0].y, found[1]["n"].item(), found[2]) == ("s", 3, 2.5)
