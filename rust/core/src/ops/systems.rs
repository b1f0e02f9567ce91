//! Solutions of linear systems, inverses and determinants, by LU factors; triangular systems.

use crate::array::{Array, Native};
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Promotion, Saves, apply, apply_all, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Show, broadcast_shapes};
use crate::ops::arithmetic::{mul, neg, scalar};
use crate::ops::factors::{Vectors, svd};
use crate::ops::matrix_stack::{Stack, adjoint, changed, check_float, times_columns, transposed};
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::{eq, matmul, prod, reduce, reshape, sum_to, tril, triu, where_};
use crate::with_float;
use dlcore_kernels::decompose::{self, Decompose, Side, Triangle};
use dlcore_kernels::element::Element;
use smallvec::smallvec;

/// The LU factors, by columns, of a stack of matrices whose columns are the rows of `x`: of its transposes. And the orders
/// of their rows.
fn eliminated<T: Native + Decompose>(op: &str, x: &Array, stack: &Stack) -> Result<(Array, Vec<i64>)> {
    let mut order = vec![0; stack.count() * stack.matrix[0]];
    let columns = changed(op, x, |lu: &mut [T]| {
        decompose::lu(stack.count(), stack.matrix, lu, &mut order);
        Ok(())
    })?;
    Ok((columns, order))
}

/// The LU factors of a stack of matrices, in one array, and the order of their rows.
pub(super) fn factorised(op: &str, x: &Array) -> Result<(Array, Array)> {
    let stack = Stack::of(op, x.shape())?;
    let (columns, order) = with_float!(op, x.dtype(), T => eliminated::<T>(op, &transposed(x), &stack)?);
    Ok((transposed(&columns), Array::from_slice(op, &order, &stack.with(&stack.matrix[..1]))?))
}

/// Refuses LU factors, by columns, with a zero on the diagonal.
fn check_regular<T: Native + Element>(op: &str, lu: &Array, stack: &Stack) -> Result<()> {
    let n = stack.matrix[0];
    for (index, matrix) in lu.elements::<T>().chunks_exact((n * n).max(1)).enumerate() {
        if let Some(at) = matrix.iter().step_by(n + 1).position(|x| *x == T::ZERO) {
            let why = format_args!("the matrix is singular: pivot {} of its LU factors is zero", at + 1);
            return Err(stack.error(op, index, why));
        }
    }
    Ok(())
}

/// `x` with its dimensions before the last `last` broadcast to `batch`.
fn spread(op: &str, x: &Array, batch: &[usize], last: usize) -> Result<Array> {
    let (own, matrix) = x.shape().split_at(x.rank() - last);
    if own == batch { Ok(x.clone()) } else { x.expand(op, &[batch, matrix].concat()) }
}

/// The solutions of systems whose matrices have the LU factors `lu`, by columns, for the right-hand sides in the columns of `b`.
fn solved(op: &str, lu: &Array, order: &Array, side: Side, b: &Array) -> Result<Array> {
    let (factors, sides) = (Stack::square(op, lu.shape())?, Stack::of(op, b.shape())?);
    let batch = broadcast_shapes(op, &factors.batch, &sides.batch)?;
    let lu = spread(op, lu, &batch, 2)?.contiguous(op)?;
    let order = spread(op, order, &batch, 1)?.contiguous(op)?;
    let b = spread(op, b, &batch, 2)?;
    with_float!(op, lu.dtype(), T => changed(op, &b, |b: &mut [T]| {
        let order = order.elements::<i64>();
        decompose::lu_solve(batch.iter().product(), sides.matrix, lu.elements::<T>(), order, side, b);
        Ok(())
    }))
}

/// Refuses right-hand sides that do not have as many rows as the square matrices.
pub(super) fn check_sides(op: &str, a: &[usize], b: &[usize]) -> Result<()> {
    let (n, sides) = (Stack::square(op, a)?.matrix[0], Stack::of(op, b)?);
    if sides.matrix[0] == n {
        return Ok(());
    }
    Err(Error::shape(
        op,
        format_args!("{n} equations (shape {}) but {} right-hand sides (shape {})", Show(a), sides.matrix[0], Show(b)),
    ))
}

