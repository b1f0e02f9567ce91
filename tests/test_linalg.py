"""Linear algebra beyond what the registry tests: functions made of decompositions, errors, signs, batches, threads."""

import math

import dlcore
import numpy as np
import pytest
from derivatives import assert_gradients, assert_second_derivatives
from dlcore import linalg

RNG = np.random.default_rng(0)


def matrices(*shape):
    """Well-conditioned: noise and a diagonal that outweighs it."""
    out = RNG.uniform(-0.5, 0.5, shape)
    diagonal = np.arange(min(shape[-2:]))
    out[..., diagonal, diagonal] += 2 * diagonal + max(shape[-2:])
    return out


def positive(*shape):
    x = RNG.standard_normal(shape)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1])


def check(got, expected, tolerance=1e-10):
    np.testing.assert_allclose(got.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


class Function:
    """What the derivative tests run."""

    def __init__(self, function):
        self.run = lambda inputs: [
            function(*(x if isinstance(x, dlcore.Tensor) else dlcore.from_numpy(x) for x in inputs))
        ]


# --- norms ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
@pytest.mark.parametrize("dims", [(-2, -1), (0, 1), (2, 0), (-1, 0)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_matrix_norms(order, dims, keepdim):
    x = RNG.standard_normal((3, 4, 5))
    expected = np.linalg.norm(x, order, dims, keepdims=keepdim)
    check(linalg.matrix_norm(dlcore.from_numpy(x), order, dims, keepdim), expected)
    check(linalg.norm(dlcore.from_numpy(x), order, dims, keepdim), expected)


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 3, -2, math.inf, -math.inf])
def test_vector_norms(order):
    x = RNG.standard_normal((3, 4))
    check(linalg.vector_norm(dlcore.from_numpy(x), order, 1), np.linalg.norm(x, order, 1))
    check(linalg.norm(dlcore.from_numpy(x[0]), order), np.linalg.norm(x[0], order))


def test_norms_refuse_what_is_none():
    x = dlcore.ones(2, 2, 2)
    with pytest.raises(ValueError, match=r"linalg\.matrix_norm: expected ord"):
        linalg.matrix_norm(x, 3)
    with pytest.raises(ValueError, match="two dimensions"):
        linalg.matrix_norm(x, "fro", (0,))
    with pytest.raises(ValueError, match="one or two dimensions"):
        linalg.norm(x, 2)
    with pytest.raises(ValueError, match="no norm"):
        linalg.norm(x, "nucleus", (0, 1))
    with pytest.raises(dlcore.DTypeError, match="float"):
        linalg.matrix_norm(dlcore.ones(2, 2, dtype=dlcore.int64))


@pytest.mark.parametrize("p", [None, 2, -2, 1, -1, math.inf, "fro", "nuc"])
def test_condition_numbers(p):
    x = matrices(2, 3, 3)
    check(linalg.cond(dlcore.from_numpy(x), p), np.linalg.cond(x, p))


def test_a_singular_matrix_has_an_infinite_condition_number():
    assert linalg.cond(dlcore.zeros(2, 2), 1).item() == math.inf


# --- systems --------------------------------------------------------------------------------------------------------


def test_right_hand_sides_are_vectors_or_columns_on_either_side():
    a, b = matrices(2, 3, 3), RNG.standard_normal((2, 3))
    A, B = dlcore.from_numpy(a), dlcore.from_numpy(b)
    x = linalg.solve(A, B)
    check(A @ x.unsqueeze(-1), b[..., None])
    check(linalg.solve(A[0], B[0]), np.linalg.solve(a[0], b[0]))
    sides = RNG.standard_normal((4, 3))
    check(linalg.solve(A[0], dlcore.from_numpy(sides), left=False) @ A[0], sides)
    check(linalg.solve(A, dlcore.from_numpy(sides.T)), np.linalg.solve(a, sides.T))


def test_a_singular_matrix_is_named():
    stack = dlcore.stack([dlcore.eye(3), dlcore.ones(3, 3), dlcore.zeros(3, 3)])
    for function in (linalg.inv, lambda x: linalg.solve(x, dlcore.ones(3, 1))):
        with pytest.raises(linalg.LinAlgError, match=r"^linalg\.\w+: \(batch element 1\) .*singular: pivot 2 "):
            function(stack)
    with pytest.raises(linalg.LinAlgError, match=r"^linalg\.inv: the matrix is singular: pivot 1 "):
        linalg.inv(dlcore.zeros(1, 1))
    assert issubclass(linalg.LinAlgError, RuntimeError)


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("unit", [False, True])
def test_triangular_systems(upper, left, unit):
    a, b = matrices(2, 3, 3), RNG.standard_normal((2, 3, 3))
    triangle = np.triu(a, 1) if upper else np.tril(a, -1)
    triangle += np.eye(3) if unit else a * np.eye(3)
    A, B = dlcore.from_numpy(a), dlcore.from_numpy(b)
    x = linalg.solve_triangular(A, B, upper=upper, left=left, unitriangular=unit).numpy()
    np.testing.assert_allclose(triangle @ x if left else x @ triangle, b, atol=1e-10)


def test_lu_factors():
    for shape in [(2, 3, 3), (4, 2), (2, 4), (0, 3, 3), (3, 0)]:
        x = RNG.standard_normal(shape)
        P, L, U = linalg.lu(dlcore.from_numpy(x))
        check(P @ L @ U, x)
        again = dlcore.lu_unpack(*linalg.lu_factor(dlcore.from_numpy(x)))
        check(again.P @ again.L @ again.U, x)
    singular = dlcore.ones(4, 4, dtype=dlcore.float64)
    P, L, U = linalg.lu(singular)
    check(P @ L @ U, np.ones((4, 4)))


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("adjoint", [False, True])
def test_solving_with_lu_factors(left, adjoint):
    a, b = RNG.standard_normal((2, 4, 4)), RNG.standard_normal((2, 4, 4))
    x = linalg.lu_solve(
        *linalg.lu_factor(dlcore.from_numpy(a)), dlcore.from_numpy(b), left=left, adjoint=adjoint
    ).numpy()
    a = np.swapaxes(a, -1, -2) if adjoint else a
    np.testing.assert_allclose(a @ x if left else x @ a, b, atol=1e-10)


def test_pivots_are_checked():
    with pytest.raises(ValueError, match="pivot 7 of 2 rows"):
        linalg.lu_solve(dlcore.eye(2), dlcore.tensor([7, 2], dtype=dlcore.int32), dlcore.ones(2, 1))
    with pytest.raises(dlcore.DTypeError, match="int32"):
        linalg.lu_solve(dlcore.eye(2), dlcore.tensor([1, 2]), dlcore.ones(2, 1))


def test_least_squares():
    a, b = RNG.standard_normal((2, 5, 3)), RNG.standard_normal((2, 5, 2))
    found = linalg.lstsq(dlcore.from_numpy(a), dlcore.from_numpy(b), driver="gelsd")
    for i in range(2):
        x, residuals, rank, values = np.linalg.lstsq(a[i], b[i])
        check(found.solution[i], x)
        check(found.residuals[i], residuals)
        assert found.rank[i].item() == rank
        check(found.singular_values[i], values)
    vector = linalg.lstsq(dlcore.from_numpy(a), dlcore.from_numpy(b[..., 0])).solution
    check(vector, found.solution[..., 0].numpy())
    deficient = np.outer([1.0, 2.0, 3.0], [1.0, 1.0])
    x = linalg.lstsq(dlcore.from_numpy(deficient), dlcore.ones(3, 1, dtype=dlcore.float64))
    check(x.solution, np.linalg.lstsq(deficient, np.ones((3, 1)))[0])
    assert x.rank.item() == 1


# --- determinants ---------------------------------------------------------------------------------------------------


def test_determinants_and_their_signs():
    x = RNG.standard_normal((20, 4, 4))
    check(linalg.det(dlcore.from_numpy(x)), np.linalg.det(x))
    sign, logarithm = linalg.slogdet(dlcore.from_numpy(x))
    check(sign, np.linalg.slogdet(x).sign)
    check(logarithm, np.linalg.slogdet(x).logabsdet)
    with np.errstate(invalid="ignore"):
        check(dlcore.logdet(dlcore.from_numpy(x)), np.log(np.linalg.det(x)))


def test_determinants_of_singular_and_of_empty_matrices():
    assert linalg.det(dlcore.ones(3, 3)).item() == 0
    assert linalg.det(dlcore.zeros(0, 0)).item() == 1
    sign, logarithm = linalg.slogdet(dlcore.zeros(3, 3))
    assert (sign.item(), logarithm.item()) == (0, -math.inf)
    assert linalg.slogdet(-1e30 * dlcore.eye(3)).logabsdet.item() == pytest.approx(3 * math.log(1e30), rel=1e-6)


def test_the_gradient_of_the_determinant_of_a_singular_matrix_is_its_cofactors():
    x = dlcore.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], dtype=dlcore.float64)
    x[2] = 2 * x[1] - x[0]
    x.requires_grad_()
    linalg.det(x).backward()
    check(x.grad, [[-3.0, 6.0, -3.0], [6.0, -12.0, 6.0], [-3.0, 6.0, -3.0]])


