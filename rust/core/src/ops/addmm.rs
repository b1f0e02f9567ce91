//! The sum of a matrix and a product, each with a factor, in the one pass that stores the product.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Autocast, Context, Needs, Operation, Outputs, Promotion, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops::arithmetic::scale;
use crate::ops::linalg::{check_inner, matrix};
use crate::ops::products::{accumulated, check_rank, mm};
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::{matmul, sum_to, transpose};
use crate::with_float;
use dlcore_kernels::gemm::{self, Gemm, Residual};
use smallvec::smallvec;

/// `beta * input + alpha * (a @ b)` for float matrices; an `input` times zero is left out, whatever its elements.
#[derive(Clone, Debug)]
pub struct AddMm {
    /// Factor of the input.
    pub beta: f64,
    /// Factor of the product.
    pub alpha: f64,
}

impl Operation for AddMm {
    const NAME: &'static str = "addmm";
    const PROMOTION: Promotion = Promotion::Common;
    const AUTOCAST: Autocast = Autocast::Lower;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let [input, a, b] = inputs else { unreachable!("three inputs") };
        if a.rank() != 2 || b.rank() != 2 {
            let (a, b) = (Show(a.shape()), Show(b.shape()));
            return Err(Error::shape(Self::NAME, format_args!("expected matrices, got shapes {a} and {b}")));
        }
        check_inner(a.shape(), b.shape())?;
        let shape = [a.shape()[0], b.shape()[1]];
        let extents = [shape[0], a.shape()[1], shape[1]];
        let input = input.expand(Self::NAME, &shape).map_err(|_| {
            let input = Show(input.shape());
            Error::shape(
                Self::NAME,
                format_args!("input of shape {input} does not broadcast to the product's {}", Show(&shape)),
            )
        })?;
        let out = with_float!(Self::NAME, a.dtype(), T => Array::build(Self::NAME, &shape, |out: &mut [T]| {
            let mut problem = Gemm::new(extents, matrix(a), matrix(b), out);
            problem.epilogue.scale = self.alpha;
            if self.beta != 0.0 {
                problem.epilogue.residual = Some(Residual { matrix: matrix(&input), factor: self.beta });
            }
            gemm::gemm(problem);
            Ok(())
        }))?;
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let input = context.needs(0).then(|| sum_to(&scale(grad, self.beta)?, context.shape(0))).transpose()?;
        let of = |a: &Tensor, b: &Tensor| scale(&matmul(a, b)?, self.alpha);
        let a = context.needs(1).then(|| of(grad, &transpose(&context.input(2)?, 0, 1)?)).transpose()?;
        let b = context.needs(2).then(|| of(&transpose(&context.input(1)?, 0, 1)?, grad)).transpose()?;
        Ok(smallvec![input, a, b])
    }

    fn saves(&self, needs: Needs) -> Saves {
        Saves::NOTHING.input_if(1, needs.input(2)).input_if(2, needs.input(1))
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |input: &[usize], [m, k, n]: [usize; 3], beta: f64, alpha: f64| {
            Sample::new(Self { beta, alpha }, [real(input), real(&[m, k]), real(&[k, n])])
        };
        vec![
            of(&[2, 4], [2, 3, 4], 1.0, 1.0),
            of(&[4], [2, 3, 4], -0.5, 2.0),
            of(&[2, 1], [2, 3, 4], 0.0, 0.5),
            of(&[], [3, 0, 2], 2.0, 1.0),
            of(&[0, 2], [0, 3, 2], 1.0, 1.0),
        ]
    }

    fn params(&self) -> Params {
        vec![("beta", self.beta.into()), ("alpha", self.alpha.into())]
    }
}

/// `beta * input + alpha * (a @ b)` for matrices: floats in one pass, as the product is stored.
///
/// # Errors
/// [`Error::Shape`] for other numbers of dimensions, or extents that do not fit.
pub fn addmm(input: &Tensor, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
    check_rank("addmm", "mat1", a, 2)?;
    check_rank("addmm", "mat2", b, 2)?;
    let native = |x: &Tensor| matches!(x.dtype(), DType::F32 | DType::F64) && x.dtype() == input.dtype();
    if !native(a) || !native(b) {
        return accumulated("addmm", input, &mm(a, b)?, beta, alpha);
    }
    apply(AddMm { beta, alpha }, &[input, a, b])
}
