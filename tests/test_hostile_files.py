"""Files from strangers: any bytes give tensors or a ValueError that names the file, quickly and in little memory."""

import gzip
import json
import struct
import tracemalloc

import dlcore
import numpy as np
import pytest
from dlcore import datasets
from hypothesis import HealthCheck, given, settings, strategies as st

ONE_FOLDER = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_tensors(path):
    loaded = dlcore.io.read(path)
    dlcore.io.read_metadata(path)
    return list(loaded.values())


def read_idx(path):
    return [datasets.read_idx(path)]


def must_be_read_or_refused(read, path, content):
    path.write_bytes(content)
    tracemalloc.start()
    try:
        for tensor in read(path):
            assert tensor.sum().isfinite() is not None  # all of its memory is there
    except ValueError as error:
        refusal = str(error)
    else:
        refusal = str(path)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert str(path) in refusal
    assert peak < 16 << 20


def tensors_file():
    header = {
        "__metadata__": {"made": "by hand"},
        "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "half": {"dtype": "F16", "shape": [2], "data_offsets": [24, 28]},
        "n": {"dtype": "BOOL", "shape": [], "data_offsets": [28, 29]},
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + np.arange(6, dtype="<f4").tobytes() + b"\0\x3c\0\x40\1"


def idx_file():
    return bytes([0, 0, 0x0D, 2]) + struct.pack(">II", 2, 3) + np.arange(6, dtype=">f4").tobytes()


FORMATS = {
    "safetensors": (read_tensors, tensors_file()),
    "idx": (read_idx, idx_file()),
    "idx.gz": (read_idx, gzip.compress(idx_file(), mtime=0)),
}
each_format = pytest.mark.parametrize(("read", "content"), FORMATS.values(), ids=FORMATS)


@each_format
def test_the_file_itself_is_fine(read, content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert read(path)[0].tolist() == [[0, 1, 2], [3, 4, 5]]


@each_format
def test_every_truncation_is_refused(read, content, tmp_path):
    path = tmp_path / "file"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="file"):
            read(path)


@each_format
@ONE_FOLDER
@given(data=st.data())
def test_changed_bytes(read, content, tmp_path, data):
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        kind = data.draw(st.sampled_from(["set", "insert", "delete", "digit"]))
        if kind == "set":
            changed[at] = data.draw(st.integers(0, 255))
        elif kind == "insert":
            changed[at:at] = data.draw(st.binary(min_size=1, max_size=9))
        elif kind == "delete" and len(changed) > 9:
            del changed[at : at + data.draw(st.integers(1, 8))]
        elif chr(changed[at]).isdigit():
            changed[at : at + 1] = data.draw(
                st.sampled_from([b"-1", b"9223372036854775808", b"1e3", b"0.5", b"[]", b"true", b"99999999999"])
            )
    must_be_read_or_refused(read, tmp_path / "file", bytes(changed))


@each_format
@ONE_FOLDER
@given(noise=st.binary(max_size=200))
def test_noise(read, content, tmp_path, noise):
    must_be_read_or_refused(read, tmp_path / "file", noise)
    must_be_read_or_refused(read, tmp_path / "file", content + noise)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
sizes = st.sampled_from([0, 1, 3, 24, -1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64])
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F64", "I64", "I32", "U8", "BOOL", "F16", "BF16", "F8_E4M3", "I16", ""]),
        "shape": st.lists(sizes, max_size=5) | json_values,
        "data_offsets": st.lists(sizes, min_size=2, max_size=2) | json_values,
    }
)


@ONE_FOLDER
@given(
    header=st.dictionaries(st.text(max_size=6) | st.just("__metadata__"), entries | json_values, max_size=3),
    body=st.binary(max_size=48),
)
def test_headers_that_claim_anything(tmp_path, header, body):
    text = json.dumps(header).encode()
    must_be_read_or_refused(read_tensors, tmp_path / "file", len(text).to_bytes(8, "little") + text + body)


@ONE_FOLDER
@given(
    kind=st.integers(0, 255),
    shape=st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 3), max_size=8),
    body=st.binary(max_size=64),
    packed=st.booleans(),
)
def test_idx_headers_that_claim_anything(tmp_path, kind, shape, body, packed):
    content = bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + body
    must_be_read_or_refused(read_idx, tmp_path / "file", gzip.compress(content) if packed else content)


def test_a_bomb_of_zeros_is_not_unpacked_beyond_what_its_header_says(tmp_path):
    bomb = gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 5) + bytes(40 << 20), compresslevel=1)
    must_be_read_or_refused(read_idx, tmp_path / "file", bomb)


def test_deep_nesting_is_refused(tmp_path):
    text = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    must_be_read_or_refused(read_tensors, tmp_path / "file", len(text).to_bytes(8, "little") + text)


def test_checkpoints_from_strangers(tmp_path):
    path = tmp_path / "file.safetensors"
    for content in (b"", b"\0" * 8, b"\x80\x04K\x01.", b"PK\x03\x04" + bytes(100), tensors_file()[:-1]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="file"):
            dlcore.load(path)


def test_a_folder_is_no_file(tmp_path):
    for read in (dlcore.load, datasets.read_idx):
        with pytest.raises(OSError, match=str(tmp_path)):
            read(tmp_path)
