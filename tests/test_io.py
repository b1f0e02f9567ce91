"""Files: what goes in comes out, and what a stranger made is not believed."""

import json
import os
import pickle
from argparse import Namespace
from io import BytesIO, StringIO

import dlcore
import numpy as np
import pytest
from dlcore import io, nn, optim

DTYPES = [
    "float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "bool",
]  # fmt: skip


def raw(path, header, data=b"", length=None):
    """A file with any header, given as an object or as text."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(shape=(1,), begin=0, end=4, dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (3, 7), (2, 3, 5)])
def test_round_trip(tmp_path, dtype, shape):
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2 == 0
    tensor = dlcore.tensor(values.tolist(), dtype=getattr(dlcore, dtype)).reshape(shape)
    io.write({"t": tensor, "u": dlcore.ones(3)}, tmp_path / "f")
    back = io.read(tmp_path / "f")["t"]
    assert back.dtype == tensor.dtype
    assert back.shape == shape
    assert dlcore.equal(back, tensor)


def test_views_are_saved_as_they_look(tmp_path):
    x = dlcore.arange(12.0).reshape(3, 4)
    io.write({"t": x.T, "step": x[:, ::2]}, tmp_path / "f")
    back = io.read(tmp_path / "f")
    assert back["t"].tolist() == x.T.tolist()
    assert back["step"].tolist() == x[:, ::2].tolist()


def test_other_readers_and_writers_agree(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    arrays = {
        "b": np.arange(6, dtype=np.int64).reshape(2, 3),
        "a": np.ones((3,), np.uint8),
        "c": np.ones((), np.float64),
    }
    io.write({name: dlcore.as_tensor(array) for name, array in arrays.items()}, tmp_path / "f", {"key": "ä"})
    for name, array in library.load_file(tmp_path / "f").items():
        assert array.dtype == arrays[name].dtype
        np.testing.assert_array_equal(array, arrays[name])
    library.save_file({"h": np.float16([1.5, -0.25, np.inf])}, tmp_path / "g")
    half = io.read(tmp_path / "g")["h"]
    assert (half.dtype, half.tolist()) == (dlcore.float16, [1.5, -0.25, np.inf])


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    header, data = {"t": entry((2,), 0, 4, "BF16")}, bytes.fromhex("803f20c1")
    tensor = io.read(raw(tmp_path / "f", header, data))["t"]
    assert (tensor.dtype, tensor.tolist()) == (dlcore.bfloat16, [1.0, -10.0])
    io.write({"t": tensor}, tmp_path / "g")
    assert (tmp_path / "g").read_bytes().endswith(data)


def test_every_tensor_starts_at_a_multiple_of_its_element(tmp_path):
    io.write({"a": dlcore.ones(3, dtype=dlcore.uint8), "b": dlcore.ones(1, dtype=dlcore.float64)}, tmp_path / "f")
    data = (tmp_path / "f").read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    assert json.loads(data[8 : 8 + length])["b"]["data_offsets"] == [0, 8]


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (b"[]", b"", "does not begin with"),
        (b"", b"", "does not begin with"),
        (b"{", b"", "not JSON"),
        (b"{}  \xff", b"", "not JSON"),
        (b'{"a":' + b"[" * 100_000, b"", "not JSON"),
        (b'{"a":NaN}', b"", "NaN is not JSON"),
        (b'{"a":1,"a":2}', b"", "'a' is there twice"),
        (b'{"a":' + b"9" * 5000 + b"}", b"", "not JSON"),
        ({"t": 3}, b"", "must have dtype, shape and data_offsets"),
        ({"t": {**entry(), "more": 1}}, b"0000", "nothing else"),
        ({"t": entry(dtype="F8")}, b"0000", "has dtype 'F8'"),
        ({"t": entry(dtype=["F32"])}, b"0000", "has dtype"),
        ({"t": entry([True])}, b"0000", "whole numbers"),
        ({"t": entry([1.0])}, b"0000", "whole numbers"),
        ({"t": entry([-1])}, b"0000", "whole numbers"),
        ({"t": entry([2**63, 0], 0, 0)}, b"", "whole numbers"),
        ({"t": entry([2**40, 2**40], 0, 4)}, b"0000", r"needs \d+ bytes, data_offsets give 4"),
        ({"t": entry([1], 4, 0)}, b"0000", "data_offsets give -4"),
        ({"t": entry([2], 0, 4)}, b"0000", "needs 8 bytes"),
        ({"t": entry([1], 4, 8)}, b"00000000", "leaves a gap of 4 bytes"),
        ({"t": entry(), "u": entry()}, b"0000", "overlaps"),
        ({"t": entry()}, b"000", "truncated: tensors take 4 bytes, 3 follow"),
        ({"t": entry()}, b"00000", "too long"),
        ({"t": entry([2**40], 0, 2**42)}, b"0000", "truncated"),
        ({"__metadata__": {"a": 1}}, b"", "__metadata__ must be strings"),
        ({"__metadata__": []}, b"", "__metadata__ must be strings"),
        ({"t": entry([1], 0, 1, "BOOL")}, b"\x02", "other than 0 and 1"),
    ],
)
def test_hostile_files_are_refused(tmp_path, header, data, message):
    path = raw(tmp_path / "f", header, data)
    with pytest.raises(ValueError, match=message) as caught:
        dlcore.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes are too few"),
        (b"1234567", "7 bytes are too few"),
        (b"\xff" * 8, "at most 100000000"),
        ((10**7).to_bytes(8, "little") + b"{}", "truncated: a header of 10000000 bytes"),
    ],
)
def test_files_that_end_before_the_header(tmp_path, content, message):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        dlcore.load(tmp_path / "f")


def test_every_truncation_is_noticed(tmp_path):
    dlcore.save(nn.Linear(3, 2).state_dict(), tmp_path / "f")
    whole = (tmp_path / "f").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "f").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="not a valid safetensors file"):
            dlcore.load(tmp_path / "f")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "model"
    dlcore.save({"t": dlcore.ones(1)}, path)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        dlcore.save({"t": dlcore.zeros(1)}, path)
    assert list(tmp_path.iterdir()) == [path]
    assert dlcore.load(path)["t"].item() == 1


def test_missing_folders_and_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot write m: the folder .*nowhere does not exist"):
        dlcore.save({"t": dlcore.ones(1)}, tmp_path / "nowhere" / "m")
    with pytest.raises(FileNotFoundError):
        dlcore.load(tmp_path / "m")


def test_checkpoint_with_optimizer(tmp_path):
    def made():
        dlcore.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        return model, optim.AdamW(model.parameters(), lr=0.1, amsgrad=True)

    def step(model, optimizer):
        optimizer.zero_grad()
        (model(dlcore.arange(12.0).reshape(4, 3)) ** 2).sum().backward()
        optimizer.step()

    model, optimizer = made()
    step(model, optimizer)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "best": float("inf")}
    dlcore.save(state, tmp_path / "c", {"note": "kept"})
    step(model, optimizer)
    other, its_optimizer = made()
    loaded = dlcore.load(tmp_path / "c")
    assert (loaded["epoch"], loaded["best"]) == (3, float("inf"))
    assert loaded["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)
    assert io.read_metadata(tmp_path / "c")["note"] == "kept"
    other.load_state_dict(loaded["model"])
    its_optimizer.load_state_dict(loaded["optimizer"])
    step(other, its_optimizer)
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert dlcore.equal(ours, theirs)


def test_file_objects_are_written_and_read(tmp_path):
    file, state = BytesIO(), {"model": nn.Linear(2, 1).state_dict(), "epoch": 3}
    dlcore.save(state, file)
    file.seek(0)
    loaded = dlcore.load(file)
    assert loaded["epoch"] == 3
    assert dlcore.equal(loaded["model"]["weight"], state["model"]["weight"])
    with (tmp_path / "f").open("wb") as out:
        dlcore.save(state, out)
    assert (tmp_path / "f").read_bytes() == file.getvalue()
    with (tmp_path / "f").open("rb") as back:
        assert dlcore.load(back)["epoch"] == 3
    with pytest.raises(TypeError, match="mode 'rb'"):
        dlcore.load(StringIO("text"))


@pytest.mark.parametrize("start", [b"PK\3\4" + bytes(20), pickle.dumps([1] * 9, 2), pickle.dumps([1] * 9)])
def test_pickles_are_called_by_their_name(tmp_path, start):
    (tmp_path / "model.pt").write_bytes(start)
    with pytest.raises(ValueError, match=r"model\.pt: .*torch\.save.*safetensors\.torch\.save_file"):
        dlcore.load(tmp_path / "model.pt")


def test_names_come_back_in_their_order():
    # wide elements stand first in the file; programs pair the items of two state dicts
    state = {"z": dlcore.zeros(1).half(), "b": dlcore.zeros(2).double(), "a": dlcore.zeros(3)}
    file = BytesIO()
    dlcore.save(state, file)
    assert list(dlcore.load(BytesIO(file.getvalue()))) == ["z", "b", "a"]
    assert [tuple(tensor.shape) for tensor in dlcore.load(BytesIO(file.getvalue())).values()] == [(1,), (2,), (3,)]


@pytest.mark.parametrize("value", [[1, dlcore.ones(2), (dlcore.zeros(1), None)], "text", 2.5, None, []])
def test_what_is_no_dictionary_is_saved_too(value):
    file = BytesIO()
    dlcore.save(value, file)
    assert repr(dlcore.load(BytesIO(file.getvalue()))) == repr(value)
    dlcore.save(dlcore.arange(3), file := BytesIO())
    assert dlcore.load(BytesIO(file.getvalue())).tolist() == [0, 1, 2]


def test_arrays_and_numbers_of_numpy_are_saved():
    file = BytesIO()
    dlcore.save({"a": np.arange(6.0).reshape(2, 3).T, "b": [np.float32(0.5), np.int64(3)], "c": np.array(2)}, file)
    loaded = dlcore.load(BytesIO(file.getvalue()))
    assert loaded["a"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert loaded["b"] == [0.5, 3]
    assert (loaded["c"].shape, loaded["c"].item()) == ((), 2)
    with pytest.raises(TypeError, match=r"save: a\.0 is an array that no tensor can hold: .*strings"):
        dlcore.save({"a": [np.array(["x"])]}, BytesIO())


def test_what_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"save: a\.1 is of type set"):
        dlcore.save({"a": [1, {2}]}, tmp_path / "f")
    with pytest.raises(TypeError, match="keys must be str or int"):
        dlcore.save({(1, 2): 3}, tmp_path / "f")
    model = nn.Linear(2, 1)
    with pytest.raises(TypeError, match=r"what is given is of type Linear; save its \.state_dict\(\).*pickle\.dump"):
        dlcore.save(model, tmp_path / "f")
    with pytest.raises(TypeError, match=r"save: optimizer is of type SGD; save its \.state_dict\(\)"):
        dlcore.save({"epoch": 1, "optimizer": optim.SGD(model.parameters())}, tmp_path / "f")
    with pytest.raises(TypeError, match=r"save: args is of type Namespace; save vars\(\) of it"):
        dlcore.save({"args": Namespace(lr=0.1)}, tmp_path / "f")
    with pytest.raises(TypeError, match="metadata must be strings"):
        dlcore.save({"a": dlcore.ones(1)}, tmp_path / "f", {"epoch": 3})
    with pytest.raises(ValueError, match="__metadata__"):
        dlcore.save({"__metadata__": dlcore.ones(1)}, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "structure",
    ["[", '{"tensor":"missing"}', '{"dict":[[[],1]]}', '{"a":1,"b":2}', '{"call":"os"}', "{}", '{"dict":1}'],
)
def test_a_hostile_structure_is_refused(tmp_path, structure):
    path = raw(tmp_path / "f", {"__metadata__": {"dlcore.structure": structure}})
    with pytest.raises(ValueError, match=r"dlcore\.structure is"):
        dlcore.load(path)


def test_arguments_of_pytorchs_programs(tmp_path):
    dlcore.save({"a": dlcore.ones(2)}, f=tmp_path / "a.safetensors", pickle_protocol=4)
    assert dlcore.load(f=tmp_path / "a.safetensors", map_location="cpu", mmap=True)["a"].tolist() == [1.0, 1.0]
