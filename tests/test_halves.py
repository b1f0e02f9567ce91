"""bfloat16 and float16: conversions to the bit, arithmetic that rounds once, and everything around them."""

import copy
import pickle

import dlcore
import dlcore.nn.functional as F
import numpy as np
import pytest
from cases import numbers
from dlcore import nn, optim
from references import bfloat16

HALVES = [dlcore.float16, dlcore.bfloat16]
EVERY = pytest.mark.parametrize("dtype", HALVES, ids=repr)


def every_number(dtype):
    """All 65536 of a dtype."""
    return dlcore.from_numpy(np.arange(2**16, dtype=np.uint16).view(np.float16)).view(dtype)


def bits(tensor):
    return tensor.view(dlcore.float16).numpy().view(np.uint16)


def samples():
    """Float64 numbers of every magnitude, many of them halfway between two 16-bit floats."""
    rng = np.random.default_rng(5)
    with np.errstate(all="ignore"):
        f16 = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(float)
        bf16 = (np.arange(2**16, dtype=np.uint32) << 16).view(np.float32).astype(float)
        middles = [(x[1:] + x[:-1]) / 2 for x in (f16, bf16)]
        x = np.concatenate([f16, bf16, *middles, rng.standard_normal(1000) * 2.0 ** rng.integers(-150, 130, 1000)])
        return np.concatenate([x, np.nextafter(x, np.inf), np.nextafter(x, -np.inf)])


def test_conversion_to_float16_is_numpys():
    x = samples()
    with np.errstate(all="ignore"):
        expected = x.astype(np.float16)
        nan = np.isnan(expected)
        got = dlcore.from_numpy(x).half().numpy()
        assert np.isnan(got[nan]).all()
        assert (got[~nan].view(np.uint16) == expected[~nan].view(np.uint16)).all()
        x = x.astype(np.float32)
        got, expected = dlcore.from_numpy(x).half().numpy(), x.astype(np.float16)
        assert (got[~nan].view(np.uint16) == expected[~nan].view(np.uint16)).all()


def test_conversion_to_bfloat16_rounds_to_even():
    x = samples()
    expected, nan = bfloat16(x).view(np.uint32) >> 16, np.isnan(x)
    got = bits(dlcore.from_numpy(x).bfloat16())
    assert np.isnan(numbers(dlcore.from_numpy(x[nan]).bfloat16())).all()
    assert (got[~nan] == expected[~nan]).all()


def test_conversion_from_halves_is_exact():
    with np.errstate(invalid="ignore"):
        f16, bf16 = every_number(dlcore.float16), every_number(dlcore.bfloat16)
        np.testing.assert_array_equal(f16.float().numpy(), f16.numpy().astype(np.float32))
        shifted = np.arange(2**16, dtype=np.uint32) << 16
        assert (bf16.float().numpy().view(np.uint32) == shifted).all()
        np.testing.assert_array_equal(bf16.double().numpy(), shifted.view(np.float32).astype(float))


def test_conversion_between_integers_and_halves():
    x = np.array([0, 1, -3, 257, 2049, 2051, 65519, 65520, 2**24 + 1, 2**31 - 1])
    with np.errstate(over="ignore"):
        assert dlcore.from_numpy(x).half().tolist() == x.astype(np.float16).tolist()
    assert bits(dlcore.from_numpy(x).bfloat16()).tolist() == (bfloat16(x.astype(float)).view(np.uint32) >> 16).tolist()
    assert dlcore.tensor([1.5, -2.5, 300.0], dtype=dlcore.bfloat16).long().tolist() == [1, -2, 300]
    assert dlcore.tensor([0.0, -0.0, 1e-7], dtype=dlcore.float16).bool().tolist() == [False, False, True]


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "maximum", "minimum", "eq", "lt", "ge"])
def test_operations_that_round_once_are_exact(name):
    rng = np.random.default_rng(3)
    a, b = (rng.integers(0, 2**16, 20_000, dtype=np.uint16) for _ in range(2))
    reference = {"sub": np.subtract, "mul": np.multiply, "div": np.divide, "eq": np.equal, "lt": np.less}.get(
        name, getattr(np, {"ge": "greater_equal"}.get(name, name), None)
    )
    function = getattr(dlcore, name)
    with np.errstate(all="ignore"):
        x, y = a.view(np.float16), b.view(np.float16)
        np.testing.assert_array_equal(numbers(function(dlcore.from_numpy(x), dlcore.from_numpy(y))), reference(x, y))
        x, y = ((bits.astype(np.uint32) << 16).view(np.float32) for bits in (a, b))
        got = function(dlcore.from_numpy(x).bfloat16(), dlcore.from_numpy(y).bfloat16())
        exact = dlcore.from_numpy(reference(x, y))
        np.testing.assert_array_equal(numbers(got), numbers(exact.bfloat16() if got.is_floating_point() else exact))


