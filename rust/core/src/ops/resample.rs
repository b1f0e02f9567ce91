//! Sequences, images and volumes at other sizes: along each dimension a new element is a weighted sum of old ones.

use crate::array::Array;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Context, Halves, Needs, Operation, Outputs, Saves, apply, one};
use crate::autograd::tensor::Tensor;
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Show};
use crate::ops::arithmetic::shift;
use crate::ops::copy::apart;
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::select::{by_first, clamp};
use crate::ops::{cast, floor, index_select, reshape};
use crate::with_stored_float;
use dlcore_kernels::resample::{self as kernel, Taps};
use smallvec::SmallVec;
use std::iter;

/// How values between elements are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A straight line between neighbours.
    Linear,
    /// A cubic through four neighbours (Keys, 1981).
    Cubic,
    /// The mean of all elements that a new one covers.
    Area,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Cubic => "cubic",
            Self::Area => "area",
        }
    }
}

/// What relates an extent to its new one.
#[derive(Clone, Copy, Debug)]
pub struct Resampling {
    /// How values are made.
    pub mode: Mode,
    /// Whether the outermost elements stay where they are, rather than the outermost edges.
    pub align_corners: bool,
    /// Whether shrinking averages over what an element covers.
    pub antialias: bool,
}

/// Keys' convolution with the coefficient `a`, at distance `x`.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((x - 5.0) * x + 8.0) * x * a - 4.0 * a
    } else {
        0.0
    }
}

/// PyTorch's coefficient; with antialiasing it takes the other usual one.
pub(super) const SHARP: f64 = -0.75;
const SOFT: f64 = -0.5;

/// Old elements for one new one.
#[allow(clippy::cast_precision_loss, reason = "extents in memory")]
fn step(old: usize, new: usize, factor: Option<f64>) -> f64 {
    factor.map_or(old as f64 / new as f64, f64::recip)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "places in memory"
)]
impl Resampling {
    /// As [`step`], or between the outermost elements.
    fn step(self, old: usize, new: usize, factor: Option<f64>) -> f64 {
        if self.align_corners {
            if new > 1 { (old as f64 - 1.0) / (new as f64 - 1.0) } else { 0.0 }
        } else {
            step(old, new, factor)
        }
    }

    fn place(self, i: usize, step: f64) -> f64 {
        if self.align_corners { i as f64 * step } else { (i as f64 + 0.5) * step - 0.5 }
    }

    /// What each new element is made of.
    fn taps(self, old: usize, new: usize, factor: Option<f64>) -> Taps {
        let step = self.step(old, new, factor);
        let end = old as f64 - 1.0;
        let mut taps = Taps::new(old);
        for i in 0..new {
            // Weights of the elements around a place: what lies outside counts for those at the edge.
            let mut around = |first: f64, weights: &[f64]| {
                let place = |nth: usize| (first + nth as f64).clamp(0.0, end) as usize;
                let mut kept: SmallVec<[f64; 4]> = SmallVec::new();
                for (nth, &weight) in weights.iter().enumerate() {
                    match kept.last_mut() {
                        Some(last) if place(nth) == place(nth - 1) => *last += weight,
                        _ => kept.push(weight),
                    }
                }
                taps.push(place(0), kept);
            };
            match self.mode {
                Mode::Area => {
                    let (start, end) = (i * old / new, ((i + 1) * old).div_ceil(new));
                    taps.push(start, iter::repeat_n(1.0 / (end - start) as f64, end - start));
                }
                Mode::Linear | Mode::Cubic if self.antialias => {
                    let (reach, filter): (f64, fn(f64) -> f64) = match self.mode {
                        Mode::Cubic => (2.0, |x| cubic(x, SOFT)),
                        _ => (1.0, |x| (1.0 - x.abs()).max(0.0)),
                    };
                    let (width, centre) = (step.max(1.0), step * (i as f64 + 0.5));
                    let start = (centre - reach * width + 0.5).max(0.0) as usize;
                    let end = ((centre + reach * width + 0.5) as usize).min(old);
                    let weight = |j: usize| filter((j as f64 - centre + 0.5) / width);
                    let sum: f64 = (start..end).map(weight).sum();
                    taps.push(start, (start..end).map(|j| weight(j) / sum));
                }
                Mode::Cubic => {
                    let at = self.place(i, step);
                    let first = at.floor() - 1.0;
                    around(first, &[0.0, 1.0, 2.0, 3.0].map(|nth| cubic(at - (first + nth), SHARP)));
                }
                Mode::Linear => {
                    let at = self.place(i, step).max(0.0);
                    around(at.floor(), &[1.0 - (at - at.floor()), at - at.floor()]);
                }
            }
        }
        taps
    }
}

