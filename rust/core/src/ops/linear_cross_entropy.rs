//! Cross entropy of a linear layer's outputs, some rows at a time, so that all logits are never there at once: neither
//! forward nor backward, which computes them again (as in Wijmans et al. 2024).

#![allow(clippy::many_single_char_names, reason = "x, w and the n, d of shapes are the names that everybody knows")]

use crate::array::Array;
use crate::autograd::engine::{Options, backward};
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Needs, Operation, Outputs, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops::arithmetic::{scalar, scale, shift};
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::{
    self, Reduction, add, cast, cat, cross_entropy, div, linear, matmul, mul, ne, one_hot, reshape, slice, sub,
    transpose,
};
use smallvec::smallvec;

/// The sum of the cross entropies of `x wᵀ`, plus a bias if there is a fourth input, and labels: x (N, D), w (V, D), labels
/// (N), bias (V).
#[derive(Clone, Debug)]
pub struct LinearCrossEntropy {
    /// Labels that do not count.
    pub ignore_index: i64,
    /// Share of each label that is spread evenly over all classes.
    pub label_smoothing: f64,
}

/// Logits that are there at once.
const LOGITS: usize = 1 << 23;
const NAME: &str = LinearCrossEntropy::NAME;

impl LinearCrossEntropy {
    /// The ranges of rows that are taken at a time.
    fn chunks(x: &[usize], w: &[usize]) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (rows, each) = (x[0], (LOGITS / w[0].max(1)).max(64));
        (0..rows).step_by(each).map(move |first| (first, each.min(rows - first)))
    }

    /// The loss of some rows.
    fn loss(&self, x: &Tensor, w: &Tensor, labels: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        cross_entropy(&linear(x, w, bias)?, labels, None, self.ignore_index, Reduction::Sum, self.label_smoothing)
    }

    /// The gradients in operations that can be differentiated again, which hold all logits.
    fn composed(&self, context: &Context<'_>, inputs: &[Tensor], grad: &Tensor) -> Result<Gradients> {
        let (x, w, labels) = (&inputs[0], &inputs[1], &inputs[2]);
        let counts = ne(labels, &scalar(Scalar::Int(self.ignore_index.into()), DType::I64)?)?;
        let valid = mul(labels, &cast(&counts, DType::I64)?)?;
        let p = ops::softmax(&linear(x, w, inputs.get(3))?, 1)?;
        let classes = w.shape()[0];
        let target = cast(&one_hot(&valid, Some(classes))?, x.dtype())?;
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 classes")]
        let spread = self.label_smoothing / classes.max(1) as f64;
        let target = shift(&scale(&target, 1.0 - self.label_smoothing)?, spread)?;
        let counts = reshape(&cast(&counts, x.dtype())?, &[x.shape()[0], 1])?;
        let slope = mul(&mul(&sub(&p, &target)?, &counts)?, grad)?;
        let mut gradients: Gradients =
            smallvec![Some(matmul(&slope, w)?), Some(matmul(&transpose(&slope, 0, 1)?, x)?), None];
        if context.len() > 3 {
            gradients.push(Some(ops::sum(&slope, &[0], false)?));
        }
        Ok(gradients)
    }
}

