"""Making one batch of several samples, or tensors of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlcore import _core
from dlcore._core import Tensor

__all__ = ["default_collate", "default_convert"]


def default_collate(samples: Sequence[Any]) -> Any:
    """Stack samples of one structure along a new first dimension.

    Tensors and numpy arrays are stacked; floats give float64, ints int64, bools bool; tuples, lists and
    mappings are joined element by element, named tuples and mappings as what they are, other sequences as
    lists; strings and all else stay lists.

    Raises:
        ValueError: samples of different lengths or shapes.

    Example:
        >>> import dlcore
        >>> from dlcore.data import default_collate
        >>> images, labels = default_collate([(dlcore.zeros(8, 8), 3), (dlcore.ones(8, 8), 5)])
        >>> images.shape, labels.tolist()
        ((2, 8, 8), [3, 5])
    """
    first = samples[0]
    if isinstance(first, Tensor):
        return _stacked(list(samples))
    if isinstance(first, bool):
        return _core.tensor(list(samples), dtype=_core.bool)
    if isinstance(first, int):
        return _core.tensor(list(samples), dtype=_core.int64)
    if isinstance(first, float):
        return _core.tensor(list(samples), dtype=_core.float64)
    if isinstance(first, str | bytes):
        return samples
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, Sequence):
        lengths = {len(sample) for sample in samples}
        if len(lengths) > 1:
            raise ValueError(f"a batch needs samples of one length, got lengths {sorted(lengths)}")
        parts = [default_collate(part) for part in zip(*samples, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    if hasattr(first, "__array__"):
        return _stacked([_core.as_tensor(sample) for sample in samples])
    return list(samples)


def _stacked(samples: list[Tensor]) -> Tensor:
    try:
        return _core.stack(samples)
    except _core.ShapeError as error:
        fix = "samples of one batch need one shape: crop or pad them, in the data set or in a collate_fn"
        raise _core.ShapeError(f"{error}; {fix} (nn.utils.rnn.pad_sequence)") from None


def default_convert(sample: Any) -> Any:
    """The sample with tensors in the place of numpy arrays, also inside tuples, lists and mappings.

    Example:
        >>> import numpy as np
        >>> from dlcore.data import default_convert
        >>> default_convert({"x": np.ones(2), "name": "a"})
        {'x': tensor([1., 1.], dtype=dlcore.float64), 'name': 'a'}
    """
    if isinstance(sample, Tensor | str | bytes):
        return sample
    if isinstance(sample, Mapping):
        return {key: default_convert(value) for key, value in sample.items()}
    if isinstance(sample, Sequence):
        parts = [default_convert(part) for part in sample]
        return type(sample)(*parts) if hasattr(sample, "_fields") else parts
    return _core.as_tensor(sample) if hasattr(sample, "__array__") else sample
