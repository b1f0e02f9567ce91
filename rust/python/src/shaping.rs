//! Functions that look at the same elements under another shape, pick among them or join them, and their methods.

use crate::blending::clamped;
use crate::convert::{Arg, Handle, Ints, Operand, PyDType, tensors};
use crate::enter::{enter, guarded, to_py};
use crate::function::functions;
use crate::out;
use crate::tensor::PyTensor;
use dlcore_core::layout::{Dims, Show, broadcast_shapes, normalize_dim};
use dlcore_core::{DType, Error, Result, Tensor, ops};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyTuple};
use smallvec::SmallVec;

type Out = PyResult<PyTensor>;
type Pieces<'py> = PyResult<Bound<'py, PyTuple>>;

/// The view of `x` that `make` makes: no work, so the lock is kept.
fn view(x: &Bound<'_, PyTensor>, make: impl Fn(&Tensor) -> Result<Tensor>) -> Out {
    let view = guarded(|| match x.get().glance_if_plain(|x| Some(make(x))) {
        Some(view) => view,
        None => make(&x.get().get()),
    });
    view.map(PyTensor::from)
}

fn flatten_dims(x: &Tensor, start: isize, end: isize) -> Result<Tensor> {
    let rank = x.rank().max(1);
    let (start, end) = (normalize_dim("flatten", start, rank)?, normalize_dim("flatten", end, rank)?);
    if x.rank() == 0 {
        return ops::reshape(x, &[1]);
    }
    if start > end {
        return Err(Error::value("flatten", format_args!("start_dim {start} comes after end_dim {end}")));
    }
    let mut shape = Dims::from_slice(&x.shape()[..start]);
    shape.push(x.shape()[start..=end].iter().product());
    shape.extend_from_slice(&x.shape()[end + 1..]);
    ops::reshape(x, &shape)
}

fn squeeze_dims(x: &Tensor, dim: Option<&Ints>) -> Result<Tensor> {
    let chosen = dim
        .map(|dim| dim.0.iter().map(|&d| normalize_dim("squeeze", d, x.rank())).collect::<Result<Dims>>())
        .transpose()?;
    let shape: Dims = x
        .shape()
        .iter()
        .enumerate()
        .filter(|&(i, &n)| n != 1 || chosen.as_ref().is_some_and(|dims| !dims.contains(&i)))
        .map(|(_, &n)| n)
        .collect();
    ops::reshape(x, &shape)
}

fn unsqueeze_dim(x: &Tensor, dim: isize) -> Result<Tensor> {
    let at = normalize_dim("unsqueeze", dim, x.rank() + 1)?;
    let mut shape = Dims::from_slice(x.shape());
    shape.insert(at, 1);
    ops::reshape(x, &shape)
}

fn expand_to(x: &Tensor, sizes: &Ints) -> Result<Tensor> {
    let lead = sizes.0.len().saturating_sub(x.rank());
    let shape = sizes
        .0
        .iter()
        .enumerate()
        .map(|(i, &n)| match usize::try_from(n) {
            Ok(n) => Ok(n),
            Err(_) if n == -1 && i >= lead => Ok(x.shape()[i - lead]),
            Err(_) => {
                Err(Error::shape("expand", format_args!("size {n} for dimension {i}: only existing ones may be -1")))
            }
        })
        .collect::<Result<Dims>>()?;
    ops::broadcast_to(x, &shape)
}

fn handles(parts: Vec<Tensor>) -> impl ExactSizeIterator<Item = PyTensor> {
    parts.into_iter().map(PyTensor::from)
}

/// Pieces of `x` along `dim` with `size` entries each; the last may be shorter, and of nothing there is one.
fn even_pieces<'py>(py: Python<'py>, op: &'static str, x: &Tensor, size: usize, dim: usize) -> Pieces<'py> {
    let extent = x.shape()[dim];
    let lengths = (0..extent.div_ceil(size.max(1)).max(1)).map(|i| size.min(extent - i * size));
    PyTuple::new(py, handles(guarded(|| ops::cut::split(op, x, dim, lengths))?))
}