impl Operation for LinearCrossEntropy {
    const NAME: &'static str = "linear_cross_entropy";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (x, w, labels) = (inputs[0], inputs[1], inputs[2]);
        let fits = matches!((x.shape(), w.shape(), labels.shape()), ([n, d], [_, e], [m]) if n == m && d == e);
        if !fits {
            let (x, w, labels) = (Show(x.shape()), Show(w.shape()), Show(labels.shape()));
            let what = "expected an input (rows, features), a weight (classes, features) and labels (rows)";
            return Err(Error::shape(NAME, format_args!("{what}; got {x}, {w} and {labels}")));
        }
        if !x.dtype().is_float() {
            return Err(Error::dtype(NAME, format_args!("expected a float dtype, got {}", x.dtype())));
        }
        let _unrecorded = mode::Scope::new(false);
        let inputs: Vec<Tensor> = inputs.iter().map(|&input| input.clone().into()).collect();
        let mut sum: Tensor = Array::zeros(NAME, &[], x.dtype())?.into();
        for (first, count) in Self::chunks(x.shape(), w.shape()) {
            let rows = |t: &Tensor| slice(t, 0, first, 1, count);
            sum = add(&sum, &self.loss(&rows(&inputs[0])?, &inputs[1], &rows(&inputs[2])?, inputs.get(3))?)?;
        }
        Ok(single(sum.array().clone()))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let inputs = (0..context.len()).map(|i| context.input(i)).collect::<Result<Vec<_>>>()?;
        if mode::is_recording() {
            return self.composed(context, &inputs, grad);
        }
        let leaf = |i: usize, t: &Tensor| {
            if context.needs(i) { Tensor::leaf(t.array().clone()) } else { Ok(t.detach()) }
        };
        let w = leaf(1, &inputs[1])?;
        let bias = inputs.get(3).map(|bias| leaf(3, bias)).transpose()?;
        let mut gx = Vec::new();
        for (first, count) in Self::chunks(inputs[0].shape(), w.shape()) {
            let rows = |t: &Tensor| slice(t, 0, first, 1, count);
            let x = leaf(0, &rows(&inputs[0])?)?;
            let loss = {
                let _recorded = mode::Scope::new(true);
                self.loss(&x, &w, &rows(&inputs[2])?.detach(), bias.as_ref())?
            };
            backward(&[loss], &[Some(grad.clone())], Options::default())?;
            gx.extend(x.grad());
        }
        let gx = if gx.is_empty() { None } else { Some(cat(&gx.iter().collect::<Vec<_>>(), 0)?) };
        let mut gradients: Gradients = smallvec![gx, w.grad(), None];
        if let Some(bias) = bias {
            gradients.push(bias.grad());
        }
        Ok(gradients)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |ignore_index, label_smoothing, rows: usize, bias: bool| {
            let mut inputs = vec![real(&[rows, 3]), real(&[5, 3]), input(Domain::Index(5), &[rows])];
            if bias {
                inputs.push(real(&[5]));
            }
            Sample::new(Self { ignore_index, label_smoothing }, inputs)
        };
        vec![of(-100, 0.0, 4, true), of(2, 0.1, 4, false), of(-100, 0.0, 0, false)]
    }

    fn params(&self) -> Params {
        vec![("ignore_index", self.ignore_index.into()), ("label_smoothing", self.label_smoothing.into())]
    }
}

/// Cross entropy of `linear(x, w, bias)`, x (N, D) and w (V, D), and labels (N), without ever holding all N * V logits.
///
/// # Errors
/// [`Error::Shape`] where shapes do not fit, [`Error::Index`] for a label out of range, [`Error::Value`] for a smoothing
/// outside 0 to 1 and for a reduction that keeps each loss.
pub fn linear_cross_entropy(
    x: &Tensor,
    w: &Tensor,
    labels: &Tensor,
    bias: Option<&Tensor>,
    ignore_index: i64,
    reduction: Reduction,
    label_smoothing: f64,
) -> Result<Tensor> {
    if reduction == Reduction::None {
        return Err(Error::value(NAME, "reduction is \"mean\" or \"sum\""));
    }
    if labels.dtype().is_float() {
        return Err(Error::dtype(NAME, format_args!("expected labels of integers, got {}", labels.dtype())));
    }
    let op = LinearCrossEntropy { ignore_index, label_smoothing };
    let labels = cast(labels, DType::I64)?;
    let sum = match bias {
        Some(bias) => apply(op, &[x, w, &labels, bias])?,
        None => apply(op, &[x, w, &labels])?,
    };
    if reduction == Reduction::Sum {
        return Ok(sum);
    }
    let counts = ne(&labels, &scalar(Scalar::Int(ignore_index.into()), DType::I64)?)?;
    div(&sum, &cast(&ops::sum(&cast(&counts, DType::I64)?, &[0], false)?, sum.dtype())?)
}
