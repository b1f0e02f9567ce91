//! Operations that only look at the same elements differently: views where the layout allows it.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::{Tensor, Tracking};
use crate::error::{Error, Result};
use crate::layout::{Dims, Layout, MAX_RANK, Show, few_of, normalize_dim, numel};
use crate::ops;
use crate::ops::over::accumulate;
use crate::ops::sample::{Params, Sample, real, single};
use dlcore_kernels::map::Arithmetic;

/// An operation that lays the elements of its input out anew.
pub trait Look: Operation {
    /// The layout of the output in the memory of an input laid out as `of`; nothing where a copy is needed, or `forward`
    /// has something to say.
    fn layout(&self, of: &Layout) -> Option<Layout>;
}

/// Applies `op`. Where nothing can be recorded the view is made at once: most of what one costs is else the way through
/// [`apply`].
///
/// # Errors
/// Those of `op`.
pub fn look<O: Look>(op: O, x: &Tensor) -> Result<Tensor> {
    if x.is_plain()
        && let Some(layout) = op.layout(x.array().layout())
    {
        return Ok(plain(x, layout));
    }
    apply(op, &[x])
}

/// A view of which nothing is remembered.
#[inline]
fn plain(x: &Tensor, layout: Layout) -> Tensor {
    x.viewed(x.array().view(layout), Tracking::None)
}

/// Whether a view of `x` with extents `shape` is nothing but another handle. One that takes part in differentiation is an
/// operation of its own also where it changes nothing: hooks on it, and its gradient, are not those of `x`.
fn stays(x: &Tensor, shape: &[usize]) -> bool {
    // Not `==` of the slices, which calls a function to compare as little as this.
    x.rank() == shape.len() && x.shape().iter().zip(shape).all(|(a, b)| a == b) && !x.requires_grad()
}

/// `x.reshape(shape)`: a view where the layout allows it, otherwise a copy.
#[derive(Clone, Debug)]
pub struct Reshape {
    /// The new extents.
    pub shape: Dims,
}

impl Operation for Reshape {
    const NAME: &'static str = "reshape";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        Ok(single(inputs[0].reshape(Self::NAME, &self.shape)?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(reshape(grad, context.shape(0))?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let to = |shape: &[usize], from: &[usize]| Sample::new(Self { shape: Dims::from_slice(shape) }, [real(from)]);
        vec![to(&[6], &[2, 3]), to(&[3, 1, 2], &[2, 3]), to(&[], &[1]), to(&[2, 0], &[0, 5])]
    }

    fn params(&self) -> Params {
        vec![("shape", self.shape.as_slice().into())]
    }
}

impl Look for Reshape {
    fn layout(&self, of: &Layout) -> Option<Layout> {
        let product = self.shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        // Of nothing the other extents may be too many, and where many are 1 the dimensions.
        let is_small = product != Some(0) && self.shape.len() <= MAX_RANK;
        let fits = product == Some(of.numel()) && (is_small || numel(Self::NAME, &self.shape).is_ok());
        if fits { of.reshape(&self.shape) } else { None }
    }
}

/// `x.permute(dims)`.
#[derive(Clone, Debug)]
pub struct Permute {
    /// Which dimension comes where; a permutation.
    pub dims: Dims,
}

impl Operation for Permute {
    const NAME: &'static str = "permute";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        Ok(single(inputs[0].view(inputs[0].layout().permute(&self.dims))))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let mut inverse = self.dims.clone();
        for (to, &from) in self.dims.iter().enumerate() {
            inverse[from] = to;
        }
        Ok(one(apply(Self { dims: inverse }, &[grad])?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dims: &[usize], shape: &[usize]| Sample::new(Self { dims: Dims::from_slice(dims) }, [real(shape)]);
        vec![of(&[1, 0], &[2, 3]), of(&[2, 0, 1], &[2, 3, 4]), of(&[], &[]), of(&[1, 0], &[0, 3])]
    }

    fn params(&self) -> Params {
        vec![("dims", self.dims.as_slice().into())]
    }
}

impl Look for Permute {
    fn layout(&self, of: &Layout) -> Option<Layout> {
        Some(of.permute(&self.dims))
    }
}

/// `x.expand(shape)`: repeats without copying.
#[derive(Clone, Debug)]
pub struct Expand {
    /// The new extents.
    pub shape: Dims,
}

impl Operation for Expand {
    const NAME: &'static str = "expand";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        Ok(single(inputs[0].expand(Self::NAME, &self.shape)?))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(sum_to(grad, context.shape(0))?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let to = |shape: &[usize], from: &[usize]| Sample::new(Self { shape: Dims::from_slice(shape) }, [real(from)]);
        vec![to(&[2, 3], &[3]), to(&[4, 2, 3], &[2, 1]), to(&[5], &[]), to(&[0, 3], &[1, 3])]
    }