fn dim_of(op: &str, x: &Tensor, dim: isize) -> PyResult<usize> {
    if x.rank() == 0 {
        return Err(to_py(Error::shape(op, "a 0-d tensor has no dimension to divide")));
    }
    normalize_dim(op, dim, x.rank()).map_err(to_py)
}

/// The same elements under another shape: a view where the layout allows it, otherwise a copy. One size may be -1.
///
/// >>> dlcore.reshape(dlcore.arange(6), (2, -1))
/// tensor([[0, 1, 2],
///         [3, 4, 5]])
#[pyfunction(crate = "crate::exchange::keywords")]
fn reshape(py: Python<'_>, input: Handle<'_>, shape: Ints) -> Out {
    let shaped = |x: &Tensor| ops::shape::reshape_inferred("reshape", x, &shape.0);
    let dense = |x: &Tensor| x.array().layout().is_contiguous().then(|| shaped(x));
    if let Some(made) = guarded(|| input.0.get().glance_if_plain(dense).transpose())? {
        return Ok(made.into());
    }
    let x = input.0.get().get();
    let copied = if x.array().layout().is_contiguous() { 0 } else { x.numel() };
    enter(py, copied, || shaped(&x)).map(PyTensor::from)
}

/// Dimensions in the order ``dims``, as a view.
///
/// >>> dlcore.permute(dlcore.zeros(2, 3, 4), (2, 0, 1)).shape
/// (4, 2, 3)
#[pyfunction(crate = "crate::exchange::keywords")]
fn permute(input: Handle<'_>, dims: Ints) -> Out {
    view(&input.0, |x| ops::permute(x, &dims.0))
}

/// Dimensions ``dim0`` and ``dim1`` exchanged, as a view.
///
/// >>> dlcore.transpose(dlcore.zeros(2, 3), 0, 1).shape
/// (3, 2)
#[pyfunction(crate = "crate::exchange::keywords")]
fn transpose(input: Handle<'_>, dim0: isize, dim1: isize) -> Out {
    view(&input.0, |x| ops::transpose(x, dim0, dim1))
}

/// Dimensions ``start_dim`` to ``end_dim`` joined into one.
///
/// >>> dlcore.flatten(dlcore.zeros(2, 3, 4), 1).shape
/// (2, 12)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, start_dim = 0, end_dim = -1), text_signature = "(input, start_dim=0, end_dim=-1)")]
fn flatten(py: Python<'_>, input: Arg, start_dim: isize, end_dim: isize) -> Out {
    enter(py, input.0.numel(), || flatten_dims(&input.0, start_dim, end_dim)).map(PyTensor::from)
}

/// Without the dimensions of extent 1, or without those of ``dim`` that have extent 1.
///
/// >>> dlcore.squeeze(dlcore.zeros(1, 3, 1)).shape
/// (3,)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, dim = None))]
fn squeeze(input: Handle<'_>, dim: Option<Ints>) -> Out {
    view(&input.0, |x| squeeze_dims(x, dim.as_ref()))
}

/// With a new dimension of extent 1 at ``dim``.
///
/// >>> dlcore.unsqueeze(dlcore.zeros(3), 0).shape
/// (1, 3)
#[pyfunction(crate = "crate::exchange::keywords")]
fn unsqueeze(input: Handle<'_>, dim: isize) -> Out {
    view(&input.0, |x| unsqueeze_dim(x, dim))
}

/// Repeated to ``size`` by broadcasting, without a copy.
///
/// >>> dlcore.broadcast_to(dlcore.tensor([1, 2]), (2, 2))
/// tensor([[1, 2],
///         [1, 2]])
#[pyfunction(crate = "crate::exchange::keywords")]
fn broadcast_to(input: Handle<'_>, size: Ints) -> Out {
    view(&input.0, |x| expand_to(x, &size))
}

