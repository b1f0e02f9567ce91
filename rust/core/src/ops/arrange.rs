//! Elements in another arrangement: rolled, turned, cut, taken from a diagonal or a moving window, repeated.

use crate::array::Array;
use crate::autograd::autocast::Autocast;
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply, one, track};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, Layout, MAX_RANK, Show, Strides, normalize_dim, numel};
use crate::ops::copy::apart;
use crate::ops::index::index_select;
use crate::ops::join::{Roll, cat, flip, repeat, stack};
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::select_rows::{IndexAdd, is_added_to};
use crate::ops::shape::{broadcast_to, entry, permute, reshape, reshape_inferred, transpose};
use crate::ops::strided::{AsStrided, AsStridedScatter, written_at};
use crate::with_float;
use dlcore_kernels::slices::{self, Windows};

/// The elements on a diagonal of two dimensions, which becomes the last one: a view.
#[derive(Clone, Debug)]
pub struct Diagonal {
    /// How far the diagonal lies above the main one.
    pub offset: isize,
    /// The dimension of rows.
    pub rows: usize,
    /// The dimension of columns.
    pub columns: usize,
}

impl Diagonal {
    /// Where the diagonal lies in what lies as `from`.
    fn within(&self, from: &Layout) -> Layout {
        let (above, below) = (self.offset.max(0).unsigned_abs(), (-self.offset).max(0).unsigned_abs());
        let reach = |dim: usize, start: usize| from.shape[dim].saturating_sub(start);
        let length = reach(self.rows, below).min(reach(self.columns, above));
        let mut layout = from.clone();
        if length > 0 && from.numel() > 0 {
            layout = layout.slice(self.rows, below, 1, length).slice(self.columns, above, 1, length);
        }
        let step = from.strides[self.rows] + from.strides[self.columns];
        for dim in [self.rows.max(self.columns), self.rows.min(self.columns)] {
            layout.shape.remove(dim);
            layout.strides.remove(dim);
        }
        layout.shape.push(length);
        layout.strides.push(step);
        layout
    }
}

