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
use crate::ops::factors::{above_bound, bound, pinv, qr, svdvals};
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
    /// Their singular values, where the solutions come from them.
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

/// Solutions of least squares problems, with what is asked for beside: by QR where all matrices have full column rank,
/// otherwise, or where singular values are asked for, by those.
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
    #[allow(clippy::cast_precision_loss, reason = "an extent")]
    let rtol = rtol.unwrap_or(a.dtype().floats().map_or(f64::EPSILON, |facts| facts.eps) * m.max(n) as f64);
    let by_qr = if beside.values { None } else { of_full_rank(a, &sides, rtol)? };
    let (mut solution, ranks, values) = if let Some(solution) = by_qr {
        let full = Array::full(NAME, &stack.batch, Scalar::Int(n as i128), DType::I64)?;
        (solution, full.into(), None)
    } else {
        let (ranks, values) = ranks_of(&a.detach(), rtol)?;
        (matmul(&pinv(a, None, Some(&bound(rtol)?))?, &sides)?, ranks, Some(values))
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

/// The ranks of matrices where singular values up to `rtol` times the largest count as zero, and these values.
fn ranks_of(x: &Tensor, rtol: f64) -> Result<(Tensor, Tensor)> {
    let values = svdvals(x)?;
    let ranks = sum(&above_bound(&values, &bound(0.0)?, &bound(rtol)?)?, &[values.rank() - 1], false)?;
    Ok((ranks, values))
}

/// Solutions by QR; none unless the smallest singular value is above `rtol` times the largest. The norms of R and of its
/// inverse, between which they lie, show it as a rule; where these do not, the values themselves tell.
fn of_full_rank(a: &Tensor, sides: &Tensor, rtol: f64) -> Result<Option<Tensor>> {
    let [m, n] = Stack::of(NAME, a.shape())?.matrix;
    if m < n || n == 0 {
        return Ok(None);
    }
    let (q, r) = qr(a, false)?;
    let triangle = r.detach();
    let inverse = solve_triangular(&triangle, &eye(n, n, r.dtype())?, true, false)?;
    let size = |x: &Tensor| vector_norm(x, 2.0, &[x.rank() - 2, x.rank() - 1], false);
    let condition = mul(&size(&triangle)?, &size(&inverse)?)?;
    let shown = lt(&condition, &scalar(Scalar::Float(rtol.recip()), r.dtype())?)?;
    if reduce::any(logical_not(&shown)?.array())? {
        let (ranks, _) = ranks_of(&triangle, rtol)?;
        if reduce::any(ne(&ranks, &scalar(Scalar::Int(n as i128), DType::I64)?)?.array())? {
            return Ok(None);
        }
    }
    solve_triangular(&r, &matmul(&adjoint(&q)?, sides)?, true, false).map(Some)
}