/// The memory of ``input`` read with other extents and strides, from element ``storage_offset`` of it on, as a view. It has
/// a gradient where ``input`` lies row-major without gaps. Raises ValueError for what lies outside the memory.
///
/// >>> dlcore.as_strided(dlcore.arange(5), (3, 2), (1, 1))
/// tensor([[0, 1],
///         [1, 2],
///         [2, 3]])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, size, stride, storage_offset = None))]
fn as_strided(input: Handle<'_>, size: Ints, stride: Ints, storage_offset: Option<usize>) -> Out {
    let (shape, strides) = (size.sizes("as_strided")?, stride.sizes("as_strided")?);
    view(&input.0, |x| ops::strided::as_strided(x, &shape, &strides, storage_offset))
}

/// Tensors joined along the existing dimension ``dim``.
///
/// >>> dlcore.cat([dlcore.tensor([1, 2]), dlcore.tensor([3])])
/// tensor([1, 2, 3])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (tensors, dim = 0, *, out = None))]
fn cat<'py>(
    py: Python<'py>,
    tensors: &Bound<'py, PyAny>,
    dim: isize,
    out: out::Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    let list = self::tensors(tensors)?;
    if let Some(out) = out.as_ref().map(|out| out.get().get())
        && list.iter().any(|t| t.array().shares_storage(out.array()))
    {
        return Err(to_py(Error::value("cat", "out= lies in the memory of one of the tensors")));
    }
    let all: Vec<_> = list.iter().collect();
    let elements = all.iter().map(|t| t.numel()).sum();
    out::into(py, "cat", elements, out, || ops::cat(&all, dim))
}

/// Tensors of one shape joined along a new dimension ``dim``.
///
/// >>> dlcore.stack([dlcore.tensor([1, 2]), dlcore.tensor([3, 4])])
/// tensor([[1, 2],
///         [3, 4]])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (tensors, dim = 0, *, out = None))]
fn stack<'py>(
    py: Python<'py>,
    tensors: &Bound<'py, PyAny>,
    dim: isize,
    out: out::Out<'py>,
) -> PyResult<Bound<'py, PyTensor>> {
    let list = self::tensors(tensors)?;
    let all: Vec<_> = list.iter().collect();
    let elements = all.iter().map(|t| t.numel()).sum();
    out::into(py, "stack", elements, out, || ops::stack(&all, dim))
}

/// Pieces along ``dim`` of ``split_size_or_sections`` entries each (the last may be shorter), or of the given sizes.
///
/// >>> [piece.tolist() for piece in dlcore.split(dlcore.arange(5), 2)]
/// [[0, 1], [2, 3], [4]]
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (tensor, split_size_or_sections, dim = 0))]
fn split<'py>(
    py: Python<'py>,
    tensor: Arg,
    split_size_or_sections: &Bound<'py, PyAny>,
    dim: isize,
) -> PyResult<Bound<'py, PyTuple>> {
    let dim = dim_of("split", &tensor.0, dim)?;
    let extent = tensor.0.shape()[dim];
    let lengths = match split_size_or_sections.extract::<usize>() {
        Ok(0) if extent > 0 => return Err(to_py(Error::value("split", "the size of a piece must not be zero"))),
        Ok(size) => return even_pieces(py, "split", &tensor.0, size, dim),
        Err(_) => split_size_or_sections.extract::<Ints>()?.sizes("split")?,
    };
    if lengths.iter().try_fold(0usize, |sum, &length| sum.checked_add(length)) != Some(extent) {
        return Err(to_py(Error::value(
            "split",
            format_args!("sections {lengths:?} do not add up to dimension {dim} of size {extent}"),
        )));
    }
    PyTuple::new(py, handles(guarded(|| ops::cut::split("split", &tensor.0, dim, lengths.into_iter()))?))
}