    fn params(&self) -> Params {
        vec![("shape", self.shape.as_slice().into())]
    }
}

impl Look for Expand {
    fn layout(&self, of: &Layout) -> Option<Layout> {
        of.expand(Self::NAME, &self.shape).ok()
    }
}

/// `x[.., start::step, ..]` with `count` elements along one dimension.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Along which dimension.
    pub dim: usize,
    /// The first element.
    pub start: usize,
    /// From one to the next; may be negative.
    pub step: isize,
    /// How many.
    pub count: usize,
}

impl Operation for Slice {
    const NAME: &'static str = "slice";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        Ok(single(inputs[0].view(inputs[0].layout().slice(self.dim, self.start, self.step, self.count))))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(apply(SliceScatter { slice: self.clone(), shape: Dims::from_slice(context.shape(0)) }, &[grad])?))
    }

    fn backward_add(&self, grad: &Tensor, sum: &Tensor) -> bool {
        let part = sum.array().view(sum.array().layout().slice(self.dim, self.start, self.step, self.count));
        accumulate("backward", Arithmetic::Add, &part, grad.array())
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dim, start, step, count| Sample::new(Self { dim, start, step, count }, [real(&[4, 5])]);
        vec![of(0, 1, 1, 2), of(1, 4, -2, 3), of(1, 0, 3, 2), of(0, 0, 1, 0)]
    }

    fn params(&self) -> Params {
        vec![
            ("dim", self.dim.into()),
            ("start", self.start.into()),
            ("step", self.step.into()),
            ("count", self.count.into()),
        ]
    }
}

impl Look for Slice {
    fn layout(&self, of: &Layout) -> Option<Layout> {
        Some(of.slice(self.dim, self.start, self.step, self.count))
    }
}

/// Zeros of `shape` with the input written where `slice` would read: what a slice's gradient is.
#[derive(Clone, Debug)]
pub struct SliceScatter {
    /// Where to write.
    pub slice: Slice,
    /// Extents of the output.
    pub shape: Dims,
}

impl Operation for SliceScatter {
    const NAME: &'static str = "slice_scatter";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let out = Array::zeros(Self::NAME, &self.shape, inputs[0].dtype())?;
        let Slice { dim, start, step, count } = self.slice;
        out.view(out.layout().slice(dim, start, step, count)).write(Self::NAME, inputs[0])?;
        Ok(single(out))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(apply(self.slice.clone(), &[grad])?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let slice = Slice { dim: 1, start: 3, step: -2, count: 2 };
        vec![Sample::new(Self { slice, shape: Dims::from_slice(&[2, 5]) }, [real(&[2, 2])])]
    }

    fn params(&self) -> Params {
        let mut params = self.slice.params();
        params.push(("shape", self.shape.as_slice().into()));
        params
    }
}

/// `x` without gaps: itself where it is contiguous, otherwise a copy.
///
/// # Errors
/// Only for lack of memory.
pub fn contiguous(x: &Tensor) -> Result<Tensor> {
    if x.array().layout().is_contiguous() { Ok(x.clone()) } else { ops::copy(x) }
}

/// `x` with extents `shape`.
///
/// # Errors
/// [`Error::Shape`] where the element counts differ.
pub fn reshape(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if stays(x, shape) { Ok(x.alias()) } else { look(Reshape { shape: Dims::from_slice(shape) }, x) }
}

/// As [`reshape`], and `x` itself where it has that shape: on the way to a result that is another tensor.
///
/// # Errors
/// As [`reshape`].
pub fn shaped(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape { Ok(x.clone()) } else { reshape(x, shape) }
}

/// `x` with extents `shape`, of which one may be -1: what is left over. Errors are those of `op`.
///
/// # Errors
/// [`Error::Shape`] where the element counts cannot agree.
pub fn reshape_inferred(op: &str, x: &Tensor, shape: &[isize]) -> Result<Tensor> {
    let bad = |what: &str| Error::shape(op, format_args!("cannot view {} as {shape:?}: {what}", Show(x.shape())));
    let (mut known, mut missing) = (1usize, 0);
    for &n in shape {
        if n == -1 {
            missing += 1;
        } else {
            let product = usize::try_from(n).ok().and_then(|n| known.checked_mul(n));
            known = product.ok_or_else(|| bad("sizes must not be negative (one -1 is allowed)"))?;
        }
    }
    let inferred = match missing {
        0 if known == x.numel() => 0,
        0 => {
            let (from, to) = (x.shape(), shape.iter().map(|n| n.unsigned_abs()).collect::<Dims>());
            let (have, from, to) = (x.numel(), Show(from), Show(&to));
            return Err(Error::shape(
                op,
                format_args!("cannot view {from} ({have} elements) as {to} ({known} elements)"),
            ));
        }
        1 if known > 0 && x.numel().is_multiple_of(known) => x.numel() / known,
        1 => return Err(bad(&format!("{} elements do not divide by {known}", x.numel()))),
        _ => return Err(bad("only one size may be -1")),
    };
    let sizes: Dims = few_of(shape.len(), |i| usize::try_from(shape[i]).unwrap_or(inferred));
    reshape(x, &sizes)
}

