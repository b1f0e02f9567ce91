//! Advanced indexing as numpy and PyTorch define it, and what is made of it: embeddings, masks, one-hot.
//!
//! Indices on neighbouring dimensions become one index on the product of those dimensions; where the indexed
//! dimensions are apart, they are brought to the front first, which is also where their results belong. So everything
//! is picking or placing slices along one dimension ([`super::select_rows`]).

use crate::array::Array;
use crate::autograd::op::{Discrete, Halves, Operation, Outputs, apply, apply_discrete};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, broadcast_shapes};
use crate::ops::sample::{Domain, Params, Sample, input, real, single};
use crate::ops::select_rows::{IndexPut, IndexSelect, checked, out_of_range};
use crate::ops::shape::Permute;
use crate::ops::{broadcast_to, cast, reshape};
use dlcore_kernels::gather;

const NAME: &str = "index";

/// An index that follows from the user's: `x` with dimensions `order`, of which `count` from `dim` on are merged into
/// one, which `ids` index.
struct Resolved {
    order: Dims,
    dim: usize,
    count: usize,
    ids: Tensor,
}

/// One index tensor on one dimension.
struct Axis {
    dim: usize,
    ids: Array,
}

impl Resolved {
    /// Resolves `indices`, one for each leading dimension of `shape` (a mask stands for as many as it has), `None` for
    /// dimensions taken whole.
    fn new(shape: &[usize], indices: &[Option<Tensor>]) -> Result<Self> {
        let mut axes = Vec::new();
        let mut dim = 0;
        for index in indices {
            let Some(index) = index else {
                dim += 1;
                continue;
            };
            let array = index.array();
            if array.dtype() == DType::Bool {
                let rank = array.rank();
                check_mask(array, shape, dim)?;
                axes.extend(coordinates(array)?.into_iter().enumerate().map(|(i, ids)| Axis { dim: dim + i, ids }));
                dim += rank;
            } else {
                let Some(&extent) = shape.get(dim) else { return Err(too_many(shape)) };
                axes.push(Axis { dim, ids: normalized(array, dim, extent)? });
                dim += 1;
            }
        }
        if dim > shape.len() {
            return Err(too_many(shape));
        }
        let Some(first) = axes.first().map(|axis| axis.dim) else {
            return Err(Error::index(NAME, "expected at least one index tensor"));
        };
        let adjacent = axes.iter().enumerate().all(|(i, axis)| axis.dim == first + i);
        let indexed: Dims = axes.iter().map(|axis| axis.dim).collect();
        let order = if adjacent {
            (0..shape.len()).collect()
        } else {
            indexed.iter().copied().chain((0..shape.len()).filter(|d| !indexed.contains(d))).collect()
        };
        let ids = merged(shape, &axes)?.into();
        Ok(Self { order, dim: if adjacent { first } else { 0 }, count: axes.len(), ids })
    }

    /// `x` as one dimension indexes it.
    fn lay_out(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.permuted(x)?;
        let (dim, end) = (self.dim, self.dim + self.count);
        let merged = x.shape()[dim..end].iter().product();
        let shape: Dims = x.shape()[..dim].iter().chain(&[merged]).chain(&x.shape()[end..]).copied().collect();
        reshape(&x, &shape)
    }

    fn permuted(&self, x: &Tensor) -> Result<Tensor> {
        if self.order.iter().enumerate().all(|(i, &d)| i == d) {
            return Ok(x.clone());
        }
        apply(Permute { dims: self.order.clone() }, &[x])
    }
}

fn too_many(shape: &[usize]) -> Error {
    Error::index(
        NAME,
        format_args!("too many indices for a tensor of {} dimensions, shape {}", shape.len(), Show(shape)),
    )
}

fn check_mask(mask: &Array, shape: &[usize], dim: usize) -> Result<()> {
    if mask.rank() == 0 {
        return Err(Error::index(NAME, "a 0-d mask selects nothing in particular; give it the tensor's shape"));
    }
    let Some(covered) = shape.get(dim..dim + mask.rank()) else { return Err(too_many(shape)) };
    // A mask of no elements selects nothing, whatever its zero stands beside: the array API standard's rule.
    if covered.iter().zip(mask.shape()).all(|(&extent, &own)| own == extent || own == 0) {
        return Ok(());
    }
    Err(Error::index(
        NAME,
        format_args!(
            "the mask of shape {} does not match the tensor of shape {} from dimension {dim} on",
            Show(mask.shape()),
            Show(shape)
        ),
    ))
}

