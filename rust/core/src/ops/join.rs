//! Putting tensors together along a dimension, and reordering one along its dimensions.

use crate::array::Array;
use crate::autograd::inplace::is_replaced;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Promotion, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, distinct_dims, normalize_dim, numel};
use crate::ops::copy::apart;
use crate::ops::order;
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::shape::{broadcast_to, reshape, slice};
use crate::with_bits;
use dlcore_kernels::copy::{triangle, triangle_over};

/// The inputs one after another along a dimension.
#[derive(Clone, Debug)]
pub struct Cat {
    /// Along which dimension.
    pub dim: usize,
}

impl Cat {
    /// The extents of the result.
    fn shape(&self, inputs: &[&Array]) -> Result<Dims> {
        let mut shape = inputs[0].dims();
        for (i, x) in inputs.iter().enumerate().skip(1) {
            let first = inputs[0].shape();
            let (from, to) = (Show(first), Show(x.shape()));
            if x.rank() != first.len() {
                return Err(Error::shape(
                    Self::NAME,
                    format_args!(
                        "tensor 0 has shape {from} and tensor {i} has shape {to}: all must have as many dimensions"
                    ),
                ));
            }
            if let Some(d) = (0..first.len()).find(|&d| d != self.dim && x.shape()[d] != first[d]) {
                return Err(Error::shape(
                    Self::NAME,
                    format_args!(
                        "tensor 0 has shape {from} and tensor {i} has shape {to}: \
                         they differ in dimension {d}, and may differ only in dimension {}",
                        self.dim
                    ),
                ));
            }
            // Each extent is below 2^60, so a sum of as many as fit into memory does not overflow.
            shape[self.dim] = shape[self.dim].saturating_add(x.shape()[self.dim]);
        }
        numel(Self::NAME, &shape)?;
        Ok(shape)
    }
}

impl Operation for Cat {
    const NAME: &'static str = "cat";
    const PROMOTION: Promotion = Promotion::Common;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let out = Array::uninit(Self::NAME, &self.shape(inputs)?, inputs[0].dtype())?;
        let mut start = 0;
        for x in inputs {
            let count = x.shape()[self.dim];
            out.view(out.layout().slice(self.dim, start, 1, count)).write(Self::NAME, x)?;
            start += count;
        }
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let mut gradients = Gradients::new();
        let mut start = 0;
        for i in 0..context.len() {
            let count = context.shape(i)[self.dim];
            gradients.push(if context.needs(i) { Some(slice(grad, self.dim, start, 1, count)?) } else { None });
            start += count;
        }
        Ok(gradients)
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        vec![
            Sample::new(Self { dim: 0 }, [real(&[2, 3]), real(&[1, 3]), real(&[4, 3])]),
            Sample::new(Self { dim: 1 }, [real(&[2, 3]), real(&[2, 0]), real(&[2, 1])]),
            Sample::new(Self { dim: 2 }, [real(&[2, 2, 3])]),
            Sample::new(Self { dim: 0 }, [real(&[0]), real(&[0])]),
        ]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into())]
    }
}

/// The elements in reverse order along some dimensions.
#[derive(Clone, Debug)]
pub struct Flip {
    /// Along which dimensions.
    pub dims: Dims,
}

/// `x` seen backwards along `dims`.
fn reversed(x: &Array, dims: &[usize]) -> Array {
    let turn = |layout: crate::Layout, &dim: &usize| {
        let extent = layout.shape[dim];
        layout.slice(dim, extent.saturating_sub(1), -1, extent)
    };
    x.view(dims.iter().fold(x.layout().clone(), turn))
}

impl Operation for Flip {
    const NAME: &'static str = "flip";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        Ok(single(order::copied(Self::NAME, &reversed(inputs[0], &self.dims), inputs[0])?))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(apply(self.clone(), &[grad])?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dims: &[usize], shape: &[usize]| Sample::new(Self { dims: Dims::from_slice(dims) }, [real(shape)]);
        vec![of(&[0], &[5]), of(&[0, 2], &[2, 3, 4]), of(&[], &[]), of(&[1], &[3, 0])]
    }

    fn params(&self) -> Params {
        vec![("dims", self.dims.as_slice().into())]
    }
}

