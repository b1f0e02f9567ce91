"""`save` and `load`: state dicts, or checkpoints with optimizers, as one safetensors file.

Tensors by name are stored as they are, so that any reader of safetensors opens them. Whatever else a
checkpoint holds, nesting and plain values, goes as JSON into one string of the file's metadata, where a
tensor is a reference to its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dlcore._core import DTypeError, Tensor
from dlcore.io.safetensors import File, read_with_metadata, without_numpy, write

__all__ = ["load", "save"]

_STRUCTURE = "dlcore.structure"


def save(
    obj: Any,
    f: File,
    metadata: Mapping[str, str] | None = None,
    *,
    pickle_module: object = None,  # noqa: ARG001 - nothing is pickled
    pickle_protocol: int | None = None,  # noqa: ARG001
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Save a state dict, a checkpoint or a tensor. The file appears whole or not at all.

    Args:
        obj: tensors, numbers, strings, None, and dictionaries, lists and tuples of them, such as
            ``model.state_dict()`` or ``{"model": model.state_dict(), "optimizer": optimizer.state_dict()}``.
            Arrays of numpy come back as tensors.
        f: the file, by custom with the ending ``.safetensors``; its folder must exist. Or a file object open in
            binary mode.
        metadata: further strings by name, which `dlcore.io.read_metadata` reads.
        pickle_module: accepted for PyTorch's programs: nothing is pickled.
        pickle_protocol: likewise.

    Raises:
        FileNotFoundError: no such folder.
        TypeError: a value that cannot be saved, such as a module; the message names its place.

    Example:
        >>> import tempfile, dlcore
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dlcore.save({"weight": dlcore.ones(2), "epoch": 3}, f"{folder}/model.safetensors")
        ...     loaded = dlcore.load(f"{folder}/model.safetensors")
        >>> loaded["weight"].tolist(), loaded["epoch"]
        ([1.0, 1.0], 3)
    """
    metadata = dict(metadata or {})
    if _STRUCTURE in metadata:
        raise ValueError(f"save: the metadata key {_STRUCTURE!r} is taken")
    tensors: dict[str, Tensor] = {}
    if _is_state_dict(obj):
        tensors = dict(obj)
    else:
        metadata[_STRUCTURE] = json.dumps(_encode(obj, "", tensors), separators=(",", ":"))
    write(tensors, f, metadata)


def load(
    f: File,
    map_location: object = None,  # noqa: ARG001 - there is one device
    pickle_module: object = None,  # noqa: ARG001 - nothing is pickled
    *,
    weights_only: bool = True,  # noqa: ARG001 - nothing else is ever loaded
    mmap: bool | None = None,  # noqa: ARG001 - files are mapped wherever they can be
) -> Any:
    """Load what `save` wrote, or any other safetensors file. Nothing in a file is executed.

    Args:
        f: the file, or a file object open in binary mode, of which the rest is read.
        map_location: accepted for PyTorch's programs: everything is on the CPU.
        pickle_module: likewise: nothing is pickled.
        weights_only: likewise: files hold tensors and plain values.
        mmap: likewise: it changes nothing.

    Returns:
        Tensors by name; with the nesting and values of a checkpoint where there are any. What was no dictionary comes
        back as what it was.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a broken or hostile file, or one of ``torch.save``; the message names the rule that it breaks.

    Example:
        >>> import tempfile, dlcore
        >>> model = dlcore.nn.Linear(3, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dlcore.save(model.state_dict(), f"{folder}/model.safetensors")
        ...     model.load_state_dict(dlcore.load(f"{folder}/model.safetensors"))
        <All keys matched successfully>
    """
    tensors, metadata = read_with_metadata(f)
    structure = metadata.get(_STRUCTURE)
    if structure is None:
        return tensors
    try:
        return _decode(json.loads(structure), tensors)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{f}: its {_STRUCTURE} is broken: {error!r}") from None


def _is_state_dict(obj: object) -> bool:
    """Whether it is what a file holds without more."""
    return isinstance(obj, Mapping) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in obj.items()
    )


# A JSON object's one key says what it is: {"tensor": name}, {"dict": [[key, value], ...]}, {"tuple": [...]}.


def _encode(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = place or "tensor"
        while name in tensors:  # {"a": {"b": t}, "a.b": t}
            name += "'"
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        items = []
        for key, item in value.items():
            if not isinstance(key, str | int):
                raise TypeError(f"save: keys must be str or int, got {key!r} in {place or 'the dict'}")
            items.append([key, _encode(item, f"{place}.{key}" if place else str(key), tensors)])
        return {"dict": items}
    if isinstance(value, list | tuple):
        start = f"{place}." if place else ""
        items = [_encode(item, f"{start}{number}", tensors) for number, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if value is None or isinstance(value, str | int | float):
        return value
    try:
        plain = without_numpy(value)
    except DTypeError as error:
        raise TypeError(f"save: {place} is an array that no tensor can hold: {error}") from None
    if plain is not value:
        return _encode(plain, place, tensors)
    advice = _advice(value) or "tensors, numbers, strings, None, and dicts, lists and tuples of them can be saved"
    raise TypeError(f"save: {place or 'what is given'} is of type {type(value).__name__}; {advice}")


def _advice(value: object) -> str:
    """What to save in place of an object, which would need code to come back."""
    if callable(getattr(value, "state_dict", None)):
        return "save its .state_dict(), which load_state_dict() takes back, or the object itself with pickle.dump"
    has_attributes = hasattr(value, "__dict__") and not callable(value)
    return "save vars() of it, the dictionary of its attributes" if has_attributes else ""


def _decode(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _decode(item, tensors) for key, item in content}
    if kind == "tuple":
        return tuple(_decode(item, tensors) for item in content)
    raise ValueError(f"unknown kind {kind!r}")
