//! Functions that make tensors: from data, filled, counted.

use crate::convert::{Arg, DTypeArg, Ints, Number, scalar};
use crate::device::{DeviceArg, on_cpu};
use crate::enter::{DTypeError, elements, enter, guarded, to_py};
use crate::exchange::buffer::from_buffer;
use crate::memory_format::{MemoryFormat, brought};
use crate::out;
use crate::tensor::PyTensor;
use dlcore_core::layout::{Dims, MAX_RANK};
use dlcore_core::{Array, DType, Error, Layout, Scalar, Tensor, creation, ops};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PyString, PyTuple};

/// A new tensor.
pub type Out = PyResult<PyTensor>;

/// A new tensor, or the one that it was put into.
pub type Made<'py> = PyResult<Bound<'py, PyTensor>>;

/// The finished tensor: a leaf where a gradient is wanted.
pub fn finish(tensor: Tensor, requires_grad: bool) -> Out {
    Ok(if requires_grad { Tensor::leaf(tensor.array().clone()).map_err(to_py)? } else { tensor }.into())
}

/// What all functions that make tensors are asked besides.
pub struct Asked<'py> {
    pub dtype: Option<DTypeArg>,
    pub device: Option<DeviceArg>,
    pub requires_grad: bool,
    pub out: out::Out<'py>,
}

/// The tensor of function `op` that `make` makes in the dtype asked for, if one is; in `out`, and of its dtype, where that
/// is given.
pub fn made<'py>(
    py: Python<'py>,
    op: &'static str,
    asked: Asked<'py>,
    make: impl FnOnce(Option<DType>) -> PyResult<Tensor>,
) -> Made<'py> {
    on_cpu(asked.device)?;
    let dtype = asked.dtype.map(|dtype| dtype.0);
    let Some(out) = asked.out else {
        return Bound::new(py, finish(make(dtype)?, asked.requires_grad)?);
    };
    let own = out.get().get().dtype();
    if let Some(dtype) = dtype.filter(|&dtype| dtype != own) {
        return Err(to_py(Error::dtype(
            op,
            format_args!("dtype is {dtype}, that of out {own}; leave one of them out"),
        )));
    }
    if asked.requires_grad && !own.is_float() {
        return Err(to_py(Error::dtype(op, format_args!("requires_grad needs an out of floats, got {own}"))));
    }
    let out = out::put(py, op, &make(Some(own))?, out)?;
    if asked.requires_grad {
        out.get().set_requires_grad(true)?;
    }
    Ok(out)
}

/// The tensor of function `op` that `make` makes in the shape of `input`, and in its dtype unless another is asked for.
pub fn like<'py>(
    py: Python<'py>,
    op: &'static str,
    input: Tensor,
    asked: Asked<'py>,
    format: Option<MemoryFormat>,
    make: impl FnOnce(&Tensor, DType) -> PyResult<Tensor>,
) -> Made<'py> {
    made(py, op, asked, |dtype| {
        let filled = make(&input, dtype.unwrap_or_else(|| input.dtype()))?;
        guarded(|| brought(format, op, input.array().layout(), filled))
    })
}

/// The dtype asked for, or the default one.
pub fn float_or(dtype: Option<DType>) -> DType {
    dtype.unwrap_or_else(DType::default_float)
}

/// `*size`, separate ints or one sequence, or `size=`.
pub fn shape(op: &str, args: &Bound<'_, PyTuple>, size: Option<Ints>) -> PyResult<Dims> {
    Ints::given(op, "size", args, size)?.sizes(op)
}

/// The argument `name`, how many there shall be.
pub fn count(op: &str, name: &str, n: isize) -> PyResult<usize> {
    usize::try_from(n).map_err(|_| PyValueError::new_err(format!("{op}: {name} must not be negative, got {n}")))
}

/// The number that `data` is, also one of numpy's scalars; what can be written into is an array, even where it is 0-d.
fn lone_number(data: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    if data.hasattr("__setitem__")? { Ok(None) } else { scalar(data) }
}

