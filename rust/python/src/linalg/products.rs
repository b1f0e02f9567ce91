//! Products, powers and inverses: functions of matrices that take their arguments as they come.

use super::Out;
use crate::convert::{Arg, Ints, tensors};
use crate::enter::enter;
use crate::function::Returned;
use crate::out::Outs;
use dlcore_core::ops::{arrange, matrices, products, systems};
use pyo3::prelude::*;

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $t:ty $(= $default:tt)?),* $(; $($key:ident: $k:ty = $value:tt),+)?)
        $([$signature:literal])? => $op:expr;)*) => {
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(
                signature = ($($arg $(= $default)?,)* *, $($($key = $value,)+)? out = None) $(, text_signature = $signature)?
            )]
            fn $name<'py>(
                py: Python<'py>, $($arg: $t,)* $($($key: $k,)+)? out: Outs<'py>
            ) -> Out<'py> {
                enter(py, usize::MAX, || $op)?.returned_in(py, stringify!($name), out)
            }
        )*

        fn register_plain(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

/// The last two dimensions, as defaults: a macro takes a name for one token, and no sign and number.
const LAST: isize = -1;
const BEFORE_LAST: isize = -2;

plain! {
    /// The inverses of square matrices. Raises LinAlgError for a singular one.
    ///
    /// >>> dlcore.linalg.inv(dlcore.tensor([[2.0, 0.0], [0.0, 4.0]]))
    /// tensor([[0.5000, 0.0000],
    ///         [0.0000, 0.2500]])
    linalg_inv(A: Arg) => systems::inverse(&A.0);
    /// The determinants of square matrices.
    ///
    /// >>> dlcore.linalg.det(dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]))
    /// tensor(-2.)
    linalg_det(A: Arg) => systems::det_of(&A.0);
    /// The ``n``-th power of square matrices; of their inverses for negative ``n``.
    ///
    /// >>> dlcore.linalg.matrix_power(dlcore.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
    /// tensor([[1., 3.],
    ///         [0., 1.]])
    linalg_matrix_power(A: Arg, n: i64) => matrices::matrix_power(&A.0, n);
    /// The exponential of square matrices (Higham, "The scaling and squaring method for the matrix exponential
    /// revisited", 2005).
    ///
    /// >>> dlcore.linalg.matrix_exp(dlcore.tensor([[0.0, 1.0], [0.0, 0.0]]))
    /// tensor([[1., 1.],
    ///         [0., 1.]])
    linalg_matrix_exp(A: Arg) => matrices::matrix_exp(&A.0);
    /// The vector product of three elements along ``dim``.
    ///
    /// >>> dlcore.linalg.cross(dlcore.tensor([1.0, 0.0, 0.0]), dlcore.tensor([0.0, 1.0, 0.0]))
    /// tensor([0., 0., 1.])
    linalg_cross(input: Arg, other: Arg; dim: isize = LAST)["(input, other, *, dim=-1, out=None)"]
        => products::cross(&input.0, &other.0, Some(dim));
    /// The sum of the products of vectors along ``dim``.
    ///
    /// >>> dlcore.linalg.vecdot(dlcore.tensor([[1.0, 2.0], [3.0, 4.0]]), dlcore.tensor([1.0, 1.0]))
    /// tensor([3., 7.])
    linalg_vecdot(x: Arg, y: Arg; dim: isize = LAST)["(x, y, *, dim=-1, out=None)"]
        => matrices::vecdot(&x.0, &y.0, dim);
    /// The diagonals of matrices, in a new last dimension: a view.
    ///
    /// >>> dlcore.linalg.diagonal(dlcore.tensor([[1, 2], [3, 4]]))
    /// tensor([1, 4])
    linalg_diagonal(A: Arg; offset: isize = 0, dim1: isize = BEFORE_LAST, dim2: isize = LAST)
        ["(A, *, offset=0, dim1=-2, dim2=-1, out=None)"]
        => arrange::diagonal(&A.0, offset, dim1, dim2);
    /// The inverse of ``tensordot(A, ., ind)``: dimensions after the first ``ind`` come first in it.
    ///
    /// >>> dlcore.linalg.tensorinv(dlcore.eye(6).reshape(2, 3, 6)).shape
    /// (6, 2, 3)
    linalg_tensorinv(A: Arg, ind: usize = 2) => matrices::tensorinv(&A.0, ind);
    /// The solution x of ``tensordot(A, x, x.ndim) = B``, with dimensions ``dims`` of ``A`` moved to its end before.
    ///
    /// >>> dlcore.linalg.tensorsolve(dlcore.eye(6).reshape(2, 3, 6), dlcore.ones(2, 3))
    /// tensor([1., 1., 1., 1., 1., 1.])
    linalg_tensorsolve(A: Arg, B: Arg, dims: Option<Ints> = None)
        => matrices::tensorsolve(&A.0, &B.0, dims.as_ref().map(|dims| &dims.0[..]));
    /// The first columns of the product of the reflections ``1 - tau * v @ v.T``, whose vectors are in the columns of
    /// ``A`` below the diagonal, after a one on it.
    ///
    /// >>> dlcore.linalg.householder_product(dlcore.tensor([[0.0], [1.0]]), dlcore.tensor([1.0]))
    /// tensor([[ 0.],
    ///         [-1.]])
    linalg_householder_product(A: Arg, tau: Arg) => matrices::householder_product(&A.0, &tau.0);
    /// The powers 0, 1, ... of each vector's elements, in rows of ``N`` columns.
    ///
    /// >>> dlcore.linalg.vander(dlcore.tensor([2, 3]), N=3)
    /// tensor([[1, 2, 4],
    ///         [1, 3, 9]])
    linalg_vander(x: Arg; N: Option<isize> = None) => matrices::vander(&x.0, N);
}

/// The product of matrices in the order that takes fewest multiplications; the first and the last may be vectors.
///
/// >>> dlcore.linalg.multi_dot([dlcore.ones(2, 3), dlcore.ones(3, 4), dlcore.ones(4)])
/// tensor([12., 12.])
#[pyfunction]
#[pyo3(signature = (tensors, *, out = None))]
fn linalg_multi_dot<'py>(py: Python<'py>, tensors: &Bound<'py, PyAny>, out: Outs<'py>) -> Out<'py> {
    let list = self::tensors(tensors)?;
    enter(py, usize::MAX, || matrices::multi_dot(&list))?.returned_in(py, "linalg.multi_dot", out)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_plain(module)?;
    super::add!(module, linalg_multi_dot);
    Ok(())
}