/// At most ``chunks`` pieces along ``dim``, as equal as can be; of no entries as many, all empty.
///
/// >>> [piece.tolist() for piece in dlcore.chunk(dlcore.arange(5), 2)]
/// [[0, 1, 2], [3, 4]]
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, chunks, dim = 0))]
fn chunk(py: Python<'_>, input: Arg, chunks: usize, dim: isize) -> PyResult<Bound<'_, PyTuple>> {
    let at = dim_of("chunk", &input.0, dim)?;
    if chunks == 0 {
        return Err(to_py(Error::value("chunk", "there must be at least one chunk")));
    }
    match input.0.shape()[at] {
        0 => {
            let nothing = std::iter::repeat_n(0, chunks);
            PyTuple::new(py, handles(guarded(|| ops::cut::split("chunk", &input.0, at, nothing))?))
        }
        extent => even_pieces(py, "chunk", &input.0, extent.div_ceil(chunks), at),
    }
}

/// The entries along ``dim``, without that dimension.
///
/// >>> [row.tolist() for row in dlcore.unbind(dlcore.tensor([[1, 2], [3, 4]]))]
/// [[1, 2], [3, 4]]
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, dim = 0))]
fn unbind(py: Python<'_>, input: Arg, dim: isize) -> PyResult<Bound<'_, PyTuple>> {
    let at = dim_of("unbind", &input.0, dim)?;
    PyTuple::new(py, handles(guarded(|| ops::cut::unbind(&input.0, at))?))
}

/// Where `narrow` starts: an int, or an integer tensor of no dimensions.
pub struct Start(isize);

impl<'py> FromPyObject<'_, 'py> for Start {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(tensor) = object.cast::<PyTensor>() {
            let tensor = tensor.get().get();
            if tensor.rank() > 0 || tensor.dtype().is_float() || tensor.dtype() == DType::Bool {
                let what = format_args!("start is an integer tensor of no dimensions, got {}", tensor.dtype());
                return Err(to_py(Error::dtype("narrow", what)));
            }
        }
        object.extract().map(Self)
    }
}

/// ``length`` entries of dimension ``dim`` from ``start``, an int or a 0-d integer tensor, as a view.
///
/// >>> dlcore.narrow(dlcore.arange(5), 0, 1, 3)
/// tensor([1, 2, 3])
#[pyfunction(crate = "crate::exchange::keywords")]
fn narrow(input: Handle<'_>, dim: isize, start: Start, length: usize) -> Out {
    let (x, start) = (input.0.get().get(), start.0);
    let at = dim_of("narrow", &x, dim)?;
    let extent = x.shape()[at];
    let from = if start < 0 { start.checked_add_unsigned(extent) } else { Some(start) };
    let from = from
        .and_then(|from| usize::try_from(from).ok())
        .filter(|from| from.checked_add(length).is_some_and(|end| end <= extent));
    let from = from.ok_or_else(|| {
        to_py(Error::index(
            "narrow",
            format_args!("{length} entries from {start} leave dimension {at} of size {extent}"),
        ))
    })?;
    view(&input.0, |x| ops::slice(x, at, from, 1, length))
}

/// The order of entries along ``dims`` reversed.
///
/// >>> dlcore.flip(dlcore.tensor([1, 2, 3]), (0,))
/// tensor([3, 2, 1])
#[pyfunction(crate = "crate::exchange::keywords")]
fn flip(py: Python<'_>, input: Arg, dims: Ints) -> Out {
    enter(py, input.0.numel(), || ops::flip(&input.0, &dims.0)).map(PyTensor::from)
}

/// ``input`` where ``condition`` is true, ``other`` elsewhere; all broadcast. Of a condition alone the places where it is
/// true, one tensor of indices for each dimension, as ``nonzero(as_tuple=True)`` gives them.
///
/// >>> dlcore.where(dlcore.tensor([True, False]), 1.0, dlcore.tensor([5.0, 6.0]))
/// tensor([1., 6.])
/// >>> dlcore.where(dlcore.tensor([0, 3, 4]))
/// (tensor([1, 2]),)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(name = "where", signature = (condition, input = None, other = None, *, out = None))]
fn where_<'py>(
    py: Python<'py>,
    condition: Arg,
    input: Option<Operand>,
    other: Option<Operand>,
    out: out::Out<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let (a, b) = match (input, other) {
        (Some(input), Some(other)) => Operand::pair(input, other)?,
        (None, None) if out.is_none() => {
            let condition = Bound::new(py, PyTensor::from(condition.0))?;
            return condition.call_method("nonzero", (), Some(&[("as_tuple", true)].into_py_dict(py)?));
        }
        _ => {
            let what = "where: expected input and other besides the condition, or the condition alone";
            return Err(PyTypeError::new_err(what));
        }
    };
    let elements = condition.0.numel().max(a.numel()).max(b.numel());
    out::into(py, "where", elements, out, || ops::where_(&condition.0, &a, &b)).map(Bound::into_any)
}