/// A tensor from Python data: numbers, nested lists, anything with the buffer protocol, `__array__`. Numbers go straight
/// to the `dtype` asked for, where there is one; what has a dtype keeps it.
pub fn from_data(data: &Bound<'_, PyAny>, dtype: Option<DType>) -> PyResult<Tensor> {
    if let Ok(tensor) = data.cast::<PyTensor>() {
        return Ok(tensor.get().get().detach());
    }
    if let Some(value) = lone_number(data)? {
        return creation::full(&[], value, dtype.or_else(|| own_dtype(data))).map_err(to_py);
    }
    if data.is_instance_of::<PyString>() {
        return Err(DTypeError::new_err("tensor: a string is no number; map it to numbers first"));
    }
    if data.is_instance_of::<PyList>() || data.is_instance_of::<PyTuple>() {
        return from_nested(data, dtype);
    }
    if let Some(tensor) = from_buffer("tensor", data, false)? {
        return Ok(tensor);
    }
    if data.hasattr("__array__")? {
        let array = data.call_method0("__array__")?;
        if let Some(tensor) = from_buffer("tensor", &array, false)? {
            return Ok(tensor);
        }
    }
    if data.hasattr("__len__")? && data.hasattr("__getitem__")? && !data.hasattr("keys")? {
        let list = PyList::empty(data.py());
        for item in data.try_iter()? {
            list.append(item?)?;
        }
        return from_nested(list.as_any(), dtype);
    }
    Err(DTypeError::new_err(format!(
        "tensor: cannot make a tensor of {}; expected numbers, nested lists of numbers, or an array",
        data.get_type().name()?
    )))
}

/// What `Tensor(...)` makes: of sizes, of a sequence of numbers, or another handle to a tensor's memory.
pub fn constructed(args: &Bound<'_, PyTuple>) -> PyResult<Tensor> {
    let is_size = |arg: &Bound<'_, PyAny>| arg.is_instance_of::<PyInt>() && !arg.is_instance_of::<PyBool>();
    if args.iter().all(|arg| is_size(&arg)) {
        let shape = if args.is_empty() { Dims::from_slice(&[0]) } else { shape("Tensor", args, None)? };
        return guarded(|| creation::zeros(&shape, DType::default_float()));
    }
    let only = || PyTypeError::new_err("Tensor: expected sizes, one sequence of numbers, or a tensor");
    let data = if args.len() == 1 { args.get_item(0)? } else { return Err(only()) };
    if let Ok(sizes) = data.cast::<PyTuple>()
        && !sizes.is_empty()
        && sizes.iter().all(|item| is_size(&item))
    {
        let what = format!("Tensor: is {sizes} a shape or values? Give *shape, or a list of values");
        return Err(PyTypeError::new_err(what));
    }
    if let Ok(tensor) = data.cast::<PyTensor>() {
        return Ok(tensor.get().get().detach());
    }
    if data.len().is_err() {
        return Err(only());
    }
    let dtype = DType::default_float();
    let found = from_data(&data, Some(dtype))?;
    guarded(|| ops::cast(&found, dtype))
}

/// The dtype of a number that has one: numpy's scalars keep theirs, Python's have none.
fn own_dtype(number: &Bound<'_, PyAny>) -> Option<DType> {
    let plain = number.is_exact_instance_of::<PyFloat>() || number.is_exact_instance_of::<PyInt>();
    let dtype = if plain { None } else { number.getattr("dtype").ok() };
    dtype.and_then(|dtype| dtype.extract::<DTypeArg>().ok()).map(|dtype| dtype.0)
}

/// The numbers of nested lists, in order, with the highest kind among them.
#[derive(Default)]
struct Nested {
    shape: Dims,
    values: Vec<Scalar>,
    /// dtype of the tensors and of numpy's scalars among the numbers, and how many there are.
    dtype: Option<DType>,
    typed: usize,
}

fn from_nested(data: &Bound<'_, PyAny>, dtype: Option<DType>) -> PyResult<Tensor> {
    let mut found = Nested::default();
    let mut first = data.clone();
    // The shape is that of the first entries; every other entry must agree.
    while first.is_instance_of::<PyList>() || first.is_instance_of::<PyTuple>() {
        if found.shape.len() == MAX_RANK {
            return Err(PyValueError::new_err(format!("tensor: lists nested deeper than {MAX_RANK} levels")));
        }
        let len = entries(&first).unwrap_or(0);
        found.shape.push(len);
        if len == 0 {
            break;
        }
        first = first.get_item(0)?;
    }
    let array_like = first.hasattr("__array__")?
        && !first
            .hasattr("dtype")
            .is_ok_and(|has| has && first.getattr("shape").and_then(|s| s.len()).is_ok_and(|n| n == 0));
    if found.values.is_empty() && array_like && !found.shape.contains(&0) {
        return stack_arrays(data, 0);
    }
    found.collect(data, 0)?;
    found.finish(dtype)
}