# --- factors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5), (2, 4, 3), (0, 3), (3, 0), (2, 0, 3)])
def test_full_and_thin_factors_multiply_back(shape):
    x = RNG.standard_normal(shape)
    X, k = dlcore.from_numpy(x), min(shape[-2:])
    for full in (False, True):
        U, S, Vh = linalg.svd(X, full_matrices=full)
        check((U[..., :k] * S.unsqueeze(-2)) @ Vh[..., :k, :], x)
        check(U.transpose(-1, -2) @ U, np.broadcast_to(np.eye(U.shape[-1]), (*U.shape[:-2], *[U.shape[-1]] * 2)))
        assert Vh.shape[-2] == (shape[-1] if full else k)
        Q, R = linalg.qr(X, "complete" if full else "reduced")
        check(Q @ R, x)
    check(linalg.svdvals(X), S.numpy())
    assert linalg.qr(X, "r").Q.shape == (0,)


def test_only_one_triangle_is_read():
    x = positive(3, 3)
    lower, upper = np.tril(x), np.triu(x)
    check(linalg.cholesky(dlcore.from_numpy(lower)), np.linalg.cholesky(x))
    check(linalg.cholesky(dlcore.from_numpy(upper), upper=True), np.linalg.cholesky(x).T)
    check(linalg.eigvalsh(dlcore.from_numpy(lower)), np.linalg.eigvalsh(x))
    check(linalg.eigvalsh(dlcore.from_numpy(upper), "U"), np.linalg.eigvalsh(x))
    with pytest.raises(ValueError, match=r"UPLO 'L' or 'U', got .X."):
        linalg.eigh(dlcore.from_numpy(x), "X")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("groups", [(128, 8), (400, 8), (512, 16)])
