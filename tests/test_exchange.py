"""Memory shared with others: numpy, ``memoryview``, ``array.array``, DLPack, torch. No copies, no dangling memory."""

import array
import ctypes
import gc
import weakref

import dlcore
import numpy as np
import pytest
from dlcore import DTypeError, GradientError

DTYPES = [
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64",
]  # fmt: skip
VIEWS = {
    "whole": lambda a: a,
    "transposed": lambda a: a.T,
    "backwards": lambda a: a[::-1, ::-2],
    "column": lambda a: a[:, 1],
    "element": lambda a: a[1, 2, ...],
    "nothing": lambda a: a[:, 3:3],
    "repeated": lambda a: np.broadcast_to(a[0], (3, *a[0].shape)),
}


def numbers(dtype, shape=(3, 4)):
    return (np.arange(np.prod(shape)) % (2 if dtype == "bool" else 100)).astype(dtype).reshape(shape)


@pytest.fixture(params=["buffer", "dlpack"])
def borrow(request):
    """How a tensor borrows an array."""
    return {"buffer": dlcore.from_numpy, "dlpack": dlcore.from_dlpack}[request.param]


@pytest.fixture(params=["buffer", "dlpack"])
def lend(request):
    """How an array borrows a tensor."""
    return {"buffer": np.asarray, "dlpack": np.from_dlpack}[request.param]


def borrow_read_only(borrow, source):
    try:
        return borrow(source)
    except BufferError:
        pytest.skip("numpy lends read-only memory by DLPack since 2.1")


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_borrowed_arrays_are_not_copied(borrow, dtype, view):
    source = view(numbers(dtype))
    tensor = borrow_read_only(borrow, source)
    assert (tensor.shape, str(tensor.dtype)) == (source.shape, f"dlcore.{dtype}")
    assert tensor.tolist() == source.tolist()
    if source.size:
        assert tensor.data_ptr() == source.ctypes.data
        assert tensor.stride() == tuple(step // source.itemsize for step in source.strides)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "view",
    [
        lambda t: t,
        lambda t: t.T,
        lambda t: t[::-1, ::-2],
        lambda t: t[1, 2],
        lambda t: t[:, 3:3],
        lambda t: t[0].expand(3, 4),
    ],
    ids=["whole", "transposed", "backwards", "element", "nothing", "repeated"],
)
def test_lent_tensors_are_not_copied(lend, dtype, view):
    tensor = view(dlcore.tensor(numbers(dtype)))
    got = lend(tensor)
    assert (got.shape, got.dtype) == (tensor.shape, np.dtype(dtype))
    assert got.tolist() == tensor.tolist()
    if got.size:
        assert got.ctypes.data == tensor.data_ptr()


def test_writes_are_seen_by_both_sides(borrow, lend):
    source = np.zeros((2, 3), dtype=np.float32)
    tensor = borrow(source)
    source[0, 1] = 5
    tensor[1] = 7.0
    assert tensor.tolist() == source.tolist() == [[0, 5, 0], [7, 7, 7]]
    back = lend(tensor)
    tensor.mul_(2.0)
    assert back.tolist() == source.tolist() == [[0, 10, 0], [14, 14, 14]]
    assert back.ctypes.data == source.ctypes.data


def test_the_borrower_keeps_the_memory_alive(borrow):
    source = np.full(100_000, 3.0)
    owner = weakref.ref(source)
    tensor = borrow(source)[::2]
    del source
    gc.collect()
    assert owner() is not None
    assert tensor.sum().item() == 150_000
    del tensor
    gc.collect()
    assert owner() is None


def test_the_lender_may_go_first(lend):
    before = dlcore.memory.stats()["live_bytes"]
    tensor = dlcore.full((100_000,), 3.0)
    got = lend(tensor)
    del tensor
    junk = [dlcore.zeros(100_000) for _ in range(3)]
    assert (got == 3.0).all()
    del got, junk
    gc.collect()
    assert dlcore.memory.stats()["live_bytes"] == before


@pytest.mark.parametrize("version", [None, (1, 0), (1, 1)])
def test_a_capsule_that_nobody_consumes_gives_its_memory_back(version):
    before = dlcore.memory.stats()["live_bytes"]
    for _ in range(10):
        dlcore.ones(1000).__dlpack__(max_version=version)
    gc.collect()
    assert dlcore.memory.stats()["live_bytes"] == before


