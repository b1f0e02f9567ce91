//! Images: pixels and channels, patches, other sizes, other places; and the loss of sequences.

use crate::convert::{Arg, Ints};
use crate::enter::{enter, to_py};
use crate::tensor::PyTensor;
use dlcore_core::layout::Show;
use dlcore_core::ops::grid::{self, Outside, Sampling};
use dlcore_core::ops::images::{self, Patches};
use dlcore_core::ops::loss::Reduction;
use dlcore_core::ops::resample::{self, Mode, Resampling};
use dlcore_core::ops::{cast, ctc};
use dlcore_core::{Array, DType, Error, Tensor};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

type Out = PyResult<PyTensor>;

/// (.., C r², H, W) to (.., C, H r, W r): blocks of ``upscale_factor`` by as many pixels from channels (Shi et al. 2016).
/// Raises ShapeError for channels that are no multiple of its square.
///
/// >>> dlcore.nn.functional.pixel_shuffle(dlcore.arange(4).reshape(4, 1, 1), 2)
/// tensor([[[0, 1],
///          [2, 3]]])
#[pyfunction]
fn pixel_shuffle(py: Python<'_>, input: Arg, upscale_factor: usize) -> Out {
    enter(py, input.0.numel(), || images::pixel_shuffle(&input.0, upscale_factor)).map(PyTensor::from)
}

/// (.., C, H r, W r) to (.., C r², H, W): what undoes ``pixel_shuffle``.
///
/// >>> dlcore.nn.functional.pixel_unshuffle(dlcore.zeros(1, 4, 6), 2).shape
/// (4, 2, 3)
#[pyfunction]
fn pixel_unshuffle(py: Python<'_>, input: Arg, downscale_factor: usize) -> Out {
    enter(py, input.0.numel(), || images::pixel_unshuffle(&input.0, downscale_factor)).map(PyTensor::from)
}

/// Takes one channel of each of ``groups`` groups in turn (Zhang et al., 2018), so that grouped convolutions mix: (N, C, ...),
/// kept. Raises ShapeError for channels that are no multiple of the groups.
///
/// >>> dlcore.nn.functional.channel_shuffle(dlcore.arange(4).reshape(1, 4, 1), 2).reshape(-1)
/// tensor([0, 2, 1, 3])
#[pyfunction]
fn channel_shuffle(py: Python<'_>, input: Arg, groups: isize) -> Out {
    let groups = usize::try_from(groups).unwrap_or(0); // which is refused
    enter(py, input.0.numel(), || images::channel_shuffle(&input.0, groups)).map(PyTensor::from)
}

fn patches(
    op: &str,
    kernel_size: &Ints,
    dilation: Option<&Ints>,
    padding: Option<&Ints>,
    stride: Option<&Ints>,
) -> PyResult<Patches> {
    let pair = |value: Option<&Ints>, name: &str, default: usize| {
        value.map_or(Ok([default, default]), |value| value.pair(op, name))
    };
    Ok(Patches {
        kernel: kernel_size.pair(op, "kernel_size")?,
        dilation: pair(dilation, "dilation", 1)?,
        padding: pair(padding, "padding", 0)?,
        stride: pair(stride, "stride", 1)?,
    })
}

/// The patches of (N, C, H, W) or (C, H, W) as columns: (N, C kh kw, L) or (C kh kw, L). Raises ShapeError for patches
/// larger than the padded planes.
///
/// >>> dlcore.nn.functional.unfold(dlcore.arange(9.0).reshape(1, 3, 3), 2)[:, 0]
/// tensor([0., 1., 3., 4.])
#[pyfunction]
#[pyo3(name = "im2col", signature = (input, kernel_size, dilation = None, padding = None, stride = None))]
fn unfold(
    py: Python<'_>,
    input: Arg,
    kernel_size: Ints,
    dilation: Option<Ints>,
    padding: Option<Ints>,
    stride: Option<Ints>,
) -> Out {
    let patches = patches("unfold", &kernel_size, dilation.as_ref(), padding.as_ref(), stride.as_ref())?;
    enter(py, input.0.numel(), || images::to_patches(&input.0, patches)).map(PyTensor::from)
}

/// Planes of ``output_size`` with the sums of the patches (N, C kh kw, L) or (C kh kw, L) that lie there: the adjoint of
/// ``unfold``. Raises ShapeError for another number of patches.
///
/// >>> dlcore.nn.functional.fold(dlcore.ones(1, 4, 4), (3, 3), 2)[0, 0, 1]
/// tensor([2., 4., 2.])
#[pyfunction]
#[pyo3(signature = (input, output_size, kernel_size, dilation = None, padding = None, stride = None))]
fn fold(
    py: Python<'_>,
    input: Arg,
    output_size: Ints,
    kernel_size: Ints,
    dilation: Option<Ints>,
    padding: Option<Ints>,
    stride: Option<Ints>,
) -> Out {
    let patches = patches("fold", &kernel_size, dilation.as_ref(), padding.as_ref(), stride.as_ref())?;
    let size = output_size.pair("fold", "output_size")?;
    enter(py, input.0.numel(), || images::from_patches(&input.0, size, patches)).map(PyTensor::from)
}

