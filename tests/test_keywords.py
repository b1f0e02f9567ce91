"""Arguments by name: PyTorch's names, and numpy's where PyTorch takes them."""

import dlcore
import pytest
from dlcore import tensor

SIZES = [
    dlcore.zeros,
    dlcore.ones,
    dlcore.empty,
    lambda **size: dlcore.full(fill_value=1.5, **size),
    dlcore.rand,
    dlcore.randn,
    lambda **size: dlcore.randint(high=5, **size),
    lambda **size: dlcore.randint(low=1, high=5, **size),
    lambda **size: tensor([1.0]).new_zeros(**size),
    lambda **size: tensor([1.0]).new_ones(**size),
    lambda **size: tensor([1.0]).new_empty(**size),
    lambda **size: tensor([1.0]).new_full(fill_value=2, **size),
    lambda **size: dlcore.arange(6).view(**size),
    lambda **size: dlcore.zeros(3).expand(**size),
    lambda **size: dlcore.zeros(4, 2, 3).sum_to_size(**size),
]


@pytest.mark.parametrize("make", SIZES)
def test_sizes_are_given_by_name(make):
    assert make(size=(2, 3)).shape == (2, 3)
    assert make(size=[2, 3]).shape == (2, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: dlcore.zeros(2, size=(2,)),
        lambda: dlcore.rand(2, size=(2,)),
        lambda: dlcore.zeros(2).view(2, size=(2,)),
        lambda: dlcore.zeros(2).new_zeros(2, size=(2,)),
        lambda: dlcore.zeros(2).repeat(2, repeats=(2,)),
        lambda: dlcore.zeros(2).flip(0, dims=(0,)),
        lambda: dlcore.sum(dlcore.zeros(2), 0, axis=0),
        lambda: dlcore.sum(dlcore.zeros(2), dim=0, axis=0),
    ],
)
def test_an_argument_is_given_once(call):
    with pytest.raises(TypeError, match="multiple values for argument"):
        call()


def test_a_view_has_a_shape_or_a_dtype():
    x = dlcore.arange(6)
    assert x.view(dtype=dlcore.float64).dtype == dlcore.float64
    for call in (lambda: x.view(3, 2, dtype=dlcore.float64), lambda: x.view(size=(3, 2), dtype=dlcore.float64)):
        with pytest.raises(TypeError, match="a shape or a dtype, not both"):
            call()


def test_bounds_are_given_by_name():
    assert dlcore.randint(high=1, size=(2,)).tolist() == dlcore.randint(0, high=1, size=(2,)).tolist() == [0, 0]
    assert dlcore.randint(low=3, high=4, size=(2,)).tolist() == [3, 3]
    assert dlcore.arange(end=3).tolist() == [0, 1, 2]
    assert dlcore.arange(start=1, end=5, step=2).tolist() == [1, 3]
    for call in (lambda: dlcore.arange(step=1), lambda: dlcore.randint(size=(2,))):
        with pytest.raises(TypeError, match="missing 1 required argument"):
            call()


def test_methods_take_their_arguments_by_name():
    x = dlcore.arange(6)
    assert x.reshape(shape=(2, 3)).shape == (2, 3)
    assert x.view(2, 3).permute(dims=(1, 0)).shape == (3, 2)
    assert x.view(dtype=dlcore.float64).dtype == dlcore.float64
    assert x.repeat(repeats=(2,)).shape == x.tile(dims=(2,)).shape == (12,)
    assert (x.view(2, 3).stride(0), x.view(2, 3).stride(dim=-1)) == (3, 1)
    with pytest.raises(IndexError, match="stride: "):
        x.stride(1)
    with pytest.raises(IndexError, match="stride: a 0-d tensor has no dimensions"):
        tensor(1.0).stride(0)


def test_a_shape_is_not_taken_as_values():
    with pytest.raises(TypeError, match=r"is \(2, 3\) a shape or values"):
        dlcore.Tensor(dlcore.zeros(2, 3).size())
    assert dlcore.Tensor((1.0, 2.0)).tolist() == dlcore.Tensor([1, 2]).tolist() == [1.0, 2.0]
    assert dlcore.Tensor(*dlcore.zeros(2, 3).size()).shape == (2, 3)


@pytest.mark.parametrize("name", ["torch.LongTensor", "LongTensor", dlcore.LongTensor, dlcore.int64, "int64"])
def test_type_takes_constructors_and_their_names(name):
    assert tensor([1.5]).type(name).dtype == dlcore.int64


