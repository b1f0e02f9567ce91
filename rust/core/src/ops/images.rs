//! Elements of images put elsewhere: between channels and pixels, and to patches and back.

use crate::autograd::op::apply;
use crate::autograd::tensor::Tensor;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arrange::{counted, unfold};
use crate::ops::copy::apart;
use crate::ops::pad::{Border, pad};
use crate::ops::select_rows::IndexAdd;
use crate::ops::shape::{permute, reshape, slice};

fn ints(order: impl IntoIterator<Item = usize>) -> Vec<isize> {
    order.into_iter().map(usize::cast_signed).collect()
}

/// The dimensions before the last three, and those three.
fn planes<'a>(op: &str, x: &'a Tensor) -> Result<(&'a [usize], [usize; 3])> {
    match x.shape() {
        [lead @ .., channels, rows, columns] => Ok((lead, [*channels, *rows, *columns])),
        shape => Err(Error::shape(op, format_args!("expected (.., C, H, W), got {}", Show(shape)))),
    }
}

/// `x` as `parts`, its last dimensions in another `order`, then as `shape`.
fn exchanged(x: &Tensor, lead: &[usize], parts: [usize; 5], order: [usize; 5], shape: [usize; 3]) -> Result<Tensor> {
    let joined = |tail: &[usize]| lead.iter().chain(tail).copied().collect::<Dims>();
    let order = ints((0..lead.len()).chain(order.map(|i| lead.len() + i)));
    apart(reshape(&permute(&reshape(x, &joined(&parts))?, &order)?, &joined(&shape))?, x)
}

/// (.., C r^2, H, W) to (.., C, H r, W r): blocks of r by r pixels from as many channels (Shi et al., 2016).
///
/// # Errors
/// [`Error::Shape`] for channels that are no multiple of r^2, [`Error::Value`] for r zero.
pub fn pixel_shuffle(x: &Tensor, r: usize) -> Result<Tensor> {
    const NAME: &str = "pixel_shuffle";
    let (lead, [channels, rows, columns]) = planes(NAME, x)?;
    match r.checked_mul(r) {
        None | Some(0) => Err(Error::value(NAME, format_args!("upscale_factor must be positive, got {r}"))),
        Some(square) if !channels.is_multiple_of(square) => Err(Error::shape(
            NAME,
            format_args!("{channels} channels are no multiple of upscale_factor squared, {square}"),
        )),
        Some(square) => exchanged(
            x,
            lead,
            [channels / square, r, r, rows, columns],
            [0, 3, 1, 4, 2],
            [channels / square, rows * r, columns * r],
        ),
    }
}

/// (.., C, H r, W r) to (.., C r^2, H, W): what undoes [`pixel_shuffle`].
///
/// # Errors
/// [`Error::Shape`] for pixels that are no multiple of r, [`Error::Value`] for r zero.
pub fn pixel_unshuffle(x: &Tensor, r: usize) -> Result<Tensor> {
    const NAME: &str = "pixel_unshuffle";
    let (lead, [channels, rows, columns]) = planes(NAME, x)?;
    if r == 0 {
        return Err(Error::value(NAME, "downscale_factor must be positive, got 0"));
    }
    if !rows.is_multiple_of(r) || !columns.is_multiple_of(r) {
        let what = format_args!("{rows} by {columns} pixels are no multiple of downscale_factor {r}");
        return Err(Error::shape(NAME, what));
    }
    exchanged(
        x,
        lead,
        [channels, rows / r, r, columns / r, r],
        [0, 2, 4, 1, 3],
        [channels * r * r, rows / r, columns / r],
    )
}

/// How patches are taken from planes: of rows and of columns each.
#[derive(Clone, Copy, Debug)]
pub struct Patches {
    /// Extents of a patch.
    pub kernel: [usize; 2],
    /// From element to element inside a patch.
    pub dilation: [usize; 2],
    /// Zeros around the plane.
    pub padding: [usize; 2],
    /// From patch to patch.
    pub stride: [usize; 2],
}

impl Patches {
    fn check(&self, op: &str) -> Result<()> {
        for (name, values) in [("kernel_size", self.kernel), ("dilation", self.dilation), ("stride", self.stride)] {
            if values.contains(&0) {
                return Err(Error::value(op, format_args!("{name} must be positive, got {values:?}")));
            }
        }
        Ok(())
    }