/// Coordinates of the true elements of `mask`, a row each.
fn places(op: &str, mask: &Array) -> Result<Array> {
    let array = mask.contiguous(op)?;
    let (mask, shape) = (array.elements(), array.shape());
    let counts = gather::count_nonzero(mask);
    Array::build(op, &[counts.iter().sum(), shape.len()], |out: &mut [i64]| {
        gather::nonzero(mask, shape, &counts, out);
        Ok(())
    })
}

/// Positions of the true elements of `mask`: one list for each of its dimensions.
fn coordinates(mask: &Array) -> Result<Vec<Array>> {
    let rows = places(NAME, mask)?;
    let along = |dim| rows.view(rows.layout().slice(1, dim, 1, 1)).contiguous(NAME)?.reshape(NAME, &[rows.shape()[0]]);
    (0..mask.rank()).map(along).collect()
}

/// The indices as contiguous int64 counted from the start.
fn normalized(ids: &Array, dim: usize, extent: usize) -> Result<Array> {
    if ids.dtype().is_float() {
        return Err(Error::index(
            NAME,
            format_args!("indices must be integers or a bool mask, got {}; convert them with .long()", ids.dtype()),
        ));
    }
    let ids = ids.cast(NAME, DType::I64)?.contiguous(NAME)?;
    if gather::first_bad_index(ids.elements(), extent).is_none() {
        return Ok(ids); // none is counted from the end
    }
    Array::build(NAME, ids.shape(), |out: &mut [i64]| {
        gather::normalize_indices(ids.elements(), extent, out).map_err(|bad| out_of_range(NAME, bad, dim, extent))
    })
}

/// One index on the product of the indexed dimensions.
fn merged(shape: &[usize], axes: &[Axis]) -> Result<Array> {
    if let [axis] = axes {
        return Ok(axis.ids.clone());
    }
    let mut together = Dims::new();
    for axis in axes {
        together = broadcast_shapes("index (index tensors)", &together, axis.ids.shape())?;
    }
    let spread =
        axes.iter().map(|axis| axis.ids.expand(NAME, &together)?.contiguous(NAME)).collect::<Result<Vec<_>>>()?;
    Array::build(NAME, &together, |out: &mut [i64]| {
        out.fill(0);
        for (axis, ids) in axes.iter().zip(&spread) {
            let extent = to_i64(shape[axis.dim]);
            out.iter_mut().zip(ids.elements::<i64>()).for_each(|(out, id)| *out = *out * extent + id);
        }
        Ok(())
    })
}

fn to_i64(extent: usize) -> i64 {
    i64::try_from(extent).unwrap_or(i64::MAX)
}

/// `x[indices]`: one index tensor (integers, negative from the end, or a bool mask) for each leading dimension, `None`
/// for a dimension taken whole. The index tensors broadcast together; their shape stands where the first of them
/// stood if they are neighbours, otherwise in front.
///
/// # Errors
/// [`Error::Index`] for an index out of range, a mask that does not match, too many indices or a float index;
/// [`Error::Shape`] for index tensors that do not broadcast.
pub fn index(x: &Tensor, indices: &[Option<Tensor>]) -> Result<Tensor> {
    let resolved = Resolved::new(x.shape(), indices)?;
    apply(IndexSelect { dim: resolved.dim, frozen: None }, &[&resolved.lay_out(x)?, &resolved.ids])
}

