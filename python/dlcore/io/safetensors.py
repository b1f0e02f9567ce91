"""The safetensors format, read with suspicion and written whole or not at all.

A file is the length of its header (8 bytes, little-endian), the header (JSON: for each name a dtype, a shape
and the range of its bytes), and the bytes of the tensors, little-endian, in row-major order, without gaps. A
file from a stranger may claim anything: everything is checked before memory is taken for it.
"""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from dlcore import _core
from dlcore._core import Tensor

if TYPE_CHECKING:
    import numpy as np

__all__ = ["File", "read", "read_metadata", "read_with_metadata", "without_numpy", "write"]

File = str | PathLike[str] | IO[bytes]  # a path, or a file object open in binary mode

_MOST_HEADER = 100_000_000
_DTYPES = {
    "F64": _core.float64,
    "F32": _core.float32,
    "F16": _core.float16,
    "BF16": _core.bfloat16,
    "I64": _core.int64,
    "I32": _core.int32,
    "I16": _core.int16,
    "I8": _core.int8,
    "U64": _core.uint64,
    "U32": _core.uint32,
    "U16": _core.uint16,
    "U8": _core.uint8,
    "BOOL": _core.bool,
}
_SIZES = {kind: dtype.itemsize for kind, dtype in _DTYPES.items()}