/// The elements moved on along a dimension, those that leave at its end back at its start.
#[derive(Clone, Debug)]
pub struct Roll {
    /// Along which dimension.
    pub dim: usize,
    /// How far, around and around.
    pub shift: usize,
}

impl Roll {
    /// How many elements come back at the start, and how many are before them.
    fn cut(&self, shape: &[usize]) -> (usize, usize) {
        let shift = self.shift.checked_rem(shape[self.dim]).unwrap_or(0);
        (shift, shape[self.dim] - shift)
    }
}

impl Operation for Roll {
    const NAME: &'static str = "roll";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let dim = self.dim;
        let (x, out) = (inputs[0], Array::uninit(Self::NAME, inputs[0].shape(), inputs[0].dtype())?);
        let part = |of: &Array, start, count| of.view(of.layout().slice(dim, start, 1, count));
        let (shift, kept) = self.cut(x.shape());
        part(&out, shift, kept).write(Self::NAME, &part(x, 0, kept))?;
        part(&out, 0, shift).write(Self::NAME, &part(x, kept, shift))?;
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let (_, kept) = self.cut(context.shape(0));
        Ok(one(apply(Self { shift: kept, ..*self }, &[grad])?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dim, shift, shape: &[usize]| Sample::new(Self { dim, shift }, [real(shape)]);
        vec![of(0, 2, &[5]), of(1, 1, &[2, 3, 4]), of(0, 3, &[3, 2]), of(0, 1, &[2, 0])]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into()), ("shift", self.shift.into())]
    }
}

/// The elements of matrices on one side of a diagonal and on it, the rest zero.
#[derive(Clone, Debug)]
pub struct Triangle {
    /// How far the diagonal lies above the main one.
    pub diagonal: i64,
    /// Whether the elements above it are kept, otherwise those below.
    pub upper: bool,
}

impl Operation for Triangle {
    const NAME: &'static str = "triangle";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0].packed(Self::NAME, inputs[0].dtype())?;
        let &[.., rows, columns] = x.shape() else {
            let (op, shape) = (if self.upper { "triu" } else { "tril" }, Show(x.shape()));
            return Err(Error::shape(op, format_args!("expected at least 2 dimensions, got shape {shape}")));
        };
        let is_done = is_replaced(inputs[0])
            && with_bits!(x.dtype(), T => inputs[0].edit(|own: &mut [T]| {
                triangle_over([rows, columns], self.diagonal, self.upper, own);
            }));
        if is_done {
            return Ok(single(inputs[0].clone()));
        }
        let out = with_bits!(x.dtype(), T => Array::build_as(Self::NAME, x.dtype(), x.shape(), |out: &mut [T]| {
            triangle(x.elements(), [rows, columns], self.diagonal, self.upper, out);
            Ok(())
        }))?;
        Ok(single(out))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(apply(self.clone(), &[grad])?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |diagonal, upper, shape: &[usize]| Sample::new(Self { diagonal, upper }, [real(shape)]);
        vec![
            of(0, true, &[3, 4]),
            of(-1, true, &[2, 4, 3]),
            of(1, false, &[2, 3, 3]),
            of(-5, false, &[3, 2]),
            of(7, false, &[3, 2]),
            of(0, true, &[2, 0]),
        ]
    }

    fn params(&self) -> Params {
        vec![("diagonal", self.diagonal.into()), ("upper", self.upper.into())]
    }
}