/// `x` with `values` (broadcast, cast) written, or added with `accumulate`, where `x[indices]` would read. Of several
/// writes to one place the last counts.
///
/// # Errors
/// As [`index`]; [`Error::Shape`] for values that do not broadcast.
pub fn index_put(x: &Tensor, indices: &[Option<Tensor>], values: &Tensor, accumulate: bool) -> Result<Tensor> {
    let resolved = Resolved::new(x.shape(), indices)?;
    let put = IndexPut { dim: resolved.dim, accumulate };
    let laid_out = resolved.lay_out(x)?;
    let written = put.put(&laid_out, &resolved.ids, &cast(values, x.dtype())?)?;
    let permuted: Dims = resolved.order.iter().map(|&d| x.shape()[d]).collect();
    let mut inverse = resolved.order.clone();
    resolved.order.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
    Resolved { order: inverse, ..resolved }.permuted(&reshape(&written, &permuted)?)
}

/// Slices `ids` of `x` along `dim`.
///
/// # Errors
/// [`Error::Index`] for an index or dimension out of range.
pub fn index_select(x: &Tensor, dim: isize, ids: &Tensor) -> Result<Tensor> {
    let dim = crate::layout::normalize_dim(IndexSelect::NAME, dim, x.rank())?;
    apply(IndexSelect { dim, frozen: None }, &[x, ids])
}

/// Rows `ids` of `weight` in the shape of `ids`. The row `padding_idx` takes no gradient.
///
/// # Errors
/// [`Error::Index`] for an id that is not a row, [`Error::DType`] for ids that are not integers.
pub fn embedding(ids: &Tensor, weight: &Tensor, padding_idx: Option<isize>) -> Result<Tensor> {
    const NAME: &str = "embedding";
    let &[rows, _] = weight.shape() else {
        return Err(Error::shape(
            NAME,
            format_args!("the weight must be a matrix (embeddings, dimension), got shape {}", Show(weight.shape())),
        ));
    };
    let frozen = padding_idx
        .map(|row| {
            let from_start = if row < 0 { row + rows.cast_signed() } else { row };
            let row_error =
                || Error::value(NAME, format_args!("padding_idx {row} is out of range for {rows} embeddings"));
            usize::try_from(from_start).ok().filter(|&row| row < rows).ok_or_else(row_error)
        })
        .transpose()?;
    checked(NAME, ids.array(), 0, rows)?;
    apply(IndexSelect { dim: 0, frozen }, &[weight, ids])
}

/// The elements of `x` where `mask` (broadcast) is true, in order.
///
/// # Errors
/// [`Error::Shape`] where the shapes do not broadcast, [`Error::DType`] for a mask that is not bool.
pub fn masked_select(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    const NAME: &str = "masked_select";
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype(
            NAME,
            format_args!("the mask must be bool, got {}; compare first (x > 0)", mask.dtype()),
        ));
    }
    let shape = broadcast_shapes(NAME, x.shape(), mask.shape())?;
    let flat = |t: &Tensor| reshape(&broadcast_to(t, &shape)?, &[shape.iter().product()]);
    index(&flat(x)?, &[Some(flat(mask)?)])
}

/// Coordinates of the elements that are not zero.
#[derive(Clone, Debug)]
pub struct Nonzero;

impl Discrete for Nonzero {
    const NAME: &'static str = "nonzero";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        Ok(single(places(Self::NAME, &inputs[0].cast(Self::NAME, DType::Bool)?)?))
    }

    fn samples() -> Vec<Sample<Self>> {
        vec![
            Sample::new(Self, [input(Domain::Bool, &[3, 4])]),
            Sample::new(Self, [real(&[5])]),
            Sample::new(Self, [real(&[0, 2])]),
            Sample::new(Self, [real(&[])]),
        ]
    }
}

/// Coordinates of the elements of `x` that are not zero, one row each: shape (count, rank).
///
/// # Errors
/// Only for lack of memory.
pub fn nonzero(x: &Tensor) -> Result<Tensor> {
    Ok(apply_discrete(Nonzero, &[x])?.swap_remove(0))
}

/// A row of zeros with a one at each class.
#[derive(Clone, Debug)]
pub struct OneHot {
    /// Length of a row.
    pub classes: usize,
}

