//! Where the elements of an array lie: shape, strides, offset, and every view that needs no copy.

use crate::error::{Error, Result};
use dlcore_kernels::layout::Strided;
use smallvec::SmallVec;
use std::fmt;

/// Extents of dimensions; up to four, a batch of images, without an allocation.
pub type Dims = SmallVec<[usize; 4]>;
/// Steps of dimensions, in elements.
pub type Strides = SmallVec<[isize; 4]>;

/// The most dimensions that a tensor may have.
pub const MAX_RANK: usize = dlcore_kernels::layout::MAX_RANK;

/// Shape, strides and offset, in elements.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// Extent of each dimension.
    pub shape: Dims,
    /// Step of each dimension; zero repeats (broadcast), negative walks backwards.
    pub strides: Strides,
    /// Position of the first element in the storage.
    pub offset: usize,
}

// By hand: every view clones a layout, and a `SmallVec` would clone its items one by one.
impl Clone for Layout {
    #[inline]
    fn clone(&self) -> Self {
        Self { shape: few(&self.shape), strides: few(&self.strides), offset: self.offset }
    }
}

/// As `SmallVec::from_slice`, which calls a function to copy as little as this.
#[inline]
fn few<T: Copy + Default>(items: &[T]) -> SmallVec<[T; 4]> {
    few_of(items.len(), |i| items[i])
}

/// `len` items, each known before it is written: a few that are changed in memory and then moved are waited for.
#[inline]
pub(crate) fn few_of<T: Copy + Default>(len: usize, item: impl Fn(usize) -> T) -> SmallVec<[T; 4]> {
    let none = T::default();
    match len {
        0 => SmallVec::new(),
        1 => SmallVec::from_buf_and_len([item(0), none, none, none], 1),
        2 => SmallVec::from_buf_and_len([item(0), item(1), none, none], 2),
        3 => SmallVec::from_buf_and_len([item(0), item(1), item(2), none], 3),
        4 => SmallVec::from_buf([item(0), item(1), item(2), item(3)]),
        _ => (0..len).map(item).collect(),
    }
}

/// A shape as messages show it: `(2, 3)`, `(5,)`, `()`.
pub struct Show<'a>(pub &'a [usize]);

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, extent) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{extent}")?;
        }
        f.write_str(if self.0.len() == 1 { ",)" } else { ")" })
    }
}

/// Number of elements of `shape`, or an error where the count does not fit memory arithmetic.
///
/// # Errors
/// [`Error::Value`] when the product overflows; [`Error::Shape`] for more than [`MAX_RANK`] dimensions.
pub fn numel(op: &str, shape: &[usize]) -> Result<usize> {
    if shape.len() > MAX_RANK {
        return Err(Error::shape(op, format_args!("{} dimensions; at most {MAX_RANK} are supported", shape.len())));
    }
    // The product of the non-zero extents must fit too: strides are computed from it.
    let limit = isize::MAX.unsigned_abs() / 8;
    let mut product = 1usize;
    for &extent in shape {
        product = product
            .checked_mul(extent.max(1))
            .filter(|&n| n <= limit)
            .ok_or_else(|| Error::value(op, format_args!("shape {} has too many elements", Show(shape))))?;
    }
    Ok(if shape.contains(&0) { 0 } else { product })
}

/// Row-major strides of `shape`.
#[must_use]
#[inline]
pub fn contiguous_strides(shape: &[usize]) -> Strides {
    few_of(shape.len(), |i| shape[i + 1..].iter().fold(1, |step, extent| step * extent.max(&1).cast_signed()))
}

/// The shape that `a` and `b` broadcast to.
///
/// # Errors
/// [`Error::Shape`] naming both shapes.
pub fn broadcast_shapes(op: &str, a: &[usize], b: &[usize]) -> Result<Dims> {
    if a == b {
        return Ok(Dims::from_slice(a));
    }
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| if i + shape.len() < rank { 1 } else { shape[i + shape.len() - rank] };
    let mut out = Dims::with_capacity(rank);
    for i in 0..rank {
        let (x, y) = (at(a, i), at(b, i));
        if x != y && x != 1 && y != 1 {
            return Err(Error::shape(
                op,
                format_args!(
                    "shapes {} and {} do not broadcast: dimension {} from the right is {x} and {y}; sizes must be equal or 1",
                    Show(a),
                    Show(b),
                    rank - i
                ),
            ));
        }
        out.push(if x == 1 { y } else { x });
    }
    Ok(out)
}