fn value_error(op: &str, what: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(format!("{op}: {what}"))
}

/// (N, C, d1, ...) with 1 to 3 dimensions after the channels at another ``size``, or ``scale_factor`` times theirs.
///
/// ``mode`` is "nearest", "nearest-exact", "linear" (of one dimension), "bilinear" (two), "trilinear" (three), "bicubic"
/// (two) or "area". ``align_corners`` keeps the outermost elements, rather than the outermost edges, in place;
/// ``antialias`` averages over what a new element covers. With ``recompute_scale_factor`` places follow from the new size,
/// otherwise from the factor. Images of uint8 are rounded. Raises ValueError for options that do not go together, ShapeError
/// for empty planes.
///
/// >>> dlcore.nn.functional.interpolate(dlcore.tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
/// tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
#[pyfunction]
#[pyo3(signature = (
    input, size = None, scale_factor = None, mode = "nearest", align_corners = None, recompute_scale_factor = None,
    antialias = false
))]
fn interpolate(
    py: Python<'_>,
    input: Arg,
    size: Option<Ints>,
    scale_factor: Option<&Bound<'_, PyAny>>,
    mode: &str,
    align_corners: Option<bool>,
    recompute_scale_factor: Option<bool>,
    antialias: bool,
) -> Out {
    let op = "interpolate";
    let shape = input.0.shape();
    let spatial = shape.len().saturating_sub(2);
    if !(1..=3).contains(&spatial) {
        return Err(to_py(Error::shape(
            op,
            format_args!("expected (N, C, ..) of 3 to 5 dimensions, got {}", Show(shape)),
        )));
    }
    let (kind, needs) = match mode {
        "nearest" | "nearest-exact" => (None, None),
        "area" => (Some(Mode::Area), None),
        "linear" => (Some(Mode::Linear), Some(1)),
        "bilinear" => (Some(Mode::Linear), Some(2)),
        "trilinear" => (Some(Mode::Linear), Some(3)),
        "bicubic" => (Some(Mode::Cubic), Some(2)),
        _ => {
            let modes = "nearest, nearest-exact, linear, bilinear, trilinear, bicubic or area";
            return Err(value_error(op, format_args!("mode is {modes}, got {mode:?}")));
        }
    };
    if needs.is_some_and(|needs| needs != spatial) {
        return Err(value_error(op, format_args!("mode {mode:?} is not for {spatial} dimensions after the channels")));
    }
    if align_corners.is_some() && needs.is_none() {
        return Err(value_error(op, format_args!("align_corners is not for mode {mode:?}")));
    }
    if antialias && !(matches!(kind, Some(Mode::Linear | Mode::Cubic)) && spatial == 2) {
        return Err(value_error(op, "antialias is for bilinear and bicubic only"));
    }
    let every = |n: usize| -> PyResult<()> {
        if n == spatial { Ok(()) } else { Err(value_error(op, format_args!("{n} values for {spatial} dimensions"))) }
    };
    let (sizes, factors): (Vec<usize>, Vec<Option<f64>>) = match (size, scale_factor) {
        (Some(size), None) => {
            let sizes = size.sizes(op)?;
            let sizes = if sizes.len() == 1 { vec![sizes[0]; spatial] } else { sizes.to_vec() };
            every(sizes.len())?;
            (sizes, vec![None; spatial])
        }
        (None, Some(factor)) => {
            let factors =
                factor.extract::<f64>().map(|one| vec![one; spatial]).or_else(|_| factor.extract::<Vec<f64>>())?;
            every(factors.len())?;
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "extents; what is negative becomes zero"
            )]
            let sizes = factors.iter().zip(&shape[2..]).map(|(factor, &n)| {
                let size = (n as f64 * factor).floor();
                if size.is_nan() || size >= isize::MAX as f64 {
                    return Err(value_error(op, format_args!("scale_factor {factor} makes no size of {n}")));
                }
                Ok(size as usize)
            });
            let sizes = sizes.collect::<PyResult<_>>()?;
            let kept = |factor| if recompute_scale_factor == Some(true) { None } else { Some(factor) };
            (sizes, factors.into_iter().map(kept).collect())
        }
        _ => return Err(value_error(op, "give either size or scale_factor")),
    };
    enter(py, input.0.numel(), || match kind {
        Some(mode) => {
            let resampling = Resampling { mode, align_corners: align_corners.unwrap_or(false), antialias };
            resample::interpolate(&input.0, &sizes, &factors, resampling)
        }
        None => resample::nearest(&input.0, &sizes, &factors, mode == "nearest-exact"),
    })
    .map(PyTensor::from)
}