impl Discrete for OneHot {
    const NAME: &'static str = "one_hot";

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let ids = checked(Self::NAME, inputs[0], inputs[0].rank(), self.classes)?;
        let mut shape = ids.dims();
        shape.push(self.classes);
        let out = Array::build(Self::NAME, &shape, |out: &mut [i64]| {
            gather::one_hot(ids.elements(), self.classes, out);
            Ok(())
        })?;
        Ok(single(out))
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize]| Sample::new(Self { classes: 4 }, [input(Domain::Index(4), shape)]);
        vec![of(&[3]), of(&[2, 2]), of(&[]), of(&[0])]
    }

    fn params(&self) -> Params {
        vec![("num_classes", self.classes.into())]
    }
}

/// Rows of zeros with a one at each class of `ids`; `classes` rows long, or as long as the largest id needs.
///
/// # Errors
/// [`Error::Index`] for an id out of range, [`Error::Value`] where there is no id to tell the number of classes from.
pub fn one_hot(ids: &Tensor, classes: Option<usize>) -> Result<Tensor> {
    let classes = if let Some(classes) = classes {
        classes
    } else {
        let ids = cast(ids, DType::I64)?.array().contiguous(OneHot::NAME)?;
        let none = || Error::value(OneHot::NAME, "no ids to tell the number of classes from; pass num_classes");
        let largest = ids.elements::<i64>().iter().max().ok_or_else(none)?;
        // Negative ids are refused where all are checked.
        usize::try_from(*largest).unwrap_or(0) + 1
    };
    Ok(apply_discrete(OneHot { classes }, &[ids])?.swap_remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::engine::{Options, backward};

    fn count(shape: &[usize]) -> Tensor {
        let values: Vec<f32> = (0u16..).map(f32::from).take(shape.iter().product()).collect();
        Array::from_slice("test", &values, shape).unwrap().into()
    }

    fn ids(values: &[i64], shape: &[usize]) -> Tensor {
        Array::from_slice("test", values, shape).unwrap().into()
    }

    fn mask(values: &[u8], shape: &[usize]) -> Tensor {
        let array = Array::build_as("test", DType::Bool, shape, |out: &mut [u8]| {
            out.copy_from_slice(values);
            Ok(())
        });
        array.unwrap().into()
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.array().contiguous("test").unwrap().elements().to_vec()
    }

    #[test]
    fn integers_of_every_kind() {
        let x = count(&[3, 4]);
        assert_eq!(values(&index(&x, &[Some(ids(&[-1, 0], &[2]))]).unwrap()), [8., 9., 10., 11., 0., 1., 2., 3.]);
        assert_eq!(values(&index(&x, &[None, Some(ids(&[1, 1], &[2]))]).unwrap()), [1., 1., 5., 5., 9., 9.]);
        assert_eq!(values(&index(&x, &[Some(ids(&[0, 2], &[2])), Some(ids(&[3], &[]))]).unwrap()), [3., 11.]);
        let y = index(&x, &[Some(ids(&[0, 2], &[2, 1])), Some(ids(&[1, -1, 0], &[3]))]).unwrap();
        assert_eq!((y.shape(), values(&y)), (&[2, 3][..], vec![1., 3., 0., 9., 11., 8.]));
    }

    #[test]
    fn indices_apart_put_their_dimensions_in_front() {
        let x = count(&[2, 3, 4]);
        let y = index(&x, &[Some(ids(&[0, 1], &[2])), None, Some(ids(&[2, 3], &[2]))]).unwrap();
        assert_eq!((y.shape(), values(&y)), (&[2, 3][..], vec![2., 6., 10., 15., 19., 23.]));
        let y = index(&x, &[None, Some(ids(&[0, 2], &[2])), Some(ids(&[2, 3], &[2]))]).unwrap();
        assert_eq!((y.shape(), values(&y)), (&[2, 2][..], vec![2., 11., 14., 23.]));
    }

    #[test]
    fn masks() {
        let x = count(&[2, 3]);
        assert_eq!(values(&index(&x, &[Some(mask(&[0, 1], &[2]))]).unwrap()), [3., 4., 5.]);
        let some = Some(mask(&[1, 0, 0, 0, 1, 1], &[2, 3]));
        assert_eq!(values(&index(&x, std::slice::from_ref(&some)).unwrap()), [0., 4., 5.]);
        assert_eq!(values(&masked_select(&x, &mask(&[0, 0, 1], &[3])).unwrap()), [2., 5.]);
        let at = nonzero(some.as_ref().unwrap()).unwrap();
        assert_eq!((at.shape(), at.array().elements::<i64>()), (&[3, 2][..], &[0, 0, 1, 1, 1, 2][..]));
        assert_eq!(index(&x, &[Some(mask(&[0, 0], &[2]))]).unwrap().shape(), [0, 3]);
        assert!(index(&x, &[Some(mask(&[0, 0, 1], &[3]))]).is_err());
    }

    #[test]
    fn puts_and_their_gradients() {
        let x = Tensor::leaf(count(&[2, 3]).array().clone()).unwrap();
        let v = Tensor::leaf(Array::from_slice("test", &[10f32, 20., 30.], &[3]).unwrap()).unwrap();
        let at = [None, Some(ids(&[0, 2, 0], &[3]))];
        let y = index_put(&x, &at, &v, false).unwrap();
        assert_eq!(values(&y), [30., 1., 20., 30., 4., 20.]);
        let ones = Array::full("test", &[2, 3], crate::Scalar::Float(1.0), DType::F32).unwrap();
        backward(&[y], &[Some(ones.clone().into())], Options::default()).unwrap();
        assert_eq!(values(&x.grad().unwrap()), [0., 1., 0., 0., 1., 0.]);
        assert_eq!(values(&v.grad().unwrap()), [0., 2., 2.]);
        let y = index_put(&x, &at, &v, true).unwrap();
        assert_eq!(values(&y), [40., 1., 22., 43., 4., 25.]);
        let y = index_put(&x, &[Some(ids(&[1], &[1])), None], &v, true).unwrap();
        assert_eq!(values(&y), [0., 1., 2., 13., 24., 35.]);
        let z = count(&[2, 2, 3]);
        let y = index_put(&z, &[Some(ids(&[1], &[1])), None, Some(ids(&[0], &[1]))], &v.detach(), false);
        assert!(y.is_err(), "three values for two places");
        let one = Array::from_slice("test", &[-1f32], &[1]).unwrap().into();
        let y = index_put(&z, &[Some(ids(&[1], &[1])), None, Some(ids(&[0], &[1]))], &one, false).unwrap();
        assert_eq!(values(&y), [0., 1., 2., 3., 4., 5., -1., 7., 8., -1., 10., 11.]);
    }

    #[test]
    fn an_embedding_freezes_its_padding() {
        let w = Tensor::leaf(count(&[3, 2]).array().clone()).unwrap();
        let y = embedding(&ids(&[2, 0, 2, 1], &[2, 2]), &w, Some(-1)).unwrap();
        assert_eq!((y.shape(), values(&y)), (&[2, 2, 2][..], vec![4., 5., 0., 1., 4., 5., 2., 3.]));
        let ones = Array::full("test", &[2, 2, 2], crate::Scalar::Float(1.0), DType::F32).unwrap();
        backward(&[y], &[Some(ones.into())], Options::default()).unwrap();
        assert_eq!(values(&w.grad().unwrap()), [1., 1., 1., 1., 0., 0.]);
        assert!(embedding(&ids(&[3], &[1]), &w, None).is_err());
        assert!(embedding(&ids(&[0], &[1]), &w, Some(3)).is_err());
    }

    #[test]
    fn messages_name_index_dimension_and_size() {
        let x = count(&[2, 3]);
        let text = |result: Result<Tensor>| result.err().unwrap().to_string();
        assert_eq!(
            text(index(&x, &[None, Some(ids(&[1, 3], &[2]))])),
            "index: index 3 at position 1 is out of range for dimension 1 of size 3"
        );
        assert!(text(index(&x, &[Some(ids(&[0], &[1])), None, Some(ids(&[0], &[1]))])).contains("too many indices"));
        assert!(text(index(&x, &[Some(x.clone())])).contains(".long()"));
        assert!(one_hot(&ids(&[1, 4], &[2]), Some(4)).is_err());
        assert!(one_hot(&ids(&[], &[0]), None).is_err());
        let hot = one_hot(&ids(&[1, 0], &[2]), None).unwrap();
        assert_eq!(hot.array().elements::<i64>(), [0, 1, 1, 0]);
    }
}
