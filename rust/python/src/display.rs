//! How a tensor shows itself: PyTorch's form, element by element, with the options of ``set_printoptions``.

use crate::enter::{enter, to_py};
use crate::tensor::PyTensor;
use dlcore_core::autograd::tensor::Tracking;
use dlcore_core::layout::Show;
use dlcore_core::{Array, DType, Error, Result, Tensor, ops};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// What ``set_printoptions`` sets.
#[derive(Clone, Copy)]
struct Options {
    /// Decimals after the point.
    precision: usize,
    /// More elements than this are summarised.
    threshold: usize,
    /// Elements shown at each end of a summarised dimension.
    edge: usize,
    /// Characters on a line.
    width: usize,
    /// Whether with an exponent; by the numbers themselves where None.
    scientific: Option<bool>,
}

/// No float64 has more.
const MOST_DECIMALS: usize = 1074;
const DEFAULT: Options = Options { precision: 4, threshold: 1000, edge: 3, width: 80, scientific: None };

static OPTIONS: Mutex<Options> = Mutex::new(DEFAULT);

fn options() -> Options {
    *OPTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// ``tensor([[1., 2.]], requires_grad=True)``.
pub fn repr(tensor: &Tensor) -> Result<String> {
    const PREFIX: &str = "tensor(";
    let (array, options) = (tensor.array(), options());
    let mut suffixes = Vec::new();
    let float = DType::default_float();
    let mut text = PREFIX.to_owned();
    if array.numel() == 0 {
        // However many rows of nothing there are.
        text.push_str("[]");
        if array.rank() != 1 {
            suffixes.push(format!("size={}", Show(array.shape())));
        }
    } else {
        Shown::of(array, options)?.write(&mut text, 0, &mut 0, PREFIX.len());
    }
    let ordinary = array.dtype() == float || (array.numel() > 0 && matches!(array.dtype(), DType::I64 | DType::Bool));
    if !ordinary {
        suffixes.push(format!("dtype=dlcore.{}", array.dtype().name()));
    }
    match tensor.tracking() {
        Tracking::Leaf(_) => suffixes.push("requires_grad=True".to_owned()),
        Tracking::Node(node, _) => suffixes.push(format!("grad_fn=<{}>", node.name())),
        Tracking::None | Tracking::Cut(_) => {}
    }
    // What follows the text, `, ` or `)`, is counted before the first suffix too, as in PyTorch.
    let mut line = text.len() - text.rfind('\n').map_or(0, |at| at + 1) + 2;
    for suffix in suffixes {
        if line + suffix.len() + 2 > options.width {
            text.push_str(",\n");
            text.push_str(&" ".repeat(PREFIX.len()));
            line = PREFIX.len();
        } else {
            text.push_str(", ");
            line += 2;
        }
        text.push_str(&suffix);
        line += suffix.len();
    }
    text.push(')');
    Ok(text)
}

/// The elements that appear, formatted to one width, and where dots stand for the others.
struct Shown {
    shape: Vec<usize>,
    /// Per dimension: before this entry come dots.
    cut: Vec<Option<usize>>,
    texts: Vec<String>,
    /// What all texts are at least as long as.
    width: usize,
    line: usize,
}

impl Shown {
    fn of(array: &Array, options: Options) -> Result<Self> {
        let mut picked = Tensor::from(array.clone());
        let mut cut = vec![None; array.rank()];
        for (dim, cut) in cut.iter_mut().enumerate() {
            let (extent, edge) = (array.shape()[dim], options.edge);
            if array.numel() > options.threshold && extent > 2 * edge {
                let head = ops::slice(&picked, dim, 0, 1, edge)?;
                let tail = ops::slice(&picked, dim, extent - edge, 1, edge)?;
                picked = ops::cat(&[&head, &tail], dim.cast_signed())?;
                *cut = Some(edge);
            }
        }
        let shape = picked.shape().to_vec();
        let flat = picked.array().contiguous("repr")?;
        let (mut texts, width) = match flat.dtype() {
            DType::Bool => {
                let texts = flat.elements::<u8>().iter().map(|&x| if x != 0 { "True" } else { "False" }.to_owned());
                measured(texts.collect())
            }
            DType::U64 => measured(flat.elements::<u64>().iter().map(ToString::to_string).collect()),
            dtype if dtype.is_float() => floats(flat.cast("repr", DType::F64)?.elements(), options),
            _ => measured(flat.cast("repr", DType::I64)?.elements::<i64>().iter().map(ToString::to_string).collect()),
        };
        if array.rank() > 0 {
            for text in &mut texts {
                text.insert_str(0, &" ".repeat(width.saturating_sub(text.len())));
            }
        }
        Ok(Self { shape, cut, texts, width, line: options.width })
    }

    fn write(&self, text: &mut String, dim: usize, at: &mut usize, indent: usize) {
        let Some(&extent) = self.shape.get(dim) else {
            text.push_str(&self.texts[*at]);
            *at += 1;
            return;
        };
        text.push('[');
        let below = self.shape.len() - dim - 1;
        let broken = format!(",{}{}", "\n".repeat(below.max(1)), " ".repeat(indent + dim + 1));
        let per_line = (self.line.saturating_sub(indent + dim) / (self.width + 2)).max(1);
        // Dots take a place in the line, as an element does.
        let mut places = 0;
        let mut separate = |text: &mut String| {
            if places > 0 {
                let breaks = below > 0 || places % per_line == 0;
                text.push_str(if breaks { &broken } else { ", " });
            }
            places += 1;
        };
        for i in 0..extent {
            if self.cut[dim] == Some(i) {
                separate(text);
                text.push_str(if below > 0 { "..." } else { " ..." });
            }
            separate(text);
            self.write(text, dim + 1, at, indent);
        }
        if extent == 0 && self.cut[dim].is_some() {
            text.push_str("...");
        }
        text.push(']');
    }
}

fn measured(texts: Vec<String>) -> (Vec<String>, usize) {
    let width = texts.iter().map(String::len).max().unwrap_or(0);
    (texts, width)
}

/// Floats in the one form that suits all of them, whole numbers as `1.`, others with fixed decimals or an exponent; and
/// the width of those that are finite and not zero.
fn floats(values: &[f64], options: Options) -> (Vec<String>, usize) {
    let finite = || values.iter().filter(|x| x.is_finite() && **x != 0.0);
    let (low, high) = finite().fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x.abs()), high.max(x.abs())));
    let whole = finite().all(|x| x.fract() == 0.0);
    let wide = finite().next().is_some() && (high / low > 1000.0 || high > 1e8 || (!whole && low < 1e-4));
    // Zeros, infinities and NaN alone have no exponent.
    let scientific = options.scientific.map_or(wide, |scientific| scientific && finite().next().is_some());
    let precision = options.precision.min(MOST_DECIMALS);
    let form = |x: f64| {
        if x.is_nan() {
            "nan".into()
        } else if x.is_infinite() {
            if x > 0.0 { "inf".into() } else { "-inf".into() }
        } else if scientific {
            let text = format!("{x:.precision$e}");
            let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, digits) = power.strip_prefix('-').map_or(('+', power), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        } else if whole {
            format!("{x:.0}.")
        } else {
            format!("{x:.precision$}")
        }
    };
    let width = finite().map(|&x| form(x).len()).max().unwrap_or(1);
    (values.iter().map(|&x| form(x)).collect(), width)
}