/// ``value`` where ``mask`` is true, the input elsewhere.
///
/// >>> dlcore.masked_fill(dlcore.tensor([1.0, 2.0]), dlcore.tensor([True, False]), 0.0)
/// tensor([0., 2.])
#[pyfunction(crate = "crate::exchange::keywords")]
fn masked_fill(py: Python<'_>, input: Arg, mask: Arg, value: Operand) -> Out {
    let value = value.in_dtype(&input.0)?;
    guarded(|| ops::select::one_value("masked_fill", &value))?;
    enter(py, input.0.numel(), || ops::masked_fill(&input.0, &mask.0, &value)).map(PyTensor::from)
}

functions! {
    /// The lower triangle of the last two dimensions; zero above diagonal ``diagonal``.
    ///
    /// >>> dlcore.tril(dlcore.ones(2, 2))
    /// tensor([[1., 0.],
    ///         [1., 1.]])
    tril(diagonal: i64 = 0) => |x| ops::tril(x, diagonal);
    /// The upper triangle of the last two dimensions; zero below diagonal ``diagonal``.
    ///
    /// >>> dlcore.triu(dlcore.ones(2, 2))
    /// tensor([[1., 1.],
    ///         [0., 1.]])
    triu(diagonal: i64 = 0) => |x| ops::triu(x, diagonal);
    /// Each element held between ``min`` and ``max``; either may be missing.
    ///
    /// >>> dlcore.clamp(dlcore.tensor([-1.0, 0.5, 2.0]), 0, 1)
    /// tensor([0.0000, 0.5000, 1.0000])
    clamp(min: Option<Operand> = None, max: Option<Operand> = None) => |x: &Tensor| clamped(x, min, max);
    /// The elements where ``mask`` is true, in one dimension.
    ///
    /// >>> dlcore.masked_select(dlcore.tensor([1, 2, 3]), dlcore.tensor([True, False, True]))
    /// tensor([1, 3])
    masked_select(mask: Arg) => |x| ops::masked_select(x, &mask.0);
    /// The elements that ``index`` (int64) names along ``dim``: ``out[i][j] = input[index[i][j]][j]`` for ``dim=0``. Gradients
    /// are dense, also with ``sparse_grad``.
    ///
    /// >>> dlcore.gather(dlcore.tensor([[1, 2], [3, 4]]), 1, dlcore.tensor([[0], [1]]))
    /// tensor([[1],
    ///         [4]])
    gather(dim: isize, index: Arg; sparse_grad: bool = false) => |x| {
        let _ = sparse_grad;
        ops::gather(x, dim, &index.0)
    };
    /// The input with the elements of ``src`` added where ``index`` (int64) names along ``dim``.
    ///
    /// >>> dlcore.scatter_add(dlcore.zeros(3), 0, dlcore.tensor([0, 0, 2]), dlcore.ones(3))
    /// tensor([2., 0., 1.])
    scatter_add(dim: isize, index: Arg, src: Arg) => |x| ops::scatter_add(x, dim, &index.0, &src.0);
    /// The entries that ``index`` (int64, one dimension) names along ``dim``.
    ///
    /// >>> dlcore.index_select(dlcore.tensor([[1, 2], [3, 4]]), 0, dlcore.tensor([1, 1]))
    /// tensor([[3, 4],
    ///         [3, 4]])
    index_select(dim: isize, index: Arg) => |x| ops::sets::picked(x, dim, &index.0);
}