/// How many entries a list or tuple holds, whatever a class made of it says.
fn entries(data: &Bound<'_, PyAny>) -> Option<usize> {
    let list = data.cast::<PyList>().map(PyListMethods::len);
    list.or_else(|_| data.cast::<PyTuple>().map(PyTupleMethods::len)).ok()
}

/// Lists of arrays or tensors with dimensions: joined along new leading ones.
fn stack_arrays(data: &Bound<'_, PyAny>, depth: usize) -> PyResult<Tensor> {
    if depth > MAX_RANK {
        return Err(PyValueError::new_err(format!("tensor: lists nested deeper than {MAX_RANK} levels")));
    }
    if data.is_instance_of::<PyList>() || data.is_instance_of::<PyTuple>() {
        let parts = data.try_iter()?.map(|item| stack_arrays(&item?, depth + 1)).collect::<PyResult<Vec<_>>>()?;
        return guarded(|| ops::stack(&parts.iter().collect::<Vec<_>>(), 0));
    }
    from_data(data, None)
}

impl Nested {
    fn collect(&mut self, data: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
        let list = data.is_instance_of::<PyList>() || data.is_instance_of::<PyTuple>();
        if depth == self.shape.len() && !list {
            if let Ok(tensor) = data.cast::<PyTensor>() {
                let tensor = tensor.get().get();
                self.meets(tensor.dtype())?;
                self.values.push(tensor.array().item().map_err(to_py)?);
                return Ok(());
            }
            if let Some(value) = scalar(data)? {
                if let Some(dtype) = own_dtype(data) {
                    self.meets(dtype)?;
                }
                self.values.push(value);
                return Ok(());
            }
            return Err(DTypeError::new_err(format!(
                "tensor: expected numbers in the list, found {}",
                data.get_type().name()?
            )));
        }
        let want = self.shape.get(depth).copied();
        // An array or a tensor among lists gives its elements.
        let have = if list || !data.hasattr("__array__")? { entries(data) } else { data.len().ok() };
        if want != have {
            let show = |n: Option<usize>| n.map_or_else(|| "a number".to_owned(), |n| format!("a list of {n}"));
            return Err(PyValueError::new_err(format!(
                "tensor: the nested lists are ragged: at depth {depth} expected {}, found {}",
                show(want),
                show(have)
            )));
        }
        let mut given = 0;
        for item in data.try_iter()? {
            self.collect(&item?, depth + 1)?;
            given += 1;
        }
        if have != Some(given) {
            let what = format!("tensor: a list of {} gives {given} entries", have.unwrap_or(0));
            return Err(PyValueError::new_err(what));
        }
        Ok(())
    }

    fn meets(&mut self, dtype: DType) -> PyResult<()> {
        let common = self.dtype.map_or(Ok(dtype), |found| found.promote("tensor", dtype));
        (self.dtype, self.typed) = (Some(common.map_err(to_py)?), self.typed + 1);
        Ok(())
    }