/// Planes, the last two dimensions, at another size; or, `back`, what their gradient gives to the planes that they were.
/// Either is linear, and the other's adjoint.
#[derive(Clone, Debug)]
pub struct Resample {
    /// How values are made.
    pub resampling: Resampling,
    /// Rows and columns.
    pub from: [usize; 2],
    /// New rows and columns; an extent that stays, and has no factor, is left alone.
    pub to: [usize; 2],
    /// By how much rows and columns were asked to grow, where that says where elements are.
    pub factors: [Option<f64>; 2],
    /// Whether the new planes are taken to the old.
    pub back: bool,
}

impl Resample {
    /// What is made along dimension `i`, if anything.
    fn taps(&self, i: usize) -> Option<Taps> {
        let (old, new, factor) = (self.from[i], self.to[i], self.factors[i]);
        (old != new || factor.is_some()).then(|| {
            let taps = self.resampling.taps(old, new, factor);
            if self.back { taps.transposed() } else { taps }
        })
    }
}

impl Operation for Resample {
    const NAME: &'static str = "resample";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (from, to) = if self.back { (self.to, self.from) } else { (self.from, self.to) };
        let shape = inputs[0].shape();
        let Some(lead) = shape.strip_suffix(&from) else {
            let what = format_args!("expected planes of {}, got {}", Show(&from), Show(shape));
            return Err(Error::shape(Self::NAME, what));
        };
        let x = inputs[0].contiguous(Self::NAME)?;
        let shape: Dims = lead.iter().chain(&to).copied().collect();
        let y = with_stored_float!(Self::NAME, x.dtype(), K => Array::build(Self::NAME, &shape, |y: &mut [K]| {
            // Not before there is memory for what they make.
            if !y.is_empty() {
                let taps = [0, 1].map(|i| self.taps(i));
                kernel::resample(x.elements::<K>(), lead.iter().product(), from, taps.each_ref().map(Option::as_ref), y);
            }
            Ok(())
        }))?;
        Ok(single(y))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let gx = apply(Self { back: !self.back, ..*self }, &[grad])?;
        // Of a mean it depends on the input in name, as that of any pooling.
        let pools = self.resampling.mode == Mode::Area && !self.back;
        Ok(one(if pools { by_first(gx, context)? } else { gx }))
    }

    fn saves(&self, _: Needs) -> Saves {
        Saves::NOTHING
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |mode, from: [usize; 2], to: [usize; 2], back| {
            let resampling = Resampling { mode, align_corners: false, antialias: false };
            let [rows, columns] = if back { to } else { from };
            Sample::new(Self { resampling, from, to, factors: [None; 2], back }, [real(&[2, 1, rows, columns])])
        };
        vec![
            of(Mode::Linear, [3, 4], [5, 4], false),
            of(Mode::Linear, [3, 5], [5, 7], true),
            of(Mode::Cubic, [4, 3], [3, 7], false),
            of(Mode::Area, [5, 4], [2, 3], false),
            of(Mode::Area, [3, 19], [3, 1], true),
        ]
    }

    fn params(&self) -> Params {
        vec![
            ("mode", self.resampling.mode.name().into()),
            ("from_size", self.from.as_slice().into()),
            ("to_size", self.to.as_slice().into()),
            ("back", self.back.into()),
        ]
    }
}