@pytest.mark.parametrize("version", [None, (1, 0)])
def test_a_capsule_is_consumed_once(version):
    capsule = dlcore.ones(3).__dlpack__(max_version=version)
    assert dlcore.from_dlpack(capsule).tolist() == [1, 1, 1]
    with pytest.raises(BufferError, match="consumed already"):
        dlcore.from_dlpack(capsule)


def test_a_dlpack_copy_is_a_copy():
    tensor = dlcore.ones(3)
    copy = dlcore.from_dlpack(tensor, copy=True)
    copy.zero_()
    assert tensor.tolist() == [1, 1, 1]
    assert dlcore.from_dlpack(tensor).data_ptr() == tensor.data_ptr()
    assert tensor.__dlpack_device__() == (1, 0)


def test_read_only_memory_is_never_written(borrow):
    source = np.arange(3.0)
    source.flags.writeable = False
    tensor = borrow_read_only(borrow, source)
    assert (tensor + 1).tolist() == [1, 2, 3]
    for write in (tensor.zero_, lambda: tensor.add_(1), lambda: tensor[1:].fill_(0), lambda: tensor.__setitem__(0, 5)):
        with pytest.raises(ValueError, match="read-only"):
            write()
    assert not np.asarray(tensor).flags.writeable
    assert memoryview(tensor).readonly
    assert dlcore.from_numpy(np.asarray(tensor)).tolist() == [0, 1, 2]


def test_bytes_are_read_only_and_bytearrays_are_not():
    constant = dlcore.frombuffer(b"\1\2\3\4", dtype=dlcore.uint8)
    with pytest.raises(ValueError, match="read-only"):
        constant.zero_()
    storage = bytearray(8)
    dlcore.frombuffer(storage, dtype=dlcore.int32)[1] = -1
    assert storage == b"\0\0\0\0\xff\xff\xff\xff"
    assert dlcore.frombuffer(storage, dtype=dlcore.uint8, count=2, offset=3).tolist() == [0, 255]


def test_other_owners_of_buffers():
    numbers = array.array("d", [1.0, 2.0, 3.0])
    tensor = dlcore.as_tensor(numbers)
    tensor[0] = 9.0
    assert numbers[0] == 9.0
    assert dlcore.tensor(memoryview(b"\1\2")).tolist() == [1, 2]
    with pytest.raises(BufferError):
        numbers.append(4.0)  # would move the memory away under the tensor


def test_bytes_of_a_tensor():
    x = dlcore.arange(6, dtype=dlcore.uint8).reshape(2, 3)
    assert bytes(x) == bytes(range(6))
    assert bytes(x.T) == bytes([0, 3, 1, 4, 2, 5])
    with pytest.raises(TypeError, match="an index"):
        range(x)


def test_memoryview_of_a_tensor():
    view = memoryview(dlcore.tensor([[1, 2], [3, 4]], dtype=dlcore.int32).T)
    assert (view.shape, view.strides, view.format, view.itemsize) == ((2, 2), (4, 8), "i", 4)
    assert view.tolist() == [[1, 3], [2, 4]]
    with pytest.raises(BufferError, match="contiguous"):
        hash_of_contiguous(dlcore.zeros(2, 3).T)


def hash_of_contiguous(tensor):
    import hashlib

    return hashlib.sha256(tensor)


def test_what_requires_a_gradient_is_not_lent():
    x = dlcore.zeros(3, requires_grad=True)
    with pytest.raises(GradientError, match=r"detach\(\)\.numpy\(\)"):
        x.numpy()
    with pytest.raises(GradientError, match="detach"):
        np.asarray(x)
    for lend in (memoryview, np.from_dlpack):
        with pytest.raises(BufferError, match="detach"):
            lend(x)
    assert x.numpy(force=True).ctypes.data == x.detach().numpy().ctypes.data == x.data_ptr()


def test_array_protocol_converts_and_copies_when_asked():
    tensor = dlcore.ones(3)
    assert np.asarray(tensor).ctypes.data == tensor.data_ptr()
    assert np.array(tensor).ctypes.data != tensor.data_ptr()
    assert np.asarray(tensor, dtype=np.int8).dtype == np.int8
    assert np.add(tensor, np.ones(3, dtype=np.float32)).tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="copy"):
        tensor.__array__(np.float64, copy=False)


