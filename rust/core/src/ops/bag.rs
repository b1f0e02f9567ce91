//! Embeddings of bags: rows of a table, reduced bag by bag.

use crate::array::Array;
use crate::autograd::tensor::Tensor;
use crate::creation::from_values;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops::arithmetic::scalar;
use crate::ops::{self, cast, div, embedding, eq, index_select, masked_fill, max_dim, mul, reshape};

const NAME: &str = "embedding_bag";

/// How the rows of a bag become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bags {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest of each column.
    Max,
}

impl Bags {
    /// The reduction that Python names.
    ///
    /// # Errors
    /// [`Error::Value`] for any other name.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "sum" => Ok(Self::Sum),
            "mean" => Ok(Self::Mean),
            "max" => Ok(Self::Max),
            _ => Err(Error::value(NAME, format_args!("mode is \"sum\", \"mean\" or \"max\", not {name:?}"))),
        }
    }
}

/// Where the bags of `count` elements begin, and after the last where it ends.
fn edges(offsets: &Tensor, count: usize, include_last: bool) -> Result<Vec<usize>> {
    let offsets = cast(offsets, DType::I64)?.array().contiguous(NAME)?;
    let mut edges = offsets.elements::<i64>().iter().map(|&at| usize::try_from(at).ok()).collect::<Option<Vec<_>>>();
    if !include_last && let Some(edges) = &mut edges {
        edges.push(count);
    }
    match edges {
        Some(edges)
            if edges.is_sorted()
                && edges.last().is_none_or(|&end| end <= count)
                && edges.first().is_none_or(|&at| at == 0) =>
        {
            Ok(edges)
        }
        _ => Err(Error::value(NAME, format_args!("offsets must begin with 0 and not fall, up to the {count} indices"))),
    }
}

fn ints(values: &[usize]) -> Result<Tensor> {
    let values: Vec<i64> = values.iter().map(|&value| value.cast_signed() as i64).collect();
    from_values(&values, &[values.len()])
}