/// A table for notebooks, of one row or of rows; the text of `repr` for other shapes.
fn html(tensor: &Tensor) -> Result<String> {
    let options = options();
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let array = tensor.array();
    if !matches!(array.rank(), 1 | 2) || array.numel() == 0 {
        return Ok(format!("<pre>{}</pre>", escaped(&repr(tensor)?)));
    }
    let shown = Shown::of(array, Options { threshold: 2 * options.edge, edge: options.edge.max(1), ..options })?;
    let columns = *shown.shape.last().unwrap_or(&1);
    let cell = |text: &str| format!("<td style=\"text-align: right\">{}</td>", text.trim());
    let dots = |cut: Option<usize>, i: usize| cut == Some(i);
    let mut rows = String::new();
    for (i, row) in shown.texts.chunks(columns).enumerate() {
        let wide = shown.cut.last().copied().flatten();
        if array.rank() == 2 && dots(shown.cut[0], i) {
            let _ = write!(rows, "<tr>{}</tr>", cell("⋮").repeat(columns + usize::from(wide.is_some())));
        }
        rows.push_str("<tr>");
        for (j, text) in row.iter().enumerate() {
            if dots(wide, j) {
                rows.push_str(&cell("…"));
            }
            rows.push_str(&cell(text));
        }
        rows.push_str("</tr>");
    }
    Ok(format!("<table>{rows}</table><p>{}</p>", escaped(&kind(tensor))))
}

/// Shape, dtype and part in differentiation.
fn kind(tensor: &Tensor) -> String {
    let mut text = format!("{} of shape {}", tensor.dtype().name(), Show(tensor.shape()));
    match tensor.tracking() {
        Tracking::Leaf(_) => text.push_str(", requires_grad"),
        Tracking::Node(node, _) => {
            let _ = write!(text, ", from {}", node.name());
        }
        Tracking::None | Tracking::Cut(_) => {}
    }
    text
}

