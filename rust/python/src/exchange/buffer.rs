//! The buffer protocol, both ways: numpy, `memoryview`, `array.array`.

use super::Window;
use crate::convert::DTypeArg;
use crate::enter::{GradientError, to_py};
use crate::tensor::PyTensor;
use dlcore_core::layout::{Dims, MAX_RANK, Strides};
use dlcore_core::storage::Storage;
use dlcore_core::{Array, DType, Error, Layout, Tensor};
use dlcore_kernels::memory::Buffer;
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{CStr, c_int, c_long};
use std::ptr;

/// What an exported `Py_buffer` points to; freed when the consumer releases it.
struct Exported {
    _keep: Tensor,
    shape: Vec<ffi::Py_ssize_t>,
    strides: Vec<ffi::Py_ssize_t>,
}

/// What the protocol calls a dtype; it has no name for bfloat16.
fn format_of(dtype: DType) -> Option<&'static CStr> {
    Some(match dtype {
        DType::Bool => c"?",
        DType::U8 => c"B",
        DType::U16 => c"H",
        DType::U32 => c"I",
        DType::I8 => c"b",
        DType::I16 => c"h",
        DType::I32 => c"i",
        // As numpy calls them where a long has as many bytes: by another letter it is another dtype in a repr.
        DType::I64 if size_of::<c_long>() == 8 => c"l",
        DType::U64 if size_of::<c_long>() == 8 => c"L",
        DType::I64 => c"q",
        DType::U64 => c"Q",
        DType::F16 => c"e",
        DType::BF16 => return None,
        DType::F32 => c"f",
        DType::F64 => c"d",
    })
}

#[pymethods]
impl PyTensor {
    /// # Safety
    /// Called by the interpreter with a valid `view`.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("no Py_buffer to fill"));
        }
        // SAFETY: not null; the interpreter passes a writable Py_buffer.
        unsafe { (*view).obj = ptr::null_mut() };
        let tensor = slf.get().get();
        if tensor.requires_grad() {
            return Err(PyBufferError::new_err(
                "a tensor that requires a gradient does not lend its memory; detach() it",
            ));
        }
        let array = tensor.array();
        let Some(format) = format_of(array.dtype()) else {
            return Err(PyBufferError::new_err(
                "the buffer protocol has no bfloat16; convert the tensor with .float()",
            ));
        };
        let layout = array.layout();
        let read_only = array.storage().is_read_only();
        if read_only && flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
            return Err(PyBufferError::new_err("the tensor's memory is read-only"));
        }
        let asks = |flag: c_int| flags & flag == flag;
        let reversed = layout.permute(&(0..layout.rank()).rev().collect::<Vec<_>>());
        let (by_rows, by_columns) = (layout.is_contiguous(), reversed.is_contiguous());
        if (asks(ffi::PyBUF_C_CONTIGUOUS) && !by_rows)
            || (asks(ffi::PyBUF_F_CONTIGUOUS) && !by_columns)
            || (asks(ffi::PyBUF_ANY_CONTIGUOUS) && !by_rows && !by_columns)
        {
            return Err(PyBufferError::new_err("the tensor is not contiguous as the consumer asks; use contiguous()"));
        }
        let wants_strides = flags & ffi::PyBUF_STRIDES == ffi::PyBUF_STRIDES;
        if !layout.is_contiguous() && !wants_strides {
            return Err(PyBufferError::new_err("the tensor is not contiguous; use contiguous()"));
        }
        let size = array.dtype().size();
        let bytes = |n: usize| ffi::Py_ssize_t::try_from(n).unwrap_or(ffi::Py_ssize_t::MAX);
        let exported = Box::new(Exported {
            shape: layout.shape.iter().map(|&n| bytes(n)).collect(),
            strides: layout.strides.iter().map(|&n| n * size.cast_signed()).collect(),
            _keep: tensor.clone(),
        });
        // SAFETY: `view` is valid; the pointers stay alive in `internal` until the release, the memory in `_keep`.
        unsafe {
            (*view).buf = array.storage().buffer().as_ptr().add(layout.offset * size).cast();
            (*view).len = bytes(array.numel() * size);
            (*view).itemsize = bytes(size);
            (*view).readonly = c_int::from(read_only);
            (*view).ndim = c_int::try_from(array.rank()).unwrap_or(0);
            (*view).format = if flags & ffi::PyBUF_FORMAT == ffi::PyBUF_FORMAT {
                format.as_ptr().cast_mut()
            } else {
                ptr::null_mut()
            };
            (*view).shape = if flags & ffi::PyBUF_ND == ffi::PyBUF_ND {
                exported.shape.as_ptr().cast_mut()
            } else {
                ptr::null_mut()
            };
            (*view).strides = if wants_strides { exported.strides.as_ptr().cast_mut() } else { ptr::null_mut() };
            (*view).suboffsets = ptr::null_mut();
            (*view).internal = Box::into_raw(exported).cast();
            (*view).obj = slf.into_ptr();
        }
        Ok(())
    }

    /// # Safety
    /// Called by the interpreter with a view that `__getbuffer__` filled.
    #[allow(clippy::unused_self, reason = "the protocol's signature")]
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: `internal` came from `Box::into_raw` in `__getbuffer__`, and a view is released once.
        unsafe { drop(Box::from_raw((*view).internal.cast::<Exported>())) };
    }

    /// The tensor as a numpy array over the same memory.
    ///
    /// Raises GradientError for a tensor that requires a gradient: writes to the array would go unseen; DTypeError for
    /// bfloat16, which numpy lacks.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([1.0, 2.0]).numpy()
    /// array([1., 2.], dtype=float32)
    #[pyo3(signature = (*, force = false))]
    pub fn numpy<'py>(slf: &Bound<'py, Self>, force: bool) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let tensor = slf.get().get();
        if tensor.requires_grad() && !force {
            return Err(GradientError::new_err(
                "numpy: a tensor that requires a gradient does not lend its memory; use detach().numpy()",
            ));
        }
        if format_of(tensor.dtype()).is_none() {
            return Err(to_py(Error::dtype("numpy", "numpy has no bfloat16; convert the tensor with .float() first")));
        }
        py.import("numpy")?.call_method1("asarray", (PyTensor::from(tensor.detach()),))
    }

    /// What numpy's functions computed with a tensor is a tensor again.
    #[pyo3(signature = (array, context = None, return_scalar = false))]
    #[allow(clippy::unused_self, reason = "the protocol's signature")]
    fn __array_wrap__<'py>(
        &self,
        array: Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
        return_scalar: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = (context, return_scalar);
        Ok(match from_buffer("__array_wrap__", &array, true) {
            Ok(Some(tensor)) => Bound::new(array.py(), PyTensor::from(tensor))?.into_any(),
            // Of a dtype that no tensor has.
            _ => array,
        })
    }

    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let array = Self::numpy(slf, false)?;
        let same = dtype.is_none_or(|dtype| array.getattr("dtype").and_then(|own| own.eq(dtype)).unwrap_or(false));
        if !same && copy == Some(false) {
            return Err(PyValueError::new_err("a conversion of dtype needs a copy, which copy=False forbids"));
        }
        if same && copy != Some(true) {
            return Ok(array);
        }
        py.import("numpy")?.call_method1("array", (array, dtype))
    }
}

