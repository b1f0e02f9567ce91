//! Connectionist temporal classification (Graves et al., 2006): the probability of a sequence of labels summed over all
//! ways to spread it over more frames, with blanks between.

use crate::array::Array;
use crate::autograd::engine;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Autocast, Context, Needs, Operation, Outputs, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops::arithmetic::{add, div, neg, scalar};
use crate::ops::arrange::select;
use crate::ops::likelihood::integer_labels;
use crate::ops::loss::Reduction;
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::select::where_;
use crate::ops::{cast, cat, gather, isfinite, logsumexp, reshape, slice, stack};
use crate::with_float;
use dlcore_kernels::ctc::{self, Lengths, Sequences};
use dlcore_kernels::element::Float;
use smallvec::smallvec;
use std::sync::Arc;

const NAME: &str = CtcLoss::NAME;

/// Minus the log-probability of each of several sequences of labels: of log-probabilities (T, N, C) and the labels, one
/// sequence after the other.
#[derive(Clone, Debug)]
pub struct CtcLoss {
    /// Of each sequence.
    pub lengths: Arc<[Lengths]>,
    /// The class that stands for no label.
    pub blank: usize,
}

impl CtcLoss {
    /// Refuses what the lengths and the blank do not fit.
    fn check(&self, log_probs: &Array, labels: &Array) -> Result<()> {
        if labels.dtype() != DType::I64 {
            return Err(Error::dtype(NAME, format_args!("labels are int64, got {}", labels.dtype())));
        }
        let fits = matches!(*log_probs.shape(), [steps, count, _]
            if count == self.lengths.len() && self.lengths.iter().all(|lengths| lengths.frames <= steps));
        if !fits || labels.shape() != [self.lengths.iter().map(|lengths| lengths.labels).sum::<usize>()] {
            let (x, y, count) = (Show(log_probs.shape()), Show(labels.shape()), self.lengths.len());
            let what =
                format_args!("log-probabilities {x} and labels {y} do not hold {count} sequences of these lengths");
            return Err(Error::shape(NAME, what));
        }
        let classes = log_probs.shape()[2];
        if self.blank >= classes {
            return Err(Error::index(NAME, format_args!("blank {} is out of range for {classes} classes", self.blank)));
        }
        if let Some(label) = labels.elements::<i64>().iter().find(|&&y| !(0..classes.cast_signed() as i64).contains(&y))
        {
            return Err(Error::index(NAME, format_args!("label {label} is out of range for {classes} classes")));
        }
        Ok(())
    }

    fn sequences<'a, T: Float>(&'a self, log_probs: &'a Array, labels: &'a Array) -> Sequences<'a, T> {
        Sequences {
            log_probs: log_probs.elements(),
            classes: log_probs.shape()[2],
            labels: labels.elements(),
            lengths: &self.lengths,
            blank: self.blank,
        }
    }

    /// The losses in operations that can be differentiated again: forward variables, frame by frame, of all sequences.
    fn composed(&self, log_probs: &Tensor, labels: &[i64]) -> Result<Tensor> {
        let (steps, batch) = (log_probs.shape()[0], self.lengths.len());
        let width = 2 * self.lengths.iter().map(|lengths| lengths.labels).max().unwrap_or(0) + 1;
        let dtype = log_probs.dtype();
        let never = scalar(Scalar::Float(f64::NEG_INFINITY), dtype)?;
        // Label of each state, and whether a state can be reached from two before: another label than there.
        let mut states = vec![self.blank.cast_signed() as i64; batch * width];
        let mut skips = vec![0u8; batch * width];
        let mut rest = labels;
        for (n, lengths) in self.lengths.iter().enumerate() {
            let (sequence, after) = rest.split_at(lengths.labels);
            for (i, &label) in sequence.iter().enumerate() {
                states[n * width + 2 * i + 1] = label;
                skips[n * width + 2 * i + 1] = u8::from(i > 0 && sequence[i - 1] != label);
            }
            rest = after;
        }
        let states: Tensor = Array::from_slice(NAME, &states, &[batch, width])?.into();
        let mask = |values: &[u8], shape: &[usize]| -> Result<Tensor> {
            Ok(Array::build_as(NAME, DType::Bool, shape, |out: &mut [u8]| {
                out.copy_from_slice(values);
                Ok(())
            })?
            .into())
        };
        let each = |holds: &dyn Fn(&Lengths) -> bool| {
            mask(&self.lengths.iter().map(|lengths| u8::from(holds(lengths))).collect::<Vec<_>>(), &[batch, 1])
        };
        let first =
            |count: usize| mask(&(0..width).map(|state| u8::from(state < count)).collect::<Vec<_>>(), &[1, width]);
        let skips = mask(&skips, &[batch, width])?;
        let late = |x: &Tensor, by: usize| -> Result<Tensor> {
            let lead = Array::full(NAME, &[batch, by.min(width)], Scalar::Float(f64::NEG_INFINITY), dtype)?.into();
            cat(&[&lead, &slice(x, 1, 0, 1, width.saturating_sub(by))?], 1)
        };
        // Before any frame all is blank.
        let mut reached = where_(&first(1)?, &Array::zeros(NAME, &[batch, 1], dtype)?.into(), &never)?;
        for t in 0..steps {
            let emitted = gather(&select(log_probs, 0, t.cast_signed())?, 1, &states)?;
            let next = if t == 0 {
                where_(&first(2)?, &emitted, &never)?
            } else {
                let skipped = where_(&skips, &late(&reached, 2)?, &never)?;
                add(&summed(&[&reached, &late(&reached, 1)?, &skipped])?, &emitted)?
            };
            // Sequences of fewer frames stay as they were.
            reached = where_(&each(&|lengths| t < lengths.frames)?, &next, &reached)?;
        }
        // The last label, or the blank after it.
        let end = |back: usize| -> Result<Tensor> {
            let place = |lengths: &Lengths| (2 * lengths.labels).saturating_sub(back).cast_signed() as i64;
            let places: Vec<i64> = self.lengths.iter().map(place).collect();
            let found = gather(&reached, 1, &Array::from_slice(NAME, &places, &[batch, 1])?.into())?;
            let there = each(&|lengths| back == 0 || lengths.labels > 0)?;
            reshape(&where_(&there, &found, &never)?, &[batch])
        };
        neg(&summed(&[&end(0)?, &end(1)?])?)
    }
}