@EVERY
@pytest.mark.parametrize("size", [1, 2, 1023, 1024, 1025, 40_001])
def test_pieces_of_every_length(dtype, size):
    x = dlcore.linspace(-3, 3, size).to(dtype)
    strided = dlcore.zeros(size, 3, dtype=dtype)
    strided[:, 1] = x
    for y in (x, strided[:, 1]):
        np.testing.assert_array_equal(numbers(y * x), numbers((x.float() * x.float()).to(dtype)))
        np.testing.assert_array_equal(numbers(y + x[:1]), numbers((x.float() + x[:1].float()).to(dtype)))
        np.testing.assert_array_equal(numbers(y.exp()), numbers(x.float().exp().to(dtype)))


@EVERY
def test_between_two_by_a_number_that_no_half_holds(dtype):
    x, y = (dlcore.randn(3000).to(dtype).requires_grad_() for _ in range(2))
    exact = dlcore.lerp(x.float(), y.float(), 0.7)
    for found in (dlcore.lerp(x, y, 0.7), dlcore.lerp(x, y, dlcore.tensor(0.7)), x.clone().lerp_(y, 0.7)):
        assert dlcore.equal(found, exact.to(dtype))
        for slope, expected in zip(dlcore.autograd.grad(found.sum(), (x, y)), (1 - 0.7, 0.7), strict=True):
            assert dlcore.equal(slope, dlcore.full((3000,), expected).to(dtype))


@EVERY
def test_sums_accumulate_in_float32(dtype):
    x = dlcore.ones(3000, 7, dtype=dtype)
    assert x.sum(0).tolist() == [numbers(dlcore.tensor(3000.0).to(dtype)).item()] * 7
    assert x.mean().item() == 1
    assert x.cumsum(0)[-1, 0].item() == numbers(dlcore.tensor(3000.0).to(dtype)).item()
    assert x.var().item() == 0
    assert (x.T @ x).tolist() == [[numbers(dlcore.tensor(3000.0).to(dtype)).item()] * 7] * 7


@EVERY
def test_moves_keep_every_bit(dtype):
    x = every_number(dtype)
    square = x.reshape(256, 256)
    expected = bits(x).reshape(256, 256)
    rows = dlcore.tensor([255, 0, 7])
    assert (bits(square.T.contiguous()) == expected.T).all()
    assert (bits(square[rows]) == expected[[255, 0, 7]]).all()
    assert (bits(square[:, ::-3].contiguous()) == expected[:, ::-3]).all()
    assert (bits(dlcore.cat([square, square], 1)) == np.concatenate([expected, expected], 1)).all()
    assert (bits(dlcore.stack([square, square])) == np.stack([expected, expected])).all()
    assert (bits(dlcore.where(square > 0, square, square)) == expected).all()
    assert (bits(dlcore.gather(square, 0, rows.reshape(1, 3))) == expected[[[255, 0, 7]], [[0, 1, 2]]]).all()
    assert (bits(dlcore.flip(square, (0,))) == expected[::-1]).all()
    assert (bits(pickle.loads(pickle.dumps(square))) == expected).all()
    target = dlcore.zeros(256, 256, dtype=dtype)
    target[rows] = square[rows]
    assert (bits(target[rows]) == expected[[255, 0, 7]]).all()


@EVERY
def test_creation_and_printing(dtype):
    name = repr(dtype)
    assert repr(dlcore.tensor([1.0, 2.5], dtype=dtype)) == f"tensor([1.0000, 2.5000], dtype={name})"
    assert dlcore.tensor(0.1, dtype=dtype).item() == numbers(dlcore.tensor(0.1).to(dtype)).item()
    assert dlcore.full((2,), 3, dtype=dtype).tolist() == [3, 3]
    assert dlcore.arange(3, dtype=dtype).tolist() == [0, 1, 2]
    assert dlcore.eye(2, dtype=dtype).tolist() == [[1, 0], [0, 1]]
    assert dlcore.linspace(0, 1, 3, dtype=dtype).tolist() == [0, 0.5, 1]
    assert dlcore.ones_like(dlcore.zeros(2, dtype=dtype)).dtype == dtype
    assert dlcore.zeros(3, dtype=dtype).element_size() == 2
    drawn = dlcore.rand(100_000, dtype=dtype)
    assert 0 <= drawn.min().item() < drawn.max().item() < 1
    assert abs(dlcore.randn(100_000, dtype=dtype).float().std().item() - 1) < 0.02
    heads = dlcore.bernoulli(dlcore.full((100_000,), 0.25, dtype=dtype))
    assert abs(heads.float().mean().item() - 0.25) < 0.01