def test_groups_of_equal_singular_values(dtype, groups):
    n, size = groups
    x = (np.kron(np.eye(n // size + 1), np.ones((size, size)))[:n, :n] + 1e-7).astype(dtype)
    U, S, Vh = (found.numpy() for found in linalg.svd(dlcore.from_numpy(x)))
    tolerance = 16 * n * np.finfo(dtype).eps
    assert (np.diff(S) <= 0).all()
    np.testing.assert_allclose(S, linalg.svdvals(dlcore.from_numpy(x)).numpy(), atol=tolerance)
    np.testing.assert_allclose((U * S) @ Vh, x, atol=tolerance)
    np.testing.assert_allclose(U.T @ U, np.eye(n), atol=tolerance)
    np.testing.assert_allclose(Vh @ Vh.T, np.eye(n), atol=tolerance)


@pytest.mark.parametrize("size", [1e-30, 1e-5, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_size_of_a_large_matrix_does_not_matter(dtype, size):
    x = (positive(200, 200) * size).astype(dtype)
    values, vectors = (found.numpy() for found in linalg.eigh(dlcore.from_numpy(x)))
    tolerance = 200 * np.finfo(dtype).eps
    assert np.abs(x @ vectors - vectors * values).max() <= tolerance * values[-1]
    U, S, Vh = (found.numpy() for found in linalg.svd(dlcore.from_numpy(x)))
    assert np.abs((U * S) @ Vh - x).max() <= tolerance * S[0]


def test_factors_lie_by_columns_as_those_of_pytorch():
    x = dlcore.from_numpy(positive(2, 3, 3))
    factors = linalg.cholesky(x), linalg.lu_factor(x).LU, *linalg.qr(x), linalg.svd(x).U, linalg.eigh(x).eigenvectors
    assert [factor.stride() for factor in factors] == [(9, 1, 3)] * 6


def test_the_largest_element_of_a_vector_is_positive():
    vectors = linalg.eigh(dlcore.from_numpy(positive(6, 6))).eigenvectors.numpy()
    assert (vectors[np.abs(vectors).argmax(0), range(6)] > 0).all()


def test_a_matrix_that_is_not_positive_definite_is_named():
    stack = dlcore.stack([dlcore.eye(2), dlcore.tensor([[1.0, 2.0], [2.0, 1.0]])])
    with pytest.raises(linalg.LinAlgError, match=r"\(batch element 1\) .* not positive definite: .* order 2"):
        linalg.cholesky(stack)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("function", [linalg.svd, linalg.svdvals, linalg.eigh, linalg.eigvalsh, linalg.pinv])
def test_what_is_not_finite_has_no_singular_values(function, value):
    x = dlcore.eye(4)
    x[3, 1] = value
    with pytest.raises(linalg.LinAlgError, match="not finite"):
        function(x)


@pytest.mark.parametrize("function", [linalg.inv, linalg.det, linalg.eigh, linalg.cholesky, linalg.matrix_exp])
def test_shapes_and_dtypes_are_checked(function):
    with pytest.raises(dlcore.ShapeError, match=r"^linalg\.\w+: .*square.*\(2, 3\)"):
        function(dlcore.ones(2, 3))
    with pytest.raises(dlcore.ShapeError, match=r"^linalg\.\w+: .*batch of matrices.*\(3,\)"):
        function(dlcore.ones(3))
    with pytest.raises(dlcore.DTypeError, match=r"^linalg\.\w+: .*float.*int64"):
        function(dlcore.ones(2, 2, dtype=dlcore.int64))


def test_cholesky_factors_solve_and_invert():
    x, b = positive(2, 3, 3), RNG.standard_normal((2, 3, 2))
    L = linalg.cholesky(dlcore.from_numpy(x))
    check(dlcore.cholesky_solve(dlcore.from_numpy(b), L), np.linalg.solve(x, b))
    check(dlcore.cholesky_solve(dlcore.from_numpy(b), L.transpose(1, 2), upper=True), np.linalg.solve(x, b))
    check(dlcore.cholesky_inverse(L), np.linalg.inv(x))


def test_ranks_and_tolerances():
    x = np.diag([1.0, 1e-3, 1e-20])
    X = dlcore.from_numpy(x)
    assert linalg.matrix_rank(X).item() == 2
    assert linalg.matrix_rank(X, atol=1e-2).item() == 1
    assert linalg.matrix_rank(X, rtol=1e-30).item() == 3
    assert linalg.matrix_rank(-X, hermitian=True).item() == 2
    assert linalg.matrix_rank(X, 0.5).item() == 1
    tolerances = dlcore.tensor([1e-30, 1e-10, 0.1], dtype=dlcore.float64)
    assert linalg.matrix_rank(X.expand(3, 3, 3), rtol=tolerances).tolist() == [3, 2, 1]
    check(linalg.pinv(X, rtol=1e-2), np.linalg.pinv(x, 1e-2))
    symmetric = positive(3, 3)
    check(linalg.pinv(dlcore.from_numpy(np.tril(symmetric)), hermitian=True), np.linalg.inv(symmetric))


# --- products -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 5, 8])
def test_powers(n):
    x = matrices(2, 3, 3)
    check(linalg.matrix_power(dlcore.from_numpy(x), n), np.linalg.matrix_power(x, n))


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 30.0])
def test_exponentials(scale):
    x = positive(4, 4) * scale / 10
    values, vectors = np.linalg.eigh(x)
    expected = (vectors * np.exp(values)) @ vectors.T
    check(linalg.matrix_exp(dlcore.from_numpy(x)) / np.abs(expected).max(), expected / np.abs(expected).max())


def test_a_chain_of_products():
    shapes = [(2, 30), (30, 3), (3, 40), (40, 5)]
    arrays = [RNG.standard_normal(shape) for shape in shapes]
    check(linalg.multi_dot([dlcore.from_numpy(x) for x in arrays]), np.linalg.multi_dot(arrays))
    ends = [arrays[0][0], *arrays[1:3], arrays[3][:, 0]]
    check(linalg.multi_dot([dlcore.from_numpy(x) for x in ends]), np.linalg.multi_dot(ends))
    with pytest.raises(dlcore.ShapeError, match=r"\(2, 3\) and \(2, 3\) do not fit"):
        linalg.multi_dot([dlcore.ones(2, 3), dlcore.ones(2, 3)])
    with pytest.raises(ValueError, match="at least two"):
        linalg.multi_dot([dlcore.ones(2, 3)])


def test_tensors_as_matrices():
    a = matrices(6, 6).reshape(2, 3, 6)
    A = dlcore.from_numpy(a)
    check(linalg.tensorinv(A), np.linalg.tensorinv(a))
    check(linalg.tensorsolve(A, dlcore.ones(2, 3, dtype=dlcore.float64)), np.linalg.tensorsolve(a, np.ones((2, 3))))
    with pytest.raises(dlcore.ShapeError, match="not square"):
        linalg.tensorinv(A, 1)


def test_products_of_reflections():
    v, tau = RNG.standard_normal((5, 3)), RNG.uniform(0.5, 1, 3)
    expected = np.eye(5)
    for i in range(3):
        vector = np.r_[np.zeros(i), 1, v[i + 1 :, i]]
        expected = expected @ (np.eye(5) - tau[i] * np.outer(vector, vector))
    check(linalg.householder_product(dlcore.from_numpy(v), dlcore.from_numpy(tau)), expected[:, :3])


def test_vectors():
    a, b = RNG.standard_normal((2, 4, 3)), RNG.standard_normal((4, 3))
    A, B = dlcore.from_numpy(a), dlcore.from_numpy(b)
    check(linalg.vecdot(A, B), (a * b).sum(-1))
    check(linalg.cross(A, B[None]), np.cross(a, b))
    check(linalg.vander(B, N=4), b[..., None] ** np.arange(4))
    with pytest.raises(dlcore.ShapeError, match="3 elements"):
        linalg.cross(A, B[None, :, :1])


# --- gradients ------------------------------------------------------------------------------------------------------

SMOOTH = {
    "matrix_exp": (linalg.matrix_exp, [matrices(2, 3, 3) / 3]),
    "matrix_power": (lambda x: linalg.matrix_power(x, -2), [matrices(3, 3)]),
    "multi_dot": (lambda *x: linalg.multi_dot(x), [RNG.random((2, 3)), RNG.random((3, 4)), RNG.random((4,))]),
    "nuclear": (lambda x: linalg.matrix_norm(x, "nuc"), [matrices(2, 4, 3)]),
    "spectral": (lambda x: linalg.matrix_norm(x, 2), [matrices(2, 4, 3)]),
    "cond": (linalg.cond, [matrices(3, 3)]),
    "lstsq": (lambda a, b: linalg.lstsq(a, b).solution, [matrices(4, 2), RNG.random((4, 1))]),
    "lu_solve": (lambda a, b: linalg.lu_solve(*linalg.lu_factor(a), b), [matrices(3, 3), RNG.random((3, 2))]),
    "cholesky_solve": (lambda b, a: dlcore.cholesky_solve(b, dlcore.tril(a)), [RNG.random((3, 1)), matrices(3, 3)]),
    "householder_product": (linalg.householder_product, [RNG.random((4, 2)), RNG.random(2)]),
    "logdet": (dlcore.logdet, [matrices(3, 3)]),
    "svdvals": (linalg.svdvals, [matrices(3, 2)]),
    "singular vectors": (lambda x: linalg.svd(x, full_matrices=False).U.square(), [matrices(4, 3)]),
    "full singular vectors": (lambda x: linalg.svd(x).S, [matrices(4, 3)]),
    "eigvalsh": (lambda x: linalg.eigvalsh(x + x.T), [matrices(3, 3)]),
    "r of qr": (lambda x: linalg.qr(x).R, [matrices(3, 3)]),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients(name):
    function, arrays = SMOOTH[name]
    assert assert_gradients(Function(function), [x.copy() for x in arrays])
    assert_second_derivatives(Function(function), [x.copy() for x in arrays])


def test_equal_singular_values_have_a_gradient_though_their_vectors_have_none():
    x = dlcore.eye(3, dtype=dlcore.float64, requires_grad=True)
    linalg.matrix_norm(x, "nuc").backward()
    check(x.grad, np.eye(3))
    x.grad = None
    linalg.svd(x).U[0, 1].backward()
    assert not x.grad.isfinite().all()


def test_the_gradient_of_a_square_factor_of_a_tall_matrix_is_refused():
    x = dlcore.ones(3, 2, requires_grad=True)
    with pytest.raises(dlcore.GradientError, match="mode='reduced'"):
        linalg.qr(x, "complete").Q.sum().backward()


def test_half_precision_is_computed_in_float32():
    x = dlcore.from_numpy(matrices(3, 3)).bfloat16()
    assert linalg.inv(x).dtype == dlcore.bfloat16
    np.testing.assert_allclose(linalg.inv(x).float().numpy(), linalg.inv(x.float()).numpy(), rtol=2**-8)


def with_a_bad_one(good, bad):
    x = np.stack([good, bad, good])
    return dlcore.from_numpy(x).requires_grad_(), dlcore.from_numpy(x[::2].copy()).requires_grad_()


@pytest.mark.parametrize(
    ("of", "careful", "bad", "order"),
    [
        (linalg.cholesky, linalg.cholesky_ex, np.diag([1.0, 1.0, -1.0]), 3),
        (lambda A: linalg.cholesky(A, upper=True), lambda A: linalg.cholesky_ex(A, upper=True), -np.eye(3), 1),
        (linalg.cholesky, linalg.cholesky_ex, np.array([[1.0, 2, 0], [2, 1, 0], [0, 0, math.nan]]), 2),
        (linalg.inv, linalg.inv_ex, np.ones((3, 3)), 2),
        (linalg.inv, linalg.inv_ex, np.zeros((3, 3)), 1),
        (lambda A: linalg.solve(A, dlcore.ones(3)), lambda A: linalg.solve_ex(A, dlcore.ones(3)), np.ones((3, 3)), 2),
        (
            lambda A: linalg.solve(A, dlcore.ones(3, 2)),
            lambda A: linalg.solve_ex(A, dlcore.ones(3, 2)),
            np.diag([1.0, 1.0, 0.0]),
            3,
        ),
    ],
)
def test_one_bad_matrix_leaves_the_others_of_its_batch_as_they_are(of, careful, bad, order):
    """The results and the gradients of the others are those of a batch without it."""
    x, without = with_a_bad_one(positive(3, 3), bad)
    with pytest.raises(linalg.LinAlgError):
        of(x)
    result, info = careful(x)
    assert (info.tolist(), info.dtype) == ([0, order, 0], dlcore.int32)
    assert result[1].isnan().any()
    check(result[::2], of(without).detach().numpy())
    result[::2].square().sum().backward()
    of(without).square().sum().backward()
    check(x.grad[::2], without.grad.numpy())
    assert not x.grad[1].any()


def test_errors_are_checked_where_it_is_asked_for():
    singular = dlcore.ones(2, 2, 2)
    for careful in (linalg.cholesky_ex, linalg.inv_ex, linalg.lu_factor_ex):
        with pytest.raises(linalg.LinAlgError):
            careful(-singular, check_errors=True)
    with pytest.raises(linalg.LinAlgError):
        linalg.solve_ex(singular, dlcore.ones(2), check_errors=True)
    assert linalg.inv_ex(dlcore.eye(2), check_errors=True).info.item() == 0
    assert linalg.inv_ex(dlcore.zeros(0, 3, 3)).info.shape == (0,)
    with pytest.raises(dlcore.ShapeError):
        linalg.inv_ex(dlcore.ones(2, 3))


def test_factors_of_singular_matrices_say_which_pivot_is_zero():
    x = dlcore.from_numpy(np.stack([matrices(4, 3), np.ones((4, 3)), np.zeros((4, 3))]))
    LU, pivots, info = linalg.lu_factor_ex(x)
    expected = linalg.lu_factor(x)
    assert (LU.equal(expected.LU), pivots.equal(expected.pivots), info.tolist()) == (True, True, [0, 2, 1])
    assert linalg.lu_factor_ex(dlcore.zeros(0, 0)).info.item() == 0
    with pytest.raises(linalg.LinAlgError, match="lu_factor_ex: pivot 2 of matrix 1 is zero"):
        linalg.lu_factor_ex(x, check_errors=True)


@pytest.mark.parametrize("shape", [(9, 9), (15, 15), (48, 48), (100, 10), (10, 48), (256, 3), (17, 31)])
def test_factors_of_small_matrices_multiply_back(shape):
    for x in (np.random.default_rng(0).standard_normal((3, *shape)), np.ones((2, *shape)), np.zeros((1, *shape))):
        P, L, U = linalg.lu(dlcore.from_numpy(x))
        np.testing.assert_allclose((P @ L @ U).numpy(), x, atol=1e-13)
        assert L.abs().max().item() <= 1
    x[0, -1, 0] = math.nan
    assert linalg.lu(dlcore.from_numpy(x)).U.isnan().any()


def test_powers_of_too_few_columns():
    with pytest.raises(ValueError, match="N must be at least 2"):
        linalg.vander(dlcore.ones(3), N=1)


@pytest.mark.parametrize(("m", "n"), [(9, 6), (6, 9)])
def test_few_singular_values_are_found_by_random_vectors(m, n):
    A = dlcore.from_numpy(RNG.standard_normal((2, m, 3)) @ RNG.standard_normal((2, 3, n))).requires_grad_()
    shift = dlcore.from_numpy(RNG.standard_normal((1, n)))
    exact = linalg.svdvals(A)[:, :3]
    for found in (dlcore.svd_lowrank(A, q=4), dlcore.svd_lowrank(A + shift, q=4, M=shift)):
        U, S, V = found
        check(U * S.unsqueeze(-2) @ V.mT, A.detach().numpy(), 1e-9)
        check(S[:, :3], exact.detach().numpy())
        check(U[..., :3].mT @ U[..., :3], np.broadcast_to(np.eye(3), (2, 3, 3)))
    assert [part.shape for part in dlcore.svd_lowrank(A.detach())] == [(2, m, 6), (2, 6), (2, n, 6)]
    (slope,) = dlcore.autograd.grad(dlcore.svd_lowrank(A, q=3)[1].sum(), A)
    check(slope, dlcore.autograd.grad(exact.sum(), A)[0].numpy(), 1e-8)


def test_principal_components_are_of_rows_about_their_mean():
    x = RNG.standard_normal((20, 4))
    _, S, V = dlcore.pca_lowrank(dlcore.from_numpy(x))
    variances, directions = np.linalg.eigh(np.cov(x.T))
    check(S**2 / 19, variances[::-1])
    check((V.T @ dlcore.from_numpy(directions[:, ::-1].copy())).abs(), np.eye(4))
    check(dlcore.pca_lowrank(dlcore.from_numpy(x), center=False)[1], np.linalg.svd(x)[1])
    for wrong in ({"q": 5}, {"q": -1}, {"niter": -1}):
        with pytest.raises(ValueError, match=r"must be (in 0\.\.4|at least 0)"):
            dlcore.pca_lowrank(dlcore.from_numpy(x), **wrong)


def test_the_adjoint_exchanges_rows_and_columns():
    x = dlcore.arange(6).reshape(1, 2, 3)
    assert x.adjoint().equal(x.mT)
    assert dlcore.adjoint(x).data_ptr() == x.data_ptr()
    assert dlcore.adjoint(dlcore.tensor(2)).item() == 2
    with pytest.raises(dlcore.ShapeError):
        dlcore.adjoint(dlcore.ones(2))


def test_gradients_by_eigenvectors_are_symmetric():
    x = dlcore.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=dlcore.float64, requires_grad=True)
    _, vectors = dlcore.linalg.eigh(x)
    weights = dlcore.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=dlcore.float64)
    (vectors @ vectors.mT * weights).sum().backward()  # the identity, whatever x is
    assert x.grad.abs().max().item() < 1e-12
    x.grad = None
    values, vectors = dlcore.linalg.eigh(x)
    ((vectors * values.exp()) @ vectors.mT)[0, 1].backward()
    assert dlcore.allclose(x.grad, x.grad.mT)
    step = 1e-6 * dlcore.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=dlcore.float64)

    def exponential(x):
        return dlcore.linalg.matrix_exp(x)[0, 1]

    slope = (exponential(x.detach() + step) - exponential(x.detach() - step)) / 2e-6
    assert 2 * x.grad[0, 1].item() == pytest.approx(slope.item(), rel=1e-6)


@pytest.mark.parametrize("dtype", [dlcore.float32, dlcore.float64])
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_nothing_is_left_of_equal_rows(n, dtype):
    generator = dlcore.Generator().manual_seed(n)
    for _ in range(100):
        x = dlcore.randn(n, n, generator=generator).to(dtype)
        x[-1] = x[0]
        assert dlcore.linalg.lu_factor(x)[0].diagonal()[-1].item() == 0
