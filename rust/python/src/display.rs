//! How a tensor shows itself: PyTorch's form, four decimals, long ones summarised at both ends.

use dlcore_core::autograd::tensor::Tracking;
use dlcore_core::{Array, DType, Result, Tensor, ops};
use std::fmt::Write;

/// Decimals after the point.
const PRECISION: usize = 4;
/// More elements than this are summarised.
const THRESHOLD: usize = 1000;
/// Elements shown at each end of a summarised dimension.
const EDGE: usize = 3;
/// Characters on a line.
const WIDTH: usize = 80;

/// ``tensor([[1., 2.]], requires_grad=True)``.
pub fn repr(tensor: &Tensor) -> Result<String> {
    let array = tensor.array();
    let mut suffix = String::new();
    let float = DType::default_float();
    let ordinary = matches!(array.dtype(), DType::I64 | DType::Bool) || array.dtype() == float;
    if array.numel() == 0 && array.shape() != [0] {
        let shape: Vec<String> = array.shape().iter().map(ToString::to_string).collect();
        let _ = write!(suffix, ", size=({})", shape.join(", "));
    }
    if !ordinary || (array.numel() == 0 && array.dtype() != float) {
        let _ = write!(suffix, ", dtype=dlcore.{}", array.dtype().name());
    }
    match tensor.tracking() {
        Tracking::Leaf(_) => suffix.push_str(", requires_grad=True"),
        Tracking::Node(node) => {
            let _ = write!(suffix, ", grad_fn=<{}>", node.name());
        }
        Tracking::None | Tracking::Cut(_) => {}
    }
    let summarise = array.numel() > THRESHOLD;
    let shown = Shown::of(array, summarise)?;
    let mut text = String::from("tensor(");
    let indent = text.len();
    if array.numel() == 0 {
        // However many rows of nothing there are.
        text.push_str("[]");
    } else {
        write_dimension(&mut text, &shown, 0, &mut 0, indent);
    }
    text.push_str(&suffix);
    text.push(')');
    Ok(text)
}

/// The elements that appear, formatted to one width, and where dots stand for the others.
struct Shown {
    shape: Vec<usize>,
    /// Per dimension: after this many entries come dots.
    cut: Vec<Option<usize>>,
    texts: Vec<String>,
}

impl Shown {
    fn of(array: &Array, summarise: bool) -> Result<Self> {
        let mut picked = Tensor::from(array.clone());
        let mut cut = vec![None; array.rank()];
        for (dim, cut) in cut.iter_mut().enumerate() {
            let extent = array.shape()[dim];
            if summarise && extent > 2 * EDGE {
                let head = ops::slice(&picked, dim, 0, 1, EDGE)?;
                let tail = ops::slice(&picked, dim, extent - EDGE, 1, EDGE)?;
                picked = ops::cat(&[&head, &tail], dim.cast_signed())?;
                *cut = Some(EDGE);
            }
        }
        let shape = picked.shape().to_vec();
        let flat = picked.array().contiguous("repr")?;
        let mut texts = match flat.dtype() {
            DType::Bool => {
                flat.elements::<u8>().iter().map(|&x| if x != 0 { "True" } else { "False" }.into()).collect()
            }
            DType::U64 => flat.elements::<u64>().iter().map(ToString::to_string).collect(),
            dtype if dtype.is_float() => floats(flat.cast("repr", DType::F64)?.elements::<f64>()),
            _ => flat.cast("repr", DType::I64)?.elements::<i64>().iter().map(ToString::to_string).collect(),
        };
        let width = texts.iter().map(String::len).max().unwrap_or(0);
        if array.rank() > 0 {
            for text in &mut texts {
                text.insert_str(0, &" ".repeat(width - text.len()));
            }
        }
        Ok(Self { shape, cut, texts })
    }
}

/// Floats in the one form that suits all of them: whole numbers as `1.`, others with fixed decimals or an exponent.
fn floats(values: &[f64]) -> Vec<String> {
    let finite = || values.iter().map(|x| x.abs()).filter(|x| x.is_finite() && *x > 0.0);
    let (low, high) = finite().fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
    let whole = values.iter().all(|x| !x.is_finite() || x.fract() == 0.0);
    let exponent =
        high > 1e8 || (!whole && (low < 1e-4 || high / low > 1000.0) && high > 0.0 && (low < 1e-4 || high >= 1e5));
    let form = |x: f64| {
        if x.is_nan() {
            "nan".into()
        } else if x.is_infinite() {
            if x > 0.0 { "inf".into() } else { "-inf".into() }
        } else if exponent {
            let text = format!("{x:.PRECISION$e}");
            let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, digits) = power.strip_prefix('-').map_or(('+', power), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        } else if whole {
            format!("{x:.0}.")
        } else {
            format!("{x:.PRECISION$}")
        }
    };
    values.iter().map(|&x| form(x)).collect()
}

fn write_dimension(text: &mut String, shown: &Shown, dim: usize, at: &mut usize, indent: usize) {
    if dim == shown.shape.len() {
        text.push_str(&shown.texts[*at]);
        *at += 1;
        return;
    }
    text.push('[');
    let last = dim + 1 == shown.shape.len();
    let mut column = indent + dim + 1;
    for i in 0..shown.shape[dim] {
        if i > 0 {
            text.push(',');
            if !last {
                text.push_str(&"\n".repeat(shown.shape.len() - dim - 1));
                text.push_str(&" ".repeat(indent + dim + 1));
            }
        }
        if last {
            let width = shown.texts[*at].len();
            if i > 0 && column + width + 3 > WIDTH {
                text.push('\n');
                text.push_str(&" ".repeat(indent + dim + 1));
                column = indent + dim + 1;
            } else if i > 0 {
                text.push(' ');
                column += 1;
            }
            column += width + 1;
        }
        if shown.cut[dim] == Some(i) {
            text.push_str("...,");
            if last {
                text.push(' ');
                column += 5;
            } else {
                text.push_str(&"\n".repeat(shown.shape.len() - dim - 1));
                text.push_str(&" ".repeat(indent + dim + 1));
            }
        }
        write_dimension(text, shown, dim + 1, at, indent);
    }
    text.push(']');
}
