//! The `Tensor` class: its handle, attributes and conversions to Python values. Its part in differentiation is in
//! `gradients`, operators are in `functional`, other functions that are methods too in `reductions` and `shaping`, indexing in `index`.

use crate::convert::{Arg, DTypeArg, Ints, PyDType};
use crate::creation;
use crate::device::{DeviceArg, PyDevice};
use crate::display;
use crate::enter::{enter, guarded, to_py};
use crate::memory_format::{self, MemoryFormat};
use dlcore_core::autograd::hooks::Kept;
use dlcore_core::autograd::inplace::{Placing, Replacing, Values, assign, caught_up};
use dlcore_core::autograd::saved::Overwriting;
use dlcore_core::error::Error;
use dlcore_core::layout::Dims;
use dlcore_core::{Array, DType, Layout, Scalar, Tensor, ops};
use dlcore_kernels::memory::Buffer;
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyList, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};
use spin::mutex::SpinMutex;

/// A multi-dimensional array of numbers that can remember how it was computed, so that gradients follow.
///
/// Make tensors with ``dlcore.tensor``, ``dlcore.from_numpy``, ``dlcore.zeros`` and the like. As in PyTorch, the class makes
/// them of sizes, as ``dlcore.empty`` does, and of a sequence of numbers, in the default dtype; with a tensor it shares
/// memory, which subclasses such as ``nn.Parameter`` need: ``Tensor(data, requires_grad=False)``.
///
/// >>> import dlcore
/// >>> dlcore.Tensor(2, 3).shape, dlcore.Tensor([1, 2])
/// ((2, 3), tensor([1., 2.]))
/// >>> x = dlcore.tensor([1.0, 2.0], requires_grad=True)
/// >>> (x * x).sum().backward()
/// >>> x.grad
/// tensor([2., 4.])
#[pyclass(frozen, subclass, weakref, name = "Tensor", module = "dlcore")]
pub struct PyTensor {
    // A handle: in-place operations and `requires_grad_` replace the tensor that it stands for. The lock is held for a few
    // instructions, and by who holds the interpreter's, so that nobody waits for it; every call takes one for each operand.
    tensor: SpinMutex<Tensor>,
}

impl From<Tensor> for PyTensor {
    #[inline]
    fn from(tensor: Tensor) -> Self {
        Self { tensor: SpinMutex::new(tensor) }
    }
}

impl PyTensor {
    /// The tensor that this handle stands for, with all writes to its memory that were recorded.
    #[inline]
    pub fn get(&self) -> Tensor {
        let tensor = self.tensor.lock().clone();
        if tensor.is_behind() { self.catch_up(&tensor) } else { tensor }
    }

    #[cold]
    fn catch_up(&self, behind: &Tensor) -> Tensor {
        let tensor = caught_up(behind);
        self.set(tensor.clone());
        tensor
    }

    /// What `look` sees in the tensor that this handle stands for, which is not shared for it: that costs more than many a
    /// look. It must be quick, run no Python and keep the interpreter's lock. Writes that were recorded may be missing from
    /// the tensor's place in the graph.
    #[inline]
    pub fn glance<R>(&self, look: impl FnOnce(&Tensor) -> R) -> R {
        look(&self.tensor.lock())
    }

    /// As [`PyTensor::glance`], if nothing is to be remembered of what is made of the tensor.
    #[inline]
    pub fn glance_if_plain<R>(&self, look: impl FnOnce(&Tensor) -> Option<R>) -> Option<R> {
        self.glance(|tensor| if tensor.is_plain() && !tensor.is_behind() { look(tensor) } else { None })
    }

    /// Whether the tensor has at least `bytes` bytes, which nobody sees but through this handle.
    pub fn owns_alone(&self, bytes: usize) -> bool {
        let tensor = self.tensor.lock();
        tensor.array().storage().buffer().len() >= bytes && tensor.is_unshared()
    }

    /// Makes this handle stand for another tensor.
    pub fn set(&self, tensor: Tensor) {
        // The earlier one drops after the lock: its owner may run Python code.
        let earlier = std::mem::replace(&mut *self.tensor.lock(), tensor);
        drop(earlier);
    }