def test_what_numpy_computes_with_a_tensor_is_a_tensor():
    tensor = dlcore.ones(3)
    assert isinstance(tensor * np.ones(3), dlcore.Tensor)
    assert isinstance(np.sin(tensor), dlcore.Tensor)
    assert isinstance(np.ones(3) * tensor, dlcore.Tensor)
    whole, fraction = np.divmod(tensor, 2)
    assert isinstance(np.add.reduce(tensor), dlcore.Tensor)
    assert isinstance(np.sin(tensor[0]), dlcore.Tensor)
    assert all(isinstance(x, dlcore.Tensor) for x in (whole, fraction))


OPERATORS = {"add", "subtract", "multiply", "divide", "remainder", "power"}
WITHOUT_GRADIENT = {"floor_divide", "less", "equal", "greater_equal"}


@pytest.mark.parametrize("name", sorted(OPERATORS | WITHOUT_GRADIENT))
def test_numpys_operators_are_the_tensors_own(name):
    tensor, array = dlcore.tensor([1.0, 2.0, 5.0], requires_grad=True), np.array([2.0, 3.0, 2.0])
    for arguments in ((tensor, array), (array, tensor), (tensor, 2), (np.float64(2), tensor)):
        found = getattr(np, name)(*arguments)
        assert isinstance(found, dlcore.Tensor)
        assert found.requires_grad == (name in OPERATORS)
        plain = [x.detach().numpy() if isinstance(x, dlcore.Tensor) else x for x in arguments]
        np.testing.assert_allclose(found.detach().numpy(), getattr(np, name)(*plain), rtol=1e-6)


def test_what_numpy_would_detach_is_refused():
    tensor, array = dlcore.ones(3, requires_grad=True), np.ones(3)
    for lose in (
        lambda: np.sin(tensor),
        lambda: np.add.reduce(tensor),
        lambda: np.multiply.outer(array, tensor),
        lambda: np.add(array, tensor, out=array),
        lambda: array.__iadd__(tensor),
    ):
        with pytest.raises(GradientError, match=r"numpy\.\w+ would compute with a tensor that requires a gradient"):
            lose()
    assert array.tolist() == [1, 1, 1]
    assert (tensor * array).requires_grad
    assert (array * tensor).requires_grad


def test_arrays_take_tensors_in_place():
    array = view = np.ones(3)
    array += dlcore.ones(3)
    assert array is view
    assert array.tolist() == [2, 2, 2]


def test_numpy_does_not_write_to_tensors():
    tensor = dlcore.ones(3)
    for write in (lambda: np.sin(np.ones(3), out=tensor), lambda: np.add.at(tensor, [0], 1)):
        with pytest.raises(TypeError, match="does not write to tensors"):
            write()
    assert tensor.tolist() == [1, 1, 1]


UNSUITABLE = {
    "object": (np.array([None]), "object array"),
    "string": (np.array(["a"]), "strings"),
    "bytes": (np.array([b"ab"]), "strings"),
    "complex": (np.zeros(2, "c8"), "complex"),
    "big-endian": (np.zeros(2, ">f4"), "byte order"),
    "structured": (np.zeros(2, [("a", "f4")]), "structured"),
    "dates": (np.zeros(2, "M8[s]"), "datetime64"),
}


@pytest.mark.parametrize("make", [dlcore.from_numpy, dlcore.tensor, dlcore.as_tensor])
@pytest.mark.parametrize(("source", "what"), UNSUITABLE.values(), ids=UNSUITABLE)
def test_arrays_that_no_dtype_fits(make, source, what):
    with pytest.raises(DTypeError, match=what):
        make(source)


def test_unaligned_memory_is_refused():
    storage = np.zeros(9, dtype=np.uint8)
    unaligned = storage[1:].view(np.float32)
    with pytest.raises(ValueError, match="aligned"):
        dlcore.from_numpy(unaligned)
    with pytest.raises(ValueError, match="aligned"):
        dlcore.frombuffer(storage, dtype=dlcore.float32, count=1, offset=1)