def test_type_names_the_constructors():
    with pytest.raises(TypeError, match=r"type: expected one of BFloat16Tensor, .*, got torch\.cuda\.FloatTensor"):
        tensor([1.5]).type("torch.cuda.FloatTensor")


ROWS = tensor([[1.0, 2.0], [3.0, 5.0]])
INDEX = tensor([[0, 0]])
ALONG = {
    "aminmax": (),
    "all": (),
    "any": (),
    "amax": (),
    "argmax": (),
    "argsort": (),
    "chunk": (2,),
    "count_nonzero": (),
    "cummax": (),
    "cumprod": (),
    "cumsum": (),
    "diff": (),
    "gather": {"index": INDEX},
    "index_add": {"index": tensor([0]), "source": tensor([[1.0, 1.0]])},
    "index_select": {"index": tensor([0])},
    "kthvalue": (1,),
    "log_softmax": (),
    "logcumsumexp": (),
    "logsumexp": (),
    "max": (),
    "mean": (),
    "median": (),
    "mode": (),
    "nanmean": (),
    "nanmedian": (),
    "nansum": (),
    "narrow": {"start": 0, "length": 1},
    "prod": (),
    "quantile": (0.5,),
    "renorm": {"p": 2, "maxnorm": 1.0},
    "repeat_interleave": (2,),
    "scatter_add": {"index": INDEX, "src": ROWS},
    "select": {"index": 0},
    "softmax": (),
    "sort": (),
    "split": (1,),
    "squeeze": (),
    "std": (),
    "sum": (),
    "take_along_dim": (INDEX,),
    "tensor_split": (1,),
    "topk": (1,),
    "unbind": (),
    "unflatten": {"sizes": (2, 1)},
    "unsqueeze": (),
    "var": (),
}
KEEPING = [
    "amax",
    "argmax",
    "kthvalue",
    "logsumexp",
    "max",
    "mean",
    "median",
    "nansum",
    "quantile",
    "std",
    "sum",
    "var",
]


def listed(result):
    return [part.tolist() for part in result] if isinstance(result, tuple) else result.tolist()


@pytest.mark.parametrize("name", ALONG)
def test_axis_is_dim(name):
    args, named = (ALONG[name], {}) if isinstance(ALONG[name], tuple) else ((), ALONG[name])
    expected = listed(getattr(ROWS, name)(*args, dim=0, **named))
    assert listed(getattr(ROWS, name)(*args, axis=0, **named)) == expected
    assert listed(getattr(dlcore, name)(ROWS, *args, axis=0, **named)) == expected
    with pytest.raises(TypeError, match="unexpected keyword argument 'axes'"):
        getattr(ROWS, name)(*args, axes=0, **named)


@pytest.mark.parametrize("name", KEEPING)
def test_keepdims_is_keepdim(name):
    args = ALONG[name]
    expected = listed(getattr(ROWS, name)(*args, dim=1, keepdim=True))
    assert listed(getattr(ROWS, name)(*args, axis=1, keepdims=True)) == expected
    assert listed(getattr(dlcore, name)(ROWS, *args, axis=1, keepdims=True)) == expected


def test_norms_take_axis():
    for norm in (dlcore.linalg.norm, dlcore.linalg.vector_norm):
        assert norm(ROWS, axis=1, keepdims=True).tolist() == norm(ROWS, dim=1, keepdim=True).tolist()


def test_operands_have_numpys_names():
    assert dlcore.exp(x=tensor(0.0)).item() == dlcore.sum(a=tensor([1.0]), axis=0).item() == 1.0
    assert dlcore.add(x1=tensor(1.0), x2=2.0).item() == dlcore.sub(tensor(5.0), x2=2.0).item() == 3.0
    # A function's own name comes first.
    assert dlcore.trapezoid(tensor([1.0, 1.0]), x=tensor([0.0, 3.0])).item() == 3.0


def test_extremes_of_two_tensors_by_name():
    a, b = tensor([1.0, 4.0]), tensor([3.0, 2.0])
    assert dlcore.max(a, other=b).tolist() == a.max(other=b).tolist() == dlcore.max(a, b).tolist() == [3.0, 4.0]
    assert dlcore.min(a, other=b).tolist() == a.min(other=b).tolist() == [1.0, 2.0]
    for wrong in ({"other": 1}, {"other": b, "dim": 0}):
        with pytest.raises(TypeError, match="max: other is a tensor, in the place of a dimension"):
            dlcore.max(a, **wrong)