impl Operation for CtcLoss {
    const NAME: &'static str = "ctc_loss";
    const AUTOCAST: Autocast = Autocast::Widen;

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (log_probs, labels) = (inputs[0].contiguous(NAME)?, inputs[1].contiguous(NAME)?);
        self.check(&log_probs, &labels)?;
        Ok(single(with_float!(NAME, log_probs.dtype(), T => {
            Array::build(NAME, &[self.lengths.len()], |out: &mut [T]| {
                ctc::losses(&self.sequences(&log_probs, &labels), out);
                Ok(())
            })?
        })))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (x, labels) = (context.input(0)?, context.input(1)?);
        if mode::is_recording() {
            let losses = self.composed(&x, labels.array().contiguous(NAME)?.elements())?;
            let options = engine::Options { retain_graph: true, create_graph: true };
            let gradients = engine::grad(&[losses], &[Some(grad.clone())], &[x], options)?;
            return Ok(gradients.into_iter().chain([None]).collect());
        }
        let (x, labels, grad) =
            (x.array().contiguous(NAME)?, labels.array().contiguous(NAME)?, grad.array().contiguous(NAME)?);
        let slope = with_float!(NAME, x.dtype(), T => Array::build(NAME, x.shape(), |out: &mut [T]| {
            ctc::gradient(&self.sequences(&x, &labels), grad.elements(), out);
            Ok(())
        })?);
        Ok(smallvec![Some(slope.into()), None])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::INPUTS
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |steps: usize, lengths: &[(usize, usize)]| {
            let lengths: Arc<[_]> = lengths.iter().map(|&(frames, labels)| Lengths { frames, labels }).collect();
            let labels = lengths.iter().map(|lengths| lengths.labels).sum();
            let inputs = [real(&[steps, lengths.len(), 4]), input(Domain::Index(3), &[labels])];
            Sample::new(Self { lengths, blank: 3 }, inputs)
        };
        vec![of(6, &[(6, 3), (5, 2)]), of(3, &[(3, 0)]), of(4, &[])]
    }

    fn params(&self) -> Params {
        let each = |of: fn(&Lengths) -> usize| self.lengths.iter().map(of).collect::<Vec<_>>();
        vec![
            ("frames", each(|lengths| lengths.frames)[..].into()),
            ("lengths", each(|lengths| lengths.labels)[..].into()),
            ("blank", self.blank.into()),
        ]
    }
}

/// Integers in memory, row-major.
fn integers(x: &Tensor) -> Result<Vec<i64>> {
    Ok(integer_labels(NAME, x)?.array().contiguous(NAME)?.elements::<i64>().to_vec())
}

