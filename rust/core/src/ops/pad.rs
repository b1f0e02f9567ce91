//! Borders around a tensor: more elements before and after those of a dimension, or fewer.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::creation::full;
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::layout::{Dims, Layout, Show, numel};
use crate::ops::copy::copy;
use crate::ops::index::index_select;
use crate::ops::join::cat;
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::select::by_first;
use crate::ops::select_rows::IndexAdd;
use crate::ops::shape::slice;
use smallvec::SmallVec;
use std::fmt::Display;

const NAME: &str = "pad";

/// What borders are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Border {
    /// One value.
    Constant(Scalar),
    /// What lies as far inside of the edge.
    Reflect,
    /// The edge.
    Replicate,
    /// The other end.
    Circular,
}

impl Border {
    /// The border that Python names; only a constant one takes a value, by default zero.
    ///
    /// # Errors
    /// [`Error::Value`] for any other name, and for a value that is not taken.
    pub fn parse(mode: &str, value: Option<f64>) -> Result<Self> {
        let border = match mode {
            "constant" => return Ok(Self::Constant(Scalar::Float(value.unwrap_or(0.0)))),
            "reflect" => Self::Reflect,
            "replicate" => Self::Replicate,
            "circular" => Self::Circular,
            _ => {
                let expected = "expected mode \"constant\", \"reflect\", \"replicate\" or \"circular\"";
                return Err(Error::value(NAME, format_args!("{expected}, got {mode:?}")));
            }
        };
        match value {
            Some(value) if value != 0.0 => {
                Err(Error::value(NAME, format_args!("mode {mode:?} takes no value, got {value}")))
            }
            _ => Ok(border),
        }
    }

    /// How many elements can lie on either side of `n`.
    fn limit(self, n: usize) -> usize {
        match self {
            Self::Constant(_) => usize::MAX,
            Self::Reflect => n.saturating_sub(1),
            Self::Replicate if n > 0 => usize::MAX,
            Self::Replicate => 0,
            Self::Circular => n,
        }
    }

    /// Where the element `at`, counted from the first of `n`, comes from.
    fn source(self, at: isize, n: isize) -> isize {
        match self {
            Self::Reflect if at < 0 => -at,
            Self::Reflect if at >= n => 2 * (n - 1) - at,
            Self::Circular => at.rem_euclid(n),
            _ => at.clamp(0, n - 1),
        }
    }
}

/// The error for borders that a dimension of `n` elements cannot have.
fn misfit<T: Display>([before, after]: [T; 2], dim: usize, n: usize) -> Error {
    Error::value(NAME, format_args!("{before} before and {after} after do not fit dimension {dim} of size {n}"))
}

/// Dimension `dim` of `x` with `before` and `after` it; negative numbers take elements away.
fn pad_dim(x: &Tensor, dim: usize, before: isize, after: isize, border: Border) -> Result<Tensor> {
    let n = x.shape()[dim];
    let more = |count: isize| usize::try_from(count).unwrap_or(0);
    let less = |count: isize| more(count.saturating_neg());
    let kept = n.checked_sub(less(before).saturating_add(less(after)));
    let size = kept.and_then(|kept| kept.checked_add(more(before))?.checked_add(more(after)));
    let limit = border.limit(n);
    let (Some(kept), Some(size)) = (kept, size.filter(|_| more(before) <= limit && more(after) <= limit)) else {
        return Err(misfit([before, after], dim, n));
    };
    if let Border::Constant(value) = border {
        let inside = slice(x, dim, less(before).min(n), 1, kept)?;
        let outside = |count| {
            let mut shape = Dims::from_slice(x.shape());
            shape[dim] = more(count);
            full(&shape, value, Some(x.dtype()))
        };
        return cat(&[&outside(before)?, &inside, &outside(after)?], dim.cast_signed());
    }
    if border == Border::Circular && less(before).max(less(after)) > 0 {
        // What is left after the cut goes round.
        let inside = slice(x, dim, less(before).min(n), 1, kept)?;
        return pad_dim(&inside, dim, before.max(0), after.max(0), border);
    }
    index_select(x, dim.cast_signed(), &sources(border, before, [n, size])?)
}

/// Which of the `n` elements of a dimension each of `size` is with borders, `before` of them at the start.
fn sources(border: Border, before: isize, [n, size]: [usize; 2]) -> Result<Tensor> {
    let ids = Array::build(NAME, &[size], |ids: &mut [i64]| {
        for (id, at) in ids.iter_mut().zip(before.saturating_neg()..) {
            *id = border.source(at, n.cast_signed()) as i64;
        }
        Ok(())
    })?;
    Ok(ids.into())
}

/// A tensor with borders around it.
#[derive(Clone, Debug)]
pub struct Pad {
    /// How many elements come before and after those of each dimension.
    pub counts: SmallVec<[[usize; 2]; 4]>,
    /// What the borders are made of.
    pub border: Border,
}