    fn finish(self, asked: Option<DType>) -> PyResult<Tensor> {
        let large = self.values.iter().any(|value| value.default_dtype() == DType::U64);
        let kinds = self.values.iter().map(|value| match value {
            Scalar::Int(0..) if large => DType::U64,
            other => other.default_dtype(),
        });
        // Where every number has a dtype, that of Python's numbers plays no part.
        let untyped = self.typed < self.values.len();
        let kinds = kinds.filter(|_| untyped).chain(self.dtype);
        let dtype = kinds.map(Ok).reduce(|one, other| one?.promote("tensor", other?));
        let dtype = dtype.unwrap_or_else(|| Ok(DType::default_float())).map_err(to_py)?;
        let (values, shape) = (&self.values, &self.shape);
        #[allow(clippy::cast_possible_truncation, reason = "to the bits of int64 or uint64; no float is in the list")]
        let int = |value: &Scalar| match *value {
            Scalar::Bool(value) => i64::from(value),
            Scalar::Int(value) => value as i64,
            Scalar::Float(value) => value as i64,
        };
        guarded(|| {
            if let Some(asked) = asked {
                values.iter().try_for_each(|&value| asked.check("tensor", value))?;
            }
            if dtype.is_float() {
                let wide = Array::build("tensor", shape, |out: &mut [f64]| {
                    out.iter_mut().zip(values).for_each(|(place, value)| *place = value.to_f64());
                    Ok(())
                })?;
                return Ok(wide.cast("tensor", asked.unwrap_or(dtype))?.into());
            }
            let wide = if dtype == DType::U64 { dtype } else { DType::I64 };
            let wide = Array::build_as("tensor", wide, shape, |out: &mut [i64]| {
                out.iter_mut().zip(values).for_each(|(place, value)| *place = int(value));
                Ok(())
            })?;
            Ok(wide.cast("tensor", asked.unwrap_or(dtype))?.into())
        })
    }
}

/// A new tensor with a copy of ``data``: a number, nested lists of numbers, an array or a tensor.
///
/// Without ``dtype``: float32 for Python floats, int64 for ints, bool for bools, and the dtype of an array. Raises
/// ValueError for ragged lists and DTypeError for what is not numbers.
///
/// >>> dlcore.tensor([[1, 2], [3, 4]], dtype=dlcore.float32)
/// tensor([[1., 2.],
///         [3., 4.]])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (data, *, dtype = None, device = None, requires_grad = false))]
fn tensor(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
) -> Out {
    on_cpu(device)?;
    let dtype = dtype.map(|dtype| dtype.0);
    let found = from_data(data, dtype)?;
    let dtype = dtype.unwrap_or(found.dtype());
    let own = enter(py, found.numel(), || {
        if dtype == found.dtype() { Ok(Tensor::from(found.array().copy("tensor")?)) } else { ops::cast(&found, dtype) }
    })?;
    finish(own, requires_grad)
}

/// As ``tensor``, but sharing the memory of an array where the dtype allows it; a tensor that is of the dtype is returned
/// itself.
///
/// >>> dlcore.as_tensor([1.0, 2.0])
/// tensor([1., 2.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (data, dtype = None, device = None))]
fn as_tensor<'py>(data: &Bound<'py, PyAny>, dtype: Option<DTypeArg>, device: Option<DeviceArg>) -> Made<'py> {
    on_cpu(device)?;
    let dtype = dtype.map(|dtype| dtype.0);
    let found = if let Ok(handle) = data.cast::<PyTensor>() {
        let tensor = handle.get().get();
        if dtype.is_none_or(|dtype| dtype == tensor.dtype()) {
            return Ok(handle.clone());
        }
        tensor
    } else if lone_number(data)?.is_some() {
        from_data(data, dtype)?
    } else {
        let shared = from_buffer("as_tensor", data, true)?;
        shared.map_or_else(|| from_data(data, dtype), Ok)?
    };
    Bound::new(data.py(), PyTensor::from(guarded(|| ops::cast(&found, dtype.unwrap_or(found.dtype())))?))
}

macro_rules! filled {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $like:ident, $like_doc:literal, $value:expr;)*) => { $(
        $(#[$doc])*
        #[pyfunction(crate = "crate::exchange::keywords")]
        #[pyo3(
            signature = (*args, size = None, dtype = None, device = None, requires_grad = false, out = None),
            text_signature = "(*size, dtype=None, device=None, requires_grad=False, out=None)"
        )]
        fn $name<'py>(
            py: Python<'py>, args: &Bound<'py, PyTuple>, size: Option<Ints>, dtype: Option<DTypeArg>,
            device: Option<DeviceArg>, requires_grad: bool, out: out::Out<'py>,
        ) -> Made<'py> {
            let shape = shape($text, args, size)?;
            made(py, $text, Asked { dtype, device, requires_grad, out }, |dtype| {
                enter(py, elements(&shape), || Ok(Array::full($text, &shape, $value, float_or(dtype))?.into()))
            })
        }

        like!($like, stringify!($like), $like_doc, $value);
    )* };
}