impl Operation for Diagonal {
    const NAME: &'static str = "diagonal";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        Ok(single(inputs[0].view(self.within(inputs[0].layout()))))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let shape = context.shape(0);
        let zeros = Array::zeros(Self::NAME, shape, grad.dtype())?.into();
        Ok(one(written_at(Self::NAME, &zeros, grad, self.within(&Layout::contiguous(shape)))?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |offset, rows, columns, shape: &[usize]| Sample::new(Self { offset, rows, columns }, [real(shape)]);
        vec![
            of(0, 0, 1, &[3, 3]),
            of(1, 0, 2, &[2, 3, 4]),
            of(-2, 2, 1, &[2, 3, 4]),
            of(5, 0, 1, &[2, 3]),
            of(0, 0, 1, &[0, 2]),
        ]
    }

    fn params(&self) -> Params {
        vec![("offset", self.offset.into()), ("dims", [self.rows, self.columns].as_slice().into())]
    }
}

/// Windows that move along a dimension, their elements in a new last one: a view.
#[derive(Clone, Debug)]
pub struct Unfold {
    /// Along which dimension.
    pub dim: usize,
    /// Elements of a window.
    pub size: usize,
    /// From one window to the next.
    pub step: usize,
}

impl Operation for Unfold {
    const NAME: &'static str = "unfold";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let from = inputs[0].layout();
        let (mut shape, mut strides): (Dims, Strides) = (from.shape.clone(), from.strides.clone());
        let (&extent, &stride) = (&from.shape[self.dim], &from.strides[self.dim]);
        let Some(room) = extent.checked_sub(self.size) else {
            let what = format_args!("windows of {} elements in dimension {} of size {extent}", self.size, self.dim);
            return Err(Error::value(Self::NAME, what));
        };
        shape[self.dim] = room / self.step + 1;
        strides[self.dim] = stride * self.step.cast_signed();
        shape.push(self.size);
        strides.push(stride);
        Ok(single(inputs[0].view(Layout { shape, strides, offset: from.offset })))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let shape = context.shape(0);
        if self.step >= self.size {
            let zeros = Array::zeros(Self::NAME, shape, grad.dtype())?;
            let windows = self.forward(&[&zeros])?.swap_remove(0);
            return Ok(one(written_at(Self::NAME, &zeros.into(), grad, windows.layout().clone())?));
        }
        if !mode::is_recording() && is_added_to(grad.dtype()) {
            let windows = Windows {
                count: grad.shape()[self.dim],
                size: self.size,
                step: self.step,
                extent: shape[self.dim],
                inner: shape[self.dim + 1..].iter().product(),
            };
            let grad = grad.array().contiguous(Self::NAME)?;
            let sums = with_float!(Self::NAME, grad.dtype(), T => Array::build(Self::NAME, shape, |out: &mut [T]| {
                slices::sum_windows(grad.elements(), windows, out);
                Ok(())
            })?);
            return Ok(one(sums.into()));
        }
        let view = |x: &Tensor| apply(self.clone(), &[x]);
        Ok(one(placed_where_viewed(grad, shape, view)?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |dim, size, step, shape: &[usize]| Sample::new(Self { dim, size, step }, [real(shape)]);
        vec![of(0, 2, 1, &[5]), of(1, 3, 2, &[2, 7, 2]), of(0, 3, 3, &[3]), of(1, 0, 2, &[2, 3])]
    }

    fn params(&self) -> Params {
        vec![("dim", self.dim.into()), ("size", self.size.into()), ("step", self.step.into())]
    }
}

/// Zeros of `shape` with the elements of `grad` added where `view` reads.
pub(super) fn placed_where_viewed(
    grad: &Tensor,
    shape: &[usize],
    view: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let extent = shape.iter().product();
    let places = view(&reshape(&counted(extent)?, shape)?)?;
    let flat = |x: &Tensor| reshape(x, &[x.numel()]);
    reshape(&apply(IndexAdd { dim: 0, extent, frozen: None }, &[&flat(grad)?, &flat(&places)?])?, shape)
}

/// The integers below `n`.
///
/// # Errors
/// Only for lack of memory.
pub fn counted(n: usize) -> Result<Tensor> {
    let array = Array::build("arange", &[n], |out: &mut [i64]| {
        dlcore_kernels::copy::arange(0, 1, out);
        Ok(())
    })?;
    Ok(array.into())
}

/// The elements on the diagonal `offset` above the main one of dimensions `rows` and `columns`, in a new last dimension.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range, [`Error::Value`] for one named twice.
pub fn diagonal(x: &Tensor, offset: isize, rows: isize, columns: isize) -> Result<Tensor> {
    apply(diagonal_of(x.rank(), offset, rows, columns)?, &[x])
}

/// `x` with `source` on the diagonal that [`diagonal`] gives.
///
/// # Errors
/// As [`diagonal`]; [`Error::Shape`] for a source of another shape.
pub fn diagonal_scatter(x: &Tensor, source: &Tensor, offset: isize, rows: isize, columns: isize) -> Result<Tensor> {
    let place = diagonal_of(x.rank(), offset, rows, columns)?.within(&Layout::contiguous(x.shape()));
    written_at("diagonal_scatter", x, source, place)
}

fn diagonal_of(rank: usize, offset: isize, rows: isize, columns: isize) -> Result<Diagonal> {
    let at = |dim| normalize_dim(Diagonal::NAME, dim, rank);
    let (rows, columns) = (at(rows)?, at(columns)?);
    if rows == columns {
        return Err(Error::value(Diagonal::NAME, format_args!("dimension {rows} is named twice")));
    }
    // The least number has no negative.
    Ok(Diagonal { offset: offset.max(-isize::MAX), rows, columns })
}

/// Zeros with `x` on the diagonal `offset` above the main one of dimensions `rows` and `columns` of the result.
///
/// # Errors
/// As [`diagonal`].
pub fn diag_embed(x: &Tensor, offset: isize, rows: isize, columns: isize) -> Result<Tensor> {
    const NAME: &str = "diag_embed";
    let at = |dim| normalize_dim(NAME, dim, x.rank() + 1);
    let (rows, columns) = (at(rows)?, at(columns)?);
    if rows == columns || x.rank() == 0 {
        return Err(Error::value(NAME, format_args!("dimension {rows} is named twice")));
    }
    let (n, more) = (x.shape()[x.rank() - 1], offset.unsigned_abs());
    let mut shape = Dims::from_slice(&x.shape()[..x.rank() - 1]);
    for dim in [rows.min(columns), rows.max(columns)] {
        shape.insert(dim, n + more);
    }
    let zeros = Array::zeros(NAME, &shape, x.dtype())?;
    let place = Diagonal { offset, rows, columns }.within(zeros.layout());
    // Nobody else sees them, so they need no copy to be written to.
    zeros.view(place.clone()).write(NAME, x.array())?;
    let zeros = Tensor::from(zeros);
    let written = std::slice::from_ref(zeros.array());
    let tracking = track(NAME, AsStridedScatter(AsStrided { layout: place }), &[&zeros, x], written)?;
    Ok(zeros.moved(tracking))
}

/// The diagonal of a matrix, or the matrix with a vector on its diagonal.
///
/// # Errors
/// [`Error::Shape`] for other numbers of dimensions.
pub fn diag(x: &Tensor, offset: isize) -> Result<Tensor> {
    match x.rank() {
        1 => diag_embed(x, offset, -2, -1),
        2 => crate::ops::copy(&diagonal(x, offset, 0, 1)?),
        _ => Err(Error::shape("diag", format_args!("expected a vector or a matrix, got shape {}", Show(x.shape())))),
    }
}

/// The sum of a matrix's diagonal.
///
/// # Errors
/// [`Error::Shape`] for anything but a matrix.
pub fn trace(x: &Tensor) -> Result<Tensor> {
    if x.rank() != 2 {
        return Err(Error::shape("trace", format_args!("expected a matrix, got shape {}", Show(x.shape()))));
    }
    crate::ops::sum(&diagonal(&Autocast::Widen.of(x)?, 0, 0, 1)?, &[0], false)
}

/// Windows of `size` elements, `step` apart, along `dim`, their elements in a new last dimension.
///
/// # Errors
/// [`Error::Index`] for a dimension out of range, [`Error::Value`] for windows that do not fit, [`Error::Shape`] for more
/// than [`MAX_RANK`] dimensions.
pub fn unfold(x: &Tensor, dim: isize, size: usize, step: usize) -> Result<Tensor> {
    let dim = normalize_dim(Unfold::NAME, dim, x.rank())?;
    if step == 0 {
        return Err(Error::value(Unfold::NAME, "the step must be above zero"));
    }
    if x.rank() >= MAX_RANK {
        numel(Unfold::NAME, &[x.shape(), &[1]].concat())?;
    }
    if x.rank() > 0 {
        return apply(Unfold { dim, size, step }, &[x]);
    }
    // Of a scalar its one element or none.
    let windows = apply(Unfold { dim, size, step: 1 }, &[&reshape(x, &[1])?])?;
    entry(&windows, 0, 0)
}

/// The elements moved on by `shifts` along `dims`, those that leave at the end back at the start; of all elements in
/// one row where no dimension is named.
///
/// # Errors
/// [`Error::Value`] for lists of two lengths, [`Error::Index`] for a dimension out of range.
pub fn roll(x: &Tensor, shifts: &[isize], dims: &[isize]) -> Result<Tensor> {
    const NAME: &str = "roll";
    if dims.is_empty() && shifts.len() == 1 {
        return reshape(&roll(&reshape(x, &[x.numel()])?, shifts, &[0])?, x.shape());
    }
    if shifts.len() != dims.len() || shifts.is_empty() {
        return Err(Error::value(NAME, format_args!("shifts {shifts:?} for dims {dims:?}: as many are needed")));
    }
    if x.rank() == 0 {
        return Err(Error::index(NAME, format_args!("dims {dims:?} of a 0-d tensor, which has none")));
    }
    let mut rolled = x.clone();
    for (&shift, &dim) in shifts.iter().zip(dims) {
        let at = normalize_dim(NAME, dim, x.rank())?;
        let extent = x.shape()[at];
        if extent == 0 {
            continue;
        }
        let moved_on = shift.rem_euclid(extent.cast_signed()).unsigned_abs();
        if moved_on > 0 {
            rolled = apply(Roll { dim: at, shift: moved_on }, &[&rolled])?;
        }
    }
    apart(rolled, x)
}

/// The plane of dimensions `dims` turned by `k` quarters, from the first towards the second.
///
/// # Errors
/// [`Error::Value`] for anything but two different dimensions.
pub fn rot90(x: &Tensor, k: i64, dims: &[isize]) -> Result<Tensor> {
    let &[a, b] = dims else {
        return Err(Error::value("rot90", format_args!("expected two dims, got {dims:?}")));
    };
    crate::layout::distinct_dims("rot90", dims, x.rank())?;
    match k.rem_euclid(4) {
        0 => crate::ops::copy(x),
        1 => transpose(&flip(x, &[b])?, a, b),
        2 => flip(x, &[a, b]),
        _ => flip(&transpose(x, a, b)?, &[b]),
    }
}

/// Dimensions `from` moved to the places `to`, the others in their order.
///
/// # Errors
/// [`Error::Value`] for lists of two lengths or a dimension named twice, [`Error::Index`] for one out of range.
pub fn movedim(x: &Tensor, from: &[isize], to: &[isize]) -> Result<Tensor> {
    moved("movedim", x, from, to)
}

fn moved(op: &str, x: &Tensor, from: &[isize], to: &[isize]) -> Result<Tensor> {
    if from.len() != to.len() {
        return Err(Error::value(op, format_args!("source {from:?} and destination {to:?} differ in length")));
    }
    crate::layout::distinct_dims(op, from, x.rank())?;
    crate::layout::distinct_dims(op, to, x.rank())?;
    let mut order = vec![None; x.rank()];
    let mut rest: Vec<usize> = (0..x.rank()).collect();
    for (&from, &to) in from.iter().zip(to) {
        let (from, to) = (normalize_dim(op, from, x.rank())?, normalize_dim(op, to, x.rank())?);
        if let Some(place) = order.get_mut(to) {
            *place = Some(from);
        }
        rest.retain(|&dim| dim != from);
    }
    let mut rest = rest.into_iter();
    let order: Vec<isize> =
        order.into_iter().filter_map(|dim| dim.or_else(|| rest.next())).map(usize::cast_signed).collect();
    permute(x, &order)
}

/// Dimension `dim` cut into dimensions of `sizes`, one of which may be -1.
///
/// # Errors
/// [`Error::Shape`] where the sizes do not multiply to the dimension's.
pub fn unflatten(x: &Tensor, dim: isize, sizes: &[isize]) -> Result<Tensor> {
    let at = normalize_dim("unflatten", dim, x.rank())?;
    if sizes.is_empty() || x.rank() == 0 {
        return Err(Error::shape("unflatten", format_args!("cannot cut {} into {sizes:?}", Show(x.shape()))));
    }
    let signed = |dims: &[usize]| dims.iter().map(|&n| n.cast_signed()).collect::<Vec<_>>();
    let (known, inferred) = (sizes.iter().filter(|&&n| n != -1).product::<isize>().unsigned_abs(), sizes.contains(&-1));
    let extent = x.shape()[at];
    if (inferred && (known == 0 || !extent.is_multiple_of(known))) || (!inferred && known != extent) {
        let what = format_args!("sizes {sizes:?} do not multiply to the size {extent} of dimension {at}");
        return Err(Error::shape("unflatten", what));
    }
    // The rest is known, so that the unknown size follows also where another is zero.
    let sizes: Vec<isize> = sizes.iter().map(|&n| if n == -1 { (extent / known).cast_signed() } else { n }).collect();
    reshape_inferred("unflatten", x, &[signed(&x.shape()[..at]), sizes, signed(&x.shape()[at + 1..])].concat())
}

/// `x` repeated as [`repeat`] does; where counts are missing, along its last dimensions.
///
/// # Errors
/// [`Error::Value`] for too many elements.
pub fn tile(x: &Tensor, counts: &[usize]) -> Result<Tensor> {
    let missing = x.rank().saturating_sub(counts.len());
    repeat(x, &[&vec![1; missing], counts].concat())
}

/// Each entry along `dim` as often as `counts` says, which has one count for all or one for each.
///
/// # Errors
/// [`Error::Value`] for negative counts, [`Error::Shape`] for another number of them.
pub fn repeat_interleave(x: &Tensor, counts: &Tensor, dim: Option<isize>) -> Result<Tensor> {
    const NAME: &str = "repeat_interleave";
    let Some(dim) = dim else { return repeat_interleave(&reshape(x, &[x.numel()])?, counts, Some(0)) };
    let at = normalize_dim(NAME, dim, x.rank())?;
    let x = if x.rank() == 0 { reshape(x, &[1])? } else { x.clone() };
    let extent = x.shape()[at];
    if counts.dtype().is_float() || counts.dtype() == DType::Bool {
        return Err(Error::dtype(NAME, format_args!("expected integer repeats, got {}", counts.dtype())));
    }
    if counts.rank() > 1 || (counts.numel() != 1 && counts.numel() != extent) {
        let what = format_args!("{} repeats for dimension {at} of size {extent}", Show(counts.shape()));
        return Err(Error::shape(NAME, what));
    }
    let sizes = sizes_of(NAME, counts)?;
    if let &[count] = sizes.as_slice() {
        let mut line = Dims::from_slice(x.shape());
        line.insert(at + 1, 1);
        let (mut wide, mut whole) = (line.clone(), Dims::from_slice(x.shape()));
        wide[at + 1] = count;
        whole[at] = extent.checked_mul(count).ok_or_else(|| Error::value(NAME, "too many elements"))?;
        numel(NAME, &whole)?;
        return apart(reshape(&broadcast_to(&reshape(&x, &line)?, &wide)?, &whole)?, &x);
    }
    index_select(&x, dim, &runs(NAME, &sizes)?)
}

/// What is repeated how often.
fn sizes_of(op: &str, counts: &Tensor) -> Result<Vec<usize>> {
    let counts = counts.array().cast(op, DType::I64)?.contiguous(op)?;
    let size = |&n: &i64| usize::try_from(n).map_err(|_| Error::value(op, "repeats must not be negative"));
    counts.elements::<i64>().iter().map(size).collect()
}

/// Each position in `sizes` as often as it says.
fn runs(op: &str, sizes: &[usize]) -> Result<Tensor> {
    let total = sizes.iter().try_fold(0usize, |total, &n| total.checked_add(n));
    let total = total.ok_or_else(|| Error::value(op, "too many elements"))?;
    let ids = Array::build(op, &[total], |mut ids: &mut [i64]| {
        for (id, &n) in (0i64..).zip(sizes) {
            let (run, rest) = ids.split_at_mut(n);
            run.fill(id);
            ids = rest;
        }
        Ok(())
    })?;
    Ok(ids.into())
}

/// Each position in `counts`, a vector, as often as it says: of counts in int32 in int32, else in int64.
///
/// # Errors
/// As [`repeat_interleave`].
pub fn repeated_positions(counts: &Tensor) -> Result<Tensor> {
    const NAME: &str = "repeat_interleave";
    if counts.dtype().is_float() || counts.dtype() == DType::Bool {
        return Err(Error::dtype(NAME, format_args!("expected integer repeats, got {}", counts.dtype())));
    }
    if counts.rank() != 1 {
        return Err(Error::shape(
            NAME,
            format_args!("expected a vector of repeats, got shape {}", Show(counts.shape())),
        ));
    }
    let places = runs(NAME, &sizes_of(NAME, counts)?)?;
    if counts.dtype() == DType::I32 { crate::ops::cast(&places, DType::I32) } else { Ok(places) }
}

/// The entry `index` along `dim`, without that dimension: a view.
///
/// # Errors
/// [`Error::Index`] for an index or a dimension out of range.
pub fn select(x: &Tensor, dim: isize, index: isize) -> Result<Tensor> {
    let (dim, at) = place(x.shape(), dim, index)?;
    entry(x, dim, at)
}

/// `x` with `source` as entry `index` along `dim`.
///
/// # Errors
/// As [`select`]; [`Error::Shape`] for a source of another shape.
pub fn select_scatter(x: &Tensor, source: &Tensor, dim: isize, index: isize) -> Result<Tensor> {
    let (dim, at) = place(x.shape(), dim, index)?;
    written_at("select_scatter", x, source, Layout::contiguous(x.shape()).entry(dim, at))
}

/// The dimension and the entry that `dim` and `index`, counted from either end, name of `shape`.
fn place(shape: &[usize], dim: isize, index: isize) -> Result<(usize, usize)> {
    let at = normalize_dim("select", dim, shape.len())?;
    let Some(&extent) = shape.get(at) else {
        return Err(Error::index("select", "a 0-d tensor has no entries"));
    };
    let from_start = if index < 0 { index.saturating_add_unsigned(extent) } else { index };
    let Some(start) = usize::try_from(from_start).ok().filter(|&start| start < extent) else {
        let what = format_args!("index {index} is out of range for dimension {at} of size {extent}");
        return Err(Error::index("select", what));
    };
    Ok((at, start))
}

/// `x` seen with at least `rank` dimensions: a vector as a row, a matrix with a last dimension of extent 1.
///
/// # Errors
/// Only for lack of memory.
pub fn at_least(x: &Tensor, rank: usize) -> Result<Tensor> {
    match (x.rank(), rank) {
        (have, want) if have >= want => Ok(x.alias()),
        (0, _) => reshape(x, &Dims::from_elem(1, rank)),
        (1, 2) => reshape(x, &[1, x.numel()]),
        (1, _) => reshape(x, &[1, x.numel(), 1]),
        _ => reshape(x, &[x.shape()[0], x.shape()[1], 1]),
    }
}

/// The tensors side by side: vectors joined, others along their second dimension.
///
/// # Errors
/// As [`cat`].
pub fn hstack(tensors: &[Tensor]) -> Result<Tensor> {
    let wide = tensors.iter().map(|x| at_least(x, 1)).collect::<Result<Vec<_>>>()?;
    cat(&wide.iter().collect::<Vec<_>>(), isize::from(wide.first().is_some_and(|x| x.rank() > 1)))
}

/// The tensors below each other, vectors as rows.
///
/// # Errors
/// As [`cat`].
pub fn vstack(tensors: &[Tensor]) -> Result<Tensor> {
    let wide = tensors.iter().map(|x| at_least(x, 2)).collect::<Result<Vec<_>>>()?;
    cat(&wide.iter().collect::<Vec<_>>(), 0)
}

/// The tensors behind each other, along the third dimension.
///
/// # Errors
/// As [`cat`].
pub fn dstack(tensors: &[Tensor]) -> Result<Tensor> {
    let wide = tensors.iter().map(|x| at_least(x, 3)).collect::<Result<Vec<_>>>()?;
    cat(&wide.iter().collect::<Vec<_>>(), 2)
}

/// The tensors side by side, vectors as columns.
///
/// # Errors
/// As [`cat`].
pub fn column_stack(tensors: &[Tensor]) -> Result<Tensor> {
    let column = |x: &Tensor| if x.rank() < 2 { reshape(x, &[x.numel(), 1]) } else { Ok(x.clone()) };
    hstack(&tensors.iter().map(column).collect::<Result<Vec<_>>>()?)
}

/// The tensors broadcast to their common shape.
///
/// # Errors
/// [`Error::Shape`] where they have none.
pub fn broadcast_tensors(tensors: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut shape = Dims::new();
    for x in tensors {
        shape = crate::layout::broadcast_shapes("broadcast_tensors", &shape, x.shape())?;
    }
    tensors.iter().map(|x| broadcast_to(x, &shape)).collect()
}

/// The coordinates of a grid that vectors span: for each vector its values, repeated along the others. The first varies
/// along the first dimension, or along the second if `columns_first`.
///
/// # Errors
/// [`Error::Shape`] for anything but vectors and numbers, [`Error::DType`] for two dtypes.
pub fn meshgrid(vectors: &[Tensor], columns_first: bool) -> Result<Vec<Tensor>> {
    const NAME: &str = "meshgrid";
    let Some(first) = vectors.first() else {
        return Err(Error::value(NAME, "expected at least one tensor"));
    };
    if let Some(x) = vectors.iter().find(|x| x.rank() > 1) {
        return Err(Error::shape(NAME, format_args!("expected vectors, got shape {}", Show(x.shape()))));
    }
    if let Some(x) = vectors.iter().find(|x| x.dtype() != first.dtype()) {
        return Err(Error::dtype(NAME, format_args!("{} beside {}; convert one of them", first.dtype(), x.dtype())));
    }
    let place = |i: usize| if columns_first && i < 2 && vectors.len() > 1 { 1 - i } else { i };
    let mut shape = Dims::from_elem(1, vectors.len());
    vectors.iter().enumerate().for_each(|(i, x)| shape[place(i)] = x.numel());
    let spread = |(i, x): (usize, &Tensor)| {
        let mut line = Dims::from_elem(1, vectors.len());
        line[place(i)] = x.numel();
        broadcast_to(&reshape(x, &line)?, &shape)
    };
    vectors.iter().enumerate().map(spread).collect()
}

/// Every choice of one element from each vector, one row each.
///
/// # Errors
/// As [`meshgrid`].
pub fn cartesian_prod(vectors: &[Tensor]) -> Result<Tensor> {
    if let [one] = vectors {
        if one.rank() != 1 {
            let what = format_args!("expected vectors, got shape {}", Show(one.shape()));
            return Err(Error::shape("cartesian_prod", what));
        }
        return Ok(one.alias());
    }
    let columns = meshgrid(vectors, false)?.iter().map(|x| reshape(x, &[x.numel()])).collect::<Result<Vec<_>>>()?;
    stack(&columns.iter().collect::<Vec<_>>(), 1)
}

/// The matrices `blocks` along a diagonal, zeros elsewhere.
///
/// # Errors
/// [`Error::Shape`] for more than two dimensions.
pub fn block_diag(blocks: &[Tensor]) -> Result<Tensor> {
    let mut dtype = DType::Bool;
    let mut matrices = Vec::new();
    for (i, x) in blocks.iter().enumerate() {
        if x.rank() > 2 {
            let what = format_args!("block {i} has shape {}, at most two dimensions are expected", Show(x.shape()));
            return Err(Error::shape("block_diag", what));
        }
        dtype = dtype.promote("block_diag", x.dtype())?;
        matrices.push(at_least(x, 2)?);
    }
    let columns: usize = matrices.iter().map(|x| x.shape()[1]).sum();
    let (mut strips, mut before) = (Vec::new(), 0);
    for x in &matrices {
        let &[rows, own] = x.shape() else { continue };
        let zeros = |columns| Ok::<_, Error>(Tensor::from(Array::zeros("block_diag", &[rows, columns], dtype)?));
        strips.push(cat(&[&zeros(before)?, x, &zeros(columns - before - own)?], 1)?);
        before += own;
    }
    cat(&strips.iter().collect::<Vec<_>>(), 0)
}