    /// `slf` in `dtype` and `format`, where they are given: itself where that changes nothing and `copy` does not ask.
    fn converted<'py>(
        slf: Bound<'py, Self>,
        py: Python<'py>,
        dtype: Option<DType>,
        copy: bool,
        format: Option<MemoryFormat>,
    ) -> PyResult<Bound<'py, Self>> {
        let tensor = slf.get().get();
        let made = match dtype.filter(|&dtype| dtype != tensor.dtype()) {
            Some(dtype) => {
                // A format is brought about by the order in which a copy is written.
                let cast = |x: &Tensor| match format {
                    None => ops::cast(x, dtype),
                    Some(_) => ops::contiguous(&ops::cast(x, dtype)?),
                };
                enter(py, tensor.numel(), || memory_format::written(format, "to", &tensor, cast))?.into()
            }
            None if copy || !memory_format::kept(format, tensor.array().layout()) => slf.get().clone(py, format)?,
            None => return Ok(slf),
        };
        Bound::new(py, made)
    }

    /// Writes `value` in place on behalf of `op`, recorded where it must be.
    pub fn write(&self, op: &'static str, value: &Tensor) -> PyResult<()> {
        let target = self.get();
        if !value.dtype().can_cast(target.dtype()) {
            return Err(to_py(Error::dtype(
                op,
                format_args!("a {} result cannot be written into a {} tensor", value.dtype(), target.dtype()),
            )));
        }
        if let Some(now) = guarded(|| assign(op, &target, value))? {
            self.set(now);
        }
        Ok(())
    }

    /// Writes what `compute` makes of this tensor over it; see [`PyTensor::write`]. What backward needs of it is copied before.
    pub fn overwrite(&self, op: &'static str, compute: impl FnOnce() -> PyResult<Tensor>) -> PyResult<()> {
        let value = {
            let _copying = Overwriting::new(&self.get());
            compute()?
        };
        self.write(op, &value)
    }

    /// As [`PyTensor::overwrite`] where each element becomes what one operation makes of it: in its place if that may be.
    pub fn transform(&self, op: &'static str, compute: impl FnOnce() -> PyResult<Tensor>) -> PyResult<()> {
        self.replaced_by(Values::Numbers, op, compute)
    }

    /// As [`PyTensor::transform`] where each element becomes whether something is true of it, by one comparison.
    pub fn test(&self, op: &'static str, compute: impl FnOnce() -> PyResult<Tensor>) -> PyResult<()> {
        self.replaced_by(Values::Truth, op, compute)
    }

    fn replaced_by(
        &self,
        values: Values,
        op: &'static str,
        compute: impl FnOnce() -> PyResult<Tensor>,
    ) -> PyResult<()> {
        let replacing = Replacing::new(&self.get(), values);
        self.overwrite(op, || {
            let value = compute();
            drop(replacing);
            value
        })
    }

    /// As [`PyTensor::overwrite`] where some elements change and the others stay: in the tensor's own memory if that may be.
    pub fn place(&self, op: &'static str, compute: impl FnOnce() -> PyResult<Tensor>) -> PyResult<()> {
        let _placing = Placing::new(&self.get());
        self.overwrite(op, compute)
    }
}

/// The dimension that `dim` names among `rank`, of which there must be one.
fn dim_of(op: &str, dim: isize, rank: usize) -> PyResult<usize> {
    if rank == 0 {
        return Err(to_py(Error::index(op, "a 0-d tensor has no dimensions")));
    }
    dlcore_core::layout::normalize_dim(op, dim, rank).map_err(to_py)
}

