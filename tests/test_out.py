"""`out=`: results in tensors that are there already, with PyTorch's rules for dtypes and shapes."""

import dlcore
import pytest
from dlcore import linalg


def empty(dtype=dlcore.float32):
    return dlcore.empty(0, dtype=dtype)


POSITIVE = dlcore.tensor([[4.0, 1.0], [1.0, 3.0]])
VECTORS = dlcore.tensor([[3.0, 1.0, 2.0], [6.0, 5.0, 4.0]])

MADE = {
    "zeros": lambda **to: dlcore.zeros(2, 3, **to),
    "ones": lambda **to: dlcore.ones((2, 3), **to),
    "empty": lambda **to: dlcore.empty(2, 3, **to),
    "full": lambda **to: dlcore.full((2,), 7, **to),
    "arange": lambda **to: dlcore.arange(5, **to),
    "linspace": lambda **to: dlcore.linspace(0, 8, 5, **to),
    "logspace": lambda **to: dlcore.logspace(0, 4, 5, base=2.0, **to),
    "eye": lambda **to: dlcore.eye(2, 3, **to),
    "rand": lambda **to: dlcore.rand(3, **to),
    "randn": lambda **to: dlcore.randn(3, **to),
    "randint": lambda **to: dlcore.randint(0, 9, (3,), **to),
    "randperm": lambda **to: dlcore.randperm(5, **to),
    "normal": lambda **to: dlcore.normal(0.0, 1.0, (3,), **to),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_what_is_made_takes_the_dtype_of_out(make):
    dlcore.manual_seed(0)
    expected = make(dtype=dlcore.float64)
    dlcore.manual_seed(0)
    out = empty(dlcore.float64)
    assert make(out=out) is out
    assert out.dtype == dlcore.float64
    assert dlcore.equal(out, expected)
    with pytest.raises(dlcore.DTypeError, match="dtype is float32, that of out float64"):
        make(dtype=dlcore.float32, out=out)
    assert make(out=empty(), requires_grad=True).requires_grad


def test_what_is_made_goes_into_memory_that_is_there():
    whole = dlcore.ones(4, dtype=dlcore.int64)
    dlcore.arange(2, out=whole[1:3])
    assert whole.tolist() == [1, 0, 1, 1]
    with pytest.raises(dlcore.ShapeError, match=r"out has shape \(4,\), the result \(3,\)"):
        dlcore.zeros(3, out=whole)


ONE = {
    "bernoulli": (lambda **to: dlcore.bernoulli(dlcore.tensor([0.0, 1.0]), **to), None),
    "quantile": (lambda **to: dlcore.quantile(VECTORS, 0.5, **to), None),
    "nanquantile": (lambda **to: dlcore.nanquantile(VECTORS, 0.5, 1, **to), None),
    "polygamma": (lambda **to: dlcore.polygamma(1, VECTORS, **to), None),
    "std": (lambda **to: dlcore.std(VECTORS, 1, **to), None),
    "var": (lambda **to: dlcore.var(VECTORS, **to), None),
    "norm": (lambda **to: dlcore.norm(VECTORS, **to), None),
    "norm-nuc": (lambda **to: dlcore.norm(VECTORS, "nuc", **to), None),
    "max": (lambda **to: dlcore.max(VECTORS, **to), None),
    "min-of-pairs": (lambda **to: dlcore.min(VECTORS, dlcore.ones(3), **to), None),
    "median": (lambda **to: dlcore.median(VECTORS, **to), None),
    "nonzero": (lambda **to: dlcore.nonzero(VECTORS, **to), dlcore.int64),
    "multinomial": (lambda **to: dlcore.multinomial(dlcore.tensor([0.0, 1.0]), 1, **to), dlcore.int64),
    "hstack": (lambda **to: dlcore.hstack([VECTORS, VECTORS], **to), None),
    "vstack": (lambda **to: dlcore.vstack([VECTORS, VECTORS], **to), None),
    "dstack": (lambda **to: dlcore.dstack([VECTORS, VECTORS], **to), None),
    "column_stack": (lambda **to: dlcore.column_stack([VECTORS, VECTORS], **to), None),
    "chain_matmul": (lambda **to: dlcore.chain_matmul(POSITIVE, VECTORS, **to), None),
    "cholesky": (lambda **to: linalg.cholesky(POSITIVE, **to), None),
    "cond": (lambda **to: linalg.cond(POSITIVE, **to), None),
    "cross": (lambda **to: linalg.cross(VECTORS, VECTORS, **to), None),
    "det": (lambda **to: linalg.det(POSITIVE, **to), None),
    "eigvalsh": (lambda **to: linalg.eigvalsh(POSITIVE, **to), None),
    "inv": (lambda **to: linalg.inv(POSITIVE, **to), None),
    "matrix_norm": (lambda **to: linalg.matrix_norm(POSITIVE, **to), None),
    "matrix_power": (lambda **to: linalg.matrix_power(POSITIVE, 2, **to), None),
    "matrix_rank": (lambda **to: linalg.matrix_rank(POSITIVE, **to), dlcore.int64),
    "multi_dot": (lambda **to: linalg.multi_dot([POSITIVE, VECTORS], **to), None),
    "linalg.norm": (lambda **to: linalg.norm(VECTORS, **to), None),
    "pinv": (lambda **to: linalg.pinv(VECTORS, **to), None),
    "solve": (lambda **to: linalg.solve(POSITIVE, VECTORS, **to), None),
    "solve_triangular": (lambda **to: linalg.solve_triangular(POSITIVE, VECTORS, upper=True, **to), None),
    "svdvals": (lambda **to: linalg.svdvals(VECTORS, **to), None),
    "vecdot": (lambda **to: linalg.vecdot(VECTORS, VECTORS, **to), None),
    "vector_norm": (lambda **to: linalg.vector_norm(VECTORS, **to), None),
}


@pytest.mark.parametrize(("function", "dtype"), ONE.values(), ids=ONE)
def test_one_result(function, dtype):
    out, expected = empty(dtype or dlcore.float64), function()
    assert function(out=out) is out
    assert dlcore.equal(out, expected.to(out.dtype))
    again = dlcore.zeros_like(out)
    assert function(out=again) is again
    assert dlcore.equal(again, out)


SEVERAL = {
    "sort": lambda **to: dlcore.sort(VECTORS, **to),
    "topk": lambda **to: dlcore.topk(VECTORS, 2, **to),
    "kthvalue": lambda **to: dlcore.kthvalue(VECTORS, 2, **to),
    "max": lambda **to: dlcore.max(VECTORS, 1, **to),
    "min": lambda **to: dlcore.min(VECTORS, 0, **to),
    "median": lambda **to: dlcore.median(VECTORS, 1, **to),
    "nanmedian": lambda **to: dlcore.nanmedian(VECTORS, 1, **to),
    "mode": lambda **to: dlcore.mode(VECTORS, **to),
    "cummax": lambda **to: dlcore.cummax(VECTORS, 1, **to),
    "cummin": lambda **to: dlcore.cummin(VECTORS, 1, **to),
    "aminmax": lambda **to: dlcore.aminmax(VECTORS, **to),
    "frexp": lambda **to: dlcore.frexp(VECTORS, **to),
    "histogram": lambda **to: dlcore.histogram(VECTORS, 3, **to),
    "geqrf": lambda **to: dlcore.geqrf(VECTORS, **to),
    "older qr": lambda **to: dlcore.qr(VECTORS, **to),
    "older svd": lambda **to: dlcore.svd(VECTORS, **to),
    "older slogdet": lambda **to: dlcore.slogdet(POSITIVE, **to),
    "eigh": lambda **to: linalg.eigh(POSITIVE, **to),
    "qr": lambda **to: linalg.qr(VECTORS, **to),
    "svd": lambda **to: linalg.svd(VECTORS, **to),
    "cholesky_ex": lambda **to: linalg.cholesky_ex(POSITIVE, **to),
    "lu": lambda **to: linalg.lu(POSITIVE, **to),
    "lu_factor": lambda **to: linalg.lu_factor(POSITIVE, **to),
    "lu_unpack": lambda **to: dlcore.lu_unpack(*linalg.lu_factor(POSITIVE), **to),
    "slogdet": lambda **to: linalg.slogdet(POSITIVE, **to),
}


@pytest.mark.parametrize("function", SEVERAL.values(), ids=SEVERAL)
def test_several_results(function):
    expected = function()
    out = tuple(empty(each.dtype) for each in expected)
    found = function(out=out)
    assert type(found) is type(expected)
    assert all(one is place for one, place in zip(found, out, strict=True))
    assert all(dlcore.equal(one, other) for one, other in zip(out, expected, strict=True))
    with pytest.raises(ValueError, match=f"1 tensors in out for {len(out)} results"):
        function(out=out[:1])
    with pytest.raises(TypeError, match="out is a tensor, or a tuple"):
        function(out=3)


@pytest.mark.parametrize("function", [ONE["nonzero"][0], ONE["multinomial"][0]])
def test_positions_are_int64(function):
    with pytest.raises(dlcore.DTypeError, match="expected an out of int64, got float32"):
        function(out=empty())


def test_a_tuple_of_positions_takes_no_out():
    with pytest.raises(TypeError, match="takes no out"):
        dlcore.nonzero(VECTORS, as_tuple=True, out=empty(dlcore.int64))


def test_out_has_no_gradient():
    x = VECTORS.clone().requires_grad_()
    for function in (dlcore.sort, lambda x, **to: dlcore.max(x, 1, **to)):
        with pytest.raises(dlcore.GradientError, match="out= has no gradient"):
            function(x, out=(empty(), empty(dlcore.int64)))
        with dlcore.no_grad():
            function(x, out=(empty(), empty(dlcore.int64)))


def test_an_empty_out_shares_nothing_with_the_arguments():
    x, out = dlcore.ones(3, 3), empty()
    linalg.diagonal(x, out=out).zero_()
    assert x.sum().item() == 9


def test_nothing_is_written_unless_all_can_be():
    values, indices, square = dlcore.full((3,), 7.0), empty(dlcore.int8), dlcore.empty(3, 3)
    with pytest.raises(dlcore.DTypeError, match="expected an out of int64, got int8"):
        dlcore.max(dlcore.eye(3), 0, out=(values, indices))
    assert values.tolist() == [7, 7, 7]
    with pytest.raises(ValueError, match="one tensor in out for two results"):
        linalg.svd(dlcore.eye(3), out=(square, square, square))
    with pytest.raises(ValueError, match="leave memory_format out"):
        dlcore.empty(2, 3, 4, 5, memory_format=dlcore.channels_last, out=empty())


@pytest.mark.parametrize(
    "call",
    [
        lambda **k: dlcore.argsort(dlcore.tensor([3.0, 1.0]), **k),
        lambda **k: dlcore.searchsorted(dlcore.tensor([1, 3]), dlcore.tensor([2, 5]), **k),
        lambda **k: dlcore.bucketize(dlcore.tensor([2, 5]), dlcore.tensor([1, 3]), **k),
        lambda **k: dlcore.isin(dlcore.tensor([1, 2]), dlcore.tensor([2]), **k),
        lambda **k: dlcore.softmax(dlcore.tensor([1.0, 2.0]), 0, **k),
        lambda **k: dlcore.log_softmax(dlcore.tensor([1.0, 2.0]), 0, **k),
        lambda **k: dlcore.tensordot(dlcore.ones(2, 3), dlcore.ones(3, 2), 1, **k),
    ],
)  # fmt: skip
def test_searches_and_softmax_into_a_tensor(call):
    expected = call()
    out = dlcore.zeros_like(expected)
    assert call(out=out) is out
    assert dlcore.equal(out, expected)
