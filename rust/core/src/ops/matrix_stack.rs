//! Tensors as stacks of matrices, and what goes wrong with one of them: what all decompositions begin with.

use crate::array::{Array, Native};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arithmetic::mul;
use crate::ops::shape::{reshape, slice, transpose};
use dlcore_kernels::copy;
use dlcore_kernels::decompose::{Failed, Failure};

/// The extents of a stack of matrices.
pub struct Stack {
    /// Dimensions before the last two.
    pub batch: Dims,
    /// Rows and columns of each matrix.
    pub matrix: [usize; 2],
}

impl Stack {
    /// The extents of `shape`.
    ///
    /// # Errors
    /// [`Error::Shape`] for fewer than two dimensions.
    pub fn of(op: &str, shape: &[usize]) -> Result<Self> {
        let [batch @ .., m, n] = shape else {
            let what = format_args!("expected a matrix or a batch of matrices, got shape {}", Show(shape));
            return Err(Error::shape(op, what));
        };
        Ok(Self { batch: Dims::from_slice(batch), matrix: [*m, *n] })
    }

    /// As [`Stack::of`], for square matrices.
    ///
    /// # Errors
    /// [`Error::Shape`] for other matrices as well.
    pub fn square(op: &str, shape: &[usize]) -> Result<Self> {
        let stack = Self::of(op, shape)?;
        let [m, n] = stack.matrix;
        if m == n {
            return Ok(stack);
        }
        let what = format_args!("expected square matrices, got {m} by {n} (shape {})", Show(shape));
        Err(Error::shape(op, what))
    }

    /// How many matrices there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.batch.iter().product()
    }

    /// The smaller extent of a matrix.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.matrix[0].min(self.matrix[1])
    }

    /// The shape of as many tensors with other last dimensions.
    #[must_use]
    pub fn with(&self, last: &[usize]) -> Dims {
        self.batch.iter().chain(last).copied().collect()
    }

    /// The error for a matrix that has no such decomposition.
    #[must_use]
    pub fn failed(&self, op: &str, (index, failure): Failed) -> Error {
        let why = match failure {
            Failure::NotPositive(row) => {
                format!("the matrix is not positive definite: its leading minor of order {} is not", row + 1)
            }
            Failure::NoConvergence => "no convergence; the matrix is ill-conditioned or not finite".to_owned(),
        };
        self.error(op, index, why)
    }

    /// The error for matrix `index`.
    #[must_use]
    pub fn error(&self, op: &str, index: usize, why: impl std::fmt::Display) -> Error {
        let place = if self.batch.is_empty() { String::new() } else { format!("(batch element {index}) ") };
        Error::linalg(op, format_args!("{place}{why}"))
    }
}

/// A contiguous copy of `x` that `change` works on in place.
///
/// # Errors
/// [`Error::Memory`] where there is none, and what `change` returns.
pub fn changed<T: Native>(op: &str, x: &Array, change: impl FnOnce(&mut [T]) -> Result<()>) -> Result<Array> {
    Array::build(op, x.shape(), |out: &mut [T]| {
        copy::copy(x.data::<T>(), x.strided(), out);
        change(out)
    })
}

/// The transposes of matrices, as a view.
#[must_use]
pub fn transposed(x: &Array) -> Array {
    let mut dims: Dims = (0..x.rank()).collect();
    dims.swap(x.rank() - 2, x.rank() - 1);
    x.view(x.layout().permute(&dims))
}

/// As [`changed`], for matrices that `change` works on by columns, and whose columns follow one another in the result.
///
/// # Errors
/// As [`changed`].
pub fn changed_by_columns<T: Native>(
    op: &str,
    x: &Array,
    change: impl FnOnce(&mut [T]) -> Result<()>,
) -> Result<Array> {
    Ok(transposed(&changed(op, &transposed(x), change)?))
}

/// Refuses what is not a float; 16-bit ones are widened before.
///
/// # Errors
/// [`Error::DType`].
pub fn check_float(op: &str, dtype: DType) -> Result<()> {
    if dtype.is_float() {
        return Ok(());
    }
    Err(Error::dtype(op, format_args!("expected a float dtype, got {dtype}; convert with .float()")))
}

/// The transposes of matrices.
///
/// # Errors
/// [`Error::Index`] for fewer than two dimensions.
pub fn adjoint(x: &Tensor) -> Result<Tensor> {
    transpose(x, -2, -1)
}

/// The matrices with each column multiplied by an element of `values`.
///
/// # Errors
/// [`Error::Shape`] where there are not as many.
pub fn times_columns(x: &Tensor, values: &Tensor) -> Result<Tensor> {
    let [batch @ .., n] = values.shape() else { return mul(x, values) };
    mul(x, &reshape(values, &[batch, &[1, *n]].concat())?)
}

/// The matrices with each row multiplied by an element of `values`.
///
/// # Errors
/// As [`times_columns`].
pub fn times_rows(x: &Tensor, values: &Tensor) -> Result<Tensor> {
    let [batch @ .., n] = values.shape() else { return mul(x, values) };
    mul(x, &reshape(values, &[batch, &[*n, 1]].concat())?)
}

/// The first `count` rows or columns, counting dimensions from the last.
///
/// # Errors
/// Only for lack of memory.
pub fn first(x: &Tensor, dim_from_last: usize, count: usize) -> Result<Tensor> {
    slice(x, x.rank() - dim_from_last, 0, 1, count)
}

/// All after the first `count` rows or columns.
///
/// # Errors
/// Only for lack of memory.
pub fn rest(x: &Tensor, dim_from_last: usize, count: usize) -> Result<Tensor> {
    let dim = x.rank() - dim_from_last;
    slice(x, dim, count, 1, x.shape()[dim] - count)
}
