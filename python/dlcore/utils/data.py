"""PyTorch's place of what is `dlcore.data`."""

from dlcore.data import *  # noqa: F403 - all of it