/// The solutions x of `a @ x = b` for square matrices: by LU factors, which serve the gradient as well.
#[derive(Clone, Debug)]
pub struct Solve;

impl Operation for Solve {
    const NAME: &'static str = "linalg.solve";
    const PROMOTION: Promotion = Promotion::Common;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        check_sides(Self::NAME, inputs[0].shape(), inputs[1].shape())?;
        let stack = Stack::square(Self::NAME, inputs[0].shape())?;
        // Of the transposes, for which nothing need be turned.
        let (lu, order) = with_float!(Self::NAME, inputs[0].dtype(), T => {
            let (lu, order) = eliminated::<T>(Self::NAME, inputs[0], &stack)?;
            check_regular::<T>(Self::NAME, &lu, &stack)?;
            (lu, order)
        });
        let order = Array::from_slice(Self::NAME, &order, &stack.with(&stack.matrix[..1]))?;
        let x = solved(Self::NAME, &lu, &order, Side::Transposed, inputs[1])?;
        Ok(smallvec![x, lu, order])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let b = if mode::is_recording() {
            solve(&adjoint(&context.input(0)?)?, grad)?
        } else {
            let (lu, order) = (context.auxiliary(1)?, context.auxiliary(2)?);
            solved(Self::NAME, lu.array(), order.array(), Side::Plain, grad.array())?.into()
        };
        let a = if context.needs(0) {
            Some(sum_to(&neg(&matmul(&b, &adjoint(&context.output()?)?)?)?, context.shape(0))?)
        } else {
            None
        };
        Ok(smallvec![a, Some(sum_to(&b, context.shape(1))?)])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(0).outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |a: &[usize], b: &[usize]| Sample::new(Self, [input(Domain::Invertible, a), real(b)]);
        vec![
            of(&[2, 3, 3], &[2, 3, 4]),
            of(&[1, 3, 3], &[2, 3, 1]),
            of(&[2, 1, 2, 2], &[3, 2, 2]),
            of(&[1, 1], &[1, 2]),
            of(&[0, 2, 2], &[0, 2, 3]),
        ]
    }
}

/// The solutions of triangular systems.
#[derive(Clone, Debug)]
pub struct SolveTriangular {
    /// The triangle above the diagonal, otherwise the one below.
    pub upper: bool,
    /// With ones on the diagonal, whatever is stored there.
    pub unit: bool,
}