macro_rules! methods {
    ($($name:ident($($arg:ident: $t:ty $(= $default:tt)?),*) -> $out:ty, $doc:literal, $gil:tt;)*) => {
        #[pymethods]
        #[pyo3(crate = "crate::exchange::keywords")]
        impl PyTensor {
            $(
                #[doc = $doc]
                #[pyo3(signature = ($($arg $(= $default)?),*))]
                pub fn $name<'py>(slf: &Bound<'py, Self>, py: Python<'py>, $($arg: $t),*) -> $out {
                    methods!(@call $gil $name, py, slf, $($arg),*)
                }
            )*
        }
    };
    (@call py $name:ident, $py:ident, $x:expr, $($arg:ident),*) => { $name($py, Arg($x.get().get()), $($arg),*) };
    (@call no $name:ident, $py:ident, $x:expr, $($arg:ident),*) => {{ let _ = $py; $name(Handle($x.clone()), $($arg),*) }};
}

methods! {
    transpose(dim0: isize, dim1: isize) -> Out, "See ``dlcore.transpose``.", no;
    squeeze(dim: Option<Ints> = None) -> Out, "See ``dlcore.squeeze``.", no;
    unsqueeze(dim: isize) -> Out, "See ``dlcore.unsqueeze``.", no;
    chunk(chunks: usize, dim: isize = 0) -> PyResult<Bound<'py, PyTuple>>, "See ``dlcore.chunk``.", py;
    unbind(dim: isize = 0) -> PyResult<Bound<'py, PyTuple>>, "See ``dlcore.unbind``.", py;
    narrow(dim: isize, start: Start, length: usize) -> Out, "See ``dlcore.narrow``.", no;
}

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// See ``dlcore.reshape``; the sizes may stand as separate arguments.
    #[pyo3(signature = (*args, shape = None), text_signature = "($self, *shape)")]
    fn reshape(
        slf: &Bound<'_, Self>,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        shape: Option<Ints>,
    ) -> PyResult<Self> {
        reshape(py, Handle(slf.clone()), Ints::given("reshape", "shape", args, shape)?)
    }

    /// See ``dlcore.flatten``.
    #[pyo3(signature = (start_dim = 0, end_dim = -1), text_signature = "($self, start_dim=0, end_dim=-1)")]
    fn flatten(&self, py: Python<'_>, start_dim: isize, end_dim: isize) -> PyResult<Self> {
        flatten(py, Arg(self.get()), start_dim, end_dim)
    }

    /// The same memory under another shape; an error where that needs a copy.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.arange(6)
    /// >>> x.view(2, -1)[1, 0] = 9
    /// >>> x
    /// tensor([0, 1, 2, 9, 4, 5])
    #[pyo3(signature = (*args, size = None, dtype = None), text_signature = "($self, *size)")]
    fn view(&self, args: &Bound<'_, PyTuple>, size: Option<Ints>, dtype: Option<Bound<'_, PyDType>>) -> PyResult<Self> {
        // Not by asking for a tuple of one dtype: that it is none would make an exception, which costs more than the view.
        let first = || if args.len() == 1 { args.get_item(0).ok()?.cast_into().ok() } else { None };
        if dtype.is_some() && (size.is_some() || !args.is_empty()) {
            return Err(PyTypeError::new_err("view() takes a shape or a dtype, not both"));
        }
        if let Some(dtype) = dtype.or_else(first) {
            let array = self.get().array().reinterpret("view", dtype.get().dtype()).map_err(to_py)?;
            return Ok(Tensor::from(array).into());
        }
        let (x, shape) = (self.get(), Ints::given("view", "size", args, size)?);
        let out = guarded(|| ops::shape::reshape_inferred("view", &x, &shape.0))?;
        if x.numel() > 0 && !out.array().shares_storage(x.array()) {
            return Err(to_py(Error::value(
                "view",
                "the layout needs a copy for this shape; use reshape() or contiguous()",
            )));
        }
        Ok(out.into())
    }

    /// See ``dlcore.permute``; the dimensions may stand as separate arguments.
    #[pyo3(signature = (*args, dims = None), text_signature = "($self, *dims)")]
    fn permute(slf: &Bound<'_, Self>, args: &Bound<'_, PyTuple>, dims: Option<Ints>) -> PyResult<Self> {
        permute(Handle(slf.clone()), Ints::given("permute", "dims", args, dims)?)
    }

    /// Repeated to the given sizes without a copy; -1 keeps a size.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([[1], [2]]).expand(-1, 3)
    /// tensor([[1, 1, 1],
    ///         [2, 2, 2]])
    #[pyo3(signature = (*args, size = None), text_signature = "($self, *size)")]
    fn expand(slf: &Bound<'_, Self>, args: &Bound<'_, PyTuple>, size: Option<Ints>) -> PyResult<Self> {
        broadcast_to(Handle(slf.clone()), Ints::given("expand", "size", args, size)?)
    }

    /// Repeated to the shape of ``other`` without a copy.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([1, 2]).expand_as(dlcore.zeros(2, 2))
    /// tensor([[1, 2],
    ///         [1, 2]])
    fn expand_as(slf: &Bound<'_, Self>, other: Arg) -> PyResult<Self> {
        view(slf, |x| ops::broadcast_to(x, other.0.shape()))
    }

    /// Copies laid side by side: ``repeats`` times along each dimension.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([1, 2]).repeat(2, 2)
    /// tensor([[1, 2, 1, 2],
    ///         [1, 2, 1, 2]])
    #[pyo3(signature = (*args, repeats = None), text_signature = "($self, *repeats)")]
    fn repeat(&self, py: Python<'_>, args: &Bound<'_, PyTuple>, repeats: Option<Ints>) -> PyResult<Self> {
        let (x, repeats) = (self.get(), Ints::given("repeat", "repeats", args, repeats)?.sizes("repeat")?);
        enter(py, usize::MAX, || ops::repeat(&x, &repeats)).map(Self::from)
    }

    /// See ``dlcore.flip``; the dimensions may stand as separate arguments.
    #[pyo3(signature = (*args, dims = None), text_signature = "($self, *dims)")]
    fn flip(&self, py: Python<'_>, args: &Bound<'_, PyTuple>, dims: Option<Ints>) -> PyResult<Self> {
        flip(py, Arg(self.get()), Ints::given("flip", "dims", args, dims)?)
    }

    /// See ``dlcore.masked_fill``.
    pub fn masked_fill(&self, py: Python<'_>, mask: Arg, value: Operand) -> PyResult<Self> {
        masked_fill(py, Arg(self.get()), mask, value)
    }

    /// See ``dlcore.as_strided``.
    #[pyo3(signature = (size, stride, storage_offset = None))]
    pub fn as_strided(
        slf: &Bound<'_, Self>,
        size: Ints,
        stride: Ints,
        storage_offset: Option<usize>,
    ) -> PyResult<Self> {
        as_strided(Handle(slf.clone()), size, stride, storage_offset)
    }

    /// See ``dlcore.broadcast_to``; the sizes may stand as separate arguments.
    #[pyo3(signature = (*args, size = None), text_signature = "($self, *size)")]
    fn broadcast_to(slf: &Bound<'_, Self>, args: &Bound<'_, PyTuple>, size: Option<Ints>) -> PyResult<Self> {
        broadcast_to(Handle(slf.clone()), Ints::given("broadcast_to", "size", args, size)?)
    }

    /// The elements where ``condition`` is true, those of ``other`` elsewhere; see ``dlcore.where``.
    #[pyo3(name = "where")]
    fn where_<'py>(&self, py: Python<'py>, condition: Arg, other: Operand) -> PyResult<Bound<'py, PyAny>> {
        where_(py, condition, Some(Operand::Tensor(self.get())), Some(other), None)
    }

    /// See ``dlcore.split``.
    #[pyo3(signature = (split_size, dim = 0))]
    fn split<'py>(&self, py: Python<'py>, split_size: &Bound<'py, PyAny>, dim: isize) -> PyResult<Bound<'py, PyTuple>> {
        split(py, Arg(self.get()), split_size, dim)
    }

    /// See ``dlcore.clamp``, in place.
    #[pyo3(signature = (min = None, max = None))]
    fn clamp_<'py>(
        slf: Bound<'py, Self>,
        py: Python<'py>,
        min: Option<Operand>,
        max: Option<Operand>,
    ) -> PyResult<Bound<'py, Self>> {
        let x = slf.get().get();
        slf.get().transform("clamp_", || enter(py, x.numel(), || clamped(&x, min, max)))?;
        Ok(slf)
    }

    /// See ``dlcore.t``.
    pub fn t(slf: &Bound<'_, Self>) -> PyResult<Self> {
        view(slf, |x| match x.rank() {
            0 | 1 => ops::reshape(x, x.shape()),
            2 => ops::transpose(x, 0, 1),
            rank => {
                let what = format_args!("expects at most 2 dimensions, got {rank}; use mT or transpose");
                Err(Error::shape("t", what))
            }
        })
    }

    /// The dimensions in reverse order, as a view.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(2, 3, 4).T.shape
    /// (4, 3, 2)
    #[getter(T)]
    fn reversed(slf: &Bound<'_, Self>) -> PyResult<Self> {
        view(slf, |x| ops::permute(x, &(0..x.rank().cast_signed()).rev().collect::<SmallVec<[isize; 6]>>()))
    }

    /// ``mT``, as numbers here are real.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(5, 2, 3).mH.shape
    /// (5, 3, 2)
    #[getter(mH)]
    fn adjoint_view(slf: &Bound<'_, Self>) -> PyResult<Self> {
        Self::matrix_transpose(slf)
    }

    /// A matrix with rows and columns exchanged, as a view, as numbers here are real.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([[1, 2, 3]]).H.shape
    /// (3, 1)
    #[getter(H)]
    fn adjoint_matrix(slf: &Bound<'_, Self>) -> PyResult<Self> {
        match slf.get().get().rank() {
            0 | 2 => Self::t(slf),
            rank => Err(to_py(Error::shape("H", format_args!("expects a matrix, got {rank} dimensions; use mH")))),
        }
    }

    /// Summed to a shape that broadcasts to this one.
    ///
    /// >>> import dlcore
    /// >>> dlcore.ones(2, 3).sum_to_size(1, 3)
    /// tensor([[2., 2., 2.]])
    #[pyo3(signature = (*args, size = None), text_signature = "($self, *size)")]
    fn sum_to_size(&self, py: Python<'_>, args: &Bound<'_, PyTuple>, size: Option<Ints>) -> PyResult<Self> {
        let (x, shape) = (self.get(), Ints::given("sum_to_size", "size", args, size)?.sizes("sum_to_size")?);
        enter(py, x.numel(), || {
            let fits = broadcast_shapes("sum_to_size", &shape, x.shape())?;
            if fits[..] == *x.shape() {
                // As in PyTorch, which sums even one element: integers are int64 then.
                return if shape.is_empty() {
                    ops::sum(&x, &(0..x.rank()).collect::<Dims>(), false)
                } else if shape[..] == *x.shape() {
                    ops::reshape(&x, &shape)
                } else {
                    ops::sum_to(&x, &shape)
                };
            }
            let what = format_args!("{} does not broadcast to {}", Show(&shape), Show(x.shape()));
            Err(Error::shape("sum_to_size", what))
        })
        .map(Self::from)
    }

    /// The last two dimensions exchanged, as a view.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(5, 2, 3).mT.shape
    /// (5, 3, 2)
    #[getter(mT)]
    fn matrix_transpose(slf: &Bound<'_, Self>) -> PyResult<Self> {
        view(slf, |x| match x.rank() {
            0 | 1 => Err(Error::shape("mT", format_args!("expects at least 2 dimensions, got {}", x.rank()))),
            _ => ops::transpose(x, -2, -1),
        })
    }
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    register_functions(module)?;
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(reshape permute transpose flatten squeeze unsqueeze broadcast_to as_strided cat stack split chunk unbind narrow flip
         where_ masked_fill);
    Ok(())
}
