"""Sequences of different lengths in one tensor: padded to the longest, or packed without padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dlcore import _core
from dlcore._core import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence(NamedTuple):
    """Sequences without padding: the first step of all of them, then the second of those that have one, and so on.

    Made by `pack_padded_sequence` and `pack_sequence`, taken by recurrent layers.

    Attributes:
        data: (rows, ...), one row for each step of each sequence.
        batch_sizes: how many sequences have each step, int64.
        sorted_indices: the order in which the sequences are packed, longest first; None where they came so.
        unsorted_indices: the inverse, which restores the order in which they came.

    Example:
        >>> import dlcore
        >>> from dlcore.nn.utils.rnn import pack_sequence
        >>> packed = pack_sequence([dlcore.tensor([1, 2, 3]), dlcore.tensor([4, 5])])
        >>> packed.data.tolist(), packed.batch_sizes.tolist()
        ([1, 4, 2, 5, 3], [2, 2, 1])
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Return where each element of a permutation is found; None for None.

    >>> import dlcore
    >>> from dlcore.nn.utils.rnn import invert_permutation
    >>> invert_permutation(dlcore.tensor([2, 0, 1])).tolist()
    [1, 2, 0]
    """
    return None if permutation is None else permutation.argsort()


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences.

    Args:
        input: (steps, batch, ...), or (batch, steps, ...) with `batch_first`.
        lengths: how many steps each sequence has, at least one.
        batch_first: which of the two.
        enforce_sorted: refuse sequences that do not come longest first, instead of sorting them.

    Raises:
        ValueError: lengths that do not fit the input, or are not sorted where they must be.

    >>> import dlcore
    >>> from dlcore.nn.utils.rnn import pack_padded_sequence
    >>> packed = pack_padded_sequence(dlcore.tensor([[1, 2], [3, 0]]), [2, 1], batch_first=True)
    >>> packed.data.tolist(), packed.batch_sizes.tolist()
    ([1, 3, 2], [2, 1])
    """
    steps = input.transpose(0, 1) if batch_first else input
    counts = lengths.to(_core.int64) if isinstance(lengths, Tensor) else _core.tensor(list(lengths), dtype=_core.int64)
    if counts.dim() != 1 or counts.shape[0] != steps.shape[1]:
        raise ValueError(f"pack_padded_sequence: {counts.numel()} lengths for {steps.shape[1]} sequences")
    sorted_indices = None
    if not enforce_sorted:
        counts, sorted_indices = _core.sort(counts, descending=True)
        steps = steps.index_select(1, sorted_indices)
    numbers = counts.tolist()
    if not numbers or min(numbers) < 1 or max(numbers) > steps.shape[0]:
        raise ValueError(f"pack_padded_sequence: lengths must be from 1 to {steps.shape[0]}, the steps; got {numbers}")
    if numbers != sorted(numbers, reverse=True):
        raise ValueError(f"pack_padded_sequence: {numbers} is not sorted; pass enforce_sorted=False")
    is_there = _is_there(counts, numbers[0])
    data = steps[: numbers[0]][is_there]
    return PackedSequence(data, is_there.sum(1), sorted_indices, invert_permutation(sorted_indices))


def _is_there(lengths: Tensor, steps: int) -> Tensor:
    """(steps, batch): which sequences have which steps."""
    return _core.arange(steps).unsqueeze(1) < lengths.unsqueeze(0)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Pad packed sequences.

    Args:
        sequence: what `pack_padded_sequence` made, or a recurrent layer of it.
        batch_first: return (batch, steps, ...) instead of (steps, batch, ...).
        padding_value: what is where a sequence has ended.
        total_length: steps of the result; by default those of the longest sequence.

    Returns:
        The padded sequences and their lengths, int64.

    >>> import dlcore
    >>> from dlcore.nn.utils.rnn import pack_sequence, pad_packed_sequence
    >>> packed = pack_sequence([dlcore.tensor([1, 2, 3]), dlcore.tensor([4, 5])])
    >>> pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2, 3],
            [4, 5, 0]]), tensor([3, 2]))
    """
    data, batch_sizes, _, unsorted_indices = sequence
    steps, batch = batch_sizes.shape[0], int(batch_sizes[0].item())
    lengths = (batch_sizes.unsqueeze(0) > _core.arange(batch).unsqueeze(1)).sum(1)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(f"pad_packed_sequence: {total_length=} is less than the longest sequence, {steps}")
        steps = total_length
    padded = _core.full((steps, batch, *data.shape[1:]), padding_value, dtype=data.dtype)
    padded[_is_there(lengths, steps)] = data
    if unsorted_indices is not None:
        padded, lengths = padded.index_select(1, unsorted_indices), lengths.index_select(0, unsorted_indices)
    return padded.transpose(0, 1) if batch_first else padded, lengths


def pad_sequence(
    sequences: Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences, (steps, ...) each, padded to the longest.

    Args:
        sequences: tensors that differ in their first extent only.
        batch_first: return (batch, steps, ...) instead of (steps, batch, ...).
        padding_value: what is added.
        padding_side: ``"right"`` or ``"left"``.

    >>> import dlcore
    >>> from dlcore.nn.utils.rnn import pad_sequence
    >>> pad_sequence([dlcore.tensor([1, 2, 3]), dlcore.tensor([4, 5])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 5, 0]])
    """
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: padding_side must be 'left' or 'right', got {padding_side!r}")
    parts = list(sequences)
    if not parts:
        raise ValueError("pad_sequence: expected at least one sequence")
    longest = max(part.shape[0] for part in parts)
    rows = []
    for part in parts:
        if missing := longest - part.shape[0]:
            padding = _core.full((missing, *part.shape[1:]), padding_value, dtype=part.dtype)
            part = _core.cat((part, padding) if padding_side == "right" else (padding, part))
        rows.append(part)
    return _core.stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """Undo `pad_sequence`: the sequences without their padding.

    >>> import dlcore
    >>> from dlcore.nn.utils.rnn import unpad_sequence
    >>> padded = dlcore.tensor([[1, 2, 3], [4, 5, 0]])
    >>> [x.tolist() for x in unpad_sequence(padded, dlcore.tensor([3, 2]), batch_first=True)]
    [[1, 2, 3], [4, 5]]
    """
    by_sequence = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [by_sequence[i, :length] for i, length in enumerate(lengths.tolist())]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences, (steps, ...) each; they come longest first unless `enforce_sorted` is False.

    >>> import dlcore
    >>> from dlcore.nn.utils.rnn import pack_sequence
    >>> pack_sequence([dlcore.tensor([4]), dlcore.tensor([1, 2])], enforce_sorted=False).data.tolist()
    [1, 4, 2]
    """
    lengths = [sequence.shape[0] for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undo `pack_sequence`.

    >>> import dlcore
    >>> from dlcore.nn.utils.rnn import pack_sequence, unpack_sequence
    >>> [x.tolist() for x in unpack_sequence(pack_sequence([dlcore.tensor([1, 2]), dlcore.tensor([4])]))]
    [[1, 2], [4]]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