def test_what_numpy_can_hold_it_shares():
    x = dlcore.ones(3, dtype=dlcore.float16)
    x.numpy()[1] = 2
    assert x.tolist() == [1, 2, 1]
    assert memoryview(x).format == "e"
    array = np.ones(2, np.float16)
    dlcore.from_numpy(array)[0] = 7
    assert array[0] == 7
    y = dlcore.ones(2, dtype=dlcore.bfloat16)
    for take in (y.numpy, lambda: np.asarray(y)):
        with pytest.raises(TypeError, match=r"\.float\(\)"):
            take()
    with pytest.raises(BufferError, match="bfloat16"):
        memoryview(y)
    assert dlcore.from_dlpack(y).dtype == dlcore.bfloat16


def test_views_as_another_dtype_of_the_same_size():
    x = dlcore.tensor([1.0, -2.0], dtype=dlcore.bfloat16)
    x.view(dlcore.float16).numpy().view(np.uint16)[0] = 0x4000
    assert x.tolist() == [2, -2]
    assert dlcore.ones(1).view(dlcore.int32).item() == 0x3F800000
    for dtype in (dlcore.float64, dlcore.bool):
        with pytest.raises(TypeError, match="view"):
            x.view(dtype)
    with pytest.raises(TypeError, match="view"):
        dlcore.ones(1, dtype=dlcore.uint8).view(dlcore.bool)


@EVERY
def test_gradients_pass_through_casts(dtype):
    x = dlcore.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x.to(dtype)
    (y * y).sum().backward()
    assert x.grad.dtype == dlcore.float32
    assert x.grad.tolist() == [2, 4, 6]
    leaf = y.detach().requires_grad_()
    (leaf.float() ** 2).sum().backward()
    leaf.exp().sum().backward()
    assert leaf.grad.dtype == dtype
    again = dlcore.autograd.grad(leaf.tanh().sum(), leaf, create_graph=True)[0]
    assert dlcore.autograd.grad(again.sum(), leaf)[0].dtype == dtype


@EVERY
@pytest.mark.parametrize("optimizer", [optim.SGD, optim.AdamW])
def test_a_model_trains(dtype, optimizer):
    # float16 cannot hold the squares of small gradients: Adam needs a larger eps than its default, as in PyTorch.
    settings = {"lr": 0.2} if optimizer is optim.SGD else {"lr": 0.02, "eps": 1e-3}
    dlcore.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 16),
        nn.LayerNorm(16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 3),
    )  # fmt: skip
    assert model.to(dtype) is model
    assert {t.dtype for t in model.state_dict().values() if t.is_floating_point()} == {dtype}
    x, y = dlcore.randn(24, 1, 8, 8).to(dtype), dlcore.randint(0, 3, (24,))
    stepper = optimizer(model.parameters(), **settings)
    losses = []
    for _ in range(60):
        stepper.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        assert all(p.grad.dtype == dtype for p in model.parameters())
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        stepper.step()
        losses.append(loss.item())
    assert loss.dtype == dtype
    assert losses[-1] < losses[0] / 2
    model.eval()
    assert model(x).dtype == dtype


@pytest.mark.parametrize("dtype", [dlcore.float16, dlcore.bfloat16])
def test_norms_do_not_overflow_on_the_way(dtype):
    x = dlcore.full((2, 100), 300.0, dtype=dtype)
    assert x.norm(dim=1).tolist() == [3000.0, 3000.0] if dtype == dlcore.float16 else x.norm().dtype == dtype
    np.testing.assert_allclose(F.normalize(x).tolist(), 0.1, rtol=0.01)
    np.testing.assert_allclose(F.cosine_similarity(x, -x).tolist(), -1.0, rtol=0.01)
    x = dlcore.full((4,), 60000.0, dtype=dtype, requires_grad=True)
    F.normalize(x, dim=0).sum().backward()
    assert x.grad.isfinite().all()