/// Turns a dimension counted from either end into an index below `rank`.
///
/// # Errors
/// [`Error::Index`] naming the range.
pub fn normalize_dim(op: &str, dim: isize, rank: usize) -> Result<usize> {
    let (low, high) = (-(rank.max(1).cast_signed()), rank.max(1).cast_signed() - 1);
    if dim < low || dim > high {
        return Err(Error::index(
            op,
            format_args!("dimension {dim} is out of range for {rank} dimensions (expected {low} to {high})"),
        ));
    }
    Ok(if dim < 0 { (dim + rank.max(1).cast_signed()).unsigned_abs() } else { dim.unsigned_abs() })
}

/// Turns dimensions counted from either end into indices below `rank`, in ascending order.
///
/// # Errors
/// [`Error::Index`] for one out of range, [`Error::Value`] for one named twice.
pub fn distinct_dims(op: &str, dims: &[isize], rank: usize) -> Result<Dims> {
    let mut out = dims.iter().map(|&dim| normalize_dim(op, dim, rank)).collect::<Result<Dims>>()?;
    out.sort_unstable();
    if out.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::value(op, format_args!("dims {dims:?} name a dimension twice")));
    }
    // A 0-d tensor takes dimension 0 or -1 and has none.
    out.retain(|dim| *dim < rank);
    Ok(out)
}

impl Layout {
    /// The row-major layout of `shape` at offset zero.
    #[must_use]
    #[inline]
    pub fn contiguous(shape: &[usize]) -> Self {
        Self { shape: few(shape), strides: contiguous_strides(shape), offset: 0 }
    }