/// A tensor over the memory of an object with the buffer protocol (a numpy array, `array.array`, `memoryview`).
/// `None` for an object without it.
pub fn from_buffer<'py>(op: &str, object: &Bound<'py, PyAny>, writable: bool) -> PyResult<Option<Tensor>> {
    let py = object.py();
    // SAFETY: `object` is a live object.
    if unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) } == 0 {
        return Ok(None);
    }
    let mut view = Box::new(ffi::Py_buffer::new());
    let flags = ffi::PyBUF_FORMAT | ffi::PyBUF_STRIDES;
    // Asked for writing first, so that in-place operations reach the owner; an owner that refuses lends to read only.
    // SAFETY: `view` is a valid Py_buffer to fill.
    let mut status = unsafe {
        ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags | if writable { ffi::PyBUF_WRITABLE } else { 0 })
    };
    let read_only = status != 0 || !writable;
    if status != 0 {
        let _ = PyErr::take(py);
        // SAFETY: as above.
        status = unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) };
    }
    if status != 0 {
        let refusal = PyErr::fetch(py);
        return Err(match object.getattr("dtype") {
            Ok(dtype) if refusal.is_instance_of::<PyValueError>(py) => {
                to_py(Error::dtype(op, format_args!("got an array of {dtype}, which dlcore has no dtype for")))
            }
            _ => refusal,
        });
    }
    let lent = Lent(view);
    // Scalars of numpy's dates and texts lend their bytes, as bytes.
    // SAFETY: a format is a string of C's, or null.
    let is_bytes = lent.0.format.is_null() || unsafe { CStr::from_ptr(lent.0.format) } == c"B";
    if is_bytes && let Ok(dtype) = object.getattr("dtype") {
        let kind = dtype.getattr("kind").and_then(|kind| kind.extract::<String>());
        if kind.is_ok_and(|kind| ["m", "M", "S", "U"].contains(&&*kind)) {
            return Err(to_py(Error::dtype(op, format_args!("got {dtype}, which dlcore has no dtype for"))));
        }
    }
    let read_only = read_only || lent.0.readonly != 0;
    lent.tensor(op, read_only).map(Some)
}