#[pymethods]
#[pyo3(crate = "crate::exchange::keywords")]
impl PyTensor {
    /// Shows the collector of cycles the functions and contexts that this tensor's place in the graph keeps alive, if nothing
    /// else does: a hook may refer to the tensor, or to the module that has it.
    #[allow(clippy::needless_pass_by_value, reason = "what the collector gives")]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut result = Ok(());
        // The collector may come at any time: it waits for nobody.
        if let Some(tensor) = self.tensor.try_lock() {
            tensor.kept(&mut |kept: &Kept| {
                if let (Ok(()), Some(object)) = (&result, kept.downcast_ref::<Py<PyAny>>()) {
                    result = visit.call(object);
                }
            });
        }
        result
    }

    /// Lets go of the graph, which is only reached from itself.
    fn __clear__(&self) {
        let tensor = self.tensor.lock().clone();
        self.set(tensor.detach());
    }

    #[new]
    #[pyo3(signature = (*args, requires_grad = false))]
    fn new(args: &Bound<'_, PyTuple>, requires_grad: bool) -> PyResult<Self> {
        // Subclasses say `requires_grad` by position.
        let flag = args.get_item(1).ok().filter(|_| args.len() == 2);
        let flag = flag.and_then(|flag| flag.extract::<bool>().ok());
        let plain = match flag {
            Some(_) => args.get_item(0)?.extract::<Arg>()?.0.detach(),
            None => creation::constructed(args)?,
        };
        creation::finish(plain, requires_grad || flag == Some(true))
    }

    /// Extents of the dimensions, a tuple of ints.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(2, 3).shape
    /// (2, 3)
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.glance(|tensor| Dims::from_slice(tensor.shape())))
    }

    /// Extents of the dimensions, or of dimension ``dim``.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(2, 3).size(), dlcore.zeros(2, 3).size(-1)
    /// ((2, 3), 3)
    #[pyo3(signature = (dim = None))]
    fn size<'py>(&self, py: Python<'py>, dim: Option<isize>) -> PyResult<Bound<'py, PyAny>> {
        let tensor = self.get();
        let Some(dim) = dim else { return Ok(self.shape(py)?.into_any()) };
        Ok(tensor.shape()[dim_of("size", dim, tensor.rank())?].into_pyobject(py)?.into_any())
    }

    /// Steps between neighbours along each dimension, or along dimension ``dim``, in elements.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.zeros(2, 3)
    /// >>> x.stride(), x.T.stride(), x.stride(0)
    /// ((3, 1), (1, 3), 3)
    #[pyo3(signature = (dim = None))]
    fn stride<'py>(&self, py: Python<'py>, dim: Option<isize>) -> PyResult<Bound<'py, PyAny>> {
        let tensor = self.get();
        let strides = &tensor.array().layout().strides;
        match dim {
            None => Ok(PyTuple::new(py, strides)?.into_any()),
            Some(dim) => Ok(strides[dim_of("stride", dim, tensor.rank())?].into_pyobject(py)?.into_any()),
        }
    }

    /// Where the first element lies in the memory that the tensor views, in elements.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(2, 3)[1].storage_offset()
    /// 3
    fn storage_offset(&self) -> usize {
        self.get().array().layout().offset
    }

    /// Element type.
    ///
    /// >>> import dlcore
    /// >>> dlcore.ones(2).dtype, dlcore.tensor([1]).dtype
    /// (dlcore.float32, dlcore.int64)
    #[getter]
    fn dtype(&self, py: Python<'_>) -> PyResult<Py<PyDType>> {
        PyDType::of(py, self.glance(Tensor::dtype))
    }

    /// Always the CPU.
    ///
    /// >>> import dlcore
    /// >>> dlcore.ones(2).device
    /// device(type='cpu')
    #[getter]
    #[allow(clippy::unused_self, reason = "an attribute of tensors")]
    fn device(&self) -> PyDevice {
        PyDevice
    }

    /// Number of dimensions.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(2, 3).dim(), dlcore.tensor(1.0).ndim
    /// (2, 0)
    #[getter]
    fn ndim(&self) -> usize {
        self.glance(Tensor::rank)
    }

    /// Number of dimensions.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(2, 3).dim(), dlcore.tensor(1.0).ndim
    /// (2, 0)
    fn dim(&self) -> usize {
        self.glance(Tensor::rank)
    }

    /// Number of elements.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(2, 3).numel()
    /// 6
    fn numel(&self) -> usize {
        self.glance(Tensor::numel)
    }

    /// Bytes per element.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(2).element_size(), dlcore.zeros(2, dtype=dlcore.int8).element_size()
    /// (4, 1)
    fn element_size(&self) -> usize {
        self.get().dtype().size()
    }

    /// Address of the first element.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.zeros(4)
    /// >>> x[1:].data_ptr() - x.data_ptr()
    /// 4
    fn data_ptr(&self) -> usize {
        let tensor = self.get();
        let array = tensor.array();
        array.storage().buffer().as_ptr() as usize + array.layout().offset * array.dtype().size()
    }

    /// Whether the elements lie without gaps, row-major or in another ``memory_format``.
    ///
    /// >>> import dlcore
    /// >>> dlcore.zeros(2, 3).is_contiguous(), dlcore.zeros(2, 3).T.is_contiguous()
    /// (True, False)
    #[pyo3(signature = (*, memory_format = None))]
    fn is_contiguous(&self, memory_format: Option<MemoryFormat>) -> bool {
        memory_format::holds(memory_format, self.get().array().layout())
    }

    /// Whether the dtype is a floating-point type.
    ///
    /// >>> import dlcore
    /// >>> dlcore.ones(2).is_floating_point(), dlcore.tensor([1]).is_floating_point()
    /// (True, False)
    fn is_floating_point(&self) -> bool {
        self.get().dtype().is_float()
    }

    /// See ``dlcore.clone``.
    #[pyo3(signature = (*, memory_format = None))]
    pub fn clone(&self, py: Python<'_>, memory_format: Option<MemoryFormat>) -> PyResult<Self> {
        let tensor = self.get();
        let format = Some(memory_format.unwrap_or(MemoryFormat::Preserve));
        enter(py, tensor.numel(), || memory_format::written(format, "clone", &tensor, ops::copy)).map(Self::from)
    }

    /// The same elements without gaps, row-major or in another ``memory_format``: itself where it already is so.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.zeros(2, 3).T
    /// >>> x.is_contiguous(), x.contiguous().is_contiguous()
    /// (False, True)
    #[pyo3(signature = (*, memory_format = None))]
    fn contiguous<'py>(
        slf: Bound<'py, Self>,
        py: Python<'py>,
        memory_format: Option<MemoryFormat>,
    ) -> PyResult<Bound<'py, Self>> {
        if slf.get().is_contiguous(memory_format) {
            return Ok(slf);
        }
        if memory_format == Some(MemoryFormat::Preserve) {
            let what = "preserve_format is no format to be contiguous in; name another";
            return Err(to_py(Error::value("contiguous", what)));
        }
        Bound::new(py, slf.get().clone(py, memory_format.or(Some(MemoryFormat::Contiguous)))?)
    }

    /// Converts to a dtype, or to the dtype of another tensor; itself where nothing changes.
    /// ``device`` may be named ``"cpu"``: there is no other. ``memory_format`` is the order of what is new, and makes it
    /// new where the tensor lies in another.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.tensor([1.5, 2.0])
    /// >>> x.to(dlcore.int64), x.to("cpu") is x
    /// (tensor([1, 2]), True)
    #[pyo3(signature = (*args, dtype = None, device = None, non_blocking = false, copy = false, memory_format = None))]
    fn to<'py>(
        slf: Bound<'py, Self>,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        dtype: Option<DTypeArg>,
        device: Option<DeviceArg>,
        non_blocking: bool,
        copy: bool,
        memory_format: Option<MemoryFormat>,
    ) -> PyResult<Bound<'py, Self>> {
        let _ = non_blocking; // there is no other device to wait for
        let mut dtype = dtype.map(|d| d.0);
        let check = |device: DeviceArg| match device {
            DeviceArg::Cpu => Ok(()),
            DeviceArg::Other(name) => Err(PyRuntimeError::new_err(format!(
                "dlcore computes on the CPU: {name:?} is neither a dtype nor a device here; leave out .to({name:?})"
            ))),
        };
        device.map(check).transpose()?;
        let copy = copy || args.iter().nth(3).is_some_and(|arg| arg.is_truthy().unwrap_or(false));
        for arg in args.iter() {
            if arg.is_instance_of::<PyBool>() || arg.is_none() {
                continue; // non_blocking and copy, by position: copies here are never asynchronous.
            }
            if let Ok(tensor) = arg.cast::<Self>() {
                dtype = Some(tensor.get().get().dtype());
            } else if let Ok(device) = arg.extract::<DeviceArg>() {
                match device {
                    DeviceArg::Other(name) if DType::ALL.iter().any(|d| d.name() == name) => {
                        dtype = Some(arg.extract::<DTypeArg>()?.0);
                    }
                    device => check(device)?,
                }
            } else {
                dtype = Some(arg.extract::<DTypeArg>()?.0);
            }
        }
        Self::converted(slf, py, dtype, copy, memory_format)
    }

    /// This tensor: dlcore computes on the CPU. A copy where it lies in another ``memory_format``.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.ones(2)
    /// >>> x.cpu() is x
    /// True
    #[pyo3(signature = (*, memory_format = None))]
    fn cpu<'py>(
        slf: Bound<'py, Self>,
        py: Python<'py>,
        memory_format: Option<MemoryFormat>,
    ) -> PyResult<Bound<'py, Self>> {
        Self::converted(slf, py, None, false, memory_format)
    }

    /// Not on a CPU: raises with advice.
    ///
    /// >>> import dlcore
    /// >>> x = dlcore.ones(2)
    /// >>> x = x.cuda() if dlcore.cuda.is_available() else x
    /// >>> x.device
    /// device(type='cpu')
    #[allow(clippy::unused_self, reason = "a method of tensors")]
    fn cuda(&self) -> PyResult<()> {
        Err(PyRuntimeError::new_err("dlcore computes on the CPU: leave out .cuda() and .to(\"cuda\")"))
    }

    /// The value of a one-element tensor as a Python number.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([[2.5]]).item()
    /// 2.5
    fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        number(py, self.get().array().item().map_err(to_py)?)
    }

    /// The elements as nested lists of Python numbers.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([[1, 2], [3, 4]]).tolist()
    /// [[1, 2], [3, 4]]
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        /// An object each is more than any memory holds, and the interpreter ends where it cannot have the list.
        const MOST: usize = 1 << 33;
        let tensor = self.get();
        // Of no numbers there are lists all the same.
        let entries = tensor.shape().iter().take_while(|&&extent| extent > 0);
        let entries = entries.fold(1usize, |entries, &extent| entries.saturating_mul(extent));
        if entries > MOST {
            let what = format!("tolist: lists of {entries} entries do not fit into memory");
            return Err(PyMemoryError::new_err(what));
        }
        nested(py, tensor.array(), 0, tensor.array().layout().offset)
    }

    /// Converted to a dtype, or to that of a constructor that is named: ``x.type(dlcore.float64)``,
    /// ``x.type("torch.DoubleTensor")``; without argument the dtype.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([1.5]).type(dlcore.int64), dlcore.tensor([1.5]).type()
    /// (tensor([1]), dlcore.float32)
    #[pyo3(name = "type", signature = (dtype = None, non_blocking = false, *, memory_format = None))]
    fn type_<'py>(
        slf: Bound<'py, Self>,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        non_blocking: bool,
        memory_format: Option<MemoryFormat>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = non_blocking; // there is no other device to wait for
        let Some(mut dtype) = dtype else { return Ok(slf.get().dtype(py)?.into_bound(py).into_any()) };
        if dtype.extract::<&str>().is_ok_and(|name| name.ends_with("Tensor")) {
            dtype = py.import("dlcore.typed")?.call_method1("dtype_of", ("type", dtype))?;
        }
        let dtype = dtype.extract::<DTypeArg>()?.0;
        Ok(Self::converted(slf, py, Some(dtype), false, memory_format)?.into_any())
    }

    /// In the dtype of ``other``.
    ///
    /// >>> import dlcore
    /// >>> dlcore.tensor([1.5]).type_as(dlcore.tensor([1]))
    /// tensor([1])
    fn type_as<'py>(slf: Bound<'py, Self>, py: Python<'py>, other: Arg) -> PyResult<Bound<'py, Self>> {
        Self::converted(slf, py, Some(other.0.dtype()), false, None)
    }

    fn __format__(slf: &Bound<'_, Self>, spec: &Bound<'_, PyAny>) -> PyResult<String> {
        let tensor = slf.get().get();
        if tensor.rank() == 0 {
            return slf.get().item(slf.py())?.call_method1("__format__", (spec,))?.extract();
        }
        if spec.len()? > 0 {
            return Err(PyTypeError::new_err("only a 0-d tensor takes a format; use .item() or .tolist()"));
        }
        enter(slf.py(), 0, || display::repr(&tensor))
    }

    fn __len__(&self) -> PyResult<usize> {
        self.glance(|x| x.shape().first().copied()).ok_or_else(|| PyTypeError::new_err("a 0-d tensor has no length"))
    }

    fn __bool__(&self) -> PyResult<bool> {
        let tensor = self.get();
        if tensor.numel() != 1 {
            return Err(to_py(Error::value(
                "bool",
                format_args!("a tensor of {} elements is neither true nor false; use .any() or .all()", tensor.numel()),
            )));
        }
        Ok(tensor.array().item().map_err(to_py)?.to_f64() != 0.0)
    }

    fn __float__(&self) -> PyResult<f64> {
        Ok(self.get().array().item().map_err(to_py)?.to_f64())
    }

    fn __int__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.item(py)?.call_method0("__int__")
    }

    fn __index__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.get().array().item() {
            // A TypeError also for its shape: `bytes` and others then ask for the buffer.
            Err(_) | Ok(Scalar::Float(_)) => {
                Err(PyTypeError::new_err("only an integer tensor of one element is an index"))
            }
            Ok(scalar) => number(py, scalar)?.call_method0("__int__"),
        }
    }

    /// Tensors compare element by element; as keys they count by identity.
    fn __hash__(slf: &Bound<'_, Self>) -> isize {
        (slf.as_ptr() as isize) >> 4
    }

    /// The same memory, class and place in the graph; a leaf's copy is a leaf of its own.
    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        let tensor = slf.get().get();
        let leaf = tensor.is_leaf() && tensor.requires_grad();
        let copy = rebuild(slf.py(), &slf.get_type(), tensor.array().clone(), leaf)?;
        if !leaf {
            copy.get().set(tensor.alias());
        }
        Ok(copy)
    }

    #[pyo3(signature = (memo))]
    fn __deepcopy__<'py>(slf: &Bound<'py, Self>, memo: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let key = slf.as_ptr() as usize;
        if let Some(done) = memo.get_item(key)? {
            return Ok(done);
        }
        let tensor = slf.get().get();
        if !tensor.is_leaf() {
            return Err(to_py(Error::gradient(
                "deepcopy",
                "only leaves can be copied deeply; detach() the result first",
            )));
        }
        let copy = enter(py, tensor.numel(), || tensor.array().copy("deepcopy"))?;
        let copy = rebuild(py, &slf.get_type(), copy, tensor.requires_grad())?;
        if let Some(grad) = tensor.grad() {
            copy.get().get().set_grad(Some(Tensor::from(grad.array().copy("deepcopy").map_err(to_py)?)));
        }
        memo.set_item(key, &copy)?;
        Ok(copy.into_any())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let tensor = slf.get().get();
        if !tensor.is_leaf() {
            return Err(to_py(Error::gradient("pickle", "only leaves can be pickled; detach() the result first")));
        }
        let array = tensor.array().contiguous("pickle").map_err(to_py)?;
        let size = array.dtype().size();
        let start = array.layout().offset * size;
        let bytes = &array.storage().buffer().as_slice::<u8>()[start..start + array.numel() * size];
        let state = (
            slf.get_type(),
            pyo3::types::PyBytes::new(py, bytes),
            PyDType::of(py, array.dtype())?,
            array.shape().to_vec(),
            tensor.requires_grad(),
        );
        Ok((py.import("dlcore._core")?.getattr("_unpickle")?, state.into_pyobject(py)?))
    }
}