/// The points (N, H, W, 2), from -1 to 1 each, from which ``grid_sample`` takes an image of ``size`` (N, C, H, W) that the
/// matrices ``theta`` (N, 2, 3) move; for (N, C, D, H, W) one more of each. Raises ShapeError for others.
///
/// >>> still = dlcore.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
/// >>> dlcore.nn.functional.affine_grid(still, (1, 1, 1, 2)).flatten()
/// tensor([-0.5000,  0.0000,  0.5000,  0.0000])
#[pyfunction]
#[pyo3(signature = (theta, size, align_corners = None))]
fn affine_grid(py: Python<'_>, theta: Arg, size: Ints, align_corners: Option<bool>) -> Out {
    let size = size.sizes("affine_grid")?;
    enter(py, theta.0.numel(), || grid::affine_grid(&theta.0, &size, align_corners.unwrap_or(false)))
        .map(PyTensor::from)
}

/// The values of an image (N, C, H, W) at the points (N, H', W', 2) of ``grid``, x before y, which go from -1 to 1; or of
/// (N, C, D, H, W) at (N, D', H', W', 3).
///
/// ``mode`` is "bilinear", "nearest" or "bicubic"; outside are "zeros", the "border" or its "reflection", by
/// ``padding_mode``. Raises ShapeError for what does not fit, DTypeError for two dtypes.
///
/// >>> image, grid = dlcore.tensor([[[[1.0, 3.0]]]]), dlcore.zeros(1, 1, 1, 2)
/// >>> dlcore.nn.functional.grid_sample(image, grid)
/// tensor([[[[2.]]]])
#[pyfunction]
#[pyo3(signature = (input, grid, mode = "bilinear", padding_mode = "zeros", align_corners = None))]
fn grid_sample(
    py: Python<'_>,
    input: Arg,
    grid: Arg,
    mode: &str,
    padding_mode: &str,
    align_corners: Option<bool>,
) -> Out {
    let op = "grid_sample";
    let kind = match mode {
        "bilinear" => grid::Mode::Linear,
        "nearest" => grid::Mode::Nearest,
        "bicubic" => grid::Mode::Cubic,
        _ => return Err(value_error(op, format_args!("mode is bilinear, nearest or bicubic, got {mode:?}"))),
    };
    let outside = match padding_mode {
        "zeros" => Outside::Zeros,
        "border" => Outside::Border,
        "reflection" => Outside::Reflection,
        _ => {
            let what = format_args!("padding_mode is zeros, border or reflection, got {padding_mode:?}");
            return Err(value_error(op, what));
        }
    };
    let sampling = Sampling { mode: kind, outside, align_corners: align_corners.unwrap_or(false) };
    enter(py, grid.0.numel(), || grid::grid_sample(&input.0, &grid.0, sampling)).map(PyTensor::from)
}

/// Lengths as a tensor: of ints or a tensor itself.
fn lengths(value: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    if let Ok(tensor) = value.extract::<Arg>() {
        return Ok(tensor.0);
    }
    let ints: Ints = value.extract()?;
    let values: Vec<i64> = ints.0.iter().map(|&n| n as i64).collect();
    Ok(Array::from_slice("ctc_loss", &values, &[values.len()]).map_err(to_py)?.into())
}

/// Minus the log-probability of sequences of labels, spread in any way over frames with blanks between (Graves et al.
/// 2006).
///
/// ``log_probs`` (T, N, C) or (T, C), ``targets`` (N, S) or one after the other, lengths of both for each sequence.
/// ``reduction`` is "mean" (of losses over the lengths of their labels), "sum" or "none"; ``zero_infinity`` makes zero of
/// what no frames can hold. Raises ShapeError and IndexError for what does not fit.
///
/// >>> frames = dlcore.full((2, 1, 2), 0.5).log()
/// >>> dlcore.nn.functional.ctc_loss(frames, dlcore.tensor([[1]]), (2,), (1,)).exp()
/// tensor(1.3333)
#[pyfunction]
#[pyo3(signature = (log_probs, targets, input_lengths, target_lengths, blank = 0, reduction = "mean", zero_infinity = false))]
fn ctc_loss(
    py: Python<'_>,
    log_probs: Arg,
    targets: Arg,
    input_lengths: &Bound<'_, PyAny>,
    target_lengths: &Bound<'_, PyAny>,
    blank: usize,
    reduction: &str,
    zero_infinity: bool,
) -> Out {
    let reduction = Reduction::parse("ctc_loss", reduction).map_err(to_py)?;
    let options = ctc::Options { blank, reduction, zero_infinity };
    let (frames, labels) = (lengths(input_lengths)?, lengths(target_lengths)?);
    enter(py, log_probs.0.numel(), || {
        let (frames, labels) = (cast(&frames, DType::I64)?, cast(&labels, DType::I64)?);
        ctc::ctc_loss(&log_probs.0, &targets.0, &frames, &labels, options)
    })
    .map(PyTensor::from)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(pixel_shuffle pixel_unshuffle channel_shuffle unfold fold interpolate affine_grid grid_sample ctc_loss);
    Ok(())
}