def test_modules_convert_by_name():
    assert nn.Linear(2, 2).half().weight.dtype == dlcore.float16
    assert nn.Linear(2, 2).bfloat16().weight.dtype == dlcore.bfloat16
    assert nn.Linear(2, 2).bfloat16().float().weight.dtype == dlcore.float32


CONVOLUTIONS = [
    {"padding": 1},
    {"stride": 2, "padding": 1},
    {"stride": 2, "kernel": 1},
    {"kernel": 1},
    {"inputs": 3, "kernel": 7, "stride": 2, "padding": 3},
    {"inputs": 1, "kernel": 5},
    {"dilation": 2, "padding": (4, 1)},
    {"size": (7, 7), "padding": 1, "groups": 2},
    {"groups": 40},
    {"size": (1, 1), "padding": 1},
    {"size": (2, 40), "kernel": (5, 3), "padding": (2, 0), "stride": (3, 1)},
    {"batch": 0, "padding": 1},
]


@EVERY
@pytest.mark.parametrize("options", CONVOLUTIONS, ids=str)
def test_convolutions_round_once(options, dtype):
    rng = np.random.default_rng(6)
    how = {"batch": 3, "inputs": 40, "outputs": 40, "size": (19, 17), "kernel": 3} | options
    batch, inputs, outputs, size, kernel = (how.pop(name) for name in ("batch", "inputs", "outputs", "size", "kernel"))
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    shapes = (batch, inputs, *size), (outputs, inputs // how.get("groups", 1), *kernel), (outputs,)
    narrow = [dlcore.from_numpy(rng.standard_normal(shape)).to(dtype) for shape in shapes]
    wide = [x.double() for x in narrow]
    every = [[x.requires_grad_() for x in group] for group in (narrow, wide)]
    y, exact = (F.conv2d(*group, **how) for group in every)
    grad = dlcore.from_numpy(rng.standard_normal(y.shape)).to(dtype)
    y.backward(grad)
    exact.backward(grad.double())
    gradients = [(x.grad, exact.grad) for x, exact in zip(narrow, wide, strict=True)]
    for rounded, summed in [(y, exact), *gradients]:
        assert rounded.dtype == dtype
        got, want = numbers(rounded.detach()), summed.detach().numpy()
        # Sums of float32 numbers, rounded.
        near = 2.0 ** (-8 if dtype == dlcore.bfloat16 else -11) * np.abs(want) + 1e-4
        assert (np.abs(got - want) <= near).all()


def test_an_infinite_pixel_reaches_the_weights_that_see_it():
    x = dlcore.ones(2, 40, 12, 12, dtype=dlcore.bfloat16)
    x[0, 0, 0, 0] = float("inf")
    w = dlcore.ones(40, 40, 3, 3, dtype=dlcore.bfloat16, requires_grad=True)
    F.conv2d(x, w).sum().backward()
    infinite = dlcore.zeros(40, 40, 3, 3, dtype=dlcore.bool)
    infinite[:, 0, 0, 0] = True
    assert (w.grad.isinf() == infinite).all()
    assert not w.grad.isnan().any()


@EVERY
@pytest.mark.parametrize("shape", [(6, 5), (5, 3, 7, 9), (40, 3, 6, 6), (3, 2, 70, 70)], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_rounds_its_result_once_and_keeps_statistics_in_float32(dtype, shape, training):
    dlcore.manual_seed(0)
    x, g = (dlcore.randn(*shape).to(dtype) for _ in range(2))
    weight, bias = dlcore.rand(shape[1]), dlcore.randn(shape[1])
    found, expected = [], []
    for results, kind in [(found, dtype), (expected, dlcore.float32)]:
        mean, variance = dlcore.full((shape[1],), 0.25), dlcore.full((shape[1],), 2.0)
        inputs = [t.detach().requires_grad_() for t in (x.to(kind), weight, bias)]
        y = F.batch_norm(inputs[0], mean, variance, *inputs[1:], training=training)
        assert y.dtype == kind
        gradients = dlcore.autograd.grad(y, inputs, g.to(kind))
        assert [t.dtype for t in gradients] == [kind, dlcore.float32, dlcore.float32]
        results += [y, *gradients, mean, variance]
    step = 2.0**-11 if dtype == dlcore.float16 else 2.0**-8
    for got, wide in zip(found, expected, strict=True):
        close = (
            step * 1.01 if got.dtype == dtype else 1e-5
        )  # a half of a step, and where sums in another order cross it
        assert dlcore.allclose(got.float(), wide, rtol=close, atol=close * 0.01 if got.dtype == dtype else close)


@EVERY
def test_batch_norm_of_halves_can_be_differentiated_twice(dtype):
    dlcore.manual_seed(0)
    start = dlcore.randn(6, 3, 4).to(dtype)
    found = []
    for kind in (dtype, dlcore.float32):
        x = start.to(kind).requires_grad_()
        y = F.batch_norm(x, None, None, dlcore.rand(3, generator=dlcore.Generator().manual_seed(1)), training=True)
        (gradient,) = dlcore.autograd.grad((y * y * y).sum(), x, create_graph=True)
        (second,) = dlcore.autograd.grad((gradient * gradient).sum(), x)
        assert gradient.dtype == second.dtype == kind
        found.append(second.float())
    assert (found[0] - found[1]).abs().max() < 0.05 * found[1].abs().max()


def norms_and_softmaxes():
    """Functions of a tensor and of float32 parameters for its last 37 columns."""
    of = {
        "layer_norm": lambda x, w, b: F.layer_norm(x, (37,), w, b),
        "layer_norm, bias alone": lambda x, w, b: F.layer_norm(x, (37,), None, b),
        "rms_norm": lambda x, w, b: F.rms_norm(x, (37,), w, 1e-5),
        "softmax": lambda x, w, b: F.softmax(x, -1),
        "softmax of columns": lambda x, w, b: F.softmax(x, 0),
        "log_softmax": lambda x, w, b: F.log_softmax(x, 1),
    }
    return pytest.mark.parametrize("of", of.values(), ids=of)


@EVERY
@norms_and_softmaxes()
def test_rows_of_halves_are_rounded_once(of, dtype):
    dlcore.manual_seed(0)
    start, parameters = dlcore.randn(129, 37).to(dtype), (dlcore.rand(37), dlcore.randn(37))
    y = of(start, *parameters)
    assert y.dtype == dtype
    assert (bits(y) == bits(of(start.float(), *parameters).to(dtype))).all()


@EVERY
@norms_and_softmaxes()
def test_gradients_of_rows_of_halves(of, dtype):
    dlcore.manual_seed(0)
    start, g, parameters = dlcore.randn(129, 37).to(dtype), dlcore.randn(129, 37).to(dtype), []
    results = []
    for kind in (dtype, dlcore.float32):
        x, *parameters = (t.detach().requires_grad_() for t in (start.to(kind), dlcore.ones(37), dlcore.zeros(37)))
        y = of(x, *parameters)
        once = dlcore.autograd.grad(y, [x, *parameters], g.to(kind), allow_unused=True, retain_graph=True)
        (again,) = dlcore.autograd.grad(y, x, g.to(kind), create_graph=True)
        (second,) = dlcore.autograd.grad((again * again).sum(), x)
        assert again.dtype == second.dtype == once[0].dtype == kind
        assert all(t is None or t.dtype == dlcore.float32 for t in once[1:])
        results.append([t.float() for t in (*once, again, second) if t is not None])
    step = 2.0**-11 if dtype == dlcore.float16 else 2.0**-8
    *firsts, second = zip(*results, strict=True)
    for got, wide in firsts:  # softmax's reads its result, which was rounded
        assert (got - wide).abs().max() <= 3 * step * wide.abs().max()
    assert (second[0] - second[1]).abs().max() < 0.05 * second[1].abs().max()


@EVERY
def test_rows_of_halves_do_not_depend_on_threads(dtype):
    dlcore.manual_seed(0)
    x, g = (dlcore.randn(4000, 133).to(dtype) for _ in range(2))
    found, before = [], dlcore.get_num_threads()
    try:
        for threads in (1, 2, 5):
            dlcore.set_num_threads(threads)
            inputs = [t.requires_grad_() for t in (x.detach(), dlcore.ones(133), dlcore.zeros(133))]
            y = F.softmax(F.layer_norm(inputs[0], (133,), *inputs[1:]), -1)
            found.append([y, *dlcore.autograd.grad(y, inputs, g)])
    finally:
        dlcore.set_num_threads(before)
    for results in zip(*found, strict=True):
        assert all(dlcore.equal(results[0], other) for other in results[1:])


@EVERY
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [None, dlcore.bool, dlcore.float32])
def test_attention_of_halves_is_near_that_of_float32(dtype, causal, masked):
    dlcore.manual_seed(0)
    start = [dlcore.randn(2, 100, 3, 32).to(dtype).transpose(1, 2) for _ in range(4)]
    mask = None if masked is None or causal else (dlcore.rand(100, 100) > 0.3).to(masked)
    results = []
    for kind in (dtype, dlcore.float32):
        *inputs, g = (t.detach().to(kind) for t in start)
        inputs = [t.requires_grad_() for t in inputs]
        seen = mask.to(kind) if masked == dlcore.float32 and mask is not None else mask
        y = F.scaled_dot_product_attention(*inputs, attn_mask=seen, is_causal=causal)
        once = dlcore.autograd.grad(y, inputs, g, retain_graph=True)
        (again,) = dlcore.autograd.grad(y, inputs[0], g, create_graph=True)
        assert all(t.dtype == kind for t in (y, *once, again))
        results.append([t.detach().float() for t in (y, *once, again)])
    step = 2.0**-11 if dtype == dlcore.float16 else 2.0**-8
    for got, wide in zip(*results, strict=True):
        assert (got - wide).abs().max() <= 4 * step * wide.abs().max()


POOLS = {
    "max": lambda x: F.max_pool2d(x, 2),
    "max, overlapping": lambda x: F.max_pool2d(x, 3, stride=2, padding=1),
    "average": lambda x: F.avg_pool2d(x, 3, stride=2, padding=1, ceil_mode=True),
    "average of halves": lambda x: F.avg_pool2d(x, 2),
}


@EVERY
@pytest.mark.parametrize("of", POOLS.values(), ids=POOLS)
def test_pools_of_halves_are_rounded_once(of, dtype):
    dlcore.manual_seed(0)
    start = dlcore.randn(3, 5, 31, 26).to(dtype)
    results = []
    for kind in (dtype, dlcore.float32):
        x = start.to(kind).requires_grad_()
        y = of(x)
        g = dlcore.randn(*y.shape, generator=dlcore.Generator().manual_seed(1)).to(dtype).to(kind)
        (gx,) = dlcore.autograd.grad(y, x, g, retain_graph=True)
        (again,) = dlcore.autograd.grad(y, x, g, create_graph=True)
        assert y.dtype == gx.dtype == again.dtype == kind
        results.append([y.to(dtype), gx.to(dtype), again.to(dtype)])
    for got, wide in zip(*results, strict=True):
        assert dlcore.equal(got, wide)


RECURRENT = pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])


