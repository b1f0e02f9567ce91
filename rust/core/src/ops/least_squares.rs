//! Least squares problems.

#![allow(clippy::many_single_char_names, reason = "matrices and their extents are called by their letters")]

use crate::array::Array;
use crate::autograd::autocast::Autocast;
use crate::autograd::tensor::Tensor;
use crate::creation::{eye, zeros};
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops::arithmetic::{mul, scalar, sub};
use crate::ops::factors::{above_bound, bound, bounds, pinv, qr, svdvals};
use crate::ops::matrices::without;
use crate::ops::matrix_stack::{Stack, adjoint, check_float};
use crate::ops::statistics::vector_norm;
use crate::ops::systems::solve_triangular;
use crate::ops::{logical_not, lt, matmul, ne, reduce, reshape, square, sum};

const NAME: &str = "linalg.lstsq";

/// What solves least squares problems.
pub struct LeastSquares {
    /// The solutions, those of the smallest norm.
    pub solution: Tensor,
    /// The sums of squares that are left, if asked for: none unless the matrices have full rank and more rows than columns.
    pub residuals: Option<Tensor>,
    /// The ranks of the matrices.
    pub ranks: Tensor,
    /// Their singular values, if asked for.
    pub values: Option<Tensor>,
}

/// What is asked for beside the solutions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside {
    /// The sums of squares that are left.
    pub residuals: bool,
    /// The singular values.
    pub values: bool,
}

/// Solutions of least squares problems, with what is asked for beside: by QR where that shows the matrices to have full
/// column rank, otherwise, or where singular values are asked for, by those.
///
/// # Errors
/// As [`pinv`]; [`Error::Shape`] where the rows differ in number.
pub fn lstsq(a: &Tensor, b: &Tensor, rtol: Option<f64>, beside: Beside) -> Result<LeastSquares> {
    Autocast::Widen.around([a, b], |[a, b]| solve(a, b, rtol, beside))
}

fn solve(a: &Tensor, b: &Tensor, rtol: Option<f64>, beside: Beside) -> Result<LeastSquares> {
    check_float(NAME, a.dtype())?;
    let stack = Stack::of(NAME, a.shape())?;
    let [m, n] = stack.matrix;
    let vectors = b.rank() + 1 == a.rank() && b.shape()[..] == a.shape()[..b.rank()];
    let sides = if vectors { reshape(b, &[b.shape(), &[1]].concat())? } else { b.clone() };
    if Stack::of(NAME, sides.shape())?.matrix[0] != m {
        let (a, b) = (Show(a.shape()), Show(b.shape()));
        return Err(Error::shape(
            NAME,
            format_args!("shapes {a} and {b}: as many right-hand sides as rows are needed"),
        ));
    }
    let by_qr = if beside.values { None } else { of_full_rank(a, &sides, rtol)? };
    let (mut solution, ranks, values) = if let Some(solution) = by_qr {
        let full = Array::full(NAME, &stack.batch, Scalar::Int(n as i128), DType::I64)?;
        (solution, full.into(), None)
    } else {
        let [atol, rtol] = bounds(a, None, rtol.map(bound).transpose()?.as_ref())?;
        let values = svdvals(&a.detach())?;
        let ranks = sum(&above_bound(&values, &atol, &rtol)?, &[values.rank() - 1], false)?;
        (matmul(&pinv(a, None, Some(&rtol))?, &sides)?, ranks, Some(values))
    };
    let residuals = if beside.residuals {
        let all = scalar(Scalar::Int(n as i128), DType::I64)?;
        let full = m > n && !reduce::any(ne(&ranks, &all)?.array())?;
        Some(if full { left_over(a, &solution, &sides, vectors)? } else { zeros(&[0], solution.dtype())? })
    } else {
        None
    };
    if vectors {
        solution = without(&solution, &[solution.rank() - 1])?;
    }
    Ok(LeastSquares { solution, residuals, ranks, values })
}

/// The sums of squares of `a @ solution - sides`.
fn left_over(a: &Tensor, solution: &Tensor, sides: &Tensor, vectors: bool) -> Result<Tensor> {
    let apart = sub(&matmul(a, solution)?, sides)?;
    let squares = sum(&square(&apart)?, &[apart.rank() - 2], false)?;
    if vectors { without(&squares, &[squares.rank() - 1]) } else { Ok(squares) }
}

/// Solutions by QR; none unless the norms of R and of its inverse, between which the singular values lie, show that the
/// smallest is above `rtol` times the largest, or above what rounding makes of none: `n` roundings add up to the root of
/// `n`, as a rule.
#[allow(clippy::cast_precision_loss, reason = "an extent")]
fn of_full_rank(a: &Tensor, sides: &Tensor, rtol: Option<f64>) -> Result<Option<Tensor>> {
    let [m, n] = Stack::of(NAME, a.shape())?.matrix;
    if m < n || n == 0 {
        return Ok(None);
    }
    let (q, r) = qr(a, false)?;
    let triangle = r.detach();
    let inverse = solve_triangular(&triangle, &eye(n, n, r.dtype())?, true, false)?;
    let size = |x: &Tensor| vector_norm(x, 2.0, &[x.rank() - 2, x.rank() - 1], false);
    let condition = mul(&size(&triangle)?, &size(&inverse)?)?;
    let spacing = a.dtype().floats().map_or(f64::EPSILON, |facts| facts.eps);
    let limit = rtol.unwrap_or(spacing * (m as f64).sqrt()).recip();
    let shown = lt(&condition, &scalar(Scalar::Float(limit), r.dtype())?)?;
    if reduce::any(logical_not(&shown)?.array())? {
        return Ok(None);
    }
    solve_triangular(&r, &matmul(&adjoint(&q)?, sides)?, true, false).map(Some)
}
