//! DLPack, both ways: torch, JAX, CuPy, numpy. The structures are those of dlpack.h, version 1.1
//! (<https://dmlc.github.io/dlpack/latest/c_api.html>); the Python side is the array API standard's.

use super::Window;
use crate::device::DeviceArg;
use crate::enter::{enter, to_py};
use crate::tensor::PyTensor;
use dlcore_core::layout::{Dims, MAX_RANK, Strides, contiguous_strides, numel};
use dlcore_core::storage::Storage;
use dlcore_core::{Array, DType, Error, Layout, Tensor, ops};
use dlcore_kernels::memory::Buffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::ffi::{CStr, c_void};
use std::ptr;

#[repr(C)]
#[derive(Clone, Copy)]
struct DLDevice {
    device_type: i32,
    device_id: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct DLDataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

#[repr(C)]
struct DLTensor {
    data: *mut c_void,
    device: DLDevice,
    ndim: i32,
    dtype: DLDataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct DLManagedTensor {
    dl_tensor: DLTensor,
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
}

#[repr(C)]
struct DLPackVersion {
    major: u32,
    minor: u32,
}

#[repr(C)]
struct DLManagedTensorVersioned {
    version: DLPackVersion,
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
    flags: u64,
    dl_tensor: DLTensor,
}

const CPU: i32 = 1;
const FLAG_READ_ONLY: u64 = 1;
const FLAG_COPIED: u64 = 2;
const INT: u8 = 0;
const UINT: u8 = 1;
const FLOAT: u8 = 2;
const BFLOAT: u8 = 4;
const BOOL: u8 = 6;

const LEGACY: &CStr = c"dltensor";
const LEGACY_USED: &CStr = c"used_dltensor";
const VERSIONED: &CStr = c"dltensor_versioned";
const VERSIONED_USED: &CStr = c"used_dltensor_versioned";

fn type_of(dtype: DType) -> DLDataType {
    let code = match dtype {
        DType::Bool => BOOL,
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => UINT,
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => INT,
        DType::BF16 => BFLOAT,
        DType::F16 | DType::F32 | DType::F64 => FLOAT,
    };
    DLDataType {
        code,
        bits: match dtype.size() {
            8 => 64,
            4 => 32,
            2 => 16,
            _ => 8,
        },
        lanes: 1,
    }
}

/// What an exported structure holds: the tensor, and the arrays that it points to.
struct Held {
    tensor: Tensor,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

impl Held {
    fn new(tensor: Tensor) -> Self {
        let widen = |n: isize| i64::try_from(n).unwrap_or(i64::MAX);
        let layout = tensor.array().layout();
        let shape = layout.shape.iter().map(|&n| widen(n.cast_signed())).collect();
        let strides = layout.strides.iter().map(|&n| widen(n)).collect();
        Self { tensor, shape, strides }
    }

