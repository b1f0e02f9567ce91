//! From Python arguments to Rust values: one parser for tensors, numbers, dimensions, shapes and dtypes.

use crate::enter::{DTypeError, to_py};
use crate::tensor::PyTensor;
use dlcore_core::layout::Dims;
use dlcore_core::{Array, DType, Result, Scalar, Tensor};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PySequence, PyString, PyTuple};
use smallvec::SmallVec;

/// A tensor argument.
pub struct Arg(pub Tensor);

impl<'py> FromPyObject<'_, 'py> for Arg {
    type Error = PyErr;

    #[inline]
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.cast::<PyTensor>() {
            Ok(tensor) => Ok(Self(tensor.get().get())),
            Err(_) => Err(not_a_tensor(&object)),
        }
    }
}

/// A tensor argument that a result is a view of.
pub struct Handle<'py>(pub Bound<'py, PyTensor>);

impl<'py> FromPyObject<'_, 'py> for Handle<'py> {
    type Error = PyErr;

    #[inline]
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        object.cast::<PyTensor>().map(|tensor| Self(tensor.to_owned())).map_err(|_| not_a_tensor(&object))
    }
}

#[cold]
fn not_a_tensor(object: &Bound<'_, PyAny>) -> PyErr {
    let kind = object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
    let fix = match kind.as_str() {
        "ndarray" => "; wrap it with dlcore.from_numpy(array)",
        "tuple" => {
            "; recurrent layers and attention give a tuple, of which the output is the first; a tuple of numbers becomes \
             a tensor by dlcore.tensor(...)"
        }
        "list" | "float" | "int" | "bool" => "; wrap it with dlcore.tensor(...)",
        "NoneType" => "; did a function forget to return?",
        _ => "",
    };
    DTypeError::new_err(format!("expected a Tensor, got {kind}{fix}"))
}

/// A tensor, or a Python number that adapts to the tensor it meets.
#[derive(Clone)]
pub enum Operand {
    /// A tensor.
    Tensor(Tensor),
    /// A number.
    Scalar(Scalar),
}

impl<'py> FromPyObject<'_, 'py> for Operand {
    type Error = PyErr;

    #[inline]
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(tensor) = object.cast::<PyTensor>() {
            return Ok(Self::Tensor(tensor.get().get()));
        }
        if let Some(scalar) = scalar(&object)? {
            return Ok(Self::Scalar(scalar));
        }
        ndarray(&object)?.map(Self::Tensor).ok_or_else(|| not_a_tensor(&object))
    }
}

impl From<Arg> for Operand {
    fn from(tensor: Arg) -> Self {
        Self::Tensor(tensor.0)
    }
}

/// The tensor over the memory of `object` where that is an array of numpy, which meets tensors as one of them.
#[cold]
pub fn ndarray(object: &Bound<'_, PyAny>) -> PyResult<Option<Tensor>> {
    let class = object.get_type();
    let is_array = class.name()? == "ndarray" && class.module()? == "numpy";
    if is_array { crate::exchange::buffer::from_buffer("operand", object, false) } else { Ok(None) }
}

impl Operand {
    /// As a tensor that meets `other`: a number takes its dtype as far as its kind allows.
    pub fn against(self, other: &Tensor) -> PyResult<Tensor> {
        self.beside(other).map_err(to_py)
    }