/// The rows of `weight` (V, D) that `ids` name, reduced bag by bag: the rows of `ids` where it is a matrix, otherwise what
/// lies between `offsets`. Each row may be multiplied by a number of its own, and `padding_idx` does not count.
///
/// # Errors
/// [`Error::Index`] for an id that is not a row, [`Error::Value`] for offsets that fall, [`Error::Shape`] for shapes that
/// do not fit, [`Error::DType`] for ids that are not integers.
pub fn embedding_bag(
    ids: &Tensor,
    weight: &Tensor,
    offsets: Option<&Tensor>,
    bags: Bags,
    each: Option<&Tensor>,
    include_last: bool,
    padding_idx: Option<isize>,
) -> Result<Tensor> {
    let count = ids.numel();
    let edges = match (ids.shape(), offsets) {
        (&[rows, columns], None) => (0..=rows).map(|row| row * columns).collect(),
        (&[_], Some(offsets)) if offsets.rank() == 1 => edges(offsets, count, include_last)?,
        (found, _) => {
            let what = "expected indices (bags, size), or a row of indices and a row of offsets";
            return Err(Error::shape(NAME, format_args!("{what}; got indices {}", Show(found))));
        }
    };
    if each.is_some_and(|each| each.shape() != ids.shape()) {
        return Err(Error::shape(NAME, "per_sample_weights have the shape of the indices"));
    }
    if each.is_some() && bags != Bags::Sum {
        return Err(Error::value(NAME, "per_sample_weights go with mode \"sum\" only"));
    }
    let ids = reshape(ids, &[count])?;
    let mut rows = embedding(&ids, weight, padding_idx)?;
    let (total, width) = (edges.len().saturating_sub(1), rows.shape()[1]);
    if let Some(each) = each {
        rows = mul(&rows, &reshape(each, &[count, 1])?)?;
    }
    let ignored = match padding_idx {
        Some(at) => {
            let at = if at < 0 { at + weight.shape()[0].cast_signed() } else { at };
            Some(eq(&ids, &scalar(Scalar::Int(at as i128), ids.dtype())?)?)
        }
        None => None,
    };
    let zero = scalar(Scalar::Float(0.0), rows.dtype())?;
    if bags == Bags::Max {
        return largest(&rows, &edges, ignored.as_ref());
    }
    if let Some(ignored) = &ignored {
        rows = masked_fill(&rows, &reshape(ignored, &[count, 1])?, &zero)?;
    }
    // Bags of one size lie side by side: what they have ignored are zeros in sums, but counts in means.
    let size = count.checked_div(total).unwrap_or(0);
    let is_even = size > 0 && edges.iter().enumerate().all(|(bag, &edge)| edge == bag * size) && total * size == count;
    if is_even && (bags == Bags::Sum || ignored.is_none()) {
        let stacked = reshape(&rows, &[total, size, width])?;
        return if bags == Bags::Sum { ops::sum(&stacked, &[1], false) } else { ops::mean(&stacked, &[1], false) };
    }
    let owner: Vec<usize> = (0..total).flat_map(|bag| std::iter::repeat_n(bag, edges[bag + 1] - edges[bag])).collect();
    let within = owner.len();
    let (owner, rows) = (ints(&owner)?, ops::slice(&rows, 0, 0, 1, within)?);
    let add = |width: usize, rows: &Tensor| {
        let zeros: Tensor = Array::zeros(NAME, &[total, width], rows.dtype())?.into();
        ops::placing::index_add(&zeros, 0, &owner, rows, 1.0)
    };
    let sums = add(width, &rows)?;
    if bags == Bags::Sum {
        return Ok(sums);
    }
    let mut ones: Tensor = Array::full(NAME, &[within, 1], Scalar::Float(1.0), rows.dtype())?.into();
    if let Some(ignored) = &ignored {
        ones = masked_fill(&ones, &reshape(&ops::slice(ignored, 0, 0, 1, within)?, &[within, 1])?, &zero)?;
    }
    div(&sums, &ops::clamp(&add(1, &ones)?, Some(Scalar::Float(1.0)), None)?)
}

/// The largest of each column of the rows of each bag, zeros for one of none.
fn largest(rows: &Tensor, edges: &[usize], ignored: Option<&Tensor>) -> Result<Tensor> {
    let (total, width) = (edges.len().saturating_sub(1), rows.shape()[1]);
    let sizes = || edges.windows(2).map(|edge| edge[1] - edge[0]);
    let longest = sizes().max().unwrap_or(0);
    if longest == 0 {
        return Ok(Array::zeros(NAME, &[total, width], rows.dtype())?.into());
    }
    let last = rows.shape()[0] - 1;
    let places: Vec<usize> =
        edges[..total].iter().flat_map(|&first| (first..first + longest).map(move |at| at.min(last))).collect();
    let places = ints(&places)?;
    let shape = [total, longest, 1];
    let beyond = Array::build_as(NAME, DType::Bool, &shape, |out: &mut [u8]| {
        for (out, size) in out.chunks_exact_mut(longest).zip(sizes()) {
            out[..size].fill(0);
            out[size..].fill(1);
        }
        Ok(())
    })?;
    let mut beyond = Tensor::from(beyond);
    if let Some(ignored) = ignored {
        beyond = ops::logical_or(&beyond, &reshape(&index_select(ignored, 0, &places)?, &shape)?)?;
    }
    let number = |value| scalar(Scalar::Float(value), rows.dtype());
    let all = reshape(&index_select(rows, 0, &places)?, &[total, longest, width])?;
    let (most, _) = max_dim(&masked_fill(&all, &beyond, &number(f64::NEG_INFINITY)?)?, 1, false)?;
    let empty = ops::reduce::all_of(&beyond, &[1], false)?;
    masked_fill(&most, &empty, &number(0.0)?)
}
