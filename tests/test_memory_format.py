"""`memory_format=`: the strides that PyTorch 2.13 gives, values and gradients that no format changes."""

import dlcore
import pytest
from dlcore import channels_last, channels_last_3d, contiguous_format, preserve_format

IMAGES = (2, 3, 4, 5)
NARROW = {
    "bfloat16": dlcore.bfloat16,
    "bool": dlcore.bool,
    "byte": dlcore.uint8,
    "char": dlcore.int8,
    "double": dlcore.float64,
    "float": dlcore.float32,
    "half": dlcore.float16,
    "int": dlcore.int32,
    "long": dlcore.int64,
    "short": dlcore.int16,
}


def images(*shape):
    return dlcore.arange(dlcore.zeros(shape).numel()).reshape(shape).to(dlcore.float32)


@pytest.mark.parametrize(
    "lay",
    [
        lambda x, f: x.to(memory_format=f),
        lambda x, f: x.to("cpu", memory_format=f),
        lambda x, f: x.to(dlcore.float32, copy=True, memory_format=f),
        lambda x, f: x.to(dlcore.float64, memory_format=f),
        lambda x, f: x.type(dlcore.float64, memory_format=f),
        lambda x, f: x.cpu(memory_format=f),
        lambda x, f: x.clone(memory_format=f),
        lambda x, f: dlcore.clone(x, memory_format=f),
        lambda x, f: x.contiguous(memory_format=f),
        *(lambda x, f, name=name: getattr(x, name)(memory_format=f) for name in NARROW),
    ],
)
@pytest.mark.parametrize(
    ("format", "shape", "strides"),
    [
        (channels_last, IMAGES, (60, 1, 15, 3)),
        (channels_last, (2, 1, 3, 4), (12, 1, 4, 1)),
        (channels_last, (0, 3, 4, 5), (60, 1, 15, 3)),
        (channels_last_3d, (2, 3, 4, 5, 6), (360, 1, 90, 18, 3)),
        (contiguous_format, IMAGES, (60, 20, 5, 1)),
    ],
)
def test_copies_and_conversions_lie_as_asked(lay, format, shape, strides):
    x = images(*shape)
    y = lay(x, format)
    assert y.shape == shape
    # Of one channel, or none, a tensor lies in every order, and may stay what it is.
    every = shape[1] == 1 or 0 in shape
    assert y.stride() == strides or (every and y is x)
    assert y.is_contiguous(memory_format=format)
    assert y.is_contiguous() == (every or strides == x.stride())
    assert dlcore.equal(y, x.to(y.dtype))


@pytest.mark.parametrize(("name", "dtype"), NARROW.items())
def test_conversions_keep_their_dtype(name, dtype):
    assert getattr(images(*IMAGES), name)(memory_format=channels_last).dtype == dtype


@pytest.mark.parametrize(
    "like",
    [
        dlcore.zeros_like,
        dlcore.ones_like,
        dlcore.empty_like,
        dlcore.rand_like,
        dlcore.randn_like,
        lambda x, **other: dlcore.full_like(x, 3, **other),
        lambda x, **other: dlcore.randint_like(x, 9, **other),
    ],
)
def test_tensors_like_others_lie_as_asked(like):
    x = images(*IMAGES)
    assert like(x, memory_format=channels_last).stride() == (60, 1, 15, 3)
    last = x.to(memory_format=channels_last)
    assert like(last, memory_format=preserve_format).stride() == last.stride()
    assert like(last, memory_format=contiguous_format).stride() == x.stride()
    with pytest.raises(dlcore.ShapeError, match="channels_last_3d needs 5 dimensions"):
        like(x, memory_format=channels_last_3d)


def test_a_new_tensor_lies_as_asked():
    assert dlcore.empty(IMAGES, memory_format=channels_last).stride() == (60, 1, 15, 3)
    assert dlcore.empty(2, 3, memory_format=contiguous_format).stride() == (3, 1)


def test_the_format_of_random_numbers_does_not_change_them():
    x = dlcore.zeros(IMAGES)
    dlcore.manual_seed(0)
    rows = dlcore.randn_like(x)
    dlcore.manual_seed(0)
    assert dlcore.equal(dlcore.randn_like(x, memory_format=channels_last), rows)


@pytest.mark.parametrize(
    ("view", "strides"),
    [
        (lambda x: x.permute(2, 0, 1), (1, 42, 7)),
        (lambda x: x.permute(2, 0, 1)[::2], (1, 24, 4)),
        (lambda x: x.transpose(0, 1), (7, 42, 1)),
        (lambda x: x[:, :1].expand(5, 6, 7), (42, 7, 1)),
        (lambda x: x.permute(2, 0, 1).to(dlcore.float64), (1, 42, 7)),
    ],
)
def test_a_copy_may_keep_the_order(view, strides):
    x = view(images(5, 6, 7))
    y = x.clone(memory_format=preserve_format)
    assert y.stride() == strides
    assert dlcore.equal(x, y)
    assert y.data_ptr() != x.data_ptr()


def test_nothing_is_copied_that_lies_as_asked():
    x = images(*IMAGES)
    last = x.contiguous(memory_format=channels_last)
    assert last.contiguous(memory_format=channels_last) is last
    assert last.to(memory_format=channels_last) is last
    assert last.to(memory_format=preserve_format) is last
    assert last.float(memory_format=preserve_format) is last
    assert x.contiguous(memory_format=preserve_format) is x
    assert x.to(memory_format=contiguous_format) is x
    assert last.clone(memory_format=channels_last) is not last
    assert last.contiguous().stride() == x.stride()


def test_gradients_pass_through_formats():
    x = images(*IMAGES).requires_grad_()
    (x.to(dlcore.float64, memory_format=channels_last) * images(*IMAGES)).sum().backward()
    assert dlcore.equal(x.grad, images(*IMAGES))
    assert dlcore.autograd.gradcheck(
        lambda x: x.clone(memory_format=channels_last) ** 2,
        dlcore.rand(1, 2, 2, 3, dtype=dlcore.float64).requires_grad_(),
    )


def test_layers_take_every_format():
    layer, x = dlcore.nn.Conv2d(3, 4, 3), images(*IMAGES)
    assert dlcore.allclose(layer(x.to(memory_format=channels_last)), layer(x))


@pytest.mark.parametrize(
    "lay",
    [
        lambda x: x.to(memory_format=channels_last),
        lambda x: x.float(memory_format=channels_last),
        lambda x: x.long(memory_format=channels_last),
        lambda x: x.clone(memory_format=channels_last),
        lambda x: x.contiguous(memory_format=channels_last),
        lambda x: x.cpu(memory_format=channels_last),
        lambda x: dlcore.zeros_like(x, memory_format=channels_last),
        lambda x: dlcore.empty(x.shape, memory_format=channels_last),
    ],
)
def test_images_have_four_dimensions(lay):
    with pytest.raises(dlcore.ShapeError, match=r"channels_last needs 4 dimensions, got shape \(2, 3\)"):
        lay(images(2, 3))


def test_what_is_no_format():
    x = images(2, 3)
    assert not x.is_contiguous(memory_format=channels_last)
    with pytest.raises(TypeError, match="memory_format"):
        x.to(memory_format="channels_last")
    with pytest.raises(TypeError):
        x.clone(channels_last)
    with pytest.raises(ValueError, match="preserve_format"):
        x.T.contiguous(memory_format=preserve_format)