/// A buffer lent by its owner; released, under the interpreter lock, when dropped.
struct Lent(Box<ffi::Py_buffer>);

// SAFETY: the view is only read, and released under the interpreter lock.
unsafe impl Send for Lent {}
// SAFETY: as above.
unsafe impl Sync for Lent {}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: the view was filled by PyObject_GetBuffer and is released once.
        Python::try_attach(|_| unsafe { ffi::PyBuffer_Release(&raw mut *self.0) });
    }
}

impl Lent {
    fn tensor(self, op: &str, read_only: bool) -> PyResult<Tensor> {
        let view = &self.0;
        let rank = usize::try_from(view.ndim).unwrap_or(0);
        if rank > MAX_RANK {
            return Err(PyValueError::new_err(format!("{op}: {rank} dimensions; at most {MAX_RANK} are supported")));
        }
        let itemsize = usize::try_from(view.itemsize).unwrap_or(0).max(1);
        let dtype = self.dtype(op, itemsize)?;
        // SAFETY: the owner filled `shape` and `strides` with `ndim` entries each, as the flags asked.
        let (shape, byte_strides) = unsafe { (entries(view.shape, rank), entries(view.strides, rank)) };
        let bad = |_| PyValueError::new_err(format!("{op}: shape {shape:?} has a negative extent"));
        let shape: Dims = shape.iter().map(|&n| usize::try_from(n).map_err(bad)).collect::<PyResult<_>>()?;
        let whole = byte_strides.iter().all(|&stride| stride % itemsize.cast_signed() == 0);
        if !whole || !(view.buf as usize).is_multiple_of(itemsize) {
            return Err(PyValueError::new_err(format!(
                "{op}: the memory is not aligned to its elements; copy it first"
            )));
        }
        // An owner may leave out the strides of what lies row after row, though it was asked for them.
        let strides: Strides = if view.strides.is_null() {
            Layout::contiguous(&shape).strides
        } else {
            byte_strides.iter().map(|&stride| stride / itemsize.cast_signed()).collect()
        };
        let window = Window::of(op, &shape, &strides, itemsize)?;
        // SAFETY: the owner vouches for every element that the layout reaches; `low` is the lowest of them.
        let start = unsafe { view.buf.cast::<u8>().offset(window.low * itemsize.cast_signed()) };
        // SAFETY: `self`, the lent buffer, keeps the memory alive until the storage drops it; writes are refused by
        // the storage where the owner refused them.
        let buffer = unsafe { Buffer::foreign(start, window.len * itemsize, Box::new(self)) };
        let layout = Layout { shape, strides, offset: window.low.unsigned_abs() };
        Ok(Array::from_storage(Storage::new(buffer, read_only), dtype, layout).into())
    }

    fn dtype(&self, op: &str, itemsize: usize) -> PyResult<DType> {
        let format = if self.0.format.is_null() {
            "B"
        } else {
            // SAFETY: a NUL-terminated string that lives as long as the view.
            unsafe { CStr::from_ptr(self.0.format) }.to_str().unwrap_or("?unreadable")
        };
        let native = if cfg!(target_endian = "little") { ['@', '=', '<'] } else { ['@', '=', '>'] };
        let code = format.strip_prefix(native).unwrap_or(format);
        let found = match (code, itemsize) {
            ("?", 1) => Some(DType::Bool),
            ("B", 1) => Some(DType::U8),
            ("H", 2) => Some(DType::U16),
            ("I" | "L", 4) => Some(DType::U32),
            ("Q" | "L", 8) => Some(DType::U64),
            ("b", 1) => Some(DType::I8),
            ("h", 2) => Some(DType::I16),
            ("i" | "l", 4) => Some(DType::I32),
            ("q" | "l", 8) => Some(DType::I64),
            ("e", 2) => Some(DType::F16),
            ("f", 4) => Some(DType::F32),
            ("d", 8) => Some(DType::F64),
            _ => None,
        };
        found.ok_or_else(|| {
            let what = match code {
                "O" => "an object array; convert its elements to one number type first",
                "g" => "long double; convert it with .astype('float64')",
                _ if code.starts_with('Z') => "complex numbers; take their .real and .imag",
                _ if code.starts_with('T') => "a structured array; take one of its fields",
                _ if code.ends_with('s') || code.ends_with('w') => "an array of strings; map them to numbers first",
                _ if code.starts_with(['<', '>', '!']) => {
                    "elements in the other byte order; convert with .astype(array.dtype.newbyteorder('='))"
                }
                _ => &format!("elements of format {format:?} ({itemsize} bytes), which dlcore has no dtype for"),
            };
            to_py(Error::dtype(op, format_args!("got {what}")))
        })
    }
}