/// Dimensions of `x` in the order `dims`.
///
/// # Errors
/// [`Error::Value`] where `dims` is not a permutation.
pub fn permute(x: &Tensor, dims: &[isize]) -> Result<Tensor> {
    const { assert!(MAX_RANK <= u32::BITS as usize) }
    let mut seen = 0u32;
    for &dim in dims {
        seen |= 1 << normalize_dim("permute", dim, x.rank())?;
    }
    if dims.len() != x.rank() || seen.count_ones() as usize != x.rank() {
        return Err(Error::value(
            "permute",
            format_args!("dims {dims:?} are not a permutation of the {} dimensions of {}", x.rank(), Show(x.shape())),
        ));
    }
    let from_start =
        |to: usize| if dims[to] < 0 { x.rank().wrapping_add_signed(dims[to]) } else { dims[to].unsigned_abs() };
    look(Permute { dims: few_of(dims.len(), from_start) }, x)
}

/// `x` with dimensions `a` and `b` exchanged.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range.
pub fn transpose(x: &Tensor, a: isize, b: isize) -> Result<Tensor> {
    let (a, b) = (normalize_dim("transpose", a, x.rank())?, normalize_dim("transpose", b, x.rank())?);
    if x.is_plain() && x.rank() > 0 {
        return Ok(plain(x, x.array().layout().transpose(a, b)));
    }
    let mut dims: Dims = (0..x.rank()).collect();
    // One number has no dimensions to exchange, but -1 and 0 name one.
    if x.rank() > 0 {
        dims.swap(a, b);
    }
    look(Permute { dims }, x)
}

/// `x` repeated to `shape` without copying.
///
/// # Errors
/// [`Error::Shape`] where it does not broadcast.
pub fn broadcast_to(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if stays(x, shape) { Ok(x.alias()) } else { look(Expand { shape: Dims::from_slice(shape) }, x) }
}

/// Sums `x` over the dimensions that `shape` was broadcast along: the gradient of broadcasting.
///
/// # Errors
/// Only for lack of memory.
pub fn sum_to(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    let lead = x.rank() - shape.len();
    let dims: Dims = (0..x.rank()).filter(|&d| d < lead || (shape[d - lead] == 1 && x.shape()[d] != 1)).collect();
    reshape(&ops::sum(x, &dims, false)?, shape)
}

/// Elements `start, start + step, ..` of dimension `dim`, `count` of them.
///
/// # Errors
/// [`Error::Index`] for elements that do not exist.
pub fn slice(x: &Tensor, dim: usize, start: usize, step: isize, count: usize) -> Result<Tensor> {
    let extent = x.shape()[dim];
    let last = || start.checked_add_signed(step.checked_mul(isize::try_from(count).ok()? - 1)?);
    if count > 0 && !(start < extent && last().is_some_and(|last| last < extent)) {
        return Err(Error::index(
            Slice::NAME,
            format_args!("{count} entries from {start} by {step} leave dimension {dim} of size {extent}"),
        ));
    }
    look(Slice { dim, start, step, count }, x)
}

/// Entry `at` of dimension `dim`, without that dimension.
///
/// # Errors
/// [`Error::Index`] for an entry that does not exist.
pub fn entry(x: &Tensor, dim: usize, at: usize) -> Result<Tensor> {
    if x.is_plain() && at < x.shape()[dim] {
        return Ok(plain(x, x.array().layout().entry(dim, at)));
    }
    let mut shape = Dims::from_slice(x.shape());
    shape.remove(dim);
    reshape(&slice(x, dim, at, 1, 1)?, &shape)
}

/// `x` with `rows` and `columns` of zeros after its last two dimensions.
///
/// # Errors
/// [`Error::Shape`] for fewer than two dimensions.
pub fn pad_end(x: &Tensor, [rows, columns]: [usize; 2]) -> Result<Tensor> {
    let Some(height) = x.rank().checked_sub(2) else {
        return Err(Error::shape("pad", format_args!("expected at least 2 dimensions, got {}", Show(x.shape()))));
    };
    let mut padded = x.clone();
    for (dim, more) in [(height, rows), (height + 1, columns)] {
        if more > 0 {
            let count = padded.shape()[dim];
            let mut shape = Dims::from_slice(padded.shape());
            shape[dim] += more;
            padded = apply(SliceScatter { slice: Slice { dim, start: 0, step: 1, count }, shape }, &[&padded])?;
        }
    }
    Ok(padded)
}
