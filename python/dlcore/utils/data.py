"""PyTorch's place of what is `dlcore.data`, and of its files: ``from dlcore.utils.data.dataset import Dataset``."""

import sys

from dlcore.data import *  # noqa: F403 - all of it
from dlcore.data import dataset, loader as dataloader, sampler

for _name, _module in (("dataset", dataset), ("dataloader", dataloader), ("sampler", sampler)):
    sys.modules[f"{__name__}.{_name}"] = _module