/// The last dimensions of `x`, of which there are one to three, at the extents `sizes`, in floating point.
pub(super) fn resampled(
    x: &Tensor,
    sizes: &[usize],
    factors: &[Option<f64>],
    resampling: Resampling,
) -> Result<Tensor> {
    let lead = x.rank() - sizes.len();
    let same = x.shape()[lead..].iter().zip(sizes).map(|(old, new)| old == new);
    let is_same: SmallVec<[bool; 3]> = same.zip(factors).map(|(same, factor)| same && factor.is_none()).collect();
    let last = |x: &Tensor, to: [usize; 2], factors: [Option<f64>; 2]| {
        let from = [x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]];
        apply(Resample { resampling, from, to, factors, back: false }, &[x])
    };
    let mut y = x.clone();
    match (sizes, factors) {
        // The dimension before is left alone.
        (&[columns], &[factor]) if !is_same[0] => y = last(x, [x.shape()[lead - 1], columns], [None, factor])?,
        (&[.., rows, columns], &[.., of_rows, of_columns]) if !is_same.ends_with(&[true, true]) => {
            y = last(x, [rows, columns], [of_rows, of_columns])?;
        }
        _ => {}
    }
    if let (&[depth, rows, columns], false) = (sizes, is_same[0]) {
        let planes: usize = x.shape()[..lead].iter().product();
        let flat = reshape(&y, &[planes, x.shape()[lead], rows * columns])?;
        let shape: Dims = x.shape()[..lead].iter().chain(sizes).copied().collect();
        y = reshape(&last(&flat, [depth, rows * columns], [factors[0], None])?, &shape)?;
    }
    Ok(y)
}

const NAME: &str = "interpolate";

fn not_empty(x: &Tensor, sizes: &[usize]) -> Result<()> {
    if x.shape()[2..].contains(&0) || sizes.contains(&0) {
        let what = format_args!("input {} and size {} must not be empty", Show(x.shape()), Show(sizes));
        return Err(Error::shape(NAME, what));
    }
    Ok(())
}

/// (N, C, d1, ..) with the extents after the channels `sizes`, each element the nearest one, or, unless `exact`, the one whose
/// place, rounded down, is the nearest; `factors` are those that were asked for, if any.
///
/// # Errors
/// [`Error::Shape`] for extents of zero.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "places in memory, in float32, as PyTorch decides which is the nearest"
)]
pub fn nearest(x: &Tensor, sizes: &[usize], factors: &[Option<f64>], exact: bool) -> Result<Tensor> {
    not_empty(x, sizes)?;
    let centre = if exact { 0.5 } else { 0.0 };
    // As in PyTorch, small planes that stay or double do so whatever the factor says.
    let by_size = !exact && matches!(*sizes, [rows, columns] if rows.saturating_add(columns) <= 128);
    let mut y = x.clone();
    for (i, (&new, &factor)) in sizes.iter().zip(factors).enumerate() {
        let old = x.shape()[i + 2];
        let factor = factor.filter(|_| !(by_size && (new == old || new == 2 * old)));
        if old != new || factor.is_some() {
            let step = step(old, new, factor) as f32;
            let places = Array::build(NAME, &[new], |places: &mut [i64]| {
                for (i, place) in places.iter_mut().enumerate() {
                    *place = (((i as f32 + centre) * step) as usize).min(old - 1) as i64;
                }
                Ok(())
            })?;
            y = index_select(&y, (i + 2).cast_signed(), &places.into())?;
        }
    }
    apart(y, x)
}

/// (N, C, d1, ..) with the extents after the channels `sizes`; `factors` are those that were asked for, if any.
///
/// # Errors
/// [`Error::DType`] for integers, but for planes of uint8; [`Error::Shape`] for extents of zero.
pub fn interpolate(x: &Tensor, sizes: &[usize], factors: &[Option<f64>], resampling: Resampling) -> Result<Tensor> {
    let are_bytes = x.dtype() == DType::U8 && sizes.len() == 2 && resampling.mode != Mode::Area;
    if !x.dtype().is_float() && !are_bytes {
        return Err(Error::dtype(NAME, format_args!("expected a float dtype, got {}", x.dtype())));
    }
    not_empty(x, sizes)?;
    let y = if are_bytes {
        // Columns and then rows, each rounded to bytes, as in PyTorch.
        let mut y = cast(x, DType::F32)?;
        let (rows, columns) = ([sizes[0], sizes[1]], [x.shape()[2], sizes[1]]);
        for (sizes, factors) in [(columns, [None, factors[1]]), (rows, [factors[0], None])] {
            let rounded = floor(&shift(&resampled(&y, &sizes, &factors, resampling)?, 0.5)?)?;
            y = clamp(&rounded, Some(Scalar::Float(0.0)), Some(Scalar::Float(255.0)))?;
        }
        cast(&y, DType::U8)?
    } else {
        resampled(x, sizes, factors, resampling)?
    };
    apart(y, x)
}