    fn describe(&self) -> DLTensor {
        let array = self.tensor.array();
        let size = array.dtype().size();
        DLTensor {
            data: array.storage().buffer().as_ptr().wrapping_add(array.layout().offset * size).cast(),
            device: DLDevice { device_type: CPU, device_id: 0 },
            ndim: i32::try_from(array.rank()).unwrap_or(0),
            dtype: type_of(array.dtype()),
            shape: self.shape.as_ptr().cast_mut(),
            strides: self.strides.as_ptr().cast_mut(),
            byte_offset: 0,
        }
    }
}

unsafe extern "C" fn delete_legacy(managed: *mut DLManagedTensor) {
    // SAFETY: made by `export` with Box::into_raw, deleted once by whoever consumed it.
    unsafe {
        drop(Box::from_raw((*managed).manager_ctx.cast::<Held>()));
        drop(Box::from_raw(managed));
    }
}

unsafe extern "C" fn delete_versioned(managed: *mut DLManagedTensorVersioned) {
    // SAFETY: made by `export` with Box::into_raw, deleted once by whoever consumed it.
    unsafe {
        drop(Box::from_raw((*managed).manager_ctx.cast::<Held>()));
        drop(Box::from_raw(managed));
    }
}

/// Frees a capsule that nobody consumed: a consumer renames it.
unsafe extern "C" fn drop_capsule(capsule: *mut ffi::PyObject) {
    // SAFETY: called by the interpreter with the capsule that `export` made; under its original name the pointer is
    // still ours.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, VERSIONED.as_ptr()) == 1 {
            delete_versioned(ffi::PyCapsule_GetPointer(capsule, VERSIONED.as_ptr()).cast());
        } else if ffi::PyCapsule_IsValid(capsule, LEGACY.as_ptr()) == 1 {
            delete_legacy(ffi::PyCapsule_GetPointer(capsule, LEGACY.as_ptr()).cast());
        }
    }
}

fn export(py: Python<'_>, tensor: Tensor, versioned: bool, copied: bool) -> PyResult<Bound<'_, PyAny>> {
    let read_only = tensor.array().storage().is_read_only();
    let held = Box::new(Held::new(tensor));
    let dl_tensor = held.describe();
    let manager_ctx = Box::into_raw(held).cast();
    let (pointer, name): (*mut c_void, &CStr) = if versioned {
        let flags = if read_only { FLAG_READ_ONLY } else { 0 } | if copied { FLAG_COPIED } else { 0 };
        let version = DLPackVersion { major: 1, minor: 1 };
        let managed =
            DLManagedTensorVersioned { version, manager_ctx, deleter: Some(delete_versioned), flags, dl_tensor };
        (Box::into_raw(Box::new(managed)).cast(), VERSIONED)
    } else {
        let managed = DLManagedTensor { dl_tensor, manager_ctx, deleter: Some(delete_legacy) };
        (Box::into_raw(Box::new(managed)).cast(), LEGACY)
    };
    // SAFETY: a valid pointer, a static name, a destructor that checks the name.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyCapsule_New(pointer, name.as_ptr(), Some(drop_capsule))) }
}

#[pymethods]
impl PyTensor {
    /// The tensor as a DLPack capsule over the same memory (a copy with ``copy=True``).
    #[pyo3(signature = (*, stream = None, max_version = None, dl_device = None, copy = None))]
    fn __dlpack__<'py>(
        slf: &Bound<'py, Self>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let tensor = slf.get().get();
        if stream.is_some() {
            return Err(PyBufferError::new_err("__dlpack__: a CPU has no streams; stream must be None"));
        }
        if dl_device.is_some_and(|(kind, _)| kind != CPU) {
            return Err(PyBufferError::new_err("__dlpack__: dlcore's tensors are on the CPU"));
        }
        if tensor.requires_grad() {
            return Err(PyBufferError::new_err(
                "__dlpack__: a tensor that requires a gradient does not lend its memory; detach() it",
            ));
        }
        let versioned = max_version.is_some_and(|(major, _)| major >= 1);
        if tensor.array().storage().is_read_only() && !versioned && copy != Some(true) {
            return Err(PyBufferError::new_err(
                "__dlpack__: the tensor's memory is read-only, which the consumer's DLPack version cannot say; copy it",
            ));
        }
        let copied = copy == Some(true);
        let tensor = if copied { enter(py, tensor.numel(), || ops::copy(&tensor))? } else { tensor };
        export(py, tensor, versioned, copied)
    }

    /// ``(1, 0)``: the CPU.
    #[allow(clippy::unused_self, reason = "the protocol's signature")]
    fn __dlpack_device__(&self) -> (i32, i32) {
        (CPU, 0)
    }
}

/// A consumed DLPack structure; deleted when dropped.
enum Managed {
    Legacy(*mut DLManagedTensor),
    Versioned(*mut DLManagedTensorVersioned),
}

// SAFETY: the structure is only read; its deleter may be called from any thread (the specification says so for
// consumers without the interpreter lock, and `drop` takes the lock all the same).
unsafe impl Send for Managed {}
// SAFETY: as above.
unsafe impl Sync for Managed {}

impl Drop for Managed {
    fn drop(&mut self) {
        let delete = || {
            // SAFETY: consumed by renaming the capsule, so this is the only owner; the deleter is called once.
            unsafe {
                match *self {
                    Self::Legacy(managed) => {
                        if let Some(deleter) = (*managed).deleter {
                            deleter(managed);
                        }
                    }
                    Self::Versioned(managed) => {
                        if let Some(deleter) = (*managed).deleter {
                            deleter(managed);
                        }
                    }
                }
            }
        };
        // Producers such as numpy release Python objects in their deleter.
        if Python::try_attach(|_| delete()).is_none() {
            // The interpreter is gone and with it every Python owner: nothing is left to release.
        }
    }
}

fn consume(capsule: &Bound<'_, PyAny>) -> PyResult<Managed> {
    let pointer = capsule.as_ptr();
    // SAFETY: `capsule` is a live object; the names decide what the pointer is.
    unsafe {
        if ffi::PyCapsule_IsValid(pointer, VERSIONED.as_ptr()) == 1 {
            let managed = ffi::PyCapsule_GetPointer(pointer, VERSIONED.as_ptr()).cast::<DLManagedTensorVersioned>();
            if (*managed).version.major > 1 {
                return Err(PyBufferError::new_err(format!(
                    "from_dlpack: DLPack version {} is newer than this library",
                    (*managed).version.major
                )));
            }
            ffi::PyCapsule_SetName(pointer, VERSIONED_USED.as_ptr());
            Ok(Managed::Versioned(managed))
        } else if ffi::PyCapsule_IsValid(pointer, LEGACY.as_ptr()) == 1 {
            let managed = ffi::PyCapsule_GetPointer(pointer, LEGACY.as_ptr()).cast::<DLManagedTensor>();
            ffi::PyCapsule_SetName(pointer, LEGACY_USED.as_ptr());
            Ok(Managed::Legacy(managed))
        } else {
            let _ = PyErr::take(capsule.py());
            // SAFETY: as above; the name of a capsule is a static string.
            let used = ffi::PyCapsule_IsValid(pointer, VERSIONED_USED.as_ptr()) == 1
                || ffi::PyCapsule_IsValid(pointer, LEGACY_USED.as_ptr()) == 1;
            Err(if used {
                PyBufferError::new_err("from_dlpack: the capsule was consumed already; ask for another")
            } else {
                let kind = capsule.get_type().name()?;
                PyTypeError::new_err(format!("from_dlpack: expected an object with __dlpack__, got {kind}"))
            })
        }
    }
}

fn adopt(managed: Managed) -> PyResult<Tensor> {
    let op = "from_dlpack";
    // SAFETY: the producer filled the structure; it lives as long as `managed`.
    let (described, read_only) = unsafe {
        match managed {
            Managed::Legacy(p) => (&(*p).dl_tensor, false),
            Managed::Versioned(p) => (&(*p).dl_tensor, (*p).flags & FLAG_READ_ONLY != 0),
        }
    };
    if described.device.device_type != CPU {
        return Err(PyBufferError::new_err("from_dlpack: the memory is not on the CPU; move it there first"));
    }
    let dtype = DType::ALL.into_iter().find(|&dtype| {
        let want = type_of(dtype);
        (want.code, want.bits, want.lanes) == (described.dtype.code, described.dtype.bits, described.dtype.lanes)
    });
    let dtype = dtype.ok_or_else(|| {
        let DLDataType { code, bits, lanes } = described.dtype;
        to_py(Error::dtype(op, format_args!("no dtype for DLPack code {code}, {bits} bits, {lanes} lanes")))
    })?;
    let rank = usize::try_from(described.ndim).unwrap_or(0);
    if rank > MAX_RANK {
        return Err(to_py(Error::shape(op, format_args!("{rank} dimensions; at most {MAX_RANK} are supported"))));
    }
    // SAFETY: `ndim` entries by the specification; `strides` may be null for row-major memory.
    let (shape, strides) = unsafe { (entries(described.shape, rank), entries(described.strides, rank)) };
    let bad = |_| to_py(Error::value(op, format_args!("shape {shape:?} has a negative extent")));
    let shape: Dims = shape.iter().map(|&n| usize::try_from(n).map_err(bad)).collect::<PyResult<_>>()?;
    numel(op, &shape).map_err(to_py)?;
    let strides: Strides = if strides.len() == rank {
        // One that does not fit is beyond all memory, which the window finds.
        strides.iter().map(|&n| isize::try_from(n).unwrap_or(isize::MAX)).collect()
    } else {
        contiguous_strides(&shape)
    };
    let start = described.data.cast::<u8>().wrapping_add(usize::try_from(described.byte_offset).unwrap_or(0));
    let size = dtype.size();
    if !(start as usize).is_multiple_of(size) {
        return Err(to_py(Error::value(op, "the memory is not aligned to its elements; copy it first")));
    }
    let window = Window::of(op, &shape, &strides, size)?;
    let start = if window.len == 0 { ptr::null_mut() } else { start.wrapping_offset(window.low * size.cast_signed()) };
    // SAFETY: the producer vouches for every element that shape and strides reach, until its deleter is called.
    let buffer = unsafe { Buffer::foreign(start, window.len * size, Box::new(managed)) };
    let layout = Layout { shape, strides, offset: window.low.unsigned_abs() };
    Ok(Array::from_storage(Storage::new(buffer, read_only), dtype, layout).into())
}

/// # Safety
/// `start` is null or points to `len` values.
unsafe fn entries<'a>(start: *const i64, len: usize) -> &'a [i64] {
    if len == 0 || start.is_null() {
        return &[];
    }
    // SAFETY: not null, `len` values by contract.
    unsafe { std::slice::from_raw_parts(start, len) }
}

/// A tensor over the memory of any object with ``__dlpack__`` (torch, JAX, numpy): no copy unless ``copy=True``.
///
/// >>> import numpy as np
/// >>> dlcore.from_dlpack(np.ones(2, dtype=np.float32))
/// tensor([1., 1.])
#[pyfunction]
#[pyo3(signature = (ext_tensor, *, device = None, copy = None))]
fn from_dlpack(
    py: Python<'_>,
    ext_tensor: &Bound<'_, PyAny>,
    device: Option<DeviceArg>,
    copy: Option<bool>,
) -> PyResult<PyTensor> {
    if matches!(device, Some(DeviceArg::Other(_))) {
        return Err(PyBufferError::new_err("from_dlpack: dlcore's tensors are on the CPU"));
    }
    let capsule = if ext_tensor.hasattr("__dlpack__")? {
        let ask = PyDict::new(py);
        ask.set_item("max_version", PyTuple::new(py, [1, 1])?)?;
        match ext_tensor.call_method("__dlpack__", (), Some(&ask)) {
            // Producers older than DLPack 1.0 do not know the argument.
            Err(error) if error.is_instance_of::<PyTypeError>(py) => ext_tensor.call_method0("__dlpack__")?,
            other => other?,
        }
    } else {
        ext_tensor.clone()
    };
    let tensor = adopt(consume(&capsule)?)?;
    if copy == Some(true) {
        return enter(py, tensor.numel(), || ops::copy(&tensor)).map(PyTensor::from);
    }
    Ok(tensor.into())
}

/// Registers the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(from_dlpack, module)?)
}