macro_rules! conversions {
    ($($name:ident, $text:literal, $dtype:expr, $doc:literal, $shown:literal;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                #[doc = concat!(
                    $doc, "\n\n>>> import dlcore\n>>> dlcore.tensor([2.5, 0.0]).", $text, "()\ntensor(", $shown, ")"
                )]
                #[pyo3(name = $text, signature = (*, memory_format = None))]
                fn $name<'py>(
                    slf: Bound<'py, Self>, py: Python<'py>, memory_format: Option<MemoryFormat>,
                ) -> PyResult<Bound<'py, Self>> {
                    Self::converted(slf, py, Some($dtype), false, memory_format)
                }
            )*
        }
    };
}

conversions! {
    as_float32, "float", DType::F32, "As float32; itself where it is so.", "[2.5000, 0.0000]";
    as_float16, "half", DType::F16, "As float16; itself where it is so.", "[2.5000, 0.0000], dtype=dlcore.float16";
    as_bfloat16, "bfloat16", DType::BF16, "As bfloat16; itself where it is so.",
        "[2.5000, 0.0000], dtype=dlcore.bfloat16";
    as_float64, "double", DType::F64, "As float64; itself where it is so.", "[2.5000, 0.0000], dtype=dlcore.float64";
    as_int64, "long", DType::I64, "As int64, floats without their fraction; itself where it is so.", "[2, 0]";
    as_int8, "char", DType::I8, "As int8, floats without their fraction; itself where it is so.",
        "[2, 0], dtype=dlcore.int8";
    as_uint8, "byte", DType::U8, "As uint8, floats without their fraction; itself where it is so.",
        "[2, 0], dtype=dlcore.uint8";
    as_int16, "short", DType::I16, "As int16, floats without their fraction; itself where it is so.",
        "[2, 0], dtype=dlcore.int16";
    as_int32, "int", DType::I32, "As int32, floats without their fraction; itself where it is so.",
        "[2, 0], dtype=dlcore.int32";
    as_bool, "bool", DType::Bool, "As bool, true where not zero; itself where it is so.", "[ True, False]";
}