/// The tensors one after another along dimension `dim`. Empty 1-d tensors are skipped, as in PyTorch.
///
/// # Errors
/// [`Error::Shape`] where they differ in another dimension, [`Error::Index`] for a dimension out of range.
pub fn cat(tensors: &[&Tensor], dim: isize) -> Result<Tensor> {
    // Vectors of nothing go with tensors of any shape: they are seen as nothing of that shape.
    let shape = tensors.iter().map(|t| t.shape()).find(|&shape| shape != [0]);
    let empty = |t: &Tensor, shape: &[usize]| -> Result<Tensor> {
        let at = normalize_dim(Cat::NAME, dim, shape.len())?;
        let mut shape = Dims::from_slice(shape);
        shape[at] = 0;
        reshape(t, &shape)
    };
    let fitted: Vec<Tensor>;
    let fitted_list: Vec<&Tensor>;
    let tensors = match shape {
        Some(shape) if !shape.is_empty() && tensors.iter().any(|t| t.shape() == [0]) => {
            let fit = |t: &&Tensor| if t.shape() == [0] { empty(t, shape) } else { Ok((*t).clone()) };
            fitted = tensors.iter().map(fit).collect::<Result<_>>()?;
            fitted_list = fitted.iter().collect();
            &fitted_list
        }
        _ => tensors,
    };
    let first = tensors.first().ok_or_else(|| Error::value(Cat::NAME, "expected at least one tensor"))?;
    if tensors.iter().any(|t| t.rank() == 0) {
        return Err(Error::shape(Cat::NAME, "0-d tensors have no dimension to be joined along; use stack"));
    }
    apply(Cat { dim: normalize_dim(Cat::NAME, dim, first.rank())? }, tensors)
}

/// The tensors, all of one shape, one after another along a new dimension `dim`.
///
/// # Errors
/// [`Error::Shape`] where the shapes differ, [`Error::Index`] for a dimension out of range.
pub fn stack(tensors: &[&Tensor], dim: isize) -> Result<Tensor> {
    let first = tensors.first().ok_or_else(|| Error::value("stack", "expected at least one tensor"))?;
    let dim = normalize_dim("stack", dim, first.rank() + 1)?;
    if let Some((i, t)) = tensors.iter().enumerate().find(|(_, t)| t.shape() != first.shape()) {
        let (from, to) = (Show(first.shape()), Show(t.shape()));
        return Err(Error::shape(
            "stack",
            format_args!("tensor 0 has shape {from} and tensor {i} has shape {to}: all must have the same shape"),
        ));
    }
    let mut shape = first.array().dims();
    shape.insert(dim, 1);
    let rows = tensors.iter().map(|t| reshape(t, &shape)).collect::<Result<Vec<_>>>()?;
    apply(Cat { dim }, &rows.iter().collect::<Vec<_>>())
}

/// `x` with the order of its elements reversed along `dims`.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range, [`Error::Value`] for one named twice.
pub fn flip(x: &Tensor, dims: &[isize]) -> Result<Tensor> {
    apply(Flip { dims: distinct_dims(Flip::NAME, dims, x.rank())? }, &[x])
}

/// `x` repeated `repeats[d]` times along dimension `d`; leading entries of `repeats` are new dimensions.
///
/// # Errors
/// [`Error::Shape`] for fewer repeats than dimensions.
pub fn repeat(x: &Tensor, repeats: &[usize]) -> Result<Tensor> {
    let Some(lead) = repeats.len().checked_sub(x.rank()) else {
        return Err(Error::shape(
            "repeat",
            format_args!("expected a count for each of the {} dimensions, got {repeats:?}", x.rank()),
        ));
    };
    // (2, 3) seen as (1, 2, 1, 3), repeated to (r, 2, s, 3), is (2 r, 3 s).
    let (mut split, mut wide, mut whole) = (Dims::new(), Dims::new(), Dims::new());
    for (d, &count) in repeats.iter().enumerate() {
        let extent = if d < lead { 1 } else { x.shape()[d - lead] };
        let total = count.checked_mul(extent).ok_or_else(|| Error::value("repeat", "too many elements"))?;
        if extent == 1 {
            split.push(1);
            wide.push(count);
        } else {
            split.extend([1, extent]);
            wide.extend([count, extent]);
        }
        whole.push(total);
    }
    numel("repeat", &wide)?;
    apart(reshape(&broadcast_to(&reshape(x, &split)?, &wide)?, &whole)?, x)
}

/// The elements of the matrices `x` on and above diagonal `diagonal`, the rest zero.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions.
pub fn triu(x: &Tensor, diagonal: i64) -> Result<Tensor> {
    apply(Triangle { diagonal, upper: true }, &[x])
}

/// The elements of the matrices `x` on and below diagonal `diagonal`, the rest zero.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions.
pub fn tril(x: &Tensor, diagonal: i64) -> Result<Tensor> {
    apply(Triangle { diagonal, upper: false }, &[x])
}