    /// As a tensor that is written into `other`: a number in its dtype, which must hold it.
    pub fn in_dtype(self, other: &Tensor) -> PyResult<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor),
            Self::Scalar(scalar) => {
                if let (Scalar::Float(value), Some(facts)) = (scalar, other.dtype().floats())
                    && value.is_finite()
                    && value.abs() > facts.max
                {
                    let dtype = other.dtype();
                    return Err(PyValueError::new_err(format!("{value} is out of range for {dtype}")));
                }
                scalar_tensor(scalar, other.dtype())
            }
        }
    }

    /// As [`Operand::against`], inside the door.
    pub fn beside(self, other: &Tensor) -> Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor),
            Self::Scalar(scalar) => Ok(Array::full("scalar", &[], scalar, scalar.dtype_with(other.dtype()))?.into()),
        }
    }

    /// As a tensor that keeps all digits of a number.
    pub fn unrounded(self) -> Result<Tensor> {
        match self {
            Self::Tensor(tensor) => Ok(tensor),
            Self::Scalar(scalar) => Ok(Array::full("scalar", &[], scalar, DType::F64)?.into()),
        }
    }

    /// Two operands, of which at least one should be a tensor, as tensors.
    pub fn pair(a: Self, b: Self) -> PyResult<(Tensor, Tensor)> {
        match (a, b) {
            (Self::Tensor(a), b) => {
                let b = b.against(&a)?;
                Ok((a, b))
            }
            (a, Self::Tensor(b)) => {
                let a = a.against(&b)?;
                Ok((a, b))
            }
            (Self::Scalar(a), Self::Scalar(b)) => {
                Ok((scalar_tensor(a, a.default_dtype())?, scalar_tensor(b, b.default_dtype())?))
            }
        }
    }
}

/// A 0-d tensor of `dtype`.
pub fn scalar_tensor(value: Scalar, dtype: DType) -> PyResult<Tensor> {
    Ok(Array::full("scalar", &[], value, dtype).map_err(to_py)?.into())
}

/// The number that `object` is: `bool`, `int`, `float`, numpy's scalars and whatever has `__index__` or `__float__`
/// and no length.
pub fn scalar(object: &Bound<'_, PyAny>) -> PyResult<Option<Scalar>> {
    if object.is_exact_instance_of::<PyFloat>() {
        return Ok(Some(Scalar::Float(object.extract()?)));
    }
    if object.is_instance_of::<PyBool>() {
        return Ok(Some(Scalar::Bool(object.extract()?)));
    }
    if object.is_instance_of::<PyInt>() {
        if let Ok(value) = object.extract::<i64>() {
            return Ok(Some(Scalar::Int(value.into())));
        }
        let value = object.extract::<u64>();
        let value = value.map_err(|_| PyOverflowError::new_err("int too large: no dtype holds it"))?;
        return Ok(Some(Scalar::Int(value.into())));
    }
    if object.is_instance_of::<PyFloat>() {
        return Ok(Some(Scalar::Float(object.extract()?)));
    }
    // numpy's scalars are 0-d: they have `item`; anything with a length is not a number.
    if object.hasattr("shape")?
        && object.getattr("shape")?.len().is_ok_and(|rank| rank == 0)
        && object.hasattr("item")?
    {
        let item = object.call_method0("item")?;
        // Python's own numbers only: whatever else `item` returns may go on like this for ever.
        let is_number = item.is_instance_of::<PyFloat>() || item.is_instance_of::<PyInt>();
        return if is_number { scalar(&item) } else { Ok(None) };
    }
    Ok(None)
}

/// A Python number argument.
#[derive(Clone, Copy)]
pub struct Number(pub Scalar);

impl<'py> FromPyObject<'_, 'py> for Number {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(tensor) = object.cast::<PyTensor>() {
            return Ok(Self(tensor.get().get().array().item().map_err(to_py)?));
        }
        scalar(&object)?
            .map(Self)
            .ok_or_else(|| PyTypeError::new_err(format!("expected a number, got {}", kind(&object))))
    }
}

fn kind(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}

/// One `int` or a sequence of them: `dim=`, sizes, kernel sizes.
#[derive(Clone, Debug)]
pub struct Ints(pub SmallVec<[isize; 6]>);