/// A tensor of the Python class `class` over `array`.
fn rebuild<'py>(
    py: Python<'py>,
    class: &Bound<'py, PyType>,
    array: Array,
    requires_grad: bool,
) -> PyResult<Bound<'py, PyTensor>> {
    let plain = Bound::new(py, PyTensor::from(Tensor::from(array)))?;
    if class.is(py.get_type::<PyTensor>()) {
        plain.get().set_requires_grad(requires_grad)?;
        return Ok(plain);
    }
    Ok(class.call1((plain, requires_grad))?.cast_into::<PyTensor>()?)
}

/// What pickle calls to make a tensor again.
#[pyfunction]
fn _unpickle<'py>(
    py: Python<'py>,
    class: &Bound<'py, PyType>,
    bytes: &[u8],
    dtype: &PyDType,
    shape: Ints,
    requires_grad: bool,
) -> PyResult<Bound<'py, PyTensor>> {
    rebuild(py, class, from_bytes("pickle", bytes, dtype.dtype(), &shape.sizes("pickle")?)?, requires_grad)
}

/// A new array of `dtype` and `shape` with the elements in `bytes`, row-major, in this machine's byte order.
pub fn from_bytes(op: &'static str, bytes: &[u8], dtype: DType, shape: &[usize]) -> PyResult<Array> {
    let numel = dlcore_core::layout::numel(op, shape).map_err(to_py)?;
    if numel * dtype.size() != bytes.len() {
        return Err(to_py(Error::value(
            op,
            format_args!("{} bytes for a {dtype} tensor of shape {shape:?}", bytes.len()),
        )));
    }
    guarded(|| {
        let mut buffer = Buffer::try_uninit(bytes.len()).map_err(|cause| Error::Memory(format!("{op}: {cause}")))?;
        buffer.as_mut_slice::<u8>().copy_from_slice(bytes);
        Ok(Array::from_buffer(buffer, dtype, Layout::contiguous(shape)))
    })
}

