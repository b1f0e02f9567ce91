//! Memory read with other extents and strides.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::error::{Error, Result};
use crate::layout::{Dims, Layout, Show, Strides, numel};
use crate::ops::arrange::placed_where_viewed;
use crate::ops::cast::cast;
use crate::ops::over::accumulate;
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::shape::{Look, look};
use dlcore_kernels::map::Arithmetic;
use smallvec::{SmallVec, smallvec};
use std::ops::Range;

/// Whether the elements of a layout are all different places: from the shortest step on, each must go past all that the
/// shorter ones reach.
pub(crate) fn reads_no_place_twice(Layout { shape, strides, .. }: &Layout) -> bool {
    if shape.contains(&0) {
        return true;
    }
    let steps = shape.iter().zip(strides).filter(|&(&extent, _)| extent > 1);
    let mut steps: SmallVec<[(usize, usize); 6]> =
        steps.map(|(&extent, stride)| (stride.unsigned_abs(), extent)).collect();
    steps.sort_unstable();
    let mut reached = 0usize;
    steps.into_iter().all(|(stride, extent)| {
        let further = stride > reached;
        reached = reached.saturating_add(stride.saturating_mul(extent - 1));
        further
    })
}

/// The places between which the elements of a layout lie, of which there are some; nothing where they leave what can be
/// counted.
pub(crate) fn span(Layout { shape, strides, offset }: &Layout) -> Option<Range<usize>> {
    let (mut first, mut last) = (*offset, *offset);
    for (&extent, &stride) in shape.iter().zip(strides) {
        let reach = extent.saturating_sub(1).checked_mul(stride.unsigned_abs())?;
        if stride < 0 {
            first = first.checked_sub(reach)?;
        } else {
            last = last.checked_add(reach)?;
        }
    }
    Some(first..last.checked_add(1)?)
}

fn laid_out(shape: &[usize], strides: &[isize], offset: usize) -> Layout {
    Layout { shape: Dims::from_slice(shape), strides: Strides::from_slice(strides), offset }
}

/// The elements of a tensor, row after row, read with other extents and strides: a view of what lies so.
#[derive(Clone, Debug)]
pub struct AsStrided {
    /// Where the elements lie among those of the tensor.
    pub layout: Layout,
}

impl Operation for AsStrided {
    const NAME: &'static str = "as_strided";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = inputs[0].contiguous(Self::NAME)?;
        let Some(layout) = self.layout(x.layout()) else {
            let (shape, room) = (Show(&self.layout.shape), x.numel());
            return Err(Error::value(Self::NAME, format_args!("shape {shape} leaves the memory of {room} elements")));
        };
        Ok(single(x.view(layout)))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        if reads_no_place_twice(&self.layout) {
            let zeros = Array::zeros(Self::NAME, context.shape(0), grad.dtype())?.into();
            return Ok(one(apply(AsStridedScatter(self.clone()), &[&zeros, grad])?));
        }
        let view = |x: &Tensor| apply(self.clone(), &[x]);
        Ok(one(placed_where_viewed(grad, context.shape(0), view)?))
    }

    fn backward_add(&self, grad: &Tensor, sum: &Tensor) -> bool {
        let contiguous = sum.array().layout().is_contiguous();
        if !contiguous || !reads_no_place_twice(&self.layout) {
            return false;
        }
        let part = self.forward(&[sum.array()]);
        part.is_ok_and(|part| accumulate("backward", Arithmetic::Add, &part[0], grad.array()))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize], strides: &[isize], start, x: &[usize]| {
            Sample::new(Self { layout: laid_out(shape, strides, start) }, [real(x)])
        };
        vec![of(&[2, 2], &[2, 1], 1, &[3, 2]), of(&[3, 2], &[1, 1], 0, &[4]), of(&[0], &[1], 0, &[2])]
    }

    fn params(&self) -> Params {
        let Layout { shape, strides, offset } = &self.layout;
        let strides: &[isize] = strides;
        vec![("size", shape.as_slice().into()), ("stride", strides.into()), ("start", (*offset).into())]
    }
}

impl Look for AsStrided {
    fn layout(&self, of: &Layout) -> Option<Layout> {
        let nothing = self.layout.shape.contains(&0);
        let fits = nothing || span(&self.layout).is_some_and(|span| span.end <= of.numel());
        let offset = of.offset + if nothing { 0 } else { self.layout.offset };
        (fits && of.is_contiguous()).then(|| Layout { offset, ..self.layout.clone() })
    }
}

/// The first input, row after row, with the second written where [`AsStrided`] reads, which must read no place twice.
#[derive(Clone, Debug)]
pub struct AsStridedScatter(pub AsStrided);

