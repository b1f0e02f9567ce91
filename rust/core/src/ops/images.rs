//! Elements of images put elsewhere: between channels and pixels, and to patches and back.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arrange::{counted, unfold};
use crate::ops::copy::apart;
use crate::ops::pad::{Border, pad};
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::select_rows::IndexAdd;
use crate::ops::shape::{permute, reshape, slice, transpose};

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

/// (N, C, L, ..) with one channel of each of `groups` groups in turn (Zhang et al., 2018).
///
/// # Errors
/// [`Error::Shape`] for fewer than three dimensions or channels that are no multiple of the groups, [`Error::Value`] for no
/// groups.
pub fn channel_shuffle(x: &Tensor, groups: usize) -> Result<Tensor> {
    const NAME: &str = "channel_shuffle";
    let &[samples, channels, first, ref rest @ ..] = x.shape() else {
        return Err(Error::shape(NAME, format_args!("expected (N, C, L, ..), got {}", Show(x.shape()))));
    };
    if groups == 0 {
        return Err(Error::value(NAME, "groups must be positive"));
    }
    if !channels.is_multiple_of(groups) {
        return Err(Error::shape(
            NAME,
            format_args!("{groups} groups do not divide the {channels} channels of {}", Show(x.shape())),
        ));
    }
    let pixels = first * rest.iter().product::<usize>();
    let parts = [samples, groups, channels / groups, pixels];
    apart(reshape(&transpose(&reshape(x, &parts)?, 1, 2)?, x.shape())?, x)
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

/// The patches of planes (N, C, H, W) as columns (N, C kh kw, L); or, `back`, planes of the sums of the patches that lie
/// there. Either is linear, and the other's adjoint.
#[derive(Clone, Debug)]
pub struct Im2col {
    /// How patches are taken.
    pub patches: Patches,
    /// Rows and columns of planes.
    pub size: [usize; 2],
    /// From columns to planes.
    pub back: bool,
}

impl Im2col {
    fn columns(&self, x: &Tensor) -> Result<Tensor> {
        if x.rank() != 4 || x.shape()[2..] != self.size {
            let what = format_args!("expected planes of {}, got {}", Show(&self.size), Show(x.shape()));
            return Err(Error::shape(Self::NAME, what));
        }
        let [rows, columns] = self.patches.padding.map(usize::cast_signed);
        self.patches.of(&pad(x, &[columns, columns, rows, rows], Border::parse("constant", None)?)?)
    }

    fn sums(&self, x: &Tensor) -> Result<Tensor> {
        let Self { patches, size, .. } = self;
        let &[batch, rows, count] = x.shape() else {
            return Err(Error::shape(Self::NAME, format_args!("expected (N, C kh kw, L), got {}", Show(x.shape()))));
        };
        let area = patches.kernel[0] * patches.kernel[1];
        let expected = patches.count(Self::NAME, 0, size[0])? * patches.count(Self::NAME, 1, size[1])?;
        if !rows.is_multiple_of(area) || count != expected {
            let what = format_args!("{}: expected a multiple of {area} rows and {expected} columns", Show(x.shape()));
            return Err(Error::shape(Self::NAME, what));
        }
        let channels = rows / area;
        let padded = [0, 1].map(|i| size[i] + 2 * patches.padding[i]);
        let extent = padded[0] * padded[1];
        let places = patches.of(&reshape(&counted(extent)?, &[1, 1, padded[0], padded[1]])?)?;
        let (flat, places) = (reshape(x, &[batch * channels, area * count])?, reshape(&places, &[area * count])?);
        let sums = apply(IndexAdd { dim: 1, extent, frozen: None }, &[&flat, &places])?;
        let mut sums = reshape(&sums, &[batch, channels, padded[0], padded[1]])?;
        for (i, &extent) in size.iter().enumerate() {
            sums = slice(&sums, 2 + i, patches.padding[i], 1, extent)?;
        }
        Ok(sums)
    }
}

impl Operation for Im2col {
    const NAME: &'static str = "im2col";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let x = Tensor::from(inputs[0].clone());
        let y = if self.back { self.sums(&x)? } else { self.columns(&x)? };
        Ok(single(apart(y, &x)?.array().clone()))
    }

    fn backward(&self, _: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        Ok(one(apply(Self { back: !self.back, ..self.clone() }, &[grad])?))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let patches = Patches { kernel: [2, 3], dilation: [2, 1], padding: [1, 2], stride: [1, 2] };
        let plain = Patches { kernel: [2, 2], dilation: [1, 1], padding: [0, 0], stride: [2, 2] };
        vec![
            Sample::new(Self { patches, size: [3, 4], back: false }, [real(&[2, 1, 3, 4])]),
            Sample::new(Self { patches, size: [3, 4], back: true }, [real(&[2, 6, 9])]),
            Sample::new(Self { patches: plain, size: [5, 4], back: true }, [real(&[1, 8, 4])]),
        ]
    }

    fn params(&self) -> Params {
        let Patches { kernel, dilation, padding, stride } = &self.patches;
        vec![
            ("kernel_size", kernel.as_slice().into()),
            ("dilation", dilation.as_slice().into()),
            ("padding", padding.as_slice().into()),
            ("stride", stride.as_slice().into()),
            ("size", self.size.as_slice().into()),
            ("back", self.back.into()),
        ]
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
    let size = [batched.shape()[2], batched.shape()[3]];
    let columns = apply(Im2col { patches, size, back: false }, &[&batched])?;
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
    let sums = apply(Im2col { patches, size, back: true }, &[&reshape(x, &[lead, rows, count])?])?;
    if shape.len() == 3 { Ok(sums) } else { reshape(&sums, &sums.shape()[1..]) }
}