impl<'py> FromPyObject<'_, 'py> for Ints {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // First what is usual: to ask a tuple for its value as an int makes an exception, which costs more than a view.
        if let Ok(items) = object.cast::<PyTuple>() {
            let int = |at| int_of(items.get_borrowed_item(at)?);
            // A few, each known before it is written: what is changed in memory and then moved is waited for.
            return Ok(Self(match items.len() {
                1 => SmallVec::from_buf_and_len([int(0)?, 0, 0, 0, 0, 0], 1),
                2 => SmallVec::from_buf_and_len([int(0)?, int(1)?, 0, 0, 0, 0], 2),
                3 => SmallVec::from_buf_and_len([int(0)?, int(1)?, int(2)?, 0, 0, 0], 3),
                4 => SmallVec::from_buf_and_len([int(0)?, int(1)?, int(2)?, int(3)?, 0, 0], 4),
                more => (0..more).map(int).collect::<PyResult<_>>()?,
            }));
        }
        if let Ok(value) = object.extract::<isize>() {
            return Ok(Self(SmallVec::from_slice(&[value])));
        }
        if object.is_instance_of::<PyInt>() {
            return Err(PyOverflowError::new_err(format!("{} is too large", *object)));
        }
        let sequence = object.cast::<PySequence>().map_err(|_| {
            PyTypeError::new_err(format!("expected an int or a sequence of ints, got {}", kind(&object)))
        })?;
        sequence.try_iter()?.map(|item| int_of(item?.as_borrowed())).collect::<PyResult<_>>().map(Self)
    }
}

/// One of a sequence of ints.
fn int_of(item: Borrowed<'_, '_, PyAny>) -> PyResult<isize> {
    item.extract().map_err(|_| PyTypeError::new_err(format!("expected a sequence of ints, found {}", kind(&item))))
}

impl Ints {
    /// `*args` of a method that takes either a sequence or separate ints: `view(2, 3)`, `view((2, 3))`.
    pub fn from_args(args: &Bound<'_, PyTuple>) -> PyResult<Self> {
        if args.len() == 1 {
            return args.get_item(0)?.extract();
        }
        args.as_any().extract()
    }

    /// As [`Ints::from_args`], or what the keyword `name` says in their place.
    pub fn given(op: &str, name: &str, args: &Bound<'_, PyTuple>, keyword: Option<Self>) -> PyResult<Self> {
        match keyword {
            None => Self::from_args(args),
            Some(ints) if args.is_empty() => Ok(ints),
            Some(_) => Err(PyTypeError::new_err(format!("{op}() got multiple values for argument '{name}'"))),
        }
    }

    /// As extents.
    pub fn sizes(&self, op: &str) -> PyResult<Dims> {
        self.0
            .iter()
            .map(|&n| {
                usize::try_from(n)
                    .map_err(|_| PyValueError::new_err(format!("{op}: sizes must not be negative, got {n}")))
            })
            .collect()
    }

    /// As one value for height and one for width: a single number stands for both.
    pub fn pair(&self, op: &str, name: &str) -> PyResult<[usize; 2]> {
        let sizes = self.each(op, name, 2)?;
        Ok([sizes[0], sizes[1]])
    }

    /// As one value for each of `count` dimensions: a single number stands for all.
    pub fn each(&self, op: &str, name: &str, count: usize) -> PyResult<Dims> {
        let sizes = self.sizes(op)?;
        match sizes.len() {
            1 => Ok(SmallVec::from_elem(sizes[0], count)),
            found if found == count => Ok(sizes),
            found => {
                let many = ["one int", "one or two ints", "one or three ints"][count.clamp(1, 3) - 1];
                Err(PyValueError::new_err(format!("{op}: {name} takes {many}, got {found}")))
            }
        }
    }
}

/// A dtype argument: `dlcore.float32`, `"float32"`, or what Python's `float`, `int` and `bool` are: float64, int64, bool.
#[derive(Clone, Copy)]
pub struct DTypeArg(pub DType);