@EVERY
@RECURRENT
@pytest.mark.parametrize(("batch", "hidden"), [(3, 5), (20, 70)])
def test_recurrent_layers_of_halves_are_near_those_of_float32(kind, batch, hidden, dtype):
    dlcore.manual_seed(5)
    layer = kind(6, hidden, bidirectional=True).to(dtype)
    start = dlcore.randn(7, batch, 6).to(dtype)
    lengths = [7] * (batch // 2) + [4] * (batch - batch // 2)

    def results(layer, x, *, again):
        y, last = layer(nn.utils.rnn.pack_padded_sequence(x.requires_grad_(), lengths))
        found = [y.data, *(last if kind is nn.LSTM else [last])]
        assert all(part.dtype == x.dtype for part in found)
        weights = [dlcore.linspace(-1, 1, part.numel()).reshape(part.shape).to(x.dtype) for part in found]
        total = sum((part * weight).sum() for part, weight in zip(found, weights, strict=True))
        return found + list(dlcore.autograd.grad(total, [x, *layer.parameters()], create_graph=again))

    expected = results(copy.deepcopy(layer).float(), start.float(), again=False)
    step = 2.0**-11 if dtype == dlcore.float16 else 2.0**-8
    for again in (False, True):
        for part, wide in zip(results(layer, start.clone(), again=again), expected, strict=True):
            assert part.dtype == dtype
            assert (part.float() - wide).abs().max() <= 6 * step * wide.abs().max()


@RECURRENT
def test_recurrent_layers_of_halves_do_not_depend_on_threads(kind):
    dlcore.manual_seed(5)
    layer, x = kind(16, 64).bfloat16(), dlcore.randn(5, 50, 16).bfloat16()
    found, before = [], dlcore.get_num_threads()
    try:
        for threads in (1, 2, 3, 7):
            dlcore.set_num_threads(threads)
            y, _ = layer(x)
            found.append([y, *dlcore.autograd.grad(y.float().square().sum(), layer.parameters())])
    finally:
        dlcore.set_num_threads(before)
    for results in zip(*found, strict=True):
        assert all(dlcore.equal(results[0], other) for other in results[1:])
