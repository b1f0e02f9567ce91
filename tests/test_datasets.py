"""Data sets: the digits in the wheel, and files in MNIST's format from careless or hostile hands."""

import gzip
import hashlib
import struct

import dlcore
import pytest
from dlcore import datasets


def idx(shape, data=None, kind=0x08, magic=b"\0\0"):
    size = 1
    for extent in shape:
        size *= extent
    body = bytes(i % 251 for i in range(size)) if data is None else data
    return magic + bytes([kind, len(shape)]) + b"".join(struct.pack(">I", n) for n in shape) + body


def packed(content):
    return gzip.compress(content, mtime=0)  # the same in every process: it is part of tests' names


def pair(folder, name, count, zipped=False):
    for kind, content in (("images-idx3", idx((count, 2, 3))), ("labels-idx1", idx((count,)))):
        if zipped:
            (folder / f"{name}-{kind}-ubyte.gz").write_bytes(packed(content))
        else:
            (folder / f"{name}-{kind}-ubyte").write_bytes(content)


def test_digits_are_those_of_uci():
    images, labels = datasets.digits()
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == dlcore.float32
    assert labels.dtype == dlcore.int64
    assert images.min().item() == 0
    assert images.max().item() == 1
    assert [(labels == digit).sum().item() for digit in range(10)] == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    pixels = (images * 16).to(dlcore.uint8).numpy().tobytes()
    header = struct.pack(">IIII", 0x803, 1797, 8, 8)
    expected = "359cd13f0f514122884198b78a131df597421cbf5e93a76678fa96fc548f0d96"
    assert hashlib.sha256(header + pixels).hexdigest() == expected


@pytest.mark.parametrize(
    ("kind", "code", "dtype", "values"),
    [
        (0x08, "B", dlcore.uint8, [0, 7, 255]),
        (0x0C, "i", dlcore.int32, [-1, 7, 2**31 - 1]),
        (0x0D, "f", dlcore.float32, [0.5, -2.0, 1e30]),
        (0x0E, "d", dlcore.float64, [0.1, -2.0, 1e300]),
    ],
)
def test_types(tmp_path, kind, code, dtype, values):
    (tmp_path / "f").write_bytes(idx((3,), struct.pack(f">3{code}", *values), kind))
    read = datasets.read_idx(tmp_path / "f")
    assert read.dtype == dtype
    assert read.tolist() == pytest.approx(values)


@pytest.mark.parametrize("shape", [(0,), (4, 0, 2), (2, 3, 5), (1, 1, 1, 1, 1)])
@pytest.mark.parametrize("zipped", [False, True])
def test_shapes(tmp_path, shape, zipped):
    content = idx(shape)
    (tmp_path / "f").write_bytes(packed(content) if zipped else content)
    assert datasets.read_idx(tmp_path / "f").shape == shape


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file: it begins with nothing"),
        (b"\x89PNG\r\n", "not an IDX file: it begins with 89 50 4e 47"),
        (b"\0\0\x08\0", "not an IDX file"),
        (b"\0\0\x08\xff" + b"\xff" * 1020, "not an IDX file"),
        (idx((3,), kind=0x0B), "type 0x0b is not one"),
        (idx((3,))[:6], "truncated: the header of 1 dimensions ends after 2 bytes"),
        (idx((3,))[:-1], "truncated"),
        (idx((3,)) + b"!", r"too long: shape \(3,\) needs 3 bytes"),
        (idx((2**32 - 1,) * 4, b"abc"), "cannot hold"),
        (packed(idx((2**32 - 1, 2**31), b"abc")), "cannot hold"),
        (packed(idx((3,)))[:-5], "broken gzip"),
        (packed(idx((3,)))[:12], "broken gzip"),
        (packed(idx((30,)))[:-12] + b"\0" * 12, "broken gzip"),
        (b"\x1f\x8b" + b"\xff" * 20, "broken gzip"),
        (packed(idx((3,)) + b"\0" * 1_000_000), "too long"),
        (packed(idx((3_000,), b"\0" * 2_999)), "truncated"),
    ],
)
def test_broken_files_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "some-file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        datasets.read_idx(path)
    assert str(caught.value).startswith(str(path))


def test_a_gzip_bomb_takes_no_more_memory_than_its_header_says(tmp_path):
    import tracemalloc

    (tmp_path / "bomb").write_bytes(packed(idx((8,), b"\0" * 50_000_000)))
    tracemalloc.start()
    with pytest.raises(ValueError, match="too long"):
        datasets.read_idx(tmp_path / "bomb")
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_one_pair_holds_out_the_last_fifth(tmp_path):
    pair(tmp_path, "t10k", 10, zipped=True)
    train, test = datasets.idx_folder(tmp_path)
    assert (len(train), len(test)) == (8, 2)
    assert test.tensors[1].tolist() == [8, 9]
    image, label = train[1]
    assert image.shape == (1, 2, 3)
    assert image[0, 0].tolist() == pytest.approx([6 / 255, 7 / 255, 8 / 255])
    assert label.dtype == dlcore.int64


def test_two_pairs_are_used_as_they_are(tmp_path):
    pair(tmp_path, "train", 7)
    pair(tmp_path, "t10k", 3, zipped=True)
    assert [len(part) for part in datasets.idx_folder(str(tmp_path))] == [7, 3]


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is not a folder; expected \{train,t10k\}-"):
        datasets.idx_folder(tmp_path / "nowhere")
    (tmp_path / "readme.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"holds readme\.txt; expected"):
        datasets.idx_folder(tmp_path)
    pair(tmp_path, "train", 5)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="without its other half"):
        datasets.idx_folder(tmp_path)


def test_images_and_labels_must_belong_together(tmp_path):
    pair(tmp_path, "train", 5)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx((4,)))
    with pytest.raises(ValueError, match="5 images but 4 labels"):
        datasets.idx_folder(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx((5, 1)))
    with pytest.raises(ValueError, match=r"expected bytes of shape \(N, H, W\) and \(N,\)"):
        datasets.idx_folder(tmp_path)
    pair(tmp_path, "train", 1)
    with pytest.raises(ValueError, match="leaves one side empty"):
        datasets.idx_folder(tmp_path)