impl<'py> FromPyObject<'_, 'py> for DTypeArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(dtype) = object.cast::<PyDType>() {
            return Ok(Self(dtype.get().0));
        }
        let named = |name: &str| DType::ALL.into_iter().find(|dtype| dtype.name() == name);
        let py = object.py();
        let found = if object.is(py.get_type::<PyFloat>()) {
            Some(DType::F64)
        } else if object.is(py.get_type::<PyBool>()) {
            Some(DType::Bool)
        } else if object.is(py.get_type::<PyInt>()) {
            Some(DType::I64)
        } else if let Ok(text) = object.cast::<PyString>() {
            named(&text.to_string_lossy())
        } else {
            // numpy's dtypes and scalar types carry their name.
            let name = object.getattr("name").or_else(|_| object.getattr("__name__")).ok();
            name.and_then(|name| name.extract::<String>().ok()).and_then(|name| named(&name))
        };
        found.map(Self).ok_or_else(|| {
            DTypeError::new_err(format!(
                "{} is not a dtype of dlcore; there are {}",
                object.str().map_or_else(|_| "this".to_owned(), |text| text.to_string()),
                DType::ALL.map(DType::name).join(", ")
            ))
        })
    }
}

/// An element type, such as ``dlcore.float32``.
///
/// >>> import dlcore
/// >>> dlcore.float32, dlcore.float32.itemsize, dlcore.float32.is_floating_point
/// (dlcore.float32, 4, True)
#[pyclass(frozen, name = "dtype", module = "dlcore")]
pub struct PyDType(DType);

impl PyDType {
    /// The object that stands for `dtype`: there is one for each, so that programs may compare them by `is`.
    pub fn of(py: Python<'_>, dtype: DType) -> PyResult<Py<Self>> {
        static OBJECTS: [PyOnceLock<Py<PyDType>>; DType::ALL.len()] = [const { PyOnceLock::new() }; DType::ALL.len()];
        OBJECTS[dtype as usize].get_or_try_init(py, || Py::new(py, Self(dtype))).map(|object| object.clone_ref(py))
    }

    /// The element type that it stands for.
    pub fn dtype(&self) -> DType {
        self.0
    }
}

#[pymethods]
impl PyDType {
    #[new]
    fn new(py: Python<'_>, dtype: DTypeArg) -> PyResult<Py<Self>> {
        Self::of(py, dtype.0)
    }

    /// Whether this is a floating-point type.
    #[getter]
    fn is_floating_point(&self) -> bool {
        self.0.is_float()
    }

    /// Whether this is a type of complex numbers: none is.
    #[getter]
    #[allow(clippy::unused_self, reason = "an attribute of dtypes")]
    fn is_complex(&self) -> bool {
        false
    }

    /// Whether there are negative numbers of this type.
    #[getter]
    fn is_signed(&self) -> bool {
        self.0.is_float() || matches!(self.0, DType::I8 | DType::I16 | DType::I32 | DType::I64)
    }

    /// Bytes per element.
    #[getter]
    fn itemsize(&self) -> usize {
        self.0.size()
    }

    fn __repr__(&self) -> String {
        format!("dlcore.{}", self.0.name())
    }

    /// By its name in the package: a copy is the object itself.
    fn __reduce__(&self) -> &'static str {
        self.0.name()
    }
}

/// Python values of a list or tuple, for functions over several tensors.
pub fn tensors(sequence: &Bound<'_, PyAny>) -> PyResult<Vec<Tensor>> {
    if let Ok(list) = sequence.cast::<PyList>() {
        return list.iter().map(|item| item.extract::<Arg>().map(|arg| arg.0)).collect();
    }
    sequence.try_iter()?.map(|item| item?.extract::<Arg>().map(|arg| arg.0)).collect()
}

/// Registers the dtypes.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyDType>()?;
    for dtype in DType::ALL {
        module.add(dtype.name(), PyDType::of(module.py(), dtype)?)?;
    }
    module.add("float", module.getattr("float32")?)?;
    module.add("double", module.getattr("float64")?)?;
    module.add("half", module.getattr("float16")?)?;
    module.add("long", module.getattr("int64")?)?;
    module.add("short", module.getattr("int16")?)?;
    module.add("int", module.getattr("int32")?)
}