/// # Safety
/// `start` is null or points to `len` values.
unsafe fn entries<'a>(start: *const ffi::Py_ssize_t, len: usize) -> &'a [ffi::Py_ssize_t] {
    if len == 0 || start.is_null() {
        return &[];
    }
    // SAFETY: not null, `len` values by contract.
    unsafe { std::slice::from_raw_parts(start, len) }
}

/// A tensor over the memory of a numpy array: no copy, and writes through either are seen by both.
///
/// A read-only array gives a tensor that refuses in-place writes. Raises DTypeError for dtypes that dlcore lacks.
///
/// >>> import numpy as np
/// >>> dlcore.from_numpy(np.arange(3.0))
/// tensor([0., 1., 2.], dtype=dlcore.float64)
#[pyfunction]
fn from_numpy(ndarray: &Bound<'_, PyAny>) -> PyResult<PyTensor> {
    match from_buffer("from_numpy", ndarray, true)? {
        Some(tensor) => Ok(tensor.into()),
        None => {
            Err(PyTypeError::new_err(format!("from_numpy: expected a numpy array, got {}", ndarray.get_type().name()?)))
        }
    }
}

/// A 1-d tensor over the memory of any object with the buffer protocol.
///
/// ``count`` elements of ``dtype`` are read after ``offset`` bytes; -1 stands for all.
///
/// >>> dlcore.frombuffer(bytearray(b"\x01\x02"), dtype=dlcore.uint8)
/// tensor([1, 2], dtype=dlcore.uint8)
#[pyfunction]
#[pyo3(
    signature = (buffer, *, dtype, count = -1, offset = 0, requires_grad = false),
    text_signature = "(buffer, *, dtype, count=-1, offset=0, requires_grad=False)"
)]
fn frombuffer(
    buffer: &Bound<'_, PyAny>,
    dtype: DTypeArg,
    count: isize,
    offset: usize,
    requires_grad: bool,
) -> PyResult<PyTensor> {
    let op = "frombuffer";
    let bytes =
        buffer.py().import("builtins")?.getattr("memoryview")?.call1((buffer,))?.call_method1("cast", ("B",))?;
    let tensor = from_buffer(op, &bytes, true)?.ok_or_else(|| PyTypeError::new_err("frombuffer: no buffer"))?;
    let (array, size) = (tensor.array(), dtype.0.size());
    let available = array.numel().checked_sub(offset).ok_or_else(|| {
        PyValueError::new_err(format!(
            "frombuffer: offset {offset} is beyond the {} bytes of the buffer",
            array.numel()
        ))
    })?;
    let count = match usize::try_from(count) {
        Ok(count) => count,
        Err(_) if available % size == 0 => available / size,
        Err(_) => {
            return Err(PyValueError::new_err(format!(
                "frombuffer: {available} bytes are no whole number of {} elements",
                dtype.0
            )));
        }
    };
    if count.checked_mul(size).is_none_or(|bytes| bytes > available) {
        return Err(PyValueError::new_err(format!(
            "frombuffer: {count} elements of {} do not fit into {available} bytes",
            dtype.0
        )));
    }
    let start = array.storage().buffer().as_ptr() as usize + array.layout().offset + offset;
    if !start.is_multiple_of(size) {
        return Err(PyValueError::new_err(format!("frombuffer: offset {offset} is not aligned to {}", dtype.0)));
    }
    let read_only = array.storage().is_read_only();
    // SAFETY: `start` lies inside the storage's memory, `count * size` bytes fit, and the array keeps the storage alive.
    let memory = unsafe { Buffer::foreign(start as *mut u8, count * size, Box::new(array.clone())) };
    let layout = Layout::contiguous(&[count]);
    let tensor = Tensor::from(Array::from_storage(Storage::new(memory, read_only), dtype.0, layout));
    crate::creation::finish(tensor, requires_grad)
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(from_numpy, module)?)?;
    module.add_function(wrap_pyfunction!(frombuffer, module)?)
}
