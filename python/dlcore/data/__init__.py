"""Data sets, and loading them in batches, in order or shuffled, in this thread or ahead of it."""

from __future__ import annotations

from dlcore.data.collate import default_collate
from dlcore.data.dataset import Dataset, Subset, TensorDataset, random_split
from dlcore.data.loader import DataLoader
from dlcore.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = [
    "BatchSampler",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "TensorDataset",
    "default_collate",
    "random_split",
]