impl Operation for SolveTriangular {
    const NAME: &'static str = "linalg.solve_triangular";
    const PROMOTION: Promotion = Promotion::Common;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (op, a, b) = (Self::NAME, inputs[0], inputs[1]);
        check_float(op, a.dtype())?;
        check_sides(op, a.shape(), b.shape())?;
        let (matrices, sides) = (Stack::of(op, a.shape())?, Stack::of(op, b.shape())?);
        let batch = broadcast_shapes(op, &matrices.batch, &sides.batch)?;
        let (a, b) = (spread(op, a, &batch, 2)?.contiguous(op)?, spread(op, b, &batch, 2)?);
        let triangle = Triangle { upper: self.upper, unit: self.unit };
        Ok(single(with_float!(op, a.dtype(), T => changed(op, &b, |b: &mut [T]| {
            let count = batch.iter().product();
            decompose::triangular_solve(count, sides.matrix, a.elements::<T>(), triangle, b);
            Ok(())
        }))?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let other = Self { upper: !self.upper, unit: self.unit };
        let b = apply(other, &[&adjoint(&context.input(0)?)?, grad])?;
        let a = if context.needs(0) {
            let all = neg(&matmul(&b, &adjoint(&context.output()?)?)?)?;
            let within = i64::from(self.unit);
            let kept = if self.upper { triu(&all, within)? } else { tril(&all, -within)? };
            Some(sum_to(&kept, context.shape(0))?)
        } else {
            None
        };
        Ok(smallvec![a, Some(sum_to(&b, context.shape(1))?)])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING.input(0).outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |upper, unit, a: &[usize], b: &[usize]| {
            Sample::new(Self { upper, unit }, [input(Domain::Invertible, a), real(b)])
        };
        vec![
            of(false, false, &[2, 3, 3], &[2, 3, 2]),
            of(true, false, &[1, 3, 3], &[2, 3, 1]),
            of(true, true, &[1, 2, 2], &[1, 2, 2]),
            of(false, true, &[0, 2, 2], &[0, 2, 3]),
        ]
    }

    fn params(&self) -> Params {
        vec![("upper", self.upper.into()), ("unit", self.unit.into())]
    }
}

/// The inverses of square matrices.
#[derive(Clone, Debug)]
pub struct Inverse;

impl Operation for Inverse {
    const NAME: &'static str = "linalg.inv";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (x, stack) = (inputs[0], Stack::square(Self::NAME, inputs[0].shape())?);
        let (count, n) = (stack.count(), stack.matrix[0]);
        Ok(single(with_float!(Self::NAME, x.dtype(), T => {
            // Of the transposes, for which nothing need be turned.
            let (lu, order) = eliminated::<T>(Self::NAME, x, &stack)?;
            check_regular::<T>(Self::NAME, &lu, &stack)?;
            Array::build(Self::NAME, x.shape(), |out: &mut [T]| {
                out.fill(T::ZERO);
                for matrix in out.chunks_exact_mut((n * n).max(1)) {
                    matrix.iter_mut().step_by(n + 1).for_each(|x| *x = T::ONE);
                }
                decompose::lu_solve(count, stack.matrix, lu.elements::<T>(), &order, Side::Transposed, out);
                Ok(())
            })
        })?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let inverse = adjoint(&context.output()?)?;
        Ok(one(neg(&matmul(&matmul(&inverse, grad)?, &inverse)?)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::OUTPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize]| Sample::new(Self, [input(Domain::Invertible, shape)]);
        vec![of(&[2, 3, 3]), of(&[1, 1]), of(&[0, 2, 2]), of(&[2, 0, 0])]
    }
}

/// Whether an order of rows takes an odd number of exchanges: whether an odd number of pairs stands the wrong way round.
fn is_odd(order: &[i64]) -> bool {
    let before = |(i, row): (usize, &i64)| order[..i].iter().filter(|&other| other > row).count();
    order.iter().enumerate().map(before).sum::<usize>() % 2 == 1
}

/// The logarithm of the product of absolute values, one for as many as have a product.
fn log_of_product(values: &[f64]) -> f64 {
    let (mut sum, mut product) = (0.0, 1.0);
    for x in values.iter().map(|x| x.abs()) {
        let more = product * x;
        if more.is_normal() {
            product = more;
        } else {
            sum += f64::ln(product);
            product = x;
        }
    }
    sum + product.ln()
}

/// What `combine` makes of the sign and the diagonal of each factorised matrix, in the dtype of `x`.
fn of_pivots<const N: usize>(op: &str, x: &Array, combine: impl Fn(f64, &[f64]) -> [f64; N]) -> Result<[Array; N]> {
    let stack = Stack::square(op, x.shape())?;
    let n = stack.matrix[0];
    let columns = with_float!(op, x.dtype(), T => {
        // The transposes have the same determinants.
        let (lu, order) = eliminated::<T>(op, x, &stack)?;
        let (mut pivots, mut found) = (Vec::with_capacity(n), Vec::with_capacity(stack.count()));
        for index in 0..stack.count() {
            let matrix = &lu.elements::<T>()[index * n * n..(index + 1) * n * n];
            pivots.clear();
            pivots.extend(matrix.iter().step_by(n + 1).map(|x| x.to_f64()));
            let sign = if is_odd(&order[index * n..(index + 1) * n]) { -1.0 } else { 1.0 };
            found.push(combine(sign, &pivots));
        }
        let column = |k: usize| Array::build(op, &stack.batch, |out: &mut [T]| {
            out.iter_mut().zip(&found).for_each(|(out, values)| *out = T::from_f64(values[k]));
            Ok(())
        });
        (0..N).map(column).collect::<Result<Vec<_>>>()?
    });
    Ok(columns.try_into().unwrap_or_else(|_| unreachable!("as many columns as values")))
}

/// Determinants of square matrices.
#[derive(Clone, Debug)]
pub struct Det;

impl Operation for Det {
    const NAME: &'static str = "linalg.det";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let [det] = of_pivots(Self::NAME, inputs[0], |sign, pivots| [sign * pivots.iter().product::<f64>()])?;
        Ok(single(det))
    }

    /// The transposed cofactors: by the inverse or, where there is none, by singular values without one each.
    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (x, det) = (context.input(0)?, context.output()?);
        let zero = scalar(Scalar::Int(0), det.dtype())?;
        let shape = [grad.shape(), &[1, 1]].concat();
        if x.shape() == shape {
            return Ok(one(reshape(grad, &shape)?)); // one number's cofactor is one
        }
        let cofactors = if reduce::any(eq(&det.detach(), &zero)?.array())? {
            let n = x.shape()[x.rank() - 1];
            let (u, s, vt) = svd(&x, Vectors::Thin)?;
            let others = crate::creation::eye(n, n, DType::Bool)?;
            let line = reshape(&s, &[s.shape(), &[1]].concat())?;
            let products = prod(&where_(&others, &scalar(Scalar::Int(1), s.dtype())?, &line)?, &[s.rank() - 1], false)?;
            let sign = reshape(&det_of(&matmul(&u, &vt)?)?, &shape)?;
            mul(&sign, &matmul(&times_columns(&u, &products)?, &vt)?)?
        } else {
            mul(&reshape(&det, &shape)?, &adjoint(&inverse(&x)?)?)?
        };
        Ok(one(mul(&reshape(grad, &shape)?, &cofactors)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS.outputs()
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize]| Sample::new(Self, [input(Domain::Invertible, shape)]);
        vec![of(&[2, 3, 3]), of(&[1, 1]), of(&[0, 2, 2])]
    }
}

/// Logarithms of the absolute values of determinants, then their signs, which have no gradient.
#[derive(Clone, Debug)]
pub struct LogAbsDet;

impl Operation for LogAbsDet {
    const NAME: &'static str = "linalg.slogdet";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let [logarithm, sign] = of_pivots(Self::NAME, inputs[0], |sign, pivots| {
            let signs = pivots.iter().map(|&x| if x == 0.0 { 0.0 } else { x.signum() });
            [log_of_product(pivots), sign * signs.product::<f64>()]
        })?;
        Ok(smallvec![logarithm, sign])
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let grad = reshape(grad, &[grad.shape(), &[1, 1]].concat())?;
        Ok(one(mul(&grad, &adjoint(&inverse(&context.input(0)?)?)?)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize]| Sample::new(Self, [input(Domain::Invertible, shape)]);
        vec![of(&[2, 3, 3]), of(&[1, 1]), of(&[0, 2, 2])]
    }
}

