"""The same bits whatever the number of threads, and float32 the same with AVX2 as with AVX-512.

Work is split by shape alone, so only inputs that are large enough to be split can tell: examples of the registry grown
until kernels use threads, and calls written out for what the examples cannot grow into.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from cases import OPERATIONS, cases, results
from dlcore import _core, nn, optim

THREADS = [1, 2, 3, 7]

# Views, which compute nothing, and what has a case below instead because parameters hold the example's own extents.
NOT_GROWN = {"reshape", "expand", "slice_scatter", "as_strided_scatter", "avg_pool2d_grad",
             "resample", "im2col", "grid_sample",
             "conv2d_grad_input", "conv2d_grad_weight", "recurrent", "cross"}  # fmt: skip


@pytest.fixture(autouse=True)
def threads():
    before = dlcore.get_num_threads()
    yield
    dlcore.set_num_threads(before)


def assert_same_bits(compute, *arguments):
    """The arrays that `compute` returns have the same bits on any number of threads."""
    first, *others = [bits_on(threads, compute, *arguments) for threads in THREADS]
    for threads, other in zip(THREADS[1:], others, strict=True):
        same = other == first  # compared out here, for pytest would print megabytes
        assert same, f"{threads} threads differ from one"


def bits_on(threads, compute, *arguments):
    dlcore.set_num_threads(threads)
    return [x.tobytes() for x in compute(*arguments)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_on_any_number_of_threads(name):
    grown = 0
    for case in cases(name):
        for dtype in ["float32", "float64"]:
            assert_same_bits(results, case, case.arrays(dtype))
        if large := case.grown(300_000):
            grown += 1
            assert_same_bits(results, large, large.arrays("float32"))
    assert grown or name in NOT_GROWN


def noise(*shape):
    return np.random.default_rng(3).standard_normal(shape).astype("float32")


def test_cross_products_on_any_number_of_threads():
    a, b = noise(100_000, 3), noise(100_000, 3)
    assert_same_bits(lambda: [dlcore.linalg.cross(dlcore.from_numpy(a), dlcore.from_numpy(b), dim=1).numpy()])


def with_gradients(function, *arrays):
    """What a function of tensors gives, and the gradients of its weighted sum."""

    def compute():
        tensors = [dlcore.tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
        output = function(*tensors)
        output.backward(dlcore.tensor(noise(*output.shape)))
        return [output.detach().numpy(), *(t.grad.numpy() for t in tensors if t.requires_grad)]

    return compute


def seeded(function):
    """What a function that draws random numbers gives from one seed."""

    def compute():
        dlcore.manual_seed(5)
        return [t.numpy() for t in function()]

    return compute


def _conv(**options):
    return lambda x, w, b: F.conv2d(x, w, b, **options)


_IDS = np.random.default_rng(4).integers(0, 50, 30_000)
_LABELS = np.random.default_rng(5).integers(0, 1003, 129)

LARGE = {
    "matmul of odd sizes": with_gradients(dlcore.matmul, noise(257, 129), noise(129, 511)),
    "matmul that is deep": with_gradients(dlcore.matmul, noise(17, 10_007), noise(10_007, 9)),
    "matmul that is deep and narrow": with_gradients(dlcore.matmul, noise(8, 20_000), noise(20_000, 16)),
    "matmul of few rows": with_gradients(dlcore.matmul, noise(5, 650), noise(650, 611)),
    "matmul of two tasks": with_gradients(dlcore.matmul, noise(110, 110), noise(110, 110)),
    "matmul of a batch": with_gradients(dlcore.matmul, noise(7, 1, 33, 65), noise(5, 65, 31)),
    "matrix times vector": with_gradients(lambda a, x: a @ x, noise(513, 1025), noise(1025)),
    "vector times matrix": with_gradients(lambda x, a: x @ a, noise(1025), noise(1025, 513)),
    "linear": with_gradients(F.linear, noise(64, 784), noise(128, 784), noise(128)),
    "conv2d": with_gradients(_conv(padding=1), noise(9, 3, 33, 31), noise(17, 3, 3, 3), noise(17)),
    "conv2d with steps": with_gradients(
        _conv(stride=2, padding=2, dilation=(1, 2)), noise(5, 8, 29, 30), noise(16, 8, 5, 3), noise(16)
    ),
    "conv2d in groups": with_gradients(_conv(groups=4), noise(5, 16, 28, 28), noise(24, 4, 3, 3), noise(24)),
    "conv2d of each channel": with_gradients(
        _conv(groups=32, padding=1), noise(5, 32, 28, 28), noise(32, 1, 3, 3), noise(32)
    ),
    "max_pool2d": with_gradients(lambda x: F.max_pool2d(x, 3, 2, 1), noise(7, 16, 41, 43)),
    "avg_pool2d": with_gradients(lambda x: F.avg_pool2d(x, 3, 2, 1), noise(7, 16, 41, 43)),
    "max_pool1d": with_gradients(lambda x: F.max_pool1d(x, 3, 2, 1), noise(7, 16, 1003)),
    "adaptive_max_pool2d": with_gradients(lambda x: F.adaptive_max_pool2d(x, (7, 5)), noise(7, 16, 41, 43)),
    "adaptive_avg_pool2d": with_gradients(lambda x: F.adaptive_avg_pool2d(x, (7, 5)), noise(7, 16, 41, 43)),
    **{
        f"interpolate, {mode}": with_gradients(
            lambda x, m=mode: F.interpolate(x, size=(171, 90), mode=m), noise(2, 5, 91, 127)
        )
        for mode in ["bilinear", "bicubic", "area"]
    },
    "fold": with_gradients(lambda x: F.fold(F.unfold(x, 3, 1, 1), (63, 65), 3, 1, 1), noise(3, 5, 63, 65)),
    **{
        f"grid_sample, {mode}": with_gradients(
            lambda x, g, m=mode: F.grid_sample(x, g, m), noise(3, 5, 41, 43), noise(3, 57, 61, 2)
        )
        for mode in ["bilinear", "nearest", "bicubic"]
    },
    **{
        f"{name} over {dim}": with_gradients(lambda x, n=name, d=dim: getattr(dlcore, n)(x, dim=d), noise(67, 129, 65))
        for name in ["sum", "mean", "amax", "logsumexp", "var"]
        for dim in [0, 1, 2, (0, 2), (0, 1, 2)]
    },
    "softmax of many rows": with_gradients(lambda x: dlcore.softmax(x, 1), noise(8191, 17)),
    "softmax of few rows": with_gradients(lambda x: dlcore.log_softmax(x, 1), noise(3, 100_003)),
    "softmax of columns": with_gradients(lambda x: dlcore.softmax(x, 0), noise(513, 257)),
    "attention": with_gradients(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        noise(2, 3, 301, 24),
        noise(2, 3, 301, 24),
        noise(2, 3, 301, 16),
    ),
    "layer_norm": with_gradients(
        lambda x, w, b: F.layer_norm(x, (257,), w, b), noise(513, 257), noise(257), noise(257)
    ),
    "group_norm": with_gradients(lambda x, w, b: F.group_norm(x, 4, w, b), noise(9, 16, 29, 31), noise(16), noise(16)),
    "batch_norm": with_gradients(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), noise(33, 16, 29, 31), noise(16), noise(16)
    ),
    "cross_entropy": with_gradients(lambda x: F.cross_entropy(x, dlcore.tensor(_LABELS)), noise(129, 1003)),
    "mse_loss": with_gradients(F.mse_loss, noise(257, 1025), noise(257, 1025)),
    "embedding": with_gradients(lambda w: F.embedding(dlcore.tensor(_IDS), w), noise(50, 17)),
    "scatter_add": with_gradients(lambda x: dlcore.zeros(50).scatter_add(0, dlcore.tensor(_IDS), x), noise(len(_IDS))),
    "cumprod": with_gradients(lambda x: dlcore.cumprod(1 + x / 1000, 0), noise(4099, 65)),
    "cumsum": with_gradients(lambda x: dlcore.cumsum(x, 1), noise(65, 4099)),
    "broadcast sum of gradients": with_gradients(lambda x, b: x * b, noise(129, 65, 33), noise(65, 1)),
    "copy of a transposed tensor": with_gradients(lambda x: x.permute(2, 0, 1).contiguous(), noise(65, 129, 33)),
    "reshape of a transposed tensor": with_gradients(lambda x: x.t().reshape(-1), noise(513, 515)),
    "random numbers": seeded(
        lambda: [
            dlcore.randn(100_003),
            dlcore.rand(100_003, dtype=dlcore.float64),
            dlcore.randint(0, 1000, (100_003,)),
            dlcore.randperm(10_007),
            dlcore.bernoulli(dlcore.full((100_003,), 0.3)),
        ]
    ),
    "dropout": seeded(lambda: [F.dropout(dlcore.ones(100_003), 0.3), F.dropout(dlcore.ones(513, 257), 0.5)]),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_inputs_on_any_number_of_threads(name):
    assert_same_bits(LARGE[name])


def train():
    """The weights after three steps of a small convolutional network."""
    dlcore.manual_seed(11)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.GELU(), nn.Dropout(0.2), nn.LayerNorm(120), nn.Linear(120, 10),
    )  # fmt: skip
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(3):
        x, y = dlcore.randn(64, 1, 28, 28), dlcore.randint(0, 10, (64,))
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return [value.numpy() for value in model.state_dict().values()]


def test_training_on_any_number_of_threads():
    assert_same_bits(train)


# --- instruction sets: each needs a process of its own --------------------------------------------------------------


def digest(arrays):
    return hashlib.sha256(b"".join(x.tobytes() for x in arrays)).hexdigest()


def digests():
    """The instruction set in use, and for every example and every large input a hash of its float32 results."""
    out = (
        {"isa": _core.isa()} | {name: digest(compute()) for name, compute in LARGE.items()} | {"train": digest(train())}
    )
    for name in OPERATIONS:
        for case in cases(name):
            for each in filter(None, [case, case.grown(3000)]):
                out[str(each)] = digest(results(each, each.arrays("float32")))
    return out


def on(isa, *arguments):
    """A Python process, in this folder, that computes with an instruction set."""
    environment = os.environ | {"DLCORE_ISA": isa}
    process = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def digests_on(isa):
    found = json.loads(on(isa, "-c", "import json, test_same_bits; print(json.dumps(test_same_bits.digests()))"))
    if found.pop("isa") != isa:
        pytest.skip(f"this CPU has no {isa}")
    return found


@pytest.mark.parametrize("isa", ["portable", "avx2"])
def test_values_and_gradients_on_a_lower_instruction_set(isa):
    if isa == "avx2" and _core.isa() not in ("avx2", "avx512", "amx"):
        pytest.skip("this CPU has no avx2")
    on(isa, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_operations.py", "-k", "test_values or test_gradients")


def test_avx2_and_avx512_give_the_same_bits():
    avx512, avx2 = digests_on("avx512"), digests_on("avx2")
    differing = [case for case, digest in avx512.items() if avx2[case] != digest]
    assert not differing