impl Pad {
    /// Fills the borders of dimension `dim` in `out` around the elements `inside`.
    fn fill(&self, out: &Array, inside: &Array, dim: usize) -> Result<()> {
        let part = |of: &Array, start, step, count| of.view(of.layout().slice(dim, start, step, count));
        let ([before, after], kept) = (self.counts[dim], inside.shape()[dim]);
        for (count, is_first) in [(before, true), (after, false)].into_iter().filter(|&(count, _)| count > 0) {
            let source = match self.border {
                Border::Constant(value) => Array::full(NAME, &[], value, out.dtype())?,
                Border::Replicate => part(inside, if is_first { 0 } else { kept - 1 }, 1, 1),
                Border::Reflect => part(inside, if is_first { count } else { kept - 2 }, -1, count),
                Border::Circular => part(inside, if is_first { kept - count } else { 0 }, 1, count),
            };
            part(out, if is_first { 0 } else { before + kept }, 1, count).write(NAME, &source)?;
        }
        Ok(())
    }
}

impl Operation for Pad {
    const NAME: &'static str = NAME;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0];
        if self.counts.len() != x.rank() {
            return Err(Error::shape(
                NAME,
                format_args!("{} borders for shape {}", self.counts.len(), Show(x.shape())),
            ));
        }
        let mut shape = x.dims();
        for (dim, (n, &[before, after])) in shape.iter_mut().zip(&self.counts).enumerate() {
            if before.max(after) > self.border.limit(*n) {
                return Err(misfit([before, after], dim, *n));
            }
            *n = n.saturating_add(before).saturating_add(after);
        }
        numel(NAME, &shape)?;
        let out = Array::uninit(NAME, &shape, x.dtype())?;
        let within = |layout: Layout, dim: usize| layout.slice(dim, self.counts[dim][0], 1, x.shape()[dim]);
        out.view((0..x.rank()).fold(out.layout().clone(), within)).write(NAME, x)?;
        for dim in (0..x.rank()).rev() {
            // The dimensions before this one have no borders yet. Of the last one `x` itself, which lies apart, is inside.
            let lines = out.view((0..dim).fold(out.layout().clone(), within));
            let inside = if dim + 1 == x.rank() { x.clone() } else { lines.view(within(lines.layout().clone(), dim)) };
            self.fill(&lines, &inside, dim)?;
        }
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let shape = context.shape(0);
        let mut inside = grad.clone();
        for (dim, &[before, after]) in self.counts.iter().enumerate().filter(|(_, counts)| **counts != [0, 0]) {
            let n = shape[dim];
            inside = if let Border::Constant(_) = self.border {
                slice(&inside, dim, before, 1, n)?
            } else {
                let ids = sources(self.border, before.cast_signed(), [n, before + n + after])?;
                apply(IndexAdd { dim, extent: n, frozen: None }, &[&inside, &ids])?
            };
        }
        let is_repeated = matches!(self.border, Border::Reflect | Border::Replicate);
        Ok(one(if is_repeated { by_first(inside, context)? } else { inside }))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |counts: &[[usize; 2]], border, shape: &[usize]| {
            Sample::new(Self { counts: SmallVec::from_slice(counts), border }, [real(shape)])
        };
        let constant = Border::Constant(Scalar::Float(2.0));
        vec![
            of(&[[1, 2], [0, 3]], constant, &[3, 2]),
            of(&[[0, 0], [2, 1], [1, 2]], Border::Reflect, &[2, 3, 4]),
            of(&[[2, 0], [4, 3]], Border::Replicate, &[2, 3]),
            of(&[[2, 2], [1, 3]], Border::Circular, &[2, 3]),
            of(&[[1, 1], [0, 0]], constant, &[0, 2]),
        ]
    }

    fn params(&self) -> Params {
        let (mode, value) = match self.border {
            Border::Constant(value) => ("constant", Some(value.to_f64())),
            Border::Reflect => ("reflect", None),
            Border::Replicate => ("edge", None),
            Border::Circular => ("wrap", None),
        };
        vec![("counts", self.counts.concat().as_slice().into()), ("mode", mode.into()), ("value", value.into())]
    }
}

/// `x` with borders: `counts` are those before and after the last dimension, then the one before it, and so on.
///
/// # Errors
/// [`Error::Value`] for an odd number of counts, more than `x` has dimensions for, and counts that do not fit.
pub fn pad(x: &Tensor, counts: &[isize], border: Border) -> Result<Tensor> {
    if counts.len() % 2 == 1 || counts.len() / 2 > x.rank() {
        return Err(Error::value(
            NAME,
            format_args!("expected pairs for at most {} dimensions, got {} numbers", x.rank(), counts.len()),
        ));
    }
    if let Some(every) = counts.iter().map(|&count| usize::try_from(count).ok()).collect::<Option<Vec<_>>>() {
        // All borders at once, those of the last dimension last.
        let mut own = SmallVec::from_elem([0; 2], x.rank());
        own.iter_mut().rev().zip(every.as_chunks().0).for_each(|(own, &counts)| *own = counts);
        return apply(Pad { counts: own, border }, &[x]);
    }
    let mut padded = None;
    for (counts, dim) in counts.chunks_exact(2).zip((0..x.rank()).rev()) {
        if counts != [0, 0] {
            padded = Some(pad_dim(padded.as_ref().unwrap_or(x), dim, counts[0], counts[1], border)?);
        }
    }
    padded.map_or_else(|| copy(x), Ok)
}