    /// Elements that a patch spans.
    fn span(&self, i: usize) -> usize {
        self.dilation[i].saturating_mul(self.kernel[i] - 1).saturating_add(1)
    }

    /// Patches that start along a padded extent.
    fn count(&self, op: &str, i: usize, extent: usize) -> Result<usize> {
        let padded = extent + 2 * self.padding[i];
        match padded.checked_sub(self.span(i)) {
            Some(room) => Ok(room / self.stride[i] + 1),
            None => Err(Error::shape(
                op,
                format_args!("a patch spans {} elements of {padded}, the padded extent", self.span(i)),
            )),
        }
    }

    /// The patches of padded planes (N, C, H, W), as (N, C kh kw, L).
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for i in 0..2 {
            x = unfold(&x, 2 + isize::from(i == 1), self.span(i), self.stride[i])?;
            x = slice(&x, 4 + i, 0, self.dilation[i].cast_signed(), self.kernel[i])?;
        }
        let shape = Dims::from_slice(x.shape());
        let patches = permute(&x, &[0, 1, 4, 5, 2, 3])?;
        reshape(&patches, &[shape[0], shape[1] * self.kernel[0] * self.kernel[1], shape[2] * shape[3]])
    }
}

/// The patches of (N, C, H, W) or (C, H, W) as columns: (N, C kh kw, L) or (C kh kw, L).
///
/// # Errors
/// [`Error::Shape`] for other shapes and patches that are too large, [`Error::Value`] for zeros among the options.
pub fn to_patches(x: &Tensor, patches: Patches) -> Result<Tensor> {
    const NAME: &str = "unfold";
    patches.check(NAME)?;
    let shape = x.shape();
    if !matches!(shape.len(), 3 | 4) {
        return Err(Error::shape(NAME, format_args!("expected (N, C, H, W) or (C, H, W), got {}", Show(shape))));
    }
    let batched = if shape.len() == 3 { reshape(x, &[1, shape[0], shape[1], shape[2]])? } else { x.clone() };
    for i in 0..2 {
        patches.count(NAME, i, batched.shape()[2 + i])?;
    }
    let [rows, columns] = patches.padding.map(usize::cast_signed);
    let padded = pad(&batched, &[columns, columns, rows, rows], Border::parse("constant", None)?)?;
    let columns = patches.of(&padded)?;
    if shape.len() == 4 { Ok(columns) } else { reshape(&columns, &columns.shape()[1..]) }
}

/// Planes (N, C, H, W) of the sums of patches (N, C kh kw, L) that lie there: the adjoint of [`to_patches`].
///
/// # Errors
/// [`Error::Shape`] for other shapes, [`Error::Value`] for zeros among the options.
pub fn from_patches(x: &Tensor, size: [usize; 2], patches: Patches) -> Result<Tensor> {
    const NAME: &str = "fold";
    patches.check(NAME)?;
    let shape = x.shape();
    if !matches!(shape.len(), 2 | 3) {
        return Err(Error::shape(NAME, format_args!("expected (N, C kh kw, L) or (C kh kw, L), got {}", Show(shape))));
    }
    let lead = if shape.len() == 3 { shape[0] } else { 1 };
    let (rows, count) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let area = patches.kernel[0] * patches.kernel[1];
    let expected = patches.count(NAME, 0, size[0])? * patches.count(NAME, 1, size[1])?;
    if !rows.is_multiple_of(area) || count != expected {
        let what = format_args!("{}: expected a multiple of {area} rows and {expected} columns", Show(shape));
        return Err(Error::shape(NAME, what));
    }
    let channels = rows / area;
    let padded = [0, 1].map(|i| size[i] + 2 * patches.padding[i]);
    let extent = padded[0] * padded[1];
    let places = patches.of(&reshape(&counted(extent)?, &[1, 1, padded[0], padded[1]])?)?;
    let (flat, places) = (reshape(x, &[lead * channels, area * count])?, reshape(&places, &[area * count])?);
    let sums = apply(IndexAdd { dim: 1, extent, frozen: None }, &[&flat, &places])?;
    let mut sums = reshape(&sums, &[lead, channels, padded[0], padded[1]])?;
    for (i, &extent) in size.iter().enumerate() {
        sums = slice(&sums, 2 + i, patches.padding[i], 1, extent)?;
    }
    if shape.len() == 3 { Ok(sums) } else { reshape(&sums, &[channels, size[0], size[1]]) }
}
