"""PyTorch's place of what is `dlcore.data`, and of its files: ``from dlcore.utils.data.dataset import Dataset``."""

import sys

from dlcore.data import *  # noqa: F403 - all of it
from dlcore.data import dataset, loader as dataloader, sampler

_FILES = {"dataset": dataset, "dataloader": dataloader, "sampler": sampler, "distributed": sampler}
sys.modules.update({f"{__name__}.{name}": module for name, module in _FILES.items()})