/// A core scalar as a Python number.
pub fn number(py: Python<'_>, value: Scalar) -> PyResult<Bound<'_, PyAny>> {
    Ok(match value {
        Scalar::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
        Scalar::Int(value) => match i64::try_from(value) {
            Ok(value) => value.into_pyobject(py)?.into_any(),
            Err(_) => value.into_pyobject(py)?.into_any(),
        },
        Scalar::Float(value) => PyFloat::new(py, value).into_any(),
    })
}

fn nested<'py>(py: Python<'py>, array: &Array, dim: usize, at: usize) -> PyResult<Bound<'py, PyAny>> {
    if dim == array.rank() {
        return number(py, array.at(at));
    }
    let (count, stride) = (array.shape()[dim], array.layout().strides[dim]);
    let place = |i: usize| (at.cast_signed() + i.cast_signed() * stride).unsigned_abs();
    // The frequent dtypes once a row, not once a number.
    let list = match array.dtype() {
        DType::F32 if dim + 1 == array.rank() => {
            let data = array.data::<f32>();
            PyList::new(py, (0..count).map(|i| f64::from(data[place(i)])))?
        }
        DType::F64 if dim + 1 == array.rank() => {
            let data = array.data::<f64>();
            PyList::new(py, (0..count).map(|i| data[place(i)]))?
        }
        DType::I64 if dim + 1 == array.rank() => {
            let data = array.data::<i64>();
            PyList::new(py, (0..count).map(|i| data[place(i)]))?
        }
        _ => PyList::new(py, (0..count).map(|i| Entry { array, dim: dim + 1, at: place(i) }))?,
    };
    Ok(list.into_any())
}

/// What [`nested`] makes: as an object of its own, for lists that are made in their whole length.
struct Entry<'a> {
    array: &'a Array,
    dim: usize,
    at: usize,
}

impl<'py> IntoPyObject<'py> for Entry<'_> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        nested(py, self.array, self.dim, self.at)
    }
}

/// Registers the class and the functions of this file.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyTensor>()?;
    module.add_function(wrap_pyfunction!(_unpickle, module)?)?;
    Ok(())
}