impl Operation for AsStridedScatter {
    const NAME: &'static str = "as_strided_scatter";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let out = inputs[0].copy(Self::NAME)?;
        self.0.forward(&[&out])?[0].write(Self::NAME, inputs[1])?;
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let kept = || {
            let zeros = Array::zeros(Self::NAME, context.shape(1), grad.dtype())?.into();
            apply(self.clone(), &[grad, &zeros])
        };
        let kept = context.needs(0).then(kept).transpose()?;
        let put = context.needs(1).then(|| apply(self.0.clone(), &[grad])).transpose()?;
        Ok(smallvec![kept, put])
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |shape: &[usize], strides: &[isize], start, x: &[usize]| {
            let op = AsStrided { layout: laid_out(shape, strides, start) };
            Sample::new(Self(op), [real(x), real(shape)])
        };
        vec![of(&[2, 2], &[3, 1], 1, &[3, 2]), of(&[2], &[5], 0, &[2, 4]), of(&[0], &[1], 0, &[2])]
    }

    fn params(&self) -> Params {
        self.0.params()
    }
}

/// `x` with `source` written at `place`, where that lies in a contiguous tensor of the shape of `x`; it has no place twice.
///
/// # Errors
/// [`Error::Shape`] for a source of another shape.
pub fn written_at(op: &str, x: &Tensor, source: &Tensor, place: Layout) -> Result<Tensor> {
    if source.shape() != place.shape.as_slice() {
        let (from, to) = (Show(source.shape()), Show(&place.shape));
        return Err(Error::shape(op, format_args!("a source of shape {from} for a place of shape {to}")));
    }
    apply(AsStridedScatter(AsStrided { layout: place }), &[x, &cast(source, x.dtype())?])
}

/// `x` with `source` written where `as_strided` would read.
///
/// # Errors
/// [`Error::Value`] for what lies outside of `x`, for an `x` with gaps or in another order, and where several elements of
/// `source` would have one place; [`Error::Shape`] for a source of another shape.
pub fn as_strided_scatter(
    x: &Tensor,
    source: &Tensor,
    shape: &[usize],
    strides: &[usize],
    offset: Option<usize>,
) -> Result<Tensor> {
    const NAME: &str = AsStridedScatter::NAME;
    if shape.len() != strides.len() {
        return Err(Error::value(NAME, format_args!("{} sizes and {} strides", shape.len(), strides.len())));
    }
    numel(NAME, shape)?;
    let strides: Strides = strides.iter().map(|stride| stride.cast_signed()).collect();
    let own = x.array().layout();
    let place = laid_out(shape, &strides, offset.unwrap_or(own.offset));
    if !reads_no_place_twice(&place) {
        return Err(Error::value(NAME, "several elements of the source may have one place"));
    }
    let start = place.offset.checked_sub(own.offset).filter(|_| own.is_contiguous());
    let start = start.ok_or_else(|| Error::value(NAME, "expected a place in a contiguous tensor; use contiguous()"))?;
    written_at(NAME, x, source, Layout { offset: start, ..place })
}

/// The memory that `x` lies in with extents `shape` and `strides`, from its element `offset` on, or from where `x` begins.
///
/// # Errors
/// [`Error::Value`] for lists of two lengths and for what lies outside the memory; [`Error::Gradient`] where a gradient is
/// wanted for a tensor with gaps or in another order.
pub fn as_strided(x: &Tensor, shape: &[usize], strides: &[usize], offset: Option<usize>) -> Result<Tensor> {
    const NAME: &str = AsStrided::NAME;
    if shape.len() != strides.len() {
        return Err(Error::value(NAME, format_args!("{} sizes and {} strides", shape.len(), strides.len())));
    }
    numel(NAME, shape)?;
    let (array, own) = (x.array(), x.array().layout().offset);
    let strides: Strides = strides.iter().map(|stride| stride.cast_signed()).collect();
    let layout = laid_out(shape, &strides, offset.unwrap_or(own));
    if !x.requires_grad() {
        let room = array.storage().buffer().len() / array.dtype().size();
        let whole = Layout { offset: 0, ..Layout::contiguous(&[room]) };
        return look(AsStrided { layout }, &x.viewed(array.view(whole), x.tracking().clone()));
    }
    let start = layout.offset.checked_sub(own).filter(|_| array.layout().is_contiguous());
    let start = start.ok_or_else(|| {
        Error::gradient(NAME, "there is a gradient for what lies inside of a contiguous tensor; use contiguous() first")
    })?;
    look(AsStrided { layout: Layout { offset: start, ..layout } }, x)
}