/// The labels of all sequences, one after the other; they come so, or as rows of a matrix.
fn one_after_the_other(targets: &Tensor, lengths: &[usize]) -> Result<Vec<i64>> {
    let mut all = integers(targets)?;
    let fits = match *targets.shape() {
        [n, columns] => n == lengths.len() && lengths.iter().all(|&length| length <= columns),
        [total] => lengths.iter().sum::<usize>() == total,
        _ => false,
    };
    if !fits {
        let what = format_args!("targets {} do not hold sequences of lengths {lengths:?}", Show(targets.shape()));
        return Err(Error::shape(NAME, what));
    }
    if let [_, columns] = *targets.shape() {
        let rows = all.chunks_exact(columns.max(1)).zip(lengths);
        all = rows.flat_map(|(row, &length)| &row[..length]).copied().collect();
    }
    Ok(all)
}

/// What the loss is told beside the log-probabilities and the labels.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The class that stands for no label.
    pub blank: usize,
    /// How the losses of sequences become the result; a mean is one of losses over the lengths of their labels.
    pub reduction: Reduction,
    /// Whether sequences that no frames can hold lose nothing, rather than infinity.
    pub zero_infinity: bool,
}

/// Minus the log-probability of each of the `targets` (N, S) or (sum of lengths) under `log_probs` (T, N, C) or (T, C).
///
/// # Errors
/// [`Error::Shape`] for shapes and lengths that do not fit, [`Error::Index`] for labels out of range.
pub fn ctc_loss(
    log_probs: &Tensor,
    targets: &Tensor,
    frames: &Tensor,
    lengths: &Tensor,
    options: Options,
) -> Result<Tensor> {
    let single = log_probs.rank() == 2;
    let shape = log_probs.shape();
    let (steps, batch, classes) = match *shape {
        [t, c] => (t, 1, c),
        [t, n, c] => (t, n, c),
        _ => return Err(Error::shape(NAME, format_args!("expected (T, N, C) or (T, C), got {}", Show(shape)))),
    };
    let counts = |x: &Tensor, most: usize, what: &str| -> Result<Vec<usize>> {
        let all = integers(x)?;
        let sizes: Option<Vec<usize>> = all.iter().map(|&n| usize::try_from(n).ok().filter(|n| *n <= most)).collect();
        let sizes = sizes.filter(|sizes| sizes.len() == batch);
        sizes.ok_or_else(|| {
            Error::shape(NAME, format_args!("{what} {all:?} for {batch} sequences; expected as many, up to {most}"))
        })
    };
    let frames = counts(frames, steps, "input_lengths")?;
    let lengths = counts(lengths, targets.numel(), "target_lengths")?;
    let targets =
        if single && targets.rank() == 1 { reshape(targets, &[1, targets.numel()])? } else { targets.clone() };
    let labels = one_after_the_other(&targets, &lengths)?;
    let log_probs = reshape(log_probs, &[steps, batch, classes])?;
    let labels = Array::from_slice(NAME, &labels, &[labels.len()])?.into();
    let sizes = frames.into_iter().zip(&lengths).map(|(frames, &labels)| Lengths { frames, labels });
    let losses = apply(CtcLoss { lengths: sizes.collect(), blank: options.blank }, &[&log_probs, &labels])?;
    let zero = scalar(Scalar::Float(0.0), losses.dtype())?;
    let losses = if options.zero_infinity { where_(&isfinite(&losses)?, &losses, &zero)? } else { losses };
    if options.reduction != Reduction::Mean {
        let losses = if single { reshape(&losses, &[])? } else { losses };
        return options.reduction.of(&losses);
    }
    #[allow(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
    let divisors: Vec<f64> = lengths.iter().map(|&n| n.max(1) as f64).collect();
    let divisors = cast(&Array::from_slice(NAME, &divisors, &[batch])?.into(), losses.dtype())?;
    options.reduction.of(&div(&losses, &divisors)?)
}

/// `log(sum(exp(x)))` over tensors, with the gradient zero where all are minus infinity.
fn summed(parts: &[&Tensor]) -> Result<Tensor> {
    let all = stack(parts, 0)?;
    let never = scalar(Scalar::Float(f64::NEG_INFINITY), all.dtype())?;
    let any = crate::ops::any_of(&crate::ops::gt(&all.detach(), &never)?, &[0], true)?;
    let safe = where_(&any, &all, &scalar(Scalar::Float(0.0), all.dtype())?)?;
    let sum = logsumexp(&safe, &[0], false)?;
    let any = reshape(&any, sum.shape())?;
    where_(&any, &sum, &never)
}