/// One line of facts.
fn summary(tensor: &Tensor) -> Result<String> {
    let mut text = kind(tensor);
    let x = tensor.detach();
    if x.numel() == 0 {
        return Ok(text);
    }
    let number = |x: &Tensor| -> Result<f64> { Ok(x.array().item()?.to_f64()) };
    let x = ops::cast(&x, DType::F64)?;
    let finite = ops::masked_select(&x, &ops::isfinite(&x)?)?;
    if finite.numel() > 0 {
        let (low, high) = (number(&ops::amin(&finite, &[0], false)?)?, number(&ops::amax(&finite, &[0], false)?)?);
        let mean = number(&ops::mean(&finite, &[0], false)?)?;
        let deviation = number(&ops::std(&finite, &[0], 0.0, false)?)?;
        let _ = write!(text, "; {low:.4} to {high:.4}, mean {mean:.4}, std {deviation:.4}");
    }
    for (what, mask) in [("nan", ops::isnan(&x)?), ("inf", ops::isinf(&x)?)] {
        let count = number(&ops::sum(&ops::cast(&mask, DType::I64)?, &(0..mask.rank()).collect::<Vec<_>>(), false)?)?;
        if count > 0.0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    Ok(text)
}

#[pymethods]
impl PyTensor {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let tensor = self.get();
        enter(py, 0, || repr(&tensor))
    }

    /// A table for notebooks.
    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let tensor = self.get();
        enter(py, 0, || html(&tensor))
    }

    /// One line about the tensor: dtype, shape, part in differentiation, range, mean and deviation of the finite elements
    /// (divided by their number), and how many are not.
    ///
    /// >>> import dlcore
    /// >>> (dlcore.arange(3.0) / dlcore.tensor([0.0, 1.0, 1.0])).summary()
    /// 'float32 of shape (3,); 1.0000 to 2.0000, mean 1.5000, std 0.5000, 1 nan'
    fn summary(&self, py: Python<'_>) -> PyResult<String> {
        let tensor = self.get();
        enter(py, tensor.numel(), || summary(&tensor))
    }
}

/// Sets how tensors are shown. What is None stays as it is, but ``sci_mode``, which None leaves to the numbers.
///
/// ``precision``: decimals. ``threshold``: more elements than this are summarised. ``edgeitems``: how many are shown then
/// at each end of a dimension. ``linewidth``: characters on a line. ``profile``: ``"default"``, ``"short"`` or ``"full"``,
/// which the others change. ``sci_mode``: whether floats have an exponent.
///
/// Raises ValueError for another profile.
///
/// >>> import dlcore
/// >>> dlcore.set_printoptions(precision=2)
/// >>> dlcore.tensor([1.23456])
/// tensor([1.23])
/// >>> dlcore.set_printoptions(profile="default")
#[pyfunction]
#[pyo3(signature = (precision = None, threshold = None, edgeitems = None, linewidth = None, profile = None, sci_mode = None))]
fn set_printoptions(
    precision: Option<usize>,
    threshold: Option<f64>,
    edgeitems: Option<usize>,
    linewidth: Option<usize>,
    profile: Option<&str>,
    sci_mode: Option<bool>,
) -> PyResult<()> {
    let base = match profile {
        None => options(),
        Some("default") => DEFAULT,
        Some("short") => Options { precision: 2, edge: 2, ..DEFAULT },
        Some("full") => Options { threshold: usize::MAX, ..DEFAULT },
        Some(other) => {
            let what = format_args!("profile must be 'default', 'short' or 'full', got {other:?}");
            return Err(to_py(Error::value("set_printoptions", what)));
        }
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float('inf') is how one says never")]
    let threshold = threshold.map(|threshold| threshold as usize);
    *OPTIONS.lock().unwrap_or_else(PoisonError::into_inner) = Options {
        precision: precision.unwrap_or(base.precision),
        threshold: threshold.unwrap_or(base.threshold),
        edge: edgeitems.unwrap_or(base.edge),
        width: linewidth.unwrap_or(base.width),
        scientific: sci_mode,
    };
    Ok(())
}

/// How tensors are shown, as a dict of the arguments of ``set_printoptions``.
///
/// >>> dlcore.get_printoptions()["edgeitems"]
/// 3
#[pyfunction]
fn get_printoptions(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let (found, options) = (PyDict::new(py), options());
    found.set_item("precision", options.precision)?;
    match options.threshold {
        usize::MAX => found.set_item("threshold", f64::INFINITY)?,
        threshold => found.set_item("threshold", threshold)?,
    }
    found.set_item("edgeitems", options.edge)?;
    found.set_item("linewidth", options.width)?;
    found.set_item("sci_mode", options.scientific)?;
    Ok(found)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(set_printoptions, module)?)?;
    module.add_function(wrap_pyfunction!(get_printoptions, module)?)
}
