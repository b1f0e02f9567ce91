//! Borders around a tensor: more elements before and after those of a dimension, or fewer.

use crate::array::Array;
use crate::autograd::tensor::Tensor;
use crate::creation::full;
use crate::dtype::Scalar;
use crate::error::{Error, Result};
use crate::layout::Dims;
use crate::ops::copy::copy;
use crate::ops::index::index_select;
use crate::ops::join::cat;
use crate::ops::shape::slice;

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

/// Dimension `dim` of `x` with `before` and `after` it; negative numbers take elements away.
fn pad_dim(x: &Tensor, dim: usize, before: isize, after: isize, border: Border) -> Result<Tensor> {
    let n = x.shape()[dim];
    let more = |count: isize| usize::try_from(count).unwrap_or(0);
    let less = |count: isize| more(count.saturating_neg());
    let kept = n.checked_sub(less(before).saturating_add(less(after)));
    let size = kept.and_then(|kept| kept.checked_add(more(before))?.checked_add(more(after)));
    let limit = border.limit(n);
    let (Some(kept), Some(size)) = (kept, size.filter(|_| more(before) <= limit && more(after) <= limit)) else {
        return Err(Error::value(
            NAME,
            format_args!("{before} before and {after} after do not fit dimension {dim} of size {n}"),
        ));
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
    let ids = Array::build(NAME, &[size], |ids: &mut [i64]| {
        for (id, at) in ids.iter_mut().zip(before.saturating_neg()..) {
            *id = border.source(at, n.cast_signed()) as i64;
        }
        Ok(())
    })?;
    index_select(x, dim.cast_signed(), &ids.into())
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
    let mut padded = None;
    for (counts, dim) in counts.chunks_exact(2).zip((0..x.rank()).rev()) {
        if counts != [0, 0] {
            padded = Some(pad_dim(padded.as_ref().unwrap_or(x), dim, counts[0], counts[1], border)?);
        }
    }
    padded.map_or_else(|| copy(x), Ok)
}