    /// Number of dimensions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    #[must_use]
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    /// This layout as kernels take it.
    #[must_use]
    pub fn strided(&self) -> Strided<'_> {
        Strided { shape: &self.shape, strides: &self.strides, offset: self.offset }
    }

    /// Row-major without gaps.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.strided().is_contiguous()
    }

    /// Broadcast to `shape`: new and extent-1 dimensions repeat with stride zero.
    ///
    /// # Errors
    /// [`Error::Shape`] where the shapes do not fit.
    pub fn expand(&self, op: &str, shape: &[usize]) -> Result<Self> {
        let misfit = || Error::shape(op, format_args!("cannot expand {} to {}", Show(&self.shape), Show(shape)));
        let lead = shape.len().checked_sub(self.rank()).ok_or_else(misfit)?;
        numel(op, shape)?;
        let mut strides: Strides = SmallVec::from_elem(0, shape.len());
        for (i, (&extent, &stride)) in self.shape.iter().zip(&self.strides).enumerate() {
            if extent == shape[lead + i] {
                strides[lead + i] = stride;
            } else if extent != 1 {
                return Err(misfit());
            }
        }
        Ok(Self { shape: Dims::from_slice(shape), strides, offset: self.offset })
    }

    /// Dimensions `a` and `b` exchanged.
    #[must_use]
    #[inline]
    pub fn transpose(&self, a: usize, b: usize) -> Self {
        let of = |to| {
            if to == a {
                b
            } else if to == b {
                a
            } else {
                to
            }
        };
        self.rearranged(self.rank(), of)
    }

    /// Dimensions in the order `dims`, which must be a permutation.
    #[must_use]
    #[inline]
    pub fn permute(&self, dims: &[usize]) -> Self {
        self.rearranged(dims.len(), |to| dims[to])
    }

    /// `rank` dimensions, of which `of` tells each where it comes from.
    #[inline]
    fn rearranged(&self, rank: usize, of: impl Fn(usize) -> usize) -> Self {
        let shape = few_of(rank, |to| self.shape[of(to)]);
        Self { shape, strides: few_of(rank, |to| self.strides[of(to)]), offset: self.offset }
    }

    /// Elements `start, start + step, ..` (`count` of them) of dimension `dim`; `step` may be negative.
    #[must_use]
    #[inline]
    pub fn slice(&self, dim: usize, start: usize, step: isize, count: usize) -> Self {
        let shape = few_of(self.rank(), |i| if i == dim { count } else { self.shape[i] });
        // Of one entry, or none, a step is nothing that is ever taken: it may be too large.
        let strides =
            few_of(self.rank(), |i| if i == dim { self.strides[i].saturating_mul(step) } else { self.strides[i] });
        Self { shape, strides, offset: self.offset_of(dim, start, count) }
    }

    /// Where `count` entries of dimension `dim` begin, from `start` on. Of nothing, it stays where it is: in the storage.
    #[inline]
    fn offset_of(&self, dim: usize, start: usize, count: usize) -> usize {
        if count == 0 || self.shape.contains(&0) {
            return self.offset;
        }
        (self.offset.cast_signed() + start.cast_signed() * self.strides[dim]).unsigned_abs()
    }

    /// Entry `at` of dimension `dim`, without that dimension.
    #[must_use]
    #[inline]
    pub fn entry(&self, dim: usize, at: usize) -> Self {
        let rest = self.rearranged(self.rank() - 1, |to| if to < dim { to } else { to + 1 });
        Self { offset: self.offset_of(dim, at, 1), ..rest }
    }

    /// The layout of the same memory in elements of `to` bytes, where those here have `from`: whole ones must lie side by
    /// side in the last dimension.
    #[must_use]
    pub fn resized(&self, from: usize, to: usize) -> Option<Self> {
        let mut out = self.clone();
        let (last, stride) = (out.shape.last_mut()?, out.strides.pop()?);
        let scaled = |n: usize| (n * from).is_multiple_of(to).then(|| n * from / to);
        (*last, out.offset) = (scaled(*last)?, scaled(out.offset)?);
        for step in &mut out.strides {
            *step = scaled(step.unsigned_abs())?.cast_signed() * step.signum();
        }
        out.strides.push(stride);
        (stride == 1).then_some(out)
    }

    /// The layout of the same elements in the same order under another shape, where no copy is needed.
    #[must_use]
    pub fn reshape(&self, shape: &[usize]) -> Option<Self> {
        // What has no elements is contiguous.
        if self.is_contiguous() {
            return Some(Self { offset: self.offset, ..Self::contiguous(shape) });
        }
        // Greedy match of blocks: old dimensions that are jointly contiguous can be cut anew.
        let old: SmallVec<[(usize, isize); 6]> =
            self.shape.iter().copied().zip(self.strides.iter().copied()).filter(|&(n, _)| n != 1).collect();
        let mut strides: Strides = SmallVec::from_elem(1, shape.len());
        let (mut i, mut j) = (0, 0);
        while i < old.len() {
            let (start, mut have, mut want) = (i, old[i].0, 1);
            i += 1;
            let first = j;
            while want != have {
                if want < have {
                    want *= *shape.get(j)?;
                    j += 1;
                } else {
                    have *= old.get(i)?.0;
                    i += 1;
                }
            }
            if (start..i - 1).any(|d| old[d].1 != old[d + 1].1 * old[d + 1].0.cast_signed()) {
                return None;
            }
            let mut step = old[i - 1].1;
            for d in (first..j).rev() {
                strides[d] = step;
                step *= shape[d].cast_signed();
            }
        }
        Some(Self { shape: Dims::from_slice(shape), strides, offset: self.offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reshape_views_what_it_can_and_refuses_what_it_cannot() {
        let layout = Layout::contiguous(&[4, 6]);
        assert_eq!(layout.reshape(&[2, 2, 6]).unwrap().strides.as_slice(), [12, 6, 1]);
        let transposed = layout.permute(&[1, 0]);
        assert!(transposed.reshape(&[24]).is_none());
        assert_eq!(transposed.reshape(&[2, 3, 4]).unwrap().strides.as_slice(), [3, 1, 6]);
        let gap = layout.slice(1, 0, 2, 3);
        assert_eq!(gap.reshape(&[12]).unwrap().strides.as_slice(), [2]);
        assert_eq!(gap.reshape(&[1, 12, 1]).unwrap().strides[1], 2);
        let reversed = layout.slice(0, 3, -1, 4);
        assert_eq!((reversed.offset, reversed.strides[0]), (18, -6));
        assert!(reversed.reshape(&[24]).is_none());
    }

    #[test]
    fn broadcasting_and_its_error() {
        assert_eq!(broadcast_shapes("add", &[3, 1], &[4]).unwrap().as_slice(), [3, 4]);
        let error = broadcast_shapes("add", &[2, 3], &[4]).unwrap_err();
        assert!(error.to_string().contains("(2, 3) and (4,)"), "{error}");
    }

    #[test]
    fn element_counts_do_not_overflow() {
        assert!(numel("zeros", &[usize::MAX, 2]).is_err());
        assert!(numel("zeros", &[1 << 40, 1 << 40, 0]).is_err());
        assert_eq!(numel("zeros", &[5, 0]).unwrap(), 0);
    }
}
