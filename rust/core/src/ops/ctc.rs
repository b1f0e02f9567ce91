//! Connectionist temporal classification (Graves et al., 2006): the probability of a sequence of labels summed over all
//! ways to spread it over more frames, with blanks between.

use crate::array::Array;
use crate::autograd::autocast::Autocast;
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops::arithmetic::{add, div, neg, scalar};
use crate::ops::arrange::select;
use crate::ops::likelihood::integer_labels;
use crate::ops::loss::Reduction;
use crate::ops::select::where_;
use crate::ops::{cast, cat, gather, isfinite, logsumexp, reshape, slice, stack};

const NAME: &str = "ctc_loss";

/// Integers in memory, row-major.
fn integers(x: &Tensor) -> Result<Vec<i64>> {
    Ok(integer_labels(NAME, x)?.array().contiguous(NAME)?.elements::<i64>().to_vec())
}

/// The labels of each sequence: rows of a matrix, or one after the other in a vector.
fn sequences(targets: &Tensor, lengths: &[usize]) -> Result<Vec<Vec<i64>>> {
    let all = integers(targets)?;
    let fits = match targets.shape() {
        [n, columns] => *n == lengths.len() && lengths.iter().all(|length| length <= columns),
        [total] => lengths.iter().sum::<usize>() == *total,
        _ => false,
    };
    if !fits {
        let what = format_args!("targets {} do not hold sequences of lengths {lengths:?}", Show(targets.shape()));
        return Err(Error::shape(NAME, what));
    }
    let mut start = 0;
    let columns = targets.shape().get(1).copied();
    Ok(lengths
        .iter()
        .map(|&length| {
            let sequence = all[start..start + length].to_vec();
            start += columns.unwrap_or(length);
            sequence
        })
        .collect())
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
    let log_probs = &Autocast::Widen.of(log_probs)?;
    let single = log_probs.rank() == 2;
    let shape = log_probs.shape();
    let (steps, batch, classes) = match *shape {
        [t, c] => (t, 1, c),
        [t, n, c] => (t, n, c),
        _ => return Err(Error::shape(NAME, format_args!("expected (T, N, C) or (T, C), got {}", Show(shape)))),
    };
    if !log_probs.dtype().is_float() {
        return Err(Error::dtype(NAME, format_args!("expected float log-probabilities, got {}", log_probs.dtype())));
    }
    if options.blank >= classes {
        return Err(Error::index(NAME, format_args!("blank {} is out of range for {classes} classes", options.blank)));
    }
    let counts = |x: &Tensor, most: usize, what: &str| -> Result<Vec<usize>> {
        let all = integers(x)?;
        let sizes: Option<Vec<usize>> = all.iter().map(|&n| usize::try_from(n).ok().filter(|n| *n <= most)).collect();
        let sizes = sizes.filter(|sizes| sizes.len() == batch);
        sizes.ok_or_else(|| {
            Error::shape(NAME, format_args!("{what} {all:?} for {batch} sequences; expected as many, up to {most}"))
        })
    };
    let frames = counts(frames, steps, "input_lengths")?;
    let lengths = counts(lengths, usize::MAX, "target_lengths")?;
    let targets =
        if single && targets.rank() == 1 { reshape(targets, &[1, targets.numel()])? } else { targets.clone() };
    let labels = sequences(&targets, &lengths)?;
    if let Some(label) = labels.iter().flatten().find(|&&y| y < 0 || y >= classes.cast_signed() as i64) {
        return Err(Error::index(NAME, format_args!("label {label} is out of range for {classes} classes")));
    }
    let log_probs = reshape(log_probs, &[steps, batch, classes])?;
    let losses = alignments(&log_probs, &labels, &frames, options.blank)?;
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

/// Minus the log-probabilities (N): forward variables over the labels with blanks between, frame by frame.
fn alignments(log_probs: &Tensor, labels: &[Vec<i64>], frames: &[usize], blank: usize) -> Result<Tensor> {
    let (steps, batch) = (log_probs.shape()[0], log_probs.shape()[1]);
    let width = 2 * labels.iter().map(Vec::len).max().unwrap_or(0) + 1;
    let dtype = log_probs.dtype();
    let never = scalar(Scalar::Float(f64::NEG_INFINITY), dtype)?;
    // Label of each state, and whether a state can be reached from two before: another label than there.
    let blank = blank.cast_signed() as i64;
    let mut states = vec![blank; batch * width];
    let mut skips = vec![0u8; batch * width];
    for (n, sequence) in labels.iter().enumerate() {
        for (i, &label) in sequence.iter().enumerate() {
            states[n * width + 2 * i + 1] = label;
            skips[n * width + 2 * i + 1] = u8::from(i > 0 && sequence[i - 1] != label);
        }
    }
    let states: Tensor = Array::from_slice(NAME, &states, &[batch, width])?.into();
    let mask = |values: &[u8], shape: &[usize]| -> Result<Tensor> {
        Ok(Array::build_as(NAME, DType::Bool, shape, |out: &mut [u8]| {
            out.copy_from_slice(values);
            Ok(())
        })?
        .into())
    };
    let skips = mask(&skips, &[batch, width])?;
    let start: Vec<u8> = (0..width).map(|state| u8::from(state < 2)).collect();
    let at = |t: usize| gather(&select(log_probs, 0, t.cast_signed())?, 1, &states);
    let late = |x: &Tensor, by: usize| -> Result<Tensor> {
        let lead: Tensor = Array::full(NAME, &[batch, by.min(width)], Scalar::Float(f64::NEG_INFINITY), dtype)?.into();
        cat(&[&lead, &slice(x, 1, 0, 1, width.saturating_sub(by))?], 1)
    };
    let mut reached: Option<Tensor> = None;
    for t in 0..steps {
        let emitted = at(t)?;
        reached = Some(match reached {
            None => where_(&mask(&start, &[1, width])?, &emitted, &never)?,
            Some(before) => {
                let skipped = where_(&skips, &late(&before, 2)?, &never)?;
                let next = add(&summed(&[&before, &late(&before, 1)?, &skipped])?, &emitted)?;
                // Sequences of fewer frames stay as they were.
                let running: Vec<u8> = frames.iter().map(|&count| u8::from(t < count)).collect();
                where_(&mask(&running, &[batch, 1])?, &next, &before)?
            }
        });
    }
    let Some(reached) = reached else {
        return Ok(Array::full(NAME, &[batch], Scalar::Float(f64::INFINITY), dtype)?.into());
    };
    // The last label, or the blank after it.
    let end = |back: usize| -> Result<Tensor> {
        let places: Vec<i64> =
            labels.iter().map(|sequence| (2 * sequence.len()).saturating_sub(back).cast_signed() as i64).collect();
        let found = gather(&reached, 1, &Array::from_slice(NAME, &places, &[batch, 1])?.into())?;
        let there: Vec<u8> = labels.iter().map(|sequence| u8::from(back == 0 || !sequence.is_empty())).collect();
        reshape(&where_(&mask(&there, &[batch, 1])?, &found, &never)?, &[batch])
    };
    neg(&summed(&[&end(0)?, &end(1)?])?)
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