/// The solutions x of `a @ x = b`, whose batch dimensions broadcast.
///
/// # Errors
/// [`Error::Shape`] for matrices that are not square or right-hand sides that do not fit, [`Error::LinAlg`] for a
/// singular matrix.
pub fn solve(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(Solve, &[a, b])
}

/// The solutions x of `a @ x = b` for one triangle of the square matrices.
///
/// # Errors
/// [`Error::Shape`] as for [`solve`].
pub fn solve_triangular(a: &Tensor, b: &Tensor, upper: bool, unit: bool) -> Result<Tensor> {
    apply(SolveTriangular { upper, unit }, &[a, b])
}

/// The inverses of square matrices.
///
/// # Errors
/// [`Error::Shape`] for other matrices, [`Error::LinAlg`] for a singular one.
pub fn inverse(x: &Tensor) -> Result<Tensor> {
    apply(Inverse, &[x])
}

/// Determinants.
///
/// # Errors
/// [`Error::Shape`] for matrices that are not square.
pub fn det_of(x: &Tensor) -> Result<Tensor> {
    apply(Det, &[x])
}

/// Signs of determinants, and the logarithms of their absolute values.
///
/// # Errors
/// [`Error::Shape`] for matrices that are not square.
pub fn slogdet(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut outputs = apply_all(LogAbsDet, &[x])?;
    Ok((outputs.swap_remove(1), outputs.swap_remove(0)))
}