macro_rules! like {
    ($like:ident, $text:expr, $doc:literal, $value:expr) => {
        #[doc = $doc]
        #[pyfunction(crate = "crate::exchange::keywords")]
        #[pyo3(signature = (input, *, dtype = None, device = None, requires_grad = false, memory_format = None))]
        fn $like<'py>(
            py: Python<'py>,
            input: Arg,
            dtype: Option<DTypeArg>,
            device: Option<DeviceArg>,
            requires_grad: bool,
            memory_format: Option<MemoryFormat>,
        ) -> Made<'py> {
            like(py, $text, input.0, Asked { dtype, device, requires_grad, out: None }, memory_format, |x, dtype| {
                enter(py, x.numel(), || Ok(Array::full($text, x.shape(), $value, dtype)?.into()))
            })
        }
    };
}

filled! {
    /// A tensor of zeros; float32 unless ``dtype`` is given.
    ///
    /// >>> dlcore.zeros(2, 2)
    /// tensor([[0., 0.],
    ///         [0., 0.]])
    zeros, "zeros", zeros_like,
        "Zeros in the shape and dtype of ``input``.\n\n>>> dlcore.zeros_like(dlcore.tensor([1, 2]))\ntensor([0, 0])", Scalar::Int(0);
    /// A tensor of ones; float32 unless ``dtype`` is given.
    ///
    /// >>> dlcore.ones(3)
    /// tensor([1., 1., 1.])
    ones, "ones", ones_like,
        "Ones in the shape and dtype of ``input``.\n\n>>> dlcore.ones_like(dlcore.tensor([1.5, 2.5]))\ntensor([1., 1.])", Scalar::Int(1);
}

like!(
    empty_like,
    "empty_like",
    "A tensor to be filled, in the shape and dtype of ``input``.\n\n>>> dlcore.empty_like(dlcore.zeros(2)).shape\n(2,)",
    Scalar::Int(0)
);

/// A tensor to be filled. dlcore fills it with zeros: what a program prints must not depend on old memory.
///
/// >>> dlcore.empty(2, 3).shape
/// (2, 3)
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(
    signature = (
        *args, size = None, dtype = None, device = None, requires_grad = false, memory_format = None, out = None
    ),
    text_signature = "(*size, dtype=None, device=None, requires_grad=False, memory_format=None, out=None)"
)]
fn empty<'py>(
    py: Python<'py>,
    args: &Bound<'py, PyTuple>,
    size: Option<Ints>,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
    memory_format: Option<MemoryFormat>,
    out: out::Out<'py>,
) -> Made<'py> {
    let shape = shape("empty", args, size)?;
    if out.is_some() && memory_format.is_some() {
        return Err(to_py(Error::value("empty", "out lies as it does; leave memory_format out")));
    }
    made(py, "empty", Asked { dtype, device, requires_grad, out }, |dtype| {
        enter(py, elements(&shape), || {
            let made = Array::zeros("empty", &shape, float_or(dtype))?.into();
            brought(memory_format, "empty", &Layout::contiguous(&shape), made)
        })
    })
}

/// A tensor of ``size`` with every element ``fill_value``, in the value's dtype unless ``dtype`` is given.
///
/// >>> dlcore.full((2,), 1.5)
/// tensor([1.5000, 1.5000])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (size, fill_value, *, dtype = None, device = None, requires_grad = false, out = None))]
fn full<'py>(
    py: Python<'py>,
    size: Ints,
    fill_value: Number,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
    out: out::Out<'py>,
) -> Made<'py> {
    let shape = size.sizes("full")?;
    made(py, "full", Asked { dtype, device, requires_grad, out }, |dtype| {
        enter(py, elements(&shape), || creation::full(&shape, fill_value.0, dtype))
    })
}

/// Every element ``fill_value``, in the shape and dtype of ``input``.
///
/// >>> dlcore.full_like(dlcore.zeros(2), 3)
/// tensor([3., 3.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (input, fill_value, *, dtype = None, device = None, requires_grad = false, memory_format = None))]
fn full_like<'py>(
    py: Python<'py>,
    input: Arg,
    fill_value: Number,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
    memory_format: Option<MemoryFormat>,
) -> Made<'py> {
    like(py, "full_like", input.0, Asked { dtype, device, requires_grad, out: None }, memory_format, |x, dtype| {
        enter(py, x.numel(), || creation::full(x.shape(), fill_value.0, Some(dtype)))
    })
}