def test_torch_and_dlcore_share_memory():
    torch = pytest.importorskip("torch")
    for dtype in (
        torch.bool,
        torch.uint8,
        torch.int32,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
    ):
        source = torch.zeros(3, 4, dtype=dtype).T
        tensor = dlcore.from_dlpack(source)
        assert (tensor.data_ptr(), tensor.stride()) == (source.data_ptr(), source.stride())
        tensor[1, 2] = 1
        assert source[1, 2] == 1
        back = torch.from_dlpack(tensor)
        assert (back.data_ptr(), back.dtype) == (source.data_ptr(), dtype)
        back[0, 0] = 1
        assert tensor[0, 0].item() == 1
    lone = torch.from_dlpack(dlcore.ones(1000))
    gc.collect()
    assert lone.sum() == 1000


class _Capsule:
    """A producer of legacy DLPack capsules with any shape and strides, over eight float32 numbers."""

    def __init__(self, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        class Described(ctypes.Structure):
            _fields_ = (
                ("data", ctypes.c_void_p),
                ("device", ctypes.c_int32 * 2),
                ("ndim", ctypes.c_int32),
                ("code", ctypes.c_uint8),
                ("bits", ctypes.c_uint8),
                ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("byte_offset", ctypes.c_uint64),
                ("context", ctypes.c_void_p),
                ("deleter", ctypes.c_void_p),
            )

        numbers = ctypes.c_int64 * len(shape)
        self.data, self.shape, self.strides = (ctypes.c_float * 8)(*range(8)), numbers(*shape), numbers(*strides)
        address = ctypes.addressof(self.data)
        self.described = Described(
            address, (ctypes.c_int32 * 2)(1, 0), len(shape), 2, 32, 1, self.shape, self.strides, 0, None, None
        )

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __dlpack__(self, **_: object) -> object:
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return new(ctypes.addressof(self.described), b"dltensor", None)


def test_arrow_arrays_are_not_copied():
    arrow = pytest.importorskip("pyarrow")
    source = arrow.array([1.5, 2.5, 3.5])
    tensor = dlcore.from_dlpack(source)
    assert tensor.tolist() == [1.5, 2.5, 3.5]
    assert tensor.data_ptr() == source.buffers()[1].address
    back = arrow.array(tensor.numpy())
    assert back.buffers()[1].address == tensor.data_ptr()
    assert back.equals(source)
    lone = arrow.array(dlcore.ones(1000).numpy())
    gc.collect()
    assert lone.to_pylist() == [1.0] * 1000


def test_layouts_that_no_memory_holds_are_refused():
    good = _Capsule((2, 4), (4, 1))
    assert dlcore.from_dlpack(good).tolist() == [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]
    with pytest.raises(ValueError, match="negative extent"):
        dlcore.from_dlpack(_Capsule((2, -4), (4, 1)))
    with pytest.raises(ValueError, match="too many elements"):
        dlcore.from_dlpack(_Capsule((2**40, 2**40), (1, 1)))
    with pytest.raises(ValueError, match="beyond all memory"):
        dlcore.from_dlpack(_Capsule((3, 4), (2**62, 1)))


def test_owners_that_leave_out_strides_lend_row_after_row():
    numbers = (ctypes.c_float * 3 * 2)((1, 2, 3), (4, 5, 6))
    assert dlcore.tensor(numbers).tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    dlcore.as_tensor(numbers)[1, 0] = 7
    assert numbers[1][0] == 7


def test_scalars_of_numpy_become_tensors_of_their_own():
    for make in (dlcore.as_tensor, dlcore.asarray):
        x = make(np.float64(2))
        assert x.dtype == dlcore.float64
        assert x.mul_(3).item() == 6
    assert dlcore.as_tensor(np.int16(2)).dtype == dlcore.int16


def test_a_tensor_of_the_dtype_is_returned_itself():
    x = dlcore.ones(2)
    assert dlcore.as_tensor(x) is x
    assert dlcore.as_tensor(x, dtype=dlcore.float32) is x
    assert dlcore.as_tensor(x, dtype=dlcore.float64).dtype == dlcore.float64


def test_arrays_of_integers_are_of_numpys_own_dtypes():
    for name in ("int64", "uint64"):
        array = dlcore.ones(2, dtype=getattr(dlcore, name)).numpy()
        assert array.dtype.char == np.dtype(name).char
        assert repr(array) == repr(np.ones(2, name))
