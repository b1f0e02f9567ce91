"""PyTorch's paths of layers, as in ``from dlcore.nn.modules.batchnorm import _BatchNorm``, for programs that use them.

Every file of ``torch.nn.modules`` has a namesake here, which holds all of `dlcore.nn` and the classes that its layers
derive from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from dlcore import nn
from dlcore.nn.batch_norm import _BatchNorm, _Tracking
from dlcore.nn.conv import _Conv, _ConvTranspose
from dlcore.nn.dropout import _Dropout
from dlcore.nn.instance_norm import _InstanceNorm
from dlcore.nn.lazy import _Lazy
from dlcore.nn.loss import _Loss, _WeightedLoss

__all__: list[str] = []


def _ntuple(n: int) -> Callable[[Any], tuple[Any, ...]]:
    """A function that gives a tuple of what has parts, and else one of `n` times the same."""
    return lambda x: tuple(x) if hasattr(x, "__iter__") else (x,) * n


def _consume_prefix(state_dict: dict[str, Any], prefix: str) -> None:
    """Take `prefix` away from the names of a state dict that begin with it, in place."""
    for name in [name for name in state_dict if name.startswith(prefix)]:
        state_dict[name.removeprefix(prefix)] = state_dict.pop(name)


_FILES: dict[str, dict[str, object]] = {
    "activation": {},
    "adaptive": {},
    "batchnorm": {"_BatchNorm": _BatchNorm, "_NormBase": _Tracking},
    "channelshuffle": {},
    "container": {},
    "conv": {"_ConvNd": _Conv, "_ConvTransposeNd": _ConvTranspose},
    "distance": {},
    "dropout": {"_DropoutNd": _Dropout},
    "flatten": {},
    "fold": {},
    "instancenorm": {"_InstanceNorm": _InstanceNorm},
    "lazy": {"LazyModuleMixin": _Lazy},
    "linear": {},
    "loss": {"_Loss": _Loss, "_WeightedLoss": _WeightedLoss},
    "module": {},
    "normalization": {},
    "padding": {},
    "pixelshuffle": {},
    "pooling": {},
    "rnn": {},
    "sparse": {},
    "transformer": {},
    "upsampling": {},
    "utils": {
        "_ntuple": _ntuple,
        "_single": _ntuple(1),
        "_pair": _ntuple(2),
        "_triple": _ntuple(3),
        "_quadruple": _ntuple(4),
        "consume_prefix_in_state_dict_if_present": _consume_prefix,
    },
}


def _namesake(name: str, more: dict[str, object]) -> ModuleType:
    module = ModuleType(f"{__name__}.{name}", f"``torch.nn.modules.{name}``.")
    module.__dict__.update(_LAYERS | more)
    sys.modules[module.__name__] = module
    return module


_LAYERS = {name: getattr(nn, name) for name in nn.__all__ if isinstance(getattr(nn, name), type)}
globals().update(_LAYERS, **{name: _namesake(name, more) for name, more in _FILES.items()})