/// ``start``, ``start + step``, ... below ``end``; int64 if all are ints, float32 otherwise.
///
/// >>> dlcore.arange(3)
/// tensor([0, 1, 2])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (start = None, end = None, step = None, *, dtype = None, device = None, requires_grad = false, out = None))]
fn arange<'py>(
    py: Python<'py>,
    start: Option<Number>,
    end: Option<Number>,
    step: Option<Number>,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
    out: out::Out<'py>,
) -> Made<'py> {
    // arange(end) and arange(start, end): the second argument decides.
    let (start, end) = match (start, end) {
        (Some(start), Some(end)) => (start.0, end.0),
        (None, Some(end)) | (Some(end), None) => (Scalar::Int(0), end.0),
        (None, None) => return Err(PyTypeError::new_err("arange() missing 1 required argument: 'end'")),
    };
    let step = step.map_or(Scalar::Int(1), |step| step.0);
    made(py, "arange", Asked { dtype, device, requires_grad, out }, |dtype| {
        enter(py, usize::MAX, || creation::arange(start, end, step, dtype))
    })
}

/// ``steps`` equally spaced numbers from ``start`` to ``end``, both included.
///
/// >>> dlcore.linspace(0, 1, 5)
/// tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (start, end, steps, *, dtype = None, device = None, requires_grad = false, out = None))]
fn linspace<'py>(
    py: Python<'py>,
    start: Number,
    end: Number,
    steps: isize,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
    out: out::Out<'py>,
) -> Made<'py> {
    let steps = count("linspace", "steps", steps)?;
    let (start, end) = (start.0.to_f64(), end.0.to_f64());
    made(py, "linspace", Asked { dtype, device, requires_grad, out }, |dtype| {
        guarded(|| creation::linspace(start, end, steps, float_or(dtype)))
    })
}

/// ``base`` to the powers of ``steps`` equally spaced numbers from ``start`` to ``end``, both included.
///
/// >>> dlcore.logspace(0, 2, 3)
/// tensor([  1.,  10., 100.])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (
    start, end, steps, base = 10.0, *, dtype = None, device = None, requires_grad = false, out = None
))]
fn logspace<'py>(
    py: Python<'py>,
    start: Number,
    end: Number,
    steps: isize,
    base: f64,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
    out: out::Out<'py>,
) -> Made<'py> {
    let steps = count("logspace", "steps", steps)?;
    let (start, end) = (start.0.to_f64(), end.0.to_f64());
    made(py, "logspace", Asked { dtype, device, requires_grad, out }, |dtype| {
        guarded(|| creation::logspace(start, end, steps, base, float_or(dtype)))
    })
}

/// The ``n`` by ``m`` matrix with ones on the diagonal; ``m`` is ``n`` where it is missing.
///
/// >>> dlcore.eye(2)
/// tensor([[1., 0.],
///         [0., 1.]])
#[pyfunction(crate = "crate::exchange::keywords")]
#[pyo3(signature = (n, m = None, *, dtype = None, device = None, requires_grad = false, out = None))]
fn eye<'py>(
    py: Python<'py>,
    n: isize,
    m: Option<isize>,
    dtype: Option<DTypeArg>,
    device: Option<DeviceArg>,
    requires_grad: bool,
    out: out::Out<'py>,
) -> Made<'py> {
    let (n, m) = (count("eye", "n", n)?, m.map(|m| count("eye", "m", m)).transpose()?);
    made(py, "eye", Asked { dtype, device, requires_grad, out }, |dtype| {
        guarded(|| creation::eye(n, m.unwrap_or(n), float_or(dtype)))
    })
}

/// Registers the class and the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    macro_rules! add {
        ($($name:ident)*) => { $(module.add_function(wrap_pyfunction!($name, module)?)?;)* };
    }
    add!(tensor as_tensor zeros zeros_like ones ones_like empty empty_like full full_like arange linspace logspace eye);
    Ok(())
}