def write(tensors: Mapping[str, Tensor], path: File, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name. The file appears whole: after a crash there is the old one or the new one.

    Args:
        tensors: any shapes and strides.
        path: the file; its folder must exist. Or an object with ``write``, open in binary mode, which is written where
            it stands and left open.
        metadata: further strings by name.

    Raises:
        FileNotFoundError: no such folder.
        TypeError: something that is not a tensor, or metadata that are not strings.

    Example:
        >>> import tempfile, dlcore
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dlcore.io.write({"w": dlcore.ones(2)}, f"{folder}/w.safetensors", {"origin": "a test"})
        ...     dlcore.io.read(f"{folder}/w.safetensors")["w"].tolist()
        [1.0, 1.0]
    """
    _check(tensors, metadata or {})
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    header |= dict.fromkeys(tensors)  # in the order of those that are given, which a reader gets back
    names = {dtype: name for name, dtype in _DTYPES.items()}
    # wide elements first, so that each tensor starts at a multiple of its element size
    order = sorted(tensors, key=lambda name: (-_SIZES[names[tensors[name].dtype]], name))
    end = 0
    for name in order:
        tensor, kind = tensors[name], names[tensors[name].dtype]
        start, end = end, end + math.prod(tensor.shape) * _SIZES[kind]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _MOST_HEADER:
        raise ValueError(f"{path}: a header of {len(text)} bytes is more than the format's {_MOST_HEADER}")
    if not isinstance(path, str | PathLike):
        _write_into(path, text, [tensors[name] for name in order])
        return
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path.name}: the folder {path.parent} does not exist")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as file:
            _write_into(file, text, [tensors[name] for name in order])
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _write_into(file: IO[bytes], header: bytes, tensors: list[Tensor]) -> None:
    file.write(len(header).to_bytes(8, "little") + header)
    for tensor in tensors:
        file.write(_little_endian(tensor).data)


def _check(tensors: Mapping[Any, Any], metadata: Mapping[Any, Any]) -> None:
    for key, text in metadata.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"metadata must be strings by name, got {key!r}: {type(text).__name__}")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise TypeError(f"expected tensors by name, got {name!r}: {type(tensor).__name__}")
        if name == "__metadata__":
            raise ValueError("a tensor cannot be named __metadata__, which the format keeps for itself")


def _little_endian(tensor: Tensor) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = _as_array(tensor.detach().contiguous())
    return array.astype(array.dtype.newbyteorder("<"), copy=False).view("u1")


def _as_array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """The memory of a contiguous tensor, flat; of bfloat16, which numpy lacks, as float16."""
    array: np.ndarray[Any, Any] = (tensor.view(_core.float16) if tensor.dtype == _core.bfloat16 else tensor).numpy()
    return array.reshape(-1)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where the system offers it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path: File) -> dict[str, Tensor]:
    """Read all tensors of a file, or of what an object with ``read`` has left.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file breaks a rule of the format, which the message names, or has a dtype that dlcore
            does not.

    Example:
        >>> import tempfile, dlcore
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dlcore.io.write({"w": dlcore.ones(2), "b": dlcore.zeros(1)}, f"{folder}/w.safetensors")
        ...     sorted(dlcore.io.read(f"{folder}/w.safetensors"))
        ['b', 'w']
    """
    return read_with_metadata(path)[0]


def read_metadata(path: File) -> dict[str, str]:
    """The strings that a file holds beside its tensors; errors as `read`.

    Example:
        >>> import tempfile, dlcore
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dlcore.io.write({"w": dlcore.ones(2)}, f"{folder}/w.safetensors", {"origin": "a test"})
        ...     dlcore.io.read_metadata(f"{folder}/w.safetensors")
        {'origin': 'a test'}
    """
    with _opened(path) as (file, name):
        return _read_header(file, name).metadata


def read_with_metadata(path: File) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What `read` and `read_metadata` give, from one reading.

    Example:
        >>> import io, dlcore
        >>> from dlcore.io.safetensors import read_with_metadata
        >>> file = io.BytesIO()
        >>> dlcore.io.write({"w": dlcore.ones(2)}, file, {"origin": "a test"})
        >>> read_with_metadata(io.BytesIO(file.getvalue()))
        ({'w': tensor([1., 1.])}, {'origin': 'a test'})
    """
    tensors = {}
    with _opened(path) as (file, source):
        header = _read_header(file, source)
        for name, entry in header.entries.items():
            file.seek(header.start + entry.begin)
            tensors[name] = tensor = _core.empty(entry.shape, dtype=_DTYPES[entry.kind])
            array = _as_array(tensor)
            file.readinto(array.view("u1").data)  # type: ignore[attr-defined]
            if entry.kind == "BOOL" and (array.view("u1") > 1).any():
                raise ValueError(f"{source}: tensor {name!r} of BOOL holds bytes other than 0 and 1")
            array[:] = array.view(array.dtype.newbyteorder("<"))
    return tensors, header.metadata


@contextmanager
def _opened(path: File) -> Iterator[tuple[IO[bytes], str]]:
    """The file, and what errors call it. Of a file object the rest is taken, for not all can seek."""
    if isinstance(path, str | PathLike):
        with Path(path).open("rb") as file:
            yield file, str(Path(path))
        return
    content: object = path.read()
    if not isinstance(content, bytes):
        raise TypeError(
            f"expected a file object that reads bytes, got {type(content).__name__}: open it with mode 'rb'"
        )
    yield BytesIO(content), str(getattr(path, "name", type(path).__name__))


class _Entry(NamedTuple):
    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


class _Header(NamedTuple):
    start: int
    entries: dict[str, _Entry]
    metadata: dict[str, str]


def _read_header(file: IO[bytes], source: str) -> _Header:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        return _parse_header(file, size)
    except _FormatError as error:
        file.seek(0)
        if _is_pickled(file.read(9)):
            raise ValueError(
                f"{source}: not a safetensors file but a pickle or zip archive, as torch.save writes them. Reading it "
                "could run code, which dlcore does not do; where PyTorch is installed, convert it: "
                "safetensors.torch.save_file(torch.load(path), new_path), of a state dict"
            ) from None
        raise ValueError(f"{source}: not a valid safetensors file: {error}") from None


def _is_pickled(start: bytes) -> bool:
    """Whether a file that is no safetensors file begins as one of `torch.save`, or another pickle."""
    return start[:4] == b"PK\3\4" or (start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5" and start[2:8] != bytes(6))


class _FormatError(Exception):
    """What is wrong with a file, without its name."""


def _parse_header(file: IO[bytes], size: int) -> _Header:
    if size < 8:
        raise _FormatError(f"{size} bytes are too few for the length of a header")
    length = int.from_bytes(file.read(8), "little")
    if length > _MOST_HEADER:
        raise _FormatError(f"a header of {length} bytes; at most {_MOST_HEADER} are allowed")
    if length > size - 8:
        raise _FormatError(f"truncated: a header of {length} bytes in a file of {size}")
    text = file.read(length)
    if not text.startswith(b"{"):
        raise _FormatError("the header does not begin with '{'")
    try:
        header = json.loads(text.decode(), object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _FormatError(f"the header is not JSON: {error}") from None
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise _FormatError("__metadata__ must be strings by name")
    entries = {name: _entry(name, fields) for name, fields in header.items()}
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != end:
            trouble = "overlaps the one before" if entry.begin < end else f"leaves a gap of {entry.begin - end} bytes"
            raise _FormatError(f"tensor {name!r} {trouble}")
        end = entry.end
    if end != size - 8 - length:
        trouble = "truncated" if end > size - 8 - length else "too long"
        raise _FormatError(f"{trouble}: tensors take {end} bytes, {size - 8 - length} follow the header")
    return _Header(8 + length, entries, metadata)


def _entry(name: str, fields: object) -> _Entry:
    if not isinstance(fields, dict) or fields.keys() != {"dtype", "shape", "data_offsets"}:
        raise _FormatError(f"tensor {name!r} must have dtype, shape and data_offsets, and nothing else")
    kind, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(kind, str) or kind not in _SIZES:
        raise _FormatError(f"tensor {name!r} has dtype {kind!r}; known: {', '.join(_SIZES)}")
    if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2:
        raise _FormatError(f"tensor {name!r}: shape and data_offsets must be lists of whole numbers below 2**63")
    begin, end = offsets
    needed = math.prod(shape) * _SIZES[kind]
    if end - begin != needed:
        raise _FormatError(
            f"tensor {name!r}: shape {shape} of {kind} needs {needed} bytes, data_offsets give {end - begin}"
        )
    return _Entry(kind, tuple(shape), begin, end)


def _sizes(value: object) -> bool:
    """Whether JSON gave a list of sizes. ``true`` is an int to Python, but not a size."""
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def without_numpy(value: object) -> object:
    """An array as a tensor and a number of numpy as Python's; all else as it is.

    Example:
        >>> import numpy as np
        >>> without_numpy(np.ones(2)), without_numpy(np.float32(0.5))
        (tensor([1., 1.], dtype=dlcore.float64), 0.5)
    """
    import numpy as np

    if isinstance(value, np.generic):
        return value.item()
    return _core.as_tensor(np.ascontiguousarray(value)).reshape(value.shape) if isinstance(value, np.ndarray) else value
